"""The processes that evaluate queries, as the service sees them (see ``workers``)."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self, cast

from essgraph import workers
from essgraph.engine import Answer, Limits, Spool
from essgraph.errors import EngineError, Text


class Loading(NamedTuple):
    """A process that loads a snapshot, for a pool to take over."""

    quads: Path
    control: socket.socket
    process: subprocess.Popen[bytes]


def load(quads: Path, limits: Limits) -> Loading:
    """Begins to load a snapshot, which goes on while the service is still being imported. Raises
    EngineError where the system refuses another process."""
    try:
        ours, its = socket.socketpair()
    except OSError as error:
        raise no_process(error) from error
    arguments = (its.fileno(), quads, limits.memory, limits.result)
    with its:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "essgraph.workers", *map(str, arguments)],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for the service, which drains
            )
        except OSError as error:
            ours.close()
            raise no_process(error) from error
    ours.setblocking(False)
    return Loading(quads, ours, process)


def no_process(error: OSError) -> EngineError:
    """What is told where the system refuses a process."""
    return EngineError(
        Text(
            f"le système refuse de créer des processus de requête : {error.strerror}",
            f"the system refuses to create query processes: {error.strerror}",
        )
    )


def not_loaded(quads: Path) -> EngineError:
    """What is told where no worker can answer from a snapshot."""
    return EngineError(
        Text(
            f"les processus de requête n'ont pas pu charger {quads} ou le magasin à côté ; "
            "relancez essgraph build",
            f"the query processes could not load {quads} or the store beside it; "
            "run essgraph build again",
        )
    )


class Moved(Exception):
    """A query was not begun where it waited: it is asked elsewhere."""


class Asked:
    """A query that a worker has, or will have when it has answered those before."""

    def __init__(self, deadline: float, answer: asyncio.Future[Answer]) -> None:
        self.deadline = deadline
        self.answer = answer
        self.since = 0.0  # when it was begun
        self.begun: float | None = None  # the worker's CPU time when it was first looked at


class Worker(asyncio.Protocol):
    """One worker process as the service sees it."""

    def __init__(self, spool: int) -> None:
        self.pid = 0
        self.spool = spool
        self.slow = False
        self.halted = False  # until there is room in the slow lane
        self.long = False  # has a query, in the fast lane, that may not be short
        self.ended: str | None = None  # why we killed it: time, busy, left
        self.asked: deque[Asked] = deque()  # the first is the one that runs
        self.users = 0  # queries that it was given to
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[int] = self._loop.create_future()
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @property
    def usable(self) -> bool:
        """Whether it is in the fast lane and will answer more than what runs."""
        return self.spool >= 0 and not (self.slow or self.halted or self.ended)

    def ask(self, frame: bytes, deadline: float) -> Asked:
        """Asks a query, which waits for those asked before."""
        assert self._transport is not None
        asked = Asked(deadline, self._loop.create_future())
        if self.lost:  # since it was given
            asked.answer.set_exception(ConnectionResetError())
            return asked
        self.asked.append(asked)
        if len(self.asked) == 1:
            asked.since = time.monotonic()
        self._transport.write(frame)
        return asked

    def move(self, keep: int = 1) -> None:
        """Those that wait behind the one that runs go elsewhere."""
        while len(self.asked) > keep:
            waiting = self.asked.pop().answer
            if not waiting.done():
                waiting.set_exception(Moved())

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        while len(data) >= workers.HEAD.size:
            kind, size, rows = workers.HEAD.unpack_from(data)
            end = workers.HEAD.size + (size if kind != b"S" else 0)
            if len(data) < end:
                break
            if self.asked:  # else it answers what was moved
                self._answered(kind, size, rows, data[workers.HEAD.size : end])
            data = data[end:]
        self._data = data

    def _answered(self, kind: bytes, size: int, rows: int, body: bytes) -> None:
        answer = self.asked.popleft().answer
        if kind == b"S":
            self.move(keep=0)  # its file is in use: it ends
        elif self.asked:
            self.asked[0].since = time.monotonic()
        if answer.done():
            return
        if kind == b"E":
            answer.set_exception(workers.unpack_error(body))
        elif kind == b"S":
            spool, self.spool = self.spool, -1
            answer.set_result(Answer(rows=rows, size=size, spool=Spool(spool)))
        else:
            answer.set_result(Answer(body, rows, size))

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True
        self.move()
        if self.spool >= 0:
            os.close(self.spool)
            self.spool = -1
        self.give_up()

    def give_up(self) -> None:
        """The query that runs has no answer."""
        if self.asked and not self.asked[0].answer.done():
            self.asked[0].answer.set_exception(ConnectionResetError())

    def close(self) -> None:
        """Ends the connection, at which the process ends."""
        if self._transport is not None:
            self._transport.close()
        elif self.spool >= 0:  # it was never connected
            os.close(self.spool)
            self.spool = -1


def cpu_time(pid: int) -> float:
    """The CPU time of a process, in seconds; elsewhere than on Linux the time of day. For what is
    gone it is infinite."""
    if sys.platform != "linux":
        return time.monotonic()
    try:
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)
    except OSError:
        return math.inf


class Zygote:
    """The zygote as the service sees it (see ``workers``)."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._forks: deque[tuple[Worker, asyncio.Future[None]]] = deque()
        self._workers: dict[int, Worker] = {}
        self._data = b""

    @classmethod
    async def take(cls, loading: Loading, gone: Callable[[], None]) -> Self:
        """Waits until the snapshot is loaded. ``gone`` is called when the process ends. Raises
        EngineError where it ends at once."""
        zygote = cls(loading.control, loading.process)
        zygote._loop.add_reader(loading.control, zygote._readable, gone)
        try:
            await zygote._ready
        except ConnectionError:
            raise not_loaded(loading.quads) from None
        except asyncio.CancelledError:
            loading.process.kill()  # it has no workers yet
            await zygote.stop()
            raise
        return zygote

    async def fork(self, worker: Worker, spool: int) -> None:
        """Forks a worker process and connects it. Raises ConnectionError if the zygote is gone,
        and OSError where the system refuses what it takes."""
        ours, its = socket.socketpair()
        forked: asyncio.Future[None] = self._loop.create_future()
        try:
            with its:
                command = workers.COMMAND.pack(b"F", 0)
                socket.send_fds(self._control, [command], [its.fileno(), spool])
            self._forks.append((worker, forked))
            ours.setblocking(False)
            await self._loop.create_unix_connection(lambda: worker, sock=ours)
        except BaseException:
            ours.close()
            forked.cancel()
            raise
        await forked

    @property
    def manned(self) -> bool:
        """Whether any of its workers lives."""
        return bool(self._workers)

    def signal(self, worker: Worker, kind: bytes) -> None:
        """Has a worker killed, stopped or continued (``workers.COMMAND``)."""
        with suppress(OSError):  # the zygote is gone, and so are its workers
            self._control.send(workers.COMMAND.pack(kind, worker.pid))

    def _readable(self, gone: Callable[[], None]) -> None:
        try:
            data = self._control.recv(4096)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionError:
            data = b""
        if not data:
            began = self._ready.done()
            self._lost()
            if began:  # else who waits for it is told
                gone()
            return
        self._data += data
        while len(self._data) >= workers.REPORT.size:
            kind, pid, status = workers.REPORT.unpack_from(self._data)
            self._data = self._data[workers.REPORT.size :]
            self._heard(kind, pid, status)

    def _heard(self, kind: bytes, pid: int, status: int) -> None:
        if kind == b"R":
            self._ready.set_result(None)
        elif kind == b"P":
            worker, forked = self._forks.popleft()
            worker.pid = pid
            self._workers[pid] = worker
            if not forked.done():
                forked.set_result(None)
        elif kind == b"N":
            _, forked = self._forks.popleft()
            if not forked.done():
                forked.set_exception(OSError(status, os.strerror(status)))
        elif kind == b"X" and (gone := self._workers.pop(pid, None)):
            gone.gone.set_result(status)

    def _lost(self) -> None:
        self._loop.remove_reader(self._control)
        self._control.close()
        self._process.wait()
        if not self._ready.done():
            self._ready.set_exception(ConnectionResetError())
        for _, forked in self._forks:
            if not forked.done():
                forked.set_exception(ConnectionResetError())
        for worker in self._workers.values():
            worker.gone.set_result(-signal.SIGKILL)
        self._forks.clear()
        self._workers.clear()

    async def stop(self) -> None:
        """Ends the zygote and with it its workers."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()
        while self._process.poll() is None:
            await asyncio.sleep(0.005)
