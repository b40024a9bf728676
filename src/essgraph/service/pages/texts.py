"""The private texts, where they are at hand: the words of a passage in their context."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

#: How much of the text is shown around a passage, in characters.
CONTEXT = 160


@dataclass(frozen=True)
class Excerpt:
    """The words of a passage, and those before and after."""

    before: str
    words: str
    after: str


class Texts:
    """The folder of the texts, for the service at ``url``. One that differs from what was mapped is
    as good as none."""

    def __init__(self, folder: Path | None, url: str = "") -> None:
        self._folder = folder
        self._host = urlsplit(url).hostname
        self._read = lru_cache(maxsize=64)(self._verified)

    @property
    def at_hand(self) -> bool:
        """Whether pages may quote them."""
        return self._folder is not None

    def for_host(self, host: str) -> Texts:
        """These, where the request names the service by its own name or an address; else none.
        Another site may point its name at this machine, so that its scripts can read what is here
        (DNS rebinding)."""
        try:
            name = urlsplit(f"//{host}").hostname
            if name not in ("localhost", self._host):
                ip_address(name or "")
        except ValueError:
            return Texts(None)
        return self

    def _verified(self, file: str, digest: str) -> str | None:
        """The text of that file name if its SHA-256 is ``digest``."""
        if self._folder is None or not digest or Path(file).name != file:
            return None
        try:
            data = (self._folder / file).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            return None
        return data.decode("utf-8")

    def excerpt(self, file: str, digest: str, start: int, end: int) -> Excerpt | None:
        """The words from ``start`` to ``end`` (code points), in context."""
        text = self._read(file, digest)
        if text is None or not 0 <= start < end <= len(text):
            return None
        before = text[max(0, start - CONTEXT) : start]
        after = text[end : end + CONTEXT]
        # Cut at a space, not within a word.
        if start > CONTEXT:
            before = "…" + before[before.find(" ") :]
        if end + CONTEXT < len(text):
            after = after[: after.rfind(" ") + 1] + "…"
        return Excerpt(_close(before).lstrip("\n"), _close(text[start:end]), _close(after))


def _close(text: str) -> str:
    """The text with empty lines left out, as it is shown."""
    return re.sub(r"\s*\n\s*", "\n", text)
