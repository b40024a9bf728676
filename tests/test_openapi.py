"""The OpenAPI description: whole, valid, and true of whatever it allows (Schemathesis)."""

from __future__ import annotations

import itertools
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import schemathesis
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from essgraph import catalog

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


def test_every_question_is_described_with_examples(server: str) -> None:
    document = httpx.get(f"{server}/openapi.json").json()
    for name, question in QUESTIONS.items():
        operation = document["paths"][f"/queries/{name}"]["get"]
        assert operation["summary"] == question.title.en
        assert question.title.fr in operation["description"]
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
