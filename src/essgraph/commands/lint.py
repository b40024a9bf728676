"""``essgraph lint``: the layout of the RDF files, checked or put right."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import zip_longest

from essgraph.commands import folders
from essgraph.commands.options import Say
from essgraph.errors import Text
from essgraph.project import replace


def options(parser: ArgumentParser, say: Say) -> None:
    folders.add_files(parser, say)
    parser.add_argument(
        "--fix",
        action="store_true",
        help=say("corrige les fichiers", "correct the files"),
    )


def run(arguments: Namespace, language: str) -> int:
    """Without ``--fix`` 1 if a file's layout is not right; with it 0."""
    from essgraph import lint

    project = folders.project(arguments)
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
            replace(path, fixed)
            print(project.name(path))
        else:
            wrong += 1
            said = Text(
                "mise en forme : lancez essgraph lint --fix", "layout: run essgraph lint --fix"
            )
            line = _first_difference(text, fixed)
            print(f"{project.name(path)}:{line}: {said.in_language(language)}")
    return 1 if wrong else 0


def _first_difference(one: str, other: str) -> int:
    """The line, from 1, where two texts part."""
    pairs = zip_longest(one.splitlines(keepends=True), other.splitlines(keepends=True))
    return next((n for n, (a, b) in enumerate(pairs, 1) if a != b), 1)
