"""The components of the OpenAPI description: schemas of the answers, and the problems."""

from __future__ import annotations

from typing import Final

from essgraph import catalog
from essgraph.errors import Text
from essgraph.service.operations import OBJECT, STRING, array, record, ref

_PROBLEMS: Final = {
    400: Text(
        "Un paramètre est incorrect : `detail` dit lequel, et pourquoi",
        "A parameter is wrong: `detail` says which, and why",
    ),
    403: Text(
        "Les mises à jour et la fédération sont refusées", "Updates and federation are refused"
    ),
    404: Text(
        "Rien ne porte ce nom, ou la version n'est plus gardée",
        "There is nothing of that name, or the version is no longer kept",
    ),
    406: Text(
        "Aucun des formats acceptés n'est disponible", "None of the accepted formats is available"
    ),
    410: Text(
        "Ce n'est plus ici ; `Link` mène à ce qui l'a remplacé",
        "It is no longer here; `Link` leads to what replaced it",
    ),
    413: Text("La réponse ou le corps est trop volumineux", "The answer or the body is too large"),
    414: Text("L'adresse est trop longue", "The URL is too long"),
    415: Text(
        "Le corps est d'un autre type que ceux que nomme `Accept-Post`",
        "The body is of another type than those named in `Accept-Post`",
    ),
    429: Text(
        "Trop de requêtes à la fois d'un même client", "Too many requests at once from one client"
    ),
    501: Text(
        "L'instantané a été fait sans index des noms",
        "The snapshot was made without an index of names",
    ),
    503: Text(
        "Une limite a été atteinte, ou le service est occupé : voir `Retry-After`",
        "A limit was reached, or the service is busy: see `Retry-After`",
    ),
}
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
        "columns": array(record({"name": STRING, "heading": _TEXTS}, "name heading")),
        "formats": array(STRING),
    },
    "name url title description parameters columns",
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
#: A JSON-LD document as we write it.
_JSON_LD: Final = record(
    {
        "@context": {"oneOf": [{**STRING, "format": "uri"}, OBJECT]},
        "@graph": array({**OBJECT, "required": ["@id"]}),
    },
    "@context @graph",
)
_SCHEMAS: Final = {
    "JsonLd": _JSON_LD,
    "Problem": record(
        {
            "type": STRING,
            "title": STRING,
            "status": _INTEGER,
            "detail": STRING,
            "message": {
                **_TEXTS,
                "description": Text(
                    "Le détail dans les deux langues", "The detail in both languages"
                ),
            },
            "instance": STRING,
            "position": record({"line": _INTEGER, "column": _INTEGER}),
            "limit": OBJECT,
        },
        "type title status detail",
        description=Text("Détails d'un problème (RFC 9457)", "Problem details (RFC 9457)"),
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
        description=Text(
            "SPARQL 1.1 Query Results JSON ; avec `evidence=1`, aussi `evidence` (une entrée pour "
            "chaque ligne), `passages` et `notes`",
            "SPARQL 1.1 Query Results JSON; with `evidence=1` also `evidence` (one entry for each "
            "row), `passages` and `notes`",
        ),
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

#: The ``components`` (OpenAPI 3.1, 4.8.7).
COMPONENTS: Final = {
    "schemas": _SCHEMAS,
    "responses": {
        str(status): {
            "description": text,
            "content": {"application/problem+json": {"schema": ref("schemas", "Problem")}},
        }
        for status, text in _PROBLEMS.items()
    },
}
