"""IRIs that a query names: resolved against its base, and those that a graph may have."""

from __future__ import annotations

import re
from typing import Final

from essgraph.errors import LimitExceeded, QueryError, QueryRefused, Text
from essgraph.terminals import IRIREF

#: How long an IRI may be that others are made of, or that names a graph: a long one that is used
#: often makes much of little.
MAX_IRI: Final = 2_048

ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: Authority, path, query and fragment (RFC 3986, appendix B).
_PIECES = re.compile(r"(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?")


def resolved(base: str, iri: str) -> str:
    """An IRI without a scheme as its base makes it (RFC 3986, 5.2.2), which ``urljoin`` does not
    where segments or a query are empty."""
    scheme, _, rest = base.partition(":")
    found, own = _PIECES.match(rest), _PIECES.match(iri)
    assert found
    assert own
    host, path, query = found[1], found[2], own[3]
    if own[1] is not None:
        host, path = own[1], _without_dots(own[2])
    elif own[2]:
        above = path.rpartition("/")[0] + "/" if path or host is not None else ""
        path = _without_dots(own[2] if own[2].startswith("/") else above + own[2])
    elif query is None:
        query = found[3]
    start = scheme + ":" if host is None else f"{scheme}://{host}"
    return f"{start}{path}{query or ''}{own[4] or ''}"


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def require_web_iri(iri: str) -> None:
    """Holds the IRI of a graph to http(s). Raises QueryRefused for another scheme (file:, ftp:),
    QueryError for what is no absolute IRI, LimitExceeded for one that is too long.
    """
    shown = iri[:80]
    if len(iri) > MAX_IRI:
        raise long_iri()
    if not ABSOLUTE.match(iri):
        raise QueryError(
            Text(
                f"l'IRI d'un graphe doit être absolu : {shown}",
                f"the IRI of a graph must be absolute: {shown}",
            )
        )
    if not re.fullmatch(IRIREF, f"<{iri}>"):
        raise QueryError(
            Text(
                f"l'IRI d'un graphe contient un signe qu'aucun IRI n'a : {shown}",
                f"the IRI of a graph holds a sign that no IRI has: {shown}",
            )
        )
    if iri.partition(":")[0].lower() not in ("http", "https"):
        raise QueryRefused(
            Text(
                f"seuls des graphes http(s) peuvent être nommés, pas {shown}",
                f"only http(s) graphs may be named, not {shown}",
            )
        )


def long_iri() -> LimitExceeded:
    """What is told of an IRI that is too long."""
    most = f"{MAX_IRI} characters of an IRI"
    said = Text(
        f"un IRI de graphe, de préfixe ou de base de plus de {MAX_IRI} signes",
        f"an IRI of a graph, prefix or base of more than {MAX_IRI} characters",
    )
    return LimitExceeded(said, limit="query", value=most)
