"""The question library as RDF, so that it can itself be queried.

Each question is a ``sh:SPARQLExecutable`` as in SHACL-SPARQL 1.1, its parameters as in SHACL
Advanced Features, 5.2: the local name of ``sh:path`` is the variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyoxigraph as ox

from essgraph import names
from essgraph.catalog import TYPES, Parameter, Question
from essgraph.errors import Text

_TYPE: Final = names.RDF + "type"


def described(questions: Iterable[Question]) -> Iterator[ox.Triple]:
    """The triples about each question."""
    for question in questions:
        iri = names.QUERY + question.name
        form = _form(question.query)
        yield _say(iri, _TYPE, _sh(f"SPARQL{form.title()}Executable"))
        yield _say(iri, _TYPE, _sh("SPARQLExecutable"))
        yield _say(iri, names.SH + form.lower(), ox.Literal(question.query))
        yield from _in_both(iri, names.RDFS + "label", question.title)
        yield from _in_both(iri, names.RDFS + "comment", question.description)
        for keyword in question.keywords:
            yield _say(iri, names.SCHEMA + "keywords", ox.Literal(keyword))
        for parameter in question.parameters:
            node = ox.NamedNode(f"{iri}#parameter-{parameter.name}")
            yield _say(iri, names.SH + "parameter", node)
            yield from _parameter(iri, node.value, parameter)


def _parameter(question: str, node: str, parameter: Parameter) -> Iterator[ox.Triple]:
    kind = TYPES[parameter.type]
    default = ox.parse(
        f"<{node}> <{names.SH}defaultValue> {parameter.term(parameter.value)} .",
        ox.RdfFormat.N_TRIPLES,
    )
    yield _say(node, _TYPE, _sh("Parameter"))
    yield _say(node, names.SH + "path", ox.NamedNode(f"{question}#{parameter.name}"))
    if kind.datatype:
        yield _say(node, names.SH + "datatype", ox.NamedNode(names.XSD + kind.datatype))
    else:
        yield _say(node, names.SH + "nodeKind", _sh("IRI"))
    yield _say(
        node,
        names.SH + "optional",
        ox.Literal("true", datatype=ox.NamedNode(names.XSD + "boolean")),
    )
    yield from (quad.triple for quad in default)
    yield from _in_both(node, names.SH + "name", parameter.description)
    yield from _in_both(
        node,
        names.SH + "description",
        Text(
            f"{parameter.description.fr} : {kind.fr}",
            f"{parameter.description.en}: {kind.en}",
        ),
    )


def _sh(term: str) -> ox.NamedNode:
    return ox.NamedNode(names.SH + term)


def _say(subject: str, predicate: str, value: ox.NamedNode | ox.Literal) -> ox.Triple:
    return ox.Triple(ox.NamedNode(subject), ox.NamedNode(predicate), value)


def _in_both(subject: str, predicate: str, text: Text) -> Iterator[ox.Triple]:
    yield _say(subject, predicate, ox.Literal(text.fr, language="fr"))
    yield _say(subject, predicate, ox.Literal(text.en, language="en"))


def _form(query: str) -> str:
    for line in query.splitlines():
        word = line.split(maxsplit=1)[0].upper() if line.split() else ""
        if word in ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"):
            return word
    return "SELECT"
