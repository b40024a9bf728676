"""The ontology and the shapes as pages to read, made from their files; with a picture of the
classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pyoxigraph as ox
from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.search import fold
from essgraph.service.live import Served
from essgraph.service.pages import frame, wording

#: The classes of others that the picture shows: ours stand under them, or lead to them.
_HUBS: Final = (names.PROV + "Activity", names.PROV + "Agent", names.SKOS + "Concept")
_ABOUT: Final = names.BASE + "ontology"
_BOX, _ROW, _INDENT = 190, 44, 22
_COLUMNS: Final = (8, 330, 640)


class Description:
    """A graph, by subject and predicate."""

    def __init__(self, triples: Iterable[ox.Triple], language: str) -> None:
        self._said: dict[str, dict[str, list[ox.NamedNode | ox.Literal]]] = {}
        self._language = language
        for triple in sorted(triples, key=str):
            values = self._said.setdefault(triple.subject.value, {})  # type: ignore[union-attr]
            values.setdefault(triple.predicate.value, []).append(triple.object)  # type: ignore[arg-type]

    def subjects(self, type_: str) -> list[str]:
        """Those of a type, in the order of their labels."""
        found = [s for s in self._said if type_ in self.iris(s, names.RDF + "type")]
        return sorted(found, key=lambda s: (fold(self.label(s)), s))

    def iris(self, subject: str, predicate: str) -> list[str]:
        """The IRIs that a property of a subject leads to."""
        values = self._said.get(subject, {}).get(predicate, [])
        return [value.value for value in values if isinstance(value, ox.NamedNode)]

    def text(self, subject: str, predicate: str) -> str:
        """A literal in the language of the page, or one without language, as a typesetter would
        print it; else nothing."""
        for value in self._said.get(subject, {}).get(predicate, []):
            if isinstance(value, ox.Literal) and value.language in (None, self._language):
                return wording.typographic(value.value, self._language)
        return ""

    def label(self, iri: str) -> str:
        """What a term is called: its label, else its short name."""
        return self.text(iri, names.RDFS + "label") or names.prefixed(iri)


@dataclass
class Box:
    """A class in the picture."""

    iri: str
    label: str
    x: int
    y: int

    @property
    def ours(self) -> bool:
        return self.iri.startswith(names.ESS)


@dataclass
class Arrow:
    """Properties that lead from one class to another."""

    path: str
    x: float
    y: float
    labels: list[str]

    @property
    def label(self) -> str:
        more = f" +{len(self.labels) - 1}" if len(self.labels) > 1 else ""
        return self.labels[0] + more


@dataclass
class Picture:
    """Boxes, the lines from a class to those under it, and arrows, with the size of the whole."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    height: int = 0
    width: int = _COLUMNS[-1] + _BOX + 2 * _INDENT + 110

    @property
    def box(self) -> int:
        return _BOX


def picture(told: Description) -> Picture:
    """The classes: those under none of ours at the left, activities and agents as trees."""
    classes = [c for c in told.subjects(names.OWL + "Class") if c.startswith(names.ESS)]
    under: dict[str, list[str]] = defaultdict(list)
    for one in classes:
        # The nearest that the picture shows: a class of ours goes before one of others.
        above = [c for c in told.iris(one, names.RDFS + "subClassOf") if c in classes]
        above += [c for c in told.iris(one, names.RDFS + "subClassOf") if c in _HUBS]
        if above:
            under[above[0]].append(one)
    placed = {child for children in under.values() for child in children}
    activity, agent, concept = _HUBS
    drawn = Picture()
    at: dict[str, Box] = {}
    columns = (
        [c for c in classes if c not in placed and c not in under] + [concept],
        [activity],
        [agent],
    )
    for x, roots in zip(_COLUMNS, columns, strict=True):
        y = 10
        for root in roots:
            y = _place(told, root, under, x, y, drawn, at)
        drawn.height = max(drawn.height, y)
    _connect(told, at, drawn)
    return drawn


def _place(
    told: Description,
    iri: str,
    under: Mapping[str, list[str]],
    x: int,
    y: int,
    drawn: Picture,
    at: dict[str, Box],
) -> int:
    """Places a class and, indented, what is under it; the next free height."""
    box = at[iri] = Box(iri, told.label(iri), x, y)
    drawn.boxes.append(box)
    y += _ROW
    for child in under.get(iri, ()):
        drawn.lines.append(f"M{x + 8} {box.y + 30}V{y + 15}H{x + _INDENT}")
        y = _place(told, child, under, x + _INDENT, y, drawn, at)
    return y


def _connect(told: Description, at: Mapping[str, Box], drawn: Picture) -> None:
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in told.subjects(names.OWL + "ObjectProperty"):
        for domain in told.iris(one, names.RDFS + "domain"):
            for range_ in told.iris(one, names.RDFS + "range"):
                if one.startswith(names.ESS) and domain in at and range_ in at:
                    pairs[domain, range_].append(told.label(one))
    for (source, target), labels in sorted(pairs.items()):
        a, b = at[source], at[target]
        y1, y2 = a.y + 15, b.y + 15
        if b.x > a.x + _BOX:  # to a column further right
            x1, x2 = a.x + _BOX, b.x
            path = f"M{x1} {y1}C{x1 + 70} {y1} {x2 - 70} {y2} {x2 - 2} {y2}"
            x, y = x1 + 0.3 * (x2 - x1), y1 + 0.2 * (y2 - y1)  # near its source
        elif a.x > b.x + _BOX:  # to a column further left
            x1, x2 = a.x, b.x + _BOX
            path = f"M{x1} {y1}C{x1 - 70} {y1} {x2 + 70} {y2} {x2 + 2} {y2}"
            x, y = x1 + 0.3 * (x2 - x1), y1 + 0.2 * (y2 - y1)  # near its source
        else:  # within a column: around its right side
            x1, x2 = a.x + _BOX, b.x + _BOX
            y1 -= 6 if source == target else 0
            y2 += 6 if source == target else 0
            bow = max(x1, x2) + 46
            path = f"M{x1} {y1}C{bow} {y1} {bow} {y2} {x2 + 2} {y2}"
            x, y = bow - 4, (y1 + y2) / 2
        drawn.arrows.append(Arrow(path, x, y, labels))


def _terms(told: Description, types: Iterable[str]) -> list[dict[str, object]]:
    found = {iri for type_ in types for iri in told.subjects(type_) if iri.startswith(names.ESS)}
    ordered = sorted(found, key=lambda iri: (fold(told.label(iri)), iri))
    return [_term(told, iri) for iri in ordered]


def _term(told: Description, iri: str) -> dict[str, object]:
    def refer(predicate: str) -> list[tuple[str, str]]:
        return [(_target(i), told.label(i)) for i in told.iris(iri, names.RDFS + predicate)]

    return {
        "iri": iri,
        "name": iri.removeprefix(names.ESS),
        "label": told.label(iri),
        "definition": told.text(iri, names.SKOS + "definition"),
        "note": told.text(iri, names.SKOS + "scopeNote"),
        "above": refer("subClassOf") + refer("subPropertyOf"),
        "domain": refer("domain"),
        "range": refer("range"),
    }


def _target(iri: str) -> str:
    """Where a term is explained: here, if it is ours."""
    return f"#{iri.removeprefix(names.ESS)}" if iri.startswith(names.ESS) else iri


async def ontology(
    request: Request, served: Served, triples: Iterable[ox.Triple], version: str
) -> Response:
    """The page of the ontology."""
    view = frame.view(request)
    told = Description(triples, view.language)
    owl = names.OWL
    context = {
        "title": told.text(_ABOUT, names.DCTERMS + "title"),
        "description": told.text(_ABOUT, names.DCTERMS + "description"),
        "remark": told.text(_ABOUT, names.RDFS + "comment"),
        "number": version,
        "picture": picture(told),
        "sections": [
            ("classes", "Classes", "Classes", _terms(told, [owl + "Class"])),
            ("links", "Liens", "Links", _terms(told, [owl + "ObjectProperty"])),
            (
                "values",
                "Valeurs",
                "Values",
                _terms(told, [owl + "DatatypeProperty", owl + "AnnotationProperty"]),
            ),
        ],
    }
    return frame.html(request, served, "ontology.html", view, context)


async def shapes(request: Request, served: Served, triples: Iterable[ox.Triple]) -> Response:
    """The page of the shapes: what each asks of whom."""
    view = frame.view(request)
    told = Description(triples, view.language)
    sh = names.SH
    listed = []
    for iri in told.subjects(sh + "NodeShape"):
        whom = [
            names.shorten(target)
            for kind in ("targetClass", "targetSubjectsOf", "targetObjectsOf", "targetNode")
            for target in told.iris(iri, sh + kind)
        ]
        asked = [
            (
                names.shorten(path[0]) if path else "",
                told.text(part, sh + "name"),
                told.text(part, sh + "message"),
            )
            for part in told.iris(iri, sh + "property")
            for path in [told.iris(part, sh + "path")]
        ]
        asked += [
            ("", "", message)
            for part in told.iris(iri, sh + "sparql")
            if (message := told.text(part, sh + "message"))
        ]
        own = told.text(iri, sh + "message")
        listed.append((iri.rpartition("#")[2], names.shorten(iri), whom, own, asked))
    return frame.html(request, served, "shapes.html", view, {"listed": listed})
