"""``essgraph query``: asks the snapshot, or an endpoint elsewhere."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from essgraph.commands import environment, folders, snapshots
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text
from essgraph.project import Project

if TYPE_CHECKING:
    from essgraph.catalog import Question

FORMATS = ("table", "csv", "tsv", "json", "xml", "turtle", "nt", "jsonld")


def options(parser: ArgumentParser, say: Say) -> None:
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "query",
        nargs="?",
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
    asked.add_argument(
        "--list",
        action="store_true",
        help=say(
            "liste les questions de la bibliothèque, par sujet, avec leurs paramètres",
            "list the questions of the library by subject, with their parameters",
        ),
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
    from essgraph import ask, catalog, mention

    if arguments.list:
        questions = catalog.load(folders.project(arguments).queries)
        print("\n".join(_listed(questions.values(), language)))
        return 0
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


def _listed(questions: Iterable[Question], language: str) -> Iterator[str]:
    from essgraph.catalog import by_subject

    asked = {
        q: " ".join([q.name, *(f"{p.name}=" for p in q.parameters if p.name != "lang")])
        for q in questions
    }
    width = max(map(len, asked.values()), default=0)
    for number, (_, words, grouped) in enumerate(by_subject(asked)):
        yield f"{chr(10) * (number > 0)}{words.in_language(language)}"
        for question in grouped:
            yield f"  {asked[question]:{width}}  {question.title.in_language(language)}"


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
