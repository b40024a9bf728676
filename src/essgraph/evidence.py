"""The evidence rules: what makes every fact rest on a passage.

Each rule is one function from the sources to findings; its docstring is the rule. E3 stands in
``register``, E4 in ``positions``, E9 in ``literals``; ``alone`` and ``across`` run them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, Place, write
from essgraph.literals import e9, edtf_dates
from essgraph.positions import e4
from essgraph.register import LABEL, e3, entries, namesakes
from essgraph.rules import at_piece, finding, nearest, show, written
from essgraph.sources import (
    DOCUMENT,
    IDENTITY,
    PASSAGE,
    SET_ASIDE,
    TYPE,
    Document,
    Sources,
)
from essgraph.statements import Statement, Term

#: A run of this many words shared with a source is a copy.
RUN = 8

SOURCE = ox.NamedNode(names.DCTERMS + "source")
RETAINS = ox.NamedNode(names.ESS + "retains")

#: What a document's file describes outside its graphs, and with which properties.
_RECORDS = {DOCUMENT, PASSAGE, SET_ASIDE, ox.NamedNode(names.ESS + "EditorialNote")}
_RECORD = {
    names.RDF + "type",
    names.RDFS + "label",
    names.ESS + "summary",
    names.ESS + "evidenceLevel",
    names.ESS + "firstWords",
    names.ESS + "lastWords",
    names.ESS + "reason",
    names.ESS + "retains",
    names.OA + "bodyValue",
    names.OA + "hasTarget",
}
_REFERENCE = {
    names.ESS + "locatedIn",
    names.ESS + "isoCode",
    names.GEO + "lat",
    names.GEO + "long",
    names.SCHEMA + "sameAs",
    names.FOAF + "homepage",
}
_REGISTER = IDENTITY | {names.ESS + "locatedIn", names.DCTERMS + "source"}
_OWN_WORDS = {
    names.ESS + "summary",
    names.OA + "bodyValue",
    names.SKOS + "definition",
}


def e1(sources: Sources) -> Iterator[Finding]:
    """E1: each passage graph has a record, and each passage a graph or it is set aside."""
    for document in sources.documents:
        passages = {piece.iri.value: piece for piece in document.pieces if piece.is_passage}
        graphs: dict[str, Statement] = {}
        for fact in document.facts:
            graphs.setdefault(getattr(fact.graph, "value", ""), fact)
        silent = {iri: piece for iri, piece in passages.items() if iri not in graphs}
        for graph, fact in graphs.items():
            if graph in passages:
                continue
            near = nearest(graph, silent) or nearest(graph, passages)
            # A passage whose graph is misnamed is not silent.
            silent = {iri: piece for iri, piece in silent.items() if nearest(graph, [iri]) != near}
            yield finding(
                "E1",
                Text(
                    f"le graphe {written(fact.graph)} n'a pas de fiche de passage dans ce document",
                    f"the graph {written(fact.graph)} has no passage record in this document",
                ),
                fact,
                near,
                "graph",
            )
        for piece in silent.values():
            yield at_piece(
                "E1",
                piece,
                Text(
                    "ce passage n'énonce aucun fait : donnez-lui un graphe ou écartez-le",
                    "this passage states no fact: give it a graph or set it aside",
                ),
            )
        yield from _numbers(document)


def _numbers(document: Document) -> Iterator[Finding]:
    """E1: pieces have IRIs under their document's and are numbered in the order of the text."""
    expected = 0
    numbers = [piece.number for piece in document.pieces]
    for index, piece in enumerate(document.pieces):
        expected += 1
        if not piece.iri.value.startswith(document.space):
            yield at_piece(
                "E1",
                piece,
                Text(
                    f"une pièce de ce document doit porter un IRI sous {document.space}",
                    f"a piece of this document needs an IRI under {document.space}",
                ),
            )
        elif piece.number != expected:
            meant = ox.NamedNode(f"{document.space}{expected}")
            yield at_piece(
                "E1",
                piece,
                Text(
                    f"les pièces sont numérotées dans l'ordre : {expected} était attendu",
                    f"pieces are numbered in order: {expected} was expected",
                ),
                write(f"p:{expected}"),
                meant,
            )
            # One wrong number does not make the next ones wrong.
            if expected + 1 not in numbers[index + 1 : index + 2]:
                expected = piece.number


def e2(sources: Sources) -> Iterator[Finding]:
    """E2: no type, label or link in passage graphs; no fact in the register, and its reference
    facts name their source."""
    for document in sources.documents:
        for fact in document.facts:
            if fact.predicate.value in IDENTITY:
                yield finding(
                    "E2",
                    Text(
                        f"{show(fact.predicate)} relève du registre, non d'un passage",
                        f"{show(fact.predicate)} belongs in the register, not in a passage",
                    ),
                    fact,
                    part="predicate",
                    suspects=[fact.subject],
                )
        yield from _outside(document)
    told = {s.subject for s in sources.register if s.predicate == SOURCE}
    for statement in sources.register:
        if statement.predicate.value not in _REGISTER:
            yield finding(
                "E2",
                Text(
                    f"{show(statement.predicate)} énonce un fait : sa place est dans le passage "
                    "qui l'énonce",
                    f"{show(statement.predicate)} states a fact: its place is in the passage "
                    "that states it",
                ),
                statement,
                part="predicate",
            )
        elif statement.predicate.value in _REFERENCE and statement.subject not in told:
            told.add(statement.subject)  # once for each entity
            yield finding(
                "E2",
                Text(
                    "un fait de référence nomme sa source (dcterms:source)",
                    "a reference fact names its source (dcterms:source)",
                ),
                statement,
            )


def _outside(document: Document) -> Iterator[Finding]:
    """E2: outside the graphs, a document's file holds records alone."""
    kinds = {s.subject for s in document.records if s.predicate == TYPE and s.object in _RECORDS}
    for statement in document.records:
        predicate = statement.predicate.value
        subject = getattr(statement.subject, "value", "")
        if predicate in IDENTITY and statement.subject not in kinds:
            if subject.startswith((names.DOC, names.PASSAGE)):
                continue  # E1 says what is missing
            yield finding(
                "E2",
                Text(
                    f"{show(statement.predicate)} relève du registre, non d'un document",
                    f"{show(statement.predicate)} belongs in the register, not in a document",
                ),
                statement,
                part="predicate",
                suspects=[statement.subject],
            )
        elif not (predicate in _RECORD or predicate.startswith(names.DCTERMS)):
            yield finding(
                "E2",
                Text("un fait hors de tout passage", "a fact outside any passage"),
                statement,
                Text(
                    "mettez-le dans le graphe du passage qui l'énonce",
                    "put it into the graph of the passage that states it",
                ),
                "predicate",
            )


def e5(sources: Sources, texts: Path | None) -> Iterator[Finding]:
    """E5: no summary, note or definition shares a run of 8 or more words with a source."""
    runs: dict[tuple[str, ...], str] = {}
    titles: set[tuple[str, ...]] = set()
    for document in sources.documents:
        text = document.text(texts)
        if text is not None:
            runs.update((run, document.slug) for run in _runs(text))
    if not runs:
        return
    for statement in sources.register:
        # Titles of works, talks, events and organisations may stand whole.
        if statement.predicate == LABEL or statement.predicate.value == names.SKOS + "altLabel":
            titles.update(_runs(getattr(statement.object, "value", "")))
    for statement in sources.statements():
        if statement.predicate.value in _OWN_WORDS and isinstance(statement.object, ox.Literal):
            for run in _runs(statement.object.value):
                if run in runs and run not in titles:
                    yield finding(
                        "E5",
                        Text(
                            f"« {' '.join(run)} » est copié du texte {runs[run]}",
                            f'"{" ".join(run)}" is copied from the text {runs[run]}',
                        ),
                        statement,
                        Text("dites-le avec vos propres mots", "say it in your own words"),
                    )
                    break


_WORD = re.compile(r"[^\W_]+")


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    for at in range(len(words) - RUN + 1):
        yield tuple(words[at : at + RUN])


def e6(sources: Sources) -> Iterator[Finding]:
    """E6: every published fact rests on a passage that is not doubtful (source side: an
    editorial note never retains a doubtful passage)."""
    for document in sources.documents:
        for statement in document.records:
            if statement.predicate == RETAINS and statement.object in sources.doubtful:
                yield finding(
                    "E6",
                    Text(
                        "une note ne retient pas un passage douteux",
                        "a note does not retain a doubtful passage",
                    ),
                    statement,
                )


def vocabulary(sources: Sources) -> Iterator[Finding]:
    """O1: every predicate and class that the data uses is declared in the ontology as such."""
    declared = sources.elsewhere.declared | declared_in(sources)
    said: set[tuple[str, Term]] = set()
    for statement in sources.statements():
        used: list[tuple[Term, bool]] = [(statement.predicate, False)]
        if statement.predicate == TYPE:
            used.append((statement.object, True))
        for term, as_class in used:
            builtin = isinstance(term, ox.NamedNode) and term.value.startswith(
                (names.RDF, names.RDFS, names.OWL)
            )
            if (term, as_class) in declared or builtin or (statement.file, term) in said:
                continue
            said.add((statement.file, term))
            alike = [t.value for t, a in declared if a is as_class and isinstance(t, ox.NamedNode)]
            text = Text(
                f"{show(term)} n'est pas déclaré dans l'ontologie",
                f"{show(term)} is not declared in the ontology",
            )
            if (term, not as_class) in declared:
                text = Text(
                    f"{show(term)} est une {'propriété' if as_class else 'classe'}",
                    f"{show(term)} is a {'property' if as_class else 'class'}",
                )
            yield finding(
                "O1",
                text,
                statement,
                nearest(getattr(term, "value", ""), alike),
                "object" if as_class else "predicate",
                [statement.subject],
            )


def declared_in(sources: Sources) -> frozenset[tuple[Term, bool]]:
    """The terms of the ontology, each with whether it is a class."""
    return frozenset(
        (s.subject, s.object in _CLASSES) for s in sources.ontology if s.predicate == TYPE
    )


_CLASSES = {ox.NamedNode(names.OWL + "Class"), ox.NamedNode(names.RDFS + "Class")}


def documents(sources: Sources) -> Iterator[Finding]:
    """E1: each file of data/documents holds the record of the document that it is named after."""
    for document in sources.documents:
        if not any(
            s.subject == document.iri and s.predicate == TYPE and s.object == DOCUMENT
            for s in document.records
        ):
            first = next(
                (s for s in document.records if s.predicate == TYPE and s.object == DOCUMENT),
                next(iter(document.statements), None),
            )
            yield Finding(
                rule="E1",
                text=Text(
                    f"ce fichier ne décrit pas doc:{document.slug} (a ess:SourceDocument)",
                    f"this file does not describe doc:{document.slug} (a ess:SourceDocument)",
                ),
                place=first.place("subject") if first else Place(document.file),
                suspects=frozenset(map(show, [document.iri, *([first.subject] if first else [])])),
            )


def alone(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of the rules that judge a document by itself, and so the rest of the files."""
    return [
        *documents(sources),
        *e1(sources),
        *e2(sources),
        *entries(sources),
        *e4(sources, texts),
        *e9(sources),
        *edtf_dates(sources),
        *vocabulary(sources),
    ]


def across(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of the rules that look at several documents, or at these and the register."""
    return [*e3(sources), *namesakes(sources), *e5(sources, texts), *e6(sources)]
