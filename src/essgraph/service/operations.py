"""The parts of an OpenAPI description (3.1): parameters, types of answers, operations.

What it says to people stands in it in both languages, as a ``Text``, until it is sent.
"""

from __future__ import annotations

from typing import Any, Final

from essgraph.errors import Text
from essgraph.formats import HTML, Format

STRING: Final = {"type": "string"}
#: The groups of operations.
TAGS: Final = {
    "service": Text("État du service", "State of the service"),
    "SPARQL": Text("Requêtes SPARQL", "SPARQL queries"),
    "questions": Text("Bibliothèque de questions", "Question library"),
    "search": Text("Recherche", "Search"),
    "reconciliation": Text("Rapprochement (OpenRefine)", "Reconciliation (OpenRefine)"),
    "linked data": Text("Données liées", "Linked data"),
    "vocabulary and dataset": Text("Vocabulaire et jeu de données", "Vocabulary and dataset"),
    "discovery": Text("Ce que cherchent les robots", "What crawlers look for"),
}
INSTEAD_OF_ACCEPT: Final = Text("Remplace `Accept`", "Instead of `Accept`")
OBJECT: Final = {"type": "object"}
JSON_ONLY: Final = {"application/json": {"schema": OBJECT}}


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def record(properties: dict[str, Any], required: str = "", **more: Any) -> dict[str, Any]:
    """An object with these properties; the names of those that are required, between spaces."""
    needed = {"required": required.split()} if required else {}
    return {**OBJECT, **more, "properties": properties, **needed}


def ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def in_query(name: str, schema: dict[str, Any], text: Text, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text, **more}


LANGUAGE: Final = in_query(
    "lang",
    {"type": "string", "enum": ["fr", "en"]},
    Text(
        "Langue des libellés et des messages ; sans ce paramètre, selon `Accept-Language`",
        "Language of labels and messages; without it, by `Accept-Language`",
    ),
)


def integer(low: int, high: int, default: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return schema | ({"default": default} if default is not None else {})


def media(offers: tuple[Format, ...], schema: str | None = None) -> dict[str, Any]:
    """The types that an answer may have; a JSON one with its schema.

    A page is ``text/html`` also for who asks for it by its alias.
    """
    types: dict[str, Any] = {}
    for offer in offers:
        for media_type in (offer.media_type, *(() if offer is HTML else offer.aliases)):
            json = media_type.endswith(("/json", "+json"))
            named = ref("schemas", schema) if schema and json else {}
            types[media_type] = {"schema": named if json else STRING}
    return types


def operation(
    summary: Text,
    tag: str,
    content: dict[str, Any],
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    answer = Text("La réponse", "The answer")
    responses: dict[str, Any] = {"200": {"description": answer, "content": content}}
    responses |= {str(status): ref("responses", str(status)) for status in problems}
    return {
        "summary": summary,
        "tags": [tag],
        "parameters": parameters or [],
        "responses": responses,
        **more,
    }
