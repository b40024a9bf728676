"""What an engine elsewhere holds of ours, read whole in bounded memory; and quads put in order.

A quad is a line of bytes: its graph (``<iri>``, or nothing for the default graph), a space, and its
triple in N-Triples without the final dot. In order, the quads of a graph stand together, and two
such files are compared by one walk.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import IO, Final, Self

import pyoxigraph as ox

from essgraph import endpoint as endpoints
from essgraph import names
from essgraph.dialects import DEFAULT, STATE
from essgraph.endpoint import Endpoint
from essgraph.engine import HELD, MIB
from essgraph.errors import EngineError, Text
from essgraph.formats import NTRIPLES

#: Quads that are sorted in memory at once: some 40 MiB.
_CHUNK: Final = 200_000
#: Lines that are parsed at once.
_PIECE: Final = 10_000
#: Small graphs are read together, up to so many rows and graphs.
_ROWS: Final = 5_000
_GROUP: Final = 200
#: Seconds for a read of ours: it may be of a large graph.
PATIENCE: Final = 600.0
#: Bytes that a triple may take in a read of many, on the average: twenty times what ours do.
_TRIPLE: Final = 4096


class Quads:
    """Quads in order, without repetition: sorted in pieces, in temporary files, and merged.

    Use it as a context manager. Raises OSError where the temporary folder is full.
    """

    def __init__(self) -> None:
        self._pieces: list[IO[bytes]] = []
        self._chunk: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for piece in self._pieces:
            piece.close()

    def add(self, quads: Iterable[bytes]) -> None:
        """Takes quads in any order."""
        for quad in quads:
            self._chunk.append(quad + b"\n")
            if len(self._chunk) >= _CHUNK:
                self._put_away()

    def _put_away(self) -> None:
        self._chunk.sort()
        # No name, so nothing is left of it whatever ends this process.
        piece = tempfile.TemporaryFile(prefix="essgraph-")  # noqa: SIM115
        self._pieces.append(piece)
        piece.writelines(self._chunk)
        self._chunk.clear()

    def __iter__(self) -> Iterator[bytes]:
        """The quads in order; one walk at a time."""
        if self._chunk:
            self._put_away()
        for piece in self._pieces:
            piece.seek(0)
        last = b""
        for line in heapq.merge(*self._pieces):
            if line != last:
                yield line[:-1]
            last = line


def line(quad: ox.Quad) -> bytes:
    """A quad as a line."""
    graph = str(quad.graph_name) if isinstance(quad.graph_name, ox.NamedNode) else ""
    return f"{graph} {quad.subject} {quad.predicate} {quad.object}".encode()


def nquads(quad: bytes) -> bytes:
    """The N-Quads line of a quad."""
    graph, _, triple = quad.partition(b" ")
    return triple + (b" " + graph if graph else b"") + b" .\n"


async def counts(endpoint: Endpoint, ours: Collection[str] = ()) -> dict[str, int]:
    """How many triples the engine holds in each graph of ours: in its default graph, named by
    nothing, in the named graphs under our base, and in those of ``ours``."""
    default = endpoint.dialect.default
    found = await endpoint.graphs(timeout=PATIENCE)
    if default is None:
        rows = await endpoint.select("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", timeout=PATIENCE)
        found[""] = sum(endpoints.number(endpoints.term(row, "n")) for row in rows)
    else:
        found[""] = found.pop(default, 0)
    return {
        graph: n
        for graph, n in found.items()
        if n
        and graph not in (STATE, DEFAULT)
        and (not graph or graph in ours or graph.startswith(names.BASE))
    }


async def read(endpoint: Endpoint, sizes: dict[str, int], into: Quads) -> None:
    """Puts the engine's quads of those graphs (see ``counts``) into ``into``.

    Raises EngineError where the engine fails, or gives less than it counted.
    """
    for group in _groups(sizes):
        given = 0
        if len(group) == 1:
            (graph,) = group
            iri = graph or endpoint.dialect.default
            where = f"GRAPH <{iri}> {{ ?s ?p ?o }}" if iri else "?s ?p ?o"
            query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ {where} }}"
            named = f"<{graph}> " if graph else " "
            most = MIB * 64 + sizes[graph] * _TRIPLE
            async with triples(endpoint, query, most=most) as found:
                for piece in found:
                    given += len(piece)
                    into.add(f"{named}{t.subject} {t.predicate} {t.object}".encode() for t in piece)
        else:
            listed = " ".join(f"<{graph}>" for graph in group)
            rows = await endpoint.select(
                f"SELECT ?g ?s ?p ?o {{ VALUES ?g {{ {listed} }} GRAPH ?g {{ ?s ?p ?o }} }}",
                timeout=PATIENCE,
            )
            given = len(rows)
            into.add(" ".join(str(endpoints.term(row, v)) for v in "gspo").encode() for row in rows)
        wanted = sum(sizes[graph] for graph in group)
        if given < wanted:
            raise EngineError(
                Text(
                    f"le moteur ne rend que {given} des {wanted} triplets qu'il compte : levez "
                    "sa limite de lignes (Virtuoso : ResultSetMaxRows)",
                    f"the engine gives only {given} of the {wanted} triples that it counts: lift "
                    "its limit of rows (Virtuoso: ResultSetMaxRows)",
                )
            )


def _groups(sizes: dict[str, int]) -> Iterator[list[str]]:
    """Graphs to read together: large ones alone, small ones up to a bound."""
    group: list[str] = []
    rows = 0
    for graph, size in sorted(sizes.items()):
        if not graph or size > _ROWS:
            yield [graph]
            continue
        if group and (rows + size > _ROWS or len(group) >= _GROUP):
            yield group
            group, rows = [], 0
        group.append(graph)
        rows += size
    if group:
        yield group


@asynccontextmanager
async def triples(
    endpoint: Endpoint, query: str, dataset: endpoints.Pairs = (), *, most: int = HELD
) -> AsyncIterator[Iterator[list[ox.Triple]]]:
    """The answer to a CONSTRUCT of ours, in pieces, by way of a temporary file, of at most so many
    bytes. Raises EngineError."""
    with tempfile.TemporaryFile(prefix="essgraph-") as file:
        await endpoint.fetch(
            query, NTRIPLES.media_type, file, dataset=dataset, timeout=PATIENCE, limit=most
        )
        file.seek(0)
        yield _pieces(endpoint, file)


def _pieces(endpoint: Endpoint, file: IO[bytes]) -> Iterator[list[ox.Triple]]:
    while lines := list(islice(file, _PIECE)):
        body = endpoint.dialect.repair(NTRIPLES.media_type, b"".join(lines))
        yield endpoints.parse_triples(body)
