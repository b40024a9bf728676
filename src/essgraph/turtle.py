"""The words of a Turtle or TriG file, and where each statement's three terms stand.

The RDF parser says what a file states; this module says where, to the column, and keeps what the
parser drops: comments, layout, prefixes as written. Positions are code points of the decoded
text. It never fails: what is no token of the grammar (RDF 1.1 TriG, section 5) is an ``error``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_ESCAPED = r"%[0-9A-Fa-f]{2}|\\[-_~.!$&'()*+,;=/?#@%]"
_NAME = r"[\w·‿⁀-]"
_PREFIX = rf"(?:[^\W\d_](?:(?:{_NAME}|\.)*{_NAME})?)?:"
_LOCAL = rf"(?:(?:[\w:]|{_ESCAPED})(?:(?:{_NAME}|[.:]|{_ESCAPED})*(?:{_NAME}|:|{_ESCAPED}))?)?"
_TOKEN = re.compile(
    "|".join(
        f"(?P<{kind}>{pattern})"
        for kind, pattern in (
            ("space", r"[ \t\r\n]+"),
            ("comment", r"\#[^\r\n]*"),
            ("iri", r"<[^\x00-\x20<>\"{}|^`]*>"),
            ("string", r'"""(?:[^"\\]|\\.|"(?!""))*"""|' r"'''(?:[^'\\]|\\.|'(?!''))*'''"),
            ("line", r'"(?:[^"\\\r\n]|\\.)*"|' r"'(?:[^'\\\r\n]|\\.)*'"),
            ("at", r"@[A-Za-z]+(?:-[A-Za-z0-9]+)*"),
            ("number", r"[+-]?(?:\d+\.?\d*[eE][+-]?\d+|\.\d+[eE][+-]?\d+|\d*\.\d+|\d+)"),
            ("type", r"\^\^"),
            ("blank", rf"_:[\w](?:(?:{_NAME}|\.)*{_NAME})?"),
            ("anon", r"\[[ \t\r\n]*\]"),
            ("name", _PREFIX + _LOCAL),
            ("word", r"[A-Za-z]+"),
            ("sign", r"[.;,\[\](){}]"),
            ("error", r"."),
        )
    ),
    re.DOTALL,
)


class Token(NamedTuple):
    """A token: its kind, its text, where it starts (0-based code points)."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Spots(NamedTuple):
    """Where the terms of one statement stand: (start, end) of each; the graph's is (0, 0) outside
    any."""

    subject: tuple[int, int]
    predicate: tuple[int, int]
    object: tuple[int, int]
    graph: tuple[int, int]


def tokens(text: str) -> Iterator[Token]:
    """Every token of a text, spaces and comments too: joined, they are the text again."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "error"
        yield Token("string" if kind == "line" else kind, match.group(), match.start())


class _Frame:
    """What is being read: the statements of the file, a graph, a property list or a list."""

    def __init__(self, kind: str, opened: tuple[int, int]) -> None:
        self.kind = kind
        self.opened = opened
        self.subject: tuple[int, int] | None = opened if kind == "[" else None
        self.predicate: tuple[int, int] | None = None
        self.items = 0


def spots(text: str) -> list[Spots]:
    """The places of all statements, in the order in which the RDF parser hands them out.

    Reads as far as the grammar holds: a file with a fault gives the statements before it.
    """
    reader = _Reader()
    words = [token for token in tokens(text) if token.kind not in ("space", "comment")]
    at = 0
    while at < len(words):
        token = words[at]
        at += 1
        if token.kind == "error":
            break
        if token.kind == "string":
            end = token.end
            if at + 1 < len(words) and words[at].kind == "type":
                end = words[at + 1].end
                at += 2
            elif at < len(words) and words[at].kind == "at":
                end = words[at].end
                at += 1
            reader.term((token.start, end))
        elif token.kind == "at" or token.text.upper() in ("PREFIX", "BASE"):
            at += 1 if token.text.upper().endswith("BASE") else 2
        elif token.text.upper() == "GRAPH":
            continue
        elif token.kind == "sign":
            reader.sign(token.text, (token.start, token.end))
        else:
            reader.term((token.start, token.end))
    return reader.found


class _Reader:
    """A push-down reader without recursion, so that deep nesting cannot harm it."""

    def __init__(self) -> None:
        self.found: list[Spots] = []
        self.frames = [_Frame("", (0, 0))]
        self.graph = (0, 0)

    def term(self, spot: tuple[int, int]) -> None:
        frame = self.frames[-1]
        if frame.kind == "(":
            self._item(frame, spot)
        elif frame.subject is None:
            frame.subject = spot
        elif frame.predicate is None:
            frame.predicate = spot
        else:
            self.found.append(Spots(frame.subject, frame.predicate, spot, self.graph))

    def _item(self, frame: _Frame, spot: tuple[int, int]) -> None:
        """rdf:first of an item; the statement that holds the list follows its first item, and
        rdf:rest each later one."""
        self.found.append(Spots(frame.opened, spot, spot, self.graph))
        frame.items += 1
        if frame.items > 1:
            self.found.append(Spots(frame.opened, spot, spot, self.graph))
        else:
            self._hand_up(frame.opened)

    def _hand_up(self, spot: tuple[int, int]) -> None:
        inner = self.frames.pop()
        self.term(spot)
        self.frames.append(inner)

    def sign(self, text: str, spot: tuple[int, int]) -> None:
        frame = self.frames[-1]
        if text in "[(":
            self.frames.append(_Frame(text, spot))
        elif text in "])" and len(self.frames) > 1:
            if text == ")" and frame.items:
                self.found.append(Spots(frame.opened, spot, spot, self.graph))
                self.frames.pop()
            else:
                self.frames.pop()
                self.term(frame.opened)
        elif text == "{":
            self.graph = frame.subject or spot
            frame.subject = frame.predicate = None
        elif text == "}":
            self.graph = (0, 0)
            frame.subject = frame.predicate = None
        elif text == ".":
            frame.subject = frame.predicate = None
        elif text == ";":
            frame.predicate = None
