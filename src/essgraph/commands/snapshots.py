"""The snapshot that a command works on."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from essgraph.commands import console, folders, report
from essgraph.errors import SnapshotError, Text
from essgraph.project import Project

if TYPE_CHECKING:
    from essgraph.snapshot import Snapshot


def current(arguments: Namespace, project: Project, language: str) -> Snapshot:
    """The snapshot of the folder that was named, built first if it has none; else the project's,
    built first if there is none, it is damaged or the files have changed. Raises SnapshotError
    where the folder that was named has a damaged one."""
    from essgraph import snapshot

    out = folders.out(arguments, project)
    try:
        current = snapshot.open_snapshot(out)
        # A folder that was named is served as it is: it may be shared, and not ours to write.
        if arguments.out is not None or current.sources == project.digest():
            return current
    except SnapshotError:
        if arguments.out is not None and snapshot.holds(out):
            raise
    from essgraph.copies import beside

    console.say(Text("construction de l'instantané", "building the snapshot"), language)
    # In a process of its own, so that a service does not keep the build side in memory.
    with beside(partial(_built, project, out, language)) as wait:
        built = wait()
    if built is None:
        raise SnapshotError(Text("le graphe n'est pas valide", "the graph is not valid"))
    return built


def _built(project: Project, out: Path, language: str) -> Snapshot | None:
    """A new snapshot; None where the graph is not valid, and the findings are shown."""
    from essgraph.build import build

    built = build(project, out, None, console.bar(language))
    if built.snapshot is None:
        report.write(built.checked.findings, "text", language, sys.stderr)
    return built.snapshot
