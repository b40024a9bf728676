"""``/openapi.json``: the service described (OpenAPI 3.1), each question of the library by itself.

Written from the library of the version in service, so that a question is described as soon as it
is served. What is listed here is what may be answered: the tests ask whatever it allows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from essgraph import catalog, formats
from essgraph.catalog import Question
from essgraph.search import MAX_TEXT
from essgraph.service import addresses, asking, reconciliation
from essgraph.service.live import Live
from essgraph.service.operations import (
    JSON_ONLY,
    LANGUAGE,
    OBJECT,
    STRING,
    array,
    in_query,
    integer,
    media,
    operation,
    record,
    ref,
)

_PROBLEMS: Final = {
    400: "A parameter is wrong: `detail` says which, and why",
    403: "Updates and federation are refused",
    404: "There is nothing of that name, or the version is no longer kept",
    406: "None of the accepted formats is available",
    410: "It is no longer here; `Link` leads to what replaced it",
    413: "The answer or the body is too large",
    414: "The URL is too long",
    415: "The body is of another type than those named in `Accept-Post`",
    429: "Too many requests at once from one client",
    501: "The snapshot was made without an index of names",
    503: "A limit was reached, or the service is busy: see `Retry-After`",
}
#: What is asked in examples.
_QUERY: Final = "SELECT * WHERE { ?s a ?class } LIMIT 5"
_BATCH: Final = '{"q0": {"query": "Bamako"}}'
_INTEGER: Final = {"type": "integer"}
_TEXTS: Final = record({"fr": STRING, "en": STRING}, "fr en")
_TERM: Final = record(
    {
        "type": {"enum": ["uri", "literal", "bnode", "triple"]},
        "value": {},
        "xml:lang": STRING,
        "datatype": STRING,
    },
    "type value",
)
_PARAMETER: Final = record(
    {
        "name": STRING,
        "type": {"enum": list(catalog.TYPES)},
        "description": _TEXTS,
        "default": STRING,
    },
    "name type description default",
)
_QUESTION: Final = record(
    {
        "name": STRING,
        "iri": STRING,
        "url": STRING,
        "title": _TEXTS,
        "description": _TEXTS,
        "subject": record(
            {"name": {"enum": list(catalog.SUBJECTS)}, "fr": STRING, "en": STRING}, "name fr en"
        ),
        "keywords": array(STRING),
        "parameters": array(_PARAMETER),
        "formats": array(STRING),
    },
    "name url title description parameters",
)
_HIT: Final = record(
    {
        "id": STRING,
        "prefixed": STRING,
        "url": STRING,
        "label": STRING,
        "kind": STRING,
        "kindLabel": STRING,
        "labels": _TEXTS,
        "description": STRING,
        "matched": OBJECT,
        "highlight": STRING,
        "score": {"type": "number"},
    },
    "id prefixed url label kind kindLabel highlight",
)
_SCHEMAS: Final[dict[str, Any]] = {
    "JsonLd": addresses.JSON_LD,
    "Problem": record(
        {
            "type": STRING,
            "title": STRING,
            "status": _INTEGER,
            "detail": STRING,
            "message": {**_TEXTS, "description": "The detail in both languages"},
            "instance": STRING,
            "position": record({"line": _INTEGER, "column": _INTEGER}),
            "limit": OBJECT,
        },
        "type title status detail",
        description="RFC 9457, problem details",
    ),
    "Results": record(
        {
            "head": record({"vars": array(STRING)}),
            "results": record(
                {"bindings": array({**OBJECT, "additionalProperties": _TERM})}, "bindings"
            ),
            "boolean": {"type": "boolean"},
            "evidence": array(
                record(
                    {"passages": array(STRING), "documents": array(STRING)}, "passages documents"
                )
            ),
            "passages": {**OBJECT, "additionalProperties": OBJECT},
            "notes": array(STRING),
        },
        "head",
        description="SPARQL 1.1 Query Results JSON; with `evidence=1` also `evidence` (one "
        "entry for each row), `passages` and `notes`",
    ),
    "Questions": record({"version": STRING, "questions": array(_QUESTION)}, "version questions"),
    "Changes": record(
        {
            "question": STRING,
            "since": STRING,
            "version": STRING,
            "now": STRING,
            "changed": {"type": "boolean"},
            "kept": {"type": "boolean"},
            "versions": array(
                record({"version": STRING, "built": {**STRING, "format": "date"}}, "version built")
            ),
            "columns": OBJECT,
            "added": array(OBJECT),
            "removed": array(OBJECT),
        },
        "question since version changed kept versions",
    ),
    "Citation": {**array(OBJECT), "minItems": 1},
    "Found": record(
        {
            "query": STRING,
            "language": {"enum": ["fr", "en"]},
            "total": _INTEGER,
            "kinds": {**OBJECT, "additionalProperties": _INTEGER},
            "results": array(_HIT),
        },
        "query results",
    ),
}


def document(live: Live) -> dict[str, Any]:
    """The description of the service over the version in service."""
    return _document(live.now.snapshot.version, live)


@lru_cache(maxsize=2)
def _document(_: str, live: Live) -> dict[str, Any]:
    questions = asking.questions(live.now)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "essgraph",
            "summary": "A knowledge graph in which every fact names its passage",
            "version": live.now.snapshot.version[:16],
            "license": {"name": "CC-BY-4.0 (data), Apache-2.0 (code)"},
        },
        "paths": {
            **_health(),
            "/sparql": _sparql(),
            "/queries": _list(),
            **{f"/queries/{name}": _question(question) for name, question in questions.items()},
            "/queries/{name}/changes": _changes(list(questions), live.now.snapshot.version),
            **_finding(),
            **_reconciliation(),
            **addresses.paths(),
        },
        "components": {
            "schemas": _SCHEMAS,
            "responses": {
                str(status): {
                    "description": text,
                    "content": {"application/problem+json": {"schema": ref("schemas", "Problem")}},
                }
                for status, text in _PROBLEMS.items()
            },
        },
    }


def _health() -> dict[str, Any]:
    ready = operation("Whether a query would be answered now", "service", JSON_ONLY, ())
    ready["responses"]["503"] = {"description": "Not now", "content": JSON_ONLY}
    return {
        "/health": {
            "get": operation(
                "Whether the service is alive, and its version", "service", JSON_ONLY, ()
            )
        },
        "/ready": {"get": ready},
        "/metrics": {
            "get": operation(
                "Prometheus metrics", "service", {"text/plain": {"schema": STRING}}, ()
            )
        },
    }


def _sparql() -> dict[str, Any]:
    content = media((*formats.RESULTS, *formats.GRAPHS))
    problems = (400, 403, 406, 413, 415, 429, 503)
    more = [
        in_query("query", STRING, "A SPARQL 1.1 query", example=_QUERY),
        in_query("default-graph-uri", STRING, "A graph of the default graph"),
        in_query("named-graph-uri", STRING, "A graph that GRAPH may reach"),
        in_query("timeout", {"type": "number"}, "Seconds, below the limit of the service"),
        in_query("format", STRING, "Instead of `Accept`"),
    ]
    summary = "SPARQL 1.1 Protocol, query operation; without a query, the service description"
    get = operation(summary, "SPARQL", content, problems, more)
    post = operation(summary, "SPARQL", content, problems)
    post["requestBody"] = {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": record({one["name"]: one["schema"] for one in more}, "query"),
                "example": {"query": _QUERY},
            },
            "application/sparql-query": {"schema": STRING, "example": _QUERY},
        },
    }
    return {"get": get, "post": post}


def _one_or_none(names: list[str]) -> dict[str, Any]:
    """One of the names, or empty, which is as if it were not given."""
    return {"type": "string", "enum": [*names, ""]}


def _list() -> dict[str, Any]:
    form = in_query("format", _one_or_none(["json"]), "Instead of `Accept`")
    content = {"application/json": {"schema": ref("schemas", "Questions")}}
    return {
        "get": operation("The question library", "questions", content, (400, 406), [LANGUAGE, form])
    }


_OF_TYPE: Final[dict[str, dict[str, Any]]] = {
    "iri": {"type": "string", "minLength": 2, "maxLength": 2000},
    "string": STRING,
    "integer": {"type": "integer"},
    "year": {"type": "string", "pattern": "^[0-9]{4}$"},
    "date": {"type": "string", "format": "date"},
}


def _question(question: Question) -> dict[str, Any]:
    offers = (*asking.offers_of(question), *formats.CITATIONS)
    content = media(offers, "Results") | {
        f.media_type: {"schema": ref("schemas", "JsonLd") if f is formats.JSONLD else STRING}
        for f in formats.GRAPHS
    }
    content[formats.CSL.media_type] = {"schema": ref("schemas", "Citation")}
    own = [
        in_query(
            parameter.name,
            _OF_TYPE[parameter.type],
            f"{parameter.description.en} ({catalog.TYPES[parameter.type].en})",
            example=parameter.value,
        )
        for parameter in question.parameters
        if parameter.name != "lang"
    ]
    common = [
        LANGUAGE,
        in_query("limit", integer(1, asking.MAX_LIMIT), "Rows on a page"),
        in_query("offset", integer(0, asking.MAX_OFFSET, 0), "Rows before the page"),
        in_query(
            "format",
            _one_or_none([f.name for f in (*offers, *formats.GRAPHS)]),
            "Instead of `Accept`; `bibtex` and `csl` cite the answer, RDF describes the question",
        ),
        in_query(
            "evidence",
            {"type": "string", "enum": ["0", "1"]},
            "`1`: with the passages of each row (JSON and CSV)",
        ),
        in_query("version", STRING, "A version of the data: how its digest begins"),
        in_query("answer", STRING, "With `version`: the digest of a cited answer"),
    ]
    get = operation(
        question.title.en,
        "questions",
        content,
        (400, 404, 406, 410, 413, 429, 501, 503),
        own + common,
        description=f"{question.description.en}\n\n{question.title.fr} {question.description.fr}",
        operationId=question.name,
    )
    get["responses"]["200"]["headers"] = {
        "Link": {
            "description": "`cite-as`; `next`, `prev`, `latest-version`, `version-history` if any",
            "schema": STRING,
        }
    }
    return {"get": get}


def _changes(questions: list[str], version: str) -> dict[str, Any]:
    get = operation(
        "What has changed in an answer since a version",
        "questions",
        {"application/json": {"schema": ref("schemas", "Changes")}},
        (400, 404, 406, 413, 429, 503),
        [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": questions},
                "example": questions[0],
            },
            in_query("since", STRING, "The version", required=True, example=version[:16]),
            in_query("answer", STRING, "The digest of the answer then"),
            LANGUAGE,
        ],
        description="Besides these, the parameters of the question itself.",
    )
    return {"get": get}


def _finding() -> dict[str, Any]:
    q = in_query(
        "q",
        {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "What is sought",
        required=True,
        example="economie",
    )
    content = {"application/json": {"schema": ref("schemas", "Found")}}
    search = operation(
        "Entities, documents, passages and questions by name",
        "search",
        content,
        (400, 406, 501),
        [
            q,
            in_query("kind", STRING, "Kinds, separated by commas", example="City,Network"),
            in_query("limit", integer(1, 100, 20), "Results on a page"),
            in_query("offset", integer(0, 100_000, 0), "Results before the page"),
            LANGUAGE,
            in_query("format", _one_or_none(["json"]), "Instead of `Accept`"),
        ],
    )
    limit = in_query("limit", integer(1, 50, 10), "Completions")
    suggest = operation(
        "Completions of a name", "search", content, (400, 406, 501), [q, limit, LANGUAGE]
    )
    return {"/search": {"get": search}, "/suggest": {"get": suggest}}


def _reconciliation() -> dict[str, Any]:
    tag, problems = "reconciliation", (400, 413, 429, 501, 503)
    queries = {**STRING, "description": "JSON: a batch of queries (5)"}
    extend = {**STRING, "description": "JSON: a data extension query (7)"}
    get = operation(
        "Reconciliation Service API 0.2: the manifest; `queries`; `extend`",
        tag,
        JSON_ONLY,
        problems,
        [
            in_query("queries", queries, "", example=_BATCH),
            in_query("extend", extend, ""),
            LANGUAGE,
        ],
    )
    post = operation("The same by POST", tag, JSON_ONLY, (*problems, 415))
    post["requestBody"] = {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": record({"queries": STRING, "extend": STRING}),
                "example": {"queries": _BATCH},
            }
        }
    }
    prefix = in_query("prefix", STRING, "What is typed", example="bam")
    paths: dict[str, Any] = {"/reconcile": {"get": get, "post": post}}
    for name in ("entity", "type", "property"):
        paths[f"/reconcile/suggest/{name}"] = {
            "get": operation(f"Completions: {name}", tag, JSON_ONLY, problems, [prefix, LANGUAGE])
        }
    identifier = in_query("id", STRING, "An entity", required=True, example="bamako")
    page = {"text/html": {"schema": STRING}}
    paths["/reconcile/preview"] = {
        "get": operation("A small page", tag, page, (*problems, 404), [identifier, LANGUAGE])
    }
    kind = in_query("type", STRING, "A type", example="City")
    paths["/reconcile/properties"] = {
        "get": operation(
            "Properties to fetch for a type",
            tag,
            JSON_ONLY,
            problems,
            [
                kind,
                in_query("limit", integer(0, reconciliation.MAX_BATCH), "At most"),
                LANGUAGE,
            ],
        )
    }
    return paths
