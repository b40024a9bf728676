"""``/queries``: the question library as an API (in the manner of grlc and RAMOSE).

::

    GET /queries                          the questions, as JSON
    GET /queries/{name}?param=value       the answer, in every result format, or its citation
    GET /queries/{name}/changes?since=V   what has changed in the answer since a version

Besides its own parameters each question has ``lang``, ``limit``, ``offset``, ``format``,
``evidence``, ``version`` and ``answer``. Requests that prefer HTML do not come here: ``pages``
answers them, with the same ``asking``, ``supports`` and ``versions``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from essgraph import catalog, formats, names
from essgraph.catalog import Question
from essgraph.errors import QueryError, Text, UnknownName
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import api, citations, supports, versions
from essgraph.service.api import Api, Parameters
from essgraph.service.asking import (
    MAX_LIMIT,
    MAX_OFFSET,
    Asked,
    asked,
    offers,
    offers_of,
    questions,
)
from essgraph.service.encodings import fields
from essgraph.service.reply import Headers, send_kept
from essgraph.service.sparql import not_acceptable

_VARY: Final = b"Accept, Accept-Language, Accept-Encoding"
_PAGED: Final = re.compile(r"^\s*(LIMIT|OFFSET)\s+\d+", re.MULTILINE | re.IGNORECASE)


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
        served = await versions.at(self._live, version, digest)
        it = await asked(served or self._live.now, name, values, language, client)
        if served is None:
            await versions.require_unchanged(it, str(version), str(digest))
        query = inspect(page.of_query(it.text))
        possible = (*offers(query), *formats.CITATIONS)
        if evidence:
            possible = (formats.JSON, formats.CSV) if query.form == "SELECT" else ()
        chosen = _choose(scope, form, possible)
        headers = await self._headers(it, page, evidence, chosen, version)
        if chosen in formats.CITATIONS:
            body = await citations.cite(it, await it.permanent(), chosen)
            await api.send_made(scope, send, body, chosen.content_type, headers)
            return
        kept = await it.run(query, chosen)
        scope["essgraph.query"], scope["essgraph.rows"] = kept.tag, kept.answer.rows
        if evidence:
            found = await supports.of(it, query)
            body = found.csv() if chosen.name == "csv" else found.json()
            await api.send_made(scope, send, body, chosen.content_type, headers)
            return
        # Not for longer where a version is named: the links tell what became of it since.
        fixed = [
            (b"content-type", chosen.content_type.encode()),
            (b"vary", _VARY),
            (b"cache-control", b"public, max-age=60"),
        ]
        await send_kept(scope, send, kept, fixed + headers)

    async def _headers(
        self, it: Asked, page: _Page, evidence: bool, chosen: Format, version: str | None
    ) -> Headers:
        """Links (RFC 8288): the pages before and after, the permanent address, the newest."""
        more: dict[str, object] = {"evidence": 1} if evidence else {}
        if version:
            more["version"] = version
        links = [f'<{await it.permanent()}>; rel="cite-as"']
        if page.limit is not None:
            if page.offset:
                links.append(f'<{it.path(more | page.before())}>; rel="prev"')
            beyond = inspect(_Page(1, page.offset + page.limit).of_query(it.text))
            if (await it.run(beyond, offers(beyond)[0])).answer.rows:
                links.append(f'<{it.path(more | page.after())}>; rel="next"')
        if it.served is not self._live.now:
            links.append(f'<{it.path()}>; rel="latest-version"')
        if version:
            links.append(f'<{await versions.history(it, version)}>; rel="version-history"')
        headers = [(b"link", ", ".join(links).encode())]
        if it.speaks and chosen not in formats.CITATIONS:
            headers.append((b"content-language", it.language.encode()))
        return headers

    async def _changes(self, scope: Scope, send: Send, name: str, given: Parameters) -> None:
        values = api.once(given)
        since = values.pop("since", None)
        digest = values.pop("answer", None)
        if since is None:
            raise QueryError(Text("il manque le paramètre since", "the parameter since is missing"))
        _choose(scope, values.pop("format", None), (api.JSON,))
        language = api.language(values, scope)
        now = await asked(self._live.now, name, values, language)
        found = await versions.changes(self._live, now, since, digest)
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
