"""The open connections: how many there may be, and whose makes room for another."""

from __future__ import annotations

import logging
from collections import OrderedDict
from itertools import islice
from typing import Final, Protocol

_LOG: Final = logging.getLogger("essgraph")
#: So many at most: idle ones take 55 MiB.
MOST: Final = 4096
#: How many are looked at for one at rest.
_LOOKS: Final = 16


class Connection(Protocol):
    """What is asked of a connection."""

    @property
    def resting(self) -> bool:
        """Whether it waits for a request: nothing is lost when it is closed."""
        ...


class Connections:
    """Who has how many. Where there is no room, the client with the most loses one."""

    def __init__(self, descriptors: int) -> None:
        """``descriptors`` are those of the process: each connection may have a file open too, and
        half are for the workers."""
        self._most = min(MOST, descriptors // 4)
        self._open = 0
        self._by_client: dict[str, OrderedDict[Connection, None]] = {}
        self._told = False

    def enter(self, client: str, connection: Connection) -> Connection | None:
        """Takes a new connection. Returns the one that has to go, which may be the new one."""
        own = self._by_client.setdefault(client, OrderedDict())
        own[connection] = None
        self._open += 1
        if self._open <= self._most:
            return None
        largest = max(self._by_client, key=lambda each: len(self._by_client[each]))
        self._tell(len(self._by_client[largest]))
        goes = self._choose(self._by_client[largest])
        if goes is None:  # of its own none is broken off for a new one
            goes = connection if largest == client else next(iter(self._by_client[largest]))
        self.leave(largest, goes)
        return goes

    def leave(self, client: str, connection: Connection) -> None:
        """Forgets a connection; nothing happens if it is unknown."""
        own = self._by_client.get(client)
        if own and connection in own:
            del own[connection]
            self._open -= 1
            if not own:
                del self._by_client[client]
        if self._open < self._most // 2:
            self._told = False

    def _choose(self, those: OrderedDict[Connection, None]) -> Connection | None:
        """One at rest, of the oldest; who is found at work comes last the next time."""
        for connection in [*islice(those, _LOOKS)]:
            if connection.resting:
                return connection
            those.move_to_end(connection)
        return None

    def _tell(self, most: int) -> None:
        if not self._told:
            _LOG.warning(
                "%d connexions sont ouvertes, dont %d d'un client : il en perd une pour chaque "
                "nouvelle / %d connections are open, %d of one client: it loses one for each new "
                "one",
                *(self._open, most) * 2,
            )
        self._told = True
