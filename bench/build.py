"""The whole build with validation, against the time to import the two RDF libraries."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.processes import ROOT, spent

RUNS = 5
AIM = 3.0

_IMPORTS = [sys.executable, "-c", "import rdflib, pyshacl"]
_BUILD = [sys.executable, "-c", "from essgraph.cli import main; main()", "build"]


def run(texts: Path | None) -> str:
    """The section of the report: medians of interleaved runs, so that noise falls on both.

    ``texts`` is the folder of the private texts: with it the build also derives every anchor
    anew. Raises CalledProcessError if the build fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A folder that does not exist yet for each run: nothing built before is found again.
        outs = (str(Path(folder) / str(n)) for n in range(RUNS))
        with_texts = ["--texts", str(texts)] if texts else []
        pairs = [(_time(_IMPORTS), _time([*_BUILD, *with_texts, "--out", out])) for out in outs]
    imports, build = (
        [statistics.median(values) for values in zip(*times, strict=True)]
        for times in zip(*pairs, strict=True)
    )
    extra, extra_cpu = (ours - its for ours, its in zip(build, imports, strict=True))
    reached = "reached" if extra <= AIM else "**not reached**"
    texts_said = "with the private texts at hand" if texts else "without the private texts"
    return f"""## Build

This project, whole build with validation ({texts_said}), median of {RUNS} interleaved runs.

| what | seconds | of CPU |
|---|---|---|
| `import rdflib, pyshacl` | {imports[0]:.2f} | {imports[1]:.2f} |
| `essgraph build` | {build[0]:.2f} | {build[1]:.2f} |
| difference | {extra:.2f} (aim: at most {AIM:g}: {reached}) | {extra_cpu:.2f} |
"""


def _time(command: list[str]) -> tuple[float, float]:
    start, before = time.perf_counter(), spent()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start, spent() - before
