"""What is stated of a thing as people think of it: facts by group and property, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from essgraph import names
from essgraph.errors import Text
from essgraph.search import fold
from essgraph.service.pages import wording
from essgraph.service.pages.evidence import Piece
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row, Term

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

_ABOUT: Final = (names.ESS + "summary", names.SKOS + "definition", names.DCTERMS + "description")


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


def notes(choosing: str) -> str:
    """The query for the editorial notes that a pattern chooses."""
    return f"""
SELECT DISTINCT ?note ?label ?text ?target ?retained WHERE {{ {choosing}
  ?note a ess:EditorialNote ; oa:bodyValue ?text ; rdfs:label ?label ; oa:hasTarget ?target .
  FILTER (LANG(?label) = LANG(?text))
  OPTIONAL {{ ?note ess:retains ?retained }}
}}"""


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
