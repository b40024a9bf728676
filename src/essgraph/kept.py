"""What a build keeps for the next one, in one SQLite file of the build folder.

The units that were read and are sound, under the digest of their files; and of the snapshot in
force what it was made of: its units, its parts and what its units call for. All of it can be
thrown away: the next build then reads everything. It holds nothing that was not found sound, so
that what is taken from it need not be judged again.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from essgraph.parts import Part
from essgraph.units import Unit

#: The file in the build folder.
FILE = "kept.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS unit (name TEXT, digest TEXT, size INTEGER, lines BLOB, facts BLOB,
  PRIMARY KEY (name, digest));
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB);
"""
_FACTS = (
    "known", "named", "spoken", "graphs", "doubtful", "retained", "entries", "places",
    "alike",
)  # fmt: skip
_COUNTED = ("known", "named", "spoken", "doubtful", "retained")


@dataclass
class Totals:
    """By how many units each thing is known, named, held doubtful or retained, and in how many
    passage graphs it is spoken of."""

    known: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    spoken: Counter[str] = field(default_factory=Counter)
    doubtful: Counter[str] = field(default_factory=Counter)
    retained: Counter[str] = field(default_factory=Counter)
    graphs: int = 0

    def add(self, unit: Unit, times: int = 1) -> None:
        """Counts a unit in; with -1, out."""
        self.graphs += times * unit.graphs
        for name in _COUNTED:
            facts, total = getattr(unit, name), getattr(self, name)
            counts = facts if isinstance(facts, Mapping) else dict.fromkeys(facts, 1)
            for iri, number in counts.items():
                total[iri] += times * number
                if not total[iri]:
                    del total[iri]


@dataclass(frozen=True)
class Before:
    """The snapshot in force as a build left it: its folder's name, its units by name, its parts,
    its description of itself in N-Quads, and the subjects of which a shape has something to say."""

    snapshot: str
    units: Mapping[str, str]
    parts: list[Part]
    totals: Totals
    description: list[bytes]
    told: list[str]


class Kept:
    """The file, open. What was put in is kept from ``commit`` on.

    ``key`` stands for everything that judges units, beside their own files: under another one
    nothing is found. Raises sqlite3.Error where it cannot be read or written.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            self._database.executescript(_SCHEMA)
            self._database.execute("BEGIN IMMEDIATE")
            if self._get("key") != key:
                self._database.execute("DELETE FROM unit")
                self._database.execute("DELETE FROM state")
                self._put("key", key)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def commit(self) -> None:
        self._database.execute("COMMIT")

    def _get(self, key: str) -> Any:
        row = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return json.loads(zlib.decompress(row[0])) if row else None

    def _put(self, key: str, value: object) -> None:
        packed = zlib.compress(json.dumps(value).encode(), 1)
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, packed))

    # --- units --------------------------------------------------------------------------------

    def has(self, name: str, digest: str) -> bool:
        """Whether the unit is here."""
        query = "SELECT 1 FROM unit WHERE name = ? AND digest = ?"
        return self._database.execute(query, (name, digest)).fetchone() is not None

    def put(self, unit: Unit) -> None:
        facts = json.dumps({name: getattr(unit, name) for name in _FACTS})
        self._database.execute(
            "INSERT OR REPLACE INTO unit VALUES (?, ?, ?, ?, ?)",
            (
                unit.name,
                unit.digest,
                len(unit.lines),
                zlib.compress(unit.lines, 1),
                zlib.compress(facts.encode(), 1),
            ),
        )

    def get(self, name: str, digest: str) -> Unit:
        """A unit that is here."""
        query = "SELECT lines, facts FROM unit WHERE name = ? AND digest = ?"
        lines, facts = self._database.execute(query, (name, digest)).fetchone()
        told = json.loads(zlib.decompress(facts))
        return Unit(name, digest, zlib.decompress(lines), **told)

    def size(self, units: Mapping[str, str]) -> int:
        """The bytes of the lines of units that are here."""
        rows = self._database.execute("SELECT name, digest, size FROM unit")
        return sum(size for name, digest, size in rows if units.get(name) == digest)

    # --- questions ------------------------------------------------------------------------------

    def plans(self, digest: str) -> bytes | None:
        """The plans of the questions under the digest of their files, if they are here."""
        kept = self._get("plans")
        return kept[1].encode() if kept and kept[0] == digest else None

    def keep_plans(self, digest: str, plans: bytes) -> None:
        self._put("plans", [digest, plans.decode()])

    # --- the snapshot in force ------------------------------------------------------------------

    @property
    def before(self) -> Before | None:
        """What was said by ``settle``; None before that."""
        made = self._get("before")
        if made is None:
            return None
        parts = [
            Part(
                start.encode(),
                tuple((at, size) for at, size in spans),
                {line.encode(): times for line, times in shared.items()},
                (triples, quads, entities),
                figures,
            )
            for start, spans, shared, (triples, quads, entities), figures in made["parts"]
        ]
        counted = {name: Counter(made["totals"][name]) for name in _COUNTED}
        totals = Totals(**counted, graphs=made["totals"]["graphs"])
        description = [line.encode() for line in made["description"]]
        return Before(made["snapshot"], made["units"], parts, totals, description, made["told"])

    def settle(self, before: Before) -> None:
        """Says what the snapshot in force is made of, and lets go of other units."""
        parts = [
            (
                p.start.decode(),
                p.spans,
                {k.decode(): n for k, n in p.shared.items()},
                p.counts,
                p.figures,
            )
            for p in before.parts
        ]
        self._put(
            "before",
            {
                "snapshot": before.snapshot,
                "units": dict(before.units),
                "parts": parts,
                "totals": vars(before.totals),
                "description": [line.decode() for line in before.description],
                "told": before.told,
            },
        )
        stale = [
            (name, digest)
            for name, digest in self._database.execute("SELECT name, digest FROM unit").fetchall()
            if before.units.get(name) != digest
        ]
        self._database.executemany("DELETE FROM unit WHERE name = ? AND digest = ?", stale)
