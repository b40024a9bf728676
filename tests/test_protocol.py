"""``/sparql`` against the SPARQL 1.1 Protocol (section 2.1), RFC 9110 and the Fetch standard."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import serving, with_quads
from hypothesis import example, given, settings
from hypothesis import strategies as st

from essgraph.snapshot import open_snapshot

EX = "http://example.org/"
FORM = "application/x-www-form-urlencoded"
DIRECT = "application/sparql-query"
UPDATE = "application/sparql-update"
COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"


def graph(n: int) -> str:
    return f"{EX}data/data{n}.rdf"


#: Three graphs that describe themselves, as in the W3C suite, and share a triple; only the third
#: is in the default graph too.
QUADS = "".join(
    f"<{graph(n)}> {TYPE} <{EX}Document> <{graph(n)}> .\n"
    f"<{EX}shared> <{EX}in> <{EX}all> <{graph(n)}> .\n"
    for n in (1, 2, 3)
) + (f"<{graph(3)}> {TYPE} <{EX}Document> .\n<{EX}shared> <{EX}in> <{EX}all> .\n")


@pytest.fixture(scope="module")
def graphs(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an endpoint that holds the three graphs beside the project's own."""
    out = with_quads(built, tmp_path_factory.mktemp("graphs"), QUADS)
    with serving(out) as running:
        yield f"{running.url}/sparql"


@pytest.fixture(scope="module")
def endpoint(server: str) -> str:
    return f"{server}/sparql"


def asked(response: httpx.Response) -> bool:
    assert response.status_code == 200, response.text
    answer = response.json()["boolean"]
    assert isinstance(answer, bool)
    return answer


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    """The problem details of a response that has that status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert isinstance(body, dict)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def number(response: httpx.Response) -> int:
    assert response.status_code == 200, response.text
    return int(response.json()["results"]["bindings"][0]["n"]["value"])


# --- the 34 cases of the W3C suite (data-sparql11/protocol), by their names there ------------

DESCRIBES = "<{0}> a ?type"
BOTH = f"ASK {{ {DESCRIBES.format(graph(1))} . {DESCRIBES.format(graph(2))} }}"
BOTH_NAMED = (
    f"ASK {{ GRAPH ?g1 {{ {DESCRIBES.format(graph(1))} }} "
    f"GRAPH ?g2 {{ {DESCRIBES.format(graph(2))} }} }}"
)
NAMED = [("named-graph-uri", graph(1)), ("named-graph-uri", graph(2))]
DEFAULT = [("default-graph-uri", graph(1)), ("default-graph-uri", graph(2))]


def get(url: str, *parameters: tuple[str, str]) -> httpx.Response:
    return httpx.get(url, params=list(parameters))


def post(
    url: str, body: str | bytes, media_type: str | None, *parameters: tuple[str, str]
) -> httpx.Response:
    headers = {"Content-Type": media_type} if media_type else {}
    return httpx.post(url, content=body, headers=headers, params=list(parameters))


def form(*fields: tuple[str, str]) -> str:
    return urllib.parse.urlencode(fields, quote_via=urllib.parse.quote)


def test_query_get(graphs: str) -> None:
    assert asked(get(graphs, ("query", "ASK {}"), ("default-graph-uri", graph(0))))


def test_query_post_form(graphs: str) -> None:
    nowhere = ("default-graph-uri", graph(0))
    assert asked(post(graphs, form(("query", "ASK {}")), FORM, nowhere))


def test_query_post_direct(graphs: str) -> None:
    assert asked(post(graphs, "ASK {}", DIRECT))


def test_query_dataset_default_graphs_get(graphs: str) -> None:
    assert asked(get(graphs, ("query", BOTH), *DEFAULT))
    assert not asked(get(graphs, ("query", BOTH), DEFAULT[0]))
    assert not asked(get(graphs, ("query", BOTH)))


def test_query_dataset_default_graphs_post(graphs: str) -> None:
    assert asked(post(graphs, BOTH, DIRECT, *DEFAULT))
    assert not asked(post(graphs, BOTH, DIRECT, DEFAULT[1]))


def test_query_dataset_named_graphs_post(graphs: str) -> None:
    assert asked(post(graphs, BOTH_NAMED, DIRECT, *NAMED))
    assert not asked(post(graphs, BOTH_NAMED, DIRECT, NAMED[0]))


def test_query_dataset_named_graphs_get(graphs: str) -> None:
    assert asked(get(graphs, ("query", BOTH_NAMED), *NAMED))
    assert not asked(get(graphs, ("query", BOTH_NAMED), NAMED[1]))


def test_query_dataset_full(graphs: str) -> None:
    query = f"ASK {{ {DESCRIBES.format(graph(3))} {BOTH_NAMED[5:]}"
    assert asked(post(graphs, query, DIRECT, ("default-graph-uri", graph(3)), *NAMED))
    assert not asked(post(graphs, query, DIRECT, ("default-graph-uri", graph(1)), *NAMED))


def test_query_multiple_dataset(graphs: str) -> None:
    query = BOTH_NAMED.replace("ASK", f"ASK FROM <{graph(3)}>")
    assert asked(post(graphs, query, DIRECT, *NAMED))
    assert not asked(post(graphs, query, DIRECT))


@pytest.mark.parametrize(
    ("query", "media_types"),
    [
        (
            "SELECT (1 AS ?value) {}",
            {
                "application/sparql-results+json",
                "application/sparql-results+xml",
                "text/csv",
                "text/tab-separated-values",
            },
        ),
        ("ASK {}", {"application/sparql-results+json", "application/sparql-results+xml"}),
        (
            "DESCRIBE <http://example.org/>",
            {"application/rdf+xml", "text/turtle", "application/n-triples"},
        ),
        (
            "CONSTRUCT { <s> <p> 1 } WHERE {}",
            {"application/rdf+xml", "text/turtle", "application/n-triples"},
        ),
    ],
    ids=[
        "query_content_type_select",
        "query_content_type_ask",
        "query_content_type_describe",
        "query_content_type_construct",
    ],
)
def test_query_content_type(graphs: str, query: str, media_types: set[str]) -> None:
    response = post(graphs, query, DIRECT, ("default-graph-uri", graph(0)))
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] in media_types


def test_bad_query_method(endpoint: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "PROPFIND"):
        response = httpx.request(
            method, endpoint, params={"query": "ASK {}"}, headers={"Content-Type": FORM}
        )
        problem(response, 405)
        assert response.headers["allow"] == "GET, HEAD, POST, OPTIONS"


def test_bad_multiple_queries(endpoint: str) -> None:
    twice = (("query", "ASK {}"), ("query", "SELECT * {}"))
    assert "query" in str(problem(get(endpoint, *twice), 400)["detail"])
    problem(post(endpoint, form(*twice), FORM), 400)
    problem(post(endpoint, form(twice[0]), FORM, twice[1]), 400)
    problem(post(endpoint, "ASK {}", DIRECT, twice[1]), 400)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [("ASK {}", "text/plain"), ("query=ASK%20%7B%7D", None), ("ASK {}", None)],
    ids=[
        "bad_query_wrong_media_type",
        "bad_query_missing_form_type",
        "bad_query_missing_direct_type",
    ],
)
def test_bad_query_media_type(endpoint: str, body: str, media_type: str | None) -> None:
    response = post(endpoint, body, media_type)
    assert DIRECT in str(problem(response, 415)["detail"])
    assert response.headers["accept-post"] == f"{FORM}, {DIRECT}"


def test_bad_query_non_utf8(endpoint: str) -> None:
    problem(post(endpoint, "ASK {}".encode("utf-16"), f"{DIRECT}; charset=UTF-16"), 415)
    problem(post(endpoint, "ASK {}".encode("utf-16"), DIRECT), 400)


def test_bad_query_syntax(endpoint: str) -> None:
    assert problem(get(endpoint, ("query", "ASK {")), 400)["position"] == {"line": 1, "column": 5}


INSERT = f"INSERT DATA {{ GRAPH <{EX}new> {{ <{EX}s> <{EX}p> <test> }} }}"
COPY = f"CLEAR ALL ; {INSERT} ; INSERT {{ GRAPH <{EX}new> {{ ?s a <{EX}B> }} }} WHERE {{ ?s a ?c }}"


@pytest.mark.parametrize(
    ("body", "media_type", "parameters", "status"),
    [
        (COPY, UPDATE, [("using-graph-uri", graph(1))], 403),
        (COPY, UPDATE, [("using-graph-uri", graph(1)), ("using-graph-uri", graph(2))], 403),
        (COPY, UPDATE, [("using-named-graph-uri", graph(1))], 403),
        (
            COPY,
            UPDATE,
            [("using-graph-uri", graph(1)), ("using-named-graph-uri", graph(2))],
            403,
        ),
        ("update=CLEAR+ALL", FORM, [], 403),
        ("CLEAR ALL", UPDATE, [], 403),
        (f"CLEAR GRAPH <{graph(1)}> ; {INSERT}", UPDATE, [], 403),
        ("update=CLEAR%20NAMED&update=CLEAR%20DEFAULT", FORM, [], 403),
        ("CLEAR NAMED", "text/plain", [], 415),
        ("update=CLEAR%20NAMED", None, [], 415),
        ("CLEAR NAMED".encode("utf-16"), f"{UPDATE}; charset=UTF-16", [], 403),
        ("update=CLEAR%20XYZ", FORM, [], 403),
        (
            f"WITH <{EX}a> DELETE {{ ?p <{EX}n> 'Bill' }} WHERE {{ ?p <{EX}n> 'Bill' }}",
            UPDATE,
            [("using-named-graph-uri", f"{EX}people")],
            403,
        ),
    ],
    ids=[
        "update_dataset_default_graph",
        "update_dataset_default_graphs",
        "update_dataset_named_graphs",
        "update_dataset_full",
        "update_post_form",
        "update_post_direct",
        "update_base_uri",
        "bad_multiple_updates",
        "bad_update_wrong_media_type",
        "bad_update_missing_form_type",
        "bad_update_non_utf8",
        "bad_update_syntax",
        "bad_update_dataset_conflict",
    ],
)
def test_updates_are_refused_and_change_nothing(
    graphs: str,
    body: str | bytes,
    media_type: str | None,
    parameters: list[tuple[str, str]],
    status: int,
) -> None:
    """All that the suite would carry out, this read-only service refuses (2.2: a service may)."""
    before = number(get(graphs, ("query", COUNT)))
    response = post(graphs, body, media_type, *parameters)
    said = problem(response, status)
    if status == 403:
        assert "lecture seule" in str(said["detail"])
    assert number(get(graphs, ("query", COUNT), ("timeout", "9"))) == before
    assert not asked(get(graphs, ("query", f"ASK {{ GRAPH <{EX}new> {{ ?s ?p ?o }} }}")))


def test_bad_update_get(endpoint: str) -> None:
    problem(get(endpoint, ("update", "CLEAR ALL")), 403)
    problem(get(endpoint, ("update", "CLEAR ALL"), ("query", "ASK {}")), 403)


@pytest.mark.parametrize(
    "update",
    [
        "INSERT DATA { <a:b> <a:c> 1 }",
        "DELETE WHERE { ?s ?p ?o }",
        "LOAD <http://127.0.0.1/x>",
        "CLEAR ALL",
        "DROP ALL",
        "CREATE GRAPH <a:b>",
        "ADD DEFAULT TO <a:b>",
        "MOVE DEFAULT TO <a:b>",
        "COPY DEFAULT TO <a:b>",
        "WITH <a:b> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }",
    ],
)
def test_an_update_sent_as_a_query_is_refused(endpoint: str, update: str) -> None:
    said = problem(post(endpoint, f"# first\n  {update}", DIRECT), 403)
    assert said["position"] == {"line": 2, "column": 3}


# --- the dataset (2.1.4) --------------------------------------------------------------------


@pytest.mark.parametrize("way", ["protocol", "clause"])
@pytest.mark.parametrize(
    ("default", "named", "pattern", "expected"),
    [
        ([1], [], "?s ?p ?o", 2),
        ([1, 2], [], "?s ?p ?o", 3),
        ([1, 2, 3], [], "?s ?p ?o", 4),
        ([1, 1], [], "?s ?p ?o", 2),
        ([1, 2, 3], [], f"?s <{EX}in> ?o", 1),
        ([1, 2, 3], [], "GRAPH ?g { ?s ?p ?o }", 0),
        ([], [1, 2], "?s ?p ?o", 0),
        ([], [1, 2], "GRAPH ?g { ?s ?p ?o }", 4),
        ([], [1, 2], f"GRAPH <{graph(3)}> {{ ?s ?p ?o }}", 0),
        ([3], [1, 2], f"?s a ?c . GRAPH ?g {{ ?s2 <{EX}in> ?o }}", 2),
        ([1, 2], [2, 3], f"?s <{EX}in> ?o . GRAPH ?g {{ ?s <{EX}in> ?o }}", 2),
        ([0], [], "?s ?p ?o", 0),
        ([0, 1], [0], "?s ?p ?o", 2),
    ],
)
def test_a_triple_in_several_graphs_counts_once(
    graphs: str, way: str, default: list[int], named: list[int], pattern: str, expected: int
) -> None:
    if way == "protocol":
        parameters = [("default-graph-uri", graph(n)) for n in default]
        parameters += [("named-graph-uri", graph(n)) for n in named]
        clauses = f"FROM <{EX}overridden> FROM NAMED <{EX}overridden>"
    else:
        parameters = []
        clauses = " ".join(f"FROM <{graph(n)}>" for n in default)
        clauses += "".join(f" FROM NAMED <{graph(n)}>" for n in named)
    query = f"SELECT (COUNT(*) AS ?n) {clauses} WHERE {{ {pattern} }}"
    assert number(get(graphs, ("query", query), *parameters)) == expected


def test_without_a_dataset_the_default_graph_is_the_stores_own(graphs: str) -> None:
    assert number(get(graphs, ("query", COUNT.replace("?p", f"<{EX}in>")))) == 1
    in_graphs = f"SELECT (COUNT(*) AS ?n) {{ GRAPH ?g {{ ?s <{EX}in> ?o }} }}"
    assert number(get(graphs, ("query", in_graphs))) == 3


@pytest.mark.parametrize("name", ["default-graph-uri", "named-graph-uri"])
@pytest.mark.parametrize(
    ("iri", "status"), [("file:///etc/passwd", 403), ("relative", 400), ("http://a b", 400)]
)
def test_graphs_from_elsewhere_are_refused(endpoint: str, name: str, iri: str, status: int) -> None:
    problem(get(endpoint, ("query", COUNT), (name, iri)), status)


# --- negotiation (RFC 9110, 12.5.1) ---------------------------------------------------------

SELECT = "SELECT ?s { ?s ?p ?o } ORDER BY ?s LIMIT 1"
CONSTRUCT = "CONSTRUCT WHERE { <https://w3id.org/essgraph/id/bamako> ?p ?o }"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        (SELECT, [], "application/sparql-results+json"),
        (SELECT, ["*/*"], "application/sparql-results+json"),
        (SELECT, ["application/json"], "application/json"),
        (SELECT, ["text/csv"], "text/csv; charset=utf-8"),
        (SELECT, ["text/tab-separated-values"], "text/tab-separated-values; charset=utf-8"),
        (SELECT, ["text/csv;q=0.4, application/sparql-results+xml;q=0.5"],
         "application/sparql-results+xml"),
        (SELECT, ["text/*"], "text/csv; charset=utf-8"),
        (SELECT, ["text/*, text/csv;q=0"], "text/tab-separated-values; charset=utf-8"),
        (SELECT, ["*/*, application/sparql-results+json;q=0"], "application/sparql-results+xml"),
        (SELECT, ["text/csv;q=0.1", "application/sparql-results+xml"],
         "application/sparql-results+xml"),
        (SELECT, ["text/csv;header=present;q=0.9, */*;q=0.2"], "text/csv; charset=utf-8"),
        (SELECT, ["TEXT/CSV ; Q=1"], "text/csv; charset=utf-8"),
        (SELECT, [BROWSER.replace("text/html", "text/x-none").replace("xhtml+xml", "x-none")],
         "application/xml"),
        (SELECT, ["image/gif, image/jpeg, *; q=.2, */*; q=.2"], "application/sparql-results+json"),
        ("ASK {}", ["application/sparql-results+xml"], "application/sparql-results+xml"),
        (CONSTRUCT, [], "text/turtle; charset=utf-8"),
        (CONSTRUCT, ["application/ld+json"], "application/ld+json"),
        (CONSTRUCT, ["application/rdf+xml, text/turtle;q=0.5"], "application/rdf+xml"),
        (CONSTRUCT, ["application/n-triples"], "application/n-triples"),
        (CONSTRUCT, ["text/plain"], "text/plain"),
        (CONSTRUCT, ["application/*"], "application/ld+json"),
        (CONSTRUCT, ["application/ld+json;profile=\"http://www.w3.org/ns/json-ld#compacted\""],
         "application/ld+json"),
        (CONSTRUCT.replace("CONSTRUCT WHERE { ", "DESCRIBE ").replace(" ?p ?o }", ""),
         ["application/rdf+xml"], "application/rdf+xml"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_accept_decides(
    endpoint: str, method: str, query: str, accept: list[str], expected: str
) -> None:
    headers = [("accept", value) for value in accept or ["*/*"]]
    with httpx.Client() as client:
        if not accept:
            del client.headers["accept"]
            headers = []
        if method == "GET":
            response = client.get(endpoint, params={"query": query}, headers=headers)
        else:
            response = client.post(
                endpoint, content=query, headers=[*headers, ("content-type", DIRECT)]
            )
    assert response.status_code == 200
    if method == "GET" and accept == [BROWSER]:
        expected = "text/html; charset=utf-8"  # the editor, with the answer below the query
    assert response.headers["content-type"] == expected
    vary = {field.strip() for field in response.headers["vary"].split(",")}
    assert {"Accept", "Accept-Encoding"} <= vary


@pytest.mark.parametrize(
    ("query", "accept", "listed"),
    [
        (SELECT, "text/turtle", "application/sparql-results+json"),
        (SELECT, "*/*;q=0", "text/csv"),
        (CONSTRUCT, "application/sparql-results+json", "text/turtle"),
        (CONSTRUCT, "image/png", "application/ld+json"),
    ],
)
def test_what_is_not_acceptable_is_told_what_there_is(
    endpoint: str, query: str, accept: str, listed: str
) -> None:
    response = httpx.get(endpoint, params={"query": query}, headers={"Accept": accept})
    assert listed in str(problem(response, 406)["detail"])


@pytest.mark.parametrize("parameter", ["format", "output"])
@pytest.mark.parametrize(
    ("query", "value", "expected"),
    [
        (SELECT, "json", "application/sparql-results+json"),
        (SELECT, "xml", "application/sparql-results+xml"),
        (SELECT, "CSV", "text/csv"),
        (SELECT, "tsv", "text/tab-separated-values"),
        (SELECT, "text/csv", "text/csv"),
        (SELECT, "application/sparql-results+xml", "application/sparql-results+xml"),
        (CONSTRUCT, "turtle", "text/turtle"),
        (CONSTRUCT, "ttl", "text/turtle"),
        (CONSTRUCT, "nt", "application/n-triples"),
        (CONSTRUCT, "ntriples", "application/n-triples"),
        (CONSTRUCT, "rdf", "application/rdf+xml"),
        (CONSTRUCT, "xml", "application/rdf+xml"),
        (CONSTRUCT, "rdf+xml", "application/rdf+xml"),
        (CONSTRUCT, "json-ld", "application/ld+json"),
        (CONSTRUCT, "jsonld", "application/ld+json"),
        (CONSTRUCT, "json", "application/ld+json"),
    ],
)
def test_format_and_output_decide_for_browsers(
    endpoint: str, parameter: str, query: str, value: str, expected: str
) -> None:
    response = httpx.get(
        endpoint, params={"query": query, parameter: value}, headers={"Accept": BROWSER}
    )
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("format", "")], "application/sparql-results+xml"),
        ([("output", "")], "application/sparql-results+xml"),
        ([("format", " "), ("output", "")], "application/sparql-results+xml"),
        ([("format", ""), ("output", "csv")], "text/csv; charset=utf-8"),
        ([("format", ""), ("format", "csv")], "text/csv; charset=utf-8"),
    ],
)
def test_an_empty_format_is_none(
    endpoint: str, given: list[tuple[str, str]], expected: str
) -> None:
    parameters = httpx.QueryParams([("query", SELECT), *given])
    accept = {"Accept": "application/sparql-results+xml"}
    response = httpx.get(endpoint, params=parameters, headers=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == expected
    assert httpx.post(endpoint, data=dict(parameters), headers=accept).status_code == 200
    if ("output", "csv") not in given and ("format", "csv") not in given:
        page = httpx.get(endpoint, params=parameters, headers={"Accept": BROWSER})
        assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_an_unknown_format_is_told_what_there_is(endpoint: str) -> None:
    said = problem(get(endpoint, ("query", SELECT), ("format", "pdf")), 406)
    assert "text/csv" in str(said["detail"])


OFFERED = {
    "application/sparql-results+json": "application/sparql-results+json",
    "application/sparql-results+xml": "application/sparql-results+xml",
    "text/csv": "text/csv",
    "text/tab-separated-values": "text/tab-separated-values",
}
RANGES = st.lists(
    st.tuples(
        st.sampled_from([*OFFERED, "text/*", "application/*", "*/*", "image/png", "text/turtle"]),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda pair: pair[0],
)


@settings(max_examples=60, deadline=None)
@given(ranges=RANGES, lines=st.booleans())
def test_no_other_offer_is_wanted_more(
    endpoint: str, ranges: list[tuple[str, int]], lines: bool
) -> None:
    """Whatever the weights, what is sent is of the highest weight, and 406 means all are 0."""

    def weight(media_type: str) -> int:
        named = dict(ranges)
        wildcard = media_type.partition("/")[0] + "/*"
        return named.get(media_type, named.get(wildcard, named.get("*/*", 0)))

    values = [f"{name};q={thousandths / 1000:.3f}" for name, thousandths in ranges]
    headers = [("Accept", value) for value in (values if lines else [", ".join(values)])]
    response = httpx.get(endpoint, params={"query": "ASK {}"}, headers=headers)
    weights = {media_type: weight(media_type) for media_type in OFFERED}
    if response.status_code == 406:
        assert not any(weights.values())
    else:
        sent = response.headers["content-type"].partition(";")[0]
        assert weights[sent] == max(weights.values()) > 0


@pytest.mark.parametrize(
    ("wanted", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;Q=0.5", "gzip"),
        ("gzip ; q=0.5", "gzip"),
        ("gzip\t;\tQ=0.5, br ;q=0.4", "gzip"),
        ("GZIP;q=.5", "gzip"),
        ("br;Q=0, gzip ;Q=1.0", "gzip"),
        ("gzip;Q=0.3, br;Q=0.4", "br"),
        ("gzip;Q=0", None),
        ("gzip;Q=0.5, identity", None),
        ("gzip;x=1", None),
        ("gzip;q=", None),
    ],
)
def test_accept_encoding_decides(endpoint: str, wanted: str, coding: str | None) -> None:
    """RFC 9110, 12.4.2 and 12.5.3; names of parameters are case-insensitive (5.6.6)."""
    response = httpx.get(endpoint, params={"query": CONSTRUCT}, headers={"Accept-Encoding": wanted})
    assert response.headers.get("content-encoding") == coding
    assert "id:bamako" in response.text


# --- HTTP -----------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [SELECT, CONSTRUCT, "ASK {", None])
def test_head_is_get_without_a_body(endpoint: str, query: str | None) -> None:
    parameters = {} if query is None else {"query": query}
    of_get = httpx.get(endpoint, params=parameters)
    of_head = httpx.head(endpoint, params=parameters)
    assert of_head.status_code == of_get.status_code
    assert not of_head.content
    for name in ("content-type", "content-length", "etag", "vary", "content-encoding"):
        assert of_head.headers.get(name) == of_get.headers.get(name)


def test_options_says_what_may_be_done(endpoint: str) -> None:
    response = httpx.options(endpoint)
    assert response.status_code == 204
    assert response.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert not response.content


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_preflight(endpoint: str, method: str) -> None:
    response = httpx.options(
        endpoint,
        headers={
            "Origin": "https://yasgui.example",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type,accept",
        },
    )
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert method in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert {"content-type", "accept"} <= {name.strip() for name in allowed.split(",")}
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "parameters", [{"query": "ASK {}"}, {"query": "ASK {"}, {"query": "CLEAR ALL"}, {}]
)
def test_every_answer_may_be_read_from_anywhere(endpoint: str, parameters: dict[str, str]) -> None:
    response = httpx.get(endpoint, params=parameters, headers={"Origin": "https://a.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "etag" in response.headers["access-control-expose-headers"].lower()


def test_a_body_that_is_too_large(endpoint: str) -> None:
    query = b"ASK {} #" + b"x" * (2**20 - 8)
    said = problem(post(endpoint, query + b"y", DIRECT), 413)
    assert said["limit"] == {"name": "body", "value": "1 MiB"}
    said = problem(post(endpoint, query, DIRECT), 400)
    assert said["limit"] == {"name": "query", "value": "256 KiB"}


def test_a_url_that_is_too_long(endpoint: str) -> None:
    host = httpx.URL(endpoint)
    assert host.port is not None
    connection = http.client.HTTPConnection(host.host, host.port)
    connection.request("GET", "/sparql?query=ASK%7B%7D%23" + "x" * 70_000)
    response = connection.getresponse()
    assert response.status == 414
    assert "64" in json.loads(response.read())["detail"]
    connection.close()


@pytest.mark.parametrize(
    "media_type",
    ["application/sparql-query;charset=utf-8", 'Application/SPARQL-Query; charset="UTF-8"',
     "application/sparql-query ; x=y"],
)  # fmt: skip
def test_parameters_of_the_content_type(endpoint: str, media_type: str) -> None:
    assert asked(post(endpoint, "ASK { BIND('é' AS ?x) FILTER(?x = '\\u00E9') }", media_type))


def test_parameters_of_the_form_type(endpoint: str) -> None:
    body = form(("query", "ASK { FILTER('é' = '\\u00E9') }"))
    assert asked(post(endpoint, body, f"{FORM}; charset=UTF-8"))
    problem(post(endpoint, body, f"{FORM}; charset=iso-8859-1"), 415)


def test_a_form_whose_text_is_not_percent_encoded(endpoint: str) -> None:
    """As ``curl --data 'query=…'`` sends it."""
    assert asked(post(endpoint, "query=ASK { FILTER('é' = '\\u00E9') }", FORM))


def test_plus_is_a_space_in_forms(endpoint: str) -> None:
    assert asked(post(endpoint, "query=ASK+%7B+FILTER(1%2B1+=+2)+%7D", FORM))


#: What is an escape, what looks like one, and what other ways to decode take for something else.
ENCODED = st.lists(
    st.sampled_from(
        [
            "%41",
            "%C3%A9",
            "%25",
            "%3D",
            "%2B",
            "%",
            "%%",
            "%4",
            "%G1",
            "=",
            "+",
            "_",
            "é",
            "\n",
            "\r",
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(encoded=ENCODED)
@example(encoded="%41%\n=")
def test_a_form_is_decoded_as_the_url_standard_says(endpoint: str, encoded: str) -> None:
    """5.1: what is no escape stands for itself."""
    body = f"query=SELECT (STRLEN('''{encoded}''') AS ?n) (SHA1('''{encoded}''') AS ?x) {{}}"
    said = post(endpoint, body, FORM).json()["results"]["bindings"][0]
    meant = urllib.parse.unquote_plus(encoded)
    assert said["n"]["value"] == str(len(meant))
    assert said["x"]["value"] == hashlib.sha1(meant.encode()).hexdigest()


@pytest.mark.parametrize(
    ("method", "url", "body", "media_type"),
    [
        ("GET", "?query=ASK%20%7B%7D%20%23%E9", b"", None),
        ("GET", "?query=ASK%20%7B%7D%20%23%C3%28", b"", None),
        ("GET", "?query=ASK%20%7B%7D%20%23%ED%A0%80", b"", None),
        ("POST", "", b"query=ASK%20%7B%7D%20%23%FF", FORM),
        ("POST", "", b"query=ASK {} #\xff", FORM),
        ("POST", "", b"ASK {} #\xff", DIRECT),
        ("POST", "", b"ASK {} #\xc0\x80", DIRECT),
    ],
)
def test_what_is_not_utf8_is_refused(
    endpoint: str, method: str, url: str, body: bytes, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = httpx.request(method, endpoint + url, content=body, headers=headers)
    assert "UTF-8" in str(problem(response, 400)["detail"])


def test_unknown_parameters_are_ignored(endpoint: str) -> None:
    plain = get(endpoint, ("query", SELECT))
    more = get(endpoint, ("query", SELECT), ("debug", "on"), ("should-sponge", ""), ("x", "é"))
    assert (more.status_code, more.content) == (200, plain.content)
    assert httpx.get(f"{endpoint}?utm_source=x").text == httpx.get(endpoint).text


@pytest.mark.parametrize("parameters", [{"default-graph-uri": EX}, {"timeout": "3"}])
def test_parameters_of_a_query_without_the_query(endpoint: str, parameters: dict[str, str]) -> None:
    assert "query" in str(problem(httpx.get(endpoint, params=parameters), 400)["detail"])


def test_a_post_without_a_query(endpoint: str) -> None:
    problem(post(endpoint, "", FORM), 400)
    problem(post(endpoint, "", DIRECT), 400)
    problem(get(endpoint, ("query", "")), 400)


def test_conditions_are_for_get_and_head(endpoint: str) -> None:
    """RFC 9110, 13.2.1: a 304 answers no POST."""
    tag = get(endpoint, ("query", SELECT)).headers["etag"]
    conditional = {"If-None-Match": f'"other", W/{tag}'}
    for method in ("GET", "HEAD"):
        response = httpx.request(method, endpoint, params={"query": SELECT}, headers=conditional)
        assert response.status_code == 304
    response = httpx.post(endpoint, data={"query": SELECT}, headers=conditional)
    assert response.status_code == 200
    assert response.json()["results"]


def test_different_representations_have_different_tags(endpoint: str) -> None:
    tags = [
        httpx.get(endpoint, params={"query": query, "format": format}).headers["etag"]
        for query, format in [
            (SELECT, "json"),
            (SELECT, "xml"),
            (SELECT, "csv"),
            ("ASK {}", "json"),
        ]
    ]
    assert len(set(tags)) == 4
    other = get(endpoint, ("query", SELECT), ("default-graph-uri", EX)).headers["etag"]
    assert other not in tags


def test_what_may_change_is_not_kept(endpoint: str) -> None:
    query = "SELECT (STRUUID() AS ?u) (RAND() AS ?r) {}"
    first, second = (get(endpoint, ("query", query)) for _ in range(2))
    assert first.headers["cache-control"] == "no-store"
    assert first.content != second.content


# --- the service description ----------------------------------------------------------------

SD = "http://www.w3.org/ns/sparql-service-description#"
VOID = "http://rdfs.org/ns/void#"
RDF_FORMATS = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/ld+json": ox.RdfFormat.JSON_LD,
}


def described(endpoint: str, accept: str = "application/n-triples") -> ox.Store:
    response = httpx.get(endpoint, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == accept
    store = ox.Store()
    store.extend(
        ox.Quad(q.subject, q.predicate, q.object)
        for q in ox.parse(response.content, RDF_FORMATS[accept])
    )
    return store


def objects(store: ox.Store, subject: object, predicate: str) -> set[object]:
    return {
        quad.object
        for quad in store.quads_for_pattern(subject, ox.NamedNode(predicate), None)  # type: ignore[arg-type]
    }


def test_the_description_says_the_same_in_every_format(endpoint: str) -> None:
    said = {accept: {str(q) for q in described(endpoint, accept)} for accept in RDF_FORMATS}
    assert len(said["text/turtle"]) > 1000
    assert len({frozenset(triples) for triples in said.values()}) == 1
    response = httpx.get(endpoint, headers={"Accept": "text/csv"})
    assert "text/turtle" in str(problem(response, 406)["detail"])


def test_its_format_may_be_named(endpoint: str) -> None:
    response = httpx.get(endpoint, params={"format": "nt"}, headers={"Accept": BROWSER})
    assert response.headers["content-type"] == "application/n-triples"


def test_what_it_says_of_graphs_is_true(endpoint: str, built: Path) -> None:
    lines = open_snapshot(built).quads.read_bytes()
    counts: dict[str, int] = {}
    for quad in ox.parse(lines, ox.RdfFormat.N_QUADS):
        name = getattr(quad.graph_name, "value", "")
        counts[name] = counts.get(name, 0) + 1
    store = described(endpoint)
    (dataset,) = objects(store, None, f"{SD}defaultDataset")
    (default,) = objects(store, dataset, f"{SD}defaultGraph")

    def triples(graph: object) -> int:
        (count,) = objects(store, graph, f"{VOID}triples")
        assert isinstance(count, ox.Literal)
        return int(count.value)

    assert triples(default) == counts.pop("")
    named = {}
    for entry in objects(store, dataset, f"{SD}namedGraph"):
        (name,) = objects(store, entry, f"{SD}name")
        (graph_,) = objects(store, entry, f"{SD}graph")
        named[name.value] = triples(graph_)  # type: ignore[attr-defined]
    assert named == counts


def test_what_it_says_of_formats_is_true(endpoint: str) -> None:
    """Each format that is listed is sent when asked for, and none is sent that is not listed."""
    media_types = {
        "SPARQL_Results_JSON": "application/sparql-results+json",
        "SPARQL_Results_XML": "application/sparql-results+xml",
        "SPARQL_Results_CSV": "text/csv",
        "SPARQL_Results_TSV": "text/tab-separated-values",
        "Turtle": "text/turtle",
        "N-Triples": "application/n-triples",
        "RDF_XML": "application/rdf+xml",
        "JSON-LD": "application/ld+json",
    }
    listed = {
        str(getattr(o, "value", "")).removeprefix("http://www.w3.org/ns/formats/")
        for o in objects(described(endpoint), None, f"{SD}resultFormat")
    }
    assert listed == set(media_types)
    for name, media_type in media_types.items():
        query = "ASK {}" if name.startswith("SPARQL") else CONSTRUCT
        response = httpx.get(endpoint, params={"query": query}, headers={"Accept": media_type})
        assert response.headers["content-type"].partition(";")[0] == media_type


def test_what_it_says_of_features_is_true(endpoint: str) -> None:
    """Of the features that the vocabulary has (3.2.6), what the endpoint does is probed."""
    store = described(endpoint)
    (service,) = {
        q.subject for q in store.quads_for_pattern(None, None, ox.NamedNode(f"{SD}Service"))
    }
    languages = {getattr(o, "value", "") for o in objects(store, service, f"{SD}supportedLanguage")}
    assert languages == {f"{SD}SPARQL11Query"}  # no update
    features = {getattr(o, "value", "") for o in objects(store, service, f"{SD}feature")}
    union = "SELECT (COUNT(*) AS ?n) { SELECT DISTINCT ?s ?p ?o { GRAPH ?g { ?s ?p ?o } } }"
    unites = number(get(endpoint, ("query", COUNT))) == number(get(endpoint, ("query", union)))
    assert (f"{SD}UnionDefaultGraph" in features) == unites
    federated = get(endpoint, ("query", "ASK { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }"))
    assert (f"{SD}BasicFederatedQuery" in features) == (federated.status_code == 200)
    requires = get(endpoint, ("query", "ASK {}")).status_code != 200
    assert (f"{SD}RequiresDataset" in features) == requires
    assert f"{SD}DereferencesURIs" not in features


def test_an_unknown_function_is_unbound_and_no_error(endpoint: str) -> None:
    """SPARQL 1.1 Query, 17.6."""
    answer = get(endpoint, ("query", f"SELECT (<{EX}f>(1) AS ?x) (2 AS ?y) {{}}")).json()
    assert [set(row) for row in answer["results"]["bindings"]] == [{"y"}]


def test_problems_name_the_address_and_no_more(endpoint: str) -> None:
    said = problem(get(endpoint, ("query", "SELECT * { ?s ?p }")), 400)
    assert said["instance"] == "/sparql"
    assert "Traceback" not in json.dumps(said)


def test_browsers_get_a_page(endpoint: str) -> None:
    response = httpx.get(
        endpoint, params={"query": "ASK { <script>"}, headers={"Accept": "text/html"}
    )
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in response.text


def test_two_graphs_in_one_parameter_are_none(graphs: str) -> None:
    """Whatever is remembered of the two."""
    both = ("default-graph-uri", graph(1)), ("default-graph-uri", graph(2))
    assert get(graphs, ("query", "ASK {}"), *both).status_code == 200
    one = ("default-graph-uri", f"{graph(1)}\0{graph(2)}")
    assert get(graphs, ("query", "ASK {}"), one).status_code == 400
