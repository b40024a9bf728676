"""The dataset as machines find it: VoID statistics, DCAT 3 catalogue, schema.org Dataset.

All figures are counted in what is served; what people typed is in ``data/dataset.ttl``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyoxigraph as ox

from essgraph import formats, names
from essgraph.query import inspect
from essgraph.service.documents import Row, rows
from essgraph.service.live import Served

#: The files to download: name, media type inside, format.
DUMPS: Final = (
    ("dump.nq.gz", formats.NQUADS),
    ("dump.trig.gz", formats.TRIG),
)

_PREFIXES: Final = "".join(f"PREFIX {p}: <{s}>\n" for p, s in names.PREFIXES.items())
_OWN: Final = inspect(f"SELECT ?p ?o {{ <{names.DATASET}> ?p ?o }} ORDER BY ?p ?o")
_COUNTS: Final = inspect(
    "SELECT (COUNT(*) AS ?triples) (COUNT(DISTINCT ?s) AS ?subjects) "
    "(COUNT(DISTINCT ?p) AS ?properties) (COUNT(DISTINCT ?o) AS ?objects) { ?s ?p ?o }"
)
_CLASSES: Final = inspect(
    f"{_PREFIXES} SELECT ?class (COUNT(DISTINCT ?s) AS ?entities) (MIN(STR(?s)) AS ?example) "
    "{ ?s a ?class } GROUP BY ?class ORDER BY ?class"
)
_PROPERTIES: Final = inspect(
    "SELECT ?property (COUNT(*) AS ?triples) (COUNT(DISTINCT ?s) AS ?subjects) "
    "(COUNT(DISTINCT ?o) AS ?objects) { ?s ?property ?o } GROUP BY ?property ORDER BY ?property"
)
_LINKS: Final = inspect(
    f"""{_PREFIXES}
SELECT ?property ?host (COUNT(*) AS ?triples) WHERE {{
  ?s ?property ?o
  FILTER (isIRI(?o) && ?property != rdf:type && STRSTARTS(STR(?s), "{names.ID}"))
  FILTER (!STRSTARTS(STR(?o), "{names.BASE}"))
  BIND (REPLACE(STR(?o), "^([a-z]+:/*[^/]*/?).*$", "$1") AS ?host)
}}
GROUP BY ?property ?host ORDER BY ?property ?host"""
)
_ENTITIES: Final = inspect(
    f"""{_PREFIXES}
SELECT (COUNT(DISTINCT ?s) AS ?entities) WHERE {{
  ?s a ?class FILTER (REGEX(STR(?s), "^{names.BASE}(id|doc|passage)/[^#]*$"))
}}"""
)

_DCAT: Final = names.PREFIXES["dcat"]
_VOID: Final = names.PREFIXES["void"]
_SPDX: Final = names.PREFIXES["spdx"]
_INTEGER: Final = ox.NamedNode(names.XSD + "integer")
_BYTES: Final = ox.NamedNode(names.XSD + "nonNegativeInteger")
_HEX: Final = ox.NamedNode(names.XSD + "hexBinary")
_FORMAT_IRI: Final = {
    "turtle": "Turtle",
    "jsonld": "JSON-LD",
    "rdfxml": "RDF_XML",
    "nt": "N-Triples",
    "trig": "TriG",
    "nq": "N-Quads",
}
_CATALOG: Final = names.BASE
_SERVICE: Final = names.BASE + "sparql"

Node = ox.NamedNode | ox.Literal


def _iri(iri: str) -> ox.NamedNode:
    return ox.NamedNode(iri)


def _part(kind: str, iri: str) -> str:
    """The IRI of a partition or linkset, after what it is about."""
    short = names.shorten(iri)
    local = short.replace(":", "-")
    if short.startswith("<"):
        local = hashlib.sha256(iri.encode()).hexdigest()[:12]
    return f"{names.DATASET}#{kind}-{local}"


def _about(subject: str, *said: tuple[str, Node | str | int]) -> Iterator[ox.Triple]:
    """Triples about one subject; a string is an IRI, a number an integer."""
    for predicate, value in said:
        if isinstance(value, int):
            term: Node = ox.Literal(str(value), datatype=_INTEGER)
        else:
            term = _iri(value) if isinstance(value, str) else value
        yield ox.Triple(_iri(subject), _iri(predicate), term)


def _in_both(fr: str, en: str) -> tuple[ox.Literal, ox.Literal]:
    return ox.Literal(fr, language="fr"), ox.Literal(en, language="en")


async def description(served: Served) -> list[ox.Triple]:
    """The description of the dataset, whole."""
    own = [
        ox.Triple(_iri(names.DATASET), row["p"], row["o"])  # type: ignore[arg-type]
        for row in await rows(served.answers, _OWN, {})
    ]
    graph = [*own, *await _void(served)]
    graph += _catalog(served, own)
    return graph


async def counts(served: Served) -> dict[str, int]:
    """How much there is: triples, subjects, properties, objects, entities."""
    (row,) = await rows(served.answers, _COUNTS, {})
    (more,) = await rows(served.answers, _ENTITIES, {})
    return {name: int(term.value) for name, term in {**row, **more}.items()}


async def classes(served: Served) -> list[tuple[str, int, str]]:
    """Each class with the number of its members and one of them."""
    return [
        (row["class"].value, int(row["entities"].value), row["example"].value)
        for row in await rows(served.answers, _CLASSES, {})
    ]


async def _void(served: Served) -> Iterable[ox.Triple]:
    found = await counts(served)
    of_classes = await classes(served)
    graph = list(
        _about(
            names.DATASET,
            (_VOID + "triples", found["triples"]),
            (_VOID + "entities", found["entities"]),
            (_VOID + "documents", found["entities"]),
            (_VOID + "classes", len(of_classes)),
            (_VOID + "properties", found["properties"]),
            (_VOID + "distinctSubjects", found["subjects"]),
            (_VOID + "distinctObjects", found["objects"]),
            (_VOID + "sparqlEndpoint", _SERVICE),
            (_VOID + "rootResource", names.ID),
            *((_VOID + "dataDump", names.BASE + name) for name, _ in _dumps(served)),
            *(
                (_VOID + "feature", f"http://www.w3.org/ns/formats/{_FORMAT_IRI[f.name]}")
                for f in formats.DOCUMENTS
            ),
        )
    )
    for iri, members, example in of_classes:
        part = _part("class", iri)
        graph += _about(names.DATASET, (_VOID + "classPartition", part))
        graph += _about(part, (names.RDF + "type", _VOID + "Dataset"))
        graph += _about(part, (_VOID + "class", iri), (_VOID + "entities", members))
        if iri.startswith(names.ESS) and example.startswith(names.BASE):
            graph += _about(part, (_VOID + "exampleResource", example))
            graph += _about(names.DATASET, (_VOID + "exampleResource", example))
    for row in await rows(served.answers, _PROPERTIES, {}):
        part = _part("property", row["property"].value)
        graph += _about(names.DATASET, (_VOID + "propertyPartition", part))
        graph += _about(
            part,
            (names.RDF + "type", _VOID + "Dataset"),
            (_VOID + "property", row["property"].value),
            *_figures(row),
        )
    for row in await rows(served.answers, _LINKS, {}):
        host = row["host"].value
        target = _part("target", host)
        linkset = (
            f"{_part('linkset', host)}-{_part('x', row['property'].value).partition('#x-')[2]}"
        )
        graph += _about(names.DATASET, (_VOID + "subset", linkset))
        graph += _about(
            linkset,
            (names.RDF + "type", _VOID + "Linkset"),
            (_VOID + "linkPredicate", row["property"].value),
            (_VOID + "subjectsTarget", names.DATASET),
            (_VOID + "objectsTarget", target),
            (_VOID + "triples", int(row["triples"].value)),
        )
        graph += _about(
            target,
            (names.RDF + "type", _VOID + "Dataset"),
            (_VOID + "uriSpace", ox.Literal(host)),
        )
    return graph


def _figures(row: Row) -> Iterator[tuple[str, int]]:
    yield _VOID + "triples", int(row["triples"].value)
    yield _VOID + "distinctSubjects", int(row["subjects"].value)
    yield _VOID + "distinctObjects", int(row["objects"].value)


def _dumps(served: Served) -> list[tuple[str, formats.Format]]:
    return [(name, inside) for name, inside in DUMPS if name in served.snapshot.sizes]


def _catalog(served: Served, own: Iterable[ox.Triple]) -> Iterator[ox.Triple]:
    """The catalogue (DCAT 3): this dataset, its distributions, its service."""
    a, title = names.RDF + "type", names.DCTERMS + "title"
    license = [
        (names.DCTERMS + "license", t.object.value)
        for t in own
        if t.predicate.value == names.DCTERMS + "license" and isinstance(t.object, ox.NamedNode)
    ]
    yield from _about(
        _CATALOG,
        (a, _DCAT + "Catalog"),
        *((title, text) for text in _in_both("Catalogue d'essgraph", "Catalogue of essgraph")),
        (_DCAT + "dataset", names.DATASET),
        (_DCAT + "service", _SERVICE),
        (names.FOAF + "homepage", names.BASE),
        *license,
    )
    yield from _about(
        _SERVICE,
        (a, _DCAT + "DataService"),
        *((title, text) for text in _in_both("Point d'accès SPARQL", "SPARQL endpoint")),
        (_DCAT + "endpointURL", _SERVICE),
        (_DCAT + "endpointDescription", _SERVICE),
        (_DCAT + "servesDataset", names.DATASET),
        (names.DCTERMS + "conformsTo", "https://www.w3.org/TR/sparql11-protocol/"),
        *license,
    )
    version = ox.Literal(served.snapshot.version)
    yield from _about(
        names.DATASET,
        (_DCAT + "version", version),
        (names.SCHEMA + "version", version),
        (_DCAT + "landingPage", names.BASE),
        (names.DCTERMS + "conformsTo", names.BASE + "ontology"),
    )
    for name, inside in _dumps(served):
        file = names.BASE + name
        checksum = f"{names.DATASET}#checksum-{name}"
        size = ox.Literal(str(served.snapshot.sizes[name]), datatype=_BYTES)
        yield from _about(names.DATASET, (_DCAT + "distribution", file))
        yield from _about(
            file,
            (a, _DCAT + "Distribution"),
            (title, ox.Literal(name)),
            (_DCAT + "downloadURL", file),
            (_DCAT + "accessURL", file),
            (_DCAT + "mediaType", _media_type(inside.media_type)),
            (_DCAT + "compressFormat", _media_type("application/gzip")),
            (_DCAT + "byteSize", size),
            (_SPDX + "checksum", checksum),
            *license,
        )
        yield from _about(
            checksum,
            (a, _SPDX + "Checksum"),
            (_SPDX + "algorithm", _SPDX + "checksumAlgorithm_sha256"),
            (
                _SPDX + "checksumValue",
                ox.Literal(served.snapshot.digests[name], datatype=_HEX),
            ),
        )
    endpoint = f"{names.DATASET}#distribution-sparql"
    yield from _about(names.DATASET, (_DCAT + "distribution", endpoint))
    yield from _about(
        endpoint,
        (a, _DCAT + "Distribution"),
        *((title, text) for text in _in_both("Accès par SPARQL", "Access by SPARQL")),
        (_DCAT + "accessURL", _SERVICE),
        (_DCAT + "accessService", _SERVICE),
        *license,
    )


def _media_type(media_type: str) -> str:
    return f"https://www.iana.org/assignments/media-types/{media_type}"


async def schema(served: Served, language: str) -> dict[str, Any]:
    """The dataset as schema.org Dataset in JSON-LD, for the head of a page."""
    said: dict[str, list[str]] = {}
    for row in await rows(served.answers, _OWN, {}):
        term = row["o"]
        if not isinstance(term, ox.Literal) or term.language in (None, language):
            said.setdefault(row["p"].value, []).append(term.value)

    def first(predicate: str) -> str:
        return said.get(names.DCTERMS + predicate, [""])[0]

    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": names.DATASET,
        "name": first("title"),
        "description": first("description"),
        "url": names.BASE,
        "license": first("license"),
        "datePublished": first("issued"),
        "dateModified": first("modified"),
        "inLanguage": said.get(names.DCTERMS + "language", []),
        "version": served.snapshot.version,
        "isAccessibleForFree": True,
        "distribution": [
            {
                "@type": "DataDownload",
                "name": name,
                "contentUrl": names.BASE + name,
                "encodingFormat": [inside.media_type, "application/gzip"],
                "contentSize": f"{served.snapshot.sizes[name]} B",
                "sha256": served.snapshot.digests[name],
            }
            for name, inside in _dumps(served)
        ],
    }


def embedded(described: dict[str, Any]) -> str:
    """JSON-LD for a script element, where nothing may look like markup (HTML, 4.12.1.3)."""
    return json.dumps(described, ensure_ascii=False, indent=1).replace("<", "\\u003c")
