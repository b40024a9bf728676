"""The HTTP service: SPARQL 1.1 Protocol, entities, health. Reads the snapshot only.

Never imports the build side (rdflib, pySHACL): ``tests/test_layers.py`` holds it to that.
"""

from essgraph.service.app import create_app

__all__ = ["create_app"]
