"""Which names are near one that is not there: shared runs of three letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from essgraph import names
from essgraph.errors import Text
from essgraph.query import inspect
from essgraph.service.answers import Answers
from essgraph.service.documents import rows

#: Names looked at, at most: nobody waits for a suggestion.
_MOST = 20_000
_LABELS = inspect(
    f"""PREFIX rdfs: <{names.RDFS}>
SELECT ?named ?fr ?en WHERE {{
  ?named rdfs:label ?fr , ?en
  FILTER (LANG(?fr) = "fr" && LANG(?en) = "en" && STRSTARTS(STR(?named), "{names.BASE}"))
  FILTER (STRSTARTS(STR(?named), "{names.ID}") || STRSTARTS(STR(?named), "{names.DOC}"))
}}
ORDER BY ?named LIMIT {_MOST}"""
)


class Near:
    """The names of one version of the data."""

    def __init__(self, labels: Mapping[str, Text]) -> None:
        self._labels = labels
        self._holding: dict[str, list[str]] = {}
        self._lengths: dict[str, int] = {}
        for path in labels:
            runs = _runs(path)
            self._lengths[path] = len(runs)
            for run in runs:
                self._holding.setdefault(run, []).append(path)

    @classmethod
    async def read(cls, answers: Answers) -> Near:
        """The names that an engine knows."""
        found = await rows(answers, _LABELS, {})
        base = len(names.BASE) - 1
        return cls(
            {row["named"].value[base:]: Text(row["fr"].value, row["en"].value) for row in found}
        )

    def to(self, path: str, most: int = 5) -> list[tuple[str, Text]]:
        """Paths near ``path`` with their labels, the nearest first."""
        runs = _runs(path)
        shared = Counter(other for run in runs for other in self._holding.get(run, ()))
        scored = (
            (2 * count / (len(runs) + self._lengths[other]), other)
            for other, count in shared.items()
        )
        best = sorted((s for s in scored if s[0] >= 0.4), key=lambda s: (-s[0], s[1]))
        return [(other, self._labels[other]) for _, other in best[:most]]


def _runs(path: str) -> set[str]:
    name = f"  {path.rpartition('/')[2].lower()} "
    return {name[i : i + 3] for i in range(len(name) - 2)}
