"""What a service over an endpoint keeps beside it: the index of names, and the files to download.

Both are what a build would have made of the same data. The index comes of plain queries for what
names an entity and tells of it; the files of reading everything, up to a size.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyoxigraph as ox

from essgraph import held, names, parts, search
from essgraph.endpoint import Endpoint, Pairs, number
from essgraph.errors import (
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    LimitExceeded,
    Overloaded,
    Text,
)
from essgraph.held import Quads

#: Texts that an index may hold: some 1 KiB of memory each while it is made.
MOST_TEXTS: Final = 2_000_000
#: Above so many triples in the default graph no files are made.
DUMPED: Final = 250_000
_DIGEST: Final = re.compile("[0-9a-f]{64}")

#: The parameters of the protocol that a query needs at an endpoint.
DatasetOf = Callable[[str], Pairs]

_OURS: Final = f'FILTER (STRSTARTS(STR(?s), "{names.BASE}"))'
_IN_PASSAGES: Final = f'FILTER (STRSTARTS(STR(?g), "{names.PASSAGE}") && isIRI(?x))'
_NUMBER: Final = names.SCHEMA + "value"
_PASSAGES: Final = f"""CONSTRUCT {{ ?x <{_NUMBER}> ?n }} WHERE {{
  SELECT ?x (COUNT(DISTINCT ?g) AS ?n) WHERE {{
    {{ GRAPH ?g {{ ?x ?p ?o }} {_IN_PASSAGES} }} UNION {{ GRAPH ?g {{ ?s ?p ?x }} {_IN_PASSAGES} }}
  }} GROUP BY ?x }}"""


async def index(endpoint: Endpoint, dataset: DatasetOf) -> bytes:
    """The index of names of what an endpoint holds, as the bytes of its file (see ``search``).

    Raises LimitExceeded where there are too many names for it, EngineError.
    """
    gathered = search.Gathered()
    texts = 0

    async def found(query: str) -> AsyncIterator[ox.Triple]:
        async with held.triples(endpoint, query, dataset(query)) as pieces:
            for piece in pieces:
                for triple in piece:
                    yield triple
                await asyncio.sleep(0)  # others want the loop too

    async for triple in found(_PASSAGES):
        iri = getattr(triple.subject, "value", "")
        gathered.passages[iri] = number(triple.object)
    for graph in ("", *search.STATING):
        where = f"GRAPH <{graph}> {{ ?s a ?c }}" if graph else "?s a ?c"
        query = f"CONSTRUCT {{ ?s a ?c }} WHERE {{ {where} {_OURS} }}"
        async for triple in found(query):
            gathered.add(triple, graph)
    for role in search.ROLES:
        for where in (f"?s <{role}> ?o", f"GRAPH ?g {{ ?s <{role}> ?o }}"):
            query = f"CONSTRUCT {{ ?s <{role}> ?o }} WHERE {{ {where} {_OURS} }}"
            async for triple in found(query):
                gathered.add(triple, "")
                texts += 1
                if texts > 2 * MOST_TEXTS:  # a text stands in the default graph, and in another
                    raise LimitExceeded(
                        Text(
                            f"plus de {MOST_TEXTS} noms et textes : trop pour l'index d'un service "
                            "qui n'a que l'adresse des données",
                            f"more than {MOST_TEXTS} names and texts: too many for the index of a "
                            "service that only has the address of the data",
                        ),
                        limit="names",
                        value=str(MOST_TEXTS),
                    )
    return await asyncio.to_thread(gathered.write)


async def files(endpoint: Endpoint, version: str) -> dict[str, bytes]:
    """The files to download, by name; none where there is much, or where the content is not what
    the version says. Raises EngineError."""
    if not _DIGEST.fullmatch(version):
        return {}
    default = endpoint.dialect.default
    where = f"GRAPH <{default}> {{ ?s ?p ?o }}" if default else "?s ?p ?o"
    if await endpoint.select(
        f"SELECT ?s {{ {where} }} OFFSET {DUMPED} LIMIT 1", timeout=held.PATIENCE
    ):
        return {}
    with Quads() as quads:
        try:
            await held.read(endpoint, await held.counts(endpoint), quads)
        except (EngineUnreachable, EngineTimeout):
            raise
        except EngineError:  # it gives no more than so many rows
            return {}
        return await asyncio.to_thread(_packed, quads, version)


def _packed(quads: Quads, version: str) -> dict[str, bytes]:
    data = b"".join(sorted(held.nquads(quad) for quad in quads))
    if hashlib.sha256(data).hexdigest() != version:
        return {}
    return parts.dumps(data)


class Names:
    """The file of the index of names of a version, made beside the service."""

    def __init__(self, endpoint: Endpoint, dataset: DatasetOf, folder: Path) -> None:
        self._endpoint = endpoint
        self._dataset = dataset
        self._path = folder / search.FILE
        self._making: asyncio.Task[None] | None = None
        self.begin()

    def begin(self) -> None:
        """Begins to make it, unless that is done or under way. What failed is tried again."""
        task = self._making
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            self._making = asyncio.create_task(self._make())

    async def _make(self) -> None:
        data = await index(self._endpoint, self._dataset)
        await asyncio.to_thread(self._path.write_bytes, data)

    async def ready(self, patience: float) -> Path:
        """The file, once it is there. Raises Overloaded after so many seconds, and what ``index``
        raises."""
        self.begin()
        assert self._making is not None
        try:
            await asyncio.wait_for(asyncio.shield(self._making), patience)
        except TimeoutError:
            raise Overloaded(
                Text(
                    "l'index des noms n'est pas encore prêt ; réessayez",
                    "the index of names is not ready yet; try again",
                ),
                retry_after=5,
            ) from None
        return self._path

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._making is not None and not self._making.done():
            self._making.cancel()
            with suppress(asyncio.CancelledError):
                await self._making
