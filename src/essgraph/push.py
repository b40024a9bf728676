"""Loads a snapshot into a SPARQL engine elsewhere, so that no reader ever sees two versions mixed.

What is sent is the difference between what the engine holds and the snapshot, found by reading
both: so a run that was interrupted anywhere is completed by the next one, and a run with nothing
to do sends nothing.

The switch. The engine says in a graph of one triple which version it holds (``dialects.STATE``).
Where the difference fits in one request, and the engine makes a request visible at once, removals,
additions and the new version go in one update request. Elsewhere the engine says ``loading`` from
before the first request until after the last, and ``remote`` answers nothing that was evaluated
meanwhile. The value has a part that differs with every run, so that no reader takes the same
version, gone and come back, for one that never left.

Who reads the engine directly, not by our service, is protected in the first case only.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pyoxigraph as ox

from essgraph import endpoint as endpoints
from essgraph import names
from essgraph.dialects import DEFAULT, STATE
from essgraph.endpoint import Endpoint
from essgraph.errors import EngineError, SnapshotError, Text
from essgraph.snapshot import Snapshot

#: Graphs by IRI, the default graph under the empty one; a triple is its N-Triples line, without
#: the final dot.
Graphs = dict[str, set[bytes]]
Progress = Callable[[int, int], None]

#: Quads in a request, and what may go in one request where that makes the switch atomic.
BATCH: Final = 5_000
#: Seconds for a read of ours: it may be of a large graph.
_PATIENCE: Final = 600.0
_DURATION: Final = f"^^<{names.XSD}duration>".encode()


@dataclass(frozen=True)
class Pushed:
    """What a run did. ``added`` and ``removed`` count quads; ``digest`` is that of the engine's
    content, where it was read again."""

    dialect: str
    added: int
    removed: int
    at_once: bool
    digest: str | None = None


@dataclass
class _Difference:
    """What to remove and to add, by graph."""

    remove: Graphs = field(default_factory=dict)
    add: Graphs = field(default_factory=dict)

    @property
    def size(self) -> int:
        return _size(self.remove) + _size(self.add)


def _size(graphs: Graphs) -> int:
    return sum(map(len, graphs.values()))


async def push(
    snapshot: Snapshot,
    endpoint: Endpoint,
    *,
    batch: int = BATCH,
    verify: bool = False,
    progress: Progress = lambda done, whole: None,
) -> Pushed:
    """Makes the engine hold the snapshot, and say so.

    ``verify`` reads all of it back and compares its digest with that of the snapshot. Raises
    EngineError where the engine refuses, fails or (``verify``) holds something else.
    """
    dialect = await endpoint.discover()
    wanted = _read(snapshot)
    held = await _held(endpoint, set(wanted))
    difference = _compare(held, wanted)
    removed, added = _size(difference.remove), _size(difference.add)
    state = await endpoint.version()
    at_once = dialect.atomic and difference.size <= batch
    if difference.size or state is None or _version(state) != snapshot.version:
        run = f"{snapshot.version} {secrets.token_hex(8)}"
        if at_once:
            await endpoint.update(
                ";\n".join([*_updates(difference, dialect.default), _declare(run)])
            )
        else:
            await endpoint.update(_declare(f"loading {run}"))
            await _send(endpoint, difference, batch, progress)
            await endpoint.update(_declare(run))
    digest = None
    if verify:
        digest = _digest(await _held(endpoint, set(wanted)))
        expected = _digest(wanted)
        if digest != expected:
            raise EngineError(
                Text(
                    f"le moteur contient autre chose que l'instantané : {digest[:16]} au lieu de "
                    f"{expected[:16]}",
                    f"the engine holds something else than the snapshot: {digest[:16]} instead of "
                    f"{expected[:16]}",
                )
            )
    return Pushed(dialect.name, added, removed, at_once, digest)


def _version(state: str) -> str:
    return state.partition(" ")[0]


# --- both sides -----------------------------------------------------------------------------


def _read(snapshot: Snapshot) -> Graphs:
    """The snapshot's quads by graph. Raises SnapshotError for blank nodes, which cannot be found
    again in another engine."""
    graphs: Graphs = {"": set()}
    try:
        for quad in ox.parse(path=snapshot.quads, format=ox.RdfFormat.N_QUADS):
            if any(isinstance(term, ox.BlankNode) for term in quad):
                raise SnapshotError(
                    Text(
                        f"{snapshot.quads} contient un nœud anonyme",
                        f"{snapshot.quads} holds a blank node",
                    )
                )
            graph = quad.graph_name.value if isinstance(quad.graph_name, ox.NamedNode) else ""
            graphs.setdefault(graph, set()).add(_line(quad.triple))
    except OSError as error:
        raise SnapshotError(
            Text(f"{snapshot.quads} est illisible", f"{snapshot.quads} cannot be read")
        ) from error
    return graphs


def _line(triple: ox.Triple) -> bytes:
    return f"{triple.subject} {triple.predicate} {triple.object}".encode()


async def _held(endpoint: Endpoint, ours: set[str]) -> Graphs:
    """What the engine holds of ours: its default graph, and the named graphs under our base."""
    default = endpoint.dialect.default
    counts = await endpoint.graphs(timeout=_PATIENCE)
    if default is None:
        rows = await endpoint.select("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", timeout=_PATIENCE)
        counts[""] = int(getattr(rows[0]["n"], "value", "0"))
    else:
        counts[""] = counts.pop(default, 0)
    counts = {
        graph: n
        for graph, n in counts.items()
        if n and graph not in (STATE, DEFAULT) and (graph in ours or graph.startswith(names.BASE))
    }
    graphs: Graphs = {}
    for group in _groups(counts):
        if len(group) == 1:
            graphs[group[0]] = await _whole(endpoint, group[0], counts[group[0]])
        else:
            graphs |= await _several(endpoint, group)
    for graph, n in counts.items():
        if len(graphs.get(graph, ())) < n:
            raise EngineError(
                Text(
                    f"le moteur ne rend que {len(graphs.get(graph, ()))} des {n} triplets d'un "
                    "graphe : levez sa limite de lignes (Virtuoso : ResultSetMaxRows)",
                    f"the engine gives only {len(graphs.get(graph, ()))} of the {n} triples of a "
                    "graph: lift its limit of rows (Virtuoso: ResultSetMaxRows)",
                )
            )
    return graphs


def _groups(counts: dict[str, int]) -> Iterator[list[str]]:
    """Graphs to read together: large ones alone, small ones up to a batch."""
    group: list[str] = []
    rows = 0
    for graph, count in sorted(counts.items()):
        if not graph or count > BATCH:
            yield [graph]
            continue
        if group and (rows + count > BATCH or len(group) >= 200):
            yield group
            group, rows = [], 0
        group.append(graph)
        rows += count
    if group:
        yield group


async def _whole(endpoint: Endpoint, graph: str, count: int) -> set[bytes]:
    iri = graph or endpoint.dialect.default
    where = f"GRAPH <{iri}> {{ ?s ?p ?o }}" if iri else "?s ?p ?o"
    body = await endpoint.ask(
        f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ {where} }}",
        endpoints.TRIPLES,
        timeout=_PATIENCE,
        limit=max(count, 1_000) * 4_096,
    )
    return {_line(triple) for triple in endpoints.parse_triples(body)}


async def _several(endpoint: Endpoint, graphs: list[str]) -> Graphs:
    listed = " ".join(f"<{graph}>" for graph in graphs)
    rows = await endpoint.select(
        f"SELECT ?g ?s ?p ?o {{ VALUES ?g {{ {listed} }} GRAPH ?g {{ ?s ?p ?o }} }}",
        timeout=_PATIENCE,
    )
    found: Graphs = {}
    for row in rows:
        graph = str(getattr(row["g"], "value", ""))
        found.setdefault(graph, set()).add(f"{row['s']} {row['p']} {row['o']}".encode())
    return found


def _compare(held: Graphs, wanted: Graphs) -> _Difference:
    difference = _Difference()
    for graph in held.keys() | wanted.keys():
        has, wants = held.get(graph, set()), wanted.get(graph, set())
        if has - wants:
            difference.remove[graph] = has - wants
        if wants - has:
            difference.add[graph] = wants - has
        _durations(difference, graph, wants)
    return difference


def _durations(difference: _Difference, graph: str, wanted: set[bytes]) -> None:
    """A duration is removed with all of its subject and predicate (see ``_remove``): those that
    are to stay are added again."""
    gone = {
        tuple(line.split(b" ", 2)[:2])
        for line in difference.remove.get(graph, ())
        if line.endswith(_DURATION)
    }
    if gone:
        again = {
            line
            for line in wanted
            if line.endswith(_DURATION) and tuple(line.split(b" ", 2)[:2]) in gone
        }
        if again:
            difference.add[graph] = difference.add.get(graph, set()) | again


def _digest(graphs: Graphs) -> str:
    """The SHA-256 of the quads as canonical N-Quads: what a snapshot calls its version."""
    lines = [
        line + (f" <{graph}> .\n".encode() if graph else b" .\n")
        for graph, triples in graphs.items()
        for line in triples
    ]
    whole = hashlib.sha256()
    for line in sorted(lines):
        whole.update(line)
    return whole.hexdigest()


# --- writing --------------------------------------------------------------------------------


def _declare(state: str) -> str:
    """The update that says what the engine holds."""
    said = f"<{names.DATASET}> <{names.OWL}versionInfo>"
    return (
        f"DELETE WHERE {{ GRAPH <{STATE}> {{ {said} ?was }} }} ;\n"
        f'INSERT DATA {{ GRAPH <{STATE}> {{ {said} "{state}" }} }}'
    )


def _batches(graphs: Graphs, batch: int) -> Iterator[list[tuple[str, list[bytes]]]]:
    """The triples in pieces of at most ``batch``, in a fixed order."""
    piece: list[tuple[str, list[bytes]]] = []
    room = batch
    for graph in sorted(graphs):
        lines = sorted(graphs[graph])
        while lines:
            piece.append((graph, lines[:room]))
            taken = len(piece[-1][1])
            lines, room = lines[taken:], room - taken
            if not room:
                yield piece
                piece, room = [], batch
    if piece:
        yield piece


def _updates(difference: _Difference, default: str | None) -> Iterator[str]:
    for piece in _batches(difference.remove, difference.size):
        yield "DELETE " + _data(piece, default)
    for piece in _batches(difference.add, difference.size):
        yield "INSERT " + _data(piece, default)


def _data(piece: Iterable[tuple[str, list[bytes]]], default: str | None) -> str:
    parts = ["DATA {\n"]
    for graph, lines in piece:
        triples = "".join(f"{line.decode()} .\n" for line in lines)
        named = graph or default
        parts.append(f"GRAPH <{named}> {{\n{triples}}}\n" if named else triples)
    return "".join([*parts, "}"])


async def _send(
    endpoint: Endpoint, difference: _Difference, batch: int, progress: Progress
) -> None:
    whole, done = difference.size, 0
    progress(0, whole)
    for piece in _batches(difference.remove, batch):
        await _remove(endpoint, piece)
        done += sum(len(lines) for _, lines in piece)
        progress(done, whole)
    for piece in _batches(difference.add, batch):
        if endpoint.dialect.loads:
            for graph, lines in piece:
                triples = b"".join(line + b" .\n" for line in lines)
                await endpoint.load(graph or endpoint.dialect.default or "", triples)
        else:
            await endpoint.update("INSERT " + _data(piece, endpoint.dialect.default))
        done += sum(len(lines) for _, lines in piece)
        progress(done, whole)


async def _remove(endpoint: Endpoint, piece: list[tuple[str, list[bytes]]]) -> None:
    default = endpoint.dialect.default
    plain: list[tuple[str, list[bytes]]] = []
    for graph, lines in piece:
        rest = lines
        if endpoint.dialect.loads:
            # What went in by the graph store may not be named in DELETE DATA: see ``dialects``.
            rest = [line for line in lines if not line.endswith(_DURATION)]
            for line in set(lines) - set(rest):
                subject, predicate = line.decode().split(" ", 2)[:2]
                pattern = f"GRAPH <{graph or default}> {{ {subject} {predicate} ?o }}"
                await endpoint.update(
                    f"DELETE {{ {pattern} }} WHERE {{ {pattern} "
                    f"FILTER (DATATYPE(?o) = <{names.XSD}duration>) }}"
                )
        if rest:
            plain.append((graph, rest))
    if plain:
        await endpoint.update("DELETE " + _data(plain, default))
