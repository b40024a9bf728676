"""Loads a snapshot into a SPARQL engine elsewhere, so that no reader ever sees two versions mixed.

What is sent is the difference between what the engine holds and the snapshot, found by reading
both: so a run that was interrupted anywhere is completed by the next one, and a run with nothing
to do sends nothing. Both are put in order in temporary files (``held.Quads``), so memory does not
grow with them.

The switch. The engine says in a graph of one triple which version it holds (``dialects.STATE``).
Where the difference fits in one request, and the engine makes a request visible at once, removals,
additions and the new version go in one update request. Elsewhere the engine says ``loading`` from
before the first request until after the last, and ``remote`` answers nothing that was evaluated
meanwhile. The value has a part that differs with every run, so that no reader takes the same
version, gone and come back, for one that never left.

Who reads the engine directly, not by our service, is protected in the first case only. Two runs at
once are kept apart by a ``lease``.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby, islice
from typing import IO, Final

import pyoxigraph as ox

from essgraph import held, names
from essgraph.dialects import OURS, STATE, Dialect
from essgraph.endpoint import Endpoint
from essgraph.errors import EngineError, SnapshotError, Text
from essgraph.held import Quads
from essgraph.lease import Lease
from essgraph.snapshot import Snapshot

Progress = Callable[[int, int], None]

#: Quads that are read from a file at once.
_PIECE: Final = 5_000
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


class _Pile:
    """Quads in order, in a temporary file."""

    def __init__(self, stack: ExitStack) -> None:
        file = tempfile.TemporaryFile(prefix="essgraph-")  # noqa: SIM115
        self._file: IO[bytes] = stack.enter_context(file)
        self.size = 0

    def add(self, quad: bytes) -> None:
        self._file.write(quad + b"\n")
        self.size += 1

    def batches(self, batch: int) -> Iterator[list[bytes]]:
        """All of them, in pieces of at most ``batch``."""
        self._file.seek(0)
        while lines := list(islice(self._file, batch)):
            yield [line[:-1] for line in lines]

    def durations(self) -> list[bytes]:
        return [q for batch in self.batches(_PIECE) for q in batch if q.endswith(_DURATION)]


@dataclass(frozen=True)
class _Difference:
    """What to remove and to add."""

    remove: _Pile
    add: _Pile

    @property
    def size(self) -> int:
        return self.remove.size + self.add.size


async def push(
    snapshot: Snapshot,
    endpoint: Endpoint,
    *,
    batch: int,
    verify: bool,
    progress: Progress,
) -> Pushed:
    """Makes the engine hold the snapshot, and say so.

    ``batch`` is how many quads go in a request, and may go in one where that makes the switch
    atomic; ``verify`` reads all of it back and compares its digest with that of the snapshot.
    Raises EngineError where the engine refuses, fails, is written to by another run or
    (``verify``) holds something else, and where the temporary folder is full; SnapshotError where
    the snapshot cannot be read.
    """
    dialect = await endpoint.discover()
    if dialect is OURS:
        raise endpoint.ours()
    try:
        async with Lease(endpoint) as lease:
            with ExitStack() as stack:
                return await _push(
                    snapshot, endpoint, dialect, lease, stack, batch, verify, progress
                )
    except OSError as error:
        raise EngineError(
            Text(
                f"pas de place pour les fichiers temporaires dans {tempfile.gettempdir()} "
                f"({error.strerror}) : libérez-en, ou donnez un autre dossier par TMPDIR",
                f"no room for temporary files in {tempfile.gettempdir()} ({error.strerror}): "
                "free some, or name another folder with TMPDIR",
            )
        ) from error


async def _push(
    snapshot: Snapshot,
    endpoint: Endpoint,
    dialect: Dialect,
    lease: Lease,
    stack: ExitStack,
    batch: int,
    verify: bool,
    progress: Progress,
) -> Pushed:
    wanted = stack.enter_context(Quads())
    # In threads, so that the lease is renewed meanwhile.
    graphs = await asyncio.to_thread(_read, snapshot, wanted)
    has = await _held(endpoint, graphs, stack)
    difference = _Difference(_Pile(stack), _Pile(stack))
    await asyncio.to_thread(_compare, has, wanted, difference)
    if dialect.loads:
        await asyncio.to_thread(_durations, difference, wanted)
    state = await endpoint.version()
    at_once = dialect.atomic and difference.size <= batch
    if difference.size or state is None or _version(state) != snapshot.version:
        run = f"{snapshot.version} {secrets.token_hex(8)}"
        lease.check()
        if at_once:
            await endpoint.update(
                ";\n".join([*_updates(difference, dialect.default), _declare(run)])
            )
        else:
            await endpoint.update(_declare(f"loading {run}"))
            await _send(endpoint, difference, lease, batch, progress)
            lease.check()
            await endpoint.update(_declare(run))
        if await endpoint.version() != run:
            raise endpoint.lost()
    digest = None
    if verify:
        found = await _held(endpoint, graphs, stack)
        digest = await asyncio.to_thread(_digest, found)
        expected = await asyncio.to_thread(_digest, wanted)
        if digest != expected:
            raise EngineError(
                Text(
                    f"le moteur contient autre chose que l'instantané : {digest[:16]} au lieu de "
                    f"{expected[:16]}",
                    f"the engine holds something other than the snapshot: {digest[:16]} instead of "
                    f"{expected[:16]}",
                )
            )
    return Pushed(dialect.name, difference.add.size, difference.remove.size, at_once, digest)


def _version(state: str) -> str:
    return state.partition(" ")[0]


# --- both sides -----------------------------------------------------------------------------


def _read(snapshot: Snapshot, into: Quads) -> set[str]:
    """Puts the snapshot's quads into ``into``; its graphs. Raises SnapshotError for blank nodes,
    which cannot be found again in another engine."""
    graphs: set[str] = set()

    def lines() -> Iterator[bytes]:
        for quad in ox.parse(path=snapshot.quads, format=ox.RdfFormat.N_QUADS):
            if any(isinstance(term, ox.BlankNode) for term in quad):
                raise SnapshotError(
                    Text(
                        f"{snapshot.quads} contient un nœud anonyme",
                        f"{snapshot.quads} holds a blank node",
                    )
                )
            graphs.add(getattr(quad.graph_name, "value", ""))
            yield held.line(quad)

    if not snapshot.quads.is_file():
        raise SnapshotError(
            Text(f"{snapshot.quads} est illisible", f"{snapshot.quads} cannot be read")
        )
    into.add(lines())
    return graphs


async def _held(endpoint: Endpoint, ours: set[str], stack: ExitStack) -> Quads:
    """What the engine holds of ours."""
    found = stack.enter_context(Quads())
    await held.read(endpoint, await held.counts(endpoint, ours), found)
    return found


def _compare(has: Quads, wanted: Quads, difference: _Difference) -> None:
    """One walk over both, which are in the same order."""
    theirs, ours = iter(has), iter(wanted)
    one, other = next(theirs, None), next(ours, None)
    while one is not None or other is not None:
        if one == other:
            one, other = next(theirs, None), next(ours, None)
        elif other is None or (one is not None and one < other):
            difference.remove.add(one or b"")
            one = next(theirs, None)
        else:
            difference.add.add(other)
            other = next(ours, None)


def _durations(difference: _Difference, wanted: Quads) -> None:
    """A duration is removed with all of its subject and predicate (see ``_remove``): those that
    are to stay are added again."""
    gone = {tuple(quad.split(b" ", 3)[:3]) for quad in difference.remove.durations()}
    if gone:
        added = set(difference.add.durations())
        for quad in wanted:
            again = quad.endswith(_DURATION) and tuple(quad.split(b" ", 3)[:3]) in gone
            if again and quad not in added:
                difference.add.add(quad)


def _digest(quads: Quads) -> str:
    """The SHA-256 of the quads as N-Quads, graph by graph."""
    whole = hashlib.sha256()
    for quad in quads:
        whole.update(held.nquads(quad))
    return whole.hexdigest()


# --- writing --------------------------------------------------------------------------------


def _declare(state: str) -> str:
    """The update that says what the engine holds."""
    said = f"<{names.DATASET}> <{names.OWL}versionInfo>"
    return (
        f"DELETE WHERE {{ GRAPH <{STATE}> {{ {said} ?was }} }} ;\n"
        f'INSERT DATA {{ GRAPH <{STATE}> {{ {said} "{state}" }} }}'
    )


def _updates(difference: _Difference, default: str | None) -> Iterator[str]:
    for piece in difference.remove.batches(difference.size or 1):
        yield "DELETE " + _data(piece, default)
    for piece in difference.add.batches(difference.size or 1):
        yield "INSERT " + _data(piece, default)


def _by_graph(piece: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """The triples of a piece by graph, the default graph under the empty name."""
    for graph, quads in groupby(piece, lambda quad: quad.partition(b" ")[0]):
        yield graph[1:-1].decode(), [quad.partition(b" ")[2] for quad in quads]


def _data(piece: list[bytes], default: str | None) -> str:
    parts = ["DATA {\n"]
    for graph, lines in _by_graph(piece):
        triples = "".join(f"{line.decode()} .\n" for line in lines)
        named = graph or default
        parts.append(f"GRAPH <{named}> {{\n{triples}}}\n" if named else triples)
    return "".join([*parts, "}"])


async def _send(
    endpoint: Endpoint, difference: _Difference, lease: Lease, batch: int, progress: Progress
) -> None:
    whole, done = difference.size, 0
    progress(0, whole)
    for piece in difference.remove.batches(batch):
        lease.check()
        await _remove(endpoint, piece)
        done += len(piece)
        progress(done, whole)
    for piece in difference.add.batches(batch):
        lease.check()
        if endpoint.dialect.loads:
            for graph, lines in _by_graph(piece):
                triples = b"".join(line + b" .\n" for line in lines)
                await endpoint.load(graph or endpoint.dialect.default or "", triples)
        else:
            await endpoint.update("INSERT " + _data(piece, endpoint.dialect.default))
        done += len(piece)
        progress(done, whole)


async def _remove(endpoint: Endpoint, piece: list[bytes]) -> None:
    default = endpoint.dialect.default
    if endpoint.dialect.loads:
        # What went in by the graph store may not be named in DELETE DATA: see ``dialects``.
        for quad in (quad for quad in piece if quad.endswith(_DURATION)):
            graph, subject, predicate = quad.decode().split(" ", 3)[:3]
            pattern = f"GRAPH {graph or f'<{default}>'} {{ {subject} {predicate} ?o }}"
            await endpoint.update(
                f"DELETE {{ {pattern} }} WHERE {{ {pattern} "
                f"FILTER (DATATYPE(?o) = <{names.XSD}duration>) }}"
            )
        piece = [quad for quad in piece if not quad.endswith(_DURATION)]
    if piece:
        await endpoint.update("DELETE " + _data(piece, default))
