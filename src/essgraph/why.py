"""Why a row is in an answer: for each question, a plan to find the passages that support it.

The plan is made at build time from the SPARQL algebra (SPARQL 1.1 Query, 18.2), and is data: the
service follows it with queries alone. It holds

- ``all``: the question with the variables of its pattern that matter here. A row is
  supported by the solutions that agree with it in what it shows (a group, by those grouped);
- ``graphs``: variables that stand for the graph of a triple pattern: the passage itself;
- ``patterns``: for each triple pattern outside GRAPH, the variables that a solution binds in it,
  and queries from their values to the passages that state an instance of it: the triple itself or
  one from which it follows through a subproperty; for a property path, every edge of every walk
  between its ends; for a record, the passage (or the passages of the note) it is about;
- ``absence``: whether the question also rests on what is not there (NOT EXISTS, MINUS, !BOUND);
- ``grouped``: whether a row stands for a group of solutions;
- ``untraced``: what of the pattern the plan leaves out, as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from rdflib import RDF, RDFS, BNode, URIRef, Variable
from rdflib.paths import AlternativePath, InvPath, MulPath, Path, SequencePath
from rdflib.plugins.sparql.algebra import translateQuery
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.parserutils import CompValue
from rdflib.term import Node

from essgraph import names
from essgraph.catalog import Question
from essgraph.copies import spread

#: Where the values go in a query of the plan, as a VALUES clause.
PLACE = "%s"

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|<[^<>\s]*>|#[^\n]*|\w+|.', re.DOTALL
)
_HEAD = f"""PREFIX ess: <{names.ESS}>
PREFIX oa: <{names.OA}>
PREFIX rdfs: <{names.RDFS}>
"""
_SURE = f"FILTER NOT EXISTS {{ ?essgraphHere ess:evidenceLevel <{names.ID}evidence/doubtful> }}"


@dataclass
class _Found:
    """What a walk through the algebra gathers."""

    triples: list[tuple[Node, Any, Node]] = field(default_factory=list)
    graphs: list[str] = field(default_factory=list)
    absence: bool = False
    grouped: bool = False
    untraced: list[str] = field(default_factory=list)


def plans(questions: Mapping[str, Question]) -> bytes:
    """The plans of all SELECT questions, as the JSON file of the snapshot.

    Parsing them takes longer than the rest of the build: all cores take part.
    """
    ordered = dict(sorted(questions.items()))
    made = dict(zip(ordered, spread(_plan, ordered.values()), strict=True))
    kept = {name: plan for name, plan in made.items() if plan is not None}
    return (json.dumps(kept, ensure_ascii=False, indent=1) + "\n").encode()


def _plan(question: Question) -> dict[str, Any] | None:
    where = _where(question.query)
    if where is None:
        return None
    found = _Found()
    algebra = translateQuery(parseQuery(question.query)).algebra
    _walk(algebra, found)
    fresh = (Variable(f"essgraph{n}") for n in count())
    patterns = []
    for triple in dict.fromkeys(found.triples):
        terms = [term for term in triple if isinstance(term, Variable)]
        branches = [branch for edge in _edges(*triple, fresh) for branch in _branches(*edge)]
        if any(isinstance(term, BNode) for term in triple) or not _traceable(triple[1]):
            found.untraced.append(" ".join(_text(term) for term in triple))
        elif branches:
            bound = list(dict.fromkeys(f"?{name}" for name in terms))
            head = f"{_HEAD}SELECT DISTINCT {' '.join([*bound, '?essgraphHere'])} WHERE "
            values = PLACE if bound else ""
            patterns.append(
                {
                    "variables": [name[1:] for name in bound],
                    # Not one with UNION: Virtuoso reads VALUES before it wrongly, or dies of it.
                    "queries": [f"{head}{{ {values} {branch[1:]}" for branch in branches],
                }
            )
    head, pattern = where
    inside = set(re.findall(r"\?\w+", pattern))
    shown = [f"?{name}" for name in (*algebra.PV, *found.graphs)]
    shown += [f"?{name}" for p in patterns for name in p["variables"]]
    needed = [name for name in dict.fromkeys(shown) if name in inside]
    return {
        "all": f"{head}SELECT DISTINCT {' '.join(needed)} WHERE {pattern}\n",
        "graphs": list(dict.fromkeys(found.graphs)),
        "patterns": patterns,
        "absence": found.absence,
        "grouped": found.grouped,
        "untraced": found.untraced,
    }


def _where(query: str) -> tuple[str, str] | None:
    """What stands before the SELECT of a query, and the group of its WHERE clause."""
    start = opening = None
    depth = 0
    for token in _TOKEN.finditer(query):
        if start is None:
            if token[0].upper() == "SELECT":
                start = token.start()
        elif token[0] == "{":
            opening = token.start() if opening is None else opening
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                return query[:start], query[opening : token.end()]
    return None


def _walk(node: Any, found: _Found, graph: Node | None = None) -> None:
    if isinstance(node, list | tuple):
        for part in node:
            _walk(part, found, graph)
        return
    if not isinstance(node, CompValue):
        return
    if node.name == "BGP":
        if graph is None:
            found.triples += node.triples
        elif isinstance(graph, Variable):
            found.graphs.append(str(graph))
        return  # a constant graph is one of ours, not a passage's
    if node.name == "Graph":
        graph = node.term
    elif node.name in ("Builtin_NOTEXISTS", "Minus"):
        found.absence = True
        if node.name == "Minus":
            _walk(node.p1, found, graph)
        return
    elif node.name == "Builtin_EXISTS":
        found.untraced.append("EXISTS")
        return
    elif node.name == "UnaryNot" and getattr(node.expr, "name", "") == "Builtin_BOUND":
        found.absence = True
    elif node.name == "AggregateJoin":
        found.grouped = True
    for key, part in node.items():
        if key not in ("PV", "_vars"):
            _walk(part, found, graph)


Edge = tuple[str, tuple[Node, Any, Node], str]


def _edges(x: Node, path: Any, y: Node, fresh: Iterator[Variable]) -> Iterator[Edge]:
    """Each edge that a walk along a path from x to y may take: what leads to it, itself, what
    leads on."""
    if isinstance(path, InvPath):
        yield from _edges(y, path.arg, x, fresh)
    elif isinstance(path, AlternativePath):
        for arg in path.args:
            yield from _edges(x, arg, y, fresh)
    elif isinstance(path, SequencePath):
        nodes = [x, *(next(fresh) for _ in path.args[1:]), y]
        steps = [
            f"{_text(nodes[i])} {_path(arg)} {_text(nodes[i + 1])} . "
            for i, arg in enumerate(path.args)
        ]
        for i, arg in enumerate(path.args):
            for before, edge, after in _edges(nodes[i], arg, nodes[i + 1], fresh):
                yield "".join(steps[:i]) + before, edge, after + "".join(steps[i + 1 :])
    elif isinstance(path, MulPath):
        if path.mod == "?":
            yield from _edges(x, path.path, y, fresh)
            return
        # The steps before and after are none, or one and more: "*" is dear where it is unfolded.
        u, v, more = next(fresh), next(fresh), f"({_path(path.path)})+"
        for start, lead in ((x, ""), (u, f"{_text(x)} {more} {_text(u)} . ")):
            for end, follow in ((y, ""), (v, f"{_text(v)} {more} {_text(y)} . ")):
                for before, edge, after in _edges(start, path.path, end, fresh):
                    yield lead + before, edge, after + follow
    elif isinstance(path, URIRef | Variable):
        yield "", (x, path, y), ""


def _branches(before: str, edge: tuple[Node, Any, Node], after: str) -> Iterator[str]:
    """Where a statement may come from: a passage; the record of a passage, of a note on passages,
    or of a document. Types and labels stand in no passage (rule E2)."""
    x, p, y = (_text(term) for term in edge)
    if edge[1] == RDFS.label:
        return
    if edge[1] != RDF.type:
        passage = f"?essgraphHere a ess:Passage . {_SURE} }}"
        yield f"{{ {before}GRAPH ?essgraphHere {{ {x} {p} {y} }} {after}{passage}"
        # Not as one with "*": see ``_edges``.
        yield (
            f"{{ {before}GRAPH ?essgraphHere {{ {x} ?essgraphProperty {y} }} {after}"
            f"?essgraphProperty rdfs:subPropertyOf+ {p} . {passage}"
        )
    record = f"{before}GRAPH <{names.PROVENANCE}> {{ {x} {p} {y} }} {after}"
    for kind in ("Passage", "SetAside", "SourceDocument"):
        yield f"{{ {record}{x} a ess:{kind} . BIND ({x} AS ?essgraphHere) }}"
    yield (
        f"{{ {record}{x} a ess:EditorialNote ; oa:hasTarget ?essgraphHere . "
        "?essgraphHere a ess:Passage }"
    )


def _traceable(path: Any) -> bool:
    if isinstance(path, InvPath):
        return _traceable(path.arg)
    if isinstance(path, AlternativePath | SequencePath):
        return all(_traceable(arg) for arg in path.args)
    if isinstance(path, MulPath):
        return _traceable(path.path)
    return isinstance(path, URIRef | Variable)


def _path(path: Any) -> str:
    return path.n3() if isinstance(path, URIRef) else f"({path.n3()})"


def _text(term: Any) -> str:
    return str(term.n3()) if isinstance(term, Node | Path) else str(term)
