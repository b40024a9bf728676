"""``/id/``: all that is described, by class, page after page, in every format."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
import rdflib
from rdflib import RDF, RDFS, URIRef

BASE = "https://w3id.org/essgraph/"
HYDRA = rdflib.Namespace("http://www.w3.org/ns/hydra/core#")
READERS = {
    "text/turtle": "turtle",
    "application/rdf+xml": "xml",
    "application/n-triples": "nt",
    "application/n-quads": "nquads",
}


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        yield client


def relation(response: httpx.Response, name: str) -> str | None:
    found = re.search(rf'<([^>]*)>; rel="{name}"', response.headers["link"])
    return found[1] if found else None


def graph(response: httpx.Response) -> rdflib.Graph:
    assert response.status_code == 200, response.text
    return rdflib.Graph().parse(data=response.text, format="turtle")


def members(client: httpx.Client, path: str) -> tuple[set[str], int]:
    """All members, by following ``next`` from the first page; and how many pages there were."""
    found: set[str] = set()
    pages = 0
    ahead: str | None = path
    while ahead:
        response = client.get(ahead, headers={"Accept": "text/turtle"})
        listed = {str(m) for m in graph(response).objects(None, HYDRA.member)}
        assert not listed & found
        found |= listed
        pages += 1
        ahead = relation(response, "next")
    return found, pages


def asked(client: httpx.Client, pattern: str) -> set[str]:
    query = f"""SELECT DISTINCT ?s {{ {pattern}
      FILTER (REGEX(STR(?s), "^{BASE}(id|doc|passage)/[^#]*$")) }}"""
    rows = client.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    return {row["s"]["value"] for row in rows}


def test_every_name_is_reached_from_the_first_page(client: httpx.Client) -> None:
    found, pages = members(client, "/id/")
    assert pages > 5
    assert found == asked(client, "?s a ?class")


@pytest.mark.parametrize("name", ["City", "Passage", "SourceDocument", "Recommendation"])
def test_a_class_has_its_members_with_labels_and_count(client: httpx.Client, name: str) -> None:
    path = f"/id/?class={name}"
    first = graph(client.get(path, headers={"Accept": "text/turtle"}))
    found, _ = members(client, path)
    assert found == asked(client, f"?s a <{BASE}ontology#{name}>")
    collection = URIRef(f"{BASE}id/?class={name}")
    assert int(str(first.value(collection, HYDRA.totalItems))) == len(found)
    if name != "Passage":  # a passage has a summary, not a label
        for member in first.objects(collection, HYDRA.member):
            languages = {label.language for label in first.objects(member, RDFS.label)}  # type: ignore[attr-defined]
            assert {"fr", "en"} <= languages


def test_the_root_lists_the_classes_with_counts(client: httpx.Client) -> None:
    root = graph(client.get("/id/", headers={"Accept": "text/turtle"}))
    collections = list(root.objects(URIRef(BASE + "id/"), HYDRA.collection))
    assert len(collections) > 10
    for collection in collections:
        path = "/" + str(collection).removeprefix(BASE)
        there = graph(client.get(path, headers={"Accept": "text/turtle"}))
        total = root.value(collection, HYDRA.totalItems)
        assert there.value(collection, HYDRA.totalItems) == total
        assert (collection, RDF.type, HYDRA.Collection) in there


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("media_type", READERS)
def test_each_page_is_in_every_format(client: httpx.Client, media_type: str) -> None:
    path = "/id/?class=Recommendation"
    expected = graph(client.get(path, headers={"Accept": "text/turtle"}))
    response = client.get(path, headers={"Accept": media_type})
    assert response.headers["content-type"].split(";")[0] == media_type
    dataset = rdflib.Dataset()
    dataset.parse(data=response.content, format=READERS[media_type])
    assert {q[:3] for q in dataset.quads()} == set(expected)
    same = client.get(response.headers["content-location"])
    assert same.content == response.content


def test_pages_for_people(client: httpx.Client) -> None:
    for language, word in (("fr", "Villes"), ("en", "Cities")):
        page = client.get(
            "/id/?class=City", headers={"Accept": "text/html", "Accept-Language": language}
        )
        assert page.headers["content-language"] == language
        assert f"<h1>{word} " in page.text
        assert "ConceptScheme<" not in page.text
        assert 'href="/page/bamako"' in page.text
    first = client.get("/id/", headers={"Accept": "text/html"})
    assert 'rel="next"' in first.text
    assert relation(first, "next") == "/id/?page=2"
    second = client.get("/id/?page=2", headers={"Accept": "text/html"})
    assert relation(second, "prev") == "/id/"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/id/?class=Nothing", 404),
        ("/id/?page=0", 404),
        ("/id/?page=9999", 404),
        ("/id/?page=x", 400),
        ("/id/?class=City&format=xyz", 404),
        ("/id/?class=%3E%20%7D", 404),
    ],
)
def test_what_is_no_page_is_a_clear_error(client: httpx.Client, path: str, status: int) -> None:
    response = client.get(path, headers={"Accept": "application/json"})
    assert response.status_code == status
    assert response.json()["detail"]


def test_accents_do_not_upset_the_order_of_a_page(client: httpx.Client) -> None:
    page = client.get("/id/?class=AgentGroup&lang=fr", headers={"Accept": "text/html"}).text
    order = ["Délégués", "Élus locaux", "États francophones", "Habitants", "Villes membres"]
    places = [page.index(f">{name}") for name in order]
    assert places == sorted(places)
    assert "Villes membres de l’AIMF" in page  # as its own page writes it


def test_the_address_without_slash_leads_there(client: httpx.Client) -> None:
    for path in ("/id", "/page", "/page/"):
        response = client.get(path)
        assert (response.status_code, response.headers["location"]) == (301, "/id/")
