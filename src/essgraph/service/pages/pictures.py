"""Pictures as numbers, drawn by templates as SVG: maps and timelines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from essgraph.service.pages import static
from essgraph.service.pages.dates import edtf_in_words, in_words, span
from essgraph.service.pages.frame import View
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Row

#: The width of a map at least, in units of the projection.
_LEAST: Final = 150.0
_NUMBERS: Final = re.compile(r"(-?[\d.]+),(-?[\d.]+)")


@dataclass(frozen=True)
class Point:
    """A place by its IRI and WGS 84 coordinates in degrees."""

    iri: str
    lat: float
    long: float


def places(rows: Iterable[Row]) -> dict[str, Point]:
    """Places by IRI, from rows of ``?place``, ``?lat`` and ``?long``."""
    found: dict[str, Point] = {}
    for row in rows:
        iri = row["place"].value
        found.setdefault(iri, Point(iri, float(row["lat"].value), float(row["long"].value)))
    return found


@dataclass(frozen=True)
class Shape:
    """A country: its ISO 3166-1 code, its outline as an SVG path, the box around it."""

    code: str
    path: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class World:
    """The countries of the world in one projection."""

    scale: float
    shapes: tuple[Shape, ...]


@cache
def world() -> World:
    """The shapes that the build step of the pages made; none where it has not run."""
    file = static.files().get("built/world.json")
    if file is None:
        return World(200.0, ())
    known = json.loads(file.body)
    shapes = []
    for shape in known["shapes"]:
        pairs = [(float(x), float(y)) for x, y in _NUMBERS.findall(shape["d"])]
        xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
        shapes.append(Shape(shape["code"], shape["d"], (min(xs), min(ys), max(xs), max(ys))))
    return World(known["scale"], tuple(shapes))


def project(lat: float, long: float) -> tuple[float, float]:
    """Natural Earth projection (Šavrič et al. 2011), as d3-geo draws the shapes."""
    scale = world().scale
    x, y = math.radians(long), math.radians(lat)
    y2 = y * y
    y4 = y2 * y2
    return (
        scale
        * x
        * (0.8707 - 0.131979 * y2 + y4 * (-0.013791 + y4 * (0.003971 * y2 - 0.001529 * y4))),
        -scale
        * y
        * (1.007226 + y2 * (0.015085 + y4 * (-0.044475 + 0.028874 * y2 - 0.005916 * y4))),
    )


@dataclass(frozen=True)
class Mark:
    """A place on a map: where, what, and where its label stands (none: there is no room)."""

    iri: str
    x: float
    y: float
    r: float
    label: str
    label_x: float
    label_y: float
    align: str


@dataclass(frozen=True)
class Map:
    """A map: its frame, the shapes in it, those that are linked, the places."""

    box: tuple[float, float, float, float]
    shapes: list[Shape]
    linked: Mapping[str, str]
    marks: list[Mark]
    font: float


def draw_map(
    points: Sequence[Point],
    known: Names,
    v: View,
    *,
    linked: Mapping[str, str] | None = None,
    ratio: float = 0.62,
    letters: float = 36.0,
) -> Map:
    """A map around the points. ``linked`` are IRIs of countries by ISO code, ``ratio`` is that
    of height to width, ``letters`` how many letters high its width is."""
    at = [project(point.lat, point.long) for point in points]
    left, right = min(x for x, _ in at), max(x for x, _ in at)
    top, bottom = min(y for _, y in at), max(y for _, y in at)
    width = max(_LEAST, (right - left) * 1.16, (bottom - top) * 1.3 / ratio)
    height = width * ratio
    x0, y0 = (left + right - width) / 2, (top + bottom - height) / 2
    shapes = [
        shape
        for shape in world().shapes
        if shape.box[0] < x0 + width
        and shape.box[2] > x0
        and shape.box[1] < y0 + height
        and shape.box[3] > y0
    ]
    font = width / letters
    marks = _labelled(points, at, known, v, font, (x0, y0, width, height))
    return Map((x0, y0, width, height), shapes, linked or {}, marks, font)


def _labelled(
    points: Sequence[Point],
    at: Sequence[tuple[float, float]],
    known: Names,
    v: View,
    font: float,
    box: tuple[float, float, float, float],
) -> list[Mark]:
    """Marks with labels that cover neither each other nor a mark, the northern first."""
    r = font * 0.42
    taken = [(x - r, y - r, x + r, y + r) for x, y in at]
    marks = []
    for number, (point, (x, y)) in sorted(
        enumerate(zip(points, at, strict=True)), key=lambda p: p[1][1][1]
    ):
        label = v.plain(known, point.iri)
        size = len(label) * font * 0.52
        places = (
            (x + 1.6 * r, y + font * 0.33, "start"),
            (x - 1.6 * r, y + font * 0.33, "end"),
            (x, y - 1.8 * r, "middle"),
            (x, y + 1.6 * r + font * 0.8, "middle"),
        )
        chosen = (0.0, 0.0, "")
        for tx, ty, align in places:
            start = tx - {"start": 0.0, "middle": size / 2, "end": size}[align]
            area = (start, ty - font * 0.8, start + size, ty + font * 0.2)
            inside = area[0] > box[0] and area[2] < box[0] + box[2]
            others = [t for n, t in enumerate(taken) if n != number]
            if inside and not any(overlap(area, other) for other in others):
                taken.append(area)
                chosen = (tx, ty, align)
                break
        marks.append(Mark(point.iri, x, y, r, label, *chosen))
    return marks


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes (left, top, right, bottom) have a part in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@dataclass(frozen=True)
class Bar:
    """A span on a line of time, from 0 to 1000; open where it has no beginning."""

    x: float
    width: float
    open_start: bool


@dataclass(frozen=True)
class Axis:
    """A line of time: its first and last year, and the years that are written."""

    first: float
    last: float
    ticks: tuple[tuple[int, float], ...]

    def bar(self, start: str, end: str = "") -> Bar | None:
        """The span from a date to another (XSD or EDTF); None where it is not understood."""
        first, last = span(start), span(end) if end else None
        if first is None:
            return None
        begins, ends = first[0], (last or first)[1]
        x0 = self._x(self.first if begins is None else begins)
        x1 = self._x(self.last if ends is None else ends)
        width = max(x1 - x0, 7.0)
        # An open beginning is a short fading tail: nothing says how long before.
        if begins is None:
            x0, width = x1 - 60, 60.0
        return Bar(min(x0, 1000 - width), width, begins is None)

    def _x(self, year: float) -> float:
        return max(0.0, min(1000.0, 1000 * (year - self.first) / (self.last - self.first)))


def axis(dates: Iterable[str]) -> Axis | None:
    """The line that holds all the dates; None where none is understood."""
    years = [year for date in dates for year in (span(date) or ()) if year is not None]
    if not years:
        return None
    extent = max(years) - min(years)
    step = 10 if extent > 25 else 5 if extent > 12 else 1
    first = math.floor(min(years) / step) * step
    last = math.floor(max(years) / step) * step + step
    ticks = tuple(
        (year, 1000 * (year - first) / (last - first)) for year in range(first, last + 1, step)
    )
    return Axis(first, last, ticks)


@dataclass(frozen=True)
class Moment:
    """When something took place, in words, and on a line of time."""

    words: str
    bar: Bar | None
    axis: Axis | None


def small_timeline(starts: Sequence[str], ends: Sequence[str], v: View) -> Moment:
    """The date or dates of one entity."""
    line = axis([*starts, *ends])
    end = ends[0] if len(ends) == 1 and len(starts) == 1 else ""
    return Moment(period(starts, end, v), line.bar(starts[0], end) if line else None, line)


def period(starts: Sequence[str], end: str, v: View) -> str:
    """Dates in words: one, a span, or several that differ."""
    if end and end != starts[0]:
        if starts[0][:7] == end[:7] and len(end) == 10:
            day = (
                "1er"
                if v.language == "fr" and starts[0].endswith("-01")
                else str(int(starts[0][-2:]))
            )
            return f"{day}\u2013{in_words(end, v.language)}"
        return edtf_in_words(f"{starts[0]}/{end}", v.language)
    return " · ".join(dict.fromkeys(edtf_in_words(start, v.language) for start in starts))
