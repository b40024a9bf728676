"""What all information resources share: addresses, negotiation and header fields."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope, Send

from essgraph import formats, results
from essgraph.engine import Answer
from essgraph.errors import Text, UnknownName
from essgraph.formats import Format, negotiate
from essgraph.service.answers import Kept
from essgraph.service.encodings import fields
from essgraph.service.links import link
from essgraph.service.live import Served
from essgraph.service.problems import HttpProblem, not_acceptable
from essgraph.service.reply import Headers, has, respond, send_kept

CACHING: Final = (b"cache-control", b"public, max-age=60")
BOTH_LANGUAGES: Final = (b"content-language", b"fr, en")

_MAX_PATH: Final = 512
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Page = Callable[[Request], Awaitable[Response]]


def path_of(scope: Scope) -> str:
    """The path, decoded once. Raises HttpProblem for what no address of ours can be."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if len(raw) > _MAX_PATH:
        raise HttpProblem(
            414,
            Text(
                f"l'adresse dépasse {_MAX_PATH} octets",
                f"the URL is longer than {_MAX_PATH} bytes",
            ),
        )
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        path = "\0"
    if _CONTROL.search(path):
        raise HttpProblem(
            400,
            Text(
                "l'adresse contient des octets qui ne sont pas du texte",
                "the URL contains bytes that are not text",
            ),
        )
    return path


async def redirect(
    scope: Scope, send: Send, status: int, target: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """A redirection to a path of ours, not encoded yet, chosen by ``Accept``.

    The query goes with it (the language, a class), but to data, which have no parameters.
    """
    query: bytes = b"" if target.startswith("/data/") else scope["query_string"]
    location = quote(target).encode() + (b"?" + query if query else b"")
    fixed = [(b"location", location), (b"vary", b"Accept"), CACHING]
    await respond(scope, send, status, [*fixed, *headers], lasting=True)


@dataclass(frozen=True)
class Resource:
    """A resource that answers 200 at its own path, negotiated, and per format at others.

    ``path`` is its path, with the query if it has one; ``key`` names it in the cache; ``make``
    writes it in a format, ``page`` for people; ``relations`` are links of its own.
    """

    path: str
    key: str
    make: Callable[[Format], Awaitable[bytes]]
    page: Page | None = None
    relations: tuple[str, ...] = ()
    offers: tuple[Format, ...] = formats.DOCUMENTS

    def address(self, format: Format) -> str:
        """Where it is in that format and no other."""
        if "?" in self.path or self.path.endswith("/"):
            return f"{self.path}{'&' if '?' in self.path else '?'}format={format.suffix}"
        return f"{self.path}.{format.suffix}"

    @property
    def all_offers(self) -> tuple[Format, ...]:
        return (*self.offers, formats.HTML) if self.page else self.offers

    def links(self, chosen: Format) -> str:
        """The ``Link`` field of the answer in a format."""
        alternates = [
            link(self.address(f), "alternate", f.media_type)
            for f in self.all_offers
            if f.name != chosen.name
        ]
        return ", ".join([*alternates, link(self.path, "canonical"), *self.relations])


def by_suffix(resource: Resource, suffix: str) -> Format:
    """The format of that suffix. Raises UnknownName."""
    for offer in resource.all_offers:
        if offer.suffix == suffix:
            return offer
    known = ", ".join(f".{offer.suffix}" for offer in resource.all_offers)
    raise UnknownName(Text(f"suffixes connus : {known}", f"known suffixes: {known}"))


async def answer(
    scope: Scope, send: Send, served: Served, resource: Resource, chosen: Format | None = None
) -> None:
    """Answers with the resource in ``chosen``, or negotiated."""
    headers: Headers = []
    if chosen is None:
        wanted = negotiate(fields(scope["headers"], b"accept"), resource.all_offers)
        if wanted is None:
            there = {resource.address(f): f.media_type for f in resource.all_offers}
            raise not_acceptable(there.values(), tuple(there.items()))
        offer = next(f for f in resource.all_offers if f.name == wanted.name)
        headers.append((b"content-location", resource.address(offer).encode()))
    else:
        offer = wanted = chosen
    headers.append((b"link", resource.links(offer).encode()))
    if resource.page and offer.name == "html":
        await send_page(scope, send, served, resource.page, headers)
        return

    async def make() -> bytes:
        return await resource.make(offer)

    kept = await served.answers.make(f"{resource.key} {offer.name}", make)
    headers += [BOTH_LANGUAGES, (b"vary", b"Accept, Accept-Encoding"), CACHING]
    await send_as(scope, send, served, kept, wanted, offer, headers)


async def send_as(
    scope: Scope,
    send: Send,
    served: Served,
    kept: Kept,
    wanted: Format,
    offer: Format,
    headers: Headers,
) -> None:
    """Sends what was made as ``offer`` under the media type by which the client knows it."""
    content_type = wanted.content_type
    answer = kept.answer
    if wanted.media_type == formats.PLAIN:
        content_type += "; charset=utf-8"
        lines = results.escape(answer.whole())
        answer = Answer(lines, answer.rows, len(lines))
    headers.append((b"content-type", content_type.encode()))
    if wanted.media_type != offer.media_type:
        # Other header fields: another representation, which needs a tag of its own.
        kept = Kept(answer, f"{kept.tag}-{wanted.media_type.replace('/', '-')}")
    await send_kept(scope, send, kept, headers, modified=served.snapshot.modified)


async def send_page(scope: Scope, send: Send, served: Served, page: Page, headers: Headers) -> None:
    """Sends a page, with what else its answer needs; 304 where the browser has it."""
    modified = served.snapshot.modified
    response = await page(Request(scope))
    left = [f for f in response.raw_headers if f[0] != b"content-length"]
    changed = (b"last-modified", formatdate(modified, usegmt=True).encode())
    known = has(scope["headers"], response.headers["etag"], modified)
    status, body = (304, b"") if known else (response.status_code, bytes(response.body))
    await respond(scope, send, status, [*left, *headers, changed], body, lasting=True)
