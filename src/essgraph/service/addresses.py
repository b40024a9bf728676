"""The addresses that dereference, described (OpenAPI): entities, documents, pages, collections, the
vocabulary, the dataset and its files."""

from __future__ import annotations

from typing import Any, Final

from essgraph import formats
from essgraph.service.operations import OBJECT, STRING, array, in_query, media, operation, record

_DATA: Final = "linked data"
_FILES: Final = "discovery"
_OFFERS: Final = (*formats.DOCUMENTS, formats.HTML)
_SLUG: Final = {"type": "string", "pattern": "^[a-z0-9_-]{1,100}$"}
_NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_EXAMPLES: Final = {
    "slug": "bamako",
    "scheme": "theme",
    "concept": "finance",
    "doc": "aimf-article-2019",
    "n": 1,
    "version": "1.0.0",
}
_PAGE_LANGUAGE: Final = in_query(
    "lang", STRING, "Of a page: `fr` or `en`, else by `Accept-Language`; RDF has both", example="en"
)
_MOVED: Final = "To the canonical spelling of the address"
#: What may be said of a name: ill-formed, unknown, no such format, withdrawn, too long.
_NAMED: Final = (400, 404, 406, 410, 414)


def paths() -> dict[str, Any]:
    """The path items."""
    found: dict[str, Any] = {
        "/id/{slug}": _thing("An entity: its page or its document, by `Accept`", "slug"),
        "/id/{scheme}/{concept}": _thing("A concept, likewise", "scheme", "concept"),
        "/doc/{doc}": _document("A source document", _OFFERS, "doc"),
        "/passage/{doc}/{n}": _document("A passage, and what it states", _OFFERS, "doc", "n"),
        "/id/": {"get": _collections()},
    }
    abouts: dict[str, tuple[str, ...]] = {
        "{slug}": ("slug",),
        "{scheme}/{concept}": ("scheme", "concept"),
        "doc/{doc}": ("doc",),
        "passage/{doc}/{n}": ("doc", "n"),
    }
    for about, names in abouts.items():
        summary = "The document about it"
        found[f"/data/{about}"] = _document(f"{summary}, by `Accept`", formats.DOCUMENTS, *names)
        _redirected(found[f"/data/{about}"]["get"], "303", "To the page, where HTML is preferred")
        found[f"/data/{about}.{{suffix}}"] = _document(summary, formats.DOCUMENTS, *names, "suffix")
        found[f"/page/{about}"] = _document("The page about it", (formats.HTML,), *names)
    for path, summary in (
        ("/ontology", "The ontology"),
        ("/ontology/{version}", "A version of the ontology"),
        ("/shapes", "The SHACL shapes"),
        ("/dataset", "The dataset described (VoID, DCAT 3)"),
    ):
        names = ("version",)[: path.count("{")]
        found[path] = _document(summary, _OFFERS, *names, tag="vocabulary and dataset")
        found[f"{path}.{{suffix}}"] = _document(
            f"{summary}, in one format",
            formats.DOCUMENTS,
            *names,
            "suffix",
            tag="vocabulary and dataset",
        )
    described = _document("The dataset described", _OFFERS, tag=_FILES)
    return found | {
        "/": described,
        "/.well-known/void": described,
        "/.well-known/api-catalog": _file("RFC 9727: the interfaces", "application/linkset+json"),
        "/context.jsonld": _file("The JSON-LD context of the documents", "application/ld+json"),
        "/robots.txt": _file("What crawlers need not ask", "text/plain"),
        "/sitemap.xml": {"get": _sitemap()},
        **{
            f"/{name}": _file(f"All the data ({inside.media_type})", "application/gzip", 404)
            for name, inside in formats.DUMPS.items()
        },
    }


def _in_path(name: str) -> dict[str, Any]:
    if name == "suffix":
        schema: dict[str, Any] = {"enum": [f.suffix for f in formats.DOCUMENTS]}
        return _path(name, schema, "ttl")
    return _path(name, _NUMBER if name == "n" else _SLUG | _versioned(name), _EXAMPLES[name])


def _versioned(name: str) -> dict[str, Any]:
    return {"pattern": "^[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}$"} if name == "version" else {}


def _path(name: str, schema: dict[str, Any], example: object) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def _redirected(get: dict[str, Any], status: str, text: str) -> None:
    located = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
    get["responses"][status] = {"description": text, "headers": located}


def _thing(summary: str, *names: str) -> dict[str, Any]:
    get = operation(summary, _DATA, {}, _NAMED, [_in_path(name) for name in names])
    del get["responses"]["200"]
    _redirected(get, "303", "To what describes it")
    _redirected(get, "301", _MOVED)
    get["responses"]["303"]["headers"]["Link"] = {"schema": STRING}
    return {"get": get}


def _document(
    summary: str, offers: tuple[formats.Format, ...], *names: str, tag: str = _DATA
) -> dict[str, Any]:
    language = [_PAGE_LANGUAGE] if formats.HTML in offers else []
    parameters = [*(_in_path(name) for name in names), *language]
    get = operation(summary, tag, media(offers, "JsonLd"), _NAMED, parameters)
    get["responses"]["200"]["headers"] = {
        "Link": {
            "description": "`alternate` per format, `canonical`, `license`, `cite-as`, …",
            "schema": STRING,
        },
        "ETag": {"schema": STRING},
    }
    if names:
        _redirected(get, "301", _MOVED)
    return {"get": get}


def _collections() -> dict[str, Any]:
    return operation(
        "What the graph describes, by class, in pages (Hydra)",
        _DATA,
        media(_OFFERS, "JsonLd"),
        _NAMED,
        [
            in_query("class", STRING, "A class; without it, all", example="City"),
            in_query("page", {"type": "integer", "minimum": 1}, "Which page", example=1),
            in_query("format", {"enum": [f.suffix for f in _OFFERS]}, "Instead of `Accept`"),
            _PAGE_LANGUAGE,
        ],
    )


def _sitemap() -> dict[str, Any]:
    content = {"application/xml": {"schema": STRING}}
    part = in_query("part", STRING, "Where there are several: which")
    return operation("The pages, for crawlers", _FILES, content, (404,), [part])


def _file(summary: str, media_type: str, *problems: int) -> dict[str, Any]:
    json = media_type.endswith("json")
    schema = {"type": "object"} if json else STRING
    if media_type == "application/gzip":
        schema = {"type": "string", "contentMediaType": media_type}
    return {"get": operation(summary, _FILES, {media_type: {"schema": schema}}, problems)}


#: A JSON-LD document as we write it.
JSON_LD: Final = record(
    {
        "@context": {"oneOf": [{**STRING, "format": "uri"}, OBJECT]},
        "@graph": array({**OBJECT, "required": ["@id"]}),
    },
    "@context @graph",
)
