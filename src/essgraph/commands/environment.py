"""What is read of the surroundings of a command: environment variables and the current folder.
No other module reads them."""

from __future__ import annotations

import os
from pathlib import Path


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
    every user of the machine could read it."""
    return os.environ.get("ESSGRAPH_ENDPOINT_AUTHORIZATION")


def here() -> Path:
    """The current folder."""
    return Path.cwd()
