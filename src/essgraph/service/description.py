"""The service description (SPARQL 1.1 Service Description), told from what is served."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from essgraph import formats, names
from essgraph.engine import Dataset
from essgraph.formats import Format
from essgraph.query import Query, inspect

if TYPE_CHECKING:
    from essgraph.service.answers import Kept
    from essgraph.service.live import Served

_FORMAT_IRI: Final = {
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
    "turtle": "Turtle",
    "nt": "N-Triples",
    "rdfxml": "RDF_XML",
    "jsonld": "JSON-LD",
}
_LISTED: Final = " ".join(
    f"<http://www.w3.org/ns/formats/{_FORMAT_IRI[f.name]}>"
    for f in (*formats.RESULTS, *formats.GRAPHS)
)


@cache
def _query(endpoint: str, functions: tuple[str, ...]) -> Query:
    """One query over the data makes the whole description: the counts are those of the store."""
    extensions = " ".join(f"<{function}>" for function in functions)
    return inspect(
        f"""
PREFIX sd: <http://www.w3.org/ns/sparql-service-description#>
PREFIX void: <http://rdfs.org/ns/void#>
CONSTRUCT {{
  <{endpoint}> a sd:Service ;
    sd:endpoint <{endpoint}> ;
    sd:supportedLanguage sd:SPARQL11Query ;
    sd:resultFormat ?format ;
    sd:extensionFunction ?function ;
    sd:defaultDataset <{names.DATASET}> .
  <{names.DATASET}> a sd:Dataset , void:Dataset ;
    void:sparqlEndpoint <{endpoint}> ;
    sd:defaultGraph <{names.DATASET}#default-graph> ;
    sd:namedGraph ?entry .
  <{names.DATASET}#default-graph> a sd:Graph , void:Dataset ; void:triples ?default .
  ?entry a sd:NamedGraph ; sd:name ?graph ; sd:graph ?entry .
  ?entry a sd:Graph , void:Dataset ; void:triples ?count .
  ?function a sd:Function .
}}
WHERE {{
  {{ VALUES ?format {{ {_LISTED} }} }}
  UNION {{ VALUES ?function {{ {extensions} }} }}
  UNION {{ SELECT (COUNT(*) AS ?default) {{ ?s ?p ?o }} }}
  UNION {{
    {{ SELECT ?graph (COUNT(*) AS ?count) {{ GRAPH ?graph {{ ?s ?p ?o }} }} GROUP BY ?graph }}
    BIND (IRI(CONCAT("{names.DATASET}#", ENCODE_FOR_URI(STR(?graph)))) AS ?entry)
  }}
}}"""
    )


async def service_description(served: Served, endpoint: str, format: Format) -> Kept:
    """What ``/sparql`` supports and the graphs it holds, with their counts of triples.

    ``endpoint`` is the address of the endpoint, as its operator says it.
    """
    query = _query(endpoint, served.pool.functions)
    return await served.answers.ask(query, Dataset(), {}, format)
