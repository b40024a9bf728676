"""What the command line says of itself and of wrong usage, in the language of the user."""

from __future__ import annotations

import re

import pytest
from conftest import Outcome

from essgraph import cli
from essgraph.cli import COMMANDS

#: Wrong usage, and what is said of it.
WRONG = [
    ((), "the following arguments are required: COMMAND", "il manque : COMMANDE"),
    (("buidl",), "invalid choice: 'buidl'", "« buidl » n'est pas possible ici"),
    (("build", "--ouch"), "unrecognized arguments: --ouch", "de trop ou inconnu : --ouch"),
    (("build", "extra"), "unrecognized arguments: extra", "de trop ou inconnu : extra"),
    (
        ("build", "--out"),
        "argument --out: expected one argument",
        "--out : une valeur",
    ),
    (("query",), "NAME|FILE|- --list is required\n", "l'un de : NOM|FICHIER|- --list\n"),
    (("validate", "--lang", "de"), "invalid choice: 'de'", "« de » n'est pas possible ici"),
    (
        ("serve", "--port", "x"),
        'argument --port: "x" is not a port, 0 to',
        "« x » n'est pas un port, de 0",
    ),
    (("--version=3",), "ignored explicit argument '3'", "« 3 » n'a pas sa place ici"),
    (("serve", "--wo=1", "--w"), "ambiguous option: --w could match", "--w peut être"),
]
#: Words of argparse's own.
ENGLISH = re.compile(
    r"\b(usage:|error|positional|arguments?|invalid|choose|required|show|exit|expected)\b"
)


def leave(
    language: str,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Outcome:
    monkeypatch.setenv("LC_ALL", language)
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    told = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return Outcome(left.value.code, told.out, told.err)


@pytest.mark.parametrize(("arguments", "english", "french"), WRONG)
def test_wrong_usage_is_told_in_the_language_of_the_user(
    arguments: tuple[str, ...],
    english: str,
    french: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = leave("fr_FR.UTF-8", arguments, capsys, monkeypatch)
    assert told.code == 2
    assert french in told.err
    assert "erreur : " in told.err
    assert not ENGLISH.search(told.err), told.err
    told = leave("en", arguments, capsys, monkeypatch)
    assert told.code == 2
    assert english in told.err
    assert "error: " in told.err


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_help_is_in_the_language_of_the_user(
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = leave("fr", (*arguments, "--help"), capsys, monkeypatch)
    assert told.out.startswith("usage : essgraph")
    assert "affiche cette aide et s'arrête" in told.out
    assert not ENGLISH.search(told.out), told.out
    told = leave("en", (*arguments, "--help"), capsys, monkeypatch)
    assert told.out.startswith("usage: essgraph")
    assert "show this help message and exit" in told.out


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_option_is(
    language: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = leave(language, (command, "--help"), capsys, monkeypatch).out
    entries = re.findall(r"(?m)^  (\S.*(?:\n {4,}\S.*)*)", told.partition("\n\n")[2])
    assert len(entries) > 1
    assert not [entry for entry in entries if not re.search(r" {2}\S|\n", entry)]
