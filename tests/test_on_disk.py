"""A snapshot too large for memory: its workers share a store on disk, and answer as ever."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import Server, end, serving, with_quads

from essgraph import names, snapshot
from essgraph.copies import beside
from essgraph.snapshot import CURRENT, MANIFEST, STORE, open_snapshot

IS = ox.NamedNode("http://e/is")
QUERIES = (
    "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
    "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }",
    f"SELECT ?p ?o {{ <{names.ID}bamako> ?p ?o }} ORDER BY ?p ?o",
    f"SELECT ?s ?p {{ ?s ?p <{names.ID}bamako> }} ORDER BY ?s ?p",
    f"SELECT ?g {{ GRAPH ?g {{ ?s ?p <{names.ID}remcess> }} }} ORDER BY ?g",
    "SELECT ?t (COUNT(?s) AS ?n) { ?s a ?t } GROUP BY ?t ORDER BY DESC(?n) ?t",
    f"SELECT * {{ GRAPH <{names.REGISTER}> {{ ?s ?p ?o }} }} ORDER BY ?s ?p ?o",
    f"SELECT ?o {{ <{names.ID}bamako> a/<{names.RDFS}subClassOf>* ?o }} ORDER BY ?o",
)


@pytest.fixture
def large(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's snapshot, as if it were large."""
    monkeypatch.setattr(snapshot, "LARGE", 1)
    out = with_quads(built, tmp_path / "large", "")
    assert (out / "current" / snapshot.STORE).is_dir()
    return out


def test_the_answers_are_those_of_the_store_in_memory(large: Path, server: str) -> None:
    with serving(large, "--workers", 2) as service:
        for query in QUERIES:
            here, there = (
                httpx.get(f"{url}/sparql", params={"query": query}, headers={"Accept": "text/csv"})
                for url in (server, service.url)
            )
            assert (there.status_code, there.text) == (200, here.text)


def test_a_store_of_many_tables_is_read_whole(large: Path) -> None:
    """The engine opens sixteen at first and the others when it needs them, which a worker that
    may open nothing could not."""
    folder = (large / CURRENT).resolve() / STORE
    with beside(partial(_many_tables, folder)) as wait:  # see `with_quads`
        wait()
    with serving(large, "--workers", 1) as service:
        for query in (f"SELECT ?o {{ ?s <{IS.value}> ?o }} ORDER BY ?s", *QUERIES):
            parameters = {"query": query, "format": "csv"}
            answer = httpx.get(f"{service.url}/sparql", params=parameters)
            assert answer.status_code == 200, answer.text


def _many_tables(folder: Path) -> None:
    number = count()
    while len([*folder.glob("*.sst")]) <= 16:  # the engine makes one of several as it sees fit
        n = next(number)
        store = ox.Store(str(folder))
        store.add(ox.Quad(ox.NamedNode(f"{names.ID}more-{n}"), IS, ox.Literal(str(n))))
        store.flush()
        del store
    made = folder.parent.rename(folder.parents[1] / "made")
    (made / MANIFEST).unlink()
    snapshot.settle(made.parent, made, "", {})


def test_a_folder_that_may_not_be_written_is_served(large: Path) -> None:
    for folder, _, files in os.walk(large):
        for name in (".", *files):
            path = Path(folder, name)
            path.chmod(path.stat().st_mode & ~0o222)
    try:
        with serving(large, "--workers", 1) as service:
            answer = httpx.get(f"{service.url}/sparql", params={"query": QUERIES[0]})
            assert answer.status_code == 200
    finally:
        for folder, _, _ in os.walk(large):
            Path(folder).chmod(0o755)


def halve(folder: Path) -> Path:
    """Cuts the largest table of a store; the whole file is kept beside the folder."""
    table = max(folder.glob("*.sst"), key=lambda path: path.stat().st_size)
    kept = folder.with_name("whole.sst")
    shutil.copyfile(table, kept)
    table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    return table


def put_in_force(folder: Path, out: Path) -> Path:
    """Has a folder name a snapshot that was made elsewhere, as a build would."""
    there = out / folder.name
    shutil.copytree(folder, there)
    (out / "next").symlink_to(folder.name)
    (out / "next").replace(out / CURRENT)
    return there


def version(service: Server) -> str:
    told: str = httpx.get(f"{service.url}/health").json()["version"]
    return told


def comes(service: Server, wanted: str) -> bool:
    for _ in range(200):
        if version(service) == wanted:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", ["watch", "signal"])
def test_a_broken_store_never_takes_over(
    large: Path, tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The one in service stays, and the log says why; mended, it takes over."""
    line = f'<{names.ID}bamako> <http://e/is> "new" .\n'
    new = open_snapshot(with_quads(large, tmp_path / "new", line))
    before = open_snapshot(large).version
    table = halve(new.directory / STORE)
    with serving(large, "--workers", 2, *(["--watch"] if how == "watch" else [])) as service:
        there = put_in_force(new.directory, large)
        if how == "signal":
            service.process.send_signal(signal.SIGHUP)
        time.sleep(3)
        assert version(service) == before
        for n in range(5):
            parameters = {"query": f"ASK {{ ?s ?p ?o{n} }}"}
            assert httpx.get(f"{service.url}/sparql", params=parameters).json()["boolean"] is True
        shutil.copyfile(new.directory / "whole.sst", there / STORE / table.name)
        if how == "signal":
            service.process.send_signal(signal.SIGHUP)
        assert comes(service, new.version)
        answer = httpx.get(f"{service.url}/sparql", params={"query": "ASK { ?s ?p 'new' }"})
        assert answer.json()["boolean"] is True
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "snapshot altered" in said
    assert table.name in said  # what exactly is wrong


def turn(folder: Path) -> Path:
    """Turns a bit of the largest table of a store, which the engine would notice on reading it."""
    table = max(folder.glob("*.sst"), key=lambda path: path.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    return table


@pytest.mark.parametrize("damage", [halve, turn, lambda folder: shutil.rmtree(folder)])
def test_a_service_does_not_start_on_a_broken_store(
    large: Path, damage: Callable[[Path], object]
) -> None:
    damage(large / CURRENT / STORE)
    run = "from essgraph.cli import main; main()"
    command = [sys.executable, "-c", run, "serve", "--port", "0", "--out", str(large)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode
    assert "snapshot altered" in done.stderr
    assert STORE in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_breaks_in_service_is_opened_again_in_peace(
    large: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Workers that cannot begin are made a few times a second, not as fast as they die; when the
    store is whole again so is the service."""
    with serving(large, "--workers", 2, "--timeout", 1) as service:
        folder = large / CURRENT / STORE
        table = halve(folder)
        for pid in service.children()[1:]:
            end(pid)
        for n in range(3):
            parameters = {"query": f"ASK {{ ?s ?p ?o{n} }}"}
            assert httpx.get(f"{service.url}/sparql", params=parameters).status_code >= 500
        time.sleep(1)
        shutil.copyfile(folder.with_name("whole.sst"), table)
        for n in range(100):
            parameters = {"query": f"ASK {{ ?s ?p ?again{n} }}"}
            if httpx.get(f"{service.url}/sparql", params=parameters).status_code == 200:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the service did not recover")
    said = capfd.readouterr().err
    assert 0 < said.count("snapshot altered") < 50
    assert "Traceback" not in said
