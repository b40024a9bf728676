"""The files of deploy/: their commands run as they stand, not as root, over a read-only root, and
nginx with its configuration over two services."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import yaml
from conftest import ROOT, Server, serving
from engines import free_port

import essgraph


def composed(text: str) -> str:
    """The text as Compose reads it where no variable is set (specification of Compose, 12)."""
    named = r"\$(?:(?P<sign>\$)|\w+|\{\w+(?::-(?P<else>[^}]*))?\})"
    return re.sub(named, lambda m: m["sign"] or m["else"] or "", text)


UNIT = ROOT / "deploy" / "essgraph@.service"
CONTAINER = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load(composed((ROOT / "deploy" / "compose.yaml").read_text("utf-8")))
#: The user of the container file.
NOBODY = 65532


def unit() -> dict[str, str]:
    lines = UNIT.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def line_of(word: str) -> list[str]:
    """An instruction of the container file in its exec form."""
    found = re.findall(rf"^{word} (\[.+\])$", CONTAINER, re.MULTILINE)
    command: list[str] = json.loads(found[-1])
    return command


ENTRY = ["/opt/essgraph/bin/" + line_of("ENTRYPOINT")[0]]
#: The commands of services, with the port put in.
COMMANDS = {
    "unit": unit()["ExecStart"].replace("%i", "{port}").replace("${ESSGRAPH_URL}", "").split(),
    "container": [*ENTRY, *line_of("CMD"), "--port", "{port}"],
    "compose": [*ENTRY, *COMPOSE["services"]["api"]["command"], "--port", "{port}"],
}


def confined(folder: Path, snapshots: Path, command: list[str], *, writes: bool) -> list[str]:
    """A command in a root of its own, where the project lies as the wheel has it with it
    (``test_newcomer`` runs the wheel): read-only but for /tmp and /dev/shm, and for the snapshots
    where it ``writes``; no capability, no user that anybody is, only its own processes."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("bwrap is not installed (Debian: bubblewrap)")
    source = Path(essgraph.__file__).parents[1]
    shim = folder / "essgraph"
    shim.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from essgraph.cli import main; main()' \"$@\"\n"
    )
    shim.chmod(0o755)
    seen = [Path("/usr"), Path("/etc"), Path(sys.base_prefix), Path(sys.prefix), ROOT, source]
    links = [p for p in map(Path, ("/bin", "/lib", "/lib64", "/sbin")) if p.is_symlink()]
    bind = "--bind" if writes else "--ro-bind"
    inside = [*seen, Path(ENTRY[0]), Path("/var/lib/essgraph/snapshots")]
    above = sorted({up for path in inside for up in path.parents} - {Path("/"), Path("/tmp")})
    root = [
        # First, since what is below may lie in it.
        *("--perms", "1777", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--tmpfs", "/dev/shm"),
        # Else those that bwrap makes are for root alone.
        *(part for path in above for part in ("--perms", "0755", "--dir", path)),
        *(part for path in seen for part in ("--ro-bind", path, path)),
        *(part for path in links for part in ("--symlink", path.readlink(), path)),
        *("--ro-bind", shim, ENTRY[0]),
        *(bind, snapshots, "/snapshots", bind, snapshots, "/var/lib/essgraph/snapshots"),
        *("--remount-ro", "/"),
    ]
    user = ["--unshare-user", "--uid", NOBODY, "--gid", NOBODY]
    drop: list[object] = []
    if os.getuid() == 0:
        user = []
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]  # fmt: skip
    env = ["--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "PYTHONPATH", source]
    whole = [bwrap, *user, "--unshare-pid", "--unshare-ipc", "--die-with-parent", *root, *env,
             "--chdir", ROOT, *drop, *command]  # fmt: skip
    return [str(part) for part in whole]


@pytest.fixture
def snapshots(built: Path, tmp_path: Path) -> Path:
    """A folder of snapshots that everyone may read, and whoever runs the container write to."""
    folder = tmp_path / "snapshots"
    shutil.copytree(built, folder, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o644)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_serves_without_rights_and_drains_on_sigterm(
    name: str, tmp_path: Path, snapshots: Path
) -> None:
    port = free_port()
    command = [part.format(port=port) for part in COMMANDS[name]]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            confined(tmp_path, snapshots, command, writes=False),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            assert process.poll() is None, log.read_text()
            try:
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        page = httpx.get(f"{url}/page/bamako", headers={"Accept": "text/html"})
        assert (page.status_code, "Bamako" in page.text) == (200, True)
        # An answer too large for memory waits in a file.
        query = "SELECT * { GRAPH ?g { ?s ?p ?o } }"
        large = httpx.post(f"{url}/sparql", data={"query": query}, timeout=60)
        assert len(large.content) > 1_000_000
        (service,) = below(process.pid, "serve")
        status = Path(f"/proc/{service}/status").read_text("utf-8")
        if os.getuid() == 0:
            assert re.search(rf"^Uid:(\s+{NOBODY}){{4}}$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
        os.kill(service, signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def below(pid: int, word: str) -> list[int]:
    """The first process below ``pid`` whose command line holds a word."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            line = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"python" in line[0] and word.encode() in line:
                return [int(child)]
            if found := below(int(child), word):
                return found
    return []


def test_the_build_of_the_composition_writes_nothing_but_the_snapshots(
    tmp_path: Path, snapshots: Path
) -> None:
    (snapshots / "current").unlink()
    command = [*ENTRY, *COMPOSE["services"]["build"]["command"]]
    done = subprocess.run(
        confined(tmp_path, snapshots, command, writes=True), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (snapshots / "current").exists()


def test_nothing_in_the_composition_has_rights_or_writes() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in ("build", "api"):
        assert COMPOSE["services"][name]["user"] == f"{NOBODY}:{NOBODY}"
    assert f"USER {NOBODY}:{NOBODY}" in CONTAINER
    assert COMPOSE["services"]["api"]["volumes"] == ["snapshots:/snapshots:ro"]


def test_there_is_room_for_a_process_a_core_of_two_versions() -> None:
    """With 64 cores 138 were counted while a version changed; with 128 it never did."""
    assert int(unit()["TasksMax"]) == COMPOSE["services"]["api"]["pids_limit"] >= 512


def test_a_query_without_memory_does_not_end_the_unit() -> None:
    """As it would by itself (systemd.service, OOMPolicy=)."""
    assert unit()["OOMPolicy"] == "continue"


def test_services_beside_one_another_are_told_their_one_public_address() -> None:
    """Else each names its own, and what it names lies under a tag of its own."""
    for line in (unit()["ExecStart"], " ".join(COMPOSE["services"]["api"]["command"])):
        assert re.search(r" --url=\S", line)


def test_the_services_trust_the_proxy_and_nobody_else_reaches_them(built: Path) -> None:
    api, proxy = COMPOSE["services"]["api"], COMPOSE["services"]["proxy"]
    assert set(api["networks"]) < set(proxy["networks"]) <= set(COMPOSE["networks"])
    assert not {"ports", "expose"} & set(api)
    with serving(built, "--timeout", 2, env={**os.environ, **api["environment"]}) as server:
        clients = [f"192.0.2.{n}" for n in range(80)]
        assert set(ask_slowly(server.url, clients, "a")) == {503}
        assert set(ask_slowly(server.url, ["192.0.2.1"] * 80, "b")) == {503, 429}


@pytest.mark.parametrize("options", [(), ("--reuse-port",)])
def test_every_address_is_those_of_ipv6_and_ipv4(options: tuple[str, ...], built: Path) -> None:
    with serving(built, "--host", "::", "--timeout", 2, *options) as server:
        six = server.url.replace("127.0.0.1", "[::1]")
        for name, url in (("a", server.url), ("b", six)):
            assert httpx.get(f"{url}/health").status_code == 200
            # A proxy on this machine is believed, by either of its addresses.
            clients = [f"192.0.2.{n}" for n in range(80)]
            assert set(ask_slowly(url, clients, name)) == {503}
        asked = subprocess.run(
            [sys.executable, "-m", "essgraph", "query", "cities", "--endpoint", f"{six}/sparql"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert (asked.returncode, asked.stderr) == (0, "")
        assert f"<loc>{server.url.replace('127.0.0.1', 'localhost')}/</loc>" in (
            httpx.get(f"{six}/sitemap.xml").text
        )


def ask_slowly(url: str, clients: list[str], name: str) -> Counter[int]:
    """What clients are told who all ask at once what takes too long, each another query."""
    where = httpx.URL(url)
    slow = f"SELECT (COUNT(*) AS ?{name}) {{ ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }} OFFSET "
    with ExitStack() as stack:
        connections = []
        for n, client in enumerate(clients):
            there = socket.create_connection((where.host, where.port or 80), timeout=60)
            connections.append(stack.enter_context(there))
            path = str(httpx.URL("/sparql", params={"query": slow + str(n)}))
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n"
            there.sendall(head.encode())
        return Counter(int(connection.recv(65536)[9:12]) for connection in connections)


# --- nginx over two services ----------------------------------------------------------------------


@dataclass(frozen=True)
class Proxied:
    """nginx with our configuration, by its address and process, and the services behind it."""

    url: str
    process: subprocess.Popen[bytes]
    ports: tuple[int, int]
    _running: tuple[ExitStack, ExitStack]
    _built: Path

    @property
    def services(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def stop(self, n: int) -> None:
        self._running[n].close()

    def start(self, n: int) -> Server:
        return self._running[n].enter_context(
            serving(
                self._built,
                *("--timeout", 1, "--url", self.url),
                port=self.ports[n],
                env={**os.environ, **COMPOSE["services"]["api"]["environment"]},
            )
        )


@pytest.fixture(scope="module")
def proxied(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    (mounted,) = COMPOSE["services"]["proxy"]["volumes"]
    said = (ROOT / "deploy" / mounted.partition(":")[0]).read_text("utf-8")
    folder = tmp_path_factory.mktemp("nginx")
    port, *ports = (free_port() for _ in range(3))
    services, found = re.subn(
        r"^ *server api:8000(.*);$",
        "\n".join(rf"server 127.0.0.1:{port}\1;" for port in ports),
        said,
        flags=re.MULTILINE,
    )
    listening, heard = re.subn(r"listen 8080;", f"listen 127.0.0.1:{port};", services)
    assert (found, heard) == (1, 1)
    (folder / "default.conf").write_text(listening, "utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines = [
        "user root;",  # said in vain by anyone else: the folder is its owner's alone
        "daemon off;",
        "worker_processes 1;",
        f"pid {folder}/pid;",
        "events { worker_connections 1024; }",
        "http {",
        *(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        f"include {folder}/default.conf;",
        "}",
    ]
    (folder / "nginx.conf").write_text("\n".join(lines))
    log = folder / "error.log"
    process = subprocess.Popen([program, "-e", log, "-p", folder, "-c", folder / "nginx.conf"])
    it = Proxied(
        f"http://127.0.0.1:{port}", process, (ports[0], ports[1]), (ExitStack(), ExitStack()), built
    )
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(it.start, range(2)))
        assert process.poll() is None, log.read_text()
        yield it
    finally:
        it.stop(0)
        it.stop(1)
        process.terminate()
        process.wait(timeout=10)


_ROWS = "SELECT * { ?s ?p ?o } ORDER BY ?s ?p ?o LIMIT 5"
_ALL = "SELECT * { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g ?s ?p ?o"
_HTML = {"Accept": "text/html"}
#: Method, path, header fields and body of what a service answers.
ANSWERED: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "page": ("GET", "/page/bamako", _HTML | {"Accept-Encoding": "br"}, b""),
    "document with addresses": ("GET", "/dataset.jsonld", {"Accept-Encoding": "gzip"}, b""),
    "large": ("GET", f"/sparql?query={quote(_ALL)}", {}, b""),
    "head": ("HEAD", "/dump.nq.gz", {}, b""),
    "preflight": ("OPTIONS", "/sparql", {"Access-Control-Request-Method": "POST"}, b""),
    "redirect": ("GET", "/id/bamako?lang=en", _HTML, b""),
    "redirect of a long URL": ("GET", "/id/bamako?" + "x" * 65_000, _HTML, b""),
    "long URL": ("GET", "/page/bamako?".ljust(65_535, "x"), _HTML, b""),
    "longer URL": ("GET", "/page/bamako?".ljust(65_536, "x"), _HTML, b""),
    "many fields": ("GET", "/health", {f"X-{n}": "x" * 60 for n in range(450)}, b""),
    "long URL, long field": (
        "GET",
        "/page/bamako?".ljust(65_535, "x"),
        {"X-Long": "x" * 32_000, "Accept": "text/html"},
        b"",
    ),
    "long fields": ("GET", "/health", {"X-Long": "x" * 33_000}, b""),
    "long body": (
        "POST",
        "/sparql",
        {"Content-Type": "application/x-www-form-urlencoded"},
        f"query={quote(_ROWS)}&x=".ljust(2**20, "x").encode(),
    ),
    "error": ("GET", "/sparql?query=SELECT", {"Accept-Language": "fr"}, b""),
    "escaped": ("GET", "/id/theme%2Ffinance", {}, b""),
    "dots": ("GET", "/id/x/../bamako", {}, b""),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_the_proxy_hands_on_what_each_service_answers(proxied: Proxied, name: str) -> None:
    method, path, fields, body = ANSWERED[name]
    own = {"date", "server", "connection", "transfer-encoding"}

    def asked(url: str) -> tuple[int, dict[str, str], bytes]:
        whole = httpx.URL(url).copy_with(raw_path=path.encode())
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **fields}
        with httpx.stream(method, whole, headers=headers, content=body, timeout=30) as answer:
            seen = {key: value for key, value in answer.headers.items() if key not in own}
            return answer.status_code, seen, b"".join(answer.iter_raw())

    first, second = map(asked, proxied.services)
    assert first == second
    assert asked(proxied.url) == first
    if "etag" in first[1]:
        fields = {**fields, "If-None-Match": first[1]["etag"]}
        assert asked(proxied.url)[0] == (200 if method == "POST" else 304)


@pytest.mark.parametrize(
    ("path", "fields", "body", "status"),
    [
        ("/metrics", {}, b"", 404),
        ("/sparql", {}, b"x" * (2**20 + 1), 413),
        (f"/page/{chr(120) * 40_000}?{chr(120) * 40_000}", {}, b"", 414),
        ("/health", {"X-Long": "x" * 2**17}, b"", 431),
    ],
)
def test_what_nginx_says_itself_is_a_problem_in_both_languages(
    proxied: Proxied, path: str, fields: dict[str, str], body: bytes, status: int
) -> None:
    method = "POST" if body else "GET"
    whole = httpx.URL(proxied.url).copy_with(raw_path=path.encode())
    said = httpx.request(method, whole, headers=fields, content=body)
    assert (said.status_code, said.headers["content-type"]) == (status, "application/problem+json")
    assert said.headers["access-control-allow-origin"] == "*"
    problem = said.json()
    assert problem["status"] == status
    english, french = problem["detail"].split(" / ")
    assert english != french
    assert "cannot be answered" not in english


def test_a_query_that_takes_its_time_is_asked_once_and_no_service_given_up(
    proxied: Proxied,
) -> None:
    """Whoever it says it asks for: nginx knows who it is."""

    def counted() -> Counter[str]:
        texts = [httpx.get(f"{url}/metrics").text for url in proxied.services]
        found = re.findall(r'essgraph_limits_total\{limit="(\w+)"\} (\S+)', "".join(texts))
        return sum((Counter({limit: int(float(n))}) for limit, n in found), Counter[str]())

    before = counted()
    told = ask_slowly(proxied.url, [f"192.0.2.{n}" for n in range(160)], "c")
    assert set(told) == {503, 429}
    met = counted() - before
    assert met["client"] == told[429]
    assert met.total() == 160
    assert {httpx.get(f"{proxied.url}/health").status_code for _ in range(20)} == {200}


def test_one_client_cannot_have_all_connections_of_the_proxy(proxied: Proxied) -> None:
    """Each request takes up to two of nginx's, which has as few as 512 by itself."""
    where = httpx.URL(proxied.url)
    with ExitStack() as stack:
        asked = []
        for _ in range(230):
            there = socket.create_connection((where.host, where.port or 80), timeout=10)
            asked.append(stack.enter_context(there))
            there.sendall(b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        time.sleep(0.5)  # none is answered before its body has come
        answered, _, _ = select.select(asked, [], [], 0)
        assert len(answered) == 30
        said = answered[0].recv(65536)
        local = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=local) as another:
            assert another.get(f"{proxied.url}/health").status_code == 200
    assert said.startswith(b"HTTP/1.1 429 ")
    assert "more than 200 requests at once from one client / plus de 200 requêtes à la fois" in (
        said.decode()
    )


def test_an_answer_that_is_not_read_waits_in_the_service(proxied: Proxied) -> None:
    query = "SELECT * { ?a ?b ?c . ?d ?e ?f } LIMIT 20000"
    with httpx.stream("POST", f"{proxied.url}/sparql", data={"query": query}) as answer:
        assert int(answer.headers["content-length"]) > 2**22
        time.sleep(0.3)
        held = [
            path.stat().st_size
            for pid in _children(proxied.process.pid)
            for path in Path(f"/proc/{pid}/fd").iterdir()
            if path.is_file()
        ]
        assert sum(held) < 2**20


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()


def test_services_that_restart_one_after_the_other_are_not_missed(proxied: Proxied) -> None:
    done, told = threading.Event(), Counter[object]()

    def ask(n: int) -> None:
        with httpx.Client(base_url=proxied.url) as client:
            while not done.is_set():
                ways = (("GET", "/page/bamako", None), ("POST", "/sparql", {"query": _ROWS}))
                method, path, form = ways[n % 2]
                try:
                    told[client.request(method, path, data=form).status_code] += 1
                except httpx.TransportError as error:
                    told[repr(error)] += 1
                time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        for n in range(2):
            pool.submit(ask, n)
        try:
            for n in range(2):
                proxied.stop(n)
                proxied.start(n)
        finally:
            done.set()
    assert set(told) == {200}


def test_systemd_reads_the_unit_and_finds_it_safe(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    copy = tmp_path / "essgraph@8001.service"
    # Nothing is installed in /opt here.
    copy.write_text(UNIT.read_text("utf-8").replace(ENTRY[0], "/usr/bin/env"))
    read = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True
    )
    assert (read.returncode, [x for x in read.stderr.splitlines() if copy.name in x]) == (0, [])
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", copy],
        capture_output=True,
        text=True,
    )
    assert rated.returncode == 0, rated.stdout
