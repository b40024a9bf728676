"""The five texts are not ours to publish: no file of the project repeats eight words of them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

RUN = 8
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|#.*')
TITLE = re.compile(r"dcterms:title .*")
#: Where a passage begins and ends: seven words at most, as blanks part them (a rule of its own).
POINTER = re.compile(r'ess:(?:firstWords|lastWords) "(?:[^"\\]|\\.)*"')


def runs(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[^\W_]+", text.casefold())
    return zip(*(words[at:] for at in range(RUN)), strict=False)


def own_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files are the project's is not known")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def pieces(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return []  # a picture or an archive
    if path.suffix in (".ttl", ".trig"):
        return LITERAL.findall(POINTER.sub("", text))
    if path.suffix == ".csv":
        cells = (cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row)
        return [cell for cell in cells if len(cell.split()) >= RUN]  # no pointers
    return [text]


@pytest.mark.texts
def test_no_file_repeats_eight_words_of_a_text(texts: Path) -> None:
    # Titles of works, talks, events and organisations may stand whole: the names of the register,
    # the documents' own, and addresses.
    titles: set[tuple[str, ...]] = set()
    for path in (ROOT / "data").rglob("*.t*"):
        text = path.read_text("utf-8")
        named = text if path.parent.name == "register" else "\n".join(TITLE.findall(text))
        for piece in LITERAL.findall(named):
            titles.update(runs(piece))
        for address in re.findall(r"<https?:[^>]*>", text):
            titles.update(runs(address))
    private = {
        run: path.name for path in texts.glob("*.txt") for run in runs(path.read_text("utf-8"))
    }
    assert private
    copied = [
        f"{path.relative_to(ROOT)}: {' '.join(run)}"
        for path in own_files()
        for piece in pieces(path)
        for run in runs(piece)
        if run in private and run not in titles
    ]
    assert not copied
