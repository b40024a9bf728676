"""Several processes over one folder of snapshots; and builds that are killed anywhere."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from conftest import ROOT, serving, with_quads
from engines import COMMAND

from essgraph import names
from essgraph.snapshot import open_snapshot

QUERY = f"SELECT ?word {{ <{names.ID}mark> <{names.RDFS}comment> ?word }}"


def marked(built: Path, out: Path, word: str) -> str:
    """Puts another version in force in ``out`` and returns its name."""
    quads = [
        f'<{names.ID}mark> <{names.RDFS}comment> "{word}"',
        f'<{names.ID}mark> <{names.RDFS}label> "{word}"@fr',
        f"<{names.ID}mark> <{names.RDF}type> <{names.ESS}City>",
    ]
    with_quads(built, out, "".join(f"{q} .\n{q} <{names.REGISTER}> .\n" for q in quads))
    return open_snapshot(out).version


#: What is asked under load: a query, everything (which is spooled), a page, a description.
ASKED = {
    "query": ("/sparql?" + urlencode({"query": QUERY}), "text/csv"),
    "all": ("/sparql?" + urlencode({"query": "SELECT * { GRAPH ?g { ?s ?p ?o } }"}), "text/csv"),
    "page": ("/page/mark", "text/html"),
    "data": ("/data/mark.nt", "application/n-triples"),
    "shapes": ("/shapes.nt", "application/n-triples"),
}


class Client(threading.Thread):
    """Asks over new connections; notes each entity tag with the bodies that came under it."""

    def __init__(self, url: str, asked: str) -> None:
        super().__init__()
        self._url = url
        self.asked = asked
        self.over = threading.Event()
        self.bodies: defaultdict[str, set[bytes]] = defaultdict(set)
        self.wrong: list[str] = []

    def run(self) -> None:
        tag = ""
        path, accept = ASKED[self.asked]
        while not self.over.is_set():
            answer = httpx.get(
                f"{self._url}{path}", headers={"Accept": accept, "If-None-Match": tag}, timeout=60
            )
            if answer.status_code == 200:
                tag = answer.headers["etag"]
                whole = answer.content  # the client raises where it is shorter than was said
                self.bodies[tag].add(whole if len(whole) < 200 else _digest(whole))
            elif answer.status_code != 304 or answer.headers["etag"] != tag:
                self.wrong.append(f"{answer.status_code} {answer.text}")


def test_processes_that_share_a_port_roll_to_a_new_version_with_whole_answers_and_true_tags(
    built: Path, tmp_path: Path
) -> None:
    marked(built, tmp_path, "word0")
    with ExitStack() as stack:
        first = stack.enter_context(serving(tmp_path, "--watch", "--reuse-port"))
        port = httpx.URL(first.url).port
        second = stack.enter_context(serving(tmp_path, "--watch", "--reuse-port", port=port))
        assert first.process.pid != second.process.pid
        clients = [Client(first.url, asked) for asked in (*ASKED, *ASKED)]
        for client in clients:
            client.start()
        try:
            for n in range(1, 4):
                version = marked(built, tmp_path, f"word{n}")
                time.sleep(2.5)
        finally:
            for client in clients:
                client.over.set()
                client.join()
        seen = {httpx.get(f"{first.url}/health").json()["version"] for _ in range(20)}
        assert seen == {version}
    bodies: defaultdict[str, defaultdict[str, set[bytes]]]
    bodies = defaultdict(lambda: defaultdict(set))
    for client in clients:
        assert not client.wrong
        for tag, found in client.bodies.items():
            bodies[client.asked][tag] |= found
    # Each version has its tag, in both processes, and each tag its one body.
    for asked in ASKED:
        assert len(bodies[asked]) >= 2, asked
        assert {len(found) for found in bodies[asked].values()} == {1}, asked
    assert sorted(body for found in bodies["query"].values() for body in found) == [
        f"word\r\nword{n}\r\n".encode() for n in range(4)
    ]


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


_WRITE = """
import sys
from pathlib import Path
from essgraph.snapshot import draft, settle, write_files
out, word = Path(sys.argv[1]), sys.argv[2]
files = {f"queries/{n}.rq": word.encode() * 20_000 for n in range(20)}
with draft(out) as folder:
    write_files(folder, {"data.nq": word.encode() * 50_000, **files})
    settle(out, folder, word, {})
"""


def test_killed_anywhere_a_write_leaves_a_whole_snapshot_in_force(tmp_path: Path) -> None:
    seeded = random.Random(8)
    write = [sys.executable, "-c", _WRITE, str(tmp_path)]
    start = time.monotonic()
    subprocess.run([*write, "word0"], check=True)
    whole_time = time.monotonic() - start
    killed = 0
    known = {open_snapshot(tmp_path).version}
    for n in range(1, 41):
        process = subprocess.Popen([*write, f"word{n % 3}"])
        try:
            process.wait(whole_time * seeded.uniform(0.3, 1.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        known.add(open_snapshot(tmp_path).version)  # raises where a file is not whole
    assert killed
    assert len(known) <= 3
    subprocess.run([*write, "word9"], check=True)
    assert open_snapshot(tmp_path).sources == "word9"
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not left, "the next run cleans up"


def test_killed_anywhere_a_build_leaves_the_snapshot_that_was(project: Path) -> None:
    seeded = random.Random(10)
    command = [*COMMAND, "build", "--project", str(project), "--out", str(project / "out")]
    env = {**os.environ, "LC_ALL": "en"}
    start = time.monotonic()
    subprocess.run(command, check=True, env=env, capture_output=True, cwd=ROOT)
    whole_time = time.monotonic() - start
    query = project / "queries" / "cities.rq"
    text = query.read_text("utf-8")
    versions = [open_snapshot(project / "out").version]
    for n in range(10):
        query.write_text(text.replace("# keywords:", f"# keywords: again{n},"), "utf-8")
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(whole_time * seeded.uniform(0.2, 1.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            assert open_snapshot(project / "out").version
        versions.append(open_snapshot(project / "out").version)
    done = subprocess.run(command, check=True, env=env, capture_output=True, text=True, cwd=ROOT)
    assert open_snapshot(project / "out").version in done.stdout
    assert open_snapshot(project / "out").version != versions[0]


def test_another_program_may_write_other_bytes_so_its_tags_are_others(
    built: Path, server: str, tmp_path: Path
) -> None:
    """Of the same data: who kept an answer of the program before gets that of this one."""
    shutil.copytree(ROOT / "src/essgraph", tmp_path / "essgraph")
    with (tmp_path / "essgraph/results.py").open("a") as code:
        code.write("# mended\n")
    asked = {"query": "CONSTRUCT WHERE { ?s ?p ?o } LIMIT 1"}
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with serving(built, env=environment) as other:
        for path in ("sparql", "data/bamako.ttl"):
            before = httpx.get(f"{server}/{path}", params=asked).headers["etag"]
            known = {"If-None-Match": before}
            assert httpx.get(f"{server}/{path}", params=asked, headers=known).status_code == 304
            now = httpx.get(f"{other.url}/{path}", params=asked, headers=known)
            assert now.status_code == 200


def anonymous(pid: int) -> float:
    """What a process holds of its own memory, in MiB."""
    held = re.search(r"(?m)^Anonymous: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert held
    return int(held[1]) / 1024


def test_a_service_that_builds_first_is_no_larger_than_one_that_does_not(project: Path) -> None:
    """rdflib, pySHACL and what a build reads took 30 MiB of it, for as long as it ran."""
    held = []
    for _ in ("builds", "is fresh"):
        with serving(None, "--project", project, "--quiet") as running:
            assert httpx.get(f"{running.url}/queries/cities").status_code == 200
            held.append(anonymous(running.process.pid))
    assert held[0] < held[1] + 15


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "alone"])
def test_a_build_before_serving_that_is_interrupted_leaves_nothing(
    project: Path, whole_group: bool
) -> None:
    """By the keys of a terminal, which reach all processes of its group, or by a signal to one."""
    out = project / "build"
    for pause in (0.1, 0.6):
        serve = [*COMMAND, "serve", "--port", "0", "--project", str(project)]
        process = subprocess.Popen(
            serve,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr
        assert process.stderr.readline() == b"building the snapshot\n"
        time.sleep(pause)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (130, b"")
        # Nothing but what builds keep for the next one.
        left = [path.name for path in out.iterdir()] if out.exists() else []
        assert set(left) <= {"kept.db"}
        shutil.rmtree(out, ignore_errors=True)
