"""The engine of the service: a pool of query workers over one snapshot.

Two lanes and admission. A query first has a worker of the fast lane, for ``Limits.fast`` seconds
of CPU time (``Limits.crowded`` where others wait). One that takes longer goes on in the slow
lane, at low priority, and another worker takes its place; where the slow lane is full it is
halted until there is room, and where too many are it is begun anew then; one whose turn has not
come by its wall-clock limit is refused (503). At that limit, or when its client is gone, its
worker is killed: nothing else stops the engine. A free worker goes
to who is due first (``_Claims``), whoever asks more often, and one worker is kept for clients
whose queries are known to be short.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeAlias, cast

from essgraph import query as queries
from essgraph import workers
from essgraph.engine import FUNCTIONS, Answer, Dataset, Spool, dataset_of
from essgraph.errors import EngineError, EssgraphError, LimitExceeded, Overloaded, Text
from essgraph.formats import JSON, Format
from essgraph.query import Query

_LOG: Final = logging.getLogger("essgraph")
MIB: Final = 2**20
#: A worker that ends so soon after it was asked, in seconds, was hardly ended by the query.
_SOON: Final = 0.5
#: How often such a query is asked again.
_AGAIN: Final = 2
#: How many short queries may be with one worker, the one that runs included.
_BEHIND: Final = 5
#: For how long the service looks for the answer to the only query there is, in seconds: to be
#: woken would take it 40 µs more, a tenth of a short query. See ``workers.LOOKS``.
_LOOKS: Final = 0.001
#: After how long it is tried again to make a process that could not be made, in seconds.
_PAUSE: Final = 0.5
#: How long a snapshot may take to give its first answer, in seconds.
_TRIAL: Final = 600.0


@dataclass(frozen=True)
class Limits:
    """What a query may take. Times in seconds, sizes in bytes; ``memory`` is above what the
    workers share, ``slow`` the number of places in the slow lane, ``halted`` how many may wait for
    one with what they have done and ``anew`` how many without, ``client`` and ``waiting`` how many
    queries one client and all clients may have in the pool."""

    timeout: float = 10.0
    memory: int = 512 * MIB
    result: int = 64 * MIB
    fast: float = 0.25
    crowded: float = 0.03
    slow: int = 2
    halted: int = 4
    anew: int = 64
    client: int = 64
    waiting: int = 512


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
        raise _no_process(error) from error
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
            raise _no_process(error) from error
    ours.setblocking(False)
    return Loading(quads, ours, process)


def _no_process(error: OSError) -> EngineError:
    return EngineError(
        Text(
            f"le système refuse des processus de requête : {error.strerror}",
            f"the system refuses query processes: {error.strerror}",
        )
    )


def _not_loaded(quads: Path) -> EngineError:
    return EngineError(
        Text(
            f"les processus de requête n'ont pas pu charger {quads} ou le magasin à côté ; "
            "relancez essgraph build",
            f"the query processes could not load {quads} or the store beside it; "
            "run essgraph build again",
        )
    )


class _Moved(Exception):
    """A query was not begun where it waited: it is asked elsewhere."""


class _Crowded(Exception):
    """There was no room for a query in the slow lane: it is begun anew when there is."""


class _Lost(Exception):
    """A worker was killed from outside before or soon after it began a query: nobody need know."""

    def __init__(self, error: EssgraphError) -> None:
        self.error = error


class _Asked:
    """A query that a worker has, or will have when it has answered those before."""

    def __init__(self, deadline: float, answer: asyncio.Future[Answer]) -> None:
        self.deadline = deadline
        self.answer = answer
        self.since = 0.0  # when it was begun
        self.begun: float | None = None  # the worker's CPU time when it was first looked at


class _Worker(asyncio.Protocol):
    """One worker process as the service sees it."""

    def __init__(self, spool: int) -> None:
        self.pid = 0
        self.spool = spool
        self.slow = False
        self.halted = False  # until there is room in the slow lane
        self.long = False  # has a query, in the fast lane, that may not be short
        self.ended: str | None = None  # why we killed it: time, busy, left
        self.asked: deque[_Asked] = deque()  # the first is the one that runs
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

    def ask(self, frame: bytes, deadline: float) -> _Asked:
        """Asks a query, which waits for those asked before."""
        assert self._transport is not None
        asked = _Asked(deadline, self._loop.create_future())
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
                waiting.set_exception(_Moved())

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
        if self._transport is not None:
            self._transport.close()
        elif self.spool >= 0:  # it was never connected
            os.close(self.spool)
            self.spool = -1


def _cpu_time(pid: int) -> float:
    """The CPU time of a process, in seconds; elsewhere than on Linux the time of day. For what is
    gone it is infinite."""
    if sys.platform != "linux":
        return time.monotonic()
    try:
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)
    except OSError:
        return math.inf


class _Claims:
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
_Turn: TypeAlias = tuple[float, asyncio.Future[_Worker]]


class _Queue:
    """Queries that wait for a worker, by client and in the order in which they came."""

    def __init__(self, claims: _Claims) -> None:
        self._claims = claims
        self._turns: dict[str, deque[_Turn]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._turns.values()))

    def join(self, client: str) -> _Turn:
        turn = time.monotonic(), asyncio.get_running_loop().create_future()
        self._turns.setdefault(client, deque()).append(turn)
        return turn

    def leave(self, client: str, turn: _Turn) -> None:
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

    def pop(self, client: str) -> asyncio.Future[_Worker]:
        """Takes out the first query of a client, which may just have been given up."""
        turn = self._turns[client][0]
        self.leave(client, turn)
        return turn[1]


class Pool:
    """An engine (``engine.Engine``) over the N-Quads of a snapshot.

    Use it as an asynchronous context manager: inside, the workers run. ``loading`` is the process
    that loads the same quads, if it was begun before.
    """

    functions = FUNCTIONS

    def __init__(
        self, quads: Path, *, limits: Limits, workers: int, loading: Loading | None = None
    ) -> None:
        self._quads = quads
        self._loading = loading
        self.limits = limits
        self._size = workers
        self._zygote: _Zygote | None = None
        self._idle: list[_Worker] = []
        self._slow = 0
        self._halted: deque[_Worker] = deque()
        self._long = 0
        self._clients: dict[str, int] = {}
        self._claims = _Claims(limits.crowded)
        self._queue = _Queue(self._claims)
        self._anew = _Queue(self._claims)  # for the slow lane
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[_Worker] = set()
        self._looking = False
        self._closing = False
        self._refused = False  # a process, by the system, when one was last to be made
        self._loop = asyncio.get_running_loop()
        self._looks = workers > 1  # else the worker needs the time for its answer
        self.ends: dict[str, int] = {}  # queries ended by a limit, by its name

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Raises EngineError where the workers cannot answer from the snapshot, or where the
        system refuses them."""
        try:
            await self._start()
            await self._try()
        except OSError as error:
            await self.__aexit__(None, None, None)
            raise _no_process(error) from error
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._closing = True
        for worker in self._idle:
            worker.close()
        if self._zygote is not None:
            await self._zygote.stop()

    async def _start(self) -> None:
        loading, self._loading = self._loading or load(self._quads, self.limits), None
        self._zygote = await _Zygote.take(loading, self._zygote_gone)
        # One more than asked for: it is kept for short queries.
        await asyncio.gather(*(self._fork() for _ in range(self._size + 1)))

    async def _try(self) -> None:
        """Has a worker answer, from the store that it opened if that is on disk."""
        deadline = time.monotonic() + _TRIAL
        frame = workers.request("ASK { ?s ?p ?o }", Dataset(), JSON, False)
        worker = await self._take("", deadline)
        try:
            await worker.ask(frame, deadline).answer
        except (ConnectionError, EngineError):
            raise _not_loaded(self._quads) from None
        finally:
            self._give_back(worker)

    def _zygote_gone(self) -> None:
        """It was killed, and with it all workers: begin again."""
        if self._closing:
            return
        self._zygote = None
        self._idle.clear()
        self._spawn(self._begin_again())

    async def _begin_again(self) -> None:
        while not self._closing:
            try:
                await self._start()
            except (OSError, EngineError) as error:
                await self._pause(error)
            else:
                return

    async def _pause(self, error: Exception) -> None:
        """Before a process that could not be made is tried again; the log has it once."""
        if not self._refused:
            _LOG.error(
                "pas de processus de requête (%s), nouvel essai toutes les %g s / "
                "no query process (%s), tried again every %g s",
                *(error, _PAUSE) * 2,
            )
        self._refused = True
        await asyncio.sleep(_PAUSE)

    async def _fork(self) -> None:
        """A new worker for the fast lane."""
        worker = await self._new()
        if worker is not None:
            self._offer(worker)

    async def _new(self) -> _Worker | None:
        """A new worker, as soon as the system grants one; None where the zygote is gone: `_start`
        makes all workers anew."""
        zygote = self._zygote
        while zygote is not None and zygote is self._zygote and not self._closing:
            try:
                worker = await self._made(zygote)
            except ConnectionError:
                return None
            except OSError as error:
                await self._pause(error)
            else:
                self._refused = False
                self._spawn(self._watch(worker))
                return worker
        return None

    async def _made(self, zygote: _Zygote) -> _Worker:
        """A new worker. Raises OSError: there may be no descriptor, process or memory left."""
        with tempfile.TemporaryFile(buffering=0) as spool:
            worker = _Worker(os.dup(spool.fileno()))
            try:
                await zygote.fork(worker, spool.fileno())
            except BaseException:
                worker.close()
                raise
        return worker

    async def _watch(self, worker: _Worker) -> None:
        """Notices at once when an idle worker dies, and puts another in its place."""
        await worker.gone
        worker.close()
        if worker in self._idle:
            self._idle.remove(worker)
            await self._replace(worker)

    async def _replace(self, worker: _Worker) -> None:
        """Another for one that is lost; later where it could not begin, for so might the next."""
        if await worker.gone == workers.UNFIT:
            await asyncio.sleep(_PAUSE)
        await self._fork()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def busy(self) -> int:
        """How many queries wait or run."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether a query would be taken: there are workers, and fewer wait than may."""
        return self._manned and self._waiting < self.limits.waiting

    @property
    def _manned(self) -> bool:
        """Whether there is a worker, busy or not."""
        return self._zygote is not None and self._zygote.manned

    # --- whose turn it is -------------------------------------------------------------------

    def _may_run(self, client: str) -> bool:
        """One worker is kept for those whose queries are known to be short."""
        return self._long < self._size or self._claims.short(client)

    def _give(self, worker: _Worker, client: str) -> _Worker:
        worker.users += 1
        self._running.add(worker)
        worker.long = not self._claims.short(client)
        self._long += worker.long
        return worker

    def _give_back(self, worker: _Worker) -> None:
        """A query is over, or was given up before it was asked."""
        worker.users -= 1
        if worker.users:
            self._share(worker)
            return
        if worker.asked:  # by those who have left
            self._kill(worker, "left")
        self._running.discard(worker)
        self._release(worker)

    def _no_longer(self, worker: _Worker) -> None:
        """The worker is free again, or has left the fast lane."""
        self._long -= worker.long
        worker.long = False

    def _offer(self, worker: _Worker) -> None:
        """A free worker: to the query that is due first, or to the idle ones."""
        if self._closing:
            worker.close()
            return
        enough = len(self._short()) >= self._size

        def may(client: str) -> bool:
            return self._may_run(client) and not (enough and self._claims.short(client))

        while (client := self._queue.due(may)) is not None:
            waiter = self._queue.pop(client)
            if not waiter.done():
                waiter.set_result(self._give(worker, client))
                self._share(worker)
                return
        self._idle.append(worker)

    def _share(self, worker: _Worker) -> None:
        """Lets short queries that are due wait behind those of a worker, which need then not be
        woken for each."""
        while worker.usable and not worker.long and worker.users < _BEHIND:
            client = self._queue.due(self._may_run)
            if client is None or not self._claims.short(client):
                return
            waiter = self._queue.pop(client)
            if not waiter.done():
                waiter.set_result(self._give(worker, client))

    async def _take(self, client: str, deadline: float) -> _Worker:
        if self._claims.short(client) and len(short := self._short()) >= self._size:
            worker = min(short, key=lambda w: w.users)
            if not self._queue and worker.users < _BEHIND:
                return self._give(worker, client)
            return await self._wait(self._queue, client, deadline)
        while self._idle and self._may_run(client):
            worker = self._idle.pop()
            if not worker.lost:
                return self._give(worker, client)
            self._spawn(self._replace(worker))
        return await self._wait(self._queue, client, deadline)

    async def _wait(self, queue: _Queue, client: str, deadline: float) -> _Worker:
        came, waiter = turn = queue.join(client)
        patience = self._loop.call_later(
            max(0.0, deadline - came), self._turn_away, queue, client, turn
        )
        try:
            return await waiter
        except asyncio.CancelledError:
            queue.leave(client, turn)
            if not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise
        finally:
            patience.cancel()

    def _turn_away(self, queue: _Queue, client: str, turn: _Turn) -> None:
        """It waited for as long as it might have run."""
        queue.leave(client, turn)
        if not turn[1].done():
            turn[1].set_exception(self._overloaded())

    def _short(self) -> list[_Worker]:
        """The workers that have short queries. Where they are as many as should be, others wait
        behind those: to wake one more worker costs more, and it would take its time from them."""
        return [worker for worker in self._running if worker.usable and not worker.long]

    def _admit(self, client: str) -> None:
        if self._closing:
            raise Overloaded(Text("le service s'arrête", "the service is stopping"), retry_after=1)
        if self._clients.get(client, 0) >= self.limits.client:
            raise LimitExceeded(
                Text(
                    f"plus de {self.limits.client} requêtes en même temps pour un client",
                    f"more than {self.limits.client} queries at once from one client",
                ),
                limit="client",
                value=str(self.limits.client),
            )
        if self._waiting >= self.limits.waiting:
            raise self._overloaded()

    def _overloaded(self) -> Overloaded:
        self._count("busy")
        if not self._manned:
            return Overloaded(
                Text(
                    "il n'y a pas de processus de requête pour l'instant ; réessayez plus tard",
                    "there is no query process just now; try again later",
                ),
                retry_after=max(1, round(2 * _PAUSE)),
            )
        return Overloaded(
            Text(
                "le service est occupé par des requêtes longues ; réessayez plus tard, ou rendez "
                "la requête plus légère",
                "the service is busy with long queries; try again later, or make the query lighter",
            ),
            retry_after=max(1, round(self.limits.timeout / 2)),
        )

    def _count(self, limit: str) -> None:
        self.ends[limit] = self.ends.get(limit, 0) + 1

    # --- a query ----------------------------------------------------------------------------

    async def query(
        self,
        query: Query,
        dataset: Dataset,
        bindings: Mapping[str, str],
        format: Format,
        *,
        timeout: float | None = None,
        client: str = "",
    ) -> Answer:
        """See ``engine.Engine.query``. ``timeout`` only lowers the limit of the pool."""
        bound = queries.bind(query, bindings)
        alone = self._looks and not self._waiting
        frame = workers.request(bound.text, dataset_of(bound, dataset), format, alone)
        self._admit(client)
        self._clients[client] = self._clients.get(client, 0) + 1
        self._waiting += 1
        try:
            # It counts from now, whatever is waited for: an answer in time, or none.
            limit = min(timeout or self.limits.timeout, self.limits.timeout)
            deadline = time.monotonic() + limit
            again, take = _AGAIN, self._take
            while True:
                worker = await take(client, deadline)
                try:
                    if alone:
                        self._look_for_answer(worker, time.monotonic() + _LOOKS)
                    return await self._run(worker, frame, deadline, limit, client)
                except _Moved:
                    continue
                except _Crowded:
                    take = self._take_slow
                except _Lost as lost:
                    if not again:
                        raise lost.error from None
                    again -= 1
        finally:
            self._waiting -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    async def _run(
        self, worker: _Worker, frame: bytes, deadline: float, limit: float, client: str
    ) -> Answer:
        asked = worker.ask(frame, deadline)
        if not self._looking:
            self._look_again()
        try:
            return await asked.answer
        except ConnectionResetError:
            if worker.ended == "busy" and len(self._anew) < self.limits.anew:
                raise _Crowded from None
            error = await self._why(worker, limit)
            ran = asked.since and time.monotonic() - asked.since
            hardly = ran < _SOON and not worker.ended and isinstance(error, Overloaded)
            raise _Lost(error) if hardly else error from None
        except asyncio.CancelledError:
            if worker.asked and worker.asked[0] is asked:
                self._kill(worker, "left")
            raise
        finally:
            if asked.since:
                self._claims.took(client, self._used(worker, asked))
            self._give_back(worker)

    def _look_for_answer(self, worker: _Worker, until: float) -> None:
        """Looks for the answer to the only query there is rather than sleep until it comes."""
        if worker.users and time.monotonic() < until:
            self._loop.call_soon(self._look_for_answer, worker, until)

    def _used(self, worker: _Worker, asked: _Asked) -> float:
        """What a query that is over took, in seconds; what is gone had its time and more."""
        if worker.lost or worker.ended:
            return self.limits.fast
        if asked.begun is None:
            return time.monotonic() - asked.since
        return _cpu_time(worker.pid) - asked.begun

    def _look_again(self) -> None:
        """One timer for all queries, which are many and mostly over before it rings."""
        self._looking = bool(self._running)
        if self._looking:
            self._loop.call_later(self.limits.crowded / 4, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for worker in [*self._running]:
            if not worker.asked:
                continue  # its answer is here, and its client about to see it
            asked = worker.asked[0]
            if asked.begun is None:
                # Not when it was begun: most are over by now, and to ask the system takes time.
                asked.begun = _cpu_time(worker.pid)
            if now >= asked.deadline:
                self._kill(worker, "time")
            elif now - asked.since >= self.limits.crowded and worker.usable:
                self._look_at(worker, _cpu_time(worker.pid) - asked.begun)
        self._look_again()

    def _look_at(self, worker: _Worker, used: float) -> None:
        """Whether a query has used up its time in the fast lane, which is less where others wait.

        It is CPU time: a query is not ended for what its neighbours do.
        """
        crowded = self._queue or len(worker.asked) > 1
        if used < (self.limits.crowded if crowded else self.limits.fast):
            return
        if self._anew or self._slow + len(self._halted) >= self.limits.slow + self.limits.halted:
            self._kill(worker, "busy")
        else:
            worker.halted = True
            worker.move()
            self._halted.append(worker)
            self._signal(worker, b"S")
            self._no_longer(worker)
            self._spawn(self._fork())
            self._fill_slow_lane()

    def _fill_slow_lane(self) -> None:
        while self._slow < self.limits.slow:
            if self._halted:
                worker = self._halted.popleft()
                worker.halted = False
                self._slow_down(worker)
                self._signal(worker, b"C")
            elif (client := self._anew.due()) is not None:
                waiter = self._anew.pop(client)
                if waiter.done():
                    continue
                self._spawn(self._begin_anew(waiter))
            else:
                return
            self._slow += 1

    def _slow_down(self, worker: _Worker) -> None:
        worker.slow = True
        with suppress(OSError):  # it may be gone
            os.setpriority(os.PRIO_PROCESS, worker.pid, 15)

    async def _begin_anew(self, waiter: asyncio.Future[_Worker]) -> None:
        """A worker in the slow lane, where a place is kept, for a query that waits for it."""
        worker = await self._new()
        if worker is None:
            self._slow -= 1
            if not waiter.done():
                waiter.set_exception(self._overloaded())
            return
        self._slow_down(worker)
        if waiter.done():
            self._release(worker)
        else:
            worker.users = 1
            self._running.add(worker)
            waiter.set_result(worker)

    async def _take_slow(self, client: str, deadline: float) -> _Worker:
        self._loop.call_soon(self._fill_slow_lane)  # there may be room already
        return await self._wait(self._anew, client, deadline)

    def _signal(self, worker: _Worker, kind: bytes) -> None:
        if self._zygote is not None:
            self._zygote.signal(worker, kind)

    def _kill(self, worker: _Worker, reason: str) -> None:
        if worker.ended:
            return
        worker.ended = reason
        worker.move()
        self._signal(worker, b"K")
        worker.give_up()  # at once: to die takes a while, above all where it has much memory
        if not (worker.slow or worker.halted):
            self._no_longer(worker)
            self._spawn(self._replace(worker) if worker.lost else self._fork())

    def _release(self, worker: _Worker) -> None:
        self._no_longer(worker)
        if worker.slow:
            worker.close()  # its priority cannot be raised again
            self._signal(worker, b"K")  # nor need it begin what was moved
            self._spawn(self._make_room(worker))
        elif worker.halted:
            self._halted.remove(worker)
            worker.close()
        elif worker.ended:
            worker.close()
        elif worker.lost or worker.spool < 0:
            worker.close()
            self._spawn(self._replace(worker) if worker.lost else self._fork())
        else:
            self._offer(worker)

    async def _make_room(self, worker: _Worker) -> None:
        """In the slow lane, when the worker is gone, and with it what memory it had."""
        await worker.gone
        self._slow -= 1
        self._fill_slow_lane()

    async def _why(self, worker: _Worker, limit: float) -> EssgraphError:
        """The error for a query whose worker is gone."""
        if worker.ended == "busy":
            return self._overloaded()
        if worker.ended == "time":
            self._count("time")
            return LimitExceeded(
                Text(
                    f"la requête a dépassé la limite de temps de {limit:g} s",
                    f"the query went past the time limit of {limit:g} s",
                ),
                limit="time",
                value=f"{limit:g} s",
            )
        code = await worker.gone
        if code == -signal.SIGABRT:
            self._count("memory")
            value = f"{self.limits.memory // MIB} MiB"
            return LimitExceeded(
                Text(
                    f"la requête a dépassé la limite de mémoire de {value}",
                    f"the query went past the memory limit of {value}",
                ),
                limit="memory",
                value=value,
            )
        if code in (-signal.SIGSEGV, -signal.SIGBUS):
            self._count("stack")
            return LimitExceeded(
                Text(
                    "la requête est trop profondément imbriquée pour le moteur",
                    "the query is nested too deeply for the engine",
                ),
                limit="stack",
                value="8 MiB",
            )
        if code == -signal.SIGKILL:
            return Overloaded(
                Text(
                    "le processus de la requête a été arrêté de l'extérieur ; réessayez",
                    "the process of the query was ended from outside; try again",
                ),
                retry_after=1,
            )
        return EngineError(Text("le moteur a échoué", "the engine failed"))


class _Zygote:
    """The zygote as the service sees it (see ``workers``)."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._forks: deque[tuple[_Worker, asyncio.Future[None]]] = deque()
        self._workers: dict[int, _Worker] = {}
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
            raise _not_loaded(loading.quads) from None
        return zygote

    async def fork(self, worker: _Worker, spool: int) -> None:
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

    def signal(self, worker: _Worker, kind: bytes) -> None:
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
