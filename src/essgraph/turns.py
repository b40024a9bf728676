"""Whose turn it is, of the clients whose queries wait for a worker."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")


class Claims:
    """Whose turn it is: each client's queries are due a while after they came, the longer the
    more time its last ones took. So a client of short queries passes by those of long ones, and
    those still have their turn."""

    #: How long a client waits for others, in times of what its queries take.
    _PATIENCE: Final = 500.0
    _REMEMBERED: Final = 4096

    def __init__(self, most: float) -> None:
        self._most = most
        self._mean: dict[str, float] = {}

    def due(self, client: str, came: float) -> float:
        """A point in time to compare with others. Of a newcomer nothing bad is known."""
        return came + self._PATIENCE * self._mean.get(client, self._most / 2)

    def short(self, client: str) -> bool:
        """Whether its queries are known to be short."""
        return self._mean.get(client, self._most) < self._most / 4

    def took(self, client: str, seconds: float) -> None:
        """How long a query of the client had a worker."""
        mean = self._mean.pop(client, self._most / 2)
        self._mean[client] = mean + (min(seconds, self._most) - mean) / 8
        if len(self._mean) > self._REMEMBERED:
            del self._mean[next(iter(self._mean))]


#: When a query came, and what it waits for.
Turn: TypeAlias = tuple[float, asyncio.Future[T]]


class Queue(Generic[T]):
    """Queries that wait for a worker, by client and in the order in which they came."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._turns: dict[str, deque[Turn[T]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._turns.values()))

    def join(self, client: str) -> Turn[T]:
        """A query of the client waits from now on."""
        turn = time.monotonic(), asyncio.get_running_loop().create_future()
        self._turns.setdefault(client, deque()).append(turn)
        return turn

    def leave(self, client: str, turn: Turn[T]) -> None:
        """It waits no longer, if it did."""
        turns = self._turns.get(client)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._turns[client]

    def due(self, may: Callable[[str], bool] = lambda _: True) -> str | None:
        """Whose turn it is, of the clients that may."""
        if not self._turns:
            return None
        waiting = (client for client in self._turns if may(client))
        return min(waiting, key=self._when, default=None)

    def _when(self, client: str) -> float:
        return self._claims.due(client, self._turns[client][0][0])

    def pop(self, client: str) -> asyncio.Future[T]:
        """Takes out the first query of a client, which may just have been given up."""
        turn = self._turns[client][0]
        self.leave(client, turn)
        return turn[1]
