"""The HTTP edge: what uvicorn's protocol lacks.

- Deadlines that hold whatever trickles in: for a request's head, for its body, for a reader that
  does not read (uvicorn has none; its issue 157).
- Limits on the size of the head (RFC 6585, 431; RFC 9110, 414).
- Pipelined requests are hardly parsed before the one ahead of them is answered: parsed, each takes
  forty times its size in memory.
- A client that goes away cancels its request. Where too many connections are open, the client with
  the most loses one.
- What was asked before, byte for byte, is answered from the ``memo`` before anything is parsed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import deque
from typing import Any, Final, TypeAlias, cast

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from essgraph.errors import Text
from essgraph.service.clients import client_at
from essgraph.service.connections import Connections
from essgraph.service.memo import LARGEST_REQUEST, Exchange, Memo
from essgraph.service.problems import TITLES
from essgraph.service.reply import Headers, Reply

#: Seconds for a whole head, a whole body, and for a reader to take anything at all.
HEAD_DEADLINE: Final = 10.0
BODY_DEADLINE: Final = 30.0
READ_DEADLINE: Final = 60.0
#: For how long, in seconds, the loop polls for the next request of the only client: to be woken for
#: it takes a third of the time of an answer from the memo. With one core the client needs the time.
LOOKS: Final = 0.0001 if (os.cpu_count() or 1) > 1 else 0.0
#: For how long, in seconds, it does not poll after it has polled in vain.
SLEEPS: Final = 0.02
#: How long a refused client may go on sending, so that it reads the answer before the reset.
LINGER: Final = 2.0
#: The longest URL (the parser's own bound), the most that all header fields may have, and the
#: largest head of a request, in bytes; and how many fields there may be.
MAX_URL: Final = 2**16 - 1
MAX_FIELDS: Final = 32 * 2**10
MOST_FIELDS: Final = 500
MAX_HEAD: Final = 96 * 2**10
#: How much is parsed at once, in bytes: so much may wait as requests, with all that each has.
SLICE: Final = 4 * 2**10

#: What is refused here: a status, the limit that was met, and what is said.
Fault: TypeAlias = tuple[int, str | None, Text]

_TOO_SLOW: Final[Fault] = (
    408,
    "arrival",
    Text("la requête HTTP n'est pas arrivée à temps", "the request took too long to arrive"),
)
_NO_ROOM: Final[Fault] = (
    503,
    "connections",
    Text(
        "trop de connexions sont ouvertes ; fermez-en, ou réessayez plus tard",
        "too many connections are open; close some, or try again later",
    ),
)
_LONG_HEAD: Final[Fault] = (
    431,
    "head",
    Text(
        f"l'en-tête de la requête dépasse {MAX_HEAD >> 10} Kio",
        f"the head of the request is larger than {MAX_HEAD >> 10} KiB",
    ),
)
_LONG_FIELDS: Final[Fault] = (
    431,
    "head",
    Text(
        f"les champs d'en-tête dépassent {MAX_FIELDS >> 10} Kio",
        f"the header fields are larger than {MAX_FIELDS >> 10} KiB",
    ),
)
_MANY_FIELDS: Final[Fault] = (
    431,
    "head",
    Text(
        f"la requête a plus de {MOST_FIELDS} champs d'en-tête",
        f"the request has more than {MOST_FIELDS} header fields",
    ),
)
_LONG_URL: Final[Fault] = (
    414,
    "uri",
    Text(
        "l'adresse dépasse 64 Kio ; envoyez la requête par POST",
        "the URL is longer than 64 KiB; send the query by POST",
    ),
)
_HOST: Final[Fault] = (
    400,
    None,
    Text("un champ Host est attendu, et un seul", "exactly one Host field is expected"),
)
_BAD_URL: Final[Fault] = (
    400,
    None,
    Text(
        "l'adresse est mal formée : encodez les espaces et tout caractère hors ASCII (é s'écrit "
        "%C3%A9)",
        "the URL is malformed: encode spaces and what is not ASCII (é is written %C3%A9)",
    ),
)
_MALFORMED: Final[Fault] = (400, None, Text("requête HTTP mal formée", "malformed HTTP request"))
#: RFC 9110, 15.6.2: for a method that is not known, not for one that a resource does not allow.
_UNKNOWN_METHOD: Final[Fault] = (
    501,
    None,
    Text(
        "méthode HTTP inconnue (connues : GET, HEAD, POST et OPTIONS, en capitales)",
        "unknown HTTP method (known: GET, HEAD, POST and OPTIONS, in capitals)",
    ),
)
_OTHER_VERSION: Final[Fault] = (
    505,
    None,
    Text(
        "version de HTTP inconnue ici ; demandez en HTTP/1.1",
        "this version of HTTP is not known here; ask in HTTP/1.1",
    ),
)
_NOTHING: Final = memoryview(b"")
#: The line of a request with any method (RFC 9112, 3).
_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.[01]\r?\n")


def protocol(memo: Memo, opened: Connections) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn's ``http`` setting, over one memo; ``opened`` has all
    connections."""
    return cast("type[asyncio.Protocol]", type("Edge", (_Edge,), {"memo": memo, "opened": opened}))


class _Flow(FlowControl):
    """Reading stays paused while a request waits behind the one that is being answered."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _Edge(HttpToolsProtocol):
    memo: Memo
    opened: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._who = ""  # by address
        self._between = True  # no request is under way on this connection
        self._whole = True  # nothing more is to come of the last request
        self._begun = 0  # requests begun in the piece at hand
        self._head: int | None = 0  # bytes of the head so far; None once it is whole
        self._beside = 0  # bytes that came beside those of the body, as far as it does not explain
        self._piece: bytes | None = None  # the piece that may be one whole request
        self._unparsed = _NOTHING  # of the piece at hand; something only while requests wait
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._resting = 0.0  # since when it waits for another request
        self._looks = 0.0  # when the next one may be looked for again
        self._fault = _MALFORMED  # why the parser was stopped
        self._refused = False
        self._parting: Fault | None = None  # what is said when it was
        self._offered = False  # the head at hand offers another protocol
        self._held = False  # an answer waits to be read before anything follows it

    # --- what comes in ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.flow = _Flow(self.transport, self.pipeline)
        self._who = client_at(self.client[0] if self.client else "")
        goes = self.opened.enter(self._who, self)
        if goes is self:
            self._refused = True
            self._say(_NO_ROOM)
            self.transport.close()  # at once: there is no room to wait until it has read that
            return
        if goes is not None:
            cast("_Edge", goes).transport.abort()
        self._set_deadline()

    @property
    def resting(self) -> bool:
        """Whether it waits for a request, and all that was answered is on its way."""
        return self._between and not self.transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._between:
            kept = self.memo.get(data)
            if kept is not None:
                self._answer_again(kept)
                return
            self._piece = data if len(data) <= LARGEST_REQUEST else None
        else:
            self._piece = None
        self._begun = 0
        self._unparsed = memoryview(data)
        self._parse()

    def _parse(self) -> None:
        """Parses what is at hand until a request waits; reading is paused then."""
        while self._unparsed and not self.pipeline and not self._refused:
            data, rest = self._unparsed[:SLICE], self._unparsed[SLICE:]
            self._unparsed = rest or _NOTHING  # what is empty would keep the whole piece
            self._parse_slice(data)

    def _parse_slice(self, data: memoryview) -> None:
        if self._head is not None:
            self._head += len(data)
        else:
            self._beside += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._pass_over(data, offer)
        except httptools.HttpParserInvalidURLError:
            self._refuse(_BAD_URL)
        except httptools.HttpParserInvalidMethodError:
            # Behind another request, or in pieces, it is told as malformed.
            alone = self._begun <= 1 and _LINE.match(data)
            self._refuse(_UNKNOWN_METHOD if alone else _MALFORMED)
        except httptools.HttpParserError:
            self._refuse(self._fault)
        if self._refused:
            return
        if self._head is not None and self._head > MAX_HEAD:
            self._refuse(_LONG_HEAD)
        elif self._head is None and self._beside > MAX_FIELDS:
            self._refuse(_LONG_FIELDS)
        elif not self._whole and self._deadline is None:
            self._set_deadline()

    def _pass_over(self, data: memoryview, offer: httptools.HttpParserUpgrade) -> None:
        """Goes on where the parser stopped: it would lose the body (uvicorn's issue 2722)."""
        ahead = [data[offer.args[0] :], self._decline()]
        try:
            while ahead:
                data = ahead.pop()
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as another:
                    ahead += (data[another.args[0] :], self._decline())
        except httptools.HttpParserError:
            self._refuse(self._fault)

    def _decline(self) -> memoryview:
        """The head at hand without the other protocol that it offers, for a parser anew: as if
        nothing had been offered (RFC 9110, 7.8)."""
        self._offered = False
        self._begun -= 1
        version = f"HTTP/{self.parser.get_http_version()}".encode()
        line = b" ".join((self.parser.get_method(), self.url, version))
        fields = [b": ".join(field) for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return memoryview(b"\r\n".join((line, *fields, b"\r\n")))

    def _answer_again(self, kept: Exchange) -> None:
        begin = time.monotonic()
        self._clear_deadline()
        status, head, body, _, _, line = kept
        self.transport.write(b"".join((STATUS_LINE[status], self._defaults(), head, body)))
        self._rest()
        self.memo.heard(line or "", self._resting - begin)
        if self.flow.write_paused:
            self._hold()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1
        self._between = self._whole = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL:
            self._stop(_LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:  # behind a body there may be more of them, for whom nobody asks
            super().on_header(name, value)
            if len(self.headers) > MOST_FIELDS:
                self._stop(_MANY_FIELDS)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._stop(_UNKNOWN_METHOD)
            self._offered = True  # it comes again without the offer
            return
        if not self.parser.get_http_version().startswith("1."):
            self._stop(_OTHER_VERSION)
        size = hosts = 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and (
                value.lower() != b"chunked" or self.parser.get_http_version() != "1.1"
            ):
                self._stop(_MALFORMED)  # who is to say where its body ends? (RFC 9112, 6.1)
        if size > MAX_FIELDS:
            self._stop(_LONG_FIELDS)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            self._stop(_HOST)
        self._clear_deadline()
        super().on_headers_complete()
        self._head = None

    def on_body(self, body: bytes) -> None:
        # A chunk of one byte comes as six (RFC 9112, 7.1).
        self._beside = max(0, self._beside - 8 * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._offered:
            return
        self._whole, self._head, self._beside = True, 0, 0
        self._clear_deadline()
        self.cycle.more_body = False
        self.cycle.message_event.set()
        if self.cycle.response_complete:  # it was answered before its body came
            self._between = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope = cast("Scope", cycle.scope)
        scope["extensions"] = {"essgraph.reply": self._reply(cycle)}
        self._task = self.loop.create_task(cycle.run_asgi(_Quiet(app, cycle)))  # type: ignore[arg-type]
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def _reply(self, cycle: RequestResponseCycle) -> Reply:
        """How the application answers whole, in one write: half the system calls of two events."""
        generation = self.memo.generation

        def reply(status: int, headers: Headers, body: bytes, lasting: bool) -> None:
            if cycle.disconnected:
                return
            head = b"\r\n".join([*[b": ".join(field) for field in headers], b"\r\n"])
            # Only what came as one piece, alone, on a connection that stays.
            alone = self._begun == 1 and self.cycle is cycle and not cycle.more_body
            if lasting and self._piece is not None and alone and cycle.keep_alive:
                self.memo.put(generation, self._piece, status, head, body, cycle.scope)
            close = b"" if cycle.keep_alive else b"connection: close\r\n"
            whole = (STATUS_LINE[status], self._defaults(), close, head, body)
            self.transport.write(b"".join(whole))
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
            if not cycle.keep_alive:
                self.transport.close()
            cycle.on_response()

        return reply

    def _defaults(self) -> bytes:
        return b"".join([b"%s: %s\r\n" % field for field in self.server_state.default_headers])

    def on_response_complete(self) -> None:
        # In place of uvicorn's, which makes a timer for each request.
        self.server_state.total_requests += 1
        self._between = not self.pipeline and self._whole
        if self.flow.write_paused:
            self._hold()
        else:
            self._go_on()

    def _hold(self) -> None:
        """Nothing more is read or answered until the client has read: what it leaves unread lies
        in memory."""
        self._held = True
        self._resting = time.monotonic()
        self.flow.pause_reading()

    def _go_on(self) -> None:
        """After an answer."""
        if not self.transport.is_closing():
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
                self._parse()
            elif self._refused:
                self._part()
            else:
                self._rest()
            if self.flow.read_paused and self._deadline is not None:
                self._clear_deadline()  # the time when nothing was read does not count
                self._set_deadline()
            self.flow.resume_reading()

    # --- between requests -------------------------------------------------------------------

    def _rest(self) -> None:
        """From now the connection waits for its next request."""
        self._resting = time.monotonic()
        if self.timeout_keep_alive_task is None:
            self._set_keep_alive(self.timeout_keep_alive)
        if len(self.connections) == 1 and self._resting >= self._looks:
            self._look(self._resting)

    def _look(self, resting: float) -> None:
        """Looks for the next request of the only client rather than sleep until it comes."""
        if self._resting == resting and self._between:
            if (now := time.monotonic()) < resting + LOOKS:
                self.loop.call_soon(self._look, resting)
            else:
                self._looks = now + SLEEPS

    def _set_keep_alive(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """One timer for all requests of a connection: it looks whether it has rested too long."""
        self.timeout_keep_alive_task = None
        left = self._resting + self.timeout_keep_alive - time.monotonic()
        if left > 0:
            self._set_keep_alive(left)
        elif self._between:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """For uvicorn to say that a request has come: the timer will see."""

    # --- what goes wrong --------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.opened.leave(self._who, self)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self._clear_deadline()
        self.resume_writing()
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def _stop(self, fault: Fault) -> None:
        """Stops the parser."""
        self._fault = fault
        raise ValueError(fault[2].en)

    def _refuse(self, fault: Fault) -> None:
        """An answer before the application is asked, and the end of the connection. It has its
        place behind the answers that are under way, never inside one."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._clear_deadline()
        self._parting = fault
        under_way = bool(self.pipeline)
        if self._head is not None:  # the fault is in the head of a request
            under_way = under_way or (self.cycle is not None and not self.cycle.response_complete)
        elif self.pipeline:  # in the body of the last, which waits
            self.pipeline.popleft()
        elif self.cycle.response_started:  # in the body of one whose answer did not wait for it
            self._parting = None
            under_way = not self.cycle.response_complete
        else:  # whatever the application would still say has no place
            self.cycle.disconnected = True
            cast("Scope", self.cycle.scope)["essgraph.refused"] = True
            if self._task is not None:
                self._task.cancel()
        if not under_way:
            self._part()

    def _part(self) -> None:
        """The last word on this connection, if there is one."""
        if self._parting is not None:
            self._say(self._parting)
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER, self.transport.close)

    def _say(self, fault: Fault) -> None:
        status, limit, detail = fault
        problem = {
            "type": "about:blank",
            "title": TITLES[status].en,
            "status": status,
            "detail": f"{detail.en} / {detail.fr}",
        }
        body = json.dumps(problem, ensure_ascii=False).encode()
        self.transport.write(
            STATUS_LINE[status]
            + self._defaults()
            + b"content-type: application/problem+json\r\naccess-control-allow-origin: *\r\n"
            + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        # Between requests, nothing is known of the next one.
        url = b"" if self._whole else self.url
        method = self.parser.get_method() if url else b""
        self.memo.refused(method + b" " + url, status, len(body), limit)

    def _set_deadline(self) -> None:
        seconds = HEAD_DEADLINE if self._head is not None else BODY_DEADLINE
        self._deadline = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # it is we who do not read
            self._set_deadline()
        else:
            self._refuse(_TOO_SLOW)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(READ_DEADLINE, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._held:
            self._held = False
            self._go_on()


class _Quiet:
    """The application, whose cancellation is no fault once its client has left."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._cycle.disconnected and not self._cycle.transport.is_closing():
                raise
        finally:
            # What answers leads back to the request: without this, only the collector ends both.
            scope["extensions"].clear()
