"""From a project's files to a snapshot; reads top to bottom: parse, rules, SHACL, merge, write."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyoxigraph as ox

from essgraph import (
    catalog,
    dataset,
    evidence,
    library,
    merge,
    names,
    search,
    shacl,
    snapshot,
    sources,
    why,
)
from essgraph.catalog import Question
from essgraph.errors import Position, SyntaxFault, Text
from essgraph.findings import Finding, Place, causes, fails
from essgraph.project import Project
from essgraph.query import explain
from essgraph.snapshot import Snapshot
from essgraph.sources import SourceFile, Sources

Progress = Callable[[Text], None]


@dataclass(frozen=True)
class Checked:
    """What the checks made of a project; ``quads`` is empty if a file did not parse."""

    sources: Sources
    questions: Mapping[str, Question]
    quads: frozenset[ox.Quad]
    findings: list[Finding]

    @property
    def valid(self) -> bool:
        return not fails(self.findings)


@dataclass(frozen=True)
class Built:
    """A build's outcome: the findings, and the snapshot unless they hold a violation."""

    checked: Checked
    snapshot: Snapshot | None


def _quiet(_: Text) -> None:
    return None


def check(
    project: Project,
    texts: Path | None = None,
    files: Sequence[Path] = (),
    progress: Progress = _quiet,
) -> Checked:
    """All findings on a project.

    ``texts`` is the folder of the private texts, if at hand. ``files`` are further files to read
    with the project; one with the name of a document of the project takes its place. Raises
    ProjectError for what is missing or cannot be read.
    """
    progress(Text("lecture", "reading"))
    found, faults = sources.read(project, files)
    questions, question_faults = _questions(project)
    findings = [_fault(project, fault) for fault in (*faults, *question_faults)]
    quads: set[ox.Quad] = set()
    # What does not parse would be judged by what is missing: it is mended first.
    if not findings:
        progress(Text("règles de preuve", "evidence rules"))
        findings += evidence.check_sources(found, texts)
        progress(Text("SHACL", "SHACL"))
        try:
            findings += shacl.validate(found, shacl.shapes(project))
        except SyntaxFault as fault:
            findings.append(_fault(project, fault))
        progress(Text("fusion et entraînement logique", "merge and entailment"))
        quads = merge.merge(found, library.described(questions.values()))
        quads |= dataset.description(quads)
        findings += merge.check_dataset(quads, found.doubtful)
    told = [replace(f, label=found.labels.get(f.focus or "")) for f in causes(findings)]
    return Checked(found, questions, frozenset(quads), told)


def build(
    project: Project, out: Path, texts: Path | None = None, progress: Progress = _quiet
) -> Built:
    """Checks a project and, if it is valid, puts its snapshot in force in ``out``.

    Raises ProjectError and SnapshotError; the former snapshot then stays.
    """
    checked = check(project, texts, progress=progress)
    if not checked.valid:
        return Built(checked, None)
    progress(Text("écriture", "writing"))
    data = merge.canonical(checked.quads)
    files = {
        snapshot.DATA: data,
        "dump.nq.gz": _packed(data),
        "dump.trig.gz": _packed(merge.trig(data)),
        search.FILE: search.index(checked.quads),
        why.FILE: why.plans(checked.questions),
        **project.frame(),
    }
    return Built(checked, snapshot.write_snapshot(out, files, project.digest()))


def _packed(data: bytes) -> bytes:
    """``data`` compressed, without a time: the same bytes for the same data."""
    return gzip.compress(data, compresslevel=9, mtime=0)


def _fault(project: Project, fault: SyntaxFault) -> Finding:
    name = fault.file or ""
    place = Place(name)
    if fault.at:
        place = SourceFile(name, project.read(project.root / name)).at(fault.at)
    return Finding(rule="syntax", text=fault.text, place=place, mend=fault.mend)


def _questions(project: Project) -> tuple[dict[str, Question], list[SyntaxFault]]:
    questions: dict[str, Question] = {}
    faults: list[SyntaxFault] = []
    for path in project.queries:
        try:
            (question,) = catalog.load([path]).values()
            _parse(question, project.name(path))
            questions[question.name] = question
        except SyntaxFault as fault:
            faults.append(fault)
    return questions, faults


def _explained(query: str) -> SyntaxFault | None:
    try:
        return explain(query)
    except SyntaxFault as fault:
        return fault


def _parse(question: Question, file: str) -> None:
    """Raises SyntaxFault, with its place, for a question that is not SPARQL."""
    try:
        ox.Store().query(question.query, base_iri=names.BASE)
    except SyntaxError as error:
        place = re.search(r"error at (\d+):(\d+)", str(error.msg))
        at = Position(int(place[1]), int(place[2])) if place else None
        said = Text("ce n'est pas du SPARQL", "this is not SPARQL")
        known = _explained(question.query)
        if known:
            at, said = known.at or at, known.text
        raise SyntaxFault(said, file=file, at=at) from error
