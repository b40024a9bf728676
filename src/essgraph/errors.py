"""The exceptions of essgraph, and the two languages in which they speak.

::

    EssgraphError
    ├── ProjectError        a file or folder of the project is missing or cannot be read
    ├── SyntaxFault         a file or query is not what its language allows (has a position)
    ├── SnapshotError       a snapshot is missing, half written or altered
    ├── QueryError          a query cannot be answered as it stands
    │   ├── QueryRefused    updates, SERVICE and other things a read-only service does not do
    │   ├── NotOffered      what the engine behind the service cannot answer rightly
    │   ├── UnknownName     no question, parameter or entity of that name
    │   └── NotRepresentable the format asked for cannot say what was found
    ├── LimitExceeded       a query went past a limit of time, memory, size or number
    ├── Overloaded          no room for another query just now
    └── EngineError         the engine failed or died
        ├── EngineUnreachable  an engine elsewhere could not be reached, or answered nonsense
        └── EngineTimeout      an engine elsewhere did not answer in time

None of them knows HTTP: ``service.problems`` holds the one table from exception to status code.
"""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from typing import Any, NamedTuple


class Text(NamedTuple):
    """One message in the two languages of the project."""

    fr: str
    en: str

    def in_language(self, language: str) -> str:
        """The message in ``fr`` or ``en``; French for any other tag."""
        return self.en if language == "en" else self.fr


@dataclass(frozen=True)
class Position:
    """A place in a text: 1-based line and column, as editors count."""

    line: int
    column: int = 1


class EssgraphError(Exception):
    """What every error of ours is: a message in French and English.

    ``tag`` names the answer that it stands in place of, where a query was being answered.
    """

    tag: str | None = None

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process may have raised it; the arguments of ours are not those of Exception.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ProjectError(EssgraphError):
    """A file or folder of the project is missing or cannot be read."""


class SyntaxFault(EssgraphError):
    """A file or query is not what its language allows; ``mend`` says what to write instead."""

    def __init__(
        self,
        text: Text,
        *,
        file: str | None = None,
        at: Position | None = None,
        mend: Text | None = None,
    ) -> None:
        super().__init__(text)
        self.file = file
        self.at = at
        self.mend = mend


class SnapshotError(EssgraphError):
    """A snapshot is missing, half written or altered."""


class QueryError(EssgraphError):
    """A query cannot be answered as it stands; ``at`` is the place in the query, if known."""

    def __init__(self, text: Text, *, at: Position | None = None) -> None:
        super().__init__(text)
        self.at = at


class QueryRefused(QueryError):
    """The query asks for what a read-only service does not do."""


class NotOffered(QueryError):
    """The engine behind the service would answer this wrongly; the message says what to write."""


class UnknownName(QueryError):
    """No question, parameter or entity of that name; ``near`` are those that may be meant."""

    near: tuple[str, ...] = ()


class NotRepresentable(QueryError):
    """The format asked for cannot say what was found; another one can."""


class LimitExceeded(EssgraphError):
    """A query went past a limit.

    ``limit`` names it (``time``, ``memory``, ``result``, ``query``); ``value`` is the limit in
    force, with its unit, as the message shows it.
    """

    def __init__(self, text: Text, *, limit: str, value: str) -> None:
        super().__init__(text)
        self.limit = limit
        self.value = value


class Overloaded(EssgraphError):
    """No room for another query just now; ``retry_after`` is in seconds."""

    def __init__(self, text: Text, *, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class EngineError(EssgraphError):
    """The engine failed or died."""


class EngineUnreachable(EngineError):
    """An engine elsewhere could not be reached, or what it answered is no answer."""


class EngineTimeout(EngineError):
    """An engine elsewhere did not answer in time."""
