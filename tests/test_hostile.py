"""Files that no curator meant: a clear message, exit 1 where the file is at fault and 2 where
nothing can be checked, and bounded memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Outcome, Run

from essgraph.project import MAX_BYTES

PEOPLE = "data/register/people.ttl"
TRIPLE = b"<http://e/%d> <http://e/p> <http://e/o> .\n"


def apart(*arguments: object) -> tuple[Outcome, int]:
    """The command line in a process of its own, and the most memory that it held, in MiB."""
    command = (
        "import atexit, sys; from essgraph.cli import main\n"
        # Of this program alone: what wait4 tells counts the process that it was forked from.
        "peak = lambda: next(line for line in open('/proc/self/status') if 'VmHWM' in line)\n"
        "atexit.register(lambda: print(peak().split()[1], file=sys.stderr)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "LC_ALL": "en"},
        text=True,
    )
    err, _, kibibytes = done.stderr.rstrip("\n").rpartition("\n")
    return Outcome(done.returncode, done.stdout, err), int(kibibytes) >> 10


def test_100_megabytes(project: Path) -> None:
    with (project / PEOPLE).open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    outcome, mebibytes = apart("validate", "--project", project)
    assert outcome.code == 1
    assert outcome.out.startswith(f"{PEOPLE}: violation [syntax] this file takes 100 MiB, ")
    assert "Traceback" not in outcome.err
    assert mebibytes < 200


def test_a_file_as_large_as_allowed(project: Path) -> None:
    """The most that a file can make of its size: short statements, then a fault."""
    line = b"<a:a> <a:b> <a:c> .\n"
    (project / PEOPLE).write_bytes((line * (MAX_BYTES // len(line)))[: MAX_BYTES - 4] + b"<a:b")
    outcome, mebibytes = apart("validate", "--project", project)
    assert outcome.code == 1
    assert f"{PEOPLE}:{MAX_BYTES // len(line) + 1}:" in outcome.out
    assert mebibytes < 800


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (bytes(range(256)) * 16, 1, "a binary file"),
        ("id:a a id:b .".encode("utf-16"), 1, "a binary file, or a text in UTF-16"),
        (b"\xef\xbb\xbf" + TRIPLE, 1, "byte-order mark"),
        ('<a:a> <a:b> "é" .'.encode("latin-1"), 1, "UTF-8"),
        (b"\n\n<a:a> <a:b> " + b"(" * 200_000, 3, "Unexpected end"),
        (b"<a:a> <a:b> " + b"[<a:b> " * 200_000, 1, "Unexpected end"),
        (b"<a:a> <a:b> " + b"<<( <a:a> <a:b> " * 100_000, 1, "too many triple terms"),
        (b"\n<a:a> <a:b> <<( <a:a> <a:b> <a:c> )>> .", 2, "RDF 1.2"),
        (b'\n<a:a> <a:b> "a"@fr--ltr .', 2, "RDF 1.2"),
        (b"\n<a:a> <a:b> <a:c> {| <a:d> <a:e> |} .", 2, "RDF 1.2"),
        (b'<a:a> <a:b> "\x1b[2J" ;;; ]\r\n', 1, "not well-formed"),
    ],
    ids=[
        "binary",
        "utf-16",
        "bom",
        "latin-1",
        "lists",
        "blank-nodes",
        "triple-terms",
        "one-triple-term",
        "direction",
        "annotation",
        "escapes",
    ],
)
def test_a_file_that_is_no_turtle(
    data: bytes, line: int, said: str, project: Path, run: Run
) -> None:
    (project / PEOPLE).write_bytes(data)
    outcome = run("validate", "--project", project)
    assert outcome.code == 1
    first = outcome.out.splitlines()[0]
    assert first.startswith(f"{PEOPLE}:{line}:")
    assert said in first
    assert "\x1b" not in outcome.out
    assert "\0" not in outcome.out


def test_carriage_returns_are_no_fault_and_lines_keep_their_numbers(
    project: Path, run: Run
) -> None:
    path = project / PEOPLE
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\n", b"\r\n"))
    assert run("validate", "--project", project).code == 0
    line = data[: data.index(b'"Kevin Ossah"@en')].count(b"\n") + 1
    bad = data.replace(b'"Kevin Ossah"@en', b'"Kevin Ossah"@de').replace(b"\n", b"\r\n")
    path.write_bytes(bad)
    outcome = run("validate", "--project", project)
    assert outcome.code == 1
    assert outcome.out.startswith(f"{PEOPLE}:{line}:9: ")
    assert "\r" not in outcome.out


def test_a_cyclic_symbolic_link(project: Path, run: Run) -> None:
    (project / "data/register/loop.ttl").symlink_to("loop.ttl")
    outcome = run("validate", "--project", project)
    assert outcome.code == 2
    assert "cannot read file: data/register/loop.ttl" in outcome.err


def test_a_folder_that_is_a_cyclic_symbolic_link(project: Path, run: Run) -> None:
    folder = project / "data/documents"
    folder.rename(project / "data/elsewhere")
    folder.symlink_to("documents")
    outcome = run("validate", "--project", project)
    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_regular_file(kind: str, project: Path, run: Run) -> None:
    path = project / "data/register/odd.ttl"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    outcome = run("validate", "--project", project)
    assert outcome.code == 2
    assert "data/register/odd.ttl is not a regular file" in outcome.err


@pytest.mark.parametrize(
    "said",
    [
        "sh:path 'x'",
        "sh:pattern '('",
        "sh:sparql [ sh:select 'SELEC' ]",
    ],
)
def test_shapes_that_are_none(said: str, project: Path, run: Run) -> None:
    """They cannot be used, so nothing can be checked."""
    (project / "shapes/odd.ttl").write_text(
        "PREFIX sh: <http://www.w3.org/ns/shacl#> PREFIX e: <https://w3id.org/essgraph/ontology#>\n"
        f"<a:a> a sh:NodeShape ; sh:targetClass e:Person ; sh:property [ {said} ] .",
        "utf-8",
    )
    outcome = run("validate", "--project", project)
    assert outcome.code == 2
    assert "invalid SHACL shapes: " in outcome.err
    for path in (project / "shapes").iterdir():
        path.unlink()
    outcome = run("validate", "--project", project)
    assert outcome.code == 2
    assert "files missing: shapes/*.ttl" in outcome.err


@pytest.mark.parametrize("name", [".#people.ttl", "._people.ttl"])
def test_what_editors_and_systems_put_beside_a_file(name: str, project: Path, run: Run) -> None:
    (project / "data/register" / name).symlink_to("somebody@somewhere.1234")
    (project / "data/documents" / name.replace(".ttl", ".trig")).write_bytes(b"\0\5\26\7")
    assert run("validate", "--project", project).code == 0


@pytest.mark.parametrize("name", [b"my text", b"Notes", b"\xc3\xa9t\xc3\xa9", b"\xe9t\xe9", b"a.b"])
@pytest.mark.parametrize("command", ["validate", "build", "anchor"])
def test_a_document_whose_name_is_no_slug(
    name: bytes, command: str, project: Path, run: Run, tmp_path: Path
) -> None:
    (project / f"data/documents/{os.fsdecode(name)}.trig").write_text("", "utf-8")
    options = ["--texts", tmp_path] if command == "anchor" else []
    outcome = run(command, "--project", project, *options)
    assert outcome.code == 1
    said = outcome.err if command == "anchor" else outcome.out + outcome.err
    assert "the name of this file is not a slug" in said
    assert ".trig: " in said


def test_a_question_whose_name_is_no_slug(project: Path, run: Run) -> None:
    (project / "queries/cities.rq").rename(project / "queries/all cities.rq")
    outcome = run("validate", "--project", project)
    assert outcome.code == 1
    assert "queries/all cities.rq: violation [syntax] the name of this file is not a slug" in (
        outcome.out
    )


def test_a_file_whose_name_is_not_in_utf_8(project: Path, run: Run) -> None:
    (project / PEOPLE).rename(project / "data/register" / os.fsdecode(b"\xe9lus.ttl"))
    assert run("validate", "--project", project).code == 0
    assert run("build", "--project", project).code == 0


def test_numbers_that_no_one_counts_to(project: Path, run: Run) -> None:
    path = project / "data/documents/aimf-article-2019.trig"
    path.write_text(path.read_text("utf-8").replace("p:8 ", f"p:{'8' * 5000} "), "utf-8")
    outcome = run("validate", "--project", project)
    assert outcome.code == 1
    assert "pieces are numbered in order: 8 was expected" in outcome.out
    anchors = path.with_suffix(".anchors.ttl")
    anchors.write_text(
        anchors.read_text("utf-8").replace("oa:end ", f"oa:end {'1' * 5000}", 1), "utf-8"
    )
    assert run("validate", "--project", project).code == 1


@pytest.mark.parametrize("name", ["x" * 300, "004.txt"])
def test_a_text_that_is_not_there_is_told_of(
    name: str, project: Path, run: Run, tmp_path: Path
) -> None:
    for path in (project / "data/documents").glob("*.trig"):
        if path.stem != "aimf-article-2019":
            path.unlink()
    path = project / "data/documents/aimf-article-2019.trig"
    path.write_text(re.sub('(identifier ").*"', rf'\g<1>{name}"', path.read_text("utf-8")), "utf-8")
    outcome = run("validate", "--project", project, "--texts", tmp_path, path)
    assert re.search(r"\.trig:\d+:24: warning \[E4\] .*this text is not at hand", outcome.out)
    outcome = run("coverage", "--project", project, "--texts", tmp_path)
    assert outcome.code == 2
    assert f"the text {name} of aimf-article-2019 is not at hand" in outcome.err


def test_a_folder_of_texts_that_is_not_there(project: Path, run: Run, tmp_path: Path) -> None:
    """It is said before anything is built or served."""
    for command in ("build", "validate", "serve", "anchor", "coverage"):
        outcome = run(command, "--project", project, "--texts", tmp_path / "none")
        said = f"essgraph: no such folder of texts: {tmp_path / 'none'}\n"
        assert (outcome.code, outcome.out, outcome.err) == (2, "", said)
    assert not (project / "build").exists()


def test_a_check_without_texts_says_how_to_give_them(project: Path, run: Run) -> None:
    for command in ("build", "validate"):
        outcome = run(command, "--project", project)
        assert outcome.code == 0
        assert "data/texts/ or name their folder: --texts DIR" in outcome.err
    (project / "data/texts").mkdir()
    assert "data/texts/" not in run("validate", "--project", project).err


def test_a_document_that_names_no_text_is_told_of(project: Path, run: Run, tmp_path: Path) -> None:
    """A draft under another name than its own: nothing describes the document."""
    folder = project / "data/documents"
    (folder / "aimf-article-2019.trig").rename(folder / "aardvark.trig")
    for command in ("anchor", "coverage"):
        outcome = run(command, "--project", project, "--texts", tmp_path)
        assert outcome.code == 2
        assert "None" not in outcome.err
        assert "aardvark.trig: nothing says which text" in outcome.err
        assert "essgraph validate" in outcome.err


def test_an_unreadable_file(project: Path, run: Run) -> None:
    path = project / PEOPLE
    assert run("validate", "--project", project).code == 0  # all modules are loaded now
    path.chmod(0)
    super_user = os.geteuid() == 0
    folders = [project, *project.parents][:-2] if super_user else []
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in folders:
        folder.chmod(0o755)
    try:
        if super_user:  # who may read anything
            os.seteuid(65534)
        outcome = run("validate", "--project", project)
    finally:
        if super_user:
            os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)
    assert outcome.code == 2
    assert f"cannot read file: {PEOPLE} (Permission denied)" in outcome.err


def test_an_empty_folder_and_an_empty_project(tmp_path: Path, run: Run) -> None:
    outcome = run("validate", "--project", tmp_path)
    assert outcome.code == 2
    assert f"no project in {tmp_path}" in outcome.err
    for folder in ("ontology", "data"):
        (tmp_path / folder).mkdir()
    outcome = run("validate", "--project", tmp_path)
    assert outcome.code == 2
    assert "file missing: data/dataset.ttl" in outcome.err


def test_a_file_that_is_not_there(project: Path, run: Run) -> None:
    outcome = run("validate", "--project", project, project / "data/register/none.ttl")
    assert outcome.code == 2
    assert "file missing: data/register/none.ttl" in outcome.err


def test_a_text_that_is_no_text(project: Path, run: Run, tmp_path: Path) -> None:
    article = (project / "data/documents/aimf-article-2019.trig").read_text("utf-8")
    name = re.search(r'dcterms:identifier "(.+?)"', article)
    assert name
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / name[1]).write_bytes(b"\xff\xfe")
    outcome = run("validate", "--project", project, "--texts", texts)
    assert outcome.code == 2
    assert "is not UTF-8 (byte 0)" in outcome.err
