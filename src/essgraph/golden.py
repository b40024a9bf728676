"""Golden answers: what the questions of the library answer, as read by hand in the texts.

A project may hold ``tests/golden/{question}.csv``: the answer to that question with its default
parameters, in French, as SPARQL 1.1 CSV. Data that answer otherwise are wrong, or the file is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

import pyoxigraph as ox

from essgraph import formats
from essgraph.catalog import Question
from essgraph.errors import Text
from essgraph.evaluation import answer
from essgraph.findings import Finding, Place, nearest, perhaps
from essgraph.project import Project
from essgraph.query import inspect

RULE = "golden"
_MEND = Text(
    "relisez le passage : corrigez les données, ou cette ligne",
    "read the passage again: correct the data, or this line",
)


def check(
    project: Project, questions: Mapping[str, Question], quads: Iterable[ox.Quad]
) -> list[Finding]:
    """The first row of each answer that is not the golden one, and the files that belong to no
    question; none where there are no files."""
    files = {path.stem: path for path in sorted(project.golden.glob("[!.]*.csv"))}
    if not files:
        return []
    store = ox.Store()
    store.bulk_extend(quads)
    findings = []
    for name, path in files.items():
        if name not in questions:
            findings.append(_of_no_question(name, project.name(path), questions))
        else:
            expected = _rows(project.read(path).decode("utf-8", "replace"))
            found = _difference(expected, _rows(_answer(store, questions[name])))
            if found is not None:
                line, text = found
                place = Place(project.name(path), line=line, column=1, width=1)
                findings.append(Finding(RULE, text, place, focus=name, mend=_MEND))
    return findings


def _of_no_question(name: str, file: str, questions: Iterable[str]) -> Finding:
    near = nearest(name, questions)
    return Finding(
        RULE,
        Text(f"aucune question ne s'appelle {name}", f"no question is named {name}"),
        Place(file),
        focus=name,
        mend=perhaps(near)
        if near
        else Text("renommez ce fichier, ou ôtez-le", "rename this file, or remove it"),
    )


def _answer(store: ox.Store, question: Question) -> str:
    query = inspect(question.ask({"lang": "fr"} if question.speaks else {}))
    return answer(store, query, formats.CSV).decode()


def _rows(text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Each row with the line on which it begins; at the end, the line after."""
    reader, line = csv.reader(io.StringIO(text, newline="")), 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1
    yield line, None


def _difference(
    expected: Iterable[tuple[int, list[str] | None]],
    answered: Iterable[tuple[int, list[str] | None]],
) -> tuple[int, Text] | None:
    last = 1
    for want, have in zip_longest(expected, answered, fillvalue=(0, None)):
        last = want[0] or last
        if want[1] != have[1]:
            said = [" | ".join(row) if row is not None else "—" for row in (want[1], have[1])]
            return last, Text(
                f"réponse attendue : {said[0]} ; les données donnent : {said[1]}",
                f"expected answer: {said[0]}; the data give: {said[1]}",
            )
    return None
