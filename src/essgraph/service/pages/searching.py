"""``/search?q=``: entities by what they are called; without words, a directory of all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from essgraph.search import MAX_TEXT, Found, Index, fold
from essgraph.service import api
from essgraph.service.finding import MAX_OFFSET, consult, kinds_of
from essgraph.service.live import Served
from essgraph.service.pages import frame, wording
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import KINDS, Names
from essgraph.service.pages.rows import select
from essgraph.service.problems import require

#: How many results a page shows.
LIMIT: Final = 100

ALL: Final = """
SELECT DISTINCT ?named ?label ?type WHERE {
  ?named rdfs:label ?label ; a ?type .
  FILTER (STRSTARTS(STR(?named), STR(id:)) || STRSTARTS(STR(?named), STR(doc:)))
}"""
#: The keys of kinds by the local names of their classes: an address has the one or the other.
_CLASSES: Final = {iri.rpartition("#")[2]: key for iri, key in KINDS.items()}
#: Kinds that a directory leaves out: they are found from the page of what they belong to.
_NOT_LISTED: Final = {"thing", "passage", "aside", "scheme", "mandate"}


async def page(request: Request, served: Served) -> Response:
    """Results for ``q`` in order of fitness; without ``q``, everything under its kind.

    ``kind``, ``limit`` and ``offset`` mean of results what they mean in JSON. Raises QueryError.
    """
    v = frame.view(request)
    text = request.query_params.get("q", "").strip()[:MAX_TEXT]
    if text:
        return await _results(request, served, v, text)
    kind = request.query_params.get("kind", "")
    kind = _CLASSES.get(kind, kind)
    if kind:
        require("kind", kind, _CLASSES.values())
    known = Names().add(await select(served, ALL))
    listed = [
        iri
        for iri in known.types
        if known.kind(iri) == kind or (not kind and known.kind(iri) not in _NOT_LISTED)
    ]
    context = {
        "text": "",
        "kind": kind,
        "known": known,
        "count": len(listed),
        "groups": by_kind(known, listed, v),
    }
    return frame.html(request, served, "search.html", v, context)


async def _results(request: Request, served: Served, v: View, text: str) -> Response:
    values = {name: value for name, value in request.query_params.items() if value}
    kind = values.get("kind", "")
    kind = next((name for name, key in _CLASSES.items() if key == kind), kind)
    limit = api.number(values, "limit", LIMIT, 1, LIMIT)
    offset = api.number(values, "offset", 0, 0, MAX_OFFSET)

    def reading(index: Index) -> tuple[Found, Names]:
        kinds = kinds_of(kind, index)
        found = index.search(text, language=v.language, kinds=kinds, limit=limit, offset=offset)
        known = Names()
        for hit in found.hits:
            entity = hit.entity
            labels = {"fr": entity.fr, "en": entity.en}
            known.labels[entity.iri] = {tag: label for tag, label in labels.items() if label}
            known.types[entity.iri] = index.kinds[entity.kind].iri
        return found, known

    found, known = await consult(served, reading)
    asked = [(k, values[k]) for k in ("q", "kind") if k in values] + [("limit", str(limit))]
    beside = {"prev": max(0, offset - limit), "next": offset + limit}
    context = {
        "text": text,
        "kind": "",
        "neighbours": {
            relation: "/search?" + urlencode([*asked, ("offset", start)])
            for relation, start in beside.items()
            if (offset if relation == "prev" else start < found.total)
        },
        "known": known,
        "count": found.total,
        "results": [(hit.entity.iri, hit.entity.about(v.language)) for hit in found.hits],
    }
    return frame.html(request, served, "search.html", v, context)


def by_kind(known: Names, iris: Iterable[str], v: View) -> list[tuple[str, list[str]]]:
    """IRIs under their kinds, in the order of the kinds, each by its label."""
    groups: dict[str, list[str]] = {}
    for iri in iris:
        groups.setdefault(known.kind(iri), []).append(iri)
    return [
        (kind, sorted(groups[kind], key=lambda iri: fold(v.plain(known, iri))))
        for kind in wording.KINDS
        if kind in groups
    ]
