"""The kinds of values that options take, and the option that two commands have."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from essgraph.commands import environment
from essgraph.errors import Text

#: Of a French and an English wording, the one in the language of the user.
Say = Callable[[str, str], str]

_N = TypeVar("_N", int, float)


def positive(text: str) -> float:
    """A number above 0. Raises ArgumentTypeError, which argparse reports."""
    return _number(float, text, 1e-9, 1e6, Text("un nombre supérieur à 0", "a number above 0"))


def add_timeout(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "--timeout",
        type=positive,
        default=10.0,
        metavar="S",
        help=say("limite de temps d'une requête, en secondes", "time limit of a query, in seconds"),
    )


def port(text: str) -> int:
    """A port of TCP. Raises ArgumentTypeError, which argparse reports."""
    return _number(int, text, 0, 2**16 - 1, Text("un port, de 0 à 65535", "a port, 0 to 65535"))


def count(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError, which argparse reports."""
    return _number(int, text, 1, 1e9, Text("un entier supérieur à 0", "an integer above 0"))


def _number(kind: Callable[[str], _N], text: str, least: float, most: float, meant: Text) -> _N:
    with suppress(ValueError):
        value = kind(text)
        if least <= value <= most:
            return value
    said = Text(f"« {text} » n'est pas {meant.fr}", f'"{text}" is not {meant.en}')
    raise ArgumentTypeError(said.in_language(environment.language()))
