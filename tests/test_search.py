"""Search and completion: ranking, kinds, highlighting, both languages, accents, case, typos."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from essgraph import names
from essgraph.build import build
from essgraph.project import Project
from essgraph.snapshot import open_snapshot


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, headers={"Accept-Language": "fr"}, timeout=30) as client:
        yield client


def search(http: httpx.Client, q: str, **values: str) -> dict[str, Any]:
    answer = http.get("/search", params={"q": q, **values})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def first(http: httpx.Client, q: str, **values: str) -> str:
    iri: str = search(http, q, **values)["results"][0]["id"]
    return iri.removeprefix(names.ID)


@pytest.mark.parametrize(
    ("q", "entity"),
    [
        ("Bamako", "bamako"),
        ("BAMAKO", "bamako"),
        ("bamacko", "bamako"),  # a typing error
        ("bmaako", "bamako"),
        ("remcess", "remcess"),
        ("réseau maires camerounais", "remcess"),
        ("network cameroonian mayors", "remcess"),  # in English, whatever the language asked for
        ("l'AIMF", "aimf"),
        ("A.I.M.F.", "aimf"),
        ("maires francophones association", "aimf"),  # in another order
        ("forum mondial de l’economie sociale", "gsef"),  # another apostrophe, no accent
        ("global social economy forum", "gsef"),
    ],
)
def test_the_first_result_is_what_is_meant(http: httpx.Client, q: str, entity: str) -> None:
    assert first(http, q) == entity


def test_accents_and_case_make_no_difference(http: httpx.Client) -> None:
    plain, accented = search(http, "economie"), search(http, "ÉCONOMIE")
    assert plain["results"] == accented["results"]
    marked = [hit["highlight"] for hit in plain["results"]]
    assert any("<mark>économie</mark>" in text for text in marked)


@pytest.mark.parametrize("q", ["jeunes", "clusters"])
def test_a_plural_finds_the_singular(http: httpx.Client, q: str) -> None:
    """« jeunes » did not find the passage on a young population."""
    plural, singular = (
        {hit["id"] for hit in search(http, words, limit="100")["results"]} for words in (q, q[:-1])
    )
    assert singular <= plural


def test_a_name_is_no_plural_of_what_it_begins(http: httpx.Client) -> None:
    """« Paris » is not « pari », with which « paritaire » begins."""
    found = {hit["id"] for hit in search(http, "Paris", limit="100")["results"]}
    assert names.ID + "rec-3-mayors-4" not in found


def test_names_come_before_what_tells_of_an_entity(http: httpx.Client) -> None:
    roles = [hit["matched"]["role"] for hit in search(http, "Bamako", limit="100")["results"]]
    told = [role in ("summary", "definition", "description", "keyword") for role in roles]
    assert True in told
    assert told == sorted(told)
    scores = [hit["score"] for hit in search(http, "forum", limit="100")["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("q", "lang"), [("senegalnews.sn", "fr"), ("acronym programme 2013 fund", "en")]
)
def test_a_note_is_found_by_its_words_after_what_has_that_name(
    http: httpx.Client, q: str, lang: str
) -> None:
    hit = search(http, q, lang=lang, kind="EditorialNote")["results"][0]
    assert (hit["prefixed"], hit["matched"]["role"]) == ("id:note-fodem", "note")
    assert "<mark>" in hit["highlight"]
    # The label tells what it is about, the text what it says.
    assert hit["description"] == hit["matched"]["text"]
    assert first(http, "FODEM") == "fodem"


def test_kinds_are_counted_and_chosen(http: httpx.Client) -> None:
    whole = search(http, "forum", limit="100")
    assert sum(whole["kinds"].values()) == whole["total"] == len(whole["results"])
    networks = search(http, "forum", kind="Network")
    assert networks["total"] == whole["kinds"]["Network"]
    assert {hit["kind"] for hit in networks["results"]} == {"Network"}
    assert networks["results"][0]["kindLabel"] == "réseau"
    assert search(http, "forum", kind="Network", lang="en")["results"][0]["kindLabel"] == "network"


def test_results_speak_the_language_asked_for(http: httpx.Client) -> None:
    french, english = search(http, "gsef"), search(http, "gsef", lang="en")
    assert french["results"][0]["label"] == french["results"][0]["labels"]["fr"]
    assert english["results"][0]["label"] == english["results"][0]["labels"]["en"]
    accepted = http.get("/search", params={"q": "gsef"}, headers={"Accept-Language": "en"})
    assert accepted.json() == english
    assert accepted.headers["content-language"] == "en"
    assert "Accept-Language" in accepted.headers["vary"]


def test_every_entity_is_found_by_its_own_labels(http: httpx.Client) -> None:
    query = f"""PREFIX rdfs: <{names.RDFS}> SELECT ?x ?label {{ GRAPH <{names.REGISTER}> {{
      ?x a ?type ; rdfs:label ?label }} FILTER (STRSTARTS(STR(?x), "{names.ID}")) }} ORDER BY ?x"""
    rows = http.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    assert len(rows) > 500
    for row in rows[::7]:
        label = row["label"]["value"]
        found = search(http, label, lang=row["label"]["xml:lang"])["results"]
        best = [hit["id"] for hit in found if hit["score"] >= 97]
        assert row["x"]["value"] in best, label


def test_pages_of_results(http: httpx.Client) -> None:
    whole = search(http, "forum", limit="100")["results"]
    path, joined = "/search?q=forum&limit=5", []
    while path:
        answer = http.get(path)
        joined += answer.json()["results"]
        found = re.search(r'<([^>]*)>; rel="next"', answer.headers.get("link", ""))
        path = found[1] if found else ""
    assert joined == whole


def test_suggestions_complete_what_is_typed(http: httpx.Client) -> None:
    answer = http.get("/suggest", params={"q": "bam"})
    results = answer.json()["results"]
    assert results[0]["id"] == names.ID + "bamako"
    assert results[0]["highlight"] == "<mark>Bamako</mark>"
    assert results[0]["prefixed"] == "id:bamako"
    keys = {"id", "prefixed", "url", "label", "kind", "kindLabel", "highlight"}
    assert set(results[0]) == keys
    assert len(http.get("/suggest", params={"q": "forum", "limit": "3"}).json()["results"]) == 3
    for result in results:
        assert http.get(result["url"]).status_code in (200, 303)


#: As many words as 200 characters may have that are no articles.
MANY = " ".join(f"{a}{b}" for a in "bctpm" for b in "aeiouyrlshnt")


def test_forty_words_are_sought_and_no_more(http: httpx.Client) -> None:
    """Each costs a reading of the index, and nobody else's search runs meanwhile."""

    def found(words: list[str]) -> Any:
        return http.get("/search", params={"q": " ".join(words)}).json()["results"]

    assert found(["ess"] * 40)
    assert found(["ess"] * 40 + ["forum"]) == found(["ess"] * 40)
    assert found(["ess"] * 39 + ["forum"]) != found(["ess"] * 40)


def test_the_searches_of_one_client_keep_no_other_waiting(server: str) -> None:
    """One that sends many long ones at once has its turn like everybody."""
    host, port = server.removeprefix("http://").split(":")
    with (
        ExitStack() as stack,
        httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), timeout=60) as other,
    ):
        assert other.get(f"{server}/health").status_code == 200
        busy = []
        for n in range(30):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            path = f"/search?q={quote(MANY)}{n}"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            busy.append(connection)
        time.sleep(0.05)
        assert other.get(f"{server}/search", params={"q": "bamako"}).json()["total"] > 0
        answered, _, _ = select.select(busy, [], [], 0)
        assert len(answered) < 15


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/search", "q is the text to look for"),
        ("/search?q=", "q is the text to look for"),
        ("/search?q=" + "a" * 201, "q is the text to look for"),
        ("/search?q=a&kind=Village", "no kind is named"),
        ("/search?q=a&limit=101", "limit is a whole number"),
        ("/search?q=a&page=2", "unknown parameter: page"),
        ("/suggest?q=a&q=b", "given twice"),
    ],
)
def test_what_cannot_be_sought_is_a_400(http: httpx.Client, path: str, reason: str) -> None:
    answer = http.get(path, headers={"Accept-Language": "en"})
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]


@given(q=st.text(min_size=1, max_size=60))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_sought_nothing_breaks(http: httpx.Client, q: str) -> None:
    answer = http.get("/search", params={"q": q})
    assert answer.status_code == (200 if q.strip() else 400)
    for hit in answer.json().get("results", []):
        assert not re.search(r"<(?!/?mark>)", hit["highlight"])


def test_conditions_and_methods(http: httpx.Client) -> None:
    whole = http.get("/search", params={"q": "forum"})
    again = http.get(
        "/search", params={"q": "forum"}, headers={"If-None-Match": whole.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert http.post("/search", params={"q": "forum"}).status_code == 405
    assert http.get("/search?q=a", headers={"Accept": "image/png"}).status_code == 406
    assert http.get("/search?q=forum&format=").content == whole.content
    assert http.get("/search?q=forum&format=csv").status_code == 406


def test_the_same_data_give_the_same_index(built: Path, tmp_path: Path) -> None:
    build(Project(ROOT), tmp_path)
    for name in ("search.db", "evidence.json"):
        assert (open_snapshot(tmp_path).directory / name).read_bytes() == (
            open_snapshot(built).directory / name
        ).read_bytes()
