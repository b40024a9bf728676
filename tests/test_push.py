"""``essgraph push``: whole or not at all, whatever happens to it, and never two versions mixed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from conftest import serving, with_quads
from engines import COMMAND, STARTERS, Running, free_port, oxigraph, push

from essgraph import names
from essgraph.snapshot import open_snapshot

#: Fifty as the project wants, by engine and size of requests; seeds make a failure repeatable.
KILLS = (("oxigraph", 100, 20), ("oxigraph", 5_000, 20), ("virtuoso", 5_000, 10))
MARKS = 400


@pytest.fixture(scope="module")
def versions(built: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two snapshots that differ all over: in the default graph, in many named graphs, and with a
    duration, which Virtuoso keeps in its own way."""

    def made(word: str) -> Path:
        quads = [f'<{names.ID}mark-{n}> <{names.RDFS}comment> "{word}"' for n in range(MARKS)]
        quads.append(f'<{names.ID}mark> <{names.SCHEMA}duration> "P{len(word)}D"'
                     f"^^<{names.XSD}duration>")  # fmt: skip
        lines = [f"{quad} .\n" for quad in quads]
        lines += [f"{quad} <{names.PASSAGE}marks/{n % 40}> .\n" for n, quad in enumerate(quads)]
        return with_quads(built, tmp_path_factory.mktemp(word), "".join(sorted(lines)))

    return [made("first"), made("second")]


def sorted_version(out: Path) -> str:
    return open_snapshot(out).version


@pytest.mark.parametrize("name", STARTERS)
def test_a_push_is_exact_and_the_next_sends_only_what_differs(
    name: str, versions: list[Path], tmp_path: Path
) -> None:
    first, second = versions
    with STARTERS[name](tmp_path) as engine:
        push(engine, first)
        assert ": 0 quads added, 0 removed" in push(engine, first, "--verify").stderr
        done = push(engine, second, "--verify")
        changed = 2 * (MARKS + 1)
        assert f"{changed} quads added, {changed} removed" in done.stderr
        assert "content identical" in done.stderr
        assert sorted_version(second) in done.stdout


def test_a_small_change_is_one_request_on_an_engine_that_can(
    versions: list[Path], tmp_path: Path
) -> None:
    with oxigraph(tmp_path) as engine:
        push(engine, versions[0])
        assert "in one update" in push(engine, versions[1]).stderr
        assert "in one update" not in push(engine, versions[0], "--batch", 100).stderr


def test_content_that_is_not_the_snapshot_is_mended_and_what_is_not_ours_stays(
    versions: list[Path], tmp_path: Path
) -> None:
    with oxigraph(tmp_path) as engine:
        push(engine, versions[0])
        update(engine, "INSERT DATA { GRAPH <http://e/g> { <http://e/a> <http://e/b> 1 } "
                       f"GRAPH <{names.REGISTER}> {{ <http://e/a> <http://e/b> 1 }} }} ; "
                       f"DELETE WHERE {{ <{names.ID}bamako> ?p ?o }}")  # fmt: skip
        assert "content identical" in push(engine, versions[0], "--verify").stderr
        rows = "SELECT ?g { GRAPH ?g { <http://e/a> ?p ?o } }"
        assert query(engine, rows).splitlines()[1:] == ["http://e/g"]


def update(engine: Running, text: str) -> None:
    address = engine.url.replace("/query", "/update")
    httpx.post(address, data={"update": text}).raise_for_status()


def query(engine: Running, text: str) -> str:
    answer = httpx.post(engine.url, data={"query": text}, headers={"Accept": "text/csv"})
    return answer.raise_for_status().text


def test_an_engine_that_is_not_there_or_refuses_is_1(versions: list[Path], tmp_path: Path) -> None:
    nowhere = Running(f"http://127.0.0.1:{free_port()}/query", None)  # type: ignore[arg-type]
    assert "could not be reached" in push(nowhere, versions[0], code=1).stderr
    with oxigraph(tmp_path) as engine:
        readers = Running(engine.url.replace("/query", "/nothing"), engine.process)
        assert "answers 404" in push(readers, versions[0], code=1).stderr


class Forgetful(BaseHTTPRequestHandler):
    """An empty endpoint that answers 200 to every update and keeps nothing of it, but for the
    records of who writes, if its server has ``records``."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send("text/turtle", "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        records: list[str] | None = getattr(self.server, "records", None)
        if self.headers["Content-Type"].startswith("application/sparql-update"):
            if records is not None and "valid>" in body:
                records[:] = [body.partition("valid> ")[2].split('"')[1]]
            self._send("text/plain", "")
            return
        name, value = "n", {"type": "literal", "value": "0"}
        rows = [{name: value}] if "COUNT" in body else []
        if "record" in body:
            name = "record"
            rows = [{name: {"type": "literal", "value": record}} for record in records or ()]
        elif "version" in body:
            name = "version"
        table = {"head": {"vars": [name]}, "results": {"bindings": rows}}
        self._send("application/sparql-results+json", json.dumps(table))

    def _send(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.mark.parametrize("records", [None, []])
def test_an_engine_that_says_200_and_keeps_nothing_is_1(
    records: list[str] | None, versions: list[Path]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        if records is not None:
            server.records = records  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/query"
        done = push(Running(url, None), versions[0], code=1)  # type: ignore[arg-type]
        server.shutdown()
        thread.join()
    assert "does not hold what was written" in done.stderr
    assert "added" not in done.stderr


def test_a_full_disk_leaves_the_version_that_was(versions: list[Path], tmp_path: Path) -> None:
    """The engine's own limit on files stands for the full disk."""
    store = tmp_path / "store"
    with oxigraph(tmp_path, "--location", store) as engine:
        push(engine, versions[0])
        subprocess.run(
            ["prlimit", "--pid", str(engine.process.pid), "--fsize=1024:1024"], check=True
        )
        push(engine, versions[1], code=1)
    with oxigraph(tmp_path, "--location", store) as engine:
        held = query(engine, f"SELECT DISTINCT ?o {{ ?s <{names.RDFS}comment> ?o "
                             f"FILTER (STRSTARTS(STR(?s), '{names.ID}mark')) }}")  # fmt: skip
        assert held.split() == ["o", "first"]
        assert "content identical" in push(engine, versions[1], "--verify").stderr


MIXED = f"""SELECT ?word (COUNT(*) AS ?n) {{
  {{ ?s <{names.RDFS}comment> ?word }} UNION {{ GRAPH ?g {{ ?s <{names.RDFS}comment> ?word }} }}
  FILTER (?word IN ("first", "second"))
}} GROUP BY ?word LIMIT """


class Reader(threading.Thread):
    """Asks through the service, again and again, what would show a mixture."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.over = threading.Event()
        self.whole = 0
        self.waits = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        with httpx.Client(timeout=30, headers={"Accept": "text/csv"}) as client:
            number = 0
            while not self.over.is_set():
                number += 1
                # Another LIMIT each time, so that no cache answers.
                text = f"{MIXED}{number + 10}"
                answer = client.post(f"{self._url}/sparql", data={"query": text})
                if answer.status_code == 503:
                    self.waits += 1
                    time.sleep(0.02)
                elif answer.text.split() in (
                    ["word,n", f"first,{2 * MARKS}"],
                    ["word,n", f"second,{2 * MARKS}"],
                ):
                    self.whole += 1
                else:
                    self.wrong.append(f"{answer.status_code} {answer.text}")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Running]:
    with oxigraph(tmp_path, "--location", tmp_path / "store") as engine:
        yield engine


@pytest.mark.parametrize(("name", "batch", "kills"), KILLS)
def test_killed_anywhere_a_push_loses_nothing_and_mixes_nothing(
    name: str, batch: int, kills: int, versions: list[Path], tmp_path: Path
) -> None:
    options = ("--location", tmp_path / "store") if name == "oxigraph" else ()
    with STARTERS[name](tmp_path, *options) as engine:
        _kill_pushes(engine, batch, kills, versions)


def _kill_pushes(kept: Running, batch: int, kills: int, versions: list[Path]) -> None:
    push(kept, versions[0])
    seeded = random.Random(batch)
    command = [*COMMAND, "push", kept.url, "--batch", str(batch)]
    whole_time = time.monotonic()
    push(kept, versions[1], "--batch", batch)
    push(kept, versions[0], "--batch", batch)
    whole_time = (time.monotonic() - whole_time) / 2
    with serving(None, "--endpoint", kept.url, env=kept.env) as service:
        reader = Reader(service.url)
        reader.start()
        killed = 0
        try:
            for n in range(kills):
                process = subprocess.Popen(
                    [*command, "--out", str(versions[(n + 1) % 2])],
                    env=kept.env,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                try:
                    process.wait(whole_time * seeded.uniform(0.4, 1.1))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed += 1
            done = push(kept, versions[1], "--batch", batch, "--verify")
            time.sleep(3)  # for the service to look again
        finally:
            reader.over.set()
            reader.join()
        assert "content identical" in done.stderr
        assert not reader.wrong
        assert reader.whole
        assert killed
        assert httpx.get(f"{service.url}/health").json()["version"] == sorted_version(versions[1])


def test_of_two_at_once_the_second_is_refused_and_none_blocks_for_ever(
    versions: list[Path], kept: Running
) -> None:
    push(kept, versions[0])
    slow = subprocess.Popen(
        [*COMMAND, "push", kept.url, "--batch", "1", "--out", str(versions[1])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    said = f"SELECT ?s {{ GRAPH <{names.GRAPH}state> {{ ?s <{names.DCTERMS}valid> ?o }} }}"
    try:
        for _ in range(400):
            if len(query(kept, said).split()) > 1:
                break
            time.sleep(0.02)
        refused = push(kept, versions[0], code=1)
        assert "another essgraph push is writing to this engine" in refused.stderr
        slow.send_signal(signal.SIGSTOP)
        assert "another essgraph push" in push(kept, versions[0], code=1).stderr
    finally:
        slow.kill()
        slow.wait()
    # Its process is gone, and of this machine: its lock holds nobody up.
    assert "content identical" in push(kept, versions[1], "--verify").stderr
    assert query(kept, said).split() == ["s"]


def test_the_lock_of_a_run_on_another_machine_ends_with_its_time(
    versions: list[Path], kept: Running
) -> None:
    def lock(until: datetime) -> None:
        record = f"0123 {until.isoformat(timespec='seconds')} boot/pid:[1]/7/99 elsewhere"
        update(kept, f"DELETE WHERE {{ GRAPH <{names.GRAPH}state> {{ ?s ?p ?o }} }} ; "
                     f"INSERT DATA {{ GRAPH <{names.GRAPH}state> {{ <{names.GRAPH}state> "
                     f'<{names.DCTERMS}valid> "{record}" }} }}')  # fmt: skip

    lock(datetime.now(UTC) + timedelta(seconds=200))
    assert "from elsewhere" in push(kept, versions[0], code=1).stderr
    lock(datetime.now(UTC) - timedelta(seconds=1))
    assert "content identical" in push(kept, versions[0], "--verify").stderr


def test_a_full_temporary_folder_is_told_and_changes_nothing(
    versions: list[Path], kept: Running
) -> None:
    push(kept, versions[0])
    limited = ("prlimit", "--fsize=65536", *COMMAND)
    full = subprocess.run(
        [*limited, "push", kept.url, "--out", str(versions[1])],
        env={**os.environ, "LC_ALL": "en"},
        capture_output=True,
        text=True,
    )
    assert full.returncode == 1
    assert "no room for temporary files" in full.stderr
    assert ": 0 quads added, 0 removed" in push(kept, versions[0], "--verify").stderr
