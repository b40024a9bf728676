"""Every shape: a node that satisfies it, and for each of its constraints a fixture that fails for
that shape alone. pySHACL is the reference: both engines report the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyshacl
import pyshacl_turbo
import pytest
import rdflib
from conftest import ROOT
from pyshacl_turbo.rdf import Input
from rdflib import RDF, SH, Graph, URIRef
from rdflib.namespace import RDFS
from rdflib.plugins.sparql import processor
from rdflib.plugins.sparql.algebra import translateQuery
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.sparql import Query

from essgraph import shacl
from essgraph.project import Project

HERE = Path(__file__).with_name("shapes")
SHAPE = "https://w3id.org/essgraph/shapes#"
Result = tuple[str, ...]


@cache
def shapes() -> Graph:
    return shacl.shapes(Project(ROOT))


@cache
def valid() -> Graph:
    graph = Graph(bind_namespaces="none").parse(HERE / "valid.ttl")
    ontology = Graph(bind_namespaces="none").parse(ROOT / "ontology/essgraph.ttl")
    for triple in ontology.triples((None, RDFS.subClassOf, None)):
        graph.add(triple)
    return graph


PREFIXES = "".join(re.findall(r"PREFIX .*\n", (HERE / "valid.ttl").read_text("utf-8")))


def turtle(text: str) -> Graph:
    return Graph(bind_namespaces="none").parse(data=f"{PREFIXES}{text} .")


@cache
def changed(removed: str, added: str) -> Graph:
    """The valid graph without some statements and with others."""
    graph = Graph(bind_namespaces="none")
    for triple in valid():
        graph.add(triple)
    for statement in filter(None, (part.strip() for part in removed.split(" ; "))):
        if statement.endswith("*"):
            ((s, p, _),) = turtle(statement[:-1] + "0")
            graph.remove((s, p, None))
        else:
            for triple in turtle(statement):
                graph.remove(triple)
    if added.strip():
        for triple in turtle(added):
            graph.add(triple)
    return graph


def owner(shape: rdflib.term.Node | None) -> str:
    """The named shape that a result belongs to."""
    if isinstance(shape, URIRef):
        return str(shape).removeprefix(SHAPE)
    return owner(next(shapes().subjects(None, shape)))


@cache
def lines(removed: str, added: str) -> str:
    return changed(removed, added).serialize(format="nt")


def fast(shapes_graph: Graph) -> Callable[[str], Graph]:
    """The fast engine on N-Triples, which spares it a copy of the data."""
    compiled = pyshacl_turbo.CompiledShapes(shapes_graph)  # type: ignore[no-untyped-call]

    def report(data: str) -> Graph:
        _, found, _ = compiled.validate(Input(data, "nt", None, {}))  # type: ignore[no-untyped-call]
        assert isinstance(found, Graph)
        return found

    return report


@cache
def prepared(text: str, base: str | None, prefixes: tuple[tuple[str, object], ...]) -> Query:
    return translateQuery(parseQuery(text), base, dict(prefixes))


def reference(data: Graph) -> Graph:
    with pytest.MonkeyPatch.context() as patch:
        # rdflib reads the text of a constraint anew for each node: four fifths of pySHACL's time.
        patch.setattr(processor, "parseQuery", lambda text: text)
        patch.setattr(
            processor,
            "translateQuery",
            lambda text, base, prefixes: prepared(text, base, tuple((prefixes or {}).items())),
        )
        _, found, _ = pyshacl.validate(data, shacl_graph=shapes(), inference="none")
    assert isinstance(found, Graph)
    return found


@cache
def engine() -> Callable[[str], Graph]:
    return fast(shapes())


def listed(report: Graph, owner: Callable[[rdflib.term.Node | None], str]) -> set[Result]:
    return {
        (
            owner(report.value(r, SH.sourceShape)),
            str(report.value(r, SH.focusNode)),
            str(report.value(r, SH.value)),
            str(report.value(r, SH.sourceConstraintComponent)),
            str(report.value(r, SH.resultSeverity)),
        )
        for r in report.objects(None, SH.result)
    }


def results(removed: str = "", added: str = "") -> set[Result]:
    return listed(engine()(lines(removed, added)), owner)


FIXTURES = [
    tuple(part.strip() for part in line.split("|"))
    for line in (HERE / "failing.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_the_valid_nodes_conform() -> None:
    assert results() == set()
    assert listed(reference(valid()), owner) == set()


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture[0])
def test_failing_fixture(fixture: tuple[str, str, str]) -> None:
    name, removed, added = fixture
    expected = set(name.split("/")[0].split("+"))
    found = results(removed, added)
    assert {rule for rule, *_ in found} == expected


@pytest.mark.parametrize("part", range(8))
def test_both_engines_report_the_same(part: int) -> None:
    for name, removed, added in FIXTURES[part::8]:
        expected = listed(reference(changed(removed, added)), owner)
        assert results(removed, added) == expected, name


def named() -> list[str]:
    return sorted(
        str(s).removeprefix(SHAPE)
        for kind in (SH.NodeShape, SH.PropertyShape)
        for s in shapes().subjects(RDF.type, kind)
        if isinstance(s, URIRef)
    )


@pytest.mark.parametrize("name", named())
def test_names_and_messages_in_both_languages(name: str) -> None:
    shape = URIRef(SHAPE + name)
    holders = [shape, *shapes().objects(shape, SH.sparql), *shapes().objects(shape, SH.property)]
    named_in = {str(t.language) for t in shapes().objects(shape, SH.name)}  # type: ignore[attr-defined]
    assert named_in == {"fr", "en"}
    messages = [
        str(m.language)  # type: ignore[attr-defined]
        for holder in holders
        for m in shapes().objects(holder, SH.message)
    ]
    if (shape, RDF.type, SH.PropertyShape) in shapes():
        assert {"fr", "en"} <= set(messages)


def test_every_shape_has_a_failing_fixture() -> None:
    """But for those that only gather others: their parts have theirs."""
    tested = {rule for name, *_ in FIXTURES for rule in name.split("/")[0].split("+")}
    gathers = {
        n
        for n in named()
        if (URIRef(SHAPE + n), RDF.type, SH.NodeShape) in shapes()
        and not set(shapes().predicates(URIRef(SHAPE + n))) & {SH.closed, SH["class"], SH.sparql}
    }
    assert set(named()) - tested - gathers == set()


#: All parameters of constraints that the shapes use, and what leads to constraints.
CONSTRAINTS = {
    SH.minCount, SH.maxCount, SH.datatype, SH["class"], SH.nodeKind, SH.pattern, SH.minInclusive,
    SH.maxInclusive, SH.minLength, SH.lessThan, SH.languageIn, SH.uniqueLang, SH["or"], SH.node,
    SH.hasValue, SH.closed, SH.sparql, SH.property, SH.targetClass, SH.targetSubjectsOf,
    SH.severity,
}  # fmt: skip
#: What is said of a shape without constraining anything.
SAID = {RDF.type, RDF.first, RDF.rest, SH.path, SH.name, SH.message, SH.select,
        SH.ignoredProperties, SH.inversePath}  # fmt: skip

Triple = tuple[rdflib.term.Node, rdflib.term.Node, rdflib.term.Node]


def holder(node: rdflib.term.Node) -> str:
    """The named shape in which a node of the shapes graph stands."""
    while not isinstance(node, URIRef):
        node = next(shapes().subjects(None, node))
    return str(node).removeprefix(SHAPE)


def test_all_of_the_shapes_is_known_to_the_mutation_test() -> None:
    # Read anew: pySHACL adds to a graph of shapes what it needs of the ontology.
    read = {p for path in Project(ROOT).shapes for p in Graph().parse(path).predicates()}
    assert read - CONSTRAINTS - SAID == set()


def mutants() -> Iterator[tuple[str, list[Triple], list[Triple]]]:
    """Each constraint of each shape: its name, what is taken away, what is put instead."""
    for s, p, o in sorted(shapes()):
        part = str(p).rpartition("#")[2]
        if p in CONSTRAINTS:
            gone: list[Triple] = [(s, p, o)]
            if p == SH.closed:  # sh:ignoredProperties means nothing without it
                gone += [(s, SH.ignoredProperties, x) for x in shapes().objects(s)]
            label = str(o).rpartition("#")[2] if isinstance(o, URIRef) else ""
            yield f"{holder(s)}-{part}-{label}", gone, []
        elif p == RDF.first and next(shapes().predicates(None, first_cell(s))) == SH["or"]:
            rest = shapes().value(s, RDF.rest)
            assert rest
            before = next(shapes().subject_predicates(s))
            gone = [(s, RDF.first, o), (s, RDF.rest, rest), (*before, s)]
            yield f"{holder(s)}-or-{position(s)}", gone, [(*before, rest)]


def first_cell(cell: rdflib.term.Node) -> rdflib.term.Node:
    while (before := shapes().value(None, RDF.rest, cell)) is not None:
        cell = before
    return cell


def position(cell: rdflib.term.Node) -> int:
    before = shapes().value(None, RDF.rest, cell)
    return 1 if before is None else position(before) + 1


# By name: nameless shapes come in another order in every process.
MUTANTS = sorted(mutants(), key=lambda mutant: mutant[0])


def exact(node: rdflib.term.Node | None) -> str:
    return str(node)


@cache
def copy() -> Graph:
    """A second graph of the shapes, that a mutant borrows."""
    return Graph(bind_namespaces="none") + shapes()


@cache
def exact_results(removed: str, added: str) -> set[Result]:
    return listed(engine()(lines(removed, added)), exact)


@pytest.mark.parametrize(("name", "gone", "instead"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_no_constraint_can_be_removed_unnoticed(
    name: str, gone: list[Triple], instead: list[Triple]
) -> None:
    """A mutation test: without the constraint, some fixture no longer gives the same results."""
    mutant = copy()
    try:
        for triple in gone:
            mutant.remove(triple)
        for triple in instead:
            mutant.add(triple)
        run = fast(mutant)
    finally:
        for triple in instead:
            mutant.remove(triple)
        for triple in gone:
            if triple in shapes():
                mutant.add(triple)
    mine = {name.partition("-")[0], name.rpartition("-")[2].rpartition("/")[2]}

    def of_others(fixture: tuple[str, ...]) -> bool:
        return not mine & set(fixture[0].split("/")[0].split("+"))

    own_first = [("", "", ""), *sorted(FIXTURES, key=of_others)]
    assert any(
        listed(run(lines(*change)), exact) != exact_results(*change) for _, *change in own_first
    )
