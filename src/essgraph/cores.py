"""The cores that the workers of short queries run on.

Where the service itself has much to do, they leave one core to it: otherwise the scheduler puts
it and a worker on one core by turns, and each finds its caches cold (a tenth of all requests).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

#: What part of a core the service takes when one is left to it, and below which no longer.
_BUSY: Final = 0.4
_CALM: Final = 0.25
#: Over how long that is measured, in seconds, at least.
_PERIOD: Final = 0.1


class Cores:
    """Those that this process may run on, of which one may be left to its thread."""

    def __init__(self) -> None:
        self._all = os.sched_getaffinity(0) if sys.platform == "linux" else set()
        self._others = self._all - {max(self._all, default=0)} or self._all
        self._left = False
        self._since = time.monotonic()
        self._used = time.thread_time()

    def look(self, pids: Iterable[int]) -> None:
        """Leaves a core to the service, or no longer: ``pids`` are the workers of short queries."""
        now = time.monotonic()
        if now - self._since < _PERIOD:
            return
        used = time.thread_time()
        part = (used - self._used) / (now - self._since)
        self._since, self._used = now, used
        left = part >= (_CALM if self._left else _BUSY)
        if left != self._left:
            self._left = left
            for pid in pids:
                self.place(pid)

    def place(self, pid: int) -> None:
        """Puts a worker of short queries where they run now."""
        self._put(pid, self._others if self._left else self._all)

    def free(self, pid: int) -> None:
        """Lets a worker run anywhere: its query is not a short one."""
        self._put(pid, self._all)

    def _put(self, pid: int, cores: set[int]) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # it may be gone, or no longer may it run there
                os.sched_setaffinity(pid, cores)
