"""What things are called: labels and kinds of all that a page names, and where they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from essgraph import names
from essgraph.service.pages.rows import Row, Term

#: The classes that people tell apart, the narrower first, and the key of each.
KINDS: Final[Mapping[str, str]] = {
    names.ESS + "City": "city",
    names.ESS + "Region": "region",
    names.ESS + "Country": "country",
    names.ESS + "Network": "network",
    names.ESS + "Territory": "territory",
    names.ESS + "Organization": "organization",
    names.ESS + "Person": "person",
    names.ESS + "AgentGroup": "group",
    names.ESS + "Mandate": "mandate",
    names.ESS + "Event": "event",
    names.ESS + "Intervention": "intervention",
    names.ESS + "Recommendation": "recommendation",
    names.ESS + "Initiative": "initiative",
    names.ESS + "ReferenceText": "text",
    names.ESS + "SourceDocument": "document",
    names.ESS + "Statistic": "statistic",
    names.ESS + "EditorialNote": "note",
    names.ESS + "Passage": "passage",
    names.ESS + "SetAside": "aside",
    names.SH + "SPARQLExecutable": "question",
    names.SKOS + "Concept": "concept",
    names.SKOS + "ConceptScheme": "scheme",
}
_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass
class Names:
    """Labels by IRI and language, and kinds by IRI."""

    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    acronyms: dict[str, str] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> Names:
        """Takes up rows of ``?named``, ``?label`` and perhaps ``?type`` and ``?acronym``."""
        for row in rows:
            iri, label, type_ = row["named"].value, row.get("label"), row.get("type")
            if label is not None:
                self.labels.setdefault(iri, {}).setdefault(label.language, label.value)
            if "acronym" in row:
                self.acronyms.setdefault(iri, row["acronym"].value)
            if type_ is not None and type_.value in _RANK:
                old = self.types.get(iri)
                if old is None or _RANK[type_.value] < _RANK[old]:
                    self.types[iri] = type_.value
        return self

    def label(self, iri: str, language: str) -> Term:
        """The label in that language, else in another, else the IRI in short."""
        known = self.labels.get(iri, {})
        for tag in (language, "en", "fr", "", *known):
            if tag in known:
                return Term(known[tag], language=tag)
        if iri.startswith(names.PASSAGE):
            return Term(f"passage {iri.rpartition('/')[2]}")
        return Term(names.prefixed(iri))

    def kind(self, iri: str) -> str:
        """The key of the kind of thing, or ``thing``."""
        return KINDS.get(self.types.get(iri, ""), "thing")


def path(iri: str) -> str | None:
    """Where our own things are read on this host; None for what is not ours."""
    for space, prefix in (
        (names.ID, "/page/"),
        (names.DOC, "/doc/"),
        (names.PASSAGE, "/passage/"),
        (names.QUERY, "/queries/"),
    ):
        if iri.startswith(space) and len(iri) > len(space):
            return prefix + quote(iri[len(space) :], safe="/-_.~#")
    if iri.startswith(names.ESS):
        return "/ontology#" + quote(iri[len(names.ESS) :])
    return None
