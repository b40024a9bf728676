"""``/queries`` and ``/queries/{name}``: the question library, each question with its answer."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.catalog import Parameter, Question, find, load
from essgraph.errors import QueryError
from essgraph.query import inspect
from essgraph.service import library, supports
from essgraph.service.live import Served
from essgraph.service.pages import frame, outcome
from essgraph.service.pages.editor import client_of, shared
from essgraph.service.pages.frame import View

#: Parameters of the page itself, not of the question.
_OURS: Final = {"lang", "view", *library.COMMON}


class Library:
    """The questions of the version in service, read once."""

    def __init__(self) -> None:
        self._version = ""
        self._questions: dict[str, Question] = {}

    def of(self, served: Served) -> dict[str, Question]:
        if self._version != str(served.snapshot.directory):
            self._questions = load(served.snapshot.queries)
            self._version = str(served.snapshot.directory)
        return self._questions


async def listing(request: Request, served: Served, questions: dict[str, Question]) -> Response:
    """All questions in plain words, under their first keyword."""
    v = frame.view(request)
    ordered = sorted(questions.values(), key=lambda q: q.title.in_language(v.language))
    return frame.html(request, served, "queries.html", v, {"questions": ordered})


def value_of(parameter: Parameter, given: str | None, v: View) -> str:
    """What the form shows: as given, else the default, with its prefix or without quotes."""
    if given is not None:
        return given
    if parameter.name == "lang":
        return v.language
    default = parameter.default
    if default.startswith('"'):
        return default[1:].partition('"')[0]
    return default.strip("<>")


async def page(
    request: Request, served: Served, questions: dict[str, Question], name: str
) -> Response:
    """A question: its form, its answer, its query. Raises UnknownName."""
    v = frame.view(request)
    question = find(questions, name)
    named = {parameter.name for parameter in question.parameters}
    # ``lang`` is both the language of the page and, where the question has it, of its labels.
    given = {
        key: value
        for key, value in request.query_params.items()
        if value and (key not in _OURS or (key == "lang" and key in named))
    }
    if "lang" in named:
        given.setdefault("lang", v.language)
    view = request.query_params.get("view", "table")
    try:
        query = question.ask(given)
        gained = await outcome.ask(served, query, view, v, client_of(request))
    except QueryError as error:
        query = question.query
        gained = outcome.Outcome(query, fault=outcome.Fault(error.text.in_language(v.language)))
    evidence = None
    if request.query_params.get("evidence") == "1" and not gained.fault:
        values = {key: value for key, value in given.items() if key != "lang"}
        it = await library.asked(served, name, values, v.language, client_of(request))
        evidence = await supports.of(it, inspect(query))
    asked = urlencode(given)
    status = gained.fault.status if gained.fault else 200
    context = {
        "question": question,
        "values": {p.name: value_of(p, given.get(p.name), v) for p in question.parameters},
        "outcome": gained,
        "evidence": evidence,
        "query": query,
        "address": f"/queries/{name}" + (f"?{asked}" if asked else ""),
        "iri": names.QUERY + name,
        **shared(),
    }
    return frame.html(request, served, "query.html", v, context, status)
