"""The dataset as machines find it: what the build wrote of it (``essgraph.dataset``), with what it
could not know (the version, the files, this host), and the same as a schema.org Dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyoxigraph as ox

from essgraph import formats, names
from essgraph.dataset import DCAT, GRAPH, VOID, about
from essgraph.query import inspect
from essgraph.service.documents import rows
from essgraph.service.live import Served

_OWN: Final = inspect(f"SELECT ?p ?o {{ <{names.DATASET}> ?p ?o }} ORDER BY ?p ?o")
_WRITTEN: Final = inspect(f"SELECT ?s ?p ?o {{ GRAPH {GRAPH} {{ ?s ?p ?o }} }} ORDER BY ?s ?p ?o")
_SPDX: Final = names.PREFIXES["spdx"]
_BYTES: Final = ox.NamedNode(names.XSD + "nonNegativeInteger")
_HEX: Final = ox.NamedNode(names.XSD + "hexBinary")
#: What says where something is fetched, not what it is called.
_PLACES: Final = frozenset(
    (
        DCAT + "accessURL",
        DCAT + "downloadURL",
        DCAT + "endpointDescription",
        DCAT + "endpointURL",
        VOID + "dataDump",
        VOID + "sparqlEndpoint",
    )
)

Node = ox.NamedNode | ox.Literal


async def description(served: Served, url: str) -> list[ox.Triple]:
    """The description of the dataset, whole; ``url`` is where this service is found."""
    own = [
        {**row, "s": ox.NamedNode(names.DATASET)} for row in await rows(served.answers, _OWN, {})
    ]
    missing = {names.BASE + name for name in formats.DUMPS if name not in served.snapshot.sizes}
    graph = {
        ox.Triple(row["s"], row["p"], _here(row["p"], row["o"], url))  # type: ignore[arg-type]
        for row in (*own, *await rows(served.answers, _WRITTEN, {}))
        if row["s"].value not in missing and row["o"].value not in missing
    }
    return [*graph, *_added(served)]


def _here(predicate: Node, object: Node, url: str) -> Node:
    """The object as it holds on this host."""
    if predicate.value in _PLACES and object.value.startswith(names.BASE):
        return ox.NamedNode(f"{url}/{object.value.removeprefix(names.BASE)}")
    return object


def _added(served: Served) -> Iterator[ox.Triple]:
    """The version, and the size and checksum of each file."""
    version = ox.Literal(served.snapshot.version)
    yield from about(
        names.DATASET, (DCAT + "version", version), (names.SCHEMA + "version", version)
    )
    for name in _dumps(served):
        checksum = f"{names.DATASET}#checksum-{name}"
        size = ox.Literal(str(served.snapshot.sizes[name]), datatype=_BYTES)
        yield from about(
            names.BASE + name, (DCAT + "byteSize", size), (_SPDX + "checksum", checksum)
        )
        yield from about(
            checksum,
            (names.RDF + "type", _SPDX + "Checksum"),
            (_SPDX + "algorithm", _SPDX + "checksumAlgorithm_sha256"),
            (_SPDX + "checksumValue", ox.Literal(served.snapshot.digests[name], datatype=_HEX)),
        )


def _dumps(served: Served) -> list[str]:
    return [name for name in formats.DUMPS if name in served.snapshot.sizes]


@dataclass(frozen=True)
class Figures:
    """How much there is; of each class, how many members."""

    triples: int
    entities: int
    classes: dict[str, int]


async def figures(served: Served) -> Figures:
    """The figures that the build counted; none where an endpoint elsewhere holds no description."""
    said: dict[str, dict[str, str]] = {}
    for row in await rows(served.answers, _WRITTEN, {}):
        said.setdefault(row["s"].value, {})[row["p"].value] = row["o"].value
    whole = said.get(names.DATASET, {})
    return Figures(
        int(whole.get(VOID + "triples", 0)),
        int(whole.get(VOID + "entities", 0)),
        {
            part[VOID + "class"]: int(part[VOID + "entities"])
            for part in said.values()
            if VOID + "class" in part
        },
    )


async def schema(served: Served, language: str) -> dict[str, Any]:
    """The dataset as schema.org Dataset in JSON-LD, for the head of a page, whose address is the
    base of its relative ones."""
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
        "url": "/",
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
                "contentUrl": f"/{name}",
                "encodingFormat": [formats.DUMPS[name].media_type, "application/gzip"],
                "contentSize": f"{served.snapshot.sizes[name]} B",
                "sha256": served.snapshot.digests[name],
            }
            for name in _dumps(served)
        ],
    }
