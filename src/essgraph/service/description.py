"""The service description (SPARQL 1.1 Service Description)."""

from __future__ import annotations

from essgraph import formats, names

_FORMAT_IRI = {
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
    "turtle": "Turtle",
    "nt": "N-Triples",
    "rdfxml": "RDF_XML",
    "jsonld": "JSON-LD",
}


def service_description() -> bytes:
    """What ``/sparql`` supports, in Turtle."""
    listed = " ,\n        ".join(
        f"<http://www.w3.org/ns/formats/{_FORMAT_IRI[f.name]}>"
        for f in (*formats.RESULTS, *formats.GRAPHS)
    )
    return f"""\
PREFIX sd: <http://www.w3.org/ns/sparql-service-description#>

<{names.BASE}sparql> a sd:Service ;
    sd:endpoint <{names.BASE}sparql> ;
    sd:supportedLanguage sd:SPARQL11Query ;
    sd:resultFormat {listed} ;
    sd:defaultDataset <{names.DATASET}> .
<{names.DATASET}> a sd:Dataset .
""".encode()
