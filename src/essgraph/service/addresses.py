"""The addresses that dereference, described (OpenAPI): entities, documents, pages, collections, the
vocabulary, the dataset and its files."""

from __future__ import annotations

from typing import Any, Final

from essgraph import formats
from essgraph.errors import Text
from essgraph.service.operations import (
    INSTEAD_OF_ACCEPT,
    STRING,
    in_query,
    media,
    operation,
)

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
#: What stands in paths.
_PARTS: Final = {
    "slug": Text("L'entité", "The entity"),
    "scheme": Text("La liste du concept", "The list of the concept"),
    "concept": Text("Le concept dans sa liste", "The concept in its list"),
    "doc": Text("Le document source", "The source document"),
    "n": Text(
        "Le numéro du passage dans son document", "The number of the passage in its document"
    ),
    "version": Text("La version de l'ontologie", "The version of the ontology"),
    "suffix": Text("Le format", "The format"),
}
_PAGE_LANGUAGE: Final = in_query(
    "lang",
    STRING,
    Text(
        "Langue d'une page : `fr` ou `en`, sinon selon `Accept-Language` ; RDF a les deux",
        "Language of a page: `fr` or `en`, else by `Accept-Language`; RDF has both",
    ),
    example="en",
)
_MOVED: Final = Text(
    "Vers la graphie canonique de l'adresse", "To the canonical spelling of the address"
)
_TO_PAGE: Final = Text(
    "Vers la page, là où HTML est préféré", "To the page, where HTML is preferred"
)
_ABOUT: Final = Text("Le document à son sujet", "The document about it")
_LINKS: Final = Text(
    "`alternate` pour chaque format, `canonical`, `license`, `cite-as`, …",
    "`alternate` per format, `canonical`, `license`, `cite-as`, …",
)
_DATASET: Final = Text("La description du jeu de données", "The dataset described")
#: What may be said of a name: ill-formed, unknown, no such format, withdrawn, too long.
_NAMED: Final = (400, 404, 406, 410, 414)


def paths() -> dict[str, Any]:
    """The path items."""
    return _names() | _documents() | _vocabulary() | _discovery()


def _names() -> dict[str, Any]:
    document = Text("Un document source", "A source document")
    passage = Text("Un passage, et ce qu'il énonce", "A passage, and what it states")
    return {
        "/id/{slug}": _thing(
            Text(
                "Une entité : sa page ou son document, selon `Accept`",
                "An entity: its page or its document, by `Accept`",
            ),
            "slug",
        ),
        "/id/{scheme}/{concept}": _thing(
            Text("Un concept, de même", "A concept, likewise"), "scheme", "concept"
        ),
        "/doc/{doc}": _document(document, _OFFERS, "doc"),
        "/passage/{doc}/{n}": _document(passage, _OFFERS, "doc", "n"),
        "/id/": {"get": _collections()},
    }


def _documents() -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_accept = Text(f"{_ABOUT.fr}, selon `Accept`", f"{_ABOUT.en}, by `Accept`")
    page = Text("La page à son sujet", "The page about it")
    for key, names in (
        ("{slug}", ("slug",)),
        ("{scheme}/{concept}", ("scheme", "concept")),
        ("doc/{doc}", ("doc",)),
        ("passage/{doc}/{n}", ("doc", "n")),
    ):
        found[f"/data/{key}"] = _document(by_accept, formats.DOCUMENTS, *names)
        _redirected(found[f"/data/{key}"]["get"], "303", _TO_PAGE)
        found[f"/data/{key}.{{suffix}}"] = _document(_ABOUT, formats.DOCUMENTS, *names, "suffix")
        found[f"/page/{key}"] = _document(page, (formats.HTML,), *names)
    return found


def _vocabulary() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, summary in (
        ("/ontology", Text("L'ontologie", "The ontology")),
        ("/ontology/{version}", Text("Une version de l'ontologie", "A version of the ontology")),
        ("/shapes", Text("Les formes SHACL", "The SHACL shapes")),
        ("/dataset", Text(f"{_DATASET.fr} (VoID, DCAT 3)", f"{_DATASET.en} (VoID, DCAT 3)")),
    ):
        names = ("version",)[: path.count("{")]
        found[path] = _document(summary, _OFFERS, *names, tag="vocabulary and dataset")
        found[f"{path}.{{suffix}}"] = _document(
            Text(f"{summary.fr}, dans un format", f"{summary.en}, in one format"),
            formats.DOCUMENTS,
            *names,
            "suffix",
            tag="vocabulary and dataset",
        )
    return found


def _discovery() -> dict[str, Any]:
    described = _document(_DATASET, _OFFERS, tag=_FILES)
    return {
        "/": described,
        "/.well-known/void": described,
        "/.well-known/api-catalog": _file(
            Text("Les interfaces (RFC 9727)", "The interfaces (RFC 9727)"),
            "application/linkset+json",
        ),
        "/context.jsonld": _file(
            Text("Le contexte JSON-LD des documents", "The JSON-LD context of the documents"),
            "application/ld+json",
        ),
        "/robots.txt": _file(
            Text("Ce que les robots n'ont pas à demander", "What crawlers need not ask"),
            "text/plain",
        ),
        "/sitemap.xml": {"get": _sitemap()},
        **{
            f"/{name}": _file(
                Text(
                    f"Toutes les données ({inside.media_type})",
                    f"All the data ({inside.media_type})",
                ),
                "application/gzip",
                404,
            )
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
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PARTS[name],
        "schema": schema,
        "example": example,
    }


def _redirected(get: dict[str, Any], status: str, text: Text) -> None:
    located = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
    get["responses"][status] = {"description": text, "headers": located}


def _thing(summary: Text, *names: str) -> dict[str, Any]:
    get = operation(summary, _DATA, {}, _NAMED, [_in_path(name) for name in names])
    del get["responses"]["200"]
    _redirected(get, "303", Text("Vers sa description", "To what describes it"))
    _redirected(get, "301", _MOVED)
    get["responses"]["303"]["headers"]["Link"] = {"schema": STRING}
    return {"get": get}


def _document(
    summary: Text, offers: tuple[formats.Format, ...], *names: str, tag: str = _DATA
) -> dict[str, Any]:
    language = [_PAGE_LANGUAGE] if formats.HTML in offers else []
    parameters = [*(_in_path(name) for name in names), *language]
    get = operation(summary, tag, media(offers, "JsonLd"), _NAMED, parameters)
    get["responses"]["200"]["headers"] = {
        "Link": {"description": _LINKS, "schema": STRING},
        "ETag": {"schema": STRING},
    }
    if names:
        _redirected(get, "301", _MOVED)
    return {"get": get}


def _collections() -> dict[str, Any]:
    return operation(
        Text(
            "Ce que le graphe décrit, par classe, en pages (Hydra)",
            "What the graph describes, by class, in pages (Hydra)",
        ),
        _DATA,
        media(_OFFERS, "JsonLd"),
        _NAMED,
        [
            in_query(
                "class",
                STRING,
                Text("Une classe ; sans elle, toutes", "A class; without it, all"),
                example="City",
            ),
            in_query(
                "page",
                {"type": "integer", "minimum": 1},
                Text("Le numéro de la page", "Which page"),
                example=1,
            ),
            in_query("format", {"enum": [f.suffix for f in _OFFERS]}, INSTEAD_OF_ACCEPT),
            _PAGE_LANGUAGE,
        ],
    )


def _sitemap() -> dict[str, Any]:
    content = {"application/xml": {"schema": STRING}}
    part = in_query(
        "part",
        STRING,
        Text(
            "Le numéro de la partie, s'il y en a plusieurs", "Which part, where there are several"
        ),
    )
    return operation(
        Text("Les pages, pour les robots", "The pages, for crawlers"),
        _FILES,
        content,
        (404,),
        [part],
    )


def _file(summary: Text, media_type: str, *problems: int) -> dict[str, Any]:
    json = media_type.endswith("json")
    schema = {"type": "object"} if json else STRING
    if media_type == "application/gzip":
        schema = {"type": "string", "contentMediaType": media_type}
    return {"get": operation(summary, _FILES, {media_type: {"schema": schema}}, problems)}
