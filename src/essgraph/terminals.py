"""The terminals of SPARQL 1.1 Query (19.8): what its tokens look like, and its keywords."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

UPDATES: Final = frozenset(
    ["INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"]
)
FORMS: Final = frozenset(("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"))
#: Functions whose value differs from one call to the next: their answers are not to be cached.
VOLATILE: Final = frozenset(["RAND", "NOW", "UUID", "STRUUID", "BNODE"])
AGGREGATES: Final = frozenset(["COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT"])
CLAUSES: Final = AGGREGATES | {"FILTER", "AS", "HAVING"}
KEYWORDS: Final = (
    UPDATES
    | FORMS
    | VOLATILE
    | AGGREGATES
    # 4 to 18 of SPARQL 1.1 Query, then the functions of 17, then those of SPARQL 1.2.
    | frozenset((
        "BASE", "PREFIX", "DISTINCT", "REDUCED", "WHERE", "FROM", "NAMED", "GROUP", "BY",
        "HAVING", "ORDER", "ASC", "DESC", "LIMIT", "OFFSET", "VALUES", "UNDEF", "OPTIONAL",
        "GRAPH", "SERVICE", "SILENT", "BIND", "AS", "MINUS", "UNION", "FILTER", "IN", "NOT",
        "EXISTS", "SEPARATOR", "TRUE", "FALSE", "STR", "LANG", "LANGMATCHES", "DATATYPE",
        "BOUND", "IRI", "URI", "ABS", "CEIL", "FLOOR", "ROUND", "CONCAT", "STRLEN", "UCASE",
        "LCASE", "ENCODE_FOR_URI", "CONTAINS", "STRSTARTS", "STRENDS", "STRBEFORE", "STRAFTER",
        "YEAR", "MONTH", "DAY", "HOURS", "MINUTES", "SECONDS", "TIMEZONE", "TZ", "MD5", "SHA1",
        "SHA256", "SHA384", "SHA512", "COALESCE", "IF", "STRLANG", "STRDT", "SAMETERM", "ISIRI",
        "ISURI", "ISBLANK", "ISLITERAL", "ISNUMERIC", "REGEX", "SUBSTR", "REPLACE", "TO",
        "INTO", "USING", "DATA", "ALL", "DEFAULT", "VERSION", "LATERAL", "TRIPLE", "SUBJECT",
        "PREDICATE", "OBJECT", "ISTRIPLE", "LANGDIR", "HASLANG", "HASLANGDIR", "STRLANGDIR",
        "ADJUST",
    ))
)  # fmt: skip
LONGEST_WORD: Final = 256
LONGEST_KEYWORD = re.compile(
    # Of the letters of ASCII alone: some others have theirs as capitals.
    "a(?![A-Za-z])|(?i:" + "|".join(sorted(KEYWORDS, key=len, reverse=True)) + ")",
    re.ASCII,
)

# The terminals, by their names in 19.8. Quantifiers are possessive or bounded: linear time.
_PN_CHARS_BASE = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
PN_CHARS_U = _PN_CHARS_BASE + "_"
VARNAME = PN_CHARS_U + "0-9\u00b7\u0300-\u036f\u203f-\u2040"
_PN_CHARS = VARNAME + "\\-"
_PLX = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_PN_LOCAL = (
    rf"(?:[{PN_CHARS_U}:0-9]|{_PLX})(?:[{_PN_CHARS}:]|{_PLX})*+"
    rf"(?:\.++(?:[{_PN_CHARS}:]|{_PLX})++)*+"
)
UCHAR = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
IRIREF = rf'<(?:[^<>"{{}}|^`\\\x00-\x20]|{UCHAR})*+>'
STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+"""'
    r"|'''(?:[^'\\]|\\[\s\S]|'(?!''))*+'''"
    r'|(?!""")"(?:[^"\\\n\r]|\\[^\n\r])*+"'
    r"|(?!''')'(?:[^'\\\n\r]|\\[^\n\r])*+'"
)
_NUMBER = r"[+-]?(?:[0-9]+\.[0-9]*[eE][+-]?[0-9]+|\.?[0-9]+[eE][+-]?[0-9]+|[0-9]*\.[0-9]+|[0-9]+)"
TOKEN = rf"""(?x:(?:[ \t\r\n]++|\#[^\r\n]*+)*+(?:
      (?P<var>[?$][{PN_CHARS_U}0-9][{VARNAME}]*+)
    # A prefix of more than nine dotted parts is not read as one: that would be quadratic.
    | (?P<pname>(?:[{_PN_CHARS_BASE}][{_PN_CHARS}]*+(?:\.++[{_PN_CHARS}]++){{0,8}}+)?+
      :(?:{_PN_LOCAL})?+)
    | (?P<iri>{IRIREF})
    | (?P<word>[{_PN_CHARS_BASE}][{_PN_CHARS}]*+)
    | (?P<string>{STRING})
    | (?P<lang>@[A-Za-z]+(?:-[A-Za-z0-9]+)*(?:--[A-Za-z]+)?)
    | (?P<number>{_NUMBER})
    | (?P<blank>_:[{PN_CHARS_U}0-9][{_PN_CHARS}]*+(?:\.++[{_PN_CHARS}]++)*+)
    | (?P<op><<\(|\)>>|<<|>>|\{{\||\|\}}|\^\^|&&|\|\||!=|<=|>=|[{{}}()\[\].,;*/+\-=<>!|^?~])
    | (?P<end>\Z)
    ))"""
_ESCAPES = re.compile(rf"(?P<keep>{IRIREF}|{STRING}|\#[^\r\n]*+)|({UCHAR})")
BLANKS = re.compile(r"(?:[ \t\r\n]++|#[^\r\n]*+)*+")


@cache
def compiled(pattern: str, ascii: bool) -> re.Pattern[str]:
    """A pattern, for any text or for one in ASCII: without the characters beyond, which few queries
    have, it is compiled in a tenth of the time, and each start needs it."""
    return re.compile(re.sub("[^\0-\x7f](-[^\0-\x7f])?", "", pattern) if ascii else pattern)


OPENING: Final = {"(": ")", "{": "}", "[": "]", "<<": ">>", "<<(": ")>>", "{|": "|}"}
CLOSING: Final = frozenset(OPENING.values())
OPERATORS: Final = frozenset(("&&", "||", "!=", "<=", ">=", *"*/+-=<>!|^"))
#: Functions before whose bracket the engine allows no blank.
TIGHT: Final = frozenset(("BNODE", "COALESCE", "CONCAT"))
TERMS: Final = frozenset(("var", "pname", "iri", "string", "lang", "number", "blank"))


def uchar(match: re.Match[str]) -> str:
    """The character of an escape (19.2) that was found."""
    return _character(match[0])


def _character(escape: str) -> str:
    """The character of an escape; one beyond Unicode stands for itself."""
    code = int(escape[2:], 16)
    return chr(code) if code < 0x110000 else escape


def goes_on(rest: str) -> bool:
    """Whether tokens may begin with what a keyword leaves of a word: else it was no keyword."""
    return not rest[:1].isalpha() or rest[0] == "a" or LONGEST_KEYWORD.match(rest) is not None


#: Where blanks may stand, outside IRIs, strings and comments.
_BREAK = re.compile(r"(?<!\\)[ \t\r\n{}()\[\],;]|\Z")
_NAMES = f"[{_PN_CHARS}]*"


def unescape(text: str) -> str:
    """Codepoint escapes (19.2) outside IRIs and strings, where the engine does them itself.

    What a name loses in length is made up by blanks behind it, so that messages have the columns
    of the text that was sent. Where an escape is more than part of a name, nothing is made up.
    """
    if "\\u" not in text and "\\U" not in text:
        return text
    found = list(_ESCAPES.finditer(text))
    keeps = re.fullmatch(_NAMES, "".join([_character(m[2]) for m in found if m[2]])) is not None
    pieces: list[str] = []
    end = lost = 0
    for match in found:
        between, end = text[end : match.start()], match.end()
        place = _BREAK.search(between)
        if lost and place and (place[0] or match["keep"]):
            pieces += (between[: place.start()], " " * lost)
            between, lost = between[place.start() :], 0
        character = match["keep"] or _character(match[2])
        pieces += (between, character)
        lost += keeps and len(match[0]) - len(character)
    between = text[end:]
    place = _BREAK.search(between) if lost else None
    cut = place.start() if place else len(between)
    return "".join((*pieces, between[:cut], " " * lost, between[cut:]))
