"""The snapshot that a command works on."""

from __future__ import annotations

import sys
from argparse import Namespace
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
    # Imported here: a service whose snapshot is fresh never loads the build side.
    from essgraph.build import build

    console.say(Text("construction de l'instantané", "building the snapshot"), language)
    built = build(project, out, None, console.bar(language))
    if built.snapshot is None:
        report.write(built.checked.findings, "text", language, sys.stderr)
        raise SnapshotError(Text("le graphe n'est pas valide", "the graph is not valid"))
    return built.snapshot
