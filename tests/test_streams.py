"""The streams of the command line: what cannot be written is said in a sentence, with exit code 2,
and results are in UTF-8 whatever the terminal is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from essgraph.cli import main; main()"]


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command line as a shell runs it: ``$ess`` stands for the program."""
    quoted = " ".join(f"'{part}'" for part in COMMAND)
    return subprocess.run(
        ["sh", "-c", command.replace("$ess", quoted)],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
    )


@pytest.mark.parametrize(
    "command", ["validate", "validate --format sarif", "query cities", "build", "new text.txt"]
)
def test_a_full_disk_under_the_output(command: str, project: Path) -> None:
    (project / "text.txt").write_text("Bamako accueille un forum.\n" * 2, "utf-8")
    done = shell(f"$ess {command} > /dev/full", project)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1].startswith("essgraph: the system refuses: [Errno")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["validate", "query cities", "query - < /dev/null"])
def test_streams_that_are_closed(command: str, project: Path) -> None:
    code = shell(f"$ess {command}", project).returncode
    done = shell(f"$ess {command} >&-", project)
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
    done = shell(f"$ess {command} 2>&-", project)
    assert (done.returncode, b"not at hand" in done.stdout) == (code, False)
    if "-" in command:
        assert b"the query is empty" in shell("$ess query - <&-", project).stderr


def test_a_query_that_is_not_utf_8_has_its_place(project: Path) -> None:
    query = 'SELECT ?s\nWHERE { ?s ?p "été" }'.encode("latin-1")
    (project / "latin.rq").write_bytes(query)
    for command, file in (("query - < latin.rq", "-"), ("query latin.rq", "latin.rq")):
        done = shell(f"$ess {command}", project)
        assert (done.returncode, done.stdout) == (1, b"")
        place = f"essgraph: {file}:2:16: this is not UTF-8 (byte 0xE9) — save it as UTF-8\n"
        assert done.stderr.decode() == place
    done = shell("$ess query - < latin.rq", project, LC_ALL="fr_FR.UTF-8")
    assert "-:2:16: ce n'est pas de l'UTF-8 (octet 0xE9)" in done.stderr.decode()
    (project / "queries/latin.rq").write_bytes(query)
    done = shell("$ess validate", project)
    assert done.stdout.startswith(b"queries/latin.rq:2:16: violation [syntax]")


def test_results_are_in_utf_8_whatever_the_terminal_is(project: Path) -> None:
    (project / "text.txt").write_text("Le maire de Bamako reçoit une délégation…\n", "utf-8")
    people = project / "data/register/people.ttl"
    people.write_text(people.read_text("utf-8").replace('"Adama Sangaré"@fr ,', ""), "utf-8")
    for command in ("new text.txt", "validate"):
        plain = shell(f"$ess {command}", project)
        other = shell(f"$ess {command}", project, PYTHONIOENCODING="ascii")
        assert not plain.stdout.isascii()
        assert (other.stdout, other.returncode) == (plain.stdout, plain.returncode)
