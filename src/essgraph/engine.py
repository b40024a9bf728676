"""The one seam to whatever answers SPARQL: a query in, the bytes of an answer out.

An engine has one method. ``pool.Pool`` (forked workers over a snapshot) is the engine of the
service, ``remote.Remote`` (an endpoint elsewhere) the other.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from essgraph.errors import LimitExceeded, Overloaded, Text
from essgraph.formats import Format
from essgraph.iris import require_web_iri
from essgraph.names import XSD
from essgraph.query import Query

_GEO: Final = "http://www.opengis.net/def/function/geosparql/"
#: The functions that our engine has beyond SPARQL 1.1: constructors of more types (17.5 has seven),
#: and those of GeoSPARQL that it knows.
FUNCTIONS: Final = (
    *(f"{XSD}{name}" for name in (
        "date", "dayTimeDuration", "duration", "gDay", "gMonth", "gMonthDay", "gYear",
        "gYearMonth", "time", "yearMonthDuration",
    )),
    *(f"{_GEO}{name}" for name in (
        "area", "asGeoJSON", "centroid", "convexHull", "coordinateDimension", "difference",
        "dimension", "distance", "ehContains", "ehCoveredBy", "ehCovers", "ehDisjoint", "ehEquals",
        "ehInside", "ehMeet", "ehOverlap", "envelope", "getSRID", "intersection", "isEmpty",
        "isSimple", "length", "perimeter", "rcc8dc", "rcc8ec", "rcc8eq", "rcc8ntpp", "rcc8ntppi",
        "rcc8po", "rcc8tpp", "rcc8tppi", "relate", "sfContains", "sfCrosses", "sfDisjoint",
        "sfEquals", "sfIntersects", "sfOverlaps", "sfTouches", "sfWithin", "spatialDimension",
        "symDifference", "union",
    )),
)  # fmt: skip


class Dataset(NamedTuple):
    """The RDF dataset of a query (SPARQL 1.1 Query, 13.2; Protocol, 2.1.4).

    ``default`` are the graphs whose merge is the default graph, ``named`` those that GRAPH may
    reach. Both empty: the store's own dataset.
    """

    default: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.default or self.named)


def dataset_of(query: Query, protocol: Dataset) -> Dataset:
    """The dataset in force: that of the protocol, else that of FROM and FROM NAMED (2.1.4). It has
    each graph once, however often it is named (SPARQL 1.1 Query, 18.1.2).

    Raises QueryError or QueryRefused for an IRI that no dataset may name.
    """
    for iri in (*protocol.default, *protocol.named):
        require_web_iri(iri)
    default, named = protocol if protocol else (query.default_graphs, query.named_graphs)
    return Dataset(tuple(dict.fromkeys(default)), tuple(dict.fromkeys(named)))


MIB: Final = 2**20


@dataclass(frozen=True)
class Limits:
    """What a query may take. Times in seconds, sizes in bytes; ``memory`` is above what the
    workers share, ``slow`` the number of places in the slow lane, ``halted`` how many may wait for
    one with what they have done and ``anew`` how many without, ``client`` and ``waiting`` how many
    queries one client and all clients may have in the pool."""

    timeout: float = 10.0
    memory: int = 512 * MIB
    result: int = 64 * MIB
    fast: float = 0.25
    crowded: float = 0.03
    slow: int = 2
    halted: int = 4
    anew: int = 64
    client: int = 64
    waiting: int = 512


def too_many(limits: Limits) -> LimitExceeded:
    """What a client is told that asks more at once than it may."""
    return LimitExceeded(
        Text(
            f"plus de {limits.client} requêtes en même temps pour un client",
            f"more than {limits.client} queries at once from one client",
        ),
        limit="client",
        value=str(limits.client),
    )


#: Who is answered in this context, for whom queries are also asked that he does not name: those of
#: a page. Empty where nobody is.
CLIENT: Final = ContextVar("CLIENT", default="")

#: What large answers may take together while they are held, in bytes; one client a quarter of it.
HELD: Final = 1024 * MIB
#: When to try again where they take that, in seconds.
_READ: Final = 10


class Spool:
    """An open file that holds a large answer; it is closed when nobody holds it any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, start: int, size: int) -> bytes:
        """At most ``size`` bytes from ``start``."""
        return os.pread(self._descriptor, size, start)

    def __del__(self) -> None:
        os.close(self._descriptor)


class Answer(NamedTuple):
    """A whole answer: its bytes in ``body``, or in ``spool`` where they are many.

    ``rows`` counts solutions or triples, ``size`` bytes.
    """

    body: bytes = b""
    rows: int = 0
    size: int = 0
    spool: Spool | None = None

    def whole(self) -> bytes:
        """All its bytes, in memory."""
        return self.body if self.spool is None else self.spool.read(0, self.size)


class Spools:
    """What the large answers take that somebody still has, a client that reads slowly say."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}  # bytes, by client

    def hold(self, answer: Answer, client: str) -> Answer:
        """The answer, counted until nobody has it. Raises LimitExceeded where its client has too
        much already, Overloaded where all together have."""
        if answer.spool is not None:
            held = self._held.get(client, 0)
            if held and held + answer.size > HELD // 4:
                value = f"{HELD // 4 // MIB} MiB"
                raise LimitExceeded(
                    Text(
                        f"ce client a encore {held // MIB} Mio d'autres réponses à lire, et la "
                        f"limite est de {HELD // 4 // MIB} Mio ; lisez-les d'abord",
                        f"this client still has {held // MIB} MiB of other answers to read, and "
                        f"the limit is {HELD // 4 // MIB} MiB; read them first",
                    ),
                    limit="client",
                    value=value,
                )
            if self._held and sum(self._held.values()) + answer.size > HELD:
                raise Overloaded(
                    Text(
                        "trop de grandes réponses attendent d'être lues ; réessayez plus tard",
                        "too many large answers are waiting to be read; try again later",
                    ),
                    retry_after=_READ,
                )
            self._held[client] = held + answer.size
            weakref.finalize(answer.spool, self._let_go, answer.size, client)
        return answer

    def _let_go(self, size: int, client: str) -> None:
        self._held[client] -= size
        if not self._held[client]:
            del self._held[client]


class Engine(Protocol):
    """What the service asks its questions to. ``functions`` are the IRIs of those it has beyond
    SPARQL 1.1, as far as we know them."""

    functions: tuple[str, ...]

    async def query(
        self,
        query: Query,
        dataset: Dataset,
        bindings: Mapping[str, str],
        format: Format,
        *,
        timeout: float | None = None,
        client: str = "",
    ) -> Answer:
        """The answer in ``format``. ``bindings`` are N-Triples terms by variable, ``timeout`` is
        in seconds. Raises what ``errors`` says of queries, limits and engines."""
        ...
