"""How to cite an answer, in BibTeX or CSL-JSON with the permanent address; and a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from essgraph import names
from essgraph.formats import Format
from essgraph.query import inspect

if TYPE_CHECKING:
    from essgraph.service.asking import Asked

AUTHOR: Final = "The essgraph founders"
PUBLISHER: Final = "essgraph"
_DATASET: Final = inspect(
    f"PREFIX dcterms: <{names.DCTERMS}> SELECT ?title ?modified "
    f"{{ <{names.DATASET}> dcterms:title ?title ; dcterms:modified ?modified }}"
)
#: What BibTeX reads otherwise than it stands.
_SPECIAL: Final = re.compile(r"[&%$#_{}~^\\]")


async def cite(it: Asked, address: str, format: Format) -> bytes:
    """The citation of an answer in BibTeX or CSL-JSON (Citation Style Language data, 1.0)."""
    rows = await it.served.answers.solutions(_DATASET)
    dataset = next((r["title"]["value"] for r in rows if r["title"]["xml:lang"] == it.language), "")
    day = rows[0]["modified"]["value"] if rows else ""
    title = it.question.title.in_language(it.language)
    version = it.served.snapshot.version[:16]
    key = f"essgraph-{it.question.name}-{version[:8]}"
    if format.name == "csl":
        entry: dict[str, Any] = {
            "id": key,
            "type": "dataset",
            "author": [{"literal": AUTHOR}],
            "title": title,
            "container-title": dataset,
            "publisher": PUBLISHER,
            "version": version,
            "URL": address,
            "language": it.language,
        }
        if day:
            entry["issued"] = {"date-parts": [[int(part) for part in day.split("-")]]}
        return (json.dumps([entry], ensure_ascii=False, indent=1) + "\n").encode()
    fields = {
        "title": _escaped(title),
        "howpublished": _escaped(dataset),
        "publisher": PUBLISHER,
        "year": day[:4],
        "version": version,
        "url": address,
        "language": "french" if it.language == "fr" else "english",
    }
    return _bibtex(key, fields).encode()


def cite_page(title: str, iri: str, slug: str, version: str) -> str:
    """The citation of the page about an entity, document or passage in BibTeX."""
    fields = {
        "title": _escaped(title),
        "howpublished": PUBLISHER,
        "url": iri,
        "note": f"data version {version[:12]}, CC BY 4.0",
    }
    return _bibtex(f"essgraph-{slug.replace('/', '-')}", fields)


def _bibtex(key: str, fields: Mapping[str, str]) -> str:
    # In braces of their own the words of the author are one name.
    inside = {"author": f"{{{AUTHOR}}}", **fields}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in inside.items() if value)
    return f"@misc{{{key},\n{lines}\n}}\n"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda m: "\\" + m[0] if m[0] in "&%$#_{}" else "", text)
