"""A finding: what a check has to say, where, and how to mend it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from essgraph.errors import Text


class Severity(StrEnum):
    """The severities of SHACL (section 2.1.4); only a violation fails a check."""

    VIOLATION = "Violation"
    WARNING = "Warning"
    INFO = "Info"


@dataclass(frozen=True)
class Place:
    """Where a finding stands: 1-based line and column (0 where the whole file is meant), the
    number of characters it is about, and the line itself."""

    file: str
    line: int = 0
    column: int = 0
    width: int = 0
    excerpt: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing found by one rule.

    ``rule`` identifies it (``E4``, ``syntax`` or the IRI of a shape); ``focus``, ``path``,
    ``value`` and ``passage`` are RDF terms in N-Triples or prefixed form; ``label`` is the name
    of the focus node; ``component`` is the SHACL constraint component. ``suspects`` are terms of
    which later rules need not speak: what they would find follows from this.
    """

    rule: str
    text: Text
    place: Place
    severity: Severity = Severity.VIOLATION
    focus: str | None = None
    label: Text | None = None
    path: str | None = None
    value: str | None = None
    passage: str | None = None
    mend: Text | None = None
    component: str | None = None
    suspects: frozenset[str] = frozenset()

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Findings are reported by file, then line."""
        return (self.file, self.line, self.column, self.rule, self.text.en)


def fails(findings: Iterable[Finding]) -> bool:
    """Whether any finding is a violation."""
    return any(finding.severity is Severity.VIOLATION for finding in findings)


def write(form: str) -> Text:
    """The advice to write something else."""
    return Text(f"écrivez {form}", f"write {form}")


def perhaps(name: str) -> Text:
    """The advice that another name was meant."""
    return Text(f"vouliez-vous dire {name} ?", f"did you mean {name}?")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelt most like this one, if any is alike."""
    from rapidfuzz import fuzz, process  # only here: most of what is checked is well spelt

    near = process.extractOne(name, list(known), scorer=fuzz.ratio, score_cutoff=75)
    return near[0] if near else None


#: The first that speaks of a term says what is wrong with it; shapes come last.
_RANK = ("syntax", "O1", "E9", "EDTF", "E2", "E1", "E3", "E4", "E5", "E6", "E8")


def _rank(finding: Finding) -> int:
    return _RANK.index(finding.rule) if finding.rule in _RANK else len(_RANK)


def causes(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that follow from no other, in the order of files and lines.

    A file that does not parse is said alone: the rest would be judged without it. Of several
    findings on one term, the most basic rule's is kept; what a later rule says of a suspect is
    not.
    """
    everything = sorted(findings, key=lambda f: (_rank(f), f.mend is None, f.order))
    faults = [f for f in everything if f.rule == "syntax"]
    kept: dict[tuple[Place, str | None], Finding] = {}
    suspects: set[str] = set()
    for _, rule in itertools.groupby(faults or everything, key=_rank):
        now = [f for f in rule if not suspects & {f.focus, f.value}]
        for finding in now:
            kept.setdefault((finding.place, finding.value or finding.path), finding)
            suspects |= finding.suspects
    return sorted(kept.values(), key=lambda f: f.order)
