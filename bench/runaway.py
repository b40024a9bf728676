"""Hostile queries, by family: what takes without end, or too deep, or is forbidden."""

from __future__ import annotations

from typing import Final


def _nested(opening: str, closing: str, depth: int, inside: str = "") -> str:
    return opening * depth + inside + closing * depth


def _doubling(function: str, times: int) -> str:
    steps = " ".join(
        f"BIND ({function.replace('?x', f'?x{n}')} AS ?x{n + 1})" for n in range(times)
    )
    return f'SELECT (STRLEN(?x{times}) AS ?n) {{ BIND ("aaaaaaaaaaaaaaaa" AS ?x0) {steps} }}'


_TRIPLE = "?a ?b ?c . ?d ?e ?f"
THREE = f"{_TRIPLE} . ?g ?h ?i"
_ANY = "(!<http://e/none>|!^<http://e/none>)"

QUERIES: Final[dict[str, list[str]]] = {
    "cross product": [
        f"SELECT (COUNT(*) AS ?n) {{ {THREE} }}",
        f"ASK {{ {THREE} FILTER (?a = ?f && ?c = <http://e/none>) }}",
        f"SELECT (SUM(STRLEN(STR(?a)) * STRLEN(STR(?f))) AS ?n) {{ {THREE} }}",
        f"SELECT (MAX(CONCAT(STR(?a), STR(?i))) AS ?n) {{ {THREE} }}",
    ],
    "nesting": [
        f"SELECT * {_nested('{', '}', 5000)}",
        f"SELECT * {_nested('{', '}', 62, ' ?s ?p ?o ')}",
        f"SELECT * {{ {_nested('OPTIONAL { ?s ?p ?o ', '}', 60)} }}",
        f"ASK {{ {_nested('FILTER EXISTS { ?s ?p ?o ', '}', 60)} }}",
        f"SELECT * {{ {_nested('{ SELECT * { ?s ?p ?o ', '} }', 30)} }}",
        f"ASK {{ {_nested('FILTER NOT EXISTS { ?a ?b ?c ', '}', 900)} }}",
    ],
    "parentheses": [
        f"SELECT ({_nested('(', ')', 5000, '1')} AS ?x) {{}}",
        f"SELECT ({_nested('IF(true, ', ', 2)', 60, '1')} AS ?x) {{}}",
        f"SELECT ({_nested('IF(true, ', ', 2)', 3000, '1')} AS ?x) {{}}",
        f"SELECT ({'!' * 3900}true AS ?x) {{}}",
        f"SELECT ({'-' * 20000}1 AS ?x) {{}}",
        f"SELECT ({'+'.join(['1'] * 3900)} AS ?x) {{}}",
        f"SELECT ({' || '.join(['?x'] * 3900)} AS ?y) {{ ?s ?p ?x }}",
        f"SELECT ({_nested('(', ')', 60, '+'.join(['1'] * 2000))} AS ?x) {{}}",
        f"ASK {{ ?s {_nested('(', ')', 500, '?p')} ?o }}",
    ],
    "VALUES": [
        f"SELECT * {{ VALUES ?x {{ {' '.join(map(str, range(30_000)))} }} }}",
        "SELECT (COUNT(*) AS ?n) { "
        + " ".join(f"VALUES ?x{k} {{ {' '.join(map(str, range(2000)))} }}" for k in range(3))
        + " }",
        f"SELECT * {{ VALUES ?x {{ {' '.join(['UNDEF'] * 20_000)} }} ?s ?p ?x }}",
    ],
    "paths": [
        f"SELECT (COUNT(*) AS ?n) {{ ?s {_ANY}* ?o }}",
        f"SELECT (COUNT(*) AS ?n) {{ ?s ({_ANY}/{_ANY}/{_ANY})+ ?o }}",
        f"SELECT (COUNT(*) AS ?n) {{ ?s {_nested('(', ')*', 40, _ANY)} ?o }}",
        f"ASK {{ ?s {'/'.join([_ANY] * 100)} <http://e/none> }}",
        f"SELECT (COUNT(*) AS ?n) {{ ?a {_ANY}* ?b . ?b {_ANY}* ?c . ?c {_ANY}* ?a }}",
    ],
    "regex": [
        'SELECT * { ?s ?p ?o FILTER REGEX(STR(?o), "(((a{1,90}){1,90}){1,90})z") }',
        f'SELECT * {{ ?s ?p ?o FILTER REGEX(STR(?o), "{"(.*)" * 500}$") }}',
        f'ASK {{ {THREE} FILTER REGEX(CONCAT(STR(?a), STR(?f), STR(?i)), "(a|aa)+$z") }}',
        'SELECT (REPLACE(REPLACE(REPLACE(STR(?o), "", "xxxxxxxxxxxxxxxx"), "", "yyyyyyyyyyyyyy"), '
        '"", "zzzzzzzzzzzzzz") AS ?x) { ?s ?p ?o }',
    ],
    "doubling": [
        _doubling("CONCAT(?x, ?x)", 40),
        _doubling("CONCAT(?x, ?x, ?x, ?x)", 25),
        _doubling('REPLACE(?x, "a", "aa")', 30),
        _doubling("ENCODE_FOR_URI(CONCAT(?x, '%', ?x))", 30),
    ],
    "sort": [
        f"SELECT * {{ {THREE} }} ORDER BY ?a ?f ?i",
        f"SELECT * {{ {_TRIPLE} }} ORDER BY DESC(STRLEN(CONCAT(STR(?a), STR(?f)))) LIMIT 1",
        f"SELECT ?x {{ {_TRIPLE} BIND (CONCAT(STR(?a), STR(?c), STR(?f)) AS ?x) }} ORDER BY ?x",
    ],
    "DISTINCT": [
        f"SELECT DISTINCT * {{ {THREE} }}",
        f"SELECT (COUNT(DISTINCT CONCAT(STR(?a), STR(?f))) AS ?n) {{ {_TRIPLE} }}",
        f"SELECT REDUCED * {{ {_TRIPLE} FILTER (?a != ?f) }}",
    ],
    "aggregates": [
        f"SELECT (GROUP_CONCAT(CONCAT(STR(?a), STR(?f))) AS ?x) {{ {_TRIPLE} }}",
        f"SELECT ?a ?f (GROUP_CONCAT(?c; SEPARATOR='{'x' * 10_000}') AS ?x) {{ {_TRIPLE} }} "
        "GROUP BY ?a ?f",
        f"SELECT ?x (COUNT(*) AS ?n) {{ {_TRIPLE} BIND (CONCAT(STR(?c), STR(?f)) AS ?x) }} "
        "GROUP BY ?x HAVING (COUNT(*) > 100000)",
    ],
    "planning": [
        "ASK { " + " . ".join(f"?s ?p{n} ?o{n}" for n in range(149)) + " }",
        "ASK { " + " . ".join(f"?x{n} ?p{n} ?x{n + 1}" for n in range(149)) + " }",
        "SELECT * { ?s ?p ?o "
        + " ".join(f"OPTIONAL {{ ?s ?p{n} ?o{n} }}" for n in range(60))
        + " }",
        "ASK { " + " . ".join(f"?s{n} ?p{n} ?o{n}" for n in range(400)) + " }",
        "SELECT * {" + " UNION ".join(["{ ?s ?p ?o }"] * 490) + "}",
    ],
    "literals": [
        "ASK { ?s ?p '" + "x" * 250_000 + "' }",
        "ASK { ?s ?p '" + "x" * 900_000 + "' }",
        f"SELECT (SHA512('{'x' * 200_000}') AS ?x) {{ {_TRIPLE} }}",
        f"SELECT (CONCAT('{'é' * 60_000}', STR(?a)) AS ?x) {{ {_TRIPLE} }}",
        f"SELECT ({'9' * 100_000} * {'9' * 100_000} AS ?x) {{}}",
    ],
    "endless results": [
        f"SELECT * {{ {_TRIPLE} }}",
        f"CONSTRUCT {{ ?a ?e ?i }} WHERE {{ {THREE} }}",
        "CONSTRUCT { " + " . ".join(f"?a <http://e/{n}> ?f" for n in range(100)) + " } WHERE { "
        f"{_TRIPLE} }}",
        "DESCRIBE * { ?s ?p ?o . ?x ?y ?z }",
    ],
    "differences": [
        f"SELECT (COUNT(*) AS ?n) {{ {_TRIPLE} MINUS {{ ?a ?y ?f . ?f ?z ?q }} }}",
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER NOT EXISTS { ?a ?x ?f . ?f ?y ?a } }",
        "SELECT (COUNT(*) AS ?n) { { SELECT * { ?a ?b ?c } } { SELECT * { ?d ?e ?f } } "
        "{ SELECT * { ?g ?h ?i } } }",
    ],
    "forbidden": [
        "SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",
        "SELECT * { OPTIONAL { SERVICE SILENT ?x {} } VALUES ?x { <http://127.0.0.1/> } }",
        "SELECT * FROM <file:///etc/passwd> { ?s ?p ?o }",
        "LOAD <http://127.0.0.1:1/>",
        "DELETE WHERE { ?s ?p ?o }",
    ],
    "malformed queries": [
        "SELECT * { ?s ?p 'unterminated }",
        "SELECT * { ?s ?p \x00 ?o }",
        "}" * 10_000,
        "SELECT" * 10_000,
        "ASK { ?s ?p '" + "\\" * 100_001,
        "# comment only",
    ],
}
