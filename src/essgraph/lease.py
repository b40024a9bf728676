"""One writer at a time: a record in the engine that says who writes, and until when.

Each run puts its own record into the graph of the state, then reads all: where another's is still
good it takes its own back and refuses. That needs nothing of an engine but that a write is seen by
the reads after it. A record is good until its time is past, or until its process is gone where it
is one of this machine; who writes for longer renews it.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from essgraph import names, processes
from essgraph.catalog import quoted
from essgraph.dialects import STATE
from essgraph.endpoint import Endpoint, lexical
from essgraph.errors import EngineError, Text

#: Seconds that a record is good for, and after which it is renewed. Clocks of machines that push
#: to one engine must agree within the difference.
GOOD: Final = 300.0
_RENEWED: Final = 60.0
_SAID: Final = f"<{STATE}> <{names.DCTERMS}valid>"
_RECORDS: Final = f"SELECT ?record {{ GRAPH <{STATE}> {{ {_SAID} ?record }} }}"


class Lease:
    """The right to write to an engine. Use it as an asynchronous context manager, which raises
    EngineError where another run has it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._run = secrets.token_hex(8)
        self._record = ""
        self._until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._write()
        try:
            await self._alone()
        except BaseException:
            await self._endpoint.update(_delete(self._record))
            raise
        self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewing
        with suppress(EngineError):  # it will be past its time
            await self._endpoint.update(_delete(self._record))

    def check(self) -> None:
        """Raises EngineError where the right is lost: another run may have taken it."""
        if time.monotonic() > self._until:
            raise EngineError(
                Text(
                    "le verrou d'écriture a expiré (machine arrêtée, moteur muet) : relancez "
                    "essgraph push",
                    "the lock on writing has expired (machine suspended, engine silent): run "
                    "essgraph push again",
                )
            )

    async def _write(self) -> None:
        """Puts the record in, with a new time, in place of the one before."""
        began = time.monotonic()
        until = datetime.now(UTC) + timedelta(seconds=GOOD)
        record = " ".join(
            (
                self._run,
                until.isoformat(timespec="seconds"),
                processes.identity() or "-",
                socket.gethostname(),
            )
        )
        insert = f"INSERT DATA {{ GRAPH <{STATE}> {{ {_SAID} {quoted(record)} }} }}"
        before, self._record = self._record, record
        await self._endpoint.update(insert + (f" ;\n{_delete(before)}" if before else ""))
        self._until = began + GOOD

    async def _alone(self) -> None:
        seen = False
        for row in await self._endpoint.select(_RECORDS, timeout=60.0):
            record = lexical(row, "record")
            run, until, process, host = (record.split(" ", 3) + [""] * 4)[:4]
            if run == self._run:
                seen = True
                continue
            if _past(until) or processes.ended(process):
                await self._endpoint.update(_delete(record))
                continue
            raise EngineError(
                Text(
                    f"un autre essgraph push écrit dans ce moteur, depuis {host} ; s'il a été "
                    f"tué, son verrou tombe à {until}",
                    f"another essgraph push is writing to this engine, from {host}; if it was "
                    f"killed, its lock ends at {until}",
                )
            )
        if not seen:
            raise self._endpoint.lost()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEWED)
            with suppress(EngineError):  # `check` tells when it is too late
                self.check()
                await self._write()


def _delete(record: str) -> str:
    return f"DELETE DATA {{ GRAPH <{STATE}> {{ {_SAID} {quoted(record)} }} }}"


def _past(until: str) -> bool:
    try:
        return datetime.fromisoformat(until) < datetime.now(UTC)
    except (ValueError, TypeError):  # no record of ours
        return True
