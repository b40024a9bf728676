"""A memory of whole exchanges: the service is a function of the request's bytes and the version of
the data, so what was asked before, byte for byte, has its answer here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

#: What it may hold in all, and the largest request and response it holds, in bytes.
CAPACITY: Final = 12 * 2**20
LARGEST_REQUEST: Final = 16 * 2**10
LARGEST_RESPONSE: Final = 256 * 2**10

#: A status, the head of the response but for the status line and the date, the body, the tag of
#: the query and its rows, and what the log says of it, once it was said.
Exchange: TypeAlias = tuple[int, bytes, bytes, str | None, int | None, str | None]


class Memo:
    """Whole responses by the exact bytes of the request; least recently used out first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Exchange] = OrderedDict()
        self._size = 0
        #: Counts versions of the data: taken when a request begins, compared when it is put here.
        self.generation = 0
        #: What the log says of an exchange: takes the request, the status, the body's size, the
        #: tag of the query and its rows.
        self.line: Callable[[bytes, int, int, str | None, int | None], str] = lambda *_: ""
        #: Called with that and the seconds it took for each exchange answered from here.
        self.heard: Callable[[str, float], None] = lambda *_: None
        #: Called for each refusal of the edge, with what is known of the request's head, the
        #: status, the body's size and the limit.
        self.refused: Callable[[bytes, int, int, str | None], None] = lambda *_: None

    def get(self, request: bytes) -> Exchange | None:
        """The response to a request, if it is here."""
        kept = self._kept.get(request)
        if kept is None:
            return None
        self._kept.move_to_end(request)
        if kept[5] is None:  # most requests come once, and need none
            status, head, body, query, rows, _ = kept
            line = self.line(request, status, len(body), query, rows)
            kept = self._kept[request] = status, head, body, query, rows, line
        return kept

    def put(
        self,
        generation: int,
        request: bytes,
        status: int,
        head: bytes,
        body: bytes,
        scope: Mapping[str, Any],
    ) -> None:
        """Keeps a response, ``head`` being all between the status line and date and the body;
        ``scope`` tells of the query.

        One that was begun before the last change may be of the version before: it is not kept.
        """
        if generation != self.generation or len(body) > LARGEST_RESPONSE or request in self._kept:
            return
        query, rows = scope.get("essgraph.query"), scope.get("essgraph.rows")
        self._kept[request] = status, head, body, query, rows, None
        self._size += len(request) + len(head) + len(body)
        while self._size > CAPACITY:
            old, (_, head, body, *_) = self._kept.popitem(last=False)
            self._size -= len(old) + len(head) + len(body)

    def clear(self) -> None:
        """For another version of the data."""
        self._kept.clear()
        self._size = 0
        self.generation += 1
