"""Servers to compare: this project's service, its peers, and bare ones that are the ceilings."""

from __future__ import annotations

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
from typing import Final
from urllib.parse import quote

from bench import processes
from bench.processes import ROOT

#: How long a server may take to start, in seconds.
_STARTS: Final = 600


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
        return processes.tree(self.pid)

    def cpu(self) -> float:
        """CPU seconds of the whole process tree, those of processes that have ended included."""
        return sum(map(processes.cpu, self.processes()))

    def memory(self) -> int:
        """Proportional set size of the whole tree, in bytes."""
        return sum(processes.held(pid, "Pss") for pid in self.processes())


def _free_port() -> int:
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
            if process.poll() is not None or time.perf_counter() - begun > _STARTS:
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
    port = _free_port()
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
    port = _free_port()
    command = [program, "serve-read-only", "--location", folder, "--bind", f"127.0.0.1:{port}"]
    with _running("oxigraph", "/query", port, command) as server:
        yield server


def rdflib_endpoint(quads: Path) -> AbstractContextManager[Server]:
    """``rdflib-endpoint`` over N-Quads, in rdflib's memory."""
    port = _free_port()
    command = [_peer("rdflib-endpoint"), "serve", "--host", "127.0.0.1", "--port", port, quads]
    return _running("rdflib-endpoint", "/", port, command)


def shmarql(triples: Path) -> AbstractContextManager[Server]:
    """SHMARQL over N-Triples, in its Oxigraph's memory."""
    port = _free_port()
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
    port = _free_port()
    command = [sys.executable, "-m", "bench.bare", kind, port, body]
    with _running(f"bare {kind}", "/sparql", port, command) as server:
        yield server
