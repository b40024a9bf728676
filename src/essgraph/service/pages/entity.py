"""``/page/{slug}``: an entity, its facts in groups, what links to it, and the evidence of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import formats, names
from essgraph.errors import Text
from essgraph.search import fold
from essgraph.service.citations import cite_page
from essgraph.service.live import Served
from essgraph.service.pages import evidence, frame, pictures, wording
from essgraph.service.pages.evidence import Piece
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, Term, select
from essgraph.service.pages.texts import Texts
from essgraph.service.problems import no_entity

#: How many links of one direction a page shows.
LIMIT: Final = 600

#: What no reader needs as a fact: the page says it by its form.
_OMITTED: Final = {
    names.RDFS + "label",
    names.RDF + "type",
    names.SKOS + "prefLabel",
    names.SKOS + "definition",
    names.SKOS + "scopeNote",
    names.ESS + "summary",
    names.DCTERMS + "license",
    names.SCHEMA + "sha256",
    names.OA + "hasTarget",
    names.ESS + "retains",
    names.OA + "hasSource",
    names.OA + "bodyValue",
}

_STARTS: Final = (names.SCHEMA + "startDate", names.ESS + "edtfDate", names.ESS + "attestedOn")
_ABOUT: Final = (names.ESS + "summary", names.SKOS + "definition", names.DCTERMS + "description")

#: Neither what follows from the statements, nor what is said of the data, is a fact of a source.
_STATED: Final = (
    "FILTER (?g NOT IN (graph:description, graph:entailed, graph:ontology, graph:queries))"
)
FACTS: Final = f"""
SELECT ?g ?p ?o WHERE {{ GRAPH ?g {{ ?entity ?p ?o }} {_STATED} }} LIMIT {LIMIT}"""
INCOMING: Final = f"""
SELECT ?g ?p ?s WHERE {{ GRAPH ?g {{ ?s ?p ?entity }} {_STATED} }} LIMIT {LIMIT}"""
NAMES: Final = """
SELECT DISTINCT ?named ?label ?type WHERE {
  { { ?entity ?p ?named } UNION { ?named ?p ?entity } UNION
    { GRAPH ?g { { ?entity ?p ?named } UNION { ?named ?p ?entity } } } UNION
    { GRAPH ?g { { ?entity ?p ?o } UNION { ?s ?p ?entity } } ?g oa:hasSource ?named } UNION
    { ?note a ess:EditorialNote ; oa:hasTarget ?entity , ?named } UNION
    { GRAPH ?g { { ?entity ?p ?o } UNION { ?s ?p ?entity } }
      ?note a ess:EditorialNote ; oa:hasTarget ?g , ?named } UNION
    { BIND (?entity AS ?named) } }
  ?named rdfs:label ?label
  OPTIONAL { ?named a ?type . FILTER (STRSTARTS(STR(?type), STR(ess:)) || ?type = skos:Concept) }
}"""
PASSAGES: Final = evidence.query("GRAPH ?passage { { ?entity ?p ?o } UNION { ?s ?p ?entity } }")


def notes(choosing: str) -> str:
    """The query for the editorial notes that a pattern chooses."""
    return f"""
SELECT DISTINCT ?note ?label ?text ?target ?retained WHERE {{ {choosing}
  ?note a ess:EditorialNote ; oa:bodyValue ?text ; rdfs:label ?label ; oa:hasTarget ?target .
  FILTER (LANG(?label) = LANG(?text))
  OPTIONAL {{ ?note ess:retains ?retained }}
}}"""


NOTES: Final = notes("""
  { BIND (?entity AS ?note) } UNION { ?note oa:hasTarget ?entity } UNION
  { GRAPH ?passage { { ?entity ?p ?o } UNION { ?s ?p ?entity } } ?note oa:hasTarget ?passage }""")
PLACE: Final = """
SELECT DISTINCT ?place ?lat ?long WHERE {
  { ?entity ess:locatedIn* ?place } UNION { ?entity ess:partOf+/ess:locatedIn ?place }
  ?place geo:lat ?lat ; geo:long ?long
} LIMIT 20"""


@dataclass
class Value:
    """One value of a property, and the passages that state it."""

    term: Term
    marks: list[Piece] = field(default_factory=list)
    register: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether only doubtful passages state it."""
        sure = self.register or any(mark.level != "doubtful" for mark in self.marks)
        return not sure and bool(self.marks)


@dataclass
class Fact:
    """A property with its values."""

    property: str
    label: str
    values: list[Value]


@dataclass
class Note:
    """An editorial note."""

    iri: str
    label: Term
    text: Term
    targets: list[str]
    retained: list[str]


def grouped(
    rows: Iterable[Row], names_: Names, pieces: dict[str, Piece], v: View, *, back: bool = False
) -> list[tuple[str, list[Fact]]]:
    """Facts as people think of them: by group, by property, by value."""
    values: dict[str, dict[Term, Value]] = {}
    for row in rows:
        property, term = row["p"].value, row["s" if back else "o"]
        if property in _OMITTED:
            continue
        value = values.setdefault(property, {}).setdefault(term, Value(term))
        piece = pieces.get(row["g"].value)
        if piece is None:
            value.register = True
        elif piece not in value.marks:
            value.marks.append(piece)
    groups: dict[str, list[Fact]] = {key: [] for key in wording.GROUPS}
    order = list(wording.PROPERTIES)
    for property in sorted(values, key=lambda p: (order.index(p) if p in order else len(order), p)):
        group, label, inverse = wording.PROPERTIES.get(
            property, ("content", Text(*[names.shorten(property)] * 2), Text("←", "←"))
        )
        listed = sorted(
            values[property].values(),
            key=lambda value: (
                value.doubtful,
                not value.marks,
                fold(v.plain(names_, value.term.value)) if value.term.iri else value.term.value,
            ),
        )
        for value in listed:
            value.marks.sort(key=lambda piece: piece.number)
        text = (inverse if back else label).in_language(v.language)
        groups[group].append(Fact(property, text, listed))
    return [
        (wording.GROUPS[key].in_language(v.language), facts)
        for key, facts in groups.items()
        if facts
    ]


def read_notes(rows: Iterable[Row], language: str) -> list[Note]:
    """The editorial notes of rows as ``NOTES`` gives them, those that settle a conflict first."""
    by_iri: dict[str, dict[str, Note]] = {}
    for row in rows:
        tag = row["label"].language
        note = by_iri.setdefault(row["note"].value, {}).setdefault(
            tag, Note(row["note"].value, row["label"], row["text"], [], [])
        )
        if row["target"].value not in note.targets:
            note.targets.append(row["target"].value)
        if "retained" in row and row["retained"].value not in note.retained:
            note.retained.append(row["retained"].value)
    chosen = [notes.get(language) or next(iter(notes.values())) for notes in by_iri.values()]
    for note in chosen:
        note.targets.sort()
    return sorted(chosen, key=lambda note: (not note.retained, note.iri))


def about(rows: Sequence[Row], language: str) -> Term | None:
    """What the entity is, in a sentence or two: its summary or definition, in the language of the
    page, else in another."""
    for property in _ABOUT:
        texts = [row["o"] for row in rows if row["p"].value == property]
        if texts:
            return min(texts, key=lambda term: term.language != language)
    return None


async def page(request: Request, served: Served, texts: Texts, slug: str) -> Response:
    """The page of ``id/{slug}``. Raises UnknownName where nothing bears that name."""
    v = frame.view(request)
    iri = names.ID + slug
    if re.fullmatch(r"[A-Za-z0-9_/-]{1,200}", slug) is None:
        raise no_entity(slug)
    # One after the other: a page takes one worker at a time.
    facts, incoming, named, passages, noted, placed = [
        await select(served, query, entity=iri)
        for query in (FACTS, INCOMING, NAMES, PASSAGES, NOTES, PLACE)
    ]
    if not facts and not incoming:
        raise no_entity(slug)
    known = Names().add(named)
    pieces = evidence.pieces(passages, texts)
    label = v.plain(known, iri)
    places = list(pictures.places(placed).values())
    dates = _dates(facts, pieces, _STARTS)
    ends = _dates(facts, pieces, (names.SCHEMA + "endDate",))
    context = {
        "iri": iri,
        "slug": slug,
        "label": label,
        "kind": known.kind(iri),
        "about": about(facts, v.language),
        "also": sorted({r["o"].value for r in facts if r["p"].value == names.ESS + "acronym"}),
        "known": known,
        "groups": grouped(facts, known, pieces, v),
        "incoming": grouped(incoming, known, pieces, v, back=True),
        "pieces": list(pieces.values()),
        "notes": read_notes(noted, v.language),
        "truncated": LIMIT in (len(facts), len(incoming)),
        "map": pictures.draw_map(places, known, v) if places else None,
        "time": pictures.small_timeline(dates, ends, v) if dates else None,
        "formats": formats.DOCUMENTS,
        "bibtex": cite_page(
            f"{label} ({v.kind(known.kind(iri))})", iri, slug, served.snapshot.version
        ),
    }
    return frame.html(request, served, "entity.html", v, context)


def _dates(rows: Iterable[Row], pieces: dict[str, Piece], properties: Sequence[str]) -> list[str]:
    """The different dates that some passage states without doubt."""
    return sorted(
        {
            row["o"].value
            for row in rows
            if row["p"].value in properties
            and not ((piece := pieces.get(row["g"].value)) and piece.level == "doubtful")
        }
    )
