"""Whether the sources bear out a claim: supported, contradicted, or not in the sources.

A claim is a subject, a property, and an object or a text. It is

- *supported* where a sure passage (or the register) states it, a special case of it, or, for
  places and wholes, a chain that leads to it; a date, where the one stated lies within it;
- *contradicted* where what is stated rules it out: another value of a property that has but one
  (``sh:maxCount 1`` in the shapes of the subject's classes), a class disjoint with the subject's,
  the reverse of a property that has no reverse, or a version that an editorial note rejects;
- *not in the sources* otherwise: that something is not said makes it neither true nor false.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyoxigraph as ox

from essgraph import names
from essgraph.catalog import ntriples
from essgraph.errors import QueryError, Text, UnknownName
from essgraph.query import inspect
from essgraph.search import Entity, Index, fold
from essgraph.service.finding import consult
from essgraph.service.live import Served

SUPPORTED: Final = "supported"
CONTRADICTED: Final = "contradicted"
ABSENT: Final = "not in the sources"

#: Names that people give to properties whose vocabularies' labels are not in the data.
_SPOKEN: Final = {
    names.RDF + "type": ("is a", "est un", "est une", "type", "kind", "class"),
    names.SCHEMA + "startDate": ("start date", "date", "began", "date de début", "a lieu le"),
    names.SCHEMA + "endDate": ("end date", "ended", "date de fin"),
    names.SCHEMA + "startTime": ("start time", "heure de début"),
    names.SCHEMA + "endTime": ("end time", "heure de fin"),
    names.SCHEMA + "value": ("value", "valeur"),
    names.SCHEMA + "position": ("position", "number", "numéro"),
    names.DCTERMS + "creator": ("author", "creator", "auteur"),
    names.DCTERMS + "publisher": ("publisher", "éditeur"),
    names.DCTERMS + "date": ("date of text", "date du texte"),
    names.ORG + "member": ("holder", "titulaire"),
    names.ORG + "organization": ("body", "organisme"),
    names.ORG + "role": ("role", "rôle", "post", "fonction"),
    names.FOAF + "homepage": ("homepage", "web site", "site"),
}
#: Properties that hold along a chain: a place in a place, a part of a part.
_CHAINS: Final = (names.ESS + "locatedIn", names.ESS + "partOf", names.ESS + "partOfEvent")
_HEAD: Final = f"""PREFIX ess: <{names.ESS}>
PREFIX oa: <{names.OA}>
PREFIX owl: <{names.OWL}>
PREFIX rdfs: <{names.RDFS}>
"""
_SURE: Final = f"FILTER NOT EXISTS {{ ?passage ess:evidenceLevel <{names.ID}evidence/doubtful> }}"
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")

#: How like a name must be to be taken for one, and to be asked about; how far it must lead.
_SAME: Final = 85.0
_LIKELY: Final = 75.0
_LEAD: Final = 3.0


async def rows(served: Served, query: str) -> list[dict[str, dict[str, str]]]:
    """The solutions of a query of ours."""
    return await served.answers.solutions(inspect(_HEAD + query))


@lru_cache(maxsize=4)
def _single_valued(directory: Path) -> frozenset[tuple[str, str]]:
    """The pairs of class and property of which the shapes allow one value; ``""`` is any class
    (the shape is for whatever has the property)."""
    shapes = ox.Store()
    shapes.load(path=directory / "shapes.ttl", format=ox.RdfFormat.TURTLE)
    found = shapes.query(
        f"""PREFIX sh: <{names.SH}> SELECT ?class ?path {{
  ?shape sh:property ?one . ?one sh:path ?path ; sh:maxCount 1 . FILTER (ISIRI(?path))
  {{ ?shape sh:targetClass ?class }} UNION
  {{ ?shape sh:targetSubjectsOf ?path BIND ("" AS ?class) }} }}"""
    )
    assert isinstance(found, ox.QuerySolutions)
    return frozenset((str(row["class"].value), str(row["path"].value)) for row in found)


async def resolve(served: Served, name: str, language: str = "fr") -> Entity:
    """The entity that a name, an identifier or an IRI stands for.

    Raises UnknownName where there is none, QueryError where there are several.
    """
    candidates = [names.expand(name), names.ID + name] if " " not in name else []

    def reading(index: Index) -> tuple[Entity | None, list[Entity]]:
        for candidate in candidates:
            if (entity := index.entity(candidate)) is not None:
                return entity, []
        begins = fold(name) + " "
        hits = [
            hit
            for hit in index.match(name, language=language, limit=5)
            if hit.score >= _LIKELY or fold(hit.text).startswith(begins)
        ]
        if not hits or hits[0].score < _SAME:
            return None, [hit.entity for hit in hits]
        rivals = [hit for hit in hits[1:] if hits[0].score - hit.score < _LEAD]
        return (None, [h.entity for h in (hits[0], *rivals)]) if rivals else (hits[0].entity, [])

    entity, several = await consult(served, reading)
    if several:
        listed = ", ".join(f"{names.shorten(e.iri)} ({e.label(language)})" for e in several)
        raise QueryError(
            Text(
                f"« {name[:80]} » peut désigner plusieurs entités : {listed} ; nommez l'une "
                "d'elles",
                f'"{name[:80]}" may name several entities: {listed}; name one of them',
            )
        )
    if entity is None:
        raise UnknownName(
            Text(
                f"rien dans les sources ne s'appelle « {name[:80]} »",
                f'nothing in the sources is named "{name[:80]}"',
            )
        )
    return entity


async def properties(served: Served) -> dict[str, list[str]]:
    """Every property that states something, with the names it goes by."""
    found = await rows(
        served,
        f"""SELECT DISTINCT ?p ?label {{ GRAPH ?g {{ ?s ?p ?o }}
  FILTER (?g != <{names.QUERIES}> && ?g != <{names.ONTOLOGY}>)
  OPTIONAL {{ ?p rdfs:label ?label }} }} ORDER BY ?p ?label""",
    )
    known: dict[str, list[str]] = {}
    for row in found:
        iri = row["p"]["value"]
        own = known.setdefault(iri, [*_SPOKEN.get(iri, ()), re.split(r"[/#]", iri)[-1]])
        if "label" in row:
            own.append(row["label"]["value"])
    return known


async def property_of(served: Served, name: str) -> str:
    """The property that a name, a prefixed name or an IRI stands for. Raises UnknownName."""
    known = await properties(served)
    if (iri := names.expand(name)) in known:
        return iri
    wanted = fold(name).replace(" ", "")
    # Ours first: what follows from them may go by the same name.
    for iri, called in sorted(known.items(), key=lambda item: names.ESS not in item[0]):
        if any(fold(own).replace(" ", "") == wanted for own in called):
            return iri
    listed = ", ".join(names.shorten(iri) for iri in known if iri.startswith(names.ESS))
    raise UnknownName(
        Text(
            f"aucune propriété ne s'appelle « {name[:80]} » (il y a : {listed}…)",
            f'no property is named "{name[:80]}" (there are: {listed}…)',
        )
    )


@dataclass(frozen=True)
class Verdict:
    """What the sources say of a claim: why, on which passages, and what they say instead."""

    verdict: str
    reason: Text
    passages: Sequence[str] = ()
    instead: Sequence[str] = ()


async def check(served: Served, subject: Entity, prop: str, target: Entity | str | None) -> Verdict:
    """Checks a claim. ``target`` is an entity, a class's IRI (for rdf:type) or a text; None is a
    thing that the sources do not know, which no passage can have stated."""
    s = f"<{subject.iri}>"
    if prop == names.RDF + "type":
        return await _check_type(served, subject, str(target))
    if isinstance(target, Entity):
        o = f"<{target.iri}>"
        chain = prop in _CHAINS
        stated = await rows(
            served, f"SELECT * {{ {s} <{prop}>{'+' if chain else ''} {o} }} LIMIT 1"
        )
        if stated:
            return Verdict(SUPPORTED, _STATED, await _passages(served, s, prop, o, chain))
        reverse = await rows(
            served,
            f"SELECT * {{ {o} <{prop}> {s} . <{prop}> a owl:AsymmetricProperty }}",
        )
        if reverse:
            return Verdict(CONTRADICTED, _REVERSED, await _passages(served, o, prop, s, False))
    values = await rows(served, f"SELECT DISTINCT ?o {{ {s} <{prop}> ?o }} ORDER BY ?o")
    objects = [row["o"] for row in values]
    if isinstance(target, str):
        for value in objects:
            if value["type"] == "literal" and _says(value, target):
                term = ntriples(value)
                return Verdict(SUPPORTED, _STATED, await _passages(served, s, prop, term, False))
    rejected = await _rejected(served, s, prop, target)
    if rejected is not None:
        return rejected
    if objects and await _has_one(served, subject, prop) and not _may_be(objects, target):
        other = [ntriples(value) for value in objects]
        if prop in _CHAINS and not (
            isinstance(target, Entity) and await _rules_out(served, s, prop, target)
        ):
            return Verdict(ABSENT, _SILENT, instead=other)
        passages: list[str] = []
        for term in other:
            passages += await _passages(served, s, prop, term, False)
        return Verdict(CONTRADICTED, _OTHER, passages, other)
    return Verdict(ABSENT, _SILENT, instead=[ntriples(value) for value in objects])


_STATED: Final = Text("Les sources l'énoncent.", "The sources state it.")
_OTHER: Final = Text(
    "Les sources donnent une autre valeur, et il ne peut y en avoir qu'une.",
    "The sources give another value, and there can be only one.",
)
_REVERSED: Final = Text(
    "Les sources énoncent l'inverse, et la relation ne va que dans un sens.",
    "The sources state the reverse, and the relation goes one way only.",
)
_DISJOINT: Final = Text(
    "Les sources en font une chose d'un genre incompatible.",
    "The sources make it a thing of a kind that excludes this one.",
)
_REJECTED: Final = Text(
    "Un passage le dit, mais il est douteux, et une note éditoriale retient une autre version.",
    "A passage says so, but it is doubtful, and an editorial note retains another version.",
)
_SILENT: Final = Text(
    "Aucun passage ne l'énonce ni ne l'exclut.", "No passage states it or excludes it."
)


def _says(value: Mapping[str, str], text: str) -> bool:
    own, text = value["value"], text.strip()
    if _DATE.fullmatch(text) and _DATE.fullmatch(own):
        return own == text or own.startswith(text + "-")
    return own == text or (fold(own) == fold(text) != "")


def _may_be(objects: Sequence[Mapping[str, str]], target: Entity | str | None) -> bool:
    """Whether the claim only says more than what is stated: a day in the year that is stated."""
    if not isinstance(target, str) or not _DATE.fullmatch(target.strip()):
        return False
    return any(
        _DATE.fullmatch(o["value"]) and target.strip().startswith(o["value"] + "-") for o in objects
    )


async def _check_type(served: Served, subject: Entity, wanted: str) -> Verdict:
    classes = await consult(served, lambda index: index.classes(subject.iri))
    if wanted in classes:
        return Verdict(SUPPORTED, _STATED)
    found = await rows(
        served,
        f"""SELECT ?x {{ VALUES ?own {{ {" ".join(f"<{c}>" for c in classes)} }}
  <{wanted}> rdfs:subClassOf* ?wanted . ?own rdfs:subClassOf* ?mine .
  {{ ?wanted owl:disjointWith ?mine }} UNION {{ ?mine owl:disjointWith ?wanted }} BIND (1 AS ?x) }}
LIMIT 1""",
    )
    instead = [f"<{c}>" for c in classes if c.startswith(names.ESS)]
    if found:
        return Verdict(CONTRADICTED, _DISJOINT, instead=instead)
    return Verdict(ABSENT, _SILENT, instead=instead)


async def _has_one(served: Served, subject: Entity, prop: str) -> bool:
    classes = await consult(served, lambda index: index.classes(subject.iri))
    single = _single_valued(served.snapshot.directory)
    return any((c, prop) in single for c in ("", *classes))


async def _rules_out(served: Served, s: str, prop: str, target: Entity) -> bool:
    """Whether the chain that is stated leads to another thing of the target's kind: no city lies
    in two countries, but one may lie in a region that nobody names."""
    classes = await consult(served, lambda index: index.classes(target.iri))
    kinds = " ".join(f"<{c}>" for c in classes if c.startswith(names.ESS) and "Territory" not in c)
    if not kinds:
        return False
    query = f"SELECT ?x {{ VALUES ?kind {{ {kinds} }} {s} <{prop}>+ ?x . ?x a ?kind }} LIMIT 1"
    return bool(await rows(served, query))


async def _rejected(
    served: Served, s: str, prop: str, target: Entity | str | None
) -> Verdict | None:
    """The verdict on what only a doubtful passage states, where a note retains another one."""
    found = await rows(
        served,
        f"""SELECT DISTINCT ?o ?retained {{
  ?passage ess:evidenceLevel <{names.ID}evidence/doubtful> . GRAPH ?passage {{ {s} <{prop}> ?o }}
  ?note oa:hasTarget ?passage ; ess:retains ?retained . FILTER (?retained != ?passage) }}
ORDER BY ?o ?retained""",
    )
    hit = [
        row["retained"]["value"]
        for row in found
        if (isinstance(target, Entity) and row["o"]["value"] == target.iri)
        or (isinstance(target, str) and _says(row["o"], target))
    ]
    return Verdict(CONTRADICTED, _REJECTED, list(dict.fromkeys(hit))) if hit else None


async def _passages(served: Served, s: str, prop: str, o: str, chain: bool) -> list[str]:
    """The sure passages that state it: for a chain, each link of it."""
    link = f"{s} <{prop}>* ?a . ?b <{prop}>* {o} ." if chain else ""
    a, b = ("?a", "?b") if chain else (s, o)
    found = await rows(
        served,
        f"""SELECT DISTINCT ?passage {{
  {link} GRAPH ?passage {{ {a} ?p {b} }} ?p rdfs:subPropertyOf* <{prop}> .
  ?passage a ess:Passage . {_SURE} }} ORDER BY ?passage""",
    )
    return [row["passage"]["value"] for row in found]


async def tell(served: Served, passages: Sequence[str], language: str) -> list[dict[str, Any]]:
    """Passages as answers show them: document, place in its text, level, summary."""
    if not passages:
        return []
    listed = " ".join(f"<{iri}>" for iri in dict.fromkeys(passages))
    found = await rows(
        served,
        f"""SELECT ?passage ?title ?document ?from ?to ?level ?summary {{
  VALUES ?passage {{ {listed} }}
  ?passage oa:hasSource ?document ; ess:evidenceLevel ?level .
  OPTIONAL {{ ?document rdfs:label ?title FILTER (LANG(?title) = "{language}") }}
  OPTIONAL {{ ?passage oa:hasSelector ?s . ?s oa:start ?from ; oa:end ?to }}
  OPTIONAL {{ ?passage ess:summary ?summary FILTER (LANG(?summary) = "{language}") }}
}} ORDER BY ?passage""",
    )
    return [{name: _plain(term) for name, term in row.items()} for row in found]


def _plain(term: Mapping[str, str]) -> str | int:
    if term.get("datatype") == names.XSD + "integer":
        return int(term["value"])
    if term["type"] == "uri" and not term["value"].startswith((names.PASSAGE, names.DOC)):
        return names.shorten(term["value"])
    return term["value"]
