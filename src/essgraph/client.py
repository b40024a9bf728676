"""``essgraph.connect``: the graph from Python and notebooks.

::

    graph = essgraph.connect("http://127.0.0.1:8000")   # or a project's folder, or a snapshot's
    graph.questions()                     # what can be asked, by subject
    rows = graph.query("members", body="id:aimf", lang="en")
    rows = graph.query("SELECT ?s WHERE { ?s a ess:City }")   # our prefixes are known
    rows[0]["s"], rows.to_pandas(), rows.to_polars()
    graph.entity("id:bamako").label("fr")
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, overload
from urllib.parse import urlencode

from essgraph import catalog, formats, mention, names
from essgraph.ask import NO_RESULTS, holds, no_results, send
from essgraph.errors import ProjectError, QueryError, Text
from essgraph.query import inspect
from essgraph.snapshot import Snapshot, open_snapshot

if TYPE_CHECKING:
    import pandas
    import polars
    import pyoxigraph as ox

T = TypeVar("T")
_PREFIX: Final = re.compile(r"(?im)^\s*PREFIX\s+([\w-]*):")
_NUMBERS: Final[dict[str, Callable[[str], Any]]] = {
    "integer": int, "decimal": Decimal, "double": float, "float": float,
    "boolean": lambda text: text in ("true", "1"),
    "date": date.fromisoformat, "dateTime": datetime.fromisoformat,
}  # fmt: skip


@contextmanager
def _needed(package: str) -> Iterator[None]:
    """Says what to install where a package of the extra ``notebook`` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"the package {package} is missing / il manque le paquet {package} : "
            "pip install 'essgraph[notebook]'",
            name=package,
        ) from error


class Rows(Sequence[dict[str, Any]]):
    """The rows of an answer, as dictionaries of Python values: IRIs and text are strings, numbers
    and days what they are; what is not bound is None."""

    def __init__(self, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        self.columns = list(columns)
        self._rows = list(rows)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Rows: ...
    def __getitem__(self, at: int | slice) -> dict[str, Any] | Rows:
        return Rows(self.columns, self._rows[at]) if isinstance(at, slice) else self._rows[at]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self.columns)}>"

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas frame. Raises ModuleNotFoundError where pandas is not installed."""
        with _needed("pandas"):
            import pandas

        return pandas.DataFrame(self._rows, columns=pandas.Index(self.columns))

    def to_polars(self) -> polars.DataFrame:
        """A polars frame. Raises ModuleNotFoundError where polars is not installed."""
        with _needed("polars"):
            import polars

        columns = {name: [row[name] for row in self._rows] for name in self.columns}
        return polars.DataFrame(columns, strict=False)

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        lines = (
            "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in self.columns)
            for row in self._rows[:100]
        )
        body = "".join(f"<tr>{cells}</tr>" for cells in lines)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Entity(Mapping[str, list[Any]]):
    """An entity: its values by property (prefixed names), and what links to it in ``incoming``."""

    def __init__(self, iri: str, triples: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        self.iri = iri
        self._values: dict[str, list[Any]] = defaultdict(list)
        self.incoming: dict[str, list[str]] = defaultdict(list)
        self._labels: dict[str, str] = {}
        for subject, predicate, value in triples:
            if subject == iri:
                self._values[names.shorten(predicate)].append(_value(value))
                if predicate == names.RDFS + "label":
                    self._labels[value.get("xml:lang", "")] = value["value"]
            elif value["value"] == iri:
                self.incoming[names.shorten(predicate)].append(subject)

    def label(self, language: str = "en") -> str:
        """Its label in that language, else in any, else its IRI."""
        return self._labels.get(language) or next(iter(self._labels.values()), self.iri)

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._values:
            raise KeyError(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{names.shorten(self.iri)} {self.label()!r}>"


class _Listed(NamedTuple):
    """A question, as a list of the library tells it."""

    subject: Text
    name: str
    title: Text
    parameters: list[str]


class Graph:
    """The graph at an address or in a folder: see ``connect``."""

    def query(self, question: str, /, **values: object) -> Rows:
        """The rows of a question of the library, by name and with its parameters, or of SPARQL.

        An ASK gives one row with the column ``boolean``, a graph (CONSTRUCT, DESCRIBE) its
        triples. Raises what ``errors`` says of queries and engines.
        """
        given = {name: str(value) for name, value in values.items()}
        if names.SLUG.fullmatch(question):
            return self._read(_rows, self._ask_library(question, given))
        if given:
            raise QueryError(
                Text(
                    "les paramètres vont avec une question de la bibliothèque",
                    "parameters go with a question of the library",
                )
            )
        text = _with_prefixes(question)
        if inspect(text).form in ("SELECT", "ASK"):
            return self._read(_rows, self._ask(text, formats.JSON.media_type))
        return self._read(_triples, self._ask(text, formats.NTRIPLES.media_type))

    def questions(self, language: str = "en") -> Rows:
        """The questions of the library, by subject: what ``query`` takes, and what each asks."""
        rows = [
            {
                "subject": it.subject.in_language(language),
                "name": it.name,
                "title": it.title.in_language(language),
                "parameters": ", ".join(it.parameters),
            }
            for it in self._listed()
        ]
        return Rows(["subject", "name", "title", "parameters"], rows)

    def entity(self, name: str) -> Entity:
        """What is stated of an entity, by prefixed name, identifier or IRI; empty if nothing is."""
        iri = names.expand(name)
        if ":" not in iri:
            iri = names.ID + iri
        if (term := catalog.TYPES["iri"].term(iri)) is None:
            raise QueryError(Text(f"« {name} » n'est pas un IRI", f'"{name}" is not an IRI'))
        body = self._ask(
            f"SELECT ?s ?p ?o {{ {{ BIND ({term} AS ?s) ?s ?p ?o }} UNION "
            f"{{ BIND ({term} AS ?o) ?s ?p ?o }} }} ORDER BY ?s ?p ?o",
            formats.JSON.media_type,
        )
        return Entity(iri, self._read(_statements, body))

    def _read(self, read: Callable[[bytes], T], body: bytes) -> T:
        try:
            return read(body)
        except (*NO_RESULTS, SyntaxError) as error:
            raise no_results(str(self)) from error

    def _ask(self, text: str, media_type: str) -> bytes:
        raise NotImplementedError

    def _ask_library(self, name: str, values: Mapping[str, str]) -> bytes:
        raise NotImplementedError

    def _listed(self) -> list[_Listed]:
        raise NotImplementedError


class _Local(Graph):
    """A snapshot, evaluated in this process: for one's own queries, without the limits of the
    service."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def _store(self) -> ox.Store:
        from essgraph.evaluation import load

        return load(self._snapshot.quads)

    @cached_property
    def _questions(self) -> dict[str, catalog.Question]:
        return catalog.load(self._snapshot.queries)

    def _ask(self, text: str, media_type: str) -> bytes:
        from essgraph.evaluation import answer

        offers = (*formats.RESULTS, *formats.GRAPHS)
        form = next(f for f in offers if f.media_type == media_type)
        return answer(self._store, inspect(text), form)

    def _ask_library(self, name: str, values: Mapping[str, str]) -> bytes:
        question = catalog.find(self._questions, name, "graph.questions()")
        values = mention.of_snapshot(question, values, self._snapshot)
        text = question.ask(values)
        question.require(
            values, lambda existence: holds(self._ask(existence, formats.JSON.media_type), None)
        )
        return self._ask(text, formats.JSON.media_type)

    def _listed(self) -> list[_Listed]:
        return [
            _Listed(words, question.name, question.title, [p.name for p in question.parameters])
            for _, words, grouped in catalog.by_subject(self._questions.values())
            for question in grouped
        ]

    def __repr__(self) -> str:
        return f"<essgraph {self._snapshot.version[:12]}>"


class _Remote(Graph):
    """A service: the library by its API, SPARQL by the protocol (2.1.2)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def _ask(self, text: str, media_type: str) -> bytes:
        return send(f"{self._url}/sparql", media_type, urlencode({"query": text}).encode())

    def _ask_library(self, name: str, values: Mapping[str, str]) -> bytes:
        return send(f"{self._url}/queries/{name}?{urlencode(values)}", formats.JSON.media_type)

    def _listed(self) -> list[_Listed]:
        return self._read(_library, send(f"{self._url}/queries", "application/json"))

    def __repr__(self) -> str:
        return f"<essgraph {self._url}>"


def connect(where: str | Path) -> Graph:
    """The graph of a service (its http address), a project's folder, or a build folder.

    Raises ProjectError where there is no such folder, SnapshotError where nothing was built in it.
    """
    if str(where).startswith(("http://", "https://")):
        return _Remote(str(where))
    folder = Path(where)
    if not folder.is_dir():
        raise ProjectError(
            Text(
                f"ni adresse http(s) ni dossier : {where}",
                f"neither an http(s) address nor a folder: {where}",
            )
        )
    return _Local(open_snapshot(folder / "build" if (folder / "build").is_dir() else folder))


def _library(body: bytes) -> list[_Listed]:
    """What ``/queries`` answers, in the order of the subjects."""
    order = {name: place for place, name in enumerate(catalog.SUBJECTS)}
    told = [
        (it.get("subject", {"name": "", **catalog.OTHER._asdict()}), it)
        for it in json.loads(body)["questions"]
    ]
    return [
        _Listed(
            Text(subject["fr"], subject["en"]),
            it["name"],
            Text(it["title"]["fr"], it["title"]["en"]),
            [parameter["name"] for parameter in it["parameters"]],
        )
        for subject, it in sorted(told, key=lambda pair: order.get(pair[0]["name"], len(order)))
    ]


def _with_prefixes(text: str) -> str:
    """The query, with those of our prefixes that it uses and does not declare."""
    declared = set(_PREFIX.findall(text))
    used = [p for p in names.PREFIXES if p not in declared and re.search(rf"\b{p}:", text)]
    # On one line, so that an error's line is that of the text as it was given.
    return "".join(f"PREFIX {p}: <{names.PREFIXES[p]}> " for p in used) + text


def _rows(body: bytes) -> Rows:
    answer = json.loads(body)
    if "boolean" in answer:
        return Rows(["boolean"], [{"boolean": answer["boolean"]}])
    columns = answer["head"]["vars"]
    return Rows(
        columns,
        [
            {name: _value(row[name]) if name in row else None for name in columns}
            for row in answer["results"]["bindings"]
        ],
    )


def _statements(body: bytes) -> list[tuple[str, str, Mapping[str, str]]]:
    return [
        (row["s"]["value"], row["p"]["value"], row["o"])
        for row in json.loads(body)["results"]["bindings"]
    ]


def _triples(body: bytes) -> Rows:
    import pyoxigraph as ox

    columns = ["subject", "predicate", "object"]
    triples = ox.parse(body, format=ox.RdfFormat.N_TRIPLES)
    return Rows(
        columns,
        [
            {
                "subject": getattr(t.subject, "value", str(t.subject)),
                "predicate": t.predicate.value,
                "object": getattr(t.object, "value", str(t.object)),
            }
            for t in triples
        ],
    )


def _value(term: Mapping[str, str]) -> Any:
    convert = _NUMBERS.get(term.get("datatype", "").removeprefix(names.XSD))
    if convert is None:
        return term["value"]
    try:
        return convert(term["value"])
    except (ValueError, ArithmeticError):
        return term["value"]  # ill-typed, or a day that Python does not have


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return names.shorten(text) if text.startswith(names.BASE) else text
