"""Reconciliation Service API 0.2: its messages by their schemas, an independent client, and
matching of noisy names.

No package carries the specification's JSON schemas; those below were written from its text
(https://reconciliation-api.github.io/specs/0.2/), each named by its section. They are closed
where the specification lists all members, so that a misspelt member is found; docs/library.md says
when they were compared with the official ones.
"""

from __future__ import annotations

import json
import random
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema
import pandas as pd
import pytest
import reconciler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from essgraph import names

STRING = {"type": "string"}
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"}
INTEGER = {"type": "integer"}
TEMPLATE = {"type": "string", "pattern": r"\{\{id\}\}"}


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


TYPE = closed({"id": STRING}, name=STRING)
PLACE = closed({"service_url": STRING, "service_path": {"type": "string", "pattern": "^/"}})
SUGGEST = closed(
    {"service_url": STRING, "service_path": {"type": "string", "pattern": "^/"}},
    flyout_service_url=STRING,
    flyout_service_path={"type": "string", "pattern": r"\$\{id\}"},
)
SCHEMAS: dict[str, dict[str, Any]] = {
    # 4.3
    "manifest": closed(
        {
            "versions": {**array(STRING), "contains": {"const": "0.2"}},
            "name": STRING,
            "identifierSpace": {"type": "string", "format": "uri"},
            "schemaSpace": {"type": "string", "format": "uri"},
        },
        documentation=STRING,
        serviceVersion=STRING,
        logo=STRING,
        batchSize=INTEGER,
        view=closed({"url": TEMPLATE}),
        feature_view=closed({"url": TEMPLATE}),
        defaultTypes={**array(TYPE), "uniqueItems": True},
        preview=closed({"url": TEMPLATE, "width": INTEGER, "height": INTEGER}),
        suggest=closed({}, entity=SUGGEST, type=SUGGEST, property=SUGGEST),
        extend=closed({}, propose_properties=PLACE, property_settings=array({"type": "object"})),
    ),
    # 5.2
    "results": {
        "type": "object",
        "additionalProperties": closed(
            {
                "result": array(
                    closed(
                        {"id": STRING, "name": STRING, "score": {"type": "number"}},
                        description=STRING,
                        type=array(TYPE),
                        match={"type": "boolean"},
                        features=array(
                            closed({"id": STRING, "value": {"type": ["number", "boolean"]}})
                        ),
                    )
                )
            }
        ),
    },
    # 6
    "suggestions": closed(
        {
            "result": array(
                closed({"id": STRING, "name": STRING}, description=STRING, notable=array(TYPE))
            )
        }
    ),
    # 7.2
    "properties": closed(
        {"properties": array(closed({"id": STRING, "name": STRING}))},
        type=STRING,
        limit={"type": "integer"},
    ),
    # 7.4
    "extension": closed(
        {
            "meta": array(closed({"id": STRING, "name": STRING}, type=TYPE)),
            "rows": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": array(
                        {
                            "oneOf": [
                                closed({"id": STRING, "name": STRING}, description=STRING),
                                closed({"str": STRING}),
                                closed({"int": {"type": "integer"}}),
                                closed({"float": {"type": "number"}}),
                                closed({"date": DATE}),
                                closed({}),
                            ]
                        }
                    ),
                },
            },
        }
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{server}/reconcile", headers={"Accept-Language": "fr"}, timeout=60
    ) as client:
        yield client


def valid(answer: httpx.Response, schema: str) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    jsonschema.Draft202012Validator(SCHEMAS[schema]).validate(answer.json())
    return answer.json()


def ask(http: httpx.Client, queries: dict[str, Any]) -> Any:
    answer = http.post("", data={"queries": json.dumps(queries)})
    return valid(answer, "results")


def test_the_manifest_names_addresses_that_answer(http: httpx.Client, server: str) -> None:
    manifest = valid(http.get(""), "manifest")
    assert manifest["view"]["url"].replace("{{id}}", "bamako") == f"{server}/id/bamako"
    for service in manifest["suggest"].values():
        valid(
            httpx.get(service["service_url"] + service["service_path"], params={"prefix": "b"}),
            "suggestions",
        )
    preview = httpx.get(manifest["preview"]["url"].replace("{{id}}", "bamako"))
    assert preview.status_code == 200
    assert preview.headers["content-type"].startswith("text/html")
    assert "Bamako" in preview.text
    assert "<script" not in preview.text
    propose = manifest["extend"]["propose_properties"]
    valid(httpx.get(propose["service_url"] + propose["service_path"] + "?type=City"), "properties")


def test_queries_by_get_and_post(http: httpx.Client) -> None:
    queries = {"q0": {"query": "Bamako", "type": "City", "limit": 3}, "q1": {"query": "A.I.M.F."}}
    answers = ask(http, queries)
    assert answers == valid(http.get("", params={"queries": json.dumps(queries)}), "results")
    assert [answers[key]["result"][0]["id"] for key in queries] == ["bamako", "aimf"]
    assert all(answers[key]["result"][0]["match"] for key in queries)
    assert len(answers["q0"]["result"]) <= 3


def test_caches_tell_codings_and_languages_apart(http: httpx.Client) -> None:
    for path in ("", "/suggest/entity?prefix=mon", "/preview?id=bamako"):
        answer = http.get(path, headers={"Accept-Encoding": "gzip"})
        assert {"Accept-Encoding", "Accept-Language"} <= set(answer.headers["vary"].split(", "))


def test_types_and_properties_tell_namesakes_apart(http: httpx.Client) -> None:
    query = {"query": "Saint-Denis"}
    alike = ask(http, {"q": query})["q"]["result"]
    assert not any(candidate["match"] for candidate in alike), "two cities bear the name"
    cities = ask(http, {"q": {**query, "type": "City"}})["q"]["result"]
    assert all({"id": "City", "name": "ville"} in c["type"] for c in cities)
    everywhere = ask(http, {"q": {**query, "type": ["City", "Network"]}})["q"]["result"]
    assert {c["id"] for c in cities} <= {c["id"] for c in everywhere}
    assert all({t["id"] for t in c["type"]} & {"City", "Network"} for c in everywhere)
    assert ask(http, {"q": {**query, "type": "Unheard"}})["q"]["result"] == []
    placed = ask(
        http, {"q": {**query, "properties": [{"pid": "ess:locatedIn", "v": "La Réunion"}]}}
    )["q"]["result"]
    assert placed[0]["id"] == "saint-denis-la-reunion"
    assert {"name", "properties"} == {f["id"] for f in placed[0]["features"]}


def test_an_empty_cell_spoils_no_batch(http: httpx.Client) -> None:
    answers = ask(http, {"q0": {"query": ""}, "q1": {"query": "Bamako"}})
    assert answers["q0"] == {"result": []}
    assert answers["q1"]["result"][0]["id"] == "bamako"


@pytest.mark.filterwarnings("ignore")  # of the client, which is older than its pandas
def test_an_independent_client_reconciles_a_table(server: str) -> None:
    """The package ``reconciler``, on a table of cities and countries as a researcher has it."""
    table = pd.DataFrame(
        {
            "city": ["Bamako", "dakar", "SEOUL", "Genève", "bamako"],
            "country": ["Mali", "Sénégal", "Corée du Sud", "Suisse", "Mali"],
        }
    )
    found = reconciler.reconcile(
        table["city"],
        type_id="City",
        property_mapping={"ess:locatedIn": table["country"]},
        reconciliation_endpoint=f"{server}/reconcile",
    )
    told = dict(zip(found["input_value"], found["id"], strict=True))
    assert told == {
        "Bamako": "bamako",
        "dakar": "dakar",
        "SEOUL": "seoul",
        "Genève": "geneva",
        "bamako": "bamako",
    }
    assert found["match"].all()
    assert set(found["type_id"]) == {"City"}


def test_a_query_may_have_properties_alone(http: httpx.Client) -> None:
    answers = ask(
        http,
        {
            "code": {"type": "Country", "properties": [{"pid": "ess:isoCode", "v": "ml"}]},
            "acronym": {"properties": [{"pid": "ess:acronym", "v": "AIMF"}]},
            "place": {
                "type": "City",
                "properties": [{"pid": "ess:locatedIn", "v": {"id": "mali"}}],
            },
            "named": {"type": "City", "properties": [{"pid": "ess:locatedIn", "v": "Sénégal"}]},
            "other": {"type": "City", "properties": [{"pid": "ess:acronym", "v": "AIMF"}]},
            "quotes": {"properties": [{"pid": "ess:acronym", "v": '")) } UNION { ?x ?p "'}]},
        },
    )
    found = {key: [c["id"] for c in answer["result"]] for key, answer in answers.items()}
    assert found == {
        "code": ["mali"],
        "acronym": ["aimf"],
        "place": ["bamako"],
        "named": ["dakar"],
        "other": [],
        "quotes": [],
    }
    assert answers["code"]["result"][0]["match"]


def test_suggestions(http: httpx.Client) -> None:
    entities = valid(http.get("/suggest/entity", params={"prefix": "bam"}), "suggestions")
    assert entities["result"][0]["id"] == "bamako"
    types = valid(http.get("/suggest/type", params={"prefix": "rés"}), "suggestions")
    assert types["result"] == [{"id": "Network", "name": "réseau"}]
    properties = valid(http.get("/suggest/property", params={"prefix": "situé"}), "suggestions")
    assert properties["result"] == [{"id": "ess:locatedIn", "name": "situé dans"}]


def test_data_extension(http: httpx.Client) -> None:
    proposed = valid(http.get("/properties", params={"type": "City", "limit": "6"}), "properties")
    assert len(proposed["properties"]) == 6
    query = {
        "ids": ["bamako", "remcess", "nobody"],
        "properties": [{"id": "ess:locatedIn"}, {"id": "geo:lat"}, {"id": "ess:acronym"}],
    }
    answer = http.post("", data={"extend": json.dumps(query)})
    rows = valid(answer, "extension")["rows"]
    assert rows["bamako"]["ess:locatedIn"] == [{"id": "mali", "name": "Mali"}]
    assert rows["bamako"]["geo:lat"][0]["float"] == pytest.approx(12.6, abs=0.1)
    assert rows["remcess"]["ess:acronym"] == [{"str": "REMCESS"}]
    assert rows["nobody"] == {"ess:locatedIn": [], "geo:lat": [], "ess:acronym": []}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queries", "{"),
        ("queries", "[]"),
        ("queries", "[" * 100_000),
        ("queries", '{"q": 3}'),
        ("queries", '{"q": {}}'),
        ("queries", '{"q": {"type": "City"}}'),
        ("queries", '{"q": {"query": "a", "type_strict": "some"}}'),
        ("queries", '{"q": {"query": "a", "type_strict": []}}'),
        ("queries", '{"q": {"query": "a", "limit": 0}}'),
        ("queries", '{"q": {"query": "a", "limit": "1"}}'),
        ("queries", '{"q": {"query": "a", "limit": NaN}}'),
        ("queries", '{"\\ud800": {"query": "a"}}'),
        ("queries", '{"\\ud800": 1}'),
        ("queries", '{"q": {"query": "a", "type": 3}}'),
        ("queries", '{"q": {"query": "a", "properties": [{"pid": "x"}]}}'),
        ("extend", "{}"),
        ("extend", '{"ids": "bamako", "properties": []}'),
        ("extend", '{"ids": [], "properties": [3]}'),
        ("extend", '{"ids": ["\\ud800"], "properties": []}'),
        ("extend", '{"ids": [], "properties": [{"id": "\\ud800"}]}'),
    ],
)
def test_a_malformed_request_is_a_400_that_says_why(
    http: httpx.Client, field: str, value: str
) -> None:
    answer = http.post("", data={field: value})
    assert answer.status_code == 400
    assert field in answer.json()["detail"]


def test_many_values_keep_nobody_waiting(http: httpx.Client) -> None:
    """As many as may be, each compared with all that the likeliest entities have: beside the
    loop. More are refused."""
    names_ = [f"ville {n} économie" for n in range(51)]

    def ask(values: list[str]) -> httpx.Response:
        query = {
            "query": "économie sociale et solidaire",
            "limit": 50,
            "properties": [{"pid": "rdf:type", "v": values}],
        }
        return http.post("", data={"queries": json.dumps({"q": query})}, timeout=60)

    refused = ask(names_)
    assert refused.status_code == 400
    assert "50" in refused.json()["detail"]
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(ask, names_[:50])
        waits = []
        while not asked.done():
            begun = time.monotonic()
            http.get("/properties", params={"limit": "a"})  # refused before anything is read
            waits.append(time.monotonic() - begun)
    assert asked.result().status_code == 200
    assert max(waits) < 0.5


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    batch=st.dictionaries(
        st.text(max_size=4),
        JSON_VALUES
        | st.fixed_dictionaries(
            {"query": st.text(max_size=20)},
            optional={
                "limit": JSON_VALUES,
                "type": JSON_VALUES,
                "properties": st.lists(
                    st.fixed_dictionaries({"pid": st.text(max_size=30), "v": JSON_VALUES}),
                    max_size=2,
                ),
            },
        ),
        max_size=3,
    )
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_sent_nothing_breaks(http: httpx.Client, batch: dict[str, Any]) -> None:
    answer = http.post("", data={"queries": json.dumps(batch)})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        valid(answer, "results")


# --- Noisy names ------------------------------------------------------------------------------

KINDS = ("Territory", "Organization", "Person", "Event", "Initiative", "ReferenceText")


def unaccented(name: str, _: random.Random) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))


def recased(name: str, chance: random.Random) -> str:
    return chance.choice((str.upper, str.lower, str.title))(name)


def abbreviated(name: str, chance: random.Random) -> str:
    words = name.split()
    long = [i for i, word in enumerate(words) if len(word) > 6 and word.isalpha()]
    for i in chance.sample(long, min(2, len(long))):
        words[i] = words[i][: chance.randint(3, 5)] + "."
    return " ".join(words)


def reordered(name: str, chance: random.Random) -> str:
    words = name.split()
    if len(words) > 1:
        cut = chance.randrange(1, len(words))
        words = [*words[cut:], *words[:cut]]
    return " ".join(words)


def mistyped(name: str, chance: random.Random) -> str:
    """One error for every ten letters: two swapped, one lost, one doubled or one wrong."""
    letters = list(name)
    for _ in range(1 + len(name) // 10):
        at = chance.randrange(len(letters) - 1)
        kind = chance.randrange(4)
        if kind == 0:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif kind == 1 and len(letters) > 3:
            del letters[at]
        elif kind == 2:
            letters.insert(at, letters[at])
        else:
            letters[at] = chance.choice("aeinorst")
    return "".join(letters)


NOISE: tuple[Callable[[str, random.Random], str], ...] = (
    unaccented,
    recased,
    abbreviated,
    reordered,
    mistyped,
)


def noisy_names(server: str) -> list[tuple[str, str, str]]:
    """200 names with one or two kinds of noise, the entities that bear them, and the kind."""
    kinds = " ".join(f"<{names.ESS}{kind}>" for kind in KINDS)
    query = f"""SELECT DISTINCT ?x ?label {{ VALUES ?kind {{ {kinds} }}
      ?x a ?kind ; <{names.RDFS}label> ?label }} ORDER BY ?x ?label"""
    rows = httpx.get(f"{server}/sparql", params={"query": query}).json()["results"]["bindings"]
    chance = random.Random(7)
    made = []
    for n, row in enumerate(chance.sample(rows, 200)):
        name = row["label"]["value"]
        kinds_of_noise = [NOISE[n % len(NOISE)]]
        if n % 3 == 0:
            kinds_of_noise.append(NOISE[(n // 3 + 1) % len(NOISE)])
        for noise in kinds_of_noise:
            name = noise(name, chance)
        told = "+".join(noise.__name__ for noise in kinds_of_noise)
        made.append((name, row["x"]["value"].removeprefix(names.ID), told))
    return made


def test_noisy_names_are_matched(http: httpx.Client, server: str) -> None:
    """The figures are those of docs/library.md: what is called a match is nearly always right, and
    what is meant is nearly always there."""
    cases = noisy_names(server)
    assert len({name for name, _, _ in cases}) >= 190
    answers = ask(http, {str(n): {"query": name} for n, (name, _, _) in enumerate(cases)})
    matched = right = first = listed = 0
    for n, (_, entity, _) in enumerate(cases):
        candidates = answers[str(n)]["result"]
        ids = [candidate["id"] for candidate in candidates]
        first += ids[:1] == [entity]
        listed += entity in ids
        if candidates and candidates[0]["match"]:
            matched += 1
            right += ids[0] == entity
    print(f"precision {right}/{matched}, recall {right}/200, first {first}, listed {listed}")
    assert right / matched >= 0.99
    assert right / len(cases) >= 0.90
    assert first / len(cases) >= 0.98
    assert listed / len(cases) >= 0.98


def test_names_of_others_are_not_matched(http: httpx.Client) -> None:
    """Names that the sources do not hold: none is taken for another."""
    strangers = (
        "Reykjavik", "Ulan Bator", "Valparaíso", "Ouarzazate", "Winnipeg", "Greenpeace",
        "Croix-Rouge internationale", "Université de Coimbra", "Banque du Japon",
        "Marie Curie", "Jean Moulin", "Traité de Rome", "Exposition universelle de 1889",
        "International Olympic Committee", "Ligue des champions", "Forum économique de Davos",
    )  # fmt: skip
    answers = ask(http, {name: {"query": name} for name in strangers})
    for name in strangers:
        assert not any(c["match"] for c in answers[name]["result"]), (name, answers[name])
