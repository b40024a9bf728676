"""`validate --since` and `validate --watch`: what a change brings, said to its reviewer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Run

ARTICLE = "data/documents/aimf-article-2019.trig"
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
IDENTITY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [*GIT, "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, **IDENTITY},
    )


@pytest.fixture
def repository(project: Path) -> Path:
    """The project as the folder of a larger repository, committed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(project.parent, "init", "-q")
    git(project.parent, "add", "-A")
    git(project.parent, "commit", "-q", "-m", "one")
    return project


def change(project: Path, file: str, old: str, new: str, count: int = 1) -> None:
    path = project / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), "utf-8")


def test_nothing_changed(repository: Path, run: Run) -> None:
    outcome = run("validate", "--project", repository, "--since", "HEAD", "--format", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out) == {
        "conforms": True,
        "findings": [],
        "changes": {
            "since": "HEAD",
            "settled": 0,
            "added": [],
            "removed": [],
            "renamed": {},
            "answers": [],
        },
    }


def test_only_new_findings_are_said(repository: Path, run: Run) -> None:
    change(repository, ARTICLE, '"2019-07-10"^^xsd:date', '"2019-07-32"^^xsd:date')
    git(repository, "commit", "-q", "-a", "-m", "two: a wrong date")
    # Lines move, and a second fault comes: the first is not said again.
    change(repository, ARTICLE, "\ndoc:", "\n\n\n\ndoc:")
    change(repository, ARTICLE, "ess:speaker id:remcess ,", "ess:speaker id:remces ,")
    outcome = run("validate", "--project", repository, "--since", "HEAD", "--format", "json")
    assert outcome.code == 1
    report = json.loads(outcome.out)
    assert [f["rule"] for f in report["findings"]] == ["E3"]
    whole = run("validate", "--project", repository, "--format", "json")
    assert len(json.loads(whole.out)["findings"]) == 2
    # The old fault alone does not fail the change; mended, it counts as settled.
    change(repository, ARTICLE, "ess:speaker id:remces ,", "ess:speaker id:remcess ,")
    assert run("validate", "--project", repository, "--since", "HEAD").code == 0
    change(repository, ARTICLE, '"2019-07-32"^^xsd:date', '"2019-07-10"^^xsd:date')
    outcome = run("validate", "--project", repository, "--since", "HEAD", "--format", "json")
    assert json.loads(outcome.out)["changes"]["settled"] == 1


def test_statements_names_and_answers(repository: Path, run: Run) -> None:
    change(repository, ARTICLE, '"2019-07-11"^^xsd:date', '"2019-07-12"^^xsd:date')
    for path in (repository / "data").rglob("*.t*"):
        text = path.read_text("utf-8")
        path.write_text(text.replace("id:kevin-ossah", "id:k-ossah"), "utf-8")
    arguments = ("validate", "--project", repository, "--since", "HEAD")
    outcome = run(*arguments, "--format", "json")
    assert outcome.code == 0, outcome.out
    changes = json.loads(outcome.out)["changes"]
    assert changes["renamed"] == {"id:kevin-ossah": "id:k-ossah"}
    summit = ["id:pact-for-impact-summit-2019", "schema:endDate"]
    (added,), (removed,) = changes["added"], changes["removed"]
    assert added[1:] == [*summit, '"2019-07-12"^^xsd:date']
    assert removed[1:] == [*summit, '"2019-07-11"^^xsd:date']
    (chronology,) = [a for a in changes["answers"] if a["question"] == "chronology"]
    assert len(chronology["added"]) == len(chronology["removed"]) == 1
    text = run(*arguments).out
    assert "since HEAD: 0 new finding(s), 0 settled; statements: +1 −1; renamed entities: 1" in text
    markdown = run(*arguments, "--format", "markdown", "--lang", "fr").out
    assert "- `id:kevin-ossah` → `id:k-ossah`" in markdown
    assert "**passage 5 de aimf-article-2019**" in markdown
    minus = '- id:pact-for-impact-summit-2019 schema:endDate "2019-07-11"^^xsd:date .'
    plus = '+ id:pact-for-impact-summit-2019 schema:endDate "2019-07-12"^^xsd:date .'
    assert f"```diff\n{minus}\n{plus}\n```" in markdown


@pytest.mark.parametrize("revision", ["nope", "--output=/tmp/x", "HEAD~99"])
def test_a_revision_that_is_none(revision: str, repository: Path, run: Run) -> None:
    outcome = run("validate", "--project", repository, f"--since={revision}")
    assert outcome.code == 2
    assert "git finds no such revision" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_link_out_of_the_project_in_the_revision(
    repository: Path, run: Run, tmp_path: Path
) -> None:
    link = repository / "data/texts"
    link.symlink_to(tmp_path)
    git(repository, "add", "--force", "data/texts")
    git(repository, "commit", "--quiet", "--message", "link")
    link.unlink()
    outcome = run("validate", "--project", repository, "--since", "HEAD")
    assert outcome.code == 0
    assert "since HEAD: 0 new finding(s)" in outcome.out


def test_a_revision_without_the_project(repository: Path, run: Run) -> None:
    git(repository, "rm", "--quiet", "-r", "--cached", "ontology")
    git(repository, "commit", "--quiet", "--message", "none")
    outcome = run("validate", "--project", repository, "--since", "HEAD")
    assert outcome.code == 2
    assert "at revision HEAD: file missing: ontology/essgraph.ttl" in outcome.err


def test_no_repository(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent.parent))
    outcome = run("validate", "--project", project, "--since", "HEAD")
    assert outcome.code == 2
    assert "not a git repository" in outcome.err


def test_watch_checks_again_at_every_change(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    shutil.copytree(ROOT / "tests/golden", project / "tests/golden")
    command = "from essgraph.cli import main; main()"
    with out.open("wb") as to:
        process = subprocess.Popen(
            [sys.executable, "-c", command, "validate", "--watch", "--project", str(project)],
            stdout=to,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "en"},
        )

    def wait_for(said: str, change_file: bool = False) -> None:
        """Waits for a line, touching a file now and then: the watch may not stand at first."""
        for turn in range(600):
            if said in out.read_text("utf-8"):
                return
            assert process.poll() is None
            if change_file and turn % 50 == 49:
                (project / ARTICLE).touch()
            time.sleep(0.1)
        pytest.fail(f"never said: {said}")

    try:
        wait_for("0 violation(s)")
        change(project, ARTICLE, '"2019-07-10"^^xsd:date', '"2019-07-32"^^xsd:date')
        wait_for("1 violation(s)", change_file=True)
        change(project, ARTICLE, '"2019-07-32"^^xsd:date', '"2019-07-10"^^xsd:date')
        wait_for("1 violation(s), 0 other finding(s)\n0 violation(s)")
        (project / "tests/golden/cities.csv").rename(project / "tests/golden/citees.csv")
        wait_for("did you mean cities?")
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=30)
    assert code == 0
