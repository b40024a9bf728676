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
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, Place
from essgraph.sources import TYPE, Graph, Sources, Statement, Term

SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
SUBPROPERTY = ox.NamedNode(names.RDFS + "subPropertyOf")
REGISTER = ox.NamedNode(names.REGISTER)
PROVENANCE = ox.NamedNode(names.PROVENANCE)
ENTAILED = ox.NamedNode(names.ENTAILED)
ONTOLOGY = ox.NamedNode(names.ONTOLOGY)
QUERIES = ox.NamedNode(names.QUERIES)
DEFAULT = ox.DefaultGraph()

#: The graphs whose statements are about terms or questions: nothing is entailed from them.
_ABOUT_TERMS = {ONTOLOGY, QUERIES}


def _quad(triple: ox.Triple, graph: ox.NamedNode | ox.DefaultGraph) -> ox.Quad:
    return ox.Quad(triple.subject, triple.predicate, triple.object, graph)


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
        *(_quad(triple, QUERIES) for triple in questions),
    }
    for document in sources.documents:
        quads.update(_named(document.records, PROVENANCE))
        quads.update(_named(document.anchors, PROVENANCE))
        quads.update(
            ox.Quad(f.subject, f.predicate, f.object, f.graph)  # type: ignore[arg-type]
            for f in document.facts
        )
    return quads


def _closure(pairs: Iterable[tuple[Term, Term]]) -> dict[Term, frozenset[Term]]:
    """Every term above each term, itself not counted."""
    above: dict[Term, set[Term]] = defaultdict(set)
    for lower, upper in pairs:
        above[lower].add(upper)
    closed: dict[Term, frozenset[Term]] = {}
    for term in list(above):
        seen: set[Term] = set()
        ahead = [term]
        while ahead:
            for upper in above.get(ahead.pop(), ()):
                if upper not in seen:
                    seen.add(upper)
                    ahead.append(upper)
        closed[term] = frozenset(seen - {term})
    return closed


def entailed(quads: set[ox.Quad], doubtful: frozenset[Graph]) -> set[ox.Quad]:
    """What superclasses and superproperties add to the published statements."""
    ontology = [q for q in quads if q.graph_name == ONTOLOGY]
    classes = _closure((q.subject, q.object) for q in ontology if q.predicate == SUBCLASS)
    properties = _closure((q.subject, q.object) for q in ontology if q.predicate == SUBPROPERTY)
    added: set[ox.Quad] = set()
    stated = {q.triple for q in quads if q.graph_name not in doubtful}
    for q in quads:
        if q.graph_name in doubtful or q.graph_name in _ABOUT_TERMS:
            continue
        if q.predicate == TYPE:
            new = [ox.Triple(q.subject, TYPE, upper) for upper in classes.get(q.object, ())]
        else:
            new = [
                ox.Triple(q.subject, upper, q.object)  # type: ignore[arg-type]
                for upper in properties.get(q.predicate, ())
            ]
        added.update(_quad(triple, ENTAILED) for triple in new if triple not in stated)
    return added


def merge(sources: Sources, questions: Iterable[ox.Triple]) -> set[ox.Quad]:
    """The whole published dataset: named graphs, entailed graph and default graph."""
    quads = named_graphs(sources, questions)
    quads |= entailed(quads, sources.doubtful)
    return quads | {_quad(q.triple, DEFAULT) for q in quads if q.graph_name not in sources.doubtful}


def check_dataset(quads: set[ox.Quad], doubtful: frozenset[Graph]) -> list[Finding]:
    """E6 and E8 on the merged dataset: every published statement stands in a named graph that
    says where it comes from, and never only in that of a doubtful passage."""
    sure = {q.triple for q in quads if q.graph_name != DEFAULT and q.graph_name not in doubtful}
    unsure = {q.triple for q in quads if q.graph_name in doubtful}
    return [
        Finding(
            rule="E6" if q.triple in unsure else "E8",
            text=Text(
                "un énoncé publié ne repose sur aucun graphe sûr",
                "a published statement rests on no graph that is sure",
            ),
            place=Place("(dataset)"),
            focus=str(q.subject),
            path=str(q.predicate),
            value=str(q.object),
        )
        for q in quads
        if q.graph_name == DEFAULT and q.triple not in sure
    ]


def canonical(quads: Iterable[ox.Quad]) -> bytes:
    """Canonical N-Quads (RDF Dataset Canonicalization 1.0, section 5).

    The data has no blank nodes (rule E9), so canonical form is the sorted canonical lines.
    """
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    whole = ox.serialize(dataset, format=ox.RdfFormat.N_QUADS)
    assert whole is not None  # it is None only when written to a file
    lines = whole.splitlines(keepends=True)
    return b"".join(sorted(lines))


def trig(canonical: bytes) -> bytes:
    """Canonical N-Quads as TriG, graph by graph, the default graph first."""
    lines = sorted(canonical.splitlines(keepends=True), key=_graph)  # stable: in order within
    quads = ox.parse(b"".join(lines), ox.RdfFormat.N_QUADS)
    whole = ox.serialize(quads, format=ox.RdfFormat.TRIG, prefixes=dict(names.PREFIXES))
    assert whole is not None  # it is None only when written to a file
    return whole


def _graph(line: bytes) -> bytes:
    """The graph of a canonical line; empty for the default graph."""
    rest = line.split(b" ", 2)[2]  # after subject and predicate, which hold no space
    last = rest.rsplit(b" ", 2)[-2]
    # An object that is an IRI stands alone before the full stop.
    return last if rest != last + b" .\n" and last.endswith(b">") and b'"' not in last else b""


def counts(quads: Iterable[ox.Quad]) -> list[Text]:
    """How much a dataset holds, for the person who built it."""
    everything = list(quads)
    graphs = {q.graph_name for q in everything} - {DEFAULT}
    passages = {g for g in graphs if names.PASSAGE in str(g)}
    default = sum(q.graph_name == DEFAULT for q in everything)
    entities = {q.subject for q in everything if q.graph_name == REGISTER and q.predicate == TYPE}
    return [
        Text(
            f"{default} triplets dans le graphe par défaut, {len(everything)} quads au total",
            f"{default} triples in the default graph, {len(everything)} quads in all",
        ),
        Text(
            f"{len(entities)} entités et concepts, {len(passages)} passages, "
            f"{len(graphs)} graphes nommés",
            f"{len(entities)} entities and concepts, {len(passages)} passages, "
            f"{len(graphs)} named graphs",
        ),
    ]
