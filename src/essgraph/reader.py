"""The tokens of a query, read one by one into what the layers above need to know of it.

It is no parser: what it lets through may still be refused by the engine. But what the engine would
*execute* is told from the same tokens: where the engine's grammar reads more freely than the
specification (keywords without a boundary, ``<`` before a comment), the reading here is the
stricter one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, NoReturn

from essgraph import grammar
from essgraph.errors import LimitExceeded, Position, QueryError, QueryRefused, SyntaxFault, Text
from essgraph.iris import ABSOLUTE, MAX_IRI, long_iri, require_web_iri, resolved
from essgraph.names import BASE, PREFIXES
from essgraph.terminals import (
    BLANKS,
    CLAUSES,
    CLOSING,
    FORMS,
    KEYWORDS,
    LONGEST_KEYWORD,
    LONGEST_WORD,
    OPENING,
    OPERATORS,
    TERMS,
    TIGHT,
    TOKEN,
    UCHAR,
    UPDATES,
    VOLATILE,
    compiled,
    goes_on,
    uchar,
    unescape,
)

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
MAX_GRAPHS: Final = 2_000  # of its dataset

#: Up to so many tokens their order is looked at again and again, where it matters.
_FEW: Final = 500

_NO_END = re.compile(r"[^\r\n]")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A variable in a query: its name, place in the text (offsets; from BOUND on where that is
    before it), and what it does there."""

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


def read(text: str) -> Reader:
    text = unescape(text.removeprefix("\ufeff"))
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
    return Reader(text)


def position(text: str, offset: int) -> Position:
    start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, offset) + 1, offset - start + 1)


def _fault(text: str, offset: int, message: Text) -> NoReturn:
    raise SyntaxFault(message, at=position(text, offset))


def _limit(text: Text, value: str) -> LimitExceeded:
    return LimitExceeded(text, limit="query", value=value)


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


class Reader:
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
        text, match = self.text, compiled(TOKEN, self.text.isascii()).match
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
            opening = next(o for o, c in OPENING.items() if c == frame.closing)
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
        role, end = self._role(), start + len(token)
        if role == "bound":
            start = self.tokens[-2][2]
        self.variables.append(Occurrence(token[1:], start, end, role))

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
            raise self.misplaced() or SyntaxFault(message, at=position(self.text, start))
        self._term()
        if self._names_graph():
            self._graph(self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local), start)

    def _iri(self, token: str, start: int) -> None:
        iri = re.sub(UCHAR, uchar, token[1:-1]) if "\\" in token else token[1:-1]
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
        if word in UPDATES:
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
        if word in CLAUSES:
            self._clause()
        if word in FORMS:
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
        elif word in VOLATILE:
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
        if token in OPENING:
            self._open(token, start)
        elif token in CLOSING:
            self._close(token, start)
        elif token in OPERATORS:
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
            if self.previous[1] in TIGHT:
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
            frame = _Frame("list", "pattern", OPENING[token], start, token)
        self.stack.append(frame)
        if len(self.stack) > MAX_DEPTH + 1:
            raise _limit(
                Text(
                    f"plus de {MAX_DEPTH} parenthèses ou accolades imbriquées",
                    f"more than {MAX_DEPTH} nested brackets or braces",
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
        return kind in TERMS or token in CLOSING or token in ("TRUE", "FALSE")

    def _compares(self) -> bool:
        """Whether ``<`` here is the operator, though an IRI could begin with it.

        In an expression a term is never followed by a term, so what follows one is compared: the
        engine reads it so, and ``?a<#b>`` then is a comparison with a comment after it.
        """
        return self.stack[-1].kind == "expression" and self._after_term()

    def _keyword(self, word: str, start: int) -> str:
        """The keyword that a word is or begins with: by the longest match, as in 19.8."""
        if word == "a" or (word.isascii() and word.upper() in KEYWORDS):
            return word
        # Keywords may stand together; reading a very long word one by one would be quadratic.
        found = LONGEST_KEYWORD.match(word) if len(word) <= LONGEST_WORD else None
        if found is None or not goes_on(word[found.end() :]):
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
            error.at = position(self.text, start)
            raise
        graphs.append(iri)

    def _names_graph(self) -> bool:
        """Whether what stands here is the name of a graph of the dataset."""
        return self.previous in (("word", "FROM"), ("word", "NAMED"))

    def _resolve(self, iri: str) -> str:
        if len(iri) > MAX_IRI or len(self.base) > MAX_IRI:
            raise long_iri()
        return iri if ABSOLUTE.match(iri) else resolved(self.base, iri)

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
        raise QueryRefused(message, at=position(self.text, start))

    def _unreadable(self, offset: int) -> NoReturn:
        blanks = BLANKS.match(self.text, offset)
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
        return SyntaxFault(message, at=position(self.text, offset))

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
            at=position(self.text, start),
        )

    def explain(self) -> SyntaxFault | None:
        """What is wrong with the form of the query, read whole."""
        end = len(self.text.rstrip())
        incomplete = Text("requête incomplète", "incomplete query")
        found = grammar.expected((kind, token) for kind, token, _ in self.tokens)
        return found and (self.misplaced() or self._expecting(end, incomplete))

    def _fault(self, offset: int, message: Text) -> NoReturn:
        _fault(self.text, offset, message)
