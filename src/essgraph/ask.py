"""A question from the command line: on the snapshot in this process, or to an endpoint."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlencode

from essgraph import catalog, formats
from essgraph.engine import Dataset, dataset_of
from essgraph.errors import EngineError, ProjectError, QueryError, SyntaxFault, Text
from essgraph.formats import Format
from essgraph.project import Project
from essgraph.query import Query, inspect
from essgraph.snapshot import Snapshot

#: Seconds that an endpoint may take.
_PATIENCE: Final = 60


def read(name: str, values: Mapping[str, str], project: Project, stdin: IO[str]) -> str:
    """The query text that a name of the library, a file or ``-`` stands for.

    Raises UnknownName, QueryError for parameters, ProjectError for a file that cannot be read.
    """
    path = Path(name)
    if name == "-":
        text, file = stdin.read(), "-"
    elif path.suffix == ".rq" or path.is_file():
        text, file = project.read(path).decode("utf-8", "replace"), name
    else:
        return catalog.find(catalog.load(project.queries), name).ask(values)
    if values:
        return catalog.read(path.stem, text, file).ask(values)
    return text


def ask(
    text: str, form: str, *, snapshot: Snapshot | None = None, endpoint: str | None = None
) -> bytes:
    """The answer to a query in the form asked for (``table`` or the name of a format).

    Raises what ``errors`` says of queries and engines.
    """
    query = inspect(text)
    offers = formats.RESULTS if query.form in ("SELECT", "ASK") else formats.GRAPHS
    table = form == "table"
    chosen = offers[0] if table else formats.by_name(form, offers)
    if chosen is None:
        listed = ", ".join(offer.name for offer in offers)
        raise QueryError(
            Text(
                f"{query.form} ne se donne pas en {form} ; possibles : {listed}",
                f"{query.form} is not to be had as {form}; possible: {listed}",
            )
        )
    if endpoint is not None:
        body = _remote(endpoint, query, chosen)
    else:
        assert snapshot is not None
        body = _local(snapshot, query, chosen)
    return _table(body).encode() if table and chosen is formats.JSON else body


def _local(snapshot: Snapshot, query: Query, format: Format) -> bytes:
    from essgraph.evaluation import evaluate, load

    out = io.BytesIO()
    evaluate(load(snapshot.quads), query.text, dataset_of(query, Dataset()), format, out)
    return out.getvalue()


def _remote(endpoint: str, query: Query, format: Format) -> bytes:
    """SPARQL 1.1 Protocol, 2.1.2: query by POST with URL-encoded parameters."""
    if not endpoint.startswith(("http://", "https://")):
        raise ProjectError(
            Text(
                f"une adresse http(s) est attendue, pas {endpoint}",
                f"an http(s) address is expected, not {endpoint}",
            )
        )
    request = urllib.request.Request(
        endpoint,
        data=urlencode({"query": query.text}).encode(),
        headers={"Accept": format.media_type, "User-Agent": "essgraph"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode("utf-8", "replace").strip()
        message = Text(
            f"{endpoint} répond {error.code} : {said}", f"{endpoint} answers {error.code}: {said}"
        )
        raise (SyntaxFault if error.code == 400 else EngineError)(message) from error
    except OSError as error:
        raise EngineError(
            Text(
                f"{endpoint} ne répond pas : {error}",
                f"{endpoint} does not answer: {error}",
            )
        ) from error


def _table(body: bytes) -> str:
    """SPARQL results as a table for a terminal, entities by their prefixed names."""
    import json

    from essgraph.names import shorten

    results = json.loads(body)
    if "boolean" in results:
        return f"{str(results['boolean']).lower()}\n"

    def cell(term: Mapping[str, str] | None) -> str:
        if term is None:
            return ""
        value = shorten(term["value"]) if term["type"] == "uri" else term["value"]
        return " ".join(value.split())

    names: list[str] = results["head"]["vars"]
    rows = [[cell(row.get(name)) for name in names] for row in results["results"]["bindings"]]
    widths = [
        min(60, max(len(line[column]) for line in [names, *rows])) for column in range(len(names))
    ]

    def line(cells: list[str]) -> str:
        padded = (text.ljust(width) for text, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([line(names), rule, *map(line, rows)]) + "\n"
