"""How SPARQL engines differ: one table, and the row of it that an endpoint's own words choose.

An endpoint tells what it is by its service description (SPARQL 1.1 Service Description) and the
``Server`` field of its answers. Whatever it does not tell is taken to be as the standard says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from essgraph import formats, names

#: Where the default graph of a snapshot stands in an engine that has none of its own.
DEFAULT: Final = names.GRAPH + "default"
#: The graph of one triple that says which version an engine holds; it is not part of the data.
STATE: Final = names.GRAPH + "state"
#: A graph that never is: the way to say "none" where an empty list would mean "all".
NONE: Final = names.GRAPH + "none"

Repair = tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]]


@dataclass(frozen=True)
class Dialect:
    """What one kind of engine does in its own way.

    ``server`` is what its ``Server`` field holds. ``default`` names the graph that stands for the
    default graph; without it the engine has one. ``listed`` says that ``GRAPH`` reaches more than
    our graphs unless they are listed in the request. ``merges`` says that several default graphs
    are merged as SPARQL 1.1 Query, 13.2 wants; ``overrides`` that the dataset of a request prevails
    over that of the query (Protocol, 2.1.4). ``atomic`` says that no reader sees half of an
    update request. ``loads`` says that data go in by the Graph Store Protocol, for ``INSERT DATA``
    does not take them all. ``walks`` says that paths which repeat (``p*``, ``p+``, ``p?``) are
    followed right; where they are not, they are unfolded (``paths``). ``update`` and ``store``
    are the ends of the addresses of updates and of the graph store, by the end of the address of
    queries. ``repairs`` mend, by media type, what the engine writes otherwise than it was given.
    """

    name: str
    server: str = ""
    default: str | None = None
    listed: bool = False
    merges: bool = True
    overrides: bool = True
    atomic: bool = True
    loads: bool = False
    walks: bool = True
    update: tuple[tuple[str, str], ...] = ()
    store: tuple[tuple[str, str], ...] = ()
    repairs: tuple[tuple[str, Repair], ...] = ()

    def update_url(self, endpoint: str) -> str:
        """The address of updates, from that of queries."""
        return _other_end(endpoint, self.update)

    def store_url(self, endpoint: str) -> str:
        """The address of the graph store, from that of queries."""
        return _other_end(endpoint, self.store)

    def repair(self, media_type: str, body: bytes) -> bytes:
        """An answer with its literals as they were loaded."""
        for written, (pattern, mend) in self.repairs:
            if written == media_type:
                body = pattern.sub(mend, body)
        return body


def _other_end(endpoint: str, ends: tuple[tuple[str, str], ...]) -> str:
    base = endpoint.rstrip("/")
    for end, other in ends:
        if base.endswith(end):
            return base[: len(base) - len(end)] + other
    return endpoint


def _duration(seconds: bytes) -> bytes:
    """Virtuoso keeps ``xsd:duration`` as a number of seconds: the canonical dayTimeDuration.

    What it loses for good: months and years, and what is beyond six digits of seconds.
    """
    whole = float(seconds)
    sign, rest = ("-" if whole < 0 else ""), abs(whole)
    days, rest = divmod(rest, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    time = "".join(
        f"{number:g}{unit}"
        for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S"))
        if number
    )
    date = f"{days:g}D" if days else ""
    return f"{sign}P{date}{'T' + time if time else '' if date else 'T0S'}".encode()


_XSD: Final = re.escape(names.XSD.encode())
_NUMBER: Final = rb"(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
# In both formats a quotation mark inside a literal is escaped, so no literal can hold a match.
_VIRTUOSO: Final[tuple[tuple[str, Repair], ...]] = (
    (
        formats.JSON.media_type,
        (
            re.compile(rb'("datatype": "' + _XSD + rb'duration", "value": ")' + _NUMBER + rb'"'),
            lambda m: m[1] + _duration(m[2]) + b'"',
        ),
    ),
    (
        formats.JSON.media_type,
        (
            re.compile(rb'("datatype": "' + _XSD + rb'boolean", "value": ")([01])"'),
            lambda m: m[1] + (b"true" if m[2] == b"1" else b"false") + b'"',
        ),
    ),
    (
        formats.NTRIPLES.media_type,
        (
            re.compile(rb'"' + _NUMBER + rb'"(\^\^<' + _XSD + rb"duration>)"),
            lambda m: b'"' + _duration(m[1]) + b'"' + m[2],
        ),
    ),
)

_QUERY_UPDATE: Final = (("/query", "/update"),)

STANDARD: Final = Dialect(
    "SPARQL 1.1", update=(*_QUERY_UPDATE, ("/sparql", "/update")), store=(("/query", "/data"),)
)
#: A service of essgraph: it takes no writes, and its data do not hold their own version.
OURS: Final = Dialect("essgraph")
TABLE: Final = (
    Dialect(
        "Oxigraph",
        server="oxigraph",
        merges=False,  # 0.5.13 counts a triple once for each graph that holds it
        update=_QUERY_UPDATE,
        store=(("/query", "/store"),),
    ),
    Dialect(
        "Virtuoso",
        server="virtuoso",
        default=DEFAULT,
        listed=True,
        merges=False,
        overrides=False,
        atomic=False,
        walks=False,
        loads=True,  # INSERT DATA refuses xsd:duration
        update=(("/sparql-auth", "/sparql-auth"), ("/sparql", "/sparql-auth")),
        store=(("/sparql-auth", "/sparql-graph-crud-auth"), ("/sparql", "/sparql-graph-crud-auth")),
        repairs=_VIRTUOSO,
    ),
    Dialect("Fuseki", server="fuseki", update=_QUERY_UPDATE, store=(("/query", "/data"),)),
    Dialect(
        "GraphDB",
        server="graphdb",
        default=DEFAULT,
        listed=True,
        update=(("", "/statements"),),
        store=(("", "/rdf-graphs/service"),),
    ),
    Dialect("Stardog", server="stardog", update=_QUERY_UPDATE),
    Dialect("Neptune", server="neptune", default=DEFAULT, listed=True),
    Dialect("QLever", server="qlever", default=DEFAULT, listed=True),
)


def choose(server: str, description: str) -> Dialect:
    """The row for an endpoint, by its ``Server`` field and the text of its service description."""
    if f"<{names.DATASET}>" in description:
        return OURS  # only ours names it as the default dataset
    lower = server.lower()
    for dialect in TABLE:
        if dialect.server in lower:
            break
    else:
        dialect = STANDARD
    if dialect.default is None and "UnionDefaultGraph" in description:
        # The default graph is the union of all: ours stands in a named one, and is asked for.
        return replace(dialect, default=DEFAULT, listed=True)
    return dialect
