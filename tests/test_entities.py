"""Every name of the graph, dereferenced by clients that are not ours."""

from __future__ import annotations

import gzip
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyoxigraph as ox
import pytest
import rdflib
from conftest import copy_project, serving, with_quads
from hypothesis import given, settings
from hypothesis import strategies as st

from essgraph.build import build
from essgraph.project import Project

BASE = "https://w3id.org/essgraph/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
COMUNICA = (
    "application/n-quads,application/trig;q=0.95,application/ld+json;q=0.9,"
    "application/n-triples;q=0.8,text/turtle;q=0.6,application/rdf+xml;q=0.5,"
    "application/xml;q=0.4,text/html;q=0.2,*/*;q=0.1"
)
RDFLIB = (
    "application/n-triples, application/rdf+xml, application/trig, application/xhtml+xml, "
    "text/html, text/n3, text/turtle, application/ld+json"
)
TYPES = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "rdf": "application/rdf+xml",
    "nt": "application/n-triples",
    "trig": "application/trig",
    "nq": "application/n-quads",
}


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        client.headers.pop("accept")
        yield client


def links(response: httpx.Response) -> list[tuple[str, str, str]]:
    """Target, relation and type of each link of a ``Link`` field."""
    found = []
    for element in re.findall(r"<[^>]*>[^,]*", response.headers["link"]):
        match = re.fullmatch(r'<([^>]*)>; rel="([^"]*)"(?:; type="([^"]*)")?', element.strip())
        assert match, element
        found.append((match[1], match[2], match[3] or ""))
    return found


# --- the choice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "target"),
    [
        (None, "/data/bamako.ttl"),
        ("*/*", "/data/bamako.ttl"),
        ("", "/data/bamako.ttl"),
        *((media_type, f"/data/bamako.{suffix}") for suffix, media_type in TYPES.items()),
        ("text/html", "/page/bamako"),
        ("application/xhtml+xml", "/page/bamako"),
        (BROWSER, "/page/bamako"),
        (RDFLIB, "/data/bamako.ttl"),
        (COMUNICA, "/data/bamako.nq"),
        ("text/plain, */*;q=0.1", "/data/bamako.nt"),
        ("text/turtle, application/x-turtle, */*;q=0.1", "/data/bamako.ttl"),
        ("application/json", "/data/bamako.jsonld"),
        ("application/*", "/data/bamako.jsonld"),
        ("text/*;q=0.5, text/turtle;q=0.1", "/page/bamako"),
        ("*/*;q=0.1, text/turtle;q=0", "/data/bamako.jsonld"),
        ("TEXT/TURTLE;Q=0.4, application/rdf+xml;q=0.39", "/data/bamako.ttl"),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted"',
         "/data/bamako.jsonld"),
        ("nonsense, text/turtle", "/data/bamako.ttl"),
    ],
)  # fmt: skip
def test_an_entity_leads_to_what_the_client_wants(
    client: httpx.Client, accept: str | None, target: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = client.get("/id/bamako", headers=headers)
    assert (response.status_code, response.headers["location"]) == (303, target)
    assert "Accept" in response.headers["vary"]
    assert response.content == b""
    assert client.get(target).status_code == 200


def test_what_we_do_not_have_is_406_with_what_we_have(client: httpx.Client) -> None:
    for path in ("/id/bamako", "/doc/coop-coter-ess", "/data/bamako"):
        response = client.get(path, headers={"Accept": "image/png, text/turtle;q=0"})
        assert response.status_code == 406
        offered = {link["title"]: link["href"] for link in response.json()["links"]}
        assert offered.keys() == {*TYPES.values(), "text/html"}
        for media_type, href in offered.items():
            there = client.get(href)
            assert there.status_code == 200
            assert there.headers["content-type"].split(";")[0] == media_type


weights = st.sampled_from(["", ";q=1", ";q=0.9", ";q=0.5", ";q=0.001", ";q=0", ";q=0.0"])
ranges = st.sampled_from(
    [*TYPES.values(), "text/html", "text/*", "application/*", "*/*", "image/png", "image/*"]
)


@settings(max_examples=150, deadline=None)
@given(
    accept=st.lists(st.tuples(ranges, weights), min_size=1, max_size=6, unique_by=lambda x: x[0])
)
def test_negotiation_is_that_of_rfc_9110(
    client: httpx.Client, accept: list[tuple[str, str]]
) -> None:
    """12.5.1, told anew: each type has the weight of the most specific range that fits it, and
    the heaviest is sent, if its weight is not 0."""
    named = {name: float(weight.removeprefix(";q=") or 1) for name, weight in accept}

    def weight(media_type: str) -> float:
        main = media_type.split("/")[0]
        return next((named[r] for r in (media_type, f"{main}/*", "*/*") if r in named), 0.0)

    response = client.get(
        "/id/bamako", headers={"Accept": ", ".join(name + weight for name, weight in accept)}
    )
    all_types = [*TYPES.values(), "text/html"]
    heaviest = max(weight(t) for t in all_types)
    if heaviest == 0:
        assert response.status_code == 406
        return
    assert response.status_code == 303
    location = response.headers["location"]
    sent = "text/html" if location == "/page/bamako" else TYPES[location.rpartition(".")[2]]
    assert weight(sent) == heaviest
    assert sent == next(t for t in all_types if weight(t) == heaviest)


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/id/Bamako", "/id/bamako"),
        ("/id/bamako/", "/id/bamako"),
        ("/id/BAMAKO//", "/id/bamako"),
        ("/id/%42amako", "/id/bamako"),
        ("/page/Bamako", "/page/bamako"),
        ("/data/Bamako.ttl", "/data/bamako.ttl"),
        ("/data/bamako.TTL", "/data/bamako.ttl"),
        ("/id/Theme/Blue-Economy/", "/id/theme/blue-economy"),
        ("/doc/Coop-coter-ess/", "/doc/coop-coter-ess"),
        ("/passage/coop-coter-ess/4/", "/passage/coop-coter-ess/4"),
    ],
)
def test_other_spellings_lead_to_the_canonical_one(
    client: httpx.Client, path: str, target: str
) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["location"]) == (301, target)
    assert client.get(target, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("path", ["/id/%62%61mako", "/%69d/bamako", "/id/bamako?x=y"])
def test_encoded_addresses_reach_the_same_thing(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["location"]) == (303, "/data/bamako.ttl")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/id/bamako?lang=en", "/page/bamako?lang=en"),
        ("/page/Bamako/?lang=en", "/page/bamako?lang=en"),
        ("/doc/coop-coter-ess/?lang=en", "/doc/coop-coter-ess?lang=en"),
        ("/id?class=City&lang=en", "/id/?class=City&lang=en"),
        ("/ontology/?lang=en", "/ontology?lang=en"),
        ("/graph/register?lang=en", "/dataset?lang=en"),
    ],
)
def test_the_way_to_a_page_keeps_what_was_asked(
    client: httpx.Client, path: str, target: str
) -> None:
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.headers["location"] == target


def test_concepts_and_schemes_are_things(client: httpx.Client) -> None:
    for key in ("theme/blue-economy", "theme"):
        response = client.get(f"/id/{key}", follow_redirects=True)
        graph = rdflib.Graph().parse(data=response.text, format="turtle")
        assert (rdflib.URIRef(f"{BASE}id/{key}"), rdflib.RDFS.label, None) in graph


@pytest.mark.parametrize("key", ["doc/coop-coter-ess", "passage/coop-coter-ess/4"])
def test_documents_and_passages_answer_at_their_own_address(client: httpx.Client, key: str) -> None:
    for suffix, media_type in TYPES.items():
        response = client.get(f"/{key}", headers={"Accept": media_type})
        assert response.status_code == 200
        assert response.headers["content-location"] == f"/data/{key}.{suffix}"
        assert response.content == client.get(f"/data/{key}.{suffix}").content
    html = client.get(f"/{key}", headers={"Accept": BROWSER})
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert {"Accept", "Accept-Language"} <= set(html.headers["vary"].split(", "))


def test_a_near_name_is_proposed(client: httpx.Client) -> None:
    response = client.get("/id/bamakko", headers={"Accept": "application/json"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert {"href": "/id/bamako", "title": "Bamako"} in response.json()["links"]
    page = client.get("/page/bamakko", headers={"Accept": BROWSER})
    assert page.status_code == 404
    assert 'href="/id/bamako"' in page.text


@pytest.mark.parametrize(("language", "called"), [("fr", "Genève"), ("en", "Geneva")])
def test_a_near_name_is_told_in_the_language_of_the_reader(
    server: str, language: str, called: str
) -> None:
    for accept, told in (
        ("application/json", {"href": "/id/geneva", "title": called}),
        ("text/html", f'<a href="/id/geneva">{called}</a>'),
    ):
        headers = {"Accept": accept, "Accept-Language": language}
        answer = httpx.get(f"{server}/id/genevaa", headers=headers)
        assert answer.status_code == 404
        assert told in (answer.json()["links"] if isinstance(told, dict) else answer.text)


def test_methods(client: httpx.Client) -> None:
    for path in ("/id/bamako", "/data/bamako.ttl", "/page/bamako", "/doc/coop-coter-ess"):
        got, head = client.get(path), client.head(path)
        assert head.content == b""
        assert head.status_code == got.status_code
        assert {k: v for k, v in head.headers.items() if k != "date"} == {
            k: v for k, v in got.headers.items() if k != "date"
        }
        options = client.options(path)
        assert options.status_code == 204
        assert options.headers["allow"] == "GET, HEAD, OPTIONS"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            refused = client.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.fixture(scope="module")
def with_withdrawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = copy_project(tmp_path_factory.mktemp("withdrawn"))
    path = folder / "data" / "withdrawn.ttl"
    path.write_text(
        path.read_text("utf-8")
        + """
id:bamako-old owl:deprecated true ; dcterms:isReplacedBy id:bamako ;
    skos:changeNote "doublon"@fr , "a duplicate"@en .
id:nothing-left owl:deprecated true .
""",
        "utf-8",
    )
    assert build(Project(folder), folder / "out").snapshot is not None
    with serving(folder / "out", "--project", folder) as running:
        yield running.url


def test_a_withdrawn_name_is_gone_and_names_its_successor(with_withdrawn: str) -> None:
    for path in ("/id/bamako-old", "/data/bamako-old.ttl", "/page/bamako-old", "/id/Bamako-Old"):
        response = httpx.get(
            with_withdrawn + path, headers={"Accept": "text/turtle", "Accept-Language": "en"}
        )
        assert response.status_code == 410
        assert response.headers["link"] == '</id/bamako>; rel="successor-version"'
        assert "a duplicate" in response.json()["detail"]
        assert response.json()["links"][0]["href"] == "/id/bamako"
    french = httpx.get(with_withdrawn + "/id/bamako-old", headers={"Accept": BROWSER})
    assert french.status_code == 410
    assert "doublon" in french.text
    bare = httpx.get(with_withdrawn + "/id/nothing-left")
    assert bare.status_code == 410
    assert "link" not in bare.headers


HOSTILE = [
    b"/id/../../etc/passwd",
    b"/id/..%2f..%2fetc%2fpasswd",
    b"/data/../../../etc/passwd.ttl",
    b"/id/" + b"a" * 8192,
    b"/id/a%00b",
    b"/id/a%0d%0aSet-Cookie:%20x=1",
    b"/id/a\x01b",
    b"/id/%ff%fe",
    b"/id/\xff\xfe",
    b"/id/b\xc3\xa9",
    b"/id/javascript:alert(1)",
    b"/id/%3Cscript%3Ealert(1)%3C/script%3E",
    b"/id/bamako%3E%20?p%20?o%20%7D",
    b"/id/bamako%22",
    b"/id/%EF%BC%8E%EF%BC%8E",
    b"/data/.ttl",
    b"/data/",
    b"/passage/coop-coter-ess/99999999999999999999",
    b"/passage/coop-coter-ess",
    b"/doc/",
    b"/doc/../id/bamako",
]


@pytest.mark.parametrize(("accept", "most"), [(b"*/*", 1000), (b"text/html", 4000)])
@pytest.mark.parametrize("target", HOSTILE, ids=lambda target: repr(target[:40]))
def test_hostile_names_are_refused_in_a_few_words(
    server: str, target: bytes, accept: bytes, most: int
) -> None:
    parts = urlsplit(server)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        connection.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nAccept: " + accept + b"\r\n"
            b"Accept-Language: en\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1.1 4\d\d ", head), head
    assert b"\r\nset-cookie" not in head.lower()
    assert 0 < len(body) < most
    assert b"<script>alert" not in body or b"application/problem+json" in head
    assert b"Traceback" not in body
    body.decode("utf-8")


# --- the fields ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", TYPES)
def test_fields_of_a_document(client: httpx.Client, suffix: str) -> None:
    response = client.get(f"/data/bamako.{suffix}", headers={"Accept-Encoding": "identity"})
    fields = response.headers
    assert fields["content-type"].split(";")[0] == TYPES[suffix]
    assert re.fullmatch(r'"[!-~]+"', fields["etag"])
    assert fields["last-modified"].endswith("GMT")
    assert fields["cache-control"].startswith("public, max-age=")
    assert fields["content-language"] == "fr, en"
    assert {"Accept", "Accept-Encoding"} <= set(fields["vary"].split(", "))
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["access-control-allow-origin"] == "*"
    exposed = fields["access-control-expose-headers"]
    assert {"ETag", "Link", "Content-Location"} <= set(exposed.split(", "))
    found = links(response)
    alternates = {(target, type_) for target, relation, type_ in found if relation == "alternate"}
    assert alternates == {
        *((f"/data/bamako.{s}", t) for s, t in TYPES.items() if s != suffix),
        ("/page/bamako", "text/html"),
    }
    relations = {relation: target for target, relation, _ in found if relation != "alternate"}
    assert relations == {
        "canonical": "/data/bamako",
        "describes": "/id/bamako",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "cite-as": BASE + "id/bamako",
        "collection": "/dataset",
    }


def test_a_page_is_a_landing_page_of_signposting(client: httpx.Client) -> None:
    found = links(client.get("/page/bamako"))
    relations = {relation for _, relation, _ in found}
    assert {"cite-as", "describedby", "license", "type", "collection", "alternate"} <= relations
    assert ("/id/bamako", "describes", "") in found
    described = {(target, type_) for target, relation, type_ in found if relation == "describedby"}
    assert described == {(f"/data/bamako.{s}", t) for s, t in TYPES.items()}


@pytest.mark.parametrize("path", ["/data/bamako.ttl", "/page/bamako", "/passage/coop-coter-ess/4"])
def test_what_the_client_has_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    for condition in (
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": f'"x", W/{first.headers["etag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        again = client.get(path, headers=condition)
        assert again.status_code == 304
        assert again.content == b""
        for field in ("etag", "vary", "cache-control", "last-modified"):
            assert again.headers[field] == first.headers[field]
    for condition in (
        {"If-None-Match": '"x"'},
        {"If-None-Match": '"x"', "If-Modified-Since": first.headers["last-modified"]},
        {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
    ):
        assert client.get(path, headers=condition).status_code == 200


def test_codings_have_tags_of_their_own(client: httpx.Client) -> None:
    answers = {
        coding: client.get("/data/bamako.ttl", headers={"Accept-Encoding": coding})
        for coding in ("identity", "gzip", "br")
    }
    assert len({answer.headers["etag"] for answer in answers.values()}) == 3
    assert answers["gzip"].headers["content-encoding"] == "gzip"
    assert answers["br"].headers["content-encoding"] == "br"
    assert len({answer.content for answer in answers.values()}) == 1
    assert gzip.compress(b"") != answers["gzip"].content


def test_each_format_and_language_has_a_tag_of_its_own(client: httpx.Client) -> None:
    tags = [client.get(f"/data/bamako.{suffix}").headers["etag"] for suffix in TYPES]
    tags += [
        client.get("/page/bamako", headers={"Accept-Language": language}).headers["etag"]
        for language in ("fr", "en")
    ]
    plain = client.get("/data/bamako.nt", headers={"Accept": "text/plain"})
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.content.isascii()
    assert len({*tags, plain.headers["etag"]}) == len(TYPES) + 3
    said = {str(q) for q in ox.parse(plain.content, ox.RdfFormat.N_TRIPLES)}
    whole = client.get("/data/bamako.nt").content
    assert not whole.isascii()
    assert said == {str(q) for q in ox.parse(whole, ox.RdfFormat.N_TRIPLES)}


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        (None, "fr"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de, en;q=0.5, fr;q=0.4", "en"),
        ("de", "fr"),
        ("fr-CA, en;q=0.9", "fr"),
        ("*", "fr"),
        ("fr;Q=0.4, en;Q=0.5", "en"),
        # A star stands for what no other range names (RFC 4647, 3.4; RFC 9110, 12.5.4).
        ("fr;q=0, *", "en"),
        ("*, fr;q=0", "en"),
        ("en;q=0, *;q=0.5", "fr"),
        ("fr;q=0.2, *;q=0.5", "en"),
        ("en;q=0.2, *", "fr"),
        ("*;q=0.5", "fr"),
        ("de, en;q=0.1", "en"),
        # What is refused comes after what is not named, and a region refused is no language.
        ("en;q=0", "fr"),
        ("fr;q=0", "en"),
        ("fr;q=0, en;q=0", "fr"),
        ("fr;q=0, *;q=0", "fr"),
        ("*;q=0, en;q=0.1", "en"),
        ("fr-CA;q=0, *", "fr"),
        ("fr-CA;q=0, en;q=0.5, *;q=0.8", "fr"),
        # What is no language range or no weight says nothing.
        ("", "fr"),
        (",,en", "en"),
        ("fr;q=5, en;q=0.1", "en"),
        ("fr;q=-1, en;q=0.1", "en"),
        ("fr;q=nan, en;q=0.1", "en"),
        ("fr;q=1e0, en;q=0.1", "en"),
        ("fr;q=, en;q=0.1", "en"),
        ("fr;level=1, en;q=0.1", "en"),
        ("fr q=1, en ; q=0.1", "en"),
        ("english, fr;q=0.1", "fr"),
    ],
)
def test_the_language_of_a_page(client: httpx.Client, wanted: str | None, language: str) -> None:
    headers = {} if wanted is None else {"Accept-Language": wanted}
    response = client.get("/page/remcess", headers=headers)
    assert response.headers["content-language"] == language
    assert f'<html lang="{language}"' in response.text
    assert "Accept-Language" in response.headers["vary"]
    label = {"fr": "Réseau des maires", "en": "Network of Cameroonian Mayors"}[language]
    assert label in response.text


# --- what a document says -----------------------------------------------------------------------


def read(client: httpx.Client, key: str) -> rdflib.Graph:
    return rdflib.Graph().parse(data=client.get(f"/data/{key}.ttl").text, format="turtle")


def test_a_document_says_all_that_a_page_needs(client: httpx.Client) -> None:
    said = read(client, "remcess").query(
        """
        PREFIX id: <https://w3id.org/essgraph/id/>
        SELECT * {
          BIND (id:remcess AS ?e)
          ?e a ess:Network ; rdfs:label ?fr , ?en .
          FILTER (LANG(?fr) = "fr" && LANG(?en) = "en")
          id:founding-of-remcess ess:resultedIn ?e ; rdfs:label ?founding .
          ess:resultedIn rdfs:label ?property .
          FILTER (LANG(?founding) = "en" && LANG(?property) = "en")
          ?statement a rdf:Statement ; rdf:subject id:founding-of-remcess ;
            rdf:predicate ess:resultedIn ; rdf:object ?e ; dcterms:source ?passage .
          ?passage oa:hasSource ?source ; ess:summary ?summary ; ess:evidenceLevel ?level .
          ?source rdfs:label ?called . ?level rdfs:label ?sure .
          FILTER (LANG(?summary) = "en" && LANG(?called) = "en" && LANG(?sure) = "en")
          ?document foaf:primaryTopic ?e ; dcterms:isPartOf ?dataset ; dcterms:license ?license ;
            schema:version ?version ; dcterms:modified ?date ; dcterms:source ?source .
          ?dataset rdfs:label ?title . FILTER (LANG(?title) = "en")
        }""",
        initNs={
            "ess": rdflib.Namespace(BASE + "ontology#"),
            "oa": rdflib.Namespace("http://www.w3.org/ns/oa#"),
            "dcterms": rdflib.DCTERMS,
            "foaf": rdflib.FOAF,
            "schema": rdflib.Namespace("https://schema.org/"),
        },
    )
    assert len(said) == 1


def test_everything_named_has_its_labels(client: httpx.Client, server: str) -> None:
    every = client.get(
        "/sparql",
        params={
            "query": "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
            "SELECT ?s ?l { ?s rdfs:label ?l }"
        },
        headers={"Accept": "application/sparql-results+json"},
    ).json()["results"]["bindings"]
    labels: dict[str, set[rdflib.Literal]] = {}
    for row in every:
        label = rdflib.Literal(row["l"]["value"], lang=row["l"].get("xml:lang"))
        labels.setdefault(row["s"]["value"], set()).add(label)
    for key in ("bamako", "aimf", "doc/coop-coter-ess", "passage/coop-coter-ess/4"):
        graph = read(client, key)
        for term in {term for triple in graph for term in triple} - {None}:
            if isinstance(term, rdflib.URIRef) and str(term) in labels:
                assert set(graph.objects(term, rdflib.RDFS.label)) == labels[str(term)], (key, term)


def test_named_graphs_are_those_of_the_data(client: httpx.Client, built: Path) -> None:
    quads = {
        line
        for line in (built / "current" / "data.nq").read_text("utf-8").splitlines()
        if f"<{BASE}id/remcess>" in line and line.count(" <") >= 2
    }
    named = {q for q in quads if re.search(r" <[^>]*> \.$", q) and not re.search(
        r"^<[^>]*> <[^>]*> <[^>]*> \.$", q)}  # fmt: skip
    told = set(client.get("/data/remcess.nq").text.splitlines())
    assert named
    assert named <= told


def test_a_doubtful_fact_is_shown_but_not_asserted(client: httpx.Client) -> None:
    graph = read(client, "gsef-global-virtual-forum")
    forum = rdflib.URIRef(BASE + "id/gsef-global-virtual-forum")
    start = rdflib.URIRef("https://schema.org/startDate")
    doubtful = rdflib.Literal("2020-10-04", datatype=rdflib.XSD.date)
    assert (forum, start, doubtful) not in graph
    (statement,) = graph.subjects(rdflib.RDF.object, doubtful)
    assert graph.value(statement, rdflib.RDF.subject) == forum
    passage = graph.value(statement, rdflib.DCTERMS.source)
    level = graph.value(passage, rdflib.URIRef(BASE + "ontology#evidenceLevel"))
    assert level == rdflib.URIRef(BASE + "id/evidence/doubtful")


def test_a_thing_that_much_leads_to_says_where_the_rest_is(built: Path, tmp_path: Path) -> None:
    mentions = f"<{BASE}ontology#mentions>"
    quads = "".join(f"<{BASE}id/more-{n:04}> {mentions} <{BASE}id/bamako> .\n" for n in range(1100))
    with serving(with_quads(built, tmp_path / "out", quads)) as running:
        said = httpx.get(f"{running.url}/data/bamako.ttl").text
        graph = rdflib.Graph().parse(data=said, format="turtle")
        bamako = rdflib.URIRef(BASE + "id/bamako")
        assert 900 < len(set(graph.subjects(rdflib.URIRef(mentions[1:-1]), bamako))) <= 1000
        told = graph.objects(rdflib.URIRef(BASE + "data/bamako"), rdflib.RDFS.comment)
        count = (
            len(
                httpx.get(
                    f"{running.url}/sparql",
                    headers={"Accept": "text/csv"},
                    params={"query": f"SELECT ?s ?p {{ ?s ?p <{bamako}> }}"},
                ).text.splitlines()
            )
            - 1
        )
        assert {str(comment) for comment in told} == {
            f"1000 of {count} incoming links are here; see rdfs:seeAlso.",
            f"1000 des {count} liens entrants sont ici ; voir rdfs:seeAlso.",
        }
        more = graph.value(rdflib.URIRef(BASE + "data/bamako"), rdflib.RDFS.seeAlso)
        whole = httpx.get(str(more), headers={"Accept": "application/n-triples"}).text
        assert whole.count(mentions) >= 1100
