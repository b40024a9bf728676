"""What machines find: VoID, DCAT, dumps, robots.txt, sitemap.xml, the API catalogue."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pyoxigraph as ox
import pytest
import rdflib
from conftest import serving
from rdflib import DCAT, DCTERMS, RDF, VOID, Graph, Literal, URIRef
from rdflib.term import Node

BASE = "https://w3id.org/essgraph/"
DATASET = URIRef(BASE + "dataset")
SPDX = rdflib.Namespace("http://spdx.org/rdf/terms#")
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        yield client


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> Graph:
    response = client.get("/.well-known/void", headers={"Accept": "text/turtle"})
    return Graph().parse(data=response.text, format="turtle")


def count(client: httpx.Client, query: str) -> int:
    response = client.get("/sparql", params={"query": query}, headers={"Accept": "text/csv"})
    return int(response.text.split()[-1])


def number(graph: Graph, subject: Node, predicate: URIRef) -> int:
    return int(str(graph.value(subject, predicate)))


#: The default graph without the description, whose figures are counted before it is added.
DATA = f"?s ?p ?o FILTER NOT EXISTS {{ GRAPH <{BASE}graph/description> {{ ?s ?p ?o }} }}"


def test_void_counts_what_is_served(client: httpx.Client, described: Graph) -> None:
    a = f"FILTER (?p = <{RDF.type}>)"
    entities = f"FILTER (REGEX(STR(?s), '^{BASE}(id|doc|passage)/[^#]*$'))"
    for predicate, (what, where) in {
        VOID.triples: ("COUNT(*)", ""),
        VOID.properties: ("COUNT(DISTINCT ?p)", ""),
        VOID.classes: ("COUNT(DISTINCT ?o)", a),
        VOID.distinctSubjects: ("COUNT(DISTINCT ?s)", ""),
        VOID.distinctObjects: ("COUNT(DISTINCT ?o)", ""),
        VOID.entities: ("COUNT(DISTINCT ?s)", f"{a} {entities}"),
    }.items():
        expected = count(client, f"SELECT ({what} AS ?n) {{ {DATA} {where} }}")
        assert number(described, DATASET, predicate) == expected > 0, predicate


def test_the_description_is_in_the_store(client: httpx.Client, described: Graph) -> None:
    """What is at /.well-known/void is what a query finds, but for what the data cannot hold (their
    digest and that of their files) and the address of this host."""
    query = f"CONSTRUCT {{ ?s ?p ?o }} {{ GRAPH <{BASE}graph/description> {{ ?s ?p ?o }} }}"
    response = client.get("/sparql", params={"query": query}, headers={"Accept": "text/turtle"})
    stored = Graph().parse(data=response.text, format="turtle")
    assert len(stored) > 500
    for triple in stored:
        absent = triple not in described
        assert absent == (f"{client.base_url}" in str(described.value(triple[0], triple[1])))
    for name in ("sparqlEndpoint", "dataDump"):
        (there, *_), (here, *_) = (
            list(g.objects(DATASET, VOID[name])) for g in (stored, described)
        )
        assert str(there).startswith(BASE)
        assert str(here).startswith(str(client.base_url))
    ask = (
        f"ASK {{ <{DATASET}> <{VOID.triples}> ?n ; <{VOID.classPartition}>/<{VOID['class']}> ?c }}"
    )
    assert client.get("/sparql", params={"query": ask}).json()["boolean"]
    about = URIRef(BASE + "graph/description")
    assert (about, RDF.type, VOID.DatasetDescription) in described
    assert {
        str(getattr(o, "language", "")) for o in described.objects(about, rdflib.RDFS.comment)
    } == {"fr", "en"}


def test_named_graphs_are_told_and_lead_to_the_description(
    client: httpx.Client, described: Graph
) -> None:
    query = """SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o }
      FILTER (!CONTAINS(STR(?g), "/passage/")) }"""
    rows = client.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    graphs = {URIRef(row["g"]["value"]) for row in rows}
    assert graphs == set(described.objects(DATASET, DCTERMS.hasPart))
    for graph in graphs:
        assert len(list(described.objects(graph, DCTERMS.title))) == 2
        answer = client.get("/" + graph.removeprefix(BASE))
        assert (answer.status_code, answer.headers["location"]) == (303, "/dataset")


def test_what_the_description_names_answers(client: httpx.Client, described: Graph) -> None:
    """The endpoint and the files, by the addresses that it gives."""
    (endpoint,) = described.objects(DATASET, VOID.sparqlEndpoint)
    assert httpx.get(str(endpoint), params={"query": "ASK {}"}).json()["boolean"]
    places = {
        *described.objects(DATASET, VOID.dataDump),
        *described.objects(None, DCAT.downloadURL),
    }
    assert len(places) == 2
    for place in places:
        assert gzip.decompress(httpx.get(str(place)).content)


def test_partitions_are_all_and_count_right(client: httpx.Client, described: Graph) -> None:
    classes = list(described.objects(DATASET, VOID.classPartition))
    assert len(classes) == number(described, DATASET, VOID.classes)
    properties = list(described.objects(DATASET, VOID.propertyPartition))
    assert len(properties) == number(described, DATASET, VOID.properties)
    triples = sum(int(str(described.value(p, VOID.triples))) for p in properties)
    assert triples == number(described, DATASET, VOID.triples)
    for part in properties:
        where = f"{DATA} FILTER (?p = <{described.value(part, VOID.property)}>)"
        ask = f"SELECT (COUNT(%s) AS ?n) {{ {where} }}"
        assert number(described, part, VOID.triples) == count(client, ask % "*")
        assert number(described, part, VOID.distinctSubjects) == count(client, ask % "DISTINCT ?s")
        assert number(described, part, VOID.distinctObjects) == count(client, ask % "DISTINCT ?o")
    city = next(
        p for p in classes if described.value(p, VOID["class"]) == URIRef(BASE + "ontology#City")
    )
    assert int(str(described.value(city, VOID.entities))) == count(
        client, f"SELECT (COUNT(*) AS ?n) {{ ?s a <{BASE}ontology#City> }}"
    )


def test_examples_dereference(client: httpx.Client, described: Graph) -> None:
    examples = list(described.objects(DATASET, VOID.exampleResource))
    assert len(examples) > 10
    for example in examples:
        path = str(example).removeprefix(BASE)
        assert client.get(f"/{path}", follow_redirects=True).status_code == 200, example


def test_linksets_lead_elsewhere(client: httpx.Client, described: Graph) -> None:
    linksets = list(described.subjects(RDF.type, VOID.Linkset))
    hosts = set()
    for linkset in linksets:
        assert described.value(linkset, VOID.subjectsTarget) == DATASET
        target = described.value(linkset, VOID.objectsTarget)
        assert target is not None
        hosts.add(str(described.value(target, VOID.uriSpace)))
        assert (DATASET, VOID.subset, linkset) in described
    assert "http://www.wikidata.org/" in hosts
    query = f"""SELECT (COUNT(*) AS ?n) {{ ?s ?p ?o FILTER (isIRI(?o) && ?p != <{RDF.type}>)
      FILTER (STRSTARTS(STR(?s), "{BASE}id/") && !STRSTARTS(STR(?o), "{BASE}")) }}"""
    told = sum(int(str(described.value(linkset, VOID.triples))) for linkset in linksets)
    assert told == count(client, query)


@pytest.mark.parametrize(
    "path", ["/", "/dataset", "/dataset.ttl", "/.well-known/void", "/dataset.jsonld"]
)
def test_the_description_is_at_each_of_its_addresses(client: httpx.Client, path: str) -> None:
    response = client.get(path, headers={"Accept": "text/turtle"})
    assert response.status_code == 200
    assert BASE + "dataset" in response.text or "dataset" in response.text
    assert 'rel="api-catalog"' in response.headers["link"]


def test_dcat_distributions_are_the_files(client: httpx.Client, described: Graph) -> None:
    assert (URIRef(BASE), RDF.type, DCAT.Catalog) in described
    assert (URIRef(BASE + "sparql"), RDF.type, DCAT.DataService) in described
    assert (URIRef(BASE + "sparql"), DCAT.servesDataset, DATASET) in described
    files = [d for d in described.objects(DATASET, DCAT.distribution)
             if described.value(d, DCAT.downloadURL)]  # fmt: skip
    assert {str(f) for f in files} == {BASE + "dump.nq.gz", BASE + "dump.trig.gz"}
    for file in files:
        body = client.get("/" + str(file).removeprefix(BASE)).content
        size = described.value(file, DCAT.byteSize)
        assert size == Literal(str(len(body)), datatype=rdflib.XSD.nonNegativeInteger)
        checksum = described.value(file, SPDX.checksum)
        assert (
            str(described.value(checksum, SPDX.checksumValue)) == hashlib.sha256(body).hexdigest()
        )
        assert described.value(file, DCTERMS.license) is not None


def test_dumps_hold_what_the_snapshot_holds(client: httpx.Client, built: Path) -> None:
    data = (built / "current" / "data.nq").read_bytes()
    response = client.get("/dump.nq.gz")
    assert response.headers["content-type"] == "application/gzip"
    assert "content-encoding" not in response.headers
    # Unpacked, it has the suffix by which tools know its format.
    assert response.headers["content-disposition"] == 'attachment; filename="essgraph.nq.gz"'
    assert gzip.decompress(response.content) == data
    assert response.content[4:8] == b"\0\0\0\0"  # no time (RFC 1952, 2.3)
    trig = gzip.decompress(client.get("/dump.trig.gz").content)
    assert set(ox.parse(trig, ox.RdfFormat.TRIG)) == set(ox.parse(data, ox.RdfFormat.N_QUADS))
    again = client.get("/dump.nq.gz", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    head = client.head("/dump.nq.gz")
    assert head.headers["content-length"] == str(len(response.content))


def test_every_graph_stands_once_in_the_trig_dump(client: httpx.Client) -> None:
    trig = gzip.decompress(client.get("/dump.trig.gz").content).decode()
    graphs = re.findall(r"^(?:GRAPH )?(\S+) \{$", trig, re.MULTILINE)
    assert len(graphs) > 170
    assert len(graphs) == len(set(graphs))


def test_the_dataset_is_told_in_words(client: httpx.Client) -> None:
    for language, word in (("fr", ">Villes<"), ("en", ">Cities<")):
        page = client.get("/dataset", headers={"Accept": "text/html", "Accept-Language": language})
        assert ">JSON-LD</a>" in page.text
        assert word in page.text
        assert not re.search(r"<dd>\d{4}-", page.text)


@pytest.mark.parametrize("path", ["/", "/dataset"])
def test_pages_carry_the_dataset_for_search_engines(client: httpx.Client, path: str) -> None:
    for language in ("fr", "en"):
        page = client.get(path, headers={"Accept": "text/html", "Accept-Language": language})
        assert page.headers["content-language"] == language
        found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page.text, re.S)
        assert found
        said = json.loads(found[1])
        assert said["@type"] == "Dataset"
        assert said["license"] == "https://creativecommons.org/licenses/by/4.0/"
        assert said["name"].startswith("Francophone" if language == "en" else "Les élus")
        assert {d["contentUrl"] for d in said["distribution"]} == {
            "/dump.nq.gz",
            "/dump.trig.gz",
        }


def test_robots_and_sitemap(client: httpx.Client, server: str) -> None:
    robots = client.get("/robots.txt")
    assert robots.headers["content-type"] == "text/plain; charset=utf-8"
    sitemap = client.get("/sitemap.xml")
    assert sitemap.headers["content-type"] == "application/xml"
    root = ElementTree.fromstring(sitemap.text)
    urls = [url.findtext(f"{SITEMAP}loc") or "" for url in root]
    # The address of a test server is not known to it but by its options: host and port.
    assert f"Sitemap: {server}/sitemap.xml" in robots.text
    assert all(url.startswith(server + "/") for url in urls)
    assert len(urls) == len(set(urls)) > 500
    for url in root:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", url.findtext(f"{SITEMAP}lastmod") or "")
        languages = {link.get("hreflang"): link.get("href") for link in url.iter(f"{XHTML}link")}
        location = url.findtext(f"{SITEMAP}loc")
        assert languages == {
            "fr": f"{location}?lang=fr",
            "en": f"{location}?lang=en",
            "x-default": location,
        }


def test_the_sitemap_names_pages_in_each_language(client: httpx.Client) -> None:
    root = ElementTree.fromstring(client.get("/sitemap.xml").text)
    for url in list(root)[:: max(1, len(root) // 25)]:
        for link in url.iter(f"{XHTML}link"):
            response = client.get(link.get("href") or "", headers={"Accept": "text/html"})
            assert response.status_code == 200, link.get("href")
            if link.get("hreflang") != "x-default":
                assert response.headers["content-language"] == link.get("hreflang")


def test_the_api_catalogue_is_a_linkset(client: httpx.Client, server: str) -> None:
    response = client.get("/.well-known/api-catalog")
    assert response.headers["content-type"].startswith("application/linkset+json")
    assert "rfc9727" in response.headers["content-type"]
    head = client.head("/.well-known/api-catalog")
    assert 'rel="api-catalog"' in head.headers["link"]
    contexts = response.json()["linkset"]
    anchors = {context["anchor"] for context in contexts}
    assert f"{server}/sparql" in anchors
    for context in contexts:
        for relation, targets in context.items():
            for target in targets if relation not in ("anchor", "license", "item") else ():
                got = client.get(target["href"], headers={"Accept": target.get("type", "*/*")})
                assert got.status_code == 200, target
                if "type" in target:
                    assert got.headers["content-type"].split(";")[0] == target["type"]


def test_the_public_address_comes_from_the_command_line(built: Path) -> None:
    with serving(built, "--url", "https://graph.example/") as running:
        robots = httpx.get(f"{running.url}/robots.txt", headers={"Host": "evil.example"}).text
        assert "Sitemap: https://graph.example/sitemap.xml" in robots
        assert "evil" not in httpx.get(f"{running.url}/sitemap.xml").text


def test_methods_and_unknown_parts(client: httpx.Client) -> None:
    assert client.post("/dataset").status_code == 405
    assert client.options("/dump.nq.gz").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.get("/dataset.xyz").status_code == 404
