"""What a newcomer does first: the README's commands, the wheel in an empty folder; and what users
read next, in either language."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import ROOT, serving

README = (ROOT / "README.md").read_text("utf-8")
DOCS = ROOT / "docs"
#: Pages for those who work on essgraph itself, in English alone.
DEVELOPERS = {"benchmarks", "performance", "scale"}
USERS = sorted({page.stem for page in DOCS.glob("*.md")} - DEVELOPERS)
#: What stands for a value, as the help of the commands has it.
PLACEHOLDERS = {"DOSSIER": "DIR", "TEXTE": "TEXT", "MOTEUR": "ENGINE"}


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


PAGES = ["README.md", *(str(page.relative_to(ROOT)) for page in sorted(DOCS.rglob("*.md")))]


def _headings(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    said = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in said}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\((?!http)([^)]+)\)", path.read_text("utf-8")):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


def test_each_page_for_users_is_there_in_french_and_leads_to_it() -> None:
    assert [page.stem for page in sorted((DOCS / "fr").glob("*.md"))] == USERS
    ours = README.partition("\n## En français\n")[2].partition("\n## ")[0]
    for name in USERS:
        for page, link in (
            (DOCS / f"{name}.md", f"](fr/{name}.md)"),
            (DOCS / "fr" / f"{name}.md", f"](../{name}.md)"),
        ):
            assert link in "".join(page.read_text("utf-8").splitlines(True)[:4]), page
        assert f"](docs/fr/{name}.md)" in ours


def _plain(code: str) -> str:
    """Code, whatever the language of its comments and of what stands for a value."""
    code = re.sub(r"(?m)(^|(?<=\s))#.*$", "", code)
    return re.sub(r"\b[A-Z]{2,}\b", lambda m: PLACEHOLDERS.get(m[0], m[0]), code).rstrip()


def _outline(text: str) -> Iterator[tuple[str, ...]]:
    """What a page is made of, line by line: headings, items, rows, blocks of code; and, at the
    end of each section, the code in its prose. What commands print (``text``) is in a language."""
    prose = ""
    blocks = re.split(
        r"(?ms)^(```.*?^```$|(?<=\n\n)(?: {4,}\S[^\n]*\n)+)", re.sub("<!--.*?-->", "", text)
    )
    for block in blocks:
        if block.startswith(("```", "    ")):
            lines = [] if block.startswith("```text") else block.strip("\n").splitlines()
            yield ("code", *(_plain(line) for line in lines))
            continue
        for line in block.splitlines():
            if level := re.match("#+ ", line):
                yield ("words", *sorted({_plain(code) for code in re.findall("`([^`]+)`", prose)}))
                yield ("heading", level[0])
                prose = ""
            elif item := re.match(" *- ", line):
                yield ("item", item[0])
            elif line.startswith("|"):
                yield ("row", str(len(re.findall(r"(?<!\\)\|", line))))
            prose += re.sub(r"^ +", " ", line) + " "
    yield ("words", *sorted({_plain(code) for code in re.findall("`([^`]+)`", prose)}))


@pytest.mark.parametrize("name", USERS)
def test_a_page_says_the_same_in_french(name: str) -> None:
    english, french = (
        list(_outline((folder / f"{name}.md").read_text("utf-8"))) for folder in (DOCS, DOCS / "fr")
    )
    assert len(english) > 20
    assert french == english


MAPPING = ("docs/mapping.md", "docs/fr/mapping.md")


@pytest.mark.parametrize("page", MAPPING)
def test_the_file_that_mapping_shows_can_be_begun_with(page: str) -> None:
    """What a curator copies is well-formed and laid out as `lint` wants its prefixes."""
    text = (ROOT / page).read_text("utf-8")
    block = text.split("```trig\n")[1].split("```")[0]
    block = block.replace("{doc}", "some-text").replace("{title}", "Some text")
    assert len(list(ox.parse(block.encode(), ox.RdfFormat.TRIG))) > 20
    prefixes = re.findall(r"^PREFIX ([\w-]+):", block, re.M)
    assert prefixes == sorted(prefixes)
    body = block.rpartition("PREFIX")[2].partition("\n")[2]
    assert not [prefix for prefix in prefixes if not re.search(rf"(?<![\w-]){prefix}:", body)]


@pytest.mark.parametrize("page", MAPPING)
def test_the_lists_of_mapping_are_those_of_the_data(page: str) -> None:
    """In French each with its label, where that is another word."""
    text = (ROOT / page).read_text("utf-8")
    listed = re.split("\n## (?:Controlled lists|Les listes fermées)", text)[1].partition("\n## ")[0]
    lists = re.findall(r"^- `([a-z-]+):` ((?:.|\n  )+)", listed, re.M)
    assert len(lists) == 5
    for scheme, said in lists:
        data = (ROOT / "data" / "schemes" / f"{scheme}.ttl").read_text("utf-8")
        found = rf'(?ms)^{scheme}:([a-z-]+) .*?skos:prefLabel "([^"]+)"@fr'
        concepts = {
            f"{name} ({label})" if "fr" in Path(page).parts and label != name else name
            for name, label in re.findall(found, data)
        }
        items = " ".join(said.replace("’", "'").split()).split(",")
        assert {name.strip() for name in items} == concepts, scheme


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
