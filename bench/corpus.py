"""A synthetic project in the shape of the real one, of any size, valid under the project's rules.

Documents of some passages; each passage has a record, an anchor, a graph of about ten statements
and something new of which it speaks (an event, a talk or a recommendation), beside people,
organisations and cities that recur. Ontology, shapes, lists and questions are the project's own.
The same size and seed give the same bytes; no word of a real text is in it.

``python -m bench.corpus TRIPLES FOLDER [PASSAGES] [SEED]`` writes one into ``FOLDER``, for
``essgraph build --project FOLDER``.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from bench.processes import ROOT
from essgraph import build, names
from essgraph.project import Project
from essgraph.snapshot import Snapshot

PASSAGES = 40
#: About how many triples of the default graph come of a passage with what it speaks of.
_PER_PASSAGE = 49
_PER_DOCUMENT = 33
_OF_THE_PROJECT = 3400
_SUMMARY = (6, 18)
_ENTRIES = 1000  # of a file of the register

_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeio"]
_LISTS = ("theme", "event-type", "role")
_PREFIXES = "".join(
    f"PREFIX {prefix}: <{names.PREFIXES[prefix]}>\n"
    for prefix in (
        "dcterms", "doc", "ess", "ev", "id", "oa", "org", "rdfs", "schema", "text-type", "xsd",
        *_LISTS,
    )
)  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """A snapshot, and how many of each kind of thing it holds (things are numbered from 0)."""

    snapshot: Snapshot
    triples: int  # in the default graph
    quads: int  # in all
    counts: dict[str, int]


class _Author:
    """Makes up documents, and the entries of the register that they call for."""

    def __init__(self, lists: dict[str, list[str]], seed: int) -> None:
        self.lists = lists
        self.random = random.Random(seed)
        self.counts: dict[str, int] = defaultdict(int)
        self.entries: dict[str, list[str]] = defaultdict(list)
        words = {"".join(self.random.choices(_SYLLABLES, k=n)) for n in (2, 3) for _ in range(400)}
        self.words = sorted(words)

    def text(self, least: int, most: int) -> str:
        return " ".join(self.random.choices(self.words, k=self.random.randint(least, most)))

    def both(self, least: int, most: int) -> str:
        """A text in both languages."""
        return f'"{self.text(least, most)}"@fr , "{self.text(least, most)}"@en'

    def new(self, kind: str, class_: str, more: str = "") -> str:
        """Another thing of a kind: its identity goes to the register."""
        number = self.counts[kind]
        self.counts[kind] += 1
        label = self.text(2, 6)
        self.entries[kind].append(
            f"id:{kind}-{number} a ess:{class_} ;\n"
            f'    rdfs:label "{label} {number}"@fr , "{label} {number}"@en{more} .\n'
        )
        return f"id:{kind}-{number}"

    def recurring(self, kind: str, class_: str, share: float) -> str:
        """One of a kind, as a rule one that was there before."""
        if self.counts[kind] and self.random.random() >= share:
            return f"id:{kind}-{self.random.randrange(self.counts[kind])}"
        source = " ;\n    dcterms:source <https://www.geonames.org/>"
        if kind == "country":
            code = "".join(self.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=2))
            return self.new(kind, class_, f' ;\n    ess:isoCode "{code}"{source}')
        if kind == "city":
            country = self.recurring("country", "Country", 0.05)
            return self.new(kind, class_, f" ;\n    ess:locatedIn {country}{source}")
        return self.new(kind, class_)

    def document(self, passages: int) -> tuple[str, str, str]:
        """The slug of another document, its text in TriG and its anchors in Turtle."""
        number = self.counts["doc"]
        self.counts["doc"] += 1
        slug = f"synthetic-{number}"
        event = self.new("event", "Event")
        digest = hashlib.sha256(slug.encode()).hexdigest()
        written = [
            f"{_PREFIXES}PREFIX p: <{names.PASSAGE}{slug}/>\n\n"
            f"doc:{slug} a ess:SourceDocument ;\n"
            f"    rdfs:label {self.both(3, 8)} ;\n"
            f'    dcterms:title "{self.text(3, 8)}"@fr ;\n'
            f'    dcterms:identifier "{slug}.txt" ;\n'
            f'    dcterms:language "fr" ;\n'
            f"    dcterms:type text-type:article ;\n"
            f"    ess:summary {self.both(*_SUMMARY)} .\n"
        ]
        anchors = [
            f'BASE <{names.PASSAGE}{slug}/>\n{_PREFIXES}\ndoc:{slug} schema:sha256 "{digest}" .\n'
        ]
        for n in range(1, passages + 1):
            first, last = self.text(6, 6), self.text(6, 6)
            (level,) = self.random.choices(("explicit", "implied", "doubtful"), (90, 9, 1))
            words = hashlib.sha256(f"{first}\n{last}".encode()).hexdigest()
            written.append(
                f"\np:{n} a ess:Passage ;\n"
                f'    ess:firstWords "{first}" ;\n    ess:lastWords "{last}" ;\n'
                f"    ess:summary {self.both(*_SUMMARY)} ;\n"
                f"    ess:evidenceLevel ev:{level} .\n\n"
                f"GRAPH p:{n} {{\n{self.facts(event, n)}}}\n"
            )
            anchors.append(
                f"\n<{n}> oa:hasSource doc:{slug} ;\n    oa:hasSelector <{n}#position> ;\n"
                f'    ess:wordsDigest "{words}" ;\n    schema:sha256 "{words[::-1]}" .\n'
                f"<{n}#position> a oa:TextPositionSelector ;\n"
                f"    oa:start {400 * n} ;\n    oa:end {400 * n + 390} .\n"
            )
        return slug, "".join(written), "".join(anchors)

    def facts(self, event: str, n: int) -> str:
        """What a passage states."""
        pick = self.random.choice
        kind = ("rec", "talk", "rec", "visit")[n % 4]
        class_ = {"rec": "Recommendation", "talk": "Intervention", "visit": "Event"}[kind]
        thing = self.new(kind, class_)
        person = self.recurring("person", "Person", 0.2)
        organization = self.recurring("org", "Organization", 0.2)
        city = self.recurring("city", "City", 0.1)
        year = f'"{self.random.randrange(1990, 2025)}"^^xsd:gYear'
        said = [
            f"{thing} ess:partOfEvent {event}",
            f"{thing} ess:theme {pick(self.lists['theme'])}",
            f"{thing} ess:about {city}",
            f"{thing} ess:summary {self.both(*_SUMMARY)}",
            f"{organization} ess:locatedIn {city}",
            f"{event} ess:participant {person}",
        ]
        if n == 1:
            said.append(f"{event} ess:eventType {pick(self.lists['event-type'])}")
        if kind == "rec":
            said.append(f"{thing} ess:addressedTo {organization}")
            said.append(f"{thing} ess:formulatedAt {event}")
            said.append(f"{thing} schema:position {n}")
            if n > 2:
                said.append(f"{thing} ess:partOf id:rec-{self.counts['rec'] - 2}")
        elif kind == "talk":
            said.append(f"{thing} ess:speaker {person}")
        else:
            said.append(f"{thing} schema:startDate {year}")
            said.append(f"{thing} ess:locatedIn {city}")
            said.append(f"{thing} ess:organizer {organization}")
            said.append(f"{thing} ess:eventType {pick(self.lists['event-type'])}")
        if n % 8 == 0:
            mandate = self.new("mandate", "Mandate")
            said.append(f"{mandate} org:member {person}")
            said.append(f"{mandate} org:organization {organization}")
            said.append(f"{mandate} org:role {pick(self.lists['role'])}")
            said.append(f"{mandate} ess:attestedOn {year}")
        return "".join(f"    {line} .\n" for line in said)


def _lists(project: Project) -> dict[str, list[str]]:
    """The concepts of the lists that documents draw from, as they write them."""
    found: dict[str, list[str]] = {}
    for path in project.schemes:
        space = f"{names.ID}{path.stem}/"
        concepts = {
            quad.subject.value
            for quad in ox.parse(path.read_bytes(), format=ox.RdfFormat.TURTLE)
            if isinstance(quad.subject, ox.NamedNode) and quad.subject.value.startswith(space)
        }
        found[path.stem] = [f"{path.stem}:{iri[len(space) :]}" for iri in sorted(concepts)]
    return found


def project(folder: Path, triples: int, passages: int = PASSAGES, seed: int = 1) -> dict[str, int]:
    """Writes a project of about ``triples`` statements in its default graph, ``passages`` to a
    document, into a folder; returns how many of each kind of thing it holds."""
    real = Project(ROOT)
    for path in (real.ontology, real.dataset, *real.schemes, *real.shapes, *real.queries):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for name in ("documents", "register"):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
    author = _Author(_lists(real), seed)
    for _ in range(round((triples - _OF_THE_PROJECT) / (_PER_DOCUMENT + passages * _PER_PASSAGE))):
        slug, text, anchors = author.document(passages)
        (folder / f"data/documents/{slug}.trig").write_text(text, "utf-8")
        (folder / f"data/documents/{slug}.anchors.ttl").write_text(anchors, "utf-8")
        for kind, entries in author.entries.items():
            if len(entries) >= _ENTRIES:
                _register(folder, kind, author.counts[kind], entries)
    for kind, entries in author.entries.items():
        if entries:
            _register(folder, kind, author.counts[kind], entries)
    return dict(author.counts)


def _register(folder: Path, kind: str, upto: int, entries: list[str]) -> None:
    path = folder / f"data/register/{kind}-{upto:08}.ttl"
    path.write_text(_PREFIXES + "\n" + "\n".join(entries), "utf-8")
    entries.clear()


def write(out: Path, triples: int, seed: int = 1) -> Corpus:
    """Builds a corpus of about ``triples`` statements in its default graph as the current snapshot
    of ``out``. Raises SnapshotError if the disk refuses."""
    counts = project(out / "project", triples, seed=seed)
    built = build.build(Project(out / "project"), out)
    assert built.snapshot is not None, built.checked.findings[:3]
    triples, quads, _, _ = built.checked.counts
    return Corpus(built.snapshot, triples, quads, counts)


if __name__ == "__main__":
    size, folder, *rest = sys.argv[1:]
    print(project(Path(folder), int(size), *map(int, rest)))
