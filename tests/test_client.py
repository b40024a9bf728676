"""``essgraph.connect``: the same answers from a folder and a service; the notebook runs."""

from __future__ import annotations

import ast
import csv
import datetime
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

import essgraph
from essgraph import catalog, names
from essgraph.client import Graph
from essgraph.errors import EssgraphError, ProjectError, QueryError, SnapshotError, UnknownName

QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))


@pytest.fixture(scope="module", params=["folder", "service"])
def graph(request: pytest.FixtureRequest, built: Path, server: str) -> Graph:
    return essgraph.connect(built if request.param == "folder" else server)


def test_every_question_gives_the_golden_rows(graph: Graph) -> None:
    for name in QUESTIONS:
        text = (ROOT / "tests/golden" / f"{name}.csv").read_text("utf-8")
        columns, *golden = csv.reader(text.splitlines())
        rows = graph.query(name)
        assert rows.columns == columns
        assert len(rows) == len(golden), name
        for row, expected in zip(rows, golden, strict=True):
            # Text and IRIs stand as they are; numbers, days and truth values became Python's.
            for column, cell in zip(columns, expected, strict=True):
                if isinstance(row[column], str):
                    assert row[column] == cell
                elif row[column] is None:
                    assert cell == ""


def test_parameters_and_values(graph: Graph) -> None:
    rows = graph.query("members", body="id:remcess", lang="en")
    assert rows[0]["member"] == names.ID + "remcess-delegation-2019"
    assert graph.query("members", body="id:rtes") != rows
    for typed in ("remcess", "REMCESS"):
        assert [*graph.query("members", body=typed, lang="en")] == [*rows]
    values = graph.query(
        'SELECT (1 AS ?i) (1.5 AS ?d) (true AS ?b) ("2019-07-10"^^xsd:date AS ?day) '
        '("2019"^^xsd:gYear AS ?year) ("x"@fr AS ?text) ?unbound { }'
    )[0]
    assert values["i"] == 1
    assert float(values["d"]) == 1.5
    assert values["b"] is True
    assert values["day"] == datetime.date(2019, 7, 10)
    assert (values["year"], values["text"], values["unbound"]) == ("2019", "x", None)


def test_sparql_knows_our_prefixes(graph: Graph) -> None:
    cities = graph.query("SELECT ?c WHERE { ?c a ess:City } ORDER BY ?c")
    assert names.ID + "bamako" in [row["c"] for row in cities]
    assert graph.query("ASK { id:bamako a ess:City }")[0] == {"boolean": True}
    triples = graph.query("CONSTRUCT { ?s ess:size ?o } WHERE { ?s ess:size ?o }")
    assert triples.columns == ["subject", "predicate", "object"]
    assert {row["predicate"] for row in triples} == {names.ESS + "size"}


def test_an_entity(graph: Graph) -> None:
    for name in ("id:remcess", "remcess", names.ID + "remcess"):
        entity = graph.entity(name)
        assert entity.iri == names.ID + "remcess"
        assert entity["ess:acronym"] == ["REMCESS"]
        assert names.ESS + "Network" in entity["rdf:type"]
        assert names.ID + "remcess-delegation-2019" in entity.incoming["ess:memberOf"]
        assert entity.label("en") == "Network of Cameroonian Mayors for the SSE"
    assert len(graph.entity("id:nobody")) == 0


def test_frames(graph: Graph) -> None:
    rows = graph.query("networks")
    pandas, polars = rows.to_pandas(), rows.to_polars()
    assert list(pandas.columns) == polars.columns == rows.columns
    assert len(pandas) == len(polars) == len(rows)
    assert pandas["network"].tolist() == polars["network"].to_list()
    assert rows[1:3].columns == rows.columns
    assert "<table>" in rows._repr_html_()


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_frame_without_its_package_says_what_to_install(
    package: str, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = graph.query("ASK {}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'essgraph\[notebook\]'") as left:
        getattr(rows, f"to_{package}")()
    assert left.value.name == package


def test_faults_are_ours(graph: Graph, tmp_path: Path) -> None:
    for question, values in (
        ("nothing", {}),
        ("members", {"body": "3"}),
        ("members", {"bodies": "id:aimf"}),
        ("members", {"body": "id:nobody"}),
        ("SELECT * { ?s ?p", {}),
        ("SELECT * { ?s ?p ?o }", {"body": "id:aimf"}),
        ("DELETE WHERE { ?s ?p ?o }", {}),
    ):
        with pytest.raises(EssgraphError):
            graph.query(question, **values)
    with pytest.raises(QueryError):
        graph.entity("id:a> <b")
    with pytest.raises(ProjectError):
        essgraph.connect(tmp_path / "nowhere")
    with pytest.raises(SnapshotError):
        essgraph.connect(tmp_path)
    with pytest.raises(EssgraphError, match="does not answer"):
        essgraph.connect("http://127.0.0.1:9").query("members")


@pytest.mark.parametrize(
    ("question", "values", "french", "english"),
    [
        ("members", {"body": "3"}, "rien ne s'appelle", "nothing is named"),
        ("members", {"body": "3", "lang": "en"}, "rien ne s'appelle", "nothing is named"),
        ("members", {"body": "id:nobody"}, "rien ne s'appelle", "nothing is named"),
        ("members", {"bodies": "id:aimf"}, "paramètre inconnu", "unknown parameter"),
        ("SELECT * { ?s ?p \u0007 }", {}, "attendu", "expected"),
        ("DELETE WHERE { ?s ?p ?o }", {}, "lecture seule", "read-only"),
        ("ASK { ?s ?p ?o FILTER (?x ?y) }", {}, "attendu", "expected"),
    ],
)
def test_a_fault_speaks_one_language_at_a_time(
    graph: Graph, question: str, values: dict[str, str], french: str, english: str
) -> None:
    with pytest.raises(EssgraphError) as left:
        graph.query(question, **values)
    said = left.value.text
    assert str(left.value) == said.en
    assert french in said.fr
    assert english in said.en
    assert french not in said.en
    assert english not in said.fr


def test_an_unknown_question_is_an_unknown_name(built: Path) -> None:
    with pytest.raises(UnknownName) as left:
        essgraph.connect(built).query("membres")
    text = left.value.text
    assert "vouliez-vous dire members ? (toutes les questions : graph.questions())" in text.fr
    assert "did you mean members? (all questions: graph.questions())" in text.en


def test_the_questions_are_listed_by_subject(graph: Graph) -> None:
    listed = graph.questions()
    assert {row["name"] for row in listed} == set(QUESTIONS)
    assert list(dict.fromkeys(row["subject"] for row in listed)) == [
        words.en for words in catalog.SUBJECTS.values()
    ]
    (members,) = (row for row in graph.questions("fr") if row["name"] == "members")
    assert members == {
        "subject": "Personnes et organisations",
        "name": "members",
        "title": QUESTIONS["members"].title.fr,
        "parameters": "body, lang",
    }


def notebook_of(page: str) -> Any:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]


def code_of(source: str) -> tuple[str, list[str]]:
    """A cell's code without the words in it, and these."""
    tree, words = ast.parse(source), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.append(node.value)
            node.value = ""
    return ast.dump(tree), words


def test_the_notebook_is_in_french_too_cell_by_cell() -> None:
    """The same code but for its words, and every phrase of it is another."""
    english, french = (notebook_of(page).cells for page in ("notebook.ipynb", "fr/notebook.ipynb"))
    assert [(c.cell_type, c.id, c.metadata) for c in english] == [
        (c.cell_type, c.id, c.metadata) for c in french
    ]
    for ours, theirs in zip(english, french, strict=True):
        if ours.cell_type == "markdown":
            assert ours.source != theirs.source
            assert re.findall("^#+|`{3}", ours.source, re.M) == re.findall(
                "^#+|`{3}", theirs.source, re.M
            )
            continue
        (code, words), (code_too, words_too) = code_of(ours.source), code_of(theirs.source)
        assert code == code_too
        for said, said_too in zip(words, words_too, strict=True):
            phrase = re.search(r"[a-z] [a-z]|^ ?[a-z]+ $|^en$", said)
            assert (said != said_too) if phrase else True, said
        assert [o.output_type for o in ours.outputs] == [o.output_type for o in theirs.outputs]


@pytest.mark.parametrize(
    ("page", "project", "findings"),
    [
        ("notebook.ipynb", "..", ["Asked for most: ", "Named in more than one document: "]),
        (
            "fr/notebook.ipynb",
            "../..",
            ["Le plus demandé\u00a0: ", "Nommées dans plus d’un document\u00a0: "],
        ),
    ],
)
def test_the_notebook_runs_and_shows_its_findings(
    built: Path, tmp_path: Path, page: str, project: str, findings: list[str]
) -> None:
    notebook = notebook_of(page)
    (first,) = (c for c in notebook.cells if "connect" in c.metadata.get("tags", ()))
    assert f'essgraph.connect("{project}")' in first.source
    first.source = first.source.replace(f'"{project}"', json.dumps(str(built)))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for c in notebook.cells for output in c.get("outputs", ())]
    plots = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(plots) == 4
    said = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert not [finding for finding in findings if finding not in said]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
