"""``python -m bench``: the whole build against the time to import the two RDF libraries."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 5


def median_seconds(*command: str) -> float:
    """Median wall time of five runs of a command, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Prints the medians and whether the build is within the imports plus 3 seconds."""
    imports = median_seconds(sys.executable, "-c", "import rdflib, pyshacl")
    with tempfile.TemporaryDirectory() as out:
        run = "from essgraph.cli import main; main()"
        build = median_seconds(sys.executable, "-c", run, "build", "--out", str(Path(out) / "b"))
    print(f"import rdflib, pyshacl      {imports:6.2f} s  (median of {RUNS})")
    print(f"essgraph build, validated   {build:6.2f} s  (median of {RUNS})")
    within = "within" if build <= imports + 3 else "NOT within"
    print(f"aim: imports + 3 s = {imports + 3:.2f} s: {within}")


if __name__ == "__main__":
    main()
