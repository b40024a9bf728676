"""Answers kept in memory: a snapshot never changes, so an answer to a query never does.

Bounded by bytes, least recently used out first. The same query asked again while it is being
evaluated waits for the one evaluation (single flight); where the request that began it is cancelled
or refused, the next one begins it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pyoxigraph as ox

import essgraph
from essgraph.engine import Answer, Dataset, Engine
from essgraph.errors import EssgraphError, LimitExceeded
from essgraph.formats import JSON, Format
from essgraph.query import Query
from essgraph.service import encodings

#: What all kept answers together may take, in bytes.
CAPACITY: Final = 24 * 2**20
#: The largest answer that is kept in its file.
LARGEST: Final = CAPACITY // 8


class Kept:
    """A whole answer with its entity tag, and its codings once they were asked for."""

    __slots__ = ("_coded", "answer", "tag")

    def __init__(self, answer: Answer, tag: str) -> None:
        self.answer = answer
        self.tag = tag
        self._coded: dict[str, bytes] | None = None

    def coding(self, wanted: str) -> str:
        """The coding in which it is sent: what is small or spooled goes as it is."""
        plain = self.answer.spool is not None or self.answer.size < encodings.SMALL
        return "identity" if plain else wanted

    def body(self, coding: str) -> bytes:
        """The bytes in that coding."""
        if coding == "identity":
            return self.answer.body
        if self._coded is None:
            self._coded = {}
        if coding not in self._coded:
            self._coded[coding] = encodings.encode(self.answer.body, coding)
        return self._coded[coding]

    @property
    def size(self) -> int:
        """What it takes at most, in bytes: both codings together are smaller than the body. A
        file, which may lie in memory too, has no codings."""
        return (1 if self.answer.spool else 2) * self.answer.size + 512


@cache
def _program() -> str:
    """What stands for the program: of the same data, another one may write other bytes."""
    digest = hashlib.blake2b(ox.__version__.encode(), digest_size=15)
    for path in sorted(Path(essgraph.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Answers:
    """The answers of one engine over one version of the data."""

    def __init__(self, engine: Engine, version: str) -> None:
        self._engine = engine
        self._version = f"{version} {_program()}"
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0
        self._flights: dict[str, asyncio.Future[Answer]] = {}
        self._loop = asyncio.get_running_loop()

    def tag(
        self, query: Query, dataset: Dataset, bindings: Mapping[str, str], format: Format
    ) -> str:
        """The entity tag of an answer (RFC 9110, 8.8.3), known before the answer is: the same
        version, program, query, dataset and format give the same bytes."""
        said = f"{self._version}\0{format.name}\0{format.media_type}\0{query.key}"
        if dataset or bindings:
            said = f"{said}\0{dataset!r}{sorted(bindings.items())!r}"
        return hashlib.blake2b(said.encode(), digest_size=15).hexdigest()

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

        def evaluate() -> Awaitable[Answer]:
            return self._engine.query(
                query, dataset, bindings, format, timeout=timeout, client=client
            )

        # Who sets a lower time limit waits for an evaluation under that limit.
        return await self._once(tag, f"{tag} {timeout}", evaluate, query.volatile)

    async def solutions(self, query: Query) -> list[dict[str, dict[str, str]]]:
        """The solutions of a query of ours, as SPARQL 1.1 Query Results JSON has them (3.2)."""
        kept = await self.ask(query, Dataset(), {}, JSON)
        found: list[dict[str, dict[str, str]]]
        found = json.loads(kept.answer.whole())["results"]["bindings"]
        return found

    async def make(self, key: str, maker: Callable[[], Awaitable[bytes]]) -> Kept:
        """What is made of several answers, kept like them. ``key`` and the version name it."""
        said = f"{self._version}\0{key}".encode()
        tag = hashlib.blake2b(said, digest_size=15).hexdigest()

        async def evaluate() -> Answer:
            body = await maker()
            return Answer(body, size=len(body))

        return await self._once(tag, tag, evaluate, volatile=False)

    async def _once(
        self, tag: str, key: str, evaluate: Callable[[], Awaitable[Answer]], volatile: bool
    ) -> Kept:
        kept = self._kept.get(tag)
        if kept is not None:
            self._kept.move_to_end(tag)
            return kept
        while not volatile and (flight := self._flights.get(key)):
            try:
                return self._keep(Kept(await asyncio.shield(flight), tag))
            except LimitExceeded as error:
                if error.limit != "client":  # that is the limit of who began it, not ours
                    raise
                continue
            except asyncio.CancelledError:
                pass
            us = asyncio.current_task()
            if not flight.cancelled() or (us and us.cancelling()):
                raise asyncio.CancelledError  # we were, not only the one who evaluates
        flight = self._flights[key] = self._loop.create_future()
        try:
            answer = await evaluate()
            flight.set_result(answer)
        except EssgraphError as error:
            error.tag = tag
            flight.set_exception(error)
            flight.exception()  # it may be that nobody else waits
            raise
        finally:
            flight.cancel()
            self._flights.pop(key, None)
        return Kept(answer, tag) if volatile else self._keep(Kept(answer, tag))

    def _keep(self, kept: Kept) -> Kept:
        if kept.tag in self._kept or (kept.answer.spool and kept.answer.size > LARGEST):
            return kept
        self._kept[kept.tag] = kept
        self._size += kept.size
        while self._size > CAPACITY:
            _, old = self._kept.popitem(last=False)
            self._size -= old.size
        return kept
