"""What SPARQL allows next: for the messages of queries that are no SPARQL.

The rules of SPARQL 1.1 Query (19.8), of which the grammar is LL(1), over the tokens that
``query`` tells. The engine decides what is a query; but where it says what it expected it names
one keyword of many, so this finds the first token out of place and all that could stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from essgraph.errors import Text

#: A token: its kind as in ``query``, and its text, of a keyword in capitals.
Token = tuple[str, str]

#: The rules by their names in the specification; words in capitals that are no rule are keywords,
#: or one of the kinds of token below.
_RULES: Final = """
Query = Prologue ( SelectQuery | ConstructQuery | DescribeQuery | AskQuery ) ValuesClause
Prologue = ( BASE iriref | PREFIX prefix iriref )*
SelectQuery = SelectClause DatasetClause* WhereClause SolutionModifier
SubSelect = SelectClause WhereClause SolutionModifier ValuesClause
SelectClause = SELECT ( DISTINCT | REDUCED )? ( ( var | '(' Expression AS var ')' )+ | '*' )
ConstructQuery = CONSTRUCT ( Template DatasetClause* WhereClause SolutionModifier
  | DatasetClause* WHERE '{' TriplesBlock? '}' SolutionModifier )
DescribeQuery = DESCRIBE ( ( var | iri )+ | '*' ) DatasetClause* WhereClause? SolutionModifier
AskQuery = ASK DatasetClause* WhereClause SolutionModifier
DatasetClause = FROM ( iri | NAMED iri )
WhereClause = WHERE? GroupGraphPattern
SolutionModifier = GroupClause? HavingClause? OrderClause? LimitOffset?
GroupClause = GROUP BY GroupCondition+
GroupCondition = BuiltInCall | FunctionCall | '(' Expression ( AS var )? ')' | var
HavingClause = HAVING Constraint+
OrderClause = ORDER BY OrderCondition+
OrderCondition = ( ASC | DESC ) '(' Expression ')' | Constraint | var
LimitOffset = LIMIT integer ( OFFSET integer )? | OFFSET integer ( LIMIT integer )?
ValuesClause = ( VALUES DataBlock )?
GroupGraphPattern = '{' ( SubSelect | GroupGraphPatternSub ) '}'
GroupGraphPatternSub = TriplesBlock? ( GraphPatternNotTriples '.'? TriplesBlock? )*
TriplesBlock = TriplesSameSubject ( '.' TriplesBlock? )?
GraphPatternNotTriples = GroupGraphPattern ( UNION GroupGraphPattern )* | OPTIONAL GroupGraphPattern
  | MINUS GroupGraphPattern | GRAPH ( var | iri ) GroupGraphPattern | FILTER Constraint
  | BIND '(' Expression AS var ')' | VALUES DataBlock
DataBlock = var '{' DataBlockValue* '}'
  | '(' var* ')' '{' ( '(' DataBlockValue* ')' )* '}'
DataBlockValue = iri | RDFLiteral | number | TRUE | FALSE | UNDEF
Constraint = '(' Expression ')' | BuiltInCall | FunctionCall
FunctionCall = iri ArgList
ArgList = '(' ( DISTINCT? Expression ( ',' Expression )* )? ')'
Template = '{' TriplesBlock? '}'
TriplesSameSubject = VarOrTerm PropertyList | TriplesNode PropertyList?
PropertyList = Verb ObjectList ( ';' ( Verb ObjectList )? )*
Verb = Path | var
ObjectList = GraphNode ( ',' GraphNode )*
Path = PathSequence ( '|' PathSequence )*
PathSequence = PathEltOrInverse ( '/' PathEltOrInverse )*
PathEltOrInverse = PathElt | '^' PathElt
PathElt = PathPrimary ( '?' | '*' | '+' )?
PathPrimary = iri | a | '!' PathNegated | '(' Path ')'
PathNegated = PathOne | '(' ( PathOne ( '|' PathOne )* )? ')'
PathOne = iri | a | '^' ( iri | a )
TriplesNode = '(' GraphNode* ')' | '[' PropertyList? ']'
GraphNode = VarOrTerm | TriplesNode
VarOrTerm = var | iri | RDFLiteral | number | TRUE | FALSE | blank
RDFLiteral = string ( lang | '^^' iri )?
Expression = AndExpression ( '||' AndExpression )*
AndExpression = Relational ( '&&' Relational )*
Relational = Additive ( ( '=' | '!=' | '<' | '>' | '<=' | '>=' ) Additive
  | IN ExpressionList | NOT IN ExpressionList )?
ExpressionList = '(' ( Expression ( ',' Expression )* )? ')'
Additive = Multiplicative ( ( '+' | '-' ) Multiplicative | signed ( ( '*' | '/' ) Unary )* )*
Multiplicative = Unary ( ( '*' | '/' ) Unary )*
Unary = ( '!' | '+' | '-' )? Primary
Primary = '(' Expression ')' | BuiltInCall | iri ArgList? | RDFLiteral | number | TRUE | FALSE | var
BuiltInCall = Function0 '(' ')' | Function1 '(' Expression ')' | BOUND '(' var ')'
  | Function2 '(' Expression ',' Expression ')'
  | Function23 '(' Expression ',' Expression ( ',' Expression )? ')'
  | IF '(' Expression ',' Expression ',' Expression ')'
  | REPLACE '(' Expression ',' Expression ',' Expression ( ',' Expression )? ')'
  | BNODE '(' Expression? ')' | ( CONCAT | COALESCE ) ExpressionList
  | NOT EXISTS GroupGraphPattern | EXISTS GroupGraphPattern
  | COUNT '(' DISTINCT? ( '*' | Expression ) ')'
  | ( SUM | MIN | MAX | AVG | SAMPLE ) '(' DISTINCT? Expression ')'
  | GROUP_CONCAT '(' DISTINCT? Expression ( ';' SEPARATOR '=' string )? ')'
Function0 = RAND | NOW | UUID | STRUUID
Function1 = STR | LANG | DATATYPE | IRI | URI | ABS | CEIL | FLOOR | ROUND | STRLEN | UCASE | LCASE
  | ENCODE_FOR_URI | YEAR | MONTH | DAY | HOURS | MINUTES | SECONDS | TIMEZONE | TZ | MD5 | SHA1
  | SHA256 | SHA384 | SHA512 | ISIRI | ISURI | ISBLANK | ISLITERAL | ISNUMERIC
Function2 = LANGMATCHES | CONTAINS | STRSTARTS | STRENDS | STRBEFORE | STRAFTER | STRLANG | STRDT
  | SAMETERM
Function23 = REGEX | SUBSTR
"""

#: The kinds of token, as messages call them.
_KINDS: Final[Mapping[str, Text]] = {
    "var": Text("une variable", "a variable"),
    "iri": Text("un IRI", "an IRI"),
    "iriref": Text("un IRI entre < et >", "an IRI between < and >"),
    "prefix": Text("un préfixe suivi de « : »", 'a prefix followed by ":"'),
    "string": Text("une chaîne", "a string"),
    "lang": Text("une étiquette de langue", "a language tag"),
    "number": Text("un nombre", "a number"),
    "signed": Text("un nombre signé", "a signed number"),
    "integer": Text("un entier", "an integer"),
    "blank": Text("un nœud anonyme", "a blank node"),
    "end": Text("la fin de la requête", "the end of the query"),
}
#: What many tokens begin is said in a word: the larger first.
_SAID: Final[Mapping[str, Text]] = {
    "Expression": Text("une expression", "an expression"),
    "BuiltInCall": Text("une fonction", "a function"),
    "GraphNode": Text("un terme ou une variable", "a term or variable"),
    "Verb": Text("un prédicat", "a predicate"),
}
#: Those that may follow a term in an expression.
_OPERATORS: Final = frozenset(("signed", *"+-*/=<>", "!=", "<=", ">=", "&&", "||", "IN", "NOT"))
#: What only SPARQL 1.2 has: of it this says nothing.
_LATER: Final = frozenset(("<<", ">>", "<<(", ")>>", "{|", "|}", "~", "LATERAL", "VERSION"))


class _Node(NamedTuple):
    """A part of a rule: a sequence (``,``), a choice (``|``), ``*``, ``?`` or a rule by name."""

    kind: str
    parts: tuple[_Node | str, ...] = ()
    name: str = ""


_Symbol = _Node | str


def expected(tokens: Iterable[Token]) -> tuple[int, Text] | None:
    """The index of the first token out of place, and what could stand there.

    The index is the number of tokens where something is missing at the end. None where the rules
    have no objection: the fault then is none of form, or not of SPARQL 1.1.
    """
    whole = [*tokens, ("end", "")]
    if any(text in _LATER for _, text in whole):
        return None
    stack: list[_Symbol] = ["end", _Node("rule", name="Query")]
    for index, token in enumerate(whole):
        wanted: set[str] = set()
        if not _advance(stack, _names(token), wanted):
            return index, _say(wanted)
    return None


def _advance(stack: list[_Symbol], names: frozenset[str], wanted: set[str]) -> bool:
    """Takes one token off the stack, which it expands; False, and what was wanted, if none fits."""
    while True:
        symbol = stack.pop()
        if isinstance(symbol, str):
            if symbol in names:
                return True
            wanted.add(symbol)
            return False
        if symbol.kind == ",":
            stack += reversed(symbol.parts)
        elif symbol.kind == "rule":
            stack.append(_rules()[symbol.name])
        elif symbol.kind == "|":
            fitting = [part for part in symbol.parts if _first(part) & names]
            if not fitting:
                wanted.update(*map(_first, symbol.parts))
                fitting = [part for part in symbol.parts if _nullable(part)]
            if not fitting:
                return False
            stack.append(fitting[0])
        elif _first(symbol) & names:
            stack += [symbol, *symbol.parts] if symbol.kind == "*" else symbol.parts
        else:
            wanted |= _first(symbol)


def _names(token: Token) -> frozenset[str]:
    """The terminals that a token is."""
    kind, text = token
    if kind in ("word", "op"):
        return frozenset((text,))
    if kind == "iri":
        return frozenset(("iri", "iriref"))
    if kind == "pname":
        return frozenset(("iri", "prefix")) if text.endswith(":") else frozenset(("iri",))
    if kind == "number":
        more = ["signed"] if text[0] in "+-" else ["integer"] if text.isdigit() else []
        return frozenset(["number", *more])
    return frozenset((kind,))


# --- the rules, read ------------------------------------------------------------------------


@cache
def _rules() -> Mapping[str, _Symbol]:
    rules = dict(re.findall(r"^(\w+) = (.*(?:\n  .*)*)", _RULES, re.MULTILINE))
    words = {name: re.findall(r"'[^']+'[*+?]?|\S+", text) for name, text in rules.items()}
    return {name: _read(list(reversed(found)), set(rules)) for name, found in words.items()}


def _read(words: list[str], rules: set[str]) -> _Symbol:
    """The right side of a rule, of which the words come off the end of a list."""
    branches: list[list[_Symbol]] = [[]]
    while words and not words[-1].startswith(")"):
        word = words.pop()
        if word == "|":
            branches.append([])
            continue
        item: _Symbol
        if word == "(":
            item, suffix = _read(words, rules), words.pop()
        elif word[0] == "'":
            _, item, suffix = word.split("'")
        else:
            item = suffix = word
            item = item.rstrip("*+?")
            item = _Node("rule", name=item) if item in rules else item
        if suffix[-1:] in ("*", "+"):
            more = _Node("*", (item,))
            item = _Node(",", (item, more)) if suffix[-1] == "+" else more
        elif suffix[-1:] == "?":
            item = _Node("?", (item,))
        branches[-1].append(item)
    return _Node("|", tuple(_Node(",", tuple(branch)) for branch in branches))


@cache
def _first(symbol: _Symbol) -> frozenset[str]:
    """The terminals with which a symbol may begin."""
    if isinstance(symbol, str):
        return frozenset((symbol,))
    if symbol.kind == "rule":
        return _first(_rules()[symbol.name])
    found: set[str] = set()
    for part in symbol.parts:
        found |= _first(part)
        if symbol.kind == "," and not _nullable(part):
            break
    return frozenset(found)


@cache
def _nullable(symbol: _Symbol) -> bool:
    """Whether a symbol may be nothing."""
    if isinstance(symbol, str):
        return False
    if symbol.kind == "rule":
        return _nullable(_rules()[symbol.name])
    if symbol.kind in "*?":
        return True
    return (all if symbol.kind == "," else any)(map(_nullable, symbol.parts))


# --- what is said ---------------------------------------------------------------------------


def _say(wanted: set[str]) -> Text:
    """A set of terminals in words: the most telling first."""
    left = set(wanted)
    said: list[Text] = []
    for rule, text in _SAID.items():
        if _first(_rules()[rule]) <= left:
            said.append(text)
            left -= _first(_rules()[rule])
    if left >= _OPERATORS:
        said.append(Text("un opérateur", "an operator"))
        left -= _OPERATORS
    said += [text for kind, text in _KINDS.items() if kind in left]
    words = sorted(left - set(_KINDS))
    said += [Text(f"« {w} »", f'"{w}"') if not w[0].isalpha() else Text(w, w) for w in words]
    french, english = ([text[n] for text in said] for n in (0, 1))
    return Text(_list(french, "ou"), _list(english, "or"))


def _list(items: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), items[-1])))
