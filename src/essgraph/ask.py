"""A question from the command line: on the snapshot in this process, or to an endpoint."""

from __future__ import annotations

import csv
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from functools import lru_cache
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from essgraph import catalog, formats
from essgraph.catalog import Question
from essgraph.errors import EngineError, ProjectError, QueryError, SyntaxFault, Text
from essgraph.formats import Format
from essgraph.names import shorten
from essgraph.project import Project, decode
from essgraph.query import Query, inspect
from essgraph.rewriting import projected
from essgraph.snapshot import Snapshot

if TYPE_CHECKING:
    import pyoxigraph as ox

#: Seconds that a service may take.
PATIENCE: Final = 60
#: Media types of no answer.
_PAGES: Final = ("text/html", "application/xhtml+xml")
#: A variable in the head of SPARQL results in XML.
_VARIABLE: Final = re.compile(r"""<(?:\w+:)?variable\s[^>]*?\bname\s*=\s*["']([^"']*)""")
#: What stands in queries, and in no name.
_QUERY: Final = re.compile(r"[{}<>?]")
#: What reading SPARQL results from a text raises where they are none.
NO_RESULTS: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def read(name: str, values: bool, project: Project, stdin: IO[bytes]) -> Question | str:
    """What a name of the library, a file or ``-`` stands for: a query, and where it is of the
    library or has ``values``, as a question.

    Raises UnknownName, QueryError for the text of a query, ProjectError for a file that cannot be
    read, SyntaxFault for what is not UTF-8.
    """
    path = Path(name)
    if name == "-":
        text, file = decode(stdin.read(), "-"), "-"
    elif path.suffix == ".rq" or os.path.isfile(name):  # noqa: PTH113 - of any length
        text, file = decode(project.read(path), name), name
    elif _QUERY.search(name):
        raise QueryError(
            Text(
                "une requête se donne dans un fichier, ou par l'entrée standard : "
                "essgraph query - < requête.rq",
                "a query is given in a file, or from standard input: essgraph query - < query.rq",
            )
        )
    else:
        return catalog.find(catalog.load(project.queries), name, "essgraph query --list")
    return catalog.read(path.stem, text, file) if values else text


def ask(
    text: str,
    form: str,
    *,
    snapshot: Snapshot | None = None,
    endpoint: str | None = None,
    authorization: str | None = None,
) -> bytes:
    """The answer to a query in the form asked for (``table`` or the name of a format).

    ``authorization`` is the value of the header field of that name for the endpoint. Raises what
    ``errors`` says of queries and engines.
    """
    query = inspect(text)
    offers = formats.RESULTS if query.form in ("SELECT", "ASK") else formats.GRAPHS
    table = form == "table"
    chosen = offers[0] if table else formats.by_name(form, offers)
    if chosen is None:
        listed = ", ".join(offer.name for offer in offers)
        raise QueryError(
            Text(
                f"{query.form} n'existe pas en {form} ; formats possibles : {listed}",
                f"{query.form} is not available as {form}; available formats: {listed}",
            )
        )
    if endpoint is not None:
        body = _remote(endpoint, query, chosen, authorization)
    else:
        assert snapshot is not None
        body = _local(snapshot, query, chosen)
    if not (table and chosen is formats.JSON):
        return body
    try:
        return _table(body).encode()
    except NO_RESULTS as error:
        raise no_results(str(endpoint)) from error


def holds(body: bytes, endpoint: str | None) -> bool:
    """What an ASK answered, in JSON. Raises EngineError if that is no answer."""
    try:
        return json.loads(body)["boolean"] is True
    except NO_RESULTS as error:
        raise no_results(str(endpoint)) from error


def _local(snapshot: Snapshot, query: Query, format: Format) -> bytes:
    from essgraph.evaluation import answer

    return answer(_store(snapshot.quads), query, format)


@lru_cache(maxsize=1)
def _store(quads: Path) -> ox.Store:
    """Loaded once: a question is asked after whether there is what it names."""
    from essgraph.evaluation import load

    return load(quads)


def _remote(endpoint: str, query: Query, format: Format, authorization: str | None) -> bytes:
    """SPARQL 1.1 Protocol, 2.1.2: query by POST with URL-encoded parameters."""
    if not endpoint.startswith(("http://", "https://")):
        raise ProjectError(_no_address(endpoint))
    form = urlencode({"query": query.text}).encode()
    body = send(endpoint, format.media_type, form, authorization=authorization)
    if query.form == "SELECT":
        try:
            other = other_variables(query, _variables(body, format))
        except NO_RESULTS as error:
            raise no_results(endpoint[:200]) from error
        if other:
            raise EngineError(Text(f"{endpoint[:200]} {other.fr}", f"{endpoint[:200]} {other.en}"))
    return body


def _variables(body: bytes, format: Format) -> list[str]:
    """The variables that SPARQL results name at their head. Raises one of NO_RESULTS."""
    if format is formats.JSON:
        return list(json.loads(body)["head"]["vars"])
    text = body.decode("utf-8-sig")
    if format.name == "xml":
        return _VARIABLE.findall(text)
    line = text.partition("\n")[0].rstrip("\r")
    if format.name == "csv":
        return next(csv.reader([line]))
    return [name[1:] for name in line.split("\t")] if line else []


def other_variables(query: Query, given: Iterable[str]) -> Text | None:
    """What to say of an answer with other variables than those that a SELECT asks for; None where
    they are those, or for the engine to choose."""
    asked, found = projected(query.text), frozenset(given)
    if asked is None or asked == found:
        return None
    listed, wanted = (" ".join(f"?{name}" for name in sorted(names)) for names in (found, asked))
    return Text(
        f"répond par les variables {listed[:200] or '–'} au lieu de {wanted[:200]}",
        f"answers with the variables {listed[:200] or '–'} instead of {wanted[:200]}",
    )


def no_results(url: str) -> EngineError:
    """What answers at that address is no SPARQL service."""
    return EngineError(
        Text(
            f"{url} ne répond pas par des résultats SPARQL",
            f"{url} does not answer with SPARQL results",
        )
    )


def _no_address(url: str) -> Text:
    return Text(
        f"une adresse http(s) est attendue, pas {url}", f"an http(s) address is expected, not {url}"
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no POST: it would become a GET without its body, or take credentials elsewhere."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.data is not None:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def send(
    url: str, media_type: str, body: bytes | None = None, *, authorization: str | None = None
) -> bytes:
    """The answer of a service, in a media type; with a body it is asked by POST.

    Raises QueryError for a refusal that it explains (RFC 9457), SyntaxFault for a query that it
    does not read, EngineError for any other failure.
    """
    # Labels without a language of their own are in French, as they are from a folder.
    headers = {"Accept": media_type, "Accept-Language": "fr", "User-Agent": "essgraph"}
    if authorization:
        headers["Authorization"] = authorization.encode().decode("latin-1")
    try:
        if urlsplit(url).username is not None:
            raise ProjectError(
                Text(
                    "pas de mot de passe dans l'adresse : pour essgraph query, "
                    "donnez-le par ESSGRAPH_ENDPOINT_AUTHORIZATION",
                    "no password in the address: for essgraph query, "
                    "give it in ESSGRAPH_ENDPOINT_AUTHORIZATION",
                )
            )
        request = urllib.request.Request(url, data=body, headers=headers)
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(request, timeout=PATIENCE) as answer:
            if answer.headers.get_content_type() in _PAGES and "Content-Type" in answer.headers:
                raise no_results(url[:200])
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        said, explained = _detail(error.read(2**16))
        elsewhere = error.headers.get("Location")
        if 300 <= error.code < 400 and elsewhere:
            raise EngineError(moved(url, error.code, elsewhere)) from error
        hint = ""
        if error.code in (401, 403) and not explained:
            hint = " (ESSGRAPH_ENDPOINT_AUTHORIZATION)"
        message = Text(
            f"{url[:200]} répond {error.code} : {said.fr}{hint}",
            f"{url[:200]} answers {error.code}: {said.en}{hint}",
        )
        if explained and error.code < 500:
            raise QueryError(message) from error
        raise (SyntaxFault if error.code == 400 else EngineError)(message) from error
    except ValueError as error:
        raise ProjectError(_no_address(url)) from error
    except (OSError, HTTPException) as error:
        raise EngineError(
            Text(f"{url[:200]} ne répond pas : {error}", f"{url[:200]} does not answer: {error}")
        ) from error


def moved(url: str, status: int, elsewhere: str) -> Text:
    """Says that what was asked is at another address."""
    return Text(
        f"{url[:200]} répond {status} : déplacé vers {elsewhere[:200]}",
        f"{url[:200]} answers {status}: moved to {elsewhere[:200]}",
    )


def _detail(body: bytes) -> tuple[Text, bool]:
    """What a service says of a failure, and whether as problem details; ours says it in both
    languages."""
    try:
        problem = json.loads(body)
        said = str(problem["detail"])
        both = problem.get("message")
        both = both if isinstance(both, dict) else {}
        return Text(str(both.get("fr", said)), str(both.get("en", said))), True
    except NO_RESULTS:
        said = body.decode("utf-8", "replace").strip()[:2000]
        return Text(said, said), False


def _table(body: bytes) -> str:
    """SPARQL results as a table for a terminal, entities by their prefixed names."""
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
