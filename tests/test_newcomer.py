"""What a newcomer does first: the README's commands, and the wheel in an empty folder."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import ROOT, serving

README = (ROOT / "README.md").read_text("utf-8")


def test_the_first_example_gives_the_answer_it_shows(server: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    block = README.split("```console\n")[1].split("```")[0]
    _, _, rest = block.partition("\n$ curl ")
    command, shown = rest.rsplit("}'\n", 1)
    arguments = shlex.split(f"{command}}}'".replace("http://127.0.0.1:8000", server))
    said = subprocess.run(["curl", "-s", *arguments], capture_output=True, check=True, text=True)
    assert said.stdout.splitlines() == shown.splitlines()


@pytest.mark.parametrize(
    ("pattern", "query"),
    [
        (r"(\d+) documents", "?x a ess:SourceDocument"),
        (r"(\d+) recommendations", "?x a ess:Recommendation"),
        (r"(\d+) questions a researcher", None),
    ],
)
def test_the_readme_counts_right(server: str, pattern: str, query: str | None) -> None:
    found = re.search(pattern, README)
    assert found, pattern
    if query is None:
        number = len(list((ROOT / "queries").glob("*.rq")))
    else:
        text = (
            "PREFIX ess: <https://w3id.org/essgraph/ontology#> "
            f"SELECT (COUNT(DISTINCT ?x) AS ?n) {{ {query} }}"
        )
        answer = httpx.get(f"{server}/sparql", params={"query": text, "format": "csv"})
        number = int(answer.text.split()[1])
    assert int(found[1]) == number


def test_every_path_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!http|#)([^)#]+)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_file_that_mapping_shows_can_be_begun_with() -> None:
    """What a curator copies is well-formed and laid out as `lint` wants its prefixes."""
    text = (ROOT / "docs" / "mapping.md").read_text("utf-8")
    block = text.split("```trig\n")[1].split("```")[0]
    block = block.replace("{doc}", "some-text").replace("{title}", "Some text")
    assert len(list(ox.parse(block.encode(), ox.RdfFormat.TRIG))) > 20
    prefixes = re.findall(r"^PREFIX ([\w-]+):", block, re.M)
    assert prefixes == sorted(prefixes)
    body = block.rpartition("PREFIX")[2].partition("\n")[2]
    assert not [prefix for prefix in prefixes if not re.search(rf"(?<![\w-]){prefix}:", body)]


def test_the_lists_of_mapping_are_those_of_the_data() -> None:
    text = (ROOT / "docs" / "mapping.md").read_text("utf-8")
    listed = text.partition("## Controlled lists")[2].partition("\n## ")[0]
    lists = re.findall(r"^- `([a-z-]+):` ((?:.|\n  )+)", listed, re.M)
    assert len(lists) == 5
    for scheme, said in lists:
        data = (ROOT / "data" / "schemes" / f"{scheme}.ttl").read_text("utf-8")
        concepts = set(re.findall(rf"^{scheme}:([a-z-]+)", data, re.M))
        assert {name.strip() for name in said.split(",")} == concepts, scheme


def test_the_changelog_counts_the_classes() -> None:
    said = re.search(r"An ontology of (\d+) classes", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    ontology = (ROOT / "ontology" / "essgraph.ttl").read_text("utf-8")
    assert said
    assert int(said[1]) == len(re.findall(r"^ess:[A-Z]\w*\s+a owl:Class\b", ontology, re.M))


def test_the_guide_names_every_address(server: str) -> None:
    """Each first part of the addresses that the OpenAPI describes, in both languages."""
    described = httpx.get(f"{server}/openapi.json").json()["paths"]
    parts = {path.split("/")[1].partition(".")[0] for path in described} - {""}
    for language in ("fr", "en"):
        page = httpx.get(f"{server}/docs", params={"lang": language}).text
        table = html.unescape(page.partition("<tbody>")[2].partition("</tbody>")[0])
        cells = " ".join(re.findall(r"<td><code>([^<]*)</code>", table))
        assert not {part for part in parts if not re.search(rf"/{part}\b", cells)}


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"`make (\w+)`", README))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert {"serve", "test", "check", "bench"} <= targets
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)]


def test_make_looks_for_the_texts_where_the_commands_do(tmp_path: Path) -> None:
    """Nothing outside the checkout is read unless it is named."""
    (tmp_path / "shared/sources").mkdir(parents=True)
    (tmp_path / "checkout").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path / "checkout")
    for given, options in (([], 0), (["TEXTS=elsewhere"], 2)):
        command = ["make", "-n", "-o", ".venv/run", "serve", *given]
        done = subprocess.run(
            command, cwd=tmp_path / "checkout", capture_output=True, text=True, check=True
        )
        assert done.stdout.count("essgraph build") == 1
        assert done.stdout.count("--texts elsewhere") == done.stdout.count("--texts") == options


def test_the_wheel_serves_in_an_empty_folder(tmp_path: Path) -> None:
    """Built, installed beside nothing of ours, run where there is nothing."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    wheels, site, empty = tmp_path / "wheels", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source]
    subprocess.run([*pip, *map(str, build)], check=True, capture_output=True)
    (wheel,) = wheels.glob("essgraph-*.whl")
    install = ["install", "--no-deps", "--target", site, wheel]
    subprocess.run([*pip, *map(str, install)], check=True, capture_output=True)

    environment = os.environ | {"PYTHONPATH": str(site), "HOME": str(empty)}
    run = "import essgraph.cli as c, sys; assert c.__file__.startswith(sys.argv.pop(1)); c.main()"
    command = [sys.executable, "-c", run, str(site)]
    for arguments, shown in (
        (["validate"], "0 violation(s)"),
        (["query", "cities", "lang=fr"], "Bamako"),
    ):
        said = subprocess.run(
            [*command, *arguments], cwd=empty, env=environment, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        assert shown in said.stdout
    with serving(None, command=command, cwd=empty, env=environment) as running:
        answer = httpx.get(f"{running.url}/sparql", params={"query": "ASK { ?s ?p ?o }"})
        assert answer.json()["boolean"] is True
    assert [path.name for path in empty.iterdir()] == ["build"]


def test_the_package_runs_as_a_module_and_tells_its_version() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    done = subprocess.run(
        [sys.executable, "-m", "essgraph", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"essgraph {version}\n")


def test_no_file_holds_the_address_of_a_registry() -> None:
    for path in (*ROOT.glob("constraints*.txt"), ROOT / "pyproject.toml", ROOT / "Makefile"):
        assert "://" not in re.sub(r"https://w3id\.org\S*", "", path.read_text("utf-8")), path
