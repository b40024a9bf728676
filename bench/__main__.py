"""``python -m bench [--quick] [SECTION…]``: measures, and writes ``docs/benchmarks.md``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import build, hostile, peers, service, sparql, validate
from bench.processes import ROOT

REPORT = ROOT / "docs" / "benchmarks.md"
_LIBRARIES = ("pyoxigraph", "rdflib", "pyshacl", "uvicorn", "uvloop", "httptools")


def machine() -> str:
    """What the figures were measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()} ({Path(sys.executable).resolve()}); {libraries}. "
        f"Load when the run began: {load:.1f}. "
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    )


def main() -> None:
    """Runs the sections asked for (default: all) and writes the report if all were run."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="default: all")
    parser.add_argument("--quick", action="store_true", help="about a minute, coarser")
    parser.add_argument("--texts", type=Path, default=_texts(), help="folder of the private texts")
    arguments = parser.parse_args()
    sections: dict[str, Callable[[], str]] = {
        "build": lambda: build.run(arguments.texts),
        "service": lambda: service.run(quick=arguments.quick),
        "sparql": lambda: sparql.run(sparql.QUICK if arguments.quick else sparql.FULL),
        "peers": lambda: peers.run(quick=arguments.quick),
        "validate": lambda: validate.run(6_500 if arguments.quick else validate.TRIPLES),
        "hostile": lambda: hostile.run(quick=arguments.quick),
    }
    unknown = set(arguments.sections) - sections.keys()
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(sections)}")
    asked = arguments.sections or list(sections)
    parts = [f"# Benchmarks\n\n`make bench` writes this file. {machine()}\n"]
    for name in asked:
        print(f"--- {name}", file=sys.stderr, flush=True)
        parts.append(sections[name]())
        print(parts[-1], flush=True)
    if not arguments.sections and not arguments.quick:
        REPORT.write_text("\n".join(parts), "utf-8")


def _texts() -> Path | None:
    """The private texts where a checkout has them."""
    folders = (ROOT / "data" / "texts", ROOT.parent / "shared" / "sources")
    return next((folder for folder in folders if folder.is_dir()), None)


if __name__ == "__main__":
    main()
