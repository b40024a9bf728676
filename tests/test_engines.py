"""One contract, three engines: our workers, ``oxigraph serve`` and Virtuoso Open Source.

Each serves the same snapshot; whatever is asked of the service, the answer is that of our workers.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

import httpx
import pytest
from conftest import ROOT, serving
from engines import STARTERS, Running, push
from test_crawl import BROWSER, Links

from essgraph import catalog, names
from essgraph.snapshot import open_snapshot

QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
REMOTE = tuple(STARTERS)
#: Where both say that they are found.
PUBLIC = "http://essgraph.example"


@pytest.fixture(scope="module", params=REMOTE)
def engine(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """An engine of others that holds the project's snapshot, verified."""
    with STARTERS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        assert "content identical" in push(running, built, "--verify").stderr
        yield running


@pytest.fixture(scope="module")
def remote(engine: Running) -> Iterator[httpx.Client]:
    """A service over that engine."""
    with ExitStack() as stack:
        options = ("--endpoint", engine.url, "--url", PUBLIC)
        url = stack.enter_context(serving(None, *options, env=engine.env)).url
        yield stack.enter_context(httpx.Client(base_url=url, timeout=30))


@pytest.fixture(scope="module")
def embedded(built: Path) -> Iterator[httpx.Client]:
    with (
        serving(built, "--url", PUBLIC) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def ask(client: httpx.Client, query: str, accept: str = "text/csv", **more: str) -> httpx.Response:
    return client.post("/sparql", data={"query": query, **more}, headers={"Accept": accept})


def test_the_version_is_that_of_the_snapshot(remote: httpx.Client, built: Path) -> None:
    version = open_snapshot(built).version
    assert remote.get("/health").json() == {"status": "ok", "version": version}


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_has_the_same_answer(
    name: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    query = QUESTIONS[name].query
    here, there = ask(embedded, query), ask(remote, query)
    assert there.status_code == here.status_code == 200, there.text
    assert here.text.splitlines()[0] == there.text.splitlines()[0]
    # Rows that ORDER BY does not tell apart may come in any order.
    assert Counter(here.text.splitlines()) == Counter(there.text.splitlines())


JSON = "application/sparql-results+json"
ACCEPT = ("text/turtle", "application/ld+json", "application/n-triples", "application/rdf+xml")


@pytest.mark.parametrize("accept", ACCEPT)
@pytest.mark.parametrize("slug", ["bamako", "remcess", "aimf", "theme/advice", "no-such-name"])
def test_entity_documents_are_the_same_bytes(
    slug: str, accept: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    here, there = (
        client.get(f"/id/{slug}", headers={"Accept": accept}, follow_redirects=True)
        for client in (embedded, remote)
    )
    assert (there.status_code, there.text) == (here.status_code, here.text)
    assert there.headers.get("etag") == here.headers.get("etag")


#: What our workers answered, by address and language, the links in it, and whether it is another
#: one in another language: asked once, for all engines.
Told = dict[tuple[str, str], tuple[tuple[object, ...], set[str], bool]]


@pytest.fixture(scope="module")
def told() -> Told:
    return {}


def _walk(
    embedded: httpx.Client, remote: httpx.Client, told: Told
) -> tuple[set[str], list[tuple[str, str]]]:
    """Every address that a visitor comes to from the home page and UNLINKED, and what two
    services of one snapshot answer otherwise there, in French or in English.

    Of an entity, the description in one of the six formats, in turn: the engine is asked for the
    same triples each time, and what is written of them is written by us.
    """
    seen: set[str] = set()
    level, other = ["/", *UNLINKED], []

    def visit(number: int, path: str) -> set[str]:
        found: set[str] = set()
        for tag in ("fr", "en"):
            headers = {"Accept": BROWSER, "Accept-Language": tag}
            if (path, tag) not in told:
                here = _get(embedded, path, headers)
                varies = "Accept-Language" in here.headers.get("vary", "")
                told[path, tag] = _told(here), _links(path, here), varies
            answer, links, varies = told[path, tag]
            if _told(_get(remote, path, headers)) != answer:
                other.append((path, tag))
            found |= links
            if not varies:
                break
        if path.startswith("/page/") and "?" not in path:
            found.add(f"/data/{path[6:]}.{SUFFIXES[number % len(SUFFIXES)]}")
        return found

    with ThreadPoolExecutor(4) as pool:
        while level:
            seen.update(level)
            ahead = range(len(seen) - len(level), len(seen))
            level = sorted(set().union(*pool.map(visit, ahead, level)) - seen)
    return seen, other


def _links(path: str, answer: httpx.Response) -> set[str]:
    """The addresses of the site that a page leads to, or a redirection."""
    found = {answer.headers["location"]} if "location" in answer.headers else set()
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html"):
        links = Links()
        links.feed(answer.text)
        found |= {urldefrag(urljoin(path, link)).url for link in links.found}
    elif path == "/sitemap.xml":
        found |= set(re.findall(r"<loc>([^<]*)", answer.text))
    found = {html.unescape(link).removeprefix(PUBLIC) for link in found}
    return {link for link in found if _is_followed(link)}


def _get(client: httpx.Client, path: str, headers: dict[str, str]) -> httpx.Response:
    """An answer; where a time limit passed, or the engine begins again, on another try."""
    for _ in range(8):
        answer = client.get(path, headers=headers)
        if answer.status_code not in (502, 503, 504):
            break
        time.sleep(min(int(answer.headers.get("retry-after", 1)), 10))
    return answer


UNLINKED = ("/sitemap.xml", "/robots.txt", "/.well-known/api-catalog", "/.well-known/void")
SUFFIXES = ("ttl", "jsonld", "rdf", "nt", "trig", "nq")


def _is_followed(link: str) -> bool:
    path, _, query = link.partition("?")
    if not link.startswith("/") or link.startswith(("//", "/static/")):
        return False
    # Descriptions are asked for by their pages, the other language by its header: an address that
    # names a language only stands in its place. What a service counts of itself is its own.
    return not path.startswith("/data/") and "lang=" not in query and path != "/metrics"


#: These days: when a snapshot was made, and an engine loaded.
DAYS = re.compile(
    "|".join(str(date.today() + timedelta(days=days)) for days in (-1, 0, 1)).encode()
)


def _told(response: httpx.Response) -> tuple[object, ...]:
    """What an answer says, without when."""
    kept = ["content-type", "content-language", "link", "location", "vary", "etag"]
    body, dated = DAYS.subn(b"", response.content)
    if dated:
        kept.remove("etag")
    digest = hashlib.sha256(body).digest()
    return response.status_code, digest, *map(response.headers.get, kept)


def test_every_page_and_document_is_the_same(
    remote: httpx.Client, embedded: httpx.Client, told: Told
) -> None:
    seen, other = _walk(embedded, remote, told)
    assert not other
    failed = {address for address, (answer, *_) in told.items() if str(answer[0]) >= "400"}
    assert not failed
    kinds = Counter(path.partition("?")[0].split("/")[1] for path in seen)
    assert kinds["page"] > 300, kinds
    assert kinds["data"] > 300, kinds
    assert kinds["passage"] > 150, kinds
    assert kinds["queries"] > 50, kinds
    assert {"/dump.nq.gz", "/ontology", "/shapes.jsonld", "/recommendations", "/dataset.ttl"} < seen


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_row_rests_on_the_same_passages(
    name: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    params = {"evidence": "1", "lang": "fr", "limit": "100"}
    headers = {"Accept": "application/json"}
    here, there = (
        client.get(f"/queries/{name}", params=params, headers=headers)
        for client in (embedded, remote)
    )
    assert there.status_code == here.status_code
    if here.status_code != 200:  # a question that gives no rows
        assert there.json() == here.json()
        return
    one, other = here.json(), there.json()
    assert one["passages"] == other["passages"]
    assert Counter(map(str, _supported(one))) == Counter(map(str, _supported(other)))
    assert one["passages"] or not any(e["passages"] for e in one["evidence"])


def _supported(answer: dict[str, Any]) -> list[object]:
    """The rows, each with its evidence; those that ORDER BY does not tell apart have no order."""
    rows = answer["results"]["bindings"]
    return [
        (sorted((k, sorted(v.items())) for k, v in row.items()), evidence)
        for row, evidence in zip(rows, answer["evidence"], strict=True)
    ]


APIS = {
    "search": "/search?q=bamako",
    "search by kind": "/search?q=reseau+ess&kind=Network&lang=en",
    "search, second page": "/search?q=ville&limit=5&offset=5",
    "search, mistyped": "/search?q=ouagadugu",
    "search for nothing": "/search?q=",
    "suggestions": "/suggest?q=af&lang=en",
    "reconciliation service": "/reconcile",
    "reconciliation": "/reconcile?queries="
    + quote(
        json.dumps(
            {
                "a": {"query": "Bamako", "type": "City"},
                "b": {"query": "Réseau des maires", "limit": 3},
                "c": {"query": "x", "properties": [{"pid": "ess:locatedIn", "v": "mali"}]},
            }
        )
    ),
    "extension": "/reconcile?extend="
    + quote(json.dumps({"ids": ["bamako", "aimf"], "properties": [{"id": "ess:locatedIn"}]})),
    "reconciliation, suggestion": "/reconcile/suggest/entity?prefix=ba",
    "reconciliation, property": "/reconcile/suggest/property?prefix=lo",
    "reconciliation, preview": "/reconcile/preview?id=bamako",
    "reconciliation, properties": "/reconcile/properties?type=City",
    "list of questions": "/queries",
    "answer of a question": "/queries/cities?lang=en&limit=3&format=csv",
    "parameter that is no name": "/queries/cities?nope=1",
    "collection": "/id/",
    "service": "/openapi.json",
}


@pytest.mark.parametrize("name", APIS)
def test_every_interface_is_the_same(
    name: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    headers = {"Accept": "application/json, text/csv;q=0.9, text/html;q=0.5"}
    here, there = (_get(client, APIS[name], headers) for client in (embedded, remote))
    assert here.status_code == (400 if "no" in name.split() or "nothing" in name else 200)
    assert (there.status_code, there.content) == (here.status_code, here.content)


ONE = f"<{names.ID}bamako> <{names.RDFS}label> ?label"
FORMS = {
    "select": (
        f"SELECT ?label {{ {ONE} }} ORDER BY LANG(?label)",
        (
            "application/sparql-results+json",
            "application/sparql-results+xml",
            "text/csv",
            "text/tab-separated-values",
        ),
    ),
    "ask": (
        f"ASK {{ {ONE} }}",
        ("application/sparql-results+json", "application/sparql-results+xml", "text/csv"),
    ),
    "ask-no": (f'ASK {{ <{names.ID}bamako> <{names.RDFS}label> "no such" }}', ("text/csv",)),
    "construct": (f"CONSTRUCT {{ ?s <{names.RDFS}label> ?label }} WHERE {{ ?s ?p ?label . "
                  f"FILTER (?s = <{names.ID}bamako> && isLiteral(?label)) }}", ACCEPT),
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "accept"), [(form, accept) for form, (_, kinds) in FORMS.items() for accept in kinds]
)
def test_every_format_is_served_alike(
    form: str, accept: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    query = FORMS[form][0]
    here, there = ask(embedded, query, accept), ask(remote, query, accept)
    assert there.status_code == here.status_code == 200, there.text
    assert there.headers["content-type"] == here.headers["content-type"]
    assert there.headers["etag"] == here.headers["etag"]
    if "json" in accept and form == "select":
        assert there.json() == here.json()
    else:
        assert there.text == here.text


COUNTS = {
    "default graph": "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
    "named graphs": "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } "
    f"FILTER (?g != <{names.GRAPH}state>) }}",
    "one named graph": f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{names.REGISTER}> {{ ?s ?p ?o }} }}",
    "from": f"SELECT (COUNT(*) AS ?n) FROM <{names.REGISTER}> {{ ?s ?p ?o }}",
    "from, no named": f"SELECT (COUNT(*) AS ?n) FROM <{names.REGISTER}> "
    "{ GRAPH ?g { ?s ?p ?o } }",
    "from named": f"SELECT (COUNT(*) AS ?n) FROM NAMED <{names.REGISTER}> "
    "{ GRAPH ?g { ?s ?p ?o } }",
    "from named, no default": f"SELECT (COUNT(*) AS ?n) FROM NAMED <{names.REGISTER}> "
    "{ ?s ?p ?o }",
    "nothing found": "SELECT ?s { ?s a <http://example.org/none> }",
    "literals": "SELECT ?o (DATATYPE(?o) AS ?d) { ?s ?p ?o FILTER (isLiteral(?o) && "
    f'LANG(?o) = "" && DATATYPE(?o) != <{names.XSD}string>) }}',
    "path": f"SELECT ?c {{ <{names.ID}bamako> a/<{names.RDFS}subClassOf>* ?c }}",
    "optional and minus": f"SELECT ?s ?a {{ ?s a <{names.ESS}Organization> "
    f"OPTIONAL {{ ?s <{names.ESS}acronym> ?a }} MINUS {{ ?s <{names.ESS}locatedIn> ?x }} }}",
    "aggregate": "SELECT ?t (COUNT(?s) AS ?n) { ?s a ?t } GROUP BY ?t HAVING (COUNT(?s) > 3)",
    "values": f"SELECT ?s ?l {{ VALUES ?s {{ <{names.ID}bamako> <{names.ID}aimf> }} "
    f"?s <{names.RDFS}label> ?l }}",
    "bind and if": "SELECT (IF(BOUND(?x), 1, 2) AS ?y) (1 + 2 AS ?z) { OPTIONAL { ?x ?x ?x } }",
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_dataset_and_the_language_are_the_same(
    name: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    here, there = ask(embedded, COUNTS[name]), ask(remote, COUNTS[name])
    assert (there.status_code, here.status_code) == (200, 200), there.text
    assert Counter(there.text.splitlines()) == Counter(here.text.splitlines())


PART, IN, SUB = f"<{names.ESS}partOfEvent>", f"<{names.ESS}locatedIn>", f"<{names.RDFS}subClassOf>"
FORUM, CONGRESS = f"<{names.ID}gsef-forum-session>", f"<{names.ID}aimf-congress-2013>"
ALL_PART = f"<{names.ESS}partOf>"
EVENT = f"a <{names.ESS}Event>"
PATHS = {
    "from a term": f"SELECT ?x {{ {FORUM} {PART}* ?x }}",
    "to a term": f"SELECT ?x {{ ?x {PART}+ {CONGRESS} }}",
    "between terms": f"SELECT (COUNT(*) AS ?n) {{ {FORUM} {PART}* {FORUM} }}",
    "between no terms": f"SELECT (COUNT(*) AS ?n) {{ ?x {PART}* ?y }}",
    "optional step": f"SELECT ?x ?y {{ ?x {EVENT} ; {PART}? ?y }}",
    "from values": f"SELECT ?x ?y {{ VALUES ?x {{ {FORUM} {CONGRESS} }} ?y {PART}* ?x }}",
    "two, joined": f"SELECT ?x ?y ?z {{ ?x {ALL_PART}+ ?y . ?y {PART}+ ?z }}",
    "two, in a sequence": f"SELECT ?x ?z {{ ?x {ALL_PART}+/{PART}+ ?z }}",
    "after a step": f"SELECT ?x ?c {{ ?x {PART}/{IN}+ ?c ; a/{SUB}* ?kind }}",
    "one of two, again": f"SELECT ?x ?y {{ ?x ({PART}/{IN}|{IN})+ ?y }}",
    "nested": f"SELECT DISTINCT ?x ?y {{ ?x ({PART}+/{IN})+ ?y }}",
    "not stepped": f"SELECT ?x ?y {{ ?x {PART}+/!({PART}|{ALL_PART}) ?y }}",
    "inverse": f"SELECT ?x {{ {CONGRESS} ^({PART}+) ?x }}",
    "to itself": f"SELECT ?x {{ ?x {SUB}+ ?x }}",
    "lists": f"SELECT ?x ?y ?z {{ ?x {EVENT} ; {PART}+ ?y , ?z ; <{names.RDFS}label> ?l }}",
    "optional": f"SELECT ?x ?y {{ ?x {EVENT} OPTIONAL {{ ?x {PART}+ ?y . ?y {IN} ?z }} }}",
    "optional, never": f"SELECT ?x ?y {{ ?x {EVENT} OPTIONAL {{ ?x ({SUB}/{PART})+ ?y }} }}",
    "not exists": f"SELECT ?x {{ ?x {EVENT} FILTER NOT EXISTS {{ ?x {PART}* {CONGRESS} }} }}",
    "exists": f"SELECT ?x {{ ?x {EVENT} FILTER (EXISTS {{ ?x {PART}+/{IN} ?y }} || false) }}",
    "minus": f"SELECT ?x {{ ?x {EVENT} MINUS {{ ?x {PART}+ {CONGRESS} }} }}",
    "union": f"SELECT ?x ?y {{ {{ ?x {PART}+ ?y }} UNION {{ ?y {PART}+ ?x }} }}",
    "sub-select": f"SELECT ?x ?y {{ ?x {EVENT} {{ SELECT ?x ?y {{ ?x {PART}* ?y }} }} }}",
    "grouped": f"SELECT ?y (COUNT(?x) AS ?n) {{ ?x {PART}+ ?y }} GROUP BY ?y",
    "every variable": f"SELECT * {{ ?x {PART}+ ?y }}",
    "in each graph": f"SELECT ?g ?x ?y {{ GRAPH ?g {{ ?x {PART}+ ?y }} }}",
    "in each graph, from a term": f"SELECT ?g ?x {{ GRAPH ?g {{ {FORUM} {PART}* ?x }} }}",
    "in one graph": f"SELECT ?x ?y {{ GRAPH <{names.ONTOLOGY}> {{ ?x {SUB}+ ?y }} }}",
    "from one graph": f"SELECT ?x ?y FROM <{names.ONTOLOGY}> {{ ?x {SUB}* ?y }}",
    "from named": f"SELECT ?x ?y FROM NAMED <{names.ONTOLOGY}> {{ GRAPH ?g {{ ?x {SUB}+ ?y }} }}",
    "from nothing": f"SELECT ?x ?y FROM NAMED <{names.ONTOLOGY}> {{ ?x {SUB}+ ?y }}",
    "no such property": "SELECT ?x ?y { ?x <http://example.org/none>+ ?y }",
}


@pytest.mark.parametrize("name", PATHS)
def test_paths_come_to_the_same_ends(
    name: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    here, there = (ask(client, PATHS[name], JSON) for client in (embedded, remote))
    assert (there.status_code, here.status_code) == (200, 200), there.text
    rows, others = (Counter(map(_row, r.json()["results"]["bindings"])) for r in (here, there))
    assert others == rows
    assert rows or "no" in name or name == "to itself"


def _row(row: dict[str, Any]) -> str:
    return str(sorted((k, sorted(v.items())) for k, v in row.items()))


NOT_FOLLOWED = {
    "brackets": (f"SELECT ?x {{ ?x {PART} [ {PART}+ {CONGRESS} ] }}", "variable"),
    "blank node": (f"SELECT ?x {{ ?x {PART}+ [] }}", "variable"),
    "literal": (f'SELECT ?x {{ ?x {PART}* "no" }}', "literal"),
    "anything but": (f"SELECT ?x {{ {FORUM} (!{PART})+ ?x }} LIMIT 1", "propert"),
    "both ways": (f"SELECT ?x {{ {FORUM} ({PART}|^{PART})+ ?x }}", "alternatives"),
    "every variable": (f"SELECT * {{ ?x ?y ?z . {FORUM} {PART}+ {CONGRESS} }} LIMIT 1", "SELECT *"),
}


@pytest.mark.parametrize("name", NOT_FOLLOWED)
def test_a_path_that_would_be_followed_wrongly_is_refused(
    name: str, remote: httpx.Client, embedded: httpx.Client, engine: Running
) -> None:
    query, said = NOT_FOLLOWED[name]
    data, headers = {"query": query}, {"Accept": "text/csv", "Accept-Language": "en"}
    here, there = (c.post("/sparql", data=data, headers=headers) for c in (embedded, remote))
    assert here.status_code == 200
    if "sparql" in engine.url:
        assert there.status_code == 501
        assert said in there.json()["detail"], there.text
    else:
        assert there.status_code == 200


def test_the_dataset_of_the_protocol_prevails_or_is_refused(
    remote: httpx.Client, embedded: httpx.Client, engine: Running
) -> None:
    query = f"SELECT (COUNT(*) AS ?n) FROM <{names.ONTOLOGY}> {{ ?s ?p ?o }}"
    more = {"default-graph-uri": names.REGISTER}
    there = ask(remote, query, **more)
    if "sparql" in engine.url:  # Virtuoso would answer of the union of both
        assert there.status_code == 400
    else:
        assert there.text == ask(embedded, query, **more).text


def test_several_default_graphs_are_refused_with_the_reason(remote: httpx.Client) -> None:
    query = f"SELECT * FROM <{names.REGISTER}> FROM <{names.ONTOLOGY}> {{ ?s ?p ?o }}"
    answer = ask(remote, query)
    assert answer.status_code == 400
    assert "merge" in answer.text or "fusionne" in answer.text


ERRORS = {
    "syntax": "SELECT ?s { ?s ?p }",
    "bracket": "SELECT ?s { ?s ?p ?o",
    "prefix": "SELECT ?s { ?s nope:p ?o }",
    "update": "INSERT DATA { <http://e/a> <http://e/b> 1 }",
    "service": "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",
    "pragma": "DEFINE sql:log-enable 3 SELECT * { ?s ?p ?o }",
    "deep": "SELECT * " + "{" * 80 + "?s ?p ?o" + "}" * 80,
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_same(name: str, remote: httpx.Client, embedded: httpx.Client) -> None:
    here, there = ask(embedded, ERRORS[name], "*/*"), ask(remote, ERRORS[name], "*/*")
    assert (there.status_code, there.json()) == (here.status_code, here.json())


def test_a_conditional_request_is_answered_by_304(remote: httpx.Client) -> None:
    first = remote.get("/sparql", params={"query": FORMS["select"][0]})
    again = remote.get(
        "/sparql",
        params={"query": FORMS["select"][0]},
        headers={"If-None-Match": first.headers["etag"]},
    )
    assert again.status_code == 304


def test_an_answer_above_the_limit_is_413(engine: Running) -> None:
    options = ("--endpoint", engine.url, "--result-limit", 1)
    with serving(None, *options, env=engine.env) as service:
        query = "SELECT ?s ?p ?o { ?s ?p ?o }"
        answer = httpx.post(f"{service.url}/sparql", data={"query": query}, timeout=30)
    assert answer.status_code == 413
    assert answer.json()["limit"] == {"name": "result", "value": "1 MiB"}


def test_a_query_past_its_time_is_504(engine: Running) -> None:
    options = ("--endpoint", engine.url, "--timeout", 0.5)
    with serving(None, *options, env=engine.env) as service:
        query = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER (?a != ?h) }"
        answer = httpx.post(f"{service.url}/sparql", data={"query": query}, timeout=30)
        assert answer.status_code == 504
        assert httpx.get(f"{service.url}/health").status_code == 200
