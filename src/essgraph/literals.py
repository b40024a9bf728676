"""Rules on literals (E9, EDTF): each value in its one form."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, write
from essgraph.rules import finding
from essgraph.sources import Sources
from essgraph.statements import Statement

_REWRITTEN = {
    names.XSD + local
    for local in (
        "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger",
        "nonPositiveInteger", "negativeInteger", "unsignedInt", "unsignedLong",
        "unsignedShort", "unsignedByte",
    )
}  # fmt: skip


def _decimal(value: str) -> str:
    match = re.fullmatch(r"([+-]?)0*(\d*)(?:\.(\d*?)0*)?", value)
    if match is None or not any(c.isdigit() for c in value):
        raise ValueError(value)
    sign, whole, part = match.groups()
    text = f"{whole or '0'}.{part}" if part else whole or "0"
    return f"-{text}" if sign == "-" and text != "0" else text


_CANONICAL: dict[str, Callable[[str], str]] = {
    names.XSD + "integer": lambda value: str(int(value)),
    names.XSD + "decimal": _decimal,
    names.XSD + "boolean": lambda value: {"1": "true", "0": "false"}.get(value, value),
}


def e9(sources: Sources) -> Iterator[Finding]:
    """E9: literals are in canonical form, texts not blank nor with white space at an end, language
    tags lower case, no blank nodes."""
    for statement in sources.statements():
        if ox.BlankNode in (type(statement.subject), type(statement.object), type(statement.graph)):
            yield finding(
                "E9",
                Text("nœud anonyme", "blank node"),
                statement,
                Text("donnez-lui un IRI", "give it an IRI"),
                "object" if isinstance(statement.object, ox.BlankNode) else "subject",
            )
        if not isinstance(statement.object, ox.Literal):
            continue
        if statement.object.language:
            yield from _tag(statement)
            if _BLANK.fullmatch(statement.object.value):
                yield finding(
                    "E9",
                    Text("ce texte est vide", "this text is blank"),
                    statement,
                    Text("écrivez-le", "write it"),
                )
            elif statement.object.value != statement.object.value.strip():
                yield finding(
                    "E9",
                    Text(
                        "ce texte commence ou finit par une espace",
                        "this text begins or ends with white space",
                    ),
                    statement,
                    Text("ôtez-la", "remove it"),
                )
            continue
        yield from _canonical(statement, statement.object)


#: White space, characters that show nothing at all, and what a draft has for a text to be written.
_BLANK = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff…]*")
_UPPER_TAG = re.compile(r"@(?=[A-Za-z-]*[A-Z])[A-Za-z]+(?:-[A-Za-z0-9]+)*$")


def _tag(statement: Statement) -> Iterator[Finding]:
    # The parser folds tags, so the file itself is asked.
    if not statement.source.shouts:
        return
    written = _UPPER_TAG.search(statement.source.written(statement.number))
    if written:
        yield finding(
            "E9",
            Text(
                f"l'étiquette de langue {written[0]} n'est pas en minuscules",
                f"the language tag {written[0]} is not in lower case",
            ),
            statement,
            write(written[0].lower()),
        )


def _canonical(statement: Statement, literal: ox.Literal) -> Iterator[Finding]:
    datatype = literal.datatype.value
    if datatype in _REWRITTEN:
        yield finding(
            "E9",
            Text(
                f"{names.shorten(datatype)} n'est pas gardé tel quel par le moteur",
                f"{names.shorten(datatype)} is not kept as it is by the engine",
            ),
            statement,
            write("xsd:integer"),
        )
    elif datatype.startswith(names.XSD):
        try:
            canonical = _CANONICAL.get(datatype, str)(literal.value)
        except ValueError:
            return  # not of its datatype at all: SHACL says so
        if canonical == literal.value and literal.value.endswith(("+00:00", ".000Z")):
            canonical = re.sub(r"(\.000)?(Z|\+00:00)$", "Z", literal.value)
        if canonical != literal.value:
            yield finding(
                "E9",
                Text(
                    f"« {literal.value} » n'est pas sous forme canonique",
                    f'"{literal.value}" is not in canonical form',
                ),
                statement,
                write(canonical),
            )


EDTF_DATE = ox.NamedNode(names.ESS + "edtfDate")

#: The classes of the edtf library for levels 0 and 1 of the specification (ISO 8601-2:2019).
_LEVEL_1 = {
    "Date", "DateAndTime", "Interval", "Level1Interval", "LongYear", "Season",
    "UncertainOrApproximate", "Unspecified",
}  # fmt: skip


def edtf_dates(sources: Sources) -> Iterator[Finding]:
    """EDTF: every ess:edtfDate is an Extended Date/Time Format string of level 0 or 1."""
    for statement in sources.statements():
        if statement.predicate != EDTF_DATE or not isinstance(statement.object, ox.Literal):
            continue
        value = statement.object.value
        if not _is_edtf(value):
            yield finding(
                "EDTF",
                Text(
                    f"« {value} » n'est pas une date EDTF de niveau 1",
                    f'"{value}" is not an EDTF date of level 1',
                ),
                statement,
            )


#: Half of a month or day unspecified is level 2; the library fails on it ("2020-1X").
_HALF_KNOWN = re.compile(r"-\dX|-X\d")


@lru_cache(maxsize=1024)
def _is_edtf(value: str) -> bool:
    # Imported here: only data with such dates pays for the parser.
    from edtf import EDTFParseException, parse_edtf

    if _HALF_KNOWN.search(value):
        return False
    try:
        date = parse_edtf(value)
    except (EDTFParseException, AttributeError, TypeError, ValueError):
        return False  # where it does not just refuse, it stumbles
    if type(date).__name__ not in _LEVEL_1:
        return False
    # It takes 29 February of any year, and an interval that ends before it begins.
    days = [day for day in re.findall(r"-?\d{4}-\d\d-\d\d", value) if day.endswith("02-29")]
    if not all(calendar.isleap(int(day[:-6])) for day in days):
        return False
    start, slash, end = value.partition("/")
    if not slash or "" in (start, end) or ".." in (start, end):
        return True
    return bool(date.lower_strict() <= date.upper_strict())
