"""Answers kept in memory: a snapshot never changes, so an answer to a query never does.

Bounded by bytes, least recently used out first. The same query asked again while it is being
evaluated waits for the one evaluation (single flight), which goes on while anyone waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from essgraph.engine import Answer, Dataset, Engine
from essgraph.formats import Format
from essgraph.query import Query
from essgraph.service import encodings

#: What all kept answers together may take, in bytes.
CAPACITY: Final = 64 * 2**20


class Kept:
    """A whole answer with its entity tag, and its codings once they were asked for."""

    def __init__(self, answer: Answer, tag: str) -> None:
        self.answer = answer
        self.tag = tag
        self._coded: dict[str, bytes] = {}

    def coding(self, wanted: str) -> str:
        """The coding in which it is sent: what is small or spooled goes as it is."""
        plain = self.answer.spool is not None or self.answer.size < encodings.SMALL
        return "identity" if plain else wanted

    def body(self, coding: str) -> bytes:
        """The bytes in that coding."""
        if coding == "identity":
            return self.answer.body
        if coding not in self._coded:
            self._coded[coding] = encodings.encode(self.answer.body, coding)
        return self._coded[coding]

    @property
    def size(self) -> int:
        """What it takes at most, in bytes: both codings together are smaller than the body."""
        return 2 * self.answer.size + 512


class _Flight:
    """An evaluation that others may join."""

    def __init__(self, task: asyncio.Task[Answer]) -> None:
        self.task = task
        self.waiting = 0

    async def join(self) -> Answer:
        self.waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self.waiting -= 1
            if not self.waiting and not self.task.done():
                self.task.cancel()


class Answers:
    """The answers of one engine over one version of the data."""

    def __init__(self, engine: Engine, version: str) -> None:
        self._engine = engine
        self._version = version
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0
        self._flights: dict[str, _Flight] = {}
        self.hits = 0

    def tag(
        self, query: Query, dataset: Dataset, bindings: Mapping[str, str], format: Format
    ) -> str:
        """The entity tag of an answer (RFC 9110, 8.8.3), known before the answer is: the same
        version, query, dataset and format give the same bytes."""
        said = [self._version, query.key, format.name, format.media_type]
        said += [*dataset.default, "|", *dataset.named]
        said += [f"{name}={term}" for name, term in sorted(bindings.items())]
        return hashlib.blake2b("\0".join(said).encode(), digest_size=15).hexdigest()

    async def ask(
        self,
        query: Query,
        dataset: Dataset,
        bindings: Mapping[str, str],
        format: Format,
        *,
        timeout: float | None = None,
        client: str = "",
    ) -> Kept:
        """The answer, kept or evaluated now. See ``engine.Engine.query``."""
        tag = self.tag(query, dataset, bindings, format)
        kept = self._kept.get(tag)
        if kept is not None:
            self._kept.move_to_end(tag)
            self.hits += 1
            return kept
        if query.volatile:
            work = self._engine.query(
                query, dataset, bindings, format, timeout=timeout, client=client
            )
            return Kept(await work, tag)
        # Who sets a lower time limit waits for an evaluation under that limit.
        key = f"{tag} {timeout}"
        flight = self._flights.get(key)
        if flight is None:
            work = self._engine.query(
                query, dataset, bindings, format, timeout=timeout, client=client
            )
            flight = _Flight(asyncio.get_running_loop().create_task(work))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda _: self._flights.pop(key, None))
        return self._keep(Kept(await flight.join(), tag))

    def _keep(self, kept: Kept) -> Kept:
        if kept.answer.spool is not None or kept.tag in self._kept:
            return kept
        self._kept[kept.tag] = kept
        self._size += kept.size
        while self._size > CAPACITY:
            _, old = self._kept.popitem(last=False)
            self._size -= old.size
        return kept
