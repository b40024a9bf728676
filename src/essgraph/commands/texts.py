"""The private texts, and where the pieces of the documents lie in them."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from essgraph.commands import folders
from essgraph.errors import ProjectError, Text
from essgraph.project import Project

if TYPE_CHECKING:
    from essgraph.anchors import Located
    from essgraph.sources import Document


def located(
    arguments: Namespace, project: Project, language: str
) -> Iterator[tuple[Document, str, Located]]:
    """Each document with its text and where its pieces lie; what is not found is said.

    Raises ProjectError where a text is missing, the first fault of the project's files.
    """
    from essgraph import anchors

    for document, text in _texts(arguments, project):
        found = anchors.locate(text, document.pieces)
        for misfit in found.misfits:
            at = misfit.place
            place = f"{at.file}:{at.line}:{at.column}"
            print(f"{place}: {misfit.text.in_language(language)}", file=sys.stderr)
        yield document, text, found


def _texts(arguments: Namespace, project: Project) -> Iterator[tuple[Document, str]]:
    from essgraph import sources

    folder = folders.texts(arguments, project)
    found, faults = sources.read(project)
    if faults:
        raise faults[0]
    for document in found.documents:
        if document.text_name is None:
            file = f"data/documents/{document.slug}.trig"
            raise ProjectError(
                Text(
                    f"{file} : rien ne dit de quel texte il s'agit (dcterms:identifier de "
                    f"doc:{document.slug}) ; essgraph validate dit ce qui manque",
                    f"{file}: nothing says which text this is (dcterms:identifier of "
                    f"doc:{document.slug}); essgraph validate says what is missing",
                )
            )
        text = document.text(folder)
        if text is None:
            raise _not_at_hand(document, folder)
        yield document, text


def _not_at_hand(document: Document, folder: Path | None) -> ProjectError:
    from rapidfuzz import process

    name = document.text_name or ""
    why = Text("passez --texts DOSSIER", "pass --texts DIR")
    if folder is not None:
        there = sorted(path.name for path in folder.iterdir())
        near = process.extractOne(name, there, score_cutoff=75)
        why = Text(
            f"{folder} n'a pas de fichier de ce nom"
            + (f" ; vouliez-vous dire {near[0]} ?" if near else ""),
            f"{folder} has no file of that name" + (f"; did you mean {near[0]}?" if near else ""),
        )
    return ProjectError(
        Text(
            f"le texte {name} de {document.slug} n'est pas disponible : {why.fr}",
            f"the text {name} of {document.slug} is not at hand: {why.en}",
        )
    )
