"""From our exceptions to HTTP: the one table of status codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

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
from essgraph.formats import weighted

LANGUAGES: Final = ("fr", "en")

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
    406: Text("Format non disponible", "Format not available"),
    410: Text("Retiré", "Withdrawn"),
    412: Text("Condition non remplie", "Precondition failed"),
    413: Text("Trop volumineux", "Too large"),
    408: Text("Requête trop lente", "Request timeout"),
    414: Text("Adresse trop longue", "URL too long"),
    415: Text("Type de contenu non pris en charge", "Unsupported media type"),
    429: Text("Trop de requêtes à la fois", "Too many requests at once"),
    431: Text("En-tête trop long", "Request header fields too large"),
    500: Text("Erreur du service", "Service error"),
    501: Text("Non offert ici", "Not offered here"),
    502: Text("Moteur injoignable", "Engine unreachable"),
    503: Text("Limite atteinte ou service occupé", "Limit reached or service busy"),
    504: Text("Moteur trop lent", "Engine too slow"),
    505: Text("Version de HTTP non prise en charge", "HTTP version not supported"),
}


class HttpProblem(EssgraphError):
    """A fault of the HTTP request itself: it knows its status and the header fields it needs.

    ``links`` are addresses that may help, each with what it is called, in both languages where
    these have names for it.
    """

    def __init__(
        self,
        status: int,
        text: Text,
        headers: Mapping[str, str] | None = None,
        links: Sequence[tuple[str, str | Text]] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})
        self.links = tuple(links)


def not_acceptable(types: Iterable[str], links: Sequence[tuple[str, str]] = ()) -> HttpProblem:
    """406, with the media types of what there is, and where that is."""
    listed = ", ".join(types)
    text = Text(f"formats disponibles : {listed}", f"available formats: {listed}")
    return HttpProblem(406, text, links=links)


def not_allowed(method: str, allow: str) -> HttpProblem:
    """405, with the methods that are."""
    return HttpProblem(
        405,
        Text(
            f"{method[:20]} n'est pas permis ici ; permis : {allow}",
            f"{method[:20]} is not allowed here; allowed: {allow}",
        ),
        {"Allow": allow},
    )


def nothing_at(path: str) -> UnknownName:
    """Of a path that has no answer."""
    return UnknownName(Text(f"rien à l'adresse {path[:80]}", f"nothing at {path[:80]}"))


def status_of(error: EssgraphError) -> int:
    """The HTTP status code for an error of ours."""
    if isinstance(error, HttpProblem):
        return error.status
    if isinstance(error, LimitExceeded):
        return LIMIT_STATUS.get(error.limit, 503)
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def preferred_language(values: Sequence[str]) -> str:
    """``fr`` or ``en`` by ``Accept-Language`` (RFC 9110, 12.5.4; lookup by RFC 4647, 3.4): a range
    with a region asks for its language, ``*`` for what no other range names. ``fr`` where both
    are wanted alike, or neither is named."""
    ranges = tuple(weighted(values))
    return "en" if _wish("en", ranges) > _wish("fr", ranges) else "fr"


def require(name: str, value: str, known: Iterable[str]) -> str:
    """The value of a parameter that has a few. Raises QueryError for any other."""
    listed = list(known)
    if value not in listed:
        said = ", ".join(listed)
        raise QueryError(
            Text(
                f"paramètre {name} : « {value[:40]} » n'est pas connu (connus : {said})",
                f'parameter {name}: "{value[:40]}" is not known (known: {said})',
            )
        )
    return value


def _wish(language: str, ranges: Sequence[tuple[str, float]]) -> float:
    """How much a language is wanted: its weight, 0 where nothing is said of it, -1 refused."""
    if (language, 0.0) in ranges:
        return -1.0
    named = [w for said, w in ranges if w and said.split("-")[0] == language]
    return max(named) if named else max([w or -1.0 for said, w in ranges if said == "*"], default=0)
