"""Findings as people, editors and continuous integration read them.

Each form is one function from findings and a language to text: ``text``, ``json``, ``turtle``
(a SHACL validation report, SHACL 3.6, with pointers of EARL and the W3C's pointer methods),
``sarif`` (OASIS SARIF 2.1.0), ``junit``, ``github`` (workflow command annotations), ``html`` and
``markdown``.
"""

from __future__ import annotations

import hashlib
import html as markup
import json
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, Severity, fails

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
#: The colours of terminals (ECMA-48 SGR).
_COLOUR: Final = {
    Severity.VIOLATION: "31",
    Severity.WARNING: "33",
    Severity.INFO: "36",
}
#: What XML 1.0 cannot hold (section 2.2), as a damaged file may bring it into a message.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _plain(said: str) -> str:
    """Without control characters: a file must not steer the terminal, nor break XML."""
    return _CONTROL.sub("�", said)


def named(finding: Finding, language: str) -> str:
    """The focus node by its label, with its IRI; empty if the finding has none."""
    if finding.focus is None:
        return ""
    if finding.label is None:
        return finding.focus
    said = finding.label.in_language(language)
    if finding.focus.startswith("<"):  # a passage: its label says all
        return said
    quoted = f"« {said} »" if language == "fr" else f'"{said}"'
    return f"{finding.focus} ({quoted})"


def message(finding: Finding, language: str) -> str:
    """The finding in one sentence, with the focus node and the mend if there are any."""
    said = finding.text.in_language(language)
    about = named(finding, language)
    if about and (finding.focus or "") not in said:
        said = f"{about} : {said}" if language == "fr" else f"{about}: {said}"
    return f"{said} — {finding.mend.in_language(language)}" if finding.mend else said


def place(finding: Finding) -> str:
    """``file:line:column``, as far as it is known."""
    return ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)


def count(findings: Sequence[Finding]) -> Text:
    """How many violations and others there are."""
    bad = sum(f.severity is Severity.VIOLATION for f in findings)
    rest = len(findings) - bad
    return Text(
        f"{bad} violation(s), {rest} autre(s) constat(s)",
        f"{bad} violation(s), {rest} other finding(s)",
    )


def text(findings: Sequence[Finding], language: str, *, colour: bool = False) -> str:
    """For each finding a line in the manner of compilers and its source line with a caret; a
    closing line that counts. ``colour`` is for a terminal."""

    def paint(code: str, said: str) -> str:
        return f"\x1b[{code}m{said}\x1b[0m" if colour else said

    lines: list[str] = []
    for f in findings:
        word = paint(_COLOUR[f.severity], _WORD[f.severity].in_language(language))
        said = _plain(message(f, language))
        lines.append(f"{paint('1', place(f))}: {word} [{f.rule}] {said}")
        if f.place.excerpt:
            number = str(f.line)
            bar = paint("34", f"{number} |")
            gap = paint("34", f"{' ' * len(number)} |")
            # Tabs stay tabs, so that the caret stands under what it points at.
            before = re.sub(r"[^\t]", " ", f.place.excerpt[: f.column - 1])
            caret = paint(_COLOUR[f.severity], "^" * max(1, f.place.width))
            lines += [f"  {bar} {_plain(f.place.excerpt)}", f"  {gap} {before}{caret}"]
    return "\n".join([*lines, count(findings).in_language(language)]) + "\n"


def as_object(findings: Sequence[Finding]) -> dict[str, object]:
    """``conforms`` (no violation) and ``findings``, messages in both languages."""

    def both(said: Text | None) -> dict[str, str] | None:
        return said._asdict() if said else None

    found = [
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
            "label": both(f.label),
            "path": f.path,
            "value": f.value,
            "message": both(f.text),
            "mend": both(f.mend),
        }
        for f in findings
    ]
    return {"conforms": not fails(findings), "findings": found}


def to_json(findings: Sequence[Finding], language: str) -> str:
    """A JSON object (``as_object``)."""
    del language  # a report carries both
    return json.dumps(as_object(findings), ensure_ascii=False, indent=1) + "\n"


_TERM: Final = re.compile(
    r'<[^>\s]*>|[A-Za-z][\w-]*:[\w-]*|".*"(?:@[\w-]+|\^\^<[^>\s]*>)?', re.DOTALL
)
_REPORT_PREFIXES: Final = {
    **names.PREFIXES,
    "earl": "http://www.w3.org/ns/earl#",
    "ptr": "http://www.w3.org/2009/pointers#",
}


def turtle(findings: Sequence[Finding], language: str) -> str:
    """A SHACL validation report. Each result has one ``earl:pointer`` to its file, line and
    character; a rule that is no shape is its own constraint component."""
    del language  # a report carries both
    whole = " ;\n".join(_result(f) for f in findings)
    conforms = str(not findings).lower()
    used = set(re.findall(r"(?<![\w<])([a-z][\w-]*):", whole)) | {"sh"}
    if findings:
        used |= {"earl", "ptr", "xsd"}
    lines = [f"PREFIX {p}: <{space}>" for p, space in _REPORT_PREFIXES.items() if p in used]
    lines += ["", f"[] a sh:ValidationReport ; sh:conforms {conforms}"]
    return "\n".join(lines) + (f" ;\n{whole}" if whole else "") + " .\n"


def _result(f: Finding) -> str:
    lines = [
        "  sh:result [ a sh:ValidationResult ;",
        f"    sh:resultSeverity sh:{f.severity} ;",
        f"    sh:focusNode {_term(f.focus) or _string(f.file)} ;",
        f"    sh:sourceConstraintComponent {f.component or f'shape:{_local(f.rule)}'} ;",
        f"    sh:resultMessage {_string(f.text.fr)}@fr , {_string(f.text.en)}@en ;",
    ]
    if f.rule.startswith("shape:") and _TERM.fullmatch(f.rule):
        lines.append(f"    sh:sourceShape {f.rule} ;")
    for predicate, term in (("resultPath", _term(f.path)), ("value", _term(f.value))):
        if term and not (predicate == "resultPath" and term.startswith('"')):
            lines.append(f"    sh:{predicate} {term} ;")
    lines += [
        "    earl:pointer [ a ptr:LineCharPointer ;",
        f"        ptr:reference {_string(f.file)} ;",
        f"        ptr:lineNumber {f.line} ; ptr:charNumber {f.column} ] ]",
    ]
    return "\n".join(lines)


def _local(rule: str) -> str:
    return re.sub(r"[^\w-]", "-", rule.removeprefix("shape:"))


def _term(term: str | None) -> str | None:
    return term if term and _TERM.fullmatch(term) else None


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def sarif(findings: Sequence[Finding], language: str) -> str:
    """A SARIF 2.1.0 log with one run; columns are counted in code points."""
    rules = sorted({f.rule for f in findings})
    results = [
        {
            "ruleId": f.rule,
            "ruleIndex": rules.index(f.rule),
            "level": "note" if f.severity is Severity.INFO else _LEVEL[f.severity],
            "message": {"text": message(f, language)},
            "locations": [{"physicalLocation": _location(f)}],
            "partialFingerprints": {"essgraph/v1": _fingerprint(f)},
        }
        for f in findings
    ]
    driver = {
        "name": "essgraph",
        "informationUri": names.BASE,
        "rules": [{"id": rule} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "language": language,
        "results": results,
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0-rtm.5.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, ensure_ascii=False, indent=1) + "\n"


def _location(f: Finding) -> dict[str, object]:
    location: dict[str, object] = {
        "artifactLocation": {"uri": quote(f.file), "uriBaseId": "%SRCROOT%"}
    }
    if f.line:
        location["region"] = {
            "startLine": f.line,
            "startColumn": max(f.column, 1),
            "endColumn": max(f.column, 1) + max(f.place.width, 1),
            "snippet": {"text": f.place.excerpt},
        }
    return location


def _fingerprint(f: Finding) -> str:
    """The same for the same finding when lines before it have moved."""
    key = "\n".join(str(part) for part in (f.rule, f.file, f.focus, f.path, f.value))
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]


def junit(findings: Sequence[Finding], language: str) -> str:
    """A JUnit report: a test case a finding; one that passes where there is none."""
    suites = ElementTree.Element("testsuites")
    bad = sum(f.severity is Severity.VIOLATION for f in findings)
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        {
            "name": "essgraph validate",
            "tests": str(len(findings) or 1),
            "failures": str(bad),
            "errors": "0",
            "skipped": "0",
        },
    )
    if not findings:
        ElementTree.SubElement(suite, "testcase", {"classname": "essgraph", "name": "validate"})
    for f in findings:
        said = _plain(message(f, language))
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": f.rule, "name": place(f), "file": f.file, "line": str(max(f.line, 1))},
        )
        body = f"{place(f)}: {said}\n{_plain(f.place.excerpt)}"
        if f.severity is Severity.VIOLATION:
            kind = {"message": said, "type": f.rule}
            ElementTree.SubElement(case, "failure", kind).text = body
        else:
            ElementTree.SubElement(case, "system-out").text = body
    ElementTree.indent(suites)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _escape(value: str, *, parameter: bool = False) -> str:
    value = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return value.replace(":", "%3A").replace(",", "%2C") if parameter else value


def github(findings: Sequence[Finding], language: str) -> str:
    """Workflow commands that GitHub shows at the line (``::error file=…,line=…::…``)."""
    return "".join(
        f"::{_LEVEL[f.severity]} file={_escape(f.file, parameter=True)},line={max(f.line, 1)},"
        f"col={max(f.column, 1)},endColumn={max(f.column, 1) + max(f.place.width, 1)},"
        f"title={_escape(f.rule, parameter=True)}::{_escape(message(f, language))}\n"
        for f in findings
    )


_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
article { border-left: 4px solid #a40000; padding: 0 1rem; margin: 1.5rem 0; }
article.Warning { border-color: #8a5a00; } article.Info { border-color: #005a8a; }
h2 { font-size: 1rem; margin: 0; } pre { overflow-x: auto; background: #f4f4f4; padding: .5rem; }
mark { background: #ffd6d6; color: inherit; }
"""


def html(findings: Sequence[Finding], language: str) -> str:
    """A page that stands alone, without scripts: an article a finding, in the order of files."""
    title = Text("Rapport de validation", "Validation report").in_language(language)
    body = "\n".join(_article(f, language) for f in findings)
    closing = markup.escape(count(findings).in_language(language))
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} — essgraph</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<p>{closing}</p>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _article(f: Finding, language: str) -> str:
    def safe(said: str) -> str:
        return markup.escape(_plain(said))

    line, start, end = f.place.excerpt, f.column - 1, f.column - 1 + f.place.width
    source = (
        f"<pre><code>{safe(line[:start])}<mark>{safe(line[start:end])}</mark>{safe(line[end:])}"
        "</code></pre>\n"
        if line
        else ""
    )
    word = _WORD[f.severity].in_language(language)
    said = f"{word} <code>{safe(f.rule)}</code> {safe(message(f, language))}"
    head = f'<article class="{f.severity}">\n<h2>{safe(place(f))}</h2>\n'
    return f"{head}<p>{said}</p>\n{source}</article>"


def markdown(findings: Sequence[Finding], language: str) -> str:
    """A heading with the counts and a table, for a pull request (GitHub-flavoured Markdown)."""

    def cell(said: str) -> str:
        # In a table a bar ends the cell, and markup of a file must not become that of the page.
        return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", _plain(said).replace("\n", " "))

    title = Text("Validation du graphe", "Validation of the graph").in_language(language)
    lines = [f"## {title}", "", f"{count(findings).in_language(language)}."]
    if findings:
        heads = Text("lieu | règle | constat", "place | rule | finding").in_language(language)
        lines += ["", f"| {heads} |", "|---|---|---|"]
    for f in findings:
        icon = {"Violation": "❌", "Warning": "⚠️", "Info": "ℹ️"}[f.severity]
        lines.append(f"| {cell(place(f))} | {icon} {cell(f.rule)} | {cell(message(f, language))} |")
    return "\n".join(lines) + "\n"


FORMS: Final[dict[str, Callable[[Sequence[Finding], str], str]]] = {
    "text": text,
    "json": to_json,
    "turtle": turtle,
    "sarif": sarif,
    "junit": junit,
    "github": github,
    "html": html,
    "markdown": markdown,
}
