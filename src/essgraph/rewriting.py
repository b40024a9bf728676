"""Queries in other words: with variables fixed, ``SELECT *`` spelt out, what ORDER BY compares told
apart, and what the engine does not read, or counts otherwise, said as it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from essgraph.errors import QueryError, Text
from essgraph.query import tokens
from essgraph.reader import Occurrence, Query, Reader, position
from essgraph.terminals import (
    AGGREGATES,
    BLANKS,
    FORMS,
    IRIREF,
    PN_CHARS_U,
    STRING,
    VARNAME,
    compiled,
)

#: Kind, text (of a keyword in capitals), offset.
Token: TypeAlias = tuple[str, str, int]
#: From where to where, and what stands there instead.
Edit: TypeAlias = tuple[int, int, str]


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


_BLANK = BLANKS.pattern
#: ``SELECT *`` after the prologue, and the star in it.
_STAR = re.compile(
    rf"(?:{_BLANK}(?i:PREFIX{_BLANK}[^\s<#]*+{_BLANK}{IRIREF}|BASE{_BLANK}{IRIREF}))*+"
    rf"{_BLANK}(?i:SELECT){_BLANK}(?:(?i:DISTINCT|REDUCED){_BLANK})?(\*)"
)
#: A variable, where it is not part of something else.
_MENTION = rf"{IRIREF}|{STRING}|\\.|#[^\r\n]*+|[?$]([{PN_CHARS_U}0-9][{VARNAME}]*+)"
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
    mentions = list(filter(None, compiled(_MENTION, text.isascii()).findall(text, star.end())))
    ordered = [name for name in dict.fromkeys(mentions) if name in names]
    if len(mentions) > _MAX_MENTIONS or len(ordered) != len(names) or ordered == list(names):
        return None
    listed = "".join(f" ?{name}" for name in ordered)
    return f"{text[: star.start(1)]}{listed} {text[star.end() :]}"


@lru_cache(maxsize=512)
def projected(text: str) -> frozenset[str] | None:
    """The variables of the solutions of a SELECT that was inspected (18.2.4.4); None where it is
    for the engine to say, as of ``*``."""
    depth = 0
    named: set[str] = set()
    before = ""
    found = iter(tokens(text))
    next(it for it in found if it[1] == "SELECT")
    for kind, token, _ in found:
        if not depth and token in ("WHERE", "FROM", "{"):
            break
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(token, 0)
        if not depth and token == "*":
            return None
        if kind == "var" and (not depth or (depth == 1 and before == "AS")):
            named.add(token[1:])
        before = token
    return frozenset(named)


@lru_cache(maxsize=256)
def _occurrences(text: str) -> tuple[Occurrence, ...]:
    """The variables of a query that was inspected."""
    reader = Reader(text)
    reader.query()
    return tuple(reader.variables)


_TERM = re.compile(rf'{IRIREF}|"(?:[^"\\\n\r]|\\[^\n\r])*+"(?:@[A-Za-z0-9-]+|\^\^{IRIREF})?')


def _substitute(text: str, at: Occurrence, term: str, projected: set[str]) -> str:
    if at.role == "assign":
        raise QueryError(
            Text(
                f"?{at.name} est un paramètre : la requête ne peut pas lui donner de valeur",
                f"?{at.name} is a parameter: the query cannot assign it",
            ),
            at=position(text, at.start),
        )
    if at.role == "project":
        return f" ({term} AS ?{at.name}) "
    if at.role == "inner":
        # Of the sub-SELECT, which must not give its name to what the outer SELECT assigns.
        return f" ({term} AS ?{at.name}{'__' if at.name in projected else ''}) "
    if at.role == "by":
        return f" ({term}) "
    if at.role == "bound":
        return "(true"  # BOUND takes only a variable (rule 121), and this one has a value
    return f" {term} "


_SPACE = r"[ \t\r\n]*+"  # and no comment, in which anything may stand
_VARIABLE = rf"[?$][{PN_CHARS_U}0-9][{VARNAME}]*+"
_CONDITION = rf"{_SPACE}(?:{_VARIABLE}|(?i:ASC|DESC){_SPACE}\({_SPACE}{_VARIABLE}{_SPACE}\))"
_EACH = rf"(?:(?i:(ASC|DESC)){_SPACE}\({_SPACE}({_VARIABLE}){_SPACE}\)|({_VARIABLE}))"
#: Variables by which the solutions of a whole query are ordered, after its last brace.
_ORDER_BY = (
    rf"\}}{_SPACE}(?i:ORDER[ \t\r\n]++BY)((?:{_CONDITION})++)"
    rf"{_SPACE}(?:(?i:LIMIT|OFFSET){_SPACE}[0-9]++{_SPACE})*+\Z"
)
#: No data has it. (As a predicate, not ``a|!a``: where two join the same two things, the engine
#: finds them once.)
_NONE: Final = "urn:x-essgraph:none"
_ORDER = re.compile("ORDER", re.IGNORECASE)
#: A text up to 16 bytes stands in the engine's terms: of most, that many characters do.
_BEGINNING = 12


def as_evaluated(text: str) -> str:
    """The query in the words in which the engine answers it right, and fast: the same where it has
    nothing of that kind, as most have not."""
    words = text.upper()
    if 0 <= words.find("GRAPH") < words.rfind("SELECT"):
        text = select_by_graph(text)
    if "COUNT" in words:
        text = count_values(text)
    return order_by_beginning(text) if "ORDER" in words else text


def order_by_beginning(text: str) -> str:
    """The query with each variable of ORDER BY after the beginning of its text: what differs there
    is in the right order, and the engine, which looks up two whole texts each time it compares
    them, need not. What has no text (an IRI, a number) has no beginning, and comes before it; of
    that, numbers last: the engine's comparisons of them with dates contradict one another.
    """
    found = _ordered(text)
    if found is None and (order := _ORDER.search(text)) and "#" in text[order.start() :]:
        text = _without_comments(text)
        found = _ordered(text)
    if found is None:
        return text

    def with_beginning(condition: re.Match[str]) -> str:
        direction, bracketed, bare = condition.groups()
        variable = bracketed or bare
        beginning = f"STR(SUBSTR({variable}, 1, {_BEGINNING}))"
        either = f"COALESCE({beginning}, IF(ISNUMERIC({variable}), <{_NONE}>, 1 / 0))"
        return f" {direction or ''}({either}) {condition[0]}"

    conditions = compiled(_EACH, text.isascii()).sub(with_beginning, found[1])
    return text[: found.start(1)] + conditions + text[found.end(1) :]


def _ordered(text: str) -> re.Match[str] | None:
    last = text.rfind("}")
    return compiled(_ORDER_BY, text.isascii()).match(text, last) if last >= 0 else None


def _without_comments(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for _, token, start in tokens(text):
        between = text[end:start]
        pieces += (" " if "#" in between else between, text[start : start + len(token)])
        end = start + len(token)
    return "".join(pieces)


#: COUNT of more than a variable.
_COUNTED = (
    rf"(?i:COUNT){_BLANK}\({_BLANK}(?:(?i:DISTINCT){_BLANK})?+(?!(?:\*|{_VARIABLE}){_BLANK}\))"
)


def count_values(text: str) -> str:
    """The query with each COUNT of an expression as a number that its errors leave (18.5.1.2): the
    engine has none as soon as one solution gives an error.
    """
    if compiled(_COUNTED, text.isascii()).search(text) is None:
        return text
    return _edited(text, _values_counted(text, tokens(text)))


def _values_counted(text: str, found: Sequence[Token]) -> Iterator[Edit]:
    end = 0
    for at, (kind, token, start) in enumerate(found):
        last = _closing(found, at + 1) if (kind, token) == ("word", "COUNT") else None
        if last is None or start < end:  # there may be a SELECT in what is counted
            continue
        distinct = found[at + 2][1] == "DISTINCT"
        first = at + 2 + distinct
        if last - first < 2:
            continue  # a term
        counted = text[found[first][2] : found[last][2]]
        if distinct:
            instead = (
                f"(COUNT(DISTINCT COALESCE({counted}, <{_NONE}>))"
                f" - COALESCE(MAX(COALESCE(IF(ISIRI({counted}), 0, 0), 1)), 0))"
            )
        else:
            instead = f"SUM(COALESCE(IF(ISIRI({counted}), 1, 1), 0))"
        end = found[last][2] + 1
        yield start, end, instead


#: GRAPH with a variable, and SELECT somewhere after it.
_GRAPH = re.compile(rf"(?i:GRAPH){_BLANK}[?$]")
_SELECT = re.compile("SELECT", re.IGNORECASE)


def select_by_graph(text: str) -> str:
    """The query with the variable of GRAPH in each SELECT inside it that does not name it: the
    pattern is evaluated graph by graph (18.6), where the engine would take all graphs at once and
    leave the variable unbound. A SELECT with LIMIT or OFFSET stays as it is.
    """
    graph = _GRAPH.search(text)
    if graph is None or _SELECT.search(text, graph.end()) is None:
        return text
    return _edited(text, _named_by_graph(tokens(text)))


def _named_by_graph(found: Sequence[Token]) -> Iterator[Edit]:
    graphs = [""]  # of the braces that are open: the variable of GRAPH
    for at, (_, token, _) in enumerate(found):
        if token == "{":
            kind, name, _ = found[at - 1]
            named = found[at - 2][1] == "GRAPH"
            graphs.append((name if kind == "var" else "") if named else graphs[-1])
        elif token == "}":
            graphs.pop()
        elif token == "SELECT" and graphs[-1]:
            yield from _with_variable(found, at, graphs[-1])


def _with_variable(found: Sequence[Token], at: int, variable: str) -> Iterator[Edit]:
    """The edits by which the SELECT at a token, inside a group, has one more variable."""
    own: list[Token] = []  # its tokens outside braces
    opened = closed = end = 0  # its group, and the brace after its modifiers
    braces = brackets = 0
    for end in range(at, len(found)):
        kind, token, _ = found[end]
        if kind == "var" and token[1:] == variable[1:]:
            return
        if token == "{":
            opened = opened or (end if not braces + brackets else 0)
            braces += 1
        elif token == "}":
            braces -= 1
            if braces < 0:
                break
            closed = closed or (end if not braces + brackets else 0)
        elif not braces:
            brackets += {"(": 1, ")": -1}.get(token, 0)
            own.append(found[end])
    own += [found[end]] * 2  # of what is no SPARQL there may be less
    words = [token for _, token, _ in own]
    if "LIMIT" in words or "OFFSET" in words:
        return
    clause = 2 if words[1] in ("DISTINCT", "REDUCED") else 1
    if words[clause] == "*":  # all of its group
        yield found[opened][2], found[opened][2], f"{{ GRAPH {variable} "
        yield found[closed][2] + 1, found[closed][2] + 1, " }"
        return
    yield own[clause][2], own[clause][2], f"{variable} "
    if "GROUP" in words:
        start = own[words.index("GROUP") + 2][2]
        yield start, start, f"{variable} "
    elif not AGGREGATES.isdisjoint(words):
        start = found[closed][2] + 1
        yield start, start, f" GROUP BY {variable} "


def order_by_type(query: Query) -> Query | None:
    """The query with each condition of ORDER BY after one that keeps types apart (15.1 leaves open
    how literals of different types compare): values of many types have the engine's sort find that
    its comparisons contradict one another, and end the process. None where nothing is ordered.
    """
    found = tokens(query.text)
    pieces: list[str] = []
    end = 0
    for at in range(2, len(found)):
        if found[at - 2][1] == "ORDER" and found[at - 1][1] == "BY":
            for start, direction, value in _conditions(query.text, found, at):
                by = f"IF(ISNUMERIC({value}), '', STR(DATATYPE({value})))"
                pieces += (query.text[end:start], f"{direction}({by}) ")
                end = start
    return query._replace(text="".join((*pieces, query.text[end:]))) if pieces else None


#: The variable of a SELECT of which ASK only wants to know whether it has a solution.
_FRESH: Final = "essgraph"


def in_other_words(text: str) -> str | None:
    """What the engine refuses of SPARQL 1.1, in words that it reads; None where there is nothing of
    that. Takes a query whose form is right.

    ``!()`` excludes no predicate (18.2.2.3), as one does that there is not. SELECT names a set of
    variables: the second of a name adds nothing (18.2.4.4). ASK of groups is ASK of a SELECT of
    them.
    """
    found = tokens(text)
    edits = [*_empty_sets(found), *_named_twice(found), *_asked_groups(found)]
    return _edited(text, edits) if edits else None


def _edited(text: str, edits: Iterable[Edit]) -> str:
    pieces: list[str] = []
    end = 0
    for start, stop, instead in sorted(edits):
        pieces += (text[end:start], instead)
        end = stop
    return "".join((*pieces, text[end:]))


def _empty_sets(found: Sequence[Token]) -> Iterator[Edit]:
    for (_, sign, start), (_, opening, _), (_, closing, end) in zip(
        found, found[1:], found[2:], strict=False
    ):
        if (sign, opening, closing) == ("!", "(", ")"):
            yield start, end + 1, f"!<{_NONE}>"


def _named_twice(found: Sequence[Token]) -> Iterator[Edit]:
    open_: list[tuple[int, set[str]]] = []  # the SELECT clauses: how deep they stand, and names
    depth = 0
    before = ""
    for kind, token, start in found:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(token, 0)
        if token == "SELECT":
            open_.append((depth, set()))
        elif open_ and (token in ("WHERE", "FROM") or (token == "{" and depth == open_[-1][0] + 1)):
            open_.pop()
        elif open_ and kind == "var":
            level, named = open_[-1]
            if depth == level and token[1:] in named:
                yield start, start + len(token), ""
            if depth == level or (depth == level + 1 and before == "AS"):
                named.add(token[1:])
        before = token


def _asked_groups(found: Sequence[Token]) -> Iterator[Edit]:
    if not modifier(found, ("ASK",), ("GROUP", "HAVING", "ORDER")):
        return
    start = next(start for _, token, start in found if token == "{")
    fresh = _FRESH
    while any(token[1:] == fresh for kind, token, _ in found if kind == "var"):
        fresh += "_"
    yield start, start, f"{{ SELECT (1 AS ?{fresh}) "
    _, last, end = found[-1]
    yield end + len(last), end + len(last), " }"


def modifier(found: Sequence[Token], forms: Sequence[str], words: Sequence[str]) -> Token | None:
    """The first of some words among the solution modifiers of a query, by its tokens; None where
    there is none, or the query is of another form."""
    if next(token for _, token, _ in found if token in FORMS) not in forms:
        return None
    depth = 0
    for it in found:
        depth += {"{": 1, "}": -1}.get(it[1], 0)
        if not depth and it[1] in words:
            return it
    return None


def _conditions(text: str, found: Sequence[Token], at: int) -> Iterator[tuple[int, str, str]]:
    """The conditions of ORDER BY from a token on: offset, ASC, DESC or nothing, and expression."""
    while at < len(found):
        kind, token, start = found[at]
        direction = token if token in ("ASC", "DESC") else ""
        last = at if kind == "var" else _closing(found, at + (token != "("))
        if last is None:
            return
        _, closing, end = found[last]
        begin = found[at + 1][2] if direction else start
        yield start, direction, text[begin : end + (len(closing) if kind == "var" else 1)]
        at = last + 1


def _closing(found: Sequence[Token], at: int) -> int | None:
    """Where the bracket closes that opens at a token, if one does."""
    depth = 0
    for n in range(at, len(found)):
        depth += {"(": 1, ")": -1}.get(found[n][1], 0)
        if depth <= 0:
            return n if n > at else None
    return None
