"""What the data must not say: facts that the texts do not state are absent."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest

from essgraph import names
from essgraph.snapshot import open_snapshot


@pytest.fixture(scope="module")
def store(built: Path) -> ox.Store:
    store = ox.Store()
    store.bulk_load(path=open_snapshot(built).quads, format=ox.RdfFormat.N_QUADS)
    return store


PREFIXES = "".join(f"PREFIX {p}: <{s}>\n" for p, s in names.PREFIXES.items())

ABSENT = {
    "who organised the congress": "id:aimf-congress-2013 ess:organizer ?x",
    "who organised the summit": "id:pact-for-impact-summit-2019 ess:organizer ?x",
    "where the summit was": "id:pact-for-impact-summit-2019 ess:locatedIn ?x",
    "where the meeting of the RTES was": "id:rtes-international-meeting-2019 ess:locatedIn ?x",
    "who organised the session": "id:gsef-forum-session ess:organizer ?x",
    "a place of the online session": "id:gsef-forum-session ess:locatedIn ?x",
    "the doubtful days of the forum": "id:gsef-global-virtual-forum schema:startDate ?x",
    "a membership of Bamako": "id:bamako ess:memberOf ?x",
    "a membership of the RTES": "id:rtes ess:memberOf ?x",
    "an identity of the unspecified Saint-Denis": "id:ville-de-saint-denis schema:sameAs ?x",
    "a country of the unspecified Saint-Denis": "id:ville-de-saint-denis ess:locatedIn ?x",
    "a QID of Lokossa, of which the witnesses differ":
        "id:lokossa schema:sameAs ?x FILTER(CONTAINS(STR(?x), 'wikidata'))",
    "a date of the colloquium itself": "id:aimf-colloquium-2013 schema:startDate ?x",
    "a start of Sangaré's term": "id:adama-sangare-mayor-of-bamako schema:startDate ?x",
    "the mayor of Garoua 2 under a name of elsewhere":
        "id:mayor-of-garoua-2 rdfs:label ?x FILTER(!CONTAINS(LCASE(STR(?x)), 'garoua'))",
    "the planned alliance as a body": "id:global-sse-alliance a ess:Organization",
    "a date of the laws of France and Quebec": "id:french-sse-law dcterms:date ?x",
    "a source of the poverty rate": "id:poverty-rate-in-priority-neighbourhoods dcterms:source ?x",
    "Seoul as the place of anything": "?x ess:locatedIn id:seoul",
    "a speaker of the talk on Nantes": "id:talk-nantes-policy ess:speaker ?x",
    "who put the question on cultures": "id:question-on-indian-ocean-cultures ess:speaker ?x",
    "a decision on the scheme that Nouvelle-Aquitaine wants":
        "id:nouvelle-aquitaine-regional-scheme ess:status status:planned",
    "a theme that the title of the talk on Geneva does not give":
        "id:talk-geneva-policy ess:theme ?x",
    "what kind of centres the regional ones are": "id:daress ess:organizationType ?x",
    "the summit citing the manifesto":
        "id:pact-for-impact-summit-2019 ess:mentions id:pact-for-impact-manifesto",
    "the session naming Seoul": "id:gsef-forum-session ess:mentions ?x",
    "the recommendations dealing with the workshops":
        "id:workshop-recommendations-2013 ess:about ?x",
    "training by a guide": "id:rec-2-aimf-5 ess:theme theme:training",
    "a policy of Yamoussoukro, whose « démarches » are no plan":
        "?x a ess:Initiative ; ess:carriedBy id:yamoussoukro",
    "who spoke at the session from the audience":
        "id:gsef-forum-session ess:speaker id:honore-quantchi",
    "the territories of the road map, counted":
        "id:authorities-of-nouvelle-aquitaine-road-map ess:size ?x",
}  # fmt: skip

#: What a reader concludes: a part of it stands in another sentence, a heading or another document.
CONCLUDED = {
    "the year of the summit": "id:pact-for-impact-summit-2019 schema:startDate ?x",
    "by when the meeting of the RTES ended": "id:rtes-international-meeting-2019 ess:edtfDate ?x",
    "the meeting that Bocher opened": "id:statement-of-rachel-bocher-2019 ess:partOfEvent ?x",
    "the year of the gatherings": "id:aict-gatherings-2019 schema:startDate ?x",
    "the year of the visit": "id:visit-of-remcess-delegation-2019 schema:startDate ?x",
    "members, told by « du Réseau »": "id:remcess-delegation-2019 ess:memberOf ?x",
    "the country of the REMCESS": "id:remcess ess:locatedIn ?x",
    "by when the Cameroonian law was adopted": "id:adoption-of-cameroon-sse-law ess:edtfDate ?x",
    "the colloquium within the congress": "id:aimf-colloquium-2013 ess:partOfEvent ?x",
    "the workshops of the colloquium": "?x ess:partOfEvent id:aimf-colloquium-2013",
    "the country of the federation": "id:federation-of-canadian-municipalities ess:locatedIn ?x",
    "the city of the committee": "id:bordeaux-sse-committee ess:locatedIn ?x",
    "the kind of the fund": "id:dakar-municipal-solidarity-fund ess:organizationType ?x",
    "whose member cities": "id:aimf-member-cities ess:memberOf ?x",
    "whose standing commissions": "id:aimf-standing-commissions ess:partOf ?x",
    "which website": "id:rec-3-aimf-1 ess:mentions ?x",
    "the days of the congress in the page of the RTES":
        'id:aimf-congress-2013 schema:startDate ?x FILTER(CONTAINS(STR(?p), "coop-coter"))',
    "what 2012 dates": "id:onzus-2012 dcterms:date ?x",
    "clauses in use": "id:integration-clauses-in-urban-renewal ess:status ?x",
    "the kind of the month": "id:month-of-the-sse ess:eventType ?x",
    "the pages clipped": "doc:coop-coter-ess prov:hadPrimarySource ?x",
    "the nation of the DIES": "id:dies ess:locatedIn ?x",
    "the years of the secretariat":
        "id:secretariat-of-state-for-solidarity-economy schema:endDate ?x",
    "the forum of the session": "id:gsef-forum-session ess:partOfEvent ?x",
    "the session of its talks": "?x ess:partOfEvent id:gsef-forum-session",
    "the offset of the hours": "id:gsef-forum-session schema:startTime ?x",
    "the place of the CRESS, told by its name": "id:cress-mayotte ess:locatedIn id:mayotte",
    "a hub being built": "id:mayotte-sse-hub ess:status ?x",
    "Mayotte in the cluster with four countries":
        "id:indian-ocean-cluster ess:locatedIn id:mayotte",
    "the place of the centre": "id:international-resource-centre-in-tunis ess:locatedIn ?x",
    "how far the centre has come": "id:international-resource-centre-in-tunis ess:status ?x",
    "the place of the forum": "id:mediterranean-blue-economy-forum ess:locatedIn ?x",
    "whom the opening makes a speaker of the meeting":
        "id:rtes-international-meeting-2019 ess:speaker id:rachel-bocher",
    "what came some days before the summit":
        "id:pact-for-impact-summit-2019 ess:follows ?x",
    "the documents of the colloquium's page": "?x ess:partOf id:aimf-colloquium-web-page",
    "whose forum it is, told by its name": "id:gsef-global-virtual-forum ess:participant ?x",
    "the kind of the forum, told by its name": "id:gsef-global-virtual-forum ess:eventType ?x",
    "the speakers of the session": "id:gsef-forum-session ess:speaker ?x",
    "who makes the road map": "id:nouvelle-aquitaine-road-map ess:carriedBy ?x",
    "when a post is attested, but for the one whose caption says the year":
        "?x ess:attestedOn ?date FILTER(?x != id:chiara-barberis-head-of-geneva-agenda-21)",
}  # fmt: skip

PRESENT = {
    "the founding of the REMCESS": 'id:founding-of-remcess schema:startDate "2016"^^xsd:gYear',
    "the AIMF's support of it": "id:founding-of-remcess ess:supporter id:aimf",
    "the delegation of five": "id:remcess-delegation-2019 ess:size 5",
    "the law by July 2019": 'id:adoption-of-cameroon-sse-law ess:edtfDate "../2019-07"',
    "the summit's days": 'id:pact-for-impact-summit-2019 schema:startDate "2019-07-10"^^xsd:date',
    "Nantes in the chair": "?m org:member id:nantes ; org:role role:chair",
    "the session's day": 'id:gsef-forum-session schema:startDate "2021-10-08"^^xsd:date',
    "the unemployment rate": "?s schema:value 22.7 ; dcterms:source id:onzus-2012",
    "a talk known by two documents": "id:talk-quebec ess:speaker id:nancy-neamtan",
    "the year of Véron's post": "id:pauline-veron-deputy-mayor-of-paris ess:attestedOn ?x",
    "the policy of Geneva": "id:talk-geneva-policy ess:about/ess:carriedBy id:geneva",
    "the policy of Paris": "id:talk-paris-policy ess:about/ess:carriedBy id:paris",
    "the policy of Nantes": "id:talk-nantes-policy ess:about/ess:carriedBy id:nantes",
    "the strategy of Namur": "id:talk-namur-strategy ess:about/ess:carriedBy id:namur",
    "the speakers of the workshop":
        "id:sse-workshop-of-aimf-congress-2013 ess:speaker id:christiane-bouchart , "
        "id:nancy-neamtan , id:antonio-marquez-camacho",
    "a speaker of the congress": "id:aimf-congress-2013 ess:speaker id:chiara-barberis",
    "whose inclusion":
        "id:rec-3-mayors-6 ess:mentions id:women , id:young-people , id:disabled-people",
    "the cities of the South":
        "id:rec-1-aimf-2 ess:mentions id:cities-of-the-south . "
        "id:rec-2-aimf-4 ess:mentions id:cities-of-the-south , id:cities-of-the-north",
    "whom the Commission is to fund": "id:rec-1-commission-1 ess:mentions id:local-authorities",
    "whose knowledge states are to use": "id:rec-3-states-1 ess:mentions id:municipalities",
    "who sits on the joint commissions":
        "id:rec-3-mayors-4 ess:mentions id:chambers , id:civil-society-associations",
    "both figures by their neighbourhoods":
        "id:poverty-rate-in-priority-neighbourhoods ess:about/ess:locatedIn "
        "id:priority-neighbourhoods",
    "the meeting that the one of the RTES follows":
        "id:rtes-international-meeting-2019 ess:follows id:aict-africa-meeting-2019",
    "the body created after the DIES":
        "id:founding-of-secretariat-of-state ess:follows id:founding-of-dies",
    "the elections after which officials were designated":
        "id:designation-of-officials-for-sse ess:follows id:municipal-elections-of-the-2000s , "
        "id:cantonal-elections-of-the-2000s , id:regional-elections-of-the-2000s",
    "what Covid set off":
        "id:economic-reconciliation-hub ess:theme theme:covid . "
        "id:shared-remote-work-place ess:theme theme:covid",
}  # fmt: skip


def select(store: ox.Store, query: str) -> list[ox.QuerySolution]:
    solutions = store.query(f"{PREFIXES} {query}")
    assert isinstance(solutions, ox.QuerySolutions)
    return list(solutions)


def asks(store: ox.Store, pattern: str) -> bool:
    return bool(store.query(f"{PREFIXES} ASK {{ {pattern} }}"))


@pytest.mark.parametrize("pattern", ABSENT.values(), ids=ABSENT.keys())
def test_what_no_text_states_is_absent(store: ox.Store, pattern: str) -> None:
    assert not asks(store, pattern)


@pytest.mark.parametrize("pattern", PRESENT.values(), ids=PRESENT.keys())
def test_what_a_text_states_is_there(store: ox.Store, pattern: str) -> None:
    assert asks(store, pattern)


@pytest.mark.parametrize("pattern", CONCLUDED.values(), ids=CONCLUDED.keys())
def test_what_a_reader_concludes_is_implied(store: ox.Store, pattern: str) -> None:
    """docs/mapping.md: a fact of which a part comes from elsewhere is never explicit."""
    stated = f"?p ess:evidenceLevel ?level . GRAPH ?p {{ {pattern} }}"
    rows = select(store, f"SELECT DISTINCT ?level {{ {stated} }}")
    assert [row["level"].value for row in rows] == [names.PREFIXES["ev"] + "implied"]


def test_counts_of_the_texts(store: ox.Store) -> None:
    """Counted by hand in the texts."""

    def count(pattern: str) -> int:
        (row,) = select(store, f"SELECT (COUNT(DISTINCT ?x) AS ?n) {{ {pattern} }}")
        return int(row["n"].value)

    assert count("?x a ess:SourceDocument") == 5
    assert count("?x a ess:Recommendation") == 49
    assert count("?x a ess:Recommendation ; ess:partOf ?whole") == 16
    assert count("?x ess:addressedTo id:aimf") == 12
    assert count("?x ess:addressedTo id:francophonie-member-states") == 7
    assert count("?x ess:addressedTo id:mayors-and-elected-officials") == 29
    assert count("?x a ess:Intervention ; ess:partOfEvent/ess:partOfEvent id:aimf-colloquium-2013")
    assert count("?x ess:partOfEvent id:aimf-workshop-2013-1") == 7
    assert count("?x ess:partOfEvent id:aimf-workshop-2013-2") == 6
    assert count("?x ess:partOfEvent id:aimf-workshop-2013-3") == 6
    assert count("?x ess:repliesTo id:main-question-of-gsef-session") == 4


def test_provenance_is_one_line(store: ox.Store) -> None:
    rows = select(
        store,
        "SELECT ?doc ?summary { GRAPH ?p { id:remcess ?any ?thing } "
        "?p oa:hasSource ?doc ; ess:summary ?summary }",
    )
    assert rows
    assert {row["doc"].value for row in rows} == {names.DOC + "aimf-article-2019"}
