"""``/reconcile``: the Reconciliation Service API 0.2 (W3C community group), for OpenRefine.

::

    /reconcile                          the manifest (4); queries= (5); extend= (7)
    /reconcile/suggest/{entity|type|property}?prefix=   (6)
    /reconcile/preview?id=              a small page (8.1)
    /reconcile/properties?type=         what may be fetched for a type (7.2)

An entity goes by what follows ``id/`` in its IRI (``bamako``, ``theme/finance``), a type by the
name of its class (``City``), a property by its prefixed name (``ess:locatedIn``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from essgraph import names
from essgraph.catalog import is_text, quoted
from essgraph.errors import QueryError, Text, UnknownName
from essgraph.formats import HTML
from essgraph.query import inspect
from essgraph.search import MAX_TEXT, Hit, Index, Kind, fold, likeness
from essgraph.service import api
from essgraph.service.encodings import fields
from essgraph.service.endpoint import Endpoint
from essgraph.service.finding import consult
from essgraph.service.live import Live, Served
from essgraph.service.problems import HttpProblem, nothing_at
from essgraph.service.sparql import read_body

#: Queries, entities and properties that one request may hold; OpenRefine sends ten at a time.
#: A query may have as many values of properties.
MAX_BATCH: Final = 500
MAX_PROPERTIES: Final = 50
MAX_LIMIT: Final = 50
#: A candidate is a match from this score on, if it leads the next by so much.
MATCH: Final = 85.0
LEAD: Final = 4.0
#: What the name counts for where properties are compared too.
NAME_SHARE: Final = 0.7

_VARY: Final = "Accept-Language, Accept-Encoding"
_FORM: Final = "application/x-www-form-urlencoded"
_PROPERTIES: Final = f"""PREFIX rdfs: <{names.RDFS}>
SELECT ?p (COUNT(*) AS ?n) (SAMPLE(?l) AS ?label) WHERE {{
  ?x a ?class ; ?p ?o . FILTER (STRSTARTS(STR(?x), "{names.ID}"))
  OPTIONAL {{ ?p rdfs:label ?l FILTER (LANG(?l) = "LANGUAGE") }}
}} GROUP BY ?p ORDER BY DESC(?n) ?p"""
_STRICT: Final = ("any", "should", "all")
_HIDDEN: Final = frozenset((names.RDF + "type", names.SKOS + "hiddenLabel"))


@dataclass(frozen=True)
class _Request:
    """What every operation needs."""

    served: Served
    language: str
    values: Mapping[str, str]

    async def rows(self, query: str) -> list[dict[str, dict[str, str]]]:
        return await self.served.answers.solutions(inspect(query))


class Reconciliation(Endpoint):
    """The reconciliation service of the version in service; ``url`` is where the service is."""

    allow = "GET, HEAD, POST, OPTIONS"

    def __init__(self, live: Live, url: str) -> None:
        super().__init__(live)
        self._url = url.rstrip("/")

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = api.parameters(scope["query_string"])
        if scope["method"] == "POST":
            content_type = (fields(scope["headers"], b"content-type") or ("",))[0]
            if content_type.partition(";")[0].strip().lower() != _FORM:
                raise HttpProblem(
                    415,
                    Text(f"type de contenu accepté : {_FORM}", f"accepted content type: {_FORM}"),
                    {"Accept-Post": _FORM},
                )
            given = api.parameters(await read_body(receive)) + given
        values = api.once(given)
        language = api.language(values, scope)
        request = _Request(self._live.now, language, values)
        path = scope["path"].removeprefix("/reconcile").strip("/")
        if path == "preview":
            page = await _preview(request)
            await api.send_made(scope, send, page, HTML.content_type, vary=_VARY)
            return
        answers = {
            "suggest/entity": _suggest_entity,
            "suggest/type": _suggest_type,
            "suggest/property": _suggest_property,
            "properties": _propose,
        }
        if path in answers:
            found = await answers[path](request)
        elif path:
            raise nothing_at(scope["path"])
        elif "queries" in values:
            found = await _reconcile(request, _json(values["queries"], "queries"))
        elif "extend" in values:
            found = await _extend(request, _json(values["extend"], "extend"))
        else:
            found = await self._manifest(request)
        await api.send_made(scope, send, api.encode(found), "application/json", vary=_VARY)

    async def _manifest(self, request: _Request) -> dict[str, Any]:
        kinds = await consult(request.served, lambda index: list(index.kinds.values()))
        service = {"service_url": self._url}
        return {
            "versions": ["0.2"],
            "name": "essgraph",
            "identifierSpace": names.ID,
            "schemaSpace": names.ESS,
            "documentation": f"{self._url}/docs",
            "serviceVersion": request.served.snapshot.version[:16],
            "view": {"url": f"{self._url}/id/{{{{id}}}}"},
            "defaultTypes": [_type(kind, request.language) for kind in kinds if _is_class(kind)],
            "preview": {
                "url": f"{self._url}/reconcile/preview?id={{{{id}}}}",
                "width": 420,
                "height": 220,
            },
            "suggest": {
                name: {**service, "service_path": f"/reconcile/suggest/{name}"}
                for name in ("entity", "type", "property")
            },
            "extend": {
                "propose_properties": {**service, "service_path": "/reconcile/properties"},
                "property_settings": [],
            },
        }


def _json(text: str, name: str) -> Any:
    try:
        found = json.loads(text)
        # What Python reads beyond JSON (RFC 8259): NaN, and halves of a surrogate pair.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise _wrong(name, "du JSON", "JSON") from error
    return found


def _wrong(name: str, fr: str, en: str) -> QueryError:
    return QueryError(Text(f"{name} doit être {fr}", f"{name} must be {en}"))


def _is_class(kind: Kind) -> bool:
    return kind.name not in ("Question", "Passage", "SourceDocument", "ConceptScheme")


def _type(kind: Kind, language: str) -> dict[str, str]:
    return {"id": kind.name, "name": kind.label(language)}


def _slug(iri: str) -> str:
    return iri.removeprefix(names.ID)


def _iri(slug: str) -> str | None:
    """The IRI that an identifier stands for; a whole IRI of ours is taken too."""
    local = slug.removeprefix(names.ID)
    plain = all(c.isascii() and (c.isalnum() or c in "-_/") for c in local)
    return names.ID + local if local and plain and len(local) <= 200 else None


def _property(name: str) -> str | None:
    iri = names.expand(name)
    if not iri.startswith(("http://", "https://")):
        return None
    return iri if len(iri) < 300 and not set(iri) & set('<>"{}|^`\\ \n\r\t') else None


# --- Queries (5) ------------------------------------------------------------------------------


async def _reconcile(request: _Request, batch: Any) -> dict[str, Any]:
    if not isinstance(batch, dict) or len(batch) > MAX_BATCH:
        raise _wrong(
            "queries",
            f"un objet d'au plus {MAX_BATCH} requêtes",
            f"an object of at most {MAX_BATCH} queries",
        )
    read = {key: _query(key, given) for key, given in batch.items()}
    return {key: {"result": await _candidates(request, query)} for key, query in read.items()}


@dataclass(frozen=True)
class _Query:
    """One query of a batch (5.1): a name, and the IRIs of properties with the texts that their
    values may be; either may be missing."""

    name: str
    limit: int
    types: Sequence[str]
    strict: str
    wanted: Sequence[tuple[str, list[str]]]


def _query(key: str, given: Any) -> _Query:
    at = f"queries.{key[:40]}"
    if not isinstance(given, dict):
        raise _wrong(at, "un objet", "an object")
    name, properties = given.get("query", ""), given.get("properties", [])
    if not isinstance(name, str) or not ("query" in given or properties):
        raise _wrong(f"{at}.query", "un nom à reconnaître", "a name to recognise")
    limit = given.get("limit", 10)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 1:
        raise _wrong(f"{at}.limit", "un nombre à partir de 1", "a number from 1")
    types = given.get("type") or []
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or not all(isinstance(t, str) for t in types):
        raise _wrong(f"{at}.type", "un type ou une liste", "a type or a list")
    wanted = _wanted(at, properties)
    strict = given.get("type_strict", "any")
    if strict not in _STRICT:
        listed = ", ".join(_STRICT)
        raise _wrong(f"{at}.type_strict", f"l'un de {listed}", f"one of {listed}")
    return _Query(name.strip(), int(min(limit, MAX_LIMIT)), types, strict, wanted)


async def _candidates(request: _Request, query: _Query) -> list[dict[str, Any]]:
    """The entities that a query may mean, the likeliest first; ``match`` where it can be no other.
    None for an empty cell of a table."""
    if not (query.name or query.wanted):
        return []
    bearers = [] if query.name else await _bearers(request, query.wanted)
    reading = partial(_hits, query, bearers, request.language)
    found = await consult(request.served, reading)
    kinds = await consult(request.served, lambda index: {k.iri: k for k in index.kinds.values()})
    shares = await _agreement(request, [hit.entity.iri for hit, _ in found], query.wanted)
    candidates = []
    for hit, classes in found:
        types = [_type(kinds[c], request.language) for c in classes if c in kinds]
        share = shares.get(hit.entity.iri)
        candidates.append(_candidate(hit, types, share, bool(query.name), request.language))
    candidates.sort(key=lambda c: (-c["score"], c["id"]))
    rival = candidates[1]["score"] if len(candidates) > 1 else 0.0
    for place, candidate in enumerate(candidates):
        score = candidate["score"]
        candidate["match"] = place == 0 and score >= MATCH and score - rival >= LEAD
    return candidates[: query.limit]


def _hits(
    query: _Query, bearers: Sequence[str], language: str, index: Index
) -> list[tuple[Hit, list[str]]]:
    """The entities whose names are alike, or the bearers of the values, of the types asked for;
    with all their classes."""
    classes = [_class(index, t) for t in query.types]
    if classes and not any(classes):
        return []
    kept = [c for c in classes if c] if query.strict != "should" else []
    if query.name:
        hits = index.match(query.name, classes=kept, language=language, limit=4 * query.limit)
    else:
        known = [entity for iri in bearers if (entity := index.entity(iri))]
        hits = [Hit(entity, 0.0, "", "", "", "") for entity in known]
    found = [(hit, index.classes(hit.entity.iri)) for hit in hits]
    if bearers and kept:
        found = [(hit, own) for hit, own in found if any(c in own for c in kept)]
    if query.strict == "all":
        found = [(hit, own) for hit, own in found if all(c in own for c in classes)]
    return [(hit, own) for hit, own in found if hit.entity.iri.startswith(names.ID)]


def _candidate(
    hit: Hit, types: list[dict[str, str]], share: float | None, named: bool, language: str
) -> dict[str, Any]:
    """A hit as the API shows it; ``share`` is how far its properties agree, ``named`` whether it
    was found by its name."""
    score = hit.score
    features = [{"id": "name", "value": round(score, 1)}] if named else []
    if share is not None:
        weight = NAME_SHARE if named else 0.0
        score = weight * score + (1 - weight) * share
        features.append({"id": "properties", "value": round(share, 1)})
    entity: dict[str, Any] = {
        "id": _slug(hit.entity.iri),
        "name": hit.entity.label(language),
        "score": round(score, 1),
        "type": types,
        "features": features,
    }
    if hit.entity.about(language):
        entity["description"] = hit.entity.about(language)
    return entity


def _class(index: Index, name: str) -> str | None:
    kind = index.kinds.get(name) or index.kinds.get(name.rpartition("#")[2].rpartition(":")[2])
    return kind.iri if kind else None


def _wanted(name: str, properties: Any) -> list[tuple[str, list[str]]]:
    """The IRI of each property asked for, with the texts that its value may be."""
    if not isinstance(properties, list) or len(properties) > MAX_PROPERTIES:
        raise _too_many(name)
    wanted = []
    for item in properties:
        if not isinstance(item, dict) or not isinstance(item.get("pid"), str) or "v" not in item:
            raise _wrong(f"{name}.properties", "une liste de pid et v", "a list of pid and v")
        values = item["v"] if isinstance(item["v"], list) else [item["v"]]
        texts = [str(v.get("id", "")) if isinstance(v, dict) else str(v) for v in values]
        iri = _property(item["pid"])
        if iri is not None and texts:
            wanted.append((iri, texts))
    if sum(len(texts) for _, texts in wanted) > MAX_PROPERTIES:
        raise _too_many(name)
    return wanted


def _too_many(name: str) -> QueryError:
    return _wrong(
        f"{name}.properties",
        f"une liste, d'au plus {MAX_PROPERTIES} valeurs",
        f"a list, of at most {MAX_PROPERTIES} values",
    )


async def _bearers(request: _Request, wanted: Sequence[tuple[str, list[str]]]) -> list[str]:
    """The entities that have one of the values, itself or by its label; for a query without a
    name (5.1). Few are wanted, so that many are no answer."""
    properties = " ".join(f"<{iri}>" for iri, _ in wanted)
    texts = sorted({text.strip().casefold() for _, texts in wanted for text in texts})
    listed = ", ".join(quoted(text) for text in texts if is_text(text)) or '""'
    rows = await request.rows(f"""PREFIX rdfs: <{names.RDFS}>
SELECT DISTINCT ?x WHERE {{
  VALUES ?p {{ {properties} }}
  ?x ?p ?o . FILTER (STRSTARTS(STR(?x), "{names.ID}"))
  OPTIONAL {{ ?o rdfs:label ?label }}
  FILTER (LCASE(STR(?o)) IN ({listed}) || LCASE(STR(?label)) IN ({listed})
    || REPLACE(STR(?o), "^{names.ID}", "") IN ({listed}))
}} ORDER BY ?x LIMIT {MAX_BATCH}""")
    return [row["x"]["value"] for row in rows]


async def _agreement(
    request: _Request, entities: Sequence[str], wanted: Sequence[tuple[str, list[str]]]
) -> dict[str, float]:
    """For each entity, how far its properties agree with those asked for: 0 to 100."""
    if not wanted or not entities:
        return {}
    known = await _values(request, entities, [iri for iri, _ in wanted])
    asked = [(iri, [fold(text[:MAX_TEXT]) for text in texts]) for iri, texts in wanted]
    alike = cache(partial(likeness, role="label"))  # many entities have the same values

    def reading(_: Index) -> dict[str, float]:
        shares = {}
        for entity in entities:
            best = []
            for iri, texts in asked:
                own = {
                    fold(text)
                    for term, label in known[entity, iri]
                    for text in (term["value"], _slug(term["value"]), label or "")
                }
                best.append(max((alike(t, o) for t in texts for o in own), default=0.0))
            shares[entity] = sum(best) / len(best)
        return shares

    return await consult(request.served, reading)


async def _values(
    request: _Request, entities: Sequence[str], properties: Sequence[str]
) -> dict[tuple[str, str], list[tuple[dict[str, str], str | None]]]:
    """The values of properties, with their labels: at most once each, in a fixed order."""
    found: dict[tuple[str, str], list[tuple[dict[str, str], str | None]]] = defaultdict(list)
    if not entities or not properties:
        return found
    rows = await request.rows(f"""PREFIX rdfs: <{names.RDFS}>
SELECT DISTINCT ?x ?p ?o ?label WHERE {{
  VALUES ?x {{ {" ".join(f"<{iri}>" for iri in dict.fromkeys(entities))} }}
  VALUES ?p {{ {" ".join(f"<{iri}>" for iri in dict.fromkeys(properties))} }}
  ?x ?p ?o .
  FILTER (!ISLITERAL(?o) || LANG(?o) = "" || LANG(?o) = "{request.language}")
  OPTIONAL {{ ?o rdfs:label ?label FILTER (LANG(?label) = "{request.language}") }}
}} ORDER BY ?x ?p ?o ?label""")
    for row in rows:
        key = row["x"]["value"], row["p"]["value"]
        found[key].append((row["o"], row["label"]["value"] if "label" in row else None))
    return found


# --- Suggest (6) and preview (8) --------------------------------------------------------------


def _prefix(request: _Request) -> tuple[str, int]:
    cursor = request.values.get("cursor", "0")
    start = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 6 else 0
    return request.values.get("prefix", "").strip()[:200], start


async def _suggest_entity(request: _Request) -> dict[str, Any]:
    prefix, start = _prefix(request)

    def reading(index: Index) -> list[dict[str, Any]]:
        hits = index.suggest(prefix, language=request.language, limit=start + 40)
        own = [hit for hit in hits if hit.entity.iri.startswith(names.ID)][start:]
        return [
            {
                "id": _slug(hit.entity.iri),
                "name": hit.entity.label(request.language),
                "notable": [_type(index.kinds[hit.entity.kind], request.language)],
                **({"description": about} if (about := hit.entity.about(request.language)) else {}),
            }
            for hit in own[:20]
        ]

    return {"result": await consult(request.served, reading)}


async def _suggest_type(request: _Request) -> dict[str, Any]:
    prefix, start = _prefix(request)
    kinds = await consult(request.served, lambda index: list(index.kinds.values()))
    types = [_type(kind, request.language) for kind in kinds if _is_class(kind)]
    return {"result": _beginning(types, prefix)[start : start + 20]}


async def _suggest_property(request: _Request) -> dict[str, Any]:
    prefix, start = _prefix(request)
    found = _beginning(await _properties(request, None), prefix)
    return {"result": found[start : start + 20]}


def _beginning(items: Sequence[dict[str, str]], prefix: str) -> list[dict[str, str]]:
    """Those that have a word beginning so, in their name or identifier."""
    wanted = fold(prefix).split()
    return [
        item
        for item in items
        if all(
            any(own.startswith(word) for own in fold(f"{item['name']} {item['id']}").split())
            for word in wanted
        )
    ]


async def _properties(request: _Request, kind: Kind | None) -> list[dict[str, str]]:
    query = _PROPERTIES.replace("LANGUAGE", request.language)
    query = query.replace("?class", f"<{kind.iri}>" if kind else "?class")
    rows = await request.rows(query)
    return [
        {
            "id": (name := names.prefixed(row["p"]["value"])),
            "name": row["label"]["value"] if "label" in row else name,
        }
        for row in rows
        if "p" in row and row["p"]["value"] not in _HIDDEN
    ]


async def _propose(request: _Request) -> dict[str, Any]:
    """The properties to fetch for a type (7.2), the commonest first."""
    name = request.values.get("type", "")
    kind = await consult(request.served, lambda index: index.kinds.get(name))
    found = await _properties(request, kind) if kind or not name else []
    limit = request.values.get("limit", "0")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6):
        raise _wrong("limit", "un nombre entier", "a whole number")
    found = found[: int(limit) or None]
    return {"properties": found, **({"type": name} if name else {})}


async def _preview(request: _Request) -> bytes:
    """A page of a few lines, for a frame (8.1)."""
    name = request.values.get("id", "")
    iri = _iri(name)
    entity = await consult(request.served, lambda index: index.entity(iri) if iri else None)
    if entity is None:
        raise UnknownName(
            Text(
                f"aucune entité ne porte le nom « {name[:80]} »",
                f'no entity is named "{name[:80]}"',
            )
        )
    kind = await consult(request.served, lambda index: index.kinds[entity.kind])
    heard = f"{entity.passages} passage{'s' if entity.passages > 1 else ''}"
    return (
        f'<!doctype html><html lang="{request.language}"><meta charset="utf-8">'
        f"<title>{escape(entity.label(request.language))}</title>"
        f'<h1><a href="{escape(entity.iri.replace(names.BASE, "/", 1))}" target="_blank">'
        f"{escape(entity.label(request.language))}</a></h1>"
        f"<p>{escape(kind.label(request.language))} · {heard}</p>"
        f"<p>{escape(entity.about(request.language))}</p></html>\n"
    ).encode()


# --- Data extension (7) -----------------------------------------------------------------------


async def _extend(request: _Request, query: Any) -> dict[str, Any]:
    ids, properties = (
        (query.get("ids"), query.get("properties")) if isinstance(query, dict) else (None, None)
    )
    if (
        not isinstance(ids, list)
        or not isinstance(properties, list)
        or not all(isinstance(i, str) for i in ids)
        or not all(isinstance(p, dict) and isinstance(p.get("id"), str) for p in properties)
        or len(ids) > MAX_BATCH
        or len(properties) > MAX_PROPERTIES
    ):
        raise _wrong(
            "extend",
            f"un objet : ids (au plus {MAX_BATCH}) et properties (au plus {MAX_PROPERTIES})",
            f"an object: ids (at most {MAX_BATCH}) and properties (at most {MAX_PROPERTIES})",
        )
    labels = {item["id"]: item["name"] for item in await _properties(request, None)}
    iris = {name: iri for p in properties if (iri := _property(name := p["id"])) is not None}
    entities = {slug: iri for slug in ids if (iri := _iri(slug)) is not None}
    known = await _values(request, list(entities.values()), list(iris.values()))
    return {
        "meta": [{"id": p["id"], "name": labels.get(p["id"], p["id"])} for p in properties],
        "rows": {
            slug: {
                p["id"]: [
                    _cell(term, label)
                    for term, label in known[entities.get(slug, ""), iris.get(p["id"], "")]
                ]
                for p in properties
            }
            for slug in ids
        },
    }


def _cell(term: Mapping[str, str], label: str | None) -> dict[str, Any]:
    value, datatype = term["value"], term.get("datatype", "")
    if term["type"] == "uri":
        if value.startswith(names.ID):
            return {"id": _slug(value), "name": label or _slug(value)}
        return {"str": value}
    if datatype == names.XSD + "integer":
        return {"int": int(value)}
    if datatype in (names.XSD + "decimal", names.XSD + "double"):
        return {"float": float(value)}
    if datatype == names.XSD + "date":
        return {"date": f"{value}T00:00:00"}
    return {"str": value}
