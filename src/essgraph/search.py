"""Names found as people write them: a full-text index in the snapshot, and the ranking over it.

The index is one SQLite file with two FTS5 tables over the same names: words (accents folded by
the tokenizer) and trigrams of the folded text (what a typing error leaves whole). It is written
once by the build, with the same bytes for the same data and SQLite, and only read by the service.
The tables find candidates; their order is computed here, so that it can be told: see ``_rank``.
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from essgraph import names

if TYPE_CHECKING:
    import pyoxigraph as ox

#: The file of the snapshot.
FILE: Final = "search.db"

#: The graphs whose types say what an entity is, not only what follows.
STATING: Final = (names.REGISTER, names.PROVENANCE, names.QUERIES, names.ONTOLOGY)

#: What names an entity, and how: the role of each text, and whether it is a name or tells of it.
ROLES: Final = {
    names.RDFS + "label": "label",
    names.SKOS + "altLabel": "variant",
    names.SKOS + "hiddenLabel": "misspelling",
    names.ESS + "acronym": "acronym",
    names.DCTERMS + "title": "title",
    names.SKOS + "definition": "definition",
    names.ESS + "summary": "summary",
    names.RDFS + "comment": "description",
    names.SCHEMA + "keywords": "keyword",
    names.OA + "bodyValue": "note",
}
NAMES: Final = ("label", "variant", "misspelling", "acronym", "title")

_SCHEMA: Final = """
PRAGMA page_size = 4096;
CREATE TABLE kind (name TEXT PRIMARY KEY, iri TEXT, fr TEXT, en TEXT) WITHOUT ROWID;
CREATE TABLE entity (id INTEGER PRIMARY KEY, iri TEXT UNIQUE, kind TEXT, fr TEXT, en TEXT,
  about_fr TEXT, about_en TEXT, passages INTEGER);
CREATE TABLE type (entity INTEGER, class TEXT, PRIMARY KEY (entity, class)) WITHOUT ROWID;
CREATE TABLE text (id INTEGER PRIMARY KEY, entity INTEGER, role TEXT, language TEXT, text TEXT);
CREATE INDEX text_of ON text (entity);
CREATE VIRTUAL TABLE word USING fts5 (text, content='', prefix='2 3',
  tokenize="unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE gram USING fts5 (text, content='', detail=none, tokenize='trigram');
"""

_WORD: Final = re.compile(r"\w+")
_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "Oe", "æ": "ae", "Æ": "Ae"})
#: Words that abbreviations leave out.
_SMALL: Final = frozenset(
    ("a", "an", "and", "au", "aux", "d", "de", "des", "du", "en", "et", "for", "in", "l", "la",
     "le", "les", "of", "on", "par", "pour", "sur", "the", "to", "un", "une")
)  # fmt: skip
#: How much is read of a text that is sought, in characters and words.
MAX_TEXT: Final = 200
_MAX_WORDS: Final = 40
_CANDIDATES: Final = 400


def fold(text: str) -> str:
    """``text`` as it is compared: no case, accents or ligatures, words between single spaces."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    bare = plain
    if not plain.isascii():
        bare = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(_WORD.findall(bare.casefold().replace("_", " ")))


# --- Building ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """What a dataset says of something that has a name: the classes that the files give it, all
    its classes, and its texts by role and language."""

    iri: str
    stated: Sequence[str]
    types: Sequence[str]
    texts: Sequence[tuple[str, str, str]]


_TELLS: Final = frozenset(f"<{iri}>".encode() for iri in (names.RDF + "type", *ROLES))
_OURS: Final = f"<{names.BASE}".encode()


def telling(lines: Iterable[bytes]) -> list[bytes]:
    """Those of canonical lines that are of use to ``named_in``."""
    return [it for it in lines if it.split(b" ", 2)[1] in _TELLS and it.startswith(_OURS)]


class Gathered:
    """What an index is made of; ``passages`` are how many passages name an IRI."""

    def __init__(self) -> None:
        self._texts: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
        self._stated: dict[str, set[str]] = defaultdict(set)
        self._types: dict[str, set[str]] = defaultdict(set)
        self.passages: dict[str, int] = {}

    def add(self, triple: ox.Triple, graph: str) -> None:
        """Takes a statement of that graph; what names nothing of ours is passed by."""
        iri, predicate = getattr(triple.subject, "value", ""), triple.predicate.value
        value = triple.object
        if not iri.startswith(names.BASE):
            return
        if predicate == names.RDF + "type":
            self._types[iri].add(getattr(value, "value", ""))
            if graph in STATING:
                self._stated[iri].add(getattr(value, "value", ""))
        elif predicate in ROLES:
            language, text = getattr(value, "language", "") or "", getattr(value, "value", "")
            self._texts[iri].add((ROLES[predicate], language, text))

    @property
    def named(self) -> list[Named]:
        """Everything of ours that has a name, in order."""
        return [
            Named(
                iri,
                sorted(self._stated.get(iri, ())),
                sorted(self._types.get(iri, ())),
                sorted(self._texts[iri]),
            )
            for iri in sorted(self._texts)
        ]

    def write(self) -> bytes:
        """The index, as the bytes of its file: the same for the same statements in any order."""
        with closing(sqlite3.connect(":memory:")) as database:
            _fill(database, self.named, self.named, self.passages)
            return database.serialize()


def named_in(quads: Iterable[ox.Quad]) -> list[Named]:
    """Everything of ours that has a name, from all that is said of it, in order."""
    gathered = Gathered()
    for quad in quads:
        gathered.add(quad.triple, getattr(quad.graph_name, "value", ""))
    return gathered.named


def create(
    path: Path, kinds: Iterable[Named], everything: Iterable[Named], passages: Mapping[str, int]
) -> None:
    """Writes the index of a published dataset.

    ``kinds`` are the terms of the ontology; ``passages`` says in how many each thing is named.
    Raises sqlite3.OperationalError if the disk refuses.
    """
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_FAST)
        _fill(database, kinds, everything, passages)


def _fill(
    database: sqlite3.Connection,
    kinds: Iterable[Named],
    everything: Iterable[Named],
    passages: Mapping[str, int],
) -> None:
    database.executescript(_SCHEMA)
    for term in kinds:
        if term.iri.startswith(names.ESS):
            _add_kind(database, term.iri, term.texts)
    for iri, name, fr, en in (
        (names.SKOS + "Concept", "Concept", "concept", "concept"),
        (names.SKOS + "ConceptScheme", "ConceptScheme", "liste contrôlée", "controlled list"),
        (names.SH + "SPARQLExecutable", "Question", "question", "question"),
    ):
        database.execute("INSERT OR IGNORE INTO kind VALUES (?, ?, ?, ?)", (name, iri, fr, en))
    _add_all(database, everything, passages)
    database.commit()
    database.execute("INSERT INTO word (word) VALUES ('optimize')")
    database.execute("INSERT INTO gram (gram) VALUES ('optimize')")
    database.commit()
    database.execute("VACUUM")


def update(
    path: Path, gone: Iterable[str], come: Iterable[Named], passages: Mapping[str, int]
) -> None:
    """Takes things out of an index and puts others in; ``passages`` holds the numbers of these
    and of all others for which it changed. The terms of the ontology stand as they were.

    Raises sqlite3.OperationalError if the disk refuses.
    """
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_FAST)
        for iri in gone:
            _remove(database, iri)
        _add_all(database, come, passages)
        database.executemany(
            "UPDATE entity SET passages = ? WHERE iri = ?",
            ((number, iri) for iri, number in passages.items()),
        )
        database.commit()


#: A file that is not whole is never read: it is synced, with the others, before it is in force.
_FAST: Final = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;\n"


def _add_all(
    database: sqlite3.Connection, everything: Iterable[Named], passages: Mapping[str, int]
) -> None:
    kinds: dict[str, str] = dict(database.execute("SELECT iri, name FROM kind"))
    for it in everything:
        own = sorted(kinds[c] for c in it.stated if c in kinds)
        if own and not it.iri.startswith(names.ESS):
            _add(database, it.iri, own[0], it.texts, it.types, passages.get(it.iri, 0))


def _remove(database: sqlite3.Connection, iri: str) -> None:
    found = database.execute("SELECT id FROM entity WHERE iri = ?", (iri,)).fetchone()
    if found is None:
        return
    for row, role, text in database.execute(
        "SELECT id, role, text FROM text WHERE entity = ?", found
    ).fetchall():
        # What a table without content holds is taken out by giving it the text once more.
        remove = "INSERT INTO {0} ({0}, rowid, text) VALUES ('delete', ?, ?)"
        database.execute(remove.format("word"), (row, text.translate(_LIGATURES)))
        if role in NAMES:
            database.execute(remove.format("gram"), (row, fold(text)))
    database.execute("DELETE FROM text WHERE entity = ?", found)
    database.execute("DELETE FROM type WHERE entity = ?", found)
    database.execute("DELETE FROM entity WHERE id = ?", found)


def _add_kind(
    database: sqlite3.Connection, iri: str, texts: Iterable[tuple[str, str, str]]
) -> None:
    labels = {language: text for role, language, text in sorted(texts) if role == "label"}
    name = iri.removeprefix(names.ESS)
    if name[:1].isupper():
        fr, en = labels.get("fr", name), labels.get("en", name)
        database.execute("INSERT INTO kind VALUES (?, ?, ?, ?)", (name, iri, fr, en))


def _add(
    database: sqlite3.Connection,
    iri: str,
    kind: str,
    texts: Sequence[tuple[str, str, str]],
    types: Sequence[str],
    passages: int,
) -> None:
    by_role: dict[tuple[str, str], str] = {}
    for role, language, text in sorted(texts):
        by_role.setdefault((role, language), text)

    def first(language: str, *roles: str) -> str:
        other = "en" if language == "fr" else "fr"
        tried = ((role, lang) for lang in (language, "", other) for role in roles)
        return next((by_role[key] for key in tried if key in by_role), "")

    short = iri.removeprefix(names.BASE)
    added = database.execute(
        "INSERT INTO entity (iri, kind, fr, en, about_fr, about_en, passages) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            iri,
            kind,
            first("fr", "label", "title") or short,
            first("en", "label", "title") or short,
            first("fr", "summary", "definition", "description", "note"),
            first("en", "summary", "definition", "description", "note"),
            passages,
        ),
    )
    entity = added.lastrowid
    database.executemany("INSERT INTO type VALUES (?, ?)", ((entity, c) for c in sorted(types)))
    for role, language, text in sorted(texts):
        row = database.execute(
            "INSERT INTO text (entity, role, language, text) VALUES (?, ?, ?, ?)",
            (entity, role, language, text),
        ).lastrowid
        folded = text.translate(_LIGATURES)
        database.execute("INSERT INTO word (rowid, text) VALUES (?, ?)", (row, folded))
        if role in NAMES:
            database.execute("INSERT INTO gram (rowid, text) VALUES (?, ?)", (row, fold(text)))


# --- Reading ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entity:
    """Something that has a name."""

    iri: str
    kind: str
    fr: str
    en: str
    about_fr: str
    about_en: str
    passages: int

    def label(self, language: str) -> str:
        return self.en if language == "en" else self.fr

    def about(self, language: str) -> str:
        return self.about_en if language == "en" else self.about_fr


@dataclass(frozen=True)
class Hit:
    """An entity found: by which of its texts, how well (0 to 100), with what is alike marked."""

    entity: Entity
    score: float
    role: str
    language: str
    text: str
    highlight: str


@dataclass(frozen=True)
class Found:
    """A page of hits, how many there are in all, and how many of each kind."""

    total: int
    kinds: Mapping[str, int]
    hits: Sequence[Hit]


@dataclass(frozen=True)
class Kind:
    """A class of entities, with its name in both languages."""

    name: str
    iri: str
    fr: str
    en: str

    def label(self, language: str) -> str:
        return self.en if language == "en" else self.fr


class Index:
    """The index of a snapshot, open for reading."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(
            f"file:{path.resolve().as_posix()}?mode=ro&immutable=1",
            uri=True,
            check_same_thread=False,
        )
        weakref.finalize(self, self._database.close)  # Python 3.13 warns of one left open
        self.kinds = {row[0]: Kind(*row) for row in self._database.execute(
            "SELECT name, iri, fr, en FROM kind WHERE name IN (SELECT kind FROM entity) "
            "OR iri IN (SELECT class FROM type) ORDER BY name")}  # fmt: skip

    def entity(self, iri: str) -> Entity | None:
        """The entity of that IRI."""
        row = self._database.execute(
            "SELECT iri, kind, fr, en, about_fr, about_en, passages FROM entity WHERE iri = ?",
            (iri,),
        ).fetchone()
        return Entity(*row) if row else None

    def classes(self, iri: str) -> list[str]:
        """All classes of an entity, those that follow from others too."""
        rows = self._database.execute(
            "SELECT class FROM type JOIN entity ON id = entity WHERE iri = ? ORDER BY class", (iri,)
        )
        return [row[0] for row in rows]

    def search(
        self,
        text: str,
        *,
        language: str = "fr",
        kinds: Sequence[str] = (),
        limit: int = 20,
        offset: int = 0,
    ) -> Found:
        """What ``text`` may mean, the likeliest first: names, then what tells of an entity."""
        hits = [
            hit for hit in self._ranked(text, language) if not kinds or hit.entity.kind in kinds
        ]
        counts = Counter(hit.entity.kind for hit in hits)
        page = _marked(hits[offset : offset + limit], _sought(text)[0])
        return Found(len(hits), dict(sorted(counts.items())), page)

    def suggest(self, text: str, *, language: str = "fr", limit: int) -> list[Hit]:
        """Completions of what is being typed: names only."""
        hits = [hit for hit in self._ranked(text, language) if hit.role in NAMES]
        return _marked(hits[:limit], _sought(text)[0])

    def match(
        self, text: str, *, classes: Sequence[str] = (), language: str = "fr", limit: int = 10
    ) -> list[Hit]:
        """The entities of these classes (IRIs) that a noisy name may stand for."""
        _, query = _sought(text)
        best: dict[str, Hit] = {}
        for entity, role, tongue, name in self._candidates(query, names_only=True):
            score = likeness(query, fold(name), role)
            known = best.get(entity.iri)
            if score >= 40 and (known is None or score > known.score):
                best[entity.iri] = Hit(entity, score, role, tongue, name, "")
        hits = sorted(best.values(), key=_order)
        wanted = set(classes)
        kept = [h for h in hits if not wanted or wanted.intersection(self.classes(h.entity.iri))]
        return kept[:limit]

    def _ranked(self, text: str, language: str) -> list[Hit]:
        """All hits in order, nothing marked yet: most are on no page."""
        query, whole = _sought(text)
        best: dict[str, tuple[float, Entity, str, str, str]] = {}
        for entity, role, tongue, name in self._candidates(query):
            own = fold(name)
            score = _rank(query, own, role)
            if whole != query:
                score = max(score, _rank(whole, own, role))
            score += min(3.0, math.log2(1 + entity.passages) / 2) if score else 0
            score += 0.5 * (tongue == language)
            known = best.get(entity.iri)
            if score >= 30 and (known is None or score > known[0]):
                best[entity.iri] = (score, entity, role, tongue, name)
        hits = [
            Hit(entity, round(min(score, 100.0), 1), role, tongue, name, "")
            for score, entity, role, tongue, name in best.values()
        ]
        return sorted(hits, key=_order)

    def _candidates(
        self, query: str, *, names_only: bool = False
    ) -> Iterator[tuple[Entity, str, str, str]]:
        words = query.split()
        if not words:
            return
        if all(len(word) == 1 for word in words):
            words.append("".join(words))  # an acronym with its full stops
        sought = [f'"{word}"*' for word in words] + [f'"{one}"' for one in map(_singular, words)]
        rows = self._texts("word", " OR ".join(sought))
        grams = {query[i : i + 3] for i in range(len(query) - 2)}
        if grams:
            rows |= self._texts("gram", " OR ".join(f'"{gram}"' for gram in sorted(grams)))
        marks = ",".join("?" * len(rows))
        for row in self._database.execute(
            "SELECT iri, kind, fr, en, about_fr, about_en, passages, role, language, text "
            f"FROM text JOIN entity ON entity.id = text.entity WHERE text.id IN ({marks})",
            sorted(rows),
        ):
            if not names_only or row[7] in NAMES:
                yield Entity(*row[:7]), row[7], row[8], row[9]

    def _texts(self, table: str, query: str) -> set[int]:
        rows = self._database.execute(
            f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rank LIMIT ?",
            (query, _CANDIDATES),
        )
        return {row[0] for row in rows}


def _sought(text: str) -> tuple[str, str]:
    """What is sought, folded: without its articles, which say nothing unless they are all there
    is, and with them."""
    words = fold(text[:MAX_TEXT]).split()[:_MAX_WORDS]
    whole = " ".join(words)
    return " ".join(word for word in words if word not in _SMALL) or whole, whole


def _order(hit: Hit) -> tuple[float, int, str]:
    return -hit.score, -hit.entity.passages, hit.entity.iri


def _rank(query: str, name: str, role: str) -> float:
    """How well a text answers a search: the same 100, one that begins so 90, one with all its
    words 70, a likely typing error 60, one with some of its words less; what is no name, less."""
    from rapidfuzz import fuzz

    if query == name:
        score = 97.0
    elif name.startswith(query):
        score = 88 + 6 * len(query) / len(name)
    else:
        words, spaced = query.split(), f" {name} "
        there = sum(begin in spaced or one in spaced for begin, one in _parts(query))
        share = there / len(words)
        if share == 1:
            score = 68 + 14 * min(1.0, len(query) / len(name))
        else:
            alike = _alike(words, name.split())
            whole = fuzz.ratio(query, name)
            close = max(alike, whole if whole >= 75 else 0)
            score = max(close * 0.62 + whole * 0.06, 45 * share if share >= 0.5 else 0)
    return score if role in NAMES else score - 30 if score >= 60 else 0


@lru_cache(maxsize=4)
def _parts(query: str) -> list[tuple[str, str]]:
    """Each word as the beginning of one, and its singular, as they stand between spaces."""
    return [(f" {word}", f" {_singular(word)} ") for word in query.split()]


#: What words have to be like, in per cent, for one to be taken for the other.
_ALIKE: Final = 78


def _alike(words: Sequence[str], own: Sequence[str]) -> float:
    """How like its nearest of the others each word is, on average; 0 below ``_ALIKE``, which is
    known after a few words mostly."""
    from rapidfuzz import fuzz, process

    nearest: dict[str, float] = {}
    total, least = 0.0, _ALIKE * len(words)
    for done, word in enumerate(words, 1):
        if word not in nearest:
            found = process.extractOne(word, own, scorer=fuzz.ratio)
            nearest[word] = found[1] if found else 0
        total += nearest[word]
        if total + 100 * (len(words) - done) < least - 1e-6:
            return 0
    alike = total / len(words)
    return alike if alike >= _ALIKE else 0


def _singular(word: str) -> str:
    """A word without the s of a plural, in French as in English; short words have none."""
    return word[:-1] if len(word) > 4 and word.endswith("s") else word


def likeness(query: str, name: str, role: str) -> float:
    """How likely a noisy name (folded) stands for a name (folded): 0 to 100.

    The same 100; the same words in another order 98; the letters of an acronym 97; every word a
    beginning of one of the name (an abbreviation) up to 95; else what share of letters agrees.
    """
    from rapidfuzz import fuzz

    if query == name:
        return 100.0
    words, own = sorted(query.split()), sorted(name.split())
    if words == own:
        return 98.0
    letters = query.replace(" ", "")
    if role == "acronym" and letters == name.replace(" ", ""):
        return 97.0
    score = max(fuzz.ratio(query, name), fuzz.token_sort_ratio(query, name))
    score = max(score, _abbreviates(words, own))
    initials = "".join(w[0] for w in name.split() if w not in _SMALL)
    if len(initials) > 2 and letters == initials:
        score = max(score, 93.0)
    return min(score, 96.0)


def _abbreviates(words: Sequence[str], own: Sequence[str]) -> float:
    """Whether each word begins (or nearly is) another of the name, and none of weight is left."""
    from rapidfuzz import fuzz

    left = list(own)
    total = 0.0
    for word in sorted(words, key=len, reverse=True):
        if word in _SMALL and word not in left:
            continue
        best, at = 0.0, -1
        for i, other in enumerate(left):
            if other == word:
                value = 100.0
            elif other.startswith(word) or (word == "st" and other == "saint"):
                value = 94.0
            else:
                value = fuzz.ratio(word, other)
            if value > best:
                best, at = value, i
        if best < 60:
            return 0.0
        total += best * len(left[at])
        del left[at]
    length = sum(len(w) for w in own) - sum(len(w) for w in left if w in _SMALL)
    return total / max(length, 1) if length else 0.0


def _marked(hits: Iterable[Hit], query: str) -> list[Hit]:
    words = tuple(dict.fromkeys(query.split()))
    return [replace(hit, highlight=_mark(hit.text, words)) for hit in hits]


def _mark(text: str, words: tuple[str, ...]) -> str:
    """The text as HTML, with the words that answer in ``<mark>``."""
    from rapidfuzz import fuzz, process

    out, end = [], 0
    for found in _WORD.finditer(text):
        own = fold(found[0])
        if own and (
            own.startswith(words)
            or process.extractOne(own, words, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        ):
            out += [escape(text[end : found.start()]), f"<mark>{escape(found[0])}</mark>"]
            end = found.end()
    return "".join([*out, escape(text[end:])])
