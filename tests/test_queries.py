"""The question library: every question answers what was read by hand in the texts.

A file of ``golden/`` is the answer to the question of its name with the default parameters, in
French. Each row of it was read against the text that states it, and the text was read for rows
that lack (for a negative question: all five texts). No command rewrites these files: who changes
the data or a question reads the row in the text and edits it here.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyoxigraph as ox
import pytest
from conftest import ROOT, Run

from essgraph import catalog, names
from essgraph.snapshot import open_snapshot

GOLDEN = ROOT / "tests" / "golden"
QUESTIONS = catalog.load(sorted((ROOT / "queries").glob("*.rq")))
IN_LANGUAGES = [name for name, q in QUESTIONS.items() if "lang" in {p.name for p in q.parameters}]


class Table(NamedTuple):
    """A result: the names of its columns, its rows in order."""

    columns: list[str]
    rows: list[list[str]]


def read_csv(text: str) -> Table:
    columns, *rows = csv.reader(io.StringIO(text, newline=""))
    return Table(columns, rows)


def golden(name: str) -> Table:
    return read_csv((GOLDEN / f"{name}.csv").read_text("utf-8"))


def ask(run: Run, built: Path, name: str, **values: str) -> Table:
    """The answer to a question of the library, by the command line."""
    parameters = [f"{key}={value}" for key, value in values.items()]
    outcome = run(
        "query", name, *parameters, "--format", "csv", "--project", ROOT, "--out", built
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return read_csv(outcome.out)


def shorten(iri: str) -> str:
    """An IRI of ours as a prefixed name."""
    for prefix in ("theme", "passage", "id"):
        space = names.PASSAGE if prefix == "passage" else names.PREFIXES[prefix]
        if iri.startswith(space):
            return f"{prefix}:{iri.removeprefix(space)}"
    return iri


# --- Values for an entity ---------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["aimf", "AIMF", "<id>", "id:aimf"])
def test_an_entity_may_be_typed_by_its_name(run: Run, built: Path, typed: str) -> None:
    body = typed.replace("<id>", f"{names.ID}aimf")
    assert ask(run, built, "members", body=body) == ask(run, built, "members", body="id:aimf")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("id:aimff", 'parameter entity: nothing is named "id:aimff"'),
        ("qzxwvk", 'parameter entity: nothing is named "qzxwvk"'),
        ("Montrael", "perhaps: Montreal (id:montreal)"),
        ("Rencontres", "several things are named"),
    ],
)
def test_a_typed_entity_that_is_none_or_several_is_told(
    run: Run, built: Path, typed: str, said: str
) -> None:
    at = ("--project", ROOT, "--out", built)
    outcome = run("query", "evidence", f"entity={typed}", *at)
    assert outcome.code == 1
    assert said in outcome.err


# --- The answers -----------------------------------------------------------------------------


def test_each_question_has_its_answer_and_each_answer_its_question() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.csv" for name in QUESTIONS}


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_what_the_texts_say(run: Run, built: Path, name: str) -> None:
    language = {"lang": "fr"} if name in IN_LANGUAGES else {}
    assert ask(run, built, name, **language) == golden(name)


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_row_of_an_answer_has_its_place(name: str) -> None:
    """The variables of ORDER BY that are shown tell each row from every other, so that no engine
    may give the same rows in another order, and a row lost, added or moved is seen."""
    order = QUESTIONS[name].query.partition("\nORDER BY")[2]
    assert order, "an answer without order is no answer to compare"
    table = golden(name)
    assert table.rows
    keys = [table.columns.index(v) for v in re.findall(r"\?(\w+)", order) if v in table.columns]
    places = [tuple(row[key] for key in keys) for row in table.rows]
    assert len(set(places)) == len(places)


#: Columns whose things another column of the row tells: the text of a note, a title, a summary.
TOLD_OTHERWISE = {
    ("conflicts", "note"),
    ("documents", "document"),
    ("editorial-notes", "note"),
    ("questions-and-answers", "answer"),
    ("recommendations", "recommendation"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_an_answer_names_it_calls_by_its_name(name: str) -> None:
    """In a table, an identifier alone is in English whatever the language, and no name. Passages
    have none: they are told by their summary, or by where they stand."""
    table = golden(name)
    nameless = {
        column
        for column, *cells in zip(table.columns, *table.rows, strict=True)
        if any(cell.startswith((names.ID, names.DOC, names.ESS)) for cell in cells)
        if f"{column}Label" not in table.columns
    }
    assert {(name, column) for column in nameless} <= TOLD_OTHERWISE


@pytest.mark.parametrize("name", IN_LANGUAGES)
def test_answers_in_english_with_the_same_entities(run: Run, built: Path, name: str) -> None:
    english, french = ask(run, built, name, lang="en"), golden(name)

    def entities(table: Table) -> list[list[str]]:
        return sorted([cell for cell in row if cell.startswith("http")] for row in table.rows)

    assert english.columns == french.columns
    assert entities(english) == entities(french)
    assert (english.rows == french.rows) == (name in SAME_IN_BOTH)


#: Whose answers hold only names of persons and cities, the same in French and English.
SAME_IN_BOTH = {"people-without-post"}

#: For each question with a parameter beside the language: other values, and what the first column
#: that holds an entity then has, looked up in the texts.
OTHERWISE: dict[str, list[tuple[dict[str, str], list[str]]]] = {
    "connections": [
        ({"one": "id:aimf", "other": "id:paris"}, ["id:aimf-congress-2013"]),
        ({"one": "id:bamako", "other": "id:geneva"}, []),
    ],
    "evidence": [
        (
            {"entity": "id:nantes"},
            ["passage:aimf-article-2019/13", "passage:aimf-colloquium-2013/35"],
        ),
    ],
    "members": [
        ({"body": "id:aimf"}, ["id:aimf-member-cities"]),
        # No text says that a city or a person is a member of the RTES.
        ({"body": "id:rtes"}, []),
    ],
    "on-theme": [
        ({"theme": "theme:informal-economy"}, ["id:remark-on-togo", "id:remark-on-cote-d-ivoire"]),
        # Decentralised cooperation comes under international cooperation, in three documents.
        (
            {"theme": "theme:international-cooperation"},
            [
                "id:global-sse-alliance",
                "id:rtes-international-meeting-2019",
                "id:aict-africa-meeting-2019",
                "id:rec-1-mayors-1-5",
                "id:rec-1-aimf-3",
                "id:rec-2-aimf-4",
                "id:rec-3-mayors-6",
                "id:mayotte-sse-strategy",
            ],
        ),
    ],
    "participants": [
        ({"event": "id:urban-policy-debate"}, ["id:urban-policy-debate"] * 3),
    ],
    "passages-of": [
        (
            {"document": "doc:coop-coter-ess"},
            [
                f"passage:coop-coter-ess/{n}"
                for n in range(4, 41)
                if n not in (19, 28)  # arguments, set aside
            ],
        ),
    ],
    "programme": [
        (
            {"event": "id:aimf-workshop-2013-2"},
            # In the order of the programme.
            [
                "id:talk-groupe-sos",
                "id:talk-training-and-business-creation",
                "id:talk-dakar-fund",
                "id:talk-banfora-centre",
                "id:talk-nantes-policy",
                "id:talk-lokossa",
            ],
        ),
    ],
    "recommendations": [
        ({"addressee": "id:european-commission"}, ["id:rec-1-commission-1"]),
        (
            {"addressee": "id:francophonie-member-states"},
            [
                "id:rec-1-states-1",
                "id:rec-1-states-2",
                "id:rec-2-states-1",
                "id:rec-2-states-2",
                "id:rec-3-states-1",
                "id:rec-3-states-2",
                "id:rec-3-states-3",
            ],
        ),
        (
            # A sub-item follows its own recommendation, before the next one.
            {"addressee": "id:mayors-and-elected-officials"},
            [
                f"id:rec-{number}"
                for number in (
                    *("1-mayors-1", *(f"1-mayors-1-{n}" for n in range(1, 6))),
                    *("2-mayors-1", *(f"2-mayors-1-{n}" for n in range(1, 5))),
                    *("2-mayors-2", "2-mayors-3"),
                    *("2-mayors-4", *(f"2-mayors-4-{n}" for n in range(1, 5))),
                    *("2-mayors-5", *(f"2-mayors-5-{n}" for n in range(1, 4))),
                    *(f"3-mayors-{n}" for n in range(1, 8)),
                )
            ],
        ),
    ],
    "recommendations-on": [
        (
            {"theme": "theme:training"},
            ["id:rec-2-aimf-1", "id:rec-2-mayors-5-2", "id:rec-3-aimf-2"],
        ),
    ],
    "recommendations-under": [
        # Decentralised cooperation is international cooperation.
        (
            {"broadest": "theme:international-cooperation"},
            ["id:rec-1-mayors-1-5", "id:rec-3-mayors-6", "id:rec-1-aimf-3", "id:rec-2-aimf-4"],
        ),
    ],
    "sub-recommendations": [
        (
            {"recommendation": "id:rec-2-mayors-4"},
            [f"id:rec-2-mayors-4-{n}" for n in range(1, 5)],
        ),
        ({"recommendation": "id:rec-3-mayors-4"}, []),
    ],
    "themes-only-for": [
        (
            {"addressee": "id:aimf"},
            ["theme:awareness", "theme:international-cooperation", "theme:pilot-projects"],
        ),
        ({"addressee": "id:european-commission"}, []),
    ],
    "vocabulary": [
        (
            {"list": "id:evidence"},
            ["id:evidence/doubtful", "id:evidence/explicit", "id:evidence/implied"],
        ),
    ],
}  # fmt: skip

#: The column that OTHERWISE speaks of, where it is not the first.
COLUMN = {
    "evidence": "passage",
    "on-theme": "thing",
    "recommendations": "recommendation",
    "recommendations-under": "recommendation",
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_answers_with_other_values(run: Run, built: Path, name: str) -> None:
    for values, expected in OTHERWISE[name]:
        table = ask(run, built, name, **values)
        column = table.columns.index(COLUMN.get(name, table.columns[0]))
        assert [shorten(row[column]) for row in table.rows] == expected
        assert table != golden(name)


def test_every_event_has_a_date_or_is_said_to_have_none() -> None:
    """The colloquium was in neither: its date is that of the congress."""
    dated, undated = (
        {row[0] for row in golden(name).rows} for name in ("chronology", "undated-events")
    )
    events = {
        part
        for name in ("events-without-organizer", "organizers")
        for part, *_ in golden(name).rows
    }
    assert not dated & undated
    assert dated | undated == events


def test_every_parameter_is_tried_with_another_value() -> None:
    declared = {(name, p.name) for name, q in QUESTIONS.items() for p in q.parameters}
    tried = {
        (name, key) for name, cases in OTHERWISE.items() for values, _ in cases for key in values
    }
    assert declared - {(name, "lang") for name in IN_LANGUAGES} == tried


# --- The questions ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_says_in_both_languages_what_it_asks(name: str) -> None:
    question = QUESTIONS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    for text in (question.title, question.description):
        assert text.fr
        assert text.en
        assert text.fr != text.en
    assert question.title.fr.endswith(" ?")
    assert question.title.en.endswith("?")
    assert question.description.fr.endswith(".")
    assert question.description.en.endswith(".")
    assert all(question.keywords)
    assert len(question.keywords) >= 2
    for parameter in question.parameters:
        assert parameter.description.fr
        assert parameter.description.en
        assert parameter.description.fr != parameter.description.en


def test_the_list_is_short_enough_to_be_read_by_subject() -> None:
    """Each subject has some questions, none has so many that it would have to be searched too."""
    sizes = Counter(question.subject for question in QUESTIONS.values())
    assert set(sizes) == set(catalog.SUBJECTS)
    assert min(sizes.values()) >= 3
    assert max(sizes.values()) <= 10
    assert all(words.fr != words.en for words in catalog.SUBJECTS.values())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_command_line_lists_the_questions_by_subject(
    run: Run, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    outcome = run("query", "--list", "--project", ROOT)
    assert (outcome.code, outcome.err) == (0, "")
    listed: dict[str, list[str]] = {}
    for block in outcome.out.split("\n\n"):
        subject, *lines = block.splitlines()
        listed[subject] = [re.split(" {2,}", line.strip())[0] for line in lines]
        for line in lines:
            asked, title = re.split(" {2,}", line.strip())
            assert title == QUESTIONS[asked.split()[0]].title.in_language(language)
    assert list(listed) == [w.in_language(language) for w in catalog.SUBJECTS.values()]
    asked = [name for names_ in listed.values() for name in names_]
    assert {name.split()[0] for name in asked} == set(QUESTIONS)
    assert "members body=" in asked
    assert "connections one= other=" in asked


@pytest.mark.parametrize(
    ("typed", "english", "french"),
    [
        ("membrs", "; did you mean members? (", " ; vouliez-vous dire members ? ("),
        # By a word of the library, in either language.
        ("villes", "did you mean cities, cities-of-2013-elsewhere? (", "dire cities, cities-of"),
        ("événement", "did you mean participants? (", "vouliez-vous dire participants ? ("),
        ("qzxwvk", '"qzxwvk" (all questions: essgraph query --list)', "« qzxwvk » (toutes les"),
    ],
)
def test_a_question_that_there_is_not_is_told_with_the_nearest(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, english: str, french: str
) -> None:
    for language, said, list_ in (
        ("en", english, "all questions: essgraph query --list"),
        ("fr", french, "toutes les questions : essgraph query --list"),
    ):
        monkeypatch.setenv("LC_ALL", language)
        outcome = run("query", typed, "--project", ROOT)
        assert outcome.code == 1
        assert said in outcome.err
        assert list_ in outcome.err
        assert len(outcome.err) < 200


@pytest.mark.parametrize("typed", ["SELECT * { ?s ?p ?o }", "DESCRIBE <http://example.org/>"])
def test_a_query_in_place_of_a_name_is_told_how_it_is_given(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    for language, said in (("en", "from standard input"), ("fr", "par l'entrée standard")):
        monkeypatch.setenv("LC_ALL", language)
        outcome = run("query", typed, "--project", ROOT)
        assert outcome.code == 1
        assert said in outcome.err
        assert "essgraph query -" in outcome.err


def test_no_two_questions_bear_one_title() -> None:
    for titles in (
        [question.title.fr for question in QUESTIONS.values()],
        [question.title.en for question in QUESTIONS.values()],
    ):
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_declares_its_prefixes_and_uses_them(name: str) -> None:
    """Each is a whole query; its prefixes are those of all our output."""
    declared = dict(re.findall(r"^PREFIX ([\w-]+): <(.*)>$", QUESTIONS[name].query, re.MULTILINE))
    assert list(declared) == sorted(declared)
    assert declared.items() <= names.PREFIXES.items()
    assert set(declared) == {prefix for prefix, _ in prefixed_names(name)}


def prefixed_names(name: str) -> list[tuple[str, str]]:
    """Prefix and local part of each prefixed name in a query, comments and strings left out."""
    query = QUESTIONS[name].query
    body = re.sub(r'^\s*#.*$|^PREFIX.*$|"[^"]*"|<[^>]*>', " ", query, flags=re.MULTILINE)
    return re.findall(r"(?<![\w?-])([a-z][\w-]*):([A-Za-z0-9][\w-]*)", body)


# --- What they reach -------------------------------------------------------------------------

#: Terms that the data use and no question does, and why.
NOT_ASKED = {
    names.ESS + "wordsDigest": "tells the build that an anchor is stale; says nothing of a text",
    names.DCTERMS + "description": "of the dataset and the lists: the dataset's own description",
    names.DCTERMS + "issued": "of the dataset: its own description, at /dataset",
    names.DCTERMS + "license": "of the dataset and the lists: the dataset's own description",
    names.DCTERMS + "modified": "of the dataset: its own description, at /dataset",
    names.FOAF + "page": "of the dataset: its own description, at /dataset",
    "http://www.w3.org/ns/dcat#Dataset": "the dataset itself, at /dataset",
    "http://rdfs.org/ns/void#Dataset": "the dataset itself, at /dataset",
    "http://rdfs.org/ns/void#uriSpace": "of the dataset: its own description, at /dataset",
    "http://rdfs.org/ns/void#vocabulary": "of the dataset: its own description, at /dataset",
}  # fmt: skip

KINDS = {
    f"{names.OWL}{kind}"
    for kind in ("Class", "ObjectProperty", "DatatypeProperty", "AnnotationProperty")
}


def test_the_questions_use_every_class_and_property_of_the_data(built: Path) -> None:
    ontology = ox.Store()
    ontology.load(path=ROOT / "ontology" / "essgraph.ttl", format=ox.RdfFormat.TURTLE)
    a = ox.NamedNode(names.RDF + "type")
    declared = {
        quad.subject.value
        for quad in ontology.quads_for_pattern(None, a, None)
        if isinstance(quad.object, ox.NamedNode)
        and quad.object.value in KINDS
        and isinstance(quad.subject, ox.NamedNode)
    }
    store = ox.Store()
    store.bulk_load(path=open_snapshot(built).quads, format=ox.RdfFormat.N_QUADS)
    # Stated in the files: the ontology, what follows from it and the library left out.
    apart = {names.ONTOLOGY, names.ENTAILED, names.QUERIES, names.DESCRIPTION}
    used: set[str] = set()
    for quad in store:
        if isinstance(quad.graph_name, ox.DefaultGraph) or quad.graph_name.value in apart:
            continue
        used.add(quad.predicate.value)
        if quad.predicate == a and isinstance(quad.object, ox.NamedNode):
            used.add(quad.object.value)
    asked = {
        names.PREFIXES[prefix] + local
        for name in QUESTIONS
        for prefix, local in prefixed_names(name)
    }
    assert used & declared, "the data use the ontology"
    assert (used & declared) - asked == set(NOT_ASKED)
