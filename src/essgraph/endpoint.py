"""A SPARQL 1.1 endpoint by HTTP: one client for what asks it questions and what writes to it.

Connections are pooled. A read that fails on the way (no connection, cut off, 502 to 504) is tried
again, with a growing pause of random length; a write never is. Where connections fail in a row
the circuit opens: for a while nothing is sent, and callers are told at once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import re
import ssl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import IO, Final, Self, TypeVar

import httpx
import pyoxigraph as ox

from essgraph import dialects, formats, names
from essgraph.ask import moved
from essgraph.dialects import Dialect
from essgraph.engine import MIB
from essgraph.errors import (
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    EssgraphError,
    LimitExceeded,
    ProjectError,
    SyntaxFault,
    Text,
)

_DESCRIPTION: Final = "text/turtle, application/rdf+xml;q=0.9, application/n-triples;q=0.8"

#: Seconds to a connection, the tries of a read, failures in a row that open the circuit, and for
#: how many seconds: doubled each time until the longest.
_CONNECT: Final = 3.0
_TRIES: Final = 3
_PAUSE: Final = 0.05
_FAILURES: Final = 5
_OPEN: Final = 1.0
_OPEN_LONGEST: Final = 30.0
#: How many requests are under way at once.
_CONNECTIONS: Final = 16
#: Seconds for a look at what it is and holds, and for a write.
_LOOK: Final = 10.0
_WRITE: Final = 600.0
#: Idle connections are closed by us before common servers and proxies do.
_IDLE: Final = 4.0
_ANOTHER_TRY: Final = frozenset((502, 503, 504))
#: Deeper than any answer goes; the parser would not survive what is much deeper.
_DEEPEST: Final = 16
#: Content codings that are read although none is asked for: a piece of these does not become more
#: than a thousand pieces. Of "br", or of one upon the other, a few bytes may fill all memory.
_CODINGS: Final = frozenset(("", "identity", "gzip", "deflate"))
_NO_BRACES: Final = bytes(set(range(256)) - set(b"{}"))
_PIECE: Final = 2**16
_NO_TABLE: Final = "boolean"

Pairs = Sequence[tuple[str, str]]


class _Auth(httpx.Auth):
    """The value of ``Authorization`` as it was given; where the server asks a Basic user for
    Digest (RFC 7616), the answer to that."""

    requires_response_body = True

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest: httpx.DigestAuth | None = None
        scheme, _, given = value.partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
                self._digest = httpx.DigestAuth(user, password)
            except (binascii.Error, UnicodeDecodeError):
                pass  # the server will say what it thinks of it
        self._digested = False

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._digested:
            request.headers["Authorization"] = self._value
            response = yield request
            if response.status_code != 401 or self._digest is None:
                return
            # Virtuoso says so only to a request without any credentials.
            self._digested = True
            del request.headers["Authorization"]
        assert self._digest is not None
        try:
            yield from self._digest.auth_flow(request)
        except (KeyError, ValueError, NotImplementedError) as error:
            raise httpx.RemoteProtocolError("unknown challenge in WWW-Authenticate") from error


class _Circuit:
    """Open after failures in a row, then half open: one request may try."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._pause = _OPEN

    @property
    def closed(self) -> bool:
        return self._failures < _FAILURES

    def check(self, url: str) -> None:
        """Raises EngineUnreachable while the circuit is open."""
        if self.closed:
            return
        now = time.monotonic()
        if now < self._until:
            raise EngineUnreachable(
                Text(
                    f"le moteur {url} a échoué {self._failures} fois de suite ; nouvel essai dans "
                    f"{self._until - now:.0f} s",
                    f"the engine {url} failed {self._failures} times in a row; next try in "
                    f"{self._until - now:.0f} s",
                )
            )
        self._until = now + self._pause  # this one tries, the others wait

    def passed(self) -> None:
        self._failures, self._pause = 0, _OPEN

    def failed(self) -> None:
        self._failures += 1
        if not self.closed:
            self._until = time.monotonic() + self._pause * random.uniform(0.5, 1.0)
            self._pause = min(2 * self._pause, _OPEN_LONGEST)


class Endpoint:
    """One endpoint. Use it as an asynchronous context manager.

    ``authorization`` is the value of the header field of that name. Raises ProjectError for an
    address that is not http(s).
    """

    def __init__(self, url: str, *, authorization: str | None) -> None:
        try:
            parsed = httpx.URL(url) if url.startswith(("http://", "https://")) else None
        except httpx.InvalidURL:
            parsed = None
        if parsed is None or not parsed.host or (parsed.port or 0) >= 2**16:
            raise ProjectError(
                Text(
                    f"une adresse http(s) est attendue, pas {url}",
                    f"an http(s) address is expected, not {url}",
                )
            )
        if parsed.userinfo:
            raise ProjectError(
                Text(
                    "pas de mot de passe dans l'adresse : donnez-le par "
                    "ESSGRAPH_ENDPOINT_AUTHORIZATION",
                    "no password in the address: give it in ESSGRAPH_ENDPOINT_AUTHORIZATION",
                )
            )
        #: The address without its query, which may hold a key: messages show it to everybody.
        self.url, _, self._parameters = url.partition("#")[0].partition("?")
        self.dialect: Dialect = dialects.STANDARD
        self.circuit = _Circuit()
        self._client = httpx.AsyncClient(
            auth=_Auth(authorization) if authorization else None,
            limits=httpx.Limits(
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_IDLE,
            ),
            # The caller's deadline bounds the whole; a dead host is known sooner.
            timeout=httpx.Timeout(None, connect=_CONNECT),
            headers={"User-Agent": "essgraph", "Accept-Encoding": "identity"},
            # The authorities that the machine trusts: an organisation may sign its own.
            verify=ssl.create_default_context(),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def _address(self, url: str) -> str:
        return f"{url}?{self._parameters}" if self._parameters else url

    async def discover(self) -> Dialect:
        """Reads the service description and chooses the dialect. Raises what ``ask`` does."""
        request = self._client.build_request(
            "GET", self._address(self.url), headers={"Accept": _DESCRIPTION}
        )
        response, body = await self._read(request, _LOOK, MIB)
        if response.status_code in (401, 403):
            raise self._refused(response, body)
        # Many an engine has no description: a 4xx here says that somebody is at home, no more.
        self.dialect = dialects.choose(
            response.headers.get("server", ""), body.decode("utf-8", "replace")
        )
        return self.dialect

    async def ask(
        self,
        query: str,
        media_type: str,
        *,
        dataset: Pairs = (),
        timeout: float,
        limit: int = 64 * MIB,
    ) -> bytes:
        """The answer to a query, whole, in that media type (SPARQL 1.1 Protocol, 2.1.2).

        ``dataset`` are the parameters that name its graphs. Raises SyntaxFault where the engine
        finds the query ill-formed, LimitExceeded for an answer above ``limit`` bytes or one that
        the engine cut, EngineTimeout, EngineUnreachable, EngineError.
        """
        body = await self._ask(query, media_type, dataset, timeout, limit, None)
        return self.dialect.repair(media_type, body)

    async def fetch(
        self,
        query: str,
        media_type: str,
        into: IO[bytes],
        *,
        dataset: Pairs,
        timeout: float,
        limit: int,
    ) -> None:
        """Puts the answer into a file, as the engine wrote it (see ``Dialect.repair``): for what
        memory might not hold. Otherwise as ``ask``; raises OSError where the disk is full."""
        await self._ask(query, media_type, dataset, timeout, limit, into)

    async def _ask(
        self,
        query: str,
        media_type: str,
        dataset: Pairs,
        timeout: float,
        limit: int,
        into: IO[bytes] | None,
    ) -> bytes:
        request = self._client.build_request(
            "POST",
            self._address(self.url),
            data=_form([("query", query), *dataset]),
            headers={"Accept": media_type},
        )
        response, body = await self._read(request, timeout, limit, into)
        status = response.status_code
        if status == 200:
            self._require(response, media_type)
            return body
        if status in (400, 422):
            said = _said(body)
            raise SyntaxFault(
                Text(
                    f"le moteur refuse la requête : {said}", f"the engine refuses the query: {said}"
                )
            )
        raise self._refused(response, body)

    def _require(self, response: httpx.Response, media_type: str) -> None:
        given = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != media_type:
            raise EngineUnreachable(
                Text(
                    f"le moteur {self.url} répond en {given or 'aucun type'} au lieu de "
                    f"{media_type}",
                    f"the engine {self.url} answers in {given or 'no type'} instead of "
                    f"{media_type}",
                )
            )
        if "S1TAT" in response.headers.get("x-sql-state", ""):
            # Virtuoso's "anytime": at its time limit, what it has so far, as if that were all.
            raise LimitExceeded(
                Text(
                    "le moteur a atteint sa limite de temps et n'a rendu qu'une partie",
                    "the engine reached its time limit and gave only a part",
                ),
                limit="time",
                value="engine",
            )

    async def _read(
        self,
        request: httpx.Request,
        timeout: float,
        limit: int,
        into: IO[bytes] | None = None,
    ) -> tuple[httpx.Response, bytes]:
        """A read, tried again where it failed on the way, all within ``timeout`` seconds. What
        succeeds goes into the file, if there is one."""
        try:
            async with asyncio.timeout(timeout):
                for left in reversed(range(_TRIES)):
                    self.circuit.check(self.url)
                    try:
                        response, body = await self._once(request, limit, into)
                        if response.status_code not in _ANOTHER_TRY:
                            self.circuit.passed()
                            return response, body
                        failure: EngineError = self._refused(response, body)
                    except httpx.RequestError as error:
                        failure = self._broken(error)
                    self.circuit.failed()
                    if not left:
                        raise failure
                    # Full jitter: callers that failed together do not come back together.
                    await asyncio.sleep(random.uniform(0, _PAUSE * 2 ** (_TRIES - left)))
        except TimeoutError:
            raise EngineTimeout(
                Text(
                    f"le moteur {self.url} n'a pas répondu en {timeout:.3g} s",
                    f"the engine {self.url} did not answer within {timeout:.3g} s",
                )
            ) from None
        raise AssertionError  # the loop returns or raises

    async def _once(
        self, request: httpx.Request, limit: int, into: IO[bytes] | None = None
    ) -> tuple[httpx.Response, bytes]:
        response = await self._client.send(request, stream=True)
        try:
            coding = response.headers.get("content-encoding", "").strip().lower()
            if coding not in _CODINGS:
                raise EngineUnreachable(
                    Text(
                        f"le moteur {self.url} envoie une réponse compressée ({coding}), ce qui "
                        "n'a pas été demandé",
                        f"the engine {self.url} sends a compressed answer ({coding}), which was "
                        "not asked for",
                    )
                )
            parts, size = [], 0
            whole = into if response.status_code == 200 else None
            if whole is not None:
                whole.seek(0)
                whole.truncate()
            async for part in response.aiter_bytes():
                size += len(part)
                if size > limit:
                    raise too_large(limit) if into is None else self._endless(limit)
                if whole is not None:
                    whole.write(part)
                else:
                    parts.append(part)
            return response, b"".join(parts)
        finally:
            await response.aclose()

    def _endless(self, limit: int) -> EngineError:
        return EngineError(
            Text(
                f"le moteur {self.url} a envoyé plus de {limit // MIB} Mio, alors que moins "
                "suffit : lecture abandonnée",
                f"the engine {self.url} sent more than {limit // MIB} MiB, though less will do: "
                "reading was given up",
            )
        )

    def _broken(self, error: httpx.RequestError) -> EngineUnreachable:
        why = str(error) or type(error).__name__
        return EngineUnreachable(
            Text(
                f"le moteur {self.url} n'a pas pu être joint, ou sa réponse s'est interrompue : "
                f"{why}",
                f"the engine {self.url} could not be reached, or its answer broke off: {why}",
            )
        )

    def _refused(self, response: httpx.Response, body: bytes) -> EngineUnreachable:
        status, said = response.status_code, _said(body)
        if status in (401, 403):
            return EngineUnreachable(
                Text(
                    f"le moteur {self.url} refuse l'accès ({status}) : voyez "
                    "ESSGRAPH_ENDPOINT_AUTHORIZATION",
                    f"the engine {self.url} refuses access ({status}): see "
                    "ESSGRAPH_ENDPOINT_AUTHORIZATION",
                )
            )
        elsewhere = response.headers.get("location")
        if elsewhere and 300 <= status < 400:
            # Without its query, which holds what ours does.
            return EngineUnreachable(moved(self.url, status, elsewhere.partition("?")[0]))
        return EngineUnreachable(
            Text(
                f"le moteur {self.url} répond {status} : {said}",
                f"the engine {self.url} answers {status}: {said}",
            )
        )

    # --- what both sides ask ----------------------------------------------------------------

    async def select(self, query: str, *, timeout: float) -> list[dict[str, object]]:
        """The solutions of a query of ours, terms by variable. Raises what ``ask`` does."""
        body = await self.ask(query, formats.JSON.media_type, timeout=timeout, limit=1024 * MIB)
        return read_results(body, _rows)

    async def graphs(self, *, timeout: float) -> dict[str, int]:
        """The engine's named graphs, all of them, with their counts of triples."""
        rows = await self.select(_GRAPHS, timeout=timeout)
        return {
            lexical(row, "g"): number(term(row, "n"))
            for row in rows
            if "g" in row  # with no graph at all there is one empty group
        }

    async def version(self, *, timeout: float = _LOOK) -> str | None:
        """What the engine says it holds: a version, ``loading …`` while it is being changed, None
        where it says nothing."""
        found = await self.select(_STATE, timeout=timeout)
        values = sorted(lexical(row, "version") for row in found)
        # Two at once: a write of the state that is half seen.
        return values[0] if len(values) == 1 else None if not values else f"loading {values[0]}"

    # --- writes -----------------------------------------------------------------------------

    async def update(self, update: str) -> None:
        """One update request (SPARQL 1.1 Protocol, 2.2.2), once. Raises EngineError."""
        await self._write(
            self._client.build_request(
                "POST",
                self._address(self.dialect.update_url(self.url)),
                content=update.encode(),
                headers={"Content-Type": "application/sparql-update; charset=utf-8"},
            )
        )

    def ours(self) -> EngineError:
        """What to raise where an engine is needed, and this is a service of essgraph."""
        return EngineError(
            Text(
                f"{self.url} est lui-même un service d'essgraph : il n'accepte pas d'écritures, et "
                "ses données ne disent pas leur version ; servez l'instantané lui-même "
                "(serve --out), ou chargez-le dans un moteur SPARQL (push)",
                f"{self.url} is itself a service of essgraph: it accepts no writes, and its data "
                "do not say their version; serve the snapshot itself (serve --out), or load it "
                "into a SPARQL engine (push)",
            )
        )

    def lost(self) -> EngineError:
        """What to raise where a write was taken and is not to be read."""
        return EngineError(
            Text(
                f"le moteur {self.url} accepte les écritures mais ne contient pas ce qui a été "
                "écrit : est-ce l'adresse d'une copie, ou d'un serveur qui ne garde rien ?",
                f"the engine {self.url} accepts writes but does not hold what was written: is this "
                "the address of a copy, or of a server that keeps nothing?",
            )
        )

    async def load(self, graph: str, triples: bytes) -> None:
        """Adds N-Triples to a graph (SPARQL 1.1 Graph Store HTTP Protocol, 5.5)."""
        address = httpx.URL(self._address(self.dialect.store_url(self.url))).copy_add_param(
            "graph-uri" if self.dialect.loads else "graph", graph
        )
        await self._write(
            self._client.build_request(
                "POST", address, content=triples, headers={"Content-Type": "text/turtle"}
            )
        )

    async def _write(self, request: httpx.Request) -> None:
        try:
            async with asyncio.timeout(_WRITE):
                response, body = await self._once(request, MIB)
        except TimeoutError:
            raise EngineTimeout(
                Text(
                    f"l'écriture dans {self.url} a dépassé {_WRITE:g} s",
                    f"the write to {self.url} took longer than {_WRITE:g} s",
                )
            ) from None
        except httpx.RequestError as error:
            raise self._broken(error) from error
        if not response.is_success:
            raise self._refused(response, body)


#: Not SELECT DISTINCT, on which Virtuoso 7.2.5 does not come back.
_GRAPHS: Final = "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g"
_STATE: Final = (
    f"SELECT ?version {{ GRAPH <{dialects.STATE}> "
    f"{{ <{names.DATASET}> <{names.OWL}versionInfo> ?version }} }}"
)


def _form(pairs: Pairs) -> Mapping[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _said(body: bytes) -> str:
    """The first words of an error message, on one line."""
    words = " ".join(body[:2000].decode("utf-8", "replace").split())
    return words[:300] or "–"


def too_large(limit: int) -> LimitExceeded:
    """The answer went past the limit of its size."""
    return LimitExceeded(
        Text(
            f"la réponse dépasse {limit / MIB:g} Mio ; demandez-la par pages (ORDER BY, LIMIT, "
            "OFFSET)",
            f"the answer is larger than {limit / MIB:g} MiB; ask for it in pages (ORDER BY, "
            "LIMIT, OFFSET)",
        ),
        limit="result",
        value=f"{limit / MIB:g} MiB",
    )


Results = ox.QuerySolutions | ox.QueryBoolean
T = TypeVar("T")


def read_results(body: bytes, use: Callable[[Results], T]) -> T:
    """What is made of SPARQL results in JSON. They may not leave this thread, as they would in the
    frames of an error: so none goes with it.

    Raises EngineUnreachable for what is none, or only half, and what ``use`` does.
    """
    braces = body.translate(None, _NO_BRACES)
    if _deep(braces) and _deep(_outside_strings(body)):
        raise nonsense("…")
    fault: EssgraphError
    try:
        return use(ox.parse_query_results(body, format=ox.QueryResultsFormat.JSON))
    except EssgraphError as error:
        fault = error.with_traceback(None)
    except (SyntaxError, ValueError) as error:
        fault = nonsense(str(error))
    raise fault


def table(found: Results) -> ox.QuerySolutions:
    """The results of a SELECT. Raises EngineUnreachable for those of an ASK."""
    if not isinstance(found, ox.QuerySolutions):
        raise nonsense(_NO_TABLE)
    return found


def _rows(found: Results) -> list[dict[str, object]]:
    """Solutions, terms by variable."""
    solutions = table(found)
    named = [variable.value for variable in solutions.variables]
    return [
        {name: term for name, term in zip(named, row, strict=True) if term is not None}
        for row in solutions
    ]


def term(row: Mapping[str, object], name: str) -> object:
    """A term that every solution of a query of ours has. Raises EngineUnreachable where this one
    has none."""
    if name not in row:
        raise nonsense(f"?{name}")
    return row[name]


def lexical(row: Mapping[str, object], name: str) -> str:
    """The IRI or lexical form of a term. Raises what ``term`` does."""
    return str(getattr(term(row, name), "value", ""))


def number(term: object) -> int:
    """A term as a whole number from 0. Raises EngineUnreachable where it is none."""
    said = str(getattr(term, "value", ""))
    if not re.fullmatch("[0-9]{1,18}", said):
        raise nonsense(said[:80])
    return int(said)


def parse_triples(body: bytes) -> list[ox.Triple]:
    """N-Triples. Raises EngineUnreachable for what is none, or only half."""
    if b"<<(" * _DEEPEST in body.replace(b" ", b""):
        raise nonsense("<<(…")
    try:
        return [quad.triple for quad in ox.parse(body, format=ox.RdfFormat.N_TRIPLES)]
    except (SyntaxError, ValueError) as error:
        raise nonsense(str(error)) from error


def nonsense(why: str) -> EngineUnreachable:
    """What the engine answered does not parse."""
    return EngineUnreachable(
        Text(
            f"la réponse du moteur est illisible ou incomplète : {why}",
            f"the answer of the engine cannot be read or is incomplete: {why}",
        )
    )


def _outside_strings(body: bytes) -> bytes:
    """The braces of JSON that stand in no string. In pieces, so that other threads go on."""
    body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    braces, inside = [], 0
    for at in range(0, len(body), _PIECE):
        parts = body[at : at + _PIECE].split(b'"')
        braces.append(b"".join(parts[inside::2]).translate(None, _NO_BRACES))
        inside ^= (len(parts) - 1) % 2
    return b"".join(braces)


def _deep(braces: bytes) -> bool:
    """Whether braces stand in one another, deeper than in any answer."""
    for _ in range(_DEEPEST):
        braces = braces.replace(b"{}", b"")
    return braces.count(b"{") > _DEEPEST
