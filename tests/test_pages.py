"""The pages over HTTP: whole without scripts, safe, self-contained, in two languages, small."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from conftest import ROOT, copy_project, serving, with_quads

from essgraph import catalog, names
from essgraph.build import build
from essgraph.project import Project
from essgraph.service.pages import dates, shortlinks, wording
from essgraph.service.pages.rows import Term

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
BUILT = ROOT / "src" / "essgraph" / "service" / "static" / "built" / "STAMP"
QUERY = quote("SELECT ?x WHERE { ?x a <https://w3id.org/essgraph/ontology#City> } LIMIT 3")
PATHS = [
    "/",
    "/page/remcess",
    "/page/dakar",
    "/page/theme/finance",
    "/page/gsef-global-virtual-forum",
    "/doc/aimf-article-2019",
    "/passage/aimf-article-2019/22",
    "/recommendations",
    "/recommendations?by=theme",
    "/queries",
    "/queries/evidence",
    "/queries/themes-by-addressee?view=chart",
    "/queries/cities?view=map",
    "/queries/evidence?view=graph",
    "/sparql",
    f"/sparql?query={QUERY}",
    "/search",
    "/search?q=ville",
    "/docs",
]
#: Types of script elements that hold data, which nothing runs.
DATA = ("application/json", "application/ld+json")
#: Attributes whose value the browser fetches, or goes to only when asked.
FETCHED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src")}


class Reader(HTMLParser):
    """What a page holds: elements with their attributes, and text outside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data

    def fetched(self) -> list[str]:
        """The addresses that a browser loads by itself."""
        found = [
            value
            for tag, attributes in self.elements
            for name, value in attributes.items()
            if (tag, name) in FETCHED and value
        ]
        found += [
            attributes["href"] or ""
            for tag, attributes in self.elements
            if tag == "link" and attributes.get("rel") in ("stylesheet", "icon", "preload")
        ]
        return found

    def links(self) -> list[str]:
        return [a["href"] or "" for tag, a in self.elements if tag == "a" and "href" in a]


FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, headers={"Accept": BROWSER}, timeout=30) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_page_is_whole_safe_and_from_one_host(
    client: httpx.Client, path: str, language: str
) -> None:
    response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-language"] == language
    assert {"Accept", "Accept-Language"} <= set(response.headers["vary"].split(", "))
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    page = Reader(response.text)
    assert page.elements[0] == ("html", {"lang": language})
    assert [tag for tag, _ in page.elements].count("h1") == 1
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "script":
            assert "src" in attributes or attributes.get("type") in DATA
        assert tag != "style"
    assert page.fetched()
    for address in page.fetched():
        assert not urlsplit(urljoin("/", address)).netloc, address
    assert len(page.text.split()) > 40


@pytest.mark.parametrize("slug", ["aimf-recommendations-2013", "gsef-session-report"])
def test_no_identifier_stands_twice_on_a_page(client: httpx.Client, slug: str) -> None:
    elements = Reader(client.get(f"/doc/{slug}").text).elements
    named = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(named) == len(set(named))


def test_all_that_a_page_loads_is_there(client: httpx.Client) -> None:
    if not BUILT.exists():
        pytest.skip("python hatch_build.py has not been run")
    for path in ("/", "/sparql"):
        for address in Reader(client.get(path).text).fetched():
            response = client.get(address)
            assert response.status_code == 200, address
            assert "immutable" in response.headers["cache-control"]
            tag = response.headers["etag"]
            # A proxy that compresses makes tags weak (RFC 9110, 8.8.1).
            for known in (tag, f"W/{tag}", f'"another", {tag}'):
                again = client.get(address, headers={"If-None-Match": known})
                assert again.status_code == 304, known


@pytest.mark.parametrize("name", ["../pages/static.py", "..%2fpages%2fstatic.py", "nothing.css"])
def test_static_files_lead_nowhere_else(client: httpx.Client, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_home_page_transfers_less_than_300_kb(client: httpx.Client) -> None:
    if not BUILT.exists():
        pytest.skip("python hatch_build.py has not been run")
    page = client.get("/", headers={"Accept-Encoding": "br"})
    loaded = set(Reader(page.text).fetched())
    for sheet in [address for address in loaded if ".css" in address]:
        found = re.findall(r'url\("([^"]+)"\)', client.get(sheet).text)
        loaded |= {urljoin(sheet, address) for address in found}
    total = 0
    for address in ["/", *loaded]:
        with client.stream("GET", address, headers={"Accept-Encoding": "br"}) as response:
            total += sum(len(piece) for piece in response.iter_raw())
    assert total < 300_000


def test_internal_links_lead_somewhere(client: httpx.Client) -> None:
    seen: set[str] = set()
    for path in ("/", "/page/remcess", "/doc/aimf-article-2019", "/recommendations"):
        for link in Reader(client.get(path).text).links():
            if link.startswith("/"):
                seen.add(link.partition("#")[0])
    # Other parts of the service answer these.
    seen -= {"/ontology", "/docs", "/dataset"}
    bad = {link: client.get(link).status_code for link in sorted(seen)}
    assert not {link: status for link, status in bad.items() if status not in (200, 303)}


def test_the_language_is_the_one_asked_for_and_links_keep_it(client: httpx.Client) -> None:
    page = client.get("/page/dakar?lang=en", headers={"Accept-Language": "fr"})
    assert page.headers["content-language"] == "en"
    assert '/page/senegal?lang=en"' in page.text
    plain = client.get("/page/dakar", headers={"Accept-Language": "en"})
    assert '/page/senegal"' in plain.text


@pytest.mark.parametrize(
    "path",
    [
        "/page/dakar",
        "/queries/doubtful-statements",
        "/queries/talks?limit=5&offset=5",
        "/search?q=a",
        "/dataset",
        "/docs",
        "/page/dakarr",
        "/queries/nothing",
    ],
)
def test_the_language_that_was_chosen_holds_on_every_way(client: httpx.Client, path: str) -> None:
    named = path + ("&" if "?" in path else "?") + "lang=en"
    french = {"Accept-Language": "fr"}
    page = client.get(named, headers=french)
    assert page.headers["content-language"] == "en"
    links = {
        e["href"] for tag, e in Reader(page.text).elements if tag == "a" and "hreflang" not in e
    }
    ours = {link.partition("#")[0] for link in links if link and link.startswith(("/", "?"))}
    reached = {
        link: client.get(urljoin(named, link), headers=french, follow_redirects=True)
        for link in ours
    }
    lost = [
        link
        for link, found in reached.items()
        if found.headers["content-type"].startswith("text/html")
        and found.headers["content-language"] != "en"
    ]
    assert not lost
    searches = Reader(page.text).elements
    assert [e["value"] for tag, e in searches if tag == "input" and e.get("name") == "lang"]


def test_what_is_not_there_can_be_read_in_the_other_language(client: httpx.Client) -> None:
    page = client.get("/page/nothing?lang=en", headers={"Accept-Language": "fr"})
    assert page.headers["content-language"] == "en"
    assert "Not found" in page.text
    french = next(
        e["href"] for tag, e in Reader(page.text).elements if tag == "a" and "hreflang" in e
    )
    other = client.get(urljoin("/page/nothing", french), headers={"Accept-Language": "en"})
    assert "Introuvable" in other.text


@pytest.mark.parametrize("path", ["/docs", "/queries/cities?lang=en"])
def test_what_is_to_be_run_in_a_shell_can_be(client: httpx.Client, server: str, path: str) -> None:
    (command,) = re.findall(r"<pre[^>]*>(curl .*?)</pre>", client.get(path).text)
    words = shlex.split(html.unescape(command))
    assert any(word.startswith(server) for word in words)
    done = subprocess.run(
        [*words, "--silent", "--fail"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "https://w3id.org/essgraph/id/dakar" in done.stdout


def test_a_slash_too_many_leads_to_the_page(client: httpx.Client) -> None:
    for path in ("/docs", "/queries", "/queries/cities", "/recommendations", "/search", "/dataset"):
        response = client.get(f"{path}/?lang=en")
        assert response.status_code == 301, path
        assert response.headers["location"] == f"{path}?lang=en"
    assert client.post("/sparql/", data={"query": "ASK {}"}).status_code == 404


def test_all_results_are_reached_and_of_the_kind_asked_for(client: httpx.Client) -> None:
    address, found = "/search?q=a&lang=en", []
    while address:
        page = Reader(client.get(address).text)
        results = page.text.partition("entities")[0]
        address = next(
            (a["href"] or "" for tag, a in page.elements if tag == "a" and a.get("rel") == "next"),
            "",
        )
        found += [
            link
            for tag, a in page.elements
            if tag == "a" and (a.get("class") or "").startswith("k ") and (link := a["href"])
        ]
    count = int(results.split()[-1])
    assert count > 100
    assert len(found) == len(set(found)) == count
    cities = Reader(client.get("/search?q=dakar&kind=City").text)
    assert len([a for tag, a in cities.elements if (a.get("class") or "").startswith("k k-")]) == 1
    assert client.get("/search?q=dakar&kind=Nothing").status_code == 400
    assert client.get("/search?q=dakar&offset=-1").status_code == 400


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/recommendations?by=zz", "addressee, theme"),
        ("/recommendations?theme=zz", "finance"),
        ("/recommendations?addressee=zz", "european-commission"),
        ("/?show=city&show=zz", "city, network, organization, event, person"),
        ("/search?kind=zz", "city"),
        ("/queries/cities?view=zz", "table, chart, map, graph"),
        ("/queries/cities?evidence=zz", "0"),
        ("/sparql?query=ASK%7B%7D&view=zz", "table, chart, map, graph"),
        ("/view?query=ASK%7B%7D&view=zz", "table, chart, map, graph"),
        ("/?lang=zz", "fr, en"),
        ("/page/dakar?lang=zz", "fr, en"),
        ("/doc/aimf-article-2019?lang=zz", "fr, en"),
        ("/queries/cities?lang=zz", "fr, en"),
        ("/queries?lang=zz", "fr, en"),
        ("/id/?lang=zz", "fr, en"),
        ("/search?q=a&lang=zz", "fr, en"),
        ("/docs?lang=zz", "fr, en"),
    ],
)
@pytest.mark.parametrize(("language", "said"), [("fr", "n’est pas"), ("en", "is not")])
def test_a_choice_that_there_is_not_is_told(
    client: httpx.Client, path: str, known: str, language: str, said: str
) -> None:
    answer = client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 400
    text = Reader(answer.text).text
    assert said in text
    assert "zz" in text
    assert known in text
    # What a form sends where nothing was chosen is no choice.
    assert client.get(path.replace("zz", "")).status_code == 200


@pytest.mark.parametrize("kind", ["city", "City"])
def test_a_kind_has_one_name_everywhere(client: httpx.Client, kind: str) -> None:
    directory = client.get(f"/search?kind={kind}&lang=en").text
    assert "<h1>Cities</h1>" in directory
    assert "/page/remcess" not in directory
    found = client.get(f"/search?q=dakar&kind={kind}&lang=en")
    assert found.status_code == 200
    assert "One entity" in found.text


def test_recommendations_are_narrowed_by_theme_and_addressee(client: httpx.Client) -> None:
    def shown(query: str) -> set[str]:
        page = client.get(f"/recommendations?lang=fr&{query}")
        assert page.status_code == 200, query
        body = page.text.partition("<tbody>")[2]
        return set(re.findall(r'href="(/page/[^?"]+)', body))

    commission = "/page/european-commission"
    every = shown("")
    assert commission in every
    for value in ("european-commission", "id:european-commission"):
        narrowed = shown(f"addressee={value}")
        assert commission in narrowed
        assert len(narrowed) < len(every)
        rows = client.get(f"/recommendations?addressee={value}").text.count('<th scope="row">')
        assert rows == 1
    assert shown("addressee=european-commission&by=theme") < shown("by=theme")
    both = shown("addressee=european-commission&theme=finance")
    assert both <= shown("addressee=european-commission")
    page = Reader(client.get("/recommendations?addressee=european-commission").text)
    chosen = [a for tag, a in page.elements if tag == "option" and "selected" in a]
    assert [option["value"] for option in chosen] == ["european-commission"]


@pytest.mark.parametrize(
    ("path", "typed", "meant"),
    [
        ("/queries/evidence?entity=", "dakar", "id:dakar"),
        ("/queries/evidence?entity=", "DAKAR", "id:dakar"),
        ("/queries/evidence?entity=", " Montreal ", "id:montreal"),
        ("/queries/evidence?lang=en&entity=", "aimf", "id:aimf"),
        ("/queries/recommendations-on?theme=", "Financement", "theme:finance"),
        ("/queries/recommendations-on?theme=", "theme/finance", "theme:finance"),
        ("/queries/passages-of?document=", "aimf-article-2019", "doc:aimf-article-2019"),
    ],
)
def test_a_name_typed_into_a_question_is_understood(
    client: httpx.Client, path: str, typed: str, meant: str
) -> None:
    answer = client.get(path + quote(typed))
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    found = client.get(urljoin(path, answer.headers["location"]))
    assert found.status_code == 200
    assert ("lang=en" in path) == ("lang=en" in answer.headers["location"])
    fields = [a for tag, a in Reader(found.text).elements if tag == "input" and "data-entity" in a]
    assert [a["value"] for a in fields] == [meant]
    # What is meant is said in words beside the field, and led to.
    described = fields[0]["aria-describedby"]
    (beside,) = re.findall(rf'id="{described}">(.*?)</span>', found.text)
    prefix, _, local = meant.partition(":")
    folder = {"id": "/page", "theme": "/page/theme", "doc": "/doc"}[prefix]
    assert re.search(rf'href="{folder}/{local}["?]', beside)


@pytest.mark.parametrize(
    ("language", "typed", "said"),
    [
        ("fr", "Rencontres", ["plusieurs", "theme:gatherings", "event-type:gathering"]),
        ("en", "Rencontres", ["several", "theme:gatherings", "event-type:gathering"]),
        ("fr", "Saint-Denis", ["id:saint-denis-la-reunion", "id:ville-de-saint-denis"]),
        ("fr", "Montrael", ["rien ne s’appelle", "peut-être", "id:montreal"]),
        ("en", "Montrael", ["nothing is named", "perhaps", "id:montreal"]),
        ("fr", "qzxwvk", ["rien ne s’appelle"]),
        ("en", "<b>", ["nothing is named"]),
        ("en", "id:nothing-of-it", ["nothing is named"]),
    ],
)
def test_a_name_that_is_none_or_several_is_told(
    client: httpx.Client, language: str, typed: str, said: list[str]
) -> None:
    address = f"/queries/evidence?lang={language}&entity={quote(typed)}"
    answer = client.get(address)
    assert answer.status_code == 400
    page = Reader(answer.text)
    for words in said:
        assert words in page.text
    fields = [a["value"] for tag, a in page.elements if "data-entity" in a]
    assert fields == [typed]


def test_pages_of_an_answer_go_from_the_first_to_the_last(client: httpx.Client) -> None:
    address, visited = "/queries/talks?limit=20", 0
    while address:
        response = client.get(address)
        assert response.status_code == 200, address
        visited += 1
        links = [a for tag, a in Reader(response.text).elements if tag == "a"]
        assert ("prev" in [a.get("rel") for a in links]) == (visited > 1)
        address = next((a["href"] or "" for a in links if a.get("rel") == "next"), "")
    assert visited > 1


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_the_questions_are_listed_by_subject(client: httpx.Client, lang: str) -> None:
    page = client.get(f"/queries?lang={lang}").text
    subjects = [words.in_language(lang) for words in catalog.SUBJECTS.values()]
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page) == [html.escape(s) for s in subjects]
    # What the texts say comes before what they do not.
    assert page.index('"/queries/roles?') < page.index('"/queries/people-without-post?')
    # From the top each is one step away, and its questions stand below it.
    reader = Reader(page)
    parts = [link[1:] for link in reader.links() if link in {f"#{s}" for s in catalog.SUBJECTS}]
    assert parts == list(catalog.SUBJECTS)
    for name, subject in (("members", "people"), ("versions", "doubts")):
        section = page.partition(f'<section id="{subject}"')[2].partition("</section>")[0]
        assert f'href="/queries/{name}?lang={lang}"' in section
        # And a question leads back to those beside it.
        question = client.get(f"/queries/{name}?lang={lang}").text
        assert f'href="/queries?lang={lang}#{subject}"' in question
    editor = client.get(f"/sparql?lang={lang}").text
    assert re.findall('<optgroup label="([^"]*)"', editor) == subjects


@pytest.mark.parametrize(
    ("written", "fr", "en"),
    [
        ("P12D", "12 jours", "12 days"),
        ("P1D", "1 jour", "1 day"),
        ("P1DT2H30M", "1 jour 2 h 30 min", "1 day 2 h 30 min"),
        ("PT3H", "3 h", "3 h"),
        ("PT45M", "45 min", "45 min"),
        ("P2Y", "P2Y", "P2Y"),
        ("P", "P", "P"),
    ],
)
def test_a_duration_is_told_in_words(written: str, fr: str, en: str) -> None:
    term = Term(written, datatype=names.XSD + "duration")
    for language, said in (("fr", fr), ("en", en)):
        assert wording.literal(term, language).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("lang", "headings"),
    [
        (
            "fr",
            {
                "talks": ["Intervention", "Événement", "Intervenant", "À propos de"],
                "evidence-levels": ["Document", "Niveau de preuve", "Passages"],
                "places": ["Lieu", "Genre", "Code ISO", "Latitude", "Longitude"],
                "participants": ["Partie", "À quel titre", "Personne ou organisation"],
            },
        ),
        (
            "en",
            {
                "talks": ["Talk", "Event", "Speaker", "About"],
                "evidence-levels": ["Document", "Evidence level", "Passages"],
                "places": ["Place", "Kind", "ISO code", "Latitude", "Longitude"],
                "participants": ["Part", "Capacity", "Person or organisation"],
            },
        ),
    ],
)
def test_a_page_says_a_name_once_in_each_row(
    client: httpx.Client, lang: str, headings: dict[str, list[str]]
) -> None:
    """An answer has names beside identifiers for those who take it as a table; the page shows what
    is identified by its name, under words in its own language."""
    for name, columns in headings.items():
        page = client.get(f"/queries/{name}?lang={lang}").text
        assert re.findall(r'<th scope="col">(.*?)</th>', page) == columns
    assert client.get("/queries/talks?format=csv").text.startswith(
        "talk,talkLabel,event,eventLabel,"
    )
    # Whoever writes a query sees all that it asks for.
    query = f"SELECT ?s ?sLabel {{ ?s a <{names.ESS}City> ; <{names.RDFS}label> ?sLabel }}"
    asked = client.get("/sparql", params={"query": query, "lang": lang}).text
    assert re.findall(r'<th scope="col"><code>(\w+)</code>', asked) == ["s", "sLabel"]


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("/queries", ">À quelles heures", ">Combien d’événements"),
        ("/page/answer-of-honore-quantchi", ">économie circulaire<", ">engagement politique<"),
        ("/ontology", "<h3>événement", "<h3>groupe"),
    ],
)
def test_lists_are_in_the_order_of_the_alphabet(
    client: httpx.Client, path: str, first: str, second: str
) -> None:
    page = client.get(f"{path}?lang=fr").text
    assert 0 < page.index(first) < page.index(second)


def test_quotation_marks_are_those_of_the_language(client: httpx.Client) -> None:
    for language, said in (("fr", "«\u00a0/page/nothing\u00a0»"), ("en", "“/page/nothing”")):
        assert said in client.get(f"/page/nothing?lang={language}").text


def test_english_has_no_space_before_a_colon(client: httpx.Client) -> None:
    for path in ("/ontology", "/dataset", "/shapes", "/docs", "/queries/cities"):
        text = Reader(client.get(f"{path}?lang=en").text).text
        assert not re.findall(r"[a-z] :\s", text.partition("# title@fr")[0]), path


def test_both_languages_have_the_same_parts(client: httpx.Client) -> None:
    counted = ("h1", "h2", "section", "table", "form", "svg")
    for path in PATHS:
        pages = [client.get(path, headers={"Accept-Language": one}).text for one in ("fr", "en")]
        parts = [[tag for tag, _ in Reader(page).elements if tag in counted] for page in pages]
        assert parts[0] == parts[1], path


def test_a_page_answers_304_to_who_has_it(client: httpx.Client) -> None:
    for path in ("/", "/page/dakar", "/doc/aimf-article-2019"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304, path


@pytest.mark.parametrize(
    ("slug", "lang", "said", "about"),
    [
        ("note-fodem", "fr", "sans doute un seul fonds", "/page/dakar-municipal-solidarity-fund"),
        ("note-fodem", "en", "in all likelihood one fund", "/page/fodem"),
        ("note-founding-of-remcess", "fr", "Le document dit 2016", "/passage/aimf-article-2019/22"),
    ],
)
def test_the_page_of_a_note_says_what_the_note_says(
    client: httpx.Client, slug: str, lang: str, said: str, about: str
) -> None:
    page = client.get(f"/page/{slug}?lang={lang}").text
    reader = Reader(page)
    assert said in " ".join(reader.text.split())
    assert about in {href.partition("?")[0] for href in reader.links()}
    # A note is ours, and no fact: neither passage nor register states it.
    assert "registre" not in page
    assert "register" not in page


def test_every_fact_shows_its_evidence(client: httpx.Client) -> None:
    text = client.get("/page/remcess").text
    pieces = set(re.findall(r'class="piece [a-z]+" id="(p-[a-z0-9-]+)"', text))
    marks = set(re.findall(r'class="mark [a-z]+" href="#(p-[a-z0-9-]+)"', text))
    assert pieces
    assert marks == pieces
    facts = re.findall(r"<dd.*?</dd>", text, re.DOTALL)
    assert facts
    assert all('class="mark ' in fact or 'class="reg"' in fact for fact in facts)


def test_a_page_shows_what_the_sources_say_not_how_the_dataset_is_counted(
    client: httpx.Client,
) -> None:
    # The description of the dataset names this network as an example of its class.
    page = Reader(client.get("/page/aimf").text)
    assert "←" not in page.text
    assert not [link for link in page.links() if "dataset#" in link]


def test_a_passage_says_how_it_is_cited(client: httpx.Client) -> None:
    page = client.get("/passage/aimf-article-2019/22?lang=en").text
    assert "Cite this page" in page
    assert "url = {https://w3id.org/essgraph/passage/aimf-article-2019/22}" in page
    assert "author = {{The essgraph founders}}" in page  # else the last word is a family name


def test_without_the_text_a_page_has_no_more_than_its_anchors(client: httpx.Client) -> None:
    assert "<mark>" not in client.get("/page/remcess").text
    assert "<mark>" not in client.get("/passage/aimf-article-2019/22").text


def test_with_the_text_the_words_stand_in_their_context(
    built: Path, texts: Path, tmp_path: Path
) -> None:
    """For who reads the page alone: no script of another origin, no cache for many; and who starts
    the service is told."""
    with (
        (tmp_path / "err").open("wb") as err,
        serving(
            *(built, "--texts", texts, "--url", "https://texts.example/"),
            stderr=err,
            env={**os.environ, "LC_ALL": "en"},
        ) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        pages = [
            client.get(f"/passage/aimf-article-2019/22{suffix}", headers={"Accept": BROWSER})
            for suffix in ("", "", "?lang=en")
        ]
        pages += [
            client.get(path) for path in ("/page/remcess", "/page/passage/aimf-article-2019/22")
        ]
        other = client.get("/passage/aimf-article-2019/22", headers={"Accept": "text/turtle"})
        # A name that somebody else has led to this machine, so that his scripts may read here.
        led = client.get("/page/remcess", headers={"Host": "elsewhere.example"})
        pages += [
            client.get("/page/remcess", headers={"Host": host})
            for host in ("localhost:8000", "[::1]:8000", "192.0.2.7", "texts.example")
        ]
    assert led.status_code == 200
    assert "<mark>" not in led.text
    for page in pages:
        assert "<mark>" in page.text
        assert "access-control-allow-origin" not in page.headers
        assert page.headers["cache-control"] == "private, max-age=60"
        assert page.headers["x-content-type-options"] == "nosniff"
    marked = re.search(r"<mark>(.*?)</mark>", pages[0].text, re.DOTALL)
    assert marked
    assert marked[1].startswith("dont elle a soutenu")
    assert other.headers["access-control-allow-origin"] == "*"
    assert other.headers["cache-control"] == "public, max-age=60"
    assert f"quote the private texts of {texts} to whoever" in (tmp_path / "err").read_text("utf-8")


def test_a_text_that_was_changed_is_not_quoted(built: Path, texts: Path, tmp_path: Path) -> None:
    for text in texts.glob("*.txt"):
        (tmp_path / text.name).write_bytes(b"other " + text.read_bytes())
    with serving(built, "--texts", tmp_path) as running:
        page = httpx.get(f"{running.url}/page/remcess")
    assert "<mark>" not in page.text


@pytest.mark.parametrize(
    "term",
    ['"abc"^^xsd:integer', '""^^xsd:decimal', '"NaN"^^xsd:double', '"INF"^^xsd:double', "1e308",
     "<<( <x:s> <x:p> 'o'@fr )>>"],
)  # fmt: skip
@pytest.mark.parametrize("view", ["table", "chart", "map", "graph"])
def test_any_term_is_shown(client: httpx.Client, term: str, view: str) -> None:
    """A literal may be none of its datatype; a triple may be a term (SPARQL 1.2)."""
    query = f"""PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
SELECT ?what ?n {{ VALUES (?what ?n) {{ (<x:a> {term}) (<x:b> 5) }} }}"""
    page = client.get("/sparql", params={"query": query, "view": view})
    assert page.status_code == 200
    assert "x:b" in page.text
    shown = "x:s" if "<<" in term else term.partition("^^")[0].strip('"')
    assert shown in page.text
    assert not re.search(r'="(nan|inf)', page.text)


def test_markup_in_data_shows_as_text(tmp_path: Path) -> None:
    """A label, a note and an IRI that hold markup, and a query and a search that do."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\\\"'&"
    project = copy_project(tmp_path / "project")
    register = project / "data" / "register" / "territories.ttl"
    data = register.read_text("utf-8")
    assert 'rdfs:label "Dakar"@fr' in data
    data = data.replace('rdfs:label "Dakar"@fr', f'rdfs:label "{evil}"@fr', 1)
    register.write_text(data, "utf-8")
    done = build(Project(project), tmp_path / "out")
    assert done.snapshot is not None, done.checked.findings
    with (
        serving(tmp_path / "out", "--project", project) as running,
        httpx.Client(base_url=running.url, headers={"Accept": BROWSER}) as client,
    ):
        for path in (
            "/",
            "/page/dakar",
            "/page/senegal",
            "/search",
            "/search?q=%3Cscript%3Ealert(1)",
            "/passage/aimf-colloquium-2013/32",
            '/sparql?query=SELECT ("<script>alert(1)</script>" AS ?x) '
            "(IRI('javascript:alert(1)') AS ?y) {}",
            "/sparql?query=</textarea></script><script>alert(1)</script>",
            "/queries/evidence?entity=<script>alert(1)</script>",
            "/page/<script>alert(1)</script>",
        ):
            page = Reader(client.get(path).text)
            for tag, attributes in page.elements:
                assert not [name for name in attributes if name.startswith("on")], path
                assert tag != "img", path
                href = attributes.get("href") or ""
                assert not href.startswith("javascript"), path
                if tag == "script":
                    assert "src" in attributes or attributes.get("type") in DATA
        assert "<script>alert(1)</script>" in Reader(client.get("/page/dakar").text).text


#: A label that overrides the direction of what comes after it, in a text that goes on, and Arabic.
TURNED = "\u202eDLRW"
ARABIC = "باماكو"
STATED = f"""
<{names.BASE}id/turned> <{names.RDF}type> <{names.BASE}ontology#City>
<{names.BASE}id/turned> <{names.RDFS}label> "{TURNED}"@fr
<{names.BASE}id/turned> <{names.RDFS}label> "{TURNED}"@en
<{names.BASE}id/turned> <{names.BASE}ontology#acronym> "{TURNED}."
<{names.BASE}id/turned> <{names.BASE}ontology#summary> "{TURNED} fr"@fr
<{names.BASE}id/turned> <{names.BASE}ontology#summary> "{TURNED} en"@en
<{names.BASE}id/turned> <{names.SKOS}altLabel> "{ARABIC}"@ar
<{names.BASE}id/turned> <{names.BASE}ontology#locatedIn> <{names.BASE}id/mali>
<{names.BASE}id/dakar> <{names.BASE}ontology#about> <{names.BASE}id/turned>
""".strip().splitlines()
#: In the default graph, and in the one of a passage.
BIDI = "".join(f"{s} .\n{s} <{names.BASE}passage/aimf-article-2019/22> .\n" for s in STATED)


class Isolation(HTMLParser):
    """The texts that hold ``sought`` and what isolates each: a bdi element, or ``pre``."""

    def __init__(self, text: str, sought: str) -> None:
        super().__init__()
        self.sought = sought
        self.inside: list[str] = []
        self.found: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "input", "img", "br"):
            self.inside.append(tag)
        for name, value in attrs:
            if self.sought in (value or "") and (tag, name) not in {
                ("input", "value"),
                ("meta", "content"),
            }:
                self.found.append((f"{tag} {name}", False))

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.sought in data and "script" not in self.inside:
            isolated = {"bdi", "pre", "textarea"} & set(self.inside)
            self.found.append((f"{self.inside[-1]}: {data[:60]!r}", bool(isolated)))


def test_text_of_another_direction_turns_nothing_around_it(built: Path, tmp_path: Path) -> None:
    query = quote(f"SELECT * {{ VALUES ?x {{ <{names.ID}turned> }} ?x <{names.RDFS}label> ?l }}")
    with (
        serving(with_quads(built, tmp_path / "out", BIDI)) as running,
        httpx.Client(base_url=running.url, headers={"Accept": BROWSER}) as client,
    ):
        for path, least in (
            ("/page/turned", 4),
            ("/page/dakar", 1),
            ("/page/mali", 1),
            ("/search", 1),
            ("/search?q=turned", 0),
            ("/search?q=DLRW", 0),
            ("/id/?class=City", 1),
            ("/passage/aimf-article-2019/22", 1),
            ("/doc/aimf-article-2019", 1),
            (f"/sparql?query={query}", 2),
            (f"/sparql?query={query}&view=graph", 0),
            (f"/view?query={query}", 2),
            (f"/page/{quote(TURNED)}", 0),
            (f"/queries/cities?limit={quote(TURNED)}", 0),
            (f"/queries/evidence?entity={quote(TURNED)}", 0),
        ):
            for language in ("fr", "en"):
                page = client.get(path, headers={"Accept-Language": language})
                found = Isolation(page.text, TURNED[0]).found
                assert not [where for where, isolated in found if not isolated], path
                assert len(found) >= least, path
        arabic = client.get("/page/turned").text
        assert f'<bdi lang="ar">{ARABIC}</bdi>' in arabic
        assert "<bdi" not in client.get("/page/remcess").text


def test_what_is_not_there_says_so_in_html(client: httpx.Client) -> None:
    for path in ("/page/nothing", "/doc/nothing", "/passage/nothing/1", "/queries/nothing", "/q/x"):
        response = client.get(path)
        assert response.status_code in (400, 404), path
        assert response.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "Traceback" not in response.text
        (said,) = re.findall('<p class="lead">(.)', response.text)
        assert said.isupper(), path


@pytest.mark.parametrize("text", ["montreal", "MONTRÉAL", "Montréal"])
def test_search_folds_accents_and_case(client: httpx.Client, text: str) -> None:
    page = Reader(client.get("/search", params={"q": text}).text)
    assert "/page/montreal" in page.links()


def test_a_short_link_is_the_query_with_its_answer(client: httpx.Client) -> None:
    query = "SELECT (1 AS ?one) { }\n# é « »"
    code = shortlinks.shorten(query)
    assert shortlinks.lengthen(code) == query
    page = client.get(f"/q/{code}")
    assert page.status_code == 200
    assert "one" in page.text


def test_a_short_link_cannot_swell(client: httpx.Client) -> None:
    bomb = shortlinks.shorten("#" * 10_000_000)
    assert client.get(f"/q/{bomb}").status_code == 400


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        (FORM, b"query=ASK+%7B%7D&view=table", 200),
        (FORM, b"query=" + b"a" * 2**20, 413),
        (FORM, b"query=%ff", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n", 415),
        ("multipart/form-data", b"", 415),
        ("text/turtle", b"", 415),
    ],
)
def test_the_editor_sends_a_form_of_bounded_size(
    client: httpx.Client, media_type: str, body: bytes, status: int
) -> None:
    answer = client.post(
        "/view", content=body, headers={"Content-Type": media_type, "Accept": "application/json"}
    )
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("value", "fr", "en"),
    [
        ("2019-07-01", "1er\u00a0juillet\u00a02019", "1\u00a0July\u00a02019"),
        ("2019-07", "juillet\u00a02019", "July\u00a02019"),
        ("2016", "2016", "2016"),
        ("../2019-07", "au plus tard en juillet\u00a02019", "no later than July\u00a02019"),
        (
            "../2019-07-09",
            "au plus tard le 9\u00a0juillet\u00a02019",
            "no later than 9\u00a0July\u00a02019",
        ),
        ("../198X", "au plus tard dans les années\u00a01980", "no later than the 1980s"),
        ("2019-04/..", "à partir d’avril\u00a02019", "from April\u00a02019"),
        ("2000/2002", "de 2000 à 2002", "from 2000 to 2002"),
        (
            "2019-07-30/2019-08-02",
            "du 30\u00a0juillet\u00a02019 au 2\u00a0août\u00a02019",
            "from 30\u00a0July\u00a02019 to 2\u00a0August\u00a02019",
        ),
        ("198X/199X", "des années\u00a01980 aux années\u00a01990", "from the 1980s to the 1990s"),
        ("198X", "années\u00a01980", "1980s"),
        ("2016~", "vers 2016", "about 2016"),
        ("2016-07-14~", "vers le 14\u00a0juillet\u00a02016", "about 14\u00a0July\u00a02016"),
        ("2016-21", "2016", "2016"),
    ],
)
def test_dates_in_words(value: str, fr: str, en: str) -> None:
    assert dates.edtf_in_words(value, "fr") == fr
    assert dates.edtf_in_words(value, "en") == en


def test_years_of_existence_are_said_as_years(client: httpx.Client) -> None:
    said = client.get("/page/secretariat-of-state-for-solidarity-economy?lang=fr").text
    assert '<p class="date">de 2000 à 2002</p>' in said


def test_a_date_keeps_its_precision_on_the_line_of_time() -> None:
    assert dates.span("2019") == (2019.0, 2020.0)
    assert dates.span("198X") == (1980.0, 1990.0)
    assert dates.span("../2019") == (None, 2020.0)
    day = dates.span("2019-07-10")
    assert day is not None
    assert day[0] is not None
    assert day[1] is not None
    assert 0 < day[1] - day[0] < 0.003
    assert dates.span("some day") is None


def test_the_home_page_dates_what_a_dated_event_contains(server: str) -> None:
    """It said that no document dates the colloquium of a congress that two documents date."""
    home = httpx.get(f"{server}/", headers={"Accept": BROWSER, "Accept-Language": "fr"}).text
    dated, _, undated = home.partition("Date inconnue")
    (row,) = re.findall(
        r'<tr><td><a[^>]*href="/page/aimf-colloquium-2013".*?</tr>', dated, re.DOTALL
    )
    assert "14–16\xa0novembre\xa02013" in html.unescape(row)
    assert "/page/aimf-congress-2013" in row
    listed = undated.partition("</ul>")[0]
    assert "/page/aimf-colloquium-2013" not in listed
    assert "/page/paris-general-assembly" in listed
