"""How cost grows with size, on one machine: ``python -m bench.scale [--most TRIPLES]``.

For each size: writing the snapshot (with its store, where that is on disk), start to first answer,
memory of the service and of each worker, points and a scan asked for the first time. Prints a
table and the exponents of growth, for ``docs/scale.md``. CPU seconds are of the processes
themselves, so that neighbours on the machine count for less than in wall seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import httpx

from bench.build import ROOT
from bench.load import free_port
from essgraph import names
from essgraph.snapshot import open_snapshot

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
_COMMAND = (sys.executable, "-c", "from essgraph.cli import main; main()")
_SCAN = "SELECT ?t (COUNT(?s) AS ?n) { ?s a ?t } GROUP BY ?t ORDER BY DESC(?n) ?t"


@dataclass
class Row:
    """What was measured at one size. Seconds, MiB; points and scan in milliseconds."""

    triples: int
    write_cpu: float
    write_peak: float
    disk: float
    start: float
    service: float
    worker: float
    point: float
    scan: float


def measure(size: int, folder: Path) -> Row:
    """One size, in a folder of its own. Raises CalledProcessError where a step fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "bench.corpus", str(size), str(folder)],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    directory = open_snapshot(folder).directory
    disk = sum(p.stat().st_size for p in directory.rglob("*") if p.is_file()) / 2**20
    port = free_port()
    options = ["--out", str(folder), "--port", str(port), "--workers", "2", "--quiet"]
    begun = time.perf_counter()
    service = subprocess.Popen([*_COMMAND, "serve", *options], cwd=ROOT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while True:
                try:
                    _ask(client, "ASK { ?s ?p ?o }")
                    break
                except httpx.TransportError:
                    time.sleep(0.01)
            start = time.perf_counter() - begun
            points = [
                _ask(client, f"SELECT ?p ?o {{ <{names.ID}person-{n}> ?p ?o }}") for n in range(50)
            ]
            scan = _ask(client, _SCAN)
            children = _children(service.pid)
            memory = [_pss(pid) for pid in children]
            return Row(
                size,
                after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                after.ru_maxrss / 1024,
                disk,
                start,
                _pss(service.pid),
                max(memory),
                1000 * median(points),
                1000 * scan,
            )
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait()


def _ask(client: httpx.Client, query: str) -> float:
    begun = time.perf_counter()
    client.post("/sparql", data={"query": query}).raise_for_status()
    return time.perf_counter() - begun


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_children(child)]
    return found


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def exponent(small: Row, large: Row, of: str) -> float:
    """The power of the size with which a figure grows between two sizes."""
    ratio = getattr(large, of) / getattr(small, of)
    return math.log(ratio) / math.log(large.triples / small.triples)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--most", type=int, default=1_000_000, metavar="TRIPLES")
    most: int = parser.parse_args().most
    rows: list[Row] = []
    print(f"Load at the beginning: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    print(
        "| triples | write, CPU s | its peak, MiB | disk, MiB | start, s | service, MiB "
        "| largest worker, MiB | point, ms | scan, ms |\n|---|---|---|---|---|---|---|---|---|"
    )
    for size in (s for s in SIZES if s <= most):
        with tempfile.TemporaryDirectory(prefix="essgraph-scale-") as folder:
            row = measure(size, Path(folder))
        rows.append(row)
        print(
            f"| {size:,} | {row.write_cpu:.1f} | {row.write_peak:.0f} | {row.disk:.0f} "
            f"| {row.start:.1f} | {row.service:.0f} | {row.worker:.0f} | {row.point:.1f} "
            f"| {row.scan:.0f} |",
            flush=True,
        )
    for small, large in pairwise(rows):
        print(
            f"\nExponents from {small.triples:,} to {large.triples:,}: "
            + ", ".join(
                f"{name} {exponent(small, large, of):.2f}"
                for name, of in (
                    ("write", "write_cpu"),
                    ("peak", "write_peak"),
                    ("disk", "disk"),
                    ("worker", "worker"),
                    ("point", "point"),
                    ("scan", "scan"),
                )
            )
            + "."
        )


if __name__ == "__main__":
    main()
