"""``/search?q=``: entities by what they are called; without words, a directory.

Accents, case and ligatures are folded on both sides: ``economie`` finds ``Économie``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph.service.live import Served
from essgraph.service.pages import frame, wording
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import KINDS, Names
from essgraph.service.pages.rows import Row, select

#: How many results a page shows.
LIMIT: Final = 200

CALLED: Final = """
SELECT DISTINCT ?named ?label ?type ?preferred WHERE {
  { ?named rdfs:label ?label . BIND (true AS ?preferred) } UNION
  { ?named skos:altLabel|skos:hiddenLabel|ess:acronym ?label . BIND (false AS ?preferred) }
  ?named a ?type .
  FILTER (STRSTARTS(STR(?named), STR(id:)) || STRSTARTS(STR(?named), STR(doc:)))
}"""
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "’": "'", "ß": "ss"})


def fold(text: str) -> str:
    """Without case, accents or ligatures (Unicode NFKD, canonical caseless matching)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LIGATURES))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@dataclass(frozen=True)
class Entry:
    """A thing and all that it is called, folded, as words."""

    iri: str
    called: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Index:
    """All that can be found in one version of the data."""

    known: Names
    entries: tuple[Entry, ...]

    def find(self, text: str) -> list[str]:
        """IRIs whose names hold all the words, the best match first."""
        wanted = _words(text)
        if not wanted:
            return []
        scored = []
        for entry in self.entries:
            best = max((_score(wanted, name) for name in entry.called), default=0)
            if best:
                kind = self.known.kind(entry.iri)
                scored.append((-best, kind in ("concept", "scheme"), len(entry.iri), entry.iri))
        return [iri for *_, iri in sorted(scored)]


def _words(text: str) -> tuple[str, ...]:
    folded = fold(text)
    return tuple("".join(c if c.isalnum() else " " for c in folded).split())


def _score(wanted: tuple[str, ...], name: tuple[str, ...]) -> int:
    """How well a name answers: 0 where it lacks a word."""
    if name == wanted:
        return 100
    if not all(any(word.startswith(want) for word in name) for want in wanted):
        return 30 if " ".join(wanted) in " ".join(name) else 0
    first = name[0].startswith(wanted[0]) if name else False
    return 50 + 20 * first + max(0, 20 - len(name))


class Indexes:
    """The index of the version in service; made at the first question."""

    def __init__(self) -> None:
        self._version = ""
        self._index = Index(Names(), ())

    async def of(self, served: Served) -> Index:
        if self._version != served.snapshot.version:
            self._index = build(await select(served, CALLED))
            self._version = served.snapshot.version
        return self._index


def build(rows: Iterable[Row]) -> Index:
    """The index of rows as ``CALLED`` gives them."""
    called: dict[str, set[tuple[str, ...]]] = {}
    known = Names()
    for row in rows:
        called.setdefault(row["named"].value, set()).add(_words(row["label"].value))
        if row["preferred"].value == "true":
            known.add([row])
        else:
            known.add([{"named": row["named"], "type": row["type"]}])
    entries = tuple(Entry(iri, tuple(sorted(words))) for iri, words in sorted(called.items()))
    return Index(known, entries)


#: Kinds that a directory leaves out: they are found from the page of what they belong to.
_NOT_LISTED: Final = {"thing", "passage", "aside", "scheme", "mandate"}


def by_kind(index: Index, iris: Iterable[str], v: View) -> list[tuple[str, list[str]]]:
    """IRIs under their kinds, in the order of the kinds, each by its label."""
    groups: dict[str, list[str]] = {}
    for iri in iris:
        groups.setdefault(index.known.kind(iri), []).append(iri)
    return [
        (kind, sorted(groups[kind], key=lambda iri: fold(v.plain(index.known, iri))))
        for kind in wording.KINDS
        if kind in groups
    ]


async def page(request: Request, served: Served, indexes: Indexes) -> Response:
    """Results for ``q`` in order of fitness; without ``q``, everything under its kind."""
    v = frame.view(request)
    index = await indexes.of(served)
    text = request.query_params.get("q", "").strip()[:200]
    kind = request.query_params.get("kind", "")
    found = index.find(text) if text else [entry.iri for entry in index.entries]
    if kind in KINDS.values():
        found = [iri for iri in found if index.known.kind(iri) == kind]
    else:
        kind = ""
        found = [iri for iri in found if text or index.known.kind(iri) not in _NOT_LISTED]
    context = {
        "text": text,
        "kind": kind,
        "known": index.known,
        "count": len(found),
        "results": found[:LIMIT] if text else [],
        "groups": [] if text else by_kind(index, found, v),
        "limit": LIMIT,
    }
    return frame.html(request, served, "search.html", v, context)
