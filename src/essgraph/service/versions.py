"""What became of an answer that was cited: the version it is from, and what has changed since."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from essgraph.errors import LimitExceeded, QueryError, Text, UnknownName
from essgraph.service.asking import Asked, questions
from essgraph.service.live import Live, Served
from essgraph.service.problems import HttpProblem

_DIGEST: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Difference:
    """What was in the former answer and is not now, and the reverse; as rows of SPARQL JSON.

    ``columns`` are those ``before``, if the question was asked then, and ``after``.
    """

    columns: dict[str, list[str]]
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]

    @property
    def changed(self) -> bool:
        return bool(
            self.added or self.removed or self.columns.get("before") != self.columns["after"]
        )


async def at(live: Live, version: str | None, digest: str | None) -> Served | None:
    """The version asked for; None where it is gone but the answer's digest is known.

    Raises QueryError for a digest without a version or that is none, UnknownName for a version
    that is gone.
    """
    _require_digest(digest)
    if version is None:
        if digest is not None:
            raise QueryError(
                Text(
                    "le paramètre answer ne va pas sans version",
                    "the parameter answer needs version",
                )
            )
        return live.now
    served = await live.at(version)
    if served is None and digest is None:
        raise _gone(version)
    return served


async def require_unchanged(it: Asked, version: str, digest: str) -> None:
    """An answer is its digest: where it is the same today, the address of a version that is gone
    still holds. Raises HttpProblem (410) where it is another."""
    if await it.digest() != digest:
        raise HttpProblem(
            410,
            Text(
                f"la version {version[:16]} n'est plus gardée ici, et la réponse a changé "
                f"depuis ; celle d'aujourd'hui : {it.path()}",
                f"version {version[:16]} is no longer kept here, and the answer has changed "
                f"since; that of today: {it.path()}",
            ),
            {"Link": f'<{it.path()}>; rel="latest-version"'},
        )


async def history(it: Asked, since: str) -> str:
    """The path that tells what has changed since this answer, of that version."""
    more = {"since": since[:16], "answer": await it.digest()}
    path, _, query = it.path().partition("?")
    own = f"{query}&" if query else ""
    return f"{path}/changes?{own}" + urlencode({k: v for k, v in more.items() if v})


async def changes(live: Live, now: Asked, since: str, digest: str | None) -> dict[str, Any]:
    """What has changed in an answer since a version, and which versions are kept.

    Raises QueryError for a digest that is none, UnknownName where the version is gone and no digest
    of the answer is known.
    """
    _require_digest(digest)
    former = await live.at(since)
    found: dict[str, Any] = {
        "question": now.question.name,
        "since": since,
        "version": now.served.snapshot.version,
        "now": now.path(),
        "versions": [
            {"version": version, "built": built(modified)} for version, modified in live.kept()
        ],
    }
    if former is None:
        if digest is None:
            raise _gone(since)
        return found | {"changed": await now.digest() != digest, "kept": False}
    told = await difference(former, now)
    return found | {
        "changed": told.changed,
        "kept": True,
        "columns": told.columns,
        "added": told.added,
        "removed": told.removed,
    }


def built(modified: float) -> str:
    """The day on which a version was made."""
    return datetime.fromtimestamp(modified, UTC).date().isoformat()


async def difference(former: Served, now: Asked) -> Difference:
    """How the answer of today differs from that of a former version."""
    after = await _parsed(now)
    columns: dict[str, list[str]] = {"after": after["head"].get("vars", [])}
    rows = _rows(after)
    before: Counter[str] = Counter()
    library = questions(former)
    if now.question.name in library:
        question = library[now.question.name]
        known = {parameter.name for parameter in question.parameters}
        values = {key: value for key, value in now.values.items() if key in known}
        answer = await _parsed(replace(now, served=former, question=question, values=values))
        before, columns["before"] = _rows(answer), answer["head"].get("vars", [])
    added, removed = rows - before, before - rows
    return Difference(
        columns,
        [json.loads(row) for row in added.elements()],
        [json.loads(row) for row in removed.elements()],
    )


async def _parsed(it: Asked) -> dict[str, Any]:
    answer = (await it.whole()).answer
    if answer.spool is not None:
        raise LimitExceeded(
            Text(
                "la réponse est trop grande pour être comparée",
                "the answer is too large to be compared",
            ),
            limit="result",
            value=f"{answer.size} B",
        )
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _rows(answer: Mapping[str, Any]) -> Counter[str]:
    found = answer.get("results", {}).get("bindings", [{"boolean": answer.get("boolean")}])
    return Counter(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in found)


def _require_digest(digest: str | None) -> None:
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise QueryError(
            Text(
                f"answer est l'empreinte d'une réponse citée, 16 chiffres hexadécimaux, non "
                f"« {digest[:40]} »",
                f"answer is the digest of a cited answer, 16 hexadecimal digits, not "
                f'"{digest[:40]}"',
            )
        )


def _gone(version: str) -> UnknownName:
    return UnknownName(
        Text(
            f"la version « {version[:64]} » n'est pas gardée ici",
            f'version "{version[:64]}" is not kept here',
        )
    )
