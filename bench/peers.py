"""``/sparql`` beside the servers of its kind in Python, over the same data, in one run.

What a peer does not answer as this service does is left out of what it is timed by, and told.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pyoxigraph as ox

from bench import corpus, load, servers, sparql
from bench.corpus import Corpus
from bench.load import Load, Measured
from bench.servers import Server
from bench.sparql import Client

_SIZES = (10_000, 100_000)
_CLIENTS = (1, 8)
_ROUNDS = 2


def run(quick: bool = False) -> str:
    """The section of the report."""
    parts = [
        "## SPARQL beside servers in Python\n",
        "Each holds the same data in memory (SHMARQL, whose default graph is the union of all, the "
        "default graph alone), and is asked only the kinds of query that it answers as essgraph "
        "does. Rounds alternate; a ratio of requests is better above 1.\n",
        "| peer | triples | mix | clients | requests/s, essgraph | its | **ratio** | p50 ms | its |"
        " errors | its |",
        "|---" * 11 + "|",
    ]
    told: list[str] = []
    with tempfile.TemporaryDirectory(prefix="essgraph-bench-") as name:
        for size in _SIZES[:1] if quick else _SIZES:
            made = corpus.write(Path(name) / f"corpus-{size}", size)
            triples = Path(name) / "default.nt"
            _default_graph(made, triples)
            for peer in (servers.rdflib_endpoint(made.snapshot.quads), servers.shmarql(triples)):
                with servers.essgraph(Path(name) / f"corpus-{size}") as ours, peer as its:
                    parts += _beside(ours, its, made, Path(name), told)
    return "\n".join([*parts, "", *told, ""])


def _default_graph(made: Corpus, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for quad in ox.parse(path=made.snapshot.quads, format=ox.RdfFormat.N_QUADS):
            if quad.graph_name == ox.DefaultGraph():
                print(quad.triple, ".", file=file)


def _beside(
    ours: Server, its: Server, made: Corpus, folder: Path, told: list[str]
) -> Iterator[str]:
    right = [kind for kind in sparql.KINDS if _agree((ours, its), kind, made)]
    others = ", ".join(kind for kind in sparql.KINDS if kind not in right)
    told.append(
        f"{its.name}, {made.triples:,} triples: first answer after {its.started:.1f} s; "
        f"{len(right)} of {len(sparql.KINDS)} kinds answered alike, not: {others or 'none'}.\n"
    )
    asked = [sparql.request(kind) for kind in right]
    mixes = {
        "repeated": Load(folder, asked, made.counts, repeated=sparql.REPEATED),
        "first-time": Load(folder, asked, made.counts),
    }
    first = 1_000_000
    for name, mix in mixes.items():
        for clients in _CLIENTS:
            rounds: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(_ROUNDS):
                for server, results in zip((ours, its), rounds, strict=True):
                    load.settle((ours, its))
                    results.append(mix.round(server, clients, made.triples / 10_000, first))
                    first += 10_000_000
            yield _row(its, made, name, clients, list(map(load.together, rounds)))


def _row(its: Server, made: Corpus, mix: str, clients: int, both: Sequence[Measured]) -> str:
    one, other = both
    cells = [
        its.name,
        f"{made.triples:,}",
        mix,
        clients,
        f"{one.rate:,.0f}",
        f"{other.rate:,.1f}",
        f"**{one.rate / max(other.rate, 1e-9):.0f}**",
        *(f"{1000 * m.p50:.2f}" for m in both),
        *(m.failed for m in both),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _agree(pair: tuple[Server, Server], kind: str, made: Corpus) -> bool:
    """Whether both say the same, and the peer says it in an answer that can be read."""
    chance = random.Random(1)
    asked = sparql.request(kind)
    for n in range(3):
        query = sparql.fill(asked.query, made.counts, chance, 100 + n)
        said = []
        for server in pair:
            try:
                with closing(Client(server)) as client:
                    said.append(sparql.meaning(client.ask(query, asked.accept), asked.accept))
            except (RuntimeError, ValueError, LookupError, SyntaxError):
                said.append(None)
        if said[0] is None or said[0] != said[1]:
            return False
    return True
