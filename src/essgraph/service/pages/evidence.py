"""What a page shows of passages: where they stand, how sure they are, their words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from essgraph import names
from essgraph.service.pages.naming import path
from essgraph.service.pages.rows import Row, Term
from essgraph.service.pages.texts import Excerpt, Texts

_RECORD = """
  ?passage oa:hasSource ?document ; ess:firstWords ?first ; oa:hasSelector ?position .
  ?position oa:start ?start ; oa:end ?end .
  OPTIONAL { ?passage ess:lastWords ?last }
  OPTIONAL { ?passage ess:evidenceLevel ?level }
  OPTIONAL { ?passage ess:reason ?reason }
  OPTIONAL { ?passage ess:summary ?summary }
  ?document dcterms:identifier ?file .
  OPTIONAL { ?document schema:sha256 ?digest }
  OPTIONAL { ?document dcterms:language ?tongue FILTER (?tongue != "fr") }
  OPTIONAL { ?document dcterms:language ?french FILTER (?french = "fr") }
"""


def query(choosing: str = "") -> str:
    """The query for the records of pieces: of each ``?passage`` that a pattern chooses."""
    return f"""
SELECT DISTINCT ?passage ?document ?start ?end ?first ?last ?level ?reason ?summary ?file ?digest
  ?tongue ?french
WHERE {{ {choosing} {_RECORD} }}"""


@dataclass
class Piece:
    """A passage or a set-aside piece of a document."""

    iri: str
    document: str
    start: int
    end: int
    first: str
    last: str
    level: str  # explicit, implied, doubtful; empty for what is set aside
    reason: str
    excerpt: Excerpt | None
    language: str = "fr"  # of the text
    number: int = 0  # of the mark on this page
    summaries: dict[str, Term] = field(default_factory=dict)

    @property
    def href(self) -> str:
        return path(self.iri) or self.iri

    @property
    def position(self) -> str:
        """Its number in the document."""
        return self.iri.rpartition("/")[2]

    @property
    def anchor(self) -> str:
        """The fragment by which this page points at it."""
        return "p-" + self.iri.removeprefix(names.PASSAGE).replace("/", "-")

    def summary(self, language: str) -> Term | None:
        return self.summaries.get(language) or next(iter(self.summaries.values()), None)


def pieces(rows: Iterable[Row], texts: Texts) -> dict[str, Piece]:
    """The pieces by IRI, in the order of documents and texts, numbered from 1."""
    found: dict[str, Piece] = {}
    for row in rows:
        iri = row["passage"].value
        if iri not in found:
            start, end = int(row["start"].value), int(row["end"].value)
            digest = row["digest"].value if "digest" in row else ""
            found[iri] = Piece(
                iri,
                row["document"].value,
                start,
                end,
                row["first"].value,
                row["last"].value if "last" in row else "",
                row["level"].value.rpartition("/")[2] if "level" in row else "",
                row["reason"].value if "reason" in row else "",
                texts.excerpt(row["file"].value, digest, start, end),
                row["tongue"].value if "tongue" in row and "french" not in row else "fr",
            )
        if "summary" in row:
            found[iri].summaries[row["summary"].language] = row["summary"]
    ordered = sorted(found.values(), key=lambda piece: (piece.document, piece.start))
    for number, piece in enumerate(ordered, 1):
        piece.number = number
    return {piece.iri: piece for piece in ordered}
