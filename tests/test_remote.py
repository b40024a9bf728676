"""What the service does when the engine behind it is slow, ill or gone."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import brotli
import httpx
import pytest
from conftest import ROOT, Run, serving
from engines import STARTERS, VIRTUOSO_USER, Running, free_port, oxigraph, push

import essgraph
from essgraph.errors import EngineError
from essgraph.snapshot import open_snapshot

RESULTS = "application/sparql-results+json"
EMPTY = b'{"head":{"vars":["x"]},"results":{"bindings":[]}}'
STATE = (
    b'{"head":{"vars":["version"]},"results":{"bindings":[{"version":'
    b'{"type":"literal","value":"1234 abcd"}}]}}'
)
CITIES = EMPTY.replace(b'"x"', b'"city","cityLabel","countryLabel","documents"')
#: Answers to a question with the variable ?x, by format.
OTHERS = {
    "json": (RESULTS, EMPTY.replace(b'"x"', b'"y"')),
    "xml": (
        "application/sparql-results+xml",
        b'<sparql xmlns="http://www.w3.org/2005/sparql-results#"><head><variable name="x"/>'
        b'<variable name="y"/></head><results></results></sparql>',
    ),
    "tsv": ("text/tab-separated-values", b"?y\n"),
    "csv": ("text/csv", b"y,x\r\n"),
}
COUNT = b'{"head":{"vars":["n"]},"results":{"bindings":[{"n":{"type":"literal","value":"9"}}]}}'
TRIPLE = b'<http://e/a> <http://e/p> "0123456789" .\n'
ENOUGH = 256 * 2**20
BODIES = {
    "nested": b'{"type":"triple","value":' * 5000,
    "nested, with escapes": b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":'
    + b'{"type":"tri\\u0070le","value":{"subject":' * 50_000,
    "a table cut off": STATE[:-3].replace(b"version", b"x") + b',{"x":{"ty',
    "an answer to ASK": b'{"head":{},"boolean":true}',
    "lists in lists": b'{"head":' + b"[" * 100_000,
    "braces in a text": b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":{"type":"literal",'
    rb'"value":"a \"\\{\"b\"\\' + b"{" * 99_999 + b'"}}]}}',
    "no IRI": b'{"head":{"vars":["x"]},"results":{"bindings":'
    b'[{"x":{"type":"uri","value":"a b"}}]}}',
}
CODINGS = {
    "gzip": b"not compressed at all",
    "br": brotli.compress(EMPTY),
    "gzip, gzip": gzip.compress(gzip.compress(EMPTY)),
}


class Ill(BaseHTTPRequestHandler):
    """An endpoint that answers as its server's ``ail`` says, but always tells its version."""

    protocol_version = "HTTP/1.1"
    server: IllServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, "text/turtle", self.server.page)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        query = parse_qs(body.decode()).get("query", [""])[0]
        self.server.authorization.append(self.headers.get("Authorization"))
        if "graph/state" in query:
            self.server.looked += 1
            self.server.look()
            self._send(*self.server.state)
            return
        if self.server.ail == "endless" and "{ ?s ?p ?o } WHERE { ?s ?p ?o }" in query:
            self._send(200, "application/n-triples", TRIPLE * 2**10, length=2**40)
            with suppress(OSError):
                while self.server.sent < ENOUGH:
                    self.server.sent += self.wfile.write(TRIPLE * 2**14)
            self.close_connection = True
            return
        if query.startswith("CONSTRUCT"):  # what names things: for the index, beside all else
            self._send(200, "application/n-triples", b"")
            return
        self.server.asked += 1
        ail = self.server.ail
        if ail == "once" and self.server.asked == 1:
            self.close_connection = True
        elif ail == "slow headers":
            self.server.over.wait(20)
        elif ail == "half":
            self._send(200, RESULTS, EMPTY[:20], length=len(EMPTY))
            self.close_connection = True
        elif ail == "half, but of the right length":
            self._send(200, RESULTS, EMPTY[:20])
        elif ail == "half, in chunks":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/sparql-results+json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n10\r\n" + EMPTY[:16] + b"\r\n"
            )
            self.close_connection = True
        elif ail == "html":
            self._send(200, "text/html", b"<h1>Welcome</h1>")
        elif ail.isdigit():
            self._send(int(ail), "text/plain", b"out of\norder")
        elif ail == "endless":
            self._send(200, RESULTS, COUNT if "COUNT" in query else EMPTY)
        elif ail in BODIES:
            self._send(200, RESULTS, BODIES[ail])
        elif ail in CODINGS:
            self._send(200, RESULTS, CODINGS[ail], coding=ail)
        elif ail in OTHERS:
            self._send(200, *OTHERS[ail])
        else:
            self._send(200, RESULTS, CITIES if "?cityLabel" in query else EMPTY)

    def _send(
        self, status: int, kind: str, body: bytes, length: int | None = None, coding: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if coding:
            self.send_header("Content-Encoding", coding)
        if status == 401 and self.server.challenge:
            self.send_header("WWW-Authenticate", self.server.challenge)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


class IllServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ill)
        self.ail = ""
        self.asked = 0
        self.looked = 0
        self.sent = 0
        self.paths: list[str] = []
        self.state = (200, RESULTS, STATE)
        self.challenge = ""
        self.location = ""
        self.page = b""
        self.authorization: list[str | None] = []
        self.over = threading.Event()
        self.look: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/query"


@contextmanager
def made_ill() -> Iterator[IllServer]:
    server = IllServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def over(url: str, *options: object, **more: str) -> Iterator[httpx.Client]:
    """A client of a service over an endpoint."""
    env = {**os.environ, **more}
    with (
        serving(None, "--endpoint", url, *options, env=env) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        yield client


def ask(client: httpx.Client, variable: str = "x") -> httpx.Response:
    """A query that no cache knows, if its variable is new."""
    return client.get(
        "/sparql",
        params={"query": f"SELECT ?x {{ ?x ?p ?o OPTIONAL {{ ?x ?p ?{variable} }} }} LIMIT 9"},
    )


@pytest.fixture
def ill() -> Iterator[IllServer]:
    with made_ill() as server:
        yield server


@pytest.fixture(scope="module")
def ailing() -> Iterator[tuple[IllServer, httpx.Client]]:
    """An endpoint and one service over it, for what leaves the circuit closed."""
    with made_ill() as server, over(server.url, "--timeout", 3) as client:
        yield server, client


AILS = {
    "slow headers": (504, "within 3 s"),
    "half": (502, "broke off"),
    "half, but of the right length": (502, "incomplete"),
    "half, in chunks": (502, "broke off"),
    "html": (502, "text/html instead of application/sparql-results+json"),
    "500": (502, "answers 500: out of order"),
    "503": (502, "answers 503: out of order"),
    "401": (502, "refuses access (401): see ESSGRAPH_ENDPOINT_AUTHORIZATION"),
    "400": (400, "refuses the query: out of order"),
    "nested": (502, "cannot be read"),
    "nested, with escapes": (502, "cannot be read"),
    "a table cut off": (502, "cannot be read"),
    "an answer to ASK": (502, "cannot be read"),
    "no IRI": (502, "cannot be read"),
    "gzip": (502, "broke off"),
    "br": (502, "compressed answer (br)"),
    "gzip, gzip": (502, "compressed answer (gzip, gzip)"),
}


@pytest.mark.parametrize("ail", AILS)
def test_what_is_no_answer_is_told_as_such_and_kept_answers_go_on(
    ail: str, ailing: tuple[IllServer, httpx.Client]
) -> None:
    ill, client = ailing
    ill.ail = ""
    kept = ask(client, "kept")
    assert kept.status_code == 200
    ill.ail = ail
    answer = client.get(
        "/sparql",
        params={"query": f"SELECT ?x {{ ?x ?y {len(ail)} }}"},
        headers={"Accept-Language": "en"},
    )
    status, reason = AILS[ail]
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert reason in answer.json()["detail"]
    again = ask(client, "kept")
    assert (again.status_code, again.content) == (200, kept.content)
    ill.ail = ""
    assert ask(client, f"well{len(reason)}").status_code == 200


def test_braces_in_a_text_are_no_nesting(ailing: tuple[IllServer, httpx.Client]) -> None:
    ill, client = ailing
    ill.ail = "braces in a text"
    answer = ask(client, "braces")
    assert answer.status_code == 200
    assert answer.json()["results"]["bindings"][0]["x"]["value"] == 'a "\\{"b"\\' + "{" * 99_999
    ill.ail = ""


#: What an endpoint may say of its version, and what is told of that at the start.
STATES = {
    "cut off": (200, RESULTS, STATE[:-3] + b',{"version":{"ty'),
    "true": (200, RESULTS, BODIES["an answer to ASK"]),
    "of something else": (200, RESULTS, STATE.replace(b"version", b"other")),
    "without a value": (200, RESULTS, EMPTY.replace(b'"x"', b'"version"').replace(b"[]", b"[{}]")),
}


@pytest.mark.parametrize("state", STATES)
def test_a_version_that_cannot_be_read_is_told_at_the_start(
    state: str, ill: IllServer, run: Run
) -> None:
    ill.state = STATES[state]
    left = run("serve", "--endpoint", ill.url)
    assert left.code == 2
    assert "cannot be read or is incomplete" in left.err


def test_a_version_that_cannot_be_read_is_not_the_last_that_is_looked_for(ill: IllServer) -> None:
    with over(ill.url) as client:
        assert ask(client).status_code == 200
        before = ill.looked
        ill.state = STATES["cut off"]
        assert ask(client, "y").status_code == 502
        _until(lambda: ill.looked >= before + 3)
        ill.state = (200, RESULTS, STATE.replace(b"1234", b"5678"))
        _until(lambda: client.get("/health").json()["version"] == "5678")
        assert ask(client, "z").status_code == 200


def test_a_certificate_of_an_authority_that_the_machine_trusts_is_good(
    ill: IllServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an organisation signs its own: SSL_CERT_FILE stands for the machine's store."""
    pem = ROOT / "tests" / "tls" / "loopback.pem"  # of 127.0.0.1, signed by itself
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    ill.socket = context.wrap_socket(ill.socket, server_side=True)
    url = ill.url.replace("http:", "https:")
    for command in (["serve"], ["query", "cities"]):
        left = run(*command, "--endpoint", url)
        assert left.code == 2
        assert "CERTIFICATE_VERIFY_FAILED" in left.err
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert run("query", "cities", "--endpoint", url).code == 0
    with over(url) as client:
        assert ask(client).status_code == 200


def test_a_key_in_the_address_is_sent_and_not_shown(ill: IllServer, built: Path, run: Run) -> None:
    address = f"{ill.url}?key=s3cret&x=%20#part"
    with over(address) as client:
        ill.ail = "500"
        answer = ask(client)
        assert answer.status_code == 502
        assert "s3cret" not in answer.text
        assert ill.url in answer.json()["detail"]
        ill.ail, ill.location = "301", f"{ill.url}/new?key=s3cret&x=%20"
        answer = ask(client)
        assert answer.status_code == 502
        assert "s3cret" not in answer.text
        assert f"{ill.url}/new" in answer.json()["detail"]
    assert set(ill.paths) == {"/query?key=s3cret&x=%20"}
    left = run("push", address, "--out", built)
    assert left.code == 1
    assert "s3cret" not in left.err
    assert ill.paths[-1] == "/update?key=s3cret&x=%20"


def test_a_disk_that_refuses_does_not_end_the_looking(ill: IllServer, tmp_path: Path) -> None:
    with over(ill.url, TMPDIR=str(tmp_path)) as client:
        (folder,) = tmp_path.glob("essgraph-*")
        away = folder.rename(tmp_path / "away")
        ill.state = (200, RESULTS, STATE.replace(b"1234", b"5678"))
        before = ill.looked
        _until(lambda: ill.looked >= before + 3)
        away.rename(folder)
        _until(lambda: client.get("/health").json()["version"] == "5678")


def test_a_disk_that_refuses_at_the_start_is_told(ill: IllServer, tmp_path: Path) -> None:
    def look() -> None:
        if ill.looked == 2:  # the first was for the command, before it served
            (folder,) = tmp_path.glob("essgraph-*")
            folder.rename(tmp_path / "away")

    ill.look = look
    left = subprocess.run(
        [sys.executable, "-m", "essgraph", "serve", "--endpoint", ill.url, "--port", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert left.returncode
    assert "the system refuses: [Errno 2]" in left.stderr
    assert "Traceback" not in left.stderr


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("not within 60 s")


@pytest.mark.parametrize(
    "challenge", ['Digest realm="x", nonce="n", algorithm=NONE', "Digest realm", "Digest"]
)
def test_a_challenge_that_nobody_knows_is_told(challenge: str, ill: IllServer) -> None:
    with over(ill.url, ESSGRAPH_ENDPOINT_AUTHORIZATION=VIRTUOSO_USER) as client:
        ill.ail, ill.challenge = "401", challenge
        answer = ask(client)
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["Bearer s3cret\n", " Bearer s3cret "])
def test_a_line_break_after_the_credentials_is_not_sent(value: str, ill: IllServer) -> None:
    with over(ill.url, ESSGRAPH_ENDPOINT_AUTHORIZATION=value):
        assert set(ill.authorization) == {"Bearer s3cret"}


@pytest.mark.parametrize("value", ["Bearer s3cret\r\nX: y", "Bearer s3cret\udce9"])
@pytest.mark.parametrize("command", ["push", "serve", "query"])
def test_credentials_that_cannot_be_sent_are_not_shown(
    command: str,
    value: str,
    ill: IllServer,
    built: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESSGRAPH_ENDPOINT_AUTHORIZATION", value)
    arguments: dict[str, list[object]] = {
        "push": ["push", ill.url, "--out", built],
        "serve": ["serve", "--endpoint", ill.url, "--port", free_port()],
        "query": ["query", "cities", "--endpoint", ill.url],
    }
    left = run(*arguments[command])
    assert left.code == 2
    assert "ESSGRAPH_ENDPOINT_AUTHORIZATION" in left.err
    assert "s3cret" not in left.err


def test_a_question_has_the_credentials_of_the_environment(
    ill: IllServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESSGRAPH_ENDPOINT_AUTHORIZATION", "Bearer s3cret\n")
    assert run("query", "cities", "--endpoint", ill.url).code == 0
    assert ill.authorization == ["Bearer s3cret"]
    ill.ail = "401"
    left = run("query", "cities", "--endpoint", ill.url)
    assert left.code == 2
    assert "ESSGRAPH_ENDPOINT_AUTHORIZATION" in left.err
    assert "s3cret" not in left.err


@pytest.mark.parametrize("status", ["301", "302", "307", "308"])
def test_where_an_endpoint_has_moved_is_told_and_no_credentials_go_there(
    status: str, ill: IllServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made_ill() as other:
        ill.ail, ill.location = status, other.url
        monkeypatch.setenv("ESSGRAPH_ENDPOINT_AUTHORIZATION", "Bearer s3cret")
        left = run("query", "cities", "--endpoint", ill.url)
        with over(ill.url) as client:
            answer = client.get(
                "/sparql",
                params={"query": "SELECT ?x { ?x ?y 5 }"},
                headers={"Accept-Language": "en"},
            )
        assert other.authorization == []
    assert left.code == 2
    assert f"answers {status}" in left.err
    assert f"moved to {other.url}" in left.err
    assert answer.status_code == 502
    assert f"moved to {other.url}" in answer.json()["detail"]


def test_a_page_is_no_answer_in_any_format(ill: IllServer, run: Run) -> None:
    ill.ail = "html"
    left = run("query", "cities", "--endpoint", ill.url, "--format", "csv")
    assert left.code == 2
    assert "does not answer with SPARQL results" in left.err
    assert left.out == ""


def test_lists_in_lists_are_no_table(ill: IllServer, run: Run) -> None:
    ill.ail = "lists in lists"
    left = run("query", "cities", "--endpoint", ill.url)
    assert left.code == 2
    assert "does not answer with SPARQL results" in left.err


@pytest.mark.parametrize("form", OTHERS)
def test_other_variables_than_those_asked_for_are_no_answer(
    form: str, ill: IllServer, run: Run, tmp_path: Path
) -> None:
    ill.ail = form
    query = tmp_path / "x.rq"
    query.write_text("SELECT ?x { ?x ?p ?o }", "utf-8")
    asked = ("query", query, "--endpoint", ill.url, "--format", form)
    left = run(*asked)
    assert left.code == 2
    assert "answers with the variables" in left.err
    assert left.out == ""
    # What ``*`` stands for is for the engine to say.
    query.write_text("SELECT * { ?x ?p ?o }", "utf-8")
    assert run(*asked).code == 0


def test_a_service_gives_no_answer_with_other_variables(
    ailing: tuple[IllServer, httpx.Client],
) -> None:
    ill, client = ailing
    ill.ail = "json"
    for query, status in (("SELECT (?y AS ?x) { ?y ?p ?o }", 502), ("SELECT * { ?y a 1 }", 200)):
        answer = client.get("/sparql", params={"query": query})
        assert answer.status_code == status, answer.text
    ill.ail = ""


@pytest.mark.parametrize("body", [b"<h1>Welcome</h1>", b"[" * 100_000, b"{}", b'{"head":{}}'])
def test_a_service_that_is_none_is_told_by_the_library(body: bytes, ill: IllServer) -> None:
    ill.page = body
    graph = essgraph.connect(ill.url)
    with pytest.raises(EngineError, match="does not answer with SPARQL results"):
        graph.query("cities")


def test_a_read_that_is_cut_off_is_tried_again(ill: IllServer) -> None:
    with over(ill.url) as client:
        ill.ail = "once"
        assert ask(client).status_code == 200
        assert ill.asked == 2


def test_the_circuit_opens_after_failures_and_closes_again(ill: IllServer) -> None:
    with over(ill.url) as client:
        # The index of names is read, and no read of it succeeds in between.
        assert client.get("/search?q=x").status_code == 200
        ill.ail = "503"
        for variable in ("a", "b"):
            assert ask(client, variable).status_code == 502
        for number in range(20):  # on a slow machine it may be time for another try
            asked = ill.asked
            shut = client.get(
                f"/sparql?query=SELECT%20*%20{{?c{number} ?d ?e}}",
                headers={"Accept-Language": "en"},
            )
            assert shut.status_code == 502
            if ill.asked == asked:
                break
        assert ill.asked == asked, "nothing was sent"
        assert "times in a row" in shut.json()["detail"]
        assert client.get("/ready").status_code == 503
        ill.ail = ""
        for _ in range(100):
            if ask(client, "well").status_code == 200:
                break
            time.sleep(0.05)
        assert ask(client, "better").status_code == 200
        assert client.get("/ready").status_code == 200


def test_the_authorization_of_the_environment_is_sent(ill: IllServer) -> None:
    with over(ill.url, ESSGRAPH_ENDPOINT_AUTHORIZATION="Bearer of-news") as client:
        ask(client)
    assert set(ill.authorization) == {"Bearer of-news"}


def test_an_engine_that_is_not_there_is_told_at_the_start(run: Run) -> None:
    left = run("serve", "--endpoint", f"http://127.0.0.1:{free_port()}/query")
    assert left.code == 2
    assert "could not be reached" in left.err


@pytest.mark.parametrize("url", ["ftp://example.org/", "http://user:secret@example.org/", "query"])
@pytest.mark.parametrize("command", [["serve"], ["query", "cities"]])
def test_an_address_that_will_not_do_is_told_at_the_start(
    command: list[str], url: str, run: Run
) -> None:
    left = run(*command, "--endpoint", url)
    assert left.code == 2
    assert "address" in left.err
    assert "secret" not in left.err


def test_a_service_of_ours_is_no_engine_to_serve_or_load(
    server: str, built: Path, run: Run
) -> None:
    address = f"{server}/sparql"
    for command in (["serve", "--endpoint", address], ["push", address, "--out", built]):
        left = run(*command)
        assert left.code in (1, 2)
        assert f"{address} is itself a service of essgraph" in left.err


def test_an_engine_without_a_version_is_told_at_the_start(run: Run, tmp_path: Path) -> None:
    with oxigraph(tmp_path) as engine:
        left = run("serve", "--endpoint", engine.url)
    assert left.code == 2
    assert "essgraph push" in left.err


@pytest.fixture(params=STARTERS)
def engine(request: pytest.FixtureRequest, tmp_path: Path, built: Path) -> Iterator[Running]:
    with STARTERS[request.param](tmp_path) as running:
        push(running, built)
        yield running


def test_an_engine_killed_in_the_middle_of_a_query(engine: Running) -> None:
    with over(engine.url, **engine.env) as client:
        kept = ask(client, "kept")
        found: list[httpx.Response] = []
        heavy = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER (?a != ?h) }"
        asking = threading.Thread(
            target=lambda: found.append(client.get("/sparql", params={"query": heavy}))
        )
        asking.start()
        time.sleep(0.3)
        engine.process.send_signal(signal.SIGKILL)
        asking.join()
        assert found[0].status_code == 502
        assert ask(client, "kept").content == kept.content
        assert ask(client, "fresh").status_code == 502


def test_an_engine_that_stands_still_is_504(engine: Running) -> None:
    with over(engine.url, "--timeout", 1, **engine.env) as client:
        engine.process.send_signal(signal.SIGSTOP)
        assert ask(client).status_code == 504
        engine.process.send_signal(signal.SIGCONT)
        assert ask(client, "again").status_code == 200


def test_another_version_takes_over_when_it_is_whole(engine: Running, other: Path) -> None:
    with over(engine.url, **engine.env) as client:
        first = client.get("/health").json()["version"]
        tag = ask(client).headers["etag"]
        push(engine, other)
        for _ in range(200):
            if client.get("/health").json()["version"] != first:
                break
            time.sleep(0.05)
        assert client.get("/health").json()["version"] == open_snapshot(other).version
        assert ask(client).headers["etag"] != tag


@pytest.fixture(scope="session")
def other(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of another version of the data."""
    from conftest import with_quads

    out = tmp_path_factory.mktemp("other")
    return with_quads(built, out, '<http://e/a> <http://e/p> "new" .\n')


def test_an_answer_without_an_end_fills_no_disk(ill: IllServer) -> None:
    """The data are read for the files to download: nine triples, by the engine's own count."""
    ill.state = (200, RESULTS, STATE.replace(b"1234", b"0" * 64))
    ill.ail = "endless"
    with over(ill.url) as client:
        assert ask(client).status_code == 200
        assert client.get("/dump.nq.gz").status_code == 404
        assert 0 < ill.sent < ENOUGH / 2


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:9/a b", "http://127.0.0.1:9/é"],
)
@pytest.mark.parametrize("command", ["query", "push", "serve"])
def test_an_address_that_is_none_is_told_in_a_sentence(
    command: str, url: str, built: Path, run: Run
) -> None:
    arguments: dict[str, list[object]] = {
        "query": ["query", "cities", "--endpoint", url],
        "push": ["push", url, "--out", built],
        "serve": ["serve", "--endpoint", url, "--port", free_port()],
    }
    left = run(*arguments[command])
    assert left.code in (1, 2)
    assert url.split("/")[2] in left.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "does not answer with SPARQL results"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"head": []}', "does not answer with SPARQL results"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n<", "does not answer: "),
        (b"SSH-2.0\r\n", "does not answer: "),
        (b"", "does not answer: "),
    ],
)
def test_a_question_to_what_is_no_endpoint(answer: bytes, said: str, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while b"query=" not in asked:  # what is left unread would reset the connection
                    asked += connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        left = run("query", "cities", "--endpoint", f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert left.code == 2
    assert said in left.err
