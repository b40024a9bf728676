"""What is told of a query before it is evaluated: refusals, faults with their place, limits."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import httpx
import pyoxigraph as ox
import pytest
import rdflib
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from essgraph.errors import EssgraphError, LimitExceeded, QueryError, QueryRefused, SyntaxFault
from essgraph.names import PREFIXES, XSD
from essgraph.query import Query, inspect
from essgraph.rewriting import bind

NOWHERE = "<http://127.0.0.1:9/sparql>"


def post(server: str, query: str, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{server}/sparql",
        content=query.encode(),
        headers={"Content-Type": "application/sparql-query", "Accept-Language": "en", **headers},
    )


def problem(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


# --- tokens, not words ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        'ASK { FILTER("SERVICE <http://x/> {}" != "") }',
        "ASK { FILTER('LOAD' != '') }",
        'ASK { FILTER("""INSERT " DATA { \n SERVICE""" != "") }',
        "ASK { FILTER('''DELETE ' SERVICE''' != '') }",
        'ASK { FILTER("a\\"SERVICE{" != "") }',
        "ASK { } # SERVICE <http://x/> { ?s ?p ?o }",
        "# LOAD <http://x/>\nASK { }",
        "ASK { OPTIONAL { ?s <http://e/SERVICE> <http://e/#INSERT> } }",
        "PREFIX service: <http://e/> ASK { OPTIONAL { ?s service:x service:LOAD } }",
        "PREFIX SERVICE: <http://e/> ASK { OPTIONAL { GRAPH SERVICE:x { ?s ?p ?o } } }",
        "PREFIX load: <http://e/> ASK { OPTIONAL { ?s load:SERVICE load:x } }",
        "ASK { OPTIONAL { ?SERVICE ?LOAD $INSERT } }",
        'ASK { OPTIONAL { ?s ?p "x"@service } }',
        "ASK { OPTIONAL { _:SERVICE ?p ?o } }",
        "SELECT (1 AS ?DELETE) {}",
        "ASK { FILTER(?a <1 && ?b> 2 || true) }",
        "ASK { FILTER(EXISTS {}<<http://e/> || true) }",
        "ASK { FILTER('it\\'s SERVICE' != \"#\") }",
    ],
)
def test_the_word_is_harmless_where_it_is_no_keyword(server: str, query: str) -> None:
    response = post(server, query)
    assert response.status_code == 200, response.text
    assert response.json().get("boolean", True) is True


@pytest.mark.parametrize(
    ("query", "line", "column", "said"),
    [
        (f"ASK {{ SERVICE {NOWHERE} {{ ?s ?p ?o }} }}", 1, 7, "SERVICE"),
        (f"ASK {{\n  service silent {NOWHERE} {{}} }}", 2, 3, "SERVICE"),
        (f"ASK {{ ?s ?p ?o OPTIONAL {{ SERVICE {NOWHERE} {{}} }} }}", 1, 27, "SERVICE"),
        (f"ASK {{ FILTER EXISTS {{ SERVICE {NOWHERE} {{}} }} }}", 1, 23, "SERVICE"),
        (f"ASK {{ {{ SELECT * {{ SERVICE {NOWHERE} {{}} }} }} }}", 1, 20, "SERVICE"),
        (f"ASK {{ SERVICE{NOWHERE} {{}} }}", 1, 7, "SERVICE"),
        (f"ASK {{ SERVICESILENT{NOWHERE} {{}} }}", 1, 7, "SERVICE"),
        ("ASK { SERVICE ?anywhere {} }", 1, 7, "SERVICE"),
        ("PREFIX e: <http://e/> ASK { SERVICE e:x {} }", 1, 29, "SERVICE"),
        (f"ASK {{ # '\nSERVICE {NOWHERE} {{}} }}", 2, 1, "SERVICE"),
        (f"ASK {{ FILTER(1 <2) SERVICE {NOWHERE} {{}} FILTER(3> 2) }}", 1, 20, "SERVICE"),
        (f"ASK {{ FILTER('a' != \"'\") SERVICE {NOWHERE} {{}} }}", 1, 26, "SERVICE"),
        (f"ASK {{ BIND(1 AS ?x) SERVICE {NOWHERE} {{}} BIND('# ' AS ?y) }}", 1, 21, "SERVICE"),
        # What looks like an IRI and a string compares, and a comment follows.
        *(
            (f"{before}<#>'''\n1) {inside} #''')\n{after}", 2, column, "SERVICE")
            for before, inside, after, column in (
                ("ASK { FILTER(EXISTS {}", f"SERVICE {NOWHERE} {{}}", "}", 4),
                ("ASK { FILTER(<<(?s ?p ?o)>>", f"SERVICE {NOWHERE} {{}}", "}", 4),
                ("DESCRIBE <a:a> ORDER BY ?x (?x", f"(EXISTS {{SERVICE {NOWHERE} {{}}}})", "", 13),
                ("DESCRIBE <a:a> HAVING <a:b>(1", f"(EXISTS {{SERVICE {NOWHERE} {{}}}})", "", 13),
            )
        ),
        ("LOAD <http://127.0.0.1:9/>", 1, 1, "LOAD"),
        ("\n\n INSERT DATA { <a:a> <a:b> <a:c> }", 3, 2, "INSERT"),
        ("PREFIX e: <http://e/>\nDELETE WHERE { ?s ?p ?o }", 2, 1, "DELETE"),
        ("ASK {} ; CLEAR ALL", 1, 10, "CLEAR"),
        ("SELECT * FROM <file:///etc/passwd> { ?s ?p ?o }", 1, 15, "file:///etc/passwd"),
        ("SELECT * FROM NAMED <ftp://h/x> { ?s ?p ?o }", 1, 21, "ftp://h/x"),
        ("BASE <file:///etc/> SELECT * FROM <passwd> { ?s ?p ?o }", 1, 35, "file:///etc/passwd"),
        ("PREFIX f: <file:///etc/> ASK FROM f:passwd {}", 1, 35, "file:///etc/passwd"),
    ],
)
def test_what_is_refused_says_why_and_where(
    server: str, query: str, line: int, column: int, said: str
) -> None:
    for _ in range(2):  # no memory of it lets it through
        body = problem(post(server, query), 403)
        assert body["position"] == {"line": line, "column": column}
        assert said in body["detail"]
    assert (
        body["detail"] != problem(post(server, query, **{"Accept-Language": "fr"}), 403)["detail"]
    )


def test_escapes_are_read_first(server: str) -> None:
    r"""SERVICE written with \u0049 is SERVICE (19.2)."""
    body = problem(post(server, f"ASK {{ SERV\\u0049CE {NOWHERE} {{}} }}"), 403)
    assert "SERVICE" in body["detail"]
    assert post(server, 'ASK { FILTER("\\u0053ERVICE" != "") }').json()["boolean"] is True


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("\\u0053ELECT ?s WHRE {}", 16),
        ("ASK { ?\\u0061 <http://e/p>?b . ?c ?d }", 38),
        ("ASK { ?\\u0061?b?c . ?d ?e }", 27),
        ("ASK { ?\\U0001F30D ?b 'c\\u0027' ?d }", 32),
        ("ASK { ?\\u0061 ?b 'c' FILTER(COALESCE (?\\u00e9) }", 48),
        ("ASK { { BIND(1 AS ?\\u0061) BIND(2 AS ?a) } }", 45),
    ],
)
def test_after_escapes_places_are_those_of_the_text_sent(
    server: str, query: str, column: int
) -> None:
    assert problem(post(server, query), 400)["position"] == {"line": 1, "column": column}


@pytest.mark.parametrize(
    "query",
    [
        "ASK { FILTER(COALESCE (?x, 1) = 1) }",
        "ASK { FILTER(concat # ( \" '\n\t( 'a' , \"COALESCE (\" ) = 'aCOALESCE (') }",
        "ASK { FILTER(CONCAT () = '' && ISBLANK(BNODE () )) }",
        "ASK { OPTIONAL { [ # ]\n] ?p (\t#)\r) } FILTER(CONCAT # (\n(\n# )\r\n) = '') }",
        "ASK { FILTER(TRUE && !False) VALUES ?x { TRUE false } FILTER(?x = true) }",
        'ASK { FILTER(CONCAT (\'TRUE\', """FALSE""") = \'TRUEFALSE\') }',
    ],
)
def test_what_the_engine_reads_too_strictly(server: str, query: str) -> None:
    """Blanks before the bracket of some functions, comments between brackets, keywords in
    capitals (19.4, 19.8)."""
    assert post(server, query).json()["boolean"] is True
    assert post(server, f"{query} # read whole").json()["boolean"] is True


V = "VALUES (?a ?b) { (1 2) (1 3) (4 5) }"


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        # An empty set of predicates excludes none (rule 95 and 18.2.2.3).
        ("SELECT * { id:aimf !() ?o }", "SELECT ?o { id:aimf ?p ?o }"),
        (
            "SELECT * { id:aimf ! # (\n( ) / ^!( ) ?o }",
            "SELECT ?o { id:aimf ?p ?x . ?o ?q ?x }",
        ),
        # What SELECT names is a set (18.2.4.4).
        (f"SELECT ?b ?a ?b {{ {V} }}", f"SELECT ?b ?a {{ {V} }}"),
        (f"SELECT DISTINCT ?a $a {{ {V} }}", f"SELECT DISTINCT ?a {{ {V} }}"),
        ("SELECT (1 AS ?x) ?y ?x {}", "SELECT (1 AS ?x) ?y {}"),
        (
            f"SELECT * {{ {{ SELECT ?a ?a (EXISTS {{ SELECT ?a {{}} }} AS ?c) {{ {V} }} }} }}",
            f"SELECT ?a (EXISTS {{ SELECT ?a {{}} }} AS ?c) {{ {V} }}",
        ),
    ],
)
def test_what_the_engine_does_not_read(server: str, query: str, meant: str) -> None:
    prefix = "PREFIX id: <https://w3id.org/essgraph/id/> "
    found, wanted = (post(server, prefix + text).json() for text in (query, meant))
    assert found["head"] == wanted["head"]
    rows = [
        sorted(json.dumps(row, sort_keys=True) for row in answer["results"]["bindings"])
        for answer in (found, wanted)
    ]
    assert rows[0] == rows[1] != []


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        (f"ASK {{ {V} }} GROUP BY ?a", True),
        (f"ASK WHERE {{ {V} }} GROUP BY ?a HAVING (COUNT(*) = 2)", True),
        (f"ASK {{ {V} }} GROUP BY ?a HAVING (COUNT(*) > 2)", False),
        (f"ASK {{ {V} }} HAVING (COUNT(*) > 2)", True),
        (f"ASK {{ {V} }} GROUP BY ?a OFFSET 2", False),
        (f"ASK FROM <http://e/g> {{ {V} ?s ?p ?o }} GROUP BY ?a", False),
        (f"ASK {{ {V} }} GROUP BY ?a ORDER BY COUNT(?b) VALUES ?a {{ 1 7 }}", True),
        (f"ASK {{ {V} }} GROUP BY ?a VALUES ?a {{ 7 }}", False),
    ],
)
def test_ask_of_groups(server: str, query: str, holds: bool) -> None:
    assert post(server, query).json()["boolean"] is holds


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        ("COUNT(?x + 1)", {"a": 2, "b": 0}),
        ("count ( # (\n DISTINCT ?x + 1 )", {"a": 1, "b": 0}),
        ("COUNT(DISTINCT COALESCE(?x + 1, STR(?x)))", {"a": 2, "b": 1}),
        ("COUNT(IF(?x > 0, 1, 1 / 0)) + COUNT(*)", {"a": 5, "b": 1}),
        ("COUNT(?x)", {"a": 3, "b": 1}),
        ("COUNT(DISTINCT ?x)", {"a": 2, "b": 1}),
        ('COUNT(")") + COUNT(DISTINCT 1) + COUNT(*)', {"a": 7, "b": 3}),
        ("COUNT(?x > 0 || EXISTS { ?b <x:none> ?x })", {"a": 2, "b": 0}),
        ("COUNT(?x > 0 && EXISTS { { SELECT (COUNT(?b + 1) AS ?c) {} } })", {"a": 2, "b": 0}),
    ],
)
def test_errors_are_not_counted(server: str, count: str, numbers: dict[str, int]) -> None:
    """COUNT is of the values that there are (18.5.1.2)."""
    rows = "('a' 1) ('a' 1) ('a' 'x') ('b' 'y')"
    pattern = f"VALUES (?of ?x) {{ {rows} }}"
    query = f"SELECT ?of ({count} AS ?n) {{ {pattern} }} GROUP BY ?of HAVING ({count} >= 0)"
    found = post(server, query).json()["results"]["bindings"]
    assert {row["of"]["value"]: int(row["n"]["value"]) for row in found} == numbers
    none = post(server, f"SELECT ({count} AS ?n) {{ {pattern} FILTER(?x = 7) }}").json()
    assert [row["n"]["value"] for row in none["results"]["bindings"]] == ["0"]


@pytest.mark.parametrize(
    ("inside", "inner"),
    [
        ("{ SELECT ?s { ?s ?p ?o } }", "SELECT ?g ?s { GRAPH ?g { ?s ?p ?o } }"),
        ("SELECT DISTINCT ?p # {\n{ ?s ?p ?o }", "SELECT DISTINCT ?g ?p { GRAPH ?g { ?s ?p ?o } }"),
        ("{ SELECT * WHERE { ?s ?p ?o } }", "SELECT * { GRAPH ?g { ?s ?p ?o } }"),
        (
            "SELECT DISTINCT * { ?s a [] BIND(1 AS ?n) } ORDER BY ?s",
            "SELECT DISTINCT ?g ?s ?n { GRAPH ?g { ?s a [] } BIND(1 AS ?n) }",
        ),
        (
            "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }",
            "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g",
        ),
        (
            "SELECT (COUNT(?p) AS ?n) { ?s ?p ?o } HAVING (COUNT(DISTINCT ?s) > 20)",
            "SELECT ?g (COUNT(?p) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g "
            "HAVING (COUNT(DISTINCT ?s) > 20)",
        ),
        (
            "?s rdfs:label ?o { SELECT ?s (COUNT(*) AS ?n) { ?s ?p ?x } GROUP BY ?s }",
            "SELECT ?g ?s ?n { GRAPH ?g { ?s rdfs:label ?o } "
            "{ SELECT ?g ?s (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?x } } GROUP BY ?g ?s } }",
        ),
        (
            "{ SELECT ?s { { SELECT ?s (SAMPLE(?o) AS ?n) { ?s a ?o } GROUP BY ?s } } }",
            "SELECT DISTINCT ?g ?s { GRAPH ?g { ?s a ?o } }",
        ),
        (
            "GRAPH graph:register { SELECT (COUNT(*) AS ?n) { ?s a ess:City } } ?s a ess:City",
            "SELECT * { { SELECT (COUNT(*) AS ?n) { GRAPH graph:register { ?s a ess:City } } } "
            "GRAPH ?g { ?s a ess:City } }",
        ),
        (
            "{ SELECT ?g (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?g }",
            "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g",
        ),
    ],
)
def test_a_select_in_a_graph_is_of_that_graph(server: str, inside: str, inner: str) -> None:
    """Each graph is gone through on its own (18.6, evaluation of Graph)."""
    prefixes = "".join(f"PREFIX {name}: <{PREFIXES[name]}> " for name in ("ess", "rdfs", "graph"))
    found, wanted = (
        post(server, f"{prefixes}SELECT ?g ?s ?p ?n {{ {pattern} }}").json()["results"]["bindings"]
        for pattern in (f"GRAPH ?g {{ {inside} }}", f"{{ {inner} }}")
    )
    as_said = [sorted(json.dumps(row, sort_keys=True) for row in rows) for rows in (found, wanted)]
    assert as_said[0] == as_said[1] != []


@pytest.mark.parametrize(
    ("path", "union"),
    [
        (
            "?x ess:speaker|ess:participant ?y",
            "{ ?x ess:speaker ?y } UNION { ?x ess:participant ?y }",
        ),
        (
            "?x a ess:Event ; ess:chair | ess:participant | ess:chair ?y , ?z # |\n",
            "?x a ess:Event { ?x ess:chair ?y } UNION { ?x ess:participant ?y } UNION "
            "{ ?x ess:chair ?y } { ?x ess:chair ?z } UNION { ?x ess:participant ?z } UNION "
            "{ ?x ess:chair ?z }",
        ),
        (
            "?y ^(ess:speaker|ess:participant)/a ?z",
            "{ ?w ess:speaker ?y } UNION { ?w ess:participant ?y } ?w a ?z",
        ),
        (
            "?x (ess:chair|(ess:speaker/a?)) ?y OPTIONAL { ?x ess:partOf|ess:partOfEvent ?z }",
            "{ ?x ess:chair ?y } UNION { ?x ess:speaker/a? ?y } "
            "OPTIONAL { { ?x ess:partOf ?z } UNION { ?x ess:partOfEvent ?z } }",
        ),
        (
            "?x !(a|^a|rdfs:label) ?y . [] a [ ess:none|ess:nothing [] ]",
            "[] a [ ess:none|ess:nothing [] ] { ?x !(a|rdfs:label) ?y } UNION { ?x !(^a) ?y }",
        ),
        (
            "GRAPH ?z { ?x ess:speaker|^ess:speaker ?y . FILTER(?x != ?y || true) }",
            "GRAPH ?z { { ?x ess:speaker ?y } UNION { ?y ess:speaker ?x } }",
        ),
        ("?x (ess:partOf|ess:partOfEvent)* ?y", "?x (ess:partOfEvent|ess:partOf)* ?y"),
        # What has no name is one thing, however often it is spoken of.
        (
            "[] a ess:Event ; ess:partOf|ess:none ?y ; ess:eventType ?z",
            "?w a ess:Event ; ess:partOf ?y ; ess:eventType ?z",
        ),
        (
            "?x ess:none|ess:partOfEvent [ a ess:Event ] , ?y",
            "?x ess:partOfEvent ?w , ?y . ?w a ess:Event",
        ),
    ],
)
def test_alternatives_are_a_union(server: str, path: str, union: str) -> None:
    """Who joins two things twice is a solution twice (18.4, evaluation of Alternative)."""
    prefixes = "".join(f"PREFIX {name}: <{PREFIXES[name]}> " for name in ("ess", "rdfs"))
    for head in ("SELECT *", "SELECT (COUNT(*) AS ?n)", "SELECT DISTINCT ?x ?y ?z", "ASK"):
        answers = [post(server, f"{prefixes}{head} {{ {it} }}") for it in (path, union)]
        if head == "ASK":
            found, wanted = (answer.json()["boolean"] for answer in answers)
        else:
            found, wanted = (
                sorted(
                    json.dumps({k: v for k, v in row.items() if k in "xyzn"}, sort_keys=True)
                    for row in answer.json()["results"]["bindings"]
                )
                for answer in answers
            )
        assert found == wanted


def paths() -> st.SearchStrategy[str]:
    """Paths without repeats."""
    words = ("a", "ess:partOf", "ess:participant", "ess:speaker", "ess:about", "rdfs:label")
    return st.recursive(
        st.sampled_from(words),
        lambda inner: st.one_of(
            st.builds("({}|{})".format, inner, inner),
            st.builds("{}/{}".format, inner, inner),
            st.builds("^({})".format, inner),
        ),
        max_leaves=4,
    )


@given(paths())
@settings(max_examples=40, deadline=None)
def test_paths_have_as_many_solutions_as_for_rdflib(
    server: str, triples: rdflib.Graph, path: str
) -> None:
    prefixes = "".join(f"PREFIX {name}: <{PREFIXES[name]}> " for name in ("ess", "rdfs"))
    end = "ess:Event" if path.endswith("a") else "?y"
    query = f"{prefixes}SELECT ?x ?y {{ ?x a ess:Event ; {path} {end} }}"
    answer = post(server, query).json()["results"]["bindings"]
    found = Counter(tuple(row.get(n, {}).get("value") for n in "xy") for row in answer)
    ends = rdflib.Variable("x"), rdflib.Variable("y")
    rows = triples.query(query).bindings
    wanted = Counter(tuple(str(r[n]) if n in r else None for n in ends) for r in rows)
    assert found == wanted


@pytest.fixture(scope="module")
def triples(server: str) -> rdflib.Graph:
    said = post(server, "CONSTRUCT WHERE { ?s ?p ?o }", Accept="application/n-triples")
    return rdflib.Graph().parse(data=said.text, format="nt")


def test_a_query_of_a_shape_that_passed_may_still_be_refused(server: str) -> None:
    """Queries that differ only in what stands between signs that look like an IRI's."""
    for part in ("?b&&?c", "1||SERVICE"):
        first = post(server, f"ASK {{ FILTER(?a<{part}>2) }}")
        assert first.status_code == (403 if "SERVICE" in part else 200), first.text
    assert post(server, "ASK { FILTER(1<http://e/>2) }").status_code == 400


# --- faults ---------------------------------------------------------------------------------

FAULTS = [
    ("ASK {", 1, 5, "never closed"),
    ("ASK }", 1, 5, 'expected: FROM, WHERE or "{"'),
    ("SELECT", 1, 7, 'expected: a variable, "("'),
    ("SELCT * {}", 1, 1, "expected: ASK, BASE, CONSTRUCT"),
    ("ASK { \u017felect * {} }", 1, 7, "unknown word"),
    ("SELECT * {} LIMIT 1 \u212a", 1, 21, "unknown word"),
    ("SELECT * { ?s ?p ?o } GROUP BY ?s", 1, 34, "SELECT that names the variables"),
    ("SELECT * { ?s ?p }", 1, 18, "expected: a term or variable"),
    ("SELECT * {\n  ?s ?p ?o\n  FILTER }", 3, 10, 'expected: a function, an IRI or "("'),
    ("SELECT * { ?s ex:p ?o }", 1, 15, "not declared"),
    ("ASK { ?s a ess:City }", 1, 12, "PREFIX ess: <https://w3id.org/essgraph/ontology#>"),
    ('SELECT * { ?s ?p "abc }', 1, 18, "never closed"),
    ("SELECT * { ?s ?p 'it's' }", 1, 22, "expected: a language tag"),
    ("SELECT * { ?s ?p ?o ]", 1, 21, '"}"'),
    ("SELECT * { ?s ?p (1 2 }", 1, 23, '")"'),
    ("SELECT * { ?s ?p ?o } LIMIT", 1, 28, "expected: an integer"),
    ("SELECT * { ?s ?p ?o } LIMIT ten", 1, 29, "expected: an integer"),
    ("SELECT * { ?s ?p ?o } LIMIT -1", 1, 29, "expected: an integer"),
    ("SELECT * { ?s ?p ?o } ORDER ?s", 1, 29, "expected: BY"),
    ("SELECT * { ?s ?p ?o } GROUP BY", 1, 31, "expected: a function, a variable"),
    ("SELECT * { ?s ?p ?o } LIMIT 1 ORDER BY ?s", 1, 31, "expected: the end of the query"),
    ("SELECT (COUNT(*) ?n) { ?s ?p ?o }", 1, 18, "expected: an operator or AS"),
    ("SELECT (1 AS n) {}", 1, 14, "expected: a variable"),
    ("SELECT * { BIND(1) }", 1, 18, "AS"),
    ("SELECT * { VALUES ?x { ?y } }", 1, 24, "UNDEF"),
    ("PREFIX ex <http://e/> ASK {}", 1, 8, 'a prefix followed by ":"'),
    ("BASE SELECT * {}", 1, 6, "expected: an IRI between < and >"),
    ("CONSTRUCT WHERE { FILTER(1) }", 1, 19, "expected: a term or variable"),
    ("DESCRIBE", 1, 9, 'expected: a variable, an IRI or "*"'),
    ("ASK { ?s ?p ?o . . }", 1, 18, "expected: a term or variable"),
    ("ASK { FILTER(1 +) }", 1, 17, "expected: an expression"),
    ("ASK { FILTER(NOSUCH(?x)) }", 1, 14, 'unknown word: "NOSUCH"'),
    ("ASK { FILTER(REGEX(?x)) }", 1, 22, 'expected: an operator or ","'),
    ("ASK { ?s 'p' ?o }", 1, 10, "expected: a predicate"),
    ("ASK { ?s ?p 'x'^^ }", 1, 19, "expected: an IRI"),
    ("ASK { GRAPH { ?s ?p ?o } }", 1, 13, "expected: a variable or an IRI"),
    ("ASK { GRAPH ?g { SELECT } }", 1, 25, "expected: a variable"),
    ("ASK { GRAPH ?g { SELECT DISTINCT } }", 1, 34, "expected: a variable"),
    ("ASK { GRAPH ?g { SELECT ?s { } GROUP } }", 1, 38, "expected: BY"),
    ("ASK { GRAPH ?g { SELECT ?s { } GROUP BY } }", 1, 41, "expected: a function"),
    ("SELECT (COUNT() AS ?n) { }", 1, 15, "expected: an expression"),
    ("ASK { OPTIONAL ?s ?p ?o }", 1, 16, 'expected: "{"'),
    ("ASK {} UNION {}", 1, 8, "expected: the end of the query"),
    ("SELECT *, ?x {}", 1, 9, 'expected: FROM, WHERE or "{"'),
    ("ASK { ?s <http://e/p>/ ?o }", 1, 24, "expected: an IRI"),
    ("ASK { ?s ?p ?o \x07}", 1, 16, "unexpected character"),
    ("ASK { ?s ?p <http://a b> }", 1, 13, "expected: a term or variable"),
    ("", 1, 1, "empty"),
    ("  # only a comment", 1, 1, "empty"),
]


@pytest.mark.parametrize(("query", "line", "column", "said"), FAULTS)
def test_a_fault_has_its_place_and_what_was_expected(
    server: str, query: str, line: int, column: int, said: str
) -> None:
    body = problem(post(server, query), 400)
    assert body["position"] == {"line": line, "column": column}
    assert said in body["detail"]
    french = problem(post(server, query, **{"Accept-Language": "fr"}), 400)
    assert french["position"] == body["position"]
    assert french["detail"] != body["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ?s { ?s ?p ?o } GROUP BY ?p",
        "SELECT * { BIND(1 AS ?x) BIND(2 AS ?x) }",
        "SELECT * { VALUES (?x ?y) { (1) } }",
        "ASK { _:b ?p ?o OPTIONAL { _:b ?p ?q } }",
        "PREFIX e: <x:> SELECT DISTINCT ?s { ?s ?p ?o } GROUP BY ?p",
    ],
)
def test_rules_of_scope(server: str, query: str) -> None:
    body = problem(post(server, query), 400)
    assert body["position"]["line"] == 1
    assert body["detail"].startswith("malformed query")


@pytest.mark.parametrize("around", ["{}", "SELECT * {{ {{ {} }} }}"])
def test_a_variable_that_grouping_does_not_keep(server: str, around: str) -> None:
    query = around.format("SELECT ?s { ?s ?p ?o } GROUP BY ?p")
    assert "GROUP BY" in problem(post(server, query), 400)["detail"]


# --- large queries, and too large -----------------------------------------------------------


def answers(server: str, query: str) -> int:
    response = post(server, query)
    assert response.status_code == 200, response.text
    return len(response.json()["results"]["bindings"])


def test_many_values(server: str) -> None:
    values = " ".join(f"<http://example.org/{n}>" for n in range(2_000))
    assert answers(server, f"SELECT ?x {{ VALUES ?x {{ {values} }} }}") == 2_000
    pairs = " ".join(f"(<http://example.org/{n}> {n})" for n in range(2_000))
    assert answers(server, f"SELECT ?x {{ VALUES (?x ?n) {{ {pairs} }} }}") == 2_000


def test_many_in(server: str) -> None:
    listed = ", ".join(str(n) for n in range(1_000))
    values = "VALUES ?x { 1 999 1000 }"
    assert answers(server, f"SELECT ?x {{ {values} FILTER(?x IN ({listed})) }}") == 2
    assert answers(server, f"SELECT ?x {{ {values} FILTER(?x NOT IN ({listed})) }}") == 1


def test_many_unions(server: str) -> None:
    union = " UNION ".join(f"{{ BIND({n} AS ?x) }}" for n in range(60))
    assert answers(server, f"SELECT ?x {{ {union} }}") == 60
    patterns = " UNION ".join(f"{{ ?s <http://e/{n}> ?o . ?o ?p ?q }}" for n in range(60))
    assert answers(server, f"SELECT * {{ {patterns} }}") == 0


def test_nested_groups(server: str) -> None:
    groups = "{ " * 16 + "BIND(1 AS ?x)" + " }" * 16
    assert answers(server, f"SELECT ?x {groups}") == 1
    optional = "BIND(1 AS ?x)"
    for _ in range(16):
        optional = f"{{ OPTIONAL {{ {optional} }} }}"
    assert answers(server, f"SELECT ?x {optional}") == 1


def test_long_text(server: str) -> None:
    text = "x" * 60_000
    query = f'SELECT ?l {{ BIND(STRLEN("{text}") AS ?l) }}'
    response = httpx.get(f"{server}/sparql", params={"query": query})
    assert response.json()["results"]["bindings"][0]["l"]["value"] == "60000"
    assert answers(server, f"SELECT (1 AS ?x) {{}} # {text}") == 1


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        ("ASK " + "{" * 70 + "}" * 70, "64 levels"),
        ("ASK { FILTER(" + "(" * 70 + "1" + ")" * 70 + ") }", "64 levels"),
        ("ASK { ?s ?p " + "[ ?p " * 70 + "1" + "]" * 70 + " }", "64 levels"),
        ("ASK { " + " UNION ".join(["{}"] * 600) + " }", "500 clauses"),
        ("ASK { " + "FILTER(1) " * 600 + "}", "500 clauses"),
        ("ASK { FILTER(" + "+".join(["1"] * 5_000) + ") }", "4000 operators"),
        ("ASK { FILTER(" + "1 " + "+1 " * 5_000 + ") }", "4000 operators"),
        (f"PREFIX x: <x:> ASK {{ FILTER(?a<1{'+1' * 4_020}>2) }}", "4000 operators"),
        ("ASK { " + "?s ?p ?o . " * 151 + "}", "150 triple patterns"),
        ("ASK { ?s ?p ?o " + "; ?p ?o " * 150 + "}", "150 triple patterns"),
        ("ASK { ?s ?p ?o " + ", ?o " * 150 + "}", "150 triple patterns"),
        ("ASK { ?s " + "/".join(["<http://e/p>"] * 152) + " ?o }", "150 triple patterns"),
        ("ASK { FILTER('" + "x" * 2**18 + "' != '') }", "256 KiB"),
    ],
    ids=lambda value: value if len(value) < 40 else "query",
)
def test_what_is_too_large_says_so(server: str, query: str, limit: str) -> None:
    body = problem(post(server, query), 400)
    assert body["limit"] == {"name": "query", "value": limit}
    assert re.match(r"\d+", limit)[0] in body["detail"]  # type: ignore[index]


# --- anything at all ------------------------------------------------------------------------

TOKENS = """\
    SELECT ASK CONSTRUCT DESCRIBE WHERE FROM NAMED <http://e/> <http://e/x> <x y> <#> PREFIX
    BASE e: e:x e:SERVICE :x ?x $y ?SERVICE { } ( ) [ ] { } ( ) . ; , * + - / | ^ ! != < > <= >= =
    && || ^^ @fr 'a' "b" # 1 -1 +1 1.5 1e6 .5 true false a _:b UNION OPTIONAL FILTER BIND AS VALUES
    UNDEF GRAPH SERVICE SILENT MINUS EXISTS NOT IN GROUP BY HAVING ORDER ASC LIMIT 10 OFFSET COUNT
    SUM DISTINCT RAND INSERT LOAD << >> {| |} ~ SERVICE:x é , % %41 -- @"""
WORDS = [
    *TOKENS.split(),
    *("'", '"', "'''", '"""', "'''c'''", '"""d"""', "\\", "\\u0041", "\\U0010FFFF"),
    *("\U0001f30d", "\x00", "\n", "\r", "\t"),
]
SOUP = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from(["", " ", "\n"])), max_size=40
).map(lambda pairs: "".join(word + gap for word, gap in pairs))
LIBRARY = [path.read_text("utf-8") for path in sorted((ROOT / "queries").glob("*.rq"))]


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A query of the library, with a piece cut out, doubled, or replaced by a word."""
    text = draw(st.sampled_from(LIBRARY))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        word = draw(st.sampled_from(["", text[start:end] * 2, *WORDS]))
        text = text[:start] + word + text[end:]
    return text


ANYTHING = st.one_of(st.text(max_size=200), SOUP, mutilated())


def inspected(text: str) -> Query | EssgraphError:
    try:
        return inspect(text)
    except (SyntaxFault, QueryError, LimitExceeded) as error:
        return error


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANYTHING)
def test_any_text_is_a_query_or_an_error_of_ours(text: str) -> None:
    found = inspected(text)
    if isinstance(found, EssgraphError):
        assert found.text.fr
        assert found.text.en
        at = getattr(found, "at", None)
        if at is not None:
            lines = text.removeprefix("\ufeff").split("\n")
            assert 1 <= at.line <= len(lines)
            assert at.column >= 1


def same(one: Query | EssgraphError, other: Query | EssgraphError) -> bool:
    if isinstance(one, Query) and isinstance(other, Query):
        return all(
            getattr(one, name) == getattr(other, name)
            for name in ("form", "default_graphs", "named_graphs", "key", "volatile")
        )
    return type(one) is type(other) and str(one) == str(other)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANYTHING)
def test_the_quick_reading_says_what_the_whole_one_says(text: str) -> None:
    """A comment makes sure that a query is read whole; it changes nothing in what it says."""
    quick, whole = inspected(text), inspected(text + "\n#")
    if isinstance(quick, Query):
        assert same(quick, whole)
    else:
        assert isinstance(whole, EssgraphError)


STRINGS = st.text(st.characters(blacklist_characters='"\\\n\r', codec="utf-8"), max_size=20)


@given(STRINGS, st.sampled_from(["SERVICE", "INSERT", "file:///x", "# ", "'''", "} SERVICE {"]))
def test_what_stands_in_a_string_or_iri_changes_nothing_but_the_key(a: str, b: str) -> None:
    iri = "http://e/" + re.sub(r'[<>"{}|^`\\\x00-\x20]', "", a + b)
    texts = [
        f'SELECT ?s {{ ?s <http://e/p> "{x}" ; <http://e/q> <{i}> }} LIMIT 5'
        for x, i in ((a, iri), (b, iri), ("x", "http://e/"))
    ]
    found = [inspect(text) for text in texts]
    assert [query.text for query in found] == texts
    assert len({query.key for query in found}) == len(set(texts))
    assert {query.form for query in found} == {"SELECT"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANYTHING)
def test_what_passes_is_never_an_update_nor_a_service(text: str) -> None:
    """What is let through, the engine takes for a query, and finds no SERVICE in it."""
    query = inspected(text)
    if isinstance(query, EssgraphError):
        return
    try:
        ox.Store().query(query.text, base_iri="http://e/")
    except SyntaxError:
        return
    except (RuntimeError, OSError) as error:
        message = str(error)
    else:
        message = ""
    assert "service" not in message.lower()


# --- what is told ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("ASK{?s ?p ?o}", "ask  {\n?s ?p ?o } # end", True),
        ("ASK { ?s ?p 'x' }", "ASK { ?s ?p 'X' }", False),
        ("ASK { ?s ?p <x:a> }", "ASK { ?s ?p <x:A> }", False),
        ("ASK { ?s ?p ?o }", "ASK { ?s ?p ?O }", False),
        ("ASK { ?s ?p 'a b' }", "ASK { ?s ?p 'a  b' }", False),
        ("PREFIX e: <x:> ASK { ?s e:a 1 }", "prefix e:<x:>ask{?s e:a 1}", True),
        ("PREFIX e: <x:> ASK { ?s e:a 1 }", "PREFIX e: <x:> ASK { ?s e:A 1 }", False),
        ("ASK { ?s ?p '%s' }", "ASK { ?s ?p '%d' }", False),
    ],
)
def test_keys(one: str, other: str, alike: bool) -> None:
    assert (inspect(one).key == inspect(other).key) is alike


@pytest.mark.parametrize(
    ("query", "form", "volatile"),
    [
        ("SELECT * {}", "SELECT", False),
        ("select (rand() as ?x) {}", "SELECT", True),
        ("ASK { FILTER(NOW() > 1) }", "ASK", True),
        ("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }", "CONSTRUCT", False),
        ("CONSTRUCT { _:b ?p ?o } WHERE { ?s ?p ?o }", "CONSTRUCT", True),
        ("DESCRIBE <x:y>", "DESCRIBE", False),
        ("SELECT ?now { ?now ?rand 'UUID()' }", "SELECT", False),
    ],
)
def test_form_and_volatility(query: str, form: str, volatile: bool) -> None:
    found = inspect(query)
    assert (found.form, found.volatile) == (form, volatile)


def test_graphs_are_resolved() -> None:
    query = inspect(
        "BASE <http://e/a/> PREFIX p: <../g/> "
        "SELECT * FROM <x> FROM p:y FROM NAMED <http://h/z> FROM NAMED p:a\\/b {}"
    )
    assert query.default_graphs == ("http://e/a/x", "http://e/g/y")
    assert query.named_graphs == ("http://h/z", "http://e/g/a/b")


@pytest.mark.parametrize("base", ["http://e", "http://e//a/b//c?q=1#f", "http://é/a/c;p/d"])
@pytest.mark.parametrize(
    "iri",
    [
        *(
            "",
            "?",
            "#",
            "?#",
            "?q",
            "#f",
            "x",
            "./x?#",
            "../x",
            "../../../..",
            "..",
            ".",
            "x//../y",
        ),
        *(
            "/",
            "/x/./y/../z",
            "//h",
            "//h/x?q#",
            "//h//x",
            "a:b",
            "http://h/a/../b",
            "x/..?y/../z",
        ),
    ],
)
def test_graphs_are_those_that_the_engine_means(base: str, iri: str) -> None:
    """RFC 3986, 5.2: the engine resolves all IRIs but these."""
    (row,) = ox.Store().query(f"BASE <{base}> SELECT (<{iri}> AS ?x) {{}}")  # type: ignore[misc]
    try:
        assert inspect(f"BASE <{base}> ASK FROM <{iri}> {{}}").default_graphs == (row[0].value,)
    except QueryRefused:
        assert iri == "a:b"


# --- parameters -----------------------------------------------------------------------------


def solutions(text: str, **values: str) -> list[dict[str, str]]:
    store = ox.Store()
    store.extend(
        ox.Quad(ox.NamedNode(f"x:s{n}"), ox.NamedNode("x:p"), ox.Literal(f"v{n}")) for n in range(3)
    )
    found = store.query(bind(inspect(text), values).text)
    assert isinstance(found, ox.QuerySolutions)
    names = [variable.value for variable in found.variables]
    return [{n: str(row[n]) for n in names if row[n] is not None} for row in found]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?s ?o { ?s <x:p> ?o }",
        "SELECT * { ?s <x:p> ?o BIND(?s AS ?same) }",
        "SELECT ?s ?o { ?s <x:p> ?o FILTER(BOUND(?s) && ?s = ?s) }",
        "SELECT ?s ?o { ?s <x:p> ?o FILTER(!(!BOUND(?s))) }",
        "SELECT ?s ?o { ?s <x:p> ?o FILTER bound # (\n(?s ) }",
        "SELECT ?s (COUNT(*) AS ?o) { ?s <x:p> ?v } GROUP BY ?s",
        "SELECT ?s ?o { ?s <x:p> ?o } ORDER BY ?s DESC(?o)",
        "SELECT ?s ?o { { SELECT ?s ?o { ?s <x:p> ?o } ORDER BY ?s LIMIT 5 } }",
        "SELECT ?o { { SELECT ?s ?o { ?s <x:p> ?o } } }",
        "SELECT * { { SELECT ?s (MAX(?v) AS ?o) { ?s <x:p> ?v } GROUP BY ?s } }",
        "SELECT ?s ?o { ?s <x:p> ?o FILTER EXISTS { ?s <x:p> ?q } MINUS { ?s <x:none> ?z } }",
    ],
)
def test_a_parameter_is_fixed_everywhere(text: str) -> None:
    found = solutions(text, s="<x:s1>")
    assert len(found) == 1
    assert found[0].get("s", "<x:s1>") == "<x:s1>"


@pytest.mark.parametrize(
    "value",
    ['"v1"', '"v1"^^<http://www.w3.org/2001/XMLSchema#string>', '"} SERVICE <x:> {"', '"\\""'],
)
def test_a_value_is_a_term_and_never_text(value: str) -> None:
    found = solutions("SELECT ?s ?v { ?s <x:p> ?o FILTER(?o = ?v) }", v=value)
    assert len(found) == (1 if "v1" in value else 0)


@pytest.mark.parametrize("value", ["v", "?x", '"a" . ?s ?p ?o', "<x y>", '"a', "", "_:b", "1"])
def test_what_is_no_term_is_refused(value: str) -> None:
    with pytest.raises(QueryError):
        bind(inspect("SELECT * { ?s ?p ?v }"), {"v": value})


@pytest.mark.parametrize(
    "text",
    ["SELECT (1 AS ?v) {}", "SELECT * { BIND(1 AS ?v) }", "SELECT * { VALUES ?v { 1 } }"],
)
def test_what_the_query_assigns_is_no_parameter(text: str) -> None:
    with pytest.raises(QueryError, match="parameter") as raised:
        bind(inspect(text), {"v": '"x"'})
    assert not isinstance(raised.value, QueryRefused)
    assert raised.value.at is not None


def test_the_library_is_well_formed() -> None:
    assert len(LIBRARY) > 30
    for text in LIBRARY:
        assert isinstance(inspected(text), Query)
        assert not isinstance(inspected(text + "\n#"), EssgraphError)


# --- order ----------------------------------------------------------------------------------

_TEXT = st.text("aZé\U0001f600", max_size=3).map("a beginning ".__add__) | st.text(max_size=14)
_DATE = ox.NamedNode(f"{XSD}date")
_TERMS = st.lists(
    st.builds(ox.Literal, _TEXT)
    | st.builds(ox.Literal, _TEXT, language=st.sampled_from(["en", "fr"]))
    | st.integers(-20, 20).map(ox.Literal)
    | st.integers(1, 9).map(lambda n: ox.Literal(f"201{n}-01-01", datatype=_DATE))
    | st.text("ab/é", max_size=14).map(lambda end: ox.NamedNode(f"http://e/{end}"))
    | st.none(),
    max_size=12,
)


def _sortable(term: dict[str, str] | None) -> tuple[int, int, str]:
    """What is unbound, IRIs, dates, numbers, texts by their characters."""
    if term is None:
        return (0, 0, "")
    if term["type"] == "uri":
        return (1, 0, term["value"])
    if term.get("datatype") == _DATE.value:
        return (2, 0, term["value"])
    if "datatype" in term:
        return (3, int(term["value"]), "")
    return (4, 0, term["value"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(terms=_TERMS, order=st.sampled_from(["?x", "asc( $x)", "DESC(?x)\n?y", "?y DESC(?x)"]))
def test_texts_are_ordered_by_their_characters(
    server: str, terms: list[ox.Literal | ox.NamedNode | None], order: str
) -> None:
    """By SPARQL 1.1 Query, 15.1, of which the order of dates, numbers and texts is ours."""
    values = " ".join(f"({'UNDEF' if term is None else term})" for term in terms)
    query = f"SELECT ?x {{ VALUES (?x) {{ {values} }} }} ORDER BY {order} LIMIT 20 OFFSET 0"
    response = post(server, query, Accept="application/sparql-results+json")
    assert response.status_code == 200, response.text
    found = [_sortable(row.get("x")) for row in response.json()["results"]["bindings"]]
    assert len(found) == len(terms)
    assert found == sorted(found, reverse="DESC" in order)


MIXED = f"SELECT ?x {{ VALUES ?x {{ 2 10 '2010'^^<{XSD}gYear> 3 }} }}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT (COUNT(*) AS ?n) { VALUES ?x { 1 2 } } ORDER BY ?n", ["2"]),
        ("SELECT * { VALUES ?x { 2 1 } } ORDER BY ?x", ["1", "2"]),
        ("SELECT DISTINCT ?x { VALUES ?x { 'b' 'a' 'b' } } ORDER BY DESC(?x)", ["b", "a"]),
        (f"{MIXED} ORDER BY ?x", ["2010", "2", "3", "10"]),
        ("SELECT ?x { VALUES ?x { 'b' 'a' } } ORDER BY # } ORDER BY\n?x", ["a", "b"]),
        ("SELECT ?x { VALUES ?x { '} ORDER BY ?y' } }", ["} ORDER BY ?y"]),
        ("SELECT ?x { VALUES ?x { 'b' 'a' } } # } ORDER BY ?x", ["b", "a"]),
        ("SELECT ?x {} GROUP BY ('} ORDER BY ?x #' AS ?x)", ["} ORDER BY ?x #"]),
        (f"{MIXED} ORDER BY # }} by value\n?x LIMIT 4 # and no\n#2", ["2010", "2", "3", "10"]),
        (f"{MIXED} ORDER BY asc # (\n(?x)#", ["2010", "2", "3", "10"]),
    ],
)
def test_an_order_is_told_from_what_looks_like_one(
    server: str, query: str, expected: list[str]
) -> None:
    rows = post(server, query, Accept="application/sparql-results+json").json()
    assert [next(iter(row.values()))["value"] for row in rows["results"]["bindings"]] == expected


def test_a_fault_of_an_ordered_query_has_its_place(server: str) -> None:
    query = "SELECT * {}\nORDER BY ?x LIMIT 99999999999999999999"
    position = problem(post(server, query), 400)["position"]
    assert position["line"] == 2
    assert position["column"] <= len(query.splitlines()[1]) + 1
