"""The simplest page about a resource: its labels and statements, without a design."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from essgraph import formats, names
from essgraph.service import documents, links
from essgraph.service.answers import Kept
from essgraph.service.documents import Topic
from essgraph.service.live import Served


async def page(served: Served, topic: Topic, language: str) -> Kept:
    """The page about a topic in ``fr`` or ``en``."""

    async def make() -> bytes:
        kept = await documents.document(served, topic, formats.JSONLD)
        return _html(topic, json.loads(kept.answer.body)["@graph"], language).encode()

    return await served.answers.make(f"page {topic.key} {language}", make)


def _html(topic: Topic, nodes: list[dict[str, Any]], language: str) -> str:
    labels = {
        node["@id"]: text
        for node in nodes
        for label in _values(node, "rdfs:label") + _values(node, "ess:summary")
        if (text := label.get("@value")) and label.get("@language") == language
    }

    def show(value: Any) -> str:
        if not isinstance(value, dict):
            return escape(str(value))
        iri = value.get("@id")
        return link(iri) if iri else escape(str(value.get("@value")))

    def link(iri: str) -> str:
        called = escape(labels.get(iri, iri))
        prefix, _, local = iri.partition(":")
        whole = names.PREFIXES.get(prefix, "") + local if prefix in names.PREFIXES else iri
        if not whole.startswith(("http://", "https://")):
            return called
        href = "/" + whole.removeprefix(names.BASE) if whole.startswith(names.BASE) else whole
        return f'<a href="{escape(href)}">{called}</a>'

    short = names.shorten(topic.iri)
    title = escape(labels.get(short, topic.key))
    own = next((node for node in nodes if node["@id"] == short), {})
    items = [
        f"<dt>{link(key)}</dt><dd>{', '.join(map(show, _values(own, key)))}</dd>"
        for key in own
        if not key.startswith("@")
    ]
    items += [
        f"<dt>{link(node['@id'])}</dt><dd>{link(key)}</dd>"
        for node in nodes
        for key in node
        if {"@id": short} in _values(node, key) and not key.startswith("rdf:")
    ]
    alternates = "".join(
        f'<link rel="alternate" type="{f.media_type}" href="{links.data(topic, f)}">'
        for f in formats.DOCUMENTS
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{title}</title>{alternates}</head>"
        f"<body><h1>{title}</h1><dl>{''.join(items)}</dl></body></html>\n"
    )


def _values(node: dict[str, Any], key: str) -> list[Any]:
    value = node.get(key, [])
    return value if isinstance(value, list) else [value]
