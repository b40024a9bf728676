"""Findings as people, editors and continuous integration read them.

Each form is one function from findings to text: ``text``, ``json``, ``turtle`` (SHACL 3.6),
``sarif`` (OASIS SARIF 2.1.0), ``junit`` and ``github`` (workflow command annotations).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final
from xml.sax.saxutils import quoteattr

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, Severity

_WORD: Final = {
    Severity.VIOLATION: Text("violation", "violation"),
    Severity.WARNING: Text("avertissement", "warning"),
    Severity.INFO: Text("remarque", "note"),
}
_LEVEL: Final = {
    Severity.VIOLATION: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}


def message(finding: Finding, language: str) -> str:
    """The finding in one sentence, with the mend if there is one."""
    said = finding.text.in_language(language)
    if finding.focus and finding.focus not in said:
        said = f"{finding.focus} : {said}" if language == "fr" else f"{finding.focus}: {said}"
    return f"{said} — {finding.mend.in_language(language)}" if finding.mend else said


def _place(finding: Finding) -> str:
    return ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)


def text(findings: Sequence[Finding], language: str) -> str:
    """One line a finding, in the manner of compilers, and a closing line that counts."""
    lines = [
        f"{_place(f)}: {_WORD[f.severity].in_language(language)} [{f.rule}] {message(f, language)}"
        for f in findings
    ]
    count = sum(f.severity is Severity.VIOLATION for f in findings)
    rest = len(findings) - count
    closing = Text(
        f"{count} violation(s), {rest} autre(s) remarque(s)",
        f"{count} violation(s), {rest} other finding(s)",
    )
    return "\n".join([*lines, closing.in_language(language)]) + "\n"


def to_json(findings: Sequence[Finding], language: str) -> str:
    """A JSON object: ``conforms`` and ``findings``, messages in both languages."""
    return (
        json.dumps(
            {
                "conforms": not any(f.severity is Severity.VIOLATION for f in findings),
                "findings": [
                    {
                        "rule": f.rule,
                        "severity": str(f.severity),
                        "file": f.file,
                        "line": f.line,
                        "column": f.column,
                        "width": f.place.width,
                        "excerpt": f.place.excerpt,
                        "passage": f.passage,
                        "focus": f.focus,
                        "label": f.label._asdict() if f.label else None,
                        "path": f.path,
                        "value": f.value,
                        "message": f.text._asdict(),
                        "mend": f.mend._asdict() if f.mend else None,
                    }
                    for f in findings
                ],
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )


def _literal(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def turtle(findings: Sequence[Finding], language: str) -> str:
    """A SHACL validation report; ``schema:`` terms add file and line."""
    del language  # a report carries both
    conforms = not any(f.severity is Severity.VIOLATION for f in findings)
    lines = [f"PREFIX {prefix}: <{space}>" for prefix, space in names.PREFIXES.items()]
    lines += ["", f"[] a sh:ValidationReport ; sh:conforms {str(conforms).lower()}"]
    for f in findings:
        lines.append(" ; sh:result [ a sh:ValidationResult ;")
        lines.append(f"    sh:resultSeverity sh:{f.severity} ;")
        lines.append(f"    sh:resultMessage {_literal(f.text.fr)}@fr , {_literal(f.text.en)}@en ;")
        for predicate, term in (("focusNode", f.focus), ("resultPath", f.path)):
            if term and (":" in term) and not term.startswith(("(", '"', "_")):
                lines.append(f"    sh:{predicate} {term} ;")
        lines.append(f"    schema:identifier {_literal(f.rule)} ;")
        lines.append(f"    schema:url {_literal(f.file)} ; schema:position {f.line} ]")
    return "\n".join(lines) + " .\n"


def sarif(findings: Sequence[Finding], language: str) -> str:
    """A SARIF 2.1.0 log with one run."""
    rules = sorted({f.rule for f in findings})
    results = [
        {
            "ruleId": f.rule,
            "ruleIndex": rules.index(f.rule),
            "level": "note" if f.severity is Severity.INFO else _LEVEL[f.severity],
            "message": {"text": message(f, language)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.file, "uriBaseId": "SRCROOT"},
                        "region": {"startLine": max(f.line, 1), "startColumn": max(f.column, 1)},
                    }
                }
            ],
        }
        for f in findings
    ]
    driver = {"name": "essgraph", "rules": [{"id": rule} for rule in rules]}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, ensure_ascii=False, indent=1) + "\n"


def junit(findings: Sequence[Finding], language: str) -> str:
    """A JUnit report: a test case a finding; one that passes where there is none."""
    failures = sum(f.severity is Severity.VIOLATION for f in findings)
    cases = []
    for f in findings:
        said = quoteattr(f"{_place(f)}: {message(f, language)}")
        head = f"<testcase classname={quoteattr(f.rule)} name={quoteattr(_place(f))}>"
        if f.severity is Severity.VIOLATION:
            cases.append(f"  {head}<failure message={said}/></testcase>")
        else:
            cases.append(f"  {head}<system-out>{said[1:-1]}</system-out></testcase>")
    if not cases:
        cases = ['  <testcase classname="essgraph" name="validate"/>']
    body = "\n".join(cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="essgraph" tests="{len(cases)}" failures="{failures}">\n'
        f"{body}\n</testsuite>\n"
    )


def _escape(value: str, *, parameter: bool = False) -> str:
    value = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return value.replace(":", "%3A").replace(",", "%2C") if parameter else value


def github(findings: Sequence[Finding], language: str) -> str:
    """Workflow commands that GitHub shows at the line (``::error file=…,line=…::…``)."""
    return "".join(
        f"::{_LEVEL[f.severity]} file={_escape(f.file, parameter=True)},line={max(f.line, 1)},"
        f"col={max(f.column, 1)},title={_escape(f.rule, parameter=True)}"
        f"::{_escape(message(f, language))}\n"
        for f in findings
    )


FORMS: Final[dict[str, Callable[[Sequence[Finding], str], str]]] = {
    "text": text,
    "json": to_json,
    "turtle": turtle,
    "sarif": sarif,
    "junit": junit,
    "github": github,
}
