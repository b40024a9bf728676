"""``/openapi.json``: the service described (OpenAPI 3.1), each question of the library by itself,
in French or in English as the pages are.

Written from the library of the version in service, so that a question is described as soon as it
is served. What is listed here is what may be answered: the tests ask whatever it allows.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from essgraph import formats
from essgraph.catalog import Question
from essgraph.errors import Text
from essgraph.search import MAX_TEXT
from essgraph.service import addresses, api, asking, finding, reconciliation, schemas
from essgraph.service.endpoint import Endpoint
from essgraph.service.live import Served
from essgraph.service.operations import (
    INSTEAD_OF_ACCEPT,
    JSON_ONLY,
    LANGUAGE,
    STRING,
    TAGS,
    in_query,
    integer,
    media,
    operation,
    record,
    ref,
)
from essgraph.service.pages import wording
from essgraph.service.reply import send_kept
from essgraph.service.resource import CACHING

#: What is asked in examples.
_QUERY: Final = "SELECT * WHERE { ?s a ?class } LIMIT 5"
_BATCH: Final = '{"q0": {"query": "Bamako"}}'


class OpenApi(Endpoint):
    """The description of the version in service, in the language asked for."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        values = api.once(api.parameters(scope["query_string"]), ("lang",))
        language = api.language(values, scope)
        served = self._live.now

        async def make() -> bytes:
            return api.encode(_told(_document(served), language))

        kept = await served.answers.make(f"openapi {language}", make)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-language", language.encode()),
            (b"vary", b"Accept-Language, Accept-Encoding"),
            CACHING,
        ]
        await send_kept(scope, send, kept, headers)


def _told(part: Any, language: str) -> Any:
    """A part of the description in one language: as pages say it, for viewers make pages of it."""
    if isinstance(part, Text):
        return wording.typographic(part.in_language(language), language)
    if isinstance(part, dict):
        return {name: _told(inside, language) for name, inside in part.items()}
    return [_told(inside, language) for inside in part] if isinstance(part, list) else part


def _document(served: Served) -> dict[str, Any]:
    questions = asking.questions(served)
    version = served.snapshot.version[:16]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "essgraph",
            "summary": Text(
                "Un graphe de connaissances où chaque fait nomme son passage",
                "A knowledge graph in which every fact names its passage",
            ),
            "description": Text(
                "Tout se lit sans clé. [Les mêmes adresses, avec des exemples](/docs?lang=fr). "
                "[In English](/openapi.json?lang=en).",
                "All is read without a key. [The same addresses, with examples](/docs?lang=en). "
                "[En français](/openapi.json?lang=fr).",
            ),
            "version": version,
            "license": {
                "name": Text(
                    "CC-BY-4.0 (données), Apache-2.0 (code)", "CC-BY-4.0 (data), Apache-2.0 (code)"
                )
            },
        },
        # A name is for programs, which make theirs of it: the same in both languages.
        "tags": [
            {"name": name, "x-displayName": said, "description": said}
            for name, said in TAGS.items()
        ],
        "paths": {
            **_health(),
            "/sparql": _sparql(),
            "/queries": _list(),
            **{f"/queries/{name}": _question(question) for name, question in questions.items()},
            "/queries/{name}/changes": _changes(list(questions), version),
            **_finding(),
            **_reconciliation(),
            **addresses.paths(),
            "/openapi.json": _itself(),
        },
        "components": schemas.COMPONENTS,
    }


def _health() -> dict[str, Any]:
    ready = operation(
        Text(
            "Dit si une requête aurait sa réponse maintenant",
            "Whether a query would be answered now",
        ),
        "service",
        JSON_ONLY,
        (),
    )
    not_now = Text("Pas maintenant", "Not now")
    ready["responses"]["503"] = {"description": not_now, "content": JSON_ONLY}
    return {
        "/health": {
            "get": operation(
                Text(
                    "Dit si le service est en marche, et sa version",
                    "Whether the service is alive, and its version",
                ),
                "service",
                JSON_ONLY,
                (),
            )
        },
        "/ready": {"get": ready},
        "/metrics": {
            "get": operation(
                Text("Mesures pour Prometheus", "Prometheus metrics"),
                "service",
                {"text/plain": {"schema": STRING}},
                (),
            )
        },
    }


def _itself() -> dict[str, Any]:
    summary = Text(
        "Cette description, en français ou en anglais", "This description, in French or English"
    )
    return {"get": operation(summary, "discovery", JSON_ONLY, (400,), [LANGUAGE])}


def _sparql() -> dict[str, Any]:
    content = media((*formats.RESULTS, *formats.GRAPHS))
    problems = (400, 403, 406, 413, 415, 429, 503)
    more = [
        in_query(
            "query", STRING, Text("Une requête SPARQL 1.1", "A SPARQL 1.1 query"), example=_QUERY
        ),
        in_query(
            "default-graph-uri",
            STRING,
            Text("Un graphe du graphe par défaut", "A graph of the default graph"),
        ),
        in_query(
            "named-graph-uri",
            STRING,
            Text("Un graphe que GRAPH peut atteindre", "A graph that GRAPH may reach"),
        ),
        in_query(
            "timeout",
            {"type": "number"},
            Text(
                "En secondes, au-dessous de la limite du service",
                "Seconds, below the limit of the service",
            ),
        ),
        in_query("format", STRING, INSTEAD_OF_ACCEPT),
    ]
    summary = Text(
        "Protocole SPARQL 1.1, opération de requête ; sans requête, la description du service",
        "SPARQL 1.1 Protocol, query operation; without a query, the service description",
    )
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
    summary = Text("La bibliothèque de questions", "The question library")
    form = in_query("format", _one_or_none(["json"]), INSTEAD_OF_ACCEPT)
    content = {"application/json": {"schema": ref("schemas", "Questions")}}
    return {"get": operation(summary, "questions", content, (400, 406), [LANGUAGE, form])}


_OF_TYPE: Final[dict[str, dict[str, Any]]] = {
    "iri": {"type": "string", "minLength": 2, "maxLength": 2000},
    "string": STRING,
    "integer": {"type": "integer"},
    "year": {"type": "string", "pattern": "^[0-9]{4}$"},
    "date": {"type": "string", "format": "date"},
}


#: What every question has besides its own parameters and a format.
_PAGE: Final = [
    LANGUAGE,
    in_query(
        "limit",
        integer(1, asking.MAX_LIMIT),
        Text("Nombre de lignes de la page", "Rows on a page"),
    ),
    in_query(
        "offset",
        integer(0, asking.MAX_OFFSET, 0),
        Text("Nombre de lignes avant la page", "Rows before the page"),
    ),
]
_SUPPORT: Final = [
    in_query(
        "evidence",
        {"type": "string", "enum": ["0", "1"]},
        Text(
            "`1` : avec les passages de chaque ligne (JSON et CSV)",
            "`1`: with the passages of each row (JSON and CSV)",
        ),
    ),
    in_query(
        "version",
        STRING,
        Text(
            "Une version des données : le début de son empreinte",
            "A version of the data: how its digest begins",
        ),
    ),
    in_query(
        "answer",
        STRING,
        Text(
            "Avec `version` : l'empreinte d'une réponse citée",
            "With `version`: the digest of a cited answer",
        ),
    ),
]


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
            parameter.meaning,
            example=parameter.value,
        )
        for parameter in question.parameters
        if parameter.name != "lang"
    ]
    form = in_query(
        "format",
        _one_or_none([f.name for f in (*offers, *formats.GRAPHS)]),
        Text(
            f"{INSTEAD_OF_ACCEPT.fr} ; `bibtex` et `csl` citent la réponse, RDF décrit la question",
            f"{INSTEAD_OF_ACCEPT.en}; `bibtex` and `csl` cite the answer, RDF describes the "
            "question",
        ),
    )
    get = operation(
        question.title,
        "questions",
        content,
        (400, 404, 406, 410, 413, 429, 501, 503),
        [*own, *_PAGE, form, *_SUPPORT],
        description=question.description,
        operationId=question.name,
    )
    get["responses"]["200"]["headers"] = {
        "Link": {
            "description": Text(
                "`cite-as` ; `next`, `prev`, `latest-version`, `version-history` s'il y en a",
                "`cite-as`; `next`, `prev`, `latest-version`, `version-history` if any",
            ),
            "schema": STRING,
        }
    }
    return {"get": get}


def _changes(questions: list[str], version: str) -> dict[str, Any]:
    get = operation(
        Text(
            "Ce qui a changé dans une réponse depuis une version",
            "What has changed in an answer since a version",
        ),
        "questions",
        {"application/json": {"schema": ref("schemas", "Changes")}},
        (400, 404, 406, 413, 429, 503),
        [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": Text("La question", "The question"),
                "schema": {"type": "string", "enum": questions},
                "example": questions[0],
            },
            in_query(
                "since", STRING, Text("La version", "The version"), required=True, example=version
            ),
            in_query(
                "answer",
                STRING,
                Text("L'empreinte de la réponse d'alors", "The digest of the answer then"),
            ),
            LANGUAGE,
        ],
        description=Text(
            "Outre ces paramètres, ceux de la question elle-même.",
            "Besides these, the parameters of the question itself.",
        ),
    )
    return {"get": get}


def _finding() -> dict[str, Any]:
    q = in_query(
        "q",
        {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        Text("Ce qui est cherché", "What is sought"),
        required=True,
        example="economie",
    )
    content = {"application/json": {"schema": ref("schemas", "Found")}}
    search = operation(
        Text(
            "Des entités, documents, passages et questions par leur nom",
            "Entities, documents, passages and questions by name",
        ),
        "search",
        content,
        (400, 406, 501),
        [
            q,
            in_query(
                "kind",
                STRING,
                Text("Des genres, séparés par des virgules", "Kinds, separated by commas"),
                example="City,Network",
            ),
            in_query(
                "limit",
                integer(1, 100, 20),
                Text("Nombre de résultats de la page", "Results on a page"),
            ),
            in_query(
                "offset",
                integer(0, finding.MAX_OFFSET, 0),
                Text("Nombre de résultats avant la page", "Results before the page"),
            ),
            LANGUAGE,
            in_query("format", _one_or_none(["json"]), INSTEAD_OF_ACCEPT),
        ],
    )
    limit = in_query(
        "limit", integer(1, 50, 10), Text("Nombre de propositions", "How many completions")
    )
    suggest = operation(
        Text("Des noms qui complètent la saisie", "Completions of a name"),
        "search",
        content,
        (400, 406, 501),
        [q, limit, LANGUAGE],
    )
    return {"/search": {"get": search}, "/suggest": {"get": suggest}}


def _reconciliation() -> dict[str, Any]:
    def get(
        summary: Text, *parameters: dict[str, Any], content: dict[str, Any] = JSON_ONLY
    ) -> dict[str, Any]:
        problems = (400, 413, 429, 501, 503, *((404,) if content is not JSON_ONLY else ()))
        given = [*parameters, LANGUAGE]
        return {"get": operation(summary, "reconciliation", content, problems, given)}

    prefix = in_query("prefix", STRING, Text("Ce qui est saisi", "What is typed"), example="bam")
    identifier = in_query(
        "id", STRING, Text("Une entité", "An entity"), required=True, example="bamako"
    )
    limit = in_query(
        "limit",
        integer(0, reconciliation.MAX_BATCH),
        Text("Combien, au plus", "How many, at most"),
    )
    return {
        "/reconcile": _batches(),
        "/reconcile/suggest/entity": get(
            Text("Des entités qui complètent la saisie", "Completions: entities"), prefix
        ),
        "/reconcile/suggest/type": get(
            Text("Des types qui complètent la saisie", "Completions: types"), prefix
        ),
        "/reconcile/suggest/property": get(
            Text("Des propriétés qui complètent la saisie", "Completions: properties"), prefix
        ),
        "/reconcile/preview": get(
            Text("Une petite page", "A small page"),
            identifier,
            content={"text/html": {"schema": STRING}},
        ),
        "/reconcile/properties": get(
            Text("Les propriétés à demander pour un type", "Properties to fetch for a type"),
            in_query("type", STRING, Text("Un type", "A type"), example="City"),
            limit,
        ),
    }


def _batches() -> dict[str, Any]:
    tag, problems = "reconciliation", (400, 413, 429, 501, 503)
    queries = Text("JSON : un lot de requêtes (5)", "JSON: a batch of queries (5)")
    extend = Text("JSON : une demande de propriétés (7)", "JSON: a data extension query (7)")
    get = operation(
        Text(
            "Reconciliation Service API 0.2 : le manifeste ; `queries` ; `extend`",
            "Reconciliation Service API 0.2: the manifest; `queries`; `extend`",
        ),
        tag,
        JSON_ONLY,
        problems,
        [
            in_query("queries", STRING, queries, example=_BATCH),
            in_query("extend", STRING, extend),
            LANGUAGE,
        ],
    )
    post = operation(
        Text("La même chose par POST", "The same by POST"), tag, JSON_ONLY, (*problems, 415)
    )
    post["requestBody"] = {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": record({"queries": STRING, "extend": STRING}),
                "example": {"queries": _BATCH},
            }
        }
    }
    return {"get": get, "post": post}
