"""Servers to compare, and load on them: processes, their CPU time, and ``wrk``."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


# --- servers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A running server: what it is, the path of its SPARQL endpoint, its port and process."""

    name: str
    path: str
    port: int
    pid: int
    started: float  # seconds from start to the first answer

    def processes(self) -> list[int]:
        """Its process and all below it."""
        found = [self.pid]
        for pid in found:
            for task in _tasks(pid):
                try:
                    found += [int(child) for child in (task / "children").read_text().split()]
                except OSError:
                    continue
        return found

    def cpu(self) -> float:
        """CPU seconds of the whole process tree, those of processes that have ended included."""
        return sum(_cpu(pid) for pid in self.processes()) / _TICK

    def memory(self) -> int:
        """Proportional set size of the whole tree, in bytes."""
        return sum(_kib(pid, "smaps_rollup", "Pss:") for pid in self.processes()) * 1024

    def resident(self) -> int:
        """Sum of the resident sets of the tree, in bytes: shared pages count for each process."""
        return sum(_kib(pid, "status", "VmRSS:") for pid in self.processes()) * 1024


def _tasks(pid: int) -> Iterator[Path]:
    try:
        yield from list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return


def _cpu(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, and both of reaped children


def _kib(pid: int, file: str, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(name: str, path: str, port: int, command: Sequence[object]) -> Iterator[Server]:
    begun = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(port, path):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise RuntimeError(f"{name} did not start: {' '.join(map(str, command))}")
            time.sleep(0.005)
        yield Server(name, path, port, process.pid, time.perf_counter() - begun)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            target = f"{path}?query={quote('SELECT * { ?s ?p ?o } LIMIT 1')}"
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return connection.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@contextmanager
def essgraph(out: Path, *options: object) -> Iterator[Server]:
    """This project's service over the snapshot of a build folder."""
    port = free_port()
    run = "from essgraph.cli import main; main()"
    command = [sys.executable, "-c", run, "serve", "--project", ROOT]
    command += [str(part) for part in ("--port", port, "--out", out, *options)]
    with _running("essgraph", "/sparql", port, command) as server:
        yield server


@contextmanager
def oxigraph(quads: Path, folder: Path) -> Iterator[Server]:
    """``oxigraph serve-read-only`` over the same N-Quads, loaded and optimised in ``folder``."""
    program = shutil.which("oxigraph", path=str(Path(sys.executable).parent))
    if program is None:
        raise RuntimeError("no oxigraph beside this Python: pip install oxigraph (extra: bench)")
    if not folder.exists():
        for step in (["load", "--file", str(quads)], ["optimize"]):
            subprocess.run(
                [program, step[0], "--location", folder, *step[1:]],
                check=True,
                capture_output=True,
            )
    port = free_port()
    command = [program, "serve-read-only", "--location", folder, "--bind", f"127.0.0.1:{port}"]
    with _running("oxigraph", "/query", port, command) as server:
        yield server


def rdflib_endpoint(quads: Path) -> AbstractContextManager[Server]:
    """``rdflib-endpoint`` over N-Quads, in rdflib's memory."""
    port = free_port()
    command = [_peer("rdflib-endpoint"), "serve", "--host", "127.0.0.1", "--port", port, quads]
    return _running("rdflib-endpoint", "/", port, command)


def shmarql(triples: Path) -> AbstractContextManager[Server]:
    """SHMARQL over N-Triples, in its Oxigraph's memory."""
    port = free_port()
    command = ["env", f"DATA_LOAD_PATHS={triples}", f"PORT={port}", _peer("uvicorn")]
    return _running("SHMARQL", "/sparql", port, [*command, "--port", port, "shmarql:app"])


def _peer(program: str) -> Path:
    path = ROOT / "build" / "peers" / "bin" / program
    if not path.exists():
        raise RuntimeError(f"no {path}: make build/peers")
    return path


@contextmanager
def bare(kind: str, body: Path) -> Iterator[Server]:
    """A server that answers everything with the bytes of a file (see ``bare``)."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", kind, port, body]
    with _running(f"bare {kind}", "/sparql", port, command) as server:
        yield server


# --- load -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A request to be made: a query with ``~name~`` where a number goes in, and what it accepts.

    ``~run~`` is another number each time; any other name a number below the count of that name.
    """

    query: str
    accept: str


@dataclass(frozen=True)
class Measured:
    """What a round of load came to. Times in seconds."""

    requests: int
    failed: int
    seconds: float
    cpu: float
    client_cpu: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return (self.requests - self.failed) / self.seconds


#: How a script of ``wrk`` tells what it measured, in a line of its own.
DONE = """function done(summary, latency, requests)
  local errors = summary.errors
  print("ROUND", summary.requests, errors.status, errors.connect + errors.read + errors.write
    + errors.timeout, summary.duration, latency:percentile(50), latency:percentile(99))
end
"""

_SCRIPT = (
    """
local kinds, counts = {{ {kinds} }}, {{ {counts} }}
local run, made, at = 0, {{}}, 0
local function make(kind)
  run = run + 1
  local target = kind[1]:gsub("~(%a+)~", function(name)
    if name == "run" then return tostring(run) end
    return tostring(math.random(0, counts[name] - 1))
  end)
  return "GET {path}?query=" .. target ..
    " HTTP/1.1\\r\\nHost: localhost\\r\\nAccept: " .. kind[2] .. "\\r\\n\\r\\n"
end
function init(args)
  run = tonumber(args[1])
  math.randomseed({repeated} > 0 and 7 or run)
  for n = 0, {repeated} - 1 do made[n] = make(kinds[n % #kinds + 1]) end
end
function request()
  at = at + 1
  if {repeated} > 0 then return made[at % {repeated}] end
  return make(kinds[at % #kinds + 1])
end
"""
    + DONE
)


def settle(servers: Sequence[Server], seconds: float = 15) -> None:
    """Waits until the servers rest: some go on with what nobody waits for any more."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = sum(server.cpu() for server in servers)
        time.sleep(0.1)
        if sum(server.cpu() for server in servers) - before < 0.03:
            return


class Load:
    """A mix of requests that ``wrk`` makes: every one new, or the same few again and again."""

    def __init__(
        self,
        folder: Path,
        requests: Sequence[Request],
        counts: dict[str, int],
        *,
        repeated: int = 0,
    ) -> None:
        self._folder = folder
        self._requests = requests
        self._counts = counts
        self._repeated = repeated

    def round(self, server: Server, clients: int, seconds: float, run: int) -> Measured:
        """One round on one server. First-time requests are numbered from ``run`` on."""
        script = self._folder / "load.lua"
        kinds = ", ".join(
            f"{{ [[{quote(r.query, safe='~')}]], [[{r.accept}]] }}" for r in self._requests
        )
        script.write_text(
            _SCRIPT.format(
                kinds=kinds,
                counts=", ".join(f"{name} = {count}" for name, count in self._counts.items()),
                path=server.path,
                repeated=self._repeated,
            )
        )
        return wrk(server, clients, seconds, script, run)


def wrk(
    server: Server, clients: int, seconds: float, script: Path, run: int, target: str = ""
) -> Measured:
    """Runs ``wrk`` with a script that ends in a ROUND line. Raises RuntimeError without wrk."""
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("no wrk: apt-get install wrk")
    before, client_before = server.cpu(), _client_cpu()
    done = subprocess.run(
        [
            program,
            "-t1",
            f"-c{clients}",
            f"-d{max(1, round(seconds))}s",
            "--timeout=20s",
            f"-s{script}",
            f"http://127.0.0.1:{server.port}{target or server.path}",
            "--",
            str(run),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    cpu, client_cpu = server.cpu() - before, _client_cpu() - client_before
    line = next(line for line in done.stdout.splitlines() if line.startswith("ROUND"))
    requests, status, broken, duration, p50, p99 = map(float, line.split()[1:])
    return Measured(
        int(requests),
        int(status + broken),
        duration / 1e6,
        cpu,
        client_cpu,
        p50 / 1e6,
        p99 / 1e6,
    )


def _client_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def together(rounds: Sequence[Measured]) -> Measured:
    """Rounds of one server as one: sums, and the median round's latencies."""
    middle = sorted(rounds, key=lambda r: r.p99)[len(rounds) // 2]
    return Measured(
        sum(r.requests for r in rounds),
        sum(r.failed for r in rounds),
        sum(r.seconds for r in rounds),
        sum(r.cpu for r in rounds),
        sum(r.client_cpu for r in rounds),
        middle.p50,
        middle.p99,
    )
