"""``essgraph validate``: checks the project, or given files, once or at every change."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace

from essgraph.commands import console, folders, report
from essgraph.commands.options import Say
from essgraph.errors import EssgraphError


def options(parser: ArgumentParser, say: Say) -> None:
    folders.add_files(parser, say)
    folders.add_texts(parser, say)
    parser.add_argument(
        "--format",
        choices=report.FORMS,
        default="text",
        help=say("format du rapport (text par défaut)", "format of the report (default: text)"),
    )
    parser.add_argument(
        "--lang",
        choices=("fr", "en"),
        help=say(
            "langue du rapport (celle du système par défaut)",
            "language of the report (default: the system's)",
        ),
    )
    parser.add_argument(
        "--since",
        metavar="REV",
        help=say(
            "ne montre que ce qui est nouveau depuis une révision git, et ce qui a changé",
            "show only what is new since a git revision, and what has changed",
        ),
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help=say("vérifie à chaque changement", "check again at every change"),
    )


def run(arguments: Namespace, language: str) -> int:
    """0 clean or warnings only; 1 violations."""
    language = arguments.lang or language
    if arguments.watch:
        return _watch(arguments, language)
    return _validated(arguments, language)


def _validated(arguments: Namespace, language: str) -> int:
    """One check, reported; its exit code."""
    from essgraph.build import check
    from essgraph.findings import fails

    project = folders.project(arguments)
    texts = folders.texts(arguments, project)
    checked = check(project, texts, arguments.files, console.bar(language))
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
    report.write(findings, arguments.format, language, sys.stdout, changes)
    if texts is None:
        console.say(folders.NO_TEXTS, language)
    return 1 if fails(findings) else 0


def _watch(arguments: Namespace, language: str) -> int:
    """Checks now and whenever a file of the project changes, until interrupted: 0."""
    from watchfiles import DefaultFilter, watch

    project = folders.project(arguments)
    watched = [f for f in (*project.folders, project.golden) if f.is_dir()]
    try:
        _again(arguments, language)
        # The build folder is none of these: what the check writes never starts it again.
        for _ in watch(*watched, watch_filter=DefaultFilter(), raise_interrupt=True):
            print(f"— {time.strftime('%H:%M:%S')}", file=sys.stderr)
            _again(arguments, language)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 0


def _again(arguments: Namespace, language: str) -> None:
    """One check of a watch: what cannot be checked just now is said, and the watch goes on."""
    try:
        _validated(arguments, language)
    except EssgraphError as error:
        console.say(error.text, language)
    sys.stdout.flush()
