"""The RDF files of a project, read with the line on which each statement stands.

The parser is fed one line at a time and hands out a statement as soon as it is complete: so the
line last fed is the line of the statement's object. No second parser is needed.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import Position, ProjectError, SyntaxFault, Text
from essgraph.project import Project

Term: TypeAlias = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
Graph: TypeAlias = ox.NamedNode | ox.BlankNode | ox.DefaultGraph

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

#: Larger files are refused before they are read: a mapped text is some tens of kilobytes.
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Statement:
    """One quad as a file states it; ``line`` is where its object stands."""

    subject: Term
    predicate: ox.NamedNode
    object: Term
    graph: Graph
    file: str
    line: int

    @property
    def triple(self) -> tuple[Term, Term, Term]:
        return (self.subject, self.predicate, self.object)


class _LineByLine(io.BytesIO):
    """A binary reader that hands out at most one line at a time and counts them."""

    line = 0

    def read(self, size: int | None = -1, /) -> bytes:
        inside = self.tell() > 0 and self.getbuffer()[self.tell() - 1] != ord("\n")
        piece = self.readline(size)
        self.line += bool(piece) and not inside
        return piece


def parse(data: bytes, file: str) -> Iterator[Statement]:
    """The statements of a Turtle or TriG file in the order of the text.

    Takes the bytes and the name that messages show. Raises SyntaxFault with line and column.
    """
    if len(data) > MAX_BYTES:
        raise SyntaxFault(
            Text(
                f"fichier de plus de {MAX_BYTES >> 20} Mio",
                f"file larger than {MAX_BYTES >> 20} MiB",
            ),
            file=file,
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise SyntaxFault(
            Text(
                "le fichier commence par une marque d'ordre des octets : enregistrez-le en UTF-8 "
                "sans marque",
                "the file begins with a byte-order mark: save it as UTF-8 without one",
            ),
            file=file,
            at=Position(1),
        )
    reader = _LineByLine(data)
    try:
        for quad in ox.parse(reader, format=ox.RdfFormat.TRIG):
            yield Statement(
                quad.subject, quad.predicate, quad.object, quad.graph_name, file, reader.line
            )
    except SyntaxError as error:
        reason = re.sub(r"^Parser error .*?: | \(line \d+\)$", "", str(error.msg))
        raise SyntaxFault(
            Text(f"RDF mal formé : {reason}", f"not well-formed RDF: {reason}"),
            file=file,
            at=Position(error.lineno or 1, error.offset or 1),
        ) from error


@dataclass(frozen=True)
class Piece:
    """A passage or a set-aside part, as its record says. ``number`` is the n of its IRI."""

    iri: ox.NamedNode
    number: int
    is_passage: bool
    first: str
    last: str | None
    level: ox.NamedNode | None
    file: str
    line: int

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
    anchors_file: str
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
            number=int(number) if number.isdecimal() else 0,
            is_passage=PASSAGE in by_key,
            first=literal(FIRST_WORDS) or "",
            last=literal(LAST_WORDS),
            level=level.object if level and isinstance(level.object, ox.NamedNode) else None,
            file=self.file,
            line=(by_key.get(PASSAGE) or by_key[SET_ASIDE]).line,
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
        if not path.is_file():
            return None
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProjectError(
                Text(f"texte illisible : {path} ({error})", f"cannot read text: {path} ({error})")
            ) from error


@dataclass(frozen=True)
class Sources:
    """Everything a project states, file by file."""

    project: Project
    documents: list[Document] = field(default_factory=list)
    register: list[Statement] = field(default_factory=list)
    schemes: list[Statement] = field(default_factory=list)
    dataset: list[Statement] = field(default_factory=list)
    withdrawn: list[Statement] = field(default_factory=list)
    ontology: list[Statement] = field(default_factory=list)

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
    def doubtful(self) -> frozenset[Graph]:
        """The passage graphs that are not published in the default graph."""
        return frozenset(
            piece.iri
            for document in self.documents
            for piece in document.pieces
            if piece.level == DOUBTFUL
        )


def read(project: Project, files: Sequence[Path] = ()) -> tuple[Sources, list[SyntaxFault]]:
    """All RDF files of a project, and the faults of those that do not parse.

    ``files`` are read too: a TriG file as a document (in place of the project's own of that
    name), any other as part of the register. A file that does not parse contributes what stands
    before the fault, so that one fault does not hide the others. Raises ProjectError for what is
    missing or cannot be read.
    """
    faults: list[SyntaxFault] = []

    def statements(paths: Iterable[Path]) -> list[Statement]:
        found: list[Statement] = []
        for path in paths:
            try:
                found.extend(parse(project.read(path), project.name(path)))
            except SyntaxFault as fault:
                faults.append(fault)
        return found

    own = {path.resolve() for path in project.inputs()}
    further = [path for path in files if path.resolve() not in own]
    documents = {path.stem: path for path in project.documents}
    documents |= {path.stem: path for path in further if path.suffix == ".trig"}
    return (
        Sources(
            project=project,
            documents=[
                Document(
                    slug=slug,
                    path=path,
                    file=project.name(path),
                    statements=statements([path]),
                    anchors_file=project.name(project.anchors(path)),
                    anchors=statements(p for p in [project.anchors(path)] if p.exists()),
                )
                for slug, path in sorted(documents.items())
            ],
            register=statements(
                [*project.register, *(path for path in further if path.suffix != ".trig")]
            ),
            schemes=statements(project.schemes),
            dataset=statements([project.dataset]),
            withdrawn=statements(p for p in [project.withdrawn] if p.exists()),
            ontology=statements([project.ontology]),
        ),
        faults,
    )
