"""The published dataset: named graphs by origin, their merge, and what follows from it.

- A passage's facts stand in the graph named by the passage; records, notes and anchors in
  ``graph/provenance``; identity and concepts in ``graph/register``.
- The default graph is the deduplicated merge of all named graphs but the facts of doubtful
  passages (the engine would count a triple once per graph if it merged them itself).
- ``graph/entailed`` holds superclasses and superproperties (RDF 1.1 Semantics 9.2, rules rdfs5,
  rdfs7, rdfs9 and rdfs11) of what is published; nothing from domain or range.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

import pyoxigraph as ox

from essgraph import names
from essgraph.sources import TYPE, Sources
from essgraph.statements import Statement, Term

_T = TypeVar("_T")

SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
SUBPROPERTY = ox.NamedNode(names.RDFS + "subPropertyOf")
REGISTER = ox.NamedNode(names.REGISTER)
PROVENANCE = ox.NamedNode(names.PROVENANCE)
ENTAILED = ox.NamedNode(names.ENTAILED)
ONTOLOGY = ox.NamedNode(names.ONTOLOGY)
QUERIES = ox.NamedNode(names.QUERIES)
DEFAULT = ox.DefaultGraph()

_TYPE = str(TYPE).encode()
_ENTAILED = str(ENTAILED).encode()
_NOT_STATED = (b"", _ENTAILED)
#: The graph of the dataset's own description.
DESCRIPTION = f"<{names.DESCRIPTION}>".encode()
#: The graphs about terms, questions or the dataset: nothing is entailed from what they state.
_ABOUT_TERMS = {str(ONTOLOGY).encode(), str(QUERIES).encode(), DESCRIPTION}


def _named(statements: Iterable[Statement], graph: ox.NamedNode) -> Iterator[ox.Quad]:
    for s in statements:
        yield ox.Quad(s.subject, s.predicate, s.object, graph)  # type: ignore[arg-type]


def named_graphs(sources: Sources, questions: Iterable[ox.Triple]) -> set[ox.Quad]:
    """Every statement of the sources in the named graph that says where it comes from."""
    quads = {
        *_named(sources.ontology, ONTOLOGY),
        *_named(sources.register, REGISTER),
        *_named(sources.schemes, REGISTER),
        *_named(sources.dataset, PROVENANCE),
        *_named(sources.withdrawn, PROVENANCE),
        *(ox.Quad(t.subject, t.predicate, t.object, QUERIES) for t in questions),
    }
    for document in sources.documents:
        quads.update(_named(document.records, PROVENANCE))
        quads.update(_named(document.anchors, PROVENANCE))
        quads.update(
            ox.Quad(f.subject, f.predicate, f.object, f.graph)  # type: ignore[arg-type]
            for f in document.facts
        )
    return quads


def lines(quads: Iterable[ox.Quad]) -> list[bytes]:
    """Canonical N-Quads (RDF Dataset Canonicalization 1.0, section 5), in order.

    The data has no blank nodes (rule E9), so canonical form is the sorted canonical lines.
    """
    whole = ox.serialize(quads, format=ox.RdfFormat.N_QUADS)
    assert whole is not None  # it is None only when written to a file
    return sorted(whole.splitlines(keepends=True))


def ontology(sources: Sources) -> Iterator[ox.Quad]:
    """The statements of the ontology in their graph."""
    return _named(sources.ontology, ONTOLOGY)


@dataclass(frozen=True)
class Schema:
    """What is above each class and each property, as they are written in N-Quads."""

    classes: Mapping[bytes, tuple[bytes, ...]]
    properties: Mapping[bytes, tuple[bytes, ...]]


def schema(sources: Sources) -> Schema:
    """What the ontology says of classes and properties."""

    def written(relation: ox.NamedNode) -> dict[bytes, tuple[bytes, ...]]:
        return {
            str(term).encode(): tuple(sorted(str(upper).encode() for upper in uppers))
            for term, uppers in above(sources, relation).items()
        }

    return Schema(written(SUBCLASS), written(SUBPROPERTY))


def above(sources: Sources, relation: ox.NamedNode) -> dict[Term, set[Term]]:
    """Every term above each term of the ontology, itself not counted."""
    stated: dict[Term, set[Term]] = defaultdict(set)
    for s in sources.ontology:
        if s.predicate == relation:
            stated[s.subject].add(s.object)
    return {term: reached({term}, stated) - {term} for term in stated}


def reached(start: Iterable[_T], links: Mapping[_T, Iterable[_T]]) -> set[_T]:
    """All that links lead to from some things, these among them."""
    found = set(start)
    ahead = list(found)
    while ahead:
        for other in links.get(ahead.pop(), ()):
            if other not in found:
                found.add(other)
                ahead.append(other)
    return found


def publish(
    named: Iterable[bytes], schema: Schema, doubtful: Container[bytes]
) -> tuple[list[bytes], set[bytes]]:
    """The published dataset of some subjects, from all their statements in named graphs: these,
    what follows from them, and the default graph; and the triples of that one.

    Lines are canonical N-Quads; the result is in order.
    """
    published: list[bytes] = []
    stated: set[bytes] = set()
    follows: set[bytes] = set()
    for line in named:
        published.append(line)
        triple, graph = split(line)
        if graph in doubtful:
            continue
        stated.add(triple)
        if graph in _ABOUT_TERMS:
            continue
        subject, predicate, object_ = triple.split(b" ", 2)
        if predicate == _TYPE:
            follows.update(
                b"%s %s %s" % (subject, predicate, up) for up in schema.classes.get(object_, ())
            )
        else:
            follows.update(
                b"%s %s %s" % (subject, up, object_) for up in schema.properties.get(predicate, ())
            )
    follows -= stated
    published += [b"%s %s .\n" % (triple, _ENTAILED) for triple in follows]
    published += [b"%s .\n" % triple for triple in stated]
    published += [b"%s .\n" % triple for triple in follows]
    published.sort()
    return published, stated | follows


def split(line: bytes) -> tuple[bytes, bytes]:
    """The triple and the graph of a canonical line that has a named graph."""
    at = line.rfind(b" ", 0, -3)
    return line[:at], line[at + 1 : -3]


def named(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Of the lines of a published dataset, those that its files state."""
    return (line for graph, line in _with_graph(lines) if graph not in _NOT_STATED)


def _with_graph(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Canonical lines, each after its graph; that is empty for the default graph."""
    # A triple of the default graph is followed by the same one in its named graphs.
    follows = b"\n"
    for line in lines:
        if line.startswith(follows):
            yield line[len(follows) - 1 : -3], line
        elif graph := _graph(line):
            yield graph, line
        else:
            follows = line[:-2] + b"<"
            yield b"", line


def _head() -> bytes:
    """The prefixes with which the engine begins a TriG file."""
    one = ox.Quad(TYPE, TYPE, TYPE)
    whole = ox.serialize([one], format=ox.RdfFormat.TRIG, prefixes=dict(names.PREFIXES))
    assert whole is not None  # it is None only when written to a file
    return b"".join(
        line for line in whole.splitlines(keepends=True) if line.startswith(b"@prefix ")
    )


#: With what the TriG of a dataset begins.
HEAD = _head()


def trig(lines: Iterable[bytes]) -> bytes:
    """Canonical N-Quads as TriG, graph by graph, the default graph first; to stand after HEAD."""
    ordered = (line for _, line in sorted(_with_graph(lines), key=itemgetter(0)))  # stable
    quads = ox.parse(b"".join(ordered), ox.RdfFormat.N_QUADS)
    whole = ox.serialize(quads, format=ox.RdfFormat.TRIG, prefixes=dict(names.PREFIXES))
    assert whole is not None  # it is None only when written to a file
    return whole.removeprefix(HEAD)


def _graph(line: bytes) -> bytes:
    """The graph of a canonical line; empty for the default graph."""
    if not line.endswith(b"> .\n"):
        return b""
    at = line.rfind(b" <") + 1
    # It stands after the object, and is neither the end of a text nor of a triple term.
    object_ = line.find(b" ", line.find(b" ") + 1) + 1
    if at <= object_ or line.find(b'"', at) >= 0 or line.find(b" ", at) < len(line) - 3:
        return b""
    return line[at:-3]
