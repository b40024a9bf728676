"""``essgraph new``: drafts the mapping of a text."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from essgraph import names
from essgraph.commands import console, folders
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text
from essgraph.project import read_bytes


def options(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "text",
        type=Path,
        metavar=say("TEXTE", "TEXT"),
        help=say("fichier du texte, en UTF-8", "the text's file, in UTF-8"),
    )
    parser.add_argument(
        "--slug",
        metavar=say("NOM", "NAME"),
        help=say("nom court du document", "the document's slug"),
    )


def run(arguments: Namespace, language: str) -> int:
    """0. Raises ProjectError where the text is not UTF-8 or the name is no slug, the first fault
    of the project's files."""
    from essgraph import draft, sources

    project = folders.project(arguments)
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
    slug = arguments.slug or names.slug(path.stem)
    if not names.SLUG.fullmatch(slug):
        raise ProjectError(
            Text(
                f"--slug : « {slug} » n'est pas un nom court (minuscules ASCII, chiffres, tirets)",
                f'--slug: "{slug}" is not a slug (lower-case ASCII letters, digits, hyphens)',
            )
        )
    sys.stdout.write(draft.trig(slug, path.name, text, found))
    file = project.name(project.root / "data/documents" / f"{slug}.trig")
    console.say(
        Text(
            f"enregistrez-le dans {file} ; essgraph validate dira ce qui reste à écrire",
            f"save it as {file}; essgraph validate will say what is left to write",
        ),
        language,
    )
    return 0
