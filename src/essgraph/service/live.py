"""What is served now: a version, its engine, its answers; and the change to the next one."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from essgraph import search
from essgraph.engine import Limits
from essgraph.errors import EngineError, EssgraphError, Overloaded, SnapshotError, Text
from essgraph.pool import Pool
from essgraph.service.answers import Answers
from essgraph.snapshot import CURRENT, Snapshot, kept, open_snapshot
from essgraph.zygote import Loading

if TYPE_CHECKING:  # it brings an HTTP client, which takes long to import
    from essgraph.mirror import Names
    from essgraph.remote import Remote

_LOG: Final = logging.getLogger("essgraph")
#: For how many seconds a former version is held ready after it was asked.
FORMER: Final = 60.0
#: How many former versions are held ready at once.
MOST_FORMER: Final = 3
#: After how long a snapshot that was refused is looked at again at the latest, in seconds.
_LONGEST: Final = 60.0
_DIGEST: Final = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True)
class Served:
    """One version of the data in service: ``pool`` is its engine, wherever that runs."""

    snapshot: Snapshot
    pool: Pool | Remote
    answers: Answers
    making: Names | None = None

    async def names(self) -> Path:
        """The file of the index of names; ``making`` makes it where the build did not. Raises what
        ``mirror.Names.ready`` does."""
        if self.making is None:
            return self.snapshot.directory / search.FILE
        return await self.making.ready(self.pool.limits.timeout)

    async def close(self) -> None:
        """Ends its engine, or the connection to it."""
        if self.making is not None:
            await self.making.stop()
            shutil.rmtree(self.snapshot.directory, ignore_errors=True)
        await self.pool.__aexit__()


class Live:
    """The version in service. A request takes ``now`` once and keeps to it.

    ``out`` is the folder of the snapshots. A new version takes over when its workers are ready;
    the old one goes when its last query is answered. One that is damaged never takes over.
    """

    def __init__(
        self, out: Path, limits: Limits, workers: int, loading: Loading | None = None
    ) -> None:
        self.out = out
        self._loading = loading  # of the current snapshot, if it was begun before
        self._limits = limits
        self._workers = workers
        self._served: Served | None = None
        self._changing = asyncio.Lock()
        self._leaving: dict[asyncio.Task[None], Served] = {}
        self._formers: dict[str, Served] = {}
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._used: set[str] = set()
        #: Called when another version takes over.
        self.changed: Callable[[], None] = lambda: None

    @property
    def now(self) -> Served:
        assert self._served is not None, "in use before start"
        return self._served

    async def start(self) -> None:
        """Puts the current snapshot in service. Raises SnapshotError and EngineError."""
        self._served = await self._open()

    async def _open(self, folder: Path | None = None, workers: int | None = None) -> Served:
        snapshot = await asyncio.to_thread(open_snapshot, folder or self.out)
        loading, self._loading = self._loading, None
        if loading and loading.quads != snapshot.quads:  # it was replaced a moment ago
            loading.process.kill()
            loading = None
        pool = Pool(
            snapshot.quads,
            limits=self._limits,
            workers=workers or self._workers,
            loading=loading,
        )
        await pool.__aenter__()
        return Served(snapshot, pool, Answers(pool, snapshot.version))

    async def reload(self) -> bool:
        """Takes up the current version if it is another one; whether it did.

        Where it cannot be read the one in service stays, and the log says why.
        """
        async with self._changing:
            old = self.now
            try:
                if not await self._differs(old):
                    return False
                new = await self._open()
            except (EssgraphError, OSError) as error:  # the disk may be full
                tell(error)
                return False
            self._take(old, new)
            return True

    async def _differs(self, old: Served) -> bool:
        """Whether there is another version than the old one. Raises what ``_open`` does."""
        new = await asyncio.to_thread(open_snapshot, self.out)
        return new.directory != old.snapshot.directory

    async def at(self, version: str) -> Served | None:
        """The version of the data whose digest begins so, if it is the one in service or kept.

        A former one gets a worker of its own, until nobody has asked for it for a while. Raises
        Overloaded where as many as may be are in use.
        """
        if not _DIGEST.fullmatch(version):
            return None
        if self.now.snapshot.version.startswith(version):
            return self.now
        async with self._changing:
            key = version[:16]
            former = self._formers.get(key)
            if former is None:
                if len(self._formers) >= MOST_FORMER:
                    raise Overloaded(
                        Text(
                            f"{MOST_FORMER} versions anciennes sont déjà en service ; réessayez",
                            f"{MOST_FORMER} former versions are already in service; try again",
                        ),
                        retry_after=round(FORMER),
                    )
                for folder in sorted(self.out.glob(f"{key}-*")):
                    with suppress(SnapshotError, EngineError):
                        former = await self._open(folder, workers=1)
                        break
                if former is None:
                    return None
                self._formers[key] = former
                self._closing[key] = asyncio.get_running_loop().create_task(self._close(key))
            self._used.add(key)
            return former if former.snapshot.version.startswith(version) else None

    def kept(self) -> list[tuple[str, float]]:
        """The versions that can be asked for, and when each was made; the newest first."""
        snapshot = self.now.snapshot
        return kept(self.out) or [(snapshot.version, snapshot.modified)]

    async def _close(self, key: str) -> None:
        while key in self._used:
            self._used.discard(key)
            await asyncio.sleep(FORMER)
        del self._closing[key]
        self._release(self._formers.pop(key))

    def _release(self, served: Served) -> None:
        """Lets a version go when it has answered what it was asked."""
        leaving = asyncio.get_running_loop().create_task(_leave(served))
        self._leaving[leaving] = served
        leaving.add_done_callback(self._leaving.pop)

    def _take(self, old: Served, new: Served) -> None:
        """Puts another version in service; the one before leaves when it has answered."""
        self._served = new
        self.changed()
        _LOG.info("version %s", new.snapshot.version)
        self._release(old)

    async def watch(self, seconds: float = 1.0) -> None:
        """Reloads whenever another snapshot is in force. One that was refused is looked at again
        after longer and longer: it may have been mended where it is."""
        refused, again, pause = self.out, 0.0, seconds
        while True:
            await asyncio.sleep(seconds)
            try:
                found = (self.out / CURRENT).resolve()
            except (OSError, RuntimeError):  # it may be a link to itself
                continue
            now = time.monotonic()
            if found == self.now.snapshot.directory or (found == refused and now < again):
                continue
            pause = min(2 * pause, _LONGEST) if found == refused else seconds
            if not await self.reload():
                refused, again = found, now + pause

    async def stop(self) -> None:
        """Ends the workers of all versions; returns when no process is left."""
        old = dict(self._leaving)
        for task in (*old, *self._closing.values()):
            task.cancel()
        for served in (
            *old.values(),
            *self._formers.values(),
            *([self._served] if self._served else []),
        ):
            await served.close()


class RemoteLive(Live):
    """The version that an endpoint elsewhere holds.

    ``frame`` is a snapshot without data: ontology, shapes, questions and the plans of their
    evidence; beside its folder each version gets one. Another version takes
    over when the endpoint holds it whole; until then what is kept of the one before is answered.
    """

    def __init__(
        self, url: str, frame: Snapshot, limits: Limits, *, authorization: str | None = None
    ) -> None:
        super().__init__(frame.directory, limits, 0)
        self._url = url
        self._frame = frame
        self._authorization = authorization

    async def _open(self, folder: Path | None = None, workers: int | None = None) -> Served:
        from essgraph import mirror

        remote = await self._connect()
        directory = Path(tempfile.mkdtemp(prefix="version-", dir=self._frame.directory.parent))
        try:
            shutil.copytree(self._frame.directory, directory, dirs_exist_ok=True)
            found = await mirror.files(remote.endpoint, remote.version)
            for name, data in found.items():
                (directory / name).write_bytes(data)
        except BaseException:
            await remote.__aexit__()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        snapshot = replace(
            self._frame,
            directory=directory,
            version=remote.version,
            sizes={**self._frame.sizes, **{name: len(data) for name, data in found.items()}},
            digests={name: hashlib.sha256(data).hexdigest() for name, data in found.items()},
        )
        making = mirror.Names(remote.endpoint, remote.dataset, directory)
        return Served(snapshot, remote, Answers(remote, remote.version), making)

    async def _connect(self) -> Remote:
        from essgraph.remote import Remote

        remote = Remote(self._url, limits=self._limits, authorization=self._authorization)
        return await remote.__aenter__()

    def check(self) -> None:
        """Raises EngineError where the endpoint cannot be served from now: for a clear word to
        whoever starts the service."""

        async def look() -> None:
            remote = await self._connect()
            await remote.__aexit__()

        asyncio.run(look())

    async def _differs(self, old: Served) -> bool:
        return True  # it was looked at, or who sends SIGHUP wants it

    async def watch(self, seconds: float = 2.0) -> None:
        """Reloads when an answer tells, or a look every few seconds, that the version changed."""
        while True:
            remote = cast("Remote", self.now.pool)
            with suppress(TimeoutError):
                await asyncio.wait_for(remote.stale.wait(), seconds)
            if remote.stale.is_set():
                remote.stale.clear()
                await asyncio.sleep(0.1)  # no faster than this while it is being replaced
                await self.reload()
                continue
            with suppress(EssgraphError):
                if await remote.changed():
                    await self.reload()


def tell(error: EssgraphError | OSError) -> None:
    """What refuses a version, into the log."""
    if isinstance(error, EssgraphError):
        _LOG.error("%s / %s", error.text.fr, error.text.en)
    else:
        _LOG.error("le système refuse / the system refuses: %s", error)


async def _leave(served: Served) -> None:
    await asyncio.sleep(1)  # who took it a moment ago has not asked yet
    while served.pool.busy:
        await asyncio.sleep(0.05)
    await served.close()
