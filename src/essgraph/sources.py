"""The RDF files of a project: its documents with their pieces, its register, lists and ontology."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import ProjectError, SyntaxFault, Text
from essgraph.findings import Place
from essgraph.project import Project, no_slug, read_bytes
from essgraph.statements import Graph, Statement, Term, parsed

TYPE = ox.NamedNode(names.RDF + "type")
PASSAGE = ox.NamedNode(names.ESS + "Passage")
SET_ASIDE = ox.NamedNode(names.ESS + "SetAside")
DOCUMENT = ox.NamedNode(names.ESS + "SourceDocument")
FIRST_WORDS = ox.NamedNode(names.ESS + "firstWords")
LAST_WORDS = ox.NamedNode(names.ESS + "lastWords")
LEVEL = ox.NamedNode(names.ESS + "evidenceLevel")
DOUBTFUL = ox.NamedNode(names.ID + "evidence/doubtful")
IDENTIFIER = ox.NamedNode(names.DCTERMS + "identifier")

#: The properties that say who or what an entity is: they stand in the register only.
IDENTITY = frozenset(
    {
        names.RDF + "type",
        names.RDFS + "label",
        names.SKOS + "altLabel",
        names.SKOS + "hiddenLabel",
        names.ESS + "acronym",
        names.ESS + "isoCode",
        names.GEO + "lat",
        names.GEO + "long",
        names.SCHEMA + "sameAs",
        names.FOAF + "homepage",
    }
)

_NAMES = (names.RDFS + "label", names.SKOS + "prefLabel")


@dataclass(frozen=True)
class Piece:
    """A passage or a set-aside part, as its record says. ``number`` is the n of its IRI."""

    iri: ox.NamedNode
    number: int
    is_passage: bool
    first: str
    last: str | None
    level: ox.NamedNode | None
    record: Statement
    first_stated: Statement | None
    last_stated: Statement | None

    @property
    def place(self) -> Place:
        """Where its record begins."""
        return self.record.place("subject")

    def words_place(self, last: bool = False) -> Place:
        """Where its first (or last) words are stated."""
        stated = self.last_stated if last else self.first_stated
        return stated.place() if stated else self.place

    @property
    def words_digest(self) -> str:
        """SHA-256 (hex) of the words from which the position is derived."""
        return hashlib.sha256(f"{self.first}\n{self.last or ''}".encode()).hexdigest()


@dataclass(frozen=True)
class Document:
    """One mapped text: its records, its passage graphs, its derived anchors."""

    slug: str
    path: Path
    file: str
    statements: list[Statement]
    anchors: list[Statement]

    @property
    def iri(self) -> ox.NamedNode:
        return ox.NamedNode(names.DOC + self.slug)

    @property
    def space(self) -> str:
        """The namespace of its pieces."""
        return f"{names.PASSAGE}{self.slug}/"

    @cached_property
    def records(self) -> list[Statement]:
        return [s for s in self.statements if isinstance(s.graph, ox.DefaultGraph)]

    @cached_property
    def facts(self) -> list[Statement]:
        return [s for s in self.statements if not isinstance(s.graph, ox.DefaultGraph)]

    @cached_property
    def pieces(self) -> list[Piece]:
        """Its passages and set-asides, in the order of the file."""
        values: dict[Term, dict[Term, Statement]] = defaultdict(dict)
        for statement in self.records:
            key = (
                statement.object
                if statement.predicate == TYPE and statement.object in (PASSAGE, SET_ASIDE)
                else statement.predicate
            )
            values[statement.subject].setdefault(key, statement)
        return [
            self._piece(subject, by_key)
            for subject, by_key in values.items()
            if isinstance(subject, ox.NamedNode) and (PASSAGE in by_key or SET_ASIDE in by_key)
        ]

    def _piece(self, subject: ox.NamedNode, by_key: dict[Term, Statement]) -> Piece:
        def literal(predicate: ox.NamedNode) -> str | None:
            found = by_key.get(predicate)
            return found.object.value if found and isinstance(found.object, ox.Literal) else None

        level = by_key.get(LEVEL)
        number = subject.value.rpartition("/")[2]
        return Piece(
            iri=subject,
            number=int(number) if re.fullmatch(r"[1-9][0-9]{0,8}", number) else 0,
            is_passage=PASSAGE in by_key,
            first=literal(FIRST_WORDS) or "",
            last=literal(LAST_WORDS),
            level=level.object if level and isinstance(level.object, ox.NamedNode) else None,
            record=by_key.get(PASSAGE) or by_key[SET_ASIDE],
            first_stated=by_key.get(FIRST_WORDS),
            last_stated=by_key.get(LAST_WORDS),
        )

    @cached_property
    def text_name(self) -> str | None:
        """The file name of its private text."""
        for s in self.records:
            if s.subject == self.iri and s.predicate == IDENTIFIER:
                return s.object.value if isinstance(s.object, ox.Literal) else None
        return None

    def text(self, folder: Path | None) -> str | None:
        """The private text, decoded, if ``folder`` has it; None otherwise."""
        if folder is None or self.text_name is None:
            return None
        path = folder / self.text_name
        if not os.path.lexists(path):
            return None
        try:
            return read_bytes(path, str(path)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProjectError(
                Text(
                    f"texte illisible : {path} n'est pas de l'UTF-8 (octet {error.start})",
                    f"cannot read text: {path} is not UTF-8 (byte {error.start})",
                )
            ) from error


@dataclass(frozen=True)
class Elsewhere:
    """What the rest of a project says, where only some of its files are read: the terms that the
    ontology declares, the entities that have an entry and those of which a passage speaks, and
    the passages that are doubtful."""

    declared: frozenset[tuple[Term, bool]] = frozenset()
    known: frozenset[Term] = frozenset()
    spoken: frozenset[Term] = frozenset()
    doubtful: frozenset[Graph] = frozenset()


@dataclass(frozen=True)
class Sources:
    """Everything a project states, file by file; or some of its files."""

    project: Project
    documents: list[Document] = field(default_factory=list)
    register: list[Statement] = field(default_factory=list)
    schemes: list[Statement] = field(default_factory=list)
    dataset: list[Statement] = field(default_factory=list)
    withdrawn: list[Statement] = field(default_factory=list)
    ontology: list[Statement] = field(default_factory=list)
    elsewhere: Elsewhere = Elsewhere()

    def statements(self) -> Iterator[Statement]:
        """All statements, derived anchors last."""
        yield from self.ontology
        yield from self.dataset
        yield from self.withdrawn
        yield from self.schemes
        yield from self.register
        for document in self.documents:
            yield from document.statements
        for document in self.documents:
            yield from document.anchors

    @cached_property
    def where(self) -> dict[Term, list[Statement]]:
        """The statements by subject: how a finding on a node gets its line."""
        index: dict[Term, list[Statement]] = defaultdict(list)
        for statement in self.statements():
            index[statement.subject].append(statement)
        return dict(index)

    @cached_property
    def labels(self) -> dict[str, Text]:
        """The name of everything that has one, by prefixed form; a passage is named by its number
        and its document."""
        by_tag: dict[Term, dict[str, str]] = defaultdict(dict)
        for s in self.statements():
            if s.predicate.value in _NAMES and isinstance(s.object, ox.Literal):
                by_tag[s.subject].setdefault(s.object.language or "en", s.object.value)
        found = {
            names.shorten(term.value): Text(tags.get("fr", any_), tags.get("en", any_))
            for term, tags in by_tag.items()
            for any_ in [next(iter(tags.values()))]
            if isinstance(term, ox.NamedNode)
        }
        for document in self.documents:
            for piece in document.pieces:
                found[names.shorten(piece.iri.value)] = Text(
                    f"passage {piece.number} de {document.slug}",
                    f"passage {piece.number} of {document.slug}",
                )
        return found

    @cached_property
    def doubtful(self) -> frozenset[Graph]:
        """The passage graphs that are not published in the default graph."""
        return self.elsewhere.doubtful.union(
            piece.iri
            for document in self.documents
            for piece in document.pieces
            if piece.level == DOUBTFUL
        )


@dataclass(frozen=True)
class Layout:
    """The files to read: the documents by slug, in order, and all others, which are the frame."""

    project: Project
    documents: dict[str, Path]
    further: list[Path]  # of the register
    faults: list[SyntaxFault]  # documents whose names are no slugs

    def files(self, slug: str) -> list[Path]:
        """A document's own file, and its derived one if it is there."""
        path = self.documents[slug]
        return [path, *(p for p in [self.project.anchors(path)] if p.exists())]


def layout(project: Project, files: Sequence[Path] = ()) -> Layout:
    """The files of a project. ``files`` are read too: a TriG file as a document (in place of the
    project's own of that name), any other as part of the register."""
    own = {project.name(path) for path in project.inputs()} if files else set()
    further = [path for path in files if project.name(path) not in own]
    documents = {path.stem: path for path in project.documents}
    documents |= {path.stem: path for path in further if path.suffix == ".trig"}
    return Layout(
        project,
        {slug: path for slug, path in sorted(documents.items()) if names.SLUG.fullmatch(slug)},
        [path for path in further if path.suffix != ".trig"],
        [
            no_slug(project.name(path))
            for slug, path in sorted(documents.items())
            if not names.SLUG.fullmatch(slug)
        ],
    )


def read_some(
    layout: Layout, slugs: Iterable[str], frame: bool = True, elsewhere: Elsewhere = Elsewhere()
) -> tuple[Sources, list[SyntaxFault]]:
    """The documents of these slugs, and with ``frame`` all files that are no documents; and the
    faults of those that do not parse, which contribute nothing else.

    Raises ProjectError for what is missing or cannot be read.
    """
    project = layout.project
    faults: list[SyntaxFault] = []

    def statements(paths: Iterable[Path]) -> list[Statement]:
        found: list[Statement] = []
        for path in paths:
            try:
                found.extend(parsed(project.read(path), project.name(path)))
            except SyntaxFault as fault:
                faults.append(fault)
        return found

    documents = [
        Document(
            slug=slug,
            path=layout.documents[slug],
            file=project.name(layout.documents[slug]),
            statements=statements([layout.documents[slug]]),
            anchors=statements(layout.files(slug)[1:]),
        )
        for slug in slugs
    ]
    if not frame:
        return Sources(project, documents, elsewhere=elsewhere), faults
    return (
        Sources(
            project=project,
            documents=documents,
            register=statements([*project.register, *layout.further]),
            schemes=statements(project.schemes),
            dataset=statements([project.dataset]),
            withdrawn=statements(p for p in [project.withdrawn] if p.exists()),
            ontology=statements([project.ontology]),
            elsewhere=elsewhere,
        ),
        faults,
    )


def read_ontology(project: Project) -> Sources:
    """The ontology alone. Raises ProjectError and SyntaxFault."""
    path = project.ontology
    return Sources(project, ontology=list(parsed(project.read(path), project.name(path))))


def read(project: Project, files: Sequence[Path] = ()) -> tuple[Sources, list[SyntaxFault]]:
    """All RDF files of a project (see ``layout``), and the faults of those that do not parse.

    Raises ProjectError for what is missing or cannot be read.
    """
    found = layout(project, files)
    whole, faults = read_some(found, found.documents)
    return whole, [*found.faults, *faults]
