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
from pathlib import Path
from typing import TypeVar

import pyoxigraph as ox
import rdflib
from rdflib.namespace import SH

from essgraph import names, shacl, sources
from essgraph.project import Project

ROOT = Path(__file__).parents[1]
TRIPLES = 50_000
AIM = 10.0
#: What copies have in common: the controlled lists.
SHARED = tuple(f"{names.ID}{scheme}" for scheme in names.SCHEMES)
OWN = (names.ID, names.DOC, names.PASSAGE)

T = TypeVar("T")


def _renamed(term: sources.Term, copy: int) -> sources.Term:
    if not isinstance(term, ox.NamedNode) or term.value.startswith(SHARED):
        return term
    return ox.NamedNode(f"{term.value}-{copy}") if term.value.startswith(OWN) else term


def corpus(project: Project, triples: int) -> list[shacl.Triple]:
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
    return list(whole)


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


def main() -> int:
    """Prints both times and their ratio; 1 if the reports differ."""
    project = Project(ROOT)
    shapes = shacl.shapes(project)
    triples = corpus(project, int(sys.argv[1]) if len(sys.argv) > 1 else TRIPLES)
    ours, report = cpu(lambda: shacl.fast(shapes)(triples))
    theirs, reference = cpu(lambda: shacl.reference(shapes)(triples))
    same = _results(report) == _results(reference)
    print(f"{len(triples)} triples, {len(list(report.objects(None, SH.result)))} results")
    print(f"essgraph (shapes compiled, data handed over, report read)  {ours:8.2f} s of CPU")
    print(f"pySHACL  (the same)                                        {theirs:8.2f} s of CPU")
    ratio = theirs / ours
    print(
        f"ratio {ratio:.0f}; aim at least {AIM:.0f}: {'reached' if ratio >= AIM else 'NOT reached'}"
    )
    print(f"reports are {'the same' if same else 'NOT the same'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
