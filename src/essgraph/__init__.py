"""A knowledge graph of the social and solidarity economy in which every fact names its passage.

Modules are small and flat, and each imports only those before it:
errors, names, formats, turtle → grammar, dialects, lint → project, findings → catalog, search,
snapshot, query → sources, report, engine → anchors, merge, shacl, jsonld, why → evidence, results
→ evaluation → workers, ask, endpoint → build, pool, push → changes, draft, remote → service → cli.
"""
