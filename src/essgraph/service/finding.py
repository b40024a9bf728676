"""``/search`` and ``/suggest``: names found in any language, accents, case and typos aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from starlette.types import Receive, Scope, Send

from essgraph import names
from essgraph.engine import CLIENT
from essgraph.errors import QueryError, Text
from essgraph.search import MAX_TEXT, Entity, Found, Hit, Index
from essgraph.service import api
from essgraph.service.endpoint import Endpoint
from essgraph.service.live import Served
from essgraph.service.problems import HttpProblem

MAX_OFFSET: Final = 100_000
_T = TypeVar("_T")
#: One reading at a time, beside the event loop: a search of many names takes some milliseconds.
_READER: Final = ThreadPoolExecutor(1, "index")
#: Each client has one waiting at a time, so that nobody waits for more than one of each other.
_TURNS: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


@lru_cache(maxsize=3)
def _index(path: Path) -> Index:
    if not path.exists():
        raise HttpProblem(
            501,
            Text(
                "cet instantané a été fait sans index des noms ; relancez essgraph build",
                "this snapshot was made without an index of names; run essgraph build again",
            ),
        )
    return Index(path)


async def consult(served: Served, reading: Callable[[Index], _T]) -> _T:
    """What a reading of the index of a version gives."""
    path = await served.names()
    loop = asyncio.get_running_loop()
    async with _TURNS.setdefault(CLIENT.get(), asyncio.Lock()):
        return await loop.run_in_executor(_READER, lambda: reading(_index(path)))


def describe(hit: Hit, index: Index, language: str) -> dict[str, Any]:
    """A hit as JSON shows it."""
    return {
        **name(hit.entity, index, language),
        "labels": {"fr": hit.entity.fr, "en": hit.entity.en},
        "description": hit.entity.about(language),
        "matched": {"text": hit.text, "role": hit.role, "language": hit.language},
        "highlight": hit.highlight,
        "score": hit.score,
    }


def name(entity: Entity, index: Index, language: str) -> dict[str, Any]:
    """An entity by its IRI (with its prefix too, as questions take it), address, label, kind."""
    kind = index.kinds[entity.kind]
    return {
        "id": entity.iri,
        "prefixed": names.prefixed(entity.iri),
        "url": "/" + entity.iri.removeprefix(names.BASE),
        "label": entity.label(language),
        "kind": kind.name,
        "kindLabel": kind.label(language),
    }


class Finding(Endpoint):
    """Search and completion over the names of the version in service."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        suggesting = scope["path"] == "/suggest"
        known = ("q", "limit", "lang") if suggesting else (
            "q", "kind", "limit", "offset", "lang", "format")  # fmt: skip
        values = api.once(api.parameters(scope["query_string"]), known)
        api.choose(values.pop("format", ""), scope, (api.JSON,))
        language = api.language(values, scope)
        text = _text(values)
        served = self._live.now
        if suggesting:
            limit = api.number(values, "limit", 10, 1, 50)
            await self._suggest(scope, send, served, text, language, limit)
        else:
            await self._search(scope, send, served, text, language, values)

    async def _search(
        self,
        scope: Scope,
        send: Send,
        served: Served,
        text: str,
        language: str,
        values: dict[str, str],
    ) -> None:
        limit = api.number(values, "limit", 20, 1, 100)
        offset = api.number(values, "offset", 0, 0, MAX_OFFSET)
        kind = values.pop("kind", "")

        def reading(index: Index) -> tuple[Found, dict[str, Any]]:
            kinds = kinds_of(kind, index)
            found = index.search(text, language=language, kinds=kinds, limit=limit, offset=offset)
            return found, {
                "query": text,
                "language": language,
                "total": found.total,
                "kinds": found.kinds,
                "results": [describe(hit, index, language) for hit in found.hits],
            }

        found, body = await consult(served, reading)
        links = []
        for relation, start in (("prev", offset - limit), ("next", offset + limit)):
            if (relation == "prev" and offset) or (relation == "next" and start < found.total):
                wanted = {"q": text, "lang": language, "limit": limit, "offset": max(0, start)}
                if kind:
                    wanted["kind"] = kind
                links.append(f'</search?{urlencode(wanted)}>; rel="{relation}"')
        headers = [(b"content-language", language.encode())]
        if links:
            headers.append((b"link", ", ".join(links).encode()))
        await api.send_made(scope, send, api.encode(body), "application/json", headers)

    async def _suggest(
        self, scope: Scope, send: Send, served: Served, text: str, language: str, limit: int
    ) -> None:
        def reading(index: Index) -> list[dict[str, Any]]:
            return [
                {**name(hit.entity, index, language), "highlight": hit.highlight}
                for hit in index.suggest(text, language=language, limit=limit)
            ]

        body = {"query": text, "results": await consult(served, reading)}
        headers = [(b"content-language", language.encode())]
        await api.send_made(scope, send, api.encode(body), "application/json", headers)


def _text(values: dict[str, str]) -> str:
    text = values.pop("q", "").strip()
    if not text or len(text) > MAX_TEXT:
        raise QueryError(
            Text(
                f"q est le texte à chercher, de 1 à {MAX_TEXT} caractères",
                f"q is the text to look for, of 1 to {MAX_TEXT} characters",
            )
        )
    return text


def kinds_of(listed: str, index: Index) -> list[str]:
    """The kinds that a list with commas names. Raises QueryError for one that there is not."""
    kinds = [kind for kind in listed.split(",") if kind]
    known = ", ".join(index.kinds)
    for kind in kinds:
        if kind not in index.kinds:
            raise QueryError(
                Text(
                    f"aucun genre ne s'appelle « {kind[:40]} » (il y a : {known})",
                    f'no kind is named "{kind[:40]}" (there are: {known})',
                )
            )
    return kinds
