"""Dates in words, at the precision they have: XSD dates and EDTF level 1 (Library of Congress)."""

from __future__ import annotations

import re
from calendar import monthrange
from typing import Final

_MONTHS: Final = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_DECADE = re.compile(r"(\d{3})X")


def in_words(value: str, language: str) -> str:
    """``10 juillet 2019``, ``juillet 2019``, ``2019``; what is no such date as it stands."""
    match = _DATE.fullmatch(value)
    if match is None:
        return value
    year, month, day = match.groups()
    if month is None or not 1 <= int(month) <= 12:
        return year
    name = _MONTHS[language].split()[int(month) - 1]
    if day is None:
        return f"{name}\u00a0{year}"
    number = "1er" if language == "fr" and day == "01" else str(int(day))
    return f"{number}\u00a0{name}\u00a0{year}"


def edtf_in_words(value: str, language: str) -> str:
    """An EDTF date as people say it; the forms we do not know stay as they are."""
    start, slash, end = value.partition("/")
    if slash and start == "..":
        return _after("by", end, language)
    if slash and end == "..":
        lead = "à partir " if language == "fr" else ""
        return lead + _after("from", start, language)
    if slash:
        return f"{_after('from', start, language)} {_after('to', end, language)}"
    decade = _DECADE.fullmatch(value)
    if decade:
        return f"années\u00a0{decade[1]}0" if language == "fr" else f"{decade[1]}0s"
    if value[-1:] in ("~", "?", "%"):
        return _after("about", value[:-1], language)
    return in_words(value, language)


#: What stands before a day, a decade, and a month or a year.
_BEFORE: Final = {
    ("from", "fr"): ("du ", "des ", "de "),
    ("to", "fr"): ("au ", "aux ", "à "),
    ("by", "fr"): ("au plus tard le ", "au plus tard dans les ", "au plus tard en "),
    ("about", "fr"): ("vers le ", "vers les ", "vers "),
    ("from", "en"): ("from ", "from the ", "from "),
    ("to", "en"): ("to ", "to the ", "to "),
    ("by", "en"): ("no later than ", "no later than the ", "no later than "),
    ("about", "en"): ("about ", "about the ", "about "),
}


def _after(word: str, value: str, language: str) -> str:
    """A date after a word that changes with it: ``du 10 juillet``, ``d’avril``, ``de 2000``."""
    day, decade, other = _BEFORE[word, language]
    said = edtf_in_words(value, language)
    if _DECADE.fullmatch(value):
        return decade + said
    if said[:1].isdigit() and "\u00a0" in said:
        return day + said
    return "d’" + said if other == "de " and said[:1] in "ao" else other + said


def span(value: str) -> tuple[float | None, float | None] | None:
    """First and last moment of an XSD or EDTF date in years (2019.5 is July 2019).

    An open end is None. None for what is not understood.
    """
    start, slash, end = value.partition("/")
    if slash:
        first = None if start in ("..", "") else span(start)
        last = None if end in ("..", "") else span(end)
        if first is None and last is None:
            return None
        return (first[0] if first else None, last[1] if last else None)
    value = value.rstrip("~?%")
    decade = _DECADE.fullmatch(value)
    if decade:
        return int(decade[1]) * 10.0, int(decade[1]) * 10.0 + 10
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    year, month, day = int(match[1]), match[2], match[3]
    if month is None or not 1 <= int(month) <= 12:
        return float(year), year + 1.0
    at = year + (int(month) - 1) / 12
    if day is None:
        return at, at + 1 / 12
    length = 12 * monthrange(max(year, 1), int(month))[1]
    return at + (int(day) - 1) / length, at + int(day) / length
