"""Processes of ours that outlive nobody, and work that several of them share."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Linux: ends this process when its parent ends, whose pid is given (PR_SET_PDEATHSIG).
    Elsewhere a closed pipe must tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


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
def beside(work: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Does some work in a process of its own, a copy of this one as it is now, which ends with the
    block; gives what waits until it is done. That raises what the work raised."""
    fork = get_context("fork")
    ours, its = fork.Pipe(duplex=False)
    process = fork.Process(target=_alone, args=(os.getpid(), work, its))
    process.start()
    its.close()

    def wait() -> None:
        try:
            error = ours.recv()
        except EOFError:
            error = OSError(0, "killed")
        if error is not None:
            raise error

    try:
        yield wait
    finally:
        process.kill()
        process.join()
        ours.close()


def _alone(parent: int, work: Callable[[], None], control: Connection) -> None:
    die_with(parent)
    try:
        work()
    except Exception as error:
        control.send(error)
        raise SystemExit(1) from error
    control.send(None)


_work: Callable[[Any], Any]


def _begin(parent: int, work: Callable[[Any], Any]) -> None:
    global _work
    die_with(parent)
    _work = work


def _do(item: object) -> Any:
    return _work(item)


def identity(pid: int | None = None) -> str:
    """What tells a process (this one) from every other, of any machine, for as long as both run:
    its boot, its name space, its pid and when it began. Linux only; elsewhere nothing."""
    number = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
        # The name, in brackets, may hold anything (proc_pid_stat(5)).
        began = Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{boot}/{space}/{number}/{began}"


def ended(told: str) -> bool:
    """Whether the process of that identity was one of this machine and is no more."""
    here = identity()
    where, _, number = told.rpartition("/")[0].rpartition("/")
    if not here or where != here.rpartition("/")[0].rpartition("/")[0] or not number.isdigit():
        return False
    return identity(int(number)) != told
