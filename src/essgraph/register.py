"""Rule E3, on the register: what its entries are, and that all that is named has one."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import chain

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import Text
from essgraph.findings import Finding, Severity, perhaps
from essgraph.merge import SUBCLASS, above, reached
from essgraph.rules import finding, nearest, show, written
from essgraph.sources import TYPE, Sources
from essgraph.statements import Part, Statement, Term

LOCATED_IN = ox.NamedNode(names.ESS + "locatedIn")
REPLACED = ox.NamedNode(names.DCTERMS + "isReplacedBy")
DEPRECATED = ox.NamedNode(names.OWL + "deprecated")
DISJOINT = ox.NamedNode(names.OWL + "disjointWith")
PREF_LABEL = ox.NamedNode(names.SKOS + "prefLabel")
LABEL = ox.NamedNode(names.RDFS + "label")
HAS_TARGET = ox.NamedNode(names.OA + "hasTarget")
SAME = ox.NamedNode(names.SCHEMA + "sameAs")


def entries(sources: Sources) -> Iterator[Finding]:
    """E3: what the register and the passages speak of has a name of ours, and in the register a
    class: a flat one, so that it has one address, the same in every spelling."""
    classes = {s.subject for s in sources.register if s.predicate == TYPE}
    for subject, statement in {s.subject: s for s in reversed(sources.register)}.items():
        if not isinstance(subject, ox.NamedNode):
            continue  # E9
        slug = subject.value.removeprefix(names.ID)
        if slug == subject.value or not names.SLUG.fullmatch(slug):
            yield finding(
                "E3",
                Text(
                    f"{show(subject)} n'est pas un nom d'entité",
                    f"{show(subject)} is not the name of an entity",
                ),
                statement,
                Text(
                    "id: suivi de minuscules ASCII, de chiffres ou de tirets",
                    "id: followed by lower-case ASCII letters, digits or hyphens",
                ),
                "subject",
                [subject],
            )
        elif subject not in classes:
            yield finding(
                "E3",
                Text(f"{show(subject)} n'a pas de classe", f"{show(subject)} has no class"),
                statement,
                Text("ajoutez-la : a ess:…", "add it: a ess:…"),
                "subject",
                [subject],
            )
    yield from _one_thing(sources)
    yield from _withdrawn(sources)
    for fact in (fact for document in sources.documents for fact in document.facts):
        terms: tuple[tuple[Term, Part], ...] = ((fact.subject, "subject"), (fact.object, "object"))
        for term, part in terms:
            if isinstance(term, ox.NamedNode) and not _ours(term):
                yield finding(
                    "E3",
                    Text(
                        f"{show(term)} n'est pas un nom d'entité, de document ni de passage",
                        f"{show(term)} is not the name of an entity, a document or a passage",
                    ),
                    fact,
                    part=part,
                    suspects=[term],
                )


def _one_thing(sources: Sources) -> Iterator[Finding]:
    """E3: an entity of the register is one thing, and it is one entity: no two of its classes are
    disjoint in the ontology, and no other entity has its identity elsewhere."""
    classes_above = above(sources, SUBCLASS)
    apart = {frozenset((s.subject, s.object)) for s in sources.ontology if s.predicate == DISJOINT}
    classes: dict[Term, set[Term]] = defaultdict(set)
    same: dict[Term, Term] = {}
    for s in sources.register:
        if s.predicate == TYPE:
            mine = {s.object, *classes_above.get(s.object, ())}
            if any(
                frozenset((one, other)) in apart for one in mine for other in classes[s.subject]
            ):
                yield finding(
                    "E3",
                    Text(
                        f"{show(s.subject)} est déjà d'une classe qui exclut {show(s.object)}",
                        f"{show(s.subject)} is already of a class that excludes {show(s.object)}",
                    ),
                    s,
                    suspects=[s.subject],
                )
            classes[s.subject] |= mine
        elif s.predicate == SAME and same.setdefault(s.object, s.subject) != s.subject:
            yield finding(
                "E3",
                Text(
                    f"c'est aussi l'identité de {show(same[s.object])}",
                    f"this is the identity of {show(same[s.object])} too",
                ),
                s,
                Text("une seule entité : gardez un nom", "one entity: keep one name"),
            )


def namesakes(sources: Sources) -> Iterator[Finding]:
    """E3, a warning: two entities of a class, or of a class and one above it, bear one label in
    one language. They may be one, unless an editorial note targets both."""
    notes: dict[Term, set[Term]] = defaultdict(set)
    for s in (s for document in sources.documents for s in document.records):
        if s.predicate == HAS_TARGET:
            notes[s.object].add(s.subject)
    told: set[tuple[Term, Term]] = set()
    for s, others in alike(sources):
        other = next((o for o in others if not notes[o] & notes[s.subject]), None)
        if other is None or (s.subject, other) in told:
            continue
        told.add((s.subject, other))
        found = finding(
            "E3",
            Text(
                f"{show(other)} porte le même libellé : est-ce la même entité ?",
                f"{show(other)} has the same label: are they the same entity?",
            ),
            s,
            Text(
                "si oui, gardez un nom ; sinon, distinguez les libellés, ou dites-le dans une note "
                "qui porte sur les deux",
                "if so, keep one name; if not, tell the labels apart, or say so in a note about "
                "both",
            ),
        )
        yield replace(found, severity=Severity.WARNING)


def alike(sources: Sources) -> Iterator[tuple[Statement, Iterator[ox.NamedNode]]]:
    """The labels of the register that an earlier entry bears too, and these entries. Those that
    have different identities elsewhere are known to be two."""
    related: dict[Term, set[Term]] = defaultdict(set)
    for kind, uppers in above(sources, SUBCLASS).items():
        for other in (kind, *uppers):
            related[kind].add(other)
            related[other].add(kind)
    kinds: dict[Term, list[Term]] = defaultdict(list)
    identified: set[Term] = set()
    for s in sources.register:
        if s.predicate == TYPE:
            kinds[s.subject].append(s.object)
        elif s.predicate == SAME:
            identified.add(s.subject)
    bearers: dict[tuple[Term, bool, str | None, str], list[ox.NamedNode]] = defaultdict(list)
    for s in sources.register:
        if (
            s.predicate != LABEL
            or not isinstance(s.object, ox.Literal)
            or not isinstance(s.subject, ox.NamedNode)
        ):
            continue
        subject, known = s.subject, s.subject in identified
        tag, label = s.object.language, _folded(s.object.value)
        earlier = [
            found
            for kind in kinds[subject]
            for other in related[kind] | {kind}
            for elsewhere in (False, True)
            if not (known and elsewhere)
            and (found := bearers.get((other, elsewhere, tag, label))) is not None
        ]
        if earlier:
            yield s, (iri for iri in chain.from_iterable(earlier) if iri != subject)
        for kind in kinds[subject]:
            bearers[kind, known, tag, label].append(subject)


def _folded(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())


def _withdrawn(sources: Sources) -> Iterator[Finding]:
    """E3: a name that was withdrawn is not in use, and what took its place is."""
    used = {s.subject for s in sources.register}
    for s in sources.withdrawn:
        if s.predicate == DEPRECATED and s.subject in used:
            yield finding(
                "E3",
                Text(
                    f"{show(s.subject)} est retiré, et pourtant dans le registre",
                    f"{show(s.subject)} is withdrawn, and yet in the register",
                ),
                s,
                part="subject",
            )
        elif s.predicate == REPLACED and s.object not in used:
            yield finding(
                "E3",
                Text(
                    f"{show(s.object)} n'est pas dans le registre",
                    f"{show(s.object)} is not in the register",
                ),
                s,
                nearest(getattr(s.object, "value", ""), [getattr(u, "value", "") for u in used]),
            )


def e3(sources: Sources) -> Iterator[Finding]:
    """E3: every entity occurs in some passage graph, or in a path from one (the country of a
    city); and every entity that is named has an entry in the register.

    A name that is spelt in two ways breaks both halves: it is reported once, where it is rarer.
    """
    known = sources.elsewhere.known | known_in(sources)
    spelt = [term.value for term in known if isinstance(term, ox.NamedNode)]
    silent = dict(_unreached(sources))
    for term, (said, *others) in _unknown(sources, known).items():
        near = nearest(term.value, spelt)
        entry = next((s for s in silent if near and show(s) in near.en), None)
        if entry is not None:
            at = silent.pop(entry)
            if others:
                yield _unspoken(entry, at, term)
                continue
        more = f" (+ {len(others)})" if others else ""
        yield finding(
            "E3",
            Text(
                f"{written(term)} n'est pas dans le registre{more}",
                f"{written(term)} is not in the register{more}",
            ),
            said,
            near or _labelled(sources, term) or _to_describe(term),
            "subject" if said.subject == term else "object",
            [term],
        )
    for subject, at in silent.items():
        yield _unspoken(subject, at)


def _to_describe(term: ox.NamedNode) -> Text | None:
    """Where an entity or concept without an entry is to have one; a document has its own file."""
    scheme, _, slug = term.value.removeprefix(names.ID).rpartition("/")
    if not names.SLUG.fullmatch(slug) or not (scheme == "" or names.SLUG.fullmatch(scheme)):
        return None
    if scheme:
        file = f"data/schemes/{scheme}.ttl"
        return Text(f"la liste est {file}", f"the list is {file}")
    return Text("décrivez-la dans data/register/", "describe it in data/register/")


def _labelled(sources: Sources, term: ox.NamedNode) -> Text | None:
    """The concept of a list that bears a label under whose words it was looked for."""
    space, _, slug = term.value.rpartition("/")
    for s in sources.schemes:
        if (
            s.predicate == PREF_LABEL
            and isinstance(s.subject, ox.NamedNode)
            and s.subject.value.rpartition("/")[0] == space
            and names.slug(getattr(s.object, "value", "")) == slug
        ):
            return perhaps(show(s.subject))
    return None


def known_in(sources: Sources) -> set[Term]:
    """What has an entry in these files."""
    groups = (sources.register, sources.schemes, sources.dataset)
    return {s.subject for group in groups for s in group} | {
        s.subject for d in sources.documents for s in d.records if s.predicate == TYPE
    }


def _unspoken(subject: ox.NamedNode, at: Statement, meant: ox.NamedNode | None = None) -> Finding:
    return finding(
        "E3",
        Text(
            f"aucun passage ne parle de {show(subject)}",
            f"no passage speaks of {show(subject)}",
        ),
        at,
        nearest(subject.value, [meant.value]) if meant else None,
        "subject",
        [meant, subject] if meant else [subject],
    )


def named_in(sources: Sources) -> Iterator[tuple[ox.NamedNode, Statement]]:
    """What these files name that needs an entry, and where."""
    for statement in (s for document in sources.documents for s in document.statements):
        for term in {statement.subject: 0, statement.object: 0}:
            if isinstance(term, ox.NamedNode) and _ours(term):
                yield term, statement
    for statement in sources.register:
        place = statement.object
        if statement.predicate == LOCATED_IN and isinstance(place, ox.NamedNode):
            yield place, statement


def _unknown(sources: Sources, known: Container[Term]) -> dict[ox.NamedNode, list[Statement]]:
    """The entities without an entry, and where they are named."""
    found: dict[ox.NamedNode, list[Statement]] = defaultdict(list)
    for term, statement in named_in(sources):
        if term not in known:
            found[term].append(statement)
    return found


def _unreached(sources: Sources) -> Iterator[tuple[ox.NamedNode, Statement]]:
    """The entries of the register of which no passage speaks."""
    spoken: set[Term] = set(sources.elsewhere.spoken)
    for document in sources.documents:
        for fact in document.facts:
            spoken |= {fact.subject, fact.object}
    used = reached(spoken, places_in(sources))
    for statement in sources.register:
        subject = statement.subject
        if statement.predicate == TYPE and subject not in used:
            assert isinstance(subject, ox.NamedNode)
            yield subject, statement


def places_in(sources: Sources) -> dict[Term, list[Term]]:
    """Where the entries of the register lie."""
    places: dict[Term, list[Term]] = defaultdict(list)
    for statement in sources.register:
        if statement.predicate == LOCATED_IN:
            places[statement.subject].append(statement.object)
    return places


def _ours(term: ox.NamedNode) -> bool:
    ours = term.value.startswith((names.ID, names.DOC, names.PASSAGE))
    return ours and not term.value.endswith("#position")
