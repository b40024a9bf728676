"""``essgraph build``: checks the project and writes its snapshot."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from essgraph.commands import console, folders, report
from essgraph.commands.options import Say
from essgraph.errors import Text


def options(parser: ArgumentParser, say: Say) -> None:
    folders.add_out(parser, say)
    folders.add_texts(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0; 1 where the graph is not valid: the snapshot that was there stays."""
    from essgraph.build import build

    project = folders.project(arguments)
    out, texts = folders.out(arguments, project), folders.texts(arguments, project)
    built = build(project, out, texts, console.bar(language))
    report.write(built.checked.findings, "text", language, sys.stderr)
    if texts is None:
        console.say(folders.NO_TEXTS, language)
    if built.snapshot is None:
        console.say(
            Text(
                "le graphe n'est pas valide : aucun instantané n'a été écrit",
                "the graph is not valid: no snapshot was written",
            ),
            language,
        )
        return 1
    triples, quads, entities, passages = built.checked.counts
    for text in (
        Text(
            f"{triples} triplets dans le graphe par défaut, {quads} quadruplets au total",
            f"{triples} triples in the default graph, {quads} quads in all",
        ),
        Text(
            f"{entities} entités et concepts, {passages} passages",
            f"{entities} entities and concepts, {passages} passages",
        ),
    ):
        print(text.in_language(language))
    print(f"version {built.snapshot.version}")
    return 0
