"""The forms of a report: each is read by a reader of its own format."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import junitparser
import pytest
import rdflib
from conftest import ROOT, Run
from rdflib import RDF, SH

ARTICLE = "data/documents/aimf-article-2019.trig"
PTR = rdflib.Namespace("http://www.w3.org/2009/pointers#")
EARL = rdflib.Namespace("http://www.w3.org/ns/earl#")


@pytest.fixture
def broken(project: Path) -> Path:
    """A project with a wrong date, a misspelt entity, a label with markup in it and a warning."""
    path = project / ARTICLE
    text = path.read_text("utf-8")
    text = text.replace('"2019-07-10"^^xsd:date', '"2019-07-32"^^xsd:date', 1)
    text = text.replace("ess:speaker id:remcess ,", "ess:speaker id:remces ,", 1)
    path.write_text(text, "utf-8")
    people = project / "data/register/people.ttl"
    text = people.read_text("utf-8")
    people.write_text(text.replace('"Kevin Ossah"@en', '"<b>&\\u0001,:%"@de', 1), "utf-8")
    warn(project)
    return project


def warn(project: Path) -> None:
    """Gives a part of an event a date after the end of the whole: a warning."""
    path = project / "data/documents/coop-coter-ess.trig"
    text = path.read_text("utf-8")
    part = "ess:partOfEvent id:aimf-congress-2013"
    assert part in text
    late = f'schema:startDate "2013-11-20"^^xsd:date ;\n        {part}'
    path.write_text(text.replace(part, late, 1), "utf-8")


def line_of(path: Path, part: str) -> int:
    return path.read_text("utf-8").partition(part)[0].count("\n") + 1


@pytest.fixture
def date_line(broken: Path) -> int:
    return line_of(broken / ARTICLE, "2019-07-32")


def test_text(broken: Path, run: Run, date_line: int) -> None:
    outcome = run("validate", "--project", broken)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    at = next(i for i, line in enumerate(lines) if "[shape:startDate]" in line)
    assert lines[at].startswith(f"{ARTICLE}:{date_line}:")
    assert 'id:pact-for-impact-summit-2019 ("' in lines[at]
    source, caret = lines[at + 1], lines[at + 2]
    start = caret.index("^")
    assert source[start : start + caret.count("^")] == '"2019-07-32"^^xsd:date'
    assert any("did you mean id:remcess?" in line for line in lines)
    assert lines[-1].endswith("other finding(s)")
    assert "\x1b" not in outcome.out
    assert "\x01" not in outcome.out


def test_messages_in_french(broken: Path, run: Run) -> None:
    outcome = run("validate", "--project", broken, "--lang", "fr")
    assert "vouliez-vous dire id:remcess ?" in outcome.out
    assert "violation(s)," in outcome.out
    assert "did you mean" not in outcome.out


def on_a_terminal(broken: Path, **environment: str) -> str:
    ours, theirs = pty.openpty()
    command = "from essgraph.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "validate", "--project", str(broken)],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 1
    return written.decode()


def test_colour_on_a_terminal_unless_it_is_not_wanted(broken: Path) -> None:
    assert "\x1b[31m" in on_a_terminal(broken)
    assert "\x1b" not in on_a_terminal(broken, NO_COLOR="1")


def test_json(broken: Path, run: Run, date_line: int) -> None:
    report = json.loads(run("validate", "--project", broken, "--format", "json").out)
    assert report["conforms"] is False
    (date,) = [f for f in report["findings"] if f["rule"] == "shape:startDate"]
    assert (date["file"], date["line"]) == (ARTICLE, date_line)
    assert date["focus"] == "id:pact-for-impact-summit-2019"
    assert set(date["label"]) == {"fr", "en"}
    assert date["passage"].endswith("/aimf-article-2019/5>")
    assert "2019-07-32" in date["value"]
    (unknown,) = [f for f in report["findings"] if f["rule"] == "E3"]
    assert unknown["mend"]["fr"] == "vouliez-vous dire id:remcess ?"


def test_turtle_is_a_validation_report(broken: Path, run: Run, date_line: int) -> None:
    graph = rdflib.Graph().parse(
        data=run("validate", "--project", broken, "--format", "turtle").out, format="turtle"
    )
    (report,) = graph.subjects(RDF.type, SH.ValidationReport)
    assert str(graph.value(report, SH.conforms)) == "false"
    results = list(graph.objects(report, SH.result))
    assert len(results) == 4
    for result in results:
        # SHACL 3.6.2: exactly one of each of these.
        for predicate in (SH.focusNode, SH.resultSeverity, SH.sourceConstraintComponent):
            assert len(list(graph.objects(result, predicate))) == 1
        tags = {m.language for m in graph.objects(result, SH.resultMessage)}  # type: ignore[attr-defined]
        assert tags == {"fr", "en"}
    shape = rdflib.URIRef("https://w3id.org/essgraph/shapes#startDate")
    (date,) = graph.subjects(SH.sourceShape, shape)
    assert graph.value(date, SH.sourceConstraintComponent) == SH.OrConstraintComponent
    pointer = graph.value(date, EARL.pointer)
    assert str(graph.value(pointer, PTR.lineNumber)) == str(date_line)
    assert str(graph.value(pointer, PTR.reference)) == ARTICLE


def test_sarif_is_valid_against_the_published_schema(
    broken: Path, run: Run, date_line: int
) -> None:
    log = json.loads(run("validate", "--project", broken, "--format", "sarif").out)
    schema = json.loads((ROOT / "tests/schemas/sarif-2.1.0-rtm.5.json").read_text())
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)
    (result,) = [r for r in log["runs"][0]["results"] if r["ruleId"] == "shape:startDate"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == ARTICLE
    region = place["region"]
    assert region["startLine"] == date_line
    text = region["snippet"]["text"]
    assert text[region["startColumn"] - 1 : region["endColumn"] - 1] == '"2019-07-32"^^xsd:date'
    assert {r["level"] for r in log["runs"][0]["results"]} == {"error", "warning"}


def test_junit_is_read_by_a_junit_parser(broken: Path, run: Run, date_line: int) -> None:
    out = run("validate", "--project", broken, "--format", "junit").out
    parsed = junitparser.JUnitXml.fromroot(junitparser.JUnitXml.fromstring(out)._elem)
    (suite,) = parsed
    assert (suite.tests, suite.failures) == (4, 3)
    cases = {case.classname: case for case in suite}
    (failure,) = cases["shape:startDate"].result
    assert isinstance(failure, junitparser.Failure)
    assert cases["shape:startDate"].name.startswith(f"{ARTICLE}:{date_line}:")


#: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
COMMAND = re.compile(
    r"::(error|warning|notice) "
    r"file=[^,:\n]+,line=\d+,col=\d+,endColumn=\d+,title=(?:[^,:\n%]|%[0-9A-F]{2})+::"
    r"(?:[^\n\r%]|%[0-9A-F]{2})+"
)


def test_github_annotations_follow_the_documented_syntax(
    broken: Path, run: Run, date_line: int
) -> None:
    lines = run("validate", "--project", broken, "--format", "github").out.splitlines()
    assert len(lines) == 4
    assert all(COMMAND.fullmatch(line) for line in lines), lines
    assert any(f"file={ARTICLE},line={date_line},col=" in line for line in lines)
    assert sum(line.startswith("::warning ") for line in lines) == 1


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.marked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "mark" and len(self.marked) < self.tags.count("mark"):
            self.marked.append(data)


def test_html(broken: Path, run: Run) -> None:
    out = run("validate", "--project", broken, "--format", "html", "--lang", "fr").out
    page = Page(out)
    assert page.tags.count("article") == 4
    assert '"2019-07-32"^^xsd:date' in page.marked
    assert {"script", "b"} & set(page.tags) == set()
    assert '<html lang="fr">' in out


@pytest.mark.parametrize("form", ["text", "json", "turtle", "sarif", "junit", "github", "html"])
def test_a_clean_project_exits_0_in_every_form(form: str, project: Path, run: Run) -> None:
    outcome = run("validate", "--project", project, "--format", form)
    assert outcome.code == 0
    assert outcome.out.strip() or form == "github"


def test_warnings_alone_exit_0(project: Path, run: Run) -> None:
    warn(project)
    outcome = run("validate", "--project", project, "--format", "github")
    assert outcome.out.startswith("::warning ")
    assert outcome.code == 0
