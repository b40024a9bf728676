"""SHACL validation: the sole user of SHACL engines. (Only ``why`` uses rdflib beside it.)

pyshacl-turbo gives pySHACL's report in a hundredth of its time; pySHACL is the reference that the
tests compare it with, and takes its place where there is no wheel of it. The data goes to the fast
engine as N-Triples, which spares two copies of it as Python objects.

pySHACL drops language tags of messages with placeholders, so messages are read from the shapes
themselves, in both languages, and shapes have no placeholders.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from typing import Any, NamedTuple, Protocol

import pyoxigraph as ox
import rdflib
from rdflib.namespace import SH

from essgraph import names
from essgraph.errors import ProjectError, Text
from essgraph.findings import Finding, Place, Severity, write
from essgraph.merge import named, split
from essgraph.project import Project
from essgraph.rules import show
from essgraph.sources import IDENTITY, TYPE, Sources
from essgraph.statements import Part, Statement, Term, parse

# A literal that is not of its datatype is a finding, not a reason for rdflib to print its stack.
logging.getLogger("rdflib.term").setLevel(logging.CRITICAL)

Triple = tuple[Term, Term, Term]


class Engine(Protocol):
    """The report on triples, in lines of N-Triples; with ``nodes``, on these focus nodes only."""

    def __call__(
        self, triples: Iterable[bytes], nodes: Iterable[str] | None = None
    ) -> rdflib.Graph: ...


class Result(NamedTuple):
    """One result of a report, in its terms."""

    focus: Any
    path: Any
    value: Any
    component: Any
    shape: Any
    constraint: Any
    severity: Severity
    message: str


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


def graph(triples: Iterable[Triple]) -> rdflib.Graph:
    """An rdflib graph of pyoxigraph triples."""
    result = rdflib.Graph(bind_namespaces="none")
    for subject, predicate, object_ in triples:
        result.add((_term(subject), _term(predicate), _term(object_)))
    return result


def version() -> str:
    """The engine and its version."""
    try:
        return metadata.version("pyshacl-turbo")
    except metadata.PackageNotFoundError:
        return "pyshacl " + metadata.version("pyshacl")


def shapes(project: Project) -> rdflib.Graph:
    """The shapes of a project as one graph. Raises SyntaxFault; ProjectError where there are none,
    for then nothing would be checked."""
    if not project.shapes:
        raise ProjectError(Text("fichiers manquants : shapes/*.ttl", "files missing: shapes/*.ttl"))
    return _shapes(tuple((project.name(path), project.read(path)) for path in project.shapes))


@lru_cache(maxsize=2)
def _shapes(files: tuple[tuple[str, bytes], ...]) -> rdflib.Graph:
    statements = [s for name, data in files for s in parse(data, name)]
    # Blank nodes of one file are never those of another.
    return graph(
        (_scoped(s.subject, s.file), s.predicate, _scoped(s.object, s.file)) for s in statements
    )


def _scoped(term: Term, file: str) -> Term:
    if isinstance(term, ox.BlankNode):
        stem = "".join(c for c in file if c.isalnum())
        return ox.BlankNode(f"{stem}x{term.value}")
    return term


def reference(shapes_graph: rdflib.Graph) -> Engine:
    """pySHACL: what all else is compared with."""
    from pyshacl import validate as run

    def report(triples: Iterable[bytes], nodes: Iterable[str] | None = None) -> rdflib.Graph:
        quads = ox.parse(b"".join(triples), format=ox.RdfFormat.N_TRIPLES)
        data = graph((q.subject, q.predicate, q.object) for q in quads)
        foci = list(nodes) if nodes is not None else None
        _, found, _ = run(data, shacl_graph=shapes_graph, inference="none", focus_nodes=foci)
        assert isinstance(found, rdflib.Graph)
        return found

    return report


@lru_cache(maxsize=2)
def fast(shapes_graph: rdflib.Graph) -> Engine:
    """pyshacl-turbo, or pySHACL where there is no wheel of it."""
    try:
        from pyshacl_turbo import CompiledShapes
        from pyshacl_turbo.rdf import Input
    except ImportError:
        return reference(shapes_graph)
    try:
        compiled = CompiledShapes(shapes_graph)  # type: ignore[no-untyped-call]
    except (ValueError, RuntimeError) as error:
        raise _invalid(error) from error

    def report(triples: Iterable[bytes], nodes: Iterable[str] | None = None) -> rdflib.Graph:
        data = Input(b"".join(triples).decode(), "nt", None, {})
        foci = [rdflib.URIRef(iri) for iri in nodes] if nodes is not None else None
        _, found, _ = compiled.validate(data, focus_nodes=foci)  # type: ignore[no-untyped-call]
        assert isinstance(found, rdflib.Graph)
        return found

    return report


def _invalid(error: Exception) -> ProjectError:
    return ProjectError(Text(f"formes SHACL invalides : {error}", f"invalid SHACL shapes: {error}"))


def results(report: rdflib.Graph) -> list[Result]:
    """The results of the report itself: those of sh:node stand in sh:detail of another."""
    return [
        Result(
            report.value(it, SH.focusNode),
            report.value(it, SH.resultPath),
            report.value(it, SH.value),
            report.value(it, SH.sourceConstraintComponent),
            report.value(it, SH.sourceShape),
            report.value(it, SH.sourceConstraint),
            Severity(str(report.value(it, SH.resultSeverity) or "").rpartition("#")[2]),
            str(report.value(it, SH.resultMessage) or ""),
        )
        for it in report.objects(None, SH.result)
    ]


def reaching(shapes_graph: rdflib.Graph) -> frozenset[bytes] | None:
    """The properties, as in N-Triples, by which a shape may look at what its focus node points to:
    those of classes, of shapes for values, of longer paths and of queries. With them some subjects
    can be validated without the others.

    None if a shape looks at what points to its focus node. (A query may lead back to it, but not
    begin with that.)"""
    texts = [str(text) for text in shapes_graph.objects(None, SH.select)]
    if (None, SH.inversePath, None) in shapes_graph or any("^" in text for text in texts):
        return None
    found = {str(TYPE), f"<{names.RDFS}subClassOf>"}
    for text in texts:
        spaces = dict(_PREFIX.findall(text))
        found |= {f"<{spaces[p]}{local}>" for p, local in _NAME.findall(text) if p in spaces}
        found |= set(_IRI.findall(text))
    ahead: list[rdflib.term.Node] = [
        *shapes_graph.objects(None, SH.node),
        *shapes_graph.objects(None, SH.qualifiedValueShape),
        *(path for path in shapes_graph.objects(None, SH.path) if isinstance(path, rdflib.BNode)),
    ]
    seen: set[rdflib.term.Node] = set()
    while ahead:
        node = ahead.pop()
        if node not in seen:
            seen.add(node)
            if isinstance(node, rdflib.URIRef):
                found.add(f"<{node}>")
            ahead += shapes_graph.objects(node)
    return frozenset(iri.encode() for iri in found)


_PREFIX = re.compile(r"(?i)prefix\s+([\w-]*):\s*<([^>]*)>")
_NAME = re.compile(r"([\w-]*):([\w-]+)")
_IRI = re.compile(r"<[^>\s]+>")


#: Statements, each as a triple and its graph.
Seen = tuple[tuple[bytes, bytes], ...]


def seen(lines: Iterable[bytes], properties: Container[bytes]) -> Seen:
    """Of the lines of a subject, those that a shape may look at from what points to it."""
    reaching = (line for line in lines if line.split(b" ", 2)[1] in properties)
    return tuple(split(line) for line in named(reaching) if not line.endswith(_DERIVED))


def examine(
    lines: Iterable[bytes],
    seen_of: Callable[[bytes], Seen],
    doubtful: Container[bytes],
    engine: Engine,
    properties: Container[bytes] | None,
) -> list[Result]:
    """The results on some subjects, from all their lines in the published dataset: violations in
    all statements, lesser ones in what is published.

    A doubtful passage says of itself that it is doubtful: no warning need say so again. What a
    subject points to is seen by ``seen_of``, as far as ``properties`` go (see ``reaching``); where
    these are None, the subjects are all there are. Raises ProjectError if the shapes themselves
    are wrong.
    """
    own = [split(line) for line in named(lines) if not line.endswith(_DERIVED)]
    foci = {triple[: triple.index(b" ")] for triple, _ in own if triple.startswith(b"<")}
    pairs = own if properties is None else _with_reached(own, seen_of)
    everything = {triple for triple, _ in pairs}
    sure = {triple for triple, graph in pairs if graph not in doubtful}
    if properties is None:
        again = foci if len(sure) < len(everything) else set()
    else:
        again = _affected(everything, everything - sure, properties) & foci
        few = [pair for pair in own if pair[0][: pair[0].index(b" ")] in again]
        sure &= {triple for triple, _ in _with_reached(few, seen_of)}
    first = _run(engine, everything, foci)
    second = _run(engine, sure, again)
    violations = (r for r in first if r.severity is Severity.VIOLATION)
    settled = (r for r in first if f"<{r.focus}>".encode() not in again)
    lesser = (r for r in (*settled, *second) if r.severity is not Severity.VIOLATION)
    return [*violations, *lesser]


def _with_reached(own: Iterable[tuple[bytes, bytes]], seen_of: Callable[[bytes], Seen]) -> Seen:
    """Statements, and those that are seen from them."""
    pairs = [*own]
    reached = {triple[: triple.index(b" ")] for triple, _ in pairs}
    ahead = [triple for triple, _ in pairs]
    while ahead:
        object_ = ahead.pop().split(b" ", 2)[2]
        if object_ not in reached and object_.startswith(b"<"):
            reached.add(object_)
            seen = seen_of(object_ + b" ")
            pairs += seen
            ahead += (triple for triple, _ in seen)
    return tuple(pairs)


def _affected(
    triples: set[bytes], left_out: set[bytes], properties: Container[bytes]
) -> set[bytes]:
    """The subjects on which a report may differ if some of the triples are left out."""
    split = [triple.split(b" ", 2) for triple in triples] if left_out else []
    lost = [triple.split(b" ", 2) for triple in left_out]
    seen = {s for s, p, _ in lost if p in properties}
    while more := {s for s, p, o in split if o in seen and p in properties} - seen:
        seen |= more
    return {s for s, _, _ in lost} | {s for s, _, o in split if o in seen}


def _run(engine: Engine, triples: Iterable[bytes], foci: Iterable[bytes]) -> list[Result]:
    """The results on focus nodes. What compares several values of a node waits until each of them
    is right by itself."""
    nodes = sorted(iri[1:-1].decode() for iri in foci)
    if not nodes:
        return []
    try:
        found = results(engine((triple + b" .\n" for triple in sorted(triples)), nodes))
    except (ValueError, RuntimeError) as error:  # what both engines raise for bad shapes
        raise _invalid(error) from error
    wrong = {r.focus for r in found if r.component != SH.SPARQLConstraintComponent}
    return [
        r for r in found if not (r.component == SH.SPARQLConstraintComponent and r.focus in wrong)
    ]


#: How the lines end that no RDF file states.
_DERIVED = tuple(f" <{graph}> .\n".encode() for graph in (names.QUERIES, names.DESCRIPTION))


def findings(
    results: Iterable[Result], shapes_graph: rdflib.Graph, sources: Sources
) -> list[Finding]:
    """What the results say, each at its place in the files."""
    found = list(_findings(results, shapes_graph, sources))
    violations = [f for f in found if f.severity is Severity.VIOLATION]
    return [*_one_a_loop(violations), *(f for f in found if f.severity is not Severity.VIOLATION)]


def _one_a_loop(findings: list[Finding]) -> Iterator[Finding]:
    """Of the findings that make up a loop (each one's value is the next one's focus) only the
    last in the order of the files, with the whole loop in its message."""
    following = {(f.rule, f.path, f.focus): f for f in findings if f.focus and f.value}
    done: set[int] = set()
    for finding in findings:
        loop = [finding]
        while True:
            ahead = following.get((finding.rule, finding.path, loop[-1].value or ""))
            if ahead is None or ahead in loop:
                break
            loop.append(ahead)
        if ahead is not finding or len(loop) == 1:
            yield finding
        elif id(finding) not in done:
            done |= {id(f) for f in loop}
            last = max(loop, key=lambda f: f.order)
            at = loop.index(last)
            way = " → ".join(str(f.focus) for f in (*loop[at:], *loop[:at], last))
            said = Text(f"{last.text.fr} ({way})", f"{last.text.en} ({way})")
            yield replace(last, text=said)


def _findings(
    results: Iterable[Result], shapes_graph: rdflib.Graph, sources: Sources
) -> Iterator[Finding]:
    where = {getattr(t, "value", str(t)): found for t, found in sources.where.items()}
    for it in results:
        stated = where.get(str(it.focus), [])
        at, part = _locate(stated, it.path, it.value, it.component, sources)
        yield Finding(
            rule=_rule(shapes_graph, it.shape),
            text=_message(shapes_graph, it),
            place=at.place(part) if at else Place("(dataset)"),
            severity=it.severity,
            focus=_show(it.focus),
            path=_show(it.path),
            value=_show(it.value),
            passage=show(at.graph) if at and isinstance(at.graph, ox.NamedNode) else None,
            component=_show(it.component),
            mend=_mend(shapes_graph, it.shape, stated, it.path, it.value),
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


def _message(shapes_graph: rdflib.Graph, result: Result) -> Text:
    for holder in (result.constraint, result.shape):
        if holder is None:
            continue
        messages = {
            m.language: str(m)
            for m in shapes_graph.objects(holder, SH.message)
            if isinstance(m, rdflib.Literal)
        }
        if "fr" in messages and "en" in messages:
            return Text(messages["fr"], messages["en"])
    return Text(result.message, result.message)


#: Too many values: the one too many is the last.
_SURPLUS = (SH.MaxCountConstraintComponent, SH.UniqueLangConstraintComponent)


def _locate(
    statements: list[Statement], path: Any, value: Any, component: Any, sources: Sources
) -> tuple[Statement | None, Part]:
    """The statement and term that a result is about: same path and value, else path; where
    something is missing, the place where it should stand."""
    on_path = [s for s in statements if _term(s.predicate) == path]
    exact = [s for s in on_path if value is not None and _same(s.object, value)]
    if exact:
        closed = component == SH.ClosedConstraintComponent
        return exact[-1], "predicate" if closed else "object"
    if on_path:
        surplus = component in _SURPLUS
        tags = [getattr(s.object, "language", None) for s in on_path]
        # Texts stand in the order fr, en: of two in English, the first is not the English one.
        misnamed = component == SH.UniqueLangConstraintComponent and "fr" not in tags
        at = on_path[-1 if surplus and not misnamed else 0]
        return at, "object" if surplus else "predicate"
    return _home(statements, path, sources), "subject"


def _same(term: Term, node: Any) -> bool:
    """Whether a term is that of a report, which may hold its literals in canonical form."""
    if isinstance(term, ox.Literal) and isinstance(node, rdflib.Literal):
        mine = _term(term)
        assert isinstance(mine, rdflib.Literal)
        plain = rdflib.Literal(str(mine), mine.language, mine.datatype)
        return bool(mine == node or plain == node)
    return bool(_term(term) == node)


def _home(statements: list[Statement], path: Any, sources: Sources) -> Statement | None:
    """Where a missing statement should stand: in the graph of this node where the property is
    used most, else in the one that says most of it."""
    if not statements:
        return None
    use = Counter(s.graph for s in sources.statements() if _term(s.predicate) == path)
    default = [s for s in statements if isinstance(s.graph, ox.DefaultGraph)]
    if default and (str(path) in IDENTITY or 2 * use[ox.DefaultGraph()] >= sum(use.values()) > 0):
        return next((s for s in default if s.predicate == TYPE), default[0])
    size = Counter(s.graph for s in statements if isinstance(s.graph, ox.NamedNode))
    best = max(size, key=lambda graph: (use[graph], size[graph]), default=None)
    if best is None:
        return next((s for s in statements if s.predicate == TYPE), statements[0])
    return next(s for s in statements if s.graph == best)


def _show(node: Any) -> str | None:
    if node is None:
        return None
    return names.shorten(str(node)) if isinstance(node, rdflib.URIRef) else node.n3()


def _mend(
    shapes_graph: rdflib.Graph, shape: Any, stated: list[Statement], path: Any, value: Any
) -> Text | None:
    """What to write instead, where that is plain."""
    if isinstance(value, rdflib.Literal):
        return _typed(shapes_graph, shape, value)
    wikidata = _WIKIDATA.fullmatch(str(value)) if value is not None else None
    if wikidata:
        form = f"<http://www.wikidata.org/entity/{wikidata[1]}>"
        return write(form)
    if value is None and (shape, SH.languageIn, None) in shapes_graph:
        there = [
            s.object.language
            for s in stated
            if _term(s.predicate) == path and isinstance(s.object, ox.Literal)
        ]
        absent = [tag for tag in ("fr", "en") if tag not in there]
        if len(absent) == 1 and len(there) > 1:
            return Text(f"marquez l'un d'eux @{absent[0]}", f"tag one of them @{absent[0]}")
        if len(absent) == 1:
            return Text(f"ajoutez celui en @{absent[0]}", f"add the one in @{absent[0]}")
    return None


_WIKIDATA = re.compile(r"https?://(?:www|m)\.wikidata\.org/(?:wiki|entity)/(Q[0-9]+)")
_DATES = (
    ("gYear", re.compile(r"[0-9]{4}")),
    ("gYearMonth", re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")),
    ("date", re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")),
)


def _typed(shapes_graph: rdflib.Graph, shape: Any, value: rdflib.Literal) -> Text | None:
    """A string or badly typed literal with the datatype of the shape that its form is of."""
    allowed = {
        str(datatype).removeprefix(names.XSD)
        for listed in shapes_graph.objects(shape, SH["or"])
        for item in shapes_graph.items(listed)
        for datatype in shapes_graph.objects(item, SH.datatype)
    }
    for name, form in _DATES:
        if name in allowed and form.fullmatch(str(value)):
            if str(value.datatype) == names.XSD + name:
                return None  # of that datatype already: it is no day of the calendar
            return write(f'"{value}"^^xsd:{name}')
    return None
