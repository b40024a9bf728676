"""The ``Link`` field (RFC 8288) of documents and pages: FAIR Signposting, level 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from essgraph import formats, names
from essgraph.formats import Format
from essgraph.service.documents import Topic

#: Of the data, their description and their terms.
LICENSE: Final = "https://creativecommons.org/licenses/by/4.0/"


def link(target: str, relation: str, media_type: str = "") -> str:
    """One link of the field."""
    typed = f'; type="{media_type}"' if media_type else ""
    return f'<{target}>; rel="{relation}"{typed}'


def data(topic: Topic, format: Format) -> str:
    """The path of the document about a topic in a format."""
    return f"/data/{topic.key}.{format.suffix}"


def page(topic: Topic) -> str:
    """The path of the page about a topic."""
    return f"/page/{topic.key}"


def page_of(iri: str) -> str:
    """The path of the page about what one of our IRIs names."""
    return "/page/" + iri.removeprefix(names.BASE).removeprefix("id/")


def of_thing(topic: Topic) -> str:
    """For the answer at the address of the thing itself, which no message can carry (303)."""
    described = [link(data(topic, f), "describedby", f.media_type) for f in formats.DOCUMENTS]
    described.append(link(page(topic), "describedby", formats.HTML.media_type))
    return ", ".join([*described, _cite(topic), link("/dataset", "collection")])


def of_document(topic: Topic, format: Format, license: str) -> str:
    """For the document about a topic in ``format``."""
    canonical = topic.path if topic.is_document else f"/data/{topic.key}"
    return ", ".join(
        [
            *_alternates(topic, except_for=format),
            link(canonical, "canonical"),
            link(topic.path, "describes"),
            *_shared(topic, license),
        ]
    )


def of_page(topic: Topic, license: str) -> str:
    """For the page about a topic, the landing page of Signposting."""
    return ", ".join(
        [
            *_alternates(topic, except_for=formats.HTML),
            *(link(data(topic, f), "describedby", f.media_type) for f in formats.DOCUMENTS),
            link(page(topic), "canonical"),
            link(topic.path, "describes"),
            link("https://schema.org/AboutPage", "type"),
            *_shared(topic, license),
        ]
    )


def _alternates(topic: Topic, except_for: Format) -> Sequence[str]:
    paths = {f: data(topic, f) for f in formats.DOCUMENTS} | {formats.HTML: page(topic)}
    return [link(path, "alternate", f.media_type) for f, path in paths.items() if f != except_for]


def _shared(topic: Topic, license: str) -> Sequence[str]:
    licensed = [link(license, "license")] if license else []
    return [*licensed, _cite(topic), link("/dataset", "collection")]


def _cite(topic: Topic) -> str:
    return link(f"{names.BASE}{topic.path[1:]}", "cite-as")
