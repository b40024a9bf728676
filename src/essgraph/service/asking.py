"""A question of the library with values, over one version of the data.

A value is made a term of the declared type before it meets the query (see ``catalog``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from essgraph import catalog, formats, mention, names
from essgraph.catalog import Question, existence, nothing_named, unknown_parameter
from essgraph.engine import Dataset
from essgraph.errors import QueryError, Text, UnknownName
from essgraph.formats import Format
from essgraph.query import Query, inspect
from essgraph.service import api
from essgraph.service.answers import Kept
from essgraph.service.finding import consult
from essgraph.service.live import Served
from essgraph.service.problems import HttpProblem

MAX_LIMIT: Final = 10_000
MAX_OFFSET: Final = 999_999_999
#: What every question understands besides its own parameters.
COMMON: Final = ("lang", "limit", "offset", "format", "evidence", "version", "answer")

_PAGED: Final = re.compile(r"^\s*(LIMIT|OFFSET)\s+\d+", re.MULTILINE | re.IGNORECASE)


@lru_cache(maxsize=4)
def _questions(directory: Path) -> Mapping[str, Question]:
    return catalog.load(sorted((directory / "queries").glob("*.rq")))


def questions(served: Served) -> Mapping[str, Question]:
    """The library of a version, by name."""
    return _questions(served.snapshot.directory)


def question(served: Served, name: str) -> Question:
    """The question of that name, for who asks over HTTP. Raises HttpProblem (404), which leads to
    those that may be meant."""
    known = questions(served)
    try:
        return catalog.find(known, name, "/queries")
    except UnknownName as error:
        links = [(f"/queries/{near}", known[near].title) for near in error.near]
        every = ("/queries", Text("Toutes les questions", "All questions"))
        raise HttpProblem(404, error.text, links=[*links, every]) from error


@dataclass(frozen=True)
class Asked:
    """A question with the values it is asked with, over one version of the data.

    ``values`` are those given, ``lang`` among them where the question has it.
    """

    served: Served
    question: Question
    values: Mapping[str, str]
    language: str
    client: str = ""

    @property
    def text(self) -> str:
        """The whole query."""
        return self.question.ask(self.values)

    def path(self, more: Mapping[str, object] | None = None) -> str:
        """The path and query of its address; the same for the same question and values."""
        pairs = [(name, self.values[name]) for name in sorted(self.values)]
        encoded = urlencode([*pairs, *(more or {}).items()])
        return f"/queries/{self.question.name}" + (f"?{encoded}" if encoded else "")

    async def whole(self, format: Format = formats.JSON) -> Kept:
        """The whole answer."""
        return await self.run(inspect(self.text), format)

    async def run(self, query: Query, format: Format) -> Kept:
        return await self.served.answers.ask(query, Dataset(), {}, format, client=self.client)

    async def digest(self) -> str | None:
        """What tells this answer from another: of the whole answer, as JSON."""
        answer = (await self.whole(offers(inspect(self.text))[0])).answer
        return hashlib.sha256(answer.body).hexdigest()[:16] if answer.spool is None else None

    async def permanent(self) -> str:
        """The address of the question, its values, the version and the answer: it never changes
        what it means."""
        more = {"version": self.served.snapshot.version[:16], "answer": await self.digest()}
        path = self.path({name: value for name, value in more.items() if value})
        return names.BASE + path.removeprefix("/")


async def meant(served: Served, question: Question, given: Mapping[str, str]) -> dict[str, str]:
    """The values given, with a name or slug typed for an entity as its prefixed name.

    Raises QueryError for a name that nothing bears, or several things do.
    """
    if mention.all_spelt_out(question, given):
        return dict(given)
    return await consult(served, partial(mention.spelt_out, question, given))


async def asked(
    served: Served, question: Question, values: dict[str, str], language: str, client: str = ""
) -> Asked:
    """A question with its values, checked.

    Raises QueryError for a parameter that it does not have, a value of the wrong type, and an IRI
    of ours that names nothing.
    """
    declared = {parameter.name: parameter for parameter in question.parameters}
    for key in values:
        if key not in declared:
            raise unknown_parameter(key, dict.fromkeys((*declared, *COMMON)))
    if question.speaks:
        values = {**values, "lang": language}
    values = await meant(served, question, values)
    question.ask(values)
    for key, term in question.named(values):
        query = inspect(existence(term))
        kept = await served.answers.ask(query, Dataset(), {}, formats.JSON)
        if b"true" not in kept.answer.body:
            raise nothing_named(key, values[key])
    return Asked(served, question, values, language, client)


def offers(query: Query) -> tuple[Format, ...]:
    return formats.RESULTS if query.form in ("SELECT", "ASK") else formats.GRAPHS


def offers_of(question: Question) -> tuple[Format, ...]:
    """The result formats in which a question is answered, the preferred first."""
    return offers(inspect(question.query))


@dataclass(frozen=True)
class Page:
    """A part of an answer: all of it, without a limit and an offset."""

    limit: int | None = None
    offset: int = 0

    @staticmethod
    def of(values: dict[str, str], question: Question) -> Page:
        """The page that ``limit`` and ``offset``, taken out of the parameters, ask for.

        Raises QueryError for what is no number, and where the question sets its rows itself.
        """
        limit = api.number(values, "limit", None, 1, MAX_LIMIT) if "limit" in values else None
        offset = api.number(values, "offset", 0, 0, MAX_OFFSET)
        if (limit is not None or offset) and _PAGED.search(question.query):
            raise QueryError(
                Text(
                    "cette question fixe elle-même le nombre de ses lignes : ôtez limit et offset",
                    "this question sets its number of rows itself: leave out limit and offset",
                )
            )
        return Page(limit, offset)

    def of_query(self, text: str) -> str:
        if self.limit is not None:
            text += f"\nLIMIT {self.limit}"
        return text + (f"\nOFFSET {self.offset}" if self.offset else "")

    async def neighbours(self, it: Asked) -> dict[str, dict[str, object]]:
        """The pages before and after, where there are any, by relation (RFC 8288)."""
        found: dict[str, dict[str, object]] = {}
        if self.limit is None:
            return found
        if self.offset:
            found["prev"] = {"limit": self.limit, "offset": max(0, self.offset - self.limit)}
        beyond = inspect(Page(1, self.offset + self.limit).of_query(it.text))
        if (await it.run(beyond, offers(beyond)[0])).answer.rows:
            found["next"] = {"limit": self.limit, "offset": self.offset + self.limit}
        return found
