"""The text of a SPARQL query, looked at before anything evaluates it.

``inspect`` tells what the layers above need: its form, its dataset, a key for caches. It refuses
what a read-only service does not do, and what would cost more to plan than any honest query does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from essgraph.errors import LimitExceeded, QueryError, SyntaxFault
from essgraph.reader import Form, Query, Reader, read

__all__ = ["Query", "explain", "inspect", "tokens"]

#: Queries up to this length are remembered, so that a repeated one is not read again.
_REMEMBERED: Final = 8_192


def inspect(text: str) -> Query:
    """Reads a query. Takes any string, of which codepoint escapes are processed (19.2).

    Raises SyntaxFault (with the place) for what is no SPARQL token, an undeclared prefix or
    brackets that do not pair; QueryError for an empty query; QueryRefused for updates, SERVICE
    and graphs to be read from elsewhere than http(s); LimitExceeded for a query that is too large.
    """
    if len(text) <= _REMEMBERED:
        return _remembered(text)
    return read(text).query()


@lru_cache(maxsize=512)
def _remembered(text: str) -> Query:
    return _by_shape(text) or read(text).query()


# --- queries of a shape that was read before ------------------------------------------------
#
# What people ask differs mostly in IRIs, strings, numbers and local names. None of what is told of
# a query depends on their content: so the shape, which is the text without them, is read once, with
# fixed fillings in their place, and the finding holds for every query of that shape.

#: The parts that a shape leaves out; a comment is one, so that no quote in it opens a string. The
#: signs with which they begin come first: for these the expression is sought in a fraction of the
#: time. What it is tried on has no escapes.
_PARTS = re.compile(
    r"""([<"'#:0-9](?:"""
    r"""(?<=<)[^<>"{}|^`\x00-\x20]*+>"""
    r"""|(?<=")(?:""(?:[^"]|"(?!""))*+\"""|(?!"")[^"\n\r]*+")"""
    r"""|(?<=')(?:''(?:[^']|'(?!''))*+'''|(?!'')[^'\n\r]*+')"""
    r"""|(?<=\#)[^\r\n]*+"""
    r"""|(?<=:)[A-Za-z0-9_][A-Za-z0-9_-]*+"""
    r"""|(?<=[0-9])(?<![\w.?$%][0-9])[0-9]*+(?![\w.])))"""
)
_FILLINGS: Final = {"<": "<x:>", '"': '""', "'": "''", ":": ":x", "0": "0"}
_DIGITS: Final = str.maketrans("123456789", "000000000")


class _Shape(NamedTuple):
    form: Form
    key: str  # with a %s for each part
    volatile: bool


def _by_shape(text: str) -> Query | None:
    """The query, where its shape tells all of it; None where the text itself is to be read."""
    if "\\" in text:
        return None  # with escapes, a string that never ends could be sought again and again
    # No part holds a brace and the rest of a query, but a string or comment, which is told below.
    cut = text.find("{") + 1
    rest, kinds, parts = _parts_of_head(text[:cut])
    pieces = _PARTS.split(text[cut:])
    more = pieces[1::2]
    shape = _shape(
        rest + "\0".join(pieces[::2]),
        kinds + "".join([part[0] for part in more]).translate(_DIGITS),
    )
    if shape is None or not (text.isascii() or _is_text(text)):
        return None
    return Query(text, shape.form, (), (), shape.key % (*parts, *more), shape.volatile)


@lru_cache(maxsize=256)
def _parts_of_head(head: str) -> tuple[str, str, tuple[str, ...]]:
    """What a query has before its first brace, which many have in common: the text between its
    parts, the first sign of each, and the parts."""
    pieces = _PARTS.split(head)
    parts = tuple(pieces[1::2])
    return "\0".join(pieces[::2]), "".join([part[0] for part in parts]).translate(_DIGITS), parts


@lru_cache(maxsize=1024)
def _shape(rest: str, kinds: str) -> _Shape | None:
    """What a shape tells. Takes the text between the parts, joined by U+0000, and the first sign
    of each part. None where the content of a part matters, or where tokens might be told
    otherwise than by the signs at which a part begins."""
    pieces = rest.split("\0")
    unclear = any(sign in rest for sign in "<\"'#") or not rest.isascii()
    if unclear or "#" in kinds or len(pieces) != len(kinds) + 1:
        return None
    fillings = [_FILLINGS[kind] for kind in kinds]
    filled = pieces[0] + "".join(map(str.__add__, fillings, pieces[1:]))
    try:
        query = Reader(filled).query()
    except (SyntaxFault, QueryError, LimitExceeded):
        return None  # the text itself has the right place
    tokens = _PARTS.split(query.key)
    # What is in the key in pieces was no IRI here, but an operator and more.
    if tokens[1::2] != fillings or query.default_graphs or query.named_graphs:
        return None
    if query.text != filled:
        return None  # the engine is given something else
    key = "%s".join(piece.replace("%", "%%") for piece in tokens[::2])
    return _Shape(query.form, key, query.volatile)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def explain(text: str) -> SyntaxFault | None:
    """What is wrong with the form of a query that was inspected: the first token out of place, and
    what could stand there. None where the form is right (by SPARQL 1.1)."""
    reader = Reader(text)
    reader.query()
    return reader.explain()


def tokens(text: str) -> tuple[tuple[str, str, int], ...]:
    """The tokens of a query that was inspected: kind, text (of a keyword in capitals), offset."""
    reader = Reader(text)
    reader.query()
    return tuple(reader.tokens)
