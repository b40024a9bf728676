"""A knowledge graph of the social and solidarity economy in which every fact names its passage.

Modules build on each other in this order, each importing only from those before it:
errors, names → project, formats, sources, snapshot, catalog → anchors, evidence, shacl, engine
→ build, workers → service → cli.
"""
