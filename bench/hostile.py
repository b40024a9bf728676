"""A bounded soak: hostile clients on loopback, while canaries ask what they know the answer to.

``run`` starts a service over a synthetic corpus and lets runaway queries loose on it, from one
client and from several; then every hostile query and every hostile use of HTTP at once, from many
addresses; then it kills workers under load. Canaries live in a process of their own, with a store
of their own: what they hear is timed and compared.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyoxigraph as ox

from bench import corpus, servers, sparql
from bench.processes import ROOT
from bench.runaway import QUERIES, THREE
from bench.servers import Server

AIM_P99: Final = 0.25
#: How many clients at once ask runaway queries, without the hostile uses of HTTP.
RUNAWAY: Final = (1, 4, 16)


# --- hostile uses of HTTP -------------------------------------------------------------------

Outcome = tuple[str, str]  # family, what came of it


@dataclass
class Soak:
    """What happened."""

    seconds: float
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: float = 0.0
    broken: list[str] = field(default_factory=list)  # answers that are not what HTTP promises
    peak: int = 0
    burnt: float = 0.0  # CPU share after the attack
    kills: int = 0
    left: int = 0
    alive: bool = False


class _Attack:
    """Clients that mean harm, each from an address of its own."""

    def __init__(self, server: Server, soak: Soak, timeout: float, seed: int) -> None:
        self.server = server
        self.soak = soak
        self.timeout = timeout
        self.chance = random.Random(seed)
        # Encoded once: the attack should not use up the machine itself.
        every = [(family, quote(text)) for family, texts in QUERIES.items() for text in texts]
        self.chance.shuffle(every)
        self.turns = enumerate(itertools.cycle(every))
        self.end = time.monotonic() + soak.seconds

    async def connect(self, host: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.server.port, local_addr=(f"127.0.0.{host}", 0)
        )

    async def queries(self, host: int) -> None:
        """Asks one hostile query after another, each in turn with those of the other clients."""
        while time.monotonic() < self.end:
            number, (family, text) = next(self.turns)
            # Another name of a variable makes it another query, which no cache answers.
            await self.ask(host, family, text.replace("%3Fa", f"%3Fa{number}_"))

    async def ask(self, host: int, family: str, text: str) -> None:
        body = f"query={text}".encode()
        head = (
            f"POST {self.server.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "Accept: application/sparql-results+json, application/n-triples;q=0.9\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        begun = time.monotonic()
        said = await self.exchange(host, head.encode() + body)
        taken = time.monotonic() - begun
        status = said.split(" ", 1)[0]
        self.soak.outcomes[family][status] += 1
        self.soak.slowest = max(self.soak.slowest, taken)
        if status not in ("200", "400", "403", "406", "413", "429", "503"):
            self.soak.broken.append(f"{family}: {said[:200]} after {taken:.1f} s for {text[:160]}")

    async def exchange(self, host: int, request: bytes) -> str:
        """Sends a request; the status of the answer if it is whole, else what is wrong."""
        try:
            reader, writer = await self.connect(host)
        except OSError as error:
            return f"no connection ({error})"
        try:
            writer.write(request)
            with suppress(ConnectionError):
                await writer.drain()
            async with asyncio.timeout(self.timeout + 20):
                fields = await reader.readuntil(b"\r\n\r\n")
                size = 0
                while piece := await reader.read(1 << 20):
                    size += len(piece)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            return f"no answer ({type(error).__name__})"
        finally:
            writer.close()
        lower = fields.lower()
        status = fields[9:12].decode("latin-1")
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"-1")
        if length != size:
            return f"cut: {size} of {length} bytes, status {status}"
        if status != "200" and b"application/problem+json" not in lower:
            return f"no problem: status {status}"
        return status

    async def trickle(self, host: int, family: str, start: bytes) -> None:
        """Sends a byte now and then, and never ends."""
        while time.monotonic() < self.end:
            try:
                _, writer = await self.connect(host)
                writer.write(start)
                while time.monotonic() < self.end:
                    await asyncio.sleep(0.2)
                    writer.write(b"x")
                    await writer.drain()
                self.soak.outcomes[family]["held to the end"] += 1
                writer.close()
            except OSError:
                self.soak.outcomes[family]["closed by the server"] += 1

    async def malformed(self, host: int) -> None:
        """Requests that are none."""
        path = self.server.path
        requests = [
            b"\x00\xff\xfe\r\n\r\n",
            b"GET\r\n\r\n",
            f"GET {path} HTTP/9.9\r\nHost: x\r\n\r\n".encode(),
            f"GET {path}?query={'a' * 100_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX: {'y' * 200_000}\r\n\r\n".encode(),
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX: y\r\n".encode() * 5000 + b"\r\n",
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode(),
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".encode(),
            f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
            f"GET {path}?query=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"GET {path}?query=ASK%7B%7D HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 500,
        ]
        while time.monotonic() < self.end:
            for request in requests:
                try:
                    reader, writer = await self.connect(host)
                    writer.write(request)
                    async with asyncio.timeout(0.5):
                        said = await reader.read(12)
                    self.soak.outcomes["malformed requests"][said[9:12].decode() or "closed"] += 1
                except TimeoutError:
                    self.soak.outcomes["malformed requests"]["waits for more"] += 1
                except OSError:
                    self.soak.outcomes["malformed requests"]["closed"] += 1
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    async def leave(self, host: int) -> None:
        """Asks what takes long and is gone before the answer."""
        number = 0
        while time.monotonic() < self.end:
            number += 1
            text = quote(f"SELECT (COUNT(*) AS ?n{number}) {{ {THREE} }}")
            try:
                _, writer = await self.connect(host)
                target = f"{self.server.path}?query={text}"
                writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await writer.drain()
                await asyncio.sleep(self.chance.choice((0.0, 0.005, 0.05)))
                writer.transport.abort()
                self.soak.outcomes["disconnect flood"]["left"] += 1
            except OSError:
                self.soak.outcomes["disconnect flood"]["refused"] += 1
            await asyncio.sleep(0.01)

    async def idle_reader(self, host: int) -> None:
        """Asks for a large answer and does not read it."""
        text = quote("SELECT * { ?s ?p ?o }")
        while time.monotonic() < self.end:
            with suppress(OSError):
                _, writer = await self.connect(host)
                target = f"{self.server.path}?query={text}"
                writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 4)
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                self.soak.outcomes["readers that do not read"]["asked"] += 1
                await asyncio.sleep(min(3.0, max(0.0, self.end - time.monotonic())))
                writer.transport.abort()

    async def ask_all(self, clients: int) -> None:
        """Hostile queries alone, until the end, some clients at once."""
        await asyncio.gather(*(self.queries(2 + n) for n in range(clients)))

    async def all(self, clients: int) -> None:
        """Everything at once, until the end."""
        path = self.server.path
        post = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n".encode()
        body = post + b"Content-Type: application/sparql-query\r\n\r\n"
        work: list[Awaitable[None]] = [self.ask_all(clients)]
        work += [self.trickle(200, "slow headers", b"GET / HTTP/1.1\r\nX: ") for _ in range(150)]
        work += [self.trickle(201, "slow bodies", body) for _ in range(150)]
        work += [self.malformed(202), self.leave(203), self.idle_reader(204)]
        await asyncio.gather(*work)


# --- canaries -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Canaries:
    """What the canaries heard. Times in seconds; ``refused`` are answers that were not 200."""

    asked: int
    wrong: int
    refused: int
    p50: float
    p99: float
    worst: float


class _Canary:
    """Asks short queries of which it knows the answer."""

    def __init__(self, port: int, quads: Path, counts: dict[str, int], seconds: float) -> None:
        self.port = port
        self.store = ox.Store()
        self.store.bulk_load(path=str(quads), format=ox.RdfFormat.N_QUADS)
        self.counts = counts
        self.end = time.monotonic() + seconds
        self.times: list[float] = []
        self.wrong = self.refused = 0

    async def sing(self, number: int, host: int) -> None:
        chance = random.Random(number)
        kinds = [kind for kind in sparql.POINTS if kind not in ("DESCRIBE", "CONSTRUCT")]
        at = 0
        while time.monotonic() < self.end:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, local_addr=(f"127.0.0.{host}", 0)
            )
            for _ in range(20):
                if time.monotonic() > self.end:
                    break
                at += 1
                template = sparql.request(chance.choice(kinds)).query
                text = sparql.fill(template, self.counts, chance, 1_000_000 * (number + 1) + at)
                if not await self.ask(reader, writer, text):
                    break
                await asyncio.sleep(0.02)
            writer.close()

    async def ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str
    ) -> bool:
        """Whether the connection goes on."""
        result = self.store.query(text)
        assert isinstance(result, ox.QuerySolutions | ox.QueryBoolean)
        expected = result.serialize(format=ox.QueryResultsFormat.JSON)
        assert expected is not None  # it is None only when written to a file
        target = f"/sparql?query={quote(text)}"
        begun = time.perf_counter()
        writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        try:
            fields = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(size)
        except (OSError, asyncio.IncompleteReadError):
            self.refused += 1
            return False
        self.times.append(time.perf_counter() - begun)
        if not fields.startswith(b"http/1.1 200"):
            self.refused += 1
        elif sparql.meaning(body) != sparql.meaning(expected):
            self.wrong += 1
            print(f"wrong answer to {text}: {body[:500]!r}", file=sys.stderr)
        return True

    async def all(self) -> Canaries:
        await asyncio.gather(*(self.sing(n, 210 + n) for n in range(4)))
        times = sorted(self.times)
        return Canaries(
            len(times),
            self.wrong,
            self.refused,
            times[len(times) // 2],
            times[len(times) * 99 // 100],
            times[-1],
        )


async def _canaries(port: int, quads: Path, counts: dict[str, int], seconds: float) -> Canaries:
    """Canaries in a process of their own, so that the attack's own work does not slow them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.hostile",
        str(port),
        str(quads),
        json.dumps(counts),
        str(seconds),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return Canaries(**json.loads(out))


# --- the soak -------------------------------------------------------------------------------


async def _watch(server: Server, soak: Soak) -> None:
    while True:
        soak.peak = max(soak.peak, await asyncio.to_thread(server.memory))
        await asyncio.sleep(0.5)


async def _attack(
    server: Server, made: corpus.Corpus, soak: Soak, timeout: float, clients: int, *, http: bool
) -> Canaries:
    watching = asyncio.create_task(_watch(server, soak))
    singing = asyncio.create_task(
        _canaries(server.port, made.snapshot.quads, made.counts, soak.seconds)
    )
    attack = _Attack(server, soak, timeout, seed=1)
    await (attack.all(clients) if http else attack.ask_all(clients))
    canaries = await singing
    watching.cancel()
    # What clients have left may run as long as it may; what was answered is over.
    await asyncio.sleep(timeout + 1 if http else 0.1)
    before = server.cpu()
    await asyncio.sleep(1)
    soak.burnt = server.cpu() - before
    return canaries


async def _kill(server: Server, made: corpus.Corpus, soak: Soak) -> Canaries:
    """Workers are killed at random while canaries sing."""
    singing = asyncio.create_task(
        _canaries(server.port, made.snapshot.quads, made.counts, soak.seconds)
    )
    chance = random.Random(3)
    await asyncio.sleep(0.5)
    while not singing.done():
        await asyncio.sleep(0.05)
        workers = server.processes()[2:]  # after the service and the zygote
        if workers:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                soak.kills += 1
    return await singing


Result = tuple[Soak, Canaries, Soak, Canaries]


def runaway(seconds: float, *, timeout: float) -> list[tuple[int, Soak, Canaries]]:
    """Runaway queries from some clients at once, with what canaries heard meanwhile."""
    found = []
    with tempfile.TemporaryDirectory(prefix="essgraph-hostile-") as folder:
        made = corpus.write(Path(folder), 10_000)
        with servers.essgraph(Path(folder), "--timeout", timeout) as server:
            for clients in RUNAWAY:
                met = Soak(seconds)
                heard = asyncio.run(_attack(server, made, met, timeout, clients, http=False))
                found.append((clients, met, heard))
    return found


def soak(seconds: float, kill_seconds: float, *, timeout: float, clients: int) -> Result:
    """The whole soak: the attack with what its canaries heard, and the same of the killing."""
    attack, killing = Soak(seconds), Soak(kill_seconds)
    with tempfile.TemporaryDirectory(prefix="essgraph-hostile-") as folder:
        made = corpus.write(Path(folder), 10_000)
        with servers.essgraph(Path(folder), "--timeout", timeout) as server:
            heard = asyncio.run(_attack(server, made, attack, timeout, clients, http=True))
            heard_killing = asyncio.run(_kill(server, made, killing))
            attack.alive = sparql.alive(server)
            below = server.processes()
        attack.left = sum(Path(f"/proc/{pid}").exists() for pid in below)
    return attack, heard, killing, heard_killing


def run(*, quick: bool) -> str:
    """The section of the report."""
    clients, timeout = 40, 3.0
    ran = runaway(5 if quick else 20, timeout=timeout)
    attack, heard, killing, heard_killing = soak(
        15 if quick else 60, 5 if quick else 15, timeout=timeout, clients=clients
    )
    number = sum(map(len, QUERIES.values()))
    families = {*QUERIES, *attack.outcomes}
    rows = [
        f"| {family} | {len(QUERIES.get(family, ())) or ''} | "
        + ", ".join(f"{what}: {n}" for what, n in sorted(counted.items()))
        + " |"
        for family, counted in attack.outcomes.items()
    ]
    reached = "reached" if heard.p99 < AIM_P99 else "**not reached**"
    faults = "".join(f"- {fault}\n" for fault in attack.broken[:20])
    return "\n".join(
        [
            *_of_runaway(ran, timeout),
            "## Hostile clients\n",
            f"{number} hostile queries, {len(families)} families with the hostile uses of HTTP; "
            f"{clients} heavy clients, 300 slow connections and the rest at once for "
            f"{attack.seconds:g} s, on {os.cpu_count()} cores that the attackers share; time "
            f"limit {timeout:g} s; 10 thousand triples. Canaries ask points, none asked before.\n",
            "| | attack | workers killed |",
            "|---|---|---|",
            *(
                f"| {what} | {one} | {other} |"
                for what, one, other in (
                    ("canaries asked", heard.asked, heard_killing.asked),
                    ("wrong answers", heard.wrong, heard_killing.wrong),
                    ("refused or lost", heard.refused, heard_killing.refused),
                    ("workers killed from outside", "", killing.kills),
                    ("p50, ms", *(f"{1000 * h.p50:.1f}" for h in (heard, heard_killing))),
                    (
                        f"p99, ms (aim: < {1000 * AIM_P99:g}: {reached})",
                        *(f"{1000 * h.p99:.1f}" for h in (heard, heard_killing)),
                    ),
                    ("worst, ms", *(f"{1000 * h.worst:.1f}" for h in (heard, heard_killing))),
                    ("slowest hostile answer, s", f"{attack.slowest:.2f}", ""),
                    ("hostile answers cut, lost or unexplained", len(attack.broken), ""),
                    ("peak memory of all processes (PSS), MiB", f"{attack.peak / 2**20:.0f}", ""),
                    ("CPU in the second after, cores", f"{attack.burnt:.2f}", ""),
                    ("alive at the end", "", "yes" if attack.alive else "**no**"),
                    ("processes left behind", "", attack.left),
                )
            ),
            "",
            faults,
            "| family | queries | answers by status |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _of_runaway(ran: list[tuple[int, Soak, Canaries]], timeout: float) -> list[str]:
    columns = [
        (
            clients,
            sum(sum(counted.values()) for counted in met.outcomes.values()),
            f"{met.slowest - timeout:.2f}",
            len(met.broken),
            heard.asked,
            heard.wrong + heard.refused,
            *(f"{1000 * taken:.1f}" for taken in (heard.p50, heard.p99, heard.worst)),
            f"{met.burnt:.2f}",
        )
        for clients, met, heard in ran
    ]
    names = (
        "clients with hostile queries",
        "hostile queries asked",
        "slowest answer, s above the limit (aim: ≤ 0.25)",
        "answers cut, lost or unexplained",
        "canaries asked",
        "wrong, refused or lost",
        "p50, ms",
        "p99, ms",
        "worst, ms (aim: ≤ 60)",
        "CPU in the second after, cores (aim: 0)",
    )
    head, *rows = (
        "| " + " | ".join(map(str, row)) + " |" for row in zip(names, *columns, strict=True)
    )
    return [
        "## Runaway queries\n",
        f"The {sum(map(len, QUERIES.values()))} hostile queries in turn, each client one after "
        f"another, for {ran[0][1].seconds:g} s; time limit {timeout:g} s; 10 thousand triples.\n",
        head,
        "|---" * (1 + len(ran)) + "|",
        *rows,
        "",
    ]


def main() -> None:
    """The canaries' own process: ``python -m bench.hostile PORT QUADS COUNTS SECONDS``."""
    port, quads, counts, seconds = sys.argv[1:]
    canary = _Canary(int(port), Path(quads), json.loads(counts), float(seconds))
    print(json.dumps(asdict(asyncio.run(canary.all()))))


if __name__ == "__main__":
    main()
