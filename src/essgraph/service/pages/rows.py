"""Answers of the engine as rows of RDF terms: how every page reads the graph."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from essgraph import formats, names
from essgraph.engine import Dataset
from essgraph.query import Query, inspect
from essgraph.service.live import Served


@dataclass(frozen=True, order=True)
class Term:
    """An RDF term: an IRI, or a literal with its language or datatype."""

    value: str
    iri: bool = False
    language: str = ""
    datatype: str = ""


Row = Mapping[str, Term]

PREFIXES = "".join(f"PREFIX {prefix}: <{space}>\n" for prefix, space in names.PREFIXES.items())


@dataclass(frozen=True)
class Table:
    """The answer to a SELECT: its variables in order, and its rows."""

    variables: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def prepared(body: str) -> Query:
    """A query of ours, with all our prefixes before it."""
    return inspect(PREFIXES + body)


def readable(body: str) -> str:
    """A query of ours as the editor shows it: with the prefixes that it uses, no more."""
    used = (
        f"PREFIX {prefix}: <{space}>\n"
        for prefix, space in names.PREFIXES.items()
        if re.search(rf"(?<![\w-]){prefix}:", body)
    )
    return "".join(used) + body.lstrip("\n")


async def select(served: Served, body: str, **bindings: str) -> tuple[Row, ...]:
    """The rows of a SELECT of ours. ``bindings`` are IRIs by variable. Without ORDER BY rows are
    sorted here, so that every engine gives the same page."""
    bound = {name: f"<{iri}>" for name, iri in bindings.items()}
    kept = await served.answers.ask(prepared(body), Dataset(), bound, formats.JSON)
    return read(kept.answer.whole(), ordered="ORDER BY" in body).rows


def read(body: bytes, *, ordered: bool = True) -> Table:
    """A table from SPARQL 1.1 Query Results JSON; rows that have no order are given one."""
    answer = json.loads(body)
    columns, found = tuple(answer["head"]["vars"]), answer["results"]["bindings"]
    if not ordered:
        nothing = {"value": ""}
        found.sort(
            key=lambda row: [
                (term["value"], term.get("xml:lang", ""))
                for term in (row.get(column, nothing) for column in columns)
            ]
        )
    return Table(columns, tuple(map(row, found)))


def row(bindings: Mapping[str, Mapping[str, str]]) -> Row:
    """A row from its bindings in that format (3.2.2)."""
    return {name: _term(value) for name, value in bindings.items()}


def _term(value: Mapping[str, Any]) -> Term:
    if value["type"] == "uri":
        return Term(value["value"], iri=True)
    if value["type"] == "bnode":
        return Term("_:" + value["value"])
    if value["type"] == "triple":  # SPARQL 1.2
        parts = (_term(value["value"][part]).value for part in ("subject", "predicate", "object"))
        return Term(f"<<( {' '.join(parts)} )>>")
    return Term(value["value"], False, value.get("xml:lang", ""), value.get("datatype", ""))
