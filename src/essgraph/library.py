"""The question library as RDF, so that it can itself be queried.

Each question is a ``sh:SPARQLExecutable`` as in SHACL-SPARQL 1.1, its parameters as in SHACL
Advanced Features, 5.2: the local name of ``sh:path`` is the variable. Its
``dcterms:subject`` is the part of the page that lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyoxigraph as ox

from essgraph import names
from essgraph.catalog import SUBJECTS, TYPES, Parameter, Question, by_subject
from essgraph.dataset import about, both

_TYPE: Final = names.RDF + "type"
_TRUE: Final = ox.Literal("true", datatype=ox.NamedNode(names.XSD + "boolean"))


def described(questions: Iterable[Question]) -> Iterator[ox.Triple]:
    """The triples about each question."""
    listed = list(questions)
    for name, words, _ in by_subject(listed):
        if name:
            yield from about(names.SUBJECT + name, *both(names.RDFS + "label", words))
    for question in listed:
        iri = names.QUERY + question.name
        form = _form(question.query)
        subject = names.SUBJECT + question.subject if question.subject in SUBJECTS else None
        nodes = {p: f"{iri}#parameter-{p.name}" for p in question.parameters}
        yield from about(
            iri,
            (_TYPE, f"{names.SH}SPARQL{form.title()}Executable"),
            (_TYPE, names.SH + "SPARQLExecutable"),
            (names.SH + form.lower(), ox.Literal(question.query)),
            *both(names.RDFS + "label", question.title),
            *both(names.RDFS + "comment", question.description),
            (names.DCTERMS + "subject", subject),
            *((names.SCHEMA + "keywords", ox.Literal(keyword)) for keyword in question.keywords),
            *((names.SH + "parameter", node) for node in nodes.values()),
        )
        for parameter, node in nodes.items():
            yield from _parameter(iri, node, parameter)


def _parameter(question: str, node: str, parameter: Parameter) -> Iterator[ox.Triple]:
    kind = TYPES[parameter.type]
    yield from about(
        node,
        (_TYPE, names.SH + "Parameter"),
        (names.SH + "path", f"{question}#{parameter.name}"),
        (names.SH + "datatype", names.XSD + kind.datatype if kind.datatype else None),
        (names.SH + "nodeKind", None if kind.datatype else names.SH + "IRI"),
        (names.SH + "optional", _TRUE),
        *both(names.SH + "name", parameter.description),
        *both(names.SH + "description", parameter.meaning),
    )
    default = f"<{node}> <{names.SH}defaultValue> {parameter.term(parameter.value)} ."
    yield from (quad.triple for quad in ox.parse(default, ox.RdfFormat.N_TRIPLES))


def _form(query: str) -> str:
    for line in query.splitlines():
        word = line.split(maxsplit=1)[0].upper() if line.split() else ""
        if word in ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"):
            return word
    return "SELECT"
