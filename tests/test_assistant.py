"""``essgraph mcp``, driven by the client of the official SDK over standard input and output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from conftest import ROOT
from mcp import Client, StdioServerParameters

from essgraph import catalog, names

T = TypeVar("T")
Call = Callable[..., Awaitable[Any]]


def session(built: Path, talk: Callable[[Client], Awaitable[T]], locale: str = "en") -> T:
    """A conversation with a server of its own, started by someone with that locale."""

    async def run() -> T:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-c", "from essgraph.cli import main; main()", "mcp",
                  "--project", str(ROOT), "--out", str(built), "--timeout", "2"],
            env={**os.environ, "LC_ALL": locale},
        )  # fmt: skip
        async with Client(parameters, read_timeout_seconds=60) as client:
            return await talk(client)

    return anyio.run(run)


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    text = "".join(getattr(part, "text", "") for part in result.content)
    assert not result.is_error, text
    return json.loads(text)


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return "".join(getattr(part, "text", "") for part in result.content)


def test_the_tools_answer_from_the_graph(built: Path) -> None:
    async def talk(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {
            "search", "describe_entity", "list_questions", "run_question", "sparql", "check_claim",
        }  # fmt: skip
        assert all(tool.description for tool in tools.values())

        found = await call(client, "search", text="bamacko")
        assert found["results"][0]["id"] == "id:bamako"

        described = await call(client, "describe_entity", entity="id:remcess-delegation-2019")
        assert described["id"] == "id:remcess-delegation-2019"
        member = next(f for f in described["statements"] if f["property"] == "ess:memberOf")
        assert member["value"] == "id:remcess"
        assert member["passages"]

        listed = await call(client, "list_questions")
        questions = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
        assert {question["name"] for question in listed["questions"]} == set(questions)
        # Under their subjects, so that an assistant sees what can be asked.
        subjects = [question["subject"] for question in listed["questions"]]
        assert list(dict.fromkeys(subjects)) == [words.en for words in catalog.SUBJECTS.values()]
        assert subjects == sorted(subjects, key=list(dict.fromkeys(subjects)).index)
        narrowed = await call(client, "list_questions", about="Villes et pays", language="fr")
        assert {q["subject"] for q in narrowed["questions"]} == {"Villes et pays"}
        narrowed = await call(client, "list_questions", about="membership")
        assert "members" in {question["name"] for question in narrowed["questions"]}

        answer = await call(
            client, "run_question", name="members", parameters={"body": "id:remcess"}
        )
        (row,) = answer["rows"]
        assert row["member"] == "id:remcess-delegation-2019"
        assert set(row["passages"]) == set(answer["passages"])
        assert all(answer["passages"].values())

        counted = await call(client, "sparql", query="SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
        assert int(counted["rows"][0]["n"]) > 9_000
        many = await call(client, "sparql", query="SELECT * { ?s ?p ?o } LIMIT 100", limit=5)
        assert (len(many["rows"]), many["total"]) == (5, 100)
        assert (await call(client, "sparql", query="ASK { ?s ?p ?o }"))["boolean"] is True

    session(built, talk)


def test_a_kind_is_known_by_any_of_its_names_or_told_to_be_none(built: Path) -> None:
    async def talk(client: Client) -> None:
        for kind in ("City", "city", "Ville", "ess:City", f"{names.ESS}City"):
            found = await call(client, "search", text="bamako", kind=kind)
            assert [hit["id"] for hit in found["results"]] == ["id:bamako"], kind
        told = await refused(client, "search", text="bamako", kind="planet")
        assert 'no kind is named "planet" (there are: AgentGroup, City' in told
        told = await refused(client, "search", text="bamako", kind="planet", language="fr")
        assert "il y a : AgentGroup, City" in told
        few = await call(client, "search", text="bamako", limit=-1)
        assert len(few["results"]) == 1
        body = {"body": "id:remcess"}
        far = await call(client, "run_question", name="members", parameters=body, offset=10**30)
        assert far["rows"] == []

    session(built, talk)


def test_errors_are_told_in_full(built: Path) -> None:
    async def talk(client: Client) -> None:
        assert "line 1, column" in await refused(client, "sparql", query="SELECT * { ?s ?p ")
        assert "read-only" in await refused(client, "sparql", query="DELETE WHERE { ?s ?p ?o }")
        slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
        assert "the time limit of 2 s" in await refused(client, "sparql", query=slow)
        wrong = await refused(client, "run_question", name="members", parameters={"body": "3"})
        assert "nothing is named" in wrong
        for name, said in (
            ("nothing", '"nothing" (all questions: list_questions)'),
            ("membres", '"membres"; did you mean members? (all questions: list_questions)'),
        ):
            assert said in await refused(client, "run_question", name=name)
        assert "no property is named" in await refused(
            client, "check_claim", subject="id:bamako", property="colour", text="blue"
        )
        assert "may name several entities" in await refused(
            client, "check_claim", subject="Saint-Denis", property="is a", object="city"
        )
        # And the server answers on.
        assert (await call(client, "sparql", query="ASK {}"))["boolean"] is True

    session(built, talk)


def told(schema: dict[str, Any]) -> dict[str, str]:
    """What the schema of a tool's arguments says of each."""
    return {name: of.get("description", "") for name, of in schema["properties"].items()}


def test_the_server_speaks_the_language_of_its_user_whole(built: Path) -> None:
    async def talk(client: Client) -> tuple[str, dict[str, Any]]:
        return client.instructions or "", {t.name: t for t in (await client.list_tools()).tools}

    french, fr = session(built, talk, "fr_FR.UTF-8")
    english, en = session(built, talk, "en")
    assert "passage" in french
    assert "passage" in english
    assert french != english
    assert list(fr) == list(en)
    for name, tool in en.items():
        other = fr[name]
        assert tool.title and other.title and tool.title != other.title, name  # noqa: PT018
        assert tool.description and other.description, name  # noqa: PT018
        assert tool.description != other.description, name
        own, others = told(tool.input_schema), told(other.input_schema)
        assert list(own) == list(others), name
        for argument in own:
            assert own[argument] and others[argument], (name, argument)  # noqa: PT018
            assert own[argument] != others[argument], (name, argument)
        answering = tool.input_schema["properties"].get("language")
        if answering:  # the language of answers is that of the user too, unless one asks
            assert answering["default"] == "en"
            assert other.input_schema["properties"]["language"]["default"] == "fr"


def test_answers_and_errors_are_in_the_language_of_the_user_unless_one_asks(built: Path) -> None:
    async def talk(client: Client) -> None:
        congress = {"entity": "id:aimf-congress-2013"}
        for own, label in (({}, "33e congrès de"), ({"language": "en"}, "33rd congress of")):
            found = await call(client, "describe_entity", **congress, **own)
            assert label in found["label"]
        listed = await call(client, "list_questions", about="membres")
        members = next(q for q in listed["questions"] if q["name"] == "members")
        assert "par défaut" in members["parameters"]["body"]
        refusal = await refused(client, "sparql", query="DELETE WHERE { ?s ?p ?o }")
        assert "lecture seule" in refusal
        assert "ligne 1, colonne" in await refused(client, "sparql", query="SELECT * { ?s ?p ")
        other = await refused(client, "search", text="bamako", kind="planet", language="en")
        assert "there are: " in other

    session(built, talk, "fr_FR.UTF-8")


@contextmanager
def greeted(built: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that has answered a greeting; what it says beside goes to ``folder``/err."""
    with (folder / "err").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", "from essgraph.cli import main; main()", "mcp",
             "--project", str(ROOT), "--out", str(built)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}}  # fmt: skip
    try:
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.flush()
        assert b"serverInfo" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def test_ctrl_c_ends_it_at_once(built: Path, tmp_path: Path) -> None:
    with greeted(built, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT  # while its standard input is still open
    assert (tmp_path / "err").read_text() == ""


def test_an_assistant_that_left_is_no_fault(built: Path, tmp_path: Path) -> None:
    with greeted(built, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(b'{"jsonrpc": "2.0", "id": 2, "method": "ping"}\n')
        process.stdin.flush()
        process.stdin.close()
        assert process.wait(20) == 0
    assert (tmp_path / "err").read_text() == ""


#: Claims that the sources bear out, rule out, and leave open: each was read against the texts.
SUPPORTED = (
    ("id:remcess-delegation-2019", "member of", {"object": "REMCESS"}),
    ("delegation of mayors of the remcess (2019)", "size", {"text": "5"}),
    ("sommet pact for impact 2019", "start date", {"text": "2019-07-10"}),
    ("id:pact-for-impact-summit-2019", "date de début", {"text": "2019"}),
    ("id:founding-of-remcess", "schema:startDate", {"text": "2016"}),
    ("id:founding-of-remcess", "resulted in", {"object": "remcess"}),
    ("id:aimf-congress-2013", "located in", {"object": "Paris"}),
    ("id:aimf-congress-2013", "located in", {"object": "France"}),
    ("id:rtes-international-meeting-2019", "organizer", {"object": "RTES"}),
    ("id:rtes-international-meeting-2019", "participant", {"object": "RTES"}),
    ("Bamako", "is a", {"object": "city"}),
    ("Bamako", "located in", {"object": "Mali"}),
    ("REMCESS", "est un", {"object": "réseau"}),
    ("id:blue-territories-label", "status", {"object": "status:idea"}),
    ("GSEF", "acronym", {"text": "gsef"}),
)
CONTRADICTED = (
    ("delegation of mayors of the remcess (2019)", "size", {"text": "6"}),
    ("id:pact-for-impact-summit-2019", "start date", {"text": "2019-08-01"}),
    ("id:founding-of-remcess", "start date", {"text": "2015"}),
    ("Bamako", "located in", {"object": "France"}),
    ("Mali", "located in", {"object": "Bamako"}),
    ("Bamako", "is a", {"object": "event"}),
    ("REMCESS", "is a", {"object": "person"}),
    ("id:blue-territories-label", "status", {"object": "status:established"}),
    ("id:gsef-global-virtual-forum", "start date", {"text": "2020-10-04"}),
    ("id:founding-of-remcess", "event type", {"object": "event-type:forum"}),
)
ABSENT = (
    ("AIMF", "start date", {"text": "1979"}),
    ("Bamako", "member of", {"object": "AIMF"}),
    ("Bamako", "member of", {"object": "Rotary Club"}),
    ("Reykjavik", "located in", {"object": "France"}),
    ("id:founding-of-remcess", "start date", {"text": "2016-05-01"}),
    ("id:pact-for-impact-summit-2019", "organizer", {"object": "AIMF"}),
    ("id:rtes-international-meeting-2019", "speaker", {"object": "RTES"}),
    ("Tunis", "located in", {"object": "Carthage"}),
    ("REMCESS", "located in", {"object": "Mali"}),
    ("GSEF", "acronym", {"text": "FMES"}),
)


@pytest.mark.parametrize(
    ("verdict", "claims"),
    [
        ("supported", SUPPORTED),
        ("contradicted", CONTRADICTED),
        ("not in the sources", ABSENT),
    ],
    ids=["supported", "contradicted", "absent"],
)
def test_claims_are_judged_right_all_of_them(
    built: Path, verdict: str, claims: tuple[tuple[str, str, dict[str, str]], ...]
) -> None:
    async def talk(client: Client) -> list[tuple[Any, Any]]:
        judged = []
        for subject, prop, target in claims:
            found = await call(client, "check_claim", subject=subject, property=prop, **target)
            judged.append(((subject, prop, *target.values()), found))
        return judged

    judged = session(built, talk)
    assert [(claim, found["verdict"]) for claim, found in judged] == [
        (claim, verdict) for claim, _ in judged
    ]
    for claim, found in judged:
        assert found["reason"]
        # What the register alone knows (kinds, places, names) has no passage.
        known = claim[1] in ("is a", "est un", "acronym") or claim[0] in ("Bamako", "Mali")
        if verdict == "not in the sources":
            assert not found.get("passages")
        elif not known:
            assert found["passages"], claim
            assert all(p["passage"] and p["summary"] for p in found["passages"])
