"""A first TriG file for a text that is to be mapped: its pieces in order, proposed as passages or
as set aside, with the entities of the register that each piece seems to name.

A proposal, never a fact: the graphs are empty but for a comment, and `essgraph validate` asks for
what is missing. Names are looked up with case and accents folded (Aho-Corasick, in one pass over
the text), as whole words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import ahocorasick
import pyoxigraph as ox

from essgraph import anchors, names
from essgraph.sources import TYPE, Sources

#: How many words an anchor has where that is enough, and at most.
_FEW, _MOST = 4, 7
#: A line of more words is no title.
_TITLE = 20
_NAMES = {
    names.RDFS + "label",
    names.SKOS + "altLabel",
    names.SKOS + "hiddenLabel",
    names.ESS + "acronym",
}
#: Where a sentence ends: not after an initial ("M.", "J.") or another abbreviation before a name.
_SENTENCE = re.compile(
    r"(?<=[.!?…;])(?<!\b[A-ZÀ-ÖØ-Þ]\.)(?<!\b(?:MM|Dr|Pr|St|cf)\.)\s+(?=[A-ZÀ-ÖØ-Þ«“\"(])"
)
_YEAR = re.compile(r"\b(?:19|20)[0-9]{2}\b")
_MANDATE = ox.NamedNode(names.ESS + "Mandate")


@dataclass(frozen=True)
class Proposal:
    """A piece of a text: its words, what to do with it, and (entity, name) of what it names.

    ``reason`` is that of a set-aside (``heading``, ``furniture``, ``repetition``), None of a
    passage.
    """

    first: str
    last: str | None
    reason: str | None
    known: list[tuple[str, str]]


def fold(text: str) -> tuple[str, list[int]]:
    """A text in lower case without accents, and the place in it of each character."""
    out: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character).casefold():
            if not unicodedata.combining(part):
                out.append("'" if part == "’" else " " if part.isspace() else part)
                places.append(place)
    return "".join(out), places


class Names:
    """The names of a register, ready to be found in texts."""

    def __init__(self, sources: Sources) -> None:
        self._automaton = ahocorasick.Automaton()
        #: Names of posts, which are made of those of a person and a body.
        self._posts = {
            names.shorten(getattr(s.subject, "value", ""))
            for s in sources.register
            if s.predicate == TYPE and s.object == _MANDATE
        }
        by_name: dict[str, set[str]] = {}
        for s in sources.register:
            if s.predicate.value in _NAMES and isinstance(s.object, ox.Literal):
                name = fold(s.object.value)[0]
                # An acronym of one letter is no name to look for.
                if len(name) > 1:
                    entity = names.shorten(getattr(s.subject, "value", ""))
                    by_name.setdefault(name, set()).add(entity)
        for name, entities in by_name.items():
            self._automaton.add_word(name, (len(name), sorted(entities)))
        if by_name:
            self._automaton.make_automaton()
        self._any = bool(by_name)

    def found(self, text: str) -> list[tuple[str, str]]:
        """(entity, name as the text writes it), in text order; the longest name of a place wins,
        but for that of a post, and an ambiguous one gives every entity that bears it."""
        folded, places = fold(text)
        hits: list[tuple[int, int, list[str]]] = []
        for last, (length, entities) in self._automaton.iter(folded) if self._any else ():
            start, end = last - length + 1, last + 1
            before, after = folded[start - 1 : start], folded[end : end + 1]
            if not (before.isalnum() or after.isalnum()):
                hits.append((start, end, entities))
        hits.sort(key=lambda hit: (hit[0], -hit[1]))
        said: dict[str, str] = {}
        reached = 0
        for start, end, entities in hits:
            if start < reached:
                continue
            if not self._posts.issuperset(entities):
                reached = end
            for entity in entities:
                said.setdefault(entity, text[places[start] : places[end - 1] + 1])
        return list(said.items())


def proposals(text: str, known: Names) -> Iterator[Proposal]:
    """The pieces of a text in order: its lines, and the sentences of long ones."""
    seen: set[str] = set()
    for line in text.splitlines():
        for sentence in _SENTENCE.split(line):
            words = sentence.split()
            while words and not any(c.isalnum() for c in words[0]):
                words = words[1:]  # a bullet belongs to the piece by itself
            if not words:
                continue
            entities = known.found(" ".join(words))
            whole = fold(" ".join(words))[0]
            yield Proposal(*_anchor(words), _reason(words, entities, whole in seen), entities)
            seen.add(whole)


def _reason(words: list[str], entities: list[tuple[str, str]], repeated: bool) -> str | None:
    if repeated:
        return "repetition"
    if entities or words[-1].endswith((".", "!", "?", "…", ";")) or len(words) > 12:
        return None
    if len(words) > 3 and _YEAR.search(" ".join(words)):
        return None
    return "furniture" if len(words) <= 3 else "heading"


def title(text: str) -> str:
    """A first guess at the title: the first line of some words, else the first line; of a long one,
    its beginning."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    long = (line for line in lines if sum(any(map(str.isalnum, w)) for w in line) >= _FEW)
    words = next(long, lines[0] if lines else ["…"])
    return " ".join(words if len(words) <= _TITLE else words[:_MOST])


def _anchor(words: list[str]) -> tuple[str, str | None]:
    """The first and last words that lead to a piece and to its end."""
    if len(words) <= _MOST:
        return " ".join(words), None
    first = words[:_FEW]
    whole = anchors.fold(" ".join(words))
    for count in range(_FEW, _MOST + 1):
        last = anchors.fold(" ".join(words[-count:]))
        at = whole.find(last)
        while at != -1 and at + len(last) < len(" ".join(first)):
            at = whole.find(last, at + 1)
        if at == len(whole) - len(last):
            break
    return " ".join(first), " ".join(words[-count:])


def trig(slug: str, file: str, text: str, sources: Sources) -> str:
    """The TriG skeleton of a text; ``file`` is the text's name."""
    heading = title(text)
    pieces = list(proposals(text, Names(sources)))
    head = [
        f"# {heading} — hand-mapped for essgraph",
        "# Pieces stand in the order of the text; comments hold judgement only.",
    ]
    prefixes = {
        name: names.PREFIXES[name]
        for name in ("dcterms", "doc", "ess", "ev", "id", "rdfs", "reason", "text-type")
    }
    prefixes["p"] = f"{names.PASSAGE}{slug}/"
    head += [f"PREFIX {name}: <{iri}>" for name, iri in sorted(prefixes.items())]
    record = [
        f"doc:{slug} a ess:SourceDocument ;",
        '    rdfs:label "…"@fr , "…"@en ;',
        f"    dcterms:title {_string(heading)}@fr ;",
        f"    dcterms:identifier {_string(file)} ;",
        '    dcterms:language "fr" ;',
        "    dcterms:type text-type:article ;",
        '    ess:summary "…"@fr , "…"@en .',
    ]
    blocks = [_block(number, piece) for number, piece in enumerate(pieces, 1)]
    return "\n\n".join(["\n".join(head), "\n".join(record), *blocks]) + "\n"


def _block(number: int, piece: Proposal) -> str:
    kind = "SetAside" if piece.reason else "Passage"
    lines = [f"# {number}  …", "", f"p:{number} a ess:{kind} ;"]
    lines.append(f"    ess:firstWords {_string(piece.first)} ;")
    if piece.last:
        lines.append(f"    ess:lastWords {_string(piece.last)} ;")
    if piece.reason:
        return "\n".join([*lines, f"    ess:reason reason:{piece.reason} ."])
    lines += ['    ess:summary "…"@fr , "…"@en ;', "    ess:evidenceLevel ev:explicit ."]
    lines += ["", f"GRAPH p:{number} {{"]
    lines += [f"    # {entity}: {' '.join(name.split())}" for entity, name in piece.known]
    return "\n".join([*lines, "}"])


def _string(text: str) -> str:
    return str(ox.Literal(text))
