"""What the addresses of the API share: parameters of the URL, choice of format, JSON answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Scope, Send

from essgraph import formats
from essgraph.catalog import unknown_parameter
from essgraph.engine import Answer
from essgraph.errors import QueryError, Text
from essgraph.formats import Format
from essgraph.service import problems
from essgraph.service.answers import Kept
from essgraph.service.encodings import fields
from essgraph.service.reply import Headers, send_kept

JSON: Final = Format("json", "application/json", "json", (), False)

Parameters = list[tuple[str, str]]


def parameters(encoded: bytes) -> Parameters:
    """The parameters of a URL or form, in order. Raises QueryError for what is not UTF-8."""
    try:
        return parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict"
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise QueryError(
            Text("les paramètres ne sont pas en UTF-8 valide", "the parameters are not valid UTF-8")
        ) from error


def once(given: Parameters, known: Sequence[str] | None = None) -> dict[str, str]:
    """The parameters by name. Raises QueryError for one given twice or not among ``known``."""
    values: dict[str, str] = {}
    for name, value in given:
        if name in values:
            raise QueryError(
                Text(
                    f"le paramètre {name[:40]} est donné deux fois",
                    f"the parameter {name[:40]} is given twice",
                )
            )
        if known is not None and name not in known:
            raise unknown_parameter(name, known)
        values[name] = value
    return values


def language(values: dict[str, str], scope: Scope) -> str:
    """``lang=``, taken out of the parameters, else by Accept-Language. Raises QueryError."""
    chosen = values.pop("lang", None)
    if chosen is None:
        return problems.preferred_language(fields(scope["headers"], b"accept-language"))
    return problems.require("lang", chosen, problems.LANGUAGES)


def number(values: dict[str, str], name: str, default: int | None, low: int, high: int) -> int:
    """A whole number in a range, taken out of the parameters. Raises QueryError.

    Without ``default`` the caller has seen that it is there.
    """
    value = values.pop(name, None)
    if value is None:
        assert default is not None
        return default
    found = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
    if not low <= found <= high:
        raise QueryError(
            Text(
                f"{name} est un entier de {low} à {high}, non « {value[:40]} »",
                f'{name} is a whole number from {low} to {high}, not "{value[:40]}"',
            )
        )
    return found


def choose(form: str, scope: Scope, offers: Sequence[Format]) -> Format:
    """By the parameter ``format``, empty where none is wanted; then by Accept.

    Raises HttpProblem (406).
    """
    chosen = (
        formats.by_name(form, offers)
        if form
        else formats.negotiate(fields(scope["headers"], b"accept"), offers)
    )
    if chosen is None:
        raise problems.not_acceptable(offer.media_type for offer in offers)
    return chosen


def is_true(values: dict[str, str], name: str) -> bool:
    """A switch (``1`` or ``0``), taken out of the parameters. Raises QueryError."""
    value = values.pop(name, "0")
    if value not in ("0", "1"):
        raise QueryError(
            Text(
                f"{name} vaut 0 ou 1, non « {value[:40]} »", f'{name} is 0 or 1, not "{value[:40]}"'
            )
        )
    return value == "1"


def encode(content: object) -> bytes:
    """JSON as we write it: UTF-8, one line."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def send_made(
    scope: Scope,
    send: Send,
    body: bytes,
    content_type: str,
    headers: Headers | None = None,
    *,
    vary: str = "Accept, Accept-Language, Accept-Encoding",
) -> None:
    """Sends an answer that was made here from answers of the engine: with its entity tag, 304."""
    tag = hashlib.blake2b(content_type.encode() + b"\0" + body, digest_size=15).hexdigest()
    await send_kept(
        scope,
        send,
        Kept(Answer(body, 0, len(body)), tag),
        [
            (b"content-type", content_type.encode()),
            (b"vary", vary.encode()),
            (b"cache-control", b"public, max-age=60"),
            *(headers or []),
        ],
    )
