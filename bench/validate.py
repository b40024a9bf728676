"""Validation with our shapes of a synthetic graph of 50,000 triples: the engine that the build uses
against plain pySHACL, in one run, in CPU seconds; the two must report the same.

The graph is the project's own, repeated under other names: so every shape has its targets, in the
proportions of real data. A few faults are put in each copy, for a report that is empty would say
little. ``python -m bench.validate [TRIPLES]``.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pyoxigraph as ox
import rdflib
from rdflib.namespace import SH

from bench.processes import ROOT
from essgraph import names, shacl, sources, statements
from essgraph.project import Project

TRIPLES = 50_000
AIM = 10.0
#: What copies have in common: the controlled lists.
SHARED = tuple(s[:-1] for s in names.PREFIXES.values() if s.startswith(names.ID) and s != names.ID)
OWN = (names.ID, names.DOC, names.PASSAGE)

T = TypeVar("T")


def _renamed(term: statements.Term, copy: int) -> statements.Term:
    iri = getattr(term, "value", "") if isinstance(term, ox.NamedNode) else ""
    own = iri.startswith(OWN) and not iri.startswith(SHARED)
    return ox.NamedNode(f"{iri}-{copy}") if own else term


def corpus(project: Project, triples: int) -> list[bytes]:
    """At least so many triples: the project's own and renamed copies, each with three faults."""
    found, _ = sources.read(project)
    own = [s.triple for s in found.statements()]
    whole: dict[shacl.Triple, None] = dict.fromkeys(own)
    copy = 0
    while len(whole) < triples:
        copy += 1
        for s, p, o in own:
            whole[_renamed(s, copy), p, _renamed(o, copy)] = None
        person = ox.NamedNode(f"{names.ID}kevin-ossah-{copy}")
        whole[person, ox.NamedNode(names.RDFS + "label"), ox.Literal("x", language="de")] = None
        whole[person, ox.NamedNode(names.ESS + "size"), ox.Literal(0)] = None
        whole[person, ox.NamedNode(names.SCHEMA + "startDate"), ox.Literal("2019-07-32")] = None
    lines = ox.serialize(
        (ox.Triple(*triple) for triple in whole),  # type: ignore[arg-type]
        format=ox.RdfFormat.N_TRIPLES,
    )
    assert lines is not None
    return lines.splitlines(keepends=True)


def _results(report: rdflib.Graph) -> Counter[tuple[str, ...]]:
    terms = (SH.sourceShape, SH.focusNode, SH.resultPath, SH.value, SH.sourceConstraintComponent)
    return Counter(
        # Nameless shapes have other names in each report.
        tuple(
            "" if isinstance(term := report.value(result, t), rdflib.BNode) else str(term)
            for t in terms
        )
        for result in report.objects(None, SH.result)
    )


def cpu(run: Callable[[], T]) -> tuple[float, T]:
    """The CPU seconds that a call takes, and what it gives."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def run(triples: int = TRIPLES) -> str:
    """The section of the report, in Markdown. Raises AssertionError if the reports differ."""
    project = Project(ROOT)
    shapes = shacl.shapes(project)
    data = corpus(project, triples)
    ours, report = cpu(lambda: shacl.fast(shapes)(data))
    theirs, reference = cpu(lambda: shacl.reference(shapes)(data))
    assert _results(report) == _results(reference), "the reports differ"
    ratio = theirs / ours
    reached = "reached" if ratio >= AIM else "NOT reached"
    return (
        f"## Validation\n\n{len(data):,} triples (this project's, repeated under other names, with "
        f"faults), all our shapes, {len(list(report.objects(None, SH.result)))} results, the same "
        "from both engines. CPU seconds of one run, with compiling the shapes, handing over the "
        "data and reading the report.\n\n"
        "| engine | CPU s |\n|---|---|\n"
        f"| essgraph (pyshacl-turbo on N-Triples) | {ours:.2f} |\n"
        f"| pySHACL | {theirs:.2f} |\n\n"
        f"Ratio {ratio:.0f}; aim at least {AIM:.0f}: {reached}.\n"
    )


if __name__ == "__main__":
    print(run(int(sys.argv[1]) if len(sys.argv) > 1 else TRIPLES))
