"""``essgraph anchor``: the positions and digests of the pieces, derived from the private texts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from essgraph.commands import console, folders, texts
from essgraph.commands.options import Say
from essgraph.errors import Text
from essgraph.project import replace


def options(parser: ArgumentParser, say: Say) -> None:
    texts.options(parser, say)
    parser.add_argument(
        "--check",
        action="store_true",
        help=say("vérifie les positions sans rien écrire", "verify positions, write nothing"),
    )


def run(arguments: Namespace, language: str) -> int:
    """0; 1 where a piece is not found or, with ``--check``, a position is not what it was."""
    from essgraph import anchors

    project = folders.project(arguments)
    wrong = 0
    for document, text, located in texts.located(arguments, project, language):
        wrong += len(located.misfits)
        if located.misfits:
            continue
        derived = anchors.render(document, text, located.spans)
        path = project.anchors(document.path)
        stored = path.read_text("utf-8") if path.exists() else ""
        if derived == stored:
            continue
        if arguments.check:
            wrong += 1
            console.say(
                Text(
                    f"{project.name(path)} : les positions ne correspondent pas au texte ; "
                    "lancez essgraph anchor",
                    f"{project.name(path)}: the positions do not match the text; "
                    "run essgraph anchor",
                ),
                language,
            )
        else:
            replace(path, derived)
            print(project.name(path))
    return 1 if wrong else 0
