"""Work done in copies of this process: by as many as there are cores, or by one beside it.

Apart from ``processes``, which the service and its workers import: these take long to import.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from essgraph.processes import die_with

#: What goes on beside is mostly waited for last: those that share work leave it the cores.
_YIELD = 5
#: How long what goes on beside may take to put its things away, in seconds.
_PUT_AWAY = 10
_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def spread(work: Callable[[_Item], _Done], items: Iterable[_Item]) -> Iterator[_Done]:
    """What ``work`` makes of each item, in order, by as many processes as there are cores.

    The processes are copies of this one as it is now, so ``work`` may be anything. A few items
    are taken up ahead and no more. One alone is worked at here.
    """
    ahead = iter(items)
    first = list(islice(ahead, 2))
    if len(first) < 2:
        yield from map(work, first)
        return
    cores = os.cpu_count() or 1
    pool = ProcessPoolExecutor(
        cores, get_context("fork"), initializer=_begin, initargs=(os.getpid(), work)
    )
    try:
        running: deque[Future[_Done]] = deque()
        for item in chain(first, ahead):
            running.append(pool.submit(_do, item))
            if len(running) > 2 * cores:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def beside(work: Callable[[], _Done]) -> Iterator[Callable[[], _Done]]:
    """Does some work in a process of its own, a copy of this one as it is now, which ends with the
    block; gives what waits for its result. That raises what the work raised. Work that is cut
    short puts its things away first, if that does not take long."""
    fork = get_context("fork")
    ours, its = fork.Pipe(duplex=False)
    process = fork.Process(target=_alone, args=(os.getpid(), work, its))
    process.start()
    its.close()

    def wait() -> _Done:
        try:
            done, error = ours.recv()
        except EOFError:
            error = OSError(0, "killed")
        if error is not None:
            raise error
        return cast("_Done", done)

    try:
        yield wait
    finally:
        process.terminate()
        process.join(_PUT_AWAY)
        process.kill()
        process.join()
        ours.close()


def _collect_less() -> None:
    """What a copy shares is not looked at for garbage, nor so copied; what it makes, seldom: most
    of it is free at once, without the collector."""
    gc.freeze()
    gc.set_threshold(100_000)


def _alone(parent: int, work: Callable[[], object], control: Connection) -> None:
    die_with(parent)
    # The keys of a terminal interrupt all its processes: the one that waits for this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    _collect_less()
    try:
        done = work()
    except Exception as error:
        control.send((None, error))
        raise SystemExit(1) from error
    control.send((done, None))


def _end(*_: object) -> None:
    raise SystemExit(1)


_work: Callable[[Any], Any]


def _begin(parent: int, work: Callable[[Any], Any]) -> None:
    global _work
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _collect_less()
    os.nice(_YIELD)
    _work = work


def _do(item: object) -> Any:
    return _work(item)
