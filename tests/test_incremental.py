"""A build that takes up what the one before left: the same findings and the same bytes as a whole
one, whatever changed, and nothing judged again that need not be."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import corpus
from essgraph import build as building
from essgraph import kept, parts, search, shacl, snapshot, units
from essgraph.build import Built, build
from essgraph.project import Project
from essgraph.snapshot import open_snapshot

TRIPLES = 7_500
DATA = ("data.nq", "dump.nq.gz", "dump.trig.gz", "evidence.json", "ontology.ttl", "shapes.ttl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of some documents, built, as if it were large: with many parts and a store."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus.project(folder / "project", TRIPLES, passages=5)
    for path in sorted((folder / "project/queries").glob("*.rq"))[2:]:
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        large(patch)
        assert build(Project(folder / "project"), folder / "project" / "build").snapshot
    return folder / "project"


def large(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parts, "SMALL", 1)
    patch.setattr(snapshot, "LARGE", 1)
    patch.setattr(building, "_VALIDATED", 2_000)


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, to be changed; where it lies stands in what is kept, so that it moves back."""
    large(monkeypatch)
    shutil.copytree(made, tmp_path / "kept", symlinks=True)
    yield made
    shutil.rmtree(made)
    shutil.move(tmp_path / "kept", made)


def document(project: Path, number: int) -> Path:
    return project / f"data/documents/synthetic-{number}.trig"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def told(built: Built) -> list[tuple[str, str, int, str]]:
    return [(f.rule, f.file, f.line, f.text.en) for f in built.checked.findings]


def both(project: Path, tmp_path: Path) -> tuple[Built, Built]:
    """The build that takes up the former one, and a whole one."""
    return (
        build(Project(project), project / "build"),
        build(Project(project), tmp_path / "fresh"),
    )


def rows(path: Path) -> list[set[tuple[object, ...]]]:
    """What an index holds, but for the numbers of its rows."""
    with sqlite3.connect(path) as database:
        found = [
            set(database.execute(query))
            for query in (
                "SELECT iri, kind, fr, en, about_fr, about_en, passages FROM entity",
                "SELECT iri, class FROM type JOIN entity ON id = entity",
                "SELECT iri, role, language, text FROM text JOIN entity ON entity.id = entity",
                "SELECT * FROM kind",
            )
        ]
    database.close()
    return found


def stored(folder: Path) -> bytes:
    """The quads of a store. In a process of its own: the engine has
    threads, which a process that is forked from this one would miss."""
    code = (
        "import sys; import pyoxigraph as ox\n"
        "store = ox.Store.read_only(sys.argv[1])\n"
        "print(*sorted(map(str, store)), sep='\\n')"
    )
    command = [sys.executable, "-c", code, str(folder / snapshot.STORE)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def summary(project: Path) -> None:
    edit(document(project, 3), 'ess:summary "', 'ess:summary "Autrement : ')


def theme(project: Path) -> None:
    edit(document(project, 4), "ess:about", "ess:mentions")


def another(project: Path) -> None:
    """A document more, which states what another one does too."""
    for end in ("trig", "anchors.ttl"):
        text = (project / f"data/documents/synthetic-5.{end}").read_text("utf-8")
        new = project / f"data/documents/synthetic-5-again.{end}"
        new.write_text(text.replace("synthetic-5", "synthetic-5-again"), "utf-8")


def doubt(project: Path) -> None:
    edit(document(project, 6), "ev:explicit", "ev:doubtful")


def label(project: Path) -> None:
    path = next((project / "data/register").glob("org-*.ttl"))
    edit(path, 'rdfs:label "', 'rdfs:label "Maison ')


CHANGES = [summary, theme, another, doubt, label]


@pytest.mark.parametrize("change", CHANGES)
def test_the_result_is_that_of_a_whole_build(
    project: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = open_snapshot(project / "build").version
    change(project)
    again, fresh = both(project, tmp_path)
    assert told(again) == told(fresh)
    assert again.snapshot is not None
    assert fresh.snapshot is not None
    assert again.snapshot.version != before
    here, there = again.snapshot.directory, fresh.snapshot.directory
    for name in DATA:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name
    assert rows(here / search.FILE) == rows(there / search.FILE)
    assert stored(here) == stored(there)
    lines = (here / "data.nq").read_bytes().splitlines()
    assert lines == sorted(set(lines))
    assert gzip.decompress((here / "dump.nq.gz").read_bytes()).splitlines() == lines


def test_what_came_may_go(project: Path) -> None:
    before = open_snapshot(project / "build").version
    another(project)
    changed = build(Project(project), project / "build").snapshot
    assert changed is not None
    assert changed.version != before
    for path in (project / "data/documents").glob("synthetic-5-again.*"):
        path.unlink()
    back = build(Project(project), project / "build").snapshot
    assert back is not None
    assert back.version == before


def second_label(project: Path) -> None:
    """Two documents say where a recommendation was formulated; together they say too much."""
    edit(
        document(project, 7),
        "GRAPH p:1 {\n",
        "GRAPH p:1 {\n    id:rec-0 ess:formulatedAt id:event-7 .\n",
    )


def loop(project: Path) -> None:
    """A loop of parts through two documents."""
    edit(
        document(project, 8),
        "GRAPH p:1 {\n",
        "GRAPH p:1 {\n    id:event-8 ess:partOf id:event-9 .\n",
    )
    edit(
        document(project, 9),
        "GRAPH p:1 {\n",
        "GRAPH p:1 {\n    id:event-9 ess:partOf id:event-8 .\n",
    )


def other_class(project: Path) -> None:
    """What one file says of a class, others rely on."""
    edit(
        next((project / "data/register").glob("event-*.ttl")),
        "id:event-2 a ess:Event",
        "id:event-2 a ess:Initiative",
    )


def no_entry(project: Path) -> None:
    edit(next((project / "data/register").glob("person-*.ttl")), "id:person-3 a", "id:person-3x a")


def two_types(project: Path) -> None:
    """A second type in another document."""
    edit(
        document(project, 10),
        "GRAPH p:1 {\n",
        "GRAPH p:1 {\n    id:event-11 ess:eventType event-type:meeting , event-type:forum .\n",
    )


def late(project: Path) -> None:
    """A warning: the part begins after the whole has ended, which another document says."""
    edit(
        document(project, 12),
        "GRAPH p:1 {\n",
        'GRAPH p:1 {\n    id:event-12 schema:endDate "1950"^^xsd:gYear .\n',
    )


def one_name(project: Path) -> None:
    """A warning: two persons bear one name."""
    path = next((project / "data/register").glob("person-*.ttl"))
    labels = re.findall(r"id:person-[45] a ess:Person ;\n    rdfs:label (.+@en)", path.read_text())
    edit(path, labels[1], labels[0])


WARNINGS = [late, one_name]
FAULTS = [second_label, loop, other_class, no_entry, two_types, *WARNINGS]


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_that_span_documents_are_told_as_by_a_whole_build(
    project: Path, tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    fault(project)
    again, fresh = both(project, tmp_path)
    assert told(again) == told(fresh) != []
    assert (again.snapshot is None) == (fresh.snapshot is None) == (fault not in WARNINGS)


def test_a_shape_may_look_back(project: Path, tmp_path: Path) -> None:
    """What points to an event is missed in it, though nothing that is said of it has changed."""
    shape = """
    PREFIX ess: <https://w3id.org/essgraph/ontology#>
    PREFIX id: <https://w3id.org/essgraph/id/>
    PREFIX sh: <http://www.w3.org/ns/shacl#>
    ess:Held a sh:NodeShape ; sh:targetNode id:event-5 ; sh:property ess:Held-something .
    ess:Held-something sh:path [ sh:inversePath ess:partOfEvent ] ; sh:minCount 1 ;
        sh:message "rien"@fr , "nothing"@en .
    """
    (project / "shapes/held.ttl").write_text(shape, "utf-8")
    assert build(Project(project), project / "build").snapshot
    text = document(project, 5).read_text("utf-8")
    assert "ess:partOfEvent id:event-5" in text
    document(project, 5).write_text(text.replace("OfEvent id:event-5", "OfEvent id:event-6"))
    again, fresh = both(project, tmp_path)
    assert told(again) == told(fresh)
    assert [text for _, _, _, text in told(again)] == ["nothing"]


def test_a_warning_is_told_again_until_it_is_mended(project: Path, tmp_path: Path) -> None:
    late(project)
    first = build(Project(project), project / "build")
    summary(project)
    again, fresh = both(project, tmp_path)
    assert told(first) == told(again) == told(fresh) != []
    edit(document(project, 12), "1950", "2050")
    assert told(build(Project(project), project / "build")) == []


def test_a_note_settles_that_two_bear_one_name(project: Path, tmp_path: Path) -> None:
    one_name(project)
    assert [rule for rule, *_ in told(build(Project(project), project / "build"))] == ["E3"]
    with document(project, 13).open("a", encoding="utf-8") as file:
        file.write(
            "\nid:note a ess:EditorialNote ;\n"
            '    rdfs:label "Une ou deux ?"@fr , "One or two?"@en ;\n'
            "    oa:hasTarget id:person-4 , id:person-5 ;\n"
            '    oa:bodyValue "Deux."@fr , "Two."@en .\n'
        )
    for built in both(project, tmp_path):
        assert built.snapshot is not None
        assert told(built) == []
    edit(document(project, 13), "id:person-4 , id:person-5", "id:person-4")
    again, fresh = both(project, tmp_path)
    assert told(again) == told(fresh) != []


def test_a_text_that_is_not_at_hand_is_told_again(project: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    first = build(Project(project), project / "build", texts)
    summary(project)
    again = build(Project(project), project / "build", texts)
    assert again.snapshot is not None
    assert {rule for rule, *_ in told(first)} == {"E4"}
    assert len(told(again)) == len(told(first))


def test_only_what_changed_is_read_and_validated(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents that are read, and the lines that go to the shapes, in this process."""
    read: list[str] = []
    lines = 0
    original, examine = units.read_document, shacl.examine

    def reading(layout: object, name: str, *rest: object) -> object:
        read.append(name)
        return original(layout, name, *rest)  # type: ignore[arg-type]

    def examining(given: list[bytes], *rest: object) -> object:
        nonlocal lines
        lines += len(given)
        return examine(given, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(units, "read_document", reading)
    monkeypatch.setattr(shacl, "examine", examining)
    summary(project)
    built = build(Project(project), project / "build")
    assert read == ["synthetic-3"]
    assert 0 < lines < built.checked.counts[1] / 10


@pytest.mark.parametrize("damage", ["kept", "garbage", "snapshot", "code"])
def test_what_cannot_be_relied_on_is_made_anew(
    project: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = open_snapshot(project / "build").directory
    match damage:
        case "kept":
            (project / "build" / kept.FILE).unlink()
        case "garbage":
            (project / "build" / kept.FILE).write_bytes(b"not a database" * 1000)
        case "snapshot":
            data = current / "data.nq"
            data.write_bytes(data.read_bytes().replace(b"explicit", b"inplicit", 1))
        case "code":
            monkeypatch.setattr(building, "_key", lambda *_: "another program")
    summary(project)
    again, fresh = both(project, tmp_path)
    assert again.snapshot is not None
    assert fresh.snapshot is not None
    assert again.snapshot.version == fresh.snapshot.version
