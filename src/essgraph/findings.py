"""A finding: what a check has to say, where, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from essgraph.errors import Text


class Severity(StrEnum):
    """The severities of SHACL (section 2.1.4); only a violation fails a check."""

    VIOLATION = "Violation"
    WARNING = "Warning"
    INFO = "Info"


@dataclass(frozen=True)
class Finding:
    """One thing found by one rule.

    ``rule`` identifies it (``E4``, ``syntax`` or the IRI of a shape); ``line`` and ``column``
    are 1-based, 0 where the whole file is meant; ``focus``, ``path``, ``value`` and ``passage``
    are RDF terms in N-Triples or prefixed form.
    """

    rule: str
    text: Text
    file: str
    line: int = 0
    column: int = 0
    severity: Severity = Severity.VIOLATION
    focus: str | None = None
    path: str | None = None
    value: str | None = None
    passage: str | None = None
    mend: Text | None = None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Findings are reported by file, then line."""
        return (self.file, self.line, self.column, self.rule, self.text.en)


def fails(findings: list[Finding]) -> bool:
    """Whether any finding is a violation."""
    return any(finding.severity is Severity.VIOLATION for finding in findings)
