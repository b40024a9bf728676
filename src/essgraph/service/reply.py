"""Answers of the engine as HTTP responses, written straight to ASGI (the hot path)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from starlette.types import Scope, Send

from essgraph.engine import Spool
from essgraph.errors import Text
from essgraph.service import encodings
from essgraph.service.answers import Kept
from essgraph.service.encodings import fields
from essgraph.service.problems import HttpProblem

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
    volatile: bool = False,
    modified: float | None = None,
) -> None:
    """Sends a whole answer: 304 where the client has it (RFC 9110, 13.1.2), else 200.

    ``headers`` holds all but those of the body, the entity tag and the coding. ``lasting`` says
    that the same request has this answer as long as this version is in service, ``volatile`` that
    the next answer may be another one: no tag names it. ``modified`` is the time of the last
    change, in seconds (RFC 9110, 8.8.2). Raises what ``has`` does.
    """
    request = scope["headers"]
    coding = kept.coding(encodings.choose(fields(request, b"accept-encoding")))
    lasting = lasting and not volatile
    if not volatile:
        tag = entity_tag(kept.tag, coding)
        headers.append((b"etag", tag.encode()))
        if modified is not None:
            headers.append((b"last-modified", formatdate(modified, usegmt=True).encode()))
        # A condition is for GET and HEAD (RFC 9110, 13.2.1); a POST here asks, and is answered.
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
    """Whether the client has what it asks for: a tag goes before a date (RFC 9110, 13.2.2).

    Raises HttpProblem (412) where it asks for another state than this (13.1.1, 13.1.4).
    """
    conditions = [field for field in request if field[0].startswith(b"if-")]
    if not conditions:
        return False
    wanted = fields(conditions, b"if-match")
    listed = [t.strip() for value in wanted for t in value.split(",")]
    until = None if wanted else _date(conditions, b"if-unmodified-since")
    older = modified is not None and until is not None and until < int(modified)
    if older or (wanted and tag not in listed and "*" not in listed):
        raise HttpProblem(
            412,
            Text(
                "cette représentation n'est pas celle que demande la condition",
                "this representation is not the one that the condition asks for",
            ),
        )
    listed_not = fields(conditions, b"if-none-match")
    if listed_not:
        return matches(listed_not, tag)
    since = _date(conditions, b"if-modified-since")
    return modified is not None and since is not None and int(modified) <= since


def _date(conditions: Sequence[tuple[bytes, bytes]], name: bytes) -> float | None:
    """The time that a condition names; what is no date is as if it were not there (13.1.3)."""
    values = fields(conditions, name)
    try:
        return parsedate_to_datetime(values[0]).timestamp() if len(values) == 1 else None
    except (ValueError, OverflowError):
        return None


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
