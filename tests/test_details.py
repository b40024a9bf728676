"""What a careful reader of the specifications tries on ``/sparql``, found by such readers."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import serving, with_quads

EX = "http://example.org/"
TWO = (
    f"<{EX}s> <{EX}p> <{EX}o> <{EX}g> .\n"
    f"<{EX}s> <{EX}q> <{EX}o> <{EX}g> .\n"
    f"<{EX}s> <{EX}p> <{EX}o> <{EX}g#> .\n"
)


@pytest.fixture(scope="module")
def endpoint(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    out = with_quads(built, tmp_path_factory.mktemp("details"), TWO)
    with serving(out) as running:
        yield f"{running.url}/sparql"


def ask(
    endpoint: str, query: str, accept: str = "application/sparql-results+json", **fields: str
) -> httpx.Response:
    headers = {"Accept": accept, **{name.replace("_", "-"): v for name, v in fields.items()}}
    return httpx.get(endpoint, params={"query": query}, headers=headers)


def count(response: httpx.Response) -> int:
    assert response.status_code == 200, response.text
    return int(response.json()["results"]["bindings"][0]["n"]["value"])


# --- the dataset ----------------------------------------------------------------------------


def test_a_named_graph_is_in_the_dataset_once(endpoint: str) -> None:
    """SPARQL 1.1 Query, 18.1.2: the names in a dataset are distinct."""
    body = "{ GRAPH ?g { ?s ?p ?o } }"
    twice = f"FROM NAMED <{EX}g> FROM NAMED <{EX}g>"
    assert count(ask(endpoint, f"SELECT (COUNT(*) AS ?n) {twice} {body}")) == 2
    for default in ([], [f"{EX}g", f"{EX}h"]):
        fields = {
            "query": f"SELECT (COUNT(*) AS ?n) {body}",
            "named-graph-uri": [f"{EX}g", f"{EX}g"],
            "default-graph-uri": default,
        }
        assert count(httpx.get(endpoint, params=fields)) == 2


@pytest.mark.parametrize(
    "iri",
    ["http://a/%zz", "http://[bad", "http://a/[d]", "http://a/#x#y", "http://a:port/", "http://a b",
     "http://a/{", "http://a/^"],
)  # fmt: skip
def test_an_ill_formed_graph_iri_is_the_clients_fault(endpoint: str, iri: str) -> None:
    for parameter in ("default-graph-uri", "named-graph-uri"):
        response = httpx.get(endpoint, params=[("query", "ASK {}"), (parameter, iri)])
        assert response.status_code == 400
        assert iri in response.json()["detail"]
        assert "absolute" not in response.json()["detail"]
    assert ask(endpoint, f"ASK FROM NAMED <{iri}> {{}}").status_code == 400


def test_a_relative_graph_iri_keeps_its_empty_fragment(endpoint: str) -> None:
    """RFC 3986, 5.3."""
    query = "BASE <http://example.org/> PREFIX g: <g#> SELECT (COUNT(*) AS ?n) FROM g: { ?s ?p ?o }"
    assert count(ask(endpoint, query)) == 1
    assert count(ask(endpoint, query.replace("g: <g#>", "g: <g>"))) == 2


# --- answers that may differ next time ------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (RAND() AS ?r) {}",
        "SELECT (BNODE() AS ?b) {}",
        "CONSTRUCT { [] <http://e/p> ?s } { ?s ?p ?o } LIMIT 1",
        "CONSTRUCT { _:b <http://e/p> ?s } { ?s ?p ?o } LIMIT 1",
        "CONSTRUCT { ?s <http://e/p> (1 2) } { ?s ?p ?o } LIMIT 1",
        "CONSTRUCT WHERE { _:b <http://example.org/p> ?o }",
    ],
)
def test_no_tag_names_what_may_differ(endpoint: str, query: str) -> None:
    """RFC 9110, 8.8.1: a strong validator changes whenever the bytes do."""
    for _ in range(2):
        response = ask(endpoint, query, "*/*", if_none_match="*")
        assert response.status_code == 200
        assert "etag" not in response.headers
        assert response.headers["cache-control"] == "no-store"


def test_blank_nodes_of_the_pattern_differ_in_nothing(endpoint: str) -> None:
    query = "CONSTRUCT { ?s <http://e/p> 1 } { ?s <http://example.org/p> [] }"
    assert "etag" in ask(endpoint, query, "*/*").headers


STAR = "SELECT * { GRAPH <http://example.org/g> { ?z ?a ?b } } LIMIT 1"


@pytest.mark.parametrize(
    "query",
    [
        STAR,
        "# ?b ?a ?z\n" + STAR,
        STAR.replace("*", "#x\n*"),
        STAR.replace("?z", "# ?b ?a\n ?z"),
        "PREFIX e: # e\n <http://e/>\n" + STAR,
        STAR.replace("{ GRAPH", "{ VALUES ?z { <http://example.org/s> } GRAPH"),
        STAR.replace("?z ?a", "FILTER (\"?b ?a\" != '?a') ?z ?a"),
        "PREFIX e: <http://e/> " + STAR.replace("?z ?a", "FILTER (?z != e:\\'\\#) ?z ?a"),
    ],
)
def test_a_star_has_the_variables_in_the_order_of_the_query(endpoint: str, query: str) -> None:
    """Whatever comments say, and whichever of two like queries was asked first."""
    assert ask(endpoint, query).json()["head"]["vars"] == ["z", "a", "b"]


# --- conditions -----------------------------------------------------------------------------


def test_a_precondition_that_fails_is_told(endpoint: str) -> None:
    """RFC 9110, 13.1.1 and 13.1.4."""
    tag = ask(endpoint, "ASK {}").headers["etag"]
    for matching in (tag, f'"other", {tag}', "*"):
        assert ask(endpoint, "ASK {}", if_match=matching).status_code == 200
    for other in ('"other"', f"W/{tag}"):
        response = ask(endpoint, "ASK {}", if_match=other)
        assert response.status_code == 412
        assert response.headers["content-type"] == "application/problem+json"
    page = endpoint.replace("/sparql", "/id/bamako")
    changed = httpx.get(page, headers={"Accept": "text/turtle"}, follow_redirects=True)
    address, modified = str(changed.url), changed.headers["last-modified"]
    long_ago = "Thu, 01 Jan 1970 00:00:00 GMT"
    for since, status in ((long_ago, 412), (modified, 200), ("yesterday", 200)):
        headers = {"Accept": "text/turtle", "If-Unmodified-Since": since}
        assert httpx.get(address, headers=headers).status_code == status


# --- the service description ----------------------------------------------------------------

GEO = "http://www.opengis.net/def/function/geosparql/"
XSD = "http://www.w3.org/2001/XMLSchema#"
#: Functions of GeoSPARQL 1.1, and types of XML Schema.
OF_GEOSPARQL = """aggBoundingBox aggBoundingCircle aggCentroid aggConcaveHull aggConvexHull aggUnion
area asDGGS asGML asGeoJSON asKML asWKT boundary boundingCircle buffer centroid concaveHull
convexHull coordinateDimension difference dimension distance ehContains ehCoveredBy ehCovers
ehDisjoint ehEquals ehInside ehMeet ehOverlap envelope geometryN geometryType getSRID intersection
is3D isEmpty isMeasured isSimple length maxX maxY maxZ metricArea metricBuffer metricDistance
metricLength metricPerimeter minX minY minZ numGeometries perimeter rcc8dc rcc8ec rcc8eq rcc8ntpp
rcc8ntppi rcc8po rcc8tpp rcc8tppi relate sfContains sfCrosses sfDisjoint sfEquals sfIntersects
sfOverlaps sfTouches sfWithin spatialDimension symDifference transform union"""
OF_SCHEMA = """anyURI base64Binary byte date dateTimeStamp dayTimeDuration duration gDay gMonth
gMonthDay gYear gYearMonth hexBinary int language long negativeInteger nonNegativeInteger
normalizedString positiveInteger short time token unsignedInt yearMonthDuration"""


def known(function: str) -> bool:
    """Whether the engine has it: there an unknown function is an error, here it is none (17.6)."""
    for arguments in ("1", "1, 2, 3"):
        try:
            ox.Store().query(f"SELECT (<{function}>({arguments}) AS ?x) {{}}")
        except RuntimeError:
            continue
        return True
    return False


def test_the_extension_functions_are_those_that_there_are(endpoint: str) -> None:
    sd = "http://www.w3.org/ns/sparql-service-description#"
    told = httpx.get(endpoint, headers={"Accept": "application/n-triples"})
    store = ox.Store()
    store.load(told.content, format=ox.RdfFormat.N_TRIPLES)
    listed = {
        getattr(q.object, "value", "")
        for q in store.quads_for_pattern(None, ox.NamedNode(f"{sd}extensionFunction"), None)
    }
    candidates = [f"{GEO}{name}" for name in OF_GEOSPARQL.split()]
    candidates += [f"{XSD}{name}" for name in OF_SCHEMA.split()]
    assert listed == {function for function in candidates if known(function)}


def test_an_extension_function_answers(endpoint: str) -> None:
    wkt = "http://www.opengis.net/ont/geosparql#wktLiteral"
    square = f'"POLYGON((-1 -1,1 -1,1 1,-1 1,-1 -1))"^^<{wkt}>'
    query = f'SELECT (<{GEO}sfWithin>("POINT(0 0)"^^<{wkt}>, {square}) AS ?x) {{}}'
    assert ask(endpoint, query).json()["results"]["bindings"][0]["x"]["value"] == "true"


def test_too_many_unknown_functions_are_the_clients_fault(endpoint: str) -> None:
    calls = " ".join(f"(<{EX}f{n}>(1) AS ?x{n})" for n in range(40))
    response = ask(endpoint, f"SELECT {calls} {{}}", accept_language="en")
    assert response.status_code == 400
    assert "unknown functions" in response.json()["detail"]


# --- messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "column", "english", "french"),
    [
        ('SELECT ("x"@fr-Latn-abcdefghij AS ?x) {}', None, "language tag", "étiquette de langue"),
        ("ASK { <http://e/%zz> ?p ?o }", None, "IRI before this point", "IRI avant ce point"),
        ("SELECT * { VALUES (?x ?y) { (1) } }", None, "row of VALUES", "ligne de VALUES"),
        ("SELECT * { ?s ?p ?o } GROUP BY ?s", None, "SELECT that names", "SELECT qui nomme"),
        (
            "CONSTRUCT { ?s a ?o } { ?s a ?o } GROUP BY ?s ?o",
            35,
            "valid SPARQL 1.1, but this engine cannot",
            "valide en SPARQL 1.1, mais",
        ),
        (
            "DESCRIBE ?s { ?s a ?o } HAVING (COUNT(?o) > 1)",
            25,
            "in braces: DESCRIBE … { SELECT … { … } GROUP BY … }",
            "entre accolades",
        ),
        (
            "SELECT (<http://e/f>(DISTINCT ?x) AS ?n) { ?x a ?y }",
            22,
            "has no aggregate <http://e/f>",
            "n'a pas d'agrégat <http://e/f>",
        ),
        ("SELECT ?x (COUNT(?y) AS ?n) { ?x a ?y }", None, "not kept by", "n'est pas gardée"),
        ("SELECT ?y (?x+1 AS ?z) { ?x a ?y } GROUP BY ?y", None, "not kept", "n'est pas gardée"),
        ("SELECT ?x { ?x a ?y FILTER (COUNT(?y) > 1) }", None, "HAVING", "HAVING"),
        ("SELECT (1 AS ?x) { BIND (2 AS ?x) }", None, "already bound", "déjà liée"),
        ("SELECT ?x { ?x a ?y BIND (2 AS ?x) }", None, "bound twice", "liée deux fois"),
        ('ASK { ?x a ?y FILTER regexp(?y, "a") }', 22, '"regexp"', "« regexp »"),
        ("ASK { ?x a http://e/a }", 12, "between < and >", "entre < et >"),
        ("ASK { ?x a <http://e/ a> }", 12, "no blank", "sans blanc"),
    ],
)
def test_a_fault_is_named_for_what_it_is(
    endpoint: str, query: str, column: int | None, english: str, french: str
) -> None:
    for language, words in (("en", english), ("fr", french)):
        response = ask(endpoint, query, "*/*", accept_language=language)
        assert response.status_code == 400
        said = response.json()
        assert words in said["detail"], said["detail"]
        if column is not None:
            assert said["position"] == {"line": 1, "column": column}, said


@pytest.mark.parametrize("query", ["SELECTDISTINCT*{?s?p?o}LIMIT10", "ASKWHERE{FILTERBOUND(?x)}"])
def test_keywords_may_stand_together(endpoint: str, query: str) -> None:
    """SPARQL 1.1 Query, 19.8: tokens are told by the longest match."""
    assert ask(endpoint, query).status_code == 200


# --- limits of what is read before anything runs --------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        f"PREFIX p: <http://e/{'a' * 32_000}> SELECT * {'FROM p:a ' * 9_000} {{}}",
        f"PREFIX p: <http://e/a> SELECT * {'FROM p:a ' * 9_000} {{}}",
        f"SELECT * FROM <http://e/{'a' * 3_000}> {{}}",
        f"{'BASE <a/> ' * 12_000} ASK {{}}",
    ],
    ids=["long prefix", "many graphs", "long graph", "growing base"],
)
def test_a_query_that_makes_much_of_little_is_refused(endpoint: str, query: str) -> None:
    response = httpx.post(
        endpoint, content=query, headers={"Content-Type": "application/sparql-query"}
    )
    assert response.status_code == 400
    assert response.json()["limit"]["name"] == "query"


def test_a_long_prefix_that_names_no_graph_is_read_fast(endpoint: str) -> None:
    """It was put before each name: this took ten seconds and a gigabyte."""
    query = f"PREFIX p: <http://e/{'a' * 2_000}> ASK {{ VALUES ?x {{ {'p:a ' * 60_000} }} }}"
    response = httpx.post(
        endpoint, content=query, headers={"Content-Type": "application/sparql-query"}, timeout=5
    )
    assert response.status_code in (200, 400, 503)


@pytest.mark.parametrize(
    "query",
    [
        "PREFIX service: <http://e/> DESCRIBE ?s service:y { ?s ?p ?o } LIMIT 1",
        "PREFIX service: <http://e/> ASK { ?s ?p service:x { ?s ?p ?o } }",
        "PREFIX service: <http://e/> ASK { ?s ?p 1, service:x { ?s ?p ?o } }",
    ],
)
def test_a_prefix_may_be_called_service(endpoint: str, query: str) -> None:
    assert ask(endpoint, query, "*/*").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "PREFIX SERVICE: <http://e/> PREFIX : <http://127.0.0.1:1/> ASK { SERVICE:x { ?s ?p ?o } }",
        "PREFIX SERVICE: <http://e/> PREFIX : <http://e/> ASK { ?s ?p ?o SERVICE:x { ?s ?p ?o } }",
        "PREFIX service: <http://e/> ASK { ?s ?p ?o . service:x { ?s ?p ?o } }",
    ],
)
def test_service_without_a_space_is_refused(endpoint: str, query: str) -> None:
    assert ask(endpoint, query).status_code == 403


def test_less_than_may_touch_an_iri(endpoint: str) -> None:
    """``<<`` is no token of SPARQL 1.1, and opens nothing after a term."""
    query = 'ASK { BIND (1 AS ?x) FILTER (BOUND(?x) || ?x<<http://e/> || ?x<"a") }'
    assert ask(endpoint, query).json()["boolean"] is True


@pytest.mark.parametrize(
    "fields",
    [
        {"Accept": 'text/csv;a="' + '\\"' * 7_000},
        {"Accept": 'text/csv;a="\\' + '"' * 14_000},
        {"Accept": "text/csv" + "; " * 7_000 + "x"},
        {"Accept": "text/csv" + ';a="b' * 2_800},
        {"Accept": "a/b;q=0.1," * 1_500},
        {"Accept-Encoding": "a;q=0.1," * 1_800},
        {"If-None-Match": '"a",' * 3_500},
    ],
    ids=["open string", "quotes", "semicolons", "parameters", "ranges", "codings", "tags"],
)
def test_no_field_is_read_for_long(endpoint: str, fields: dict[str, str]) -> None:
    """The service would stand still meanwhile, for all: an open string took eight seconds."""
    params = {"query": "ASK {}"}
    response = httpx.get(endpoint, params=params, headers=fields, timeout=1)
    assert response.status_code in (200, 406)


def test_what_is_remembered_waits_for_its_turn(endpoint: str) -> None:
    """RFC 9112, 9.3.2: answers come in the order of the requests, also one that is known before."""
    address = httpx.URL(endpoint)
    known, short = ("ASK { <http://e/known> ?p ?o }", "ASK { <http://e/short> ?p ?o }")
    long = (
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d <http://www.w3.org/2000/01/rdf-schema#label> ?f }"
    )

    def request(query: str) -> bytes:
        target = f"/sparql?query={urllib.parse.quote(query)}"
        return f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode()

    with socket.create_connection((address.host, address.port or 80), timeout=30) as client:
        read = client.makefile("rb")

        def answer() -> bytes:
            size = 0
            while (line := read.readline()) != b"\r\n":
                name, _, value = line.lower().partition(b":")
                size = int(value) if name == b"content-length" else size
            return read.read(size)

        client.sendall(request(known))
        assert b"boolean" in answer()
        client.sendall(request(short) + request(long))
        assert b"boolean" in answer()
        client.sendall(request(known))
        assert b'"n"' in answer()
        assert b"boolean" in answer()


def test_an_address_that_is_not_encoded_is_told_how(endpoint: str) -> None:
    """As from ``curl 'http://…/search?q=montréal'``."""
    address = httpx.URL(endpoint)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as client:
        client.sendall("GET /search?q=montréal HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"%C3%A9" in answer
