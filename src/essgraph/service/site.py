"""How machines find what there is: the dataset's description, the dumps, and the files that
crawlers look for (robots.txt, sitemap.xml, ``/.well-known/void``, ``/.well-known/api-catalog``)."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import pyoxigraph as ox
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from essgraph import formats, names
from essgraph.dataset import GRAPHS
from essgraph.engine import Answer, Spool
from essgraph.errors import Text, UnknownName
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import dataset, documents, resource, sitemap
from essgraph.service.answers import Kept
from essgraph.service.endpoint import Endpoint
from essgraph.service.links import LICENSE, link, page_of
from essgraph.service.live import Live, Served
from essgraph.service.pages import frame
from essgraph.service.problems import LANGUAGES
from essgraph.service.reply import send_kept
from essgraph.service.resource import CACHING, Resource

_LINKSET: Final = "https://www.rfc-editor.org/info/rfc9727"
_NAMES: Final = inspect(
    f"SELECT DISTINCT ?s WHERE {{ ?s a ?class {documents.DESCRIBED} }} ORDER BY ?s"
)
#: The pages that are no description of one thing.
_PAGES: Final = ("/", "/id/", "/dataset", "/ontology", "/shapes")

Handler = Callable[[Scope, Send, Served], Awaitable[None]]


class Site(Endpoint):
    """The routes of discovery. ``url`` is the public address of the service, without a slash at
    its end: sitemaps and catalogues need it (it is never taken from a request)."""

    def __init__(self, live: Live, url: str) -> None:
        super().__init__(live)
        self._url = url
        self.paths: Final[Mapping[str, Handler]] = {
            "/": self._described,
            "/dataset": self._dataset,
            "/.well-known/void": self._described,
            "/.well-known/api-catalog": self._catalog,
            "/robots.txt": self._robots,
            "/sitemap.xml": self._sitemap,
            **{graph.removeprefix(names.BASE[:-1]): self._graph for graph in GRAPHS},
            **{f"/{name}": self._dump for name in formats.DUMPS},
            **{f"/dataset.{f.suffix}": self._dataset for f in (*formats.DOCUMENTS, formats.HTML)},
        }

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.paths[resource.path_of(scope)](scope, send, self._live.now)

    async def _described(self, scope: Scope, send: Send, served: Served) -> None:
        await resource.answer(scope, send, served, self._description(served))

    async def _dataset(self, scope: Scope, send: Send, served: Served) -> None:
        found = self._description(served)
        suffix = scope["path"].partition(".")[2]
        chosen = resource.by_suffix(found, suffix) if suffix else None
        await resource.answer(scope, send, served, found, chosen)

    async def _graph(self, scope: Scope, send: Send, served: Served) -> None:
        """A named graph is described with the dataset; its content is asked for by SPARQL."""
        await resource.redirect(scope, send, 303, "/dataset")

    def _description(self, served: Served) -> Resource:
        async def make(format: Format) -> bytes:
            graph = await dataset.description(served, self._url)
            graph += await documents.labelled(
                served.answers,
                {t.object.value for t in graph if isinstance(t.object, ox.NamedNode)},
            )
            return documents.write((ox.Quad(*triple) for triple in graph), format, self._url)

        async def page(request: Request) -> Response:
            return await _page(request, served)

        relations = (
            link(LICENSE, "license"),
            link(names.DATASET, "cite-as"),
            link("/.well-known/api-catalog", "api-catalog"),
            link("/id/", "item"),
            *(link(f"/{name}", "item", "application/gzip") for name in formats.DUMPS),
        )
        return Resource("/dataset", f"dataset {self._url}", make, page, relations)

    async def _dump(self, scope: Scope, send: Send, served: Served) -> None:
        name = scope["path"][1:]
        path = served.snapshot.directory / name
        if name not in served.snapshot.sizes:
            raise UnknownName(
                Text(
                    "cet instantané n'a pas de fichier à télécharger",
                    "this snapshot has no file to download",
                )
            )
        spool = Spool(os.open(path, os.O_RDONLY))
        answer = Answer(size=served.snapshot.sizes[name], spool=spool)
        kept = Kept(answer, served.snapshot.digests[name][:30])
        headers = [
            (b"content-type", b"application/gzip"),
            (b"content-disposition", f'attachment; filename="essgraph{name[4:]}"'.encode()),
            (b"link", link("/dataset", "collection").encode()),
            CACHING,
        ]
        await send_kept(
            scope, send, kept, headers, lasting=False, modified=served.snapshot.modified
        )

    async def _robots(self, scope: Scope, send: Send, served: Served) -> None:
        # Everything is public; crawlers need not run queries, nor fetch each format of a page.
        lines = [
            "User-agent: *",
            "Disallow: /sparql",
            "Disallow: /search",
            "Allow: /",
            f"Sitemap: {self._url}/sitemap.xml",
        ]
        await self._text(scope, send, served, "robots", "\n".join(lines) + "\n", "text/plain")

    async def _sitemap(self, scope: Scope, send: Send, served: Served) -> None:
        found = await documents.rows(served.answers, _NAMES, {})
        paths = [*_PAGES, *(page_of(row["s"].value) for row in found)]
        day = datetime.fromtimestamp(served.snapshot.modified, UTC).date().isoformat()
        part = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("part", "")
        body = sitemap.write(self._url, paths, day, part)
        await self._text(scope, send, served, f"sitemap {part}", body, "application/xml")

    async def _catalog(self, scope: Scope, send: Send, served: Served) -> None:
        """RFC 9727: a linkset (RFC 9264) of our interfaces and what describes them."""

        def to(path: str, media_type: str) -> dict[str, Any]:
            return {"href": self._url + path, "type": media_type}

        linkset = [
            {
                "anchor": f"{self._url}/.well-known/api-catalog",
                "item": [{"href": self._url + path} for path in ("/sparql", "/id/", "/search")],
            },
            {
                "anchor": f"{self._url}/sparql",
                "service-desc": [to("/sparql", "text/turtle")],
                "service-meta": [to("/.well-known/void", "text/turtle")],
                "status": [to("/health", "application/json")],
                "license": [{"href": LICENSE}],
            },
            {
                "anchor": f"{self._url}/id/",
                "service-desc": [to("/ontology.ttl", "text/turtle")],
                "service-doc": [to("/ontology", "text/html")],
                "service-meta": [to("/dataset.ttl", "text/turtle")],
                "status": [to("/health", "application/json")],
                "license": [{"href": LICENSE}],
            },
            {
                "anchor": f"{self._url}/search",
                "service-desc": [
                    to(f"/openapi.json?lang={known}", "application/json") | {"hreflang": [known]}
                    for known in LANGUAGES
                ],
                "service-doc": [to("/docs", "text/html")],
                "status": [to("/health", "application/json")],
            },
        ]
        body = json.dumps({"linkset": linkset}, indent=1) + "\n"
        await self._text(
            scope,
            send,
            served,
            "api-catalog",
            body,
            f'application/linkset+json; profile="{_LINKSET}"',
            link("/.well-known/api-catalog", "api-catalog"),
        )

    async def _text(
        self,
        scope: Scope,
        send: Send,
        served: Served,
        key: str,
        body: str,
        content_type: str,
        links: str = "",
    ) -> None:
        async def make() -> bytes:
            return body.encode()

        kept = await served.answers.make(key, make)
        if content_type.startswith("text/"):
            content_type += "; charset=utf-8"
        headers = [
            (b"content-type", content_type.encode()),
            (b"vary", b"Accept-Encoding"),
            CACHING,
            *([(b"link", links.encode())] if links else []),
        ]
        await send_kept(scope, send, kept, headers, modified=served.snapshot.modified)


async def _page(request: Request, served: Served) -> Response:
    """The dataset for people."""
    view = frame.view(request)
    described = await dataset.schema(served, view.language)
    counted = await dataset.figures(served)
    members = [(iri, n) for iri, n in counted.classes.items() if iri.startswith(names.ESS)]
    members.sort(key=lambda pair: (-pair[1], pair[0]))
    context = {
        "described": described,
        "counted": counted,
        "classes": [(iri.removeprefix(names.ESS), view.members(iri), n) for iri, n in members],
        "formats": formats.DOCUMENTS,
        "files": described["distribution"],
    }
    return frame.html(request, served, "dataset.html", view, context)
