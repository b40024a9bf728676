"""``/sparql``: the query operation of the SPARQL 1.1 Protocol (section 2.1), as plain ASGI."""

from __future__ import annotations

import asyncio
from binascii import a2b_qp
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope, Send

from essgraph import formats
from essgraph.engine import CLIENT, Dataset
from essgraph.errors import LimitExceeded, QueryError, QueryRefused, Text
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import description
from essgraph.service.encodings import fields
from essgraph.service.endpoint import Endpoint
from essgraph.service.live import Live
from essgraph.service.problems import HttpProblem, not_acceptable
from essgraph.service.reply import send_kept

#: The largest request body we read, in bytes.
MAX_BODY: Final = 2**20

ALLOW: Final = "GET, HEAD, POST, OPTIONS"
_FORM: Final = "application/x-www-form-urlencoded"
_DIRECT: Final = "application/sparql-query"
_UPDATE: Final = "application/sparql-update"
_OF_QUERIES: Final = frozenset(("default-graph-uri", "named-graph-uri", "timeout"))

#: The values of each parameter, in the order in which they were given.
Parameters = dict[str, list[str]]
_T = TypeVar("_T", str, bytes)
_R = TypeVar("_R")


#: The size, in bytes or characters, above which ``read`` has a thread read.
_LARGE: Final = 8_192
_READER: Final = ThreadPoolExecutor(1, "reader")


async def read(reading: Callable[[_T], _R], text: _T) -> _R:
    """What a reading of a request or query gives. A large one is read in a thread, one at a time:
    it may take half a second, for which nobody else should wait."""
    if len(text) <= _LARGE:
        return reading(text)
    return await asyncio.get_running_loop().run_in_executor(_READER, reading, text)


class SparqlEndpoint(Endpoint):
    """The endpoint over the version of the data in service; ``url`` is that of the service."""

    allow = ALLOW

    def __init__(self, live: Live, url: str) -> None:
        super().__init__(live)
        self._url = f"{url}/sparql"

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a query, or describes the service."""
        parameters = await parameters_of(scope, receive)
        if "query" not in parameters and "update" not in parameters:
            if scope["method"] == "POST" or not _OF_QUERIES.isdisjoint(parameters):
                raise QueryError(
                    Text("il manque le paramètre query", "the parameter query is missing")
                )
            await self._describe(scope, send, parameters)
            return
        await self._query(scope, send, parameters)

    async def _describe(self, scope: Scope, send: Send, parameters: Parameters) -> None:
        chosen = _format(scope, parameters, _GRAPHS)
        served = self._live.now
        kept = await description.service_description(served, self._url, chosen)
        await send_kept(
            scope,
            send,
            kept,
            [
                (b"content-type", chosen.content_type.encode()),
                (b"vary", b"Accept, Accept-Encoding"),
                (b"cache-control", b"public, max-age=60"),
            ],
        )

    async def _query(self, scope: Scope, send: Send, parameters: Parameters) -> None:
        if "update" in parameters:
            raise _read_only()
        query = await read(inspect, _only(parameters["query"]))
        chosen = _format(scope, parameters, _RESULTS if query.form in _OF_ROWS else _GRAPHS)
        dataset = Dataset(
            tuple(parameters.get("default-graph-uri", ())),
            tuple(parameters.get("named-graph-uri", ())),
        )
        kept = await self._live.now.answers.ask(
            query,
            dataset,
            {},
            chosen,
            timeout=_timeout(parameters),
            client=CLIENT.get(),
        )
        scope["essgraph.query"] = kept.tag
        scope["essgraph.rows"] = kept.answer.rows
        caching = b"no-store" if query.volatile else b"public, max-age=60"
        headers = [
            (b"content-type", chosen.content_type.encode()),
            (b"vary", b"Accept, Accept-Encoding"),
            (b"cache-control", caching),
        ]
        await send_kept(scope, send, kept, headers, volatile=query.volatile)


def _only(queries: Sequence[str]) -> str:
    """The query, of which there may be but one (2.1.4). Raises QueryError."""
    if len(queries) != 1:
        raise QueryError(
            Text(
                f"le paramètre query est donné {len(queries)} fois, un seul est attendu",
                f"the parameter query is given {len(queries)} times, exactly one is expected",
            )
        )
    return queries[0]


def _timeout(parameters: Parameters) -> float | None:
    if "timeout" not in parameters:
        return None
    value = parameters["timeout"][0]
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise QueryError(
            Text(
                f"timeout est un nombre de secondes supérieur à 0, non « {value[:40]} »",
                f'timeout is a number of seconds above 0, not "{value[:40]}"',
            )
        )
    return seconds


class _Offers:
    """Formats to choose from, with a memory of what was chosen for an ``Accept``."""

    def __init__(self, offers: Sequence[Format]) -> None:
        self.all = offers
        self.negotiate = lru_cache(maxsize=512)(partial(formats.negotiate, offers=offers))


_RESULTS: Final = _Offers(formats.RESULTS)
_GRAPHS: Final = _Offers(formats.GRAPHS)
_OF_ROWS: Final = frozenset(("SELECT", "ASK"))


def _format(scope: Scope, parameters: Parameters, offers: _Offers) -> Format:
    """By ``format=`` or ``output=`` (for browsers; an empty one is none), else by ``Accept``."""
    given = (*parameters.get("format", ()), *parameters.get("output", ()))
    said = [value for value in given if value.strip()]
    if said:
        chosen = formats.by_name(said[0], offers.all)
    else:
        chosen = offers.negotiate(fields(scope["headers"], b"accept"))
    if chosen is None:
        raise not_acceptable(offer.media_type for offer in offers.all)
    return chosen


async def parameters_of(scope: Scope, receive: Receive) -> Parameters:
    """The parameters of the operation, in all three ways of 2.1.1 to 2.1.3.

    A direct POST gives its body as ``query``; its URL may carry the rest.
    """
    in_url = await read(_decode, scope["query_string"])
    if scope["method"] != "POST":
        return in_url
    headers = scope["headers"]
    if any(v.strip().lower() != "identity" for v in fields(headers, b"content-encoding")):
        raise HttpProblem(
            415,
            Text(
                "le corps de la requête ne doit pas être compressé",
                "the request body must not be compressed",
            ),
            {"Accept-Encoding": "identity"},
        )
    media_type, charset = _content_type(fields(headers, b"content-type"))
    if media_type == _UPDATE:
        raise _read_only()
    if media_type not in (_FORM, _DIRECT) or charset not in ("utf-8", "utf8"):
        raise HttpProblem(
            415,
            Text(
                f"types de contenu acceptés : {_FORM}, {_DIRECT} (en UTF-8)",
                f"accepted content types: {_FORM}, {_DIRECT} (in UTF-8)",
            ),
            {"Accept-Post": f"{_FORM}, {_DIRECT}"},
        )
    body = await read_body(receive)
    if media_type == _FORM:
        parameters = await read(_decode, body)
    else:
        try:
            parameters = {"query": [body.decode("utf-8")]}
        except UnicodeDecodeError as error:
            raise _not_utf8() from error
    for name, values in in_url.items():
        parameters.setdefault(name, []).extend(values)
    return parameters


def _content_type(values: Sequence[str]) -> tuple[str, str]:
    """Media type and charset (RFC 9110, 8.3), in lower case."""
    media_type, _, rest = (values[0] if values else "").partition(";")
    parameters = dict(part.strip().lower().partition("=")[::2] for part in rest.split(";"))
    return media_type.strip().lower(), parameters.get("charset", "utf-8").strip('"')


def _read_only() -> QueryRefused:
    return QueryRefused(
        Text(
            "le service est en lecture seule : les mises à jour sont refusées",
            "the service is read-only: updates are refused",
        )
    )


def _decode(encoded: bytes) -> Parameters:
    """The pairs of a form (URL standard, 5.1); what is not UTF-8 is refused."""
    parameters: Parameters = {}
    try:
        for part in encoded.split(b"&"):
            if part:
                name, _, value = part.partition(b"=")
                parameters.setdefault(_unquote(name), []).append(_unquote(value))
    except UnicodeDecodeError as error:
        raise _not_utf8() from error
    return parameters


def _unquote(encoded: bytes) -> str:
    spaced = encoded.replace(b"+", b" ")
    escapes = spaced.count(b"%")
    if not escapes:
        return spaced.decode("utf-8")
    # Quoted-printable (RFC 2045, 6.7) differs in the sign alone, and is decoded in C; lines end
    # otherwise there, and what is no escape is shorter by less than two bytes.
    if b"\n" not in spaced and b"\r" not in spaced:
        plain = a2b_qp(spaced.replace(b"=", b"=3D").replace(b"%", b"="))
        if len(plain) == len(spaced) - 2 * escapes:
            return plain.decode("utf-8")
    return unquote_to_bytes(spaced).decode("utf-8")


def _not_utf8() -> QueryError:
    return QueryError(
        Text("la requête HTTP n'est pas en UTF-8 valide", "the request is not valid UTF-8")
    )


async def read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise QueryError(Text("la requête HTTP est incomplète", "the request is incomplete"))
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise LimitExceeded(
                Text(
                    f"le corps de la requête dépasse {MAX_BODY >> 20} Mio",
                    f"the request body is larger than {MAX_BODY >> 20} MiB",
                ),
                limit="body",
                value=f"{MAX_BODY >> 20} MiB",
            )
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
