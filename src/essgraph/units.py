"""A project by units: each document is one, and all other files together are one, the frame.

A unit is read and judged alone, so that processes share the work and a unit that stands as it was
is not read again. What a rule needs of other units is told here as sets of names; where these show
that something is amiss, the rule itself is asked, with the units concerned at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyoxigraph as ox

from essgraph import evidence, merge, register, sources
from essgraph.errors import SyntaxFault
from essgraph.findings import Finding
from essgraph.project import Digests
from essgraph.sources import TYPE, Elsewhere, Layout, Sources

#: The name of the frame, which no document has.
FRAME = ""


@dataclass(frozen=True)
class Unit:
    """What a unit adds and calls for; IRIs are plain.

    ``lines`` are its statements in canonical N-Quads, in order. ``known`` has an entry here,
    ``named`` needs one; ``graphs`` is the number of passage graphs, and ``spoken`` says in how
    many of them each thing is named;
    ``doubtful`` are passages, ``retained`` what notes retain; of the frame, ``entries`` are what
    must be spoken of, ``places`` where they lie, and ``alike`` those that bear the label of an
    earlier one. Findings are of the rules that judge it alone.
    """

    name: str
    digest: str
    lines: bytes = b""
    known: Sequence[str] = ()
    named: Sequence[str] = ()
    spoken: Mapping[str, int] = field(default_factory=dict)
    graphs: int = 0
    doubtful: Sequence[str] = ()
    retained: Sequence[str] = ()
    entries: Sequence[str] = ()
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)
    alike: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    faults: Sequence[SyntaxFault] = ()

    @property
    def sound(self) -> bool:
        """Whether it has no findings of its own."""
        return not (self.findings or self.faults)


def digest(layout: Layout, name: str, digests: Digests) -> str:
    """SHA-256 (hex) of the files of a unit, from theirs."""
    return digest_of(layout.files(name) if name else _frame(layout), digests)


def digest_of(paths: Iterable[Path], digests: Digests) -> str:
    """SHA-256 (hex) of files, with their names."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path}\n".encode(errors="surrogateescape") + digests[path])
    return whole.hexdigest()


def _frame(layout: Layout) -> Iterator[Path]:
    project = layout.project
    yield from (project.ontology, project.dataset, project.withdrawn)
    yield from (*project.register, *layout.further, *project.schemes, *project.queries)


def judge(
    found: Sources,
    faults: Sequence[SyntaxFault],
    name: str,
    digest: str,
    texts: Path | None,
    questions: Iterable[ox.Triple] = (),
) -> Unit:
    """The unit that was read as ``found``, with its own findings."""
    if faults:
        return Unit(name, digest, faults=faults)
    spoken: dict[str, set[str]] = {}
    for document in found.documents:
        for fact in document.facts:
            for term in (fact.subject, fact.object):
                if isinstance(term, ox.NamedNode):
                    spoken.setdefault(term.value, set()).add(str(fact.graph))
    notes = (s for d in found.documents for s in d.records if s.predicate == evidence.RETAINS)
    return Unit(
        name,
        digest,
        b"".join(merge.lines(merge.named_graphs(found, questions))),
        known=_values(register.known_in(found)),
        named=_values(term for term, _ in register.named_in(found)),
        spoken={iri: len(graphs) for iri, graphs in spoken.items()},
        graphs=len({fact.graph for d in found.documents for fact in d.facts}),
        doubtful=_values(found.doubtful),
        retained=_values(s.object for s in notes),
        entries=_values(s.subject for s in found.register if s.predicate == TYPE),
        places={
            iri.value: _values(above)
            for iri, above in register.places_in(found).items()
            if isinstance(iri, ox.NamedNode)
        },
        alike=_values(statement.subject for statement, _ in register.alike(found)),
        findings=evidence.alone(found, texts),
    )


def _values(terms: Iterable[object]) -> list[str]:
    return sorted({term.value for term in terms if isinstance(term, ox.NamedNode)})


def read_document(
    layout: Layout, name: str, digest: str, elsewhere: Elsewhere, texts: Path | None
) -> Unit:
    """The unit of a document. Raises ProjectError."""
    found, faults = sources.read_some(layout, [name], frame=False, elsewhere=elsewhere)
    return judge(found, faults, name, digest, texts)
