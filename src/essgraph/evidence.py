"""The evidence rules E1 to E9: what makes every fact rest on a passage.

Each rule is one function from the sources (or the merged dataset) to findings; its docstring is
the rule. ``check_sources`` and ``check_dataset`` run them all.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyoxigraph as ox

from essgraph import anchors, names
from essgraph.anchors import Located
from essgraph.errors import Text
from essgraph.findings import Finding, Severity
from essgraph.sources import (
    DOCUMENT,
    FIRST_WORDS,
    IDENTITY,
    LAST_WORDS,
    TYPE,
    Document,
    Piece,
    Sources,
    Statement,
    Term,
)

#: A run of this many words shared with a source is a copy.
RUN = 8

SOURCE = ox.NamedNode(names.DCTERMS + "source")
LOCATED_IN = ox.NamedNode(names.ESS + "locatedIn")
RETAINS = ox.NamedNode(names.ESS + "retains")
LABEL = ox.NamedNode(names.RDFS + "label")

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


def _finding(rule: str, text: Text, at: Statement, mend: Text | None = None) -> Finding:
    return Finding(
        rule=rule,
        text=text,
        file=at.file,
        line=at.line,
        focus=_show(at.subject),
        path=_show(at.predicate),
        value=_show(at.object),
        passage=None if isinstance(at.graph, ox.DefaultGraph) else _show(at.graph),
        mend=mend,
    )


def _show(term: Term | ox.DefaultGraph) -> str:
    return names.shorten(term.value) if isinstance(term, ox.NamedNode) else str(term)


def _nearest(iri: str, known: Iterable[str]) -> Text | None:
    near = difflib.get_close_matches(iri, list(known), n=1, cutoff=0.75)
    if not near:
        return None
    short = names.shorten(near[0])
    return Text(f"vouliez-vous dire {short} ?", f"did you mean {short}?")


def e1(sources: Sources) -> Iterator[Finding]:
    """E1: each passage graph has a record, and each passage a graph or it is set aside."""
    for document in sources.documents:
        passages = {piece.iri.value for piece in document.pieces if piece.is_passage}
        graphs: dict[str, Statement] = {}
        for fact in document.facts:
            graphs.setdefault(getattr(fact.graph, "value", ""), fact)
        for graph, fact in graphs.items():
            if graph not in passages:
                yield _finding(
                    "E1",
                    Text(
                        f"le graphe {_show(fact.graph)} n'a pas de passage dans ce document",
                        f"the graph {_show(fact.graph)} has no passage record in this document",
                    ),
                    fact,
                    _nearest(graph, passages),
                )
        yield from _pieces(document, set(graphs))


def _pieces(document: Document, graphs: set[str]) -> Iterator[Finding]:
    expected = 0
    for piece in document.pieces:
        expected += 1

        def say(fr: str, en: str, here: Piece = piece) -> Finding:
            return Finding(
                rule="E1",
                text=Text(fr, en),
                file=here.file,
                line=here.line,
                focus=_show(here.iri),
                passage=_show(here.iri),
            )

        if piece.is_passage and piece.iri.value not in graphs:
            yield say(
                "ce passage n'énonce aucun fait : donnez-lui un graphe ou écartez-le",
                "this passage states no fact: give it a graph or set it aside",
            )
        if not piece.iri.value.startswith(document.space):
            yield say(
                f"une pièce de ce document doit porter un IRI sous {document.space}",
                f"a piece of this document needs an IRI under {document.space}",
            )
        elif piece.number != expected:
            yield say(
                f"les pièces sont numérotées dans l'ordre : {expected} était attendu",
                f"pieces are numbered in order: {expected} was expected",
            )
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
                )
    sourced = {s.subject for s in sources.register if s.predicate == SOURCE}
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
            )
        elif statement.predicate.value in _REFERENCE and statement.subject not in sourced:
            yield _finding(
                "E2",
                Text(
                    "un fait de référence nomme sa source (dcterms:source)",
                    "a reference fact names its source (dcterms:source)",
                ),
                statement,
            )


def e3(sources: Sources) -> Iterator[Finding]:
    """E3: every entity occurs in some passage graph, or in a path from one (the country of a
    city); and every entity that is named has an entry in the register."""
    entries = {s.subject: s for s in sources.register if s.predicate == TYPE}
    known = {
        s.subject for group in (sources.register, sources.schemes, sources.dataset) for s in group
    } | {s.subject for d in sources.documents for s in d.records if s.predicate == TYPE}
    used: set[Term] = set()
    for document in sources.documents:
        for statement in document.statements:
            terms = [statement.subject, statement.object]
            if not isinstance(statement.graph, ox.DefaultGraph):
                used.update(terms)
            for term in terms:
                if isinstance(term, ox.NamedNode) and _ours(term) and term not in known:
                    yield _finding(
                        "E3",
                        Text(
                            f"{_show(term)} n'est pas dans le registre",
                            f"{_show(term)} is not in the register",
                        ),
                        statement,
                        _nearest(
                            term.value, (k.value for k in known if isinstance(k, ox.NamedNode))
                        ),
                    )
    yield from _unreached(sources, entries, used, known)


def _unreached(
    sources: Sources, entries: dict[Term, Statement], used: set[Term], known: set[Term]
) -> Iterator[Finding]:
    places = defaultdict(list)
    for statement in sources.register:
        if statement.predicate == LOCATED_IN:
            places[statement.subject].append(statement)
            if statement.object not in known:
                yield _finding(
                    "E3",
                    Text(
                        f"{_show(statement.object)} n'est pas dans le registre",
                        f"{_show(statement.object)} is not in the register",
                    ),
                    statement,
                )
    ahead = list(used)
    while ahead:
        for step in places.get(ahead.pop(), []):
            if step.object not in used:
                used.add(step.object)
                ahead.append(step.object)
    for subject, entry in entries.items():
        if subject not in used:
            yield _finding(
                "E3",
                Text(
                    f"aucun passage ne parle de {_show(subject)}",
                    f"no passage speaks of {_show(subject)}",
                ),
                entry,
            )


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
        else:
            yield from _derived(document, text)


def _words(document: Document) -> Iterator[Finding]:
    for statement in document.records:
        if statement.predicate in (FIRST_WORDS, LAST_WORDS):
            count = len(getattr(statement.object, "value", "").split())
            if not 1 <= count <= 7:
                yield _finding(
                    "E4",
                    Text(
                        f"une ancre a de 1 à 7 mots ; celle-ci en a {count}",
                        f"an anchor has 1 to 7 words; this one has {count}",
                    ),
                    statement,
                )


def _at_piece(piece: Piece, text: Text, severity: Severity) -> Finding:
    return Finding(
        rule="E4",
        text=text,
        file=piece.file,
        line=piece.line,
        severity=severity,
        focus=_show(piece.iri),
        passage=_show(piece.iri),
    )


_RERUN = Text("lancez essgraph anchor", "run essgraph anchor")


def _stale(document: Document) -> Iterator[Finding]:
    """What can be told of anchors without the text: each piece has one, derived from its words,
    in order and without overlap."""
    stored: dict[tuple[str, str], str] = {}
    lines: dict[str, Statement] = {}
    for s in document.anchors:
        value = getattr(s.object, "value", str(s.object))
        stored[getattr(s.subject, "value", ""), s.predicate.value] = value
        lines.setdefault(getattr(s.subject, "value", ""), s)
    cursor = -1
    for piece in document.pieces:
        iri = piece.iri.value
        position = iri + "#position"
        words = stored.get((iri, names.ESS + "wordsDigest"))
        start = stored.get((position, names.OA + "start"), "")
        end = stored.get((position, names.OA + "end"), "")
        if words is None or not start.isdecimal() or not end.isdecimal():
            yield _at_piece(
                piece,
                Text("cette pièce n'a pas d'ancre dérivée", "this piece has no derived anchor"),
                Severity.VIOLATION,
            )
        elif words != piece.words_digest:
            yield _at_piece(
                piece,
                Text(
                    "les mots de cette pièce ont changé depuis que son ancre a été dérivée",
                    "the words of this piece have changed since its anchor was derived",
                ),
                Severity.VIOLATION,
            )
        elif not cursor <= int(start) < int(end):
            yield _finding(
                "E4",
                Text(
                    "cette ancre chevauche la précédente ou ne suit pas l'ordre",
                    "this anchor overlaps the one before or is out of order",
                ),
                lines[position],
            )
        cursor = max(cursor, int(end) if end.isdecimal() else cursor)
    whole = {piece.iri.value for piece in document.pieces}
    whole |= {iri + "#position" for iri in whole} | {document.iri.value}
    for subject, statement in lines.items():
        if subject not in whole:
            yield _finding(
                "E4",
                Text("ancre d'une pièce absente", "anchor of a piece that is not there"),
                statement,
                _RERUN,
            )


def _derived(document: Document, text: str) -> Iterator[Finding]:
    located = anchors.locate(text, document.pieces)
    for misfit in located.misfits:
        yield _at_piece(misfit.piece, misfit.text, Severity.VIOLATION)
    if located.misfits:
        return
    yield from _compare(document, text, located)
    for gap in anchors.cover(document, text, located.spans).gaps:
        yield Finding(
            rule="E4",
            text=Text(
                f"le texte {document.text_name} n'est pas couvert à partir de la ligne "
                f"{gap.line} (caractères {gap.start} à {gap.end})",
                f"the text {document.text_name} is not accounted for from line {gap.line} on "
                f"(characters {gap.start} to {gap.end})",
            ),
            file=document.file,
            focus=_show(document.iri),
        )


def _compare(document: Document, text: str, located: Located) -> Iterator[Finding]:
    rendered = anchors.render(document, text, located.spans)
    fresh = {
        (q.subject, q.predicate, q.object) for q in ox.parse(rendered, format=ox.RdfFormat.TURTLE)
    }
    stored = {(s.subject, s.predicate, s.object): s for s in document.anchors}
    stale = [s for triple, s in stored.items() if triple not in fresh]
    for statement in stale:
        yield _finding(
            "E4",
            Text(
                "cette ancre ne correspond pas au texte",
                "this anchor does not match the text",
            ),
            statement,
            _RERUN,
        )
    if not stale and fresh - stored.keys():
        yield Finding(
            rule="E4",
            text=Text("des ancres manquent", "anchors are missing"),
            file=document.anchors_file,
            mend=_RERUN,
        )


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
    number = Decimal(value)
    text = format(number.normalize(), "f")
    return "0" if text in ("-0", "0") else text


def e9(sources: Sources) -> Iterator[Finding]:
    """E9: literals are in canonical form, language tags lower case, no blank nodes."""

    @cache
    def lines(file: str) -> list[str]:
        data = sources.project.read(sources.project.root / file)
        return data.decode("utf-8", "replace").splitlines()

    for statement in sources.statements():
        if ox.BlankNode in (type(statement.subject), type(statement.object), type(statement.graph)):
            yield _finding(
                "E9",
                Text("nœud anonyme : donnez-lui un IRI", "blank node: give it an IRI"),
                statement,
            )
        if not isinstance(statement.object, ox.Literal):
            continue
        if statement.object.language:
            # The parser folds tags, so the file itself is asked.
            line = lines(statement.file)[statement.line - 1]
            tag = re.search(r"[\"']@([A-Za-z]+(?:-[A-Za-z0-9]+)*)", line)
            if tag and tag[1] != tag[1].lower():
                yield _finding(
                    "E9",
                    Text(
                        f"étiquette de langue @{tag[1]} : écrivez @{tag[1].lower()}",
                        f"language tag @{tag[1]}: write @{tag[1].lower()}",
                    ),
                    statement,
                )
            continue
        yield from _canonical(statement, statement.object)


def _canonical(statement: Statement, literal: ox.Literal) -> Iterator[Finding]:
    datatype = literal.datatype.value
    if datatype in _REWRITTEN:
        yield _finding(
            "E9",
            Text(
                f"{names.shorten(datatype)} : écrivez xsd:integer",
                f"{names.shorten(datatype)}: write xsd:integer",
            ),
            statement,
        )
    elif datatype.startswith(names.XSD):
        try:
            canonical = _CANONICAL.get(datatype, str)(literal.value)
        except (ValueError, ArithmeticError):
            return  # not of its datatype at all: SHACL says so
        if canonical == literal.value and literal.value.endswith(("+00:00", ".000Z")):
            canonical = re.sub(r"(\.000)?(Z|\+00:00)$", "Z", literal.value)
        if canonical != literal.value:
            yield _finding(
                "E9",
                Text(
                    f"« {literal.value} » n'est pas sous forme canonique : écrivez {canonical}",
                    f'"{literal.value}" is not in canonical form: write {canonical}',
                ),
                statement,
            )


EDTF_DATE = ox.NamedNode(names.ESS + "edtfDate")

#: The classes of the edtf library for levels 0 and 1 of the specification (ISO 8601-2:2019).
_LEVEL_1 = {
    "Date", "DateAndTime", "Interval", "Level1Interval", "LongYear", "Season",
    "UncertainOrApproximate", "Unspecified",
}  # fmt: skip


def edtf_dates(sources: Sources) -> Iterator[Finding]:
    """EDTF: every ess:edtfDate is an Extended Date/Time Format string of level 0 or 1."""
    # Imported here: only data with such dates pays for the parser.
    from edtf import EDTFParseException, parse_edtf

    for statement in sources.statements():
        if statement.predicate != EDTF_DATE or not isinstance(statement.object, ox.Literal):
            continue
        value = statement.object.value
        try:
            level_1 = type(parse_edtf(value)).__name__ in _LEVEL_1
        except EDTFParseException:
            level_1 = False
        if not level_1:
            yield _finding(
                "EDTF",
                Text(
                    f"« {value} » n'est pas une date EDTF de niveau 1",
                    f'"{value}" is not an EDTF date of level 1',
                ),
                statement,
            )


def vocabulary(sources: Sources) -> Iterator[Finding]:
    """O1: every predicate and class that the data uses is declared in the ontology."""
    declared = {s.subject for s in sources.ontology if s.predicate == TYPE}
    texts = [t.value for t in declared if isinstance(t, ox.NamedNode)]
    said: set[tuple[str, Term]] = set()
    for statement in sources.statements():
        for term in (
            statement.predicate,
            statement.object if statement.predicate == TYPE else statement.predicate,
        ):
            builtin = isinstance(term, ox.NamedNode) and term.value.startswith(
                (names.RDF, names.RDFS, names.OWL)
            )
            if term in declared or builtin or (statement.file, term) in said:
                continue
            said.add((statement.file, term))
            yield _finding(
                "O1",
                Text(
                    f"{_show(term)} n'est pas déclaré dans l'ontologie",
                    f"{_show(term)} is not declared in the ontology",
                ),
                statement,
                _nearest(getattr(term, "value", ""), texts),
            )


def documents(sources: Sources) -> Iterator[Finding]:
    """E1: each file of data/documents holds the record of the document that it is named after."""
    for document in sources.documents:
        if not any(
            s.subject == document.iri and s.predicate == TYPE and s.object == DOCUMENT
            for s in document.records
        ):
            yield Finding(
                rule="E1",
                text=Text(
                    f"ce fichier ne décrit pas doc:{document.slug} (a ess:SourceDocument)",
                    f"this file does not describe doc:{document.slug} (a ess:SourceDocument)",
                ),
                file=document.file,
            )


def check_sources(sources: Sources, texts: Path | None) -> list[Finding]:
    """The findings of every rule that looks at the files."""
    return [
        *documents(sources),
        *e1(sources),
        *e2(sources),
        *e3(sources),
        *e4(sources, texts),
        *e5(sources, texts),
        *e6(sources),
        *e9(sources),
        *edtf_dates(sources),
        *vocabulary(sources),
    ]
