"""The pages for people: each is a SPARQL query through the served engine, and a template.

``routes`` knows their paths. The module of a kind of page has one ``async def page(request, …)``,
to call once ``text/html`` is chosen. Errors are those of ``essgraph.errors``; the caller turns them
into an answer.
"""
