"""``/ontology`` and ``/shapes``: the files of the ontology and the shapes as pages to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyoxigraph as ox
from starlette.requests import Request
from starlette.responses import Response

from essgraph import names
from essgraph.search import fold
from essgraph.service.live import Served
from essgraph.service.pages import diagram, frame
from essgraph.service.pages.terms import Terms

_ABOUT: Final = names.BASE + "ontology"


def _terms(terms: Terms, types: Iterable[str]) -> list[dict[str, object]]:
    found = {iri for type_ in types for iri in terms.subjects(type_) if iri.startswith(names.ESS)}
    ordered = sorted(found, key=lambda iri: (fold(terms.label(iri)), iri))
    return [_term(terms, iri) for iri in ordered]


def _term(terms: Terms, iri: str) -> dict[str, object]:
    def refer(predicate: str) -> list[tuple[str, str]]:
        return [(_target(i), terms.label(i)) for i in terms.iris(iri, names.RDFS + predicate)]

    return {
        "iri": iri,
        "name": iri.removeprefix(names.ESS),
        "label": terms.label(iri),
        "definition": terms.text(iri, names.SKOS + "definition"),
        "note": terms.text(iri, names.SKOS + "scopeNote"),
        "above": refer("subClassOf") + refer("subPropertyOf"),
        "domain": refer("domain"),
        "range": refer("range"),
    }


def _target(iri: str) -> str:
    """Where a term is explained: here, if it is ours."""
    return f"#{iri.removeprefix(names.ESS)}" if iri.startswith(names.ESS) else iri


async def ontology(
    request: Request, served: Served, triples: Iterable[ox.Triple], version: str
) -> Response:
    """The page of the ontology."""
    view = frame.view(request)
    terms = Terms(triples, view.language)
    owl = names.OWL
    context = {
        "title": terms.text(_ABOUT, names.DCTERMS + "title"),
        "description": terms.text(_ABOUT, names.DCTERMS + "description"),
        "remark": terms.text(_ABOUT, names.RDFS + "comment"),
        "number": version,
        "picture": diagram.picture(terms),
        "sections": [
            ("classes", "Classes", "Classes", _terms(terms, [owl + "Class"])),
            ("links", "Liens", "Links", _terms(terms, [owl + "ObjectProperty"])),
            (
                "values",
                "Valeurs",
                "Values",
                _terms(terms, [owl + "DatatypeProperty", owl + "AnnotationProperty"]),
            ),
        ],
    }
    return frame.html(request, served, "ontology.html", view, context)


async def shapes(request: Request, served: Served, triples: Iterable[ox.Triple]) -> Response:
    """The page of the shapes: what each asks of whom."""
    view = frame.view(request)
    terms = Terms(triples, view.language)
    sh = names.SH
    listed = []
    for iri in terms.subjects(sh + "NodeShape"):
        whom = [
            names.shorten(target)
            for kind in ("targetClass", "targetSubjectsOf", "targetObjectsOf", "targetNode")
            for target in terms.iris(iri, sh + kind)
        ]
        asked = [
            (
                names.shorten(path[0]) if path else "",
                terms.text(part, sh + "name"),
                terms.text(part, sh + "message"),
            )
            for part in terms.iris(iri, sh + "property")
            for path in [terms.iris(part, sh + "path")]
        ]
        asked += [
            ("", "", message)
            for part in terms.iris(iri, sh + "sparql")
            if (message := terms.text(part, sh + "message"))
        ]
        own = terms.text(iri, sh + "message")
        listed.append((iri.rpartition("#")[2], names.shorten(iri), whom, own, asked))
    return frame.html(request, served, "shapes.html", view, {"listed": listed})
