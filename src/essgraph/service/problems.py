"""From our exceptions to HTTP: the one table of status codes, and problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import Scope

from essgraph.errors import (
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    EssgraphError,
    LimitExceeded,
    NotOffered,
    NotRepresentable,
    Overloaded,
    QueryError,
    QueryRefused,
    SyntaxFault,
    Text,
    UnknownName,
)
from essgraph.formats import HTML, Format, negotiate
from essgraph.service.encodings import fields

LANGUAGES: Final = ("fr", "en")
PROBLEM: Final = Format("problem", "application/problem+json", "json", ("application/json",), False)

#: The first class that fits decides.
STATUS: Final[tuple[tuple[type[EssgraphError], int], ...]] = (
    (QueryRefused, 403),
    (NotOffered, 501),
    (UnknownName, 404),
    (NotRepresentable, 406),
    (QueryError, 400),
    (SyntaxFault, 400),
    (Overloaded, 503),
    (EngineTimeout, 504),
    (EngineUnreachable, 502),
    (EngineError, 500),
)
#: A limit is the client's business (4xx) where the request itself is too large.
LIMIT_STATUS: Final = {
    "query": 400,
    "stack": 400,
    "result": 413,
    "body": 413,
    "uri": 414,
    "client": 429,
}

TITLES: Final[dict[int, Text]] = {
    400: Text("Requête incorrecte", "Bad request"),
    403: Text("Opération refusée", "Operation refused"),
    404: Text("Introuvable", "Not found"),
    405: Text("Méthode non permise", "Method not allowed"),
    406: Text("Format non disponible", "Not acceptable"),
    410: Text("Retiré", "Withdrawn"),
    412: Text("Condition non remplie", "Precondition failed"),
    413: Text("Trop volumineux", "Too large"),
    408: Text("Requête trop lente", "Request timeout"),
    414: Text("Adresse trop longue", "URI too long"),
    415: Text("Type de contenu non pris en charge", "Unsupported media type"),
    429: Text("Trop de requêtes à la fois", "Too many requests at once"),
    431: Text("En-tête trop long", "Request header fields too large"),
    500: Text("Erreur du service", "Service error"),
    501: Text("Non offert ici", "Not offered here"),
    502: Text("Moteur injoignable", "Engine out of reach"),
    504: Text("Moteur trop lent", "Engine too slow"),
    503: Text("Limite atteinte ou service occupé", "Limit reached or service busy"),
}


class HttpProblem(EssgraphError):
    """A fault of the HTTP request itself: it knows its status and the header fields it needs.

    ``links`` are addresses that may help, each with what it is called.
    """

    def __init__(
        self,
        status: int,
        text: Text,
        headers: Mapping[str, str] | None = None,
        links: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})
        self.links = tuple(links)


def status_of(error: EssgraphError) -> int:
    """The HTTP status code for an error of ours."""
    if isinstance(error, HttpProblem):
        return error.status
    if isinstance(error, LimitExceeded):
        return LIMIT_STATUS.get(error.limit, 503)
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def preferred_language(values: Sequence[str]) -> str:
    """``fr`` or ``en`` by ``Accept-Language`` (RFC 9110, 12.5.4); ``fr`` where it names neither."""
    weights = {"fr": 0.0, "en": 0.0}
    for element in ",".join(values).split(","):
        tag, _, parameter = element.lower().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            continue
        primary = tag.strip().split("-")[0]
        if primary in weights:
            weights[primary] = max(weights[primary], weight)
    return "en" if weights["en"] > weights["fr"] else "fr"


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
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope["path"][:80],
    }
    at = getattr(error, "at", None)
    if at is not None:
        body["position"] = {"line": at.line, "column": at.column}
    if isinstance(error, LimitExceeded):
        body["limit"] = {"name": error.limit, "value": error.value}
    links = getattr(error, "links", ())
    if links:
        body["links"] = [{"href": href, "title": called} for href, called in links]
    headers = dict(getattr(error, "headers", {}))
    headers |= {
        "Content-Language": language,
        "Vary": "Accept, Accept-Language",
        "Cache-Control": "no-store",
    }
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after)
    elif status == 429:
        headers["Retry-After"] = "1"
    # A client that accepts neither still learns what went wrong (RFC 9110, 15.5.7).
    if _is_browser(accept):
        # Imported here: pages answer what goes wrong with this module.
        from essgraph.service.pages import frame

        v = frame.View(language, named in LANGUAGES, scope["path"][:80], query)
        said = {"title": title, "status": status, "detail": detail, "links": links}
        headers["Content-Security-Policy"] = frame.POLICY
        return Response(frame.render("problem.html", v, said), status, headers, HTML.content_type)
    return Response(
        json.dumps(body, ensure_ascii=False).encode(), status, headers, PROBLEM.media_type
    )


def _is_browser(accept: Sequence[str]) -> bool:
    chosen = negotiate(accept, (PROBLEM, HTML))
    return chosen is not None and chosen.name == "html"
