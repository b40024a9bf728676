"""The ontology, the shapes and the JSON-LD context: what the data's terms mean, dereferenced."""

from __future__ import annotations

import json
from typing import Final

import pyoxigraph as ox
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from essgraph import formats, jsonld, names
from essgraph.errors import Text, UnknownName
from essgraph.formats import Format
from essgraph.service import documents, resource
from essgraph.service.endpoint import Endpoint
from essgraph.service.links import LICENSE, link
from essgraph.service.live import Live, Served
from essgraph.service.pages import reference
from essgraph.service.resource import Resource

_ONTOLOGY: Final = ox.NamedNode(names.BASE + "ontology")
_VERSION: Final = ox.NamedNode(names.OWL + "versionInfo")


class Vocabulary(Endpoint):
    """``/ontology``, ``/ontology/{version}``, ``/shapes`` and ``/context.jsonld``."""

    def __init__(self, live: Live, url: str) -> None:
        super().__init__(live)
        self._url = url

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._live.now
        path = resource.path_of(scope)
        if path == "/context.jsonld":
            await resource.answer(scope, send, served, _context(), formats.JSONLD)
            return
        canonical = path.rstrip("/").lower()
        head, dot, suffix = canonical.rpartition(".")
        known = next((f for f in (*formats.DOCUMENTS, formats.HTML) if f.suffix == suffix), None)
        name = head if dot and known else canonical
        found = self._find(served, name)
        if canonical != path:
            await resource.redirect(scope, send, 301, canonical)
            return
        await resource.answer(scope, send, served, found, known if name == head else None)

    def _find(self, served: Served, path: str) -> Resource:
        if path == "/shapes":
            return _file(served, self._url, "/shapes", "shapes.ttl")
        if path == "/ontology":
            return _file(served, self._url, "/ontology", "ontology.ttl", latest=True)
        current = version(served)
        if path == f"/ontology/{current}":
            return _file(served, self._url, path, "ontology.ttl")
        raise UnknownName(
            Text(
                f"version inconnue ; la version publiée est /ontology/{current}",
                f"unknown version; the published one is /ontology/{current}",
            )
        )


def version(served: Served) -> str:
    """The version of the ontology in service, as it says itself."""
    for triple in _triples(served, "ontology.ttl"):
        if triple.subject == _ONTOLOGY and triple.predicate == _VERSION:
            assert isinstance(triple.object, ox.Literal)
            return triple.object.value
    raise UnknownName(Text("l'ontologie n'a pas de version", "the ontology has no version"))


def _triples(served: Served, file: str) -> list[ox.Triple]:
    data = (served.snapshot.directory / file).read_bytes()
    return [quad.triple for quad in ox.parse(data, ox.RdfFormat.TURTLE)]


def _file(served: Served, url: str, path: str, file: str, *, latest: bool = False) -> Resource:
    """A file of the snapshot: in Turtle as it was written, else converted."""

    async def make(format: Format) -> bytes:
        if format == formats.TURTLE:
            return (served.snapshot.directory / file).read_bytes()
        graph = ox.Dataset(ox.Quad(*t) for t in _triples(served, file))
        # Else every process has its own names for the blank nodes, under the same entity tag.
        graph.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        return documents.write(graph, format, url)

    async def page(request: Request) -> Response:
        if file == "shapes.ttl":
            return await reference.shapes(request, served, _triples(served, file))
        return await reference.ontology(request, served, _triples(served, file), version(served))

    relations = [
        link(LICENSE, "license"),
        link(names.BASE + path[1:], "cite-as"),
    ]
    if latest:
        relations.append(link(f"{path}/{version(served)}", "latest-version"))
    elif path.startswith("/ontology/"):
        relations.append(link("/ontology", "latest-version"))
    return Resource(path, f"file {path} {url}", make, page, tuple(relations))


def _context() -> Resource:
    async def make(_: Format) -> bytes:
        return (json.dumps({"@context": jsonld.CONTEXT}, indent=1) + "\n").encode()

    return Resource("/context.jsonld", "context", make, offers=(formats.JSONLD,))
