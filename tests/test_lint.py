"""`essgraph lint`: only white space and prefixes change, never a comment nor what is stated."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st

from essgraph import lint
from essgraph.turtle import spots, tokens

UNTIDY = """\
# A file.
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
PREFIX id:   <https://w3id.org/essgraph/id/>


# Kept  as  it is
id:b\trdfs:label   "two  \\n spaces"@fr ,
\t\t"b"@en .   # aligned
id:a    rdfs:label \"\"\"kept \t

here  \"\"\" .\r
   \t


id:c rdfs:label 'c' .
"""
TIDY = """\
# A file.
PREFIX id: <https://w3id.org/essgraph/id/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

# Kept  as  it is
id:b rdfs:label "two  \\n spaces"@fr ,
        "b"@en .   # aligned
id:a rdfs:label \"\"\"kept \t

here  \"\"\" .

id:c rdfs:label 'c' .
"""


def test_fix(project: Path, run: Run) -> None:
    path = project / "data/register/untidy.ttl"
    path.write_bytes(UNTIDY.encode())
    outcome = run("lint", "--project", project, path)
    assert outcome.code == 1
    assert outcome.out == "data/register/untidy.ttl:2: layout: run essgraph lint --fix\n"
    assert path.read_bytes() == UNTIDY.encode()
    outcome = run("lint", "--project", project, "--fix", path)
    assert (outcome.code, outcome.out) == (0, "data/register/untidy.ttl\n")
    assert path.read_bytes() == TIDY.encode()
    assert run("lint", "--project", project, path).code == 0


def test_prefixes_of_the_project_are_declared_where_they_are_used(project: Path, run: Run) -> None:
    path = project / "data/register/people.ttl"
    heads = ("# Kept.\n\n", "# Kept.\nPREFIX ess: <https://w3id.org/essgraph/ontology#>\n\n")
    for head in heads:
        path.write_text(f'{head}id:a ess:size "xsd:x" ; x:y schema:b .\n', "utf-8")
        assert run("lint", "--project", project).code == 0  # x: is not of the project
        path.write_text(f'{head}id:a ess:size "xsd:x" ; schema:y schema:b .\n', "utf-8")
        assert run("lint", "--project", project).code == 1
        assert run("lint", "--fix", "--project", project).code == 0
        assert path.read_text("utf-8") == (
            "# Kept.\n" + ("\n" if head == heads[0] else "")
            + "PREFIX ess: <https://w3id.org/essgraph/ontology#>\n"
            "PREFIX id: <https://w3id.org/essgraph/id/>\n"
            "PREFIX schema: <https://schema.org/>\n\n"
            'id:a ess:size "xsd:x" ; schema:y schema:b .\n'
        )  # fmt: skip


def test_the_project_is_tidy(run: Run) -> None:
    outcome = run("lint")
    assert (outcome.code, outcome.out) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        "PREFIX b: <http://b/>\n# why\nPREFIX a: <http://a/>\nb:x a:x a:y .\n",
        "PREFIX b: <http://b/>\nPREFIX b: <http://c/>\nb:x b:x b:y .\n",
        "PREFIX b: <http://b/>\nb:x b:x b:y .\nPREFIX b: <http://c/>\nb:x b:x b:y .\n",
        "BASE <http://b/>\nPREFIX b: <x>\nPREFIX a: <y>\nb:x b:x a:y .\n",
        "PREFIX b: <http://b/>\nb:x b:x   c:y .\n",
        "PREFIX b: <http://b/>\nb:x b:x   .\n",
    ],
    ids=["comment", "twice", "again", "base", "fault", "unfinished"],
)
def test_left_alone(text: str) -> None:
    assert lint.fixed(text) == text


SPACE = st.text(st.sampled_from(" \t\n\r"), min_size=1, max_size=4)
COMMENT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=9).map(
    lambda said: f" # {said}\n"
)
GAP = st.one_of(SPACE, COMMENT, st.just(" "))
IRI = st.sampled_from(["a:x", "b:y.z", "c:%C3%A9", "<http://e/é>", "a:", ":o", "a:x\\,y"])
STRING = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=("Cc", "Cs")),
    max_size=12,
)
LITERAL = st.one_of(
    STRING.map(lambda s: f'"{s}"'),
    STRING.map(lambda s: f'"{s}"@fr-fr'),
    STRING.map(lambda s: f'"""{s} \t\n\n  {s}"""'),
    STRING.map(lambda s: f'"{s}"^^b:type'),
    st.sampled_from(["1", "-2.5", "3e4", "true", "()", "( 1 2 )", "[ a:p 1 ]", "[]"]),
)


@st.composite
def files(draw: st.DrawFn) -> str:
    names = draw(st.permutations(["a", "b", "c", ""]))
    out = [
        draw(st.sampled_from([f"PREFIX {n}: <http://{n}/>", f"@prefix {n}: <http://{n}/> ."]))
        for n in names
    ]
    whole = draw(st.sampled_from(["", "# head\n\n"])) + draw(GAP).join(out) + draw(GAP)
    for _ in range(draw(st.integers(0, 4))):
        graph = draw(st.booleans())
        words = ["GRAPH", draw(IRI), "{"] if graph else []
        words += [draw(IRI), draw(IRI), draw(st.one_of(IRI, LITERAL)), ";"]
        words += [draw(IRI), draw(st.one_of(IRI, LITERAL)), ",", draw(IRI), "."]
        words += ["}"] if graph else []
        whole += "".join(word + draw(GAP) for word in words)
    return whole


@given(files())
def test_neither_comments_nor_meaning_change(text: str) -> None:
    def meaning(said: str) -> ox.Dataset:
        dataset = ox.Dataset(ox.parse(said.encode(), format=ox.RdfFormat.TRIG))
        dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
        return dataset

    def comments(said: str) -> list[str]:
        return [t.text.rstrip(" \t") for t in tokens(said) if t.kind == "comment"]

    fixed = lint.fixed(text)
    assert meaning(fixed) == meaning(text)
    assert comments(fixed) == comments(text)
    assert lint.fixed(fixed) == fixed
    assert not any(line != line.rstrip(" \t") for line in strings_out(fixed).split("\n"))


def strings_out(text: str) -> str:
    return "".join("s" if t.kind == "string" else t.text for t in tokens(text))


@given(files())
def test_each_statement_has_its_spots(text: str) -> None:
    """What findings stand on: as many places as statements, and each object where it is said."""
    quads = list(ox.parse(text.encode(), format=ox.RdfFormat.TRIG))
    places = spots(text)
    assert len(places) == len(quads)
    for quad, place in zip(quads, places, strict=True):
        written = text[slice(*place.object)]
        if isinstance(quad.object, ox.Literal) and written.startswith('"'):
            assert quad.object.value in written
        elif isinstance(quad.object, ox.NamedNode) and written.startswith("<"):
            assert written == str(quad.object)
