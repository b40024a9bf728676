"""Rule E4: where the pieces of a document stand in its private text.

Without the text at hand, the stored anchors are compared with the words of the pieces; with it,
they are derived anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox

from essgraph import anchors, names
from essgraph.anchors import Located
from essgraph.errors import Text
from essgraph.findings import Finding, Place, Severity
from essgraph.rules import at_piece, finding, show
from essgraph.sources import FIRST_WORDS, IDENTIFIER, LAST_WORDS, Document, Piece, Sources
from essgraph.statements import Statement, Term

_RERUN = Text("lancez essgraph anchor", "run essgraph anchor")
START, END = ox.NamedNode(names.OA + "start"), ox.NamedNode(names.OA + "end")
WORDS_DIGEST = ox.NamedNode(names.ESS + "wordsDigest")


def e4(sources: Sources, texts: Path | None) -> Iterator[Finding]:
    """E4: anchors resolve and their digests match; with the text at hand they are derived anew
    and every non-space character is accounted for."""
    for document in sources.documents:
        yield from _words(document)
        text = document.text(texts)
        if text is None:
            yield from _stale(document)
            if texts is not None:
                yield from _not_at_hand(document)
        else:
            yield from _derived(document, text)


def _words(document: Document) -> Iterator[Finding]:
    for statement in document.records:
        if statement.predicate in (FIRST_WORDS, LAST_WORDS) and not _few(statement):
            count = len(getattr(statement.object, "value", "").split())
            yield finding(
                "E4",
                Text(
                    f"une ancre a de 1 à 7 mots ; celle-ci en a {count}",
                    f"an anchor has 1 to 7 words; this one has {count}",
                ),
                statement,
                suspects=[statement.subject],
            )


def _few(statement: Statement | None) -> bool:
    return statement is None or 1 <= len(getattr(statement.object, "value", "").split()) <= 7


def _stale(document: Document) -> Iterator[Finding]:
    """What can be told of anchors without the text: each piece has one, derived from its words,
    in order and without overlap."""
    stored = {(s.subject, s.predicate): s for s in document.anchors}

    def position(piece: Piece, predicate: ox.NamedNode) -> int | None:
        statement = stored.get((ox.NamedNode(piece.iri.value + "#position"), predicate))
        value = getattr(statement and statement.object, "value", "")
        return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else None

    cursor = -1
    orphans = True
    for piece in document.pieces:
        position_iri = ox.NamedNode(piece.iri.value + "#position")
        words = stored.get((piece.iri, WORDS_DIGEST))
        start, end = position(piece, START), position(piece, END)
        if words is None or start is None or end is None:
            orphans = False
            yield at_piece(
                "E4",
                piece,
                Text("cette pièce n'a pas d'ancre dérivée", "this piece has no derived anchor"),
                _RERUN,
            )
        elif getattr(words.object, "value", "") != piece.words_digest:
            if _few(piece.first_stated) and _few(piece.last_stated):
                yield _changed(piece)
        elif not cursor <= start < end:
            yield finding(
                "E4",
                Text(
                    "cette ancre chevauche la précédente ou ne suit pas l'ordre",
                    "this anchor overlaps the one before or is out of order",
                ),
                stored[position_iri, START if start < cursor else END],
                _RERUN,
                suspects=[position_iri],
            )
        cursor = max(cursor, end or 0)
    if orphans:
        yield from _orphans(document)


def _not_at_hand(document: Document) -> Iterator[Finding]:
    """A folder of texts was named, and this one is not there: a misspelt name must not pass."""
    for statement in document.records:
        if statement.subject == document.iri and statement.predicate == IDENTIFIER:
            yield replace(
                finding(
                    "E4",
                    Text(
                        "ce texte n'est pas disponible ici : les positions et la règle E5 n'ont "
                        "pas été vérifiées",
                        "this text is not at hand: positions and rule E5 were not checked",
                    ),
                    statement,
                ),
                severity=Severity.WARNING,
            )


def _changed(piece: Piece) -> Finding:
    return at_piece(
        "E4",
        piece,
        Text(
            "les mots de cette pièce ont changé depuis que son ancre a été dérivée",
            "the words of this piece have changed since its anchor was derived",
        ),
        _RERUN,
        place=piece.words_place(),
    )


def _orphans(document: Document) -> Iterator[Finding]:
    whole = {piece.iri.value for piece in document.pieces}
    whole |= {iri + "#position" for iri in whole} | {document.iri.value}
    said: set[str] = set()
    for statement in document.anchors:
        subject = getattr(statement.subject, "value", "")
        piece = subject.removesuffix("#position")
        if subject not in whole and piece not in said:
            said.add(piece)
            yield finding(
                "E4",
                Text("ancre d'une pièce qui n'existe pas", "anchor of a piece that does not exist"),
                statement,
                _RERUN,
                "subject",
            )


def _derived(document: Document, text: str) -> Iterator[Finding]:
    located = anchors.locate(text, document.pieces)
    for misfit in located.misfits:
        yield at_piece("E4", misfit.piece, misfit.text, place=misfit.place)
    if located.misfits:
        return
    gaps = anchors.cover(document, text, located.spans).gaps
    for gap in gaps:
        yield Finding(
            rule="E4",
            text=Text(
                f"le texte {document.text_name} n'est pas couvert à partir de la ligne "
                f"{gap.line} (caractères {gap.start} à {gap.end})",
                f"the text {document.text_name} is not accounted for from line {gap.line} on "
                f"(characters {gap.start} to {gap.end})",
            ),
            place=_before(document, located, gap.start),
            focus=show(document.iri),
        )
    if not gaps:
        yield from _compare(document, text, located)


def _compare(document: Document, text: str, located: Located) -> Iterator[Finding]:
    """The stored anchors against those derived anew: of a piece, the first that differs."""
    rendered = anchors.render(document, text, located.spans)
    stored: dict[str, dict[tuple[Term, Term, Term], Statement]] = defaultdict(dict)
    fresh: dict[str, set[tuple[Term, Term, Term]]] = defaultdict(set)
    for s in document.anchors:
        stored[_owner(s.subject)][s.triple] = s
    for q in ox.parse(rendered, format=ox.RdfFormat.TURTLE):
        fresh[_owner(q.subject)].add((q.subject, q.predicate, q.object))
    pieces = {piece.iri.value: piece for piece in document.pieces}
    for owner in sorted(fresh.keys() | stored.keys()):
        piece = pieces.get(owner)
        wrong = [s for triple, s in stored[owner].items() if triple not in fresh[owner]]
        if piece and any(s.predicate == WORDS_DIGEST for s in wrong):
            yield _changed(piece)
        elif wrong:
            yield finding(
                "E4",
                Text(
                    "cette ancre ne correspond pas au texte",
                    "this anchor does not match the text",
                ),
                wrong[0],
                _RERUN,
                suspects=[ox.NamedNode(owner), ox.NamedNode(owner + "#position")],
            )
        elif piece and fresh[owner] - stored[owner].keys():
            yield at_piece(
                "E4",
                piece,
                Text("l'ancre de cette pièce manque", "the anchor of this piece is missing"),
                _RERUN,
            )


def _owner(subject: Term) -> str:
    return getattr(subject, "value", "").removesuffix("#position")


def _before(document: Document, located: Located, position: int) -> Place:
    """The record of the piece before a position of the text."""
    earlier = [p for p, span in located.spans.items() if span.start <= position]
    nearest = earlier[-1:] or document.pieces[:1]
    return nearest[0].place if nearest else Place(document.file)
