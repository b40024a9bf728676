"""What went wrong, as an answer: problem details (RFC 9457), or a page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import Scope

from essgraph.errors import EssgraphError, LimitExceeded, Overloaded, Text
from essgraph.formats import HTML, Format, negotiate
from essgraph.service.encodings import fields
from essgraph.service.pages import frame
from essgraph.service.problems import LANGUAGES, TITLES, preferred_language, status_of

PROBLEM: Final = Format("problem", "application/problem+json", "json", ("application/json",), False)


def respond(error: EssgraphError, scope: Scope) -> Response:
    """The answer to a request that failed: problem+json, or a short page for browsers.

    In the language that its address names, else by ``Accept-Language``.
    """
    # For the log and the metrics.
    busy = "busy" if isinstance(error, Overloaded) else None
    scope["essgraph.limit"] = getattr(error, "limit", busy)
    if error.tag:
        scope["essgraph.query"] = error.tag
    accept = fields(scope["headers"], b"accept")
    status = status_of(error)
    query = tuple(parse_qsl(scope["query_string"].decode("latin-1")))
    named = dict(query).get("lang")
    language = (
        named
        if named in LANGUAGES
        else preferred_language(fields(scope["headers"], b"accept-language"))
    )
    title = TITLES.get(status, TITLES[500]).in_language(language)
    detail = error.text.in_language(language)
    headers = _headers(error, status, language)
    # A client that accepts neither still learns what went wrong (RFC 9110, 15.5.7).
    if _is_browser(accept):
        v = frame.View(language, named in LANGUAGES, scope["path"][:80], query)
        said = {
            "title": title,
            "status": status,
            "detail": detail,
            "links": _links(error, language),
        }
        headers["Content-Security-Policy"] = frame.POLICY
        return Response(frame.render("problem.html", v, said), status, headers, HTML.content_type)
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "message": error.text._asdict(),  # for programs that speak to people of either language
        "instance": scope["path"][:80],
        **_more(error, language),
    }
    return Response(
        json.dumps(body, ensure_ascii=False).encode(), status, headers, PROBLEM.media_type
    )


def _more(error: EssgraphError, language: str) -> dict[str, object]:
    """Extension members (RFC 9457, 3.2): where in a query, which limit, what may help."""
    more: dict[str, object] = {}
    at = getattr(error, "at", None)
    if at is not None:
        more["position"] = {"line": at.line, "column": at.column}
    if isinstance(error, LimitExceeded):
        more["limit"] = {"name": error.limit, "value": error.value}
    if links := _links(error, language):
        more["links"] = [{"href": href, "title": called} for href, called in links]
    return more


def _links(error: EssgraphError, language: str) -> list[tuple[str, str]]:
    """Where to go on from here: address, and what it is called."""
    return [
        (href, called.in_language(language) if isinstance(called, Text) else called)
        for href, called in getattr(error, "links", ())
    ]


def _headers(error: EssgraphError, status: int, language: str) -> dict[str, str]:
    headers = {
        **getattr(error, "headers", {}),
        "Content-Language": language,
        "Vary": "Accept, Accept-Language",
        "Cache-Control": "no-store",
    }
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after)
    elif status == 429:
        headers["Retry-After"] = "1"
    return headers


def _is_browser(accept: Sequence[str]) -> bool:
    chosen = negotiate(accept, (PROBLEM, HTML))
    return chosen is not None and chosen.name == "html"
