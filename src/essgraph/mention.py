"""An entity as somebody types it for a question: an IRI, a prefixed name, a slug, or a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from essgraph import names
from essgraph.catalog import TYPES, Question
from essgraph.errors import QueryError, Text
from essgraph.search import MAX_TEXT, Index, fold

#: How many things are named where what was typed is none of them.
_PERHAPS: Final = 5


def spelt_out(question: Question, values: Mapping[str, str], index: Index) -> dict[str, str]:
    """The values with each entity by an IRI or a prefixed name. Raises QueryError for what names
    nothing, or several things."""
    found = dict(values)
    for parameter in question.parameters:
        if parameter.type == "iri" and (typed := found.get(parameter.name)):
            found[parameter.name] = _spelt_out(parameter.name, typed, index)
    return found


def _spelt_out(parameter: str, typed: str, index: Index) -> str:
    term = TYPES["iri"].term(typed)
    if term is None:
        return mentioned(parameter, typed, index)
    iri = term[1:-1]
    if iri.startswith((names.ID, names.DOC)) and index.entity(iri) is None:
        raise _nothing(parameter, typed, Text("", ""))
    return typed


def mentioned(parameter: str, typed: str, index: Index) -> str:
    """The prefixed name of what a slug or a name stands for.

    Raises QueryError, which names the parameter, for a name that nothing bears, or several things.
    """
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
    if not same:
        perhaps = Text(f" ; peut-être : {fr}", f"; perhaps: {en}") if hits else Text("", "")
        raise _nothing(parameter, typed, perhaps)
    shown = typed[:80]
    raise QueryError(
        Text(
            f"paramètre {parameter} : plusieurs choses s'appellent « {shown} » : {fr}",
            f'parameter {parameter}: several things are named "{shown}": {en}',
        )
    )


def _nothing(parameter: str, typed: str, more: Text) -> QueryError:
    shown = typed[:80]
    return QueryError(
        Text(
            f"paramètre {parameter} : rien ne s'appelle « {shown} »{more.fr}",
            f'parameter {parameter}: nothing is named "{shown}"{more.en}',
        )
    )
