"""An entity as somebody types it for a question: an IRI, a prefixed name, a slug, or a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from essgraph import names, search
from essgraph.catalog import TYPES, Question
from essgraph.errors import QueryError, Text
from essgraph.search import MAX_TEXT, Index, fold
from essgraph.snapshot import Snapshot

#: How many things are named where what was typed is none of them.
_PERHAPS: Final = 5


def all_spelt_out(question: Question, values: Mapping[str, str]) -> bool:
    """Whether each entity is given by an IRI or a prefixed name."""
    return all(iri(typed) for _, typed in _entities(question, values))


def spelt_out(question: Question, values: Mapping[str, str], index: Index) -> dict[str, str]:
    """The values with each entity by an IRI or a prefixed name. Raises QueryError, which names the
    parameter, for what names nothing, or several things."""
    return {**values} | {
        parameter: _spelt_out(parameter, typed, index)
        for parameter, typed in _entities(question, values)
    }


def of_snapshot(
    question: Question, values: Mapping[str, str], snapshot: Snapshot
) -> Mapping[str, str]:
    """The same by the index of a snapshot, if it was made with one."""
    if all_spelt_out(question, values) or search.FILE not in snapshot.sizes:
        return values
    return spelt_out(question, values, Index(snapshot.directory / search.FILE))


def iri(typed: str) -> str:
    """The IRI that an IRI or a prefixed name stands for; empty for what is neither."""
    return (TYPES["iri"].term(typed) or "<>")[1:-1]


def _entities(question: Question, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """What was typed for entities, by parameter."""
    typed = [
        (p.name, values.get(p.name, "").strip()) for p in question.parameters if p.type == "iri"
    ]
    return [(parameter, text) for parameter, text in typed if text]


def _spelt_out(parameter: str, typed: str, index: Index) -> str:
    if iri(typed):
        return typed
    for space in (names.ID, names.DOC):
        if index.entity(space + typed):
            return names.prefixed(space + typed)
    found = index.suggest(typed[:MAX_TEXT], limit=MAX_TEXT)
    hits = [hit for hit in found if hit.entity.iri.startswith((names.ID, names.DOC))][:_PERHAPS]
    same = [hit for hit in hits if fold(hit.text) == fold(typed)]
    if len(same) == 1:
        return names.prefixed(same[0].entity.iri)
    fr, en = (
        ", ".join(
            f"{hit.entity.label(language)} ({names.prefixed(hit.entity.iri)})"
            for hit in same or hits
        )
        for language in ("fr", "en")
    )
    shown = typed[:80]
    if same:
        said = Text(
            f"plusieurs choses s'appellent « {shown} » : {fr}",
            f'several things are named "{shown}": {en}',
        )
    else:
        said = Text(
            f"rien ne s'appelle « {shown} »" + (f" ; peut-être : {fr}" if hits else ""),
            f'nothing is named "{shown}"' + (f"; perhaps: {en}" if hits else ""),
        )
    raise QueryError(
        Text(f"paramètre {parameter} : {said.fr}", f"parameter {parameter}: {said.en}")
    )
