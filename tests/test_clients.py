"""The clients that researchers use, each against the running service."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import rdflib
from rdflib import RDF, RDFS, URIRef
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import (
    CSV,
    GET,
    JSON,
    JSONLD,
    N3,
    POST,
    POSTDIRECTLY,
    RDFXML,
    TSV,
    TURTLE,
    URLENCODED,
    XML,
    SPARQLWrapper,
)
from SPARQLWrapper.SPARQLExceptions import EndPointInternalError, QueryBadFormed

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated, use Dataset:DeprecationWarning"),
    # SPARQLWrapper lets the collector close its connections.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HERE = Path(__file__).parent
BAMAKO = "https://w3id.org/essgraph/id/bamako"
CITY = "https://w3id.org/essgraph/ontology#City"
CITIES = f"""PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?city ?label {{ ?city a <{CITY}> ; rdfs:label ?label FILTER (LANG(?label) = "fr") }}
ORDER BY ?city"""
ABOUT = f"CONSTRUCT {{ <{BAMAKO}> ?p ?o }} WHERE {{ <{BAMAKO}> ?p ?o }}"


@pytest.fixture(scope="module")
def endpoint(server: str) -> str:
    return f"{server}/sparql"


@pytest.fixture(scope="module")
def cities(endpoint: str) -> dict[str, str]:
    """The cities and their labels, by a plain request."""
    found = httpx.get(endpoint, params={"query": CITIES}).json()["results"]["bindings"]
    assert len(found) > 5
    return {row["city"]["value"]: row["label"]["value"] for row in found}


@pytest.fixture(scope="module")
def about(endpoint: str) -> int:
    """How many triples have Bamako as their subject."""
    query = f"SELECT (COUNT(*) AS ?n) {{ <{BAMAKO}> ?p ?o }}"
    found = httpx.get(endpoint, params={"query": query}).json()["results"]["bindings"]
    return int(found[0]["n"]["value"])


def command(*line: str) -> str:
    if shutil.which(line[0]) is None:
        pytest.skip(f"{line[0]} is not installed (make test installs it as root)")
    done = subprocess.run(line, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


# --- SPARQLWrapper --------------------------------------------------------------------------


def wrapper(endpoint: str, query: str, format: str) -> SPARQLWrapper:
    client = SPARQLWrapper(endpoint)
    client.setQuery(query)
    client.setReturnFormat(format)
    return client


@pytest.mark.parametrize(
    ("method", "request_method"), [(GET, URLENCODED), (POST, URLENCODED), (POST, POSTDIRECTLY)]
)
@pytest.mark.parametrize("only_conneg", [False, True])
def test_sparqlwrapper_select(
    endpoint: str, cities: dict[str, str], method: str, request_method: str, only_conneg: bool
) -> None:
    client = wrapper(endpoint, CITIES, JSON)
    client.setMethod(method)
    client.setRequestMethod(request_method)
    client.setOnlyConneg(only_conneg)
    found: Any = client.queryAndConvert()
    rows = found["results"]["bindings"]
    assert {row["city"]["value"]: row["label"]["value"] for row in rows} == cities


@pytest.mark.parametrize("only_conneg", [False, True])
def test_sparqlwrapper_formats_of_results(
    endpoint: str, cities: dict[str, str], only_conneg: bool
) -> None:
    found: dict[str, Any] = {}
    for format in (XML, CSV, TSV):
        client = wrapper(endpoint, CITIES, format)
        client.setOnlyConneg(only_conneg)
        found[format] = client.queryAndConvert()
    assert len(found[XML].getElementsByTagName("result")) == len(cities)
    rows = csv.DictReader(io.StringIO(found[CSV].decode()))
    assert {row["city"]: row["label"] for row in rows} == cities
    assert found[TSV].decode().count("\n") == len(cities) + 1


@pytest.mark.parametrize("only_conneg", [False, True])
@pytest.mark.parametrize("format", [TURTLE, RDFXML, XML, JSONLD, N3])
@pytest.mark.parametrize("query", [ABOUT, f"DESCRIBE <{BAMAKO}>"])
def test_sparqlwrapper_graphs(
    endpoint: str, about: int, only_conneg: bool, format: str, query: str
) -> None:
    client = wrapper(endpoint, query, format)
    client.setOnlyConneg(only_conneg)
    answer = client.query()
    found: Any = answer.convert()
    if not isinstance(found, rdflib.Graph):
        found = rdflib.Graph().parse(data=found, format="turtle")
    assert len(list(found.triples((URIRef(BAMAKO), None, None)))) == about


def test_sparqlwrapper_ask(endpoint: str) -> None:
    found: Any = wrapper(endpoint, f"ASK {{ <{BAMAKO}> a <{CITY}> }}", JSON).queryAndConvert()
    assert found["boolean"] is True


def test_sparqlwrapper_datasets(endpoint: str) -> None:
    client = wrapper(endpoint, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", JSON)
    client.addDefaultGraph("https://w3id.org/essgraph/graph/register")
    of_one: Any = client.queryAndConvert()
    client.addDefaultGraph("https://w3id.org/essgraph/graph/ontology")
    of_two: Any = client.queryAndConvert()
    first, second = (int(a["results"]["bindings"][0]["n"]["value"]) for a in (of_one, of_two))
    assert 0 < first < second


def test_sparqlwrapper_errors(endpoint: str) -> None:
    with pytest.raises(QueryBadFormed, match="attendu"):
        wrapper(endpoint, "SELECT * { ?s ?p }", JSON).query()
    client = wrapper(endpoint, "CLEAR ALL", JSON)
    client.setMethod(POST)
    with pytest.raises((httpx.HTTPError, EndPointInternalError, OSError)):
        client.query()


# --- rdflib ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["xml", "json"])
@pytest.mark.parametrize("method", ["GET", "POST", "POST_FORM"])
def test_rdflib_store(
    endpoint: str, cities: dict[str, str], about: int, format: str, method: str
) -> None:
    store = SPARQLStore(endpoint, method=method, returnFormat=format)
    graph = rdflib.Graph(store)
    assert (URIRef(BAMAKO), RDF.type, URIRef(CITY)) in graph
    assert {str(city) for city in graph.subjects(RDF.type, URIRef(CITY))} >= set(cities)
    assert len(list(graph.predicate_objects(URIRef(BAMAKO)))) == about
    label = graph.value(URIRef(BAMAKO), RDFS.label)
    assert isinstance(label, rdflib.Literal)
    assert label.language in ("fr", "en")
    found = graph.query(CITIES)
    assert {str(row[0]): str(row[1]) for row in found} == cities  # type: ignore[index]
    assert bool(graph.query("ASK {}")) is True
    if format == "xml":  # with "json" it asks for no format of graphs
        assert len(graph.query(ABOUT).graph or ()) == about
    store.close()


def test_rdflib_store_of_a_named_graph(endpoint: str) -> None:
    store = SPARQLStore(endpoint, context_aware=True)
    register = rdflib.Graph(store, identifier=URIRef("https://w3id.org/essgraph/graph/register"))
    assert (URIRef(BAMAKO), RDF.type, URIRef(CITY)) in register
    ontology = rdflib.Graph(store, identifier=URIRef("https://w3id.org/essgraph/graph/ontology"))
    assert (URIRef(BAMAKO), RDF.type, URIRef(CITY)) not in ontology
    store.close()


def test_service_from_a_local_rdflib(endpoint: str, cities: dict[str, str]) -> None:
    """A researcher's own graph, joined with ours by SERVICE."""
    own = rdflib.Graph()
    visited = URIRef("http://example.org/visited")
    own.add((URIRef("http://example.org/me"), visited, URIRef(BAMAKO)))
    found = own.query(
        f"""PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
        SELECT ?label {{
          ?me <{visited}> ?city
          SERVICE <{endpoint}> {{ ?city rdfs:label ?label FILTER (LANG(?label) = "fr") }}
        }}"""
    )
    assert [str(row[0]) for row in found] == [cities[BAMAKO]]  # type: ignore[index]


# --- pandas, curl, rasqal -------------------------------------------------------------------


def test_pandas(endpoint: str, cities: dict[str, str]) -> None:
    url = str(httpx.URL(endpoint, params={"query": CITIES, "format": "csv"}))
    frame = pd.read_csv(url)
    assert list(frame.columns) == ["city", "label"]
    assert dict(zip(frame["city"], frame["label"], strict=True)) == cities
    query = "SELECT ?p (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?p ORDER BY DESC(?n)"
    counts = pd.read_csv(str(httpx.URL(endpoint, params={"query": query, "format": "csv"})))
    assert counts["n"].dtype.kind == "i"
    assert counts["n"].is_monotonic_decreasing


@pytest.mark.parametrize(
    "options",
    [
        ("-G", "--data-urlencode", f"query={CITIES}"),
        ("--data-urlencode", f"query={CITIES}"),
        ("-H", "Content-Type: application/sparql-query", "--data-binary", CITIES),
        ("--http1.0", "--data-urlencode", f"query={CITIES}"),
        ("--compressed", "-G", "--data-urlencode", f"query={CITIES}"),
        ("-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/sparql-query",
         "--data-binary", CITIES),
        ("-H", "Expect: 100-continue", "--data-urlencode", f"query={CITIES}"),
    ],
    ids=["get", "form", "direct", "1.0", "compressed", "chunked", "expect"],
)  # fmt: skip
def test_curl(endpoint: str, cities: dict[str, str], options: tuple[str, ...]) -> None:
    said = command(
        "curl", "-sS", "--fail", "-m", "20", "-H", "Accept: text/csv", *options, endpoint
    )
    rows = list(csv.reader(io.StringIO(said, newline="")))
    assert rows[0] == ["city", "label"]
    assert {row[0]: row[1] for row in rows[1:]} == cities


def test_roqet(endpoint: str, cities: dict[str, str]) -> None:
    said = command("roqet", "-q", "-p", endpoint, "-e", CITIES, "-r", "csv")
    rows = list(csv.reader(io.StringIO(said, newline="")))
    assert {row[0]: row[1] for row in rows[1:]} == cities


# --- Comunica, YASGUI -----------------------------------------------------------------------


def comunica(query: str, *endpoints: str) -> Any:
    if not (HERE / "node_modules/@comunica/query-sparql").exists():
        pytest.skip("npm's @comunica/query-sparql is not installed (make test installs it)")
    return json.loads(command("node", str(HERE / "comunica.cjs"), query, *endpoints))


def test_comunica(endpoint: str, cities: dict[str, str]) -> None:
    """It finds out by the service description that this is an endpoint."""
    for source in (endpoint, f"sparql@{endpoint}"):
        found = comunica(CITIES, source)
        assert {row["city"]: row["label"] for row in found} == cities


def test_comunica_over_two_sources(endpoint: str, cities: dict[str, str]) -> None:
    query = CITIES.replace("ORDER BY ?city", "")
    other = endpoint.replace("127.0.0.1", "localhost")
    found = comunica(query, f"sparql@{endpoint}", f"sparql@{other}")
    assert {row["city"]: row["label"] for row in found} == cities


@pytest.mark.parametrize(
    ("query", "accept", "sent"),
    [
        (CITIES, "application/sparql-results+json,*/*;q=0.9", "application/sparql-results+json"),
        ("ASK {}", "application/sparql-results+json,*/*;q=0.9", "application/sparql-results+json"),
        (ABOUT, "text/turtle,*/*;q=0.9", "text/turtle"),
        (ABOUT, "application/n-triples,*/*;q=0.9", "application/n-triples"),
    ],
)
def test_yasgui(endpoint: str, query: str, accept: str, sent: str) -> None:
    """The two requests that YASQE makes from another origin: a preflight, and a form."""
    origin = {"Origin": "https://yasgui.example", "Referer": "https://yasgui.example/"}
    preflight = httpx.options(
        endpoint,
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == "*"
    graph = "https://w3id.org/essgraph/graph/register"
    for more in ({}, {"default-graph-uri": graph, "named-graph-uri": graph}):
        response = httpx.post(
            endpoint, data={"query": query, **more}, headers={**origin, "Accept": accept}
        )
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == sent
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.content
