"""The pages for people: each is a SPARQL query through the served engine, and a template.

``routes(live)`` gives the paths that only people read. For paths that are negotiated, the module
of a kind of page has one ``async def page(request, served)``, to call once ``text/html`` is
chosen: ``entity``, ``document`` (with ``passage``), ``home``, ``questions``, ``editor``,
``searching``. Errors are those of ``essgraph.errors``; the caller turns them into an answer.
"""
