"""No query brings the service down: what passes a limit costs one client one clear error."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from conftest import Server, end, serving, with_quads

from essgraph import snapshot

CHEAP = "ASK { ?s ?p ?o }"
#: Never ends, and holds little memory.
ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
GREEDY = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a ?f ?i"
#: Takes half a second, and holds little memory.
LONG = """PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> SELECT (COUNT(*) AS ?n)
{ ?a rdfs:label ?b . ?c rdfs:label ?d FILTER (STRLEN(?b) = STRLEN(?d)) }"""
LARGE = "SELECT * { ?a ?b ?c . ?d ?e ?f }"


@pytest.fixture(scope="module")
def limited(built: Path) -> Iterator[Server]:
    """A service with results of 4 MiB at most, two workers, and the time that a slow machine
    needs."""
    with serving(built, "--result-limit", 4, "--workers", 2) as running:
        yield running


@pytest.fixture(scope="module")
def brief(built: Path) -> Iterator[Server]:
    """A service with a time limit of 1 s, for what reaches it."""
    with serving(built, "--timeout", 1, "--workers", 2) as running:
        yield running


def ask(server: Server, query: str, **parameters: str) -> httpx.Response:
    return httpx.get(f"{server.url}/sparql", params={"query": query, **parameters}, timeout=20)


def get(server: Server, query: str, timeout: float) -> httpx.Response:
    return httpx.get(f"{server.url}/sparql", params={"query": query}, timeout=timeout)


def alive(server: Server) -> bool:
    return ask(server, CHEAP).json()["boolean"] is True


def problem(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    return body


def test_time(brief: Server) -> None:
    start = time.monotonic()
    body = problem(ask(brief, ENDLESS), 503)
    assert body["limit"] == {"name": "time", "value": "1 s"}
    assert time.monotonic() - start < 5
    assert alive(brief)


def test_timeout_lowers_the_limit_and_never_raises_it(brief: Server) -> None:
    assert problem(ask(brief, ENDLESS, timeout="0.4"), 503)["limit"]["value"] == "0.4 s"
    assert problem(ask(brief, ENDLESS, timeout="60"), 503)["limit"]["value"] == "1 s"


@pytest.mark.parametrize("timeout", ["0", "-1", "soon", "nan", "1e9"])
def test_timeout_is_a_number_of_seconds(limited: Server, timeout: str) -> None:
    problem(ask(limited, CHEAP, timeout=timeout), 400)


def test_memory(built: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is told, after one try: another would take as much."""
    with serving(built, "--timeout", 30) as server:
        body = problem(ask(server, GREEDY), 503)
        assert body["limit"]["name"] == "memory"
        assert alive(server)
    assert capfd.readouterr().err.count("stack backtrace") == 1


def test_an_engine_that_aborts_for_no_known_reason_has_failed(built: Path) -> None:
    """To speak of memory would have a researcher mend what is not wrong."""
    with serving(built, "--timeout", 20, "--workers", 1) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, server, ENDLESS)
        while not asked.done():
            for pid in server.children()[1:]:
                end(pid, by=signal.SIGABRT)
            time.sleep(0.7)
        body = problem(asked.result(), 500)
        assert "limit" not in body
        assert alive(server)


def test_result(limited: Server) -> None:
    body = problem(ask(limited, LARGE), 413)
    assert body["limit"] == {"name": "result", "value": "4 MiB"}
    assert "/dump.nq.gz" in body["detail"]


def test_spooled_answers_are_whole(limited: Server) -> None:
    """Above 256 KiB an answer goes through a file; it has its length and ends where it should."""
    response = ask(limited, "SELECT * { ?s ?p ?o }")
    assert len(response.content) == int(response.headers["content-length"]) > 2**20
    count = ask(limited, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }").json()
    rows = response.json()["results"]["bindings"]
    assert len(rows) == int(count["results"]["bindings"][0]["n"]["value"])


@pytest.fixture(scope="module")
def pages(limited: Server) -> Iterator[str]:
    """Addresses of pages, each once: an answer that is kept is not asked for again."""
    query = """SELECT DISTINCT ?s { ?s a ?class
        FILTER STRSTARTS(STR(?s), "https://w3id.org/essgraph/id/") } ORDER BY ?s"""
    rows = ask(limited, query).json()["results"]["bindings"]
    return iter(["/page/" + row["s"]["value"].partition("/id/")[2] for row in rows])


def statuses(server: Server, asked: Iterable[tuple[str, str]]) -> set[bytes]:
    """What clients are told who ask at once, each (by the address it is said to have) a path."""
    with ExitStack() as stack:
        connections = []
        for client, path in asked:
            there = socket.create_connection(("127.0.0.1", httpx.URL(server.url).port), timeout=30)
            connections.append(stack.enter_context(there))
            fields = f"Host: e\r\nAccept: text/html, */*;q=0.1\r\nX-Forwarded-For: {client}\r\n\r\n"
            there.sendall(f"GET {path} HTTP/1.1\r\n{fields}".encode())
        return {connection.recv(12)[9:] for connection in connections}


def test_many_visitors_may_read_pages_at_once(limited: Server, pages: Iterator[str]) -> None:
    visitors = (f"192.0.2.{n}" for n in range(150))
    assert statuses(limited, zip(visitors, pages, strict=False)) == {b"200"}


def test_one_client_may_not_have_all_pages_at_once(limited: Server, pages: Iterator[str]) -> None:
    """The addresses of a network of 64 bits are one client's (RFC 4291, 2.5.4)."""
    one = (f"2001:db8::{n:x}" for n in range(150))
    assert statuses(limited, zip(one, pages, strict=False)) == {b"200", b"429"}
    queries = (f"/sparql?query={quote(f'{ENDLESS} OFFSET {n}')}&timeout=1" for n in range(80))
    one = (f"2001:db8::{n:x}" for n in range(80))
    assert statuses(limited, zip(one, queries, strict=True)) == {b"503", b"429"}
    queries = (f"/sparql?query={quote(f'{ENDLESS} OFFSET {n}')}&timeout=1" for n in range(80, 160))
    others = (f"2001:db8:0:{n:x}::1" for n in range(80))
    assert statuses(limited, zip(others, queries, strict=True)) == {b"503"}


def test_what_large_answers_take_that_nobody_reads_is_bounded(built: Path) -> None:
    """Each lies on the disk for as long as its client may take to read it."""

    def unread(number: int) -> socket.socket:
        """A connection on which an answer of some 60 MiB has begun."""
        query = quote(f"SELECT * {{ ?a ?b ?c . ?d ?e ?f }} LIMIT {140_000 + number}")
        connection = socket.create_connection(("127.0.0.1", httpx.URL(server.url).port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET /sparql?query={query} HTTP/1.1\r\nhost: e\r\n\r\n".encode())
        connection.settimeout(30)
        connection.recv(12, socket.MSG_WAITALL | socket.MSG_PEEK)
        return connection

    def status(connection: socket.socket) -> bytes:
        return connection.recv(12)[9:]

    with serving(built, "--timeout", 20) as server:
        held = [unread(number) for number in range(5)]
        try:
            *answered, refused = map(status, held)
            assert answered == [b"200"] * 4
            assert refused == b"429"
            another = httpx.HTTPTransport(local_address="127.0.0.2")
            query = "SELECT * { ?a ?b ?c . ?d ?e ?f } LIMIT 140010"
            with httpx.Client(transport=another, timeout=30) as client, ThreadPoolExecutor() as two:
                refusal = two.submit(ask, server, query)
                time.sleep(0.2)  # then the other waits for the same evaluation
                large = client.get(f"{server.url}/sparql", params={"query": query})
                assert large.status_code == 200, large.text
                assert len(large.content) > 50 * 2**20
            said = problem(refusal.result(), 429)
            assert said["limit"] == {"name": "client", "value": "256 MiB"}
        finally:
            for connection in held:
                connection.close()
        while (free := unread(20)).recv(12) != b"HTTP/1.1 200":
            free.close()
        free.close()


def resident(server: Server) -> int:
    """What the service has in memory, in bytes."""
    told = Path(f"/proc/{server.process.pid}/statm").read_text()
    return int(told.split()[1]) * resource.getpagesize()


def test_requests_that_wait_behind_another_take_little_memory(brief: Server) -> None:
    """Ten thousand small ones come in one piece; each that was parsed would take a kilobyte."""
    small = b"GET /health HTTP/1.1\r\nHost:\r\n\r\n" * 8_000
    with ExitStack() as stack:
        before = resident(brief)
        for n in range(8):
            there = socket.create_connection(("127.0.0.1", httpx.URL(brief.url).port), timeout=30)
            stack.enter_context(there)
            path = f"/sparql?query={quote(f'{ENDLESS} OFFSET {900 + n}')}"
            there.sendall(f"GET {path} HTTP/1.1\r\nHost:\r\n\r\n".encode())
            time.sleep(0.02)
            there.sendall(small)
        time.sleep(0.2)
        taken = resident(brief) - before
    assert taken < 8 * 2**20


def test_the_time_for_a_head_begins_when_it_is_read(limited: Server) -> None:
    """Two requests and a half: the half is not read on before the first two are answered, and
    ten seconds are for what is read."""
    slow = f"GET /sparql?query={quote(f'{ENDLESS} OFFSET 990')}&timeout=9.5 HTTP/1.1\r\nHost: x\r\n"
    next_ = "GET /health HTTP/1.1\r\nHost: x\r\n"
    address = "127.0.0.1", httpx.URL(limited.url).port
    with socket.create_connection(address, timeout=20) as there:
        there.sendall(f"{slow}\r\n{next_}\r\n{next_}".encode())
        said = b""
        while b'"status":"ok"' not in said:
            said += there.recv(65536)
        time.sleep(1)
        there.sendall(b"Connection: close\r\n\r\n")
        rest = b""
        while piece := there.recv(65536):
            rest += piece
    assert said.startswith(b"HTTP/1.1 503 ")
    assert rest.startswith(b"HTTP/1.1 200 ")


#: Of which 64 connections may have one each.
FEW = ("sh", "-c", 'ulimit -n 256; exec "$0" -m essgraph "$@"', sys.executable)


@pytest.mark.parametrize(
    ("sent", "rests"),
    [(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", True), (b"GET /health HT", False)],
    ids=["resting", "begun"],
)
def test_one_client_cannot_have_all_connections(
    built: Path, sent: bytes, rests: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """It loses its own, those at rest first; all others are answered, whatever that needs, on the
    connections that they have and on new ones."""

    def neighbour(number: int) -> httpx.Client:
        local = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
        return stack.enter_context(
            httpx.Client(base_url=server.url, transport=local, timeout=20, follow_redirects=True)
        )

    with (
        serving(built, "--timeout", 3, "--workers", 2, command=FEW) as server,
        ExitStack() as stack,
    ):
        kept = neighbour(2)
        assert kept.get("/health").status_code == 200
        open_ = []
        address = "127.0.0.1", httpx.URL(server.url).port
        for n in range(300):
            there = socket.create_connection(address, timeout=20)
            open_.append(stack.enter_context(there))
            with suppress(OSError):
                there.sendall(sent)
            if rests:
                assert there.recv(12).endswith(b"200"), n
        if not rests:
            said = bytearray()
            for _ in range(50):  # it may be cut off before it has read that
                if said:
                    break
                with suppress(OSError), socket.create_connection(address, timeout=20) as there:
                    while piece := there.recv(1000):
                        said += piece
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"too many connections are open" in said
            assert b"trop de connexions sont ouvertes" in said
        for client in (kept, neighbour(3)):
            slow = f"{LONG} #{client.get('/health').elapsed}"
            assert client.get("/sparql", params={"query": slow}).status_code == 200
            assert client.get("/dataset.ttl").status_code == 200
            assert client.get("/id/bamako", headers={"Accept": "text/html"}).status_code == 200
        told = kept.get("/metrics").text
        assert ('essgraph_limits_total{limit="connections"}' in told) is not rests
        for there in open_:
            there.close()
        assert get(server, CHEAP, 20).status_code == 200
    errors = capfd.readouterr().err
    assert errors.count("of one client") == 1
    assert errors.count("d'un client") == 1
    assert "Too many open files" not in errors


def deep(opening: str, closing: str, depth: int) -> str:
    return opening * depth + closing * depth


HOSTILE = {
    "groups": f"SELECT * {deep('{', '}', 5000)}",
    "IF": f"SELECT ({'IF(true,' * 1000}1{',2)' * 1000} AS ?x) {{}}",
    "EXISTS": f"ASK {{ {'FILTER EXISTS { ?s ?p ?o ' * 900}{'}' * 900} }}",
    "plus": f"SELECT ({'+'.join('1' * 20000)} AS ?x) {{}}",
    "UNION": "SELECT * {" + " UNION ".join(["{ ?s ?p ?o }"] * 5000) + "}",
    "star": "ASK {" + " . ".join(f"?s ?p{n} ?o{n}" for n in range(400)) + "}",
    "paths": f"ASK {{ ?s {'(' * 500}?p{')' * 500} ?o }}",
    "long": "ASK { ?s ?p '" + "x" * 300_000 + "' }",
}


@pytest.mark.parametrize("query", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_harm_is_refused_before_it_is_evaluated(limited: Server, query: str) -> None:
    body = problem(httpx.post(f"{limited.url}/sparql", data={"query": query}), 400)
    assert "limit" in body or "position" in body
    assert alive(limited)


LARGE_BUT_HONEST = {
    "VALUES": "SELECT * { VALUES ?x { " + " ".join(f"<http://e/{n}>" for n in range(2000)) + " } }",
    "IN": f"ASK {{ ?s ?p ?o FILTER (?o IN ({', '.join(map(str, range(1000)))})) }}",
    "UNION": "SELECT * {" + " UNION ".join(f"{{ ?s a <http://e/{n}> }}" for n in range(60)) + "}",
    "groups": f"SELECT * {{ {deep('{', '}', 16)} }}",
    "text": "ASK { ?s ?p ?o FILTER (?o != '" + "x" * 60_000 + "') }",
}


@pytest.mark.parametrize("query", LARGE_BUT_HONEST.values(), ids=LARGE_BUT_HONEST.keys())
def test_large_but_honest_queries_pass(limited: Server, query: str) -> None:
    response = httpx.post(f"{limited.url}/sparql", data={"query": query}, timeout=20)
    assert response.status_code == 200, response.text


def test_service_connects_nowhere(limited: Server) -> None:
    """Neither when it is refused nor when the engine is asked past the check."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.5)
        there = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        body = problem(ask(limited, f"ASK {{ SERVICE <{there}> {{ ?s ?p ?o }} }}"), 403)
        assert body["position"] == {"line": 1, "column": 7}
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("largest", [snapshot.LARGE, 1], ids=["in memory", "on disk"])
def test_a_worker_cannot_connect_even_if_the_check_were_passed(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """A frame sent straight to a worker, without `inspect`: it can make no socket."""
    from essgraph import formats
    from essgraph.engine import Dataset, Limits
    from essgraph.errors import EssgraphError
    from essgraph.pool import Pool
    from essgraph.query import Query

    monkeypatch.setattr(snapshot, "LARGE", largest)
    quads = snapshot.open_snapshot(with_quads(built, tmp_path, "")).quads
    assert quads.with_name(snapshot.STORE).is_dir() == (largest == 1)

    async def past_the_check(there: str) -> None:
        async with Pool(quads, limits=Limits(timeout=2), workers=1) as pool:
            text = f"SELECT * {{ SERVICE <{there}> {{ ?s ?p ?o }} }}"
            with pytest.raises(EssgraphError):
                await pool.query(Query(text, "SELECT"), Dataset(), {}, formats.JSON)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.5)
        asyncio.run(past_the_check(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        with pytest.raises(TimeoutError):
            listener.accept()


def test_workers_do_not_share_their_random_state(built: Path) -> None:
    """Forked twice from one process, two workers still draw different numbers."""
    found: set[str] = set()
    with serving(built, "--workers", 4) as server:
        threads = [
            threading.Thread(
                target=lambda: found.add(ask(server, "SELECT (STRUUID() AS ?u) {}").text)
            )
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 12


def test_volatile_answers_are_not_kept(limited: Server) -> None:
    first, second = (ask(limited, "SELECT (UUID() AS ?u) {}") for _ in range(2))
    assert first.text != second.text
    assert first.headers["cache-control"] == "no-store"


def test_killed_workers_cost_nobody_else_anything(built: Path) -> None:
    with serving(built, "--timeout", 5, "--workers", 2) as server:
        for round_ in range(5):
            zygote, *workers = server.children()
            assert workers
            for pid in workers if round_ % 2 else workers[:1]:
                end(pid)
            assert alive(server)
            assert ask(server, f"ASK {{ ?s ?p {round_} }}").status_code == 200
        os.kill(zygote, signal.SIGKILL)
        until = time.monotonic() + 30
        # Its workers die with it, a moment later: one of them may still answer.
        while zygote in server.children() or (
            ask(server, f"ASK {{ ?s ?p {time.monotonic_ns()} }}").status_code != 200
        ):
            assert time.monotonic() < until, "the workers did not begin again"
            time.sleep(0.05)
        assert alive(server)


def test_who_stops_while_the_workers_begin_again_leaves_no_process(built: Path) -> None:
    with ExitStack() as stack, serving(built, "--workers", 1) as server:
        zygote = server.children()[0]
        os.kill(zygote, signal.SIGKILL)
        until = time.monotonic() + 10
        while zygote in (new := server.children()) or not any(map(loads, new)):
            assert time.monotonic() < until
        stack.callback(end, new[0])
        os.kill(new[0], signal.SIGSTOP)  # it is not ready for as long as it takes


@pytest.mark.parametrize("after", [0, 0.02, 0.04, 0.06, 0.08, 0.12, 0.2])
def test_who_is_stopped_as_it_starts_ends(built: Path, after: float) -> None:
    """Whenever it is told to: there was a moment in which the signal was lost."""
    command = (
        "-c",
        "from essgraph.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--out",
        built,
    )
    with subprocess.Popen([sys.executable, *map(str, command)], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"serves" in process.stderr.readline()
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(20) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def loads(pid: int) -> bool:
    """Whether it is the program that loads a snapshot, and no longer what began it."""
    with suppress(OSError):
        return b"essgraph.workers" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def test_a_client_that_leaves_frees_its_worker(built: Path) -> None:
    """Four clients leave endless queries; each worker is free again long before its limit."""
    with serving(built, "--timeout", 60, "--workers", 1) as server:
        for n in range(4):
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{server.url}/sparql", params={"query": f"{ENDLESS} # {n}"}, timeout=0.5)
        start = time.monotonic()
        assert ask(server, f"ASK {{ ?s ?p {os.getpid()} }}").status_code == 200
        assert time.monotonic() - start < 10


def test_neighbours_of_runaway_queries_are_served(limited: Server) -> None:
    """Heavy queries fill the slow lane: the rest are told when to come back, the light ones go
    on."""
    answers: list[httpx.Response] = []

    def attack(number: int) -> None:
        answers.append(ask(limited, ENDLESS.replace("?n", f"?n{number}"), timeout="1"))

    threads = [threading.Thread(target=attack, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for n in range(20):
        assert ask(limited, f"ASK {{ ?s ?p {n} }}").status_code == 200
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    for answer in answers:
        body = problem(answer, 503)
        assert "limit" in body or int(answer.headers["retry-after"]) > 0
    assert alive(limited)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_short_queries_leave_a_core_to_a_busy_service(built: Path) -> None:
    """While it is busy, and no longer; a long query runs wherever there is room."""
    cores = len(os.sched_getaffinity(0))
    request = b"GET /sparql?query=ASK%20%7B%7D HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def placed(server: Server) -> list[int]:
        """How many cores each worker may run on."""
        found = list[int]()
        for pid in server.children()[1:]:
            with suppress(ProcessLookupError):
                found.append(len(os.sched_getaffinity(pid)))
        return sorted(found)

    def reach(server: Server, wanted: list[int]) -> None:
        until = time.monotonic() + 30
        while placed(server) != wanted:
            assert time.monotonic() < until, placed(server)
            time.sleep(0.05)

    with serving(built, "--timeout", 60, "--workers", 2) as server, ExitStack() as stack:
        leaving = stack.enter_context(connected(server))
        leaving.sendall(request.replace(b"ASK%20%7B%7D", quote(ENDLESS).encode()))
        reach(server, [cores] * 4)
        busy = threading.Event()
        busy.set()

        def load() -> None:
            with connected(server) as client:
                while busy.is_set():
                    client.sendall(request * 20)
                    client.recv(1 << 20)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            reach(server, [cores - 1] * 3 + [cores])
        finally:
            busy.clear()
            for thread in threads:
                thread.join()
        reach(server, [cores] * 4)


def connected(server: Server) -> socket.socket:
    address = httpx.URL(server.url)
    return socket.create_connection((address.host, address.port or 80), 20)


def test_long_queries_take_turns(built: Path) -> None:
    """There are more than the slow lane holds, and than may be halted: all are answered. Clients
    that leave while they wait take no place."""
    with serving(built, "--timeout", 60, "--workers", 2) as server:
        leave(server, [ENDLESS.replace("?n", f"?n{n}") for n in range(12)])
        with ThreadPoolExecutor(16) as pool:
            queries = [LONG.replace("?n", f"?n{n}") for n in range(16)]
            answers = [*pool.map(lambda query: get(server, query, 60), queries)]
    assert {answer.status_code for answer in answers} == {200}
    values = [[*row.values()] for a in answers for row in a.json()["results"]["bindings"]]
    assert len({value["value"] for (value,) in values}) == 1


def test_all_clients_of_a_query_may_leave_at_once(built: Path) -> None:
    """They share one evaluation; none of them begins it anew when the first is gone."""
    with serving(built, "--timeout", 60, "--workers", 2) as server:
        for _ in range(4):
            leave(server, [ENDLESS] * 12)
        time.sleep(1)
        for pid in server.children():
            with suppress(OSError):
                assert Path(f"/proc/{pid}/stat").read_text().split()[2] != "R"


def leave(server: Server, queries: list[str]) -> None:
    """Asks queries at once, and leaves after a second."""
    with ThreadPoolExecutor(len(queries)) as pool:
        left = [pool.submit(get, server, query, 1) for query in queries]
    assert all(isinstance(it.exception(), httpx.ReadTimeout) for it in left)


def test_queries_that_wait_behind_one_that_ends_badly_are_answered(built: Path) -> None:
    """A short query may wait behind another at the same worker. Where that one is ended, fills
    the worker's file, breaks the engine or is left by its client, those behind it have their own
    right answers all the same."""

    async def short(client: httpx.AsyncClient, number: int) -> None:
        query = f"SELECT ({number} AS ?n) {{}}"
        response = await client.get("/sparql", params={"query": query})
        assert response.status_code == 200, response.text
        (row,) = response.json()["results"]["bindings"]
        assert row["n"]["value"] == str(number)

    async def endless(client: httpx.AsyncClient, number: int) -> None:
        query = ENDLESS.replace("?n", f"?n{number}")
        response = await client.get("/sparql", params={"query": query, "timeout": "0.3"})
        assert response.status_code == 503

    async def large(client: httpx.AsyncClient, number: int) -> None:
        query = f"SELECT * {{ ?s ?p ?o }} LIMIT {5_000 + number}"
        response = await client.get("/sparql", params={"query": query})
        assert len(response.json()["results"]["bindings"]) == 5_000 + number

    async def left(client: httpx.AsyncClient, number: int) -> None:
        query = f"SELECT (COUNT(*) AS ?n{number}) {{ ?a ?b ?c . ?c ?d ?e . ?e ?f ?g }}"
        soon = httpx.Timeout(20, read=0.002)
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/sparql", params={"query": query}, timeout=soon)

    async def killed(client: httpx.AsyncClient, number: int) -> None:
        _, *workers = server.children()
        end(workers[number % len(workers)])

    async def together() -> None:
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(base_url=server.url, timeout=20, limits=limits) as client:
            for first, bad in enumerate((endless, large, left, killed) * 4):
                start = 1_000 * (first + 1)
                for number in range(start, start + 40):  # a client of short queries
                    await short(client, number)
                numbers = range(start + 100, start + 124)
                asked = [short(client, number) for number in numbers]
                await asyncio.gather(*asked[:4], bad(client, first), *asked[4:])

    with serving(built, "--timeout", 5, "--workers", 1) as server:
        asyncio.run(together())
        assert alive(server)


@pytest.mark.parametrize(
    ("short", "killed"),
    [("service", "workers"), ("zygote", "workers"), ("service", "zygote")],
)
def test_workers_come_back_when_the_system_grants_them_again(
    built: Path, short: str, killed: str
) -> None:
    """While no process can be made, for want of descriptors, each query is told to come back, and
    the service says that it is not ready; afterwards all is as before, with no hand's help."""
    with (
        serving(built, "--timeout", 1, "--workers", 2) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        assert client.get("/ready").status_code == 200  # its connection stays
        zygote, *workers = server.children()
        who = server.process.pid if short == "service" else zygote
        before = resource.prlimit(who, resource.RLIMIT_NOFILE)
        resource.prlimit(who, resource.RLIMIT_NOFILE, (1, before[1]))
        try:
            for pid in workers if killed == "workers" else [zygote]:
                end(pid)
            for _ in range(200):  # they may still answer while they die
                if client.get("/ready").status_code == 503:
                    break
                time.sleep(0.02)
            parameters = {"query": "ASK { ?s ?p 1 }"}
            body = problem(response := client.get("/sparql", params=parameters), 503)
            assert int(response.headers["retry-after"]) > 0
            assert "query process" in body["detail"] or "processus de requête" in body["detail"]
            assert client.get("/ready").status_code == 503
        finally:
            resource.prlimit(who, resource.RLIMIT_NOFILE, before)
        for _ in range(200):
            if client.get("/ready").status_code == 200 and len(server.children()) == 4:
                break
            time.sleep(0.05)
        assert len(server.children()) == 4  # the zygote, two workers and the spare one
        assert client.get("/sparql", params={"query": "ASK { ?s ?p 2 }"}).status_code == 200


@pytest.mark.parametrize("missing", [100, 1_000_000], ids=["at the end", "before"])
def test_an_answer_that_the_disk_has_no_room_for_is_never_cut_short(
    built: Path, limited: Server, missing: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """The last bytes, or more, find no room in the temporary file: a clear error, and the next
    query is answered. The bound on files takes what fits and then refuses, as a full disk does."""
    query = "SELECT * { ?s ?p ?o }"
    room = len(ask(limited, query).content) - missing
    bounded = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        "from essgraph.cli import main; main()"
    )
    command = (sys.executable, "-c", bounded)
    with serving(built, "--workers", 1, command=command) as server:
        for text in (query, query + "# again"):
            body = problem(response := ask(server, text), 503)
            assert int(response.headers["retry-after"]) > 0
            assert "temporaires" in body["detail"] or "temporary files" in body["detail"]
        smaller = ask(server, query + " LIMIT 3000")
        assert len(smaller.json()["results"]["bindings"]) == 3000
        assert len(smaller.content) > 2**18
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ?o (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?o ORDER BY ?o",
        "SELECT * { ?s ?p ?o } ORDER BY DESC(?o) ?s",
        "SELECT ?o { GRAPH ?g { ?s ?p ?o } } order by # by what?\n COALESCE(?x, ?o) asc (?s)",
    ],
)
def test_values_of_many_types_are_put_in_order(server: str, query: str) -> None:
    """The engine's sort ends the process where it finds that its comparisons contradict one
    another, which those of literals of different types do."""
    whole, unordered = (
        httpx.get(f"{server}/sparql", params={"query": q, "format": "json"})
        for q in (query, query[: query.lower().index("order")])
    )
    assert whole.status_code == 200, whole.text
    rows, expected = (a.json()["results"]["bindings"] for a in (whole, unordered))
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))
    kinds = [kind for kind, _ in groupby(row["o"]["type"] for row in rows)]
    upward = ["bnode", "uri", "literal"]
    assert kinds == [k for k in upward[:: -1 if "DESC" in query else 1] if k in kinds]
