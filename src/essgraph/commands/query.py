"""``essgraph query``: asks the snapshot, or an endpoint elsewhere."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from essgraph.commands import environment, folders, snapshots
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text
from essgraph.project import Project

FORMATS = ("table", "csv", "tsv", "json", "xml", "turtle", "nt", "jsonld")


def options(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "query",
        metavar=say("NOM|FICHIER|-", "NAME|FILE|-"),
        help=say(
            "question de la bibliothèque, fichier, ou entrée standard",
            "a question from the library, a file, or standard input",
        ),
    )
    parser.add_argument(
        "parameters",
        nargs="*",
        default=[],
        metavar=say("nom=valeur", "name=value"),
        help=say("paramètres de la question", "parameters of the question"),
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help=say("format de la sortie (table par défaut)", "format of the output (default: table)"),
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help=say("interroge ce point d'accès SPARQL", "query this SPARQL endpoint"),
    )
    folders.add_out(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0. Raises QueryError or SyntaxFault where the query cannot be answered."""
    from essgraph import ask, mention

    values = dict(_pair(argument) for argument in arguments.parameters)
    endpoint: str | None = arguments.endpoint
    project = _project(arguments)
    read = ask.read(arguments.query, bool(values), project, sys.stdin.buffer)
    snapshot = None if endpoint else snapshots.current(arguments, project, language)
    asked = partial(
        ask.ask,
        snapshot=snapshot,
        endpoint=endpoint,
        authorization=environment.authorization() if endpoint else None,
    )
    if isinstance(read, str):
        text = read
    else:
        given = mention.of_snapshot(read, values, snapshot) if snapshot else values
        text = read.ask(given)
        read.require(given, lambda existence: ask.holds(asked(existence, "json"), endpoint))
    sys.stdout.buffer.write(asked(text, arguments.format))
    return 0


def _project(arguments: Namespace) -> Project:
    """The project. Where there is none, nothing of it is wanted for a query in full of data that
    are named: then the folder at hand stands for it. Raises ProjectError."""
    from essgraph import snapshot

    try:
        return folders.project(arguments)
    except ProjectError:
        whole = arguments.query == "-" or os.path.isfile(arguments.query)  # noqa: PTH113
        out = arguments.out is not None and snapshot.holds(arguments.out)
        if arguments.project is not None or not whole or not (arguments.endpoint or out):
            raise
        return Project(environment.here())


def _pair(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise ProjectError(
            Text(
                f"« {argument} » : un paramètre s'écrit nom=valeur",
                f'"{argument}": a parameter is written name=value',
            )
        )
    return name.lstrip("?$"), value
