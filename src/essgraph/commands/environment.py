"""What is read of the surroundings of a command: environment variables and the current folder.
No other module reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from essgraph.errors import ProjectError, Text

_AUTHORIZATION: Final = "ESSGRAPH_ENDPOINT_AUTHORIZATION"


def language() -> str:
    """The language in which messages are shown, ``fr`` or ``en``, from the locale (POSIX 8.2)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return "fr" if os.environ[name].startswith("fr") else "en"
    return "en"


def no_colour() -> bool:
    """Whether the user wants no colours (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def authorization() -> str | None:
    """The value of the header field Authorization for endpoints: never on the command line, where
    every user of the machine could read it. Raises ProjectError, which does not show the value,
    where no header field may have it."""
    # A file or a secret store often ends it by a line break.
    value = os.environ.get(_AUTHORIZATION, "").strip()
    if not value.isprintable():
        raise ProjectError(
            Text(
                f"{_AUTHORIZATION} contient un saut de ligne ou un caractère qui ne peut pas être "
                "envoyé",
                f"{_AUTHORIZATION} holds a line break or a character that cannot be sent",
            )
        )
    return value or None


def proxies() -> str:
    """The addresses that are believed where they say for whom they ask: as uvicorn's variable has
    them, by default those of this machine."""
    return os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")


def here() -> Path:
    """The current folder."""
    return Path.cwd()
