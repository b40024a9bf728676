"""``/sparql`` for browsers: the editor, and the outcome of the query in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.catalog import Question, by_subject
from essgraph.errors import Text
from essgraph.search import fold
from essgraph.service import sparql
from essgraph.service.live import Served
from essgraph.service.pages import frame, outcome
from essgraph.service.pages.frame import View
from essgraph.service.pages.rows import select
from essgraph.service.problems import require

#: What the editor shows first: a comment and a language go in.
_FIRST: Final = """PREFIX ess: <https://w3id.org/essgraph/ontology#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

# %s
SELECT ?event ?label ?place WHERE {
  ?event a ess:Event ; rdfs:label ?label .
  FILTER (LANG(?label) = "%s")
  OPTIONAL { ?event ess:locatedIn ?place }
}
ORDER BY ?label
LIMIT 100"""
_EVENTS: Final = Text(
    "Les événements, et le lieu de chacun s'il est connu",
    "The events, and the place of each if it is known",
)
TERMS: Final = """
SELECT ?term ?kind ?label WHERE {
  GRAPH graph:ontology {
    VALUES (?type ?kind) {
      (owl:Class "class") (owl:ObjectProperty "property") (owl:DatatypeProperty "property")
      (owl:AnnotationProperty "property")
    }
    ?term a ?type .
    OPTIONAL { ?term rdfs:label ?label }
  }
}"""


def in_language(question: Question, language: str) -> str:
    """The query of a question, with labels in that language where it has a choice."""
    return question.ask({"lang": language} if question.speaks else {})


async def page(
    request: Request, served: Served, questions: Mapping[str, Question], query: str | None
) -> Response:
    """The editor with a query (None: a first one, not run) and its outcome."""
    v = frame.view(request)
    view = frame.choice(request, "view", outcome.VIEWS, "table")
    gained = await outcome.ask(served, query, view, v) if query else None
    context = {
        "query": query or _FIRST % (v.say(*_EVENTS), v.language),
        "outcome": gained,
        "subjects": by_subject(
            sorted(questions.values(), key=lambda q: fold(q.title.in_language(v.language)))
        ),
        "in_language": in_language,
        "settings": await _settings(served, v),
    }
    status = gained.fault.status if gained and gained.fault else 200
    return frame.html(request, served, "sparql.html", v, context, status)


async def fragment(request: Request, served: Served) -> Response:
    """``/view``: the outcome alone, for the editor's script. Takes ``query`` and ``view``."""
    v = frame.view(request)
    given = await sparql.parameters_of(request.scope, request.receive)
    query, view = (given.get(name, [""])[0] for name in ("query", "view"))
    view = view or "table"
    require("view", view, outcome.VIEWS)
    gained = await outcome.ask(served, query, view, v)
    body = frame.render("fragment.html", v, {"outcome": gained}, served.snapshot.version)
    return frame.respond(request, v, body)


async def _settings(served: Served, v: View) -> dict[str, Any]:
    """What the editor's script knows of our vocabulary."""
    terms: dict[str, dict[str, str]] = {}
    for row in await select(served, TERMS):
        iri = row["term"].value
        entry = terms.setdefault(iri, {"iri": iri, "kind": row["kind"].value, "label": ""})
        label = row.get("label")
        if label is not None and (label.language == v.language or not entry["label"]):
            entry["label"] = label.value
    listed = [terms[iri] | {"short": names.shorten(iri)} for iri in sorted(terms)]
    return {"prefixes": names.PREFIXES, "terms": listed}
