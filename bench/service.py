"""The service over the project's own graph: its start, its memory, its entity documents."""

from __future__ import annotations

import statistics
import tempfile
from contextlib import closing
from pathlib import Path

from bench import load, servers, sparql
from bench.load import Measured
from bench.processes import ROOT
from bench.servers import Server
from essgraph.build import build
from essgraph.project import Project

RUNS = 5
AIM_START = 0.5
AIM_REST, AIM_FULL = 50, 110

_DOCUMENT = (
    """
function request()
  return 'GET /data/bamako.ttl HTTP/1.1\\r\\nHost: localhost\\r\\n{fields}\\r\\n'
end
"""
    + load.DONE
)


def run(*, quick: bool) -> str:
    """The section of the report."""
    with tempfile.TemporaryDirectory(prefix="essgraph-bench-") as folder:
        out = Path(folder) / "build"
        built = build(Project(ROOT), out)
        assert built.snapshot is not None, "the project is not valid"
        starts = []
        for _ in range(2 if quick else RUNS):
            with servers.essgraph(out) as server:
                starts.append(server.started)
        with servers.essgraph(out) as server:
            rest = server.memory() / 2**20
            documents = _documents(server, Path(folder), 1 if quick else 3)
            full = _full(server, built.snapshot.quads)
    start = statistics.median(starts)
    return f"""## The service over this project's graph

| what | measured | aim |
|---|---|---|
| start to first right answer, median of {len(starts)} | {start:.2f} s | ≤ {AIM_START:g} s |
| memory at rest (PSS of all processes) | {rest:.0f} MiB | ≤ {AIM_REST} MiB |
| memory with a full cache | {full:.0f} MiB | ≤ {AIM_FULL} MiB |
{documents}"""


def _full(server: Server, quads: Path) -> float:
    """Memory once the cache of answers is full, in MiB."""
    with quads.open("rb") as lines:
        rows = sum(1 for _ in lines)
    with closing(sparql.Client(server)) as client:
        for n in range(400):  # each some 200 kB, counted twice for its codings: more than is kept
            client.ask(f"SELECT * {{ ?s ?p ?o }} OFFSET {n % rows} LIMIT 600", sparql.JSON)
    return server.memory() / 2**20


def _documents(server: Server, folder: Path, rounds: int) -> str:
    """Entity documents against the same bytes from plain ASGI under uvicorn."""
    with closing(sparql.Client(server)) as client:
        body, tag = client.get("/data/bamako.ttl")
    (folder / "document").write_bytes(body)
    scripts = {}
    for name, fields in (("whole", ""), ("unchanged", f"If-None-Match: {tag}\\r\\n")):
        scripts[name] = folder / f"{name}.lua"
        scripts[name].write_text(_DOCUMENT.format(fields=fields))
    lines = []
    with servers.bare("asgi", folder / "document") as bare:
        for name, aim in (("whole", 85), ("unchanged", 90)):
            results: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(rounds):
                for each, measured in zip((server, bare), results, strict=True):
                    measured.append(load.wrk(each, 32, 1, scripts[name], 0))
            ours, its = map(load.together, results)
            said = "304 Not Modified" if name == "unchanged" else f"{len(body):,} bytes"
            lines.append(
                f"| entity document, {said}, 32 clients, of plain ASGI under uvicorn "
                f"({its.rate:,.0f} a second) | {ours.rate:,.0f} a second: "
                f"{100 * ours.rate / its.rate:.0f} % | ≥ {aim} % |\n"
            )
    return "".join(lines)
