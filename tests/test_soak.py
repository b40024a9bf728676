"""The soak of ``bench/hostile.py``, shortened: every hostile query and hostile use of HTTP once."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import quote

from conftest import serving

from bench import hostile, runaway


def test_hostile_clients_harm_nobody_else() -> None:
    attack, heard, killing, heard_killing = hostile.soak(6, 3, timeout=1, clients=12)
    assert sum(map(len, runaway.QUERIES.values())) >= 40
    assert len(runaway.QUERIES.keys() & attack.outcomes.keys()) >= 12
    # Who attacks is answered, whole and with a reason.
    assert attack.broken == []
    # Neighbours hear what is right.
    assert heard.asked > 0
    assert heard.wrong == heard_killing.wrong == 0
    assert heard.refused * 20 <= heard.asked
    # A worker that is killed costs one answer at most.
    assert killing.kills > 0
    assert heard_killing.refused <= killing.kills
    # Nothing is left of it.
    assert attack.peak < 3 * 2**30
    assert attack.burnt < 1
    assert attack.alive
    assert attack.left == 0


def test_an_idle_connection_is_sent_nothing(built: Path) -> None:
    """A deadline for a request's body ends with the body: a pooled client would take a late 408
    for the answer to its next request."""
    run = (
        "from essgraph.service import edge; edge.BODY_DEADLINE = 0.3\n"
        "from essgraph.cli import main; main()"
    )
    with serving(built, command=(sys.executable, "-c", run)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=1.5) as connection:
            for query in ("ASK { ?s ?p 1 }", "ASK { ?s ?p 2 }"):
                target = f"/sparql?query={quote(query)}"
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
                with connection.makefile("rb") as stream:
                    try:
                        unasked = stream.read(1)
                    except TimeoutError:
                        unasked = b""
                assert unasked == b""
