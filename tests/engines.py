"""Engines of others, started for the tests on free ports and in folders of their own."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

#: The user that a fresh Virtuoso has.
VIRTUOSO_USER = "Basic " + base64.b64encode(b"dba:dba").decode()
_INI = """\
[Database]
DatabaseFile = v.db
ErrorLogFile = v.log
LockFile = v.lck
TransactionFile = v.trx
xa_persistent_file = v.pxa
[TempDatabase]
DatabaseFile = t.db
TransactionFile = t.trx
[Parameters]
ServerPort = 127.0.0.1:{sql}
NumberOfBuffers = 20000
MaxDirtyBuffers = 15000
CheckpointInterval = 0
SchedulerInterval = 0
MaxSortedTopRows = 1000000
[HTTPServer]
ServerPort = 127.0.0.1:{http}
ServerThreads = 10
ServerRoot = .
"""


@dataclass(frozen=True)
class Running:
    """An engine: the address of its queries, its process, what our commands need to reach it."""

    url: str
    process: subprocess.Popen[bytes]
    env: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(
    command: Sequence[object], url: str, folder: Path, env: Mapping[str, str]
) -> Iterator[Running]:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def restart() -> None:
        # Virtuoso 7.2.5 was seen to end by a fault of its own: who runs it has it started again.
        # Once: what ends it at each query of ours shall fail.
        if processes[0].wait() == -signal.SIGSEGV and not over.is_set():
            (folder / "v.lck").unlink(missing_ok=True)
            processes.append(start())

    processes, over = [start()], threading.Event()
    watch = threading.Thread(target=restart)
    watch.start()
    try:
        for _ in range(600):
            assert processes[-1].poll() is None, f"{command[0]} did not start"
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield Running(url, processes[0], {**os.environ, **env})
    finally:
        over.set()
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
            watch.join()  # it may just have begun another


@contextmanager
def oxigraph(folder: Path, *options: object, port: int | None = None) -> Iterator[Running]:
    """``oxigraph serve`` (PyPI package oxigraph), in memory unless ``--location`` is given."""
    found = Path(sys.executable).with_name("oxigraph")
    if not found.exists():
        pytest.skip("oxigraph (PyPI) is not installed")
    port = port or free_port()
    command = [found, "serve", "--bind", f"127.0.0.1:{port}", *options]
    with _running(command, f"http://127.0.0.1:{port}/query", folder, {}) as engine:
        yield engine


@contextmanager
def virtuoso(folder: Path) -> Iterator[Running]:
    """Virtuoso Open Source (Debian package virtuoso-opensource-7-bin)."""
    found = shutil.which("virtuoso-t")
    if found is None:
        pytest.skip("virtuoso-t is not installed (Debian: virtuoso-opensource-7-bin)")
    port = free_port()
    (folder / "v.ini").write_text(_INI.format(sql=free_port(), http=port))
    command = [found, "+foreground", "+configfile", "v.ini"]
    env = {"ESSGRAPH_ENDPOINT_AUTHORIZATION": VIRTUOSO_USER}
    with _running(command, f"http://127.0.0.1:{port}/sparql", folder, env) as engine:
        yield engine


STARTERS: Mapping[str, Callable[..., AbstractContextManager[Running]]] = {
    "oxigraph": oxigraph,
    "virtuoso": virtuoso,
}
COMMAND = (sys.executable, "-c", "from essgraph.cli import main; main()")


def push(
    engine: Running, out: Path, *options: object, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """``essgraph push``: its messages are in English."""
    done = subprocess.run(
        [*COMMAND, "push", engine.url, "--out", str(out), *map(str, options)],
        env={**os.environ, **engine.env, "LC_ALL": "en"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    return done
