"""The evidence rules E1 to E9: what makes every fact rest on a passage.

Each rule is one function from the sources (or the merged dataset) to findings; its docstring is
the rule. ``check_sources`` and ``check_dataset`` run them all.
"""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import pyoxigraph as ox
from rapidfuzz import fuzz, process

from essgraph import anchors, names
from essgraph.anchors import Located
from essgraph.errors import Text
from essgraph.findings import Finding, Place, Severity
from essgraph.sources import (
    DOCUMENT,
    FIRST_WORDS,
    IDENTIFIER,
    IDENTITY,
    LAST_WORDS,
    PASSAGE,
    SET_ASIDE,
    TYPE,
    Document,
    Part,
    Piece,
    Sources,
    Statement,
    Term,
)

_T = TypeVar("_T")

#: A run of this many words shared with a source is a copy.
RUN = 8

SOURCE = ox.NamedNode(names.DCTERMS + "source")
LOCATED_IN = ox.NamedNode(names.ESS + "locatedIn")
RETAINS = ox.NamedNode(names.ESS + "retains")
SAME = ox.NamedNode(names.SCHEMA + "sameAs")
SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
DISJOINT = ox.NamedNode(names.OWL + "disjointWith")
DEPRECATED = ox.NamedNode(names.OWL + "deprecated")
REPLACED = ox.NamedNode(names.DCTERMS + "isReplacedBy")
LABEL = ox.NamedNode(names.RDFS + "label")

#: What a document's file describes outside its graphs, and with which properties.
_RECORDS = {DOCUMENT, PASSAGE, SET_ASIDE, ox.NamedNode(names.ESS + "EditorialNote")}
_RECORD = {
    names.RDF + "type",
    names.RDFS + "label",
    names.ESS + "summary",
    names.ESS + "evidenceLevel",
    names.ESS + "firstWords",
    names.ESS + "lastWords",
    names.ESS + "reason",
    names.ESS + "retains",
    names.OA + "bodyValue",
    names.OA + "hasTarget",
}
_REFERENCE = {
    names.ESS + "locatedIn",
    names.ESS + "isoCode",
    names.GEO + "lat",
    names.GEO + "long",
    names.SCHEMA + "sameAs",
    names.FOAF + "homepage",
}
_REGISTER = IDENTITY | {names.ESS + "locatedIn", names.DCTERMS + "source"}
_OWN_WORDS = {
    names.ESS + "summary",
    names.OA + "bodyValue",
    names.SKOS + "definition",
}
_POSITION = re.compile(r"#position$")
_SUBJECT: Final[Part] = "subject"
_OBJECT: Final[Part] = "object"


def _finding(
    rule: str,
    text: Text,
    at: Statement,
    mend: Text | None = None,
    part: Part = "object",
    suspects: Iterable[Term] = (),
) -> Finding:
    return Finding(
        rule=rule,
        text=text,
        place=at.place(part),
        focus=_show(at.subject),
        path=_show(at.predicate),
        value=_show(at.object),
        passage=None if isinstance(at.graph, ox.DefaultGraph) else _show(at.graph),
        mend=mend,
        suspects=frozenset(map(_show, suspects)),
    )


def _show(term: Term | ox.DefaultGraph) -> str:
    return names.shorten(term.value) if isinstance(term, ox.NamedNode) else str(term)


def _name(term: Term | ox.DefaultGraph) -> str:
    """A term as the files write it: passages by ``p:`` and their number."""
    value = getattr(term, "value", "")
    if value.startswith(names.PASSAGE) and value.count("/") == names.PASSAGE.count("/") + 1:
        return f"p:{_split(value)[1]}"
    return _show(term)


def _nearest(iri: str, known: Iterable[str]) -> Text | None:
    """The known IRI of the same namespace that is spelt most like this one."""
    space, name = _split(iri)
    names_there = [there for other, there in map(_split, known) if other == space]
    near = process.extractOne(name, names_there, scorer=fuzz.ratio, score_cutoff=75)
    if near is None:
        return None
    short = _name(ox.NamedNode(space + near[0]))
    return Text(f"vouliez-vous dire {short} ?", f"did you mean {short}?")


def _split(iri: str) -> tuple[str, str]:
    at = max(iri.rfind("/"), iri.rfind("#")) + 1
    return iri[:at], iri[at:]


def e1(sources: Sources) -> Iterator[Finding]:
    """E1: each passage graph has a record, and each passage a graph or it is set aside."""
    for document in sources.documents:
        passages = {piece.iri.value: piece for piece in document.pieces if piece.is_passage}
        graphs: dict[str, Statement] = {}
        for fact in document.facts:
            graphs.setdefault(getattr(fact.graph, "value", ""), fact)
        silent = {iri: piece for iri, piece in passages.items() if iri not in graphs}
        for graph, fact in graphs.items():
            if graph in passages:
                continue
            near = _nearest(graph, silent) or _nearest(graph, passages)
            # A passage whose graph is misnamed is not silent.
            silent = {iri: piece for iri, piece in silent.items() if _nearest(graph, [iri]) != near}
            yield _finding(
                "E1",
                Text(
                    f"le graphe {_name(fact.graph)} n'a pas de passage dans ce document",
                    f"the graph {_name(fact.graph)} has no passage record in this document",
                ),
                fact,
                near,
                "graph",
            )
        for piece in silent.values():
            yield _at_piece(
                "E1",
                piece,
                Text(
                    "ce passage n'énonce aucun fait : donnez-lui un graphe ou écartez-le",
                    "this passage states no fact: give it a graph or set it aside",
                ),
            )
        yield from _numbers(document)


def _numbers(document: Document) -> Iterator[Finding]:
    """E1: pieces have IRIs under their document's and are numbered in the order of the text."""
    expected = 0
    numbers = [piece.number for piece in document.pieces]
    for index, piece in enumerate(document.pieces):
        expected += 1
        if not piece.iri.value.startswith(document.space):
            yield _at_piece(
                "E1",
                piece,
                Text(
                    f"une pièce de ce document doit porter un IRI sous {document.space}",
                    f"a piece of this document needs an IRI under {document.space}",
                ),
            )
        elif piece.number != expected:
            meant = ox.NamedNode(f"{document.space}{expected}")
            yield _at_piece(
                "E1",
                piece,
                Text(
                    f"les pièces sont numérotées dans l'ordre : {expected} était attendu",
                    f"pieces are numbered in order: {expected} was expected",
                ),
                _write(f"p:{expected}"),
                meant,
            )
            # One wrong number does not make the next ones wrong.
            if expected + 1 not in numbers[index + 1 : index + 2]:
                expected = piece.number


def e2(sources: Sources) -> Iterator[Finding]:
    """E2: no type, label or link in passage graphs; no fact in the register, and its reference
    facts name their source."""
    for document in sources.documents:
        for fact in document.facts:
            if fact.predicate.value in IDENTITY:
                yield _finding(
                    "E2",
                    Text(
                        f"{_show(fact.predicate)} relève du registre, non d'un passage",
                        f"{_show(fact.predicate)} belongs in the register, not in a passage",
                    ),
                    fact,
                    part="predicate",
                    suspects=[fact.subject],
                )
        yield from _outside(document)
    told = {s.subject for s in sources.register if s.predicate == SOURCE}
    for statement in sources.register:
        if statement.predicate.value not in _REGISTER:
            yield _finding(
                "E2",
                Text(
                    f"{_show(statement.predicate)} énonce un fait : sa place est dans le passage "
                    "qui le dit",
                    f"{_show(statement.predicate)} states a fact: its place is in the passage "
                    "that says so",
                ),
                statement,
                part="predicate",
            )
        elif statement.predicate.value in _REFERENCE and statement.subject not in told:
            told.add(statement.subject)  # once for each entity
            yield _finding(
                "E2",
                Text(
                    "un fait de référence nomme sa source (dcterms:source)",
                    "a reference fact names its source (dcterms:source)",
                ),
                statement,
            )


def _outside(document: Document) -> Iterator[Finding]:
    """E2: outside the graphs, a document's file holds records alone."""
    kinds = {s.subject for s in document.records if s.predicate == TYPE and s.object in _RECORDS}
    for statement in document.records:
        predicate = statement.predicate.value
        subject = getattr(statement.subject, "value", "")
        if predicate in IDENTITY and statement.subject not in kinds:
            if subject.startswith((names.DOC, names.PASSAGE)):
                continue  # E1 says what is missing
            yield _finding(
                "E2",
                Text(
                    f"{_show(statement.predicate)} relève du registre, non d'un document",
                    f"{_show(statement.predicate)} belongs in the register, not in a document",
                ),
                statement,
                part="predicate",
                suspects=[statement.subject],
            )
        elif not (predicate in _RECORD or predicate.startswith(names.DCTERMS)):
            yield _finding(
                "E2",
                Text("un fait hors de tout passage", "a fact outside any passage"),
                statement,
                Text(
                    "mettez-le dans le graphe du passage qui le dit",
                    "put it into the graph of the passage that says so",
                ),
                "predicate",
            )


def entries(sources: Sources) -> Iterator[Finding]:
    """E3: what the register and the passages speak of has a name of ours, and in the register a
    class: a flat one, so that it has one address, the same in every spelling."""
    classes = {s.subject for s in sources.register if s.predicate == TYPE}
    for subject, statement in {s.subject: s for s in reversed(sources.register)}.items():
        if not isinstance(subject, ox.NamedNode):
            continue  # E9
        slug = subject.value.removeprefix(names.ID)
        if slug == subject.value or not names.SLUG.fullmatch(slug):
            yield _finding(
                "E3",
                Text(
                    f"{_show(subject)} n'est pas un nom d'entité",
                    f"{_show(subject)} is not the name of an entity",
                ),
                statement,
                Text(
                    "id: et des minuscules ASCII, des chiffres, des tirets",
                    "id: and lower-case ASCII letters, digits, hyphens",
                ),
                "subject",
                [subject],
            )
        elif subject not in classes:
            yield _finding(
                "E3",
                Text(f"{_show(subject)} n'a pas de classe", f"{_show(subject)} has no class"),
                statement,
                Text("ajoutez-la : a ess:…", "add it: a ess:…"),
                "subject",
                [subject],
            )
    yield from _one_thing(sources)
    yield from _withdrawn(sources)
    for fact in (fact for document in sources.documents for fact in document.facts):
        for term, part in ((fact.subject, _SUBJECT), (fact.object, _OBJECT)):
            if isinstance(term, ox.NamedNode) and not _ours(term):
                yield _finding(
                    "E3",
                    Text(
                        f"{_show(term)} n'est pas un nom d'entité, de document ni de passage",
                        f"{_show(term)} is no name of an entity, a document or a passage",
                    ),
                    fact,
                    part=part,
                    suspects=[term],
                )


def _one_thing(sources: Sources) -> Iterator[Finding]:
    """E3: an entity of the register is one thing, and it is one entity: no two of its classes are
    disjoint in the ontology, and no other entity has its identity elsewhere."""
    above: dict[Term, set[Term]] = defaultdict(set)
    apart: set[frozenset[Term]] = set()
    for s in sources.ontology:
        if s.predicate == SUBCLASS:
            above[s.subject].add(s.object)
        elif s.predicate == DISJOINT:
            apart.add(frozenset((s.subject, s.object)))
    classes: dict[Term, set[Term]] = defaultdict(set)
    same: dict[Term, Term] = {}
    for s in sources.register:
        if s.predicate == TYPE:
            mine = {s.object}
            reach(mine, above)
            if any(
                frozenset((one, other)) in apart for one in mine for other in classes[s.subject]
            ):
                yield _finding(
                    "E3",
                    Text(
                        f"{_show(s.subject)} est déjà d'une classe qui exclut {_show(s.object)}",
                        f"{_show(s.subject)} is already of a class that excludes {_show(s.object)}",
                    ),
                    s,
                    suspects=[s.subject],
                )
            classes[s.subject] |= mine
        elif s.predicate == SAME and same.setdefault(s.object, s.subject) != s.subject:
            yield _finding(
                "E3",
                Text(
                    f"c'est aussi l'identité de {_show(same[s.object])}",
                    f"this is the identity of {_show(same[s.object])} too",
                ),
                s,
                Text("une seule entité : gardez un nom", "one entity: keep one name"),
            )


def _withdrawn(sources: Sources) -> Iterator[Finding]:
    """E3: a name that was withdrawn is not in use, and what took its place is."""
    used = {s.subject for s in sources.register}
    for s in sources.withdrawn:
        if s.predicate == DEPRECATED and s.subject in used:
            yield _finding(
                "E3",
                Text(
                    f"{_show(s.subject)} est retiré, et pourtant dans le registre",
                    f"{_show(s.subject)} is withdrawn, and yet in the register",
                ),
                s,
                part="subject",
            )
        elif s.predicate == REPLACED and s.object not in used:
            yield _finding(
                "E3",
                Text(
                    f"{_show(s.object)} n'est pas dans le registre",
                    f"{_show(s.object)} is not in the register",
                ),
                s,
                _nearest(getattr(s.object, "value", ""), [getattr(u, "value", "") for u in used]),
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
        near = _nearest(term.value, spelt)
        entry = next((s for s in silent if near and _show(s) in near.en), None)
        if entry is not None:
            at = silent.pop(entry)
            if others:
                yield _unspoken(entry, at, term)
                continue
        more = f" (+ {len(others)})" if others else ""
        yield _finding(
            "E3",
            Text(
                f"{_name(term)} n'est pas dans le registre{more}",
                f"{_name(term)} is not in the register{more}",
            ),
            said,
            near,
            "subject" if said.subject == term else "object",
            [term],
        )
    for subject, at in silent.items():
        yield _unspoken(subject, at)


def known_in(sources: Sources) -> set[Term]:
    """What has an entry in these files."""
    groups = (sources.register, sources.schemes, sources.dataset)
    return {s.subject for group in groups for s in group} | {
        s.subject for d in sources.documents for s in d.records if s.predicate == TYPE
    }


def _unspoken(subject: ox.NamedNode, at: Statement, meant: ox.NamedNode | None = None) -> Finding:
    return _finding(
        "E3",
        Text(
            f"aucun passage ne parle de {_show(subject)}",
            f"no passage speaks of {_show(subject)}",
        ),
        at,
        _nearest(subject.value, [meant.value]) if meant else None,
        "subject",
        [meant, subject] if meant else (),
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
    used: set[Term] = set(sources.elsewhere.spoken)
    for document in sources.documents:
        for fact in document.facts:
            used |= {fact.subject, fact.object}
    reach(used, places_in(sources))
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


def reach(used: set[_T], places: Mapping[_T, Iterable[_T]]) -> None:
    """Adds to the entities of which a passage speaks those in which they lie."""
    ahead = list(used)
    while ahead:
        for place in places.get(ahead.pop(), ()):
            if place not in used:
                used.add(place)
                ahead.append(place)


def _ours(term: ox.NamedNode) -> bool:
    value = term.value
    return value.startswith((names.ID, names.DOC, names.PASSAGE)) and not _POSITION.search(value)


def e4(sources: Sources, texts: Path | None) -> Iterator[Finding]:
    """E4: anchors resolve and their digests match; with the text at hand they are derived anew
    and every non-space character is accounted for."""
    for document in sources.documents:
        yield from _words(document)
        text = document.text(texts)
        if text is None:
            yield from _stale(document)
            if texts is not None:
                yield from _not_at_hand(document)
        else:
            yield from _derived(document, text)


def _words(document: Document) -> Iterator[Finding]:
    for statement in document.records:
        if statement.predicate in (FIRST_WORDS, LAST_WORDS) and not _few(statement):
            count = len(getattr(statement.object, "value", "").split())
            yield _finding(
                "E4",
                Text(
                    f"une ancre a de 1 à 7 mots ; celle-ci en a {count}",
                    f"an anchor has 1 to 7 words; this one has {count}",
                ),
                statement,
                suspects=[statement.subject],
            )


def _few(statement: Statement | None) -> bool:
    return statement is None or 1 <= len(getattr(statement.object, "value", "").split()) <= 7


def _at_piece(
    rule: str,
    piece: Piece,
    text: Text,
    mend: Text | None = None,
    meant: ox.NamedNode | None = None,
    place: Place | None = None,
) -> Finding:
    iris = [iri.value for iri in (piece.iri, meant) if iri]
    return Finding(
        rule=rule,
        text=text,
        place=place or piece.place,
        focus=_show(piece.iri),
        passage=_show(piece.iri),
        mend=mend,
        suspects=frozenset(_show(ox.NamedNode(i + end)) for i in iris for end in ("", "#position")),
    )


_RERUN = Text("lancez essgraph anchor", "run essgraph anchor")
START, END = ox.NamedNode(names.OA + "start"), ox.NamedNode(names.OA + "end")
WORDS_DIGEST = ox.NamedNode(names.ESS + "wordsDigest")


def _stale(document: Document) -> Iterator[Finding]:
    """What can be told of anchors without the text: each piece has one, derived from its words,
    in order and without overlap."""
    stored = {(s.subject, s.predicate): s for s in document.anchors}

    def position(piece: Piece, predicate: ox.NamedNode) -> int | None:
        statement = stored.get((ox.NamedNode(piece.iri.value + "#position"), predicate))
        value = getattr(statement and statement.object, "value", "")
        return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else None

    cursor = -1
    orphans = True
    for piece in document.pieces:
        position_iri = ox.NamedNode(piece.iri.value + "#position")
        words = stored.get((piece.iri, WORDS_DIGEST))
        start, end = position(piece, START), position(piece, END)
        if words is None or start is None or end is None:
            orphans = False
            yield _at_piece(
                "E4",
                piece,
                Text("cette pièce n'a pas d'ancre dérivée", "this piece has no derived anchor"),
                _RERUN,
            )
        elif getattr(words.object, "value", "") != piece.words_digest:
            if _few(piece.first_stated) and _few(piece.last_stated):
                yield _changed(piece)
        elif not cursor <= start < end:
            yield _finding(
                "E4",
                Text(
                    "cette ancre chevauche la précédente ou ne suit pas l'ordre",
                    "this anchor overlaps the one before or is out of order",
                ),
                stored[position_iri, START if start < cursor else END],
                _RERUN,
                suspects=[position_iri],
            )
        cursor = max(cursor, end or 0)
    if orphans:
        yield from _orphans(document)


def _not_at_hand(document: Document) -> Iterator[Finding]:
    """A folder of texts was named, and this one is not there: a misspelt name must not pass."""
    for statement in document.records:
        if statement.subject == document.iri and statement.predicate == IDENTIFIER:
            yield replace(
                _finding(
                    "E4",
                    Text(
                        "ce texte n'est pas à portée : les positions et la règle E5 n'ont pas été "
                        "vérifiées sur lui",
                        "this text is not at hand: positions and rule E5 were not checked "
                        "against it",
                    ),
                    statement,
                ),
                severity=Severity.WARNING,
            )


def _changed(piece: Piece) -> Finding:
    return _at_piece(
        "E4",
        piece,
        Text(
            "les mots de cette pièce ont changé depuis que son ancre a été dérivée",
            "the words of this piece have changed since its anchor was derived",
        ),
        _RERUN,
        place=piece.words_place(),
    )


def _orphans(document: Document) -> Iterator[Finding]:
    whole = {piece.iri.value for piece in document.pieces}
    whole |= {iri + "#position" for iri in whole} | {document.iri.value}
    said: set[str] = set()
    for statement in document.anchors:
        subject = getattr(statement.subject, "value", "")
        piece = subject.removesuffix("#position")
        if subject not in whole and piece not in said:
            said.add(piece)
            yield _finding(
                "E4",
                Text("ancre d'une pièce absente", "anchor of a piece that is not there"),
                statement,
                _RERUN,
                "subject",
            )


def _derived(document: Document, text: str) -> Iterator[Finding]:
    located = anchors.locate(text, document.pieces)
    for misfit in located.misfits:
        yield _at_piece("E4", misfit.piece, misfit.text, place=misfit.place)
    if located.misfits:
        return
    gaps = anchors.cover(document, text, located.spans).gaps
    for gap in gaps:
        yield Finding(
            rule="E4",
            text=Text(
                f"le texte {document.text_name} n'est pas couvert à partir de la ligne "
                f"{gap.line} (caractères {gap.start} à {gap.end})",
                f"the text {document.text_name} is not accounted for from line {gap.line} on "
                f"(characters {gap.start} to {gap.end})",
            ),
            place=_before(document, located, gap.start),
            focus=_show(document.iri),
        )
    if not gaps:
        yield from _compare(document, text, located)


def _compare(document: Document, text: str, located: Located) -> Iterator[Finding]:
    """The stored anchors against those derived anew: of a piece, the first that differs."""
    rendered = anchors.render(document, text, located.spans)
    stored: dict[str, dict[tuple[Term, Term, Term], Statement]] = defaultdict(dict)
    fresh: dict[str, set[tuple[Term, Term, Term]]] = defaultdict(set)
    for s in document.anchors:
        stored[_owner(s.subject)][s.triple] = s
    for q in ox.parse(rendered, format=ox.RdfFormat.TURTLE):
        fresh[_owner(q.subject)].add((q.subject, q.predicate, q.object))
    pieces = {piece.iri.value: piece for piece in document.pieces}
    for owner in sorted(fresh.keys() | stored.keys()):
        piece = pieces.get(owner)
        wrong = [s for triple, s in stored[owner].items() if triple not in fresh[owner]]
        if piece and any(s.predicate == WORDS_DIGEST for s in wrong):
            yield _changed(piece)
        elif wrong:
            yield _finding(
                "E4",
                Text(
                    "cette ancre ne correspond pas au texte",
                    "this anchor does not match the text",
                ),
                wrong[0],
                _RERUN,
                suspects=[ox.NamedNode(owner), ox.NamedNode(owner + "#position")],
            )
        elif piece and fresh[owner] - stored[owner].keys():
            yield _at_piece(
                "E4",
                piece,
                Text("l'ancre de cette pièce manque", "the anchor of this piece is missing"),
                _RERUN,
            )


def _owner(subject: Term) -> str:
    return getattr(subject, "value", "").removesuffix("#position")


def _before(document: Document, located: Located, position: int) -> Place:
    """The record of the piece before a position of the text."""
    earlier = [p for p, span in located.spans.items() if span.start <= position]
    nearest = earlier[-1:] or document.pieces[:1]
    return nearest[0].place if nearest else Place(document.file)


def e5(sources: Sources, texts: Path | None) -> Iterator[Finding]:
    """E5: no summary, note or definition shares a run of 8 or more words with a source."""
    runs: dict[tuple[str, ...], str] = {}
    titles: set[tuple[str, ...]] = set()
    for document in sources.documents:
        text = document.text(texts)
        if text is not None:
            runs.update((run, document.slug) for run in _runs(text))
    if not runs:
        return
    for statement in sources.register:
        # Titles of works, talks, events and organisations may stand whole.
        if statement.predicate == LABEL or statement.predicate.value == names.SKOS + "altLabel":
            titles.update(_runs(getattr(statement.object, "value", "")))
    for statement in sources.statements():
        if statement.predicate.value in _OWN_WORDS and isinstance(statement.object, ox.Literal):
            for run in _runs(statement.object.value):
                if run in runs and run not in titles:
                    yield _finding(
                        "E5",
                        Text(
                            f"« {' '.join(run)} » est copié du texte {runs[run]}",
                            f'"{" ".join(run)}" is copied from the text {runs[run]}',
                        ),
                        statement,
                        Text("dites-le en vos mots", "say it in your own words"),
                    )
                    break


_WORD = re.compile(r"[^\W_]+")


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    for at in range(len(words) - RUN + 1):
        yield tuple(words[at : at + RUN])


def e6(sources: Sources) -> Iterator[Finding]:
    """E6: every published fact rests on a passage that is not doubtful (source side: an
    editorial note never retains a doubtful passage)."""
    for document in sources.documents:
        for statement in document.records:
            if statement.predicate == RETAINS and statement.object in sources.doubtful:
                yield _finding(
                    "E6",
                    Text(
                        "une note ne retient pas un passage douteux",
                        "a note does not retain a doubtful passage",
                    ),
                    statement,
                )


_CANONICAL: dict[str, Callable[[str], str]] = {
    names.XSD + "integer": lambda v: str(int(v)),
    names.XSD + "decimal": lambda v: _decimal(v),
    names.XSD + "boolean": lambda v: {"1": "true", "0": "false"}.get(v, v),
}
_REWRITTEN = {
    names.XSD + local
    for local in (
        "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger",
        "nonPositiveInteger", "negativeInteger", "unsignedInt", "unsignedLong",
        "unsignedShort", "unsignedByte",
    )
}  # fmt: skip


def _decimal(value: str) -> str:
    match = re.fullmatch(r"([+-]?)0*(\d*)(?:\.(\d*?)0*)?", value)
    if match is None or not any(c.isdigit() for c in value):
        raise ValueError(value)
    sign, whole, part = match.groups()
    text = f"{whole or '0'}.{part}" if part else whole or "0"
    return f"-{text}" if sign == "-" and text != "0" else text


def e9(sources: Sources) -> Iterator[Finding]:
    """E9: literals are in canonical form, language tags lower case, no blank nodes."""

    for statement in sources.statements():
        if ox.BlankNode in (type(statement.subject), type(statement.object), type(statement.graph)):
            yield _finding(
                "E9",
                Text("nœud anonyme", "blank node"),
                statement,
                Text("donnez-lui un IRI", "give it an IRI"),
                "object" if isinstance(statement.object, ox.BlankNode) else "subject",
            )
        if not isinstance(statement.object, ox.Literal):
            continue
        if statement.object.language:
            yield from _tag(statement)
            continue
        yield from _canonical(statement, statement.object)


_UPPER_TAG = re.compile(r"@(?=[A-Za-z-]*[A-Z])[A-Za-z]+(?:-[A-Za-z0-9]+)*$")


def _tag(statement: Statement) -> Iterator[Finding]:
    # The parser folds tags, so the file itself is asked.
    if not statement.source.shouts:
        return
    written = _UPPER_TAG.search(statement.source.written(statement.number))
    if written:
        yield _finding(
            "E9",
            Text(
                f"l'étiquette de langue {written[0]} n'est pas en minuscules",
                f"the language tag {written[0]} is not in lower case",
            ),
            statement,
            _write(written[0].lower()),
        )


def _write(form: str) -> Text:
    return Text(f"écrivez {form}", f"write {form}")


def _canonical(statement: Statement, literal: ox.Literal) -> Iterator[Finding]:
    datatype = literal.datatype.value
    if datatype in _REWRITTEN:
        yield _finding(
            "E9",
            Text(
                f"{names.shorten(datatype)} n'est pas gardé tel quel par le moteur",
                f"{names.shorten(datatype)} is not kept as it is by the engine",
            ),
            statement,
            _write("xsd:integer"),
        )
    elif datatype.startswith(names.XSD):
        try:
            canonical = _CANONICAL.get(datatype, str)(literal.value)
        except ValueError:
            return  # not of its datatype at all: SHACL says so
        if canonical == literal.value and literal.value.endswith(("+00:00", ".000Z")):
            canonical = re.sub(r"(\.000)?(Z|\+00:00)$", "Z", literal.value)
        if canonical != literal.value:
            yield _finding(
                "E9",
                Text(
                    f"« {literal.value} » n'est pas sous forme canonique",
                    f'"{literal.value}" is not in canonical form',
                ),
                statement,
                _write(canonical),
            )


EDTF_DATE = ox.NamedNode(names.ESS + "edtfDate")

#: The classes of the edtf library for levels 0 and 1 of the specification (ISO 8601-2:2019).
_LEVEL_1 = {
    "Date", "DateAndTime", "Interval", "Level1Interval", "LongYear", "Season",
    "UncertainOrApproximate", "Unspecified",
}  # fmt: skip


def edtf_dates(sources: Sources) -> Iterator[Finding]:
    """EDTF: every ess:edtfDate is an Extended Date/Time Format string of level 0 or 1."""
    for statement in sources.statements():
        if statement.predicate != EDTF_DATE or not isinstance(statement.object, ox.Literal):
            continue
        value = statement.object.value
        if not _is_edtf(value):
            yield _finding(
                "EDTF",
                Text(
                    f"« {value} » n'est pas une date EDTF de niveau 1",
                    f'"{value}" is not an EDTF date of level 1',
                ),
                statement,
            )


#: Half of a month or day unspecified is level 2; the library fails on it ("2020-1X").
_HALF_KNOWN = re.compile(r"-\dX|-X\d")


@lru_cache(maxsize=1024)
def _is_edtf(value: str) -> bool:
    # Imported here: only data with such dates pays for the parser.
    from edtf import EDTFParseException, parse_edtf

    if _HALF_KNOWN.search(value):
        return False
    try:
        date = parse_edtf(value)
    except (EDTFParseException, AttributeError, TypeError, ValueError):
        return False  # where it does not just refuse, it stumbles
    if type(date).__name__ not in _LEVEL_1:
        return False
    # It takes 29 February of any year, and an interval that ends before it begins.
    days = [day for day in re.findall(r"-?\d{4}-\d\d-\d\d", value) if day.endswith("02-29")]
    if not all(calendar.isleap(int(day[:-6])) for day in days):
        return False
    start, slash, end = value.partition("/")
    if not slash or "" in (start, end) or ".." in (start, end):
        return True
    return bool(date.lower_strict() <= date.upper_strict())


def vocabulary(sources: Sources) -> Iterator[Finding]:
    """O1: every predicate and class that the data uses is declared in the ontology as such."""
    declared = sources.elsewhere.declared | declared_in(sources)
    said: set[tuple[str, Term]] = set()
    for statement in sources.statements():
        used: list[tuple[Term, bool]] = [(statement.predicate, False)]
        if statement.predicate == TYPE:
            used.append((statement.object, True))
        for term, as_class in used:
            builtin = isinstance(term, ox.NamedNode) and term.value.startswith(
                (names.RDF, names.RDFS, names.OWL)
            )
            if (term, as_class) in declared or builtin or (statement.file, term) in said:
                continue
            said.add((statement.file, term))
            alike = [t.value for t, a in declared if a is as_class and isinstance(t, ox.NamedNode)]
            text = Text(
                f"{_show(term)} n'est pas déclaré dans l'ontologie",
                f"{_show(term)} is not declared in the ontology",
            )
            if (term, not as_class) in declared:
                text = Text(
                    f"{_show(term)} est une {'propriété' if as_class else 'classe'}",
                    f"{_show(term)} is a {'property' if as_class else 'class'}",
                )
            yield _finding(
                "O1",
                text,
                statement,
                _nearest(getattr(term, "value", ""), alike),
                "object" if as_class else "predicate",
                [statement.subject],
            )


def declared_in(sources: Sources) -> frozenset[tuple[Term, bool]]:
    """The terms of the ontology, each with whether it is a class."""
    return frozenset(
        (s.subject, s.object in _CLASSES) for s in sources.ontology if s.predicate == TYPE
    )


_CLASSES = {ox.NamedNode(names.OWL + "Class"), ox.NamedNode(names.RDFS + "Class")}


def documents(sources: Sources) -> Iterator[Finding]:
    """E1: each file of data/documents holds the record of the document that it is named after."""
    for document in sources.documents:
        if not any(
            s.subject == document.iri and s.predicate == TYPE and s.object == DOCUMENT
            for s in document.records
        ):
            first = next(
                (s for s in document.records if s.predicate == TYPE and s.object == DOCUMENT),
                next(iter(document.statements), None),
            )
            yield Finding(
                rule="E1",
                text=Text(
                    f"ce fichier ne décrit pas doc:{document.slug} (a ess:SourceDocument)",
                    f"this file does not describe doc:{document.slug} (a ess:SourceDocument)",
                ),
                place=first.place("subject") if first else Place(document.file),
                suspects=frozenset(map(_show, [document.iri, *([first.subject] if first else [])])),
            )


def alone(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of the rules that judge a document by itself, and so the rest of the files."""
    return [
        *documents(sources),
        *e1(sources),
        *e2(sources),
        *entries(sources),
        *e4(sources, texts),
        *e9(sources),
        *edtf_dates(sources),
        *vocabulary(sources),
    ]


def across(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of the rules that look at several documents, or at these and the register."""
    return [*e3(sources), *e5(sources, texts), *e6(sources)]


def check_sources(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of every rule that looks at the files."""
    return [*alone(sources, texts), *across(sources, texts)]
