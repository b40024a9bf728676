"""``/page/{slug}``: an entity, its facts in groups, what links to it, and the evidence of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import formats, names
from essgraph.service.citations import cite_page
from essgraph.service.live import Served
from essgraph.service.pages import evidence, facts, frame, pictures
from essgraph.service.pages.evidence import Piece
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, select
from essgraph.service.pages.texts import Texts

#: How many links of one direction a page shows.
LIMIT: Final = 600

_STARTS: Final = (names.SCHEMA + "startDate", names.ESS + "edtfDate", names.ESS + "attestedOn")

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


NOTES: Final = facts.notes("""
  { BIND (?entity AS ?note) } UNION { ?note oa:hasTarget ?entity } UNION
  { GRAPH ?passage { { ?entity ?p ?o } UNION { ?s ?p ?entity } } ?note oa:hasTarget ?passage }""")
PLACE: Final = """
SELECT DISTINCT ?place ?lat ?long WHERE {
  { ?entity ess:locatedIn* ?place } UNION { ?entity ess:partOf+/ess:locatedIn ?place }
  ?place geo:lat ?lat ; geo:long ?long
} LIMIT 20"""


async def page(request: Request, served: Served, texts: Texts, slug: str) -> Response:
    """The page of ``id/{slug}``, which the caller knows to be there."""
    v = frame.view(request)
    iri = names.ID + slug
    # One after the other: a page takes one worker at a time.
    stated, incoming, named, passages, noted, placed = [
        await select(served, query, entity=iri)
        for query in (FACTS, INCOMING, NAMES, PASSAGES, NOTES, PLACE)
    ]
    known = Names().add(named)
    pieces = evidence.pieces(passages, texts)
    label = v.plain(known, iri)
    places = list(pictures.places(placed).values())
    dates = _dates(stated, pieces, _STARTS)
    ends = _dates(stated, pieces, (names.SCHEMA + "endDate",))
    context = {
        "iri": iri,
        "slug": slug,
        "label": label,
        "kind": known.kind(iri),
        "about": facts.about(stated, v.language),
        "also": sorted({r["o"].value for r in stated if r["p"].value == names.ESS + "acronym"}),
        "known": known,
        "groups": facts.grouped(stated, known, pieces, v),
        "incoming": facts.grouped(incoming, known, pieces, v, back=True),
        "pieces": list(pieces.values()),
        "notes": facts.read_notes(noted, v.language),
        "truncated": LIMIT in (len(stated), len(incoming)),
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
