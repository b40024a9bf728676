"""What the engine found, written in the format asked for, without the faults of its writers.

SPARQL 1.1 Query Results JSON, XML, CSV and TSV; Turtle, N-Triples, RDF/XML and JSON-LD. The
engine's own writers serve where they are right; here is what they get wrong: CR in XML, IRIs with a
comma in CSV, predicates without a QName in RDF/XML, characters that XML does not have.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Set
from typing import IO, Final, Protocol, cast

import pyoxigraph as ox

from essgraph import jsonld, names
from essgraph.errors import NotRepresentable, Text
from essgraph.formats import PLAIN, Format

Result = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples


class Writer(Protocol):
    """Where an answer goes, piece by piece. ``write`` may raise to end the evaluation."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


def _io(out: Writer) -> IO[bytes]:
    """The engine asks for a binary file, and calls no more of it than a Writer has."""
    return cast("IO[bytes]", out)


_RESULTS: Final = {
    "json": (ox.QueryResultsFormat.JSON, b'},{"'),
    "xml": (ox.QueryResultsFormat.XML, b"<result>"),
    "tsv": (ox.QueryResultsFormat.TSV, b"\n"),
}
# Names in XML, without a colon (XML 1.0, fifth edition, 4 and 4a; Namespaces in XML, 4).
_NAME_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME_MORE = "\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040"
#: An IRI that ends in no such name, or whose namespace no prefix may have (Namespaces in XML, 3).
_NO_QNAME = re.compile(
    rf"(?:\A|[^{_NAME_START}{_NAME_MORE}])[{_NAME_MORE}]*\Z|\Ahttp://www\.w3\.org/2000/xmlns/"
)
#: Stands for rdf:type where the class can be no element, until the bytes are there.
_TYPE: Final = "essgraph-type"
#: Names that RDF/XML reserves (7.2.2 to 7.2.5): no property element may bear them, no node either.
_RESERVED: Final = frozenset(
    names.RDF + name
    for name in ("RDF", "ID", "about", "parseType", "resource", "nodeID", "datatype", "li",
                 "Description", "aboutEach", "aboutEachPrefix", "bagID", _TYPE)
)  # fmt: skip
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NOT_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")


def write(result: Result, format: Format, out: Writer) -> int:
    """Writes a result whole and returns its rows (solutions, or triples of a graph).

    Raises NotRepresentable where the format cannot say what was found.
    """
    if isinstance(result, ox.QueryTriples):
        triples = sorted(set(result), key=str)
        write_graph(triples, format, out)
        return len(triples)
    if format.name == "csv" and isinstance(result, ox.QuerySolutions):
        return _csv(result, out)
    if isinstance(result, ox.QueryBoolean):
        out.write(_boolean(bool(result), format))
        return 1
    engine_format, mark = _RESULTS[format.name]
    counted = _Counted(_Xml(out) if format.name == "xml" else out, mark)
    result.serialize(_io(counted), format=engine_format)
    return counted.rows(format)


def _boolean(value: bool, format: Format) -> bytes:
    said = str(value).lower()
    return {
        "json": f'{{"head":{{}},"boolean":{said}}}',
        "xml": '<?xml version="1.0"?><sparql xmlns="http://www.w3.org/2005/sparql-results#">'
        f"<head></head><boolean>{said}</boolean></sparql>",
    }.get(format.name, said).encode()


class _Counted:
    """Counts the marks that stand between rows, whatever the pieces in which they arrive.

    In JSON ``},{"`` stands nowhere else: inside a string its quotation mark is escaped.
    """

    def __init__(self, out: Writer, mark: bytes) -> None:
        self._out, self._mark = out, mark
        self._tail = b""
        self._marks = 0
        self._empty = True

    def write(self, data: bytes, /) -> int:
        seen = self._tail + data
        self._marks += seen.count(self._mark)
        if b'"bindings":[{' in seen:
            self._empty = False
        self._tail = seen[-max(len(self._mark), 13) + 1 :]
        # A mark that is whole in the tail would be counted again with the next piece.
        self._marks -= self._tail.count(self._mark)
        self._out.write(data)
        return len(data)

    def flush(self) -> None:
        self._out.flush()

    def rows(self, format: Format) -> int:
        marks = self._marks + self._tail.count(self._mark)
        if format.name == "tsv":
            return marks - 1
        return marks if format.name == "xml" else marks + (not self._empty)


class _Xml:
    """Makes the engine's XML well-formed: CR as a reference (XML 1.0, 2.11), and no character
    that XML does not have (2.2)."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._tail = b""

    def write(self, data: bytes, /) -> int:
        seen = self._tail + data
        found = _NOT_XML.search(seen)
        if found:
            code = f"U+{ord(found[0].decode('utf-8')):04X}"
            raise NotRepresentable(
                Text(
                    f"un littéral contient {code}, que XML ne peut pas représenter ; "
                    "demandez un autre format",
                    f"a literal holds {code}, which XML cannot represent; ask for another format",
                )
            )
        self._tail = seen[-2:]
        self._out.write(data.replace(b"\r", b"&#xD;"))
        return len(data)

    def flush(self) -> None:
        self._out.flush()


class _Text(io.TextIOBase):
    """A text stream over a Writer, with the buffer that the csv module lacks."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._lines: list[str] = []

    def write(self, line: str) -> int:
        self._lines.append(line)
        if len(self._lines) >= 256:
            self.flush()
        return len(line)

    def flush(self) -> None:
        self._out.write("".join(self._lines).encode())
        self._lines.clear()


def _csv(solutions: ox.QuerySolutions, out: Writer) -> int:
    """SPARQL 1.1 Query Results CSV (section 3): the engine leaves a comma in an IRI unquoted."""
    stream = _Text(out)
    rows = csv.writer(stream, lineterminator="\r\n")
    stream.write(",".join(variable.value for variable in solutions.variables) + "\r\n")
    count = 0
    for count, solution in enumerate(solutions, 1):  # noqa: B007  (it is the number of rows)
        # A lone empty cell is quoted: an empty line would be no row at all to most readers.
        rows.writerow([_cell(term) for term in solution])
    stream.flush()
    return count


def _cell(term: object) -> str:
    if term is None:
        return ""
    if isinstance(term, ox.NamedNode | ox.Literal):
        return term.value
    return str(term)


def write_graph(triples: Iterable[ox.Triple], format: Format, out: Writer) -> None:
    """Writes a graph. Raises NotRepresentable for what RDF/XML cannot say."""
    if format.media_type == PLAIN:
        lines = ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES)
        assert lines is not None
        out.write(escape(lines))
        return
    _GRAPHS[format.name](list(triples), out)


def write_dataset(quads: Iterable[ox.Quad], format: Format, out: Writer) -> None:
    """Writes a dataset as TriG or N-Quads."""
    if format.name == "nq":
        ox.serialize(quads, _io(out), ox.RdfFormat.N_QUADS)
        return
    listed = list(quads)
    graphs = (q.graph_name for q in listed if isinstance(q.graph_name, ox.NamedNode))
    prefixes = _used(q.triple for q in listed) | _prefixes({_space(g.value) for g in graphs})
    ox.serialize(listed, _io(out), ox.RdfFormat.TRIG, prefixes=prefixes)


def _turtle(triples: list[ox.Triple], out: Writer) -> None:
    ox.serialize(triples, _io(out), ox.RdfFormat.TURTLE, prefixes=_used(triples))


def _ntriples(triples: list[ox.Triple], out: Writer) -> None:
    ox.serialize(triples, _io(out), ox.RdfFormat.N_TRIPLES)


def escape(lines: bytes) -> bytes:
    """N-Triples in US-ASCII: all else as UCHAR (RDF 1.1 N-Triples, 6.1 and 7)."""
    return _NOT_ASCII.sub(_uchar, lines.decode()).encode("ascii")


def _uchar(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _rdfxml(triples: list[ox.Triple], out: Writer) -> None:
    for iri in {predicate.value for triple in triples for predicate in _predicates(triple)}:
        if _no_element(iri):
            raise NotRepresentable(
                Text(
                    f"RDF/XML ne peut pas écrire le prédicat <{iri}> ; demandez un autre format",
                    f"RDF/XML cannot write the predicate <{iri}>; ask for another format",
                )
            )
    prefixes, xml = _used(triples), _io(_Xml(out))
    nameless = {n for n, triple in enumerate(triples) if _is_nameless_type(triple)}
    if not nameless:
        ox.serialize(triples, xml, ox.RdfFormat.RDF_XML, prefixes=prefixes)
        return
    # The engine makes an element of a subject's first class, whatever its name.
    stand_in = ox.NamedNode(names.RDF + _TYPE)
    written = ox.serialize(
        (
            ox.Triple(triple.subject, stand_in, triple.object) if n in nameless else triple
            for n, triple in enumerate(triples)
        ),
        format=ox.RdfFormat.RDF_XML,
        prefixes=prefixes,
    )
    assert written is not None
    # Elsewhere "<" is a reference, and no other property has that name.
    xml.write(written.replace(f"<rdf:{_TYPE} ".encode(), b"<rdf:type "))


def _no_element(iri: str) -> bool:
    """Whether no element of RDF/XML has that name."""
    return iri in _RESERVED or _NO_QNAME.search(iri) is not None


def _is_nameless_type(triple: ox.Triple) -> bool:
    return (
        triple.predicate.value == names.RDF + "type"
        and isinstance(triple.object, ox.NamedNode)
        and _no_element(triple.object.value)
    )


def _predicates(triple: ox.Triple) -> Iterator[ox.NamedNode]:
    """Its predicate, and those of the triple term that is its object."""
    yield triple.predicate
    if isinstance(triple.object, ox.Triple):
        yield from _predicates(triple.object)


def _jsonld(triples: list[ox.Triple], out: Writer) -> None:
    out.write(jsonld.document(triples))


_GRAPHS: Final[dict[str, Callable[[list[ox.Triple], Writer], None]]] = {
    "turtle": _turtle,
    "nt": _ntriples,
    "rdfxml": _rdfxml,
    "jsonld": _jsonld,
}


def _used(triples: Iterable[ox.Triple]) -> dict[str, str]:
    """Those of our prefixes that the triples need."""
    spaces = set()
    for triple in triples:
        for term in triple:
            if isinstance(term, ox.NamedNode):
                spaces.add(_space(term.value))
            elif isinstance(term, ox.Literal):
                spaces.add(_space(term.datatype.value))
    return _prefixes(spaces)


def _prefixes(spaces: Set[str]) -> dict[str, str]:
    return {prefix: space for prefix, space in names.PREFIXES.items() if space in spaces}


def _space(iri: str) -> str:
    return iri[: max(iri.rfind("/"), iri.rfind("#")) + 1]
