"""How cost grows with size, on one machine: ``python -m bench.scale [TRIPLES…]``.

For each size a project of files is made up (``bench.corpus``) and, each in a process of its own:
built as a whole; built again after one document changed, and that compared with a whole build;
what the engines alone take for the same data: to parse the files, to load the quads into a store
on disk, to validate the statements; and served: start to first answer, memory, points and a scan
asked for the first time. Prints tables and the exponents of growth, for ``docs/scale.md``. CPU
seconds are of all processes of a step, so that neighbours on the machine count for less than in
wall seconds. Memory is what all processes of a step hold at once that is no file (PSS, looked at
five times a second).
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from bench import corpus, processes, servers
from bench.processes import ROOT
from essgraph import names
from essgraph.snapshot import DATA, open_snapshot

SIZES = (100_000, 1_000_000)
_PYTHON = (sys.executable, "-c")
_ESSGRAPH = (*_PYTHON, "from essgraph.cli import main; main()")
_SCAN = "SELECT ?t (COUNT(?s) AS ?n) { ?s a ?t } GROUP BY ?t ORDER BY DESC(?n) ?t"
#: What the engines are asked to do alone: each takes the project's folder and the snapshot's.
_ALONE = {
    "parse": """
import sys; from pathlib import Path; import pyoxigraph as ox
for path in sorted(Path(sys.argv[1], "data").rglob("*.t*")):
    for quad in ox.parse(path.read_bytes(), format=ox.RdfFormat.TRIG): pass
""",
    "load": """
import sys, tempfile; from pathlib import Path; import pyoxigraph as ox
with tempfile.TemporaryDirectory(dir=sys.argv[2] + "/..") as folder:
    store = ox.Store(folder)
    store.bulk_load(path=Path(sys.argv[2], "data.nq"), format=ox.RdfFormat.N_QUADS)
    store.flush()
""",
    "load in memory": """
import sys; from pathlib import Path; import pyoxigraph as ox
ox.Store().bulk_load(path=Path(sys.argv[2], "data.nq"), format=ox.RdfFormat.N_QUADS)
""",
    "validate": """
import sys; from pathlib import Path
from essgraph import merge, shacl; from essgraph.project import Project
left_out = tuple(f" <{merge.names.GRAPH}{g}> .\\n".encode() for g in ("queries", "description"))
with Path(sys.argv[2], "data.nq").open("rb") as lines:
    stated = {merge.split(l)[0] + b" .\\n" for l in merge.named(lines) if not l.endswith(left_out)}
report = shacl.fast(shacl.shapes(Project(Path(sys.argv[1]))))(sorted(stated))
assert not shacl.results(report)
""",
}
#: Of more triples the engine's loader, asked once for all, takes more memory than there may be.
_MOST_ALONE = 4_000_000


@dataclass
class Step:
    """What a step took: seconds, CPU seconds, MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass
class Row:
    """What was measured at one size. Seconds, MiB; points and scan in milliseconds."""

    triples: int
    documents: int
    whole: Step
    again: Step
    same: bool
    alone: dict[str, Step]
    disk: float
    start: float
    service: float
    worker: float
    point: float
    scan: float

    def engines(self, of: Callable[[Step], float]) -> float:
        """What the engines alone take together."""
        return sum(of(self.alone[name]) for name in ("parse", "load", "validate"))


def measure(size: int, passages: int, folder: Path) -> Row:
    """One size, in a folder of its own. Raises CalledProcessError where a step fails."""
    project, out = folder / "project", folder / "out"
    made = corpus.project(project, size, passages)
    build = (*_ESSGRAPH, "build", "--project", str(project), "--out")
    whole = _step(*build, str(out))
    snapshot = open_snapshot(out).directory
    arguments = (str(project), str(snapshot))
    steps = _ALONE.items() if size <= _MOST_ALONE else ()
    alone = {name: _step(*_PYTHON, code, *arguments) for name, code in steps}
    _change(project)
    again = _step(*build, str(out))
    _step(*build, str(folder / "fresh"))
    pair = [open_snapshot(o).directory for o in (out, folder / "fresh")]
    same = all(
        (pair[0] / name).read_bytes() == (pair[1] / name).read_bytes()
        for name in (DATA, "dump.nq.gz", "dump.trig.gz")
    )
    disk = sum(p.stat().st_size for p in pair[0].rglob("*") if p.is_file()) / 2**20
    return Row(size, made["doc"], whole, again, same, alone, disk, *_serve(out))


def _change(project: Path) -> None:
    """Changes a document in the middle: the summary of a passage, and what it says of a theme."""
    documents = sorted((project / "data" / "documents").glob("*.trig"))
    path = documents[len(documents) // 2]
    text = path.read_text("utf-8")
    at = text.index("ess:summary", text.index("a ess:Passage"))
    text = text[:at] + text[at:].replace('"@fr', ' bis"@fr', 1)
    path.write_text(text.replace("ess:about", "ess:mentions", 1), "utf-8")


def _step(*command: str) -> Step:
    """Runs a command. Raises CalledProcessError."""
    before, begun, peak = processes.spent(), time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, _mib(processes.tree(process.pid), "Pss_Anon"))
        time.sleep(0.2)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Step(wall, processes.spent() - before, peak)


def _serve(out: Path) -> tuple[float, float, float, float, float]:
    with servers.essgraph(out, "--workers", 2, "--quiet") as server:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            points = [
                _ask(client, f"SELECT ?p ?o {{ <{names.ID}person-{n}> ?p ?o }}") for n in range(50)
            ]
            scan = _ask(client, _SCAN)
        own, *below = (_mib([pid], "Pss") for pid in server.processes())
        return server.started, own, max(below), 1000 * median(points), 1000 * scan


def _mib(pids: Iterable[int], what: str) -> float:
    return sum(processes.held(pid, what) for pid in pids) / 2**20


def _ask(client: httpx.Client, query: str) -> float:
    begun = time.perf_counter()
    client.post("/sparql", data={"query": query}).raise_for_status()
    return time.perf_counter() - begun


#: The figures whose growth is told.
_GROWING: Final[dict[str, Callable[[Row], float]]] = {
    "whole_wall": lambda row: row.whole.wall,
    "whole_cpu": lambda row: row.whole.cpu,
    "whole_peak": lambda row: row.whole.peak,
    "disk": lambda row: row.disk,
    "worker": lambda row: row.worker,
    "point": lambda row: row.point,
    "scan": lambda row: row.scan,
}


def exponent(small: Row, large: Row, of: Callable[[Row], float]) -> float:
    """The power of the size with which a figure grows between two sizes."""
    return math.log(of(large) / of(small)) / math.log(large.triples / small.triples)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="TRIPLES")
    parser.add_argument("--passages", type=int, default=corpus.PASSAGES, help="to a document")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for size in arguments.sizes:
        print(f"\nLoad: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.", flush=True)
        with tempfile.TemporaryDirectory(prefix="essgraph-scale-") as folder:
            row = measure(size, arguments.passages, Path(folder))
        rows.append(row)
        print(f"\n{row.triples:,} triples, {row.documents:,} documents\n")
        print("| step | wall, s | CPU, s | peak, MiB |\n|---|---|---|---|")
        for name, step in {
            "whole build": row.whole,
            "one document changed": row.again,
            **row.alone,
        }.items():
            print(f"| {name} | {step.wall:.1f} | {step.cpu:.1f} | {step.peak:.0f} |")
        if row.alone:
            print(
                f"\nBuild / (parse + load + validate): wall "
                f"{row.whole.wall / row.engines(lambda s: s.wall):.2f}, CPU "
                f"{row.whole.cpu / row.engines(lambda s: s.cpu):.2f}."
            )
        print(
            f"\nOne document changed: wall {row.again.wall / row.whole.wall:.1%}, CPU "
            f"{row.again.cpu / row.whole.cpu:.1%} of "
            f"the whole; data and dumps the same as of a whole build: {row.same}. Snapshot "
            f"{row.disk:.0f} MiB; start {row.start:.1f} s; service {row.service:.0f} MiB, largest "
            f"worker {row.worker:.0f} MiB; point {row.point:.1f} ms, scan {row.scan:.0f} ms.",
            flush=True,
        )
    for small, large in pairwise(rows):
        told = ", ".join(
            f"{name} {exponent(small, large, of):.2f}" for name, of in _GROWING.items()
        )
        print(f"\nExponents from {small.triples:,} to {large.triples:,}: {told}.")


if __name__ == "__main__":
    main()
