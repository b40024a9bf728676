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

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from essgraph import formats, names
from essgraph.catalog import SUBJECTS, Question
from essgraph.engine import CLIENT
from essgraph.errors import QueryError, Text
from essgraph.formats import Format
from essgraph.query import inspect
from essgraph.service import api, asking, citations, supports, versions
from essgraph.service.api import Parameters
from essgraph.service.asking import Asked, Page, asked, offers, offers_of, questions
from essgraph.service.endpoint import Endpoint
from essgraph.service.problems import nothing_at
from essgraph.service.reply import Headers, send_kept
from essgraph.service.resource import redirect

_VARY: Final = b"Accept, Accept-Language, Accept-Encoding"
#: What the data say of a question and of its parameters.
_DESCRIBED: Final = f"""CONSTRUCT {{ ?s ?p ?o }} WHERE {{
  GRAPH <{names.QUERIES}> {{
    {{ BIND (<%(question)s> AS ?s) ?s ?p ?o }}
    UNION {{ <%(question)s> <{names.SH}parameter> ?s . ?s ?p ?o }}
  }}
}}"""


class Library(Endpoint):
    """The question library of the version in service."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.endswith("/"):
            await redirect(scope, send, 301, path.rstrip("/"))
            return
        name, _, rest = path.removeprefix("/queries").strip("/").partition("/")
        given = api.parameters(scope["query_string"])
        if not name:
            await self._list(scope, send, given)
        elif rest == "changes":
            await self._changes(scope, send, name, given)
        elif rest:
            raise nothing_at(path)
        else:
            await self._ask(scope, send, name, given)

    # --- the list -----------------------------------------------------------------------------

    async def _list(self, scope: Scope, send: Send, given: Parameters) -> None:
        values = api.once(given, ("lang", "format"))
        api.choose(values.pop("format", ""), scope, (api.JSON,))
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
        form = values.pop("format", "")
        version, digest = values.pop("version", None), values.pop("answer", None)
        served = await versions.at(self._live, version, digest)
        question = asking.question(served or self._live.now, name)
        evidence = api.is_true(values, "evidence")
        page = Page.of(values, question)
        language = api.language(values, scope)
        it = await asked(served or self._live.now, question, values, language, CLIENT.get())
        if served is None:
            await versions.require_unchanged(it, str(version), str(digest))
        query = inspect(page.of_query(it.text))
        possible = (*offers(query), *formats.CITATIONS)
        if query.form in ("SELECT", "ASK"):
            possible += formats.GRAPHS  # its address is its name too, and leads to what it is
        if evidence:
            possible = (formats.JSON, formats.CSV) if query.form == "SELECT" else ()
        chosen = api.choose(form, scope, possible)
        headers = await self._headers(it, page, evidence, chosen, version)
        if chosen in formats.CITATIONS:
            body = await citations.cite(it, await it.permanent(), chosen)
            await api.send_made(scope, send, body, chosen.content_type, headers)
            return
        if chosen in formats.GRAPHS and query.form in ("SELECT", "ASK"):
            query, headers = inspect(_DESCRIBED % {"question": names.QUERY + name}), []
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
        self, it: Asked, page: Page, evidence: bool, chosen: Format, version: str | None
    ) -> Headers:
        """Links (RFC 8288): the pages before and after, the permanent address, the newest."""
        more: dict[str, object] = {"evidence": 1} if evidence else {}
        if version:
            more["version"] = version
        links = [f'<{await it.permanent()}>; rel="cite-as"']
        for relation, part in (await page.neighbours(it)).items():
            links.append(f'<{it.path(more | part)}>; rel="{relation}"')
        if it.served is not self._live.now:
            links.append(f'<{it.path()}>; rel="latest-version"')
        if version:
            links.append(f'<{await versions.history(it, version)}>; rel="version-history"')
        headers = [(b"link", ", ".join(links).encode())]
        if it.question.speaks and chosen not in formats.CITATIONS:
            headers.append((b"content-language", it.language.encode()))
        return headers

    async def _changes(self, scope: Scope, send: Send, name: str, given: Parameters) -> None:
        values = api.once(given)
        since = values.pop("since", None)
        digest = values.pop("answer", None)
        if since is None:
            raise QueryError(Text("il manque le paramètre since", "the parameter since is missing"))
        api.choose(values.pop("format", ""), scope, (api.JSON,))
        language = api.language(values, scope)
        question = asking.question(self._live.now, name)
        now = await asked(self._live.now, question, values, language)
        found = await versions.changes(self._live, now, since, digest)
        await api.send_made(
            scope,
            send,
            api.encode(found),
            "application/json",
            [(b"content-language", language.encode())] if now.question.speaks else None,
        )


def describe(question: Question) -> dict[str, Any]:
    """A question as the list shows it."""
    return {
        "name": question.name,
        "iri": names.QUERY + question.name,
        "url": f"/queries/{question.name}",
        "title": question.title._asdict(),
        "description": question.description._asdict(),
        **_subject(question),
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
        "columns": [
            {"name": column.name, "heading": column.words._asdict()} for column in question.columns
        ],
        "formats": [f.name for f in (*offers_of(question), *formats.CITATIONS)],
    }


def _subject(question: Question) -> dict[str, Any]:
    words = SUBJECTS.get(question.subject)
    return {"subject": {"name": question.subject, **words._asdict()}} if words else {}
