"""``essgraph query``: asks the snapshot, or an endpoint elsewhere."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from essgraph.commands import environment, folders, snapshots
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text

FORMATS = ("table", "csv", "tsv", "json", "xml", "turtle", "nt", "jsonld")


def options(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument("query", metavar="NAME|FILE|-")
    parser.add_argument("parameters", nargs="*", metavar="param=value")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--endpoint", metavar="URL")
    folders.add_out(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0. Raises QueryError or SyntaxFault where the query cannot be answered."""
    from essgraph import ask

    values = dict(_pair(argument) for argument in arguments.parameters)
    endpoint: str | None = arguments.endpoint
    project = folders.project(arguments)
    text = ask.read(arguments.query, values, project, sys.stdin.buffer)
    snapshot = None if endpoint else snapshots.current(arguments, project, language)
    answer = ask.ask(
        text,
        arguments.format,
        snapshot=snapshot,
        endpoint=endpoint,
        authorization=environment.authorization() if endpoint else None,
    )
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
