"""The text of a SPARQL query, looked at before anything evaluates it.

``inspect`` reads a query once, token by token (SPARQL 1.1 Query, 19.8), and tells what the layers
above need: its form, its dataset, a key for caches. It refuses what a read-only service does not
do, and what would cost more to plan than any honest query does. It is no parser: what it lets
through may still be refused by the engine. But what the engine would *execute* is told from the
same tokens: where the engine's grammar reads more freely than the specification (keywords without
a boundary, ``<`` before a comment), the reading here is the stricter one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal, NamedTuple, NoReturn

from essgraph import grammar
from essgraph.errors import LimitExceeded, Position, QueryError, QueryRefused, SyntaxFault, Text
from essgraph.names import BASE, PREFIXES

Form = Literal["SELECT", "ASK", "CONSTRUCT", "DESCRIBE"]
Role = Literal["term", "project", "inner", "by", "bound", "assign"]

#: The cheap limits. Each lies well above what people write and well below what harms: the engine
#: dies of nesting (from 960 levels), of flat chains (from 2,000 or so), and its planner needs
#: time as the fourth power of the patterns it may reorder.
MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
MAX_CLAUSES: Final = 500
MAX_OPERATORS: Final = 4_000
MAX_PATTERNS: Final = 150
#: Of the IRIs that others are made of, and of those of graphs, and of how many graphs there may be:
#: a long one that is used often makes much of little.
MAX_IRI: Final = 2_048
MAX_GRAPHS: Final = 2_000

#: Up to so many tokens their order is looked at again and again, where it matters.
_FEW: Final = 500
#: Queries up to this length are remembered, so that a repeated one is not read again.
_REMEMBERED: Final = 8_192

_UPDATES: Final = frozenset(
    ["INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"]
)
_FORMS: Final = frozenset(("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"))
#: Functions whose value differs from one call to the next: their answers are not to be cached.
_VOLATILE: Final = frozenset(["RAND", "NOW", "UUID", "STRUUID", "BNODE"])
_AGGREGATES: Final = frozenset(["COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT"])
_CLAUSES: Final = _AGGREGATES | {"FILTER", "AS", "HAVING"}
_KEYWORDS: Final = (
    _UPDATES
    | _FORMS
    | _VOLATILE
    | _AGGREGATES
    | frozenset(
        # 4 to 18 of SPARQL 1.1 Query, then the functions of 17, then those of SPARQL 1.2.
        [
            "BASE",
            "PREFIX",
            "DISTINCT",
            "REDUCED",
            "WHERE",
            "FROM",
            "NAMED",
            "GROUP",
            "BY",
            "HAVING",
            "ORDER",
            "ASC",
            "DESC",
            "LIMIT",
            "OFFSET",
            "VALUES",
            "UNDEF",
            "OPTIONAL",
            "GRAPH",
            "SERVICE",
            "SILENT",
            "BIND",
            "AS",
            "MINUS",
            "UNION",
            "FILTER",
            "IN",
            "NOT",
            "EXISTS",
            "SEPARATOR",
            "TRUE",
            "FALSE",
            "STR",
            "LANG",
            "LANGMATCHES",
            "DATATYPE",
            "BOUND",
            "IRI",
            "URI",
            "ABS",
            "CEIL",
            "FLOOR",
            "ROUND",
            "CONCAT",
            "STRLEN",
            "UCASE",
            "LCASE",
            "ENCODE_FOR_URI",
            "CONTAINS",
            "STRSTARTS",
            "STRENDS",
            "STRBEFORE",
            "STRAFTER",
            "YEAR",
            "MONTH",
            "DAY",
            "HOURS",
            "MINUTES",
            "SECONDS",
            "TIMEZONE",
            "TZ",
            "MD5",
            "SHA1",
            "SHA256",
            "SHA384",
            "SHA512",
            "COALESCE",
            "IF",
            "STRLANG",
            "STRDT",
            "SAMETERM",
            "ISIRI",
            "ISURI",
            "ISBLANK",
            "ISLITERAL",
            "ISNUMERIC",
            "REGEX",
            "SUBSTR",
            "REPLACE",
            "TO",
            "INTO",
            "USING",
            "DATA",
            "ALL",
            "DEFAULT",
            "VERSION",
            "LATERAL",
            "TRIPLE",
            "SUBJECT",
            "PREDICATE",
            "OBJECT",
            "ISTRIPLE",
            "LANGDIR",
            "HASLANG",
            "HASLANGDIR",
            "STRLANGDIR",
            "ADJUST",
        ]
    )
)
_LONGEST_WORD: Final = 256
_LONGEST_KEYWORD = re.compile(
    # Of the letters of ASCII alone: some others have theirs as capitals.
    "a(?![A-Za-z])|(?i:" + "|".join(sorted(_KEYWORDS, key=len, reverse=True)) + ")",
    re.ASCII,
)

# The terminals, by their names in 19.8. Quantifiers are possessive or bounded: linear time.
_PN_CHARS_BASE = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_PN_CHARS_U = _PN_CHARS_BASE + "_"
_VARNAME = _PN_CHARS_U + "0-9\u00b7\u0300-\u036f\u203f-\u2040"
_PN_CHARS = _VARNAME + "\\-"
_PLX = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_PN_LOCAL = (
    rf"(?:[{_PN_CHARS_U}:0-9]|{_PLX})(?:[{_PN_CHARS}:]|{_PLX})*+"
    rf"(?:\.++(?:[{_PN_CHARS}:]|{_PLX})++)*+"
)
_UCHAR = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_IRIREF = rf'<(?:[^<>"{{}}|^`\\\x00-\x20]|{_UCHAR})*+>'
_STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+"""'
    r"|'''(?:[^'\\]|\\[\s\S]|'(?!''))*+'''"
    r'|(?!""")"(?:[^"\\\n\r]|\\[^\n\r])*+"'
    r"|(?!''')'(?:[^'\\\n\r]|\\[^\n\r])*+'"
)
_NUMBER = r"[+-]?(?:[0-9]+\.[0-9]*[eE][+-]?[0-9]+|\.?[0-9]+[eE][+-]?[0-9]+|[0-9]*\.[0-9]+|[0-9]+)"
_TOKEN = rf"""(?x:(?:[ \t\r\n]++|\#[^\r\n]*+)*+(?:
      (?P<var>[?$][{_PN_CHARS_U}0-9][{_VARNAME}]*+)
    # A prefix of more than nine dotted parts is not read as one: that would be quadratic.
    | (?P<pname>(?:[{_PN_CHARS_BASE}][{_PN_CHARS}]*+(?:\.++[{_PN_CHARS}]++){{0,8}}+)?+
      :(?:{_PN_LOCAL})?+)
    | (?P<iri>{_IRIREF})
    | (?P<word>[{_PN_CHARS_BASE}][{_PN_CHARS}]*+)
    | (?P<string>{_STRING})
    | (?P<lang>@[A-Za-z]+(?:-[A-Za-z0-9]+)*(?:--[A-Za-z]+)?)
    | (?P<number>{_NUMBER})
    | (?P<blank>_:[{_PN_CHARS_U}0-9][{_PN_CHARS}]*+(?:\.++[{_PN_CHARS}]++)*+)
    | (?P<op><<\(|\)>>|<<|>>|\{{\||\|\}}|\^\^|&&|\|\||!=|<=|>=|[{{}}()\[\].,;*/+\-=<>!|^?~])
    | (?P<end>\Z)
    ))"""
_ESCAPES = re.compile(rf"(?P<keep>{_IRIREF}|{_STRING}|\#[^\r\n]*+)|({_UCHAR})")
_BLANKS = re.compile(r"(?:[ \t\r\n]++|#[^\r\n]*+)*+")


@cache
def _compiled(pattern: str, ascii: bool) -> re.Pattern[str]:
    """A pattern, for any text or for one in ASCII: without the characters beyond, which few queries
    have, it is compiled in a tenth of the time, and each start needs it."""
    return re.compile(re.sub("[^\0-\x7f](-[^\0-\x7f])?", "", pattern) if ascii else pattern)


_OPENING: Final = {"(": ")", "{": "}", "[": "]", "<<": ">>", "<<(": ")>>", "{|": "|}"}
_CLOSING: Final = frozenset(_OPENING.values())
_OPERATORS: Final = frozenset(("&&", "||", "!=", "<=", ">=", *"*/+-=<>!|^"))
#: Functions before whose bracket the engine allows no blank.
_TIGHT: Final = frozenset(("BNODE", "COALESCE", "CONCAT"))
_TERMS: Final = frozenset(("var", "pname", "iri", "string", "lang", "number", "blank"))


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A variable in a query: its name, place in the text (offsets), and what it does there."""

    name: str
    start: int
    end: int
    role: Role


class Query(NamedTuple):
    """A query that was inspected.

    ``text`` is what the engine is given; ``key`` is the same for texts that differ only in white
    space, comments and the case of keywords. ``default_graphs`` and ``named_graphs`` are the
    resolved IRIs of FROM and FROM NAMED; ``volatile`` says that two evaluations may differ
    (RAND, NOW, UUID, STRUUID, BNODE, blank nodes in a template), so that an answer must not be
    cached.
    """

    text: str
    form: Form
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    key: str = ""
    volatile: bool = False


def inspect(text: str) -> Query:
    """Reads a query. Takes any string, of which codepoint escapes are processed (19.2).

    Raises SyntaxFault (with the place) for what is no SPARQL token, an undeclared prefix or
    brackets that do not pair; QueryError for an empty query; QueryRefused for updates, SERVICE
    and graphs to be read from elsewhere than http(s); LimitExceeded for a query that is too large.
    """
    if len(text) <= _REMEMBERED:
        return _remembered(text)
    return _read(text).query()


@lru_cache(maxsize=512)
def _remembered(text: str) -> Query:
    return _by_shape(text) or _read(text).query()


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
        query = _Reader(filled).query()
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


def _read(text: str) -> _Reader:
    text = _unescape(text.removeprefix("\ufeff"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        _fault(
            text,
            error.start,
            Text("un demi-codet isolé n'est pas du texte", "a lone surrogate is not text"),
        )
    if size > MAX_BYTES:
        raise _limit(
            Text(
                f"la requête fait {size} octets ; la limite est de {MAX_BYTES >> 10} Kio",
                f"the query is {size} bytes long; the limit is {MAX_BYTES >> 10} KiB",
            ),
            f"{MAX_BYTES >> 10} KiB",
        )
    return _Reader(text)


def bind(query: Query, bindings: Mapping[str, str]) -> Query:
    """The query with variables fixed: each occurrence of ``?name`` becomes the given term.

    Takes a mapping of variable name to N-Triples term (an IRI or a literal). The variable stays
    in the result of a SELECT that names it. Works on tokens, never by pasting text, and on any
    engine. Raises QueryError where the query itself assigns the variable, or the term is none.
    """
    if not bindings:
        return query
    for name, term in bindings.items():
        if not _TERM.fullmatch(term):
            raise QueryError(
                Text(
                    f"la valeur de ?{name} n'est ni un IRI ni un littéral : {term[:80]}",
                    f"the value of ?{name} is neither an IRI nor a literal: {term[:80]}",
                )
            )
    pieces: list[str] = []
    end = 0
    occurrences = _occurrences(query.text)
    projected = {occurrence.name for occurrence in occurrences if occurrence.role == "project"}
    for occurrence in occurrences:
        if occurrence.name in bindings:
            pieces.append(query.text[end : occurrence.start])
            pieces.append(_substitute(query.text, occurrence, bindings[occurrence.name], projected))
            end = occurrence.end
    pieces.append(query.text[end:])
    fixed = "\n".join(f"{name} {term}" for name, term in sorted(bindings.items()))
    return query._replace(text="".join(pieces), key=f"{query.key}\n{fixed}")


def explain(text: str) -> SyntaxFault | None:
    """What is wrong with the form of a query that was inspected: the first token out of place, and
    what could stand there. None where the form is right (by SPARQL 1.1)."""
    reader = _Reader(text)
    reader.query()
    return reader.explain()


def tokens(text: str) -> tuple[tuple[str, str, int], ...]:
    """The tokens of a query that was inspected: kind, text (of a keyword in capitals), offset."""
    reader = _Reader(text)
    reader.query()
    return tuple(reader.tokens)


_BLANK = _BLANKS.pattern
#: ``SELECT *`` after the prologue, and the star in it.
_STAR = re.compile(
    rf"(?:{_BLANK}(?i:PREFIX{_BLANK}[^\s<#]*+{_BLANK}{_IRIREF}|BASE{_BLANK}{_IRIREF}))*+"
    rf"{_BLANK}(?i:SELECT){_BLANK}(?:(?i:DISTINCT|REDUCED){_BLANK})?(\*)"
)
#: A variable, where it is not part of something else.
_MENTION = rf"{_IRIREF}|{_STRING}|#[^\r\n]*+|[?$]([{_PN_CHARS_U}0-9][{_VARNAME}]*+)"
#: With more mentions of variables, a query may be too dear to plan a second time.
_MAX_MENTIONS: Final = 40


def spell_out(text: str, names: Sequence[str]) -> str | None:
    """The query with the variables that ``SELECT *`` stands for, in the order in which it first
    names them; the engine has them in the order of the alphabet. Takes their names; None where
    nothing is to change.
    """
    star = _STAR.match(text) if len(names) > 1 and "*" in text else None
    if star is None:
        return None
    mentions = list(filter(None, _compiled(_MENTION, text.isascii()).findall(text, star.end())))
    ordered = [name for name in dict.fromkeys(mentions) if name in names]
    if len(mentions) > _MAX_MENTIONS or len(ordered) != len(names) or ordered == list(names):
        return None
    listed = "".join(f" ?{name}" for name in ordered)
    return f"{text[: star.start(1)]}{listed} {text[star.end() :]}"


@lru_cache(maxsize=256)
def _occurrences(text: str) -> tuple[Occurrence, ...]:
    """The variables of a query that was inspected."""
    reader = _Reader(text)
    reader.query()
    return tuple(reader.variables)


_TERM = re.compile(rf'{_IRIREF}|"(?:[^"\\\n\r]|\\[^\n\r])*+"(?:@[A-Za-z0-9-]+|\^\^{_IRIREF})?')


def _substitute(text: str, at: Occurrence, term: str, projected: set[str]) -> str:
    if at.role == "assign":
        raise QueryError(
            Text(
                f"?{at.name} est un paramètre : la requête ne peut pas lui donner de valeur",
                f"?{at.name} is a parameter: the query cannot assign it",
            ),
            at=_position(text, at.start),
        )
    if at.role == "project":
        return f" ({term} AS ?{at.name}) "
    if at.role == "inner":
        # Of the sub-SELECT, which must not give its name to what the outer SELECT assigns.
        return f" ({term} AS ?{at.name}{'__' if at.name in projected else ''}) "
    if at.role == "by":
        return f" ({term}) "
    if at.role == "bound":
        # BOUND takes only a variable (rule 121), and this one has a value. SPARQL has no constant
        # variable, so the question is put to something that is always bound.
        return f"{text[at.start : at.end]}__) || (true"
    return f" {term} "


#: Where blanks may stand, outside IRIs, strings and comments.
_BREAK = re.compile(r"(?<!\\)[ \t\r\n{}()\[\],;]|\Z")
_NAMES = f"[{_PN_CHARS}]*"


def _unescape(text: str) -> str:
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


def _position(text: str, offset: int) -> Position:
    start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, offset) + 1, offset - start + 1)


def _fault(text: str, offset: int, message: Text) -> NoReturn:
    raise SyntaxFault(message, at=_position(text, offset))


def _limit(text: Text, value: str) -> LimitExceeded:
    return LimitExceeded(text, limit="query", value=value)


def _long_iri() -> LimitExceeded:
    return _limit(
        Text(
            f"un IRI de graphe, de préfixe ou de base de plus de {MAX_IRI} signes",
            f"an IRI of a graph, prefix or base of more than {MAX_IRI} characters",
        ),
        f"{MAX_IRI} characters of an IRI",
    )


class _Frame:
    """An open bracket: what it is, what is read in it, and how much it holds."""

    __slots__ = ("closing", "inside", "joined", "kind", "last", "offset", "patterns", "region")

    def __init__(self, kind: str, region: str, closing: str, offset: int, joined: str) -> None:
        self.kind = kind  # group, data, template, expression, list (collection, path or row)
        self.region = region  # prologue, select, dataset, modifiers, values, pattern
        self.closing = closing
        self.offset = offset
        self.joined = joined  # the keyword before it: UNION, MINUS, EXISTS …
        self.patterns = 0
        self.inside = False  # of a triple pattern
        self.last = 0  # the patterns of the group that closed just now


class _Reader:
    """One pass over the tokens of a query."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stack = [_Frame("group", "prologue", "", 0, "")]
        self.form: Form | None = None
        self.base = BASE
        self.prefixes: dict[str, str] = {}
        self.graphs: dict[str, list[str]] = {"FROM": [], "NAMED": []}
        self.variables: list[Occurrence] = []
        self.tokens: list[tuple[str, str, int]] = []  # kind, text, offset
        self.mends: list[tuple[int, str]] = []  # offset, what the engine is given there
        self.clauses = 0
        self.operators = 0
        self.volatile = False
        self.templated = False  # the query has a template, or had one
        # The two tokens before: (kind, text); the text of a keyword is in capitals.
        self.previous: tuple[str, str] = ("", "")
        self.before: tuple[str, str] = ("", "")

    def query(self) -> Query:
        """Reads the text whole."""
        text, match = self.text, _compiled(_TOKEN, self.text.isascii()).match
        readers: dict[str, Callable[[str, int], None]] = {
            "var": self._var,
            "pname": self._pname,
            "iri": self._iri,
            "word": self._word,
            "string": self._plain,
            "number": self._number,
            "blank": self._plain,
            "lang": self._lang,
            "op": self._op,
        }
        offset = 0
        while True:
            found = match(text, offset)
            if found is None:
                self._unreadable(offset)
            kind = found.lastgroup or ""
            start, offset = found.span(kind)
            if kind == "end":
                break
            token = text[start:offset]
            if (kind == "iri" or token == "<<") and self._compares():
                kind, token = ("op", "<=") if token[1] == "=" else ("op", "<")
                offset = start + len(token)
            elif kind == "word":
                token = self._keyword(token, start)
                offset = start + len(token)
                token = token if token == "a" else token.upper()
            readers[kind](token, start)
            self.tokens.append((kind, token, start))
            self.before, self.previous = self.previous, (kind, token)
        return self._query()

    def _query(self) -> Query:
        if len(self.stack) > 1:
            frame = self.stack[-1]
            opening = next(o for o, c in _OPENING.items() if c == frame.closing)
            self._fault(
                frame.offset,
                Text(f"« {opening} » n'est jamais fermé", f'"{opening}" is never closed'),
            )
        if not self.tokens:
            raise QueryError(Text("la requête est vide", "the query is empty"), at=Position(1))
        if self.form is None:
            self._misplaced(len(self.text), Text("requête incomplète", "incomplete query"))
        return Query(
            self._mended(),
            self.form,
            tuple(self.graphs["FROM"]),
            tuple(self.graphs["NAMED"]),
            " ".join([token for _, token, _ in self.tokens]),
            self.volatile,
        )

    def _mended(self) -> str:
        """The text with what the engine reads too strictly in its own words, of the same length."""
        pieces: list[str] = []
        end = 0
        for start, instead in self.mends:
            pieces += (self.text[end:start], instead)
            end = start + len(instead)
        return "".join((*pieces, self.text[end:]))

    # --- one function for each kind of token ------------------------------------------------

    def _var(self, token: str, start: int) -> None:
        self._term()
        self.variables.append(Occurrence(token[1:], start, start + len(token), self._role()))

    def _role(self) -> Role:
        frame, (kind, before) = self.stack[-1], self.previous
        if before == "AS" or frame.region == "values":
            return "assign"
        if before == "(" and self.before == ("word", "BOUND"):
            return "bound"
        if frame.kind != "group" or before == "GRAPH":
            return "term"
        if frame.region == "modifiers" and kind:
            return "by"
        if frame.region != "select":
            return "term"
        return "project" if len(self.stack) == 1 else "inner"

    def _pname(self, token: str, start: int) -> None:
        prefix, _, local = token.partition(":")
        if self.previous[1] == "PREFIX":
            return
        if prefix not in self.prefixes:
            if prefix in ("http", "https") and self.text.startswith("//", start + len(prefix) + 1):
                self._misplaced(
                    start,
                    Text(
                        "un IRI se met entre < et > : <http://…>",
                        "an IRI stands between < and >: <http://…>",
                    ),
                )
            declared = f"PREFIX {prefix}: <{PREFIXES.get(prefix, '…')}>"
            message = Text(
                f"le préfixe « {prefix}: » n'est pas déclaré ({declared})",
                f'the prefix "{prefix}:" is not declared ({declared})',
            )
            raise self.misplaced() or SyntaxFault(message, at=_position(self.text, start))
        self._term()
        if self._names_graph():
            self._graph(self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local), start)

    def _iri(self, token: str, start: int) -> None:
        iri = re.sub(_UCHAR, _uchar, token[1:-1]) if "\\" in token else token[1:-1]
        if self.previous[1] == "BASE":
            self.base = self._resolve(iri)
        elif self.before[1] == "PREFIX":
            self.prefixes[self.previous[1][:-1]] = self._resolve(iri)
        else:
            self._term()
            if self._names_graph():
                self._graph(self._resolve(iri), start)

    def _plain(self, token: str, start: int) -> None:
        if token.startswith("_:"):
            self._blank()
        self._term()

    def _blank(self) -> None:
        """In a template each solution has a blank node of its own, with a label that is new at
        each evaluation (16.2.1)."""
        inside = not self.templated or any(frame.kind == "template" for frame in self.stack)
        if self.form == "CONSTRUCT" and inside:
            self.volatile = True

    def _lang(self, token: str, start: int) -> None:
        """A language tag belongs to the string before it."""

    def _number(self, token: str, start: int) -> None:
        if token[0] in "+-" and self._after_term() and self.stack[-1].kind == "expression":
            self._operator()  # ?x+1 reads as two terms, and adds (rule 116)
        self._term()

    def _word(self, word: str, start: int) -> None:
        if word in _UPDATES:
            self._refuse(
                start,
                Text(
                    f"le service est en lecture seule : {word} est refusé",
                    f"the service is read-only: {word} is refused",
                ),
            )
        if word == "SERVICE":
            self._refuse_service(start)
        frame = self.stack[-1]
        if word in _CLAUSES:
            self._clause()
        if word in _FORMS:
            self._opens_query(frame, word)
        elif word in ("FROM", "WHERE"):
            frame.region = "dataset"
        elif word in ("GROUP", "HAVING", "ORDER"):
            frame.region = "modifiers"  # DESCRIBE may have no group before them
        elif word == "VALUES":
            frame.region = "values"
            self._pattern()
        elif word == "UNION":
            # Branches are planned one by one: what the last added is taken back.
            frame.patterns, frame.last = frame.patterns - frame.last, 0
        elif word in _VOLATILE:
            self.volatile = True
        if word in ("TRUE", "FALSE"):
            self.mends.append((start, word.lower()))  # keywords have any case (19.8)
        if word in ("a", "TRUE", "FALSE", "UNDEF"):
            self._term()
        else:
            frame.inside = False

    def _opens_query(self, frame: _Frame, word: str) -> None:
        if self.form is None:
            self.form = word  # type: ignore[assignment]
        frame.region = "select" if word == "SELECT" else "dataset"

    def _op(self, token: str, start: int) -> None:
        if token in _OPENING:
            self._open(token, start)
        elif token in _CLOSING:
            self._close(token, start)
        elif token in _OPERATORS:
            self._operator()
            if token == "/" and self.stack[-1].kind != "expression":
                self._pattern()  # a sequence path is a join (18.2.2.4)
        elif token in ";,":
            if self.stack[-1].inside:
                self._pattern()
        elif token == ".":
            self.stack[-1].inside = False

    # --- brackets ---------------------------------------------------------------------------

    def _open(self, token: str, start: int) -> None:
        parent = self.stack[-1]
        if token == "{":
            self._clause()
            self._check_service_name(start)
            frame = self._open_brace(parent, start)
            parent.inside = False
        elif token == "(":
            if self.previous[1] in _TIGHT:
                offset, between = self._between(start)
                self.mends.append((offset, "(" + between))
            kind = "expression" if self._opens_expression(parent) else "list"
            frame = _Frame(kind, parent.region, ")", start, "")
            if kind == "list":
                self._blank()
                self._term()
        else:
            # [ … ], << … >>, <<( … )>> and {| … |} stand for triples.
            self._blank()
            self._term()
            self._pattern()
            frame = _Frame("list", "pattern", _OPENING[token], start, token)
        self.stack.append(frame)
        if len(self.stack) > MAX_DEPTH + 1:
            raise _limit(
                Text(
                    f"plus de {MAX_DEPTH} parenthèses ou accolades imbriquées",
                    f"more than {MAX_DEPTH} nested brackets",
                ),
                f"{MAX_DEPTH} levels",
            )

    def _between(self, start: int) -> tuple[int, str]:
        """Where the token before this one ends, and blanks for what stands between them."""
        _, token, offset = self.tokens[-1]
        offset += len(token)
        return offset, _NO_END.sub(" ", self.text[offset:start])

    def _open_brace(self, parent: _Frame, start: int) -> _Frame:
        if parent.region == "values":
            parent.region = "modifiers" if len(self.stack) == 1 else "pattern"
            return _Frame("data", "values", "}", start, "")
        if self.previous[1] == "CONSTRUCT":
            self.templated = True
            return _Frame("template", "pattern", "}", start, "")
        if parent.region in ("select", "dataset") and parent.kind == "group":
            parent.region = "modifiers"  # once this closes
            return _Frame("group", "pattern", "}", start, "WHERE")
        return _Frame("group", "pattern", "}", start, self.previous[1])

    def _opens_expression(self, parent: _Frame) -> bool:
        """Whether ``(`` opens an expression, where ``<`` may compare, or a list of terms."""
        kind, token = self.previous
        if parent.kind == "expression":
            return True
        if parent.region == "values" or parent.kind not in ("group", "template"):
            return False
        if parent.region in ("select", "modifiers"):
            return True
        if kind == "word":
            return token not in ("a", "TRUE", "FALSE")
        return kind in ("iri", "pname") and self.before[1] == "FILTER"

    def _close(self, token: str, start: int) -> None:
        frame = self.stack[-1]
        if token != frame.closing:
            self._misplaced(start, Text(f"« {token} » ne ferme rien", f'"{token}" closes nothing'))
        self.stack.pop()
        if self.previous[1] in ("(", "["):  # a comment is white space (19.4) in NIL and ANON too
            self.mends.append(self._between(start))
        if frame.kind != "group":
            return
        parent = self.stack[-1]
        # What the planner may reorder together counts together; the rest as one.
        alone = frame.joined in ("UNION", "MINUS", "EXISTS") or frame.region == "modifiers"
        parent.last = min(1, frame.patterns) if alone else frame.patterns
        self._pattern(parent.last, parent)

    # --- what is counted --------------------------------------------------------------------

    def _term(self) -> None:
        """A term: in a group, the first of a triple pattern; in a list, an element of it."""
        frame = self.stack[-1]
        if frame.kind == "group" and frame.region == "pattern":
            if not frame.inside:
                frame.inside = True
                self._pattern()
        elif frame.kind == "list" and frame.closing == ")" and frame.region == "pattern":
            self._pattern(2 if self.previous[1] not in ("/", "|", "^", "(", "!") else 0)

    def _pattern(self, count: int = 1, frame: _Frame | None = None) -> None:
        if frame is None:
            frame = next(f for f in reversed(self.stack) if f.closing in ("}", ""))
        if frame.kind != "group":
            return
        frame.patterns += count
        if frame.patterns > MAX_PATTERNS:
            raise _limit(
                Text(
                    f"plus de {MAX_PATTERNS} motifs de triplets dans un groupe",
                    f"more than {MAX_PATTERNS} triple patterns in a group",
                ),
                f"{MAX_PATTERNS} triple patterns",
            )

    def _clause(self) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise _limit(
                Text(
                    f"plus de {MAX_CLAUSES} clauses (groupes, FILTER, AS, agrégats)",
                    f"more than {MAX_CLAUSES} clauses (groups, FILTER, AS, aggregates)",
                ),
                f"{MAX_CLAUSES} clauses",
            )

    def _operator(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise _limit(
                Text(f"plus de {MAX_OPERATORS} opérateurs", f"more than {MAX_OPERATORS} operators"),
                f"{MAX_OPERATORS} operators",
            )

    # --- what is told from the tokens before ------------------------------------------------

    def _after_term(self) -> bool:
        kind, token = self.previous  # a brace in an expression ends an EXISTS
        return kind in _TERMS or token in _CLOSING or token in ("TRUE", "FALSE")

    def _compares(self) -> bool:
        """Whether ``<`` here is the operator, though an IRI could begin with it.

        In an expression a term is never followed by a term, so what follows one is compared: the
        engine reads it so, and ``?a<#b>`` then is a comparison with a comment after it.
        """
        return self.stack[-1].kind == "expression" and self._after_term()

    def _keyword(self, word: str, start: int) -> str:
        """The keyword that a word is or begins with: by the longest match, as in 19.8."""
        if word == "a" or (word.isascii() and word.upper() in _KEYWORDS):
            return word
        # Keywords may stand together; reading a very long word one by one would be quadratic.
        found = _LONGEST_KEYWORD.match(word) if len(word) <= _LONGEST_WORD else None
        if found is None or not _goes_on(word[found.end() :]):
            self._misplaced(
                start, Text(f"mot inconnu : « {word[:40]} »", f'unknown word: "{word[:40]}"')
            )
        return found[0]

    def _graph(self, iri: str, start: int) -> None:
        """Takes the IRI of FROM or FROM NAMED (13.2)."""
        graphs = self.graphs[self.previous[1]]
        if len(graphs) >= MAX_GRAPHS:
            raise _limit(
                Text(f"plus de {MAX_GRAPHS} graphes", f"more than {MAX_GRAPHS} graphs"),
                f"{MAX_GRAPHS} graphs",
            )
        try:
            require_web_iri(iri)
        except QueryError as error:
            error.at = _position(self.text, start)
            raise
        graphs.append(iri)

    def _names_graph(self) -> bool:
        """Whether what stands here is the name of a graph of the dataset."""
        return self.previous in (("word", "FROM"), ("word", "NAMED"))

    def _resolve(self, iri: str) -> str:
        if len(iri) > MAX_IRI or len(self.base) > MAX_IRI:
            raise _long_iri()
        return iri if _ABSOLUTE.match(iri) else _resolved(self.base, iri)

    def _check_service_name(self, start: int) -> None:
        """Refuses ``SERVICE:x {``, which is no SPARQL, but which the engine would call."""
        kind, token = self.previous
        if kind != "pname" or "service" not in token.partition(":")[0].lower():
            return
        if self.before[1] in ("GRAPH", "FROM", "NAMED", "DESCRIBE"):
            return
        # Where the name of a term may stand, and then a brace, the engine reads them so too.
        read = [*((kind, token) for kind, token, _ in self.tokens), ("op", "{")]
        found = grammar.expected(read) if len(read) < _FEW else None
        if found is None or found[0] < len(read):
            self._refuse_service(start)

    def _refuse_service(self, start: int) -> NoReturn:
        self._refuse(
            start,
            Text(
                "SERVICE est refusé : ce service n'interroge aucun autre serveur",
                "SERVICE is refused: this service does not query other servers",
            ),
        )

    def _refuse(self, start: int, message: Text) -> NoReturn:
        raise QueryRefused(message, at=_position(self.text, start))

    def _unreadable(self, offset: int) -> NoReturn:
        blanks = _BLANKS.match(self.text, offset)
        start = blanks.end() if blanks else offset
        sign = self.text[start : start + 1]
        if sign in ("'", '"'):
            self._fault(start, Text("chaîne jamais fermée", "this string is never closed"))
        shown = sign if sign.isprintable() else ascii(sign)
        self._misplaced(
            start, Text(f"caractère inattendu : {shown}", f"unexpected character: {shown}")
        )

    def _misplaced(self, offset: int, message: Text) -> NoReturn:
        """Says what could stand here, or in the place of the first token that is out of place."""
        raise self.misplaced() or self._expecting(offset, message)

    def _expecting(self, offset: int, message: Text) -> SyntaxFault:
        found = grammar.expected([*((kind, token) for kind, token, _ in self.tokens), ("", "")])
        if found is not None:
            french, english = found[1]
            message = Text(
                f"{message.fr} ; attendu : {french}", f"{message.en}; expected: {english}"
            )
        return SyntaxFault(message, at=_position(self.text, offset))

    def misplaced(self) -> SyntaxFault | None:
        """The fault of the first token that was read and is out of place."""
        found = grammar.expected((kind, token) for kind, token, _ in self.tokens)
        if found is None or found[0] == len(self.tokens):
            return None
        index, (french, english) = found
        _, token, start = self.tokens[index]
        if token == "<":
            french += " (un IRI est fermé par >, sans blanc)"
            english += " (an IRI is closed by >, and has no blank)"
        return SyntaxFault(
            Text(
                f"« {token[:40]} » n'a pas sa place ici ; attendu : {french}",
                f'"{token[:40]}" is out of place here; expected: {english}',
            ),
            at=_position(self.text, start),
        )

    def explain(self) -> SyntaxFault | None:
        """What is wrong with the form of the query, read whole."""
        end = len(self.text.rstrip())
        incomplete = Text("requête incomplète", "incomplete query")
        found = grammar.expected((kind, token) for kind, token, _ in self.tokens)
        return found and (self.misplaced() or self._expecting(end, incomplete))

    def _fault(self, offset: int, message: Text) -> NoReturn:
        _fault(self.text, offset, message)


_NO_END = re.compile(r"[^\r\n]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


#: Authority, path, query and fragment (RFC 3986, appendix B).
_PIECES = re.compile(r"(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?")


def _resolved(base: str, iri: str) -> str:
    """An IRI without a scheme as its base makes it (RFC 3986, 5.2.2), which ``urljoin`` does not
    where segments or a query are empty."""
    scheme, _, rest = base.partition(":")
    found, own = _PIECES.match(rest), _PIECES.match(iri)
    assert found
    assert own
    host, path, query = found[1], found[2], own[3]
    if own[1] is not None:
        host, path = own[1], _without_dots(own[2])
    elif own[2]:
        above = path.rpartition("/")[0] + "/" if path or host is not None else ""
        path = _without_dots(own[2] if own[2].startswith("/") else above + own[2])
    elif query is None:
        query = found[3]
    start = scheme + ":" if host is None else f"{scheme}://{host}"
    return f"{start}{path}{query or ''}{own[4] or ''}"


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _goes_on(rest: str) -> bool:
    """Whether tokens may begin with what a keyword leaves of a word: else it was no keyword."""
    return not rest[:1].isalpha() or rest[0] == "a" or _LONGEST_KEYWORD.match(rest) is not None


def _uchar(match: re.Match[str]) -> str:
    return _character(match[0])


def _character(escape: str) -> str:
    """The character of an escape; one beyond Unicode stands for itself."""
    code = int(escape[2:], 16)
    return chr(code) if code < 0x110000 else escape


def require_web_iri(iri: str) -> None:
    """Holds the IRI of a graph to http(s). Raises QueryRefused for another scheme (file:, ftp:),
    QueryError for what is no absolute IRI, LimitExceeded for one that is too long.
    """
    shown = iri[:80]
    if len(iri) > MAX_IRI:
        raise _long_iri()
    if not _ABSOLUTE.match(iri):
        raise QueryError(
            Text(
                f"l'IRI d'un graphe doit être absolu : {shown}",
                f"the IRI of a graph must be absolute: {shown}",
            )
        )
    if not re.fullmatch(_IRIREF, f"<{iri}>"):
        raise QueryError(
            Text(
                f"l'IRI d'un graphe contient un signe qu'aucun IRI n'a : {shown}",
                f"the IRI of a graph holds a sign that no IRI has: {shown}",
            )
        )
    if iri.partition(":")[0].lower() not in ("http", "https"):
        raise QueryRefused(
            Text(
                f"seuls des graphes http(s) peuvent être nommés, pas {shown}",
                f"only http(s) graphs may be named, not {shown}",
            )
        )
