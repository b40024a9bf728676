"""Every shape: a node that satisfies it, and for each of its constraints a fixture that fails for
that shape alone. pySHACL is the reference: both engines report the same."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pyshacl
import pyshacl_turbo
import pytest
import rdflib
from conftest import ROOT
from rdflib import RDF, SH, Graph, URIRef
from rdflib.namespace import RDFS

from essgraph import shacl
from essgraph.project import Project

HERE = Path(__file__).with_name("shapes")
SHAPE = "https://w3id.org/essgraph/shapes#"
Result = tuple[str, str, str, str]


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


def results(data: Graph, engine=pyshacl_turbo.validate) -> set[Result]:  # type: ignore[no-untyped-def]
    _, report, _ = engine(data, shacl_graph=shapes(), inference="none")
    return {
        (
            owner(report.value(r, SH.sourceShape)),
            str(report.value(r, SH.focusNode)),
            str(report.value(r, SH.value)),
            str(report.value(r, SH.sourceConstraintComponent)),
        )
        for r in report.objects(None, SH.result)
    }


FIXTURES = [
    tuple(part.strip() for part in line.split("|"))
    for line in (HERE / "failing.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_the_valid_nodes_conform() -> None:
    assert results(valid()) == set()
    assert results(valid(), pyshacl.validate) == set()


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture[0])
def test_failing_fixture(fixture: tuple[str, str, str]) -> None:
    name, removed, added = fixture
    expected = set(name.split("/")[0].split("+"))
    found = results(changed(removed, added))
    assert {rule for rule, *_ in found} == expected


def test_both_engines_report_the_same() -> None:
    for name, removed, added in FIXTURES:
        data = changed(removed, added)
        assert results(data) == results(data, pyshacl.validate), name


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


CONSTRAINTS = [
    SH.minCount, SH.maxCount, SH.datatype, SH["class"], SH.nodeKind, SH.pattern, SH.minInclusive,
    SH.maxInclusive, SH.minLength, SH.lessThan, SH.languageIn, SH.uniqueLang, SH["or"], SH.node,
    SH.closed, SH.sparql,
]  # fmt: skip
IGNORED = {SH.closed: SH.ignoredProperties}
MUTANTS = [
    (name, constraint)
    for name in named()
    for constraint in CONSTRAINTS
    if (URIRef(SHAPE + name), constraint, None) in shapes()
]


@pytest.mark.parametrize(("name", "constraint"), MUTANTS, ids=lambda part: str(part)[-24:])
def test_no_constraint_can_be_removed_unnoticed(name: str, constraint: URIRef) -> None:
    """A mutation test: without the constraint, some fixture of its shape no longer fails alike."""
    shape = URIRef(SHAPE + name)
    mutant = Graph(bind_namespaces="none")
    for triple in shapes():
        # sh:ignoredProperties means nothing without sh:closed.
        if triple[0] != shape or triple[1] not in {constraint, IGNORED.get(constraint)}:
            mutant.add(triple)

    def components(data: Graph, shapes_graph: Graph) -> list[tuple[str, str]]:
        _, report, _ = pyshacl_turbo.validate(data, shacl_graph=shapes_graph, inference="none")
        return sorted(
            (str(report.value(r, SH.sourceShape)), str(report.value(r, SH.focusNode)))
            for r in report.subjects(RDF.type, SH.ValidationResult)
            if report.value(r, SH.sourceShape) == shape
        )

    own = [f for f in FIXTURES if name in f[0].split("/")[0].split("+")]
    assert any(
        components(data, mutant) != components(data, shapes())
        for data in (changed(removed, added) for _, removed, added in own)
    )
