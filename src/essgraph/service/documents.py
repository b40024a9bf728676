"""What the document about a resource says, so that one fetch is enough to show it.

The facts of the resource and the links that come in (published ones), the labels of everything
they name in both languages, the passages that state each fact, and the document itself: its
topic, dataset, licence, version, date and sources. In TriG and N-Quads the default graph is that
same graph, and each named graph holds what it states of the resource.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import pyoxigraph as ox

from essgraph import formats, jsonld, names, results
from essgraph.dataset import VOID, about
from essgraph.engine import Dataset
from essgraph.formats import Format
from essgraph.query import Query, inspect
from essgraph.service.answers import Answers, Kept
from essgraph.service.live import Served

#: Links that come in, at most; where there are more the document says where to read them all.
MOST_INCOMING: Final = 1_000
#: Where our JSON-LD context is, below the address of the service: whole addresses in documents, so
#: that one which was saved is still read.
CONTEXT: Final = "/context.jsonld"
#: That ``?s`` has a document of its own, in a query.
DESCRIBED: Final = f'FILTER (REGEX(STR(?s), "^{names.BASE}(id|doc|passage)/[^#]*$"))'
#: IRIs in one query for labels.
_BATCH: Final = 1_000

_PREFIXES: Final = f"""
PREFIX dcterms: <{names.DCTERMS}>
PREFIX ess: <{names.ESS}>
PREFIX oa: <{names.OA}>
PREFIX owl: <{names.OWL}>
PREFIX rdfs: <{names.RDFS}>
PREFIX skos: <{names.SKOS}>
"""
#: What is stated of the resource and of its selector, what links to it, and, where it is itself a
#: passage, what it states. ``?graph`` is unbound for the default graph.
_STATED: Final = inspect(
    f"""{_PREFIXES}
SELECT ?graph ?subject ?predicate ?object WHERE {{
  {{ ?entity ?predicate ?object BIND (?entity AS ?subject) }}
  UNION {{ GRAPH ?graph {{ ?entity ?predicate ?object }} BIND (?entity AS ?subject) }}
  UNION {{
    {{ SELECT ?subject ?predicate {{ ?subject ?predicate ?entity }}
      ORDER BY ?subject ?predicate LIMIT {MOST_INCOMING} }}
    BIND (?entity AS ?object)
  }}
  UNION {{
    {{ SELECT ?graph ?subject ?predicate {{ GRAPH ?graph {{ ?subject ?predicate ?entity }} }}
      ORDER BY ?subject ?predicate ?graph LIMIT {MOST_INCOMING} }}
    BIND (?entity AS ?object)
  }}
  UNION {{ ?entity oa:hasSelector ?subject . ?subject ?predicate ?object }}
  UNION {{ GRAPH ?entity {{ ?subject ?predicate ?object }} BIND (?entity AS ?graph) }}
  UNION {{ GRAPH ?entity {{ ?subject ?predicate ?object }} ?subject ?predicate ?object }}
}}"""
)
_ALL_INCOMING: Final = inspect("SELECT (COUNT(*) AS ?count) { ?subject ?predicate ?entity }")
#: How what is named is called; of a passage, its document, summary and level of evidence.
_NAMED: Final = """
SELECT DISTINCT ?subject ?predicate ?object WHERE {
  { VALUES ?subject { %(iris)s } VALUES ?predicate { rdfs:label } ?subject ?predicate ?object }
  UNION {
    VALUES ?subject { %(iris)s }
    VALUES ?predicate { oa:hasSource ess:summary ess:evidenceLevel ess:reason }
    ?subject oa:hasSource ?source ; ?predicate ?object
  }
}"""
_DATASET: Final = inspect(
    f"""{_PREFIXES}
SELECT ?predicate ?object WHERE {{
  VALUES ?predicate {{ rdfs:label dcterms:license dcterms:modified }}
  <{names.DATASET}> ?predicate ?object
}}"""
)
_STATUS: Final = inspect(
    f"""{_PREFIXES}
SELECT ?type ?gone ?successor ?note WHERE {{
  OPTIONAL {{ ?entity a ?type }}
  OPTIONAL {{
    ?entity owl:deprecated ?gone . FILTER (?gone = true)
    OPTIONAL {{ ?entity dcterms:isReplacedBy ?successor }}
    OPTIONAL {{ ?entity skos:changeNote ?note }}
  }}
}}
ORDER BY ?type ?successor ?note"""
)

_TYPE: Final = ox.NamedNode(names.RDF + "type")
_LABEL: Final = ox.NamedNode(names.RDFS + "label")
_LICENSE: Final = names.DCTERMS + "license"
_MODIFIED: Final = names.DCTERMS + "modified"
_SOURCE: Final = ox.NamedNode(names.DCTERMS + "source")
_HAS_SOURCE: Final = ox.NamedNode(names.OA + "hasSource")

Row = Mapping[str, ox.NamedNode | ox.Literal]


@dataclass(frozen=True)
class Topic:
    """What a document is about: ``key`` is its IRI after the base, without ``id/``."""

    key: str

    @property
    def iri(self) -> str:
        return (names.BASE if self.is_document else names.ID) + self.key

    @property
    def path(self) -> str:
        """Its path on the service."""
        return "/" + self.iri.removeprefix(names.BASE)

    @property
    def document(self) -> str:
        """The IRI of the document about it, whatever the format."""
        return f"{names.BASE}data/{self.key}"

    @property
    def is_document(self) -> bool:
        """Whether it is an information resource, which answers 200 at its own address."""
        return self.key.startswith(("doc/", "passage/"))


@dataclass(frozen=True)
class Status:
    """Whether there is such a resource, or was; and what took its place."""

    known: bool
    gone: bool = False
    successor: str | None = None
    notes: Mapping[str, str] | None = None


async def rows(answers: Answers, query: Query, bindings: Mapping[str, str]) -> list[Row]:
    """The solutions of a SELECT, each by the names of its variables."""
    kept = await answers.ask(query, Dataset(), bindings, formats.JSON)
    solutions = ox.parse_query_results(kept.answer.whole(), ox.QueryResultsFormat.JSON)
    assert isinstance(solutions, ox.QuerySolutions)
    variables = [variable.value for variable in solutions.variables]
    return [
        {name: term for name, term in zip(variables, solution, strict=True) if term is not None}
        for solution in solutions
    ]


async def status(answers: Answers, topic: Topic) -> Status:
    """Whether the graph knows the topic."""
    found = await rows(answers, _STATUS, {"entity": f"<{topic.iri}>"})
    gone = [row for row in found if "gone" in row]
    if gone:
        successor = next((row["successor"].value for row in gone if "successor" in row), None)
        said = [note for row in gone if isinstance(note := row.get("note"), ox.Literal)]
        notes = {note.language or "": note.value for note in said}
        return Status(False, True, successor, notes)
    return Status(any("type" in row for row in found))


async def about_dataset(answers: Answers) -> list[Row]:
    """Label, licence and date of the dataset."""
    return await rows(answers, _DATASET, {})


async def document(served: Served, topic: Topic, format: Format, url: str) -> Kept:
    """The document about a topic in that format; ``url`` is where this service is found."""

    async def make() -> bytes:
        if format == formats.NQUADS:
            return write(await _quads(served, topic, url), format, url, topic.iri)
        # The others are written from that one: the queries are the dearer part.
        kept = await document(served, topic, formats.NQUADS, url)
        quads = ox.parse(kept.answer.body, ox.RdfFormat.N_QUADS)
        return write(quads, format, url, topic.iri)

    return await served.answers.make(f"document {topic.key} {format.name} {url}", make)


def write(quads: Iterable[ox.Quad], format: Format, url: str, topic: str = "") -> bytes:
    """Quads in a format for documents; a format for graphs takes the default graph.

    In the order in which people read: the IRI ``topic`` first, last what is a part of a document
    (as the statements of passages are), and of each its class, then its labels.
    """

    def order(quad: ox.Quad) -> tuple[object, ...]:
        graph = "" if quad.graph_name == ox.DefaultGraph() else str(quad.graph_name)
        subject = str(quad.subject)
        by_subject = (subject != f"<{topic}>", "#" in subject, subject)
        return graph, *by_subject, quad.predicate != _TYPE, quad.predicate != _LABEL, str(quad)

    listed = sorted(set(quads), key=order)
    out = io.BytesIO()
    if format in (formats.TRIG, formats.NQUADS):
        results.write_dataset(listed, format, out)
        return out.getvalue()
    triples = [quad.triple for quad in listed if quad.graph_name == ox.DefaultGraph()]
    if format == formats.JSONLD:
        return jsonld.document(triples, url + CONTEXT)
    results.write_graph(triples, format, out)
    return out.getvalue()


async def _quads(served: Served, topic: Topic, url: str) -> set[ox.Quad]:
    answers = served.answers
    stated = [
        ox.Quad(row["subject"], row["predicate"], row["object"], row.get("graph"))  # type: ignore[arg-type]
        for row in await rows(answers, _STATED, {"entity": f"<{topic.iri}>"})
    ]
    statements = list(_statements(topic, stated))
    triples = [q.triple for q in stated if q.graph_name == ox.DefaultGraph()] + statements
    described = [(row["predicate"].value, row["object"]) for row in await about_dataset(answers)]
    triples += about(names.DATASET, *described)
    label = [t.object for t in triples if t.subject.value == topic.iri and t.predicate == _LABEL]  # type: ignore[union-attr]
    license_and_date = [said for said in described if said[0] in (_LICENSE, _MODIFIED)]
    triples += _itself(topic, served.snapshot.version, label, license_and_date)
    if _incoming(topic, stated) >= MOST_INCOMING:
        (row,) = await rows(answers, _ALL_INCOMING, {"entity": f"<{topic.iri}>"})
        triples += _more(topic, int(row["count"].value), url)
    named = _iris(triples)
    records = await labelled(answers, named)
    sources = {t.object for t in records if t.predicate == _HAS_SOURCE}
    document = ox.NamedNode(topic.document)
    records += [ox.Triple(document, _SOURCE, source) for source in sources]
    records += await labelled(answers, _iris(records) - named)
    graph = [*triples, *records]
    return {ox.Quad(*triple) for triple in graph} | {
        q for q in stated if q.graph_name != ox.DefaultGraph()
    }


def _iris(triples: Iterable[ox.Triple]) -> set[str]:
    return {term.value for t in triples for term in t if isinstance(term, ox.NamedNode)}


def _incoming(topic: Topic, stated: Iterable[ox.Quad]) -> int:
    return sum(
        isinstance(q.object, ox.NamedNode)
        and q.object.value == topic.iri
        and q.graph_name == ox.DefaultGraph()
        for q in stated
    )


async def labelled(answers: Answers, iris: Iterable[str]) -> list[ox.Triple]:
    """The labels of what is named, in both languages, and the records of passages."""
    listed = sorted(iri for iri in iris if _plain(iri))
    found: list[ox.Triple] = []
    for start in range(0, len(listed), _BATCH):
        batch = " ".join(f"<{iri}>" for iri in listed[start : start + _BATCH])
        query = inspect(_PREFIXES + _NAMED % {"iris": batch})
        found += [
            ox.Triple(row["subject"], row["predicate"], row["object"])  # type: ignore[arg-type]
            for row in await rows(answers, query, {})
        ]
    return found


def _plain(iri: str) -> bool:
    return not any(c in '<>"{}|^`\\' or c <= " " for c in iri)


def _statements(topic: Topic, stated: Iterable[ox.Quad]) -> Iterator[ox.Triple]:
    """Which passage states which fact, as RDF reification (RDF Schema 1.1, 5.3).

    It asserts nothing: so the document shows what a doubtful passage states as well.
    """
    for quad in stated:
        graph = quad.graph_name
        if not isinstance(graph, ox.NamedNode) or not graph.value.startswith(names.PASSAGE):
            continue
        digest = hashlib.sha256(str(quad.triple).encode()).hexdigest()[:16]
        statement = ox.NamedNode(f"{topic.document}#{digest}")
        yield ox.Triple(statement, _TYPE, ox.NamedNode(names.RDF + "Statement"))
        yield ox.Triple(statement, ox.NamedNode(names.RDF + "subject"), quad.subject)
        yield ox.Triple(statement, ox.NamedNode(names.RDF + "predicate"), quad.predicate)
        yield ox.Triple(statement, ox.NamedNode(names.RDF + "object"), quad.object)
        yield ox.Triple(statement, _SOURCE, graph)


def _itself(
    topic: Topic,
    version: str,
    label: Iterable[object],
    license_and_date: Iterable[tuple[str, ox.NamedNode | ox.Literal]],
) -> Iterator[ox.Triple]:
    """What the document says of itself."""
    yield from about(
        topic.document,
        (names.RDF + "type", names.FOAF + "Document"),
        (names.FOAF + "primaryTopic", topic.iri),
        (names.DCTERMS + "isPartOf", names.DATASET),
        (VOID + "inDataset", names.DATASET),
        (names.SCHEMA + "version", ox.Literal(version)),
        *license_and_date,
    )
    for language, title in (("fr", "Description de « {} »"), ("en", "Description of “{}”")):
        called = [x.value for x in label if isinstance(x, ox.Literal) and x.language == language]
        name = called[0] if called else topic.key
        yield from about(
            topic.document,
            (names.DCTERMS + "language", ox.Literal(language)),
            (names.DCTERMS + "title", ox.Literal(title.format(name), language=language)),
        )


def _more(topic: Topic, count: int, url: str) -> Iterator[ox.Triple]:
    """That not all links that come in are in the document, and where they are."""
    query = quote(f"CONSTRUCT WHERE {{ ?s ?p <{topic.iri}> }}", safe="")
    fr = f"{MOST_INCOMING} des {count} liens entrants sont ici ; voir rdfs:seeAlso."
    en = f"{MOST_INCOMING} of {count} incoming links are here; see rdfs:seeAlso."
    return about(
        topic.document,
        (names.RDFS + "comment", ox.Literal(fr, language="fr")),
        (names.RDFS + "comment", ox.Literal(en, language="en")),
        (names.RDFS + "seeAlso", f"{url}/sparql?query={query}"),
    )
