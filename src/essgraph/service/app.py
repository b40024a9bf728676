"""The application: what answers at which path, over the version of the data in service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from essgraph.errors import EssgraphError, Text
from essgraph.service import details, sparql
from essgraph.service.access import Metrics
from essgraph.service.collections import Collections
from essgraph.service.endpoint import ALLOW
from essgraph.service.entities import SEGMENTS, Entities
from essgraph.service.finding import Finding
from essgraph.service.library import Library
from essgraph.service.live import Live, tell
from essgraph.service.openapi import OpenApi
from essgraph.service.pages.routes import PAGES, Pages
from essgraph.service.pages.texts import Texts
from essgraph.service.problems import HttpProblem, not_allowed, nothing_at
from essgraph.service.reconciliation import Reconciliation
from essgraph.service.reply import respond
from essgraph.service.resource import redirect
from essgraph.service.site import Site
from essgraph.service.vocabulary import Vocabulary


def create_app(
    live: Live,
    metrics: Metrics,
    *,
    watch: bool,
    texts: Path | None,
    url: str,
) -> ASGIApp:
    """The service. Query workers start and stop with the application.

    ``texts`` is the folder of the private texts, which pages quote as evidence; ``url`` is where
    the service is found, for those descriptions that must name whole addresses.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await live.start()
        except (EssgraphError, OSError) as error:
            tell(error)
            logging.getLogger("uvicorn.error").disabled = True  # it would print the stack
            raise
        watching = asyncio.create_task(live.watch()) if watch else None
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
            await live.stop()

    app = FastAPI(
        lifespan=lifespan,
        redirect_slashes=False,
        # FastAPI's own has one language, and its pages load from other hosts.
        openapi_url=None,
    )

    _tell_state(app, live, metrics)
    app.add_exception_handler(404, _unknown)
    app.add_exception_handler(405, _unknown)
    app.add_exception_handler(Exception, _failed)
    site, finding = Site(live, url), Finding(live)
    paths: dict[str, ASGIApp] = dict.fromkeys(site.paths, site)
    paths |= {
        "/id/": Collections(live, url),
        "/openapi.json": OpenApi(live),
        "/search": finding,
        "/sparql": sparql.SparqlEndpoint(live, url),
        "/suggest": finding,
    }
    folders: dict[str, ASGIApp] = dict.fromkeys(SEGMENTS, Entities(live, Texts(texts, url), url))
    folders |= dict.fromkeys(("ontology", "shapes", "context"), Vocabulary(live, url))
    folders |= {"queries": Library(live), "reconcile": Reconciliation(live, url)}
    return Pages(live, _Front(app, paths, folders), url)


def _tell_state(app: FastAPI, live: Live, metrics: Metrics) -> None:
    """What probes and Prometheus ask."""

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": live.now.snapshot.version})

    @app.get("/ready")
    async def ready() -> JSONResponse:
        served = live.now
        free = served.pool.alive
        return JSONResponse(
            {"ready": free, "version": served.snapshot.version}, 200 if free else 503
        )

    @app.get("/metrics")
    async def measured() -> Response:
        return Response(generate_latest(metrics.registry), 200, None, CONTENT_TYPE_LATEST)


class _Front:
    """Chooses by the path before FastAPI's router does, which would take four times as long as a
    query.

    ``paths`` are whole paths; ``folders`` are first segments, without a suffix. A slash too many is
    redirected. OPTIONS ends here where nothing else answers it: for pages, and for the server as a
    whole (RFC 9110, 9.3.7).
    """

    def __init__(
        self, app: FastAPI, paths: Mapping[str, ASGIApp], folders: Mapping[str, ASGIApp]
    ) -> None:
        self._app: Final = app
        self._paths: Final = paths
        self._folders: Final = folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        first = path[1:].partition("/")[0].partition(".")[0]
        app = self._paths.get(path) or self._folders.get(first, self._app)
        if app is self._app and scope["type"] == "http":
            bare = path.rstrip("/")
            known = bare != path and (bare in self._paths or bare in PAGES)
            if known and scope["method"] in ("GET", "HEAD"):
                await redirect(scope, send, 301, bare)
                return
            if scope["method"] == "OPTIONS":
                allow = sparql.ALLOW if path in ("*", "/view") else ALLOW
                await respond(scope, send, 204, [(b"allow", allow.encode())])
                return
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}  # the server, which knows better, sends no body
        await app(scope, receive, send)


async def _unknown(request: Request, error: Any) -> Response:
    if error.status_code == 405:
        problem: EssgraphError = not_allowed(request.method, ALLOW)
    else:
        problem = nothing_at(request.url.path)
    return details.respond(problem, request.scope)


async def _failed(request: Request, _: Exception) -> Response:
    # Starlette re-raises after this answer, so that the server's log has the trace.
    problem = HttpProblem(
        500,
        Text(
            "erreur interne du service ; réessayez, et signalez-la si elle se répète",
            "internal error of the service; try again, and report it if it recurs",
        ),
    )
    return details.respond(problem, request.scope)
