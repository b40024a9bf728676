"""What changed in a project since a git revision: findings, statements, names, answers.

The project of the revision is read from ``git archive`` into a folder of its own and checked like
the one at hand, so that "new" means: this check finds it now and did not find it then.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from essgraph import dataset, merge, names
from essgraph.build import Checked, check
from essgraph.errors import ProjectError, Text
from essgraph.findings import Finding
from essgraph.project import Project
from essgraph.sources import TYPE

_PARTS = ("ontology", "data", "shapes", "queries")
#: Two entities with this share of statements in common are one under two names.
_ALIKE = 0.6
#: Rows of an answer that are shown; more are counted.
_ROWS = 5
#: Derived from the files: what follows need not be read.
_DERIVED = {merge.DEFAULT, merge.ENTAILED, merge.QUERIES, dataset.GRAPH}
_ANCHOR = (names.OA, names.ESS + "wordsDigest", names.SCHEMA + "sha256")

Statement = tuple[str, str, str, str]


@dataclass(frozen=True)
class Answer:
    """A question whose answer changed: rows that came and went, as text."""

    name: str
    title: Text
    added: list[str]
    removed: list[str]


@dataclass(frozen=True)
class Changes:
    """What is new since a revision. Statements are (graph, subject, predicate, object) as shown."""

    revision: str
    findings: list[Finding]
    mended: int
    added: list[Statement]
    removed: list[Statement]
    renamed: dict[str, str]
    answers: list[Answer]
    labels: Mapping[str, Text]


def since(revision: str, project: Project, texts: Path | None, now: Checked) -> Changes:
    """What changed in ``project``, whose check is ``now``, since a git revision.

    Raises ProjectError where there is no git, no repository or no such revision.
    """
    archive = _git(project.root, "archive", "--format=tar", _commit(project.root, revision))
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            wanted = [m for m in tar.getmembers() if Path(m.name).parts[:1][0] in _PARTS]
            tar.extractall(folder, wanted, filter=_inside)
        try:
            before = check(Project(Path(folder)), texts)
        except ProjectError as error:
            fr, en = error.text
            raise ProjectError(
                Text(f"à la révision {revision} : {fr}", f"at revision {revision}: {en}")
            ) from error
        return _compare(revision, before, now)


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """What can be taken from an archive; a link that leads out of it, to the texts say, is not."""
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def _commit(root: Path, revision: str) -> str:
    # The revision follows --end-of-options: it can be no option of git's.
    found = _git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    return found.decode().strip()


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    except FileNotFoundError:
        raise ProjectError(
            Text("--since a besoin de git", "--since needs git"),
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise ProjectError(
            Text(
                f"git ne trouve pas cette révision : {reason}",
                f"git finds no such revision: {reason}",
            )
        ) from error
    return done.stdout


def _compare(revision: str, before: Checked, now: Checked) -> Changes:
    old, new = Counter(map(_key, before.findings)), Counter(map(_key, now.findings))
    fresh: list[Finding] = []
    left = dict(old)
    for finding in now.findings:
        key = _key(finding)
        if left.get(key, 0):
            left[key] -= 1
        else:
            fresh.append(finding)
    then, today = _statements(before), _statements(now)
    renamed = _renamed(then, today)
    then = {tuple(renamed.get(term, term) for term in s) for s in then}  # type: ignore[misc]
    return Changes(
        revision=revision,
        findings=fresh,
        mended=sum((old - new).values()),
        added=sorted(today - then),
        removed=sorted(then - today),
        renamed=renamed,
        answers=list(_answers(before, now)),
        labels={**before.sources.labels, **now.sources.labels},
    )


def _key(finding: Finding) -> tuple[str | None, ...]:
    """A finding but for its line."""
    return (finding.rule, finding.file, finding.focus, finding.path, finding.value, finding.text.en)


def show(term: object) -> str:
    """A term as a reviewer reads it: prefixed, a passage as in its file."""
    if isinstance(term, ox.NamedNode):
        if term.value.startswith(names.PASSAGE):
            return "passage:" + term.value.removeprefix(names.PASSAGE)
        return names.shorten(term.value)
    if isinstance(term, ox.Literal) and term.datatype.value.startswith(names.XSD):
        plain = term.datatype.value == names.XSD + "string"
        kind = "" if plain else f"^^{names.shorten(term.datatype.value)}"
        return f"{ox.Literal(term.value)}{kind}"
    return str(term)


def _statements(checked: Checked) -> set[Statement]:
    """What the files state, but for the derived anchors."""
    quads = checked.quads or merge.named_graphs(checked.sources, [])
    return {
        (show(q.graph_name), show(q.subject), show(q.predicate), show(q.object))
        for q in quads
        if q.graph_name not in _DERIVED and not q.predicate.value.startswith(_ANCHOR)
    }


def _renamed(then: set[Statement], today: set[Statement]) -> dict[str, str]:
    """Entities that went and came back under another name: most of what was said stands."""
    gone, come = _about(then), _about(today)
    lost = {term: said for term, said in gone.items() if term not in come}
    found = {term: said for term, said in come.items() if term not in gone}
    pairs = sorted(
        (
            (len(mine & yours) / len(mine | yours), term, other)
            for term, mine in lost.items()
            for other, yours in found.items()
        ),
        reverse=True,
    )
    renamed: dict[str, str] = {}
    for share, term, other in pairs:
        if share >= _ALIKE and term not in renamed and other not in renamed.values():
            renamed[term] = other
    return renamed


def _about(statements: set[Statement]) -> dict[str, set[Statement]]:
    """What is said of each registered entity, its own name left out."""
    registered = {s for _, s, p, _ in statements if p == show(TYPE) and s.startswith("id:")}
    about: dict[str, set[Statement]] = defaultdict(set)
    for g, s, p, o in statements:
        for term in {s, o} & registered:
            about[term].add((g, "" if s == term else s, p, "" if o == term else o))
    return about


def _answers(before: Checked, now: Checked) -> Iterator[Answer]:
    """The questions of both whose answers differ; new and dropped questions have one side."""
    if not (before.quads and now.quads):
        return  # of one of them some file does not parse
    old, new = _store(before), _store(now)
    for name, question in sorted({**before.questions, **now.questions}.items()):
        then, today = before.questions.get(name), now.questions.get(name)
        was = _rows(old, then.query) if then else Counter()
        now_is = _rows(new, today.query) if today else Counter()
        if was != now_is:
            yield Answer(
                name,
                question.title,
                sorted((now_is - was).elements()),
                sorted((was - now_is).elements()),
            )


def _store(checked: Checked) -> ox.Store:
    store = ox.Store()
    store.bulk_extend(checked.quads)
    return store


def _rows(store: ox.Store, query: str) -> Counter[str]:
    found = store.query(query)
    if isinstance(found, ox.QueryBoolean):
        return Counter([str(bool(found)).lower()])
    if isinstance(found, ox.QueryTriples):
        return Counter(" ".join(show(t) for t in (x.subject, x.predicate, x.object)) for x in found)
    return Counter(" · ".join("—" if term is None else show(term) for term in row) for row in found)


# --- as a reviewer reads it -----------------------------------------------------------------


def summary(changes: Changes) -> Text:
    """The counts in one line."""
    new, added, removed = len(changes.findings), len(changes.added), len(changes.removed)
    renamed, answers = len(changes.renamed), len(changes.answers)
    return Text(
        f"depuis {changes.revision} : {new} constat(s) nouveau(x), {changes.mended} réglé(s) ; "
        f"énoncés : +{added} −{removed} ; entités renommées : {renamed} ; "
        f"réponses changées : {answers}",
        f"since {changes.revision}: {new} new finding(s), {changes.mended} settled; "
        f"statements: +{added} −{removed}; renamed entities: {renamed}; "
        f"changed answers: {answers}",
    )


def text(changes: Changes, language: str) -> str:
    """The changes for a terminal; the findings are a report's."""
    lines = [summary(changes).in_language(language)]
    lines += [f"  {old} → {new}" for old, new in changes.renamed.items()]
    for graph, signs in _by_graph(changes):
        lines += [_heading(changes, graph, language), *(f"  {line}" for line in signs)]
    for answer in changes.answers:
        lines.append(f"{answer.name}: {answer.title.in_language(language)}")
        lines += [f"  {line}" for line in _shown(answer)]
    return "\n".join(lines) + "\n"


def to_json(changes: Changes) -> dict[str, object]:
    """The changes as an object for a JSON report."""
    return {
        "since": changes.revision,
        "settled": changes.mended,
        "added": [list(s) for s in changes.added],
        "removed": [list(s) for s in changes.removed],
        "renamed": changes.renamed,
        "answers": [
            {"question": a.name, "added": a.added, "removed": a.removed} for a in changes.answers
        ],
    }


def markdown(changes: Changes, language: str) -> str:
    """The changes for a pull request (GitHub-flavoured Markdown)."""

    def say(fr: str, en: str) -> str:
        return fr if language == "fr" else en

    parts = [f"{summary(changes).in_language(language)}."]
    if changes.renamed:
        rows = [f"- `{old}` → `{new}`" for old, new in changes.renamed.items()]
        parts += ["### " + say("Entités renommées", "Renamed entities"), "\n".join(rows)]
    if changes.added or changes.removed:
        parts.append("### " + say("Énoncés", "Statements"))
        for graph, signs in _by_graph(changes):
            parts += [f"**{_heading(changes, graph, language)}**", _fenced(signs)]
    if changes.answers:
        parts.append("### " + say("Réponses changées", "Changed answers"))
        for answer in changes.answers:
            title = answer.title.in_language(language)
            parts += [f"**{answer.name}** — {title}", _fenced(_shown(answer))]
    return "\n\n".join(parts) + "\n"


def _fenced(lines: list[str]) -> str:
    # A literal may hold a fence of its own.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`*", "\n".join(lines)))))
    return "\n".join([f"{fence}diff", *lines, fence])


def _heading(changes: Changes, graph: str, language: str) -> str:
    iri = names.PASSAGE + graph.removeprefix("passage:")
    label = changes.labels.get(names.shorten(iri))
    return label.in_language(language) if label else graph


def _by_graph(changes: Changes) -> Iterator[tuple[str, list[str]]]:
    lines: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for sign, statements in (("-", changes.removed), ("+", changes.added)):
        for graph, *triple in statements:
            lines[graph].append((tuple(triple[:2]), f"{sign} {' '.join(triple)} ."))
    for graph in sorted(lines):
        # What replaces a statement stands beneath it.
        yield graph, [line for _, line in sorted(lines[graph], key=lambda pair: pair[0])]


def _shown(answer: Answer) -> list[str]:
    lines: list[str] = []
    for sign, rows in (("-", answer.removed), ("+", answer.added)):
        lines += [f"{sign} {row}" for row in rows[:_ROWS]]
        if len(rows) > _ROWS:
            lines.append(f"{sign} … ({len(rows) - _ROWS})")
    return lines
