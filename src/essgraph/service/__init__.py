"""The HTTP service: SPARQL 1.1 Protocol, entities, pages, health. Reads the snapshot only.

Never imports the build side (rdflib, pySHACL). Each module, those of ``pages`` too, imports only
those before it:
clients, connections, dates, encodings, memo, operations, problems, sitemap, texts → addresses,
answers, schemas → live, reply → access, description, documents, edge, rows, static → dataset,
links, naming, near, shortlinks, wording → evidence, frame, terms → details, diagram, facts, guide,
pictures, recommendations → endpoint, network → home, reference, sparql → outcome → editor, resource
→ api, collections, site, vocabulary → finding → asking → citations, claims, reconciliation,
searching, supports, versions → entity, library, openapi, questions → document, routes → entities →
app → server.
"""

from essgraph.service.app import create_app

__all__ = ["create_app"]
