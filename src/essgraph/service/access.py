"""For operators, a JSON line for each request and Prometheus metrics; and CORS on every answer."""

from __future__ import annotations

import json
import logging
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final, TextIO

from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from essgraph.engine import CLIENT
from essgraph.service.clients import client_of
from essgraph.service.reply import Headers, Reply

_LOG: Final = logging.getLogger("essgraph")

#: For every answer.
_ALWAYS: Final = [(b"x-content-type-options", b"nosniff")]
#: Fetch standard, 3.2: any origin may read, without credentials.
CORS: Final = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"ETag, Link, Retry-After, Content-Location, Content-Language, Last-Modified",
    ),
    *_ALWAYS,
]
_PREFLIGHT: Final = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    # Any, and by name for readers older than the wildcard (Fetch, 4.8).
    (b"access-control-allow-headers", b"*, Accept, Accept-Language, Content-Type, If-None-Match"),
    (b"access-control-max-age", b"86400"),
]

#: Upper bounds of the time to an answer, in seconds; the last is infinite.
_BUCKETS: Final = Histogram.DEFAULT_BUCKETS


class Metrics:
    """The counts of one service, in a registry of its own. They are plain numbers, since every
    request is counted, and become metrics only when somebody reads them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.remembered = 0
        self.limits: Counter[str] = Counter()
        self._status: Counter[int] = Counter()
        self._within = [0] * len(_BUCKETS)
        self._seconds = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """Counts a request and the time to its whole answer."""
        self._status[status] += 1
        self._within[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def refused(self, status: int, limit: str | None) -> None:
        """Counts a request that came no further than the edge."""
        self._status[status] += 1
        if limit:
            self.limits[limit] += 1

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now (prometheus_client's ``Collector``)."""
        requests = CounterMetricFamily("essgraph_requests", "Requests answered", labels=["status"])
        for status, number in sorted(self._status.items()):
            requests.add_metric([str(status)], number)
        yield requests
        limits = CounterMetricFamily(
            "essgraph_limits", "Requests ended by a limit", labels=["limit"]
        )
        for limit, number in sorted(self.limits.items()):
            limits.add_metric([limit], number)
        yield limits
        yield CounterMetricFamily(
            "essgraph_remembered", "Requests answered from memory", value=self.remembered
        )
        bounds = [*map(str, _BUCKETS[:-1]), "+Inf"]
        yield HistogramMetricFamily(
            "essgraph_request_seconds",
            "Time to the whole answer",
            buckets=list(zip(bounds, accumulate(self._within), strict=True)),
            sum_value=self._seconds,
        )


@lru_cache(maxsize=1024)
def _quoted(said: str) -> str:
    return json.dumps(said)


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


#: How many lines are written at once, at most: twenty thousand would take ten milliseconds.
_TOGETHER: Final = 500
#: How a line of the memo ends, by its microseconds: formatted beforehand.
_SHORT: Final = [f', "ms": {n / 1000:.3f}}}' for n in range(1000)]


class AccessLog:
    """JSON lines, written together a few times a second so that logging costs little.

    What cannot be written is dropped, and the next lines are tried again: a full disk or a reader
    that has gone costs lines, nothing else.
    """

    def __init__(self, stream: TextIO | None, later: Callable[[float, Callable[[], None]], object]):
        self._stream = stream
        self._later = later
        self._lines: list[str] = []
        self._cut = b""  # the rest of a line of which only a part was written
        self._failed = False
        self._moment = 0
        self._begin = ""  # of all lines of that millisecond

    def line(self, rest: str) -> None:
        """Takes a line but for its opening brace and its time (RFC 3339), which is now."""
        if self._stream is None:
            return
        moment = int(time.time() * 1000)
        if moment != self._moment:
            self._moment = moment
            second, part = divmod(moment, 1000)
            self._begin = f'{{"time": "{_utc(second)}.{part:03d}Z", '
        self._lines.append(self._begin + rest)
        if len(self._lines) == 1:
            self._later(0.2, self.flush)
        elif len(self._lines) == _TOGETHER:
            self.flush()

    def flush(self) -> None:
        if self._stream is None or not self._lines:
            return
        lines, self._lines = self._lines, []
        data, written = self._cut + ("\n".join(lines) + "\n").encode(), 0
        try:
            # Not through the stream's buffer, which would keep what failed until the process ends.
            while written < len(data):
                written += os.write(self._stream.fileno(), data[written:])
        except OSError as error:
            if not self._failed:  # once, not for each line
                _LOG.error(
                    "le journal d'accès ne peut être écrit, des lignes se perdent / "
                    "the access log cannot be written, lines are lost (%s)",
                    error.strerror,
                )
            self._failed = True
            if written:
                inside = data[written - 1 : written] != b"\n"
                self._cut = data[written : data.index(b"\n", written) + 1] if inside else b""
        else:
            self._failed, self._cut = False, b""


class Access:
    """The whole application, watched: every response gets CORS fields (but for those that quote
    the private texts), a line and a count."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: AccessLog) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status, size = 0, 0
        CLIENT.set(client_of(scope))

        async def watch(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._cors(scope)]
            else:
                size += len(message.get("body", b""))
            await send(message)

        whole: Reply | None = scope.get("extensions", {}).get("essgraph.reply")
        if whole is not None:
            reply = whole

            def watch_whole(code: int, headers: Headers, body: bytes, lasting: bool) -> None:
                nonlocal status, size
                status, size = code, len(body)
                reply(code, headers + self._cors(scope), body, lasting)

            scope["extensions"]["essgraph.reply"] = watch_whole
        try:
            await self._app(scope, receive, watch)
        finally:
            self._note(scope, status, size, time.perf_counter() - start)

    def _cors(self, scope: Scope) -> Headers:
        if scope.get("essgraph.private"):  # a page that quotes the private texts
            return _ALWAYS
        return CORS + _PREFLIGHT if scope["method"] == "OPTIONS" else CORS

    def _note(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        if not status:
            if "essgraph.refused" in scope:  # by the edge, which has noted it
                return
            status = 499  # the client left
        self._metrics.answered(status, seconds)
        line = (
            f'"method": {_quoted(scope["method"])}, "path": {_quoted(scope["path"][:200])}, '
            f'"status": {status}, "bytes": {size}, "ms": {seconds * 1000:.3f}'
        )
        if tag := scope.get("essgraph.query"):
            line += f', "query": "{tag}", "rows": {scope.get("essgraph.rows", "null")}'
        if limit := scope.get("essgraph.limit"):
            self._metrics.limits[limit] += 1
            line += f', "limit": "{limit}"'
        self._log.line(line + "}")

    def note_remembered(self, line: str, seconds: float) -> None:
        """Notes an exchange that the edge answered from its memo, with its line."""
        self._metrics.remembered += 1
        microseconds = int(seconds * 1e6)
        short = microseconds < len(_SHORT)
        self._log.line(
            line + (_SHORT[microseconds] if short else f', "ms": {seconds * 1000:.3f}}}')
        )

    def note_refused(self, head: bytes, status: int, size: int, limit: str | None) -> None:
        """Notes what the edge refused, with as much of the request's head as it knows."""
        self._metrics.refused(status, limit)
        line = f'{_request(head)}, "status": {status}, "bytes": {size}'
        self._log.line(line + (f', "limit": "{limit}"}}' if limit else "}"))


def remembered_line(
    request: bytes, status: int, size: int, query: str | None, rows: int | None
) -> str:
    """The line of an exchange that the memo of the edge answers, but for the time and the end."""
    line = f'{_request(request)}, "status": {status}, "bytes": {size}, "remembered": true'
    return line + (f', "query": "{query}", "rows": {json.dumps(rows)}' if query else "")


def _request(head: bytes) -> str:
    method, _, rest = head[:300].partition(b" ")
    path = rest.split(b" ")[0].split(b"?")[0][:200].decode("latin-1")
    return f'"method": {_quoted(method.decode("latin-1"))}, "path": {_quoted(path)}'
