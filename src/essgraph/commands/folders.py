"""The folders and files that commands work on, as options name them or by convention."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from essgraph import project as projects
from essgraph.commands import environment
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text
from essgraph.project import Project

#: Which files a check is given.
TO_CHECK: Final = Text("fichiers à vérifier (tous par défaut)", "files to check (default: all)")
#: What a check says that had no private texts.
NO_TEXTS: Final = Text(
    "les textes privés ne sont pas disponibles ici : les positions et la règle E5 n'ont pas été "
    "vérifiées ; si vous avez ces textes, mettez-les dans data/texts/ ou donnez leur dossier : "
    "--texts DOSSIER (make : TEXTS=DOSSIER)",
    "the private texts are not at hand: positions and rule E5 were not checked; if you have these "
    "texts, put them into data/texts/ or name their folder: --texts DIR (make: TEXTS=DIR)",
)


def add_project(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "--project",
        type=Path,
        metavar=say("DOSSIER", "DIR"),
        help=say("dossier du projet (ici par défaut)", "the project's folder (default: here)"),
    )


def project(arguments: Namespace) -> Project:
    """The project. Raises ProjectError where there is none."""
    return projects.find(arguments.project, environment.here())


def add_files(parser: ArgumentParser, say: Say, which: Text = TO_CHECK) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar=say("FICHIER", "FILE"),
        help=say(*which),
    )


def add_out(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar=say("DOSSIER", "DIR"),
        help=say(
            "dossier des instantanés (build/ par défaut)",
            "folder of the snapshots (default: build/)",
        ),
    )


def out(arguments: Namespace, project: Project) -> Path:
    """The folder of the snapshots, which may be missing."""
    asked: Path | None = arguments.out
    if asked is not None:
        return asked
    # The packaged project lies among installed files, where nothing is written.
    packaged = project.root == projects.PACKAGED
    return (environment.here() if packaged else project.root) / "build"


def add_texts(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "--texts",
        type=Path,
        metavar=say("DOSSIER", "DIR"),
        help=say(
            "dossier des textes privés (data/texts par défaut)",
            "folder of the private texts (default: data/texts)",
        ),
    )


def texts(arguments: Namespace, project: Project) -> Path | None:
    """The folder of the private texts: as asked, or the conventional one if it is there.

    Raises ProjectError where the one that was asked for is missing.
    """
    asked: Path | None = arguments.texts
    if asked is None:
        return project.texts if project.texts.is_dir() else None
    if not asked.is_dir():
        raise ProjectError(
            Text(f"dossier de textes introuvable : {asked}", f"no such folder of texts: {asked}")
        )
    return asked
