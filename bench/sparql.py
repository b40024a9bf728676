"""``/sparql`` beside ``oxigraph serve-read-only``, over the same data, in one run.

Both serve the same N-Quads with the merged default graph; rounds alternate between them. First
every kind of query is asked of both and the answers are compared: only what is right is timed.
"""

from __future__ import annotations

import json
import random
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from urllib.parse import quote

import pyoxigraph as ox

from bench import corpus, load, servers
from bench.corpus import Corpus
from bench.load import Load, Measured, Request
from bench.servers import Server
from essgraph import names

_PREFIXES = "".join(
    f"PREFIX {prefix}: <{names.PREFIXES[prefix]}> "
    for prefix in ("ess", "id", "oa", "org", "rdfs", "schema", "skos")
)
JSON = "application/sparql-results+json"
_TRIPLES = "application/n-triples"

#: The kinds of query; the varying constant makes each one new. Points touch one thing's
#: neighbourhood, scans all things of a class.
POINTS = {
    "look-up": "SELECT ?p ?o { id:rec-~rec~ ?p ?o } LIMIT 1~run~",
    "star": "SELECT ?label ?event ?summary { id:rec-~rec~ rdfs:label ?label ; "
    'ess:partOfEvent ?event ; ess:summary ?summary FILTER (LANG(?label) = "fr") } LIMIT 1~run~',
    "two hops": "SELECT ?who ?where { id:rec-~rec~ ess:addressedTo ?who . "
    "?who ess:locatedIn ?where } LIMIT 1~run~",
    "path +": "SELECT ?whole { id:rec-~rec~ ess:partOf+ ?whole } LIMIT 1~run~",
    "path *": "SELECT ?where { id:rec-~rec~ ess:about/ess:locatedIn* ?where } LIMIT 1~run~",
    "OPTIONAL": "SELECT ?date ?where ?who { id:visit-~visit~ a ess:Event "
    "OPTIONAL { id:visit-~visit~ schema:startDate ?date } "
    "OPTIONAL { id:visit-~visit~ ess:chair ?who } } LIMIT 1~run~",
    "UNION": "SELECT ?x { { ?x ess:speaker id:person-~person~ } UNION "
    "{ ?x org:member id:person-~person~ } UNION { ?x ess:participant id:person-~person~ } } "
    "LIMIT 1~run~",
    "provenance": "SELECT ?doc ?summary { GRAPH ?g { id:rec-~rec~ ess:addressedTo ?who } "
    "?g oa:hasSource ?doc ; ess:summary ?summary } LIMIT 1~run~",
    "ASK": "ASK { id:rec-~rec~ ess:theme ?theme FILTER (?theme != id:none-~run~) }",
    "DESCRIBE": "DESCRIBE id:org-~org~ LIMIT 1~run~",
    "CONSTRUCT": "CONSTRUCT { ?talk schema:about ?city } WHERE { ?talk ess:speaker "
    "id:person-~person~ ; ess:about ?city } LIMIT 1~run~",
}
SCANS = {
    "ORDER BY page": "SELECT ?s ?label { ?s a ess:Recommendation ; rdfs:label ?label "
    'FILTER (LANG(?label) = "fr" && ?label != "~run~") } ORDER BY ?label LIMIT 20 OFFSET 40',
    "GROUP BY": "SELECT ?theme (COUNT(?s) AS ?n) { ?s ess:theme ?theme "
    "FILTER (?s != id:none-~run~) } GROUP BY ?theme",
    "per year": "SELECT ?year (COUNT(?s) AS ?n) { ?s schema:startDate ?year "
    "FILTER (?s != id:none-~run~) } GROUP BY ?year ORDER BY ?year",
    "regex": 'SELECT ?s ?t { ?s ess:summary ?t FILTER REGEX(?t, "^ba[dk]o .*ti|~run~", "i") }',
    "contains": 'SELECT ?s ?label { ?s rdfs:label ?label FILTER CONTAINS(?label, " ~run~") }',
}
KINDS = POINTS | SCANS
_GRAPHS = ("DESCRIBE", "CONSTRUCT")
#: How many different requests the repeated mix has.
REPEATED = 64
CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    sizes: tuple[int, ...]
    rounds: int
    seconds: float
    slow_seconds: float  # of a round with scans over a million triples


FULL = Plan((10_000, 100_000, 1_000_000), 3, 1, 4)
QUICK = Plan((10_000,), 1, 1, 1)


def request(kind: str) -> Request:
    """The request of one kind of query, its varying constants not yet filled in."""
    return Request(_PREFIXES + KINDS[kind], _TRIPLES if kind in _GRAPHS else JSON)


def run(plan: Plan) -> str:
    """The section of the report."""
    parts = ["## SPARQL beside `oxigraph serve-read-only`\n"]
    with tempfile.TemporaryDirectory(prefix="essgraph-bench-") as folder:
        parts.append(_ceiling(Path(folder)))
        parts += [_size(plan, Path(folder), size) for size in plan.sizes]
    return "\n".join(parts)


def _size(plan: Plan, folder: Path, size: int) -> str:
    made = corpus.write(folder / f"corpus-{size}", size)
    with (
        servers.essgraph(folder / f"corpus-{size}") as ours,
        servers.oxigraph(made.snapshot.quads, folder / f"oxigraph-{size}") as its,
    ):
        pair = (ours, its)
        _compare(pair, made)
        rest = [f"{s.name} {s.memory() / 2**20:.0f} MiB" for s in pair]
        lines = [
            f"### {made.triples:,} triples ({made.quads:,} quads)\n",
            f"Answers compared: {len(KINDS)} kinds, all the same. "
            f"Start to first answer: essgraph {ours.started:.2f} s, oxigraph {its.started:.2f} s "
            f"(loaded before). Memory (PSS) at rest: {', '.join(rest)}.\n",
            *_mixes(plan, folder, made, pair),
            *_kinds(plan, folder, made, pair),
        ]
    return "\n".join(lines)


# --- right answers --------------------------------------------------------------------------


class Client:
    """A keep-alive connection that asks one query after another."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._socket = socket.create_connection(("127.0.0.1", server.port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # After a round of load, some servers take a while to accept.
        self.ask("SELECT * {} LIMIT 1", JSON)

    def ask(self, query: str, accept: str) -> bytes:
        """The body of the answer to a query. Raises RuntimeError for any status but 200."""
        return self.get(f"{self.server.path}?query={quote(query)}", accept)[0]

    def get(self, target: str, accept: str = "*/*") -> tuple[bytes, str]:
        """A body and its entity tag. Raises RuntimeError for any status but 200."""
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"
        self._socket.sendall(head.encode())
        data = self._socket.recv(1 << 20)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1 << 20)
        fields, _, body = data.partition(b"\r\n\r\n")
        lower = fields.lower()
        if b"chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._socket.recv(1 << 20)
            body = _dechunk(body)
        else:
            size = int(_field(lower, b"content-length"))
            pieces, have = [body], len(body)
            while have < size:
                pieces.append(self._socket.recv(1 << 20))
                have += len(pieces[-1])
            body = b"".join(pieces)
        if not fields.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{self.server.name}: {fields[:80]!r} {body[:300]!r} for {target}")
        return body, _field(fields, b"etag").decode()

    def close(self) -> None:
        self._socket.close()


def _field(fields: bytes, name: bytes) -> bytes:
    return fields.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


def _dechunk(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def fill(query: str, counts: dict[str, int], chance: random.Random, run: int) -> str:
    """The query with its varying constants (see ``load.Request``)."""
    for name in (*counts, "run"):
        while f"~{name}~" in query:
            number = run if name == "run" else chance.randrange(counts[name])
            query = query.replace(f"~{name}~", str(number))
    return query


def meaning(body: bytes, accept: str = JSON) -> object:
    """What an answer says, whatever the order of its rows."""
    if accept == _TRIPLES:
        return set(map(str, ox.parse(body, format=ox.RdfFormat.N_TRIPLES)))
    said = json.loads(body)
    if "boolean" in said:
        return said["boolean"]
    return Counter(json.dumps(row, sort_keys=True) for row in said["results"]["bindings"])


def _compare(pair: tuple[Server, Server], made: Corpus) -> None:
    """Raises AssertionError where the two servers do not say the same."""
    chance = random.Random(1)
    with closing(Client(pair[0])) as one, closing(Client(pair[1])) as other:
        for kind in KINDS:
            asked = request(kind)
            for n in range(4):
                query = fill(asked.query, made.counts, chance, 100 + n)
                answers = [meaning(c.ask(query, asked.accept), asked.accept) for c in (one, other)]
                assert answers[0] == answers[1], f"different answers to {query}"


def alive(server: Server) -> bool:
    """Whether a server still answers."""
    with closing(Client(server)) as client:
        return meaning(client.ask("ASK { ?s ?p ?o }", JSON)) is True


# --- mixes under load -----------------------------------------------------------------------


def _mixes(plan: Plan, folder: Path, made: Corpus, pair: tuple[Server, Server]) -> Iterator[str]:
    every = [request(kind) for kind in KINDS]
    points = [request(kind) for kind in POINTS]
    mixes = {
        "repeated, all kinds": Load(folder, every, made.counts, repeated=REPEATED),
        "first-time, all kinds": Load(folder, every, made.counts),
        "first-time, points": Load(folder, points, made.counts),
    }
    yield (
        "| mix | clients | requests/s, essgraph | oxigraph | **wall ratio** | CPU ms a request, "
        "essgraph | oxigraph | **CPU ratio** | p50 ms | its | p99 ms | its | errors | its |"
    )
    yield "|---" * 14 + "|"
    first = 1_000_000
    for name, mix in mixes.items():
        slow = made.triples >= 1_000_000 and mix is not mixes["first-time, points"]
        seconds = plan.slow_seconds if slow else plan.seconds
        if name.startswith("repeated"):
            for server in pair:  # what is repeated was asked before
                mix.round(server, 1, 3 * seconds, 1)
        for clients in CLIENTS:
            rounds: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(plan.rounds):
                for server, results in zip(pair, rounds, strict=True):
                    load.settle(pair)
                    results.append(mix.round(server, clients, seconds, first))
                    first += 10_000_000
            yield _row(name, clients, *map(load.together, rounds))
    yield ""


def _row(name: str, clients: int, ours: Measured, its: Measured) -> str:
    def each(m: Measured) -> float:
        return 1000 * m.cpu / max(m.requests - m.failed, 1)

    cells = [
        name,
        clients,
        f"{ours.rate:,.0f}",
        f"{its.rate:,.0f}",
        f"**{ours.rate / max(its.rate, 1e-9):.2f}**",
        f"{each(ours):.3f}",
        f"{each(its):.3f}",
        f"**{each(ours) / max(each(its), 1e-9):.2f}**",
        *(f"{1000 * value:.1f}" for value in (ours.p50, its.p50, ours.p99, its.p99)),
        ours.failed,
        its.failed,
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


# --- kind by kind ---------------------------------------------------------------------------


def _kinds(plan: Plan, folder: Path, made: Corpus, pair: tuple[Server, Server]) -> Iterator[str]:
    """First-time latency of each kind: one client, one round for each server."""
    ratios: dict[str, float] = {}
    rows: list[str] = []
    first = 1_000_000_000
    for kind in KINDS:
        alone = Load(folder, [request(kind)], made.counts)
        slow = made.triples >= 1_000_000 and kind in SCANS
        taken: list[float] = []
        for server in pair:
            load.settle(pair)
            seconds = plan.slow_seconds if slow else plan.seconds
            taken.append(alone.round(server, 1, seconds, first).p50)
            first += 10_000_000
        ours, its = taken
        ratios[kind] = ours / its
        rows.append(f"| {kind} | {1000 * ours:.3f} | {1000 * its:.3f} | **{ratios[kind]:.2f}** |")
    yield "First-time latency, one client (median; below 1 is faster):\n"
    yield "| kind | ms, essgraph | oxigraph | ratio |"
    yield "|---|---|---|---|"
    yield from rows
    for name, group in (("points", POINTS), ("scans", SCANS), ("all kinds", KINDS)):
        mean = geometric_mean(ratios[kind] for kind in group)
        yield f"| *{name}, geometric mean* | | | **{mean:.2f}** |"
    yield ""


# --- the client itself ----------------------------------------------------------------------


def _ceiling(folder: Path) -> str:
    """What ``wrk`` and its script can ask at most, of a server that only writes fixed bytes."""
    body = folder / "body"
    body.write_bytes(b"x" * 1000)
    every = [request(kind) for kind in KINDS]
    counts = dict.fromkeys(("rec", "visit", "person", "org"), 1000)
    with servers.bare("protocol", body) as server:
        repeated = Load(folder, every, counts, repeated=REPEATED).round(server, 32, 1, 1)
        first = Load(folder, every, counts).round(server, 32, 1, 1)
    said = [
        f"{m.rate:,.0f} {name} requests a second at {1e6 * m.client_cpu / m.requests:.0f} µs of "
        "its own CPU each"
        for name, m in (("repeated", repeated), ("first-time", first))
    ]
    return (
        "Rounds alternate between the servers. First-time queries hold a constant that was not "
        "asked before, so that no cache of answers helps; repeated ones are "
        f"{REPEATED} requests in turn. CPU is that of the server's whole process tree; a ratio of "
        "requests is better above 1, of CPU or latency below 1. "
        f"The client is `wrk` with one thread; of a bare event loop it asks {' and '.join(said)}.\n"
    )
