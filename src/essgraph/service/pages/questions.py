"""``/queries`` and ``/queries/{name}``: the question library, each question with its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from essgraph import mention, names
from essgraph.catalog import SUBJECTS, Parameter, Question, by_subject
from essgraph.engine import CLIENT
from essgraph.errors import QueryError
from essgraph.query import inspect
from essgraph.search import fold
from essgraph.service import asking, supports, versions
from essgraph.service.asking import Asked, Page
from essgraph.service.links import link
from essgraph.service.live import Live, Served
from essgraph.service.pages import frame, outcome
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Term, row

#: Parameters of the page itself, not of the question.
_OURS: Final = {"view", *asking.COMMON}
#: Rows of a difference that are shown.
_SHOWN: Final = 50


async def listing(request: Request, served: Served) -> Response:
    """All questions in plain words, under their subjects."""
    v = frame.view(request)
    questions = asking.questions(served).values()
    ordered = sorted(questions, key=lambda q: fold(q.title.in_language(v.language)))
    return frame.html(request, served, "queries.html", v, {"subjects": by_subject(ordered)})


def value_of(parameter: Parameter, given: str | None, v: View) -> str:
    """What the form shows: as given, else the default, with its prefix or without quotes."""
    if given is not None:
        return given
    if parameter.name == "lang":
        return v.language
    return parameter.value.strip("<>")


def _redirect(request: Request, values: Mapping[str, str]) -> Response:
    """To the same page with these values: an address names things, not what they are called."""
    pairs = [(key, values.get(key, value)) for key, value in request.query_params.multi_items()]
    location = f"{request.url.path}?{urlencode(pairs)}"
    return Response(None, 303, {"Location": location, "Cache-Control": "no-store"})


async def _entities(
    served: Served, question: Question, values: Mapping[str, str], about: About | None
) -> Names:
    """What the things are called that a form names, and the documents of the evidence."""
    iris = [mention.iri(values[p.name]) for p in question.parameters if p.type == "iri"]
    if about and about.evidence:
        iris += {passage["document"] for passage in about.evidence.details.values()}
    return await outcome.labels(served, [{"named": Term(iri, iri=True)} for iri in iris])


@dataclass(frozen=True)
class Cited:
    """What became of an answer that was asked for by its version.

    ``difference`` is None where that version is the one in service, or gone with its answer the
    same today; ``today`` is the address of the answer in service, ``changes`` of what has changed.
    """

    version: str
    built: str
    kept: bool
    today: str
    changes: str
    difference: versions.Difference | None = None

    def shown(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Rows in a few words, not all of them."""
        return [
            " · ".join(
                str(term["value"]).removeprefix(names.BASE) if isinstance(term, dict) else str(term)
                for term in row.values()
            )
            for row in rows[:_SHOWN]
        ]


async def _cited(live: Live, it: Asked, version: str, *, kept: bool) -> Cited:
    """For the page about an answer that names its version."""
    question = asking.questions(live.now).get(it.question.name, it.question)
    now = replace(it, served=live.now, question=question)
    difference = None
    if kept and it.served is not live.now:
        difference = await versions.difference(it.served, now)
    days = {known: versions.built(made) for known, made in live.kept()}
    built = next((day for known, day in days.items() if known.startswith(version)), "")
    return Cited(version, built, kept, now.path(), await versions.history(it, version), difference)


@dataclass(frozen=True)
class About:
    """What the page says of an answer: its permanent address, the pages beside it, what became of
    it since it was cited, and the passages that support it where they are wanted."""

    permanent: str
    neighbours: Mapping[str, str]
    cited: Cited | None
    evidence: supports.Supported | None

    @property
    def local(self) -> str:
        """The path of the permanent address."""
        return self.permanent.replace(names.BASE, "/", 1)

    @property
    def links(self) -> list[str]:
        """Links of the page (RFC 8288)."""
        found = [link(self.permanent, "cite-as")]
        if self.cited:
            found.append(link(self.cited.changes, "version-history"))
            found.append(link(self.cited.today, "latest-version"))
        return found


async def page(request: Request, live: Live, name: str, url: str) -> Response:
    """A question: its form, its answer, its query; of the version in service, or of the one named.

    ``url`` is where the service is found.

    Raises UnknownName, and HttpProblem (410) for a cited answer that is gone.
    """
    v = frame.view(request)
    version, digest = (request.query_params.get(key) for key in ("version", "answer"))
    found = await versions.at(live, version, digest)
    served = found or live.now
    question = asking.question(served, name)
    given = _given(request, question, v)
    paging = _present(request, "limit", "offset")
    view = frame.choice(request, "view", outcome.VIEWS, "table")
    with_evidence = frame.choice(request, "evidence", ("0", "1"), "0") == "1"
    about = None
    try:
        values = await asking.meant(served, question, given)
        if values != given:
            return _redirect(request, values)
        query = question.ask(given)
        part = Page.of(dict(paging), question)
        own = {key: value for key, value in given.items() if key != "lang"}
        it = await asking.asked(served, question, own, v.language, CLIENT.get())
        shown = part.of_query(query)
        gained = await outcome.ask(served, shown, view, v)
    except QueryError as error:
        query = question.query
        gained = outcome.Outcome(query, fault=outcome.Fault(error.text.in_language(v.language)))
    if not gained.fault:
        if version is not None and found is None:
            await versions.require_unchanged(it, version, str(digest))
        about = About(
            await it.permanent(),
            await _neighbours(it, part, version),
            await _cited(live, it, version, kept=found is not None) if version else None,
            await supports.of(it, inspect(shown)) if with_evidence else None,
        )
    # What the answer's address is, with the version where one was named: other formats, evidence.
    asked = urlencode(given | _present(request, "version", "answer") | paging)
    shown_values = {p.name: value_of(p, given.get(p.name), v) for p in question.parameters}
    context = {
        "question": question,
        "subject": SUBJECTS.get(question.subject),
        "values": shown_values,
        "entities": await _entities(served, question, shown_values, about),
        "iri_of": mention.iri,
        "outcome": gained,
        "headings": {
            name: frame.sentence(v.typo(words.in_language(v.language)))
            for name in (gained.table.variables if gained.table else ())
            if (words := question.heading(name))
        },
        "about": about,
        "solutions": [*map(row, about.evidence.rows)] if about and about.evidence else (),
        "query": query,
        "address": f"/queries/{name}" + (f"?{asked}" if asked else ""),
        "url": url,
        "iri": names.QUERY + name,
    }
    status = gained.fault.status if gained.fault else 200
    response = frame.html(request, served, "query.html", v, context, status)
    for each in about.links if about else ():
        response.headers.append("Link", each)
    return response


def _given(request: Request, question: Question, v: View) -> dict[str, str]:
    """The values of the question's parameters; ``lang`` is both the language of the page and,
    where the question has it, of its labels."""
    given = {
        key: value for key, value in request.query_params.items() if value and key not in _OURS
    }
    if question.speaks:
        given["lang"] = request.query_params.get("lang") or v.language
    return given


def _present(request: Request, *keys: str) -> dict[str, str]:
    """Those parameters that have a value."""
    return {key: value for key in keys if (value := request.query_params.get(key))}


async def _neighbours(it: Asked, part: Page, version: str | None) -> dict[str, str]:
    """The addresses of the pages before and after, by relation."""
    named = {"version": version} if version else {}
    beside = await part.neighbours(it)
    return {relation: it.path(more | named) for relation, more in beside.items()}
