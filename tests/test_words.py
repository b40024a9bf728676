"""The words that users read, in both languages: what of typography a rule can tell.

Our files hold plain spaces and either apostrophe; pages set them as a typesetter would
(``wording.typographic``). What sources say (titles, other names, first words) is theirs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pyoxigraph as ox
import pytest
from conftest import ROOT
from test_openapi import prose
from test_pages import BROWSER, PATHS

from essgraph import names

OURS = {
    names.RDFS + "label",
    names.RDFS + "comment",
    names.SKOS + "prefLabel",
    names.SKOS + "definition",
    names.SKOS + "scopeNote",
    names.DCTERMS + "description",
    names.ESS + "summary",
    names.OA + "bodyValue",
    names.SH + "name",
    names.SH + "message",
}
#: What code stands for in a message: a value that is put in, an example of syntax.
VALUE = "\N{REPLACEMENT CHARACTER}"
FRENCH = {
    "a space before ; ! ?": re.compile(r"(?:\w\w|[)»%…])[;!?](?=\s|$)"),
    "a space before :": re.compile(r"(?<=\S)(?<!\bid):(?=\s(?!»)|$)"),
    "spaces inside « »": re.compile(r"«(?! )|(?<! )»"),
    "French quotation marks": re.compile('[“”"]'),
    "an accent on a capital": re.compile(
        r"(?:^|\. |« )A |\bE(?=tat|conom|cole|lu|l[ée]ment|v[ée]nement|quip|tude|valu|change)"
    ),
    "plain spaces": re.compile("[\u00a0\u202f]"),
}
ENGLISH = {
    "no space before ; : ! ?": re.compile(r"\w [;:!?](?=\s|$)"),
    "no French quotation marks": re.compile("[«»]"),
    "plain spaces": re.compile("[\u00a0\u202f]"),
}


def _shown(node: ast.expr) -> str:
    """The words of an expression, whatever else it puts between them."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_shown, node.values))
    if isinstance(node, ast.BinOp):
        return _shown(node.left) + _shown(node.right)
    if isinstance(node, ast.IfExp):
        return _shown(node.body)
    return VALUE


def _messages() -> Iterator[tuple[str, str, str]]:
    """Where each message stands, and what it says in French and English."""
    for file in sorted((ROOT / "src/essgraph").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and len(node.args) == 2:
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if called in ("Text", "say", "_refused"):
                    place = f"{file.relative_to(ROOT)}:{node.lineno}"
                    yield place, _shown(node.args[0]), _shown(node.args[1])


def _data() -> Iterator[tuple[str, str, str]]:
    """Where each literal of ours stands, its language, and what it says."""
    for folder in ("ontology", "shapes", "data"):
        for file in sorted((ROOT / folder).rglob("*.t*")):
            for quad in ox.parse(path=str(file)):
                said = quad.object
                if isinstance(said, ox.Literal) and quad.predicate.value in OURS:
                    # A note may quote a name as the text writes it.
                    yield file.name, said.language or "", re.sub("Economie Sociale", "", said.value)


def _wrong(language: str, text: str) -> list[str]:
    rules = {"fr": FRENCH, "en": ENGLISH}.get(language, {})
    return [rule for rule, pattern in rules.items() if pattern.search(text)]


def test_messages_keep_the_typography_of_their_language() -> None:
    found = list(_messages())
    assert len(found) > 300
    assert not [place for place, fr, en in found if bool(fr) != bool(en)]
    wrong = [
        (place, rules, said)
        for place, fr, en in found
        for language, said in (("fr", fr), ("en", en))
        if (rules := _wrong(language, said))
    ]
    assert not wrong


def test_the_data_keep_the_typography_of_their_language() -> None:
    found = list(_data())
    assert len(found) > 1500
    assert not [(*one, rules) for one in found if (rules := _wrong(one[1], one[2]))]


class Prose(HTMLParser):
    """The text of a page that is prose: no code, no words of the private texts."""

    SKIPPED = frozenset(("script", "style", "pre", "code", "textarea", "q", "blockquote", "cite"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._skipping = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipping += tag in self.SKIPPED
        said = dict(attrs)
        self.pieces += [said[a] or "" for a in ("title", "aria-label", "placeholder") if a in said]

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in self.SKIPPED

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.pieces.append(data)


#: A sign that a line may begin or end with, or an apostrophe of typewriters.
LOOSE = re.compile(r"\S [;:!?»%](?!\w)|« |\w'\w")


@pytest.mark.parametrize("path", [*PATHS, "/ontology", "/shapes", "/dataset", "/id/", "/page/x"])
def test_no_line_of_a_french_page_begins_with_a_sign(server: str, path: str) -> None:
    headers = {"Accept": BROWSER, "Accept-Language": "fr"}
    page = httpx.get(server + path, headers=headers, timeout=30)
    assert page.headers["content-language"] == "fr"
    assert not [piece for piece in Prose(page.text).pieces if LOOSE.search(piece)]


def test_no_line_of_a_french_description_begins_with_a_sign(server: str) -> None:
    """What viewers of OpenAPI show as pages; code stands between backticks."""
    said = dict(prose(httpx.get(f"{server}/openapi.json", params={"lang": "fr"}).json()))
    assert len(said) > 800
    plain = {place: re.sub("`[^`]*`", "code", text) for place, text in said.items()}
    assert not {place: text for place, text in plain.items() if LOOSE.search(text)}
    assert any("\u202f" in text for text in plain.values())


def test_the_quotation_marks_of_style_sheets_stay_with_what_they_quote() -> None:
    for sheet in (ROOT / "src/essgraph/service/static").glob("*.css"):
        assert not re.search("« | »", sheet.read_text()), sheet
