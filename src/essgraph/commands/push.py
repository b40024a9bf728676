"""``essgraph push``: loads the snapshot into another SPARQL engine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from essgraph.commands import console, environment, folders, snapshots
from essgraph.commands.options import Say, count
from essgraph.errors import EngineError, SyntaxFault, Text


def options(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "url",
        metavar="URL",
        help=say("adresse SPARQL pour les requêtes", "SPARQL address for queries"),
    )
    parser.add_argument(
        "--batch",
        type=count,
        default=5_000,
        metavar="N",
        help=say("quadruplets par requête", "quads per request"),
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help=say(
            "relit tout et compare les empreintes", "read everything back and compare digests"
        ),
    )
    folders.add_out(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0; 1 where the engine refused or failed."""
    import asyncio

    from essgraph.endpoint import Endpoint
    from essgraph.push import Pushed, push

    snapshot = snapshots.current(arguments, folders.project(arguments), language)

    async def load() -> Pushed:
        authorization = environment.authorization()
        async with Endpoint(arguments.url, authorization=authorization) as endpoint:
            return await push(
                snapshot,
                endpoint,
                batch=arguments.batch,
                verify=arguments.verify,
                progress=console.gauge(),
            )

    try:
        pushed = asyncio.run(load())
    except (EngineError, SyntaxFault) as error:
        console.say(error.text, language)
        return 1
    console.say(
        Text(
            f"{pushed.dialect} : {pushed.added} quadruplets ajoutés, {pushed.removed} retirés"
            + (", en une seule mise à jour" if pushed.at_once else ""),
            f"{pushed.dialect}: {pushed.added} quads added, {pushed.removed} removed"
            + (", in one update" if pushed.at_once else ""),
        ),
        language,
    )
    if pushed.digest:
        console.say(Text("relu : contenu identique", "read back: content identical"), language)
    print(f"version {snapshot.version}")
    return 0
