"""``/sitemap.xml``: the pages in both languages; an index of parts where they are many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from essgraph.errors import Text, UnknownName

#: URLs in one sitemap, at most (sitemaps.org says 50,000, or 50 MiB).
_MOST: Final = 10_000
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_LANGUAGES: Final = (("fr", "?lang=fr"), ("en", "?lang=en"), ("x-default", ""))


def write(url: str, paths: Sequence[str], day: str, part: str) -> str:
    """The sitemap of a service at ``url``, whose pages are of that day; a part by its number, or
    the index of all where ``part`` is empty. Raises UnknownName for a part that there is not."""
    parts = -(-len(paths) // _MOST)
    if parts == 1:
        return _urls(url, paths, day)
    if not part:
        return _index(url, parts, day)
    if part.isdecimal() and int(part) in range(1, parts + 1):
        start = (int(part) - 1) * _MOST
        return _urls(url, paths[start : start + _MOST], day)
    raise UnknownName(Text(f"le plan du site a {parts} parties", f"the sitemap has {parts} parts"))


def _urls(base: str, paths: Sequence[str], day: str) -> str:
    entries = []
    for path in paths:
        url = escape(base + path)
        languages = "".join(
            f'<xhtml:link rel="alternate" hreflang="{language}" href="{url}{query}"/>'
            for language, query in _LANGUAGES
        )
        entries.append(f"<url><loc>{url}</loc><lastmod>{day}</lastmod>{languages}</url>\n")
    xhtml = 'xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    return f"{_HEAD}<urlset {_NAMESPACE} {xhtml}>\n{''.join(entries)}</urlset>\n"


def _index(base: str, parts: int, day: str) -> str:
    entries = "".join(
        f"<sitemap><loc>{escape(base)}/sitemap.xml?part={n}</loc>"
        f"<lastmod>{day}</lastmod></sitemap>\n"
        for n in range(1, parts + 1)
    )
    return f"{_HEAD}<sitemapindex {_NAMESPACE}>\n{entries}</sitemapindex>\n"
