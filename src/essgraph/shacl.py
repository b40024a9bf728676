"""SHACL validation: the sole user of SHACL engines, and of rdflib outside the tests.

pyshacl-turbo gives pySHACL's report in a twentieth of its time; pySHACL is the reference that the
tests compare it with, and takes its place where there is no wheel of it.

pySHACL drops language tags of messages with placeholders, so messages are read from the shapes
themselves, in both languages, and shapes have no placeholders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyoxigraph as ox
import rdflib
from rdflib.namespace import SH

from essgraph import names
from essgraph.errors import ProjectError, Text
from essgraph.findings import Finding, Severity
from essgraph.project import Project
from essgraph.sources import IDENTITY, TYPE, Sources, Statement, Term, parse

try:
    from pyshacl_turbo import validate as run
except ImportError:  # a platform without a wheel of it
    from pyshacl import validate as run


def _term(term: Any) -> rdflib.term.Node:
    """A pyoxigraph term as rdflib's; literals keep the form that the file gives them."""
    if isinstance(term, ox.NamedNode):
        return rdflib.URIRef(term.value)
    if isinstance(term, ox.Literal):
        if term.language:
            return rdflib.Literal(term.value, lang=term.language)
        if term.datatype.value == names.XSD + "string":
            return rdflib.Literal(term.value)
        return rdflib.Literal(
            term.value, datatype=rdflib.URIRef(term.datatype.value), normalize=False
        )
    return rdflib.BNode(term.value)


def graph(triples: Iterable[tuple[Any, Any, Any]]) -> rdflib.Graph:
    """An rdflib graph of pyoxigraph triples."""
    result = rdflib.Graph(bind_namespaces="none")
    for subject, predicate, object_ in triples:
        result.add((_term(subject), _term(predicate), _term(object_)))
    return result


def shapes(project: Project) -> rdflib.Graph:
    """The shapes of a project as one graph. Raises SyntaxFault."""
    statements = [
        s for path in project.shapes for s in parse(project.read(path), project.name(path))
    ]
    # Blank nodes of one file are never those of another.
    return graph(
        (_scoped(s.subject, s.file), s.predicate, _scoped(s.object, s.file)) for s in statements
    )


def _scoped(term: Term, file: str) -> Term:
    if isinstance(term, ox.BlankNode):
        stem = "".join(c for c in file if c.isalnum())
        return ox.BlankNode(f"{stem}x{term.value}")
    return term


def validate(sources: Sources, shapes_graph: rdflib.Graph) -> list[Finding]:
    """The SHACL findings: violations in all statements, lesser ones in what is published.

    A doubtful passage says of itself that it is doubtful: no warning need say so again. Raises
    ProjectError if the shapes themselves are wrong.
    """
    everything = list(sources.statements())
    published = [s for s in everything if s.graph not in sources.doubtful]
    return [
        *(f for f in _run(everything, shapes_graph, sources) if f.severity is Severity.VIOLATION),
        *(
            f
            for f in _run(published, shapes_graph, sources)
            if f.severity is not Severity.VIOLATION
        ),
    ]


def _run(
    statements: list[Statement], shapes_graph: rdflib.Graph, sources: Sources
) -> Iterator[Finding]:
    data = graph(s.triple for s in statements)
    try:
        _, report, _ = run(data, shacl_graph=shapes_graph, inference="none")
    except (ValueError, RuntimeError) as error:  # what both engines raise for bad shapes
        raise ProjectError(
            Text(f"formes SHACL invalides : {error}", f"invalid SHACL shapes: {error}")
        ) from error
    assert isinstance(report, rdflib.Graph)
    yield from _findings(report, shapes_graph, sources)


def _findings(
    report: rdflib.Graph, shapes_graph: rdflib.Graph, sources: Sources
) -> Iterator[Finding]:
    where = {getattr(t, "value", str(t)): found for t, found in sources.where.items()}
    # The results of the report itself: those of sh:node stand in sh:detail of another.
    for result in report.objects(None, SH.result):
        shape = report.value(result, SH.sourceShape)
        constraint = report.value(result, SH.sourceConstraint)
        focus = report.value(result, SH.focusNode)
        path = report.value(result, SH.resultPath)
        value = report.value(result, SH.value)
        severity = str(report.value(result, SH.resultSeverity) or "").rpartition("#")[2]
        at = _locate(where.get(str(focus), []), path, value)
        yield Finding(
            rule=_rule(shapes_graph, shape),
            text=_message(shapes_graph, report, result, (constraint, shape)),
            file=at.file if at else "(dataset)",
            line=at.line if at else 0,
            severity=Severity(severity),
            focus=_show(focus),
            path=_show(path),
            value=_show(value),
            passage=_passage(at),
        )


def _rule(shapes_graph: rdflib.Graph, shape: Any) -> str:
    """The name of the shape: its own IRI, or for a nameless property shape its owner's."""
    if isinstance(shape, rdflib.URIRef):
        return names.shorten(str(shape))
    for owner in shapes_graph.subjects(SH.property, shape):
        path = shapes_graph.value(shape, SH.path)
        suffix = _show(path) if isinstance(path, rdflib.URIRef) else "path"
        return f"{_rule(shapes_graph, owner)}/{suffix}"
    return "shacl"


def _message(
    shapes_graph: rdflib.Graph, report: rdflib.Graph, result: Any, holders: tuple[Any, ...]
) -> Text:
    for holder in holders:
        if holder is None:
            continue
        messages = {
            m.language: str(m)
            for m in shapes_graph.objects(holder, SH.message)
            if isinstance(m, rdflib.Literal)
        }
        if "fr" in messages and "en" in messages:
            return Text(messages["fr"], messages["en"])
    plain = str(report.value(result, SH.resultMessage) or "")
    return Text(plain, plain)


def _locate(statements: list[Statement], path: Any, value: Any) -> Statement | None:
    """The statement that a result is about: same path and value, else path; where something is
    missing, the place where it should stand."""

    def same(term: Term, node: Any) -> bool:
        return bool(_term(term) == node)

    on_path = [s for s in statements if same(s.predicate, path)]
    exact = [s for s in on_path if same(s.object, value)]
    return next(iter(exact or on_path or _home(statements, path)), None)


def _home(statements: list[Statement], path: Any) -> list[Statement]:
    """Where a missing statement should stand: identity beside the type, a fact in the passage
    that says most of the entity."""
    facts = [s for s in statements if isinstance(s.graph, ox.NamedNode)]
    if facts and str(path) not in IDENTITY:
        fullest, _ = Counter(s.graph for s in facts).most_common(1)[0]
        return [s for s in facts if s.graph == fullest]
    return [s for s in statements if s.predicate == TYPE] or statements


def _passage(at: Statement | None) -> str | None:
    if at is None or not isinstance(at.graph, ox.NamedNode):
        return None
    return names.shorten(at.graph.value)


def _show(node: Any) -> str | None:
    if node is None:
        return None
    return names.shorten(str(node)) if isinstance(node, rdflib.URIRef) else node.n3()
