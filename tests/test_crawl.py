"""A crawl of the whole site from its home page: no dead link, and every name is reached."""

from __future__ import annotations

import http.client
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from conftest import ROOT

BASE = "https://w3id.org/essgraph/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
#: The formats of each document are fetched by test_every_document; here, some of them.
DATA = 60
#: Pages in a language that their address names are the same pages: some of them.
NAMED_LANGUAGE = 60
#: What npm builds for pages: its own test, for not every machine has npm.
BUILT = "/static/built/"
STATIC = ROOT / "src" / "essgraph" / "service" / "static"
#: Answers to queries, and what one asks: tested with the library and the editor.
ASKING = ("/sparql", "/q/", "/search", "/view")


class Links(HTMLParser):
    """All addresses that a page names, and the text it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "xlink:href") and value:
                self.found.add(value)

    def handle_data(self, data: str) -> None:
        self.text += data


class Crawl:
    """Every address of the site that pages lead to, with the status of each."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)
        self.status: dict[str, int] = {}
        self.found_on: dict[str, str] = {}
        self.blank: list[str] = []

    def run(self, start: str) -> None:
        ahead = [start]
        while ahead:
            address = ahead.pop()
            if address in self.status:
                continue
            for link in self._visit(address):
                target = urlsplit(urljoin(self._server + address, link))
                if target.netloc != urlsplit(self._server).netloc:
                    continue
                path = target.path + (f"?{target.query}" if target.query else "")
                if path not in self.found_on and self._wanted(path):
                    self.found_on[path] = address
                    ahead.append(path)
        self._connection.close()

    def _wanted(self, path: str) -> bool:
        if path.startswith("/data/"):
            return sum(p.startswith("/data/") for p in self.found_on) < DATA
        if "lang" in parse_qs(urlsplit(path).query):
            return sum("lang=" in p for p in self.found_on) < NAMED_LANGUAGE
        return not (path.startswith(ASKING) and "?" in path)

    def _visit(self, address: str) -> set[str]:
        self._connection.request("GET", address, headers={"Accept": BROWSER})
        response = self._connection.getresponse()
        body = response.read()
        self.status[address] = response.status
        if response.status in (301, 302, 303):
            return {response.headers["location"]}
        if not response.headers.get("content-type", "").startswith("text/html"):
            return set()
        page = Links()
        page.feed(body.decode())
        if len(page.text.split()) < 20:
            self.blank.append(address)
        return page.found


@pytest.fixture(scope="module")
def crawl(server: str) -> Crawl:
    crawl = Crawl(server)
    crawl.run("/")
    return crawl


def test_no_link_is_dead(crawl: Crawl) -> None:
    dead = {
        f"{status} {address} on {crawl.found_on.get(address)}"
        for address, status in crawl.status.items()
        if status not in (200, 303, 304) and not address.startswith(BUILT)
    }
    assert not dead
    assert len(crawl.status) > 600


def test_what_pages_load_is_there(crawl: Crawl) -> None:
    files = {a: status for a, status in crawl.status.items() if a.startswith(BUILT)}
    assert files
    if not (STATIC / "built").exists():
        pytest.skip("web/ is not built (make serve builds it where npm is)")
    assert set(files.values()) == {200}


def test_no_page_is_blank(crawl: Crawl) -> None:
    assert not crawl.blank


def test_every_name_is_reached(crawl: Crawl, server: str) -> None:
    query = f"""SELECT DISTINCT ?s {{ ?s a ?type
      FILTER (REGEX(STR(?s), "^{BASE}(id|doc|passage)/[^#]*$")) }}"""
    rows = httpx.get(f"{server}/sparql", params={"query": query}).json()["results"]["bindings"]
    reached = {urlsplit(address).path for address in crawl.status}
    for row in rows:
        name = row["s"]["value"].removeprefix(BASE)
        paths = {f"/{name}", f"/page/{name.removeprefix('id/')}"}
        assert paths & reached, name
