"""What answers at some paths, as plain ASGI: which methods it has, and errors as answers."""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from essgraph.errors import EssgraphError
from essgraph.service import details
from essgraph.service.live import Live
from essgraph.service.problems import not_allowed
from essgraph.service.reply import respond

ALLOW: Final = "GET, HEAD, OPTIONS"


class Endpoint:
    """What is read over the version in service. OPTIONS and methods other than those of ``allow``
    are answered here (RFC 9110, 9.3.7 and 15.5.6), as is any error of ours."""

    allow = ALLOW

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                await respond(scope, send, 204, [(b"allow", self.allow.encode())])
            elif scope["method"] not in self.allow.split(", "):
                raise not_allowed(scope["method"], self.allow)
            else:
                await self.answer(scope, receive, send)
        except EssgraphError as error:
            response = details.respond(error, scope)
            await response(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request whose method is allowed. May raise any error of ours."""
        raise NotImplementedError
