"""What a vocabulary's file says of its terms: the ontology, the shapes."""

from __future__ import annotations

from collections.abc import Iterable

import pyoxigraph as ox

from essgraph import names
from essgraph.search import fold
from essgraph.service.pages import wording


class Terms:
    """The terms of a graph, by subject and predicate, in the language of a page."""

    def __init__(self, triples: Iterable[ox.Triple], language: str) -> None:
        self._said: dict[str, dict[str, list[ox.NamedNode | ox.Literal]]] = {}
        self._language = language
        for triple in sorted(triples, key=str):
            values = self._said.setdefault(triple.subject.value, {})  # type: ignore[union-attr]
            values.setdefault(triple.predicate.value, []).append(triple.object)  # type: ignore[arg-type]

    def subjects(self, type_: str) -> list[str]:
        """Those of a type, in the order of their labels."""
        found = [s for s in self._said if type_ in self.iris(s, names.RDF + "type")]
        return sorted(found, key=lambda s: (fold(self.label(s)), s))

    def iris(self, subject: str, predicate: str) -> list[str]:
        """The IRIs that a property of a subject leads to."""
        values = self._said.get(subject, {}).get(predicate, [])
        return [value.value for value in values if isinstance(value, ox.NamedNode)]

    def text(self, subject: str, predicate: str) -> str:
        """A literal in the language of the page, or one without language, as a typesetter would
        print it; else nothing."""
        for value in self._said.get(subject, {}).get(predicate, []):
            if isinstance(value, ox.Literal) and value.language in (None, self._language):
                return wording.typographic(value.value, self._language)
        return ""

    def label(self, iri: str) -> str:
        """What a term is called: its label, else its short name."""
        return self.text(iri, names.RDFS + "label") or names.prefixed(iri)
