"""``essgraph mcp``: the graph as tools for assistants, over the Model Context Protocol.

Each tool answers from the data alone and names its passages, so that what an assistant repeats
can be checked. Queries run under the limits of the service; errors come back in full.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Final, Literal, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from essgraph import catalog, formats, names
from essgraph.catalog import Question, by_subject
from essgraph.engine import Dataset
from essgraph.errors import EssgraphError, LimitExceeded, QueryError, SyntaxFault, Text, UnknownName
from essgraph.query import inspect
from essgraph.search import Entity, Index, Kind, fold
from essgraph.service import asking, claims, finding, supports
from essgraph.service.live import Live

Language = Literal["fr", "en"]
#: Rows that an answer gives at most, unless asked for more.
ROWS: Final = 50
MOST_ROWS: Final = 500
#: Where no answer has a row any more, and the engine still counts to.
_FARTHEST: Final = 2**31 - 1

_P = ParamSpec("_P")
_T = TypeVar("_T")

INSTRUCTIONS: Final = """\
A knowledge graph of the social and solidarity economy, mapped by hand from five French texts. Every
fact names the passage that states it. Say nothing of these texts that a tool has not answered: use
check_claim before you assert something, give the passages, and say so where the sources are silent.
"""


def _told(tool: Callable[_P, Awaitable[_T]]) -> Callable[_P, Awaitable[_T]]:
    """The tool, with an error of ours told to the assistant in full."""

    @wraps(tool)
    async def answer(*arguments: _P.args, **named: _P.kwargs) -> _T:
        try:
            return await tool(*arguments, **named)
        except EssgraphError as error:
            said = error.text.in_language(str(named.get("language", "en")))
            at = error.at if isinstance(error, QueryError | SyntaxFault) else None
            place = f"line {at.line}, column {at.column}: " if at else ""
            limit = (
                f" (limit: {error.limit} {error.value})" if isinstance(error, LimitExceeded) else ""
            )
            raise ToolError(f"{place}{said}{limit}") from error

    return answer


def create_server(live: Live, version: str = "") -> MCPServer:
    """The server over the version of the data in service; it starts and stops the workers."""

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        await live.start()
        try:
            yield None
        finally:
            await live.stop()

    server: MCPServer = MCPServer(
        "essgraph", instructions=INSTRUCTIONS, version=version, lifespan=lifespan
    )
    tools = _Tools(live)
    for tool in (
        tools.search,
        tools.describe_entity,
        tools.list_questions,
        tools.run_question,
        tools.sparql,
        tools.check_claim,
    ):
        server.tool()(_told(tool))
    return server


class _Tools:
    def __init__(self, live: Live) -> None:
        self._live = live

    async def search(
        self, text: str, kind: str = "", language: Language = "en", limit: int = 10
    ) -> dict[str, Any]:
        """Find entities, documents, passages and questions by name or summary, in French or
        English; accents, case and typing errors do not matter. `kind` is City, Network, Event …"""
        served = self._live.now

        def reading(index: Index) -> dict[str, Any]:
            kinds = [_kind(index, kind).name] if kind else []
            most = max(1, min(limit, 50))
            found = index.search(text, language=language, kinds=kinds, limit=most)
            return {
                "total": found.total,
                "kinds": found.kinds,
                "results": [
                    {
                        "id": names.shorten(hit.entity.iri),
                        "label": hit.entity.label(language),
                        "kind": hit.entity.kind,
                        "about": hit.entity.about(language),
                        "score": hit.score,
                    }
                    for hit in found.hits
                ],
            }

        return await finding.consult(served, reading)

    async def describe_entity(self, entity: str, language: Language = "en") -> dict[str, Any]:
        """All that is stated of an entity, given by name, identifier (id:bamako) or IRI: each
        statement with the passages that make it, both ways."""
        served = self._live.now
        it = await claims.resolve(served, entity, language)
        rows = await claims.rows(
            served,
            f"""SELECT ?way ?p ?pLabel ?x ?xLabel ?passage {{
  {{ BIND (<{it.iri}> AS ?s) ?s ?p ?o BIND ("out" AS ?way) BIND (?o AS ?x) }} UNION
  {{ BIND (<{it.iri}> AS ?o) ?s ?p ?o BIND ("in" AS ?way) BIND (?s AS ?x) }}
  OPTIONAL {{ GRAPH ?passage {{ ?s ?p ?o }} ?passage a ess:Passage }}
  OPTIONAL {{ ?p rdfs:label ?pLabel FILTER (LANG(?pLabel) = "{language}") }}
  OPTIONAL {{ ?x rdfs:label ?xLabel FILTER (LANG(?xLabel) = "{language}") }}
  FILTER (?p != rdfs:label && ?p != <{names.RDF}type>)
  FILTER EXISTS {{ GRAPH ?g {{ ?s ?p ?o }} FILTER (?g != <{names.ENTAILED}>) }}
  FILTER (!ISLITERAL(?x) || LANG(?x) = "" || LANG(?x) = "{language}")
}} ORDER BY DESC(?way) ?p ?x ?passage LIMIT 1000""",
        )
        facts: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in rows:
            key = row["way"]["value"], row["p"]["value"], row["x"]["value"]
            fact = facts.setdefault(
                key,
                {
                    "property": names.shorten(row["p"]["value"]),
                    "value": names.shorten(row["x"]["value"])
                    if row["x"]["type"] == "uri"
                    else row["x"]["value"],
                    **({"called": row["pLabel"]["value"]} if "pLabel" in row else {}),
                    **({"label": row["xLabel"]["value"]} if "xLabel" in row else {}),
                    "passages": [],
                },
            )
            if "passage" in row:
                fact["passages"].append(names.shorten(row["passage"]["value"]))
        return {
            "id": names.shorten(it.iri),
            "iri": it.iri,
            "label": it.label(language),
            "kind": it.kind,
            "about": it.about(language),
            "statements": [fact for (way, *_), fact in facts.items() if way == "out"],
            "incoming": [fact for (way, *_), fact in facts.items() if way == "in"],
        }

    async def list_questions(self, about: str = "", language: Language = "en") -> dict[str, Any]:
        """The library of tested questions, with their parameters; `about` narrows it by a word of
        the title, description, keywords or subject."""
        questions = asking.questions(self._live.now).values()
        wanted = fold(about).split()
        return {
            "questions": [
                {
                    "name": question.name,
                    "subject": words.in_language(language),
                    "title": question.title.in_language(language),
                    "description": question.description.in_language(language),
                    "parameters": {
                        parameter.name: f"{parameter.type}: "
                        f"{parameter.description.in_language(language)} "
                        f"(default {parameter.value})"
                        for parameter in question.parameters
                        if parameter.name != "lang"
                    },
                }
                for _, words, grouped in by_subject(questions)
                for question in grouped
                if all(word in fold(" ".join((*words, _told_of(question)))) for word in wanted)
            ]
        }

    async def run_question(
        self,
        name: str,
        parameters: dict[str, str] | None = None,
        language: Language = "en",
        limit: int = ROWS,
        offset: int = 0,
    ) -> dict[str, Any]:
        """The answer to a question of the library, each row with the passages that support it."""
        served = self._live.now
        question = catalog.find(asking.questions(served), name, "list_questions")
        it = await asking.asked(served, question, dict(parameters or {}), language)
        limit, offset = max(1, min(limit, MOST_ROWS)), max(0, min(offset, _FARTHEST))
        found = await supports.of(it, inspect(f"{it.text}\nLIMIT {limit}\nOFFSET {offset}"))
        rows = [
            {
                **{name: _value(term) for name, term in row.items()},
                "passages": [names.shorten(passage) for passage in passages],
            }
            for row, passages in zip(found.rows, found.passages, strict=True)
        ]
        return {
            "title": it.question.title.in_language(language),
            "rows": rows,
            "more": len(rows) == limit,
            "passages": {
                names.shorten(iri): detail.get("summary", "")
                for iri, detail in found.details.items()
            },
            "notes": list(found.notes),
        }

    async def sparql(self, query: str, limit: int = ROWS) -> dict[str, Any]:
        """A SPARQL 1.1 query (SELECT, ASK, CONSTRUCT or DESCRIBE), read-only and under limits of
        time and size. The facts of a passage stand in the graph named by the passage."""
        asked = inspect(query)
        form = formats.JSON if asked.form in ("SELECT", "ASK") else formats.TURTLE
        answer = (await self._live.now.answers.ask(asked, Dataset(), {}, form)).answer
        if answer.spool is not None:
            raise LimitExceeded(
                Text(
                    "la réponse est trop grande : ajoutez LIMIT",
                    "the answer is too large: add LIMIT",
                ),
                limit="result",
                value=f"{answer.size} B",
            )
        if form is formats.TURTLE:
            return {"turtle": answer.body.decode()}
        found = json.loads(answer.body)
        if "boolean" in found:
            return {"boolean": found["boolean"]}
        bindings = found["results"]["bindings"]
        kept = bindings[: max(1, min(limit, MOST_ROWS))]
        return {
            "columns": found["head"]["vars"],
            "rows": [{name: _value(term) for name, term in row.items()} for row in kept],
            "total": len(bindings),
        }

    async def check_claim(
        self,
        subject: str,
        property: str,
        object: str = "",
        text: str = "",
        language: Language = "en",
    ) -> dict[str, Any]:
        """Whether the sources bear out a claim: `supported`, `contradicted` or `not in the
        sources`, with passages. Give the subject and the property by name or identifier, and
        either an object (an entity or, for "is a", a class) or a text (a date, number, name)."""
        served = self._live.now
        if bool(object) == bool(text):
            raise QueryError(
                Text("donnez object ou text, et un seul des deux", "give either object or text")
            )
        prop = await claims.property_of(served, property)
        try:
            it = await claims.resolve(served, subject, language)
        except UnknownName as error:
            return {"verdict": claims.ABSENT, "reason": error.text.in_language(language)}
        target: Entity | str | None = text
        if object and prop == names.RDF + "type":
            target = await finding.consult(served, lambda index: _kind(index, object).iri)
        elif object:
            try:
                target = await claims.resolve(served, object, language)
            except UnknownName:
                target = None
        verdict = await claims.check(served, it, prop, target)
        said = target.label(language) if isinstance(target, Entity) else target or object
        return {
            "verdict": verdict.verdict,
            "reason": verdict.reason.in_language(language),
            "claim": {
                "subject": names.shorten(it.iri),
                "property": names.shorten(prop),
                "object": names.shorten(target.iri) if isinstance(target, Entity) else said,
            },
            "stated": [_short(term) for term in verdict.instead],
            "passages": await claims.tell(served, verdict.passages, language),
        }


def _kind(index: Index, name: str) -> Kind:
    """The kind of that name, in either language, or identifier. Raises UnknownName."""
    wanted = fold(name)
    for kind in index.kinds.values():
        called = (kind.name, kind.fr, kind.en, names.shorten(kind.iri), kind.iri)
        if wanted in (fold(own) for own in called):
            return kind
    known = ", ".join(index.kinds)
    raise UnknownName(
        Text(
            f"aucun genre ne s'appelle « {name[:80]} » (il y a : {known})",
            f'no kind is named "{name[:80]}" (there are: {known})',
        )
    )


def _told_of(question: Question) -> str:
    return " ".join((question.name, *question.title, *question.description, *question.keywords))


def _value(term: dict[str, str] | Any) -> str:
    return names.shorten(term["value"]) if term["type"] == "uri" else str(term["value"])


def _short(term: str) -> str:
    if term.startswith("<"):
        return names.shorten(term[1:-1])
    return term[1:].rpartition('"')[0]
