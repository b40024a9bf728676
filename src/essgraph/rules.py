"""What the rules of evidence say: a finding at a statement or a piece, and how a term is shown."""

from __future__ import annotations

from collections.abc import Iterable

import pyoxigraph as ox

from essgraph import findings, names
from essgraph.errors import Text
from essgraph.findings import Finding, Place, perhaps
from essgraph.sources import Piece
from essgraph.statements import Part, Statement, Term


def finding(
    rule: str,
    text: Text,
    at: Statement,
    mend: Text | None = None,
    part: Part = "object",
    suspects: Iterable[Term] = (),
) -> Finding:
    """A finding at one term of a statement; ``suspects`` as in ``Finding``."""
    return Finding(
        rule=rule,
        text=text,
        place=at.place(part),
        focus=show(at.subject),
        path=show(at.predicate),
        value=show(at.object),
        passage=None if isinstance(at.graph, ox.DefaultGraph) else show(at.graph),
        mend=mend,
        suspects=frozenset(map(show, suspects)),
    )


def at_piece(
    rule: str,
    piece: Piece,
    text: Text,
    mend: Text | None = None,
    meant: ox.NamedNode | None = None,
    place: Place | None = None,
) -> Finding:
    """A finding on a piece; its suspects are the piece, its position, and the piece that was meant
    in its stead."""
    iris = [iri.value for iri in (piece.iri, meant) if iri]
    return Finding(
        rule=rule,
        text=text,
        place=place or piece.place,
        focus=show(piece.iri),
        passage=show(piece.iri),
        mend=mend,
        suspects=frozenset(show(ox.NamedNode(i + end)) for i in iris for end in ("", "#position")),
    )


def show(term: Term | ox.DefaultGraph) -> str:
    """A term with the prefix of its namespace."""
    return names.shorten(term.value) if isinstance(term, ox.NamedNode) else str(term)


def written(term: Term | ox.DefaultGraph) -> str:
    """A term as the files write it: passages by ``p:`` and their number."""
    value = getattr(term, "value", "")
    if value.startswith(names.PASSAGE) and value.count("/") == names.PASSAGE.count("/") + 1:
        return f"p:{_split(value)[1]}"
    return show(term)


def nearest(iri: str, known: Iterable[str]) -> Text | None:
    """The known IRI of the same namespace that is spelt most like this one."""
    space, name = _split(iri)
    names_there = [there for other, there in map(_split, known) if other == space]
    near = findings.nearest(name, names_there)
    return perhaps(written(ox.NamedNode(space + near))) if near else None


def _split(iri: str) -> tuple[str, str]:
    at = max(iri.rfind("/"), iri.rfind("#")) + 1
    return iri[:at], iri[at:]
