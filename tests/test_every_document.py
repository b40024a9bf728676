"""Every name of the graph in every format, read by parsers that are not ours: the same graphs."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest

HERE = Path(__file__).parent
BASE = "https://w3id.org/essgraph/"
SUFFIXES = ("ttl", "jsonld", "rdf", "nt", "trig", "nq")
#: Suffix to the name of raptor's parser, and of the serializer that loses nothing.
RAPTOR = {
    "ttl": ("turtle", "ntriples"),
    "rdf": ("rdfxml", "ntriples"),
    "nt": ("ntriples", "ntriples"),
    "trig": ("trig", "nquads"),
    "nq": ("nquads", "nquads"),
}


def every_name(server: str) -> list[str]:
    """The IRIs of all entities, concepts, documents and passages."""
    query = f"""SELECT DISTINCT ?s {{ ?s a ?type
      FILTER (REGEX(STR(?s), "^{BASE}(id|doc|passage)/[^#]*$")) }} ORDER BY ?s"""
    response = httpx.get(f"{server}/sparql", params={"query": query})
    return [row["s"]["value"] for row in response.json()["results"]["bindings"]]


def data_path(iri: str) -> str:
    return "/data/" + iri.removeprefix(BASE).removeprefix("id/")


@pytest.fixture(scope="module")
def fetched(server: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """All names, and a folder with the documents about each: ``{n}.{suffix}``."""
    iris = every_name(server)
    folder = tmp_path_factory.mktemp("documents")

    # One plain connection: of thousands of requests, most clients' own work is the larger part.
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=60)
    for n, iri in enumerate(iris):
        for suffix in SUFFIXES:
            connection.request("GET", f"{data_path(iri)}.{suffix}")
            response = connection.getresponse()
            assert response.status == 200, (iri, suffix)
            (folder / f"{n}.{suffix}").write_bytes(response.read())
    connection.close()
    return iris, folder


def quads(path: Path) -> set[ox.Quad]:
    """What a reader wrote; here our own parser only evens out how characters are escaped."""
    return set(ox.parse(path=path, format=ox.RdfFormat.N_QUADS))


def default_graph(found: set[ox.Quad]) -> set[ox.Quad]:
    return {quad for quad in found if quad.graph_name == ox.DefaultGraph()}


@pytest.fixture(scope="module")
def expected(fetched: tuple[list[str], Path]) -> list[set[ox.Quad]]:
    """The N-Triples as they stand: one line a triple."""
    iris, folder = fetched
    return [quads(folder / f"{n}.nt") for n in range(len(iris))]


def test_every_name_is_the_subject_of_its_document(
    fetched: tuple[list[str], Path], expected: list[set[ox.Quad]]
) -> None:
    iris, _ = fetched
    assert len(iris) > 500
    for iri, found in zip(iris, expected, strict=True):
        assert any(quad.subject == ox.NamedNode(iri) for quad in found), iri


@pytest.mark.parametrize("suffix", RAPTOR)
def test_raptor_reads_the_same_graph(
    fetched: tuple[list[str], Path], expected: list[set[ox.Quad]], suffix: str
) -> None:
    if shutil.which("rapper") is None:
        pytest.skip("rapper is not installed (Debian: raptor2-utils; make test installs it)")
    iris, folder = fetched
    reader, writer = RAPTOR[suffix]
    # One shell for all: each document is read by a process of its own.
    script = f"""n=0; while [ $n -lt {len(iris)} ]; do
      rapper -q -i {reader} -o {writer} $n.{suffix} {BASE} > $n.{suffix}.out || exit 1
      n=$((n+1)); done"""
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for n, iri in enumerate(iris):
        found = quads(folder / f"{n}.{suffix}.out")
        assert default_graph(found) == expected[n], iri


def test_jsonld_js_reads_the_same_graph(
    fetched: tuple[list[str], Path], expected: list[set[ox.Quad]]
) -> None:
    if shutil.which("node") is None or not (HERE / "node_modules/jsonld").exists():
        pytest.skip("node or its package jsonld is not installed (make test installs it)")
    iris, folder = fetched
    done = subprocess.run(
        ["node", str(HERE / "jsonld-all.cjs"), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for n, iri in enumerate(iris):
        assert quads(folder / f"{n}.jsonld.nt") == expected[n], iri


def test_both_formats_with_named_graphs_say_the_same(fetched: tuple[list[str], Path]) -> None:
    iris, folder = fetched
    for n, iri in enumerate(iris):
        trig = set(ox.parse(path=folder / f"{n}.trig", format=ox.RdfFormat.TRIG))
        assert trig == quads(folder / f"{n}.nq"), iri
