"""What all tests share: the project, copies of it to break, the private texts if at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from essgraph import cli

ROOT = Path(__file__).parents[1]
PARTS = ("ontology", "data", "shapes", "queries")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skip is a failure, but for the texts, which are not ours to hand out."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not item.get_closest_marker("texts"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def find_texts() -> Path | None:
    """The folder of the private texts: as the Makefile says, or where it usually lies."""
    for folder in (
        os.environ.get("ESSGRAPH_TEXTS"),
        ROOT / "data/texts",
        ROOT / "../shared/sources",
    ):
        if folder and any(Path(folder).glob("*.txt")):
            return Path(folder).resolve()
    return None


@pytest.fixture(scope="session")
def texts() -> Path:
    folder = find_texts()
    if folder is None:
        pytest.skip("the private texts are not at hand (ESSGRAPH_TEXTS or data/texts)")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line in this process, in English."""
    monkeypatch.setenv("LC_ALL", "en")

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Outcome(left.value.code, captured.out, captured.err)

    return run


def copy_project(folder: Path) -> Path:
    """A copy of the project's own files, without texts or snapshots."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("texts"))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project to break."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot of the project, built once."""
    from essgraph.build import build
    from essgraph.project import Project

    out = tmp_path_factory.mktemp("built")
    assert build(Project(ROOT), out).snapshot is not None
    return out
