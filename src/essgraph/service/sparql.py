"""``/sparql``: the query operation of the SPARQL 1.1 Protocol (section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from essgraph import formats
from essgraph.engine import Answer, Dataset
from essgraph.errors import EssgraphError, QueryError, Text
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import problems
from essgraph.service.problems import HttpProblem
from essgraph.workers import Pool

#: The largest request body we read, in bytes.
MAX_BODY: Final = 1 << 20

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Retry-After, Content-Location",
}
_ALLOW: Final = "GET, HEAD, POST, OPTIONS"
_FORM: Final = "application/x-www-form-urlencoded"
_DIRECT: Final = "application/sparql-query"


class SparqlEndpoint:
    """The endpoint as an ASGI application over a pool of query workers."""

    def __init__(self, pool: Pool, version: str, description: bytes) -> None:
        self._pool = pool
        self._version = version
        self._description = description

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except EssgraphError as error:
            response = problems.respond(
                error,
                accept=request.headers.getlist("accept"),
                languages=request.headers.getlist("accept-language"),
                instance=request.url.path,
            )
        response.headers.update(CORS)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return _preflight()
        if request.method not in ("GET", "HEAD", "POST"):
            raise HttpProblem(
                405,
                Text(
                    f"{request.method} n'est pas permis ici ; permis : {_ALLOW}",
                    f"{request.method} is not allowed here; allowed: {_ALLOW}",
                ),
                {"Allow": _ALLOW},
            )
        parameters = await _parameters(request)
        if not any(name == "query" for name, _ in parameters):
            if request.method == "POST" or parameters:
                raise QueryError(Text("il manque le paramètre query", "no query parameter"))
            return self._describe(request)
        return await self._query(request, parameters)

    def _describe(self, request: Request) -> Response:
        if formats.negotiate(request.headers.getlist("accept"), formats.GRAPHS) is None:
            raise _not_acceptable(formats.GRAPHS)
        return Response(self._description, 200, {"Vary": "Accept"}, formats.TURTLE.content_type)

    async def _query(self, request: Request, parameters: list[tuple[str, str]]) -> Response:
        query = inspect(exactly_one(parameters, "query"))
        offers = formats.RESULTS if query.form in ("SELECT", "ASK") else formats.GRAPHS
        chosen = _format(request, parameters, offers)
        dataset = Dataset(
            default=tuple(v for k, v in parameters if k == "default-graph-uri"),
            named=tuple(v for k, v in parameters if k == "named-graph-uri"),
        )
        answer = await self._pool.query(
            query, dataset, {}, chosen, timeout=_timeout(parameters), client=_client(request)
        )
        return self._answer(answer, chosen)

    def _answer(self, answer: Answer, chosen: Format) -> Response:
        return Response(
            answer.body,
            200,
            {"Vary": "Accept", "Cache-Control": "public, max-age=60"},
            chosen.content_type,
        )


def exactly_one(parameters: Sequence[tuple[str, str]], name: str) -> str:
    """The value of a parameter that may stand only once. Raises QueryError."""
    values = [value for key, value in parameters if key == name]
    if len(values) != 1:
        raise QueryError(
            Text(
                f"le paramètre {name} est donné {len(values)} fois, un seul est attendu",
                f"the parameter {name} is given {len(values)} times, exactly one is expected",
            )
        )
    return values[0]


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _timeout(parameters: Sequence[tuple[str, str]]) -> float | None:
    values = [value for key, value in parameters if key == "timeout"]
    if not values:
        return None
    try:
        seconds = float(values[0])
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise QueryError(
            Text(
                "timeout est un nombre de secondes supérieur à 0",
                "timeout is a number of seconds above 0",
            )
        )
    return seconds


def _format(
    request: Request, parameters: Sequence[tuple[str, str]], offers: Sequence[Format]
) -> Format:
    """By ``format=`` or ``output=`` (for browsers), else by ``Accept``."""
    for name, value in parameters:
        if name in ("format", "output"):
            chosen = formats.by_name(value, offers)
            if chosen is None:
                raise _not_acceptable(offers)
            return chosen
    chosen = formats.negotiate(request.headers.getlist("accept"), offers)
    if chosen is None:
        raise _not_acceptable(offers)
    return chosen


def _not_acceptable(offers: Sequence[Format]) -> HttpProblem:
    listed = ", ".join(offer.media_type for offer in offers)
    return HttpProblem(406, Text(f"formats disponibles : {listed}", f"available formats: {listed}"))


async def _parameters(request: Request) -> list[tuple[str, str]]:
    """The parameters of the operation, in all three ways of 2.1.1 to 2.1.3.

    A direct POST gives its body as ``query``; its URL may carry the rest.
    """
    in_url = _decode(request.scope["query_string"])
    if request.method != "POST":
        return in_url
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpProblem(
            415,
            Text(
                "le corps de la requête ne doit pas être compressé",
                "the request body must not be compressed",
            ),
            {"Accept-Encoding": "identity"},
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return _decode(await _body(request)) + in_url
    if kind == _DIRECT:
        try:
            text = (await _body(request)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8() from error
        return [("query", text), *in_url]
    if kind == "application/sparql-update":
        from essgraph.errors import QueryRefused

        raise QueryRefused(Text("le service est en lecture seule", "the service is read-only"))
    raise HttpProblem(
        415,
        Text(
            f"types de contenu acceptés : {_FORM}, {_DIRECT}",
            f"accepted content types: {_FORM}, {_DIRECT}",
        ),
        {"Accept-Post": f"{_FORM}, {_DIRECT}"},
    )


def _decode(encoded: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict"
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise _not_utf8() from error


def _not_utf8() -> QueryError:
    return QueryError(
        Text("la requête n'est pas en UTF-8 valide", "the request is not valid UTF-8")
    )


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise HttpProblem(
                413,
                Text(
                    f"le corps de la requête dépasse {MAX_BODY >> 20} Mio",
                    f"the request body is larger than {MAX_BODY >> 20} MiB",
                ),
            )
        parts.append(part)
    return b"".join(parts)


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Allow": _ALLOW,
            "Access-Control-Allow-Methods": _ALLOW,
            "Access-Control-Allow-Headers": "Accept, Accept-Language, Content-Type",
            "Access-Control-Max-Age": "86400",
        },
    )
