"""``/id/``: everything the graph describes, by class, in pages (Hydra Core Vocabulary, 5.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

import pyoxigraph as ox
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from essgraph import names
from essgraph.dataset import about
from essgraph.errors import QueryError, Text, UnknownName
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.search import fold
from essgraph.service import documents, resource
from essgraph.service.documents import DESCRIBED
from essgraph.service.endpoint import Endpoint
from essgraph.service.links import link, page_of
from essgraph.service.live import Live, Served
from essgraph.service.pages import frame
from essgraph.service.resource import Resource

#: Members on one page.
SIZE: Final = 100

_CLASSES: Final = inspect(
    f"""SELECT ?class (COUNT(DISTINCT ?s) AS ?count) WHERE {{
  ?s a ?class {DESCRIBED}
  FILTER (STRSTARTS(STR(?class), "{names.ESS}") || STRSTARTS(STR(?class), "{names.SKOS}"))
}}
GROUP BY ?class ORDER BY ?class"""
)
_ALL: Final = inspect(
    f"SELECT (COUNT(DISTINCT ?s) AS ?count) WHERE {{ ?s a ?class {DESCRIBED} }}",
)
_MEMBERS: Final = "SELECT DISTINCT ?s WHERE { ?s a %s %s } ORDER BY ?s LIMIT %d OFFSET %d"
_HYDRA: Final = names.PREFIXES["hydra"]
_TYPE: Final = names.RDF + "type"
_LABEL: Final = ox.NamedNode(names.RDFS + "label")
_TITLE: Final = Text("Tout ce que le graphe décrit", "Everything the graph describes")


@dataclass(frozen=True)
class Part:
    """One page of the members of a class (of all, where ``name`` is empty)."""

    name: str
    iri: str
    total: int
    page: int

    @property
    def last(self) -> int:
        return max(1, -(-self.total // SIZE))

    def path(self, page: int | None = None) -> str:
        """The address of a page of this collection; without a number, of the first one."""
        said = {"class": self.name} if self.name else {}
        if page is not None and page > 1:
            said["page"] = str(page)
        return "/id/" + (f"?{urlencode(said)}" if said else "")


class Collections(Endpoint):
    """The route of the collections."""

    def __init__(self, live: Live, url: str) -> None:
        super().__init__(live)
        self._url = url

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._live.now
        given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        counted = await _classes(served)
        part = await _part(served, counted, given.get("class", ""), given.get("page", "1"))

        async def make(format: Format) -> bytes:
            graph = await _graph(served, part, counted)
            return documents.write((ox.Quad(*triple) for triple in graph), format, self._url)

        async def page(request: Request) -> Response:
            return await _page(request, served, part, counted)

        path = part.path(part.page)
        found = Resource(path, f"collection {path} {self._url}", make, page, tuple(_links(part)))
        suffix = given.get("format")
        chosen = resource.by_suffix(found, suffix) if suffix else None
        await resource.answer(scope, send, served, found, chosen)


async def _classes(served: Served) -> dict[str, int]:
    """The classes that have members, by IRI, and how many."""
    found = await documents.rows(served.answers, _CLASSES, {})
    return {row["class"].value: int(row["count"].value) for row in found}


async def _part(served: Served, counted: dict[str, int], name: str, page: str) -> Part:
    if not page.isascii() or not page.isdecimal():
        raise QueryError(
            Text(f"page est un nombre, non « {page[:40]} »", f'page is a number, not "{page[:40]}"')
        )
    if name:
        iri = next((i for i in (names.ESS + name, names.SKOS + name) if i in counted), None)
        if iri is None:
            known = ", ".join(sorted(_local(known) for known in counted))
            raise UnknownName(
                Text(
                    f"aucune classe « {name[:80]} » ; classes : {known}",
                    f'no class "{name[:80]}"; classes: {known}',
                )
            )
        part = Part(name, iri, counted[iri], int(page[:9]))
    else:
        (row,) = await documents.rows(served.answers, _ALL, {})
        part = Part("", "", int(row["count"].value), int(page[:9]))
    if not 1 <= part.page <= part.last:
        raise UnknownName(
            Text(
                f"page inexistante : la dernière est la page {part.last}",
                f"no such page: the last one is page {part.last}",
            ),
        )
    return part


def _local(iri: str) -> str:
    return iri.rpartition("#")[2]


def _links(part: Part) -> Iterator[str]:
    yield link("/dataset", "collection")
    yield link(part.path(), "first")
    yield link(part.path(part.last), "last")
    if part.page > 1:
        yield link(part.path(part.page - 1), "prev")
    if part.page < part.last:
        yield link(part.path(part.page + 1), "next")


async def _members(served: Served, part: Part) -> list[str]:
    wanted = f"<{part.iri}>" if part.iri else "?class"
    query = inspect(_MEMBERS % (wanted, DESCRIBED, SIZE, (part.page - 1) * SIZE))
    return [row["s"].value for row in await documents.rows(served.answers, query, {})]


async def _graph(served: Served, part: Part, counted: dict[str, int]) -> list[ox.Triple]:
    members = await _members(served, part)

    def at(page: int | None) -> str:
        return names.BASE + part.path(page)[1:]

    whole, view = at(None), at(part.page)
    if whole == view:
        view = whole + "#view"
    graph = [
        *about(
            whole,
            (_TYPE, _HYDRA + "Collection"),
            (_HYDRA + "totalItems", part.total),
            (_HYDRA + "view", view),
            *((_HYDRA + "member", iri) for iri in members),
        ),
        *about(
            view,
            (_TYPE, _HYDRA + "PartialCollectionView"),
            (_HYDRA + "first", whole),
            (_HYDRA + "last", at(part.last)),
            (_HYDRA + "previous", at(part.page - 1) if part.page > 1 else None),
            (_HYDRA + "next", at(part.page + 1) if part.page < part.last else None),
        ),
    ]
    labels = await documents.labelled(served.answers, {*members, *counted})
    graph += labels
    if part.iri:
        for iri in members:
            graph += about(iri, (_TYPE, part.iri))
        return graph
    for iri, count in counted.items():
        one = names.BASE + Part(_local(iri), iri, count, 1).path()[1:]
        graph += about(whole, (_HYDRA + "collection", one))
        graph += about(one, (_TYPE, _HYDRA + "Collection"), (_HYDRA + "totalItems", count))
        graph += [
            ox.Triple(ox.NamedNode(one), _LABEL, t.object)
            for t in labels
            if t.predicate == _LABEL and t.subject == ox.NamedNode(iri)
        ]
    return graph


async def _page(request: Request, served: Served, part: Part, counted: dict[str, int]) -> Response:
    """The collection for people, in the order of the labels within a page."""
    view = frame.view(request)
    members = await _members(served, part)
    labels: dict[str, str] = {}
    for triple in await documents.labelled(served.answers, members):
        said = triple.object
        if isinstance(said, ox.Literal) and said.language == view.language:
            labels.setdefault(triple.subject.value, said.value)  # type: ignore[union-attr]
    parts = [
        (_local(iri), view.members(iri), count, iri == part.iri) for iri, count in counted.items()
    ]
    context = {
        "title": view.members(part.iri) if part.iri else view.say(*_TITLE),
        "part": part,
        "parts": sorted(parts, key=lambda p: fold(p[1])),
        "members": sorted(
            ((page_of(iri), labels.get(iri, iri.removeprefix(names.BASE))) for iri in members),
            key=lambda pair: fold(pair[1]),
        ),
    }
    return frame.html(request, served, "collection.html", view, context)
