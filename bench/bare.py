"""Servers that only answer fixed bytes: the ceilings that others are held against.

``python -m bench.bare protocol|asgi PORT FILE`` answers every request with the bytes of FILE: as
a bare event loop protocol (what the client can ask at most), or as plain ASGI under uvicorn (what
a Python HTTP service can answer at most).
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

_TYPE = b"application/sparql-results+json"


class _Fixed(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)


async def _protocol(port: int, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    answer = head % (_TYPE, len(body)) + body
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Fixed(answer), "127.0.0.1", port)
    await server.serve_forever()


def _asgi(body: bytes) -> ASGIApp:
    headers = [(b"content-type", _TYPE), (b"content-length", str(len(body)).encode())]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    """Serves until it is ended."""
    kind, port, file = sys.argv[1:]
    body = Path(file).read_bytes()
    if kind == "protocol":
        uvloop.run(_protocol(int(port), body))
    else:
        uvicorn.run(_asgi(body), port=int(port), http="httptools", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
