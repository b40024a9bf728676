"""The ontology and the controlled lists: complete, in one style, consistent, used.

Style rules are checks (one label and one definition a language, capitalisation, no blank nodes);
so are the usual pitfalls (untyped reused terms, cycles, missing domains, unused terms).
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import owlrl
import pytest
from rdflib import Dataset, Graph, Literal, URIRef
from rdflib.namespace import DCTERMS, OWL, RDF, RDFS, SKOS, VANN, XSD
from rdflib.term import BNode, Node

from essgraph import names

ROOT = Path(__file__).parents[1]
FILE = ROOT / "ontology" / "essgraph.ttl"
SCHEMES = sorted((ROOT / "data" / "schemes").glob("*.ttl"))
ONTOLOGY = URIRef(names.ESS.rstrip("#"))

PROPERTY_KINDS = {OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty}
KINDS = {OWL.Class, *PROPERTY_KINDS}
BUILTIN = (names.RDF, names.RDFS, names.OWL, names.XSD)
LANGUAGES = Counter(("fr", "en"))


def _read(paths: Iterable[Path]) -> Graph:
    """The statements of Turtle and TriG files, whatever their graph."""
    graph = Graph(bind_namespaces="none")
    for path in paths:
        if path.suffix == ".ttl":
            graph.parse(data=path.read_bytes(), format="turtle")
            continue
        dataset = Dataset()
        with warnings.catch_warnings():
            # rdflib's TriG parser uses what rdflib itself deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            dataset.parse(data=path.read_bytes(), format="trig")
        for s, p, o, _ in dataset.quads():
            graph.add((s, p, o))
    return graph


@pytest.fixture(scope="module")
def ontology() -> Graph:
    return _read([FILE])


@pytest.fixture(scope="module")
def schemes() -> Graph:
    return _read(SCHEMES)


@pytest.fixture(scope="module")
def data() -> Graph:
    """Everything in data/: documents with their anchors, register, lists, dataset."""
    return _read([*(ROOT / "data").glob("**/*.ttl"), *(ROOT / "data").glob("**/*.trig")])


@pytest.fixture(scope="module")
def shapes() -> Graph:
    return _read((ROOT / "shapes").glob("*.ttl"))


def _ours(term: Node) -> bool:
    return isinstance(term, URIRef) and term.startswith(names.ESS)


def _terms(ontology: Graph, *kinds: Node) -> set[URIRef]:
    """Our terms of the given kinds (of any, if none is given)."""
    return {
        s
        for s, kind in ontology.subject_objects(RDF.type)
        if isinstance(s, URIRef) and _ours(s) and kind in (kinds or KINDS)
    }


def _classes(ontology: Graph) -> set[URIRef]:
    return _terms(ontology, OWL.Class)


def _properties(ontology: Graph) -> set[URIRef]:
    return _terms(ontology, *PROPERTY_KINDS)


def _above(ontology: Graph, term: Node, step: URIRef) -> set[Node]:
    """Every term above ``term``; itself only if it is part of a cycle."""
    seen: set[Node] = set()
    ahead = list(ontology.objects(term, step))
    while ahead:
        upper = ahead.pop()
        if upper not in seen:
            seen.add(upper)
            ahead.extend(ontology.objects(upper, step))
    return seen


def _languages(graph: Graph, subject: Node, predicate: URIRef) -> Counter[str | None]:
    return Counter(
        o.language if isinstance(o, Literal) else None for o in graph.objects(subject, predicate)
    )


def _short(terms: Iterable[Node]) -> list[str]:
    return sorted(names.shorten(str(term)) for term in terms)


# --- Header -------------------------------------------------------------------------------------


def test_header_is_complete(ontology: Graph) -> None:
    def one(predicate: URIRef) -> Node:
        (value,) = ontology.objects(ONTOLOGY, predicate)
        return value

    assert (ONTOLOGY, RDF.type, OWL.Ontology) in ontology
    version = str(one(OWL.versionInfo))
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert one(OWL.versionIRI) == URIRef(f"{ONTOLOGY}/{version}")
    assert one(DCTERMS.license) == URIRef("https://creativecommons.org/licenses/by/4.0/")
    assert isinstance(one(DCTERMS.creator), URIRef)
    for predicate in (DCTERMS.created, DCTERMS.modified):
        date = one(predicate)
        assert isinstance(date, Literal)
        assert date.datatype == XSD.date
    assert str(one(DCTERMS.created)) <= str(one(DCTERMS.modified))
    assert str(one(VANN.preferredNamespacePrefix)) == "ess"
    assert str(one(VANN.preferredNamespaceUri)) == names.ESS
    assert list(ontology.objects(ONTOLOGY, RDFS.seeAlso))
    for predicate in (RDFS.label, DCTERMS.title, DCTERMS.description, RDFS.comment):
        assert _languages(ontology, ONTOLOGY, predicate) == LANGUAGES
    assert all("w3id" in str(note) for note in ontology.objects(ONTOLOGY, RDFS.comment))


# --- Style --------------------------------------------------------------------------------------


@pytest.mark.parametrize("predicate", [RDFS.label, SKOS.definition], ids=["label", "definition"])
def test_one_label_and_definition_in_each_language(ontology: Graph, predicate: URIRef) -> None:
    assert {t for t in _terms(ontology) if _languages(ontology, t, predicate) != LANGUAGES} == set()


def test_notes_come_in_both_languages(ontology: Graph) -> None:
    noted = set(ontology.subjects(SKOS.scopeNote))
    assert {t for t in noted if _languages(ontology, t, SKOS.scopeNote) != LANGUAGES} == set()


def test_labels_and_definitions_are_not_shared(ontology: Graph) -> None:
    for predicate in (RDFS.label, SKOS.definition):
        said: dict[tuple[str | None, str], set[Node]] = defaultdict(set)
        for term in _terms(ontology):
            for text in ontology.objects(term, predicate):
                assert isinstance(text, Literal)
                said[text.language, text.casefold()].add(term)
        # A class and a property may share a label: "theme" of a thing and a theme.
        kinds = {
            text: [t for t in terms if t in _classes(ontology)] for text, terms in said.items()
        }
        doubled = {
            text
            for text, terms in said.items()
            if len(kinds[text]) > 1 or len(terms) - len(kinds[text]) > 1
        }
        assert doubled == set()


def test_definitions_are_sentences_that_do_not_repeat_the_label(ontology: Graph) -> None:
    for term in _terms(ontology):
        labels = {str(label).casefold() for label in ontology.objects(term, RDFS.label)}
        for definition in ontology.objects(term, SKOS.definition):
            text = str(definition)
            assert re.fullmatch(r"[A-ZÀÉÊÔÎ][^\n]*\.", text), text
            assert text.rstrip(".").casefold() not in labels


def test_names_are_capitalised_by_kind(ontology: Graph) -> None:
    classes = {str(t)[len(names.ESS) :] for t in _classes(ontology)}
    properties = {str(t)[len(names.ESS) :] for t in _properties(ontology)}
    assert [n for n in classes if not re.fullmatch(r"(?:[A-Z][a-z]+)+", n)] == []
    assert [n for n in properties if not re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)*", n)] == []


def test_no_blank_nodes(ontology: Graph, schemes: Graph) -> None:
    for graph in (ontology, schemes):
        assert [t for t in graph if any(isinstance(node, BNode) for node in t)] == []


def test_no_inverses(ontology: Graph) -> None:
    assert list(ontology.subject_objects(OWL.inverseOf)) == []


def test_terms_are_defined_by_the_ontology(ontology: Graph) -> None:
    unattached = {
        t for t in _terms(ontology) if list(ontology.objects(t, RDFS.isDefinedBy)) != [ONTOLOGY]
    }
    assert unattached == set()


# --- Structure ----------------------------------------------------------------------------------


def test_properties_have_a_domain_or_range_or_say_why_not(ontology: Graph) -> None:
    for term in _properties(ontology):
        domains = list(ontology.objects(term, RDFS.domain))
        ranges = list(ontology.objects(term, RDFS.range))
        assert len(domains) <= 1, term
        assert len(ranges) <= 1, term
        assert domains or ranges or list(ontology.objects(term, SKOS.scopeNote)), term


def test_ranges_fit_the_kind_of_property(ontology: Graph) -> None:
    datatypes = {RDFS.Literal, RDF.langString}
    for term in _properties(ontology):
        for target in ontology.objects(term, RDFS.range):
            is_datatype = target in datatypes or str(target).startswith(names.XSD)
            kind = OWL.DatatypeProperty if is_datatype else OWL.ObjectProperty
            assert (term, RDF.type, kind) in ontology, term


@pytest.mark.parametrize("step", [RDFS.subClassOf, RDFS.subPropertyOf], ids=["class", "property"])
def test_every_term_stands_under_one_of_another_vocabulary(ontology: Graph, step: URIRef) -> None:
    terms = _classes(ontology) if step == RDFS.subClassOf else _properties(ontology)
    alone = {t for t in terms if all(_ours(upper) for upper in _above(ontology, t, step))}
    assert _short(alone) == []


@pytest.mark.parametrize("step", [RDFS.subClassOf, RDFS.subPropertyOf], ids=["class", "property"])
def test_no_cycles(ontology: Graph, step: URIRef) -> None:
    assert [t for t in ontology.subjects(step) if t in _above(ontology, t, step)] == []


def test_every_term_has_one_kind(ontology: Graph) -> None:
    kinds: dict[Node, set[Node]] = defaultdict(set)
    for term, kind in ontology.subject_objects(RDF.type):
        if kind in KINDS:
            kinds[term].add(kind)
    assert _short(t for t, of in kinds.items() if len(of) != 1) == []
    for lower, upper in ontology.subject_objects(RDFS.subPropertyOf):
        if upper != RDFS.label:
            assert kinds[lower] == kinds[upper], (lower, upper)


def test_terms_of_other_vocabularies_are_typed(ontology: Graph, data: Graph) -> None:
    met: set[Node] = set()
    for graph in (ontology, data):
        met.update(graph.predicates())
        met.update(graph.objects(None, RDF.type))
    for predicate in (
        RDFS.subClassOf, RDFS.subPropertyOf, RDFS.domain, RDFS.range, OWL.disjointWith
    ):  # fmt: skip
        met.update(ontology.objects(None, predicate))
    untyped = {
        t
        for t in met
        if not str(t).startswith(BUILTIN) and not KINDS & set(ontology.objects(t, RDF.type))
    }
    assert _short(untyped) == []


def test_terms_of_other_vocabularies_are_not_redefined(ontology: Graph) -> None:
    allowed = {RDF.type, RDFS.isDefinedBy}
    said = {
        (s, p)
        for s, p in ontology.subject_predicates()
        if KINDS & set(ontology.objects(s, RDF.type)) and not _ours(s) and p not in allowed
    }
    # SKOS itself says it; the build needs it here.
    assert said == {(SKOS.prefLabel, RDFS.subPropertyOf)}


def test_properties_are_used_as_their_kind_says(ontology: Graph, data: Graph) -> None:
    literal = set(ontology.subjects(RDF.type, OWL.DatatypeProperty))
    resource = set(ontology.subjects(RDF.type, OWL.ObjectProperty))
    wrong = {
        names.shorten(str(p))
        for _, p, o in data
        if p in (resource if isinstance(o, Literal) else literal)
    }
    assert wrong == set()


# --- Consistency --------------------------------------------------------------------------------


def _disjoint(ontology: Graph) -> Iterator[tuple[Node, Node]]:
    yield from ontology.subject_objects(OWL.disjointWith)


def test_disjointness_is_said_once_and_never_of_a_class_above(ontology: Graph) -> None:
    pairs = Counter(frozenset(pair) for pair in _disjoint(ontology))
    assert {pair for pair, n in pairs.items() if n > 1 or len(pair) == 1} == set()
    for one, other in _disjoint(ontology):
        assert other not in _above(ontology, one, RDFS.subClassOf)
        assert one not in _above(ontology, other, RDFS.subClassOf)


def test_disjoint_classes_share_no_subclass(ontology: Graph) -> None:
    for one, other in _disjoint(ontology):
        for term in _classes(ontology):
            family = {term, *_above(ontology, term, RDFS.subClassOf)}
            assert not {one, other} <= family, term


def _implied_types(ontology: Graph, data: Graph) -> Mapping[Node, set[Node]]:
    """The classes of each subject and object: stated, from domains and ranges, and above."""
    types: dict[Node, set[Node]] = defaultdict(set)
    for s, o in data.subject_objects(RDF.type):
        types[s].add(o)
    for p in set(data.predicates()):
        family = {p, *_above(ontology, p, RDFS.subPropertyOf)}
        domains = {c for q in family for c in ontology.objects(q, RDFS.domain)}
        ranges = {c for q in family for c in ontology.objects(q, RDFS.range)}
        for s, o in data.subject_objects(p):
            types[s] |= domains
            if not isinstance(o, Literal):
                types[o] |= ranges
    for of in types.values():
        of.update(*[_above(ontology, c, RDFS.subClassOf) for c in set(of)])
    return types


def test_nothing_in_the_data_belongs_to_disjoint_classes(ontology: Graph, data: Graph) -> None:
    pairs = list(_disjoint(ontology))
    torn = {
        (names.shorten(str(thing)), *_short(pair))
        for thing, of in _implied_types(ontology, data).items()
        for pair in pairs
        if set(pair) <= of
    }
    assert torn == set()


def _inconsistencies(graph: Graph) -> list[str]:
    """What OWL 2 RL/RDF (rules that conclude false) finds wrong with a graph."""
    closure = Graph(bind_namespaces="none")
    closure += graph
    semantics = owlrl.OWLRL_Semantics(closure, axioms=False, daxioms=False)
    semantics.closure()
    nothing = [str(s) for s in closure.subjects(RDF.type, OWL.Nothing)]
    return [*map(str, semantics.error_messages), *nothing]


def test_consistent_under_owl_2_rl(ontology: Graph, schemes: Graph) -> None:
    assert _inconsistencies(ontology + schemes) == []


def test_owl_2_rl_would_show_an_inconsistency(ontology: Graph) -> None:
    broken = Graph(bind_namespaces="none")
    broken += ontology
    torn = URIRef(names.ID + "torn")
    broken.add((torn, RDF.type, URIRef(names.ESS + "Event")))
    broken.add((torn, URIRef(names.ESS + "memberOf"), URIRef(names.ID + "aimf")))
    assert _inconsistencies(broken) == []  # an event that is an agent: odd, but not denied
    broken.add((URIRef(names.ID + "aimf"), URIRef(names.ESS + "repliesTo"), torn))
    assert _inconsistencies(broken) != []  # an intervention that is an event: denied


# --- Use ----------------------------------------------------------------------------------------


def _used(graph: Graph) -> set[URIRef]:
    """The terms that statements use: their predicates and the classes that they give."""
    used = {*graph.predicates(), *graph.objects(None, RDF.type)}
    return {t for t in used if isinstance(t, URIRef) and _ours(t)}


def _named(shapes: Graph) -> set[URIRef]:
    """The terms that shapes name as a node: in paths, targets, classes and lists."""
    return {t for triple in shapes for t in triple if isinstance(t, URIRef) and _ours(t)}


def _spelt(text: str) -> set[URIRef]:
    return {URIRef(names.ESS + local) for local in re.findall(r"\bess:(\w+)", text)}


def test_every_term_in_use_is_defined(ontology: Graph, data: Graph, shapes: Graph) -> None:
    used = _used(data) | _named(shapes)
    for path in (*(ROOT / "shapes").glob("*.ttl"), *(ROOT / "queries").glob("*.rq")):
        used |= _spelt(path.read_text(encoding="utf-8"))
    assert _short(used - _terms(ontology)) == []


def test_every_defined_term_is_in_use(ontology: Graph, data: Graph, shapes: Graph) -> None:
    used: set[Node] = {*_used(data), *_named(shapes)}
    for step in (RDFS.subClassOf, RDFS.subPropertyOf):
        used |= {upper for term in set(used) for upper in _above(ontology, term, step)}
    assert _short(_terms(ontology) - used) == []


# --- Controlled lists ---------------------------------------------------------------------------


def test_each_scheme_has_a_file_and_a_prefix() -> None:
    spaces = {space for space in names.PREFIXES.values() if space.startswith(names.ID)}
    assert {f"{names.ID}{path.stem}/" for path in SCHEMES} == spaces - {names.ID}


@pytest.mark.parametrize("path", SCHEMES, ids=lambda path: path.stem)
def test_scheme(path: Path) -> None:
    graph = _read([path])
    (scheme,) = graph.subjects(RDF.type, SKOS.ConceptScheme)
    assert scheme == URIRef(names.ID + path.stem)
    for predicate in (RDFS.label, DCTERMS.title):
        assert _languages(graph, scheme, predicate) == LANGUAGES
    assert (scheme, DCTERMS.license, None) in graph

    concepts = set(graph.subjects(RDF.type, SKOS.Concept))
    assert concepts
    assert set(graph.subjects()) == {scheme, *concepts}
    for concept in concepts:
        assert re.fullmatch(re.escape(f"{scheme}/") + r"[a-z0-9]+(?:-[a-z0-9]+)*", str(concept))
        assert list(graph.objects(concept, SKOS.inScheme)) == [scheme]
        assert _languages(graph, concept, SKOS.prefLabel) == LANGUAGES
        assert _languages(graph, concept, SKOS.definition) == LANGUAGES
        assert set(graph.objects(concept, SKOS.broader)) <= concepts
        assert concept not in _above(graph, concept, SKOS.broader)
    for predicate in (SKOS.prefLabel, SKOS.definition):
        texts = Counter(
            (o.language, o.casefold())
            for o in graph.objects(None, predicate)
            if isinstance(o, Literal)
        )
        assert [text for text, n in texts.items() if n > 1] == []


def test_the_mapping_guide_names_concepts_that_exist(schemes: Graph) -> None:
    guide = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8").partition("## Controlled")[2]
    listed = {
        f"{names.ID}{scheme}/{slug}"
        for scheme, slugs in re.findall(r"^- `([a-z-]+):` ((?:.+\n?)(?:  .+\n?)*)", guide, re.M)
        for slug in re.findall(r"[a-z][a-z-]*", slugs)
    }
    assert listed
    assert sorted(listed - {str(s) for s in schemes.subjects(SKOS.inScheme)}) == []
