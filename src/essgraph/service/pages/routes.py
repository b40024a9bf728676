"""The paths of pages, in front of the rest of the service, and the answer to what goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from essgraph import formats
from essgraph.errors import EssgraphError
from essgraph.service import asking, details
from essgraph.service.encodings import fields
from essgraph.service.live import Live
from essgraph.service.pages import (
    editor,
    guide,
    home,
    questions,
    recommendations,
    searching,
    shortlinks,
    static,
)
from essgraph.service.reply import respond

Handler = Callable[[Request, str], Awaitable[Response]]

#: The paths that are pages and nothing else.
PAGES: Final = ("/docs", "/recommendations")
_HTML: Final = (formats.HTML.media_type, *formats.HTML.aliases)


class _Route(NamedTuple):
    """What answers at a path, from the request and what follows the first segment.

    ``lasting``: the same address gives the same page as long as the version is in service.
    ``negotiated``: the rest of the service answers there too.
    """

    handler: Handler
    lasting: bool = False
    negotiated: bool = False


class Pages:
    """What people read, before ``rest``, which answers all else.

    A path that the rest of the service answers too is a page where the client wants HTML more
    than what is offered there (RFC 9110, 12.5.1). ``url`` is where the service is found, for
    examples to run in a shell.
    """

    def __init__(self, live: Live, rest: ASGIApp, url: str) -> None:
        self._live: Final = live
        self._rest: Final = rest
        self._url: Final = url
        library = _Route(self._question, lasting=True, negotiated=True)
        #: Whole paths, and first segments of paths.
        self._paths: Final = {
            "/": _Route(lambda request, _: home.page(request, live.now), True, True),
            "/docs": _Route(lambda request, _: guide.page(request, live.now, url), lasting=True),
            "/queries": library,
            "/recommendations": _Route(
                lambda request, _: recommendations.page(request, live.now), lasting=True
            ),
            "/search": _Route(lambda request, _: searching.page(request, live.now), True, True),
            "/sparql": _Route(
                lambda request, _: self._editor(request, request.query_params.get("query")),
                negotiated=True,
            ),
            "/view": _Route(lambda request, _: editor.fragment(request, live.now)),
        }
        self._folders: Final = {
            "q": _Route(lambda request, code: self._editor(request, shortlinks.lengthen(code))),
            "queries": library,
            "static": _Route(static.serve),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, rest = self._route(scope)
        if route is None:
            await self._rest(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await route.handler(request, rest)
        except EssgraphError as error:
            response = details.respond(error, scope)
        if route.lasting and response.status_code == 200:
            left = [f for f in response.raw_headers if f[0] != b"content-length"]
            await respond(scope, send, 200, left, bytes(response.body), lasting=True)
        else:
            await response(scope, receive, send)

    def _route(self, scope: Scope) -> tuple[_Route | None, str]:
        if scope["type"] != "http":
            return None, ""
        path = scope["path"]
        method = scope["method"]
        if method not in ("GET", "HEAD") and (path != "/view" or method == "OPTIONS"):
            return None, ""
        segment, _, rest = path[1:].partition("/")
        route = self._paths.get(path) or (self._folders.get(segment) if rest else None)
        if segment == "queries" and "/" in rest:
            return None, ""  # what has changed in an answer has no page of its own
        if route is not None and route.negotiated and not _wants_page(scope):
            return None, ""
        return route, rest

    async def _question(self, request: Request, rest: str) -> Response:
        if rest:
            return await questions.page(request, self._live, rest, self._url)
        return await questions.listing(request, self._live.now)

    async def _editor(self, request: Request, query: str | None) -> Response:
        served = self._live.now
        return await editor.page(request, served, asking.questions(served), query)


def _wants_page(scope: Scope) -> bool:
    """Whether a page is wanted more than any data.

    An address that names a format wants that; one with parameters of the SPARQL protocol that
    the editor does not have is for the endpoint.
    """
    if not _wants_html(fields(scope["headers"], b"accept")):
        return False
    # Names alone matter here, so that any bytes will do for the values; an empty format is none.
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    named = [n for n, value in pairs if value.strip() or n not in ("format", "output")]
    if scope["path"] == "/sparql":
        return set(named) <= {"query", "view", "lang"} and named.count("query") <= 1
    return not {"format", "output"} & set(named)


@lru_cache(maxsize=1024)
def _wants_html(accept: tuple[str, ...]) -> bool:
    """Whether HTML is named, and wanted more than any data: a wildcard alone wants the data."""
    chosen = formats.negotiate(accept, (*formats.GRAPHS, *formats.RESULTS, formats.HTML))
    named = any(r.specificity(html) >= 3 for r in formats.parse_accept(accept) for html in _HTML)
    return named and chosen is not None and chosen.name == "html"
