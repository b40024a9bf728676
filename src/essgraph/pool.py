"""The engine of the service: a pool of query workers over one snapshot.

Two lanes and admission. A query first has a worker of the fast lane, for ``Limits.fast`` seconds
of CPU time (``Limits.crowded`` where others wait). One that takes longer goes on in the slow
lane, at low priority, and another worker takes its place; where the slow lane is full it is
halted until there is room, and where too many are it is begun anew then; one whose turn has not
come by its wall-clock limit is refused (503). At that limit, or when its client is gone, its
worker is killed: nothing else stops the engine. A free worker goes to who is due first
(``turns.Claims``), whoever asks more often, and one worker is kept for clients whose queries are
known to be short.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from essgraph import workers
from essgraph.cores import Cores
from essgraph.engine import (
    CLIENT,
    FUNCTIONS,
    MIB,
    Answer,
    Dataset,
    Limits,
    Spools,
    dataset_of,
    too_many,
)
from essgraph.errors import EngineError, EssgraphError, LimitExceeded, Overloaded, Text
from essgraph.formats import JSON, Format
from essgraph.query import Query
from essgraph.rewriting import bind, order_by_type
from essgraph.turns import Claims, Queue, Turn
from essgraph.zygote import (
    Asked,
    Loading,
    Moved,
    Worker,
    Zygote,
    cpu_time,
    load,
    no_process,
    not_loaded,
)

_LOG: Final = logging.getLogger("essgraph")
#: A worker that ends so soon after it was asked, in seconds, was hardly ended by the query.
_SOON: Final = 0.5
#: How often such a query is asked again.
_AGAIN: Final = 2
#: How many short queries may be with one worker, the one that runs included.
_BEHIND: Final = 5
#: For how long the service looks for the answer to the only query there is, in seconds: to be
#: woken would take it 40 µs more, a tenth of a short query. See ``workers.LOOKS``.
_LOOKS: Final = 0.001
#: For how long it does not, in seconds, where it looked in vain, and where it did again and again:
#: the query is a long one, or something else wants the cores, and then waits for who looks.
_SLEEPS: Final = 0.02
_SLEEPS_ON: Final = 0.64
#: After how long it is tried again to make a process that could not be made, in seconds.
_PAUSE: Final = 0.5
#: How long a snapshot may take to give its first answer, in seconds.
_TRIAL: Final = 600.0


class _Crowded(Exception):
    """There was no room for a query in the slow lane: it is begun anew when there is."""


class _Lost(Exception):
    """A worker was killed from outside before or soon after it began a query: nobody need know."""

    def __init__(self, error: EssgraphError) -> None:
        self.error = error


class _Aborted(Exception):
    """The engine ended its process, and not for want of memory."""


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
        self._zygote: Zygote | None = None
        self._idle: list[Worker] = []
        self._slow = 0
        self._halted: deque[Worker] = deque()
        self._long = 0
        self._clients: dict[str, int] = {}
        self._spools = Spools()
        self._claims = Claims(limits.crowded)
        self._cores = Cores()
        self._queue: Queue[Worker] = Queue(self._claims)
        self._anew: Queue[Worker] = Queue(self._claims)  # for the slow lane
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[Worker] = set()
        self._looking = False
        self._closing = False
        self._refused = False  # a process, by the system, when one was last to be made
        self._loop = asyncio.get_running_loop()
        # When the service may look for an answer again; with one core the worker needs the time.
        self._looks = 0.0 if workers > 1 else math.inf
        self._sleeps = _SLEEPS
        self.ends: dict[str, int] = {}  # queries ended by a limit, by its name

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Raises EngineError where the workers cannot answer from the snapshot, or where the
        system refuses them."""
        try:
            await self._start()
            await self._try()
        except OSError as error:
            await self.__aexit__()
            raise no_process(error) from error
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for worker in self._idle:
            worker.close()
        if self._zygote is not None:
            await self._zygote.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self) -> None:
        loading, self._loading = self._loading or load(self._quads, self.limits), None
        self._zygote = await Zygote.take(loading, self._zygote_gone)
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
            raise not_loaded(self._quads) from None
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

    async def _new(self) -> Worker | None:
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
                self._cores.place(worker.pid)
                self._spawn(self._watch(worker))
                return worker
        return None

    async def _made(self, zygote: Zygote) -> Worker:
        """A new worker. Raises OSError: there may be no descriptor, process or memory left."""
        with tempfile.TemporaryFile(buffering=0) as spool:
            worker = Worker(os.dup(spool.fileno()))
            try:
                await zygote.fork(worker, spool.fileno())
            except BaseException:
                worker.close()
                raise
        return worker

    async def _watch(self, worker: Worker) -> None:
        """Notices at once when an idle worker dies, and puts another in its place."""
        await worker.gone
        worker.close()
        if worker in self._idle:
            self._idle.remove(worker)
            await self._replace(worker)

    async def _replace(self, worker: Worker) -> None:
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

    def _give(self, worker: Worker, client: str) -> Worker:
        worker.users += 1
        self._running.add(worker)
        worker.long = not self._claims.short(client)
        self._long += worker.long
        return worker

    def _give_back(self, worker: Worker) -> None:
        """A query is over, or was given up before it was asked."""
        worker.users -= 1
        if worker.users:
            self._share(worker)
            return
        if worker.asked:  # by those who have left
            self._kill(worker, "left")
        self._running.discard(worker)
        self._release(worker)

    def _no_longer(self, worker: Worker) -> None:
        """The worker is free again, or has left the fast lane."""
        self._long -= worker.long
        worker.long = False

    def _offer(self, worker: Worker) -> None:
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

    def _share(self, worker: Worker) -> None:
        """Lets short queries that are due wait behind those of a worker, which need then not be
        woken for each."""
        while worker.usable and not worker.long and worker.users < _BEHIND:
            client = self._queue.due(self._may_run)
            if client is None or not self._claims.short(client):
                return
            waiter = self._queue.pop(client)
            if not waiter.done():
                waiter.set_result(self._give(worker, client))

    async def _take(self, client: str, deadline: float) -> Worker:
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

    async def _wait(self, queue: Queue[Worker], client: str, deadline: float) -> Worker:
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

    def _turn_away(self, queue: Queue[Worker], client: str, turn: Turn[Worker]) -> None:
        """It waited for as long as it might have run."""
        queue.leave(client, turn)
        if not turn[1].done():
            turn[1].set_exception(self._overloaded())

    def _short(self) -> list[Worker]:
        """The workers that have short queries. Where they are as many as should be, others wait
        behind those: to wake one more worker costs more, and it would take its time from them."""
        return [worker for worker in self._running if worker.usable and not worker.long]

    def _admit(self, client: str) -> None:
        if self._closing:
            raise Overloaded(Text("le service s'arrête", "the service is stopping"), retry_after=1)
        if self._clients.get(client, 0) >= self.limits.client:
            raise too_many(self.limits)
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
                "le service est occupé par des requêtes longues ; réessayez plus tard, ou "
                "simplifiez la requête",
                "the service is busy with long queries; try again later, or simplify the query",
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
        bound = bind(query, bindings)
        alone = not self._waiting and time.monotonic() >= self._looks
        graphs = dataset_of(bound, dataset)
        frame = workers.request(bound.text, graphs, format, alone)
        answered = client or CLIENT.get()
        self._admit(answered)
        self._clients[answered] = self._clients.get(answered, 0) + 1
        self._waiting += 1
        try:
            # It counts from now, whatever is waited for: an answer in time, or none.
            limit = min(timeout or self.limits.timeout, self.limits.timeout)
            deadline = time.monotonic() + limit
            again, take, aborted = _AGAIN, self._take, False
            while True:
                worker = await take(client, deadline)
                try:
                    if alone:
                        self._look_for_answer(worker, time.monotonic() + _LOOKS)
                    answer = await self._run(worker, frame, deadline, limit, client)
                    return self._spools.hold(answer, answered)
                except Moved:
                    continue
                except _Crowded:
                    take = self._take_slow
                except _Lost as lost:
                    if not again:
                        raise lost.error from None
                    again -= 1
                except _Aborted:  # its sort found no order, if there was one
                    mended = None if aborted else order_by_type(bound)
                    if mended is None:
                        raise _failed() from None
                    aborted = True
                    frame = workers.request(mended.text, graphs, format, alone)
                except LimitExceeded as error:
                    self._count(error.limit)
                    raise
        finally:
            self._waiting -= 1
            self._clients[answered] -= 1
            if not self._clients[answered]:
                del self._clients[answered]

    async def _run(
        self, worker: Worker, frame: bytes, deadline: float, limit: float, client: str
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

    def _look_for_answer(self, worker: Worker, until: float) -> None:
        """Looks for the answer to the only query there is rather than sleep until it comes."""
        if not worker.users:
            self._sleeps = _SLEEPS
        elif (now := time.monotonic()) < until:
            self._loop.call_soon(self._look_for_answer, worker, until)
        else:
            self._looks = now + self._sleeps
            self._sleeps = min(2 * self._sleeps, _SLEEPS_ON)

    def _used(self, worker: Worker, asked: Asked) -> float:
        """What a query that is over took, in seconds; what is gone had its time and more."""
        if worker.lost or worker.ended:
            return self.limits.fast
        if asked.begun is None:
            return time.monotonic() - asked.since
        return cpu_time(worker.pid) - asked.begun

    def _look_again(self) -> None:
        """One timer for all queries, which are many and mostly over before it rings."""
        self._looking = bool(self._running)
        if self._looking:
            self._loop.call_later(self.limits.crowded / 4, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        self._cores.look(w.pid for w in (*self._idle, *self._running) if w.usable)
        for worker in [*self._running]:
            if not worker.asked:
                continue  # its answer is here, and its client about to see it
            asked = worker.asked[0]
            if asked.begun is None:
                # Not when it was begun: most are over by now, and to ask the system takes time.
                asked.begun = cpu_time(worker.pid)
            if now >= asked.deadline:
                self._kill(worker, "time")
            elif now - asked.since >= self.limits.crowded and worker.usable:
                self._look_at(worker, cpu_time(worker.pid) - asked.begun)
        self._look_again()

    def _look_at(self, worker: Worker, used: float) -> None:
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

    def _slow_down(self, worker: Worker) -> None:
        worker.slow = True
        self._cores.free(worker.pid)
        with suppress(OSError):  # it may be gone
            os.setpriority(os.PRIO_PROCESS, worker.pid, 15)

    async def _begin_anew(self, waiter: asyncio.Future[Worker]) -> None:
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

    async def _take_slow(self, client: str, deadline: float) -> Worker:
        self._loop.call_soon(self._fill_slow_lane)  # there may be room already
        return await self._wait(self._anew, client, deadline)

    def _signal(self, worker: Worker, kind: bytes) -> None:
        if self._zygote is not None:
            self._zygote.signal(worker, kind)

    def _kill(self, worker: Worker, reason: str) -> None:
        if worker.ended:
            return
        worker.ended = reason
        worker.move()
        self._signal(worker, b"K")
        worker.give_up()  # at once: to die takes a while, above all where it has much memory
        if not (worker.slow or worker.halted):
            self._no_longer(worker)
            self._spawn(self._replace(worker) if worker.lost else self._fork())

    def _release(self, worker: Worker) -> None:
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

    async def _make_room(self, worker: Worker) -> None:
        """In the slow lane, when the worker is gone, and with it what memory it had."""
        await worker.gone
        self._slow -= 1
        self._fill_slow_lane()

    async def _why(self, worker: Worker, limit: float) -> EssgraphError:
        """The error for a query whose worker is gone. Raises _Aborted."""
        if worker.ended == "busy":
            return self._overloaded()
        if worker.ended == "time":
            return LimitExceeded(
                Text(
                    f"la requête a dépassé la limite de temps de {limit:g} s",
                    f"the query exceeded the time limit of {limit:g} s",
                ),
                limit="time",
                value=f"{limit:g} s",
            )
        code = await worker.gone
        if code == -signal.SIGABRT:
            raise _Aborted
        if code == workers.STARVED:
            value = f"{self.limits.memory // MIB} MiB"
            return LimitExceeded(
                Text(
                    f"la requête a dépassé la limite de mémoire de {value}",
                    f"the query exceeded the memory limit of {value}",
                ),
                limit="memory",
                value=value,
            )
        if code in (-signal.SIGSEGV, -signal.SIGBUS):
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
                    "le processus de requête a été arrêté de l'extérieur ; réessayez",
                    "the query process was ended from outside; try again",
                ),
                retry_after=1,
            )
        return _failed()


def _failed() -> EngineError:
    return EngineError(Text("le moteur a échoué", "the engine failed"))
