"""``essgraph mcp``: the graph as tools for assistants, over the Model Context Protocol.

Each tool answers from the data alone and names its passages, so that what an assistant repeats
can be checked. Queries run under the limits of the service; errors come back in full.

The server speaks the language of whoever started it, as all commands do: it has one client, and
what it says of itself is read in each conversation, by the assistant, and by the person who allows
a tool to be called. An answer may be asked for in the other language.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Annotated, Any, Final, Literal, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from essgraph import catalog, formats, names
from essgraph.catalog import Parameter, Question, by_subject
from essgraph.engine import Dataset
from essgraph.errors import (
    EssgraphError,
    LimitExceeded,
    Position,
    QueryError,
    SyntaxFault,
    Text,
    UnknownName,
)
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

_INSTRUCTIONS: Final = Text(
    "Un graphe de connaissances de l'économie sociale et solidaire, relevé à la main dans cinq "
    "textes en français. Chaque fait nomme le passage qui l'énonce. Ne dites rien de ces textes "
    "qu'un outil n'ait répondu : appelez check_claim avant d'affirmer quelque chose, donnez les "
    "passages, et dites quand les sources se taisent.",
    "A knowledge graph of the social and solidarity economy, mapped by hand from five French "
    "texts. Every fact names the passage that states it. Say nothing of these texts that a tool "
    "has not answered: use check_claim before you assert something, give the passages, and say so "
    "where the sources are silent.",
)
_LANGUAGE: Final = Text(
    "Langue de la réponse : celle de la personne à qui vous parlez",
    "Language of the answer: that of the person you speak to",
)

Tool = Callable[..., Awaitable[dict[str, Any]]]
_Told = TypeVar("_Told", bound=Tool)


@dataclass(frozen=True)
class _Said:
    """What is said of a tool: what it is called, what it does, and what each argument is."""

    title: Text
    does: Text
    arguments: Mapping[str, Text]


#: By the name of the tool, in the order in which they are listed.
_SAID: Final[dict[str, _Said]] = {}


def _tool(title: Text, does: Text, **arguments: Text) -> Callable[[_Told], _Told]:
    """Says of a tool what assistants and people read of it."""

    def say(tool: _Told) -> _Told:
        _SAID[tool.__name__] = _Said(title, does, {**arguments, "language": _LANGUAGE})
        return tool

    return say


def _spoken(tool: Tool, said: _Said, language: str) -> Tool:
    """The tool as an assistant calls it: its arguments are described, it answers in ``language``
    unless another is asked for, and an error of ours is told in full."""
    declared = signature(tool, eval_str=True)

    @wraps(tool)
    async def answer(**arguments: Any) -> dict[str, Any]:
        try:
            return await tool(**arguments)
        except EssgraphError as error:
            at = error.at if isinstance(error, QueryError | SyntaxFault) else None
            text = error.text if at is None else _placed(error.text, at)
            raise ToolError(text.in_language(arguments.get("language", language))) from error

    answer.__signature__ = declared.replace(  # type: ignore[attr-defined]
        parameters=[
            one.replace(
                annotation=Annotated[
                    one.annotation, Field(description=said.arguments[name].in_language(language))
                ],
                default=language if name == "language" else one.default,
            )
            for name, one in declared.parameters.items()
        ]
    )
    return answer


def _placed(text: Text, at: Position) -> Text:
    return Text(
        f"ligne {at.line}, colonne {at.column} : {text.fr}",
        f"line {at.line}, column {at.column}: {text.en}",
    )


def create_server(live: Live, language: str, version: str = "") -> MCPServer:
    """The server over the version of the data in service, in ``fr`` or ``en``; it starts and stops
    the workers."""

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        await live.start()
        try:
            yield None
        finally:
            await live.stop()

    server: MCPServer = MCPServer(
        "essgraph",
        instructions=_INSTRUCTIONS.in_language(language),
        version=version,
        lifespan=lifespan,
    )
    tools = _Tools(live)
    for name, said in _SAID.items():
        server.add_tool(
            _spoken(getattr(tools, name), said, language),
            title=said.title.in_language(language),
            description=said.does.in_language(language),
        )
    return server


class _Tools:
    def __init__(self, live: Live) -> None:
        self._live = live

    @_tool(
        Text("Chercher", "Search"),
        Text(
            "Trouve des entités, documents, passages et questions par leur nom ou leur résumé, en "
            "français ou en anglais ; accents, casse et fautes de frappe n'y changent rien.",
            "Find entities, documents, passages and questions by name or summary, in French or "
            "English; accents, case and typing errors do not matter.",
        ),
        text=Text("Ce qui est cherché", "What is sought"),
        kind=Text(
            "Un genre seulement : City, Network, Event …", "One kind only: City, Network, Event …"
        ),
        limit=Text("Nombre de résultats, 50 au plus", "How many results, 50 at most"),
    )
    async def search(
        self, text: str, kind: str = "", limit: int = 10, *, language: Language
    ) -> dict[str, Any]:
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

    @_tool(
        Text("Décrire une entité", "Describe an entity"),
        Text(
            "Tout ce qui est énoncé d'une entité, dans les deux sens ; chaque énoncé avec les "
            "passages qui le font.",
            "All that is stated of an entity, both ways: each statement with the passages that "
            "make it.",
        ),
        entity=Text(
            "Un nom, un identifiant (id:bamako) ou un IRI", "A name, identifier (id:bamako) or IRI"
        ),
    )
    async def describe_entity(self, entity: str, *, language: Language) -> dict[str, Any]:
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
                    "value": _value(row["x"]),
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

    @_tool(
        Text("Voir les questions", "List the questions"),
        Text(
            "La bibliothèque de questions éprouvées, avec leurs paramètres.",
            "The library of tested questions, with their parameters.",
        ),
        about=Text(
            "Des mots du titre, de la description, des mots-clés ou du sujet : seulement ces "
            "questions-là",
            "Words of the title, description, keywords or subject: those questions only",
        ),
    )
    async def list_questions(self, about: str = "", *, language: Language) -> dict[str, Any]:
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
                        parameter.name: _parameter(parameter).in_language(language)
                        for parameter in question.parameters
                        if parameter.name != "lang"
                    },
                    "columns": {
                        column.name: column.words.in_language(language)
                        for column in question.columns
                    },
                }
                for _, words, grouped in by_subject(questions)
                for question in grouped
                if all(word in fold(" ".join((*words, _told_of(question)))) for word in wanted)
            ]
        }

    @_tool(
        Text("Poser une question", "Ask a question"),
        Text(
            "La réponse à une question de la bibliothèque, chaque ligne avec les passages qui "
            "l'appuient.",
            "The answer to a question of the library, each row with the passages that support it.",
        ),
        name=Text(
            "Le nom de la question, que donne list_questions",
            "The name of the question, which list_questions gives",
        ),
        parameters=Text(
            "Les valeurs de ses paramètres, par nom ; à défaut, les siennes",
            "The values of its parameters, by name; else its own",
        ),
        limit=Text(f"Nombre de lignes, {MOST_ROWS} au plus", f"How many rows, {MOST_ROWS} at most"),
        offset=Text("Nombre de lignes à passer", "How many rows to skip"),
    )
    async def run_question(
        self,
        name: str,
        parameters: dict[str, str] | None = None,
        limit: int = ROWS,
        offset: int = 0,
        *,
        language: Language,
    ) -> dict[str, Any]:
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

    @_tool(
        Text("Interroger en SPARQL", "Query by SPARQL"),
        Text(
            "Une requête SPARQL 1.1, en lecture seule, dans des limites de temps et de taille. Les "
            "faits d'un passage sont dans le graphe que nomme le passage.",
            "A SPARQL 1.1 query, read-only and under limits of time and size. The facts of a "
            "passage stand in the graph named by the passage.",
        ),
        query=Text(
            "Une requête SELECT, ASK, CONSTRUCT ou DESCRIBE",
            "A SELECT, ASK, CONSTRUCT or DESCRIBE query",
        ),
        limit=Text(
            f"Nombre de lignes montrées, {MOST_ROWS} au plus",
            f"How many rows to show, {MOST_ROWS} at most",
        ),
    )
    async def sparql(self, query: str, limit: int = ROWS) -> dict[str, Any]:
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

    @_tool(
        Text("Vérifier une affirmation", "Check a claim"),
        Text(
            "Dit si les sources appuient une affirmation : `supported` (elles l'énoncent), "
            "`contradicted` (elles l'excluent) ou `not in the sources` (elles n'en disent rien), "
            "avec les passages. Donnez soit object, soit text.",
            "Whether the sources bear out a claim: `supported` (they state it), `contradicted` "
            "(they rule it out) or `not in the sources` (they say nothing of it), with passages. "
            "Give either object or text.",
        ),
        subject=Text("Une entité : nom, identifiant ou IRI", "An entity: name, identifier or IRI"),
        property=Text(
            "Une propriété : nom (« membre de », « est un ») ou identifiant",
            'A property: name ("member of", "is a") or identifier',
        ),
        object=Text(
            "Une entité ou, pour « est un », une classe", 'An entity or, for "is a", a class'
        ),
        text=Text("Une valeur : une date, un nombre, un nom", "A value: a date, a number, a name"),
    )
    async def check_claim(
        self, subject: str, property: str, object: str = "", text: str = "", *, language: Language
    ) -> dict[str, Any]:
        served = self._live.now
        if bool(object) == bool(text):
            raise QueryError(Text("donnez soit object, soit text", "give either object or text"))
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


def _parameter(it: Parameter) -> Text:
    return Text(
        f"{it.type} : {it.description.fr} (par défaut {it.value})",
        f"{it.type}: {it.description.en} (default {it.value})",
    )


def _told_of(question: Question) -> str:
    return " ".join((question.name, *question.title, *question.description, *question.keywords))


def _value(term: Mapping[str, str]) -> str:
    return names.shorten(term["value"]) if term["type"] == "uri" else term["value"]


def _short(term: str) -> str:
    if term.startswith("<"):
        return names.shorten(term[1:-1])
    return term[1:].rpartition('"')[0]
