"""``/queries``: the question library as an API (in the manner of grlc and RAMOSE).

::

    GET /queries                          the questions, as JSON
    GET /queries/{name}?param=value       the answer, in every result format, or its citation
    GET /queries/{name}/changes?since=V   what has changed in the answer since a version

A value is made a term of the declared type before it meets the query (see ``catalog``). Besides
its own parameters each question has ``lang``, ``limit``, ``offset``, ``format``, ``evidence``,
``version`` and ``answer``. Requests that prefer HTML do not come here: ``pages`` answers them, with
``asked`` and ``supports.of`` for the evidence of a row.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from starlette.types import Receive, Scope, Send

from essgraph import catalog, formats, names
from essgraph.catalog import Question
from essgraph.engine import Dataset
from essgraph.errors import LimitExceeded, QueryError, Text, UnknownName
from essgraph.formats import Format
from essgraph.query import Query, inspect
from essgraph.service import api, citations, supports
from essgraph.service.answers import Kept
from essgraph.service.api import Api, Parameters
from essgraph.service.encodings import fields
from essgraph.service.live import Served
from essgraph.service.problems import HttpProblem
from essgraph.service.reply import Headers, send_kept
from essgraph.service.sparql import not_acceptable

MAX_LIMIT: Final = 10_000
MAX_OFFSET: Final = 999_999_999
#: What every question understands besides its own parameters.
COMMON: Final = ("lang", "limit", "offset", "format", "evidence", "version", "answer")

_VARY: Final = b"Accept, Accept-Language, Accept-Encoding"
_PAGED: Final = re.compile(r"^\s*(LIMIT|OFFSET)\s+\d+", re.MULTILINE | re.IGNORECASE)
_EXISTS: Final = inspect("ASK { { ?entity ?p ?o } UNION { ?s ?q ?entity } }")


@lru_cache(maxsize=4)
def _questions(directory: Path) -> Mapping[str, Question]:
    return catalog.load(sorted((directory / "queries").glob("*.rq")))


def questions(served: Served) -> Mapping[str, Question]:
    """The library of a version, by name."""
    return _questions(served.snapshot.directory)


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

    @property
    def speaks(self) -> bool:
        """Whether the answer depends on the language."""
        return any(parameter.name == "lang" for parameter in self.question.parameters)

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
        answer = (await self.whole(_offers(inspect(self.text))[0])).answer
        return hashlib.sha256(answer.body).hexdigest()[:16] if answer.spool is None else None


async def asked(
    served: Served, name: str, values: dict[str, str], language: str, client: str = ""
) -> Asked:
    """A question with its values, checked.

    Raises UnknownName for a question there is not, QueryError for a parameter that it does not
    have, a value of the wrong type, and an IRI of ours that names nothing.
    """
    question = catalog.find(questions(served), name)
    declared = {parameter.name: parameter for parameter in question.parameters}
    _known(question, values)
    if "lang" in declared:
        values = {**values, "lang": language}
    question.ask(values)
    for key, value in values.items():
        if declared[key].type == "iri":
            await _require(served, key, value, declared[key].term(value))
    return Asked(served, question, values, language, client)


def _known(question: Question, values: Mapping[str, str]) -> None:
    own = [parameter.name for parameter in question.parameters]
    for key in values:
        if key not in own:
            listed = ", ".join(dict.fromkeys((*own, *COMMON)))
            raise QueryError(
                Text(
                    f"paramètre inconnu : {key[:40]} (connus : {listed})",
                    f"unknown parameter: {key[:40]} (known: {listed})",
                )
            )


async def _require(served: Served, key: str, value: str, term: str) -> None:
    if not term.startswith(f"<{names.BASE}"):
        return
    kept = await served.answers.ask(_EXISTS, Dataset(), {"entity": term}, formats.JSON)
    if b"true" not in kept.answer.body:
        raise QueryError(
            Text(
                f"paramètre {key} : rien ne s'appelle « {value[:80]} » dans cette version",
                f'parameter {key}: nothing is named "{value[:80]}" in this version',
            )
        )


def _offers(query: Query) -> tuple[Format, ...]:
    return formats.RESULTS if query.form in ("SELECT", "ASK") else formats.GRAPHS


def offers_of(question: Question) -> tuple[Format, ...]:
    """The result formats in which a question is answered, the preferred first."""
    return _offers(inspect(question.query))


class Library(Api):
    """The question library of the version in service."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"].removeprefix("/queries").strip("/").partition("/")
        given = api.parameters(scope["query_string"])
        if not name:
            await self._list(scope, send, given)
        elif rest == "changes":
            await self._changes(scope, send, name, given)
        elif rest or scope["path"].endswith("/"):
            raise UnknownName(
                Text(f"rien à l'adresse {scope['path'][:80]}", f"nothing at {scope['path'][:80]}")
            )
        else:
            await self._ask(scope, send, name, given)

    # --- the list -----------------------------------------------------------------------------

    async def _list(self, scope: Scope, send: Send, given: Parameters) -> None:
        values = api.once(given, ("lang", "format"))
        _choose(scope, values.pop("format", None), (api.JSON,))
        api.language(values, scope)
        served = self._live.now
        body = {
            "version": served.snapshot.version,
            "questions": [describe(question) for question in questions(served).values()],
        }
        await api.send_made(
            scope, send, api.encode(body), "application/json", vary="Accept, Accept-Encoding"
        )

    # --- an answer ----------------------------------------------------------------------------

    async def _ask(self, scope: Scope, send: Send, name: str, given: Parameters) -> None:
        values = api.once(given)
        question = catalog.find(questions(self._live.now), name)
        form = values.pop("format", None)
        version, digest = values.pop("version", None), values.pop("answer", None)
        evidence = api.is_true(values, "evidence")
        page = _Page.of(values, question)
        language = api.language(values, scope)
        client = scope["client"][0] if scope["client"] else ""
        served = await self._at(version, digest)
        it = await asked(served or self._live.now, name, values, language, client)
        if served is None:
            await self._require_unchanged(it, str(version), str(digest))
        query = inspect(page.of_query(it.text))
        offers = (*_offers(query), *formats.CITATIONS)
        if evidence:
            offers = (formats.JSON, formats.CSV) if query.form == "SELECT" else ()
        chosen = _choose(scope, form, offers)
        headers = await self._headers(it, page, evidence, chosen, version)
        if chosen in formats.CITATIONS:
            body = await citations.cite(it, await _permanent(it), chosen)
            await api.send_made(scope, send, body, chosen.content_type, headers)
            return
        kept = await it.run(query, chosen)
        scope["essgraph.query"], scope["essgraph.rows"] = kept.tag, kept.answer.rows
        if evidence:
            found = await supports.of(it, query)
            body = found.csv() if chosen.name == "csv" else found.json()
            await api.send_made(scope, send, body, chosen.content_type, headers)
            return
        caching = b"public, max-age=31536000, immutable" if version else b"public, max-age=60"
        fixed = [
            (b"content-type", chosen.content_type.encode()),
            (b"vary", _VARY),
            (b"cache-control", caching if served else b"public, max-age=60"),
        ]
        await send_kept(scope, send, kept, fixed + headers)

    async def _headers(
        self, it: Asked, page: _Page, evidence: bool, chosen: Format, version: str | None
    ) -> Headers:
        """Links (RFC 8288): the pages before and after, the permanent address, the newest."""
        more: dict[str, object] = {"evidence": 1} if evidence else {}
        if version:
            more["version"] = version
        links = [f'<{await _permanent(it)}>; rel="cite-as"']
        if page.limit is not None:
            if page.offset:
                links.append(f'<{it.path(more | page.before())}>; rel="prev"')
            beyond = inspect(_Page(1, page.offset + page.limit).of_query(it.text))
            if (await it.run(beyond, _offers(beyond)[0])).answer.rows:
                links.append(f'<{it.path(more | page.after())}>; rel="next"')
        if it.served is not self._live.now:
            links.append(f'<{it.path()}>; rel="latest-version"')
        headers = [(b"link", ", ".join(links).encode())]
        if it.speaks and chosen not in formats.CITATIONS:
            headers.append((b"content-language", it.language.encode()))
        return headers

    # --- versions -----------------------------------------------------------------------------

    async def _at(self, version: str | None, digest: str | None) -> Served | None:
        """The version asked for; None where it is gone but the answer's digest is known."""
        if version is None:
            if digest is not None:
                raise QueryError(
                    Text("answer va avec version", "answer goes together with version")
                )
            return self._live.now
        served = await self._live.at(version)
        if served is None and digest is None:
            raise _gone(version)
        return served

    async def _require_unchanged(self, it: Asked, version: str, digest: str) -> None:
        """An answer is its digest: where it is the same today, the address still holds."""
        if await it.digest() != digest:
            raise HttpProblem(
                410,
                Text(
                    f"la version {version[:16]} n'est plus gardée ici, et la réponse a changé "
                    f"depuis ; celle d'aujourd'hui : {it.path()}",
                    f"version {version[:16]} is no longer kept here, and the answer has changed "
                    f"since; that of today: {it.path()}",
                ),
                {"Link": f'<{it.path()}>; rel="latest-version"'},
            )

    async def _changes(self, scope: Scope, send: Send, name: str, given: Parameters) -> None:
        values = api.once(given)
        since = values.pop("since", None)
        digest = values.pop("answer", None)
        if since is None:
            raise QueryError(Text("il manque le paramètre since", "the parameter since is missing"))
        _choose(scope, values.pop("format", None), (api.JSON,))
        language = api.language(values, scope)
        now = await asked(self._live.now, name, values, language)
        former = await self._live.at(since)
        found: dict[str, Any] = {
            "question": name,
            "since": since,
            "version": now.served.snapshot.version,
            "now": now.path(),
        }
        if former is None:
            if digest is None:
                raise _gone(since)
            found |= {"changed": await now.digest() != digest, "kept": False}
        else:
            found |= await _difference(former, now)
        await api.send_made(
            scope,
            send,
            api.encode(found),
            "application/json",
            [(b"content-language", language.encode())] if now.speaks else None,
        )


def _choose(scope: Scope, form: str | None, offers: Sequence[Format]) -> Format:
    """By ``format=``, else by Accept. Raises HttpProblem (406)."""
    chosen = (
        formats.by_name(form, offers)
        if form is not None
        else formats.negotiate(fields(scope["headers"], b"accept"), offers)
    )
    if chosen is None:
        raise not_acceptable(offers)
    return chosen


async def _difference(former: Served, now: Asked) -> dict[str, Any]:
    """What was in the former answer and is not now, and the reverse; as rows of SPARQL JSON."""
    after = await _parsed(now)
    columns: dict[str, list[str]] = {"after": after["head"].get("vars", [])}
    rows = _rows(after)
    before: Counter[str] = Counter()
    library = questions(former)
    if now.question.name in library:
        question = library[now.question.name]
        known = {parameter.name for parameter in question.parameters}
        values = {key: value for key, value in now.values.items() if key in known}
        then = Asked(former, question, values, now.language)
        answer = await _parsed(then)
        before, columns["before"] = _rows(answer), answer["head"].get("vars", [])
    added, removed = rows - before, before - rows
    return {
        "changed": bool(added or removed or columns.get("before") != columns["after"]),
        "kept": True,
        "columns": columns,
        "added": [json.loads(row) for row in added.elements()],
        "removed": [json.loads(row) for row in removed.elements()],
    }


async def _parsed(it: Asked) -> dict[str, Any]:
    answer = (await it.whole()).answer
    if answer.spool is not None:
        raise LimitExceeded(
            Text(
                "la réponse est trop grande pour être comparée",
                "the answer is too large to be compared",
            ),
            limit="result",
            value=f"{answer.size} B",
        )
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _rows(answer: Mapping[str, Any]) -> Counter[str]:
    found = answer.get("results", {}).get("bindings", [{"boolean": answer.get("boolean")}])
    return Counter(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in found)


def _gone(version: str) -> UnknownName:
    return UnknownName(
        Text(
            f"la version « {version[:64]} » n'est pas gardée ici",
            f'version "{version[:64]}" is not kept here',
        )
    )


async def _permanent(it: Asked) -> str:
    """The address of the question, its values, the version and the answer: it never changes
    what it means."""
    more = {"version": it.served.snapshot.version[:16], "answer": await it.digest()}
    path = it.path({name: value for name, value in more.items() if value})
    return names.BASE + path.removeprefix("/")


@dataclass(frozen=True)
class _Page:
    """A part of an answer."""

    limit: int | None = None
    offset: int = 0

    @staticmethod
    def of(values: dict[str, str], question: Question) -> _Page:
        limit = api.number(values, "limit", None, 1, MAX_LIMIT) if "limit" in values else None
        offset = api.number(values, "offset", 0, 0, MAX_OFFSET)
        if (limit is not None or offset) and _PAGED.search(question.query):
            raise QueryError(
                Text(
                    "cette question fixe elle-même ses lignes : ni limit ni offset",
                    "this question sets its rows itself: neither limit nor offset",
                )
            )
        return _Page(limit, offset)

    def of_query(self, text: str) -> str:
        if self.limit is not None:
            text += f"\nLIMIT {self.limit}"
        return text + (f"\nOFFSET {self.offset}" if self.offset else "")

    def before(self) -> dict[str, object]:
        assert self.limit is not None
        return {"limit": self.limit, "offset": max(0, self.offset - self.limit)}

    def after(self) -> dict[str, object]:
        assert self.limit is not None
        return {"limit": self.limit, "offset": self.offset + self.limit}


def describe(question: Question) -> dict[str, Any]:
    """A question as the list shows it."""
    return {
        "name": question.name,
        "iri": names.QUERY + question.name,
        "url": f"/queries/{question.name}",
        "title": question.title._asdict(),
        "description": question.description._asdict(),
        "keywords": list(question.keywords),
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "description": parameter.description._asdict(),
                "default": parameter.value,
            }
            for parameter in question.parameters
        ],
        "formats": [f.name for f in (*offers_of(question), *formats.CITATIONS)],
    }
