"""The files of deploy/: their commands run as they stand, not as root, over a read-only root."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml
from conftest import ROOT, serving
from engines import free_port

import essgraph

UNIT = ROOT / "deploy" / "essgraph@.service"
CONTAINER = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
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
    "unit": unit()["ExecStart"].replace("%i", "{port}").split(),
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


def told(url: str, clients: list[str]) -> set[int]:
    """What they are told who all ask at once, by way of a proxy."""
    slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } OFFSET "
    server = httpx.URL(url)
    with ExitStack() as stack:
        connections = []
        for n, client in enumerate(clients):
            there = socket.create_connection((server.host, server.port or 80), timeout=60)
            connections.append(stack.enter_context(there))
            path = str(httpx.URL("/sparql", params={"query": slow + str(n)}))
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n"
            there.sendall(head.encode())
        return {int(connection.recv(65536)[9:12]) for connection in connections}


def test_each_client_has_its_own_limit_behind_the_proxy(built: Path) -> None:
    """nginx of the composition says for whom it asks, and the service takes its word."""
    api, proxy = COMPOSE["services"]["api"], COMPOSE["services"]["proxy"]
    said = COMPOSE["configs"]["nginx"]["content"]
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in said
    assert set(api["networks"]) < set(proxy["networks"])
    assert not {"ports", "expose"} & set(api)
    with serving(built, "--timeout", 2, env={**os.environ, **api["environment"]}) as server:
        assert told(server.url, [f"192.0.2.{n}" for n in range(80)]) == {503}
        assert told(server.url, ["192.0.2.1"] * 80) == {503, 429}
        # Of IPv6 a client is given a network of 64 bits, and takes any address in it.
        assert told(server.url, [f"2001:db8:0:{n}::1" for n in range(80)]) == {503}
        assert told(server.url, [f"2001:db8:1:1:{n}::" for n in range(80)]) == {503, 429}


@pytest.mark.parametrize("options", [(), ("--reuse-port",)])
def test_every_address_is_those_of_ipv6_and_ipv4(options: tuple[str, ...], built: Path) -> None:
    with serving(built, "--host", "::", "--timeout", 2, *options) as server:
        six = server.url.replace("127.0.0.1", "[::1]")
        for url in (server.url, six):
            assert httpx.get(f"{url}/health").status_code == 200
            # A proxy on this machine is believed, by either of its addresses.
            assert told(url, [f"192.0.2.{n}" for n in range(80)]) == {503}
        asked = subprocess.run(
            [sys.executable, "-m", "essgraph", "query", "cities", "--endpoint", f"{six}/sparql"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert (asked.returncode, asked.stderr) == (0, "")
        assert f"<loc>{server.url.replace('127.0.0.1', 'localhost')}/</loc>" in (
            httpx.get(f"{six}/sitemap.xml").text
        )


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
