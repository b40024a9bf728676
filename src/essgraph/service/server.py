"""The server: uvicorn around the application, with the edge, signals and limits of the process."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
import uvloop

from essgraph.engine import Limits
from essgraph.service import edge
from essgraph.service.access import Access, AccessLog, Metrics, remembered_line
from essgraph.service.app import create_app
from essgraph.service.connections import Connections
from essgraph.service.live import Live
from essgraph.service.memo import Memo

#: The host that stands for every address, of IPv6 and IPv4.
_EVERY: Final = "::"
#: How many connections may wait to be taken.
_BACKLOG: Final = 2048


def serve(
    live: Live,
    *,
    host: str,
    port: int,
    limits: Limits,
    reuse_port: bool,
    watch: bool,
    log: bool,
    proxies: str,
    url: str,
    texts: Path | None,
) -> None:
    """Serves what is live until SIGTERM or SIGINT, then drains.

    SIGHUP takes up another version; ``watch`` does so when one appears. ``log`` writes a JSON line
    for each request to standard output; ``proxies`` are the addresses whose X-Forwarded-For is
    believed; ``url`` is the public address of the service (empty: that of ``host`` and ``port``);
    ``texts`` is the folder of the private texts. With ``reuse_port`` other processes may listen on
    the same port, and the kernel shares the connections among them (SO_REUSEPORT). Raises
    EngineError where the workers cannot start.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # not a line for each query
    opened = Connections(_raise_descriptor_limit())
    sys.setswitchinterval(0.0005)  # a large query read in a thread holds up the loop no longer
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        memo, metrics = Memo(), Metrics()
        lines = AccessLog(sys.stdout if log else None, loop.call_later)
        public = url or _address(host, port)
        access = Access(
            create_app(live, metrics, url=public, watch=watch, texts=texts), metrics, lines
        )
        memo.line, memo.heard = remembered_line, access.note_remembered
        memo.refused = access.note_refused
        live.changed = memo.clear
        server = uvicorn.Server(
            uvicorn.Config(
                access,
                host=host,
                port=port,
                http=edge.protocol(memo, opened),
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                log_level="error",
                forwarded_allow_ips=proxies,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(limits.timeout) + 5,
                backlog=_BACKLOG,
            )
        )
        _heed_signals(server, live, loop)
        gc.freeze()  # what is here now stays: let the collector pass it by
        gc.enable()
        gc.set_threshold(1_000, 20, 50)
        shared = reuse_port or host == _EVERY
        runner.run(server.serve(_listening(host, port, reuse_port) if shared else None))
        lines.flush()


def _heed_signals(server: uvicorn.Server, live: Live, loop: asyncio.AbstractEventLoop) -> None:
    reloads: set[asyncio.Task[bool]] = set()

    def reload() -> None:
        task = loop.create_task(live.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)

    def end(*_: object) -> None:
        # uvicorn listens a moment later, and raises SIGTERM again after its drain: no failure.
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)


def _listening(host: str, port: int, reuse_port: bool) -> list[socket.socket]:
    """The sockets to listen on. Every address is two: one socket for both would tell clients of
    IPv4 by addresses of IPv6."""
    return [
        socket.create_server(
            (each, port),
            family=socket.AF_INET6 if ":" in each else socket.AF_INET,
            backlog=_BACKLOG,
            reuse_port=reuse_port,
        )
        for each in ([host, "0.0.0.0"] if host == _EVERY else [host])
    ]


def _address(host: str, port: int) -> str:
    """The address for those on this machine."""
    if host in ("0.0.0.0", _EVERY):
        host = "localhost"
    return f"http://{authority(host, port)}"


def authority(host: str, port: int) -> str:
    """Host and port as they stand in an address (RFC 3986, 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _raise_descriptor_limit() -> int:
    """As many as the system grants, within reason: a soft limit of 1,024 is soon reached. Returns
    how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft
