"""The OpenAPI description: whole, valid, and true of whatever it allows (Schemathesis)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import schemathesis
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from essgraph import catalog
from essgraph.service.pages import wording

QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
#: The fields of OpenAPI 3.1 that speak to people; the last is an extension, which viewers read.
PROSE = ("title", "summary", "description", "x-displayName")


def described(server: str, language: str) -> Any:
    """The description in a language that its address names."""
    return httpx.get(f"{server}/openapi.json", params={"lang": language}).json()


def prose(part: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """What the description says to people, and where."""
    if isinstance(part, dict):
        for name, inside in part.items():
            if name in PROSE and isinstance(inside, str):
                yield f"{place}/{name}", inside
            else:
                yield from prose(inside, f"{place}/{name}")
    elif isinstance(part, list):
        for number, inside in enumerate(part):
            yield from prose(inside, f"{place}/{number}")


def bare(part: Any) -> Any:
    """The description without what it says to people."""
    if isinstance(part, dict):
        spoken = {n for n, inside in part.items() if n in PROSE and isinstance(inside, str)}
        return {name: bare(inside) for name, inside in part.items() if name not in spoken}
    return [bare(inside) for inside in part] if isinstance(part, list) else part


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_description_is_valid_in_each_language(server: str, language: str) -> None:
    schemathesis.openapi.from_url(f"{server}/openapi.json?lang={language}").validate()


def test_whatever_is_described_is_described_in_both_languages(server: str) -> None:
    french, english = described(server, "fr"), described(server, "en")
    assert french["info"]["license"] != english["info"]["license"]
    french["info"]["license"] = english["info"]["license"]
    assert bare(french) == bare(english)
    fr, en = dict(prose(french)), dict(prose(english))
    assert set(fr) == set(en)
    assert len(fr) > 800
    assert {place for place in fr if fr[place] == en[place]} == {"/info/title"}
    assert not {place for document in (fr, en) for place, said in document.items() if not said}


def test_nothing_is_left_without_a_description(server: str) -> None:
    document = described(server, "en")
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    lacking = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            at = f"{method} {path}"
            lacking += [] if operation.get("summary") else [at]
            lacking += [f"{at} {tag}" for tag in operation["tags"] if tag not in tags]
            parts = (
                *((parameter["name"], parameter) for parameter in operation["parameters"]),
                *operation["responses"].items(),
            )
            for name, part in parts:
                if "$ref" in part:
                    part = document["components"]["responses"][part["$ref"].rpartition("/")[2]]
                if not part.get("description"):
                    lacking.append(f"{at} {name}")
    assert not lacking


def test_the_description_is_in_the_language_asked_for(server: str) -> None:
    """As pages and problems are: by ``lang=``, then ``Accept-Language``, French by default."""
    fr, en = described(server, "fr"), described(server, "en")
    address = f"{server}/openapi.json"
    tags = set()
    for asked, parameters, language in (
        ("", {}, "fr"),
        ("de", {}, "fr"),
        ("en-GB, fr;q=0.5", {}, "en"),
        ("fr", {"lang": "en"}, "en"),
        ("en", {"lang": "fr"}, "fr"),
    ):
        answer = httpx.get(address, params=parameters, headers={"Accept-Language": asked})
        assert answer.json() == (fr if language == "fr" else en), (asked, parameters)
        assert answer.headers["content-language"] == language
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["vary"] == "Accept-Language, Accept-Encoding"
        assert answer.headers["cache-control"] == "public, max-age=60"
        tags.add((language, answer.headers["etag"]))
    assert len(tags) == len({tag for _, tag in tags}) == 2
    mine = dict(tags)["fr"]
    for language, status in (("fr", 304), ("en", 200)):
        headers = {"Accept-Language": language, "If-None-Match": mine}
        assert httpx.get(address, headers=headers).status_code == status
    refused = httpx.get(address, params={"lang": "de"})
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    head = httpx.head(address, params={"lang": "en"})
    assert (head.status_code, head.headers["content-language"], head.content) == (200, "en", b"")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_guide_leads_to_the_description_in_both_languages(server: str, language: str) -> None:
    page = httpx.get(f"{server}/docs", params={"lang": language}).text
    for other in ("fr", "en"):
        assert f'href="/openapi.json?lang={other}" hreflang="{other}"' in page


def test_the_catalogue_of_interfaces_names_the_description_in_both_languages(server: str) -> None:
    """RFC 9264, 4.2.4.1: ``hreflang`` is a list."""
    linkset = httpx.get(f"{server}/.well-known/api-catalog").json()["linkset"]
    named = {
        target["href"]: target["hreflang"]
        for context in linkset
        for target in context.get("service-desc", ())
        if "openapi" in target["href"]
    }
    assert named == {f"{server}/openapi.json?lang={known}": [known] for known in ("fr", "en")}


def test_no_server_error_and_no_undocumented_answer(server: str) -> None:
    """Each operation in turn: one test, for the description is there once the service is."""
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    checks: list[Any] = [CHECKS.get_one(name) for name in CHECKED]
    faults = []
    asked = 0
    operations = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    for operation, mode in itertools.product(operations, GenerationMode):

        @settings(
            max_examples=5,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=checks, allow_redirects=False)

        try:
            ask()
        except BaseExceptionGroup as group:
            faults.append(f"{operation.label}: {group.exceptions}")
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing to get wrong where there is nothing
    assert not faults, "\n".join(faults)
    assert asked > 300


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_question_is_described_with_examples(server: str, language: str) -> None:
    document = described(server, language)
    for name, question in QUESTIONS.items():
        operation = document["paths"][f"/queries/{name}"]["get"]
        for field, said in (("summary", question.title), ("description", question.description)):
            expected = wording.typographic(said.in_language(language), language)
            assert operation[field] == expected
        given = {p["name"]: p.get("example") for p in operation["parameters"]}
        for parameter in question.parameters:
            assert parameter.name in given
            if parameter.name != "lang":
                assert given[parameter.name] == parameter.value


def test_the_examples_are_answered_as_described(server: str) -> None:
    """Every operation with its examples, in every type that its answer may have, by its schema."""
    document = httpx.get(f"{server}/openapi.json").json()
    faults = []
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            given = {(p["in"], p["name"]): p.get("example") for p in operation["parameters"]}
            lacking = [p["name"] for p in operation["parameters"]
                       if p.get("required") and given[p["in"], p["name"]] is None]  # fmt: skip
            bodies = operation.get("requestBody", {"content": {"": {}}})["content"]
            lacking += [kind for kind, body in bodies.items() if kind and "example" not in body]
            if lacking:
                faults.append(f"{method} {path}: no example of {lacking}")
                continue
            values = {name: v for (where, name), v in given.items() if where == "query" and v}
            address = path.format(**{name: v for (where, name), v in given.items()
                                     if where == "path"})  # fmt: skip
            if "200" not in operation["responses"]:
                moved = httpx.get(server + address, params=values)
                asked += 1
                faults += [f"{method} {path}: {moved.status_code}"] * (moved.status_code != 303)
                continue
            types = operation["responses"]["200"]["content"]
            if "{suffix}" in path:  # the suffix of the example, not Accept, says which
                types = {next(iter(types)): {"schema": {}}}
            for (kind, body), wanted in itertools.product(bodies.items(), types):
                answer = httpx.request(
                    method,
                    server + address,
                    params=values,
                    headers={"Accept": wanted} | ({"Content-Type": kind} if kind else {}),
                    content=urlencode(body["example"])
                    if isinstance(body.get("example"), dict)
                    else body.get("example"),
                )
                asked += 1
                got = answer.headers.get("content-type", "").partition(";")[0]
                said = f"{method} {path} as {wanted}: {answer.status_code} {got}"
                if path == "/sparql" and answer.status_code == 406:
                    continue  # rows are had in one half of the types, graphs in the other
                if answer.status_code != 200 or got != wanted:
                    faults.append(said)
                elif wanted.endswith(("/json", "+json")):
                    schema = types[wanted]["schema"] | {"components": document["components"]}
                    faults += [
                        f"{said}: {e.message[:100]}"
                        for e in Draft202012Validator(schema).iter_errors(answer.json())
                    ]
    assert not faults, "\n".join(faults)
    assert asked > 500


def test_every_address_of_the_site_is_described(server: str) -> None:
    """The pages of the sitemap, and what the answers there link to, but for static files."""
    paths = httpx.get(f"{server}/openapi.json").json()["paths"]
    templates = [re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in paths]
    pages = re.findall(r"<loc>([^<]*)</loc>", httpx.get(f"{server}/sitemap.xml").text)
    assert len(pages) > 500
    found = {page.removeprefix(server) for page in pages}
    for path in ("/id/bamako", "/page/bamako", "/data/bamako.ttl", "/passage/aimf-article-2019/1"):
        links = re.findall(r"<(/[^>]*)>", httpx.get(server + path).headers["link"])
        assert len(links) > 5
        found |= {path, *(link.partition("?")[0] for link in links)}
    missing = {p for p in found if not any(template.fullmatch(p) for template in templates)}
    assert not missing
