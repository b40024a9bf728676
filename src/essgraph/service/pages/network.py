"""The network of cities, organisations, events and people: who is linked to whom, as numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.pictures import overlap
from essgraph.service.pages.rows import Row

WIDTH: Final = 1000.0
HEIGHT: Final = 720.0
#: How many things are drawn at most, those with the most links first.
LIMIT: Final = 160
#: How many steps the places settle in.
ROUNDS: Final = 220

#: The families of the filter, and the kinds in each.
FAMILIES: Final = {
    "city": ("city", "region", "country", "territory"),
    "network": ("network",),
    "organization": ("organization", "group"),
    "event": ("event",),
    "person": ("person",),
}

LINKS: Final = """
SELECT DISTINCT ?a ?link ?b WHERE {
  VALUES ?kindA { ess:City ess:Organization ess:Event ess:Person ess:AgentGroup }
  VALUES ?kindB { ess:City ess:Organization ess:Event ess:Person ess:AgentGroup }
  { GRAPH ?passage { ?a ?link ?b } ?passage a ess:Passage }
  UNION { ?mandate org:member ?a ; org:organization ?b . BIND (org:organization AS ?link) }
  UNION { ?talk ess:speaker ?a ; ess:partOfEvent ?b . BIND (ess:speaker AS ?link) }
  ?a a ?kindA . ?b a ?kindB .
  FILTER (?a != ?b)
} ORDER BY ?a ?link ?b LIMIT 2000"""


@dataclass(frozen=True)
class Node:
    """A thing in the picture."""

    iri: str
    kind: str
    family: str
    label: str
    spoken: str  # the label and, for an acronym, the whole name
    x: float
    y: float
    r: float
    major: bool  # its label is written, not only shown on demand


@dataclass(frozen=True)
class Edge:
    """A link between two things of the picture."""

    a: Node
    b: Node
    property: str


@dataclass(frozen=True)
class Network:
    """The picture: nodes by degree, links, and its size."""

    nodes: list[Node]
    edges: list[Edge]
    width: float = WIDTH
    height: float = HEIGHT


def draw(rows: Iterable[Row], known: Names, v: View, families: Sequence[str] | None) -> Network:
    """The network of rows as ``LINKS`` gives them; only things of the given families, if any."""
    links = sorted({(r["a"].value, r["link"].value, r["b"].value) for r in rows})
    degree = Counter(end for a, _, b in links for end in (a, b))
    chosen = sorted(degree, key=lambda iri: (-degree[iri], iri))[:LIMIT]
    drawn = set(chosen)
    pairs = {(min(a, b), max(a, b)) for a, _, b in links if a in drawn and b in drawn}
    at = layout(tuple(chosen), tuple(sorted(pairs)))
    shown = [iri for iri in chosen if families is None or _family(known.kind(iri)) in families]
    nodes = {node.iri: node for node in _nodes(shown, at, degree, known, v)}
    edges = [
        Edge(nodes[a], nodes[b], property) for a, property, b in links if a in nodes and b in nodes
    ]
    return Network(list(nodes.values()), edges)


def _family(kind: str) -> str:
    return next((family for family, kinds in FAMILIES.items() if kind in kinds), "organization")


def _nodes(
    shown: Sequence[str],
    at: Mapping[str, tuple[float, float]],
    degree: Mapping[str, int],
    known: Names,
    v: View,
) -> Iterator[Node]:
    """Things in their places; those with the most links have their label where there is room."""
    # A label covers neither another one nor a thing.
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in at.values()]
    for iri in shown:
        x, y = at[iri]
        r = 4.5 + 2.1 * math.sqrt(degree[iri])
        label = v.plain(known, iri)
        called = known.acronyms.get(iri, label)
        short = called if len(called) <= 26 else called[:25].rsplit(" ", 1)[0] + "…"
        half = 3.1 * len(short) + 2
        area = (x - half, y + r + 1, x + half, y + r + 17)
        major = half < x < WIDTH - half and not any(overlap(area, other) for other in taken)
        if major:
            taken.append(area)
        written = short if major else label
        spoken = label if called == label else f"{called}, {label}"
        kind = known.kind(iri)
        yield Node(iri, kind, _family(kind), written, spoken, x, y, r, major)


@lru_cache(maxsize=4)
def layout(
    iris: tuple[str, ...], pairs: tuple[tuple[str, str], ...]
) -> dict[str, tuple[float, float]]:
    """Places in the picture: the largest part on the left, the small ones in cells on the right.

    The same links always give the same picture.
    """
    parts = _parts(iris, pairs)
    if not parts:
        return {}
    first, *others = parts
    whole = WIDTH if not others else WIDTH * 0.74
    at = _fit(first, pairs, (64, 28, whole - 64, HEIGHT - 44))
    columns = 2
    high = (HEIGHT - 30) / max(1, math.ceil(len(others) / columns))
    wide = (WIDTH - whole) / columns
    for n, part in enumerate(others):
        left, top = whole + wide * (n % columns), 20 + high * (n // columns)
        side = min(high - 46, 70.0)
        room = (left + 34, top + 6, left + wide - 34, top + 6 + max(side, 12))
        at |= _fit(part, pairs, room)
    return at


def _parts(iris: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, ...]]:
    """The connected parts, the largest first, each in the order of ``iris``."""
    near: dict[str, list[str]] = {iri: [] for iri in iris}
    for a, b in pairs:
        near[a].append(b)
        near[b].append(a)
    seen: set[str] = set()
    parts = []
    for iri in iris:
        if iri in seen:
            continue
        part, ahead = {iri}, [iri]
        while ahead:
            for other in near[ahead.pop()]:
                if other not in part:
                    part.add(other)
                    ahead.append(other)
        seen |= part
        parts.append(tuple(i for i in iris if i in part))
    return sorted(parts, key=lambda part: (-len(part), part))


def _fit(
    part: tuple[str, ...],
    pairs: tuple[tuple[str, str], ...],
    room: tuple[float, float, float, float],
) -> dict[str, tuple[float, float]]:
    """The part within a room (left, top, right, bottom)."""
    xs, ys = _spread(part, pairs)
    left, top = min(xs), min(ys)
    wide, high = (max(xs) - left) or 1.0, (max(ys) - top) or 1.0
    return {
        iri: (
            room[0] + (room[2] - room[0]) * (x - left) / wide,
            room[1] + (room[3] - room[1]) * (y - top) / high,
        )
        for iri, x, y in zip(part, xs, ys, strict=True)
    }


def _spread(
    part: tuple[str, ...], pairs: tuple[tuple[str, str], ...]
) -> tuple[list[float], list[float]]:
    """Places by attraction along links and repulsion (Fruchterman and Reingold 1991), from a
    spiral in the order given."""
    count = len(part)
    number = {iri: n for n, iri in enumerate(part)}
    xs = [math.sqrt(n + 0.5) * math.cos(2.399963 * n) for n in range(count)]
    ys = [math.sqrt(n + 0.5) * math.sin(2.399963 * n) for n in range(count)]
    links = [(number[a], number[b]) for a, b in pairs if a in number and b in number]
    for turn in range(ROUNDS):
        fx, fy = [0.0] * count, [0.0] * count
        for i in range(count):
            xi, yi = xs[i], ys[i]
            for j in range(i):
                dx, dy = xi - xs[j], yi - ys[j]
                force = 2.6 / (dx * dx + dy * dy + 0.01)
                fx[i] += dx * force
                fy[i] += dy * force
                fx[j] -= dx * force
                fy[j] -= dy * force
        for i, j in links:
            dx, dy = xs[i] - xs[j], ys[i] - ys[j]
            force = math.hypot(dx, dy) / 1.6
            fx[i] -= dx * force
            fy[i] -= dy * force
            fx[j] += dx * force
            fy[j] += dy * force
        heat = 2.2 * (1 - turn / ROUNDS) ** 1.5 + 0.02
        for i in range(count):
            # A weak pull to the middle rounds the outline.
            px, py = fx[i] - 0.035 * xs[i], fy[i] - 0.05 * ys[i]
            step = min(1.0, heat / (math.hypot(px, py) or 1.0))
            xs[i] += px * step
            ys[i] += py * step
    return xs, ys
