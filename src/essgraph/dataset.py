"""The dataset's description of itself, as the build counts it: VoID, and the catalogue (DCAT 3).

It stands in the snapshot as ``graph/description``. Its figures are those of the default graph
without it: counted before it is added, as a description that counted itself would not end. What
cannot stand in the data whose description it is (version, sizes, checksums) is added by the
service, as is what depends on the host.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyoxigraph as ox

from essgraph import formats, names
from essgraph.errors import Text

GRAPH: Final = ox.NamedNode(names.DESCRIPTION)
CATALOG: Final = names.BASE
SERVICE: Final = names.BASE + "sparql"
#: The distribution of the data that is no file.
BY_SPARQL: Final = names.DATASET + "#distribution-sparql"
DCAT: Final = names.PREFIXES["dcat"]
VOID: Final = names.PREFIXES["void"]

_TYPE: Final = names.RDF + "type"
_LICENSE: Final = names.DCTERMS + "license"
_INTEGER: Final = ox.NamedNode(names.XSD + "integer")
_DESCRIBED: Final = re.compile(rf"<{re.escape(names.BASE)}(id|doc|passage)/[^#]*>".encode())
_HOST: Final = re.compile(r"[a-z]+:/*[^/>]*/?")
_FORMAT_IRI: Final = {
    "turtle": "Turtle",
    "jsonld": "JSON-LD",
    "rdfxml": "RDF_XML",
    "nt": "N-Triples",
    "trig": "TriG",
    "nq": "N-Quads",
}
_TITLE: Final = Text("Description du jeu de données", "Description of the dataset")
#: The named graphs that are not those of passages, and what they hold.
GRAPHS: Final = {
    names.REGISTER: Text(
        "Registre : l'identité de ce qui est nommé", "Register: the identity of what is named"
    ),
    names.PROVENANCE: Text(
        "Provenance : passages, documents, notes", "Provenance: passages, documents, notes"
    ),
    names.ENTAILED: Text("Ce qui suit de l'ontologie", "What follows from the ontology"),
    names.ONTOLOGY: Text("L'ontologie", "The ontology"),
    names.QUERIES: Text("La bibliothèque de questions", "The question library"),
    names.DESCRIPTION: _TITLE,
}
_COUNTED: Final = Text(
    "Les nombres sont ceux du graphe par défaut sans cette description, comptés avant qu'elle "
    "y soit ajoutée.",
    "The figures are those of the default graph without this description, counted before it was "
    "added.",
)

Value = ox.NamedNode | ox.Literal | str | int


def about(subject: str, *said: tuple[str, Value | None]) -> Iterator[ox.Triple]:
    """Triples about one subject; a string is an IRI, a number an integer, None is not said."""
    for predicate, value in said:
        if value is None:
            continue
        if isinstance(value, int):
            term: ox.NamedNode | ox.Literal = ox.Literal(str(value), datatype=_INTEGER)
        else:
            term = ox.NamedNode(value) if isinstance(value, str) else value
        yield ox.Triple(ox.NamedNode(subject), ox.NamedNode(predicate), term)


def both(predicate: str, text: Text) -> Iterator[tuple[str, ox.Literal]]:
    """What is said by a property in both languages, for ``about``."""
    yield predicate, ox.Literal(text.fr, language="fr")
    yield predicate, ox.Literal(text.en, language="en")


def media_type(media_type: str) -> str:
    """The IRI of a media type, as DCAT wants it."""
    return f"https://www.iana.org/assignments/media-types/{media_type}"


def described(counts: Counts) -> set[ox.Triple]:
    """The triples of the description."""
    return {
        *_itself(),
        *_figures(counts),
        *_partitions(counts),
        *_linksets(counts),
        *_catalog(counts.licenses),
    }


class Counts:
    """What there is to count in the default graph, in one pass in the order of subjects; or the sum
    of the counts of its parts, each with all that is said of some subjects (``add_up``). How many
    different objects there are is not the sum of those of the parts: then it is not told."""

    def __init__(self) -> None:
        self.triples: Counter[str] = Counter()  # by property, as are the next two
        self.subjects: Counter[str] = Counter()
        self.members: Counter[str] = Counter()  # by class
        self.examples: dict[str, str] = {}
        self.links: Counter[tuple[str, str]] = Counter()  # by property and host
        self.licenses: set[str] = set()
        self.distinct_subjects = 0
        self.entities = 0
        # Hashes of terms: of millions, the terms themselves would not fit.
        self._objects: dict[str, set[int]] = defaultdict(set)
        self._told: list[tuple[Mapping[str, int], int]] = []  # objects, of parts

    def add(self, triples: Iterable[bytes]) -> None:
        """Counts triples, in order, each as in N-Triples without its dot."""
        subject, seen = b"", set[bytes]()  # the properties of this subject
        for triple in triples:
            own, predicate, value = triple.split(b" ", 2)
            if own != subject:
                subject, seen = own, set()
                self.distinct_subjects += 1
            name = predicate[1:-1].decode()
            self.triples[name] += 1
            self._objects[name].add(hash(value))
            if predicate not in seen:
                seen.add(predicate)
                self.subjects[name] += 1
                self.entities += name == _TYPE and _DESCRIBED.fullmatch(subject) is not None
            if value.startswith(b"<"):
                self._link(subject[1:-1].decode(), name, value[1:-1].decode())

    def _link(self, subject: str, name: str, value: str) -> None:
        if name == _TYPE:
            self.members[value] += 1
            self.examples.setdefault(value, subject)  # the first in order
        elif subject.startswith(names.ID) and not value.startswith(names.BASE):
            host = _HOST.match(value)
            self.links[name, host[0] if host else value] += 1
        elif subject == names.DATASET and name == _LICENSE:
            self.licenses.add(value)

    def objects(self, name: str) -> int | None:
        """How many different objects a property has."""
        if not self._told:
            return len(self._objects[name])
        return self._told[0][0][name] if len(self._told) == 1 else None

    @property
    def distinct_objects(self) -> int | None:
        if not self._told:
            return len(set[int]().union(*self._objects.values()))
        return self._told[0][1] if len(self._told) == 1 else None

    @property
    def figures(self) -> list[Any]:
        """These counts for ``add_up``, as JSON can hold them."""
        return [
            self.triples,
            self.subjects,
            self.members,
            self.examples,
            [[*what, number] for what, number in self.links.items()],
            sorted(self.licenses),
            self.distinct_subjects,
            self.entities,
            {name: len(found) for name, found in self._objects.items()},
            self.distinct_objects,
        ]

    def add_up(self, figures: Sequence[Any]) -> None:
        """Adds the counts of a part that comes after those before in the order of subjects."""
        triples, subjects, members, examples, links, licenses, *numbers = figures
        distinct, entities, objects, distinct_objects = numbers
        self.triples.update(triples)
        self.subjects.update(subjects)
        self.members.update(members)
        self.examples = examples | self.examples
        self.links.update({(predicate, host): number for predicate, host, number in links})
        self.licenses.update(licenses)
        self.distinct_subjects += distinct
        self.entities += entities
        self._told.append((objects, distinct_objects))


def _itself() -> Iterator[ox.Triple]:
    """The description, and the named graphs that are no passages."""
    yield from about(
        names.DESCRIPTION,
        (_TYPE, VOID + "DatasetDescription"),
        (names.FOAF + "primaryTopic", names.DATASET),
        *both(names.RDFS + "comment", _COUNTED),
    )
    for graph, title in GRAPHS.items():
        yield from about(names.DATASET, (names.DCTERMS + "hasPart", graph))
        yield from about(graph, *both(names.DCTERMS + "title", title))


def _figures(counts: Counts) -> Iterator[ox.Triple]:
    yield from about(
        names.DATASET,
        (VOID + "triples", counts.triples.total()),
        (VOID + "entities", counts.entities),
        (VOID + "documents", counts.entities),
        (VOID + "classes", len(counts.members)),
        (VOID + "properties", len(counts.triples)),
        (VOID + "distinctSubjects", counts.distinct_subjects),
        (VOID + "distinctObjects", counts.distinct_objects),
        (VOID + "sparqlEndpoint", SERVICE),
        (VOID + "rootResource", names.ID),
        *((VOID + "dataDump", names.BASE + name) for name in formats.DUMPS),
        *(
            (VOID + "feature", f"http://www.w3.org/ns/formats/{_FORMAT_IRI[f.name]}")
            for f in formats.DOCUMENTS
        ),
    )


def _partitions(counts: Counts) -> Iterator[ox.Triple]:
    for kind, members in counts.members.items():
        part = _part("class", kind)
        yield from about(names.DATASET, (VOID + "classPartition", part))
        yield from about(
            part, (_TYPE, VOID + "Dataset"), (VOID + "class", kind), (VOID + "entities", members)
        )
        example = counts.examples[kind]
        if kind.startswith(names.ESS) and example.startswith(names.BASE):
            for subject in (part, names.DATASET):
                yield from about(subject, (VOID + "exampleResource", example))
    for predicate, triples in counts.triples.items():
        part = _part("property", predicate)
        yield from about(names.DATASET, (VOID + "propertyPartition", part))
        yield from about(
            part,
            (_TYPE, VOID + "Dataset"),
            (VOID + "property", predicate),
            (VOID + "triples", triples),
            (VOID + "distinctSubjects", counts.subjects[predicate]),
            (VOID + "distinctObjects", counts.objects(predicate)),
        )


def _linksets(counts: Counts) -> Iterator[ox.Triple]:
    for (predicate, host), triples in counts.links.items():
        target = _part("target", host)
        linkset = f"{_part('linkset', host)}-{_local(predicate)}"
        yield from about(names.DATASET, (VOID + "subset", linkset))
        yield from about(
            linkset,
            (_TYPE, VOID + "Linkset"),
            (VOID + "linkPredicate", predicate),
            (VOID + "subjectsTarget", names.DATASET),
            (VOID + "objectsTarget", target),
            (VOID + "triples", triples),
        )
        yield from about(target, (_TYPE, VOID + "Dataset"), (VOID + "uriSpace", ox.Literal(host)))


def _catalog(licenses: set[str]) -> Iterator[ox.Triple]:
    """The catalogue: this dataset, its distributions, its service."""
    licensed = [(_LICENSE, iri) for iri in licenses]
    title = names.DCTERMS + "title"
    yield from about(
        CATALOG,
        (_TYPE, DCAT + "Catalog"),
        *both(title, Text("Catalogue d'essgraph", "essgraph catalogue")),
        (DCAT + "dataset", names.DATASET),
        (DCAT + "service", SERVICE),
        (names.FOAF + "homepage", names.BASE),
        *licensed,
    )
    yield from about(
        SERVICE,
        (_TYPE, DCAT + "DataService"),
        *both(title, Text("Point d'accès SPARQL", "SPARQL endpoint")),
        (DCAT + "endpointURL", SERVICE),
        (DCAT + "endpointDescription", SERVICE),
        (DCAT + "servesDataset", names.DATASET),
        (names.DCTERMS + "conformsTo", "https://www.w3.org/TR/sparql11-protocol/"),
        *licensed,
    )
    yield from about(
        names.DATASET,
        (DCAT + "landingPage", names.BASE),
        (names.DCTERMS + "conformsTo", names.BASE + "ontology"),
        (DCAT + "distribution", BY_SPARQL),
        *((DCAT + "distribution", names.BASE + name) for name in formats.DUMPS),
    )
    yield from about(
        BY_SPARQL,
        (_TYPE, DCAT + "Distribution"),
        *both(title, Text("Accès par SPARQL", "Access by SPARQL")),
        (DCAT + "accessURL", SERVICE),
        (DCAT + "accessService", SERVICE),
        *licensed,
    )
    for name, inside in formats.DUMPS.items():
        file = names.BASE + name
        yield from about(
            file,
            (_TYPE, DCAT + "Distribution"),
            (title, ox.Literal(name)),
            (DCAT + "downloadURL", file),
            (DCAT + "accessURL", file),
            (DCAT + "mediaType", media_type(inside.media_type)),
            (DCAT + "compressFormat", media_type("application/gzip")),
            *licensed,
        )


def _part(kind: str, iri: str) -> str:
    """The IRI of a partition or linkset, after what it is about."""
    return f"{names.DATASET}#{kind}-{_local(iri)}"


def _local(iri: str) -> str:
    short = names.shorten(iri)
    if short.startswith("<"):
        return hashlib.sha256(iri.encode()).hexdigest()[:12]
    return short.replace(":", "-")
