"""The pages as a visitor reads them, in Chromium; axe-core on each kind of page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Locator, Page, Route, expect  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
BUILT = ROOT / "src" / "essgraph" / "service" / "static" / "built" / "STAMP"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: One page of each kind.
KINDS = {
    "home": "/",
    "city": "/page/paris",
    "organisation": "/page/remcess",
    "event": "/page/aimf-congress-2013",
    "theme": "/page/theme/finance",
    "document": "/doc/coop-coter-ess",
    "passage": "/passage/coop-coter-ess/5",
    "set-aside": "/passage/coop-coter-ess/1",
    "recommendations": "/recommendations",
    "themes": "/recommendations?by=theme",
    "questions": "/queries",
    "question": "/queries/evidence",
    "paged": "/queries/talks?limit=20&offset=20",
    "chart": "/queries/themes-by-addressee?view=chart",
    "editor": "/sparql",
    "error": "/sparql?query=SELECT%20%3Fx%20WHERE%20%7B",
    "map": "/queries/cities?view=map",
    "graph": "/queries/evidence?view=graph",
    "search": "/search?q=ville",
    "directory": "/search",
    "collections": "/id/",
    "collection": "/id/?class=City",
    "dataset": "/dataset",
    "ontology": "/ontology",
    "shapes": "/shapes",
    "guide": "/docs",
    "missing": "/page/nothing-of-the-kind",
}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt install chromium)"),
    pytest.mark.skipif(not BUILT.exists(), reason="python hatch_build.py has not been run"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Visit:
    """A window on the site, which notes all that goes wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        # That a page answers 4xx is what some of these tests are about.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.faults.append(f"asked {request.url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)


@pytest.fixture
def visit(browser: Browser, server: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A French visitor with an empty profile; ``indirect`` parameters go to the window."""
    options = {"locale": "fr-FR", "viewport": {"width": 1280, "height": 900}}
    with browser.new_context(**(options | getattr(request, "param", {}))) as context:
        context.set_default_timeout(15_000)
        visit = Visit(context.new_page(), server)
        yield visit
        assert not visit.faults


def test_search_with_suggestions_to_a_city(visit: Visit) -> None:
    page = visit.open("/")
    field = page.get_by_role("main").get_by_role("combobox", name="Chercher une entité")
    field.press_sequentially("montreal")
    option = page.get_by_role("option", name=re.compile("^Montréal"))
    expect(option.first).to_be_visible()
    field.press("ArrowDown")
    expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(visit.heading()).to_have_text("Montréal")


def test_a_late_suggestion_leaves_the_chosen_one_chosen(visit: Visit) -> None:
    page = visit.open("/")
    field = page.get_by_role("main").get_by_role("combobox", name="Chercher une entité")
    late: list[Route] = []
    page.route("**/suggest?q=montreal&*", lambda route: late.append(route))
    field.press_sequentially("montrea")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("Montréal")
    field.press("l")
    field.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")
    with page.expect_response("**/suggest?q=montreal&*"):
        late[0].continue_()
    page.wait_for_timeout(200)  # it is shown
    expect(first).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(visit.heading()).to_have_text("Montréal")


def test_search_folds_accents(visit: Visit) -> None:
    page = visit.open("/")
    page.get_by_role("main").get_by_role("combobox").fill("economie")
    page.get_by_role("main").get_by_role("button", name="Chercher").click()
    expect(page.get_by_role("main").get_by_text("conomie").first).to_be_visible()
    assert "aucune" not in page.get_by_role("main").inner_text().lower()[:200]


def test_evidence_of_a_fact(visit: Visit) -> None:
    page = visit.open("/page/remcess")
    mark = page.get_by_role("link", name=re.compile("^Preuve 1$")).first
    mark.click()
    piece = page.locator(".piece:target")
    expect(piece).to_be_visible()
    expect(piece.locator(".summary")).not_to_be_empty()
    expect(piece.locator(".source")).to_contain_text("caractères")
    piece.get_by_role("link", name=re.compile("^passage ")).click()
    expect(visit.heading()).to_contain_text("Passage")


def test_the_words_of_the_text_where_it_is_at_hand(
    browser: Browser, built: Path, texts: Path
) -> None:
    with (
        serving(built, "--texts", texts) as running,
        browser.new_context(locale="fr-FR") as context,
    ):
        visit = Visit(context.new_page(), running.url)
        page = visit.open("/page/remcess")
        marked = page.locator(".piece mark").first
        expect(marked).to_be_visible()
        assert len(page.locator(".words").first.inner_text()) > len(marked.inner_text())
        assert not visit.faults


def test_a_conflict_is_seen(visit: Visit) -> None:
    page = visit.open("/page/gsef-global-virtual-forum")
    note = page.locator(".note.conflict")
    expect(note).to_contain_text("Désaccord")
    expect(note).to_contain_text("Version retenue")
    expect(page.locator("dd.doubt").first).to_contain_text("douteux")


def test_switch_of_language_keeps_the_page_and_goes_on(visit: Visit) -> None:
    page = visit.open("/page/dakar")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(visit.heading()).to_have_text("Dakar")
    page.get_by_role("link", name="Senegal").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="Français").click()
    expect(visit.heading()).to_have_text("Sénégal")


def test_the_editor_runs_an_example_and_a_change(visit: Visit) -> None:
    page = visit.open("/sparql?lang=en")
    page.get_by_label("Examples").select_option("cities")
    rows = page.locator(".rows tbody tr")
    expect(rows.first).to_be_visible()
    count = rows.count()
    assert count > 1
    page.evaluate("essgraphEditor.setValue(essgraphEditor.getValue() + '\\nLIMIT 1')")
    page.get_by_role("button", name="Run").click()
    expect(rows).to_have_count(1)
    expect(page.locator(".rows code.iri").first).to_contain_text("id:")
    short = page.locator("a.short").get_attribute("href")
    assert short
    visit.open(short)
    expect(page.locator(".rows tbody tr")).to_have_count(1)


def test_the_language_is_switched_without_losing_the_query(visit: Visit) -> None:
    page = visit.open("/sparql")
    page.evaluate("essgraphEditor.setValue('SELECT (41 + 1 AS ?sum) { }')")
    page.get_by_role("button", name="Lancer").click()
    expect(page.locator(".rows tbody tr")).to_have_text("42")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".rows tbody tr")).to_have_text("42")


def test_suggestions_go_away_and_what_was_typed_stays(visit: Visit) -> None:
    page = visit.open("/")
    field = page.get_by_role("main").get_by_role("combobox")
    field.press_sequentially("dakar")
    expect(page.get_by_role("option").first).to_be_visible()
    field.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(field).to_have_value("dakar")
    # Those that come when the visitor is elsewhere already do not cover the page.
    held: list[Route] = []
    page.route("**/suggest?*", lambda route: held.append(route))
    field.fill("tunis")
    page.wait_for_timeout(100)
    field.press("Tab")
    with page.expect_response("**/suggest?*"):
        for route in held:
            route.continue_()
    page.wait_for_timeout(200)  # it is shown
    expect(page.get_by_role("option")).to_have_count(0)


def test_a_question_suggests_entities_from_the_keyboard(visit: Visit) -> None:
    page = visit.open("/queries/evidence")
    field = page.get_by_role("combobox", name="L’entité")
    expect(field).to_have_accessible_description(re.compile("REMCESS|Réseau"))
    field.fill("montrea")  # at once: each key asks, and a later answer would undo the choice
    option = page.get_by_role("option", name=re.compile("^Montréal")).first
    expect(option).to_be_visible()
    expect(field).to_have_attribute("aria-expanded", "true")
    field.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    named = field.get_attribute("aria-activedescendant")
    assert named == option.get_attribute("id")
    field.press("Enter")
    # It is put into the field, which keeps the focus; the next Enter asks.
    expect(field).to_have_value("id:montreal")
    expect(field).to_be_focused()
    expect(page.get_by_role("option")).to_have_count(0)
    field.press("Enter")
    page.wait_for_url("**/queries/evidence?entity=id%3Amontreal*")
    expect(page.locator(".rows tbody tr").first).to_be_visible()
    expect(field).to_have_accessible_description(re.compile("Montréal"))


def test_a_suggestion_is_chosen_with_the_mouse_and_keeps_its_direction(visit: Visit) -> None:
    page = visit.open("/queries/evidence?lang=en")
    turned = {"id": "x", "prefixed": "id:x", "url": "/id/x", "kindLabel": "city"}
    body = {"results": [turned | {"label": "\u202eDLRW"}]}
    page.route("**/suggest?*", lambda route: route.fulfill(json=body))
    field = page.get_by_role("combobox", name="The entity")
    field.fill("wrld")
    option = page.get_by_role("option").first
    assert option.locator("bdi").inner_text() == "\u202eDLRW"
    option.click()
    expect(field).to_have_value("id:x")


def test_the_editor_completes_our_terms_and_declares_their_prefix(visit: Visit) -> None:
    page = visit.open("/sparql")
    page.evaluate(
        "essgraphEditor.setValue('SELECT ?x WHERE {\\n  ?x a vill\\n}');"
        "essgraphEditor.focus(); essgraphEditor.setCursor(1, 11); essgraphEditor.autocomplete()"
    )
    page.get_by_text("ess:City").first.click()
    page.get_by_role("button", name="Lancer").click()
    expect(page.locator(".rows tbody tr").first).to_be_visible()
    assert "PREFIX ess:" in page.evaluate("essgraphEditor.getValue()")


def test_an_error_stands_at_its_line(visit: Visit) -> None:
    page = visit.open("/sparql")
    page.evaluate("essgraphEditor.setValue('SELECT ?x\\nWHERE {\\n  ?x ?y\\n}')")
    page.get_by_role("button", name="Lancer").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(re.compile("Ligne [34]"))
    expect(page.locator(".fault-line")).to_be_visible()


def test_views_of_an_answer(visit: Visit) -> None:
    page = visit.open("/sparql")
    page.get_by_label("Exemples").select_option("cities")
    page.get_by_role("link", name="Carte", exact=True).click()
    expect(page.locator(".outcome svg.map")).to_be_visible()
    page.get_by_label("Exemples").select_option("evidence")
    page.get_by_role("link", name="Graphe", exact=True).click()
    expect(page.locator(".outcome svg.network")).to_be_visible()
    page.get_by_label("Exemples").select_option("themes-by-addressee")
    page.get_by_role("link", name="Diagramme", exact=True).click()
    expect(page.locator(".outcome .chart")).to_be_visible()


def test_from_map_timeline_and_network_to_an_entity(visit: Visit) -> None:
    page = visit.open("/")
    page.locator("svg.map").get_by_role("link", name="Dakar").click()
    expect(visit.heading()).to_have_text("Dakar")
    visit.open("/")
    page.locator(".timeline").get_by_role("link", name=re.compile("REMCESS")).first.click()
    expect(visit.heading()).to_contain_text("REMCESS")
    visit.open("/")
    page.locator("svg.network").get_by_role("link", name=re.compile("^Adama Sangaré")).locator(
        "circle"
    ).click()
    expect(visit.heading()).to_have_text("Adama Sangaré")
    visit.open("/")
    page.get_by_role("link", name="La requête SPARQL").first.click()
    expect(page.locator(".rows tbody tr").first).to_be_visible()


def test_the_network_is_filtered(visit: Visit) -> None:
    page = visit.open("/")
    person = page.locator("[data-family=person]").first
    expect(person).to_be_visible()
    page.get_by_role("checkbox", name="Personnes").uncheck()
    expect(person).to_be_hidden()


def test_download(visit: Visit) -> None:
    page = visit.open("/page/dakar")
    with page.expect_download() as waited:
        page.get_by_role("link", name="Turtle").click()
    assert "id/dakar" in Path(waited.value.path()).read_text() or "id:dakar" in (
        Path(waited.value.path()).read_text()
    )


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_all_is_there_without_scripts(visit: Visit) -> None:
    page = visit.open("/")
    for picture in ("svg.map", ".timeline", "svg.network"):
        expect(page.locator(picture).first).to_be_visible()
    page.get_by_role("main").get_by_role("searchbox").fill("dakar")
    page.get_by_role("main").get_by_role("button", name="Chercher").click()
    page.get_by_role("main").get_by_role("link", name="Dakar", exact=True).click()
    expect(page.locator(".piece .summary").first).to_be_visible()
    visit.open("/sparql")
    page.get_by_role("textbox").fill("SELECT ?x WHERE { ?x a ess:City } LIMIT 2")
    page.get_by_role("button", name="Lancer").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("textbox").fill("SELECT ?x WHERE { ?x ?y ?z } LIMIT 2")
    page.get_by_role("button", name="Lancer").click()
    expect(page.locator(".rows tbody tr")).to_have_count(2)
    visit.open("/queries/evidence")
    page.get_by_role("textbox", name="L’entité").fill("dakar")
    page.get_by_role("button", name="Demander").click()
    expect(page.get_by_role("textbox", name="L’entité")).to_have_value("id:dakar")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_language_stands_beside_the_name_at_every_width(visit: Visit, language: str) -> None:
    page = visit.open(f"/docs?lang={language}")
    apart = []
    for width in range(320, 1440, 40):
        page.set_viewport_size({"width": width, "height": 800})
        name, other = (page.locator(one).bounding_box() for one in (".brand", ".tongue"))
        assert name
        assert other
        if not name["y"] <= other["y"] + other["height"] / 2 <= name["y"] + name["height"]:
            apart.append(width)
    assert not apart


@pytest.mark.parametrize("width", [320, 390, 700, 1000])
def test_suggestions_lie_within_the_window(visit: Visit, width: int) -> None:
    page = visit.open("/queries/connections")
    page.set_viewport_size({"width": width, "height": 800})
    for field in (page.get_by_role("combobox").first, page.get_by_label("La seconde entité")):
        field.fill("saint")
        listed = page.get_by_role("listbox")
        expect(listed).to_be_visible()
        box, typed = listed.bounding_box(), field.bounding_box()
        assert box
        assert typed
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert typed["width"] >= 140
        field.press("Escape")


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_paper_is_light_and_holds_what_can_be_read_on_it(visit: Visit) -> None:
    page = visit.open("/queries/cities?lang=en")
    page.emulate_media(media="print", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.querySelector('pre')).backgroundColor")
    page.emulate_media(media="print", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.querySelector('pre')).backgroundColor")
    assert dark == light
    for useless in (".top", ".views", ".button >> nth=0", ".formats", ".short"):
        expect(page.locator(useless)).to_be_hidden()
    expect(page.get_by_role("status")).to_be_visible()
    # Nothing is cut off that would have to be scrolled to.
    page.set_viewport_size({"width": 680, "height": 900})
    cut = page.evaluate(
        "[...document.querySelectorAll('pre, .scroll')]"
        ".filter((e) => e.scrollWidth > e.clientWidth)"
        ".filter((e) => getComputedStyle(e).overflowX != 'visible')"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert not cut
    visit.open("/")
    expect(page.locator(".seek")).to_be_hidden()
    expect(page.locator(".filter")).to_be_hidden()


def test_pictures_are_passed_over_from_the_keyboard(visit: Visit) -> None:
    page = visit.open("/")
    for name, beyond in (
        ("Passer la carte", "Les mêmes lieux en tableau"),
        ("Passer le réseau", "Les mêmes liens en tableau"),
    ):
        link = page.get_by_role("link", name=name)
        link.focus()
        expect(link).to_be_in_viewport()
        assert (link.bounding_box() or {"width": 0})["width"] > 60
        link.press("Enter")
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent")
        assert focused in (beyond, "La requête SPARQL")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (npm ci in web/)")
@pytest.mark.parametrize(("language", "scheme"), [("fr", "light"), ("en", "dark")])
def test_axe_finds_nothing(browser: Browser, server: str, language: str, scheme: str) -> None:
    found = []
    options: Any = {"color_scheme": scheme, "bypass_csp": True}
    with browser.new_context(locale=language, **options) as context:
        page = context.new_page()
        for kind, path in KINDS.items():
            page.goto(server + path)
            page.add_script_tag(path=AXE)
            tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
            outcome = page.evaluate("tags => axe.run({runOnly: tags})", tags)
            found += [
                (kind, violation["id"], node["html"][:160], node["failureSummary"][:200])
                for violation in outcome["violations"]
                for node in violation["nodes"][:3]
            ]
    assert not found


def test_the_smallest_words_can_be_read(browser: Browser, server: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        for kind, path in KINDS.items():
            page.goto(server + path)
            small = page.evaluate(
                """[...document.querySelectorAll("main *:not(svg *)")]
                .filter((one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
                .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 11)
                .map((one) => one.outerHTML)"""
            )
            assert not small, kind


def test_a_dot_stands_only_beside_a_kind_of_thing(browser: Browser, server: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        for path, dotted in (("/page/paris", True), ("/dataset", False), ("/page/nothing", False)):
            page.goto(server + path)
            dot = page.evaluate(
                "getComputedStyle(document.querySelector('.head .kind'), '::before').content"
            )
            assert (dot != "none") is dotted, path


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_overflows(browser: Browser, server: str, width: int) -> None:
    size: Any = {"width": width, "height": 800}
    with browser.new_context(viewport=size) as context:
        page = context.new_page()
        for kind, path in KINDS.items():
            page.goto(server + path)
            over = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, kind
