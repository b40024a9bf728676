"""A synthetic corpus in the shape of the project's graph, of any size, as a snapshot.

Documents of some forty passages; each passage has a record, a position, a graph of about twelve
statements and something new of which it speaks (an event, a talk or a recommendation), beside
people, organisations and cities that recur. Ontology and concept lists are the project's own.
The same size and seed give the same bytes; no word of a real text is in it.

``python -m bench.corpus TRIPLES FOLDER [SEED]`` writes one, for ``essgraph serve --out FOLDER``.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from essgraph import names, snapshot
from essgraph.project import Project
from essgraph.snapshot import Snapshot

ROOT = Path(__file__).parents[1]
PASSAGES = 40
_SUMMARY = (6, 18)

_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeio"]


@dataclass(frozen=True)
class Corpus:
    """A snapshot, and how many of each kind of thing it holds (things are numbered from 0)."""

    snapshot: Snapshot
    triples: int  # in the default graph
    quads: int  # in all
    counts: dict[str, int]


class _Writer:
    """The statements in N-Quads, named graphs and default graph."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.default: set[str] = set()
        self.above: dict[str, set[str]] = {}

    def say(self, triple: str, graph: str) -> None:
        self.named.append(f"{triple} <{graph}> .\n")
        self.default.add(f"{triple} .\n")

    def fact(self, subject: str, predicate: str, object_: str, graph: str) -> None:
        """A statement and what follows from it."""
        self.say(f"<{subject}> <{predicate}> {object_}", graph)
        if predicate == _TYPE:
            for upper in sorted(self.above.get(object_[1:-1], ())):
                self.say(f"<{subject}> <{_TYPE}> <{upper}>", names.ENTAILED)
        for upper in sorted(self.above.get(predicate, ())):
            self.say(f"<{subject}> <{upper}> {object_}", names.ENTAILED)

    def vocabulary(self, project: Project) -> list[str]:
        """The ontology, and the concepts; returns the IRIs of the themes."""
        direct: dict[str, set[str]] = defaultdict(set)
        ontology = list(ox.parse(project.ontology.read_bytes(), format=ox.RdfFormat.TURTLE))
        for quad in ontology:
            if quad.predicate.value in (_SUBCLASS, _SUBPROPERTY):
                direct[_iri(quad.subject)].add(_iri(quad.object))
            self.say(str(quad.triple), names.ONTOLOGY)
        for term in direct:
            ahead, seen = list(direct[term]), set[str]()
            while ahead:
                upper = ahead.pop()
                if upper not in seen:
                    seen.add(upper)
                    ahead += direct.get(upper, ())
            self.above[term] = seen
        for path in project.schemes:
            for quad in ox.parse(path.read_bytes(), format=ox.RdfFormat.TURTLE):
                self.say(str(quad.triple), names.REGISTER)
        themes = {t for t in self.default if t.startswith(f"<{names.ID}theme/")}
        return sorted({t[1 : t.index(">")] for t in themes})


_TYPE = names.RDF + "type"
_SUBCLASS = names.RDFS + "subClassOf"
_SUBPROPERTY = names.RDFS + "subPropertyOf"


def _iri(term: object) -> str:
    assert isinstance(term, ox.NamedNode)
    return term.value


class _Author:
    """Makes up documents."""

    def __init__(self, writer: _Writer, themes: list[str], seed: int) -> None:
        self.out = writer
        self.themes = themes
        self.random = random.Random(seed)
        self.counts: dict[str, int] = defaultdict(int)
        words = {"".join(self.random.choices(_SYLLABLES, k=n)) for n in (2, 3) for _ in range(400)}
        self.words = sorted(words)

    def text(self, least: int, most: int) -> str:
        return " ".join(self.random.choices(self.words, k=self.random.randint(least, most)))

    def new(self, kind: str, class_: str) -> str:
        """Another thing of a kind: its identity goes to the register."""
        number = self.counts[kind]
        self.counts[kind] += 1
        iri = f"{names.ID}{kind}-{number}"
        self.out.fact(iri, _TYPE, f"<{names.ESS}{class_}>", names.REGISTER)
        label = self.text(2, 6)
        for language in ("fr", "en"):
            said = f'"{label} {number}"@{language}'
            self.out.fact(iri, names.RDFS + "label", said, names.REGISTER)
        return iri

    def recurring(self, kind: str, class_: str, share: float) -> str:
        """One of a kind, as a rule one that was there before."""
        if self.random.random() < share or not self.counts[kind]:
            iri = self.new(kind, class_)
            if kind == "city":
                country = self.recurring("country", "Country", 0.05)
                self.out.fact(iri, names.ESS + "locatedIn", f"<{country}>", names.REGISTER)
            return iri
        return f"{names.ID}{kind}-{self.random.randrange(self.counts[kind])}"

    def passages(self) -> Iterator[None]:
        """Passage after passage, without end."""
        while True:
            document = f"{names.DOC}synthetic-{self.counts['doc']}"
            number = self.counts["doc"]
            self.counts["doc"] += 1
            type_ = f"<{names.ESS}SourceDocument>"
            self.out.fact(document, _TYPE, type_, names.PROVENANCE)
            title = f'"{self.text(3, 8)}"@fr'
            self.out.fact(document, names.DCTERMS + "title", title, names.PROVENANCE)
            event = self.new("event", "Event")
            start = 0
            for n in range(1, PASSAGES + 1):
                passage = f"{names.PASSAGE}synthetic-{number}/{n}"
                self.record(passage, document, start)
                self.facts(passage, event, n)
                start += 400
                yield

    def record(self, passage: str, document: str, start: int) -> None:
        """Where a passage stands and what it says."""
        position = passage + "#position"
        digest = hashlib.sha256(passage.encode()).hexdigest()
        level = self.random.choices(("explicit", "implied"), (9, 1))[0]
        for subject, predicate, object_ in (
            (passage, _TYPE, f"<{names.ESS}Passage>"),
            (passage, names.OA + "hasSource", f"<{document}>"),
            (passage, names.OA + "hasSelector", f"<{position}>"),
            (passage, names.ESS + "firstWords", f'"{self.text(6, 6)}"'),
            (passage, names.ESS + "lastWords", f'"{self.text(6, 6)}"'),
            (passage, names.ESS + "wordsDigest", f'"{digest[::-1]}"'),
            (passage, names.SCHEMA + "sha256", f'"{digest}"'),
            (passage, names.ESS + "evidenceLevel", f"<{names.ID}evidence/{level}>"),
            (passage, names.ESS + "summary", f'"{self.text(*_SUMMARY)}"@fr'),
            (passage, names.ESS + "summary", f'"{self.text(*_SUMMARY)}"@en'),
            (position, _TYPE, f"<{names.OA}TextPositionSelector>"),
            (position, names.OA + "start", _integer(start)),
            (position, names.OA + "end", _integer(start + 390)),
        ):
            self.out.fact(subject, predicate, object_, names.PROVENANCE)

    def facts(self, passage: str, event: str, n: int) -> None:
        """What a passage states, in its own graph."""
        ess = names.ESS
        kind = ("rec", "talk", "rec", "visit")[n % 4]
        class_ = {"rec": "Recommendation", "talk": "Intervention", "visit": "Event"}[kind]
        thing = self.new(kind, class_)
        person = self.recurring("person", "Person", 0.2)
        organization = self.recurring("org", "Organization", 0.2)
        city = self.recurring("city", "City", 0.1)
        year = self.random.randrange(1990, 2025)
        said = [
            (thing, ess + "partOfEvent", f"<{event}>"),
            (thing, ess + "theme", f"<{self.random.choice(self.themes)}>"),
            (thing, ess + "about", f"<{city}>"),
            (thing, ess + "summary", f'"{self.text(*_SUMMARY)}"@fr'),
            (thing, ess + "summary", f'"{self.text(*_SUMMARY)}"@en'),
            (organization, ess + "locatedIn", f"<{city}>"),
            (event, ess + "participant", f"<{person}>"),
        ]
        if kind == "rec":
            said.append((thing, ess + "addressedTo", f"<{organization}>"))
            said.append((thing, ess + "formulatedAt", f"<{event}>"))
            said.append((thing, names.SCHEMA + "position", _integer(n)))
            before = self.counts["rec"] - 2
            if before >= 0 and n > 2:
                said.append((thing, ess + "partOf", f"<{names.ID}rec-{before}>"))
        elif kind == "talk":
            said.append((thing, ess + "speaker", f"<{person}>"))
        else:
            date = f'"{year}"^^<{names.XSD}gYear>'
            said.append((thing, names.SCHEMA + "startDate", date))
            said.append((thing, ess + "locatedIn", f"<{city}>"))
            said.append((thing, ess + "organizer", f"<{organization}>"))
        mandate = f"{names.ID}mandate-{self.counts['rec']}-{n}"
        if n % 8 == 0:
            self.out.fact(mandate, _TYPE, f"<{ess}Mandate>", names.REGISTER)
            said.append((mandate, names.ORG + "member", f"<{person}>"))
            said.append((mandate, names.ORG + "organization", f"<{organization}>"))
            said.append((mandate, ess + "attestedOn", f'"{year}"^^<{names.XSD}gYear>'))
        for subject, predicate, object_ in said:
            self.out.fact(subject, predicate, object_, passage)


def _integer(value: int) -> str:
    return f'"{value}"^^<{names.XSD}integer>'


def write(out: Path, triples: int, seed: int = 1) -> Corpus:
    """Writes a corpus of at least ``triples`` statements in its default graph (a passage more at
    most) as the current snapshot of ``out``. Raises SnapshotError if the disk refuses."""
    project = Project(ROOT)
    writer = _Writer()
    author = _Author(writer, writer.vocabulary(project), seed)
    for _ in author.passages():
        if len(writer.default) >= triples:
            break
    lines = sorted({*writer.named, *writer.default})
    files = {
        snapshot.DATA: "".join(lines).encode(),
        "ontology.ttl": project.read(project.ontology),
        "shapes.ttl": b"\n".join(project.read(path) for path in project.shapes),
        **{f"queries/{path.name}": project.read(path) for path in project.queries},
    }
    # As if built from the project's files, so that `serve` finds nothing to build.
    written = snapshot.write_snapshot(out, files, project.digest())
    return Corpus(written, len(writer.default), len(lines), dict(author.counts))


if __name__ == "__main__":
    size, folder, *rest = sys.argv[1:]
    corpus = write(Path(folder), int(size), *map(int, rest))
    print(corpus.triples, "triples,", corpus.quads, "quads,", corpus.counts)
    print("version", corpus.snapshot.version)
