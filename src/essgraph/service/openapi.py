"""``/openapi.json``: the service described (OpenAPI 3.1), each question of the library by itself.

Written from the library of the version in service, so that a question is described as soon as it
is served. What is listed here is what may be answered: the tests ask whatever it allows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from essgraph import catalog, formats
from essgraph.catalog import Question
from essgraph.formats import Format
from essgraph.service import finding, library, reconciliation
from essgraph.service.live import Live

_PROBLEMS: Final = {
    400: "A parameter is wrong: `detail` says which, and why",
    403: "Updates and federation are refused",
    404: "There is nothing of that name, or the version is no longer kept",
    406: "None of the formats accepted is to be had",
    410: "It is no longer here; `Link` leads to what took its place",
    413: "The answer or the body is too large",
    415: "The body is of another type than those named in `Accept-Post`",
    429: "Too many requests at once from one client",
    501: "This service has only the address of the data: no index, no evidence",
    503: "A limit was reached, or the service is busy: see `Retry-After`",
}
_STRING: Final = {"type": "string"}
_TEXTS: Final = {
    "type": "object",
    "properties": {"fr": _STRING, "en": _STRING},
    "required": ["fr", "en"],
}
_LANGUAGE: Final = {
    "name": "lang",
    "in": "query",
    "schema": {"type": "string", "enum": ["fr", "en"]},
    "description": "Language of labels and messages; without it, by `Accept-Language`",
}
_SCHEMAS: Final[dict[str, Any]] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457, problem details",
        "properties": {
            "type": _STRING,
            "title": _STRING,
            "status": {"type": "integer"},
            "detail": _STRING,
            "instance": _STRING,
            "position": {
                "type": "object",
                "properties": {"line": {"type": "integer"}, "column": {"type": "integer"}},
            },
            "limit": {"type": "object"},
        },
        "required": ["type", "title", "status", "detail"],
    },
    "Results": {
        "type": "object",
        "description": "SPARQL 1.1 Query Results JSON; with `evidence=1` also `evidence` (one "
        "entry for each row), `passages` and `notes`",
        "properties": {
            "head": {
                "type": "object",
                "properties": {"vars": {"type": "array", "items": _STRING}},
            },
            "results": {
                "type": "object",
                "properties": {
                    "bindings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": {
                                "type": "object",
                                "properties": {
                                    "type": {"enum": ["uri", "literal", "bnode", "triple"]},
                                    "value": {},
                                    "xml:lang": _STRING,
                                    "datatype": _STRING,
                                },
                                "required": ["type", "value"],
                            },
                        },
                    }
                },
                "required": ["bindings"],
            },
            "boolean": {"type": "boolean"},
            "evidence": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "passages": {"type": "array", "items": _STRING},
                        "documents": {"type": "array", "items": _STRING},
                    },
                    "required": ["passages", "documents"],
                },
            },
            "passages": {"type": "object", "additionalProperties": {"type": "object"}},
            "notes": {"type": "array", "items": _STRING},
        },
        "required": ["head"],
    },
    "Questions": {
        "type": "object",
        "properties": {
            "version": _STRING,
            "questions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": _STRING,
                        "iri": _STRING,
                        "url": _STRING,
                        "title": _TEXTS,
                        "description": _TEXTS,
                        "keywords": {"type": "array", "items": _STRING},
                        "parameters": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "name": _STRING,
                                    "type": {"enum": list(catalog.TYPES)},
                                    "description": _TEXTS,
                                    "default": _STRING,
                                },
                                "required": ["name", "type", "description", "default"],
                            },
                        },
                        "formats": {"type": "array", "items": _STRING},
                    },
                    "required": ["name", "url", "title", "description", "parameters"],
                },
            },
        },
        "required": ["version", "questions"],
    },
    "Changes": {
        "type": "object",
        "properties": {
            "question": _STRING,
            "since": _STRING,
            "version": _STRING,
            "now": _STRING,
            "changed": {"type": "boolean"},
            "kept": {"type": "boolean"},
            "columns": {"type": "object"},
            "added": {"type": "array", "items": {"type": "object"}},
            "removed": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["question", "since", "version", "changed", "kept"],
    },
    "Citation": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    "Found": {
        "type": "object",
        "properties": {
            "query": _STRING,
            "language": {"enum": ["fr", "en"]},
            "total": {"type": "integer"},
            "kinds": {"type": "object", "additionalProperties": {"type": "integer"}},
            "results": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": _STRING,
                        "url": _STRING,
                        "label": _STRING,
                        "kind": _STRING,
                        "kindLabel": _STRING,
                        "labels": _TEXTS,
                        "description": _STRING,
                        "matched": {"type": "object"},
                        "highlight": _STRING,
                        "score": {"type": "number"},
                    },
                    "required": ["id", "url", "label", "kind", "kindLabel", "highlight"],
                },
            },
        },
        "required": ["query", "results"],
    },
}


def document(live: Live) -> dict[str, Any]:
    """The description of the service over the version in service."""
    return _document(live.now.snapshot.version, live)


@lru_cache(maxsize=2)
def _document(_: str, live: Live) -> dict[str, Any]:
    questions = library.questions(live.now)
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
            "/queries/{name}/changes": _changes(list(questions)),
            **_finding(),
            **_reconciliation(),
        },
        "components": {
            "schemas": _SCHEMAS,
            "responses": {
                str(status): {
                    "description": text,
                    "content": {"application/problem+json": {"schema": _ref("schemas", "Problem")}},
                }
                for status, text in _PROBLEMS.items()
            },
        },
    }


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameter(name: str, schema: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text, **more}


def _integer(low: int, high: int, default: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return schema | ({"default": default} if default is not None else {})


def _media(offers: tuple[Format, ...], schema: str | None = None) -> dict[str, Any]:
    """The types that an answer may have; a JSON one with its schema."""
    types: dict[str, Any] = {}
    for offer in offers:
        for media_type in (offer.media_type, *offer.aliases):
            json = media_type.endswith(("/json", "+json"))
            named = _ref("schemas", schema) if schema and json else {}
            types[media_type] = {"schema": named if json else _STRING}
    return types


def _operation(
    summary: str,
    tag: str,
    content: dict[str, Any],
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    responses |= {str(status): _ref("responses", str(status)) for status in problems}
    return {
        "summary": summary,
        "tags": [tag],
        "parameters": parameters or [],
        "responses": responses,
        **more,
    }


_JSON_ONLY: Final = {"application/json": {"schema": {"type": "object"}}}


def _health() -> dict[str, Any]:
    ready = _operation("Whether a query would be answered now", "service", _JSON_ONLY, ())
    ready["responses"]["503"] = {"description": "Not now", "content": _JSON_ONLY}
    return {
        "/health": {
            "get": _operation(
                "Whether the service is alive, and its version", "service", _JSON_ONLY, ()
            )
        },
        "/ready": {"get": ready},
        "/metrics": {
            "get": _operation(
                "Prometheus metrics", "service", {"text/plain": {"schema": _STRING}}, ()
            )
        },
    }


def _sparql() -> dict[str, Any]:
    content = _media((*formats.RESULTS, *formats.GRAPHS))
    problems = (400, 403, 406, 413, 415, 429, 503)
    query = _parameter(
        "query", _STRING, "A SPARQL 1.1 query", example="SELECT * WHERE { ?s a ?class } LIMIT 5"
    )
    more = [
        query,
        _parameter("default-graph-uri", _STRING, "A graph of the default graph"),
        _parameter("named-graph-uri", _STRING, "A graph that GRAPH may reach"),
        _parameter("timeout", {"type": "number"}, "Seconds, below the limit of the service"),
        _parameter("format", _STRING, "Instead of `Accept`"),
    ]
    summary = "SPARQL 1.1 Protocol, query operation; without a query, the service description"
    get = _operation(summary, "SPARQL", content, problems, more)
    post = _operation(summary, "SPARQL", content, problems)
    post["requestBody"] = {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {"query": _STRING},
                    "required": ["query"],
                }
            },
            "application/sparql-query": {"schema": _STRING},
        },
    }
    return {"get": get, "post": post}


def _list() -> dict[str, Any]:
    form = _parameter("format", {"type": "string", "enum": ["json"]}, "Instead of `Accept`")
    content = {"application/json": {"schema": _ref("schemas", "Questions")}}
    return {
        "get": _operation(
            "The question library", "questions", content, (400, 406), [_LANGUAGE, form]
        )
    }


_OF_TYPE: Final[dict[str, dict[str, Any]]] = {
    "iri": {"type": "string", "minLength": 2, "maxLength": 2000},
    "string": _STRING,
    "integer": {"type": "integer"},
    "year": {"type": "string", "pattern": "^[0-9]{4}$"},
    "date": {"type": "string", "format": "date"},
}


def _question(question: Question) -> dict[str, Any]:
    offers = (*library.offers_of(question), *formats.CITATIONS)
    content = _media(offers, "Results")
    content[formats.CSL.media_type] = {"schema": _ref("schemas", "Citation")}
    own = [
        _parameter(
            parameter.name,
            _OF_TYPE[parameter.type],
            f"{parameter.description.en} ({catalog.TYPES[parameter.type].en})",
            example=parameter.value,
        )
        for parameter in question.parameters
        if parameter.name != "lang"
    ]
    common = [
        _LANGUAGE,
        _parameter("limit", _integer(1, library.MAX_LIMIT), "Rows on a page"),
        _parameter("offset", _integer(0, library.MAX_OFFSET, 0), "Rows before the page"),
        _parameter(
            "format",
            {"type": "string", "enum": [offer.name for offer in offers]},
            "Instead of `Accept`; `bibtex` and `csl` cite the answer",
        ),
        _parameter(
            "evidence",
            {"type": "string", "enum": ["0", "1"]},
            "1: with the passages of each row (JSON and CSV)",
        ),
        _parameter("version", _STRING, "A version of the data: how its digest begins"),
        _parameter("answer", _STRING, "With `version`: the digest of a cited answer"),
    ]
    operation = _operation(
        question.title.en,
        "questions",
        content,
        (400, 404, 406, 410, 413, 429, 501, 503),
        own + common,
        description=f"{question.description.en}\n\n{question.title.fr} {question.description.fr}",
        operationId=question.name,
    )
    operation["responses"]["200"]["headers"] = {
        "Link": {
            "description": "`cite-as`, and `next`, `prev`, `latest-version` where there are any",
            "schema": _STRING,
        }
    }
    return {"get": operation}


def _changes(questions: list[str]) -> dict[str, Any]:
    operation = _operation(
        "What has changed in an answer since a version",
        "questions",
        {"application/json": {"schema": _ref("schemas", "Changes")}},
        (400, 404, 406, 413, 429, 503),
        [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": questions},
            },
            _parameter("since", _STRING, "The version", required=True),
            _parameter("answer", _STRING, "The digest of the answer then"),
            _LANGUAGE,
        ],
        description="Besides these, the parameters of the question itself.",
    )
    return {"get": operation}


def _finding() -> dict[str, Any]:
    q = _parameter(
        "q",
        {"type": "string", "minLength": 1, "maxLength": finding.MAX_TEXT},
        "What is sought",
        required=True,
        example="economie",
    )
    content = {"application/json": {"schema": _ref("schemas", "Found")}}
    search = _operation(
        "Entities, documents, passages and questions by name",
        "search",
        content,
        (400, 406, 501),
        [
            q,
            _parameter("kind", _STRING, "Kinds, between commas", example="City,Network"),
            _parameter("limit", _integer(1, 100, 20), "Results on a page"),
            _parameter("offset", _integer(0, 100_000, 0), "Results before the page"),
            _LANGUAGE,
            _parameter("format", {"type": "string", "enum": ["json"]}, "Instead of `Accept`"),
        ],
    )
    limit = _parameter("limit", _integer(1, 50, 10), "Completions")
    suggest = _operation(
        "Completions of a name", "search", content, (400, 406, 501), [q, limit, _LANGUAGE]
    )
    return {"/search": {"get": search}, "/suggest": {"get": suggest}}


def _reconciliation() -> dict[str, Any]:
    tag, problems = "reconciliation", (400, 413, 429, 501, 503)
    queries = {**_STRING, "description": "JSON: a batch of queries (5)"}
    extend = {**_STRING, "description": "JSON: a data extension query (7)"}
    get = _operation(
        "Reconciliation Service API 0.2: the manifest; `queries`; `extend`",
        tag,
        _JSON_ONLY,
        problems,
        [
            _parameter("queries", queries, "", example='{"q0": {"query": "Bamako"}}'),
            _parameter("extend", extend, ""),
            _LANGUAGE,
        ],
    )
    post = _operation("The same by POST", tag, _JSON_ONLY, (*problems, 415))
    post["requestBody"] = {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {"queries": _STRING, "extend": _STRING},
                }
            }
        }
    }
    prefix = _parameter("prefix", _STRING, "What is typed", example="bam")
    paths: dict[str, Any] = {"/reconcile": {"get": get, "post": post}}
    for name in ("entity", "type", "property"):
        paths[f"/reconcile/suggest/{name}"] = {
            "get": _operation(
                f"Completions: {name}", tag, _JSON_ONLY, problems, [prefix, _LANGUAGE]
            )
        }
    identifier = _parameter("id", _STRING, "An entity", required=True, example="bamako")
    page = {"text/html": {"schema": _STRING}}
    paths["/reconcile/preview"] = {
        "get": _operation("A small page", tag, page, (*problems, 404), [identifier, _LANGUAGE])
    }
    kind = _parameter("type", _STRING, "A type", example="City")
    paths["/reconcile/properties"] = {
        "get": _operation(
            "Properties to fetch for a type",
            tag,
            _JSON_ONLY,
            problems,
            [
                kind,
                _parameter("limit", _integer(0, reconciliation.MAX_BATCH), "At most"),
                _LANGUAGE,
            ],
        )
    }
    return paths
