"""From a project's files to a snapshot; reads top to bottom: units, parts, shapes, write.

There is one way: what the build before left in the build folder (``kept``) and still holds is taken
from there, and a whole build is one that finds nothing. So it is with the rules too: what was found
sound is not judged again, unless something it rests on has changed. Where a build that took up
another one's results has a violation to tell, it is told from all files.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyoxigraph as ox

from essgraph import (
    catalog,
    dataset,
    evidence,
    library,
    merge,
    names,
    parts,
    search,
    shacl,
    snapshot,
    sources,
    units,
)
from essgraph.catalog import Question
from essgraph.copies import beside, spread
from essgraph.errors import Position, SyntaxFault, Text
from essgraph.findings import Finding, Place, causes, fails
from essgraph.kept import FILE, Before, Kept, Totals
from essgraph.parts import Change, Data, Difference, Made, Part, Stated
from essgraph.project import Digests, Project
from essgraph.query import explain
from essgraph.shacl import Result
from essgraph.snapshot import Snapshot
from essgraph.sources import Elsewhere, Layout, Sources
from essgraph.statements import SourceFile
from essgraph.units import FRAME, Unit

#: What is being done, and the share of the whole that is done.
Progress = Callable[[Text, float], None]

_READING = Text("lecture et règles de preuve", "reading and evidence rules")
_SHAPES = Text("SHACL", "SHACL")
#: How many documents a process reads at a time.
_DOCUMENTS = 16
#: How much of the lines of units is sorted in memory, in bytes.
_RUN = 16 * 2**20
#: How many lines are validated at a time, at least. Of more at once, the engine takes longer for
#: each; of fewer, what many subjects point to is read more often.
_VALIDATED = 20_000
#: With more subjects than this to which others may look, all are validated again.
_HUBS = 32
#: What notes are about, in the lines of a unit.
_TARGETS = re.compile(rf"{re.escape(names.OA)}hasTarget> <([^>]*)>".encode())
_T = TypeVar("_T")


@dataclass(frozen=True)
class Checked:
    """What the checks made of a project: its findings, and how many triples of the default graph,
    quads, entities and passages it has; ``data`` are the canonical N-Quads, empty where a file did
    not parse (or where they stand in a snapshot)."""

    project: Project
    questions: Mapping[str, Question]
    findings: list[Finding]
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    data: bytes = b""
    files: Sequence[Path] = ()

    @property
    def valid(self) -> bool:
        return not fails(self.findings)

    @cached_property
    def sources(self) -> Sources:
        """All that the files state. Raises ProjectError."""
        return sources.read(self.project, self.files)[0]

    @cached_property
    def quads(self) -> frozenset[ox.Quad]:
        """The published dataset."""
        return frozenset(ox.parse(self.data, format=ox.RdfFormat.N_QUADS))


@dataclass(frozen=True)
class Built:
    """A build's outcome: the findings, and the snapshot unless they hold a violation."""

    checked: Checked
    snapshot: Snapshot | None


def _quiet(_: Text, __: float) -> None:
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
    layout = sources.layout(project, files)
    with tempfile.TemporaryDirectory(prefix="essgraph-") as name:
        folder = Path(name)
        with _kept(folder, "") as kept:
            work = _Build(layout, texts, progress, kept, folder, folder, folder)
            findings = work.findings()
        data = folder / snapshot.DATA
        return Checked(
            project,
            work.questions,
            findings,
            work.counts,
            data.read_bytes() if data.exists() else b"",
            files,
        )


def build(
    project: Project, out: Path, texts: Path | None = None, progress: Progress = _quiet
) -> Built:
    """Checks a project and, if it is valid, puts its snapshot in force in ``out``.

    Raises ProjectError and SnapshotError; the former snapshot then stays.
    """
    layout = sources.layout(project)
    with (
        snapshot.draft(out) as folder,
        tempfile.TemporaryDirectory(prefix=".new-", dir=out) as scratch,
        _kept(out, _key(project, texts)) as kept,
    ):
        work = _Build(layout, texts, progress, kept, folder, Path(scratch), out)
        try:
            findings = work.findings(for_service=True)
            checked = Checked(project, work.questions, findings, work.counts)
            if not checked.valid:
                kept.commit()  # the units that were read
                return Built(checked, None)
            progress(Text("écriture", "writing"), 0.95)
            return Built(checked, work.settle())
        except sqlite3.Error as error:
            raise OSError(0, str(error)) from error


def _key(project: Project, texts: Path | None) -> str:
    """Stands for all by which a unit is judged, beside its own files: the program, the ontology,
    the shapes, the private texts."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    at_hand = sorted(texts.iterdir()) if texts else []
    digest = units.digest_of([*code, project.ontology, *project.shapes, *at_hand], Digests())
    asked = "texts" if texts else ""  # an empty folder of texts is not none
    return f"{digest} {asked} {ox.__version__} {shacl.version()} {project.root.resolve()}"


@contextmanager
def _kept(out: Path, key: str) -> Iterator[Kept]:
    """What the build before left in ``out``; nothing where another build is at work there, or the
    file is damaged or somebody else's."""
    file = out / FILE
    with tempfile.TemporaryDirectory(prefix="essgraph-") as name:
        aside = Path(name) / FILE
        mine = os.access(file, os.W_OK) or not file.exists()
        try:
            kept = Kept(file if mine else aside, key)
        except sqlite3.OperationalError:  # locked
            kept = Kept(aside, key)
        except sqlite3.DatabaseError:
            file.unlink()
            kept = Kept(file, key)
        with kept:
            yield kept


class _Build:
    """One build, step by step. ``folder`` is for the files of the snapshot, ``scratch`` for what
    is not needed after it, ``out`` is the build folder."""

    def __init__(
        self,
        layout: Layout,
        texts: Path | None,
        progress: Progress,
        kept: Kept,
        folder: Path,
        scratch: Path,
        out: Path,
    ) -> None:
        self.layout, self.project, self.texts = layout, layout.project, texts
        self.progress, self.kept = progress, kept
        self.folder, self.scratch, self.out = folder, scratch, out
        self.files = Digests()
        self.digests: dict[str, str] = {}
        self.sealed: dict[Path, str] = {}
        self.unsound: dict[str, Unit] = {}
        self.parts: list[Part] = []
        self.told: list[str] = []
        self.totals = Totals()
        self.description: list[bytes] = []
        self.respoken: set[str] = set()
        self.doubtful: frozenset[bytes] = frozenset()

    def findings(self, for_service: bool = False) -> list[Finding]:
        """All findings; with ``for_service``, all files of the snapshot are made meanwhile."""
        self.progress(_READING, 0)
        former = self.kept.before
        with ExitStack() as stack:
            if former is not None:
                # It takes a while for what is large.
                sound = stack.enter_context(
                    beside(partial(snapshot.sound, self.out / former.snapshot))
                )
            self.read()
            if former is not None and not sound():
                former = None
        try:
            shacl.shapes(self.project)
        except SyntaxFault as fault:
            self.faults.append(fault)
        if self.faults:
            # What does not parse would be judged by what is missing: it is mended first.
            return causes(_fault(self.project, fault) for fault in self.faults)
        found = self._once(former, for_service)
        if former is not None and fails(found):
            # Of a loop through several documents, say, all of it is told.
            found = self._once(None, for_service)
        return found

    def _once(self, former: Before | None, for_service: bool) -> list[Finding]:
        self.progress(Text("fusion et inférence", "merging and entailment"), 0.4)
        differences = self.assemble(former)
        if differences is None:
            former = None
        difference, published = differences or (None, None)
        with ExitStack() as stack:
            aside = []
            if for_service:
                for make in (self.store, self.index):
                    work = partial(make, former, published)
                    aside.append(stack.enter_context(beside(work)))
                seal = partial(snapshot.seal, [self.folder / name for name in parts.FILES])
                sealed = stack.enter_context(beside(seal))
            self.progress(_SHAPES, 0.6)
            findings = self.tell(self.validate(former, difference))
            if not fails(findings):
                for wait in aside:
                    wait()
                    self.progress(_SHAPES, 0.9)
                self.sealed = sealed() if for_service else {}
        return findings

    # --- units --------------------------------------------------------------------------------

    def read(self) -> None:
        """Reads and judges the units that are not kept."""
        self.questions, self.faults = _questions(self.project)
        self.faults += self.layout.faults
        names_ = [FRAME, *self.layout.documents]
        for path in self.project.shapes:  # no unit's, but the snapshot is made from them too
            self.files[path]
        self.digests = {name: units.digest(self.layout, name, self.files) for name in names_}
        new = [name for name in names_ if not self.kept.has(name, self.digests[name])]
        if FRAME in new:
            new.remove(FRAME)
            found, faults = sources.read_some(self.layout, ())
            described = library.described(self.questions.values())
            digest = self.digests[FRAME]
            self._take(units.judge(found, faults, FRAME, digest, self.texts, described))
        else:
            found = sources.read_ontology(self.project)
        self.schema, self.kinds = merge.schema(found), search.named_in(merge.ontology(found))
        elsewhere = Elsewhere(declared=evidence.declared_in(found))

        def work(batch: list[str]) -> list[Unit]:
            return [
                units.read_document(self.layout, name, self.digests[name], elsewhere, self.texts)
                for name in batch
            ]

        done = 0
        for batch in spread(work, _batches(new, _DOCUMENTS)):
            for unit in batch:
                self._take(unit)
            done += len(batch)
            self.progress(_READING, 0.4 * done / len(new))

    def _take(self, unit: Unit) -> None:
        self.faults += unit.faults
        if unit.sound:
            self.kept.put(unit)
        else:
            self.unsound[unit.name] = unit

    def unit(self, name: str) -> Unit:
        """A unit as it is now."""
        return self.unsound.get(name) or self.kept.get(name, self.digests[name])

    # --- parts --------------------------------------------------------------------------------

    def assemble(self, former: Before | None) -> tuple[Difference, Difference] | None:
        """Writes the dataset, from a former one where there is one; then gives the difference to
        it without the description and with it."""
        size = self.kept.size(self.digests) + sum(len(u.lines) for u in self.unsound.values())
        fine = size > parts.SMALL and shacl.reaching(shacl.shapes(self.project)) is not None
        if former is not None and (len(former.parts) > 1) != fine:
            former = None
        changed = self._changed(former) if former else []
        if former is not None and 2 * len(changed) > len(self.digests):
            former = None
        if former is not None and not all(
            self.kept.has(name, former.units[name]) for name in changed if name in former.units
        ):
            former = None  # one of them had a warning, and was not kept
        with (
            ExitStack() as stack,
            (self.scratch / "named").open("w", encoding="utf-8") as named,
        ):

            def take(made: Made) -> None:
                for it in made.named:
                    print(json.dumps([it.iri, it.stated, it.types, it.texts]), file=named)

            # The description counts all the rest: that is worked out first, without writing it
            # where most of it stands in the snapshot before.
            if former is None:
                self.totals = Totals()
                delta: list[tuple[bytes, int]] = []
                whole = Change(0, 0, parts.cut(parts.count(self._sorted()), fine))
                first = self.scratch / "first"
                first.mkdir(exist_ok=True)
                made, difference = self._write(first, None, [whole], take)
                old = stack.enter_context(Data(first, made))
            else:
                self.totals = former.totals
                delta = self._delta(former, changed)
                old = stack.enter_context(Data(self.out / former.snapshot, former.parts))
                changes = parts.changes(old, delta, fine)
                made, difference = self._write(None, old, changes, take)
            described = self._described(made)
            times = Counter(dict(delta))
            times.update(described)
            times.subtract(former.description if former else [])
            flipped = {line for line, more in delta if not more}
            delta = sorted((line, n) for line, n in times.items() if n or line in flipped)
            changes = parts.changes(old, delta, fine)
            # It is of no use to the index of names.
            self.parts, published = self._write(self.folder, old, changes, lambda _: None)
        self.description = described
        return (difference, published) if former else None

    def _described(self, made: Iterable[Part]) -> list[bytes]:
        counts = dataset.Counts()
        for part in made:
            counts.add_up(part.figures)
        graph = ox.NamedNode(names.DESCRIPTION)
        triples = dataset.described(counts)
        return merge.lines(ox.Quad(t.subject, t.predicate, t.object, graph) for t in triples)

    def _changed(self, former: Before) -> list[str]:
        both = former.units.keys() | self.digests.keys()
        return sorted(n for n in both if former.units.get(n) != self.digests.get(n))

    def _write(
        self,
        folder: Path | None,
        old: Data | None,
        changes: Iterable[Change],
        take: Callable[[Made], None],
    ) -> tuple[list[Part], Difference]:
        self.doubtful = frozenset(f"<{iri}>".encode() for iri in self.totals.doubtful)

        def work(batch: list[Stated]) -> list[Made]:
            return [parts.make(stated, self.schema, self.doubtful) for stated in batch]

        return parts.write(folder, old, changes, work, take)

    def _sorted(self) -> Iterator[bytes]:
        """The lines of all units in order, from runs that were sorted in memory."""
        runs: list[Path] = []
        lines: list[bytes] = []
        size = 0

        def write() -> None:
            runs.append(self.scratch / f"run-{len(runs)}")
            lines.sort()
            runs[-1].write_bytes(b"".join(lines))
            lines.clear()

        for name in self.digests:
            unit = self.unit(name)
            self.totals.add(unit)
            lines += unit.lines.splitlines(keepends=True)
            size += len(unit.lines)
            if size > _RUN:
                write()
                size = 0
        if not runs:
            lines.sort()
            return iter(lines)
        write()
        return _merged(runs)

    def _delta(self, former: Before, changed: Iterable[str]) -> list[tuple[bytes, int]]:
        """The lines that more or fewer units state than did, and how many; and with 0 those whose
        passage became doubtful or sure."""
        times: Counter[bytes] = Counter()
        touched: set[bytes] = set()
        for name in changed:
            was = self.kept.get(name, former.units[name]) if name in former.units else None
            now = self.unit(name) if name in self.digests else None
            doubtful = [set(unit.doubtful) if unit else set() for unit in (was, now)]
            flipped = {f"<{iri}>".encode() for iri in doubtful[0] ^ doubtful[1]}
            for unit, sign in ((was, -1), (now, 1)):
                if unit is None:
                    continue
                self.totals.add(unit, sign)
                self.respoken.update(unit.spoken)
                for line in unit.lines.splitlines(keepends=True):
                    times[line] += sign
                    if flipped and merge.split(line)[1] in flipped:
                        touched.add(line)
        return sorted((line, n) for line, n in times.items() if n or line in touched)

    # --- shapes -------------------------------------------------------------------------------

    def validate(self, former: Before | None, difference: Difference | None) -> list[Result]:
        """The results of the shapes: on all subjects, or on those that the difference concerns."""
        shapes_graph = shacl.shapes(self.project)
        properties = shacl.reaching(shapes_graph)
        engine = shacl.fast(shapes_graph)
        with Data(self.folder, self.parts) as data:

            @lru_cache(maxsize=1 << 16)
            def seen(subject: bytes) -> shacl.Seen:
                return shacl.seen(data.lines_of(subject), properties or ())

            def work(lines: list[bytes]) -> list[Result]:
                return shacl.examine(lines, seen, self.doubtful, engine, properties)

            foci = None
            if difference is not None and properties is not None:
                foci = _concerned(data, difference, properties)
            if former is None or foci is None:
                lines = _by_size(data.lines(n) for n in range(len(self.parts)))
            else:
                foci |= {f"<{iri}> ".encode() for iri in former.told}
                lines = _by_size(list(data.lines_of(iri)) for iri in sorted(foci))
            found: list[Result] = []
            for results in spread(work, lines):
                found += results
                self.progress(_SHAPES, 0.7)
        self.told = sorted({str(result.focus) for result in found})
        return found

    # --- findings -----------------------------------------------------------------------------

    def tell(self, results: list[Result]) -> list[Finding]:
        """All findings, each at its place in the files; only files that matter to any are read."""
        totals = self.totals
        frame = self.unit(FRAME)
        reached = merge.reached(totals.spoken, frame.places)
        unknown = totals.named.keys() - totals.known.keys()
        silent = set(frame.entries) - reached
        rejected = totals.retained.keys() & totals.doubtful.keys()
        alike = {iri.encode() for iri in frame.alike}
        if not (self.unsound or unknown or silent or rejected or alike or results or self.texts):
            return []
        subjects = {f"<{result.focus}> ".encode() for result in results}

        def concerned(unit: Unit) -> bool:
            return bool(
                unit.name in self.unsound
                or not unknown.isdisjoint(unit.named)
                or not rejected.isdisjoint(unit.retained)
                or (alike and not alike.isdisjoint(_TARGETS.findall(unit.lines)))
                or any(b"\n" + s in unit.lines or unit.lines.startswith(s) for s in subjects)
            )

        # Of a large project the documents concerned are read, of another all: where a missing
        # statement should stand is told from where others like it do.
        everything = self.texts is not None or len(self.parts) == 1
        slugs = [name for name in self.layout.documents if everything or concerned(self.unit(name))]
        found, _ = sources.read_some(
            self.layout,
            slugs,
            elsewhere=Elsewhere(
                known=frozenset(map(ox.NamedNode, totals.known)),
                spoken=frozenset(map(ox.NamedNode, totals.spoken)),
                doubtful=frozenset(map(ox.NamedNode, totals.doubtful)),
            ),
        )
        findings = [
            *(finding for unit in self.unsound.values() for finding in unit.findings),
            *evidence.across(found, self.texts),
            *shacl.findings(results, shacl.shapes(self.project), found),
        ]
        return [replace(f, label=found.labels.get(f.focus or "")) for f in causes(findings)]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The triples of the default graph, quads, entities and passages of the dataset."""
        triples, quads, entities = (sum(part.counts[n] for part in self.parts) for n in range(3))
        return triples, quads, entities, self.totals.graphs

    # --- the snapshot -------------------------------------------------------------------------

    def store(self, former: Before | None, difference: Difference | None) -> None:
        """The engine's store of the data, where these are large."""
        if (self.folder / snapshot.DATA).stat().st_size <= snapshot.LARGE:
            return
        before = self.out / former.snapshot if former else None
        if before and difference and (before / snapshot.STORE).is_dir():
            gone, come = b"".join(difference.gone), b"".join(difference.come)
            snapshot.store_from(before, self.folder, gone, come)
        else:
            snapshot.store(self.folder)

    def index(self, former: Before | None, difference: Difference | None) -> None:
        """The full-text index of names."""
        file = self.folder / search.FILE
        everything = _named(self.scratch / "named")
        if former is None or difference is None:
            search.create(file, self.kinds, everything, self.totals.spoken)
            return
        shutil.copyfile(self.out / former.snapshot / search.FILE, file)
        touched = {parts.subject(line)[1:-2].decode() for line in difference.lines}
        come = (it for it in everything if it.iri in touched)
        changed = {iri: self.totals.spoken[iri] for iri in touched | self.respoken}
        search.update(file, sorted(touched), come, changed)

    def settle(self) -> Snapshot:
        """Puts the files in force, and keeps what they were made of."""
        questions = {**self.project.frame(), snapshot.PLANS: self._plans()}
        snapshot.write_files(self.folder, questions)
        settled = snapshot.settle(self.out, self.folder, self.files.whole, self.sealed)
        self.kept.settle(
            Before(
                settled.directory.name,
                self.digests,
                self.parts,
                self.totals,
                self.description,
                self.told,
            )
        )
        self.kept.commit()
        return settled

    def _plans(self) -> bytes:
        """The plans of the questions, from the build before if these are as they were."""
        digest = units.digest_of(self.project.queries, self.files)
        plans = self.kept.plans(digest)
        if plans is None:
            from essgraph import why  # only here: it takes a quarter of all imports

            plans = why.plans(self.questions)
            self.kept.keep_plans(digest, plans)
        return plans


def _merged(runs: Iterable[Path]) -> Iterator[bytes]:
    with ExitStack() as stack:
        yield from heapq.merge(*[stack.enter_context(run.open("rb")) for run in runs])


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    ahead = iter(items)
    while batch := list(islice(ahead, size)):
        yield batch


def _by_size(blocks: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """Lines together until they are enough to be validated at a time."""
    lines: list[bytes] = []
    for block in blocks:
        lines += block
        if len(lines) >= _VALIDATED:
            yield lines
            lines = []
    if lines:
        yield lines


def _concerned(
    data: Data, difference: Difference, properties: Container[bytes]
) -> set[bytes] | None:
    """The subjects on which the shapes may say something else than before: those that changed,
    and those from which a shape may look at what changed. None if that may be nearly all."""
    subjects, hubs = set[bytes](), set[bytes]()
    for line in difference.lines:
        subject = parts.subject(line)
        subjects.add(subject)
        if line.split(b" ", 2)[1] in properties:
            hubs.add(subject)
    ahead = list(hubs)
    while ahead:
        if len(hubs) > _HUBS:
            return None
        for subject, predicate in data.naming(ahead.pop()[:-1]):
            subjects.add(subject)
            if predicate in properties and subject not in hubs:
                hubs.add(subject)
                ahead.append(subject)
    return subjects


def _named(path: Path) -> Iterator[search.Named]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            iri, stated, types, texts = json.loads(line)
            yield search.Named(iri, stated, types, texts)


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
            catalog.check_subject(question, project.name(path))
            _parse(question, project.name(path))
            questions[question.name] = question
        except SyntaxFault as fault:
            faults.append(fault)
    return questions, faults


def _parse(question: Question, file: str) -> None:
    """Raises SyntaxFault, with its place, for a question that is not SPARQL."""
    try:
        ox.Store().query(question.query, base_iri=names.BASE)
    except SyntaxError as error:
        place = re.search(r"error at (\d+):(\d+)", str(error.msg))
        at = Position(int(place[1]), int(place[2])) if place else None
        said = Text("ce n'est pas du SPARQL", "this is not SPARQL")
        try:
            known = explain(question.query)
        except SyntaxFault as fault:
            known = fault
        if known:
            at, said = known.at or at, known.text
        raise SyntaxFault(said, file=file, at=at) from error
