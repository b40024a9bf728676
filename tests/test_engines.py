"""One contract, three engines: our workers, ``oxigraph serve`` and Virtuoso Open Source.

Each serves the same snapshot; whatever is asked of the service, the answer is that of our workers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from conftest import ROOT, serving
from engines import STARTERS, Running, push

from essgraph import catalog, names
from essgraph.snapshot import open_snapshot

QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
REMOTE = tuple(STARTERS)


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
        url = stack.enter_context(serving(None, "--endpoint", engine.url, env=engine.env)).url
        yield stack.enter_context(httpx.Client(base_url=url, timeout=30))


@pytest.fixture(scope="module")
def embedded(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=30) as client:
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


@pytest.mark.parametrize("path", ["/page/bamako", "/page/remcess", "/page/aimf", "/"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_pages_are_the_same(
    path: str, language: str, remote: httpx.Client, embedded: httpx.Client
) -> None:
    headers = {"Accept": "text/html", "Accept-Language": language}
    here, there = (client.get(path, headers=headers) for client in (embedded, remote))
    # The description of the dumps, which only a service with a snapshot has.
    dumps = re.compile(r'<script type="application/ld\+json">.*?</script>', re.DOTALL)
    shown = [(page.status_code, dumps.sub("", page.text)) for page in (here, there)]
    assert shown[0] == shown[1]


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
