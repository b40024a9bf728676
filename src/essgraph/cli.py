"""The command line: a thin front. It alone reads the environment and the current folder.

Exit codes: 0 done or clean, 1 violations or a bad query, 2 cannot run or wrong usage. Messages go
to standard error, results to standard output.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

from essgraph import names
from essgraph import project as projects
from essgraph.errors import (
    EssgraphError,
    ProjectError,
    QueryError,
    SnapshotError,
    SyntaxFault,
    Text,
)

if TYPE_CHECKING:
    from essgraph.anchors import Coverage
    from essgraph.changes import Changes
    from essgraph.findings import Finding
    from essgraph.project import Project
    from essgraph.snapshot import Snapshot

FORMATS = ("table", "csv", "tsv", "json", "xml", "turtle", "nt", "jsonld")
REPORTS = ("text", "json", "turtle", "sarif", "junit", "github", "html", "markdown")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits."""
    _streams()
    language = _language(os.environ)
    arguments = _parser(language).parse_args(argv)
    try:
        code = arguments.run(arguments, language)
        sys.stdout.flush()
    except EssgraphError as error:
        place = ""
        if isinstance(error, SyntaxFault | QueryError) and error.at:
            place = f"{error.at.line}:{error.at.column}: "
        if isinstance(error, SyntaxFault) and error.file:
            place = f"{error.file}:{place or ' '}"
        print(f"essgraph: {place}{error.text.in_language(language)}", file=sys.stderr)
        code = 1 if isinstance(error, QueryError | SyntaxFault) else 2
    except BrokenPipeError:
        # The reader has seen enough (`| head`); nothing more can be written.
        _to_nowhere(sys.stdout)
        code = 0
    except OSError as error:
        # The disk is full, say: what was written of a result is not whole.
        _to_nowhere(sys.stdout)
        said = Text(f"le système refuse : {error}", f"the system refuses: {error}")
        with suppress(OSError):
            print(f"essgraph: {said.in_language(language)}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _streams() -> None:
    """Results are in UTF-8 whatever the terminal is: RDF and SPARQL results are, and most end in a
    file. A stream that was closed (`>&-`) takes what is written and keeps nothing."""
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def _to_nowhere(stream: TextIO) -> None:
    """What is still to be written to a stream is not."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _language(environment: Mapping[str, str]) -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "fr" if environment[name].startswith("fr") else "en"
    return "en"


def _say(text: Text, language: str) -> None:
    print(text.in_language(language), file=sys.stderr)


# --- the commands ---------------------------------------------------------------------------


def _build(arguments: argparse.Namespace, language: str) -> int:
    from essgraph.build import build

    project = _project(arguments)
    built = build(project, _out(arguments, project), _texts(arguments, project), _bar(language))
    _report(built.checked.findings, "text", language, sys.stderr)
    if built.snapshot is None:
        _say(
            Text(
                "le graphe n'est pas valide : aucun instantané n'a été écrit",
                "the graph is not valid: no snapshot was written",
            ),
            language,
        )
        return 1
    _counts(built.checked.counts, language)
    print(f"version {built.snapshot.version}")
    return 0


def _counts(counts: tuple[int, int, int, int], language: str) -> None:
    """Tells how much a dataset holds."""
    triples, quads, entities, passages = counts
    for text in (
        Text(
            f"{triples} triplets dans le graphe par défaut, {quads} quads au total",
            f"{triples} triples in the default graph, {quads} quads in all",
        ),
        Text(
            f"{entities} entités et concepts, {passages} passages",
            f"{entities} entities and concepts, {passages} passages",
        ),
    ):
        print(text.in_language(language))


def _validate(arguments: argparse.Namespace, language: str) -> int:
    language = arguments.lang or language
    if arguments.watch:
        return _watch(arguments, language)
    return _validated(arguments, language)


def _validated(arguments: argparse.Namespace, language: str) -> int:
    """One check, reported; its exit code."""
    from essgraph.build import check
    from essgraph.findings import fails

    project = _project(arguments)
    texts = _texts(arguments, project)
    checked = check(project, texts, arguments.files, _bar(language))
    findings = checked.findings
    if not (fails(findings) or arguments.files or arguments.since):
        from essgraph import golden

        findings = [*findings, *golden.check(project, checked.questions, checked.quads)]
    changes = None
    if arguments.since:
        from essgraph import changes as changed

        changes = changed.since(arguments.since, project, texts, checked)
        findings = changes.findings
    if arguments.files:
        asked = {project.name(file) for file in arguments.files}
        findings = [finding for finding in findings if finding.file in asked]
    _report(findings, arguments.format, language, sys.stdout, changes)
    if texts is None:
        _say(
            Text(
                "les textes privés ne sont pas à portée (--texts DOSSIER) : les positions et "
                "la règle E5 n'ont pas été vérifiées sur eux",
                "the private texts are not at hand (--texts DIR): positions and rule E5 were "
                "not checked against them",
            ),
            language,
        )
    return 1 if fails(findings) else 0


def _watch(arguments: argparse.Namespace, language: str) -> int:
    """Checks now and whenever a file of the project changes, until interrupted: 0."""
    from watchfiles import DefaultFilter, watch

    project = _project(arguments)
    folders = [folder for folder in project.folders if folder.is_dir()]
    try:
        _again(arguments, language)
        # The build folder is none of these: what the check writes never starts it again.
        for _ in watch(*folders, watch_filter=DefaultFilter(), raise_interrupt=True):
            _again(arguments, language)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 0


def _again(arguments: argparse.Namespace, language: str) -> None:
    """One check of a watch: what cannot be checked just now is said, and the watch goes on."""
    try:
        _validated(arguments, language)
    except EssgraphError as error:
        _say(error.text, language)
    sys.stdout.flush()


def _report(
    findings: list[Finding],
    form: str,
    language: str,
    to: TextIO,
    changes: Changes | None = None,
) -> None:
    from essgraph import report

    if form == "text":
        # https://no-color.org
        colour = to.isatty() and not os.environ.get("NO_COLOR")
        to.write(report.text(findings, language, colour=colour))
    elif form == "json" and changes:
        import json

        from essgraph import changes as changed

        whole = {**report.as_object(findings), "changes": changed.to_json(changes)}
        to.write(json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    else:
        to.write(report.FORMS[form](findings, language))
    if changes and form in ("text", "markdown"):
        from essgraph import changes as changed

        write = changed.text if form == "text" else changed.markdown
        to.write("\n" + write(changes, language))


def _new(arguments: argparse.Namespace, language: str) -> int:
    from essgraph import draft, sources
    from essgraph.project import read_bytes

    project = _project(arguments)
    path: Path = arguments.text
    try:
        # A byte-order mark is no part of the first word.
        text = read_bytes(path, str(path)).decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ProjectError(
            Text(
                f"{path} n'est pas de l'UTF-8 (octet {error.start})",
                f"{path} is not UTF-8 (byte {error.start})",
            )
        ) from error
    found, faults = sources.read(project)
    if faults:
        raise faults[0]
    slug = arguments.slug or _slug(path.stem)
    if not names.SLUG.fullmatch(slug):
        raise ProjectError(
            Text(
                f"« {slug} » : un nom court : minuscules ASCII, chiffres, tirets (--slug)",
                f'"{slug}": a slug is of lower-case ASCII letters, digits and hyphens (--slug)',
            )
        )
    title = next((line.strip() for line in text.splitlines() if line.strip()), "…")
    sys.stdout.write(draft.trig(slug, path.name, text, found, " ".join(title.split()[:7])))
    return 0


def _slug(name: str) -> str:
    import unicodedata

    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _lint(arguments: argparse.Namespace, language: str) -> int:
    """Without --fix 1 if a file's layout is not right; with it 0."""
    from essgraph import lint

    project = _project(arguments)
    files = arguments.files or [
        project.dataset,
        *project.documents,
        *project.register,
        *project.schemes,
    ]
    wrong = 0
    for path in files:
        try:
            text = project.read(path).decode("utf-8")
        except UnicodeDecodeError:
            continue  # `validate` says so, with the place
        fixed = lint.fixed(text)
        if fixed == text:
            continue
        if arguments.fix:
            _replace(path, fixed)
            print(project.name(path))
        else:
            wrong += 1
            line = next((n for n, (a, b) in enumerate(_pairs(text, fixed), 1) if a != b), 1)
            said = Text(
                "mise en forme : lancez essgraph lint --fix", "layout: run essgraph lint --fix"
            )
            print(f"{project.name(path)}:{line}: {said.in_language(language)}")
    return 1 if wrong else 0


def _pairs(one: str, other: str) -> Iterator[tuple[str | None, str | None]]:
    return zip_longest(one.splitlines(keepends=True), other.splitlines(keepends=True))


def _anchor(arguments: argparse.Namespace, language: str) -> int:
    from essgraph import anchors

    project = _project(arguments)
    wrong = 0
    for document, text in _with_texts(arguments, project):
        located = anchors.locate(text, document.pieces)
        for misfit in located.misfits:
            wrong += 1
            at = misfit.place
            place = f"{at.file}:{at.line}:{at.column}"
            print(f"{place}: {misfit.text.in_language(language)}", file=sys.stderr)
        if located.misfits:
            continue
        derived = anchors.render(document, text, located.spans)
        path = project.anchors(document.path)
        stored = path.read_text("utf-8") if path.exists() else ""
        if derived == stored:
            continue
        if arguments.check:
            wrong += 1
            print(
                Text(
                    f"{project.name(path)}: les positions ne correspondent pas au texte ; "
                    "lancez essgraph anchor",
                    f"{project.name(path)}: the positions do not match the text; "
                    "run essgraph anchor",
                ).in_language(language),
                file=sys.stderr,
            )
        else:
            _replace(path, derived)
            print(project.name(path))
    return 1 if wrong else 0


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ProjectError(
            Text(
                f"{path} n'a pas pu être écrit ({error.strerror})",
                f"{path} could not be written ({error.strerror})",
            )
        ) from error


def _coverage(arguments: argparse.Namespace, language: str) -> int:
    import json

    from essgraph import anchors

    project = _project(arguments)
    covered: list[Coverage] = []
    misfits = 0
    for document, text in _with_texts(arguments, project):
        located = anchors.locate(text, document.pieces)
        misfits += len(located.misfits)
        for misfit in located.misfits:
            at = misfit.place
            place = f"{at.file}:{at.line}:{at.column}"
            print(f"{place}: {misfit.text.in_language(language)}", file=sys.stderr)
        covered.append(anchors.cover(document, text, located.spans))
    if arguments.format == "json":
        print(json.dumps([_shares(c) for c in covered], indent=1))
    else:
        for c in covered:
            print(_line(c).in_language(language))
            for gap in c.gaps:
                print(
                    Text(
                        f"  non couvert à partir de la ligne {gap.line} "
                        f"(caractères {gap.start} à {gap.end})",
                        f"  unaccounted from line {gap.line} (characters {gap.start} to {gap.end})",
                    ).in_language(language)
                )
    return 1 if misfits or any(c.unaccounted for c in covered) else 0


def _shares(c: Coverage) -> dict[str, object]:
    return {
        "document": c.slug,
        "characters": c.total,
        "mapped": c.mapped,
        "setAside": c.set_aside,
        "unaccounted": c.unaccounted,
        "gaps": [{"line": g.line, "start": g.start, "end": g.end} for g in c.gaps],
    }


def _line(c: Coverage) -> Text:
    def share(part: int) -> str:
        return f"{100 * part / max(c.total, 1):.1f} %"

    # 100 % is said only where nothing at all is missing.
    accounted = "100 %" if not c.unaccounted else share(c.total - c.unaccounted)
    return Text(
        f"{c.slug} : {accounted} pris en compte ({share(c.mapped)} relevé, "
        f"{share(c.set_aside)} écarté avec un motif, {share(c.unaccounted)} non couvert)",
        f"{c.slug}: {accounted} accounted for ({share(c.mapped)} mapped, "
        f"{share(c.set_aside)} set aside with a reason, {share(c.unaccounted)} unaccounted)",
    )


# --- what commands share --------------------------------------------------------------------


def _project(arguments: argparse.Namespace) -> Project:
    return projects.find(arguments.project, Path.cwd())


def _out(arguments: argparse.Namespace, project: Project) -> Path:
    out: Path | None = getattr(arguments, "out", None)
    if out is not None:
        return out
    # The packaged project lies among installed files, where nothing is written.
    return (Path.cwd() if project.root == projects.PACKAGED else project.root) / "build"


def _texts(arguments: argparse.Namespace, project: Project) -> Path | None:
    """The folder of the private texts: as asked, or the conventional one if it is there."""
    asked: Path | None = arguments.texts
    if asked is None:
        return project.texts if project.texts.is_dir() else None
    if not asked.is_dir():
        raise ProjectError(
            Text(f"dossier de textes introuvable : {asked}", f"no such folder of texts: {asked}")
        )
    return asked


def _with_texts(arguments: argparse.Namespace, project: Project):  # type: ignore[no-untyped-def]
    """Each document with its text. Raises ProjectError where a text is missing."""
    from essgraph import sources

    folder = _texts(arguments, project)
    found, faults = sources.read(project)
    if faults:
        raise faults[0]
    for document in found.documents:
        text = document.text(folder)
        if text is None:
            raise ProjectError(
                Text(
                    f"le texte {document.text_name} de {document.slug} n'est pas à portée : "
                    "passez --texts DOSSIER",
                    f"the text {document.text_name} of {document.slug} is not at hand: "
                    "pass --texts DIR",
                )
            )
        yield document, text


def _bar(language: str) -> Callable[[Text, float], None]:
    """A progress bar on a terminal, nothing elsewhere."""
    width = 20
    shown = ""

    def show(text: Text, share: float) -> None:
        nonlocal shown
        done = round(width * share)
        bar = f"{'█' * done}{'░' * (width - done)} {share:4.0%} {text.in_language(language):<40}"
        if share >= 1:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        elif bar != shown:
            print(f"\r{bar}", end="", file=sys.stderr, flush=True)
        shown = bar

    return show if sys.stderr.isatty() else lambda text, share: None


def _query(arguments: argparse.Namespace, language: str) -> int:
    from essgraph import ask

    values = dict(_pair(argument) for argument in arguments.parameters)
    endpoint: str | None = arguments.endpoint
    project = _project(arguments)
    text = ask.read(arguments.query, values, project, sys.stdin)
    snapshot = None if endpoint else _snapshot(arguments, project, language)
    answer = ask.ask(text, arguments.format, snapshot=snapshot, endpoint=endpoint)
    sys.stdout.buffer.write(answer)
    return 0


def _pair(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise ProjectError(
            Text(
                f"« {argument} » : un paramètre s'écrit nom=valeur",
                f'"{argument}": a parameter reads name=value',
            )
        )
    return name.lstrip("?$"), value


def _snapshot(arguments: argparse.Namespace, project: Project, language: str) -> Snapshot:
    """The snapshot of the folder that was named, built first if it has none; else the project's,
    built first if there is none, it is damaged or the files have changed. Raises SnapshotError
    where the folder that was named has a damaged one."""
    from essgraph import snapshot

    out = _out(arguments, project)
    try:
        current = snapshot.open_snapshot(out)
        # A folder that was named is served as it is: it may be shared, and not ours to write.
        if arguments.out is not None or current.sources == project.digest():
            return current
    except SnapshotError:
        if arguments.out is not None and snapshot.holds(out):
            raise
    # Imported here: a service whose snapshot is fresh never loads the build side.
    from essgraph.build import build

    _say(Text("construction de l'instantané", "building the snapshot"), language)
    built = build(project, out, None, _bar(language))
    if built.snapshot is None:
        _report(built.checked.findings, "text", language, sys.stderr)
        raise SnapshotError(Text("le graphe n'est pas valide", "the graph is not valid"))
    return built.snapshot


def _serve(arguments: argparse.Namespace, language: str) -> int:
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from essgraph.engine import MIB, Limits
    from essgraph.zygote import load

    project = _project(arguments)
    endpoint: str | None = arguments.endpoint
    limits = Limits(timeout=arguments.timeout, result=arguments.result_limit * MIB)
    if not arguments.reuse_port:
        _require_free(arguments.host, arguments.port)
    with ExitStack() as stack:
        if endpoint is None:
            snapshot = _snapshot(arguments, project, language)
            loading = load(snapshot.quads, limits)
            # After a build, so that a service whose snapshot is fresh never loads the build side.
            from essgraph.service.live import Live

            live = Live(_out(arguments, project), limits, arguments.workers, loading)
            what = f"version {snapshot.version[:12]}"
        else:
            from essgraph.service.live import RemoteLive
            from essgraph.snapshot import write_frame

            folder = Path(stack.enter_context(TemporaryDirectory(prefix="essgraph-")))
            frame = write_frame(folder / "frame", {**project.frame(), **_plans(project)})
            live = RemoteLive(endpoint, frame, limits, authorization=_authorization())
            live.check()
            what = endpoint
        from essgraph.service.server import authority, serve

        where = authority(arguments.host, arguments.port)
        _say(
            Text(
                f"essgraph sert {what} sur http://{where}",
                f"essgraph serves {what} on http://{where}",
            ),
            language,
        )
        serve(
            live,
            host=arguments.host,
            port=arguments.port,
            limits=limits,
            reuse_port=arguments.reuse_port,
            watch=arguments.watch or endpoint is not None,
            log=not arguments.quiet,
            url=arguments.url.rstrip("/"),
            texts=_texts(arguments, project),
        )
    return 0


def _require_free(host: str, port: int) -> None:
    """Raises ProjectError where the address cannot be listened on: before anything is loaded."""
    import socket

    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise ProjectError(
            Text(
                f"impossible d'écouter sur {host}, port {port} : {error.strerror} ; choisissez un "
                "autre --port ou --host",
                f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port "
                "or --host",
            )
        ) from error


def _plans(project: Project) -> dict[str, bytes]:
    """The plans of the evidence of the project's questions, as a file of a snapshot. Made in a
    process of its own, so that the service does not keep the build side in memory."""
    from essgraph.copies import beside

    def plan() -> dict[str, bytes]:
        from essgraph import catalog, snapshot, why

        return {snapshot.PLANS: why.plans(catalog.load(project.queries))}

    with beside(plan) as wait:
        return wait()


def _push(arguments: argparse.Namespace, language: str) -> int:
    import asyncio

    from essgraph.endpoint import Endpoint
    from essgraph.errors import EngineError
    from essgraph.push import Pushed, push

    snapshot = _snapshot(arguments, _project(arguments), language)

    async def run() -> Pushed:
        async with Endpoint(arguments.url, authorization=_authorization()) as endpoint:
            return await push(
                snapshot,
                endpoint,
                batch=arguments.batch,
                verify=arguments.verify,
                progress=_gauge(),
            )

    try:
        pushed = asyncio.run(run())
    except (EngineError, SyntaxFault) as error:
        _say(error.text, language)
        return 1
    _say(
        Text(
            f"{pushed.dialect} : {pushed.added} quadruplets ajoutés, {pushed.removed} retirés"
            + (", d'un coup" if pushed.at_once else ""),
            f"{pushed.dialect}: {pushed.added} quads added, {pushed.removed} removed"
            + (", at once" if pushed.at_once else ""),
        ),
        language,
    )
    if pushed.digest:
        _say(Text("relu : contenu identique", "read back: content identical"), language)
    print(f"version {snapshot.version}")
    return 0


def _gauge() -> Callable[[int, int], None]:
    """A progress bar of a known length on a terminal, nothing elsewhere."""

    def show(done: int, whole: int) -> None:
        full = 30 * done // max(whole, 1)
        bar = "█" * full + "░" * (30 - full)
        end = "\r\033[K" if done >= whole else ""
        print(f"\r{bar} {done}/{whole}{end}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda done, whole: None


def _authorization() -> str | None:
    """The value of the header field Authorization for endpoints: never on the command line, where
    every user of the machine could read it."""
    return os.environ.get("ESSGRAPH_ENDPOINT_AUTHORIZATION")


def _mcp(arguments: argparse.Namespace, language: str) -> int:
    project = _project(arguments)
    snapshot = _snapshot(arguments, project, language)
    try:
        from essgraph.assistant import create_server
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise ProjectError(
            Text(
                "il manque le paquet mcp : pip install 'essgraph[mcp]'",
                "the package mcp is missing: pip install 'essgraph[mcp]'",
            )
        ) from error
    from essgraph.engine import Limits
    from essgraph.service.live import Live

    live = Live(_out(arguments, project), Limits(timeout=arguments.timeout), workers=1)
    create_server(live, snapshot.version[:16]).run("stdio")
    return 0


# --- the grammar of the command line --------------------------------------------------------


def _positive(text: str) -> float:
    return _number(float, text, 1e-9, 1e6, Text("un nombre supérieur à 0", "a number above 0"))


def _port(text: str) -> int:
    return _number(int, text, 0, 2**16 - 1, Text("un port, de 0 à 65535", "a port, 0 to 65535"))


def _count(text: str) -> int:
    return _number(int, text, 1, 1e9, Text("un entier supérieur à 0", "an integer above 0"))


_N = TypeVar("_N", int, float)


def _number(kind: Callable[[str], _N], text: str, least: float, most: float, meant: Text) -> _N:
    """The number that an option gives. Raises ArgumentTypeError, which argparse reports."""
    with suppress(ValueError):
        value = kind(text)
        if least <= value <= most:
            return value
    raise argparse.ArgumentTypeError(f"{text!r}: {meant.en} / {meant.fr}")


def _parser(language: str) -> argparse.ArgumentParser:
    def say(fr: str, en: str) -> str:
        return fr if language == "fr" else en

    parser = argparse.ArgumentParser(
        prog="essgraph",
        description=say(
            "Un graphe de connaissances où chaque fait nomme le passage qui l'énonce.",
            "A knowledge graph in which every fact names the passage that states it.",
        ),
    )
    commands = parser.add_subparsers(required=True, metavar=say("COMMANDE", "COMMAND"))

    def command(
        name: str, run: Callable[[argparse.Namespace, str], int], fr: str, en: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=say(fr, en), description=say(fr, en))
        added.set_defaults(run=run)
        added.add_argument(
            "--project",
            type=Path,
            metavar="DIR",
            help=say("dossier du projet (ici par défaut)", "the project's folder (default: here)"),
        )
        return added

    def texts(of: argparse.ArgumentParser) -> None:
        of.add_argument(
            "--texts",
            type=Path,
            metavar="DIR",
            help=say(
                "dossier des textes privés (data/texts par défaut)",
                "folder of the private texts (default: data/texts)",
            ),
        )

    def out(of: argparse.ArgumentParser) -> None:
        of.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            help=say("dossier des instantanés (build/)", "folder of the snapshots (build/)"),
        )

    build = command(
        "build",
        _build,
        "vérifie le projet et écrit l'instantané",
        "check the project and write the snapshot",
    )
    out(build)
    texts(build)

    validate = command(
        "validate",
        _validate,
        "vérifie le projet ou des fichiers",
        "check the project, or given files",
    )
    validate.add_argument("files", nargs="*", type=Path, metavar="FILE")
    texts(validate)
    validate.add_argument("--format", choices=REPORTS, default="text")
    validate.add_argument("--lang", choices=("fr", "en"))
    validate.add_argument(
        "--since",
        metavar="REV",
        help=say(
            "ne dire que ce qui est nouveau depuis une révision git, et ce qui a changé",
            "say only what is new since a git revision, and what changed",
        ),
    )
    validate.add_argument(
        "--watch",
        action="store_true",
        help=say("vérifier à chaque changement", "check again at every change"),
    )

    new = command(
        "new",
        _new,
        "propose le relevé d'un texte : ses pièces dans l'ordre et les entités connues",
        "draft the mapping of a text: its pieces in order and the entities known",
    )
    new.add_argument("text", type=Path, metavar="TEXT")
    new.add_argument(
        "--slug",
        metavar="NAME",
        help=say("nom court du document", "the document's slug"),
    )

    lint = command(
        "lint",
        _lint,
        "vérifie la mise en forme des fichiers RDF",
        "check the layout of the RDF files",
    )
    lint.add_argument("files", nargs="*", type=Path, metavar="FILE")
    lint.add_argument(
        "--fix",
        action="store_true",
        help=say("corriger les fichiers", "put the files right"),
    )

    query = command(
        "query",
        _query,
        "pose une question de la bibliothèque, d'un fichier ou de l'entrée standard (-)",
        "ask a question of the library, of a file or of standard input (-)",
    )
    query.add_argument("query", metavar="NAME|FILE|-")
    query.add_argument("parameters", nargs="*", metavar="param=value")
    query.add_argument("--format", choices=FORMATS, default="table")
    query.add_argument("--endpoint", metavar="URL")
    out(query)

    serve = command("serve", _serve, "sert le graphe en HTTP", "serve the graph over HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument(
        "--url",
        default="",
        metavar="URL",
        help=say(
            "adresse publique, pour ce qui la nomme (défaut : http://HOST:PORT)",
            "public address, for what must name it (default: http://HOST:PORT)",
        ),
    )
    serve.add_argument(
        "--timeout",
        type=_positive,
        default=10.0,
        metavar="S",
        help=say("limite de temps d'une requête", "time limit of a query, in seconds"),
    )
    serve.add_argument(
        "--workers",
        type=_count,
        default=os.cpu_count() or 2,
        metavar="N",
        help=say("processus de requête", "query processes"),
    )
    serve.add_argument(
        "--result-limit",
        type=_count,
        default=64,
        metavar="MIB",
        help=say("taille limite d'une réponse, en Mio", "size limit of an answer, in MiB"),
    )
    serve.add_argument(
        "--endpoint",
        metavar="URL",
        help=say(
            "sert ce que contient un autre moteur SPARQL (essgraph push l'y charge)",
            "serve what another SPARQL engine holds (essgraph push loads it)",
        ),
    )
    serve.add_argument(
        "--watch",
        action="store_true",
        help=say(
            "sert tout nouvel instantané dès qu'il est là (SIGHUP fait de même)",
            "take up a new snapshot as soon as it is there (SIGHUP does so too)",
        ),
    )
    serve.add_argument(
        "--reuse-port",
        action="store_true",
        help=say(
            "partage le port avec d'autres processus (SO_REUSEPORT)",
            "share the port with other processes (SO_REUSEPORT)",
        ),
    )
    serve.add_argument(
        "--quiet",
        action="store_true",
        help=say("pas de journal des accès", "no access log"),
    )
    out(serve)
    texts(serve)

    mcp = command(
        "mcp",
        _mcp,
        "sert le graphe à un assistant (Model Context Protocol, entrée et sortie standard)",
        "serve the graph to an assistant (Model Context Protocol, over standard input and output)",
    )
    mcp.add_argument("--timeout", type=_positive, default=10.0, metavar="S")
    out(mcp)

    push = command(
        "push",
        _push,
        "charge l'instantané dans un autre moteur SPARQL",
        "load the snapshot into another SPARQL engine",
    )
    push.add_argument("url", metavar="URL", help=say("adresse des requêtes", "address of queries"))
    push.add_argument(
        "--batch",
        type=_count,
        default=5_000,
        metavar="N",
        help=say("quadruplets par requête", "quads in a request"),
    )
    push.add_argument(
        "--verify",
        action="store_true",
        help=say("relit tout et compare les empreintes", "read all of it back, compare digests"),
    )
    out(push)

    anchor = command(
        "anchor",
        _anchor,
        "dérive (ou vérifie) les positions des passages dans les textes",
        "derive (or verify) the positions of passages in the texts",
    )
    texts(anchor)
    anchor.add_argument("--check", action="store_true")

    coverage = command(
        "coverage",
        _coverage,
        "part de chaque texte relevée, écartée, non couverte",
        "share of each text mapped, set aside, unaccounted",
    )
    texts(coverage)
    coverage.add_argument("--format", choices=("text", "json"), default="text")
    return parser
