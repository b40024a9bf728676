"""What argparse says by itself, in the language of the user: headings of help, wrong usage."""

from __future__ import annotations

import argparse
from typing import Final

_FRENCH: Final = {
    "usage: ": "usage : ",
    "positional arguments": "à donner dans cet ordre ",
    "options": "options ",  # before a colon
    "show this help message and exit": "affiche cette aide et s'arrête",
    "%(prog)s: error: %(message)s\n": "%(prog)s : erreur : %(message)s\n",
    "argument %(argument_name)s: %(message)s": "%(argument_name)s : %(message)s",
    "unrecognized arguments: %s": "de trop ou inconnu : %s",
    "the following arguments are required: %s": "il manque : %s",
    "one of the arguments %s is required": "il manque l'un de : %s",
    "not allowed with argument %s": "ne va pas avec %s",
    "ignored explicit argument %r": "« %s » n'a pas sa place ici",
    "expected one argument": "une valeur est attendue",
    "expected at most one argument": "une valeur au plus est attendue",
    "expected at least one argument": "une valeur au moins est attendue",
    "expected %s argument": "%s valeur est attendue",
    "expected %s arguments": "%s valeurs sont attendues",
    "ambiguous option: %(option)s could match %(matches)s": (
        "option ambiguë : %(option)s peut être %(matches)s"
    ),
    "invalid %(type)s value: %(value)r": "« %(value)s » n'est pas une valeur de ce genre",
    "invalid choice: %(value)r (choose from %(choices)s)": (
        "« %(value)s » n'est pas possible ici ; au choix : %(choices)s"
    ),
    "unknown parser %(parser_name)r (choices: %(choices)s)": (
        "« %(parser_name)s » n'est pas possible ici ; au choix : %(choices)s"
    ),
}


def speak(language: str) -> None:
    """Has argparse speak ``fr`` or ``en`` from now on.

    It looks words up by the two functions that it imports of gettext. Those would want compiled
    files, and follow LANGUAGE, which our own messages do not.
    """
    if language == "fr":
        vars(argparse).update(_=_french, ngettext=_french_number)
    else:
        vars(argparse).update(_=str, ngettext=_english_number)


def _french(message: str) -> str:
    return _FRENCH.get(message, message)


def _french_number(one: str, more: str, number: int) -> str:
    return _french(one if number < 2 else more)


def _english_number(one: str, more: str, number: int) -> str:
    return one if number == 1 else more
