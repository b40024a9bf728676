"""The formats we speak, and the choice among them: content negotiation as a pure function.

Implements proactive negotiation on ``Accept`` (RFC 9110, section 12.5.1): quality values,
specificity (a named type before ``type/*`` before ``*/*``), ``q=0`` as refusal. Parameters of a
media range other than ``q`` make it more specific but never exclude a type we serve: all our
text is UTF-8 and no client gains by a 406 over a ``charset`` or ``version``. ``*`` is read as
``*/*`` and a weight may begin with its point, since Java's HttpURLConnection writes them so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final


@dataclass(frozen=True)
class Format:
    """A serialisation: its short name, media type, file suffix, and whether it is text.

    ``names`` are what clients call it otherwise in ``?format=`` (SPARQLWrapper and its like).
    """

    name: str
    media_type: str
    suffix: str
    aliases: tuple[str, ...] = ()
    charset: bool = True
    names: tuple[str, ...] = ()

    def __hash__(self) -> int:  # for the caches of choices, at each request
        return hash(self.media_type)

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``."""
        return f"{self.media_type}; charset=utf-8" if self.charset else self.media_type


JSON: Final = Format("json", "application/sparql-results+json", "srj", ("application/json",), False)
XML: Final = Format(
    "xml", "application/sparql-results+xml", "srx", ("application/xml", "text/xml"), False
)
CSV: Final = Format("csv", "text/csv", "csv")
TSV: Final = Format("tsv", "text/tab-separated-values", "tsv")
TURTLE: Final = Format("turtle", "text/turtle", "ttl", ("application/x-turtle",), names=("n3",))
#: N-Triples under this name are US-ASCII (RDF 1.1 N-Triples, 6.1).
PLAIN: Final = "text/plain"
NTRIPLES: Final = Format(
    "nt", "application/n-triples", "nt", (PLAIN,), False, ("ntriples", "n-triples")
)
RDFXML: Final = Format(
    "rdfxml",
    "application/rdf+xml",
    "rdf",
    ("application/xml", "text/xml"),
    False,
    ("xml", "rdf+xml", "rdf/xml"),
)
JSONLD: Final = Format(
    "jsonld", "application/ld+json", "jsonld", ("application/json",), False, ("json", "json-ld")
)
TRIG: Final = Format("trig", "application/trig", "trig", ("application/x-trig",))
NQUADS: Final = Format("nq", "application/n-quads", "nq", ("text/x-nquads",), False, ("nquads",))
BIBTEX: Final = Format("bibtex", "application/x-bibtex", "bib")
CSL: Final = Format(
    "csl", "application/vnd.citationstyles.csl+json", "csl.json", (), False, ("csl-json",)
)
HTML: Final = Format("html", "text/html", "html", ("application/xhtml+xml",))

#: For SELECT and ASK, the preferred first.
RESULTS: Final = (JSON, XML, CSV, TSV)
#: For CONSTRUCT and DESCRIBE, and for descriptions of entities, the preferred first.
GRAPHS: Final = (TURTLE, JSONLD, RDFXML, NTRIPLES)
#: For documents, which may also show the named graphs that state their facts.
DOCUMENTS: Final = (*GRAPHS, TRIG, NQUADS)
#: The files to download, and what is inside the compression.
DUMPS: Final = {"dump.nq.gz": NQUADS, "dump.trig.gz": TRIG}
#: For the citation of an answer (as the DOI registration agencies negotiate them).
CITATIONS: Final = (BIBTEX, CSL)

#: A string that is never closed goes on to the end: whoever sends one must not have it sought anew
#: from each of its signs.
_ELEMENT = re.compile(r'(?:[^,"]++|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++')
_PARAMETER = re.compile(
    r';[ \t]*+([^\s=;,"]++)[ \t]*+=[ \t]*+("(?:[^"\\]|\\.)*+"|[^\s;,"]*+)[ \t]*+'
)
#: How many elements of a field are read, here and elsewhere: no client means more.
MOST: Final = 100
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"[ \t]*(?:({_TOKEN})/({_TOKEN})|\*)[ \t]*(.*)", re.DOTALL)
_QUALITY = r"0(?:\.[0-9]{0,3})?|\.[0-9]{1,3}|1(?:\.0{0,3})?"
_WEIGHT = re.compile(_QUALITY)
_WEIGHTED = re.compile(rf"[ \t]*+({_TOKEN})[ \t]*+(?:;[ \t]*+q=({_QUALITY})[ \t]*+)?")


@dataclass(frozen=True)
class MediaRange:
    """One element of an ``Accept`` field (RFC 9110, 12.5.1)."""

    type: str
    subtype: str
    parameters: int
    weight: float

    def specificity(self, media_type: str) -> int:
        """How specifically it names ``media_type``: 0 not at all, then rising."""
        main, _, sub = media_type.partition("/")
        if self.type == "*" and self.subtype == "*":
            return 1
        if self.type != main:
            return 0
        if self.subtype == "*":
            return 2
        return 3 + self.parameters if self.subtype == sub else 0


def parse_accept(values: Iterable[str]) -> list[MediaRange]:
    """The media ranges of all ``Accept`` lines of a request; malformed elements are left out."""
    ranges: list[MediaRange] = []
    for value in values:
        for found in islice(_ELEMENT.finditer(value), MOST):
            element = found[0]
            match = _RANGE.fullmatch(element)
            if match is None:
                continue
            main, sub, rest = (match[1] or "*").lower(), (match[2] or "*").lower(), match[3]
            pairs = [(k.lower(), v) for k, v in _PARAMETER.findall(rest)]
            if _PARAMETER.sub("", rest).strip(" \t;") or (main == "*" and sub != "*"):
                continue
            weights = [v for k, v in pairs if k == "q"]
            if any(not _WEIGHT.fullmatch(weight) for weight in weights):
                continue
            ranges.append(
                MediaRange(
                    main,
                    sub,
                    sum(k != "q" for k, _ in pairs),
                    float(weights[-1]) if weights else 1.0,
                )
            )
    return ranges


def weighted(values: Iterable[str]) -> Iterator[tuple[str, float]]:
    """The elements of ``Accept-Language`` or ``Accept-Encoding`` in lower case, each with its
    weight (RFC 9110, 12.4.2); malformed ones are left out."""
    for element in ",".join(values).lower().split(",", MOST)[:MOST]:
        if match := _WEIGHTED.fullmatch(element):
            yield match[1], float(match[2] or 1)


def negotiate(accept: Sequence[str], offers: Sequence[Format]) -> Format | None:
    """The offer that the client wants most; the earlier offer where it wants several alike.

    Takes the values of all ``Accept`` lines (none: anything will do). Returns None where nothing
    is acceptable (406). A type asked for by an alias (``application/json``) is answered by it.
    """
    ranges = parse_accept(accept)
    if not any(value.strip() for value in accept):
        return offers[0]
    best: Format | None = None
    best_weight = 0.0
    for offer in offers:
        for candidate in _candidates(offer, ranges):
            weight = _weight(ranges, candidate.media_type)
            if weight > best_weight:
                best, best_weight = candidate, weight
    return best


def _candidates(offer: Format, ranges: Sequence[MediaRange]) -> list[Format]:
    """The offer, and under each alias that a range names outright: wildcards mean the offer."""
    named = (a for a in offer.aliases if any(r.specificity(a) >= 3 for r in ranges))
    return [offer, *(replace(offer, media_type=alias) for alias in named)]


def _weight(ranges: Sequence[MediaRange], media_type: str) -> float:
    """The weight of the most specific range that names a type (RFC 9110, 12.5.1)."""
    fits = [(r.specificity(media_type), r.weight) for r in ranges]
    return max((fit for fit in fits if fit[0]), default=(0, 0.0))[1]


def by_name(name: str, offers: Sequence[Format]) -> Format | None:
    """The offer of that short name, suffix or media type (for ``?format=`` and file names)."""
    # A client that does not encode "+" means "rdf+xml" all the same.
    wanted = name.strip().lower().replace(" ", "+")
    for offer in offers:
        known = (offer.name, offer.suffix, *offer.names, offer.media_type, *offer.aliases)
        if wanted in known:
            return offer
    return None
