"""Answers of the engine as HTTP responses, written straight to ASGI (the hot path)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from starlette.types import Scope, Send

from essgraph.engine import Spool
from essgraph.service import encodings
from essgraph.service.answers import Kept
from essgraph.service.encodings import fields

Headers = list[tuple[bytes, bytes]]
#: What the edge offers in the scope's extensions: to send a whole response (status, header
#: fields, body) at once; a lasting one may be sent again to whoever asks the same.
Reply = Callable[[int, Headers, bytes, bool], None]

_PIECE: Final = 256 * 1024


async def send_kept(
    scope: Scope,
    send: Send,
    kept: Kept,
    headers: Headers,
    *,
    lasting: bool = True,
    modified: float | None = None,
) -> None:
    """Sends a whole answer: 304 where the client has it (RFC 9110, 13.1.2), else 200.

    ``headers`` holds all but those of the body, the entity tag and the coding. ``lasting`` says
    that the same request has this answer as long as this version is in service. ``modified`` is
    the time of the last change, in seconds (RFC 9110, 8.8.2).
    """
    request = scope["headers"]
    coding = kept.coding(encodings.choose(fields(request, b"accept-encoding")))
    tag = entity_tag(kept.tag, coding)
    headers.append((b"etag", tag.encode()))
    if modified is not None:
        headers.append((b"last-modified", formatdate(modified, usegmt=True).encode()))
    # A condition is for GET and HEAD (RFC 9110, 13.2.1); a POST here only asks, and is answered.
    if scope["method"] != "POST" and has(request, tag, modified):
        await respond(scope, send, 304, headers, lasting=lasting)
        return
    if coding != "identity":
        headers.append((b"content-encoding", coding.encode()))
    if kept.answer.spool is None:
        await respond(scope, send, 200, headers, kept.body(coding), lasting=lasting)
    else:
        await _stream(scope, send, headers, kept.answer.spool, kept.answer.size)


def entity_tag(tag: str, coding: str) -> str:
    """The strong entity tag of one coding of an answer (RFC 9110, 8.8.3)."""
    return f'"{tag}"' if coding == "identity" else f'"{tag}-{coding}"'


def matches(if_none_match: Sequence[str], tag: str) -> bool:
    """Whether ``If-None-Match`` names ``tag``, by weak comparison (RFC 9110, 13.1.2)."""
    listed = [t.strip().removeprefix("W/") for v in if_none_match for t in v.split(",")]
    return tag in listed or "*" in listed


def has(request: Sequence[tuple[bytes, bytes]], tag: str, modified: float | None) -> bool:
    """Whether the client has what it asks for: a tag goes before a date (RFC 9110, 13.2.2)."""
    listed = fields(request, b"if-none-match")
    if listed:
        return matches(listed, tag)
    since = fields(request, b"if-modified-since")
    if modified is None or len(since) != 1:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(since[0]).timestamp()
    except ValueError:
        return False  # no date: as if it were not there (13.1.3)


async def respond(
    scope: Scope,
    send: Send,
    status: int,
    headers: Headers,
    body: bytes = b"",
    *,
    lasting: bool = False,
) -> None:
    """Sends a response whole. To HEAD goes no body, but the same header fields."""
    if status not in (204, 304):
        headers.append((b"content-length", str(len(body)).encode()))
    reply: Reply | None = scope.get("extensions", {}).get("essgraph.reply")
    if reply is not None:
        reply(status, headers, b"" if scope["method"] == "HEAD" else body, lasting)
    else:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _stream(scope: Scope, send: Send, headers: Headers, spool: Spool, size: int) -> None:
    headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] != "HEAD":
        async for piece in _pieces(spool, size):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _pieces(spool: Spool, size: int) -> AsyncIterator[bytes]:
    start = 0
    while start < size and (piece := spool.read(start, _PIECE)):
        start += len(piece)
        yield piece
