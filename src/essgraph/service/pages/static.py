"""The files that pages load, all from this host: read once, named by their digest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph.errors import Text, UnknownName
from essgraph.service import encodings
from essgraph.service.reply import matches

FOLDER: Final = Path(__file__).parents[1] / "static"
_ADDRESS: Final = re.compile(rb'url\("([^"]+)"\)')
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class File:
    """A file with the media type it is sent as, and its digest."""

    body: bytes
    media_type: str
    digest: str


@cache
def files() -> dict[str, File]:
    """Every file of the folder by its path below it."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[path.relative_to(FOLDER).as_posix()] = File(body, _TYPES[path.suffix], digest)
    for name, file in found.items():
        if name.endswith(".css"):
            body = _ADDRESS.sub(partial(_versioned, found), file.body)
            found[name] = File(body, file.media_type, hashlib.sha256(body).hexdigest()[:12])
    return found


def _versioned(found: dict[str, File], match: re.Match[bytes]) -> bytes:
    """The address of a file in a style sheet, of its present version."""
    file = found.get(match[1].decode())
    return match[0] if file is None else b'url("%s?v=%s")' % (match[1], file.digest.encode())


def address(name: str) -> str:
    """Where a page loads the file: another version has another address."""
    file = files().get(name)
    return f"/static/{name}?v={file.digest}" if file else f"/static/{name}"


@cache
def _coded(name: str, coding: str) -> bytes:
    return encodings.encode(files()[name].body, coding)


async def serve(request: Request, name: str) -> Response:
    """``/static/{name}``. Raises UnknownName."""
    file = files().get(name)
    if file is None:
        raise UnknownName(Text(f"aucun fichier {name[:80]}", f"no file {name[:80]}"))
    coding = "identity"
    if not name.endswith(".woff2"):  # compressed as it is
        coding = encodings.choose(tuple(request.headers.getlist("accept-encoding")))
    current = request.query_params.get("v") == file.digest
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
        "Vary": "Accept-Encoding",
        "ETag": f'"{file.digest}-{coding}"',
    }
    if matches(request.headers.getlist("if-none-match"), headers["ETag"]):
        return Response(None, 304, headers)
    if coding != "identity":
        headers["Content-Encoding"] = coding
    return Response(_coded(name, coding), 200, headers, file.media_type)
