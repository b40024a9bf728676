"""A knowledge graph of the social and solidarity economy in which every fact names its passage.

Modules are small and flat, and each imports only those before it:
cores, errors, names, formats, turtle, processes, turns, terminals → copies, grammar, dialects,
lint, iris → project, findings, reader → catalog, dataset, search, snapshot, query → statements,
report, engine, paths, rewriting → sources → anchors, library, mention, merge, jsonld, why, rules →
register, literals, positions → evidence, shacl, results → evaluation, units, parts → golden,
workers, ask → endpoint, kept → build, zygote, held, lease → changes, draft, mirror, pool, push,
remote → service → assistant, client → commands → cli → __main__.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from essgraph.client import Graph

__all__ = ["connect"]


def connect(where: str | Path) -> Graph:
    """The graph of a service (its http address), a project's folder, or a build folder.

    Raises ProjectError where there is no such folder, SnapshotError where nothing was built in it.
    """
    from essgraph import client  # so that no command pays for what it does not use

    return client.connect(where)
