"""The outcome of a query as people look at it: a table, a chart, a map, a graph, or an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Final

import pyoxigraph as ox

from essgraph import formats, names
from essgraph.engine import CLIENT, Dataset
from essgraph.errors import EssgraphError
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import problems, sparql
from essgraph.service.live import Served
from essgraph.service.pages import network, pictures, shortlinks
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import PREFIXES, Row, Table, Term, read, select

#: The ways to look at an answer; which of them there are depends on it.
VIEWS: Final = ("table", "chart", "map", "graph")
#: How many rows, bars, places and things are shown; the downloads have them all.
ROWS: Final = 500
BARS: Final = 60
_NUMERIC: Final = {
    names.XSD + kind for kind in ("integer", "decimal", "double", "float", "nonNegativeInteger")
}
_SAFE_IRI: Final = re.compile(r'https?://[^\x00-\x20<>"{}|^`\\]+')


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: what it counts, how much, and its share of the longest, in percent."""

    labels: tuple[Term, ...]
    value: Term
    share: float


@dataclass(frozen=True)
class Fault:
    """Why a query has no answer, and where in its text."""

    text: str
    status: int = 400
    line: int = 0
    column: int = 0
    excerpt: tuple[tuple[int, str], ...] = ()


@dataclass
class Outcome:
    """What a query gave."""

    query: str
    form: str = ""
    table: Table | None = None
    truth: bool | None = None
    total: int = 0
    fault: Fault | None = None
    known: Names = field(default_factory=Names)
    offers: Sequence[Format] = ()
    views: list[str] = field(default_factory=list)
    view: str = "table"
    bars: list[Bar] = field(default_factory=list)
    map: pictures.Map | None = None
    network: network.Network | None = None

    @property
    def code(self) -> str:
        return shortlinks.shorten(self.query)

    def telling(self, language: str) -> list[str]:
        """The variables of the table but those that hold, in each row, only the name by which the
        page shows the thing of another: ``cityLabel`` beside ``city``."""
        table = self.table or Table((), ())

        def called(thing: Term | None) -> str | None:
            return self.known.labels.get(thing.value, {}).get(language) if thing else None

        def repeats(name: str) -> bool:
            thing = name.removesuffix("Label")
            return (
                thing != name
                and thing in table.variables
                and all(
                    row[name].value == called(row.get(thing)) for row in table.rows if name in row
                )
            )

        return [name for name in table.variables if not repeats(name)]


async def ask(served: Served, query: str, wanted: str, v: View) -> Outcome:
    """The outcome of a query as it stands; a fault of the query is an outcome too."""
    outcome = Outcome(query)
    try:
        inspected = await sparql.read(inspect, query)
        outcome.form = inspected.form
        graph = inspected.form in ("CONSTRUCT", "DESCRIBE")
        outcome.offers = formats.GRAPHS if graph else formats.RESULTS
        chosen = formats.NTRIPLES if graph else formats.JSON
        kept = await served.answers.ask(inspected, Dataset(), {}, chosen, client=CLIENT.get())
    except EssgraphError as error:
        outcome.fault = _fault(error, query, v)
        return outcome
    body = kept.answer.whole()
    if inspected.form == "ASK":
        outcome.truth = b"true" in body
        return outcome
    table = _triples(body) if graph else read(body)
    outcome.total = len(table.rows)
    outcome.table = Table(table.variables, table.rows[:ROWS])
    outcome.known = await labels(served, outcome.table.rows)
    await _draw(outcome, served, wanted, v)
    return outcome


def _triples(body: bytes) -> Table:
    """N-Triples of our own engine as a table."""
    rows: list[Row] = [
        {
            "subject": _term(quad.subject),
            "predicate": _term(quad.predicate),
            "object": _term(quad.object),
        }
        for quad in ox.parse(body, ox.RdfFormat.N_TRIPLES)
    ]
    return Table(("subject", "predicate", "object"), tuple(rows))


def _term(term: object) -> Term:
    if isinstance(term, ox.NamedNode):
        return Term(term.value, iri=True)
    if isinstance(term, ox.Literal):
        language = term.language or ""
        return Term(term.value, False, language, "" if language else term.datatype.value)
    return Term(str(term))


async def labels(served: Served, rows: Sequence[Row]) -> Names:
    """Labels and kinds of all IRIs of ours in some rows."""
    iris = sorted(
        {
            term.value
            for row in rows
            for term in row.values()
            if term.iri and term.value.startswith(names.BASE) and _SAFE_IRI.fullmatch(term.value)
        }
    )
    known = Names()
    for start in range(0, len(iris), 500):
        listed = " ".join(f"<{iri}>" for iri in iris[start : start + 500])
        text = (
            f"{PREFIXES}SELECT ?named ?label ?type WHERE {{ VALUES ?named {{ {listed} }} "
            "?named rdfs:label ?label . OPTIONAL { ?named a ?type } }"
        )
        kept = await served.answers.ask(inspect(text), Dataset(), {}, formats.JSON)
        known.add(read(kept.answer.whole()).rows)
    return known


async def _draw(outcome: Outcome, served: Served, wanted: str, v: View) -> None:
    """Finds out which views the answer allows, and draws the one that is wanted."""
    table = outcome.table
    assert table is not None
    rows = table.rows
    outcome.views = ["table"]
    bars = _bars(table)
    if bars:
        outcome.views.append("chart")
    places = await _places(served, rows)
    if places:
        outcome.views.append("map")
    links = _links(table)
    if links:
        outcome.views.append("graph")
    outcome.view = wanted if wanted in outcome.views else "table"
    if outcome.view == "chart":
        outcome.bars = bars
    elif outcome.view == "map":
        outcome.map = pictures.draw_map(places, outcome.known, v, ratio=0.5, letters=70.0)
    elif outcome.view == "graph":
        outcome.network = network.draw(links, outcome.known, v, None)


def _bars(table: Table) -> list[Bar]:
    """Bars of the last column that holds only numbers, each under what stands before it."""
    rows = [row for row in table.rows if row]
    numeric = [
        name
        for name in table.variables
        if any(name in row for row in rows)
        and all(isfinite(_number(row[name])) for row in rows if name in row)
    ]
    others = [name for name in table.variables if name not in numeric]
    if not numeric or not others:
        return []
    value = numeric[-1]
    shown = [name for name in others if name.endswith("Label")] or others[:2]
    listed = [row for row in rows if value in row][:BARS]
    longest = max((abs(_number(row[value])) for row in listed), default=0.0)
    return [
        Bar(
            tuple(row[name] for name in shown if name in row),
            row[value],
            100 * (abs(_number(row[value])) / (longest or 1.0)),
        )
        for row in listed
    ]


def _number(term: Term) -> float:
    """The value of a number; NaN for what is none, whatever its datatype says."""
    try:
        return float(term.value) if term.datatype in _NUMERIC else nan
    except ValueError:
        return nan


async def _places(served: Served, rows: Sequence[Row]) -> list[pictures.Point]:
    """Where the things of the rows lie, as far as the graph knows."""
    iris = {term.value for row in rows for term in row.values() if term.iri}
    known = await select(
        served, "SELECT ?place ?lat ?long { ?place geo:lat ?lat ; geo:long ?long } LIMIT 5000"
    )
    return [point for iri, point in sorted(pictures.places(known).items()) if iri in iris]


def _links(table: Table) -> list[Row]:
    """Links between the things of two columns."""
    columns = [
        name for name in table.variables if any(name in row and row[name].iri for row in table.rows)
    ]
    if "predicate" in columns:
        columns.remove("predicate")
    if len(columns) < 2:
        return []
    a, b = columns[0], columns[1]
    link = Term(names.RDFS + "seeAlso", iri=True)
    return [
        {"a": row[a], "link": row.get("predicate", link), "b": row[b]}
        for row in table.rows
        if a in row and b in row and row[a].iri and row[b].iri and row[a] != row[b]
    ]


def _fault(error: EssgraphError, query: str, v: View) -> Fault:
    text = error.text.in_language(v.language)
    at = getattr(error, "at", None)
    if at is None:
        return Fault(text, problems.status_of(error))
    lines = query.splitlines()
    first = max(1, at.line - 1)
    excerpt = tuple((n, lines[n - 1]) for n in range(first, min(len(lines), at.line + 1) + 1))
    return Fault(text, problems.status_of(error), at.line, at.column or 0, excerpt)
