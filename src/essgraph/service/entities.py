"""Entities, concepts, source documents and passages: every name of the graph, dereferenced.

``/id/{slug}`` names a thing, so it answers 303 to its page or data (Cool URIs, 4.2).
``/doc/{slug}`` and ``/passage/{doc}/{n}`` are information resources and answer 200, negotiated.
``/data/{key}.{suffix}`` is one format of a document, ``/data/{key}`` the document, negotiated.
Plain ASGI: the hot path.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from essgraph import formats, names
from essgraph.errors import Text
from essgraph.formats import Format, negotiate
from essgraph.service import documents, links
from essgraph.service.documents import Topic
from essgraph.service.encodings import fields
from essgraph.service.endpoint import Endpoint
from essgraph.service.live import Live, Served
from essgraph.service.near import Near
from essgraph.service.pages import document, entity
from essgraph.service.pages.texts import Texts
from essgraph.service.problems import HttpProblem, not_acceptable
from essgraph.service.reply import Headers
from essgraph.service.resource import (
    BOTH_LANGUAGES,
    CACHING,
    path_of,
    redirect,
    send_as,
    send_page,
)

#: The first segments of the paths that are answered here.
SEGMENTS: Final = ("id", "data", "page", "doc", "passage")

_OFFERS: Final = (*formats.DOCUMENTS, formats.HTML)
_PAGES: Final = {"doc": document.page, "passage": document.passage}
_SEGMENT: Final = "[A-Za-z0-9_-]{1,200}"
_KEY: Final = re.compile(rf"passage/{_SEGMENT}/[0-9]{{1,9}}|{_SEGMENT}(?:/{_SEGMENT})?")


class Entities(Endpoint):
    """The routes of the graph's names over the version of the data in service."""

    def __init__(self, live: Live, texts: Texts, url: str) -> None:
        super().__init__(live)
        self._url = url
        self._texts = texts
        self._near: tuple[str, Near] | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._live.now
        path = path_of(scope)
        segment, _, rest = path[1:].partition("/")
        if segment == "data":
            await self._data(scope, send, served, rest)
            return
        if path in ("/id", "/page", "/page/"):
            await redirect(scope, send, 301, "/id/")
            return
        topic = _named(path)
        if topic is None or not await self._known(served, topic):
            canonical = path.rstrip("/").lower()
            await self._elsewhere(scope, send, served, path, canonical)
            return
        accept = fields(scope["headers"], b"accept")
        chosen = formats.HTML if segment == "page" else negotiate(accept, _OFFERS)
        if chosen is None:
            raise _not_acceptable(topic)
        if segment == "id":
            target = links.page(topic) if chosen.name == "html" else links.data(topic, chosen)
            await redirect(scope, send, 303, target, [(b"link", links.of_thing(topic).encode())])
        elif chosen.name == "html":
            located = [] if segment == "page" else [_located(links.page(topic))]
            await self._page(scope, send, served, topic, located)
        else:
            located = [_located(links.data(topic, chosen))]
            await self._document(scope, send, served, topic, chosen, located)

    async def _data(self, scope: Scope, send: Send, served: Served, rest: str) -> None:
        key, dot, suffix = rest.rpartition(".")
        accept = fields(scope["headers"], b"accept")
        located: Headers = []
        chosen: Format | None
        if dot:
            listed = (f for f in _OFFERS if f.suffix == suffix.lower())
            chosen = next(listed, None)
            topic = _topic(key) if chosen else None
        else:
            topic = _topic(rest)
            chosen = negotiate(accept, _OFFERS)
        if topic is None or not await self._known(served, topic):
            await self._elsewhere(
                scope, send, served, f"/data/{rest}", f"/data/{rest.rstrip('/').lower()}"
            )
            return
        if chosen is None:
            raise _not_acceptable(topic)
        if chosen.name == "html":
            await redirect(scope, send, 303, links.page(topic))
            return
        if dot:
            if suffix != chosen.suffix:
                await redirect(scope, send, 301, links.data(topic, chosen))
                return
            # Asked for by its address; it may still be called by the name that the client knows.
            chosen = negotiate(accept, (chosen,)) or chosen
        else:
            located = [_located(links.data(topic, chosen))]
        await self._document(scope, send, served, topic, chosen, located)

    async def _document(
        self,
        scope: Scope,
        send: Send,
        served: Served,
        topic: Topic,
        format: Format,
        headers: Headers,
    ) -> None:
        offer = next(f for f in formats.DOCUMENTS if f.name == format.name)
        kept = await documents.document(served, topic, offer, self._url)
        license = await _license(served)
        headers += [
            BOTH_LANGUAGES,
            (b"vary", b"Accept, Accept-Encoding"),
            CACHING,
            (b"link", links.of_document(topic, offer, license).encode()),
        ]
        await send_as(scope, send, served, kept, format, offer, headers)

    async def _page(
        self, scope: Scope, send: Send, served: Served, topic: Topic, headers: Headers
    ) -> None:
        linked = (b"link", links.of_page(topic, await _license(served)).encode())
        texts = self._texts.for_host(Request(scope).headers.get("host", ""))
        scope["essgraph.private"] = texts.at_hand
        # One page at both of its addresses, so that it names itself by one of them.
        scope = {**scope, "path": topic.path if topic.is_document else links.page(topic)}
        folder, _, rest = topic.key.partition("/")
        page = _PAGES.get(folder, entity.page)
        name = rest if topic.is_document else topic.key

        async def show(request: Request) -> Response:
            response = await page(request, served, texts, name)
            if texts.at_hand:
                response.headers["Cache-Control"] = "private, max-age=60"
            return response

        await send_page(scope, send, served, show, [*headers, linked])

    async def _known(self, served: Served, topic: Topic) -> bool:
        """Whether there is such a topic. Raises HttpProblem (410) where it was withdrawn."""
        status = await documents.status(served.answers, topic)
        if status.gone:
            raise _withdrawn(topic, status)
        return status.known

    async def _elsewhere(
        self, scope: Scope, send: Send, served: Served, path: str, canonical: str
    ) -> None:
        """301 to the canonical spelling of an address that is known, else 404."""
        if canonical != path:
            topic = _named(canonical)
            if topic is not None and await self._known(served, topic):
                await redirect(scope, send, 301, canonical)
                return
        if self._near is None or self._near[0] != served.snapshot.version:
            self._near = (served.snapshot.version, await Near.read(served.answers))
        near = self._near[1].to(canonical.rpartition(".")[0] or canonical)
        suffixes = ""
        if path.startswith("/data/"):
            suffixes = ", ".join(f".{f.suffix}" for f in formats.DOCUMENTS)
        raise HttpProblem(
            404,
            Text(
                f"rien ne porte le nom « {path[:80]} »"
                + (f" ; suffixes connus : {suffixes}" if suffixes else "")
                + (" ; noms voisins ci-dessous" if near else ""),
                f'nothing is named "{path[:80]}"'
                + (f"; known suffixes: {suffixes}" if suffixes else "")
                + ("; similar names below" if near else ""),
            ),
            links=near,
        )


def _located(path: str) -> tuple[bytes, bytes]:
    return (b"content-location", path.encode())


def _topic(key: str) -> Topic | None:
    return Topic(key) if _KEY.fullmatch(key) else None


def _named(path: str) -> Topic | None:
    """What a path is about, in whatever format."""
    segment, _, rest = path[1:].partition("/")
    if segment == "data":
        return _topic(rest.rpartition(".")[0] or rest)
    return _topic(rest if segment in ("id", "page") else f"{segment}/{rest}")


async def _license(served: Served) -> str:
    for row in await documents.about_dataset(served.answers):
        if row["predicate"].value.endswith("/license"):
            return row["object"].value
    return ""


def _not_acceptable(topic: Topic) -> HttpProblem:
    there = {links.data(topic, f): f.media_type for f in formats.DOCUMENTS}
    there[links.page(topic)] = formats.HTML.media_type
    return not_acceptable(there.values(), tuple(there.items()))


def _withdrawn(topic: Topic, status: documents.Status) -> HttpProblem:
    notes = status.notes or {}
    why = {language: f" : {notes[language]}" for language in notes}
    successor = status.successor
    near, headers = [], {}
    if successor is not None:
        target = successor
        if successor.startswith(names.BASE):
            target = "/" + successor.removeprefix(names.BASE)
        near = [(target, successor)]
        headers = {"Link": links.link(target, "successor-version")}
    return HttpProblem(
        410,
        Text(
            f"« {topic.key} » a été retiré" + why.get("fr", ""),
            f'"{topic.key}" was withdrawn' + why.get("en", "").replace(" :", ":", 1),
        ),
        headers,
        near,
    )
