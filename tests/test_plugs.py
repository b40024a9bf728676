"""Where the check plugs in: pre-commit, GitHub, GitLab, make. Each definition is read by its own
platform's schema, and its commands are run as the platform would."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from pre_commit.clientlib import load_manifest

ARTICLE = "data/documents/aimf-article-2019.trig"


def schema_accepts(schema: str, file: str) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with an `essgraph` command that runs this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "essgraph"
    code = "from essgraph.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    command.chmod(0o755)
    python = folder / "python"
    python.write_text("#!/bin/sh\nexit 0\n")  # `pip install` is the platform's part
    python.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LC_ALL": "en"}


@pytest.fixture
def wrong_date(project: Path) -> tuple[Path, int]:
    """A project with one wrong date, and its line."""
    path = project / ARTICLE
    text = path.read_text("utf-8")
    path.write_text(text.replace('"2019-07-10"^^xsd:date', '"2019-07-32"^^xsd:date', 1), "utf-8")
    return project, text.partition('"2019-07-10"^^xsd:date')[0].count("\n") + 1


def shell(
    script: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    # As GitHub runs a bash step.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_pre_commit(wrong_date: tuple[Path, int], environment: dict[str, str]) -> None:
    hooks = {hook["id"]: hook for hook in load_manifest(ROOT / ".pre-commit-hooks.yaml")}
    assert set(hooks) == {"essgraph-validate", "essgraph-lint"}
    project, line = wrong_date
    hook = hooks["essgraph-validate"]
    assert re.search(hook["files"], ARTICLE)
    assert not re.search(hook["files"], "README.md")
    assert not hook["pass_filenames"]
    done = subprocess.run(
        shlex.split(hook["entry"]), cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"{ARTICLE}:{line}:")


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    return found


def test_the_github_action(wrong_date: tuple[Path, int], environment: dict[str, str]) -> None:
    assert schema_accepts("vendor.github-actions", "action.yml")
    project, line = wrong_date
    inputs = {"project": str(project), "since": "", "lang": "en"}
    for step in steps():
        # No input reaches a script but through the environment: it cannot inject anything.
        assert "${{" not in step.get("run", "")
    validate = steps()[-1]
    values = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs[m[1]], value)
        for name, value in validate["env"].items()
    }
    done = shell(validate["run"], ROOT, {**environment, **values})
    assert done.returncode == 1
    (only,) = done.stdout.splitlines()
    assert only.startswith(f"::error file={ARTICLE},line={line},col=")


def test_the_gitlab_template(wrong_date: tuple[Path, int], environment: dict[str, str]) -> None:
    file = "ci/essgraph.gitlab-ci.yml"
    assert schema_accepts("vendor.gitlab-ci", file)
    job = yaml.safe_load((ROOT / file).read_text())["essgraph-validate"]
    project, line = wrong_date
    variables = {**environment, **job["variables"]}
    # The name is anybody's on PyPI, where essgraph is not: nothing of that name is installed.
    refused = shell("\n".join(job["before_script"] + job["script"]), project, variables)
    assert refused.returncode == 2
    assert "ESSGRAPH_PACKAGE" in refused.stderr
    variables["ESSGRAPH_PACKAGE"] = "essgraph-0.1.0-py3-none-any.whl"
    done = shell("\n".join(job["before_script"] + job["script"]), project, variables)
    assert done.returncode == 1
    assert f"{ARTICLE}:{line}:" in done.stdout
    shell("\n".join(job["after_script"]), project, variables)
    report = project / job["artifacts"]["reports"]["junit"]
    assert f'line="{line}"' in report.read_text("utf-8")


def test_make_validate(wrong_date: tuple[Path, int], environment: dict[str, str]) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    project, line = wrong_date
    shutil.copy(ROOT / "Makefile", project)
    for done in ("run", "test"):
        # What the first run installs; the rest of the recipe is as it stands.
        (project / ".venv").mkdir(exist_ok=True)
        (project / f".venv/{done}").touch()
    bin_folder = environment["PATH"].partition(os.pathsep)[0]
    made = subprocess.run(
        ["make", "-o", ".venv/run", "validate", f"BIN={bin_folder}", "TEXTS="],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 2  # make's own code for a recipe that failed
    assert f"{ARTICLE}:{line}:" in made.stdout
