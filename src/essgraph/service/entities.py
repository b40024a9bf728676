"""Entities: ``/id/{slug}`` answers 303 to ``/data/{slug}.{suffix}`` (Cool URIs, section 4.2).

A description is one query: what is stated of the entity, what links to it, and the labels of
everything it names.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph import formats, names
from essgraph.engine import Dataset
from essgraph.errors import EssgraphError, Text, UnknownName
from essgraph.query import inspect
from essgraph.service import problems
from essgraph.service.live import Live
from essgraph.service.sparql import not_acceptable

DESCRIBE: Final = inspect(
    f"""
PREFIX rdfs: <{names.RDFS}>
CONSTRUCT {{ ?entity ?p ?o . ?s ?q ?entity . ?named rdfs:label ?label }}
WHERE {{
  {{ ?entity ?p ?o }} UNION {{ ?s ?q ?entity }} UNION
  {{ {{ ?entity ?any ?named }} UNION {{ ?named ?any ?entity }} ?named rdfs:label ?label }}
}}"""
)
_EXISTS: Final = inspect("ASK { { ?entity ?p ?o } UNION { ?s ?q ?entity } }")


class Entities:
    """The routes of entities over a pool of query workers."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def identify(self, request: Request) -> Response:
        """``/id/{slug}``: 303 See Other to the data in the format asked for."""
        try:
            slug = request.path_params["slug"]
            chosen = formats.negotiate(request.headers.getlist("accept"), formats.GRAPHS)
            if chosen is None:
                raise not_acceptable(formats.GRAPHS)
            await self._require(slug)
        except EssgraphError as error:
            return _problem(request, error)
        return Response(
            status_code=303,
            headers={
                "Location": f"/data/{slug}.{chosen.suffix}",
                "Vary": "Accept",
                "Access-Control-Allow-Origin": "*",
            },
        )

    async def data(self, request: Request) -> Response:
        """``/data/{slug}.{suffix}``: the description of an entity in that format."""
        try:
            slug, _, suffix = request.path_params["name"].rpartition(".")
            chosen = next((f for f in formats.GRAPHS if f.suffix == suffix), None)
            if chosen is None or not slug:
                raise UnknownName(
                    Text(
                        f"suffixes connus : {', '.join(f.suffix for f in formats.GRAPHS)}",
                        f"known suffixes: {', '.join(f.suffix for f in formats.GRAPHS)}",
                    )
                )
            await self._require(slug)
            kept = await self._live.now.answers.ask(
                DESCRIBE, Dataset(), {"entity": _term(slug)}, chosen
            )
        except EssgraphError as error:
            return _problem(request, error)
        return Response(
            kept.answer.body,
            200,
            {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=60"},
            chosen.content_type,
        )

    async def _require(self, slug: str) -> None:
        known = False
        if _plain(slug):
            kept = await self._live.now.answers.ask(
                _EXISTS, Dataset(), {"entity": _term(slug)}, formats.JSON
            )
            known = b"true" in kept.answer.body
        if not known:
            raise UnknownName(
                Text(
                    f"aucune entité ne porte le nom « {slug[:80]} »",
                    f'no entity is named "{slug[:80]}"',
                )
            )


def _plain(slug: str) -> bool:
    return len(slug) <= 200 and all(c.isascii() and (c.isalnum() or c in "-_/") for c in slug)


def _term(slug: str) -> str:
    return f"<{names.ID}{slug}>"


def _problem(request: Request, error: EssgraphError) -> Response:
    return problems.respond(
        error,
        accept=request.headers.getlist("accept"),
        languages=request.headers.getlist("accept-language"),
        instance=request.url.path,
    )
