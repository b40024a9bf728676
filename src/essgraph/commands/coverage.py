"""``essgraph coverage``: how much of each text is mapped, set aside, unaccounted."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from essgraph.commands import folders, texts
from essgraph.commands.options import Say
from essgraph.errors import Text

if TYPE_CHECKING:
    from essgraph.anchors import Coverage


def options(parser: ArgumentParser, say: Say) -> None:
    texts.options(parser, say)
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help=say("format de la sortie (text par défaut)", "format of the output (default: text)"),
    )


def run(arguments: Namespace, language: str) -> int:
    """0; 1 where a piece is not found or something of a text is unaccounted."""
    import json

    from essgraph import anchors

    project = folders.project(arguments)
    covered: list[Coverage] = []
    misfits = 0
    for document, text, located in texts.located(arguments, project, language):
        misfits += len(located.misfits)
        covered.append(anchors.cover(document, text, located.spans))
    if arguments.format == "json":
        print(json.dumps([_shares(c) for c in covered], indent=1))
    else:
        for c in covered:
            print(_line(c).in_language(language))
            for gap in c.gaps:
                print(
                    Text(
                        f"  non couvert à partir de la ligne {gap.line} "
                        f"(caractères {gap.start} à {gap.end})",
                        f"  unaccounted from line {gap.line} (characters {gap.start} to {gap.end})",
                    ).in_language(language)
                )
    return 1 if misfits or any(c.unaccounted for c in covered) else 0


def _shares(c: Coverage) -> dict[str, object]:
    return {
        "document": c.slug,
        "characters": c.total,
        "mapped": c.mapped,
        "setAside": c.set_aside,
        "unaccounted": c.unaccounted,
        "gaps": [{"line": g.line, "start": g.start, "end": g.end} for g in c.gaps],
    }


def _line(c: Coverage) -> Text:
    def share(part: int) -> str:
        return f"{100 * part / max(c.total, 1):.1f} %"

    # 100 % is said only where nothing at all is missing.
    accounted = "100 %" if not c.unaccounted else share(c.total - c.unaccounted)
    return Text(
        f"{c.slug} : {accounted} pris en compte ({share(c.mapped)} relevé, "
        f"{share(c.set_aside)} écarté avec un motif, {share(c.unaccounted)} non couvert)",
        f"{c.slug}: {accounted} accounted for ({share(c.mapped)} mapped, "
        f"{share(c.set_aside)} set aside with a reason, {share(c.unaccounted)} unaccounted)",
    )
