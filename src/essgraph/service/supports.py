"""The evidence of an answer: for each row the passages and documents that support it.

Follows the plan that the build made of the question (see ``essgraph.why``).
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from essgraph import formats, names
from essgraph.catalog import ntriples
from essgraph.errors import LimitExceeded, NotRepresentable, Text
from essgraph.query import Query, inspect
from essgraph.snapshot import PLANS

if TYPE_CHECKING:
    from essgraph.service.asking import Asked

Row = Mapping[str, Mapping[str, str]]
Key = tuple[str, ...]

#: How many values one query asks for.
_BATCH: Final = 400

_ABSENCE: Final = Text(
    "Chaque ligne repose aussi sur ce qu'aucun passage n'énonce : une absence n'a pas de passage.",
    "Each row also rests on what no passage states: an absence has no passage.",
)
_GROUPED: Final = Text(
    "Une ligne réunit plusieurs solutions : ses passages sont ceux de toutes.",
    "A row stands for several solutions: its passages are those of all of them.",
)
_REGISTER: Final = Text(
    "Une ligne sans passage ne repose que sur le registre (types, noms, repères) ou sur une note.",
    "A row without a passage rests on the register (types, names, references) or a note alone.",
)
_UNTRACED: Final = Text("Non suivi : {}", "Not traced: {}")


@lru_cache(maxsize=4)
def _plans(directory: Path) -> dict[str, Any]:
    plans: dict[str, Any] = json.loads((directory / PLANS).read_bytes())
    return plans


@dataclass(frozen=True)
class Supported:
    """An answer with its evidence: ``rows`` are SPARQL JSON bindings; ``passages`` and
    ``documents`` are those of each row; ``details`` tell of each passage."""

    columns: Sequence[str]
    rows: Sequence[Row]
    passages: Sequence[Sequence[str]]
    documents: Sequence[Sequence[str]]
    details: Mapping[str, Mapping[str, Any]]
    notes: Sequence[str]

    def json(self) -> bytes:
        """SPARQL 1.1 Query Results JSON, with ``evidence`` (one entry a row), ``passages`` and
        ``notes`` beside ``head`` and ``results``."""
        whole = {
            "head": {"vars": list(self.columns)},
            "results": {"bindings": list(self.rows)},
            "evidence": [
                {"passages": list(p), "documents": list(d)}
                for p, d in zip(self.passages, self.documents, strict=True)
            ],
            "passages": self.details,
            "notes": list(self.notes),
        }
        return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()

    def csv(self) -> bytes:
        """The columns of the answer, then ``passages`` and ``documents``: IRIs between spaces.
        Where the answer has such a column itself, ours begins with ``evidence_``."""
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\r\n")
        ours = (f"evidence_{n}" if n in self.columns else n for n in ("passages", "documents"))
        lines.writerow([*self.columns, *ours])
        for row, passages, documents in zip(self.rows, self.passages, self.documents, strict=True):
            cells = [row[c]["value"] if c in row else "" for c in self.columns]
            lines.writerow([*cells, " ".join(passages), " ".join(documents)])
        return out.getvalue().encode()


async def of(it: Asked, query: Query) -> Supported:
    """The answer to ``query`` (a page of what ``it`` asks) with the evidence of each row.

    Raises NotRepresentable where there is no plan, LimitExceeded where the answer is too large.
    """
    plan = _plans(it.served.snapshot.directory).get(it.question.name)
    if plan is None:
        raise NotRepresentable(
            Text("cette question ne donne pas de lignes", "this question does not answer with rows")
        )
    columns, rows = await _rows(it, query)
    whole = replace(it.question, query=plan["all"]).ask(it.values)
    seen, solutions = await _rows(it, inspect(whole))
    shown = [column for column in columns if column in seen]
    supports: dict[Key, set[str]] = defaultdict(set)
    for solution in solutions:
        graphs = (solution[name]["value"] for name in plan["graphs"] if name in solution)
        supports[_key(solution, shown)].update(g for g in graphs if g.startswith(names.PASSAGE))
    for pattern in plan["patterns"]:
        found = await _lookup(it, pattern, solutions)
        for solution in solutions:
            values = _key(solution, pattern["variables"])
            supports[_key(solution, shown)] |= found.get(values, set())
    per_row = [supports.get(_key(row, shown), set()) for row in rows]
    everything = set().union(*per_row)
    details = await _details(it, sorted(iri for iri in everything if _is_passage(iri)))
    passages = [sorted((i for i in s if _is_passage(i)), key=_order) for s in per_row]
    documents = [
        sorted(
            {details[p]["document"] for p in own if p in details}
            | {iri for iri in all_ if not _is_passage(iri)}
        )
        for own, all_ in zip(passages, per_row, strict=True)
    ]
    return Supported(columns, rows, passages, documents, details, _notes(it, plan, passages))


def _notes(it: Asked, plan: Mapping[str, Any], passages: Sequence[Sequence[str]]) -> list[str]:
    notes = [
        *([_ABSENCE] if plan["absence"] else []),
        *([_GROUPED] if plan["grouped"] else []),
        *([_REGISTER] if any(not own for own in passages) and not plan["absence"] else []),
    ]
    said = [note.in_language(it.language) for note in notes]
    return said + [
        _UNTRACED.in_language(it.language).format(pattern) for pattern in plan["untraced"]
    ]


def _is_passage(iri: str) -> bool:
    return iri.startswith(names.PASSAGE)


def _order(passage: str) -> tuple[str, int]:
    document, _, number = passage.removeprefix(names.PASSAGE).rpartition("/")
    return document, int(number) if number.isdigit() else 0


async def _rows(it: Asked, query: Query) -> tuple[list[str], list[Row]]:
    kept = await it.run(query, formats.JSON)
    if kept.answer.spool is not None:
        raise LimitExceeded(
            Text(
                "la réponse est trop grande pour que ses preuves soient données d'un coup ; "
                "demandez-la par pages",
                "the answer is too large for its evidence to be given at once; ask for it in pages",
            ),
            limit="result",
            value=f"{kept.answer.size} B",
        )
    answer = json.loads(kept.answer.body)
    return answer["head"]["vars"], answer["results"]["bindings"]


async def _lookup(
    it: Asked, pattern: Mapping[str, Any], solutions: Iterable[Row]
) -> dict[Key, set[str]]:
    """The passages by the values of a pattern's variables; unbound ones match nothing."""
    variables: list[str] = pattern["variables"]
    bound = [s for s in solutions if all(v in s for v in variables)]
    # Only IRIs are given: engines differ on literals in VALUES, and rows are matched here anyway.
    given = [v for v in variables if all(s[v]["type"] == "uri" for s in bound)]
    wanted = {_key(s, given) for s in bound}
    found: dict[Key, set[str]] = defaultdict(set)
    if not wanted:
        return found
    head = f"VALUES ({' '.join(f'?{v}' for v in given)})"
    for batch in _batches(sorted(wanted)):
        values = " ".join(f"({' '.join(terms)})" for terms in batch)
        for query in pattern["queries"]:
            # As ``why`` leaves a place for them.
            text = query.replace("%s", f"{head} {{ {values} }}" if given else "")
            _, rows = await _rows(it, inspect(text))
            for row in rows:
                found[_key(row, variables)].add(row["essgraphHere"]["value"])
    return found


async def _details(it: Asked, passages: Sequence[str]) -> dict[str, dict[str, Any]]:
    details: dict[str, dict[str, Any]] = {}
    for batch in _batches(passages):
        query = f"""PREFIX ess: <{names.ESS}>
PREFIX oa: <{names.OA}>
SELECT ?passage ?document ?from ?to ?level ?summary WHERE {{
  VALUES ?passage {{ {" ".join(f"<{iri}>" for iri in batch)} }}
  ?passage oa:hasSource ?document .
  OPTIONAL {{ ?passage oa:hasSelector ?s . ?s oa:start ?from ; oa:end ?to }}
  OPTIONAL {{ ?passage ess:evidenceLevel ?level }}
  OPTIONAL {{ ?passage ess:summary ?summary FILTER (LANG(?summary) = "{it.language}") }}
}}
ORDER BY ?passage"""
        _, rows = await _rows(it, inspect(query))
        for row in rows:
            iri = row["passage"]["value"]
            details[iri] = {
                "url": "/" + iri.removeprefix(names.BASE),
                **{name: row[name]["value"] for name in row if name != "passage"},
            }
            for name in ("from", "to"):
                if name in details[iri]:
                    details[iri][name] = int(details[iri][name])
    return details


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def _key(row: Row, names_: Sequence[str]) -> Key:
    return tuple(ntriples(row[name]) if name in row else "" for name in names_)
