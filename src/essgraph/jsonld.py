"""RDF graphs as compact JSON-LD 1.1 under our context, which is our prefixes.

Flattened form: one node object a subject, in the order in which they come; keys and IRIs compact by
prefix (JSON-LD 1.1 API, 5.1). The engine writes JSON-LD expanded, which nobody reads with ease.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import pyoxigraph as ox

from essgraph import names
from essgraph.errors import NotRepresentable, Text

CONTEXT: Final[dict[str, str]] = dict(names.PREFIXES)

_RDF_TYPE: Final = names.RDF + "type"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")


def document(triples: Iterable[ox.Triple], context: str | None = None) -> bytes:
    """The graph as a JSON-LD document.

    ``context`` is the address of our context; without it the prefixes that are used stand in the
    document. Raises NotRepresentable for triple terms, which JSON-LD 1.1 does not have.
    """
    graph = list(triples)
    compact = _Compact(graph)
    nodes: dict[str, dict[str, Any]] = {}
    for triple in graph:
        subject = compact.node(triple.subject)
        node = nodes.setdefault(subject, {"@id": subject})
        predicate = triple.predicate.value
        if predicate == _RDF_TYPE and not isinstance(triple.object, ox.Literal):
            node.setdefault("@type", []).append(compact.node(triple.object))
        else:
            value = compact.value(triple.object)
            node.setdefault(compact.iri(predicate), []).append(value)
    whole = {
        "@context": context if context and compact.whole else compact.context(),
        "@graph": [
            {key: value[0] if len(value) == 1 and key != "@id" else value
             for key, value in node.items()} for node in nodes.values()
        ],
    }  # fmt: skip
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


class _Compact:
    """Compacts IRIs by our prefixes, and notes which were used."""

    def __init__(self, graph: Iterable[ox.Triple]) -> None:
        # An IRI whose scheme is one of our prefixes would be read as compact: that prefix is out.
        schemes = {
            iri.value.partition(":")[0]
            for triple in graph
            for term in triple
            if isinstance(iri := getattr(term, "datatype", term), ox.NamedNode)
        }
        self._prefixes = {
            space: prefix for prefix, space in CONTEXT.items() if prefix not in schemes
        }
        self._used: dict[str, str] = {}
        #: Whether every prefix of ours can be used, and so our context.
        self.whole = len(self._prefixes) == len(CONTEXT)

    def context(self) -> dict[str, str]:
        return dict(sorted(self._used.items()))

    def iri(self, iri: str) -> str:
        cut = max(iri.rfind("/"), iri.rfind("#")) + 1
        prefix = self._prefixes.get(iri[:cut])
        if prefix is None or not iri[cut:]:
            return iri
        self._used[prefix] = iri[:cut]
        return f"{prefix}:{iri[cut:]}"

    def node(self, term: object) -> str:
        if isinstance(term, ox.NamedNode):
            return self.iri(term.value)
        if isinstance(term, ox.BlankNode):
            return f"_:{term.value}"
        raise NotRepresentable(
            Text(
                "JSON-LD 1.1 ne peut pas écrire un triplet cité ; demandez un autre format",
                "JSON-LD 1.1 cannot write a triple term; ask for another format",
            )
        )

    def value(self, term: object) -> Any:
        if not isinstance(term, ox.Literal):
            return {"@id": self.node(term)}
        if term.language:
            value = {"@value": term.value, "@language": term.language}
            if term.direction:
                value["@direction"] = str(term.direction)
            return value
        datatype = term.datatype.value
        if datatype == names.XSD + "string":
            return term.value
        if datatype == names.XSD + "integer" and _INTEGER.fullmatch(term.value):
            return int(term.value)
        if datatype == names.XSD + "boolean" and term.value in ("true", "false"):
            return term.value == "true"
        return {"@value": term.value, "@type": self.iri(datatype)}
