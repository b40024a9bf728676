"""Property paths (SPARQL 1.1 Query, 9) in other words, for engines that do not follow them right.

Our own gives each pair of ends of ``p|q`` once, where both may join it: a path with alternatives
becomes a union of paths without.

Virtuoso 7.2.5 loses solutions along ``p*``, ``p+`` and ``p?``, gives others twice, and leaves the
graph (OpenLink's issues 704, 1078, 895). What it does right are joins, unions and sub-SELECTs: so
a query is rewritten into these before it is sent. A closure becomes the union of its walks of 1, 2
… n steps, each pair of ends once; n is enough when no walk of n + 1 steps comes to a pair that
none of those joins, which the engine itself is asked.

A walk of no steps joins each node of the graph to itself, and nothing else: a term in the query
that is no node of the graph is not joined to itself, as in our own engine (the specification would
have it so, 18.4).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, pairwise, product
from math import prod
from typing import Final, NamedTuple

from essgraph import names
from essgraph.errors import EssgraphError, NotOffered, Text
from essgraph.query import Query, tokens
from essgraph.reader import Reader
from essgraph.terminals import IRIREF, STRING, compiled

#: The most steps that are unfolded.
MAX_STEPS: Final = 12
#: In how many ways they may be taken: the engine multiplies out what each step has in a union.
MAX_WAYS: Final = 27
#: What an unfolded query may have in characters; each step adds to it.
MAX_SIZE: Final = 128 * 1024

#: How many paths without alternatives one with them may become.
MAX_ALTERNATIVES: Final = 64

#: What may hold the sign of alternatives, and is no path.
_BESIDE: Final = rf"{IRIREF}|{STRING}|#[^\r\n]*+"

#: Whether a query has a solution.
Ask = Callable[[str], Awaitable[bool]]

_REPEATS: Final = ("*", "+", "?")
#: What only SPARQL 1.2 has and may hold triples.
_LATER: Final = frozenset(("<<", ">>", "<<(", ")>>", "{|", "|}", "~", "LATERAL"))
_COUNTING: Final = frozenset(
    ("COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT", "GROUP")
)
_TYPE: Final = f"<{names.RDF}type>"
_LITERAL: Final = re.compile(r"[\"'+.0-9-]|(?:true|false)$", re.IGNORECASE)


class _Path(NamedTuple):
    """A path: ``iri``, ``^``, ``/``, ``|``, ``!`` or one of the repeats, and its text, without
    the brackets around it."""

    kind: str
    parts: tuple[_Path, ...]
    text: str

    @property
    def repeats(self) -> bool:
        return self.kind in _REPEATS or any(part.repeats for part in self.parts)

    @property
    def ways(self) -> int:
        """Of how many paths without alternatives it is the union (18.2.2.4). What repeats counts
        as one, for it gives each pair of ends once."""
        match self.kind:
            case "|":
                return sum(part.ways for part in self.parts)
            case "/" | "^":
                return prod(part.ways for part in self.parts)
            case "!":
                return len({part.kind for part in self.parts}) or 1
        return 1

    def divided(self) -> Iterator[str]:
        """These paths."""
        if self.ways == 1:
            yield self.text
        elif self.kind == "|":
            yield from chain.from_iterable(part.divided() for part in self.parts)
        elif self.kind == "/":
            for texts in product(*(part.divided() for part in self.parts)):
                yield "/".join(f"({text})" for text in texts)
        elif self.kind == "^":
            yield from (f"^({text})" for text in self.parts[0].divided())
        else:
            for sign in ("", "^"):
                parts = [sign + p.text for p in self.parts if p.kind == (sign or "iri")]
                yield f"!({'|'.join(parts)})"


class _Link(NamedTuple):
    """A path between two terms, the graph it is sought in (of GRAPH), and whether it matters how
    often a solution comes."""

    start: str
    path: _Path
    end: str
    graph: str
    counted: bool


@dataclass(frozen=True)
class _Block:
    """The place of a block of triples, those of it that stay, and the paths to be unfolded."""

    start: int
    end: int
    kept: str
    links: tuple[_Link, ...]


async def unfold(query: Query, ask: Ask) -> Query:
    """The query without paths that repeat; the same where it has none.

    ``ask`` is asked SELECT queries over the same dataset, and should remember their answers. Raises
    NotOffered for what is not unfolded: more than MAX_STEPS, a blank node or literal at the end
    of such a path, SPARQL 1.2 beside it; and what ``ask`` raises.
    """
    reader = _Reader(query.text, _REPEATS, lambda path, counted: path.repeats)
    blocks = reader.blocks()
    if not blocks:
        return query
    writer = _Writer(reader, query, ask)
    pieces, at = [], 0
    for block in blocks:
        groups = [await writer.link(link) for link in block.links]
        pieces += [query.text[at : block.start], block.kept, *groups]
        at = block.end
    text = " ".join([*pieces, query.text[at:]])
    if len(text) > MAX_SIZE:
        raise _refused(
            f"une fois récrite, la requête dépasse {MAX_SIZE >> 10} Kio",
            f"once rewritten, the query is larger than {MAX_SIZE >> 10} KiB",
        )
    return query._replace(text=text)


def divide(text: str) -> str:
    """The query with its paths of alternatives as unions, where it matters how often a solution
    comes (18.4): the same where that is not so, or where it is no SPARQL 1.1.

    They stay where one has more than MAX_ALTERNATIVES ways, stands between square brackets or ends
    at what has no name, and where the query names a blank node, which may stand in one group only
    (4.1.4).
    """
    if "|" not in text or "_:" in text:
        return text
    bare = compiled(_BESIDE, text.isascii()).sub("", text)
    if "|" not in bare.replace("||", ""):
        return text
    try:
        Reader(text).query()
        blocks = _Reader(text, ("|",), _may_divide).blocks()
    except EssgraphError:
        return text
    pieces, at = [], 0
    for block in blocks:
        pieces += [text[at : block.start], block.kept]
        for start, path, end, *_ in block.links:
            pieces.append(_union([f"{start} {way} {end}" for way in path.divided()]))
        at = block.end
    return " ".join([*pieces, text[at:]])


def _may_divide(path: _Path, counted: bool) -> bool:
    return counted and 1 < path.ways <= MAX_ALTERNATIVES


def _refused(french: str, english: str) -> NotOffered:
    return NotOffered(
        Text(
            "ce moteur ne suit pas de lui-même les chemins p*, p+ et p?, et le service ne peut "
            f"pas les récrire ici : {french}",
            f"this engine does not follow paths p*, p+ and p? by itself, and the service cannot "
            f"rewrite them here: {english}",
        )
    )


class _Reader:
    """Finds the blocks of triples with paths that are wanted, which hold one of the signs. The
    query is one by the grammar."""

    def __init__(
        self, text: str, signs: Sequence[str], wanted: Callable[[_Path, bool], bool]
    ) -> None:
        self.text = text
        self._signs = signs
        self._wanted = wanted  # by a path, and whether it matters how often a solution comes
        self._tokens = [*tokens(text), ("end", "", len(text))]
        self._at = 0
        self._found: list[_Block] = []
        self._first = 0
        self._tested = False  # in EXISTS or MINUS
        self._counted = True

    @property
    def prologue(self) -> str:
        """What stands before the form of the query."""
        return self.text[: self._tokens[self._first][2]]

    def variable(self) -> str:
        """The beginning of variables that the query has not."""
        name = "?path"
        while any(
            kind == "var" and text[1:].startswith(name[1:]) for kind, text, _ in self._tokens
        ):
            name += "_"
        return name

    @property
    def star(self) -> bool:
        """Whether some SELECT shows all variables."""
        heads = ("SELECT", "DISTINCT", "REDUCED")
        return any(a[1] in heads and b[1] == "*" for a, b in pairwise(self._tokens))

    def blocks(self) -> list[_Block]:
        if not any(kind == "op" and text in self._signs for kind, text, _ in self._tokens):
            return []
        forms = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
        while self._tokens[self._first][1] not in forms:
            self._first += 1
        self._at = self._first
        words = [text for kind, text, _ in self._tokens if kind == "word"]
        head = self._tokens[self._first + 1][1]
        cut = "LIMIT" in words or "OFFSET" in words
        once = head == "DISTINCT" or (words.count("SELECT") == 0 and not cut)
        self._counted = not once or words.count("SELECT") > 1 or not _COUNTING.isdisjoint(words)
        self._select("")
        if self._found and any(text in _LATER for _, text, _ in self._tokens):
            raise _refused("la requête emploie aussi SPARQL 1.2", "the query also uses SPARQL 1.2")
        return self._found

    def _text(self) -> str:
        return self._tokens[self._at][1]

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _span(self, start: int) -> str:
        """The text from one token to the one before this."""
        _, text, offset = self._tokens[self._at - 1]
        return self.text[self._tokens[start][2] : offset + len(text)]

    # --- what holds triples -----------------------------------------------------------------

    def _select(self, graph: str) -> None:
        """A query from its form, or a sub-SELECT, to its end."""
        if self._next() == "CONSTRUCT" and self._text() == "{":
            self._skip()
        while self._text() not in ("}", ""):
            self._part(graph)

    def _part(self, graph: str) -> None:
        """A token of what is no triple; groups in it are read, the data of VALUES are not."""
        text = self._text()
        if text == "VALUES":
            while self._text() != "{":
                self._next()
            self._skip()
        elif text == "{":
            self._group(graph)
        else:
            self._next()

    def _skip(self) -> None:
        """From a bracket to behind the one that closes it."""
        depth = 0
        while True:
            text = self._next()
            depth += (text in ("{", "(", "[")) - (text in ("}", ")", "]"))
            if not depth or not text:
                return

    def _group(self, graph: str) -> None:
        before = self._tested
        self._tested = before or self._tokens[self._at - 1][1] in ("EXISTS", "MINUS")
        self._next()
        if self._text() == "SELECT":
            found = len(self._found)
            self._select(graph)
            if self._tested and len(self._found) > found:
                raise _refused(
                    "ils sont dans un sous-SELECT d'EXISTS ou de MINUS",
                    "they are in a sub-SELECT of EXISTS or MINUS",
                )
        while self._text() not in ("}", ""):
            self._element(graph)
        self._next()
        self._tested = before

    def _element(self, graph: str) -> None:
        kind, text = self._kind(), self._text()
        if text == "GRAPH":
            self._next()
            inner = self._next()
            self._group(inner)
        elif text in ("FILTER", "BIND"):
            self._next()
            while self._text() not in ("(", "{"):
                self._next()
            if self._text() == "(":
                depth = 0
                while True:
                    depth += (self._text() == "(") - (self._text() == ")")
                    self._part(graph)
                    if not depth:
                        break
            else:
                self._group(graph)
        elif (kind == "word" and text not in ("TRUE", "FALSE")) or text in ("{", "."):
            self._part(graph)
        else:
            self._block(graph)

    # --- triples ----------------------------------------------------------------------------

    def _block(self, graph: str) -> None:
        start = self._at
        kept: list[str] = []
        links: list[_Link] = []
        while True:
            self._same_subject(graph, kept, links)
            end = self._at
            if self._text() != ".":
                break
            self._next()
            word = self._kind() == "word" and self._text() not in ("TRUE", "FALSE")
            if word or self._text() in ("{", "}", ""):
                break
        if links:
            last = self._tokens[end - 1]
            stay = " . ".join(kept) + (" ." if kept else "")
            found = _Block(self._tokens[start][2], last[2] + len(last[1]), stay, tuple(links))
            if self._at > end:  # a dot may follow a group as it follows a triple
                found = replace(found, end=self._tokens[end][2] + 1)
            self._found.append(found)

    def _same_subject(self, graph: str, kept: list[str], links: list[_Link]) -> None:
        subject = self._node()
        verbs: list[str] = []
        alone = True
        while self._kind() in ("var", "iri", "pname") or self._text() in ("a", "^", "!", "(", ";"):
            if self._text() == ";":
                self._next()
                continue
            alone = False
            start = self._at
            path = None if self._kind() == "var" else self._path()
            if path is None:
                self._next()
            elif self._wanted(path, counted := self._counted and not self._tested):
                links += [self._link(subject, path, end, graph, counted) for end in self._objects()]
                continue
            list(self._objects())
            verbs.append(self._span(start))
        if verbs or alone:
            kept.append(f"{subject} {' ; '.join(verbs)}")

    def _link(self, start: str, path: _Path, end: str, graph: str, counted: bool) -> _Link:
        """What has no name would be another thing in each of the groups that it is written in."""
        for term in (start, end):
            if term.startswith(("_:", "[", "(")):
                raise _refused(
                    f"nommez par une variable ce que désigne « {term[:40]} »",
                    f'name what "{term[:40]}" stands for with a variable',
                )
        return _Link(start, path, end, graph, counted)

    def _objects(self) -> Iterator[str]:
        yield self._node()
        while self._text() == ",":
            self._next()
            yield self._node()

    def _node(self) -> str:
        start = self._at
        if self._text() in ("(", "["):
            self._skip()
            inside = self._tokens[start + 1 : self._at - 1]
            if any(kind == "op" and text in self._signs for kind, text, _ in inside):
                raise _refused(
                    "nommez par une variable ce qui est entre crochets",
                    "name what is between brackets with a variable",
                )
        else:
            self._next()
            if self._kind() == "lang":
                self._next()
            elif self._text() == "^^":
                self._at += 2
        return self._span(start)

    # --- paths ------------------------------------------------------------------------------

    def _path(self) -> _Path:
        return self._between("|", lambda: self._between("/", self._step))

    def _between(self, sign: str, part: Callable[[], _Path]) -> _Path:
        """Parts with a sign between them."""
        start, parts = self._at, [part()]
        while self._text() == sign:
            self._next()
            parts.append(part())
        return parts[0] if len(parts) == 1 else _Path(sign, tuple(parts), self._span(start))

    def _step(self) -> _Path:
        start = self._at
        if self._text() == "^":
            self._next()
            return _Path("^", (self._step(),), self._span(start))
        if self._text() == "!":
            path = self._negated()
        elif self._text() == "(":
            self._next()
            path = self._path()
            self._next()
        else:
            path = _Path("iri", (), self._next())
        if self._kind() == "op" and self._text() in _REPEATS:
            path = _Path(self._next(), (path,), self._span(start))
        return path

    def _negated(self) -> _Path:
        start = self._at
        self._next()
        several = self._text() == "("
        if several:
            self._next()
        found: list[_Path] = []
        while self._text() != ")":
            inverse = self._text() == "^"
            if inverse:
                self._next()
            found.append(_Path("^" if inverse else "iri", (), self._next()))
            if not several:
                return _Path("!", tuple(found), self._span(start))
            if self._text() == "|":
                self._next()
        self._next()
        return _Path("!", tuple(found), self._span(start))


class _Writer:
    """Writes paths as joins, unions and sub-SELECTs."""

    def __init__(self, reader: _Reader, query: Query, ask: Ask) -> None:
        self._ask = ask
        self._prologue = reader.prologue
        self._star = reader.star
        self._graphs = "".join(f"FROM <{iri}> " for iri in query.default_graphs) + "".join(
            f"FROM NAMED <{iri}> " for iri in query.named_graphs
        )
        self._name = reader.variable()
        self._numbers = count()
        self._counted = True
        self._known: dict[tuple[_Path, str], int] = {}

    def _fresh(self) -> str:
        return f"{self._name}{next(self._numbers)}"

    async def link(self, link: _Link) -> str:
        """A group with the solutions of a path between two terms."""
        if self._star and not any(end[0] in "?$" for end in (link.start, link.end)):
            raise _refused(
                "pas de SELECT * avec un chemin entre deux termes : nommez les variables",
                "no SELECT * with a path between two terms: name the variables",
            )
        self._counted = link.counted
        body = await self._write(link.path, link.start, link.end, link.graph)
        if link.path.kind in _REPEATS:
            return body
        shown = self._shown(link.graph, link.start, link.end)
        return f"{{ SELECT {shown} {{ {_within(link.graph, body)} }} }}"

    def _shown(self, *terms: str) -> str:
        names = dict.fromkeys("?" + term[1:] for term in terms if term[:1] in ("?", "$"))
        return " ".join(names) or f"(1 AS {self._fresh()})"

    async def _write(self, path: _Path, start: str, end: str, graph: str) -> str:
        """Patterns with the solutions of a path, inside its graph."""
        match path.kind:
            case "iri":
                return f"{start} {path.text} {end} ."
            case "^":
                return await self._write(path.parts[0], end, start, graph)
            case "/":
                nodes = [start, *(self._fresh() for _ in path.parts[1:]), end]
                steps = zip(path.parts, pairwise(nodes), strict=True)
                return " ".join([await self._write(p, *ends, graph) for p, ends in steps])
            case "|" if all(part.kind == "iri" for part in path.parts):
                return self._one_of(path, start, end)
            case "|":
                return _union([await self._write(p, start, end, graph) for p in path.parts])
            case "!":
                return self._negated(path, start, end)
        return await self._closure(path, start, end, graph)

    def _one_of(self, path: _Path, start: str, end: str) -> str:
        """As one pattern: unions in each step would be multiplied out."""
        texts = ", ".join(dict.fromkeys(_TYPE if p.text == "a" else p.text for p in path.parts))
        verb = self._fresh()
        return f"{start} {verb} {end} . FILTER ({verb} IN ({texts}))"

    def _negated(self, path: _Path, start: str, end: str) -> str:
        found = []
        for kind, x, y in (("iri", start, end), ("^", end, start)):
            texts = [_TYPE if p.text == "a" else p.text for p in path.parts if p.kind == kind]
            if texts or (kind == "iri" and not path.parts):
                verb = self._fresh()
                found.append(f"{x} {verb} {y} . FILTER ({verb} NOT IN ({', '.join(texts)}))")
        return _union(found)

    async def _closure(self, path: _Path, start: str, end: str, graph: str) -> str:
        """Each pair of ends once, where that matters. Ends that are terms are compared at last:
        Virtuoso is wrong with a constant in one branch of a union."""
        if path.kind in "*+" and _negates(path):
            raise _refused(
                "pas de « ! » dans ce qui se répète : nommez les propriétés",
                'no "!" in what repeats: name the properties',
            )
        none = path.kind in "*?"
        terms = [term for term in dict.fromkeys((start, end)) if term[0] not in "?$"]
        if none and any(map(_LITERAL.match, terms)):
            raise _refused(
                "pas de littéral au bout d'un chemin qui peut n'avoir aucun pas",
                "no literal at the end of a path that may have no step",
            )
        ends = {term: self._fresh() for term in terms} if none else {}
        x, y = ends.get(start, start), ends.get(end, end)
        steps = 1 if path.kind == "?" else await self._steps(path.parts[0], graph)
        pairs = await self._pairs(path.parts[0], x, y, graph, steps, none=none)
        if not ends:
            return pairs
        same = " && ".join(f"{name} = {term}" for term, name in ends.items())
        return f"{{ SELECT {self._shown(graph, start, end)} {{ {pairs} FILTER ({same}) }} }}"

    async def _pairs(
        self, path: _Path, x: str, y: str, graph: str, steps: int, *, none: bool
    ) -> str:
        """Virtuoso 7.2.5 loses solutions where two sub-SELECTs with DISTINCT and UNION are joined,
        unless they are ordered; and all where one that is ordered stands in EXISTS or MINUS."""
        walks = [await self._walk(path, x, y, graph, n) for n in range(1, steps + 1)]
        if none:
            p, o = self._fresh(), self._fresh()
            same = f" BIND ({x} AS {y})" if x != y else ""
            walks += [f"{x} {p} {o} .{same}", f"{o} {p} {x} .{same}"]
        union = _union([_within(graph, walk) for walk in walks])
        shown = self._shown(graph, x, y)
        if not self._counted:
            return f"{{ SELECT {shown} {{ {union} }} }}"
        order = f" ORDER BY {shown}" if shown[0] == "?" else ""
        return f"{{ SELECT DISTINCT {shown} {{ {union} }}{order} }}"

    async def _walk(self, path: _Path, x: str, y: str, graph: str, steps: int) -> str:
        nodes = [x, *(self._fresh() for _ in range(steps - 1)), y]
        return " ".join([await self._write(path, a, b, graph) for a, b in pairwise(nodes)])

    async def _steps(self, path: _Path, graph: str) -> int:
        """How many steps come to every pair that any number comes to."""
        if (path, graph) not in self._known:
            # By numbers of its own, so that the same is always asked in the same words.
            before = self._numbers, self._counted
            self._numbers, self._counted = count(1_000), False
            self._known[path, graph] = await self._ask_steps(path, graph)
            self._numbers, self._counted = before
        return self._known[path, graph]

    async def _ask_steps(self, path: _Path, graph: str) -> int:
        if graph[:1] in ("?", "$"):
            graph = self._fresh()
        x, y = self._fresh(), self._fresh()
        ways = (await self._write(path, x, y, graph)).count(" UNION ") + 1
        for steps in range(1, MAX_STEPS + 1):
            if ways ** (steps + 1) > MAX_WAYS:
                raise _refused(
                    "trop d'alternatives dans ce qui se répète : répétez une propriété, ou p|q",
                    "too many alternatives in what repeats: repeat a property, or p|q",
                )
            longer = _within(graph, await self._walk(path, x, y, graph, steps + 1))
            shorter = await self._pairs(path, x, y, graph, steps, none=False)
            pattern = f"{longer} FILTER NOT EXISTS {{ {shorter} }}"
            if not await self._ask(
                f"{self._prologue}SELECT {x} {self._graphs}{{ {pattern} }} LIMIT 1"
            ):
                return steps
        raise _refused(
            f"un chemin a plus de {MAX_STEPS} pas ; écrivez ces pas un à un, ou bornez-le",
            f"a path has more than {MAX_STEPS} steps; write the steps out, or bound it",
        )


def _negates(path: _Path) -> bool:
    return path.kind == "!" or any(map(_negates, path.parts))


def _within(graph: str, patterns: str) -> str:
    return f"GRAPH {graph} {{ {patterns} }}" if graph else patterns


def _union(branches: Sequence[str]) -> str:
    if len(branches) == 1:
        return branches[0]
    return " UNION ".join(f"{{ {branch} }}" for branch in branches)
