"""What all pages share: language, templates, header fields, and the answer as a whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from essgraph import formats, names
from essgraph.formats import Format
from essgraph.service import encodings
from essgraph.service.live import Served
from essgraph.service.pages import naming, static, wording
from essgraph.service.pages.dates import in_words
from essgraph.service.pages.naming import Names
from essgraph.service.pages.rows import Term
from essgraph.service.problems import LANGUAGES, preferred_language, require
from essgraph.service.reply import entity_tag, matches

#: Nothing from another host, no script or style but from our files (CSP Level 3).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("essgraph.service", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"ensure_ascii": False}

#: The words of the pages by language.
_WORDS: Final = {
    language: {
        name: wording.typographic(text.in_language(language), language)
        for name, text in wording.WORDS.items()
    }
    for language in LANGUAGES
}


@dataclass(frozen=True)
class View:
    """How one request is answered: its language, and what templates do with terms in it."""

    language: str
    #: Whether the address names the language: then our links go on naming it.
    chosen: bool
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def t(self) -> Mapping[str, str]:
        return _WORDS[self.language]

    def say(self, fr: str, en: str) -> str:
        """Words that only one place needs."""
        return self.typo(en if self.language == "en" else fr)

    def link(self, path: str, **parameters: str) -> str:
        """An address of ours, with parameters, in the language of the request if it was named."""
        path, mark, fragment = path.partition("#")
        if self.chosen and "lang" not in dict(parse_qsl(path.partition("?")[2])):
            parameters.setdefault("lang", self.language)
        if parameters:
            path += ("&" if "?" in path else "?") + urlencode(parameters)
        return path + mark + fragment

    def other(self) -> str:
        """This page in the other language."""
        kept = [(k, v) for k, v in self.query if k != "lang"]
        return f"?{urlencode([*kept, ('lang', self.say('en', 'fr'))])}"

    def to(self, iri: str) -> str | None:
        """The target of a link to an IRI: ours on this host, else the Web's, else none."""
        own = naming.path(iri)
        if own is not None:
            return self.link(own)
        return iri if iri.startswith(("http://", "https://")) else None

    def kind(self, key: str, many: bool = False) -> str:
        return wording.KINDS[key][many].in_language(self.language)

    def members(self, iri: str) -> str:
        """What the members of a class are called."""
        key = naming.KINDS.get(iri)
        return self.kind(key, True) if key else names.prefixed(iri)

    def date(self, value: str) -> str:
        """A day in words."""
        return in_words(value, self.language)

    def property(self, iri: str) -> str:
        """What a property is called, from its subject to its object."""
        known = wording.PROPERTIES.get(iri)
        return known[1].in_language(self.language) if known else names.shorten(iri)

    def words(self, term: Term, property: str = "") -> Markup:
        """A literal as people read it, marked where it is in another language."""
        text = wording.literal(term, self.language, property)
        return isolated(text, term.language if term.language != self.language else "")

    def typo(self, text: str) -> str:
        """Words of ours in the language of the page, as a typesetter would print them."""
        return wording.typographic(text, self.language)

    def name(self, known: Names, iri: str) -> Markup:
        """The label of a thing, no link."""
        return self.words(known.label(iri, self.language))

    def plain(self, known: Names, iri: str) -> str:
        """The label of a thing as a bare string (titles, attributes), where no element could
        keep what directs the text after it."""
        return undirected(wording.literal(known.label(iri, self.language), self.language))

    def anchor(self, known: Names, iri: str) -> Markup:
        """A link to a thing, under its label; for the Web's things, their address."""
        target = self.to(iri)
        if iri in known.labels or target is None:
            text = self.name(known, iri)
        elif iri.startswith(names.PASSAGE):
            text = escape(f"passage {iri.rpartition('/')[2]}")
        else:
            text = isolated(_shown(iri))
        if target is None:
            return Markup("<code>{}</code>").format(isolated(iri))
        kind = known.kind(iri)
        if target.startswith("/"):
            return Markup('<a href="{}" class="k k-{}">{}</a>').format(target, kind, text)
        return Markup('<a href="{}" rel="external" class="out">{}</a>').format(target, text)


def _shown(iri: str) -> str:
    """An IRI as a link shows it: without scheme."""
    short = names.shorten(iri)
    if not short.startswith("<"):
        return short
    return iri.split("://", 1)[-1].removeprefix("www.").rstrip("/")


#: Formatting characters of the bidirectional algorithm (Unicode Annex 9, 2), which say how what
#: follows them is laid out; and the blocks of scripts that are written from right to left.
_DIRECTING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TO_ISOLATE: Final = re.compile(
    "[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefe"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def isolated(text: str, language: str = "") -> Markup:
    """Text of the data as HTML. Where it may have another direction than the page, or turn what
    stands around it, it is in an element that keeps that to itself (HTML, 4.5.24)."""
    if _TO_ISOLATE.search(text):
        named = Markup(' lang="{}"').format(language) if language else ""
        return Markup("<bdi{}>{}</bdi>").format(named, text)
    return Markup('<span lang="{}">{}</span>').format(language, text) if language else escape(text)


def undirected(text: str) -> str:
    """Text without what would direct the text after it."""
    return _DIRECTING.sub("", text)


def sentence(text: str) -> str:
    """Words of ours as they begin a sentence or a label."""
    return text[:1].upper() + text[1:]


_CALLED: Final = {
    "csv": "CSV",
    "json": "JSON",
    "jsonld": "JSON-LD",
    "nq": "N-Quads",
    "nt": "N-Triples",
    "rdfxml": "RDF/XML",
    "trig": "TriG",
    "tsv": "TSV",
    "turtle": "Turtle",
    "xml": "XML",
}


def called(format: Format) -> str:
    """What people call a format."""
    return _CALLED.get(format.name, format.name)


def view(request: Request) -> View:
    """The language by ``?lang=``, then ``Accept-Language``, French by default.

    Raises QueryError for a language that there is not.
    """
    asked = choice(request, "lang", LANGUAGES, "")
    language = asked or preferred_language(request.headers.getlist("accept-language"))
    query = tuple(request.query_params.multi_items())
    return View(language, bool(asked), request.url.path, query)


def choice(request: Request, name: str, known: Iterable[str], default: str) -> str:
    """The value of a parameter that has a few; empty is as if it were not given. Raises
    QueryError for any other."""
    value = request.query_params.get(name, "")
    return require(name, value, known) if value else default


Context = Mapping[str, Any]


def html(
    request: Request, served: Served, template: str, v: View, context: Context, status: int = 200
) -> Response:
    """The page, with its header fields; 304 where the browser has it."""
    body = render(template, v, context, version=served.snapshot.version)
    return respond(request, v, body, status)


def render(template: str, v: View, context: Context, version: str = "") -> bytes:
    """A page's bytes. Every value is escaped where a template puts it."""
    functions: dict[str, Callable[..., Any]] = {
        "static": static.address,
        "called": called,
        "isolated": isolated,
        "prefixed": names.prefixed,
        "sentence": sentence,
        "undirected": undirected,
    }
    return (
        _ENVIRONMENT.get_template(template)
        .render(v=v, t=v.t, say=v.say, version=version, **functions, **context)
        .encode()
    )


def respond(request: Request, v: View, body: bytes, status: int = 200) -> Response:
    """An HTML answer with the header fields of all pages."""
    coding = encodings.choose(tuple(request.headers.getlist("accept-encoding")))
    tag = entity_tag(hashlib.blake2b(body, digest_size=15).hexdigest(), coding)
    headers = {
        "Content-Language": v.language,
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Vary": "Accept, Accept-Language, Accept-Encoding",
        "Cache-Control": "public, max-age=60" if status == 200 else "no-store",
    }
    if status == 200:
        headers["ETag"] = tag
        if matches(tuple(request.headers.getlist("if-none-match")), tag):
            return Response(None, 304, headers)
    if coding != "identity":
        headers["Content-Encoding"] = coding
    return Response(encodings.encode(body, coding), status, headers, formats.HTML.content_type)
