"""The other engine of the service: a SPARQL 1.1 endpoint anywhere, answered for as the pool does.

Asks every endpoint for two formats only (results in JSON, graphs in N-Triples) and writes from
them what the client wants, as the pool does: every format that the contract names is served
alike, whatever the engine writes itself. An answer is whole before its first byte leaves.

The version of the data is what the endpoint says it holds (``push`` writes it there). It is read
again after each answer: an answer that may be of another version, or of two, is never given.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Self

import pyoxigraph as ox

from essgraph import endpoint as endpoints
from essgraph import names, paths, results
from essgraph import query as queries
from essgraph.ask import other_variables
from essgraph.dialects import DEFAULT, NONE, OURS, STATE
from essgraph.endpoint import Endpoint, Results
from essgraph.engine import CLIENT, Answer, Dataset, Limits, Spool, Spools, dataset_of, too_many
from essgraph.errors import (
    EngineError,
    EngineUnreachable,
    LimitExceeded,
    Overloaded,
    QueryError,
    SyntaxFault,
    Text,
)
from essgraph.formats import JSON, NTRIPLES, Format
from essgraph.query import Query
from essgraph.rewriting import bind

#: An answer above this size, in bytes, waits in a file; one above the lower is written in a thread.
_INLINE: Final = 256 * 1024
_AT_ONCE: Final = 32 * 1024
_GRAPH = re.compile(r"\bGRAPH\b", re.IGNORECASE)
#: How many graphs may be listed in a request.
_MOST_LISTED: Final = 5_000
#: How many answers about paths are remembered.
_MOST_ASKED: Final = 1_000

_DESCRIBED: Final = f"""SELECT ?version {{ <{names.DATASET}> ?p ?version .
  FILTER (?p IN (<http://www.w3.org/ns/dcat#version>, <{names.OWL}versionInfo>)) }}"""


class Remote:
    """An engine (``engine.Engine``) over an endpoint. Use it as an asynchronous context manager."""

    functions: tuple[str, ...] = ()

    def __init__(self, url: str, *, limits: Limits, authorization: str | None) -> None:
        self.endpoint = Endpoint(url, authorization=authorization)
        self.limits = limits
        self.version = ""
        #: Set when the endpoint holds another version than ``version``.
        self.stale = asyncio.Event()
        self.ends: dict[str, int] = {}
        self._state: str | None = None
        self._graphs: tuple[str, ...] = ()
        self._clients: dict[str, int] = {}
        self._spools = Spools()
        self._waiting = 0
        #: What was asked of paths (``paths``), of this version.
        self._asked: dict[tuple[object, ...], bool] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self.endpoint.__aexit__()
            raise
        return self

    async def _open(self) -> None:
        await self.endpoint.discover()
        version = await self.endpoint.version()
        self._state = version
        if version is not None and version.startswith("loading"):
            raise EngineError(
                Text(
                    f"les données de {self.endpoint.url} sont en cours de remplacement ; si "
                    "personne n'écrit, relancez essgraph push",
                    f"the data of {self.endpoint.url} are being replaced; if nobody writes, run "
                    "essgraph push again",
                )
            )
        # After the version stands what tells one push of it from another.
        self.version = version.partition(" ")[0] if version else await self._described()
        if self.endpoint.dialect.listed:
            found = await self.endpoint.graphs(timeout=max(60, self.limits.timeout))
            self._graphs = tuple(
                g for g in found if g.startswith(names.BASE) and g not in (DEFAULT, STATE)
            )

    async def _described(self) -> str:
        """The version that the dataset's own description states. Raises EngineError."""
        found = await self.endpoint.select(_DESCRIBED, timeout=10.0)
        values = sorted(endpoints.lexical(row, "version") for row in found)
        if not values and self.endpoint.dialect is OURS:
            raise self.endpoint.ours()
        if not values:
            raise EngineError(
                Text(
                    f"{self.endpoint.url} ne dit pas quelle version il contient : chargez-la avec "
                    f"essgraph push, ou décrivez <{names.DATASET}> par dcat:version",
                    f"{self.endpoint.url} does not say which version it holds: load it with "
                    f"essgraph push, or describe <{names.DATASET}> by dcat:version",
                )
            )
        return values[0]

    async def __aexit__(self, *_: object) -> None:
        await self.endpoint.__aexit__()

    @property
    def busy(self) -> int:
        """How many queries wait or run."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether a query would be sent."""
        return self.endpoint.circuit.closed and self._waiting < self.limits.waiting

    # --- a query ----------------------------------------------------------------------------

    async def query(
        self,
        query: Query,
        dataset: Dataset,
        bindings: Mapping[str, str],
        format: Format,
        *,
        timeout: float | None = None,
        client: str = "",
    ) -> Answer:
        """See ``engine.Engine.query``. ``timeout`` only lowers the limit of the engine."""
        bound = bind(query, bindings)
        fault = _fault(bound.text)
        if fault is not None:
            # By our grammar, before the engine's own: some read what is no SPARQL.
            raise SyntaxFault(fault.text, at=fault.at)
        graphs = self._dataset(bound, dataset_of(bound, dataset))
        answered = client or CLIENT.get()
        self._admit(answered)
        self._clients[answered] = self._clients.get(answered, 0) + 1
        self._waiting += 1
        try:
            limit = min(timeout or self.limits.timeout, self.limits.timeout)
            deadline = time.monotonic() + limit
            asked = await self._followed(bound, graphs, deadline)
            body = await self.endpoint.ask(
                asked.text,
                _media_type(bound),
                dataset=graphs,
                timeout=max(0.0, deadline - time.monotonic()),
                limit=self.limits.result,
            )
            await self._still(limit)
        except LimitExceeded as error:
            self.ends[error.limit] = self.ends.get(error.limit, 0) + 1
            raise
        finally:
            self._waiting -= 1
            self._clients[answered] -= 1
            if not self._clients[answered]:
                del self._clients[answered]
        if len(body) <= _AT_ONCE:
            answer = _write(body, bound, format, self.limits.result)
        else:
            answer = await asyncio.to_thread(_write, body, bound, format, self.limits.result)
        return self._spools.hold(answer, answered)

    async def _followed(
        self, query: Query, graphs: Sequence[tuple[str, str]], deadline: float
    ) -> Query:
        """The query without the paths that the engine does not follow right. Raises NotOffered."""
        if self.endpoint.dialect.walks:
            return query

        async def ask(text: str) -> bool:
            key = (text, *graphs)
            if self._state is None:  # the data may change, and nobody tells
                self._asked.clear()
            if key not in self._asked:
                left = max(0.0, deadline - time.monotonic())
                body = await self.endpoint.ask(text, JSON.media_type, dataset=graphs, timeout=left)
                if len(self._asked) >= _MOST_ASKED:
                    self._asked.clear()
                self._asked[key] = endpoints.read_results(body, _some)
            return self._asked[key]

        return await paths.unfold(query, ask)

    async def _still(self, timeout: float) -> None:
        """Raises Overloaded where the data changed, or may have, while the answer was made."""
        if self._state is None or not await self.changed(timeout):
            return
        self.stale.set()
        raise Overloaded(
            Text(
                "les données sont en cours de remplacement ; réessayez",
                "the data are being replaced; try again",
            ),
            retry_after=1,
        )

    async def changed(self, timeout: float = 10.0) -> bool:
        """Whether the endpoint holds something else than when this began. Raises EngineError."""
        return await self.endpoint.version(timeout=timeout) != self._state

    def dataset(self, text: str) -> list[tuple[str, str]]:
        """What a query of ours over the whole dataset needs beside it (see ``_dataset``)."""
        return self._dataset(queries.inspect(text), Dataset())

    def _dataset(self, query: Query, dataset: Dataset) -> list[tuple[str, str]]:
        """The graphs of a query as parameters of the protocol (2.1.4), where it needs any."""
        dialect = self.endpoint.dialect
        if len(dataset.default) > 1 and not dialect.merges:
            raise QueryError(
                Text(
                    f"{dialect.name} ne fusionne pas plusieurs graphes par défaut : donnez-en un, "
                    "ou interrogez-les par GRAPH",
                    f"{dialect.name} does not merge several default graphs: give one, or query "
                    "them with GRAPH",
                )
            )
        own = Dataset(query.default_graphs, query.named_graphs)
        if own and dataset != own and not dialect.overrides:
            raise QueryError(
                Text(
                    f"{dialect.name} ne remplace pas FROM par le jeu de données de la requête "
                    "HTTP : donnez l'un ou l'autre",
                    f"{dialect.name} does not replace FROM with the dataset of the HTTP request: "
                    "give one or the other",
                )
            )
        default, named = dataset.default, dataset.named
        if dialect.default is not None:
            asks_graphs = _GRAPH.search(query.text) is not None
            if not dataset:
                default = (dialect.default,)
                named = self._graphs if asks_graphs and len(self._graphs) <= _MOST_LISTED else ()
            else:
                # Where the standard says "none", such an engine says "all" unless it is told.
                default = default or (NONE,)
                named = named or ((NONE,) if asks_graphs else ())
        return [
            *(("default-graph-uri", iri) for iri in default),
            *(("named-graph-uri", iri) for iri in named),
        ]

    def _admit(self, client: str) -> None:
        if self._clients.get(client, 0) >= self.limits.client:
            raise too_many(self.limits)
        if self._waiting >= self.limits.waiting:
            raise Overloaded(
                Text(
                    "trop de requêtes attendent le moteur ; réessayez plus tard",
                    "too many queries are waiting for the engine; try again later",
                ),
                retry_after=max(1, round(self.limits.timeout / 2)),
            )


@lru_cache(maxsize=512)
def _fault(text: str) -> SyntaxFault | None:
    return queries.explain(text)


def _media_type(query: Query) -> str:
    return (JSON if query.form in ("SELECT", "ASK") else NTRIPLES).media_type


def _write(body: bytes, query: Query, format: Format, limit: int) -> Answer:
    """The answer in the format asked for, in one thread from beginning to end."""
    out = io.BytesIO()
    if query.form in ("SELECT", "ASK"):
        rows = endpoints.read_results(
            body, lambda found: results.write(_answered(found, query), format, out)
        )
    else:
        triples = sorted(set(endpoints.parse_triples(body)), key=str)
        rows = len(triples)
        results.write_graph(triples, format, out)
    size = out.tell()
    if size > limit:
        raise endpoints.too_large(limit)
    if size <= _INLINE:
        return Answer(out.getvalue(), rows, size)
    with tempfile.TemporaryFile() as spool:
        spool.write(out.getbuffer())
        spool.flush()
        return Answer(rows=rows, size=size, spool=Spool(os.dup(spool.fileno())))


def _some(found: Results) -> bool:
    """Whether there is a solution."""
    return next(endpoints.table(found), None) is not None


def _answered(found: Results, query: Query) -> Results:
    """The results of a query, if they are that."""
    if query.form == "ASK":
        return _boolean(found) if isinstance(found, ox.QuerySolutions) else found
    solutions = endpoints.table(found)
    if other := other_variables(query, (variable.value for variable in solutions.variables)):
        raise EngineUnreachable(Text(f"le moteur {other.fr}", f"the engine {other.en}"))
    return solutions


def _boolean(solutions: ox.QuerySolutions) -> ox.QueryBoolean:
    """Virtuoso answers ASK by a table: one row with 1, or with 0, or none."""
    rows = [str(getattr(term, "value", "")) for row in solutions for term in row]
    said = "true" if rows and rows[0] in ("1", "true") else "false"
    found = ox.parse_query_results(
        f'{{"head":{{}},"boolean":{said}}}', format=ox.QueryResultsFormat.JSON
    )
    assert isinstance(found, ox.QueryBoolean)
    return found
