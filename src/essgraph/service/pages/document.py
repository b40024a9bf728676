"""``/doc/{slug}`` and ``/passage/{doc}/{n}``: a document read with its mapping, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import formats, names
from essgraph.search import fold
from essgraph.service.citations import cite_page
from essgraph.service.live import Served
from essgraph.service.pages import evidence, facts, frame, wording
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, Term, select
from essgraph.service.pages.texts import Texts

ABOUT: Final = """
SELECT ?g ?p ?o WHERE { GRAPH ?g { ?document ?p ?o } FILTER (?g != graph:entailed) }"""
PIECES: Final = evidence.query()
STATEMENTS: Final = """
SELECT ?passage ?s ?p ?o WHERE {
  GRAPH ?passage { ?s ?p ?o }
  ?passage oa:hasSource ?document .
}"""
NAMES: Final = """
SELECT DISTINCT ?named ?label ?type WHERE {
  { GRAPH ?passage { { ?named ?p ?o } UNION { ?s ?p ?named } } ?passage oa:hasSource ?document }
  UNION { ?document ?p ?named }
  UNION { ?passage oa:hasSource ?document ; ess:reason ?named }
  UNION { BIND (?document AS ?named) }
  UNION { ?note a ess:EditorialNote ; oa:hasTarget ?target , ?named .
    FILTER (?target = ?document || EXISTS { ?target oa:hasSource ?document }) }
  ?named rdfs:label ?label
  OPTIONAL { ?named a ?type . FILTER (STRSTARTS(STR(?type), STR(ess:)) || ?type = skos:Concept) }
}"""
NOTES: Final = facts.notes("""
  { ?note oa:hasTarget ?document } UNION
  { ?note oa:hasTarget ?passage . ?passage oa:hasSource ?document }""")


@dataclass(frozen=True)
class Statement:
    """What a passage states, in words."""

    subject: str
    property: str
    label: str
    object: Term


@dataclass
class Coverage:
    """How much of the text is mapped or set aside, in characters of its pieces."""

    mapped: int
    aside: int

    @property
    def share(self) -> float:
        """The mapped part, in percent."""
        return 100 * self.mapped / ((self.mapped + self.aside) or 1)


async def page(request: Request, served: Served, texts: Texts, slug: str) -> Response:
    """The page of ``doc/{slug}``, which the caller knows to be there."""
    v = frame.view(request)
    iri = names.DOC + slug
    about, pieces_, stated, named, noted = [
        await select(served, query, document=iri)
        for query in (ABOUT, PIECES, STATEMENTS, NAMES, NOTES)
    ]
    known = Names().add(named)
    pieces = evidence.pieces(pieces_, texts)
    notes = facts.read_notes(noted, v.language)
    attached = {piece: [n for n in notes if piece in n.targets] for piece in pieces}
    label = v.plain(known, iri)
    titles = [row["o"] for row in about if row["p"].value == names.DCTERMS + "title"]
    context = {
        "iri": iri,
        "slug": slug,
        "label": label,
        "known": known,
        "title": titles[0] if titles else None,
        "about": facts.about(about, v.language),
        "groups": facts.grouped(
            [row for row in about if row["p"].value != names.DCTERMS + "title"], known, pieces, v
        ),
        "pieces": list(pieces.values()),
        "statements": statements(stated, known, v),
        "attached": attached,
        "notes": [note for note in notes if iri in note.targets],
        "with_text": any(piece.excerpt for piece in pieces.values()),
        "coverage": Coverage(
            sum(p.end - p.start for p in pieces.values() if p.level),
            sum(p.end - p.start for p in pieces.values() if not p.level),
        ),
        "total": max((piece.end for piece in pieces.values()), default=0),
        "formats": formats.DOCUMENTS,
        "bibtex": cite_page(label, iri, slug, served.snapshot.version),
    }
    return frame.html(request, served, "document.html", v, context)


async def passage(request: Request, served: Served, texts: Texts, rest: str) -> Response:
    """The page of ``passage/{doc}/{n}``, which the caller knows to be there."""
    v = frame.view(request)
    slug, _, number = rest.rpartition("/")
    document, iri = names.DOC + slug, names.PASSAGE + rest
    pieces_, stated, named, noted = [
        await select(served, query, document=document)
        for query in (PIECES, STATEMENTS, NAMES, NOTES)
    ]
    pieces = evidence.pieces(pieces_, texts)
    known = Names().add(named)
    ordered = list(pieces.values())
    at = ordered.index(pieces[iri])
    kind = "passage" if pieces[iri].level else "aside"
    label = f"{v.kind(kind)} {number}, {v.plain(known, document)}"
    context = {
        "iri": iri,
        "slug": rest,
        "label": label,
        "kind": kind,
        "document": document,
        "known": known,
        "piece": pieces[iri],
        "statements": statements(stated, known, v).get(iri, []),
        "notes": [note for note in facts.read_notes(noted, v.language) if iri in note.targets],
        "before": ordered[at - 1] if at else None,
        "after": ordered[at + 1] if at + 1 < len(ordered) else None,
        "formats": formats.DOCUMENTS,
        "bibtex": cite_page(label, iri, rest, served.snapshot.version),
    }
    return frame.html(request, served, "passage.html", v, context)


def statements(rows: tuple[Row, ...], known: Names, v: View) -> dict[str, list[Statement]]:
    """What each passage states, by subject in the order of labels."""
    found: dict[str, list[Statement]] = {}
    for row in rows:
        property = row["p"].value
        found.setdefault(row["passage"].value, []).append(
            Statement(row["s"].value, property, v.property(property), row["o"])
        )
    order = {property: n for n, property in enumerate(wording.PROPERTIES)}
    for listed in found.values():
        listed.sort(
            key=lambda s: (
                fold(v.plain(known, s.subject)),
                order.get(s.property, 99),
                s.object.value,
            )
        )
    return found
