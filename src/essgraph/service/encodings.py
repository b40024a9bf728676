"""Content codings: the choice among them (RFC 9110, 12.5.3) and the coding itself."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import brotli

from essgraph.formats import weighted

#: Below this size, in bytes, coding saves nothing.
SMALL: Final = 512
#: The codings that we speak, the preferred first.
CODINGS: Final = ("br", "gzip", "identity")


@lru_cache(maxsize=256)
def choose(accept_encoding: tuple[str, ...]) -> str:
    """The coding that the client wants most, of those we speak; ``identity`` if it names none."""
    weights = {name.replace("x-gzip", "gzip"): w for name, w in weighted(accept_encoding)}
    rest = weights.get("*", 0.0)
    best = max(CODINGS[:-1], key=lambda coding: weights.get(coding, rest))
    wanted = weights.get(best, rest)
    # Identity is always acceptable unless refused, and preferred only where it says so.
    return best if wanted > 0 and wanted >= weights.get("identity", 0.0) else "identity"


def encode(body: bytes, coding: str) -> bytes:
    """``body`` in that coding; the same bytes for the same input."""
    if coding == "br":
        return bytes(brotli.compress(body, quality=5))
    if coding == "gzip":
        return gzip.compress(body, compresslevel=6, mtime=0)
    return body


def fields(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> tuple[str, ...]:
    """The values of a header field, line by line (RFC 9110, 5.2). ``name`` is in lower case."""
    return tuple([value.decode("latin-1") for key, value in headers if key == name])
