"""The terms of the data dereference: ontology, shapes, JSON-LD context, and their versions."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
import rdflib
from conftest import ROOT
from rdflib.compare import isomorphic

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated, use Dataset:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*default_context is deprecated:DeprecationWarning"),
]

BASE = "https://w3id.org/essgraph/"
READERS = {
    "ttl": ("text/turtle", "turtle"),
    "jsonld": ("application/ld+json", "json-ld"),
    "rdf": ("application/rdf+xml", "xml"),
    "nt": ("application/n-triples", "nt"),
}


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        yield client


@pytest.mark.parametrize("path", ["/ontology", "/shapes", "/ontology/1.0.0"])
@pytest.mark.parametrize("suffix", READERS)
def test_vocabularies_are_negotiated(
    client: httpx.Client, server: str, path: str, suffix: str
) -> None:
    media_type, reader = READERS[suffix]
    chosen = client.get(path, headers={"Accept": media_type})
    assert chosen.status_code == 200
    assert chosen.headers["content-type"].split(";")[0] == media_type
    assert chosen.headers["content-location"] == f"{path}.{suffix}"
    assert client.get(f"{path}.{suffix}").content == chosen.content
    turtle = rdflib.Graph().parse(data=client.get(f"{path}.ttl").text, format="turtle")
    read = rdflib.Graph().parse(
        data=chosen.content, format=reader, publicID=f"{server}{path}.{suffix}"
    )
    assert len(read) > 100
    assert isomorphic(read, turtle)


def test_the_ontology_is_the_file_and_names_its_version(client: httpx.Client) -> None:
    response = client.get("/ontology", headers={"Accept": "text/turtle"})
    assert response.content == (ROOT / "ontology" / "essgraph.ttl").read_bytes()
    assert '</ontology/1.0.0>; rel="latest-version"' in response.headers["link"]
    version = client.get("/ontology/1.0.0", headers={"Accept": "text/turtle"})
    assert version.content == response.content
    assert client.get("/ontology/0.0.1").status_code == 404
    assert client.get("/ontology/").headers["location"] == "/ontology"
    assert client.get("/ontology.xyz").status_code == 404


def test_the_context_reads_our_documents(client: httpx.Client, tmp_path: Path) -> None:
    response = client.get("/context.jsonld", headers={"Accept": "application/json"})
    assert response.headers["content-type"] == "application/ld+json"
    assert response.headers["access-control-allow-origin"] == "*"
    context = response.json()["@context"]
    document = client.get("/data/bamako.jsonld").json()
    assert document["@context"] == f"{client.base_url}/context.jsonld".replace(
        "//context", "/context"
    )
    # A document that was saved, read from the file by whoever fetches what it names.
    (tmp_path / "bamako.jsonld").write_bytes(client.get("/data/bamako.jsonld").content)
    saved = rdflib.Graph().parse(tmp_path / "bamako.jsonld", format="json-ld")
    assert isomorphic(saved, rdflib.Graph().parse(data=client.get("/data/bamako.nt").text))
    inline = json.dumps({**document, "@context": context})
    graph = rdflib.Graph().parse(data=inline, format="json-ld")
    expected = rdflib.Graph().parse(data=client.get("/data/bamako.nt").text, format="nt")
    assert isomorphic(graph, expected)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_reference_page_explains_every_term(client: httpx.Client, language: str) -> None:
    page = client.get("/ontology", headers={"Accept": "text/html", "Accept-Language": language})
    assert page.headers["content-language"] == language
    ontology = rdflib.Graph().parse(ROOT / "ontology" / "essgraph.ttl")
    terms = {t for t in ontology.subjects() if str(t).startswith(BASE + "ontology#")}
    assert len(terms) > 40
    plain = str.maketrans("’\u00a0\u202f", "'  ")  # as our files write it
    text = html.unescape(page.text).translate(plain)
    for term in terms:
        assert f'<section id="{str(term).rpartition("#")[2]}">' in text, term
        for predicate in (rdflib.RDFS.label, rdflib.SKOS.definition):
            (said,) = (o for o in ontology.objects(term, predicate)
                       if isinstance(o, rdflib.Literal) and o.language == language)  # fmt: skip
            assert str(said) in text, said
    targets = set(re.findall(r'href="#([^"]+)"', page.text)) - {"content"}
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))


def test_the_picture_shows_every_class(client: httpx.Client) -> None:
    page = client.get("/ontology", headers={"Accept": "text/html", "Accept-Language": "en"})
    found = re.search(r'<svg class="diagram".*?</svg>', page.text, re.DOTALL)
    assert found
    picture = ElementTree.fromstring(found[0])
    targets = {a.get("href") for a in picture.iter("a")}
    ontology = rdflib.Graph().parse(ROOT / "ontology" / "essgraph.ttl")
    classes = map(str, ontology.subjects(rdflib.RDF.type, rdflib.OWL.Class))
    ours = BASE + "ontology#"
    assert targets == {f"#{c.removeprefix(ours)}" for c in classes if c.startswith(ours)}
    boxes = [(int(r.get("x") or 0), int(r.get("y") or 0)) for r in picture.iter("rect")]
    assert len(boxes) == len(set(boxes))
    width, height = (float(n) for n in (picture.get("viewBox") or "").split()[2:])
    assert all(0 <= x < width and 0 <= y < height for x, y in boxes)


def test_the_page_of_the_shapes_lists_them(client: httpx.Client) -> None:
    page = client.get("/shapes", headers={"Accept": "text/html", "Accept-Language": "fr"})
    shapes = rdflib.Graph().parse(data=client.get("/shapes.ttl").text, format="turtle")
    sh = rdflib.Namespace("http://www.w3.org/ns/shacl#")
    for shape in shapes.subjects(rdflib.RDF.type, sh.NodeShape):
        assert f'id="{str(shape).rpartition("#")[2]}"' in page.text
