"""The rules that w3id.org will run: each IRI of ours leads to an address that answers."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conftest import ROOT

BASE = "https://w3id.org/essgraph/"
FOLDER = ROOT / "w3id" / "essgraph"
SERVICE = "https://essgraph.example.org"
#: IRI after the base, status, path at the service.
RULES = [
    ("", 302, "/"),
    ("ontology", 303, "/ontology"),
    ("ontology/", 303, "/ontology"),
    ("ontology/1.0.0", 303, "/ontology/1.0.0"),
    ("shapes", 303, "/shapes"),
    ("context.jsonld", 302, "/context.jsonld"),
    ("id/bamako", 303, "/id/bamako"),
    ("id/bamako/", 303, "/id/bamako"),
    ("id/theme/blue-economy", 303, "/id/theme/blue-economy"),
    ("id/", 303, "/id/"),
    ("id/?class=City", 303, "/id/?class=City"),
    ("doc/coop-coter-ess", 303, "/doc/coop-coter-ess"),
    ("passage/coop-coter-ess/4", 303, "/passage/coop-coter-ess/4"),
    ("graph/register", 303, "/dataset"),
    ("graph/description", 303, "/dataset"),
    ("queries/members", 302, "/queries/members"),
    ("dataset", 303, "/dataset"),
    ("data/bamako.ttl", 302, "/data/bamako.ttl"),
    ("data/bamako", 302, "/data/bamako"),
    ("dump.nq.gz", 302, "/dump.nq.gz"),
    ("queries", 302, "/queries"),
    ("sparql", 307, "/sparql"),
    ("sparql?query=ASK%20%7B%7D", 307, "/sparql?query=ASK%20%7B%7D"),
]
NO_RULE = ["nowhere", "id/a/b/c", "id/../etc/passwd", "passage/x/y", "graph/other", "ontologyx"]

Resolve = Callable[[str], tuple[int, str | None]]


def read_rules() -> list[tuple[re.Pattern[str], str, dict[str, str]]]:
    """The rules of the file: pattern, substitution, flags."""
    rules = []
    for line in (FOLDER / ".htaccess").read_text("utf-8").splitlines():
        match = re.fullmatch(r"RewriteRule (\S+) (\S+) \[(\S+)\]", line)
        if match:
            flags = dict(flag.partition("=")[::2] for flag in match[3].split(","))
            rules.append((re.compile(match[1]), match[2], flags))
    return rules


def by_rules(path: str) -> tuple[int, str | None]:
    """mod_rewrite as far as these rules need it: the path without its query, first match."""
    path, _, query = path.partition("?")
    variables: dict[str, str] = {}
    for pattern, target, flags in read_rules():
        match = pattern.search(path)
        if match is None:
            continue
        if target == "-":
            name, _, value = flags["E"].partition(":")
            variables[name] = value
            continue
        found = re.sub(r"%\{ENV:(\w+)\}", lambda m: variables[m[1]], target)
        found = re.sub(r"\$(\d)", lambda m, match=match: match[int(m[1])] or "", found)  # type: ignore[misc]
        return int(flags["R"]), found + (f"?{query}" if query else "")
    return 404, None


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resolve]:
    """Apache itself with the file in its place, as w3id.org runs it."""
    program = shutil.which("apache2") or shutil.which("httpd")
    modules = Path("/usr/lib/apache2/modules")
    if program is None or not modules.exists():
        pytest.skip("Apache is not installed (Debian: apache2-bin)")
    folder = tmp_path_factory.mktemp("apache")
    shutil.copytree(FOLDER, folder / "www" / "essgraph")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    loaded = ("mpm_event", "authz_core", "rewrite", "dir", "alias")
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in loaded]
    lines += [
        f"ServerRoot {folder}",
        f"Listen 127.0.0.1:{port}",
        "ServerName localhost",
        f"PidFile {folder}/pid",
        f"ErrorLog {folder}/error.log",
        f"DocumentRoot {folder}/www",
        f"<Directory {folder}/www>\nAllowOverride All\nOptions FollowSymLinks\n</Directory>",
    ]
    (folder / "httpd.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([program, "-X", "-f", str(folder / "httpd.conf")])
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.05)

        def resolve(path: str) -> tuple[int, str | None]:
            response = httpx.get(f"http://127.0.0.1:{port}/essgraph/{path}")
            return response.status_code, response.headers.get("location")

        yield resolve
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize(("path", "status", "target"), RULES)
def test_each_name_leads_to_the_service(path: str, status: int, target: str) -> None:
    assert by_rules(path) == (status, SERVICE + target)


@pytest.mark.parametrize("path", NO_RULE)
def test_nothing_else_is_redirected(path: str) -> None:
    assert by_rules(path) == (404, None)


@pytest.mark.parametrize(("path", "status", "target"), RULES)
def test_apache_reads_the_rules_alike(apache: Resolve, path: str, status: int, target: str) -> None:
    assert apache(path) == (status, SERVICE + target)


@pytest.mark.parametrize(("path", "status", "target"), RULES)
def test_each_target_answers(server: str, path: str, status: int, target: str) -> None:
    found = by_rules(path)[1]
    assert found is not None
    response = httpx.get(found.replace(SERVICE, server), follow_redirects=True)
    assert response.status_code == 200, path


def test_every_iri_of_the_graph_has_a_rule(server: str) -> None:
    query = f"""SELECT DISTINCT ?iri {{
      {{ ?iri ?p ?o }} UNION {{ ?s ?p ?iri }} UNION {{ GRAPH ?iri {{ ?s ?p ?o }} }}
      FILTER (isIRI(?iri) && STRSTARTS(STR(?iri), "{BASE}")) }}"""
    rows = httpx.get(f"{server}/sparql", params={"query": query}).json()["results"]["bindings"]
    assert len(rows) > 600
    for row in rows:
        path = row["iri"]["value"].removeprefix(BASE).partition("#")[0]
        assert by_rules(path)[1] is not None, path
