"""``/recommendations``: what was recommended, by workshop and by addressee or theme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.search import fold
from essgraph.service.live import Served
from essgraph.service.pages import frame
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, readable, select
from essgraph.service.problems import require

ALL: Final = """
SELECT ?rec ?workshop ?addressee ?theme ?whole ?position WHERE {
  ?rec a ess:Recommendation .
  OPTIONAL { ?rec ess:formulatedAt ?workshop }
  OPTIONAL { ?rec ess:addressedTo ?addressee }
  OPTIONAL { ?rec ess:theme ?theme }
  OPTIONAL { ?rec ess:partOf ?whole . ?whole a ess:Recommendation }
  OPTIONAL { ?rec schema:position ?position }
} ORDER BY ?rec ?workshop ?addressee ?theme ?whole ?position"""
#: The passage that says what is recommended: the one with a theme or a rank, not its heading.
SAID: Final = """
SELECT DISTINCT ?rec ?passage ?start WHERE {
  GRAPH ?passage { ?rec ess:theme|schema:position ?o }
  ?passage oa:hasSelector/oa:start ?start .
  ?rec a ess:Recommendation .
} ORDER BY ?rec ?start ?passage"""
NAMES: Final = """
SELECT DISTINCT ?named ?label ?type WHERE {
  { ?named a ess:Recommendation } UNION
  { ?rec a ess:Recommendation ; ess:formulatedAt|ess:addressedTo|ess:theme ?named }
  ?named rdfs:label ?label ; a ?type .
}"""


@dataclass
class Recommendation:
    """A recommendation with what it is compared by."""

    iri: str
    workshops: list[str] = field(default_factory=list)
    addressees: list[str] = field(default_factory=list)
    themes: list[str] = field(default_factory=list)
    whole: str = ""
    position: int = 0
    passages: list[str] = field(default_factory=list)
    items: list[Recommendation] = field(default_factory=list)


def collect(rows: tuple[Row, ...], said: tuple[Row, ...]) -> list[Recommendation]:
    """The recommendations that are no part of another, each with its items, in order."""
    found: dict[str, Recommendation] = {}
    for row in rows:
        one = found.setdefault(row["rec"].value, Recommendation(row["rec"].value))
        for name, values in (
            ("workshop", one.workshops),
            ("addressee", one.addressees),
            ("theme", one.themes),
        ):
            if name in row and row[name].value not in values:
                values.append(row[name].value)
        one.whole = row["whole"].value if "whole" in row else one.whole
        one.position = int(row["position"].value) if "position" in row else one.position
    for row in said:
        one = found[row["rec"].value]
        if row["passage"].value not in one.passages:
            one.passages.append(row["passage"].value)
    ordered = sorted(found.values(), key=lambda one: (one.workshops, one.position, one.iri))
    for one in ordered:
        if one.whole in found:
            found[one.whole].items.append(one)
    return [one for one in ordered if one.whole not in found]


async def page(request: Request, served: Served) -> Response:
    """The matrix. ``by`` is addressee or theme; ``theme`` and ``addressee`` narrow it.

    Raises QueryError for a value that none of these has.
    """
    v = frame.view(request)
    rows, said, named = [await select(served, query) for query in (ALL, SAID, NAMES)]
    known = Names().add(named)
    whole = collect(rows, said)
    every = [*whole, *(item for one in whole for item in one.items)]
    themes = _labelled({t for one in every for t in one.themes}, known, v)
    addressees = _labelled({a for one in whole for a in one.addressees}, known, v)
    by = frame.choice(request, "by", ("addressee", "theme"), "addressee")
    by_theme = by == "theme"
    theme = _narrowing(request, "theme", themes)
    addressee = _narrowing(request, "addressee", addressees)
    workshops = _labelled({w for one in whole for w in one.workshops}, known, v)
    # A line for each theme or addressee, a column for each workshop.
    cells: dict[tuple[str, str], list[Recommendation]] = {}
    narrowed = theme if by_theme else addressee
    for one in whole:
        if (theme and theme not in _themes(one)) or (addressee and addressee not in one.addressees):
            continue
        for line in _themes(one) if by_theme else one.addressees:
            if narrowed in ("", line):
                for workshop in one.workshops:
                    cells.setdefault((line, workshop), []).append(one)
    lines = _labelled({line for line, _ in cells}, known, v)
    context = {
        "known": known,
        "workshops": workshops,
        "lines": lines,
        "cells": cells,
        "by_theme": by_theme,
        "theme": theme,
        "themes": themes,
        "addressee": addressee,
        "addressees": addressees,
        "count": len(every),
        "wholes": len(whole),
        "query": readable(ALL),
        "slug": slug,
    }
    return frame.html(request, served, "recommendations.html", v, context)


def _narrowing(request: Request, name: str, offered: list[str]) -> str:
    """The one of the things offered that a parameter names, by its slug, with its prefix or as an
    IRI; empty where none is wanted. Raises QueryError."""
    called = {way: iri for iri in offered for way in (iri, names.shorten(iri))}
    slugs = {slug(iri): iri for iri in offered}
    value = request.query_params.get(name, "")
    if not value or value in called:
        return called.get(value, "")
    return slugs[require(name, value, slugs)]


def slug(iri: str) -> str:
    """The last part of one of our IRIs."""
    return iri.rpartition("/")[2]


def _themes(one: Recommendation) -> list[str]:
    """Its themes and those of its items."""
    return list(dict.fromkeys([*one.themes, *(t for item in one.items for t in item.themes)]))


def _labelled(iris: set[str], known: Names, v: View) -> list[str]:
    return sorted(iris, key=lambda iri: fold(v.plain(known, iri)))
