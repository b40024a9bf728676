"""Clients that are not ours fetch an entity and get what they want."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import rdflib
from rdflib import RDFS, URIRef

HERE = Path(__file__).parent
BASE = "https://w3id.org/essgraph/"

pytestmark = [pytest.mark.filterwarnings("ignore:.*is deprecated.*:DeprecationWarning")]


@pytest.mark.parametrize("format", [None, "turtle", "xml", "nt", "json-ld"])
@pytest.mark.parametrize("path", ["id/bamako", "id/theme/blue-economy", "doc/coop-coter-ess"])
def test_rdflib_parses_the_address_of_a_thing(server: str, path: str, format: str | None) -> None:
    graph = rdflib.Graph().parse(f"{server}/{path}", format=format)
    labels = {
        label.language
        for label in graph.objects(URIRef(BASE + path), RDFS.label)
        if isinstance(label, rdflib.Literal)
    }
    assert labels == {"fr", "en"}


def test_rdflib_parses_named_graphs(server: str) -> None:
    dataset = rdflib.Dataset()
    dataset.parse(f"{server}/id/remcess", format="trig")
    passage = URIRef(BASE + "passage/aimf-article-2019/22")
    assert (
        URIRef(BASE + "id/founding-of-remcess"),
        URIRef(BASE + "ontology#resultedIn"),
        URIRef(BASE + "id/remcess"),
    ) in dataset.graph(passage)


@pytest.mark.parametrize("path", ["ontology", "shapes", "dataset", "id/", ".well-known/void"])
def test_rdflib_parses_what_describes_the_data(server: str, path: str) -> None:
    assert len(rdflib.Graph().parse(f"{server}/{path}")) > 100


def comunica(server: str, query: str, *iris: str) -> list[dict[str, str]]:
    """The rows of a query over the documents at the addresses that our IRIs have here."""
    if shutil.which("node") is None or not (HERE / "node_modules/@comunica").exists():
        pytest.skip("node or Comunica is not installed (make test installs it)")
    addresses = [iri.replace(BASE, f"{server}/") for iri in iris]
    done = subprocess.run(
        ["node", str(HERE / "comunica.cjs"), query, *addresses],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_comunica_follows_links_from_one_entity_to_its_neighbours(server: str) -> None:
    """Fetch an entity, take its neighbours from the document, fetch those, ask over all."""
    start = f"{BASE}id/remcess"
    neighbours = comunica(
        server,
        f"SELECT DISTINCT ?n {{ ?n <{BASE}ontology#resultedIn> <{start}> }}",
        start,
    )
    assert [row["n"] for row in neighbours] == [f"{BASE}id/founding-of-remcess"]
    supporters = comunica(
        server,
        f"""PREFIX ess: <{BASE}ontology#> PREFIX rdfs: <{RDFS}>
        SELECT DISTINCT ?who ?label ?acronym {{
          ?founding ess:resultedIn <{start}> ; ess:supporter ?who .
          ?who rdfs:label ?label . FILTER (LANG(?label) = "en")
          <{start}> ess:acronym ?acronym
        }}""",
        start,
        neighbours[0]["n"],
    )
    assert {row["who"] for row in supporters} == {f"{BASE}id/aimf"}
    assert supporters[0]["acronym"] == "REMCESS"


@pytest.mark.parametrize(
    ("accept", "content_type", "needle"),
    [
        ("text/turtle", "text/turtle", "@prefix"),
        ("application/ld+json", "application/ld+json", '"@context"'),
        ("application/rdf+xml", "application/rdf+xml", "<rdf:RDF"),
        ("application/n-triples", "application/n-triples", f"<{BASE}id/bamako> <"),
        ("application/trig", "application/trig", "{"),
        ("application/n-quads", "application/n-quads", f"<{BASE}graph/register> ."),
        ("text/html", "text/html", "<h1>"),
    ],
)
def test_curl_gets_each_format(server: str, accept: str, content_type: str, needle: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        ["curl", "-sSL", "--compressed", "-H", f"Accept: {accept}", "-w", "\n%{content_type}",
         f"{server}/id/bamako"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    body, _, sent = done.stdout.rpartition("\n")
    assert sent.split(";")[0] == content_type
    assert needle in body


def test_a_document_begins_with_what_it_is_about_and_names_each_graph_once(server: str) -> None:
    def said(accept: str) -> list[str]:
        command = ["curl", "-sfL", "-H", f"Accept: {accept}", f"{server}/id/remcess"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return [line for line in done.stdout.splitlines() if not line.startswith("@prefix")]

    turtle = said("text/turtle")
    assert turtle[0].startswith("id:remcess a ")
    assert turtle[1].startswith("\trdfs:label ")
    graphs = [line for line in said("application/trig") if line.endswith("{")]
    assert len(graphs) == len(set(graphs)) > 3
    first = json.loads("".join(said("application/ld+json")))["@graph"][0]
    assert first["@id"] == "id:remcess"
