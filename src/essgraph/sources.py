"""The RDF files of a project, read with the line on which each statement stands.

The parser says what is stated, in the order of the text; where a finding needs the place of a
statement, ``turtle`` reads the file once more and gives the n-th one's.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import pyoxigraph as ox
from rapidfuzz import fuzz, process

from essgraph import names, turtle
from essgraph.errors import Position, ProjectError, SyntaxFault, Text
from essgraph.findings import Place, perhaps
from essgraph.project import Project, no_slug, read_bytes

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

_NAMES = (names.RDFS + "label", names.SKOS + "prefLabel")

#: What a message shows of a line, in characters.
MAX_LINE = 400
MAX_TRIPLE_TERMS = 64

#: Larger files are not kept in memory from one check to the next.
_REMEMBERED = 256 * 1024


Part: TypeAlias = Literal["subject", "predicate", "object", "graph"]


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A file as it was read: the name that messages show, and its bytes."""

    name: str
    data: bytes

    @cached_property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line starts."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def tokens(self) -> list[turtle.Token]:
        return list(turtle.tokens(self.text))

    def offset(self, position: Position) -> int:
        """The place in the text of a line and column."""
        line = min(position.line, len(self._lines))
        return min(self._lines[line - 1] + position.column - 1, len(self.text))

    def position(self, offset: int) -> Position:
        """The line and column of a place in the text."""
        line = bisect.bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1)

    @cached_property
    def _spots(self) -> list[turtle.Spots]:
        return turtle.spots(self.text)

    @cached_property
    def shouts(self) -> bool:
        """Whether some language tag has a capital."""
        return re.search(rb"@[a-z-]*[A-Z]", self.data) is not None

    def written(self, number: int) -> str:
        """The object of the n-th statement as the file writes it."""
        return self.text[slice(*self._spots[number].object)] if number < len(self._spots) else ""

    def place(self, start: int, end: int) -> Place:
        """The place of a piece of the text (code points, end excluded)."""
        line, column = self.position(start).line, self.position(start).column
        first = start - column + 1
        if column > MAX_LINE:
            return Place(self.name, line, column, 1)
        excerpt = self.text[first : first + MAX_LINE].partition("\n")[0].rstrip("\r")
        width = max(1, min(end - start, len(excerpt) - column + 1))
        return Place(self.name, line, column, width, excerpt)

    def at(self, position: Position) -> Place:
        """The place of a line and column that a parser gave."""
        start = min(self.offset(position), max(len(self.text) - 1, 0))
        word = re.compile(r"[\w:/.-]*").match(self.text, start)
        return self.place(start, max(start + 1, word.end() if word else 0))

    def spot(self, number: int, part: Part) -> Place:
        """The place of a term of the n-th statement."""
        if number >= len(self._spots):
            return Place(self.name)
        start, end = getattr(self._spots[number], part)
        return self.place(start, end)


@dataclass(frozen=True, slots=True)
class Statement:
    """One quad as a file states it: the ``number``-th of that file, counted from 0."""

    subject: Term
    predicate: ox.NamedNode
    object: Term
    graph: Graph
    source: SourceFile
    number: int

    @property
    def triple(self) -> tuple[Term, Term, Term]:
        return (self.subject, self.predicate, self.object)

    @property
    def file(self) -> str:
        return self.source.name

    def place(self, part: Part = "object") -> Place:
        """Where one of its terms stands."""
        return self.source.spot(self.number, part)


def parse(data: bytes, file: str) -> Iterator[Statement]:
    """The statements of a Turtle or TriG file in the order of the text.

    Takes the bytes and the name that messages show. Raises SyntaxFault with its place.
    """
    source = SourceFile(file, data)
    _refuse(source)
    try:
        for number, quad in enumerate(ox.parse(data, format=ox.RdfFormat.TRIG)):
            if isinstance(quad.object, ox.Triple) or getattr(quad.object, "direction", None):
                raise _newer(source)
            yield Statement(
                quad.subject, quad.predicate, quad.object, quad.graph_name, source, number
            )
    except SyntaxError as error:
        raise _fault(source, error) from error


def _refuse(source: SourceFile) -> None:
    """Refuses what is no text of ours, or would harm the parser, before it is parsed."""
    if source.data.startswith(b"\xef\xbb\xbf"):
        said = Text(
            "le fichier commence par une marque d'ordre des octets",
            "the file begins with a byte-order mark",
        )
        mend = Text("enregistrez-le en UTF-8 sans marque", "save it as UTF-8 without one")
    elif b"\0" in source.data:
        said = Text("fichier binaire, ou texte en UTF-16", "a binary file, or a text in UTF-16")
        mend = Text("enregistrez-le en UTF-8", "save it as UTF-8")
    elif source.data.count(b"<<(") > MAX_TRIPLE_TERMS:
        # The parser frees nested ones by recursion, which can overflow the stack.
        said = Text("trop de triplets cités « <<( »", 'too many triple terms "<<("')
        mend = Text("le relevé n'en emploie pas", "the mapping uses none")
    else:
        return
    raise SyntaxFault(said, file=source.name, at=Position(1), mend=mend)


def _newer(source: SourceFile) -> SyntaxFault:
    """Of what RDF 1.1 has not: neither SHACL nor most SPARQL engines could read it."""
    odd = next((token.start for token in source.tokens if token.kind == "error"), 0)
    return SyntaxFault(
        Text(
            "triplet cité, ou sens d'écriture : c'est du RDF 1.2",
            "a triple term or a base direction: that is RDF 1.2",
        ),
        file=source.name,
        at=source.position(odd),
        mend=Text("le relevé s'en tient à RDF 1.1", "the mapping keeps to RDF 1.1"),
    )


#: What the parser says, in French, with what it names; it knows English only.
_FRENCH = [
    (re.compile(pattern), french)
    for pattern, french in (
        (r"The prefix (.*) has not been declared", r"le préfixe \1 n'est pas déclaré"),
        (r"A dot is expected at the end of statements", "il manque un point"),
        (r"Unexpected end(?: of file)?", "le fichier s'arrête trop tôt"),
        (r"(.*) is not a valid subject or graph name", r"\1 n'est ni un sujet ni un graphe"),
        (r"(.*) is not a valid predicate", r"\1 n'est pas un prédicat"),
        (r"(.*) is not a valid RDF object", r"\1 n'est pas un objet RDF"),
        (r"Invalid IRI code point (.*)", r"\1 n'a pas sa place dans un IRI"),
        (r"No scheme found in an absolute IRI", "cet IRI est relatif, il manque le schéma"),
        (r"(.*) is not allowed at the beginning of a prefix name", r"\1 est de trop ici"),
        (r"Invalid UTF-8.*", "ce n'est pas de l'UTF-8"),
        (r"Line jumps are not allowed in string .*", "cette chaîne n'est pas fermée"),
        (r"A '\.' or '\}' is expected.*", "il manque un point ou une accolade"),
    )
]


def _fault(source: SourceFile, error: SyntaxError) -> SyntaxFault:
    reason = re.sub(r"^Parser error .*?: | \(line \d+\)$", "", str(error.msg))
    french = next((p.sub(f, reason) for p, f in _FRENCH if p.fullmatch(reason)), reason)
    at = Position(error.lineno or 1, error.offset or 1)
    mend = None
    prefix = re.match(r"The prefix (.*): has", reason)
    if prefix:
        mend = _prefix(source, prefix[1])
    elif reason == "Unexpected end" or reason.startswith(("A dot is expected", "GRAPH is not")):
        at, mend = _unfinished(source, at)
    elif "string literals" in reason:
        opened = [t for t in source.tokens if t.kind == "error" and t.start < source.offset(at)]
        at = source.position(opened[0].start) if opened else at
        mend = Text("fermez la chaîne par un guillemet", "close the string with a quotation mark")
    return SyntaxFault(
        Text(f"RDF mal formé : {french}", f"not well-formed RDF: {reason}"),
        file=source.name,
        at=at,
        mend=mend,
    )


def _prefix(source: SourceFile, prefix: str) -> Text | None:
    if prefix in names.PREFIXES:
        line = f"PREFIX {prefix}: <{names.PREFIXES[prefix]}>"
        return Text(f"ajoutez {line}", f"add {line}")
    declared = re.findall(r"(?im)^\s*@?prefix\s+([^\s:]*):", source.text)
    near = process.extractOne(prefix, declared, scorer=fuzz.ratio, score_cutoff=60)
    return perhaps(f"{near[0]}:") if near else None


def _unfinished(source: SourceFile, at: Position) -> tuple[Position, Text]:
    """Where something is missing: right after the last token before the fault; or, if a graph
    is still open, where it opens."""
    start = source.offset(at)
    before = [t for t in source.tokens if t.start < start and t.kind not in ("space", "comment")]
    opened = [t for t in before if t.text in ("{", "}")]
    upcoming = source.text[start : start + 5].upper()
    if opened and opened[-1].text == "{" and upcoming in ("", "GRAPH"):
        return source.position(opened[-1].start), Text(
            "fermez ce graphe par une accolade }", "close this graph with a brace }"
        )
    if not before:
        return at, Text("complétez le fichier", "complete the file")
    return source.position(before[-1].end - 1), Text(
        "ajoutez un point après ceci", "add a full stop after this"
    )


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


def _parsed(data: bytes, name: str) -> Iterable[Statement]:
    """The statements of a file; one that stands as it was when last read is not parsed again."""
    return _remembered(data, name) if len(data) <= _REMEMBERED else parse(data, name)


@lru_cache(maxsize=128)
def _remembered(data: bytes, name: str) -> tuple[Statement, ...]:
    return tuple(parse(data, name))


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
                found.extend(_parsed(project.read(path), project.name(path)))
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
    return Sources(project, ontology=list(_parsed(project.read(path), project.name(path))))


def read(project: Project, files: Sequence[Path] = ()) -> tuple[Sources, list[SyntaxFault]]:
    """All RDF files of a project (see ``layout``), and the faults of those that do not parse.

    Raises ProjectError for what is missing or cannot be read.
    """
    found = layout(project, files)
    whole, faults = read_some(found, found.documents)
    return whole, [*found.faults, *faults]
