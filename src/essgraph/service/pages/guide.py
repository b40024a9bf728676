"""``/docs``: the addresses of the service in plain words."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from essgraph.errors import Text
from essgraph.service.live import Served
from essgraph.service.pages import frame

ADDRESSES: Final = (
    (
        "/sparql?query=…",
        Text(
            "Protocole SPARQL 1.1 : résultats en JSON, XML, CSV ou TSV, graphes en Turtle, "
            "JSON-LD, RDF/XML ou N-Triples",
            "SPARQL 1.1 Protocol: results in JSON, XML, CSV or TSV, graphs in Turtle, JSON-LD, "
            "RDF/XML or N-Triples",
        ),
        "/sparql?query=SELECT%20(COUNT(*)%20AS%20%3Fn)%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D&format=csv",
    ),
    (
        "/id/",
        Text(
            "tout ce que le graphe décrit, par classe, page après page (Hydra)",
            "everything that the graph describes, by class, page after page (Hydra)",
        ),
        "/id/?class=City",
    ),
    (
        "/id/{slug}",
        Text(
            "303 vers la page ou les données d'une entité", "303 to the page or data of an entity"
        ),
        "/id/dakar",
    ),
    (
        "/data/{slug}.{ttl,jsonld,rdf,nt,trig,nq}, /page/{slug}",
        Text(
            "les données d'une entité dans un format, et sa page",
            "the data of an entity in one format, and its page",
        ),
        "/data/dakar.ttl",
    ),
    (
        "/doc/{slug}, /passage/{doc}/{n}",
        Text("un document, un passage", "a document, a passage"),
        "/doc/aimf-article-2019",
    ),
    (
        "/queries",
        Text("les questions de la bibliothèque", "the questions of the library"),
        "/queries",
    ),
    (
        "/queries/{name}?param=…",
        Text(
            "la réponse à une question ; evidence=1 ajoute les passages de chaque ligne, "
            "format=bibtex ou csl la cite",
            "the answer to a question; evidence=1 adds the passages of each row, format=bibtex or "
            "csl cites it",
        ),
        "/queries/members?body=id:remcess&evidence=1",
    ),
    (
        "/search?q=…, /suggest?q=…",
        Text(
            "des entités par leur nom, en JSON ou en page ; des noms qui complètent la saisie, "
            "en JSON",
            "entities by name, as JSON or a page; completions of a name, as JSON",
        ),
        "/search?q=economie",
    ),
    (
        "/reconcile",
        Text(
            "rapprochement de noms pour OpenRefine (Reconciliation Service API 0.2)",
            "reconciliation of names for OpenRefine (Reconciliation Service API 0.2)",
        ),
        "/reconcile",
    ),
    (
        "/dataset, /.well-known/void",
        Text("la description du jeu de données", "the description of the dataset"),
        "/dataset",
    ),
    (
        "/dump.nq.gz, /dump.trig.gz",
        Text("toutes les données", "all of the data"),
        "/dump.trig.gz",
    ),
    (
        "/ontology, /shapes, /context.jsonld",
        Text("les termes et leurs contraintes", "the terms and their constraints"),
        "/ontology",
    ),
    (
        "/robots.txt, /sitemap.xml, /.well-known/api-catalog",
        Text("ce que cherchent les robots", "what crawlers look for"),
        "/sitemap.xml",
    ),
    (
        "/openapi.json",
        Text(
            "la description de ces adresses pour les programmes (OpenAPI 3.1)",
            "the description of these addresses for programs (OpenAPI 3.1)",
        ),
        "/openapi.json",
    ),
    ("/health, /ready, /metrics", Text("l'état du service", "the state of the service"), "/health"),
)


async def page(request: Request, served: Served, url: str) -> Response:
    """The guide to the addresses; ``url`` is where the service is found."""
    v = frame.view(request)
    context = {"addresses": ADDRESSES, "url": url}
    return frame.html(request, served, "docs.html", v, context)
