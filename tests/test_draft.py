"""`essgraph new`: a draft that accounts for the whole text and names what is known in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Run

TEXT = """\
Skip to content
Une rencontre à bamako
• Le maire de BAMAKO, adama sangare, a parlé devant les membres du Réseau des maires. L'aimf \
soutient l'initiative depuis longtemps, dit-on, et la soutiendra encore demain comme hier !
***
Skip to content
Bamakois et Maliens se sont retrouvés.
"""


def draft(run: Run, project: Path, text: Path, *options: str) -> str:
    outcome = run("new", "--project", project, text, *options)
    assert outcome.code == 0, outcome.err
    return outcome.out


@pytest.fixture
def drafted(project: Path, run: Run, tmp_path: Path) -> str:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "Rencontre à Bamako.txt").write_text(TEXT, "utf-8")
    said = draft(run, project, texts / "Rencontre à Bamako.txt")
    (project / "data/documents/rencontre-a-bamako.trig").write_text(said, "utf-8")
    return said


def test_pieces_in_order_with_what_is_known(drafted: str) -> None:
    kinds = re.findall(r"^p:(\d+) a ess:(\w+) ;$", drafted, re.MULTILINE)
    assert [int(number) for number, _ in kinds] == list(range(1, len(kinds) + 1))
    assert [kind for _, kind in kinds] == [
        "SetAside", "Passage", "Passage", "Passage", "SetAside", "Passage",
    ]  # fmt: skip
    assert "reason:furniture" in drafted
    assert "reason:repetition" in drafted
    # Case and accents folded, acronyms too, whole words only.
    assert "    # id:bamako: bamako\n" in drafted
    assert "    # id:bamako: BAMAKO\n    # id:adama-sangare: adama sangare\n" in drafted
    assert "    # id:aimf: aimf\n" in drafted
    assert "Bamakois" not in re.sub(r"ess:(first|last)Words.*", "", drafted)


def test_what_a_curator_would_mend_first(project: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text(
        "Accueil | Actualités | Contact\n"
        "Les maires parient sur l'épargne locale\n"
        "Publié le 14 mars 2022\n"
        "M. J. Brahim a parlé. Adama Sangaré, maire de Bamako, a répondu. MM. A et B ont ri.\n",
        "utf-8",
    )
    outcome = run("new", "--project", project, tmp_path / "note.txt")
    assert 'dcterms:title "Les maires parient sur l\'épargne locale"@fr' in outcome.out
    assert "data/documents/note.trig" in outcome.err
    # A date is a fact; an abbreviation ends no sentence.
    first = re.findall(r'ess:(\w+) ;\n    ess:firstWords "(.+)"', outcome.out)
    assert first == [
        ("SetAside", "Accueil | Actualités | Contact"),
        ("SetAside", "Les maires parient sur l'épargne locale"),
        ("Passage", "Publié le 14 mars 2022"),
        ("Passage", "M. J. Brahim a parlé."),
        ("Passage", "Adama Sangaré, maire de Bamako, a répondu."),
        ("Passage", "MM. A et B ont ri."),
    ]
    # A post does not hide the person and the place.
    for known in ("adama-sangare-mayor-of-bamako", "adama-sangare", "bamako"):
        assert f"    # id:{known}: " in outcome.out


def test_the_title_stands_whole(project: Path, run: Run, tmp_path: Path) -> None:
    title = "Rencontre de Saint-Louis : les maires sahéliens parient sur l'épargne locale"
    (tmp_path / "note.txt").write_text(f"Menu\n{title}\nFin.\n", "utf-8")
    assert f'dcterms:title "{title}"@fr' in draft(run, project, tmp_path / "note.txt")
    (tmp_path / "note.txt").write_text("Le maire parle encore. " * 9, "utf-8")
    said = draft(run, project, tmp_path / "note.txt")
    assert 'dcterms:title "Le maire parle encore. Le maire parle"@fr' in said


def test_nothing_of_a_draft_is_left_unwritten(drafted: str, project: Path, run: Run) -> None:
    said = run("validate", "--project", project).out
    assert said.count("this text is blank") == drafted.count('"…"') > 4


def test_the_draft_accounts_for_the_whole_text(
    drafted: str, project: Path, run: Run, tmp_path: Path
) -> None:
    for other in (project / "data/documents").glob("*.trig"):
        if other.stem != "rencontre-a-bamako":
            other.unlink()
    outcome = run("coverage", "--project", project, "--texts", tmp_path / "texts")
    assert outcome.code == 0, outcome.out + outcome.err


def test_what_is_to_be_done_is_what_validate_says(drafted: str, project: Path, run: Run) -> None:
    outcome = run("validate", "--project", project)
    assert outcome.code == 1
    said = [line for line in outcome.out.splitlines() if "violation [" in line]
    ours = [line for line in said if "rencontre-a-bamako.trig:" in line]
    assert ours == said
    assert sum("[E1] passage" in line for line in ours) == 4
    assert not any("[syntax]" in line for line in ours)


def test_every_private_text_is_drafted_whole(
    project: Path, run: Run, texts: Path, tmp_path: Path
) -> None:
    """On texts as they are: the draft parses, and leaves nothing unaccounted."""
    drafts = {}
    for number, text in enumerate(sorted(texts.glob("*.txt"))):
        drafts[f"draft-{number}"] = draft(run, project, text, "--slug", f"draft-{number}")
    for other in (project / "data/documents").glob("*.trig"):
        other.unlink()
    for slug, said in drafts.items():
        (project / f"data/documents/{slug}.trig").write_text(said, "utf-8")
    outcome = run("coverage", "--project", project, "--texts", texts)
    assert outcome.code == 0, outcome.out + outcome.err


@pytest.mark.parametrize(
    ("name", "data", "options", "said"),
    [
        ("x.txt", b"\xff", (), "not UTF-8"),
        ("x.txt", b"x", ("--slug", "A b"), "is not a slug (lower-case"),
        ("é!.txt", b"x", ("--slug", ""), None),
        ("???.txt", b"x", (), "is not a slug (lower-case"),
        (None, b"", (), "file missing"),
    ],
)
def test_bad_input(
    name: str | None, data: bytes, options: tuple[str, ...], said: str | None,
    project: Path, run: Run, tmp_path: Path,
) -> None:  # fmt: skip
    path = tmp_path / (name or "none.txt")
    if name:
        path.write_bytes(data)
    outcome = run("new", "--project", project, path, *options)
    assert outcome.code == (2 if said else 0)
    assert (said or "") in outcome.err
    assert "Traceback" not in outcome.err


def test_a_byte_order_mark_is_no_part_of_a_word(project: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\ufeffTitre\n\nLe maire de Bamako parle.\n", "utf-8")
    said = draft(run, project, tmp_path / "text.txt")
    assert "\ufeff" not in said
    for path in (project / "data/documents").iterdir():
        path.unlink()
    (project / "data/documents/text.trig").write_text(said, "utf-8")
    for command in ("anchor", "coverage"):
        assert run(command, "--project", project, "--texts", tmp_path).code == 0
