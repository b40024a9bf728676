"""A query over a store in this process: where pyoxigraph and its exceptions are met and left."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final, TypeAlias

import pyoxigraph as ox

from essgraph import results
from essgraph.engine import Dataset, dataset_of
from essgraph.errors import EngineError, Position, QueryError, SnapshotError, SyntaxFault, Text
from essgraph.formats import Format
from essgraph.names import BASE
from essgraph.paths import divide
from essgraph.query import Query, explain, tokens
from essgraph.reader import position
from essgraph.results import Writer
from essgraph.rewriting import as_evaluated, in_other_words, modifier, spell_out
from essgraph.snapshot import STORE

Graph: TypeAlias = ox.NamedNode | ox.BlankNode | ox.DefaultGraph

_PLACE = re.compile(r"error at (\d+):(\d+)")
_UNBOUND: Final = Text(
    "une variable n'est liée par rien, ou n'est pas gardée par le groupement : avec GROUP BY ou un "
    "agrégat, SELECT n'a que des variables de GROUP BY et des agrégats ; et un agrégat n'a sa "
    "place que dans SELECT, HAVING et ORDER BY",
    "a variable is bound by nothing, or not kept by the grouping: with GROUP BY or an aggregate, "
    "SELECT has only variables of GROUP BY and aggregates; and an aggregate has its place only in "
    "SELECT, HAVING and ORDER BY",
)
_TWICE: Final = Text(
    "SELECT donne deux fois le même nom, ou celui d'une variable déjà liée",
    "SELECT gives the same name twice, or that of a variable already bound",
)
#: What the engine says of a rule, among the tokens that it names.
_RULES: Final = {
    "that is unbound": _UNBOUND,
    "Duplicated variable name in SELECT": _TWICE,
    "overrides an existing variable": _TWICE,
    "SELECT * is not authorized with GROUP BY": Text(
        "GROUP BY ne va qu'avec un SELECT qui nomme les variables",
        "GROUP BY goes only with a SELECT that names the variables",
    ),
    "language tag parsing failed": Text(
        "l'étiquette de langue avant ce point est mal formée (BCP 47)",
        "the language tag before this point is malformed (BCP 47)",
    ),
    "IRI parsing failed": Text(
        "l'IRI avant ce point est mal formé (RFC 3987)",
        "the IRI before this point is malformed (RFC 3987)",
    ),
}
#: Where it says nothing: what is left of the notes to the grammar (19.8).
_OTHERWISE: Final = Text(
    "avant ce point, une variable est liée deux fois (BIND, AS), SELECT en a une que GROUP BY n'a "
    "pas, une ligne de VALUES n'a pas autant de valeurs que de variables, ou un nœud anonyme sert "
    "dans deux groupes",
    "before this point a variable is bound twice (BIND, AS), SELECT has one that GROUP BY does "
    "not, a row of VALUES does not have as many values as there are variables, or a blank node is "
    "used in two groups",
)
_UNKNOWN_FUNCTION = re.compile(r"The custom function <(.*)> is not supported")
#: More unknown functions than this in one query are a mistake worth an error.
_MAX_UNKNOWN: Final = 32


def on_disk(quads: Path) -> Path | None:
    """The store that a large snapshot has beside its N-Quads."""
    folder = quads.with_name(STORE)
    return folder if folder.is_dir() else None


def tables_of(quads: Path) -> int:
    """How many files the store beside a snapshot's N-Quads reads from."""
    folder = on_disk(quads)
    return sum(1 for path in folder.iterdir() if path.suffix == ".sst") if folder else 0


def load(quads: Path) -> ox.Store:
    """A store of a snapshot: the one on disk, read-only, else its N-Quads in memory. Raises
    SnapshotError where neither can be read."""
    folder = on_disk(quads)
    try:
        if folder is not None:
            return ox.Store.read_only(str(folder))
        store = ox.Store()
        store.bulk_load(path=quads, format=ox.RdfFormat.N_QUADS)
    except (OSError, RuntimeError, SyntaxError) as error:
        raise SnapshotError(
            Text(
                f"instantané altéré, {folder or quads} : {error} ; relancez essgraph build",
                f"snapshot altered, {folder or quads}: {error}; run essgraph build again",
            )
        ) from error
    return store


def answer(store: ox.Store, query: Query, format: Format) -> bytes:
    """The whole answer to a query over its own dataset. Raises what ``evaluate`` does."""
    out = io.BytesIO()
    evaluate(store, query.text, dataset_of(query, Dataset()), format, out)
    return out.getvalue()


def evaluate(store: ox.Store, query: str, dataset: Dataset, format: Format, out: Writer) -> int:
    """Evaluates a query that was inspected and writes the answer; returns its rows.

    Raises SyntaxFault with the place in the query, NotRepresentable, EngineError, and whatever
    ``out`` raises.
    """
    default: list[Graph] | None = None
    named: list[ox.NamedNode | ox.BlankNode] | None = None
    if dataset:
        default = [_graph(iri) for iri in dataset.default]
        named = [_graph(iri) for iri in dataset.named]
        if len(default) > 1:
            # Named outright, so that a FROM of the query does not come back into force.
            store, default = _merged(store, default, named), [ox.DefaultGraph()]
    functions: dict[ox.NamedNode, object] = {}

    def ask(text: str) -> results.Result:
        return store.query(
            text,
            base_iri=BASE,
            default_graph=default,
            named_graphs=named,
            custom_functions=functions or None,  # type: ignore[arg-type]
        )

    text = as_evaluated(divide(query))
    refused: SyntaxFault | None = None
    while True:
        try:
            result = ask(text)
            if isinstance(result, ox.QuerySolutions):
                spelt = spell_out(text, [variable.value for variable in result.variables])
                result = ask(spelt) if spelt else result
            return results.write(result, format, out)
        except SyntaxError as error:
            if text != query:
                text = query  # places in it are those that the client knows
                continue
            fault = refused or explain(query)
            words = None if fault else in_other_words(query)
            refused = fault or _refused(query, str(error.msg))
            if words is None:
                raise refused from error
            query = words
            text = as_evaluated(divide(query))
        except OSError as error:  # of the store: ``out`` has errors of its own
            raise EngineError(
                Text(
                    f"les données n'ont pas pu être lues : {error}",
                    f"the data could not be read: {error}",
                )
            ) from error
        except RuntimeError as error:
            # SPARQL 1.1 Query, 17.6: an unknown function is an error of the expression, not of
            # the query. Nothing was written yet: the engine says so before the first row.
            unknown = _UNKNOWN_FUNCTION.search(str(error))
            if unknown is not None and len(functions) >= _MAX_UNKNOWN:
                raise QueryError(
                    Text(
                        f"plus de {_MAX_UNKNOWN} fonctions inconnues, dont <{unknown[1]}>",
                        f"more than {_MAX_UNKNOWN} unknown functions, <{unknown[1]}> among them",
                    )
                ) from error
            if unknown is None:
                raise EngineError(
                    Text(f"échec du moteur : {error}", f"the engine failed: {error}")
                ) from error
            functions[ox.NamedNode(unknown[1])] = _no_value


def _graph(iri: str) -> ox.NamedNode:
    try:
        return ox.NamedNode(iri)
    except ValueError as error:
        raise QueryError(
            Text(
                f"l'IRI d'un graphe est mal formé : {iri[:80]} ({error})",
                f"the IRI of a graph is malformed: {iri[:80]} ({error})",
            )
        ) from error


def _no_value(*_: object) -> None:
    return None


def _merged(
    store: ox.Store, default: list[Graph], named: list[ox.NamedNode | ox.BlankNode]
) -> ox.Store:
    """A store whose default graph is the RDF merge of several graphs (13.2): the engine would
    count a triple once for each graph that holds it."""
    merged = ox.Store()
    for graph in default:
        merged.extend(
            ox.Quad(q.subject, q.predicate, q.object)
            for q in store.quads_for_pattern(None, None, None, graph)
        )
    for graph in named:
        merged.extend(store.quads_for_pattern(None, None, None, graph))
    return merged


def _refused(query: str, message: str) -> SyntaxFault:
    """The fault of a query whose form is right: what only this engine lacks, or a rule of scope,
    which it may name."""
    unknown = _unknown(query)
    if unknown is not None:
        return unknown
    found = _PLACE.search(message)
    at = Position(int(found[1]), int(found[2])) if found else None
    rule = next((said for words, said in _RULES.items() if words in message), _OTHERWISE)
    return SyntaxFault(
        Text(f"requête mal formée : {rule.fr}", f"malformed query: {rule.en}"), at=at
    )


def _unknown(query: str) -> SyntaxFault | None:
    """The fault of a query that the engine does not read, though it may be SPARQL 1.1."""
    found = tokens(query)
    for (kind, name, _), (_, sign, _), (_, token, start) in zip(
        found, found[1:], found[2:], strict=False
    ):
        if (sign, token) == ("(", "DISTINCT") and kind in ("iri", "pname"):
            return SyntaxFault(
                Text(
                    f"DISTINCT n'est admis que dans un agrégat, et ce moteur n'a pas d'agrégat "
                    f"{name[:80]} : il a COUNT, SUM, MIN, MAX, AVG, SAMPLE et GROUP_CONCAT",
                    f"DISTINCT is allowed only in an aggregate, and this engine has no aggregate "
                    f"{name[:80]}: it has COUNT, SUM, MIN, MAX, AVG, SAMPLE and GROUP_CONCAT",
                ),
                at=position(query, start),
            )
    grouping = modifier(found, ("CONSTRUCT", "DESCRIBE"), ("GROUP", "HAVING"))
    if grouping is None:
        return None
    form = next(token for _, token, _ in found if token in ("CONSTRUCT", "DESCRIBE"))
    mend = f"{form} … {{ SELECT … {{ … }} GROUP BY … }}"
    return SyntaxFault(
        Text(
            f"grouper dans {form} est valide en SPARQL 1.1, mais ce moteur ne sait pas le faire : "
            f"groupez dans un SELECT, entre accolades : {mend}",
            f"grouping in {form} is valid SPARQL 1.1, but this engine cannot do it: group in a "
            f"SELECT, in braces: {mend}",
        ),
        at=position(query, grouping[2]),
    )
