"""A knowledge graph of the social and solidarity economy in which every fact names its passage.

Modules are small and flat, and each imports only those before it:
errors, names, formats, turtle → project, findings → catalog, snapshot, query → sources, report,
engine → anchors, merge, shacl, jsonld → evidence, results → evaluation → workers, ask → build, pool
→ changes, service → cli.
"""
