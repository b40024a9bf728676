"""Golden answers as a rule of `essgraph validate`: data that answer otherwise are a finding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from conftest import ROOT, Run

CITIES = "tests/golden/cities.csv"


def validated(run: Run, project: Path) -> tuple[int, list[dict[str, Any]]]:
    outcome = run("validate", "--project", project, "--format", "json")
    return outcome.code, json.loads(outcome.out)["findings"]


def with_golden(project: Path) -> Path:
    shutil.copytree(ROOT / "tests/golden", project / "tests/golden")
    return project


def test_a_changed_answer_is_found_on_its_line(project: Path, run: Run) -> None:
    with_golden(project)
    assert validated(run, project) == (0, [])
    path = project / "data/register/territories.ttl"
    path.write_text(path.read_text("utf-8").replace('"Bamako"@fr', '"Bamacao"@fr'), "utf-8")
    code, findings = validated(run, project)
    assert code == 1
    assert {finding["rule"] for finding in findings} == {"golden"}
    (finding,) = (f for f in findings if f["file"] == CITIES)
    read = (ROOT / CITIES).read_text("utf-8").splitlines()
    assert "Bamako" in read[finding["line"] - 1]
    assert "Bamacao" in finding["message"]["en"]
    assert "Bamacao" in finding["message"]["fr"]


def test_a_row_too_many_and_a_row_lost(project: Path, run: Run) -> None:
    path = with_golden(project) / CITIES
    lines = path.read_bytes().splitlines(keepends=True)
    for changed, line in ((lines[:-1], len(lines)), ([*lines, lines[-1]], len(lines) + 1)):
        path.write_bytes(b"".join(changed))
        code, findings = validated(run, project)
        assert code == 1
        assert [(f["file"], f["line"]) for f in findings] == [(CITIES, line)]


def test_another_rule_speaks_first(project: Path, run: Run) -> None:
    """What a broken rule changes in the answers is not said a second time."""
    with_golden(project)
    path = project / "data/register/territories.ttl"
    path.write_text(path.read_text("utf-8").replace('"Bamako"@fr', '"Bamako"@en'), "utf-8")
    code, findings = validated(run, project)
    assert code == 1
    assert "golden" not in {finding["rule"] for finding in findings}


def test_a_file_of_no_question(project: Path, run: Run) -> None:
    path = with_golden(project) / CITIES
    path.rename(path.with_name("citeis.csv"))
    path.with_name(".cities.csv").write_text("x")  # an editor's
    code, (finding,) = validated(run, project)
    assert code == 1
    assert (finding["rule"], finding["file"]) == ("golden", "tests/golden/citeis.csv")
    assert "no question is named citeis" in finding["message"]["en"]
    assert "aucune question" in finding["message"]["fr"]
    assert "cities" in finding["mend"]["en"]
    path.with_name("citeis.csv").rename(path.with_name("zzzzzz.csv"))
    _, (finding,) = validated(run, project)
    assert finding["mend"]["en"]
