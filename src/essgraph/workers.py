"""Query workers: processes that a query may bring down without harm to anything else.

``python -m essgraph.workers`` is the *zygote*: a single-threaded process that loads the snapshot
once and forks workers, which share its memory (copy on write). A worker answers one query after
another over a socket pair and can be killed at any moment. ``pool.Pool`` is the other side.

Control channel (zygote): commands of five bytes, ``F`` with two descriptors (the worker's end of
its socket pair, its spool file) forks, ``K`` kills, ``S`` stops and ``C`` continues; reports of
nine bytes, ``R`` ready, ``P`` a worker's pid, ``N`` none, with the error (errno(3)), ``X`` a
worker's end with its exit code. Query channel (worker): frames of a length and a body, requests
by ``marshal`` (both ends are one program, and only the service asks); answers begin with ``A`` (the
body follows), ``S`` (the body is in the spool file) or ``E`` (an error in JSON).

Limits of a worker: address space, file size, no core file, no socket, and no descriptor beyond
those it has and those of the tables of its store, if that is on disk; it dies with the zygote, and
the zygote with the service.
"""

from __future__ import annotations

import array
import errno
import fcntl
import gc
import json
import marshal
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from essgraph import errors
from essgraph.engine import Dataset
from essgraph.errors import EssgraphError, LimitExceeded, Overloaded, Position, SnapshotError, Text
from essgraph.formats import Format
from essgraph.processes import die_with, forbid_sockets

if TYPE_CHECKING:
    import pyoxigraph as ox

COMMAND: Final = struct.Struct("<cI")
REPORT: Final = struct.Struct("<cIi")
HEAD: Final = struct.Struct("<cII")
LENGTH: Final = struct.Struct("<I")

#: An answer above this size, in bytes, goes to the spool file.
INLINE: Final = 256 * 1024
#: For how long a worker that answered the only query looks for the next, in seconds: a client
#: that asks one after another has it here in less.
LOOKS: Final = 0.0003
#: How much of the channel is read at once. To free more than 64 KiB has the allocator tidy up.
_PIECE: Final = 32 * 1024
#: The exit code of a worker that could not begin, and of one that had no memory left.
UNFIT: Final = 71
STARVED: Final = 72
#: What the allocators of the engine and of its store say before they abort: its sort, say, aborts
#: as well, for another reason.
_STARVATION: Final = re.compile(rb"memory allocation of \d+ bytes failed|std::bad_alloc")
#: When to try again where the disk for temporary files is full, in seconds.
_DISK: Final = 30
_WORDS, _SOCKET, _SPOOL = 2, 3, 4
#: What of a worker's last words is heard, in bytes: what a pipe holds.
_PIPE: Final = 64 * 1024
_SIGNALS: Final = {b"K": signal.SIGKILL, b"S": signal.SIGSTOP, b"C": signal.SIGCONT}


# --- frames ---------------------------------------------------------------------------------


def request(query: str, dataset: Dataset, format: Format, alone: bool) -> bytes:
    """The frame of a query for a worker; ``alone`` where no other is in the service."""
    names = (format.name, format.media_type)
    body = marshal.dumps((query, dataset.default, dataset.named, names, alone))
    return LENGTH.pack(len(body)) + body


def pack_error(error: EssgraphError) -> bytes:
    """An error of ours as it crosses the pipe."""
    at: Position | None = getattr(error, "at", None)
    return json.dumps(
        {
            "kind": type(error).__name__,
            "text": error.text,
            "at": [at.line, at.column] if at else None,
            "limit": getattr(error, "limit", None),
            "value": getattr(error, "value", None),
            "after": getattr(error, "retry_after", None),
        }
    ).encode()


def unpack_error(data: bytes) -> EssgraphError:
    """The error that a worker raised."""
    said = json.loads(data)
    text = Text(*said["text"])
    kind = getattr(errors, said["kind"])
    if kind is LimitExceeded:
        return LimitExceeded(text, limit=said["limit"], value=said["value"])
    if kind is Overloaded:
        return Overloaded(text, retry_after=said["after"])
    error: EssgraphError = kind(text)
    if said["at"]:
        error.at = Position(*said["at"])  # type: ignore[attr-defined]
    return error


# --- the zygote -----------------------------------------------------------------------------


def main() -> NoReturn:
    """Runs the zygote: ``python -m essgraph.workers CONTROL_FD DATA.nq MEMORY RESULT``."""
    control_fd, quads, memory, result = sys.argv[1:5]
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from essgraph import evaluation

    path = Path(quads)
    # A store on disk is opened by each worker, whose memory it shares through the page cache.
    try:
        store = None if evaluation.on_disk(path) else evaluation.load(path)
    except SnapshotError as error:
        _tell(error)
        sys.exit(UNFIT)
    # What is here now is shared by all workers: let the collector not touch, and so copy, it.
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=int(control_fd))
    _Zygote(control, path, store, int(memory), int(result)).run()


class _Zygote:
    """Forks, kills and reaps workers at the command of the service."""

    def __init__(
        self, control: socket.socket, quads: Path, store: ox.Store | None, memory: int, result: int
    ) -> None:
        self._control = control
        self._quads = quads
        self._store = store
        self._memory = memory
        self._result = result
        self._living: dict[int, int] = {}  # by pid, where to read what it says on standard error

    def run(self) -> NoReturn:
        waking, woken = socket.socketpair()
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            self._report(b"R")
            while True:
                ready, _, _ = select.select([self._control, waking], [], [])
                if waking in ready:
                    waking.recv(4096)
                    self._reap()
                if self._control in ready:
                    self._obey()
        except ConnectionError:
            self._end()  # the service is gone, and did not hear what was said last

    def _report(self, kind: bytes, pid: int = 0, status: int = 0) -> None:
        self._control.sendall(REPORT.pack(kind, pid, status))

    def _obey(self) -> None:
        size = array.array("i").itemsize
        data, ancillary, _, _ = self._control.recvmsg(COMMAND.size, socket.CMSG_SPACE(2 * size))
        while 0 < len(data) < COMMAND.size:
            data += self._control.recv(COMMAND.size - len(data))
        if not data:
            self._end()  # the service is gone, or stops
        kind, pid = COMMAND.unpack(data)
        if kind in _SIGNALS:
            # A pid that was reaped may be another process by now.
            if pid in self._living:
                os.kill(pid, _SIGNALS[kind])
            return
        descriptors = array.array("i")
        for _, _, sent in ancillary:
            descriptors.frombytes(sent[: len(sent) - len(sent) % size])
        self._fork(descriptors)

    def _end(self) -> NoReturn:
        """Leaves no process behind: when the zygote has ended, so have its workers."""
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
        for pid in self._living:
            os.waitpid(pid, 0)
        os._exit(0)

    def _fork(self, descriptors: array.array[int]) -> None:
        error = 0
        try:
            if len(descriptors) < 2:  # the system drops what finds no place here
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            heard, said = os.pipe()
            descriptors.append(said)
            try:
                pid = os.fork()
            except OSError:
                os.close(heard)
                raise
        except OSError as refused:
            error = refused.errno or errno.EAGAIN
        else:
            if pid == 0:
                _become_worker(descriptors, self._quads, self._store, self._memory, self._result)
            os.set_blocking(heard, False)
            self._living[pid] = heard
        for descriptor in descriptors:
            os.close(descriptor)
        if error:
            self._report(b"N", status=error)
        else:
            self._report(b"P", pid)

    def _reap(self) -> None:
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code, words = os.waitstatus_to_exitcode(status), b""
            heard = self._living.pop(pid)
            with suppress(BlockingIOError):  # there may be nothing, and a writer still
                words = os.read(heard, _PIPE)
            os.close(heard)
            with suppress(OSError):
                os.write(sys.stderr.fileno(), words)
            if code == -signal.SIGABRT and _STARVATION.search(words):
                code = STARVED
            self._report(b"X", pid, code)


# --- a worker -------------------------------------------------------------------------------


def _become_worker(
    descriptors: Sequence[int], quads: Path, store: ox.Store | None, memory: int, result: int
) -> NoReturn:
    """What the forked child does: it never returns into the zygote's code."""
    code = UNFIT
    try:
        die_with(os.getppid())
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # First out of the way, so that neither is overwritten before it is copied.
        moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _SPOOL + 1) for descriptor in descriptors]
        for descriptor, place in zip(moved, (_SOCKET, _SPOOL, _WORDS), strict=True):
            os.dup2(descriptor, place)
        os.set_blocking(_WORDS, False)  # nobody reads before the end: what is too much is lost
        os.closerange(_SPOOL + 1, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20))
        tables = 0
        if store is None:
            from essgraph.evaluation import load, tables_of

            # While descriptors may still be opened: its first tables are opened now.
            store, tables = load(quads), tables_of(quads)
        _limit(memory, result, tables)
        code = 70
        _serve(socket.socket(fileno=_SOCKET), store, result)
        code = 0
    except SnapshotError as error:
        _tell(error)
    except MemoryError:
        code = STARVED
    except BaseException:
        traceback.print_exc()  # a fault of ours: for the log of the service
        raise
    finally:
        os._exit(code)


def _tell(error: EssgraphError) -> None:
    """Into the log of the service."""
    print(f"{error.text.fr} / {error.text.en}", file=sys.stderr, flush=True)


def _limit(memory: int, result: int, tables: int) -> None:
    """Memory above what the fork shares, and no way out. The engine opens so many ``tables`` of
    its store as it needs them."""
    # Where sockets cannot be forbidden, no descriptor is left to make one.
    tables = tables if forbid_sockets() else 0
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: result + 1,
        resource.RLIMIT_NOFILE: _most_open() + tables if tables else 0,
    }
    if sys.platform == "linux":  # elsewhere the address space cannot be limited
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for kind, value in sorted(limits.items(), key=lambda pair: pair[0] == resource.RLIMIT_NOFILE):
        most = resource.getrlimit(kind)[1]  # of whoever started the service
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (least, least))


def _most_open() -> int:
    """The number that no descriptor of this process has reached."""
    return 1 + max(int(path.name) for path in Path("/proc/self/fd").iterdir())


def _serve(channel: socket.socket, store: ox.Store, limit: int) -> None:
    """Answers query after query until the channel closes."""
    from essgraph import formats
    from essgraph.evaluation import evaluate

    by_names = {
        (f.name, media_type): replace(f, media_type=media_type)
        for f in (*formats.RESULTS, *formats.GRAPHS)
        for media_type in (f.media_type, *f.aliases)
    }
    for body in _frames(channel):
        query, default, named, names, alone = marshal.loads(body)
        spool = _Spool(limit)
        try:
            rows = evaluate(store, query, Dataset(default, named), by_names[names], spool)
            channel.sendall(spool.frame(rows))
            if spool.used:
                return  # its file is the service's now
            if alone:
                _look(channel)
        except EssgraphError as error:
            spool.discard()
            said = pack_error(error)
            channel.sendall(HEAD.pack(b"E", len(said), 0) + said)


def _look(channel: socket.socket) -> None:
    """Looks for another frame for a while rather than sleep until it comes."""
    until = time.monotonic() + LOOKS
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            channel.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return


def _frames(channel: socket.socket) -> Iterator[bytes]:
    """The bodies of the frames, of which several may be there at once."""
    data = b""
    while piece := channel.recv(_PIECE):
        data += piece
        while len(data) >= LENGTH.size and len(data) >= (
            end := LENGTH.size + LENGTH.unpack_from(data)[0]
        ):
            yield data[LENGTH.size : end]
            data = data[end:]


class _Spool:
    """An answer as it grows: in memory while it is small, then in the spool file."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inline = min(INLINE, limit)
        self._pieces: list[bytes] = []
        self._held = 0
        self._filed = 0

    def write(self, data: bytes, /) -> int:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > self._inline:
            self._file()
        return len(data)

    def flush(self) -> None:
        """Nothing waits: the engine calls this at the end."""

    def _file(self) -> None:
        if self._filed + self._held > self._limit:
            mib = f"{self._limit / 2**20:g}"
            raise LimitExceeded(
                Text(
                    f"la réponse dépasse {mib} Mio ; demandez-la par pages (ORDER BY, LIMIT, "
                    "OFFSET) ou prenez toutes les données à /dump.nq.gz",
                    f"the answer is larger than {mib} MiB; ask for it in pages (ORDER BY, LIMIT, "
                    "OFFSET) or take the whole data from /dump.nq.gz",
                ),
                limit="result",
                value=f"{mib} MiB",
            )
        ahead = memoryview(b"".join(self._pieces))
        self._pieces, self._held = [], 0
        try:
            while ahead:  # a disk that is nearly full takes what it can
                written = os.write(_SPOOL, ahead)
                self._filed += written
                ahead = ahead[written:]
        except OSError as error:
            why = error.strerror
            raise Overloaded(
                Text(
                    f"le disque des fichiers temporaires est plein, ou les refuse ({why}), et "
                    "une si grande réponse en a besoin ; réessayez plus tard, ou demandez moins",
                    f"the disk for temporary files is full, or refuses them ({why}), and so "
                    "large an answer needs it; try again later, or ask for less",
                ),
                retry_after=_DISK,
            ) from error

    def frame(self, rows: int) -> bytes:
        """The frame that answers: with the body, or with the size of the spool file."""
        rows = min(rows, 2**32 - 1)
        if not self._filed:
            return HEAD.pack(b"A", self._held, rows) + b"".join(self._pieces)
        self._file()
        return HEAD.pack(b"S", self._filed, rows)

    @property
    def used(self) -> bool:
        """Whether the answer is in the spool file."""
        return self._filed > 0

    def discard(self) -> None:
        if self._filed:
            os.ftruncate(_SPOOL, 0)
            os.lseek(_SPOOL, 0, os.SEEK_SET)


if __name__ == "__main__":
    main()
