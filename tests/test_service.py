"""The service as its operators and hostile clients meet it: health, metrics, signals, the edge."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from conftest import Run, copy_project, serving, with_quads

from essgraph.snapshot import open_snapshot

COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"


def test_health_and_metrics(server: str, built: Path) -> None:
    assert httpx.get(f"{server}/health").json() == {
        "status": "ok",
        "version": open_snapshot(built).version,
    }
    assert httpx.get(f"{server}/ready").json()["ready"] is True
    httpx.get(f"{server}/sparql", params={"query": "ASK {}"})
    assert httpx.head(f"{server}/health").status_code == 200
    metrics = httpx.get(f"{server}/metrics").text
    assert 'essgraph_requests_total{status="200"}' in metrics


@pytest.mark.parametrize("path", ["/nowhere", "/id/nobody", "/data/bamako.xyz", "/id/a/b/c"])
def test_unknown_addresses_are_problems(server: str, path: str) -> None:
    response = httpx.get(server + path, headers={"Accept": "application/json"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 404


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (
            "/queries/a%0d%0aX-Sent:%20by%20them%0d%0a/",
            "/queries/a%0D%0AX-Sent%3A%20by%20them%0D%0A",
        ),
        ("/queries/%C3%A9/?lang=fr", "/queries/%C3%A9?lang=fr"),
        ("/data/bamako.%3Cb%3E/", "/data/bamako.%3Cb%3E"),
    ],
)
def test_a_redirect_leads_to_an_address_and_is_no_more(
    server: str, path: str, location: str
) -> None:
    said = talk(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = said.partition(b"\r\n\r\n")
    assert body == b""
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert fields[b"location"] == location.encode()
    assert b"x-sent" not in head.lower().replace(fields[b"location"].lower(), b"")


@pytest.mark.parametrize("field", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize(
    "date",
    [
        "Sat, 01 Jan 99999999999 00:00:00 GMT",
        "Sat, 01 Jan 2020 00:00:00 +99999999999999",
        "soon",
    ],
)
def test_a_condition_without_a_date_is_none(server: str, field: str, date: str) -> None:
    """RFC 9110, 13.1.3."""
    assert httpx.get(f"{server}/dataset.ttl", headers={field: date}).status_code == 200


def test_every_address_answers_a_preflight(server: str) -> None:
    """What the service describes, its pages, its parts, and the server as a whole (``*``)."""
    described = httpx.get(f"{server}/openapi.json").json()["paths"]
    paths = {path.translate(str.maketrans("", "", "{}")) for path in described}
    assert {"/sparql", "/id/slug", "/health", "/ready", "/metrics"} <= paths
    paths |= {"*", "/", "/docs", "/openapi.json", "/q/x", "/recommendations", "/static/x.js"}
    host = httpx.URL(server)
    assert host.port is not None
    connection = http.client.HTTPConnection(host.host, host.port)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    for path in (*sorted(paths | {"/view"}), "/nowhere"):
        connection.request("OPTIONS", path, headers=asked)
        response = connection.getresponse()
        assert (response.status, response.read()) == (204, b""), path
        assert response.headers["access-control-allow-origin"] == "*"
        assert "GET" in response.headers["access-control-allow-methods"]
        assert "Accept" in response.headers["access-control-allow-headers"]
        allowed = response.headers["allow"].split(", ")
        assert {"GET", "HEAD", "OPTIONS"} <= set(allowed), path
        posted = path in ("*", "/sparql", "/view") or path.startswith("/reconcile")
        assert ("POST" in allowed) == posted, path
    connection.close()


def test_what_is_read_only_says_so(server: str) -> None:
    for path in ("/health", "/ready", "/metrics", "/openapi.json"):
        for method in ("POST", "PUT", "DELETE"):
            refused = httpx.request(method, server + path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_problems_speak_both_languages(server: str) -> None:
    said = {
        language: httpx.get(
            f"{server}/sparql", params={"query": "ASK {"}, headers={"Accept-Language": language}
        ).json()["detail"]
        for language in ("fr", "en")
    }
    assert said["fr"] != said["en"]
    assert "never closed" in said["en"]


def test_an_answer_is_the_same_bytes_and_not_sent_twice(server: str) -> None:
    first = httpx.get(f"{server}/sparql", params={"query": COUNT})
    again = httpx.get(f"{server}/sparql", params={"query": COUNT})
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
    not_modified = httpx.get(
        f"{server}/sparql",
        params={"query": COUNT},
        headers={"If-None-Match": first.headers["etag"]},
    )
    assert not_modified.status_code == 304
    assert not not_modified.content
    assert not_modified.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("coding", ["gzip", "br", "identity"])
def test_codings(server: str, coding: str) -> None:
    query = "SELECT * { ?s ?p ?o } LIMIT 50"
    plain = httpx.get(
        f"{server}/sparql", params={"query": query}, headers={"Accept-Encoding": "identity"}
    )
    coded = httpx.get(
        f"{server}/sparql", params={"query": query}, headers={"Accept-Encoding": coding}
    )
    assert coded.headers.get("content-encoding", "identity") == coding
    assert coded.content == plain.content
    assert (coded.headers["etag"] == plain.headers["etag"]) == (coding == "identity")


# --- the edge -------------------------------------------------------------------------------


def talk(server: str, data: bytes, seconds: float = 5) -> bytes:
    """What the server says to raw bytes, until it closes or falls silent."""
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            pass
        return received


def test_requests_of_one_connection_are_answered_in_order(server: str) -> None:
    """Pipelined, and repeated so that the memo has them."""
    host = b" HTTP/1.1\r\nHost: x\r\n"
    ask = b"GET /sparql?query=ASK%7B%7D" + host + b"\r\n"
    none = b"GET /sparql?query=ASK%7B%3Fs%20%3Fp%20%3Cx%3A%3E%7D" + host + b"\r\n"
    last = b"GET /health" + host + b"Connection: close\r\n\r\n"
    for _ in range(3):
        said = talk(server, ask + none + ask + last)
        bodies = [part.split(b"\r\n\r\n", 1)[1] for part in said.split(b"HTTP/1.1 ")[1:]]
        assert [b"true" in b for b in bodies[:3]] == [True, False, True]
        assert b'"status":"ok"' in bodies[3]


@pytest.mark.parametrize("size", [2**20, 70_001, 1_499], ids=["at once", "large", "small"])
def test_many_requests_of_one_connection_are_all_answered_in_order(server: str, size: int) -> None:
    """More than are parsed before they are answered, some with bodies in pieces of any size."""
    asked = []
    for n in range(2_000):
        query = f"SELECT ({n} AS ?n) {{}} #{'.' * (7_000 if n % 100 == 7 else n % 30)}"
        fields = "Host: x\r\nAccept: text/csv\r\nContent-Type: application/sparql-query\r\n"
        if n % 3 == 0:
            path = httpx.URL("/sparql", params={"query": query}).raw_path.decode()
            asked.append(f"GET {path} HTTP/1.1\r\n{fields}\r\n")
        elif n % 3 == 1:
            length = f"Content-Length: {len(query)}\r\n"
            asked.append(f"POST /sparql HTTP/1.1\r\n{fields}{length}\r\n{query}")
        else:
            chunks = f"{len(query):x}\r\n{query}\r\n0\r\n"
            coding = "Transfer-Encoding: chunked\r\n"
            asked.append(f"POST /sparql HTTP/1.1\r\n{fields}{coding}\r\n{chunks}\r\n")
    asked.append("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = "".join(asked).encode()
    host, port = server.removeprefix("http://").split(":")

    def send(connection: socket.socket) -> None:
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])

    with (
        socket.create_connection((host, int(port)), timeout=30) as connection,
        ThreadPoolExecutor(1) as beside,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = beside.submit(send, connection)
        said = bytearray()
        while piece := connection.recv(2**20):
            said += piece
        sent.result()
    answers = said.decode().split("HTTP/1.1 200 OK\r\n")[1:]
    numbers = [answer.partition("\r\n\r\n")[2] for answer in answers]
    assert numbers[:-1] == [f"n\r\n{n}\r\n" for n in range(2_000)]
    assert '"status":"ok"' in numbers[-1]


def test_the_memo_answers_in_pieces_too(server: str) -> None:
    """The same request whole, whole again, and cut into two: three equal answers."""
    request = b"GET /sparql?query=ASK%7B%3Fs%20a%20%3Fx%7D HTTP/1.1\r\nHost: x\r\n\r\n"
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        answers = []
        for cut in (len(request), len(request), 20, len(request)):
            connection.sendall(request[:cut])
            if cut < len(request):
                time.sleep(0.05)
                connection.sendall(request[cut:])
            answers.append(connection.recv(65536).partition(b"\r\n\r\n")[2])
    assert len(set(answers)) == 1
    assert b"true" in answers[0]


def test_a_request_within_a_head_is_none(server: str) -> None:
    """Behind another request comes the beginning of a head; the rest of it looks like a request
    that the memo knows."""
    known = b"GET /sparql?query=ASK%7B%3Fs%20a%20%3Fy%7D HTTP/1.1\r\nHost: x\r\n\r\n"
    begun = b"GET /health HTTP/1.1\r\nX-Rest: "
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for _ in range(2):
            connection.sendall(known)
            assert b"true" in status_and_body(connection)[1]
        first = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(first + begun)
        assert b"User-agent" in status_and_body(connection)[1]
        connection.sendall(known)
        assert b'"status":"ok"' in status_and_body(connection)[1]


CHUNKED = (
    b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Type: application/sparql-query\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def test_fields_behind_a_body_are_passed_over(server: str) -> None:
    """RFC 9110, 6.5.1: what is not meant to stand there is no field of the request."""
    trailers = b"5\r\nASK{}\r\n0\r\nAccept: text/csv\r\nX: y\r\n\r\n"
    small = b"1\r\n \r\n" * 20_000 + trailers
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = talk(server, CHUNKED + trailers + CHUNKED + small + last)
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.count(b"content-type: application/sparql-results+json") == 2


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (b"5\r\nASK{}\r\n0\r\n", b"a: b\r\n" * 1000),
        (b"5\r\nASK{}\r\n0\r\na: ", b"b" * 6000),
        (b"5;a=", b"b" * 6000),
    ],
    ids=["fields", "one field", "extension"],
)
def test_what_stands_beside_a_body_is_bounded(server: str, begin: bytes, rest: bytes) -> None:
    """It would lie in memory, for as long as a body may take to come."""
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(CHUNKED + begin)
        for _ in range(50):
            connection.sendall(rest)
            time.sleep(0.005)
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def answered(server: str) -> int:
    """How many requests were answered with 200, by the application or from memory."""
    names = r'^essgraph_re(?:quests_total\{status="200"\}|membered_total) (\d+)'
    told = httpx.get(f"{server}/metrics").text
    return sum(int(number) for number in re.findall(names, told, re.MULTILINE))


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "together"])
def test_who_does_not_read_is_answered_no_further(server: str, apart: bool) -> None:
    """What the client leaves unread would lie in memory; what it reads at last is all there."""
    query = "SELECT * { ?s ?p ?o } LIMIT 800"
    path = str(httpx.URL("/sparql", params={"query": query}))
    request = f"GET {path} HTTP/1.1\r\nHost: unread\r\n\r\n".encode()
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        body = status_and_body(connection)[1]
        assert len(body) > 100_000
        before = answered(server)
        for _ in range(100 if apart else 4):
            connection.sendall(request if apart else request * 25)
            time.sleep(0.001)
        time.sleep(0.3)
        # Some megabytes are the system's.
        assert answered(server) - before < 50
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = bytearray()
        while piece := connection.recv(2**20):
            said += piece
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 101
    assert said.count(body) == 100
    assert said.endswith(httpx.get(f"{server}/health").content)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
         400),
        (b"nonsense\r\n\r\n", 400),
        # A method that nobody here knows (RFC 9110, 15.6.2).
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"get /health HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        # Another version of HTTP (RFC 9110, 15.6.6).
        (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"POST /sparql HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /sparql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         400),
        (b"GET /" + b"a" * 120_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /sparql?query=" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 120_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", 431),
        # Each takes forty times its size in memory.
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 5_000 + b"\r\n", 431),
    ],
    ids=["both lengths", "two lengths", "nonsense", "unknown method", "small letters",
         "another version", "no method", "TLS", "no host", "two hosts", "old and chunked",
         "two codings", "endless URL", "long URL", "long field",
         "many fields", "small fields"],
)  # fmt: skip
def test_ambiguous_or_oversized_requests_are_answered_and_closed(
    server: str, request_: bytes, status: int
) -> None:
    said = talk(server, request_)
    assert said.startswith(b"HTTP/1.1 %d " % status), said[:200]
    assert b"application/problem+json" in said
    assert httpx.get(f"{server}/health").status_code == 200


def test_a_url_of_64_kb_is_read(server: str) -> None:
    query = "ASK {} #" + "x" * 64_000
    assert httpx.get(f"{server}/sparql", params={"query": query}).status_code == 200


def test_compressed_request_bodies_are_refused(server: str) -> None:
    response = httpx.post(
        f"{server}/sparql",
        content=b"\x1f\x8b",
        headers={"Content-Encoding": "gzip", "Content-Type": "application/sparql-query"},
    )
    assert response.status_code == 415


def status_and_body(connection: socket.socket) -> tuple[int, bytes]:
    """The next answer on a connection; what follows it would be lost."""
    said = b""
    while not (length := re.search(rb"content-length: (\d+)(?s:.*?)\r\n\r\n", said)):
        piece = connection.recv(65536)
        assert piece, said
        said += piece
    while len(said) < length.end() + int(length[1]):
        said += connection.recv(65536)
    assert len(said) == length.end() + int(length[1])
    return int(said[9:12]), said[length.end() :]


def test_a_body_is_no_head(server: str) -> None:
    """One that is refused unread still comes: the next request has its own answer."""
    host, port = server.removeprefix("http://").split(":")
    head = b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Type: text/turtle\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for _ in range(2):
            connection.sendall(head + b"Content-Length: 200000\r\n\r\n")
            assert status_and_body(connection)[0] == 415
            for _ in range(4):
                connection.sendall(b"x" * 50_000)
                time.sleep(0.05)
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status_and_body(connection)[0] == 200


SLOW = "SELECT (COUNT(*) AS ?n) { { SELECT ?a { ?a a ?q } LIMIT 40 } ?b ?r ?t . "
SLOW += "FILTER (STRLEN(CONCAT(STR(?t), STR(?a))) > 50) }"


@pytest.mark.parametrize(
    "behind",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /sparql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
    ids=["nonsense", "head", "body"],
)
@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_what_is_malformed_is_answered_behind_what_is_under_way(
    server: str, behind: bytes, together: bool
) -> None:
    query = f"{SLOW} # {behind[:9]!r} {together}"
    path = str(httpx.URL("/sparql", params={"query": query}))
    first = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n\r\n".encode()
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(first + behind if together else first)
        if not together:
            time.sleep(0.05)
            connection.sendall(behind)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    head, _, rest = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert re.fullmatch(rb"n\r\n\d+\r\nHTTP/1.1 400 (.|\r|\n)*", rest), rest


def test_what_is_malformed_is_never_inside_an_answer(server: str) -> None:
    """One so large that it is sent in pieces, to a client that reads it slowly."""
    query = "SELECT * { VALUES ?z { 1 2 3 4 } ?a ?b ?c }"
    path = str(httpx.URL("/sparql", params={"query": query}))
    host, port = server.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        connection.settimeout(20)
        connection.connect((host, int(port)))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = connection.recv(2000)
        connection.sendall(b"nonsense\r\n\r\n")
        time.sleep(0.2)
        while piece := connection.recv(65536):
            said += piece
    head, _, rest = said.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length
    assert int(length[1]) > 2**20
    assert rest[int(length[1]) :].startswith(b"HTTP/1.1 400 ")
    json.loads(rest[: int(length[1])])


H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
#: As Java's client and curl --http2 ask: over HTTP/1.1, with the offer of another protocol.
OFFERS = {
    "get": f"GET /sparql?query=ASK%7B%7D HTTP/1.1\r\nHost: x\r\n{H2C}\r\n",
    "post": "POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    f"Content-Type: application/sparql-query\r\n{H2C}\r\nASK{{}}",
    "chunked": "POST /sparql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    f"Content-Type: application/sparql-query\r\n{H2C}\r\n3\r\nASK\r\n2\r\n{{}}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("how", OFFERS)
def test_an_offer_of_another_protocol_is_passed_over(server: str, how: str) -> None:
    """RFC 9110, 7.8: whole, twice on a connection, in pieces, and with a request behind it."""
    offer = OFFERS[how].encode()
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for piece in (len(offer), len(offer), 20, offer.index(b"\r\n\r\n") + 4, len(offer) - 3):
            connection.sendall(offer[:piece])
            time.sleep(0.05)
            connection.sendall(offer[piece:])
            said = connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 200 ")
            assert b"true" in said
        connection.sendall(offer + offer + last)
        said = b""
        while piece_ := connection.recv(65536):
            said += piece_
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3
    assert said.count(b"true") == 2
    assert b'"status":"ok"' in said


def test_a_tunnel_is_refused(server: str) -> None:
    assert talk(server, b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n").startswith(b"HTTP/1.1 501 ")


def test_what_is_no_request_behind_one_is_no_unknown_method(server: str) -> None:
    said = talk(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"}HTTP/1.1 400 " in said


def test_slow_connections_do_no_harm(server: str) -> None:
    """Five hundred that send a piece of a request and wait; others are served meanwhile."""
    host, port = server.removeprefix("http://").split(":")
    slow = []
    try:
        for _ in range(500):
            connection = socket.create_connection((host, int(port)), timeout=5)
            connection.sendall(b"GET /sparql?query=ASK HTTP/1.1\r\nHost: x\r\nX-")
            slow.append(connection)
        for n in range(20):
            response = httpx.get(f"{server}/sparql", params={"query": f"ASK {{ ?s ?p {n} }}"})
            assert response.status_code == 200
        slow[0].settimeout(20)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408 ")
    finally:
        for connection in slow:
            connection.close()


# --- operation ------------------------------------------------------------------------------


def build(project: Path) -> None:
    run = "from essgraph.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", run, "build"], cwd=project, check=True, capture_output=True
    )


@pytest.mark.parametrize("how", ["signal", "watch"])
def test_a_new_snapshot_is_taken_up_without_a_dropped_request(
    tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    project = copy_project(tmp_path / "project")
    build(project)
    out = project / "build"
    with serving(out, *(["--watch"] if how == "watch" else [])) as server:
        before = httpx.get(f"{server.url}/health").json()["version"]
        label = "SELECT ?l { <https://w3id.org/essgraph/id/kevin-ossah> rdfs:label ?l }"
        query = "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> " + label
        people = project / "data/register/people.ttl"
        text = people.read_text("utf-8")
        people.write_text(text.replace('"Kevin Ossah"', '"K. Ossah"'), "utf-8")
        build(project)
        if how == "signal":
            server.process.send_signal(signal.SIGHUP)
        changed = False
        with httpx.Client() as client:
            for _ in range(2000):
                answer = client.get(f"{server.url}/sparql", params={"query": query})
                assert answer.status_code == 200
                if "K. Ossah" in answer.text:
                    changed = True
                    break
                time.sleep(0.005)
        assert changed
        assert httpx.get(f"{server.url}/health").json()["version"] != before
    assert "Task was destroyed" not in capfd.readouterr().err


def test_an_answer_of_the_version_before_is_not_given_after_the_change(tmp_path: Path) -> None:
    """One that is under way at the change is not remembered: who asks then gets the new version."""
    project = copy_project(tmp_path / "project")
    build(project)
    label = "<https://w3id.org/essgraph/id/kevin-ossah> rdfs:label ?l"
    slow = "{ SELECT (COUNT(*) AS ?n) { { SELECT ?a { ?a a ?q } LIMIT 500 } ?b ?r ?t . "
    slow += "FILTER (STRLEN(CONCAT(STR(?t), STR(?a))) > 50) } }"
    prefix = "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    path = str(httpx.URL("/sparql", params={"query": f"{prefix}SELECT * {{ {label} {slow} }}"}))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with serving(project / "build", "--timeout", 60) as server:
        people = project / "data/register/people.ttl"
        text = people.read_text("utf-8")
        people.write_text(text.replace('"Kevin Ossah"', '"K. Ossah"'), "utf-8")
        build(project)
        before = httpx.get(f"{server.url}/health").json()["version"]
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(request)
            time.sleep(0.1)
            server.process.send_signal(signal.SIGHUP)
            while httpx.get(f"{server.url}/health").json()["version"] == before:
                time.sleep(0.01)
            assert not select.select([connection], [], [], 0)[0], "answered before the change"
            assert b"Kevin Ossah" in status_and_body(connection)[1]
            connection.sendall(request)
            assert b"K. Ossah" in status_and_body(connection)[1]


def test_a_damaged_snapshot_is_refused_and_the_old_one_kept(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    build(project)
    with serving(project / "build") as server:
        before = httpx.get(f"{server.url}/health").json()["version"]
        people = project / "data/register/people.ttl"
        text = people.read_text("utf-8")
        people.write_text(text.replace('"Kevin Ossah"', '"K. Ossah"'), "utf-8")
        build(project)
        data = project / "build/current/data.nq"
        data.write_bytes(data.read_bytes()[:-100])
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert httpx.get(f"{server.url}/health").json()["version"] == before
        answer = httpx.get(f"{server.url}/sparql", params={"query": COUNT})
        assert answer.status_code == 200


def damage(out: Path, how: str) -> None:
    """Makes a snapshot in force that is none."""
    other = out / "other"
    shutil.copytree((out / "current").resolve(), other)
    manifest = json.loads((other / "manifest.json").read_bytes())
    data = manifest["files"]["data.nq"]
    if how == "no size":
        del data["size"]
    elif how == "size in words":
        data["size"] = "1"
    elif how == "entry is a number":
        manifest["files"]["dump.nq.gz"] = 3
    elif how == "files is a list":
        manifest["files"] = [["data.nq", data]]
    elif how == "sources is none":
        manifest["sources"] = None
    elif how == "odd name":
        manifest["files"]["a\0b"] = data
    text = json.dumps([manifest] if how == "list" else manifest)
    text = "[" * 100_000 if how == "deep" else text[:-9] if how == "cut" else text
    (other / "manifest.json").write_text(text)
    if how == "file missing":
        (other / "data.nq").unlink()
    link = out / "next"
    link.symlink_to({"loop": "current", "dangling": "nowhere"}.get(how, "other"))
    link.replace(out / "current")


DAMAGES = ("no size", "size in words", "entry is a number", "files is a list", "sources is none",
           "odd name", "list", "deep", "cut", "file missing", "loop", "dangling")  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_snapshot_that_was_named_is_refused_and_not_replaced(
    run: Run, built: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out, symlinks=True)
    damage(out, how)
    before = sorted(out.iterdir()), (out / "current").readlink()
    done = run("query", "cities", "--out", out)
    assert done.code == 2
    assert "snapshot" in done.err
    assert "essgraph build" in done.err
    assert (sorted(out.iterdir()), (out / "current").readlink()) == before


def test_a_service_of_a_damaged_snapshot_does_not_start(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out, symlinks=True)
    damage(out, "no size")
    program = "from essgraph.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "snapshot" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "current").readlink() == Path("other")


def test_watch_goes_on_whatever_a_folder_holds(
    built: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One damaged snapshot after another is refused; a sound one at the end is taken up."""
    out = tmp_path / "out"
    shutil.copytree(built, out, symlinks=True)
    sound = (out / "current").readlink()
    new = with_quads(built, tmp_path / "new", "<http://e/s> <http://e/p> <http://e/o> .\n")
    with serving(out, "--watch") as server:
        before = httpx.get(f"{server.url}/health").json()["version"]
        for how in DAMAGES:
            damage(out, how)
            time.sleep(1.2)
            assert httpx.get(f"{server.url}/health").json()["version"] == before
            (out / "next").symlink_to(sound)
            (out / "next").replace(out / "current")
            shutil.rmtree(out / "other")
        folder = (new / "current").resolve()
        shutil.copytree(folder, out / folder.name)
        (out / "next").symlink_to(folder.name)
        (out / "next").replace(out / "current")
        wanted = open_snapshot(new).version
        for _ in range(200):
            if httpx.get(f"{server.url}/health").json()["version"] == wanted:
                break
            time.sleep(0.05)
        assert httpx.get(f"{server.url}/health").json()["version"] == wanted
    said = capfd.readouterr().err
    assert "unreadable snapshot" in said
    assert "Traceback" not in said


def test_a_folder_without_a_snapshot_is_built_into(run: Run, tmp_path: Path) -> None:
    done = run("query", "cities", "lang=en", "--out", tmp_path / "new")
    assert done.code == 0, done.err
    assert "Bamako" in done.out
    assert (tmp_path / "new/current/data.nq").exists()


def test_sigterm_answers_what_runs(built: Path) -> None:
    with serving(built, "--timeout", 3) as server:
        slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . FILTER (?a = ?f) }"
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            path = str(httpx.URL("/sparql", params={"query": slow}))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            assert connection.recv(100).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))


def test_the_access_log_is_one_json_object_a_line(built: Path, tmp_path: Path) -> None:
    """Of every request, also of those that the memo answers and the edge refuses."""
    log = tmp_path / "log"
    begin = datetime.now(UTC)
    with log.open("wb") as stream, serving(built, "--timeout", 0.5, stdout=stream) as server:

        def ask(query: str) -> int:
            return httpx.get(f"{server.url}/sparql", params={"query": query}).status_code

        assert ask("SELECT * { ?s ?p ?o } LIMIT 7") == 200
        assert ask("SELECT * { ?s ?p ?o } LIMIT 7") == 200
        assert ask("SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }") == 503
        for request, status in (
            (b"GET /x?y HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", 431),
            (b"GET /" + b"a" * 120_000 + b" HTTP/1.1\r\n\r\n", 414),
            (b"GET /health HTTP/1.1\r\n\r\n", 400),
            (b"nonsense\r\n\r\n", 400),
            (b"POST /sparql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
             b"Content-Type: application/sparql-query\r\n\r\nxyz\r\n", 400),
        ):  # fmt: skip
            assert talk(server.url, request).startswith(b"HTTP/1.1 %d " % status)
        metrics = httpx.get(f"{server.url}/metrics").text
    end = datetime.now(UTC)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if line["path"] not in ("/health", "/metrics") or
             line["status"] != 200]  # fmt: skip
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        time_ = datetime.fromisoformat(line["time"])
        assert begin - timedelta(milliseconds=1) <= time_ <= end
    first, again, limit, *refused = lines
    assert (first["status"], first["rows"]) == (200, 7)
    assert re.fullmatch("[0-9a-f]{30}", first["query"])
    assert again["remembered"] is True
    assert (again["query"], again["rows"]) == (first["query"], 7)
    assert again["ms"] < first["ms"]
    assert (limit["status"], limit["limit"], limit["rows"]) == (503, "time", None)
    assert re.fullmatch("[0-9a-f]{30}", limit["query"])
    said = [
        (line["method"], line["path"][:9], line["status"], line.get("limit")) for line in refused
    ]
    assert said == [
        ("GET", "/x", 431, "head"),
        ("GET", "/aaaaaaaa", 414, "uri"),
        ("GET", "/health", 400, None),
        ("", "", 400, None),
        ("POST", "/sparql", 400, None),
    ]
    assert 'essgraph_requests_total{status="400"} 3.0' in metrics
    for name in ("time", "head", "uri"):
        assert f'essgraph_limits_total{{limit="{name}"}} 1.0' in metrics


def test_no_room_is_a_limit(built: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } OFFSET "
    with (
        log.open("wb") as stream,
        serving(built, "--timeout", 1, "--workers", 1, stdout=stream) as server,
        ThreadPoolExecutor(16) as threads,
    ):

        def ask(n: int) -> int:
            return httpx.get(
                f"{server.url}/sparql", params={"query": slow + str(n)}, timeout=20
            ).status_code

        assert set(threads.map(ask, range(16))) == {503}
        metrics = httpx.get(f"{server.url}/metrics").text
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    busy = [line for line in lines if line.get("limit") == "busy"]
    assert busy
    assert all(re.fullmatch("[0-9a-f]{30}", line["query"]) for line in busy)
    assert f'essgraph_limits_total{{limit="busy"}} {len(busy)}.0' in metrics


def test_a_log_that_cannot_be_written_loses_lines_and_nothing_else(
    built: Path, tmp_path: Path
) -> None:
    """Its reader goes and comes again: the service answers, and writes again by itself."""
    pipe, errors = tmp_path / "pipe", tmp_path / "errors"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def lines(reader: int) -> list[dict[str, object]]:
        time.sleep(0.5)
        try:
            return [json.loads(line) for line in os.read(reader, 65536).splitlines()]
        except BlockingIOError:
            return []

    with (
        pipe.open("wb") as writer,
        errors.open("wb") as stderr,
        serving(built, stdout=writer, stderr=stderr) as server,
    ):
        writer.close()
        assert lines(reader)
        os.close(reader)
        for n in range(3):
            assert httpx.get(f"{server.url}/health?{n}").status_code == 200
            time.sleep(0.3)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        assert httpx.get(f"{server.url}/ready").status_code == 200
        assert [line["path"] for line in lines(reader)] == ["/ready"]
        os.close(reader)
        httpx.get(f"{server.url}/health")
    said = errors.read_text("utf-8")
    assert said.count("the access log cannot be written") == 2  # once each time it fails
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_query_command(run: Run, built: Path) -> None:
    text = run("query", "cities", "lang=en", "--out", built).out
    assert "id:bamako" in text
    assert "Bamako" in text
    outcome = run("query", "no-such-question", "--out", built)
    assert outcome.code == 1
    assert 'no question is named "no-such-question"' in outcome.err


def test_query_command_on_an_endpoint(run: Run, server: str, built: Path) -> None:
    there = run("query", "cities", "--endpoint", f"{server}/sparql", "--format", "csv")
    here = run("query", "cities", "--out", built, "--format", "csv")
    assert there.code == here.code == 0
    assert there.out == here.out
    nowhere = run("query", "cities", "--endpoint", "http://127.0.0.1:9/sparql")
    assert nowhere.code == 2
    assert "does not answer" in nowhere.err


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_port_that_is_taken_is_told_before_anything_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("LC_ALL", f"{language}_XX.UTF-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port)
    assert done.code == 2
    assert not done.out
    assert f"port {port}" in done.err
    assert ("cannot listen" if language == "en" else "impossible d'écouter") in done.err


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "99999"), ("--port", "http"), ("--timeout", "0"),
                          ("--timeout", "nan"), ("--workers", "0"), ("--workers", "2.5")]
)  # fmt: skip
def test_a_number_out_of_bounds_is_told_with_what_is_expected(
    run: Run, option: str, value: str
) -> None:
    done = run("serve", option, value)
    assert done.code == 2
    assert f'{option}: "{value}" is not a' in done.err


def test_processes_that_the_system_refuses_are_told(
    run: Run, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    done = run("serve", "--out", built, "--port", 0)
    assert done.code == 2
    assert "the system refuses to create query processes: no more processes" in done.err
