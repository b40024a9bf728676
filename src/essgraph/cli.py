"""The command line: a thin front. What each command does stands in ``commands``, under its name.

Exit codes: 0 done or clean, 1 violations or a bad query, 2 cannot run or wrong usage. Messages go
to standard error, results to standard output.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NoReturn, TextIO

from essgraph.commands import environment, folders, usage
from essgraph.errors import EssgraphError, QueryError, SyntaxFault, Text

#: The commands and what each does. A command's module is imported only where it is asked for.
COMMANDS: Final = {
    "build": Text(
        "vérifie le projet et écrit l'instantané",
        "check the project and write the snapshot",
    ),
    "validate": Text(
        "vérifie le projet ou des fichiers",
        "check the project or the given files",
    ),
    "new": Text(
        "propose le relevé d'un texte : ses pièces dans l'ordre et les entités connues",
        "draft the mapping of a text: its pieces in order and the known entities",
    ),
    "lint": Text(
        "vérifie la mise en forme des fichiers RDF",
        "check the layout of the RDF files",
    ),
    "query": Text(
        "pose une question de la bibliothèque, d'un fichier ou de l'entrée standard (-)",
        "ask a question from the library, from a file or from standard input (-)",
    ),
    "serve": Text("sert le graphe en HTTP", "serve the graph over HTTP"),
    "mcp": Text(
        "sert le graphe à un assistant (Model Context Protocol, entrée et sortie standard)",
        "serve the graph to an assistant (Model Context Protocol, over standard input and output)",
    ),
    "push": Text(
        "charge l'instantané dans un autre moteur SPARQL",
        "load the snapshot into another SPARQL engine",
    ),
    "anchor": Text(
        "dérive (ou vérifie) les positions des passages dans les textes",
        "derive (or verify) the positions of passages in the texts",
    ),
    "coverage": Text(
        "part de chaque texte relevée, écartée, non couverte",
        "share of each text mapped, set aside, unaccounted",
    ),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits."""
    _streams()
    language = environment.language()
    usage.speak(language)
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser(given, language).parse_args(given)
    try:
        code = arguments.run(arguments, language)
        sys.stdout.flush()
    except EssgraphError as error:
        place = ""
        if isinstance(error, SyntaxFault | QueryError) and error.at:
            place = f"{error.at.line}:{error.at.column}: "
        if isinstance(error, SyntaxFault) and error.file:
            place = f"{error.file}:{place or ' '}"
        mend = error.mend if isinstance(error, SyntaxFault) else None
        said = error.text.in_language(language) + (
            f" — {mend.in_language(language)}" if mend else ""
        )
        print(f"essgraph: {place}{said}", file=sys.stderr)
        code = 1 if isinstance(error, QueryError | SyntaxFault) else 2
    except BrokenPipeError:
        # The reader has seen enough (`| head`); nothing more can be written.
        _to_nowhere(sys.stdout)
        code = 0
    except OSError as error:
        # The disk is full, say: what was written of a result is not whole.
        _to_nowhere(sys.stdout)
        refusal = Text(f"le système refuse : {error}", f"the system refuses: {error}")
        with suppress(OSError):
            print(f"essgraph: {refusal.in_language(language)}", file=sys.stderr)
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


def _version() -> str:
    from importlib.metadata import version  # it takes as long as all else

    return f"essgraph {version('essgraph')}"


def _to_nowhere(stream: TextIO) -> None:
    """What is still to be written to a stream is not."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser(given: Sequence[str], language: str) -> ArgumentParser:
    """The grammar of what was given: only commands that it names have their options."""

    def say(fr: str, en: str) -> str:
        return Text(fr, en).in_language(language)

    parser = ArgumentParser(
        prog="essgraph",
        description=say(
            "Un graphe de connaissances où chaque fait nomme le passage qui l'énonce.",
            "A knowledge graph in which every fact names the passage that states it.",
        ),
    )
    parser.add_argument(
        "--version",
        action="version",
        version=_version() if "--version" in given else "",
        help=say("affiche la version et s'arrête", "show the version and exit"),
    )
    commands = parser.add_subparsers(required=True, metavar=say("COMMANDE", "COMMAND"))
    for name, text in COMMANDS.items():
        does = text.in_language(language)
        command = commands.add_parser(name, help=does, description=does)
        if name in given:
            module = import_module(f"essgraph.commands.{name}")
            command.set_defaults(run=module.run)
            folders.add_project(command, say)
            module.options(command, say)
    return parser
