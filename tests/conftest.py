"""What all tests share: the project, copies of it to break, the private texts if at hand."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO

import httpx
import httpx._transports.default as transports
import pytest

from essgraph import cli
from essgraph.snapshot import Snapshot

ROOT = Path(__file__).parents[1]
PARTS = ("ontology", "data", "shapes", "queries")

# At each request without a client httpx reads all authorities that it trusts: 30 ms, for nothing.
transports.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skip is a failure, but for the texts, which are not ours to hand out."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not item.get_closest_marker("texts"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def find_texts() -> Path | None:
    """The folder of the private texts: as named, by convention, or beside our own checkouts."""
    for folder in (
        os.environ.get("ESSGRAPH_TEXTS"),
        ROOT / "data/texts",
        ROOT / "../shared/sources",
    ):
        if folder and any(Path(folder).glob("*.txt")):
            return Path(folder).resolve()
    return None


@pytest.fixture(scope="session")
def texts() -> Path:
    folder = find_texts()
    if folder is None:
        pytest.skip("the private texts are not at hand (ESSGRAPH_TEXTS or data/texts)")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line in this process, in English."""
    monkeypatch.setenv("LC_ALL", "en")

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Outcome(left.value.code, captured.out, captured.err)

    return run


def copy_project(folder: Path) -> Path:
    """A copy of the project's own files, without texts or snapshots."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("texts"))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project to break."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot of the project, built once."""
    from essgraph.build import build
    from essgraph.project import Project

    out = tmp_path_factory.mktemp("built")
    assert build(Project(ROOT), out).snapshot is not None
    return out


def write_snapshot(out: Path, files: Mapping[str, bytes], sources: str) -> Snapshot:
    """A snapshot of files (``data.nq`` among them), put in force as a build does."""
    from essgraph import snapshot

    with snapshot.draft(out) as folder:
        snapshot.write_files(folder, files)
        return snapshot.settle(out, folder, sources, {})


def with_quads(built: Path, out: Path, quads: str) -> Path:
    """A folder with the project's snapshot and more N-Quads in it."""
    from essgraph.copies import beside
    from essgraph.snapshot import DATA, STORE, open_snapshot

    snapshot = open_snapshot(built)
    names_ = (name for name in snapshot.sizes if not name.startswith(STORE))
    files = {name: (snapshot.directory / name).read_bytes() for name in names_}
    files[DATA] += quads.encode()
    # In a process of its own: once this one has had a store on disk, whose engine has threads, no
    # process that is forked from it may have one.
    with beside(partial(write_snapshot, out, files, snapshot.sources)) as wait:
        wait()
    return out


@dataclass(frozen=True)
class Server:
    """A running service: its address, its process."""

    url: str
    process: subprocess.Popen[bytes]

    def children(self) -> list[int]:
        """The pids of all processes below it: the zygote, then the workers."""
        found, ahead = list[int](), [self.process.pid]
        while ahead:
            tasks = list[Path]()
            with suppress(OSError):  # a process may end meanwhile, and so may a thread of one
                tasks += Path(f"/proc/{ahead.pop()}/task").iterdir()
            for task in tasks:
                with suppress(OSError):
                    pids = [int(pid) for pid in (task / "children").read_text().split()]
                    found += pids
                    ahead += pids
        return found


def end(pid: int, by: int = signal.SIGKILL) -> None:
    """Ends a process. What ``children`` lists may have ended since: its parent reads of that a
    moment later, and only then has it no pid."""
    with suppress(ProcessLookupError):
        os.kill(pid, by)


@contextmanager
def serving(
    out: Path | None,
    *options: object,
    command: Sequence[str] = (sys.executable, "-c", "from essgraph.cli import main; main()"),
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[Server]:
    """`essgraph serve` over the snapshots of a folder, on a free port; drained at the end."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    whole = [*command, "serve", "--port", port, *(["--out", out] if out else []), *options]
    process = subprocess.Popen(
        [str(part) for part in whole], cwd=cwd, env=env, stdout=stdout, stderr=stderr
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        until = time.monotonic() + 60
        while not _answers(server):
            assert process.poll() is None, "the service did not start"
            assert time.monotonic() < until, "the service did not answer"
            time.sleep(0.05)
        yield server
    finally:
        below = server.children()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        left = [pid for pid in below if Path(f"/proc/{pid}").exists()]
    assert code == 0
    assert not left, "processes left behind"


def _answers(server: Server) -> bool:
    try:
        httpx.get(f"{server.url}/health")
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(scope="session")
def server(built: Path) -> Iterator[str]:
    """The address of a service over the project's own graph."""
    with serving(built) as running:
        yield running.url
