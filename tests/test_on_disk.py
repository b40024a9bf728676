"""A snapshot too large for memory: its workers share a store on disk, and answer as ever."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
from conftest import serving, with_quads

from essgraph import names, snapshot
from essgraph.copies import beside

IS = ox.NamedNode("http://e/is")
QUERIES = (
    "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
    "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }",
    f"SELECT ?p ?o {{ <{names.ID}bamako> ?p ?o }} ORDER BY ?p ?o",
    f"SELECT ?s ?p {{ ?s ?p <{names.ID}bamako> }} ORDER BY ?s ?p",
    f"SELECT ?g {{ GRAPH ?g {{ ?s ?p <{names.ID}remcess> }} }} ORDER BY ?g",
    "SELECT ?t (COUNT(?s) AS ?n) { ?s a ?t } GROUP BY ?t ORDER BY DESC(?n) ?t",
    f"SELECT * {{ GRAPH <{names.REGISTER}> {{ ?s ?p ?o }} }} ORDER BY ?s ?p ?o",
    f"SELECT ?o {{ <{names.ID}bamako> a/<{names.RDFS}subClassOf>* ?o }} ORDER BY ?o",
)


@pytest.fixture
def large(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's snapshot, as if it were large."""
    monkeypatch.setattr(snapshot, "LARGE", 1)
    out = with_quads(built, tmp_path / "large", "")
    assert (out / "current" / snapshot.STORE).is_dir()
    return out


def test_the_answers_are_those_of_the_store_in_memory(large: Path, server: str) -> None:
    with serving(large, "--workers", 2) as service:
        for query in QUERIES:
            here, there = (
                httpx.get(f"{url}/sparql", params={"query": query}, headers={"Accept": "text/csv"})
                for url in (server, service.url)
            )
            assert (there.status_code, there.text) == (200, here.text)


def test_a_store_of_many_tables_is_read_whole(large: Path) -> None:
    """The engine opens sixteen at first and the others when it needs them, which a worker that
    may open nothing could not."""
    folder = large / "current" / snapshot.STORE
    with beside(partial(_many_tables, folder)) as wait:  # see `with_quads`
        wait()
    with serving(large, "--workers", 1) as service:
        for query in (f"SELECT ?o {{ ?s <{IS.value}> ?o }} ORDER BY ?s", *QUERIES):
            parameters = {"query": query, "format": "csv"}
            answer = httpx.get(f"{service.url}/sparql", params=parameters)
            assert answer.status_code == 200, answer.text


def _many_tables(folder: Path) -> None:
    number = count()
    while len([*folder.glob("*.sst")]) <= 16:  # the engine makes one of several as it sees fit
        n = next(number)
        store = ox.Store(str(folder))
        store.add(ox.Quad(ox.NamedNode(f"{names.ID}more-{n}"), IS, ox.Literal(str(n))))
        store.flush()
        del store


def test_a_folder_that_may_not_be_written_is_served(large: Path) -> None:
    for folder, _, files in os.walk(large):
        for name in (".", *files):
            path = Path(folder, name)
            path.chmod(path.stat().st_mode & ~0o222)
    try:
        with serving(large, "--workers", 1) as service:
            answer = httpx.get(f"{service.url}/sparql", params={"query": QUERIES[0]})
            assert answer.status_code == 200
    finally:
        for folder, _, _ in os.walk(large):
            Path(folder).chmod(0o755)
