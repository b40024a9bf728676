"""The application: a plain factory over a snapshot; each route is one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from essgraph.errors import EssgraphError, Text, UnknownName
from essgraph.service import description, problems
from essgraph.service.entities import Entities
from essgraph.service.problems import HttpProblem
from essgraph.service.sparql import SparqlEndpoint
from essgraph.snapshot import Snapshot
from essgraph.workers import Limits, Pool


def create_app(snapshot: Snapshot, limits: Limits, workers: int) -> FastAPI:
    """The service over one snapshot: query workers start and stop with the application."""
    pool = Pool(snapshot.quads, limits=limits, workers=workers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(
        title="essgraph",
        version=snapshot.version[:12],
        summary="A knowledge graph in which every fact names its passage",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    entities = Entities(pool)
    endpoint = SparqlEndpoint(pool, snapshot.version, description.service_description())
    app.router.routes += [
        Route("/sparql", endpoint, methods=None),
        Route("/id/{slug:path}", entities.identify, methods=["GET"]),
        Route("/data/{name:path}", entities.data, methods=["GET"]),
    ]

    @app.get("/health", summary="Whether the service is alive, and the version it serves")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": snapshot.version})

    app.add_exception_handler(404, _unknown)
    app.add_exception_handler(405, _unknown)
    app.add_exception_handler(Exception, _failed)
    return app


async def _unknown(request: Request, error: Any) -> Response:
    if error.status_code == 405:
        problem: EssgraphError = HttpProblem(
            405, Text("méthode non permise", "method not allowed"), error.headers
        )
    else:
        problem = UnknownName(
            Text(
                f"rien à l'adresse {request.url.path[:80]}",
                f"nothing at {request.url.path[:80]}",
            )
        )
    return _problem(request, problem)


async def _failed(request: Request, _: Exception) -> Response:
    # Starlette re-raises after this answer, so that the server's log has the trace.
    return _problem(
        request,
        HttpProblem(500, Text("le service a échoué ici", "the service failed here")),
    )


def _problem(request: Request, error: EssgraphError) -> Response:
    return problems.respond(
        error,
        accept=request.headers.getlist("accept"),
        languages=request.headers.getlist("accept-language"),
        instance=request.url.path,
    )
