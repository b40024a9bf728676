"""``/``: what this is, its figures, and four ways in: search, map, timeline, network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.search import fold
from essgraph.service import dataset
from essgraph.service.live import Served
from essgraph.service.pages import frame, network, pictures
from essgraph.service.pages.dates import span
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, readable, select
from essgraph.service.problems import require

FIGURES: Final = """
SELECT ?class (COUNT(DISTINCT ?thing) AS ?count) WHERE {
  VALUES ?class {
    ess:SourceDocument ess:Passage ess:City ess:Organization ess:Event ess:Recommendation
  }
  ?thing a ?class
} GROUP BY ?class"""
STATEMENTS: Final = """
SELECT (COUNT(*) AS ?count) WHERE { GRAPH ?passage { ?s ?p ?o } ?passage a ess:Passage }"""
PLACES: Final = """
SELECT ?place ?lat ?long ?country (COUNT(DISTINCT ?fact) AS ?facts) WHERE {
  ?place geo:lat ?lat ; geo:long ?long .
  OPTIONAL { ?place ess:locatedIn ?country . ?country a ess:Country }
  OPTIONAL { ?fact ?link ?place . ?fact a ?class . FILTER (?class != ess:Passage) }
} GROUP BY ?place ?lat ?long ?country ORDER BY ?place LIMIT 400"""
COUNTRIES: Final = "SELECT ?country ?code WHERE { ?country a ess:Country ; ess:isoCode ?code }"
EVENTS: Final = """
SELECT ?event ?start ?end ?edtf ?whole WHERE {
  ?event a ess:Event .
  OPTIONAL { ?event ess:partOfEvent+ ?whole }
  OPTIONAL { ?event schema:startDate ?start }
  OPTIONAL { ?event schema:endDate ?end }
  OPTIONAL { ?event ess:edtfDate ?edtf }
} ORDER BY ?event LIMIT 2000"""
DOCUMENTS: Final = """
SELECT ?document ?summary (COUNT(DISTINCT ?passage) AS ?passages) WHERE {
  ?document a ess:SourceDocument ; ess:summary ?summary .
  ?passage a ess:Passage ; oa:hasSource ?document .
} GROUP BY ?document ?summary ORDER BY ?document"""
NAMES: Final = """
SELECT DISTINCT ?named ?label ?type ?acronym WHERE {
  VALUES ?class {
    ess:Territory ess:Organization ess:Person ess:AgentGroup ess:Event ess:SourceDocument
  }
  ?named a ?class , ?type ; rdfs:label ?label .
  OPTIONAL { ?named ess:acronym ?acronym }
}"""


_ALL: Final = (FIGURES, STATEMENTS, PLACES, COUNTRIES, EVENTS, DOCUMENTS, network.LINKS, NAMES)


@dataclass(frozen=True)
class Dated:
    """An event on the line of time; ``whole``: what contains it, if these are the dates of that."""

    iri: str
    words: str
    bar: pictures.Bar | None
    order: float
    whole: str = ""


def timeline(rows: tuple[Row, ...], v: View) -> tuple[list[Dated], list[str], pictures.Axis | None]:
    """Events with a date, of their own or of what contains them, in order; those without; and the
    line that holds them."""
    starts: dict[str, set[str]] = {}
    ends: dict[str, str] = {}
    wholes: dict[str, set[str]] = {}
    for row in rows:
        iri = row["event"].value
        # A date on the calendar says more than an approximate one.
        date = row.get("start") or row.get("edtf")
        if date is None:
            wholes.setdefault(iri, set()).update([row["whole"].value] if "whole" in row else [])
            continue
        starts.setdefault(iri, set()).add(date.value)
        if "end" in row:
            ends[iri] = row["end"].value
    line = pictures.axis([date for dates in starts.values() for date in dates] + [*ends.values()])
    dated = {}
    for iri, dates in starts.items():
        first = sorted(dates)
        bounds = span(first[0]) or (None, None)
        at = next((moment for moment in bounds if moment is not None), 0.0)
        bar = line.bar(first[0], ends.get(iri, "")) if line else None
        dated[iri] = Dated(iri, pictures.period(first, ends.get(iri, ""), v), bar, at)
    undated = []
    parts = []
    for iri, containing in wholes.items():
        found = sorted(containing & dated.keys())
        if found:
            parts.append(replace(dated[found[0]], iri=iri, whole=found[0]))
        else:
            undated.append(iri)
    ordered = sorted([*dated.values(), *parts], key=lambda it: (it.order, bool(it.whole), it.iri))
    return ordered, undated, line


async def page(request: Request, served: Served) -> Response:
    """The home page. ``?show=`` names the families of the network to draw. Raises QueryError for
    one that there is not."""
    v = frame.view(request)
    counted, stated, places, countries, events, documents, links, named = [
        await select(served, query) for query in _ALL
    ]
    known = Names().add(named)
    asked = [family for family in request.query_params.getlist("show") if family]
    shown = [require("show", f, network.FAMILIES) for f in asked] or list(network.FAMILIES)
    dated, undated, line = timeline(events, v)
    figures = {row["class"].value.removeprefix(names.ESS): row["count"].value for row in counted}
    context = {
        "dataset": await dataset.schema(served, v.language),
        "known": known,
        "figures": figures,
        "statements": stated[0]["count"].value,
        "map": pictures.draw_map(
            list(pictures.places(places).values()),
            known,
            v,
            linked={row["code"].value: row["country"].value for row in countries},
            ratio=0.46,
            letters=75.0,
        )
        if places
        else None,
        "places": sorted(places, key=lambda row: fold(v.plain(known, row["place"].value))),
        "dated": dated,
        "undated": sorted(undated, key=lambda iri: fold(v.plain(known, iri))),
        "line": line,
        "documents": [row for row in documents if row["summary"].language == v.language],
        # Seconds of arithmetic where there is much to place: not in the loop.
        "network": await asyncio.to_thread(network.draw, links, known, v, shown),
        "families": network.FAMILIES,
        "shown": shown,
        "queries": {
            "map": readable(PLACES),
            "timeline": readable(EVENTS),
            "network": readable(network.LINKS),
        },
    }
    return frame.html(request, served, "home.html", v, context)
