"""Anchors and coverage on small texts of our own, through the command line and as a property."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pyoxigraph as ox
import pytest
from conftest import ROOT, Run
from hypothesis import assume, given
from hypothesis import strategies as st

from essgraph import anchors, names
from essgraph.sources import Piece
from essgraph.statements import parse

TEXT = (
    "Menu\n\n  • Réunion du\u00a0conseil à Bamako ;\n\t• visite de la ville, puis repas.\n"
    "StratégieSuite du texte (fin).\n"
)
RECORD = """\
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX doc: <https://w3id.org/essgraph/doc/>
PREFIX ess: <https://w3id.org/essgraph/ontology#>
PREFIX p: <https://w3id.org/essgraph/passage/note/>
doc:note a ess:SourceDocument ; dcterms:identifier "note.txt" .
"""
PIECES = [
    ("SetAside", "Menu", None),
    ("Passage", "Réunion du conseil", "à Bamako"),
    ("Passage", "visite de la ville", "puis repas"),
    ("SetAside", "Stratégie", None),
    ("Passage", "Suite du texte", "fin"),
]


def mapped(pieces: list[tuple[str, str, str | None]]) -> str:
    records = [RECORD]
    for number, (kind, first, last) in enumerate(pieces, 1):
        end = f' ; ess:lastWords "{last}"' if last else ""
        records.append(f'p:{number} a ess:{kind} ; ess:firstWords "{first}"{end} .')
    return "\n".join(records) + "\n"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A project with one document and its text."""
    for folder in ("ontology", "data/documents", "data/register", "texts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ontology/essgraph.ttl").write_bytes((ROOT / "ontology/essgraph.ttl").read_bytes())
    (tmp_path / "data/dataset.ttl").write_text("")
    (tmp_path / "texts/note.txt").write_text(TEXT, "utf-8", newline="")
    (tmp_path / "data/documents/note.trig").write_text(mapped(PIECES), "utf-8")
    return tmp_path


def test_anchor_then_check_then_cover(note: Path, run: Run) -> None:
    options = ["--project", note, "--texts", note / "texts"]
    assert run("anchor", "--check", *options).code == 1
    assert run("anchor", *options).code == 0
    assert run("anchor", "--check", *options).code == 0
    spans = {
        (int(str(q.subject).split("/")[-1].split("#")[0]), q.predicate.value): int(q.object.value)
        for q in ox.parse(path=note / "data/documents/note.anchors.ttl")
        if q.predicate.value in (names.OA + "start", names.OA + "end")
    }
    slices = [TEXT[spans[n, names.OA + "start"] : spans[n, names.OA + "end"]] for n in range(1, 6)]
    assert slices == [
        "Menu",
        "• Réunion du\u00a0conseil à Bamako ;",
        "• visite de la ville, puis repas.",
        "Stratégie",
        "Suite du texte (fin).",
    ]
    outcome = run("coverage", "--format", "json", *options)
    assert outcome.code == 0
    (covered,) = json.loads(outcome.out)
    assert covered["unaccounted"] == 0
    assert covered["mapped"] + covered["setAside"] == covered["characters"]
    assert "100 %" in run("coverage", *options).out


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (PIECES[:2] + PIECES[3:], "unaccounted from line 4"),
        (PIECES[:-1], "unaccounted from line 5"),
    ],
)
def test_a_gap_is_told(
    note: Path, run: Run, pieces: list[tuple[str, str, str | None]], said: str
) -> None:
    (note / "data/documents/note.trig").write_text(mapped(pieces), "utf-8")
    outcome = run("coverage", "--project", note, "--texts", note / "texts")
    assert outcome.code == 1
    assert said in outcome.out


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([PIECES[0], ("Passage", "Réunion des conseils", None)], "is not found"),
        ([("Passage", "réunion Du conseil", "a")], 'the piece before; the text has "Réunion du'),
        ([PIECES[0], ("Passage", "Réunion", "À bamako")], 'before; the text has "à Bamako"'),
        ([PIECES[1], PIECES[0]], "stands earlier in the text"),
        ([PIECES[0], ("Passage", "du", None)], "is found twice"),
        ([PIECES[0], ("Passage", "Réunion", "à Dakar")], "is not found"),
    ],
)
def test_words_that_lead_astray(
    note: Path, run: Run, pieces: list[tuple[str, str, str | None]], said: str
) -> None:
    (note / "data/documents/note.trig").write_text(mapped(pieces), "utf-8")
    outcome = run("anchor", "--project", note, "--texts", note / "texts")
    assert outcome.code == 1
    assert said in outcome.err
    assert "data/documents/note.trig:" in outcome.err
    assert not (note / "data/documents/note.anchors.ttl").exists()


def test_a_text_that_is_not_there(note: Path, run: Run) -> None:
    (note / "texts/note.txt").unlink()
    outcome = run("coverage", "--project", note, "--texts", note / "texts")
    assert outcome.code == 2
    assert f"note.txt of note is not at hand: {note / 'texts'} has no file" in outcome.err
    (note / "texts/q.txt").touch()  # not alike
    outcome = run("coverage", "--project", note, "--texts", note / "texts")
    assert "did you mean" not in outcome.err
    (note / "texts/nota.txt").touch()
    outcome = run("coverage", "--project", note, "--texts", note / "texts")
    assert "did you mean nota.txt?" in outcome.err
    outcome = run("coverage", "--project", note)
    assert "--texts DIR" in outcome.err


@pytest.fixture
def other(note: Path) -> Path:
    """The file of a second document of the project, whose text is not at hand."""
    path = note / "data/documents/autre.trig"
    path.write_text(mapped(PIECES).replace("note", "autre"), "utf-8")
    path.with_name("autre.anchors.ttl").write_text("# left as it is\n", "utf-8")
    return path


def test_of_several_documents_one_alone(note: Path, other: Path, run: Run) -> None:
    """Whoever maps a new text has that text, and need not have the others."""
    at = ["--project", note, "--texts", note / "texts"]
    mine, derived = note / "data/documents/note.trig", note / "data/documents/note.anchors.ttl"
    assert run("anchor", "--check", mine, *at).code == 1
    done = run("anchor", mine, *at)
    assert (done.code, done.out) == (0, "data/documents/note.anchors.ttl\n")
    assert run("anchor", "--check", mine, *at).code == 0
    assert other.with_name("autre.anchors.ttl").read_text("utf-8") == "# left as it is\n"
    (covered,) = json.loads(run("coverage", mine, *at, "--format", "json").out)
    assert covered["document"] == "note"
    # What stands in the others, well or badly, is no matter.
    other.write_text("<", "utf-8")
    assert run("anchor", mine, mine, *at).code == 0
    mine.write_text("<", "utf-8")
    broken = run("anchor", mine, *at)
    assert broken.code in (1, 2)
    assert "data/documents/note.trig:1" in broken.err
    assert derived.exists()


@pytest.mark.parametrize("named", [False, True])
def test_a_text_that_is_asked_for_is_not_passed_over(
    note: Path, other: Path, run: Run, named: bool
) -> None:
    """Nothing is written before all that is wanted is at hand."""
    at = ["--project", note, "--texts", note / "texts"]
    mine, last = note / "data/documents/note.trig", note / "data/documents/zzz.trig"
    other.rename(last)
    last.write_text(last.read_text("utf-8").replace("autre", "zzz"), "utf-8")
    outcome = run("anchor", *([mine, last] if named else []), *at)
    assert outcome.code == 2
    assert "the text zzz.txt of zzz is not at hand" in outcome.err
    assert ("name the files of the documents whose" in outcome.err) != named
    assert not (note / "data/documents/note.anchors.ttl").exists()


def test_a_file_that_is_no_document(note: Path, run: Run) -> None:
    at = ["--project", note, "--texts", note / "texts"]
    for named in ("note", note / "data/documents/nota.trig", note / "data/dataset.ttl"):
        outcome = run("anchor", named, *at)
        assert outcome.code == 2
        assert "is no document of this project" in outcome.err
    outcome = run("coverage", note / "data/documents/nota.trig", *at)
    assert "did you mean data/documents/note.trig?" in outcome.err


def test_signs_that_are_written_otherwise(note: Path, run: Run) -> None:
    (note / "texts/note.txt").write_text("L'élu dit « peut-être ».\n", "utf-8")
    words = "L’élu dit « peut‑être »"
    (note / "data/documents/note.trig").write_text(mapped([("Passage", words, None)]), "utf-8")
    outcome = run("anchor", "--project", note, "--texts", note / "texts")
    assert outcome.err.endswith("""; the text has "L'élu dit « peut-être »"\n""")


WORDS = st.lists(
    st.text(st.characters(categories=("Ll", "Lu", "Nd")), min_size=1, max_size=8), min_size=1
)


@given(st.lists(WORDS, min_size=1, max_size=8), st.sampled_from([" ", "\n", " \t", "\u00a0"]))
def test_pieces_that_quote_all_their_words_cover_any_text(
    sentences: list[list[str]], space: str
) -> None:
    text = ".\n• ".join(space.join(words) for words in sentences) + "."
    pieces = [
        Piece(record.subject, n, True, " ".join(words), None, None, record, None, None)
        for n, words in enumerate(sentences, 1)
        for record in parse(f"<http://e/{n}> a <http://e/P> .".encode(), "f")
        if isinstance(record.subject, ox.NamedNode)
    ]
    located = anchors.locate(text, pieces)
    assume(not located.misfits)  # a sentence may open inside another of the same words
    spans = list(located.spans.values())
    assert all(a.end <= b.start for a, b in pairwise(spans))
    covered = "".join(text[s.start : s.end] for s in spans)
    assert [c for c in covered if not c.isspace()] == [c for c in text if not c.isspace()]
