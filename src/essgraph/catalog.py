"""The question library: one SPARQL query a file, described by comments at its head.

::

    # title@fr: Quels membres … ?
    # title@en: Which members …?
    # description@fr: …
    # description@en: …
    # subject: people
    # keywords: networks, membership
    # column: member | membre | member
    # parameter: body iri | l'organisme | the body
    SELECT … WHERE {
      VALUES ?body { id:remcess }
      …

A file is a whole query that runs on any endpoint as it stands. A parameter is a variable with a
``VALUES`` line of its own, which holds its default. To ask with another value is to put another
RDF term into that line: the value is first made a term of the declared type, and a term in its
N-Triples form cannot end the line, so nothing that a user sends is ever read as query text.
(The engine's own substitution serves only variables of the projection, and no remote engine.)

A column is headed, for people, by words: those of ``member`` head ``?member`` and ``?memberLabel``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from essgraph import names
from essgraph.errors import Position, QueryError, SyntaxFault, Text, UnknownName
from essgraph.findings import nearest, perhaps
from essgraph.project import decode, no_slug, read_bytes

_HEAD = re.compile(
    r"#\s*(title|description|subject|keywords|parameter|column)(?:@(fr|en))?:\s*(.+)"
)
_PARAMETER = re.compile(r"(\w+)\s+(\w+)\s*\|\s*([^|]+?)\s*\|\s*([^|]+)")
_COLUMN = re.compile(r"(\w+)\s*\|\s*([^|]+?)\s*\|\s*([^|]+)")
_VALUES = re.compile(r"^(\s*VALUES \?(\w+) \{) (\S.*?) (\}\s*)$", re.MULTILINE)
_UCS = r"\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(
    f"\\U000{plane:x}0000-\\U000{plane:x}fffd" for plane in range(1, 15)
)
_ICHAR = rf"[A-Za-z0-9_.~!$&'()*+,;=:@\-{_UCS}]|%[0-9A-Fa-f]{{2}}"
#: RFC 3987, 2.2, but for IP literals and private characters: no thing has such a name.
_IRI = (
    rf"[A-Za-z][A-Za-z0-9+.-]*:(//([A-Za-z0-9_.~!$&'()*+,;=@\-{_UCS}]|%[0-9A-Fa-f]{{2}})+"
    rf"(:[0-9]{{1,5}})?(?=[/?#]|\Z)|(?!//))({_ICHAR}|/)*(\?({_ICHAR}|[/?])*)?(#({_ICHAR}|[/?])*)?"
)

#: What questions are about, in the order in which they are listed.
SUBJECTS: Final[dict[str, Text]] = {
    "people": Text("Personnes et organisations", "People and organisations"),
    "events": Text("Événements", "Events"),
    "talks": Text("Interventions", "Talks"),
    "recommendations": Text("Recommandations", "Recommendations"),
    "initiatives": Text("Initiatives et soutiens", "Initiatives and support"),
    "places": Text("Villes et pays", "Cities and countries"),
    "themes": Text("Thèmes et recoupements", "Themes and connections"),
    "texts": Text("Textes et chiffres cités", "Texts and figures cited"),
    "evidence": Text("Documents et preuves", "Documents and evidence"),
    "doubts": Text("Doutes, désaccords, graphies", "Doubts, disagreements, spellings"),
}
#: Where a question stands whose file names no subject, or is of a version that had others.
OTHER: Final = Text("Autres questions", "Other questions")

#: Controls but tab and line ends, and halves of pairs: no text that anybody writes.
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def is_text(value: str) -> bool:
    """Whether it may stand in a string literal: no control characters, no halves of pairs."""
    return _NOT_TEXT.search(value) is None


def quoted(value: str) -> str:
    """A string literal of SPARQL and N-Triples."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
    return '"' + "".join(escapes.get(c, c) for c in value) + '"'


def ntriples(term: Mapping[str, str]) -> str:
    """An IRI or literal of SPARQL 1.1 Query Results JSON (3.2.2) in N-Triples form."""
    if term["type"] == "uri":
        return f"<{term['value']}>"
    if "xml:lang" in term:
        return f"{quoted(term['value'])}@{term['xml:lang']}"
    datatype = term.get("datatype")
    return quoted(term["value"]) + (f"^^<{datatype}>" if datatype else "")


@dataclass(frozen=True)
class Type:
    """A parameter type: how a value is written, the datatype of its terms (after xsd:; empty for
    IRIs), and the term that a value becomes, None for one that is not of the type."""

    fr: str
    en: str
    datatype: str
    term: Callable[[str], str | None]


def _iri(value: str) -> str | None:
    if not value.partition(":")[2].startswith("//"):
        value = names.expand(value)
    return f"<{value}>" if re.fullmatch(_IRI, value) else None


def _string(value: str) -> str | None:
    return quoted(value) if is_text(value) else None


def _date(value: str) -> str | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return None
    return _typed("date", "[0-9]{4}-[0-9]{2}-[0-9]{2}", value)  # it has other forms too


_INTEGER = r"-?(0|[1-9][0-9]{0,17})"


def _typed(datatype: str, pattern: str, value: str) -> str | None:
    return f'"{value}"^^<{names.XSD}{datatype}>' if re.fullmatch(pattern, value) else None


TYPES: Final[dict[str, Type]] = {
    "iri": Type("un IRI ou un nom préfixé (id:bamako)", "an IRI or prefixed name (id:bamako)", "",
                _iri),
    "string": Type("une chaîne", "a string", "string", _string),
    "integer": Type("un entier", "an integer", "integer", partial(_typed, "integer", _INTEGER)),
    "year": Type("une année (2019)", "a year (2019)", "gYear",
                 partial(_typed, "gYear", "[0-9]{4}")),
    "date": Type("une date (2019-07-10)", "a date (2019-07-10)", "date", _date),
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """A variable of a question that the asker may set."""

    name: str
    type: str
    default: str  # as a term of the query, such as id:bamako
    description: Text

    @property
    def value(self) -> str:
        """The default as a value that one would give for it."""
        return self.default.rpartition('"')[0][1:] if self.default[0] == '"' else self.default

    @property
    def meaning(self) -> Text:
        """What it is, and how its value is written."""
        said, kind = self.description, TYPES[self.type]
        return Text(f"{said.fr} : {kind.fr}", f"{said.en}: {kind.en}")

    def term(self, value: str) -> str:
        """``value`` as an N-Triples term. Raises QueryError if it is not of the type."""
        kind = TYPES[self.type]
        term = kind.term(value)
        if term is None:
            raise QueryError(
                Text(
                    f"paramètre {self.name} : « {value[:80]} » n'est pas {kind.fr}",
                    f'parameter {self.name}: "{value[:80]}" is not {kind.en}',
                )
            )
        return term


class Column(NamedTuple):
    """What heads a column of an answer: ``name`` is its variable, ``Label`` aside."""

    name: str
    words: Text


@dataclass(frozen=True)
class Question:
    """A named query with its description in both languages."""

    name: str
    title: Text
    description: Text
    subject: str  # of SUBJECTS, else none
    keywords: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    query: str

    @property
    def speaks(self) -> bool:
        """Whether its answer depends on a language."""
        return any(parameter.name == "lang" for parameter in self.parameters)

    def heading(self, variable: str) -> Text | None:
        """The words that head the column of a variable, if the file has any."""
        words = dict(self.columns)
        name = variable if variable in words else variable.removesuffix("Label")
        return words.get(name)

    def ask(self, values: Mapping[str, str]) -> str:
        """The query with the given values in place of the defaults.

        Raises QueryError for a parameter it does not have and for a value of the wrong type.
        """
        terms: dict[str, str] = {}
        by_name = {parameter.name: parameter for parameter in self.parameters}
        for name, value in values.items():
            if name not in by_name:
                raise unknown_parameter(name, by_name)
            terms[name] = by_name[name].term(value)
        return _VALUES.sub(
            lambda m: f"{m[1]} {terms[m[2]]} {m[4]}" if m[2] in terms else m[0], self.query
        )

    def require(self, values: Mapping[str, str], holds: Callable[[str], bool]) -> None:
        """Asks ``holds`` an ASK query for each value that is an IRI of ours: whether anything is
        said of it. Raises QueryError for the first of which nothing is, for its empty answer would
        pass for one of the texts."""
        for name, term in self.named(values):
            if not holds(existence(term)):
                raise nothing_named(name, values[name])

    def named(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Parameter and term of each value that is an IRI of ours."""
        terms = [(p.name, p.term(values[p.name])) for p in self.parameters if p.name in values]
        return [(name, term) for name, term in terms if term.startswith(f"<{names.BASE}")]


def existence(term: str) -> str:
    """The ASK query whether anything is said of an IRI."""
    return f"ASK {{ {{ {term} ?p ?o }} UNION {{ ?s ?q {term} }} }}"


def nothing_named(parameter: str, value: str) -> QueryError:
    """What is told of a value that names nothing."""
    return QueryError(
        Text(
            f"paramètre {parameter} : rien ne s'appelle « {value[:80]} » dans cette version",
            f'parameter {parameter}: nothing is named "{value[:80]}" in this version',
        )
    )


def unknown_parameter(name: str, known: Iterable[str]) -> QueryError:
    """What is told of a parameter that there is not."""
    listed = ", ".join(known) or "—"
    return QueryError(
        Text(
            f"paramètre inconnu : {name[:40]} (connus : {listed})",
            f"unknown parameter: {name[:40]} (known: {listed})",
        )
    )


def read(name: str, text: str, file: str) -> Question:
    """The question that a file holds. Raises SyntaxFault where its head is incomplete."""
    head: dict[str, str] = {}
    parameters: list[Parameter] = []
    columns: list[Column] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _HEAD.fullmatch(line.strip())
        if match is None:
            continue
        key, language, value = match.groups()
        if key == "parameter":
            parameters.append(_parameter(value, text, file, number))
        elif key == "column":
            columns.append(_column(value, text, file, number))
        else:
            head[f"{key}@{language}" if language else key] = value.strip()
    for key in ("title@fr", "title@en", "description@fr", "description@en", "keywords"):
        if key not in head:
            raise SyntaxFault(
                Text(
                    f"l'en-tête de la question n'a pas de « # {key}: »",
                    f'the header of the question has no "# {key}:"',
                ),
                file=file,
                at=Position(1),
            )
    return Question(
        name=name,
        title=Text(head["title@fr"], head["title@en"]),
        description=Text(head["description@fr"], head["description@en"]),
        subject=head.get("subject", ""),
        keywords=tuple(word.strip() for word in head["keywords"].split(",")),
        parameters=tuple(parameters),
        columns=tuple(columns),
        query=text,
    )


def _parameter(value: str, text: str, file: str, line: int) -> Parameter:
    fault = partial(SyntaxFault, file=file, at=Position(line))
    match = _PARAMETER.fullmatch(value.strip())
    if match is None or match[2] not in TYPES:
        raise fault(
            Text(
                "un paramètre s'écrit « nom type | description | description anglaise » "
                f"(types : {', '.join(TYPES)})",
                'a parameter is written "name type | French description | English description" '
                f"(types: {', '.join(TYPES)})",
            )
        )
    name, kind, fr, en = match.groups()
    defaults = [term for _, variable, term, _ in _VALUES.findall(text) if variable == name]
    if len(defaults) != 1:
        raise fault(
            Text(
                f"le paramètre {name} demande une ligne « VALUES ?{name} {{ … }} », et une seule",
                f'the parameter {name} needs exactly one line "VALUES ?{name} {{ … }}"',
            )
        )
    parameter = Parameter(name, kind, defaults[0], Text(fr, en.strip()))
    try:
        parameter.term(parameter.value)
    except QueryError as error:
        raise fault(error.text) from error
    return parameter


def _column(value: str, text: str, file: str, line: int) -> Column:
    fault = partial(SyntaxFault, file=file, at=Position(line))
    match = _COLUMN.fullmatch(value.strip())
    if match is None:
        raise fault(
            Text(
                "une colonne s'écrit « nom | titre français | titre anglais »",
                'a column is written "name | French heading | English heading"',
            )
        )
    name, fr, en = match.groups()
    if not re.search(rf"[?$]{name}(Label)?\b", text):
        raise fault(
            Text(f"la requête n'a pas de variable ?{name}", f"the query has no variable ?{name}")
        )
    return Column(name, Text(fr, en.strip()))


def check_subject(question: Question, file: str) -> None:
    """Raises SyntaxFault, with its place, for a subject that there is not.

    Only the build asks for it: the versions that are kept answer as they did.
    """
    given = question.subject
    if not given or given in SUBJECTS:
        return
    lines = question.query.splitlines()
    heads = (_HEAD.fullmatch(line.strip()) for line in lines)
    at = next(n for n, head in enumerate(heads, 1) if head and head[1] == "subject")
    near, listed = nearest(given, SUBJECTS), ", ".join(SUBJECTS)
    raise SyntaxFault(
        Text(f"aucun sujet ne s'appelle « {given[:80]} »", f'no subject is named "{given[:80]}"'),
        file=file,
        at=Position(at, lines[at - 1].index(given) + 1),
        mend=perhaps(near)
        if near
        else Text(f"écrivez l'un de : {listed}", f"write one of: {listed}"),
    )


def by_subject(questions: Iterable[Question]) -> list[tuple[str, Text, list[Question]]]:
    """The questions under the name and the words of each subject, in the order given, but that
    what the texts do not say comes after what they say."""
    grouped = {name: (words, list[Question]()) for name, words in SUBJECTS.items()}
    grouped[""] = (OTHER, [])
    for question in sorted(questions, key=lambda question: "negative" in question.keywords):
        grouped[question.subject if question.subject in SUBJECTS else ""][1].append(question)
    return [(name, words, them) for name, (words, them) in grouped.items() if them]


def load(files: list[Path]) -> dict[str, Question]:
    """The questions of a folder's ``.rq`` files by name. Raises SyntaxFault."""
    questions = {}
    for path in sorted(files, key=lambda path: path.stem):
        file = f"queries/{path.name}"
        if not names.SLUG.fullmatch(path.stem):
            raise no_slug(file)
        questions[path.stem] = read(path.stem, decode(read_bytes(path, file), file), file)
    return questions


def find(questions: Mapping[str, Question], name: str, listed: str) -> Question:
    """The question of that name; ``listed`` is how one gets the list of all.

    Raises UnknownName, which tells that, and the questions that may be meant.
    """
    if name in questions:
        return questions[name]
    said = Text(
        f"aucune question ne s'appelle « {name[:80]} »", f'no question is named "{name[:80]}"'
    )
    meant = _meant(questions, name)
    near = perhaps(", ".join(meant)) if meant else None
    unknown = UnknownName(
        Text(
            f"{said.fr}{f' ; {near.fr}' if near else ''} (toutes les questions : {listed})",
            f"{said.en}{f'; {near.en}' if near else ''} (all questions: {listed})",
        )
    )
    unknown.near = tuple(meant)
    raise unknown


def _meant(questions: Mapping[str, Question], name: str) -> list[str]:
    """The question that is spelt most like a name; else some of which it is a keyword."""
    typed = name[:80].casefold()
    if near := nearest(typed, questions):
        return [near]
    word = nearest(typed, dict.fromkeys(w for q in questions.values() for w in q.keywords))
    return [q.name for q in questions.values() if word in q.keywords][:3]
