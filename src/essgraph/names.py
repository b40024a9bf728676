"""The IRIs of essgraph: one base, the namespaces, the prefixes used in all our output."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

BASE: Final = "https://w3id.org/essgraph/"
ESS: Final = BASE + "ontology#"
ID: Final = BASE + "id/"
DOC: Final = BASE + "doc/"
PASSAGE: Final = BASE + "passage/"
GRAPH: Final = BASE + "graph/"
DATASET: Final = BASE + "dataset"
QUERY: Final = BASE + "queries/"
#: The subject of a question: the part of the page that lists it.
SUBJECT: Final = BASE + "queries#"

REGISTER: Final = GRAPH + "register"
PROVENANCE: Final = GRAPH + "provenance"
ENTAILED: Final = GRAPH + "entailed"
ONTOLOGY: Final = GRAPH + "ontology"
QUERIES: Final = GRAPH + "queries"
DESCRIPTION: Final = GRAPH + "description"

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"
OWL: Final = "http://www.w3.org/2002/07/owl#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
DCTERMS: Final = "http://purl.org/dc/terms/"
SCHEMA: Final = "https://schema.org/"
ORG: Final = "http://www.w3.org/ns/org#"
OA: Final = "http://www.w3.org/ns/oa#"
PROV: Final = "http://www.w3.org/ns/prov#"
FOAF: Final = "http://xmlns.com/foaf/0.1/"
GEO: Final = "http://www.w3.org/2003/01/geo/wgs84_pos#"
SH: Final = "http://www.w3.org/ns/shacl#"

#: The local name of an entity, a document or a question.
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

#: Each concept scheme has a prefix of its own, because entity slugs are flat.
PREFIXES: Final[dict[str, str]] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": DCTERMS,
    "doc": DOC,
    "ess": ESS,
    "ev": ID + "evidence/",
    "event-type": ID + "event-type/",
    "foaf": FOAF,
    "geo": GEO,
    "graph": GRAPH,
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "id": ID,
    "oa": OA,
    "org": ORG,
    "organization-type": ID + "organization-type/",
    "owl": OWL,
    "passage": PASSAGE,
    "prov": PROV,
    "rdf": RDF,
    "rdfs": RDFS,
    "reason": ID + "reason/",
    "role": ID + "role/",
    "schema": SCHEMA,
    "sh": SH,
    "shape": BASE + "shapes#",
    "skos": SKOS,
    "spdx": "http://spdx.org/rdf/terms#",
    "status": ID + "status/",
    "text-type": ID + "text-type/",
    "theme": ID + "theme/",
    "void": "http://rdfs.org/ns/void#",
    "xsd": XSD,
}


def slug(text: str) -> str:
    """A text as a slug, of its letters without accents and its digits; empty where it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z0-9]+", plain))


def shorten(iri: str) -> str:
    """``id:bamako`` for ``https://w3id.org/essgraph/id/bamako``; ``<iri>`` where no prefix fits."""
    best = max(
        ((space, prefix) for prefix, space in PREFIXES.items() if iri.startswith(space)),
        key=lambda pair: len(pair[0]),
        default=None,
    )
    if best is None:
        return f"<{iri}>"
    local = iri[len(best[0]) :]
    if not local or not all(c.isalnum() or c in "-_" for c in local):
        return f"<{iri}>"
    return f"{best[1]}:{local}"


def prefixed(iri: str) -> str:
    """``id:bamako`` for ``https://w3id.org/essgraph/id/bamako``; the IRI where no prefix fits."""
    return shorten(iri).strip("<>")


def expand(name: str) -> str:
    """The IRI of a name with a prefix of ours; what is no such name as it is."""
    prefix, colon, local = name.partition(":")
    return PREFIXES[prefix] + local if colon and prefix in PREFIXES else name
