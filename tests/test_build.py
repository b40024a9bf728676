"""The build: deterministic, atomic, and clear about what stops it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pyoxigraph as ox
import pytest
from conftest import Run, copy_project, write_snapshot

from essgraph import names, snapshot
from essgraph.snapshot import open_snapshot


def version(out: Path) -> str:
    return open_snapshot(out).version


def test_build_prints_counts_and_version(project: Path, run: Run, tmp_path: Path) -> None:
    outcome = run("build", "--project", project, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "triples in the default graph" in outcome.out
    snapshot = open_snapshot(tmp_path / "out")
    assert f"version {snapshot.version}" in outcome.out
    assert hashlib.sha256(snapshot.quads.read_bytes()).hexdigest() == snapshot.version


def test_same_input_same_bytes_whatever_the_process(tmp_path: Path) -> None:
    """E7: two builds in processes with other hash seeds and folders give the same files."""
    found = []
    for seed in ("1", "2"):
        project = copy_project(tmp_path / seed)
        subprocess.run(
            [sys.executable, "-c", "from essgraph.cli import main; main()", "build"],
            cwd=project,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        current = project / "build/current"
        found.append({p.name: p.read_bytes() for p in current.rglob("*") if p.is_file()})
    assert found[0] == found[1]


def test_the_snapshot_says_where_each_statement_comes_from(built: Path) -> None:
    """E8, and the default graph is the merge of the named graphs but the doubtful ones."""
    snapshot = open_snapshot(built)
    quads = list(ox.parse(path=snapshot.quads, format=ox.RdfFormat.N_QUADS))
    default = [q.triple for q in quads if isinstance(q.graph_name, ox.DefaultGraph)]
    doubtful = {
        q.subject
        for q in quads
        if q.predicate.value == names.ESS + "evidenceLevel"
        and q.object == ox.NamedNode(names.ID + "evidence/doubtful")
    }
    named = {
        q.triple
        for q in quads
        if not isinstance(q.graph_name, ox.DefaultGraph) and q.graph_name not in doubtful
    }
    assert len(default) == len(set(default))
    assert set(default) == named
    assert doubtful, "the sources contradict themselves once: the session's date"


def test_the_store_serves_what_the_files_say(built: Path) -> None:
    """The engine rewrites literals that are not canonical: no literal of ours is rewritten."""
    snapshot = open_snapshot(built)
    store = ox.Store()
    store.bulk_load(path=snapshot.quads, format=ox.RdfFormat.N_QUADS)
    assert set(store) == set(ox.parse(path=snapshot.quads, format=ox.RdfFormat.N_QUADS))


def test_entailment_is_superclasses_and_superproperties_only(built: Path) -> None:
    quads = set(ox.parse(path=open_snapshot(built).quads, format=ox.RdfFormat.N_QUADS))
    entailed = ox.NamedNode(names.ENTAILED)
    rdf_type = ox.NamedNode(names.RDF + "type")

    def node(iri: str) -> ox.NamedNode:
        return ox.NamedNode(iri)

    bamako, aimf = node(names.ID + "bamako"), node(names.ID + "aimf")
    assert ox.Quad(bamako, rdf_type, node(names.ESS + "Territory"), entailed) in quads
    founding, remcess = node(names.ID + "founding-of-remcess"), node(names.ID + "remcess")
    generated = node(names.PROV + "generated")
    assert ox.Quad(founding, generated, remcess, entailed) in quads
    # locatedIn has Territory as its range; nothing is concluded from it.
    assert not [q for q in quads if q.subject == aimf and "Territory" in str(q.object)]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("data/register/people.ttl", "id:kevin-ossah a", "id:kevin ossah a", "people.ttl:"),
        ("data/documents/aimf-article-2019.trig", "id:rtes ,", "nope:rtes ,", "nope:"),
        ("data/documents/gsef-session-report.trig", "ess:size 19", "ess:size 0", "shape:size"),
        ("queries/cities.rq", "# title@en:", "# titel@en:", "queries/cities.rq:1"),
        ("shapes/person.ttl", "sh:targetClass", "sh:targetKlass ;;; ]", "shapes/person.ttl:"),
        ("ontology/essgraph.ttl", "ess:City a owl:Class", "ess:City a owl:Class ,,", ".ttl:"),
    ],
)
def test_broken_input_stops_the_build_and_the_former_snapshot_stays(
    project: Path, run: Run, file: str, old: str, new: str, said: str
) -> None:
    assert run("build", "--project", project).code == 0
    before = version(project / "build")
    path = project / file
    text = path.read_text("utf-8")
    assert old in text or file.endswith("article-2019.trig")
    path.write_text(text.replace(old, new, 1) if old in text else text + "nope:a nope:b nope:c .")
    outcome = run("build", "--project", project)
    assert outcome.code == 1
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert version(project / "build") == before


def test_a_missing_file_cannot_run(project: Path, run: Run) -> None:
    (project / "ontology/essgraph.ttl").unlink()
    outcome = run("build", "--project", project)
    assert outcome.code == 2
    assert "ontology/essgraph.ttl" in outcome.err


def test_no_project(run: Run, tmp_path: Path) -> None:
    outcome = run("build", "--project", tmp_path)
    assert outcome.code == 2
    assert "no project in" in outcome.err


def test_a_query_in_full_of_named_data_needs_no_project(
    built: Path, server: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.rq").write_text("ASK { ?s ?p ?o }", "utf-8")
    for data in (("--out", built), ("--endpoint", f"{server}/sparql")):
        for query in ("own.rq", "-"):
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ASK { ?s ?p ?o }")))
            asked = run("query", query, *data)
            assert (asked.code, asked.out) == (0, "true\n"), asked.err
        # A question of the library is one of a project.
        assert "no project here" in run("query", "cities", *data).err
        assert "no project in" in run("query", "own.rq", *data, "--project", tmp_path).err
    assert "no project here" in run("query", "own.rq").err
    assert "no project here" in run("query", "own.rq", "--out", tmp_path).err


def test_disk_full(project: Path, tmp_path: Path) -> None:
    """A build that may not write its files fails with a clear line; the old snapshot stays."""
    command = [sys.executable, "-c", "from essgraph.cli import main; main()", "build"]
    environment = {**os.environ, "LC_ALL": "en"}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    before = version(project / "build")
    register = project / "data/register/people.ttl"
    register.write_text(register.read_text("utf-8").replace("Kevin Ossah", "K. Ossah"), "utf-8")
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));" + command[2]
    )
    outcome = subprocess.run(
        [*command[:2], limited, "build"], cwd=project, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 2
    assert "could not be written" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert version(project / "build") == before
    assert not list((project / "build").glob(".new-*"))


def test_a_damaged_snapshot_is_refused_and_built_again(project: Path, run: Run) -> None:
    assert run("build", "--project", project).code == 0
    current = project / "build/current"
    data, manifest = current / "data.nq", current / "manifest.json"
    for damage in (
        lambda: data.write_bytes(data.read_bytes()[:-10]),
        lambda: data.write_bytes(data.read_bytes().replace(b"Bamako", b"Bamaco")),
        lambda: data.unlink(),
        lambda: manifest.write_text("{"),
    ):
        damage()
        with pytest.raises(Exception, match=r"run essgraph build again"):
            open_snapshot(project / "build")
        assert run("build", "--project", project).code == 0
        open_snapshot(project / "build")


def test_validate_given_files_only(project: Path, run: Run) -> None:
    people = project / "data/register/people.ttl"
    people.write_text(people.read_text("utf-8").replace('"Kevin Ossah"@en', '"K"@de'), "utf-8")
    events = project / "data/register/events.ttl"
    assert run("validate", "--project", project, events).code == 0
    assert run("validate", "--project", project, people).code == 1
    assert run("validate", "--project", project, project / "nowhere.ttl").code == 2


def test_former_snapshots_are_kept_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the answers that were cited from them: by number and by size, one always."""

    def build(n: int) -> str:
        data = f'<http://e/s> <http://e/p> "{n}" .\n'.encode()
        return write_snapshot(tmp_path, {snapshot.DATA: data}, "").version

    versions = [build(n) for n in range(snapshot.KEPT + 5)]
    assert {version for version, _ in snapshot.kept(tmp_path)} == set(versions[-snapshot.KEPT :])
    assert snapshot.open_snapshot(tmp_path).version == versions[-1]
    monkeypatch.setattr(snapshot, "KEPT_BYTES", 1)
    last = build(-1)
    assert {version for version, _ in snapshot.kept(tmp_path)} == {versions[-1], last}
    assert build(-1) == last  # built again: nothing goes
    assert len(snapshot.kept(tmp_path)) == 2
