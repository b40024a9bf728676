"""The private texts, and where the pieces of the documents lie in them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from essgraph.commands import folders
from essgraph.commands.options import Say
from essgraph.errors import ProjectError, Text
from essgraph.project import Project

if TYPE_CHECKING:
    from essgraph.anchors import Located
    from essgraph.sources import Document


def options(parser: ArgumentParser, say: Say) -> None:
    """Which documents, and where their texts are."""
    of_documents = Text(
        "fichiers TriG de documents (tous par défaut)", "TriG files of documents (default: all)"
    )
    folders.add_files(parser, say, of_documents)
    folders.add_texts(parser, say)


def located(
    arguments: Namespace, project: Project, language: str
) -> Iterator[tuple[Document, str, Located]]:
    """Each document asked for, with its text and where its pieces lie; what is not found is said.

    Raises, before the first, ProjectError where a file is no document or a text is missing, and
    the first fault of the files that are read.
    """
    from essgraph import anchors

    for document, text in _texts(arguments, project):
        found = anchors.locate(text, document.pieces)
        for misfit in found.misfits:
            at = misfit.place
            place = f"{at.file}:{at.line}:{at.column}"
            print(f"{place}: {misfit.text.in_language(language)}", file=sys.stderr)
        yield document, text, found


def _texts(arguments: Namespace, project: Project) -> list[tuple[Document, str]]:
    folder = folders.texts(arguments, project)
    texts: list[tuple[Document, str]] = []
    for document in _documents(arguments.files, project):
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
            raise _not_at_hand(document, folder, bool(arguments.files))
        texts.append((document, text))
    return texts


def _documents(files: Sequence[Path], project: Project) -> Sequence[Document]:
    """The documents of these files, which need no other file; those of the project if none."""
    from essgraph import sources

    if files:
        own = {project.name(path): path.stem for path in project.documents}
        asked = {own[_own(project.name(file), own)] for file in files}
        found, faults = sources.read_some(sources.layout(project), sorted(asked), frame=False)
    else:
        found, faults = sources.read(project)
    if faults:
        raise faults[0]
    return found.documents


def _own(name: str, own: Collection[str]) -> str:
    from essgraph.findings import nearest

    if name in own:
        return name
    near = nearest(name, own)
    raise ProjectError(
        Text(
            f"{name} n'est pas un document de ce projet (data/documents/*.trig)"
            + (f" ; vouliez-vous dire {near} ?" if near else ""),
            f"{name} is no document of this project (data/documents/*.trig)"
            + (f"; did you mean {near}?" if near else ""),
        )
    )


def _not_at_hand(document: Document, folder: Path | None, named: bool) -> ProjectError:
    from essgraph.findings import nearest

    name = document.text_name or ""
    why = Text("passez --texts DOSSIER", "pass --texts DIR")
    if folder is not None:
        near = nearest(name, sorted(path.name for path in folder.iterdir()))
        why = Text(
            f"{folder} n'a pas de fichier de ce nom"
            + (f" ; vouliez-vous dire {near} ?" if near else ""),
            f"{folder} has no file of that name" + (f"; did you mean {near}?" if near else ""),
        )
    if folder is not None and not named:
        why = Text(
            f"{why.fr} ; sans tous les textes, donnez les fichiers des documents dont vous avez "
            "le texte (data/documents/…)",
            f"{why.en}; without all texts, name the files of the documents whose texts you have "
            "(data/documents/…)",
        )
    return ProjectError(
        Text(
            f"le texte {name} de {document.slug} n'est pas disponible : {why.fr}",
            f"the text {name} of {document.slug} is not at hand: {why.en}",
        )
    )
