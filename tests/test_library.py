"""The question library as an API: every question equal over the command line, the API and the raw
endpoint in each format; parameters; pages; conditions; versions and citations; evidence."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyoxigraph as ox
import pytest
import rdflib
from conftest import ROOT, Run, copy_project, serving, write_snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import essgraph
from essgraph import catalog, names
from essgraph.errors import QueryError, SyntaxFault
from essgraph.snapshot import open_snapshot

GOLDEN = ROOT / "tests" / "golden"
QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
FORMATS = {
    "json": "application/sparql-results+json",
    "xml": "application/sparql-results+xml",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
}


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, headers={"Accept-Language": "fr"}, timeout=30) as client:
        yield client


# --- One answer, three ways -------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_one_answer_over_command_line_api_and_endpoint(
    name: str, http: httpx.Client, run: Run, built: Path
) -> None:
    for form, media_type in FORMATS.items():
        negotiated = http.get(f"/queries/{name}", headers={"Accept": media_type})
        named = http.get(f"/queries/{name}", params={"format": form})
        raw = http.get(
            "/sparql", params={"query": QUESTIONS[name].query}, headers={"Accept": media_type}
        )
        outcome = run("query", name, "--format", form, "--project", ROOT, "--out", built)
        assert negotiated.status_code == named.status_code == raw.status_code == 200
        assert negotiated.headers["content-type"].partition(";")[0] == media_type
        assert negotiated.content == named.content == raw.content
        assert outcome.out.encode() == raw.content
    golden = list(csv.reader(io.StringIO((GOLDEN / f"{name}.csv").read_text("utf-8"))))
    answer = http.get(f"/queries/{name}", params={"format": "csv"}).text
    assert list(csv.reader(io.StringIO(answer, newline=""))) == golden


def test_the_list_tells_all_that_a_client_needs(http: httpx.Client, built: Path) -> None:
    answer = http.get("/queries")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["version"] == open_snapshot(built).version
    listed = {question["name"]: question for question in answer.json()["questions"]}
    assert set(listed) == set(QUESTIONS)
    for name, question in listed.items():
        assert set(question["title"]) == set(question["description"]) == {"fr", "en"}
        assert question["keywords"]
        subject = QUESTIONS[name].subject
        assert question["subject"] == {"name": subject, **catalog.SUBJECTS[subject]._asdict()}
        # Given its own defaults, a question answers what it answers without them.
        defaults = {p["name"]: p["default"] for p in question["parameters"]}
        plain = http.get(question["url"])
        assert http.get(question["url"], params=defaults).content == plain.content, name
        assert {p["type"] for p in question["parameters"]} <= set(catalog.TYPES)
        columns = {column["name"]: column["heading"] for column in question["columns"]}
        assert all(set(heading) == {"fr", "en"} for heading in columns.values())
        variables = plain.json()["head"]["vars"]
        assert [*columns] == [*dict.fromkeys(v.removesuffix("Label") for v in variables)], name


def test_the_library_can_itself_be_queried(http: httpx.Client) -> None:
    query = f"""PREFIX sh: <{names.SH}> SELECT ?q ?text {{
      GRAPH <{names.QUERIES}> {{ ?q a sh:SPARQLExecutable ; sh:select ?text }} }}"""
    rows = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    stored = {row["q"]["value"].removeprefix(names.QUERY): row["text"]["value"] for row in rows}
    assert stored == {name: question.query for name, question in QUESTIONS.items()}


def test_subjects_can_be_queried(http: httpx.Client) -> None:
    """A subject is the part of the page that lists its questions, and has a name."""
    query = f"""SELECT ?q ?subject ?fr ?en {{ GRAPH <{names.QUERIES}> {{
      ?q <{names.DCTERMS}subject> ?subject . ?subject <{names.RDFS}label> ?fr , ?en }}
      FILTER (LANG(?fr) = "fr" && LANG(?en) = "en") }}"""
    rows = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    stored = {
        row["q"]["value"].removeprefix(names.QUERY): tuple(
            row[key]["value"] for key in ("subject", "fr", "en")
        )
        for row in rows
    }
    assert stored == {
        name: (names.SUBJECT + question.subject, *catalog.SUBJECTS[question.subject])
        for name, question in QUESTIONS.items()
    }
    page = http.get("/queries", headers={"Accept": "text/html"}).text
    for subject, _, _ in stored.values():
        path, _, part = subject.removeprefix(names.BASE).partition("#")
        assert path == "queries"
        assert f'<section id="{part}"' in page


def test_a_version_of_before_there_were_subjects_answers_as_it_did(
    built: Path, tmp_path: Path
) -> None:
    """What was cited stays where it was."""
    former = open_snapshot(built)
    files = {name: (former.directory / name).read_bytes() for name in former.sizes}
    for name in files:
        if name.endswith(".rq"):
            files[name] = re.sub(rb"(?m)^# subject:.*\n", b"", files[name])
        if name.endswith("versions.rq"):
            files[name] = re.sub(rb"(?m)^# parameter: lang.*\n", b"", files[name])
    write_snapshot(tmp_path, files, former.sources)
    graph = essgraph.connect(tmp_path)
    assert {row["subject"] for row in graph.questions()} == {"Other questions"}
    assert list(graph.query("networks")) == list(essgraph.connect(built).query("networks"))
    with serving(tmp_path) as server:
        assert httpx.get(f"{server.url}/queries/networks?format=csv").status_code == 200
        # A question without labels answers the same in both languages, and claims none.
        assert "content-language" not in httpx.get(f"{server.url}/queries/versions").headers
        listed = httpx.get(f"{server.url}/queries").json()["questions"]
        assert not [question for question in listed if "subject" in question]
        page = httpx.get(f"{server.url}/queries?lang=en", headers={"Accept": "text/html"}).text
        assert ">Other questions</h2>" in page
        assert len(essgraph.connect(server.url).questions()) == len(QUESTIONS)


def test_a_question_may_be_without_a_subject_and_headings(
    project: Path, run: Run, tmp_path: Path
) -> None:
    path = project / "queries" / "networks.rq"
    path.write_text(re.sub("(?m)^# (subject|column):.*\n", "", path.read_text("utf-8")), "utf-8")
    assert run("build", "--project", project, "--out", tmp_path / "out").code == 0
    listed = run("query", "--list", "--project", project).out
    assert "networks" in listed.partition("Other questions")[2]
    with serving(tmp_path / "out") as server:
        page = httpx.get(f"{server.url}/queries/networks", headers={"Accept": "text/html"}).text
    assert re.findall(r'<th scope="col">(.*?)</th>', page) == [
        f"<code>{name}</code>" for name in ("network", "acronym", "site")
    ]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_question_that_there_is_not_is_told_with_the_nearest(
    http: httpx.Client, accept: str
) -> None:
    for path in ("membres", "membres/changes?since=0123456789abcdef"):
        if accept == "text/html" and "/" in path:
            continue
        for language, said in (
            ("fr", "vouliez-vous dire members ? (toutes les questions : /queries)"),
            ("en", "did you mean members? (all questions: /queries)"),
        ):
            answer = http.get(
                f"/queries/{path}", headers={"Accept": accept, "Accept-Language": language}
            )
            assert answer.status_code == 404
            told = html.unescape(answer.text).replace("\u202f", " ").replace("\u00a0", " ")
            assert said in told
            # What it names can be followed, by its title in the language of the reader.
            title = getattr(QUESTIONS["members"].title, language)
            every = {"fr": "Toutes les questions", "en": "All questions"}[language]
            if accept == "text/html":
                assert f'<a href="/queries/members">{title}</a>' in told
                assert f'<a href="/queries">{every}</a>' in told
            else:
                assert answer.json()["links"] == [
                    {"href": "/queries/members", "title": title},
                    {"href": "/queries", "title": every},
                ]


def test_parameters_can_be_queried(http: httpx.Client) -> None:
    """What the store says of each parameter is enough to ask the question: which variable, of what
    type, its default, and what it is in both languages."""
    query = f"""PREFIX sh: <{names.SH}> SELECT * {{
      ?q a sh:SPARQLExecutable ; sh:parameter ?p .
      ?p a sh:Parameter ; sh:path ?path ; sh:optional ?optional ; sh:defaultValue ?default ;
         sh:name ?fr , ?en ; sh:description ?longFr , ?longEn .
      FILTER (LANG(?fr) = "fr" && LANG(?en) = "en" && LANG(?longFr) = "fr" && LANG(?longEn) = "en")
      OPTIONAL {{ ?p sh:datatype ?datatype }} OPTIONAL {{ ?p sh:nodeKind ?kind }} }}"""
    rows = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    stored = {}
    for row in rows:
        name = row["q"]["value"].removeprefix(names.QUERY)
        question, _, variable = row["path"]["value"].partition("#")
        assert question == row["q"]["value"]
        assert f"?{variable}" in QUESTIONS[name].query
        assert row["optional"]["value"] == "true"
        typed = row.get("datatype", row.get("kind", {}))["value"]
        stored[name, variable] = (typed, row["fr"]["value"], row["en"]["value"])
        # The default as a term, put in by hand: the same answer.
        if (default := row["default"])["type"] == "uri" or variable == "lang":
            given = http.get(f"/queries/{name}", params={variable: default["value"]})
            assert given.json() == http.get(f"/queries/{name}", params={"lang": "fr"}).json()
    types = {"iri": f"{names.SH}IRI", "year": f"{names.XSD}gYear"}
    assert stored == {
        (name, parameter.name): (
            types.get(parameter.type, names.XSD + parameter.type),
            parameter.description.fr,
            parameter.description.en,
        )
        for name, question in QUESTIONS.items()
        for parameter in question.parameters
    }
    # The address of a question is its IRI: as RDF it says what the question is.
    for accept, reader in (("text/turtle", "turtle"), ("application/rdf+xml", "xml")):
        described = http.get("/queries/members", headers={"Accept": accept})
        assert described.headers["content-type"].startswith(accept)
        graph = rdflib.Graph().parse(data=described.text, format=reader)
        question = rdflib.URIRef(names.QUERY + "members")
        assert graph.value(question, rdflib.SH.select) == rdflib.Literal(QUESTIONS["members"].query)
        assert len(list(graph.objects(question, rdflib.SH.parameter / rdflib.SH.path))) == 2
    # Which questions can be asked of a text?
    ask = f"""PREFIX sh: <{names.SH}> SELECT ?q {{
      ?q sh:parameter [ sh:nodeKind sh:IRI ; sh:defaultValue ?d ]
      FILTER (STRSTARTS(STR(?d), "{names.DOC}")) }}"""
    assert http.get("/sparql", params={"query": ask}).json()["results"]["bindings"]


# --- Parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("members?body=3", "parameter body: nothing is named"),
        ("members?body=id:nobody", "nothing is named"),
        ("evidence?entity=Rencontres", "several things are named"),
        ("members?body=", "is not an IRI"),
        ("members?body=id:aimf%20%7D", "nothing is named"),
        ("members?body=id:aimf%3E%20%3Fp%20%3Fo%20%7D%20%23", "nothing is named"),
        ("members?body=http://e/%3E%20%7D%20UNION%20%7B%20%3Fs%20%3Fp%20%3Fo", "nothing is named"),
        ("members?bodies=id:aimf", "unknown parameter: bodies (known: body, lang"),
        ("members?body=id:aimf&body=id:rtes", "given twice"),
        ("members?lang=de", "known: fr, en"),
        ("members?lang=fr%22%20%7D", "known: fr, en"),
        ("members?limit=0", "limit is a whole number from 1 to 10000"),
        ("members?limit=all", "limit is a whole number"),
        ("members?limit=%C2%B2", "limit is a whole number"),
        ("members?offset=-1", "offset is a whole number"),
        ("members?evidence=yes", "evidence is 0 or 1"),
        ("members?answer=0123456789abcdef", "needs version"),
        ("members?body=%FF", "not valid UTF-8"),
        ("members/changes", "since is missing"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_says_why(
    http: httpx.Client, path: str, reason: str
) -> None:
    answer = http.get(f"/queries/{path}", headers={"Accept-Language": "en"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("members?version", "application/json"),
        ("members?version", "text/html"),
        ("members/changes?since", "application/json"),
    ],
)
def test_a_digest_that_is_none_is_a_400_whatever_version_it_goes_with(
    http: httpx.Client, path: str, accept: str
) -> None:
    for version in (http.get("/health").json()["version"], "0123456789abcdef"):
        answer = http.get(
            f"/queries/{path}={version}&answer=bogus&lang=en", headers={"Accept": accept}
        )
        assert answer.status_code == 400, version
        assert "16 hexadecimal digits" in html.unescape(answer.text)


DEFAULTS = {
    "iri": "id:bamako",
    "string": '"a"',
    "integer": "0",
    "year": f'"2019"^^<{names.XSD}gYear>',
    "date": f'"2019-07-10"^^<{names.XSD}date>',
}


@pytest.mark.parametrize("kind", catalog.TYPES)
@given(value=st.text(max_size=40) | st.from_regex(r"\A[a-z]{1,4}:[ -~é€😀]{0,12}\Z"))
@settings(max_examples=400, deadline=None)
def test_a_value_becomes_one_term_or_is_refused(kind: str, value: str) -> None:
    """Whatever is sent, the query keeps its shape: one term in the VALUES line, nothing else."""
    text = (
        "# title@fr: a ?\n# title@en: a?\n# description@fr: a.\n# description@en: a.\n"
        f"# keywords: a\n# parameter: x {kind} | a | a\n"
        f"SELECT ?x WHERE {{\n  VALUES ?x {{ {DEFAULTS[kind]} }}\n}}\n"
    )
    question = catalog.read("q", text, "q.rq")
    try:
        asked = question.ask({"x": value})
    except QueryError:
        return
    solutions = ox.Store().query(asked)
    assert isinstance(solutions, ox.QuerySolutions)
    (row,) = solutions
    term = row["x"]
    if kind == "iri":
        assert isinstance(term, ox.NamedNode)
    else:
        assert isinstance(term, ox.Literal)
        assert term.value == value


def test_a_default_of_another_type_is_a_fault() -> None:
    text = (ROOT / "queries" / "members.rq").read_text("utf-8")
    with pytest.raises(SyntaxFault, match="is not an integer"):
        catalog.read("q", text.replace("body iri", "body integer"), "q.rq")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("membre", 'a column is written "name | French heading | English heading"'),
        ("member | membre", "a column is written"),
        ("membre | membre | member", r"no variable \?membre"),
    ],
)
def test_a_column_has_a_variable_and_words_in_both_languages(line: str, said: str) -> None:
    text = (ROOT / "queries" / "members.rq").read_text("utf-8")
    written = "# column: member | membre | member"
    with pytest.raises(SyntaxFault, match=said) as fault:
        catalog.read("q", text.replace(written, f"# column: {line}"), "q.rq")
    assert fault.value.at is not None
    assert text.splitlines()[fault.value.at.line - 1] == written


@given(value=st.text(max_size=30))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_sent_gets_an_answer_or_a_reason(http: httpx.Client, value: str) -> None:
    answer = http.get("/queries/members", params={"body": value})
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert answer.json()["detail"]


def test_the_language_is_as_asked_or_as_accepted(http: httpx.Client) -> None:
    path = "/queries/events-by-type"
    english = http.get(path, headers={"Accept-Language": "en-GB, fr;q=0.5"})
    assert english.headers["content-language"] == "en"
    assert "accept-language" in english.headers["vary"].lower()
    assert english.content == http.get(path, params={"lang": "en"}).content
    french = http.get(path, params={"lang": "fr"}, headers={"Accept-Language": "en"})
    assert french.headers["content-language"] == "fr"
    assert french.content != english.content


# --- HTTP -------------------------------------------------------------------------------------


def test_methods_conditions_and_formats(http: httpx.Client) -> None:
    path = "/queries/talks"
    whole = http.get(path)
    head = http.head(path)
    assert head.content == b""
    for field in ("etag", "content-length", "content-type", "link", "vary"):
        assert head.headers[field] == whole.headers[field]
    again = http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == whole.headers["etag"]
    assert http.options(path).headers["allow"] == "GET, HEAD, OPTIONS"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = http.request(method, path)
        assert refused.status_code == 405
        assert refused.headers["allow"] == "GET, HEAD, OPTIONS"
    assert http.get(path, headers={"Accept": "image/png"}).status_code == 406
    assert http.get(path, params={"format": "trig"}).status_code == 406
    assert http.get(f"{path}?format=").content == whole.content
    assert http.get("/queries?format=").status_code == 200
    for unknown in ("/queries/nothing", "/queries/talks/other"):
        assert http.get(unknown).status_code == 404, unknown


def links(answer: httpx.Response) -> dict[str, str]:
    return {
        relation: target
        for target, relation in re.findall(r'<([^>]*)>; rel="([^"]*)"', answer.headers["link"])
    }


def test_pages_join_to_the_whole(http: httpx.Client) -> None:
    whole = http.get("/queries/talks").json()["results"]["bindings"]
    rows: list[Any] = []
    path, before = "/queries/talks?limit=20&format=json", None
    seen = 0
    while path:
        page = http.get(path)
        found = page.json()["results"]["bindings"]
        rows += found
        seen += 1
        assert ("prev" in links(page)) == (before is not None)
        before, path = path, links(page).get("next", "")
    assert rows == whole
    assert seen == -(-len(whole) // 20)
    # The page for people is paged alike.
    people = http.get("/queries/talks?limit=20&offset=20", headers={"Accept": "text/html"}).text
    assert people.count("<tr>") == 21
    neighbours = {
        relation: parse_qs(urlsplit(html.unescape(target)).query)["offset"]
        for target, relation in re.findall(r'<a href="([^"]*)" rel="(prev|next)"', people)
    }
    assert neighbours == {"prev": ["0"], "next": ["40"]}
    wrong = http.get("/queries/talks?limit=x&lang=en", headers={"Accept": "text/html"})
    assert "limit is a whole number" in wrong.text
    exact = http.get(f"/queries/talks?limit={len(whole)}")
    assert "next" not in links(exact)
    assert http.get("/queries/talks?offset=50").json()["results"]["bindings"] == whole[50:]


# --- Citations and versions -------------------------------------------------------------------


def local(address: str) -> str:
    """The path of a permanent address on the host at hand."""
    assert address.startswith(names.BASE)
    return "/" + address.removeprefix(names.BASE)


def test_an_answer_says_how_to_cite_it(http: httpx.Client) -> None:
    answer = http.get("/queries/members?body=id:aimf&lang=en")
    address = links(answer)["cite-as"]
    values = parse_qs(urlsplit(address).query)
    assert values["body"] == ["id:aimf"]
    assert set(values) == {"body", "lang", "version", "answer"}
    cited = http.get(local(address))
    assert cited.content == answer.content
    assert links(cited)["cite-as"] == address
    # What became of it since is told in its links, so that no cache may keep it for long.
    assert cited.headers["cache-control"] == "public, max-age=60"
    assert "changes?" in links(cited)["version-history"]
    page = http.get(local(address), headers={"Accept": "text/html"})
    assert links(page)["cite-as"] == address
    assert "This is the version in service." in page.text
    plain = http.get("/queries/members?body=id:aimf&lang=en", headers={"Accept": "text/html"})
    assert links(plain)["cite-as"] == address
    assert html.escape(address) in plain.text
    csl = http.get("/queries/members?body=id:aimf&lang=en&format=csl")
    (entry,) = csl.json()
    assert csl.headers["content-type"] == "application/vnd.citationstyles.csl+json"
    assert entry["URL"] == address
    assert entry["title"] == QUESTIONS["members"].title.en
    assert entry["type"] == "dataset"
    assert entry["author"] == [{"literal": "The essgraph founders"}]
    assert csl.text.count("founders") == 1
    assert entry["version"] == values["version"][0]
    bibtex = http.get(
        "/queries/members?body=id:aimf&lang=en", headers={"Accept": "application/x-bibtex"}
    )
    assert re.match(r"@misc\{essgraph-members-[0-9a-f]{8},\n", bibtex.text)
    assert f"url = {{{address}}}" in bibtex.text
    assert bibtex.text.count("{") == bibtex.text.count("}")


def test_a_cited_answer_says_whether_and_how_it_has_changed(tmp_path: Path, run: Run) -> None:
    project = copy_project(tmp_path / "project")
    out = tmp_path / "out"

    def build() -> str:
        outcome = run("build", "--project", project, "--out", out)
        assert outcome.code == 0, outcome.err
        return open_snapshot(out).version

    first = build()
    with serving(out, "--project", project, "--watch") as server:
        cited = links(httpx.get(f"{server.url}/queries/networks?lang=fr"))["cite-as"]
        unmoved = links(httpx.get(f"{server.url}/queries/members?lang=fr"))["cite-as"]
        before = httpx.get(server.url + local(cited))
        register = project / "data/register/organizations.ttl"
        text = register.read_text("utf-8")
        register.write_text(
            text.replace('ess:acronym "AIMF"', 'ess:acronym "A.I.M.F."', 1), "utf-8"
        )
        second = build()
        assert second != first
        for _ in range(200):
            if httpx.get(f"{server.url}/health").json()["version"] == second:
                break
            time.sleep(0.05)
        # The address still gives the former answer, and leads to the new one.
        then = httpx.get(server.url + local(cited))
        assert then.content == before.content
        newest = links(then)["latest-version"]
        told = httpx.get(server.url + links(then)["version-history"]).json()
        assert [told["changed"], told["since"], told["version"]] == [True, first[:16], second]
        assert [kept["version"] for kept in told["versions"]] == [second, first]
        # However many digits name it, and whether they are right, it is held ready once.
        processes = len(server.children())
        for tail in ("", *(first[16:n] for n in (17, 20, 40, 64)), "x", "0", "1", "00", "11", "01"):
            said = httpx.get(f"{server.url}/queries/members?version={first[:16]}{tail}")
            assert said.status_code == (200 if first[16:].startswith(tail) else 404), tail
        assert len(server.children()) == processes
        # So does the page, in words; and what it links to is the former answer too.
        for language, words in (("en", "has changed since"), ("fr", "a changé depuis")):
            address = local(cited).replace("lang=fr", f"lang={language}")
            page = httpx.get(server.url + address, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert words in page.text
            assert re.search(r"<ins>[^<]*A\.I\.M\.F\.", page.text)
            assert re.search(r"<del>[^<]*AIMF", page.text)
            assert 'href="/q/' not in page.text  # which would lead to the answer of today
            data = re.search(r'href="(/queries/networks[^"]*format=csv)"', page.text)
            assert data
            rows = httpx.get(server.url + html.unescape(data[1])).text
            assert "AIMF" in rows
            assert "A.I.M.F." not in rows
        page = httpx.get(server.url + local(unmoved), headers={"Accept": "text/html"})
        assert "n’a pas changé depuis" in page.text
        now = httpx.get(server.url + newest)
        assert now.content != before.content
        changes = httpx.get(
            f"{server.url}/queries/networks/changes", params={"lang": "fr", "since": first}
        ).json()
        assert changes["changed"] is True
        assert changes["version"] == second
        acronyms = [[row["acronym"]["value"] for row in changes[c]] for c in ("added", "removed")]
        assert acronyms == [["A.I.M.F."], ["AIMF"]]
        same = httpx.get(
            f"{server.url}/queries/members/changes", params={"lang": "fr", "since": first}
        ).json()
        assert (same["changed"], same["added"], same["removed"]) == (False, [], [])
        # Another version, and the first is no longer kept: removed to make room, say.
        register.write_text(text.replace('ess:acronym "AIMF"', 'ess:acronym "Aimf"', 1), "utf-8")
        third = build()
        for folder in out.glob(f"{first[:16]}-*"):
            shutil.rmtree(folder)
        for _ in range(200):
            if httpx.get(f"{server.url}/health").json()["version"] == third:
                break
            time.sleep(0.05)
    with serving(out, "--project", project) as server:
        gone = httpx.get(server.url + local(cited), headers={"Accept-Language": "en"})
        assert gone.status_code == 410
        assert "a changé depuis" in gone.json()["detail"]  # its address names the language
        assert links(gone)["latest-version"].startswith("/queries/networks?")
        page = httpx.get(server.url + local(cited), headers={"Accept": "text/html"})
        assert page.status_code == 410
        assert "/queries/networks?" in page.text
        page = httpx.get(server.url + local(unmoved), headers={"Accept": "text/html"})
        assert "n’est plus gardée ici\u202f; la réponse d’aujourd’hui est la même" in page.text
        # An answer that has not changed is the cited one, whatever became of the version.
        assert httpx.get(server.url + local(unmoved)).status_code == 200
        without = httpx.get(f"{server.url}/queries/members?version={first[:16]}")
        assert without.status_code == 404
        digest = parse_qs(urlsplit(cited).query)["answer"][0]
        told = httpx.get(
            f"{server.url}/queries/networks/changes",
            params={"lang": "fr", "since": first, "answer": digest},
        ).json()
        assert (told["changed"], told["kept"]) == (True, False)


# --- Evidence ---------------------------------------------------------------------------------


def evidence(http: httpx.Client, name: str, **values: str) -> dict[str, Any]:
    answer = http.get(f"/queries/{name}", params={"evidence": "1", **values})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def short(iri: str) -> str:
    return iri.removeprefix(names.PASSAGE)


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_evidence_or_says_why_not(http: httpx.Client, name: str) -> None:
    found = evidence(http, name)
    plain = http.get(f"/queries/{name}").json()
    assert {part: found[part] for part in plain} == plain
    assert len(found["evidence"]) == len(plain["results"]["bindings"])
    bare = [row for row in found["evidence"] if not row["passages"]]
    assert not bare or found["notes"]
    for row in found["evidence"]:
        for passage in row["passages"]:
            assert found["passages"][passage]["document"] in row["documents"]
    answer = http.get(f"/queries/{name}", params={"evidence": "1", "format": "csv"})
    columns, *lines = csv.reader(io.StringIO(answer.text, newline=""))
    assert len(set(columns)) == len(columns), "no column hides another"
    assert columns[-2:] == [
        f"evidence_{part}" if part in plain["head"]["vars"] else part
        for part in ("passages", "documents")
    ]
    assert [[cell.split() for cell in line[-2:]] for line in lines] == [
        [row["passages"], row["documents"]] for row in found["evidence"]
    ]


def test_passages_are_those_whose_graph_states_the_row(http: httpx.Client) -> None:
    """Without paths or entailment the passages can be asked for in one query: the same ones."""
    found = evidence(http, "cited-in-passing")
    for row, own in zip(found["results"]["bindings"], found["evidence"], strict=True):
        query = (
            f"SELECT DISTINCT ?g {{ GRAPH ?g {{ <{row['by']['value']}> <{names.ESS}mentions> "
            f"<{row['thing']['value']}> }} FILTER (STRSTARTS(STR(?g), '{names.PASSAGE}')) }}"
        )
        asked = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
        assert sorted(own["passages"]) == sorted(r["g"]["value"] for r in asked)


def test_the_passages_of_an_entailed_row_state_the_special_capacity(http: httpx.Client) -> None:
    """``participant`` follows from ``organizer``: the passage is the one that says organizer."""
    query = f"""SELECT ?g {{ GRAPH ?g {{ <{names.ID}rtes-international-meeting-2019>
      <{names.ESS}organizer> <{names.ID}rtes> }}
      FILTER (STRSTARTS(STR(?g), '{names.PASSAGE}')) }}"""
    rows = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    found = evidence(http, "organizers")
    (own,) = [
        own
        for row, own in zip(found["results"]["bindings"], found["evidence"], strict=True)
        if row["event"]["value"].endswith("rtes-international-meeting-2019")
    ]
    assert sorted(own["passages"]) == sorted(r["g"]["value"] for r in rows)


def test_evidence_of_a_page_is_that_of_its_rows(http: httpx.Client) -> None:
    whole = evidence(http, "talks")
    page = evidence(http, "talks", limit="5", offset="10")
    assert page["results"]["bindings"] == whole["results"]["bindings"][10:15]
    assert page["evidence"] == whole["evidence"][10:15]
    assert json.dumps(page["notes"]) == json.dumps(whole["notes"])


def test_people_read_the_evidence_too(http: httpx.Client) -> None:
    found = evidence(http, "outcomes")
    html = {"Accept": "text/html"}
    plain = http.get("/queries/outcomes", headers=html)
    assert 'href="/queries/outcomes?lang=fr&amp;evidence=1"' in plain.text
    page = http.get("/queries/outcomes?evidence=1&lang=fr", headers=html)
    assert page.status_code == 200
    shown = page.text.partition('id="evidence"')[2].partition("</section>")[0]
    linked = re.findall(r'<a href="/passage/([^"?]+)', shown)
    assert linked == [short(p) for row in found["evidence"] for p in row["passages"]]
    # Each document is named by its title, the passage by its place in it.
    sources = re.findall(r'href="/doc/[^>]+>([^<]+)</a>, <a href="/passage/[^>]+>([^<]+)', shown)
    assert len(sources) == len(linked)
    assert ("Article sur les élus francophones et l’ESS (juillet 2019)", "passage 22") in sources
    # What was set aside, for one, has no summary.
    for name in QUESTIONS:
        assert http.get(f"/queries/{name}?evidence=1", headers=html).status_code == 200, name
    absent = http.get("/queries/countries-without-city?evidence=1", headers=html)
    assert "Aucun passage." in absent.text
    cited = re.search(r'href="([^"]+format=bibtex)"', page.text)
    assert cited
    assert http.get(cited[1].replace("&amp;", "&")).text.startswith("@misc{")


def test_an_absence_is_said(http: httpx.Client) -> None:
    found = evidence(http, "countries-without-city", lang="en")
    assert all(not row["passages"] for row in found["evidence"])
    assert "what no passage states" in found["notes"][0]
    refused = http.get("/queries/members?evidence=1&format=xml")
    assert refused.status_code == 406


#: Rows whose passages were read by hand in ``data/documents``: a question, a cell that tells the
#: row (its values, if not the defaults), and all the passages that its facts stand in.
READ_BY_HAND: list[tuple[str, str, list[str]]] = [
    ("members", "id/remcess-delegation-2019", ["aimf-article-2019/21"]),
    # A founding, what came of it, its year and its supporter, said in one sentence.
    ("outcomes", "id/founding-of-remcess", ["aimf-article-2019/22"]),
    # The mandate in one passage, the talk in another; the country of the city is register.
    ("speakers-and-posts", "id/adama-sangare", ["aimf-article-2019/9", "aimf-article-2019/12"]),
    # The year of the post is that of the occasion, in a passage of its own.
    ("posts", "id/adama-sangare", ["aimf-article-2019/5", "aimf-article-2019/9"]),
    # A group: every passage that names the city, in two documents.
    (
        "cities",
        "id/dakar",
        ["aimf-article-2019/12", "aimf-colloquium-2013/32", "aimf-colloquium-2013/42"],
    ),
    # A group of six recommendations, and the headings of the three workshops that made them.
    (
        "shared-themes",
        "id/theme/dialogue",
        [f"aimf-recommendations-2013/{n}" for n in (2, 8, 22, 29, 48, 49, 54, 63)],
    ),
    # The line that opens the list, and the item.
    (
        "sub-recommendations",
        "id/rec-2-mayors-1-1",
        ["aimf-recommendations-2013/24", "aimf-recommendations-2013/25"],
    ),
    # Negative questions: the row rests on what is not said.
    ("countries-without-city", "id/kenya", []),
    ("events-without-organizer", "id/pact-for-impact-summit-2019", []),
]


@pytest.mark.parametrize(("name", "cell", "passages"), READ_BY_HAND, ids=lambda v: str(v)[:30])
def test_the_passages_of_a_row_are_those_read_by_hand(
    http: httpx.Client, name: str, cell: str, passages: list[str]
) -> None:
    found = evidence(http, name)
    (own,) = [
        own
        for row, own in zip(found["results"]["bindings"], found["evidence"], strict=True)
        if next(iter(row.values()))["value"] == names.BASE + cell
    ]
    assert [short(passage) for passage in own["passages"]] == passages
    documents = {names.DOC + passage.rpartition("/")[0] for passage in passages}
    assert set(own["documents"]) == documents
