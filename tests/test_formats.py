"""Content negotiation against RFC 9110, section 12.5.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essgraph import formats
from essgraph.formats import GRAPHS, RESULTS, Format, MediaRange, negotiate, parse_accept

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
RDFLIB = (
    "application/sparql-results+xml, application/xml;q=0.8, application/sparql-results+json;q=0.9"
)
#: What java.net.HttpURLConnection sends unless told otherwise.
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("accept", "offers", "media_type"),
    [
        ([], RESULTS, "application/sparql-results+json"),
        ([""], RESULTS, "application/sparql-results+json"),
        (["*/*"], GRAPHS, "text/turtle"),
        (["application/json"], RESULTS, "application/json"),
        (["text/csv;q=0.5", "text/tab-separated-values"], RESULTS, "text/tab-separated-values"),
        (["application/*;q=0.4, text/csv;q=0.5"], RESULTS, "text/csv"),
        (["text/*;q=0.3, text/csv;q=0.1"], RESULTS, "text/tab-separated-values"),
        (["text/csv; header=present"], RESULTS, "text/csv"),
        (["TEXT/CSV"], RESULTS, "text/csv"),
        (["application/sparql-results+json;q=0, */*;q=0.1"], RESULTS,
         "application/sparql-results+xml"),
        ([RDFLIB], RESULTS, "application/sparql-results+xml"),
        ([BROWSER], (formats.HTML, *GRAPHS), "text/html"),
        (["text/plain, */*;q=0.1"], GRAPHS, "text/plain"),
        (["image/png"], RESULTS, None),
        (["*/*;q=0"], RESULTS, None),
        (["text/csv;q=2"], RESULTS, None),
        (["nonsense"], RESULTS, None),
        ([JAVA], RESULTS, "application/sparql-results+json"),
        ([JAVA], (*GRAPHS, formats.HTML), "text/html"),
        (["*"], GRAPHS, "text/turtle"),
        (["*;q=0.3, text/csv;q=.5"], RESULTS, "text/csv"),
        (["text/csv;q=.05, text/tab-separated-values;q=.5"], RESULTS, "text/tab-separated-values"),
        (["*;q=.0"], RESULTS, None),
        (["text/csv;q=."], RESULTS, None),
        (["text/csv;q=.1234"], RESULTS, None),
        (["*/csv, **, *text/csv, * text/csv"], RESULTS, None),
        (['text/csv;a="x,y;z";q=0.9, application/json;q=0.8'], RESULTS, "text/csv"),
    ],
)  # fmt: skip
def test_choice(accept: list[str], offers: tuple[Format, ...], media_type: str | None) -> None:
    chosen = negotiate(accept, offers)
    assert (chosen.media_type if chosen else None) == media_type


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_header_gets_an_answer_or_none(accept: list[str]) -> None:
    chosen = negotiate(accept, RESULTS)
    assert chosen is None or chosen.name in {offer.name for offer in RESULTS}


WEIGHTS = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
RANGES = st.lists(
    st.tuples(
        st.sampled_from(
            ["*/*", "text/*", "application/*"]
            + [offer.media_type for offer in RESULTS]
            + ["image/png", "text/html"]
        ),
        WEIGHTS,
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda pair: pair[0],
)


@given(RANGES, st.booleans(), st.booleans())
def test_the_heaviest_acceptable_offer_wins(
    ranges: list[tuple[str, float]], bare: bool, star: bool
) -> None:
    """An independent reading of the specification: the most specific range weighs an offer.

    ``bare`` weights begin with the point, a ``star`` stands for ``*/*``: old clients write both.
    """

    def weight(media_type: str) -> float:
        given_weights = dict(ranges)
        for name in (media_type, media_type.split("/")[0] + "/*", "*/*"):
            if name in given_weights:
                return given_weights[name]
        return 0.0

    header = ", ".join(
        f"{'*' if star and name == '*/*' else name};q="
        + (f"{value:.3f}".removeprefix("0") if bare else f"{value:.3f}")
        for name, value in ranges
    )
    weights = {offer.media_type: weight(offer.media_type) for offer in RESULTS}
    chosen = negotiate([header], RESULTS)
    if max(weights.values()) == 0:
        assert chosen is None
    else:
        assert chosen is not None
        assert weights[chosen.media_type] == max(weights.values())


def test_several_lines_are_one_list() -> None:
    assert parse_accept(["a/b;q=0.5", "c/d"]) == parse_accept(["a/b;q=0.5, c/d"])
    assert parse_accept(["c/d"]) == [MediaRange("c", "d", 0, 1.0)]


def test_by_name() -> None:
    assert formats.by_name("ttl", GRAPHS) == formats.TURTLE
    assert formats.by_name("application/json", RESULTS) == formats.JSON
    assert formats.by_name("pdf", RESULTS) is None
