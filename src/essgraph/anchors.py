"""Anchors: where in a private text each mapped piece stands, derived from its words.

Positions are 0-based Unicode code points of the decoded file, ``oa:start`` included and
``oa:end`` excluded (Web Annotation Data Model 4.2.4). Pieces are looked up in text order, each
after the end of the piece before, with white space folded and Unicode NFC. A bullet before the
first word and closing punctuation after the last belong to the piece, so that every non-space
character of a text can be accounted for.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Place
from essgraph.sources import Document, Piece

CLOSING = re.compile(r"(?:[.,;:!?…»”’\")\]]| [;:!?»])*")


@dataclass(frozen=True)
class Span:
    """A piece's place in the text: code points, end excluded."""

    start: int
    end: int


@dataclass(frozen=True)
class Misfit:
    """A piece whose words do not lead to one place."""

    piece: Piece
    text: Text
    last: bool = False

    @property
    def place(self) -> Place:
        """Where the words in question are stated."""
        return self.piece.words_place(self.last)


@dataclass(frozen=True)
class Located:
    """What looking up all pieces of a document found."""

    spans: dict[Piece, Span]
    misfits: list[Misfit]


class _Folded:
    """A text with white space folded and in NFC, and the way back to its code points."""

    def __init__(self, text: str) -> None:
        out: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        while at < len(text):
            end = at + 1
            if text[at].isspace():
                while end < len(text) and text[end].isspace():
                    end += 1
                piece = " "
            else:
                while end < len(text) and unicodedata.combining(text[end]):
                    end += 1
                piece = unicodedata.normalize("NFC", text[at:end])
            for character in piece:
                out.append(character)
                starts.append(at)
                ends.append(end)
            at = end
        self.text = "".join(out)
        self._starts = starts
        self._ends = ends

    def span(self, start: int, end: int) -> Span:
        while start < end and self.text[start] == " ":
            start += 1
        while end > start and self.text[end - 1] == " ":
            end -= 1
        return Span(self._starts[start], self._ends[end - 1])


def fold(words: str) -> str:
    """Words as they are looked up: white space folded, NFC."""
    return unicodedata.normalize("NFC", " ".join(words.split()))


def _blank(gap: str) -> bool:
    return not any(c.isalnum() for c in gap)


def _end(text: str, start: int, piece: Piece) -> int:
    """Where the words of a piece that begins at ``start`` end; -1 if its last words are absent."""
    first = start + len(fold(piece.first))
    if piece.last is None:
        return first
    last = fold(piece.last)
    at = text.find(last, start)
    while at != -1 and at + len(last) < first:
        at = text.find(last, at + 1)
    return -1 if at == -1 else at + len(last)


def locate(text: str, pieces: Sequence[Piece]) -> Located:
    """The span of every piece of a text, and the pieces whose words lead nowhere or astray."""
    folded = _Folded(text)
    whole = folded.text
    found: list[tuple[Piece, int, int]] = []
    misfits: list[Misfit] = []
    cursor = 0
    for index, piece in enumerate(pieces):
        first = fold(piece.first)
        start = whole.find(first, cursor) if first else -1
        if start == -1:
            earlier = bool(first and first in whole[:cursor])
            like = None if earlier else _like(first, whole, cursor)
            misfits.append(Misfit(piece, _absent(piece.first, earlier, like)))
            continue
        if not _blank(whole[cursor:start]) and whole.find(first, start + 1) != -1:
            misfits.append(Misfit(piece, _twice(piece.first)))
            continue
        end = _end(whole, start, piece)
        if end == -1:
            last = piece.last or ""
            like = _like(fold(last), whole, start)
            misfits.append(Misfit(piece, _absent(last, False, like), last=True))
            continue
        if piece.last is not None and index + 1 < len(pieces):
            following = fold(pieces[index + 1].first)
            limit = whole.find(following, end) if following else -1
            last = fold(piece.last)
            if limit != -1 and whole.find(last, end, limit) != -1:
                misfits.append(Misfit(piece, _twice(piece.last), last=True))
        found.append((piece, start, end))
        cursor = end
    return Located(_extended(folded, found), misfits)


def _extended(folded: _Folded, found: list[tuple[Piece, int, int]]) -> dict[Piece, Span]:
    """Gives each piece its closing punctuation and the signs that open it."""
    spans: dict[Piece, Span] = {}
    cursor = 0
    for index, (piece, start, end) in enumerate(found):
        bound = found[index + 1][1] if index + 1 < len(found) else len(folded.text)
        closing = CLOSING.match(folded.text, end, bound)
        end = closing.end() if closing else end
        if index + 1 == len(found) and _blank(folded.text[end:]):
            end = len(folded.text)
        opening = start
        while opening > cursor and not folded.text[opening - 1].isalnum():
            opening -= 1
        spans[piece] = folded.span(opening, end)
        cursor = end
    return spans


#: Signs that look alike, as keyboards and word processors write them.
_SIGNS = str.maketrans("’‘ʼ“”„‐‑‒–—", "'''\"\"\"-----")


def _like(words: str, whole: str, start: int) -> str | None:
    """How the text writes words, in other letters or signs that look alike, from ``start`` on."""

    def plain(text: str) -> str:
        return "".join(c if len(c.lower()) > 1 else c.lower() for c in text.translate(_SIGNS))

    at = plain(whole).find(plain(words), start) if words else -1
    return None if at == -1 else whole[at : at + len(words)]


def _absent(words: str, earlier: bool, like: str | None) -> Text:
    if earlier:
        return Text(
            f"« {words} » se trouve plus haut dans le texte : les pièces suivent son ordre",
            f'"{words}" stands earlier in the text: pieces follow its order',
        )
    return Text(
        f"« {words} » est introuvable dans le texte après la pièce précédente"
        + (f" ; le texte a « {like} »" if like else ""),
        f'"{words}" is not found in the text after the piece before'
        + (f'; the text has "{like}"' if like else ""),
    )


def _twice(words: str) -> Text:
    return Text(
        f"« {words} » se trouve deux fois : citez plus de mots (7 au plus)",
        f'"{words}" is found twice: quote more words (7 at most)',
    )


def digest(text: str) -> str:
    """SHA-256 (hex) of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def render(document: Document, text: str, spans: dict[Piece, Span]) -> str:
    """The derived anchors file of a document, in Turtle."""
    lines = [
        f"# Derived from data/documents/{document.slug}.trig by `essgraph anchor`: do not edit.",
        f"BASE <{document.space}>",
        f"PREFIX doc: <{names.DOC}>",
        f"PREFIX ess: <{names.ESS}>",
        f"PREFIX oa: <{names.OA}>",
        f"PREFIX schema: <{names.SCHEMA}>",
        "",
        f'doc:{document.slug} schema:sha256 "{digest(text)}" .',
    ]
    for piece, span in spans.items():
        lines += [
            "",
            f"<{piece.number}> oa:hasSource doc:{document.slug} ;",
            f"    oa:hasSelector <{piece.number}#position> ;",
            f'    ess:wordsDigest "{piece.words_digest}" ;',
            f'    schema:sha256 "{digest(text[span.start : span.end])}" .',
            f"<{piece.number}#position> a oa:TextPositionSelector ;",
            f"    oa:start {span.start} ;",
            f"    oa:end {span.end} .",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Gap:
    """A run of text that no piece accounts for; ``line`` is 1-based."""

    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Coverage:
    """How much of a text is mapped, set aside and unaccounted, in non-space characters."""

    slug: str
    mapped: int
    set_aside: int
    gaps: list[Gap]
    unaccounted: int

    @property
    def total(self) -> int:
        return self.mapped + self.set_aside + self.unaccounted


def cover(document: Document, text: str, spans: dict[Piece, Span]) -> Coverage:
    """The coverage of a document: every non-space character is in a passage, set aside or a gap."""
    counts = {True: 0, False: 0}
    gaps: list[Gap] = []
    unaccounted = 0
    cursor = 0
    for piece, span in [*spans.items(), (None, Span(len(text), len(text)))]:
        missed = sum(not c.isspace() for c in text[cursor : span.start])
        if missed:
            unaccounted += missed
            start = cursor + len(text[cursor:]) - len(text[cursor:].lstrip())
            gaps.append(Gap(start, span.start, text.count("\n", 0, start) + 1))
        if piece is not None:
            counts[piece.is_passage] += sum(not c.isspace() for c in text[span.start : span.end])
        cursor = span.end
    return Coverage(document.slug, counts[True], counts[False], gaps, unaccounted)
