"""``/q/{code}``: a short link holds the query itself, deflated (RFC 1950)."""

from __future__ import annotations

import base64
import zlib
from typing import Final

from essgraph.errors import LimitExceeded, QueryError, Text
from essgraph.service.pages.rows import PREFIXES

#: What most queries have in common.
_COMMON: Final = (
    PREFIXES
    + "SELECT DISTINCT ?label WHERE { ?x a ess:City ; rdfs:label ?label . FILTER (LANG(?label) = "
    '"fr") } ORDER BY LIMIT 100 GRAPH ?passage OPTIONAL ess:theme ess:partOf GROUP BY COUNT AS'
).encode()


def shorten(query: str) -> str:
    """The query as the last part of a short link."""
    packer = zlib.compressobj(9, zdict=_COMMON)
    packed = packer.compress(query.encode()) + packer.flush()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def lengthen(code: str) -> str:
    """The query that a short link holds. Raises QueryError where it is none."""
    try:
        packed = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
        unpacker = zlib.decompressobj(zdict=_COMMON)
        query = unpacker.decompress(packed, 256 * 1024)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise LimitExceeded(
                Text("la requête est trop longue", "the query is too long"),
                limit="query",
                value="256 KiB",
            )
        return query.decode("utf-8")
    except (ValueError, zlib.error) as error:
        raise QueryError(
            Text("ce lien court ne contient pas de requête", "this short link holds no query")
        ) from error
