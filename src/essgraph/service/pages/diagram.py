"""The classes of the ontology as a picture: boxes, what stands under what, and arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from essgraph import names
from essgraph.service.pages.terms import Terms

#: The classes of others that the picture shows: ours stand under them, or lead to them.
_HUBS: Final = (names.PROV + "Activity", names.PROV + "Agent", names.SKOS + "Concept")
_BOX, _ROW, _INDENT, _LINE = 190, 44, 22, 12
_COLUMNS: Final = (8, 330, 640)


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


def picture(terms: Terms) -> Picture:
    """The classes: those under none of ours at the left, activities and agents as trees."""
    classes = [c for c in terms.subjects(names.OWL + "Class") if c.startswith(names.ESS)]
    under: dict[str, list[str]] = defaultdict(list)
    for one in classes:
        # The nearest that the picture shows: a class of ours goes before one of others.
        above = [c for c in terms.iris(one, names.RDFS + "subClassOf") if c in classes]
        above += [c for c in terms.iris(one, names.RDFS + "subClassOf") if c in _HUBS]
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
            y = _place(terms, root, under, x, y, drawn, at)
        drawn.height = max(drawn.height, y)
    _connect(terms, at, drawn)
    return drawn


def _place(
    terms: Terms,
    iri: str,
    under: Mapping[str, list[str]],
    x: int,
    y: int,
    drawn: Picture,
    at: dict[str, Box],
) -> int:
    """Places a class and, indented, what is under it; the next free height."""
    box = at[iri] = Box(iri, terms.label(iri), x, y)
    drawn.boxes.append(box)
    y += _ROW
    for child in under.get(iri, ()):
        drawn.lines.append(f"M{x + 8} {box.y + 30}V{y + 15}H{x + _INDENT}")
        y = _place(terms, child, under, x + _INDENT, y, drawn, at)
    return y


def _connect(terms: Terms, at: Mapping[str, Box], drawn: Picture) -> None:
    """Draws our properties that lead from one class of the picture to another."""
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in terms.subjects(names.OWL + "ObjectProperty"):
        for domain in terms.iris(one, names.RDFS + "domain"):
            for range_ in terms.iris(one, names.RDFS + "range"):
                if one.startswith(names.ESS) and domain in at and range_ in at:
                    pairs[domain, range_].append(terms.label(one))
    for (source, target), labels in sorted(pairs.items()):
        arrow = _arrow(at[source], at[target], labels)
        while any(_covers(arrow, other) for other in drawn.arrows):
            arrow.y += _LINE
        drawn.arrows.append(arrow)


def _arrow(a: Box, b: Box, labels: list[str]) -> Arrow:
    y1, y2 = a.y + 15, b.y + 15
    right, left = b.x > a.x + _BOX, a.x > b.x + _BOX
    if right or left:  # to another column, with the label near the source
        way = 1 if right else -1
        x1, x2 = (a.x + _BOX, b.x) if right else (a.x, b.x + _BOX)
        path = f"M{x1} {y1}C{x1 + 70 * way} {y1} {x2 - 70 * way} {y2} {x2 - 2 * way} {y2}"
        return Arrow(path, x1 + 0.3 * (x2 - x1), y1 + 0.2 * (y2 - y1), labels)
    # Within a column: around its right side.
    x1, x2 = a.x + _BOX, b.x + _BOX
    apart = 6 if a is b else 0
    bow = max(x1, x2) + 46
    path = f"M{x1} {y1 - apart}C{bow} {y1 - apart} {bow} {y2 + apart} {x2 + 2} {y2 + apart}"
    return Arrow(path, bow - 4, (y1 + y2) / 2, labels)


def _covers(a: Arrow, b: Arrow) -> bool:
    """Whether the labels of two arrows lie on each other; a letter is six units wide."""
    return abs(a.y - b.y) < _LINE and abs(a.x - b.x) < 3 * (len(a.label) + len(b.label))
