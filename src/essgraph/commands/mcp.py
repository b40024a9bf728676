"""``essgraph mcp``: serves the graph to an assistant."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, Namespace

from essgraph.commands import folders, snapshots
from essgraph.commands.options import Say, add_timeout
from essgraph.errors import ProjectError, Text


def options(parser: ArgumentParser, say: Say) -> None:
    add_timeout(parser, say)
    folders.add_out(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0 once standard input or output ends. Raises ProjectError where the SDK is missing."""
    project = folders.project(arguments)
    snapshot = snapshots.current(arguments, project, language)
    try:
        from essgraph.assistant import create_server
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise ProjectError(
            Text(
                "il manque le paquet mcp : pip install 'essgraph[mcp]'",
                "the package mcp is missing: pip install 'essgraph[mcp]'",
            )
        ) from error
    from essgraph.engine import Limits
    from essgraph.service.live import Live

    live = Live(folders.out(arguments, project), Limits(timeout=arguments.timeout), workers=1)
    server = create_server(live, language, snapshot.version[:16])
    # Ctrl-C ends this as SIGTERM does: the thread that waits for input would not hear of it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        server.run("stdio")
    except* BrokenPipeError:
        pass  # the assistant has left
    return 0
