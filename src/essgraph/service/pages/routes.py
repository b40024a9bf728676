"""The paths that only people read, and the answer to what goes wrong there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from essgraph.errors import EssgraphError
from essgraph.service import problems
from essgraph.service.live import Live
from essgraph.service.pages import entity, static
from essgraph.service.pages.texts import Texts

Handler = Callable[[Request], Awaitable[Response]]


def routes(live: Live, texts: Texts) -> list[Route]:
    """The routes of the pages. ``texts`` are the private texts, if they are at hand."""

    async def page(request: Request) -> Response:
        return await entity.page(request, live.now, texts, request.path_params["slug"])

    return [
        Route("/page/{slug:path}", answered(page), methods=["GET"]),
        Route("/static/{name:path}", answered(static.serve), methods=["GET"]),
    ]


def answered(handler: Handler) -> Handler:
    """The handler, with an error of ours made an answer."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except EssgraphError as error:
            return problems.respond(
                error,
                accept=request.headers.getlist("accept"),
                languages=request.headers.getlist("accept-language"),
                instance=request.url.path,
            )

    return answer
