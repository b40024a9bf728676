"""The statements of an RDF file, each with the place where it stands; or what is wrong with it.

The parser says what is stated, in the order of the text; where a finding needs the place of a
statement, ``turtle`` reads the file once more and gives the n-th one's.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias

import pyoxigraph as ox
from rapidfuzz import fuzz, process

from essgraph import names, turtle
from essgraph.errors import Position, SyntaxFault, Text
from essgraph.findings import Place, perhaps

Term: TypeAlias = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple
Graph: TypeAlias = ox.NamedNode | ox.BlankNode | ox.DefaultGraph

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
    (re.compile(pattern, re.DOTALL), french)
    for pattern, french in (
        (r"The prefix (.*) has not been declared", r"le préfixe \1 n'est pas déclaré"),
        (r"A dot is expected at the end of statements", "il manque un point"),
        (r"Triples should be followed by a dot", "il manque un point"),
        (r"Unexpected end(?: of file)?", "le fichier s'arrête trop tôt"),
        (r"(.*) is not a valid subject or graph name", r"\1 n'est ni un sujet ni un graphe"),
        (r"(.*) is not a valid RDF subject", r"\1 n'est pas un sujet RDF"),
        (r"(.*) is not a valid predicate", r"\1 n'est pas un prédicat"),
        (r"(.*) is not a valid RDF object", r"\1 n'est pas un objet RDF"),
        (r"(.*) is not a valid graph name", r"\1 n'est pas un nom de graphe"),
        (r"Invalid IRI code point '\s'", "un blanc n'a pas sa place dans un IRI"),
        (r"Invalid IRI code point '(.*)'", r"« \1 » n'a pas sa place dans un IRI"),
        (
            r"(?:Invalid IRI percent encoding|escapes in IRIs should be .* found) '(.*)'",
            r"« \1 » n'est pas un % suivi de deux chiffres hexadécimaux",
        ),
        (
            r"The character that are allowed .* found '(.*)'",
            r"« \\\1 » n'a pas sa place dans un nom",
        ),
        (r"Invalid character '(.*)'.*", r"« \1 » n'a pas sa place dans le nom d'une machine"),
        (r"No scheme found in an absolute IRI", "cet IRI est relatif, il manque le schéma"),
        (r"' ' is not allowed at the beginning of a prefix name", "une espace est de trop ici"),
        (r"'(.*)' is not allowed at the beginning of a prefix name", r"« \1 » est de trop ici"),
        (r"'(.*)' is not a valid prefix: .*", r"le préfixe « \1 » finit par un point"),
        (
            r"The (?:PREFIX|BASE) (?:keyword|declaration) should be .*",
            "PREFIX veut un préfixe comme ex: et un IRI entre < et >, BASE un tel IRI",
        ),
        (r"The GRAPH keyword should be .*", "GRAPH veut un nom de graphe puis une accolade {"),
        (r"The VERSION keyword should be .*", 'VERSION veut une chaîne comme "1.2"'),
        (r"Invalid UTF-8.*", "ce n'est pas de l'UTF-8"),
        (r"Line jumps are not allowed in string .*", "cette chaîne n'est pas fermée"),
        (r"Unexpected escape character '(.*)'", r"« \1 » n'a pas de sens dans une chaîne"),
        (
            r"The escape sequence '(\\u\w*).*",
            r"« \1 » n'est pas le code hexadécimal d'un caractère",
        ),
        (
            r"A language code .*|The given language .*|An? (?:subtag|extension|extlang).*"
            r"|If an extension .*",
            "l'étiquette de langue est mal formée (BCP 47)",
        ),
        (
            r"Expecting a datatype IRI after \^\^, found (.*)",
            r"après ^^ vient l'IRI d'un type, pas \1",
        ),
        (r"An integer should not be empty", "un nombre s'arrête après son signe"),
        (r"A double exponent cannot be empty", "un nombre s'arrête après « e »"),
        (r"A blank node ID cannot be empty", "un nœud anonyme n'a pas de nom après « _: »"),
        (r"A '[.}]' or (?:a )?'[.}]' is expected.*", "il manque un point ou une accolade"),
    )
]


def _fault(source: SourceFile, error: SyntaxError) -> SyntaxFault:
    reason = re.sub(r"^Parser error .*?: | \(line \d+\)$", "", str(error.msg))
    said = (pattern.sub(french, reason) for pattern, french in _FRENCH if pattern.fullmatch(reason))
    french = next(said, "la grammaire n'admet pas ce qui est ici")
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


def parsed(data: bytes, name: str) -> Iterable[Statement]:
    """The statements of a file; one that stands as it was when last read is not parsed again."""
    return _remembered(data, name) if len(data) <= _REMEMBERED else parse(data, name)


@lru_cache(maxsize=128)
def _remembered(data: bytes, name: str) -> tuple[Statement, ...]:
    return tuple(parse(data, name))
