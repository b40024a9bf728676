"""``essgraph serve``: the HTTP service."""

from __future__ import annotations

import gc
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from essgraph.commands import console, environment, folders, snapshots
from essgraph.commands.options import Say, add_timeout, count, port
from essgraph.errors import ProjectError, Text
from essgraph.project import Project


def options(parser: ArgumentParser, say: Say) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help=say(
            "adresse d'écoute (127.0.0.1 par défaut)", "address to listen on (default: 127.0.0.1)"
        ),
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        help=say("port d'écoute (8000 par défaut)", "port to listen on (default: 8000)"),
    )
    parser.add_argument(
        "--url",
        default="",
        metavar="URL",
        help=say(
            "adresse publique du service (par défaut : http://HOST:PORT)",
            "public address of the service (default: http://HOST:PORT)",
        ),
    )
    add_timeout(parser, say)
    parser.add_argument(
        "--workers",
        type=count,
        default=os.cpu_count() or 2,
        metavar="N",
        help=say("processus de requête", "query processes"),
    )
    parser.add_argument(
        "--result-limit",
        type=count,
        default=64,
        metavar="MIB",
        help=say("taille limite d'une réponse, en Mio", "size limit of an answer, in MiB"),
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help=say(
            "sert ce que contient un autre moteur SPARQL (chargé par essgraph push)",
            "serve what another SPARQL engine holds (loaded by essgraph push)",
        ),
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help=say(
            "sert tout nouvel instantané dès qu'il est prêt (SIGHUP fait de même)",
            "serve each new snapshot as soon as it is ready (SIGHUP does the same)",
        ),
    )
    parser.add_argument(
        "--reuse-port",
        action="store_true",
        help=say(
            "partage le port avec d'autres processus (SO_REUSEPORT)",
            "share the port with other processes (SO_REUSEPORT)",
        ),
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help=say("pas de journal des accès", "no access log"),
    )
    folders.add_out(parser, say)
    folders.add_texts(parser, say)


def run(arguments: Namespace, language: str) -> int:
    """0 once it is told to end. Raises ProjectError where the address is taken
    or the folder of texts is missing: before anything is loaded."""
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from essgraph.engine import MIB, Limits
    from essgraph.zygote import load

    project = folders.project(arguments)
    endpoint: str | None = arguments.endpoint
    texts = folders.texts(arguments, project)
    limits = Limits(timeout=arguments.timeout, result=arguments.result_limit * MIB)
    if not arguments.reuse_port:
        _require_free(arguments.host, arguments.port)
    with ExitStack() as stack:
        if endpoint is None:
            snapshot = snapshots.current(arguments, project, language)
            loading = load(snapshot.quads, limits)
            gc.disable()  # until it serves: what is imported stays, and is not worth looking at
            # After a build, so that a service whose snapshot is fresh never loads the build side.
            from essgraph.service.live import Live

            live = Live(folders.out(arguments, project), limits, arguments.workers, loading)
            what = f"version {snapshot.version[:12]}"
        else:
            from essgraph.service.live import RemoteLive
            from essgraph.snapshot import write_frame

            folder = Path(stack.enter_context(TemporaryDirectory(prefix="essgraph-")))
            frame = write_frame(folder / "frame", {**project.frame(), **_plans(project)})
            live = RemoteLive(endpoint, frame, limits, authorization=environment.authorization())
            live.check()
            what = endpoint.partition("?")[0]  # what follows may hold a key
        from essgraph.service.server import authority, serve

        where = authority(arguments.host, arguments.port)
        console.say(
            Text(
                f"essgraph sert {what} sur http://{where}",
                f"essgraph serves {what} on http://{where}",
            ),
            language,
        )
        if texts is not None:
            console.say(
                Text(
                    f"ses pages citent les textes privés de {texts} à quiconque peut le joindre",
                    f"its pages quote the private texts of {texts} to whoever can reach it",
                ),
                language,
            )
        serve(
            live,
            host=arguments.host,
            port=arguments.port,
            limits=limits,
            reuse_port=arguments.reuse_port,
            watch=arguments.watch or endpoint is not None,
            log=not arguments.quiet,
            proxies=environment.proxies(),
            url=arguments.url.rstrip("/"),
            texts=texts,
        )
    return 0


def _require_free(host: str, port: int) -> None:
    """Raises ProjectError where the address cannot be listened on: before anything is loaded."""
    import socket

    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise ProjectError(
            Text(
                f"impossible d'écouter sur {host}, port {port} : {error.strerror} ; choisissez un "
                "autre --port ou --host",
                f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port "
                "or --host",
            )
        ) from error


def _plans(project: Project) -> dict[str, bytes]:
    """The plans of the evidence of the project's questions, as a file of a snapshot. Made in a
    process of its own, so that the service does not keep the build side in memory."""
    from essgraph.copies import beside

    def plan() -> dict[str, bytes]:
        from essgraph import catalog, snapshot, why

        return {snapshot.PLANS: why.plans(catalog.load(project.queries))}

    with beside(plan) as wait:
        return wait()
