"""The words of the pages in both languages, and French and English typography."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from essgraph import names
from essgraph.errors import Text
from essgraph.service.pages.dates import edtf_in_words, in_words
from essgraph.service.pages.rows import Term
from essgraph.service.problems import LANGUAGES

#: Names of kinds: one thing, many things.
KINDS: Final[Mapping[str, tuple[Text, Text]]] = {
    "city": (Text("Ville", "City"), Text("Villes", "Cities")),
    "region": (Text("Région", "Region"), Text("Régions", "Regions")),
    "country": (Text("Pays", "Country"), Text("Pays", "Countries")),
    "territory": (Text("Territoire", "Territory"), Text("Territoires", "Territories")),
    "network": (Text("Réseau", "Network"), Text("Réseaux", "Networks")),
    "organization": (Text("Organisation", "Organisation"), Text("Organisations", "Organisations")),
    "person": (Text("Personne", "Person"), Text("Personnes", "People")),
    "group": (Text("Groupe", "Group"), Text("Groupes", "Groups")),
    "mandate": (Text("Mandat", "Mandate"), Text("Mandats", "Mandates")),
    "event": (Text("Événement", "Event"), Text("Événements", "Events")),
    "intervention": (Text("Intervention", "Talk"), Text("Interventions", "Talks")),
    "recommendation": (
        Text("Recommandation", "Recommendation"),
        Text("Recommandations", "Recommendations"),
    ),
    "initiative": (Text("Initiative", "Initiative"), Text("Initiatives", "Initiatives")),
    "text": (
        Text("Texte de référence", "Reference text"),
        Text("Textes de référence", "Reference texts"),
    ),
    "statistic": (Text("Chiffre", "Figure"), Text("Chiffres", "Figures")),
    "document": (
        Text("Document source", "Source document"),
        Text("Documents sources", "Source documents"),
    ),
    "passage": (Text("Passage", "Passage"), Text("Passages", "Passages")),
    "aside": (
        Text("Pièce écartée", "Set-aside piece"),
        Text("Pièces écartées", "Set-aside pieces"),
    ),
    "note": (
        Text("Note éditoriale", "Editorial note"),
        Text("Notes éditoriales", "Editorial notes"),
    ),
    "question": (Text("Question", "Question"), Text("Questions", "Questions")),
    "concept": (Text("Concept", "Concept"), Text("Concepts", "Concepts")),
    "scheme": (Text("Liste", "List"), Text("Listes", "Lists")),
    "thing": (Text("Entité", "Entity"), Text("Autres", "Others")),
}

#: The groups of facts, in the order of a page.
GROUPS: Final[Mapping[str, Text]] = {
    "identity": Text("Nom et nature", "Name and nature"),
    "place": Text("Lieu et appartenance", "Place and belonging"),
    "time": Text("Dates", "Dates"),
    "people": Text("Qui", "Who"),
    "content": Text("Contenu", "Content"),
    "elsewhere": Text("Ailleurs", "Elsewhere"),
}


#: Each property: its group, its name from subject to object, and from object to subject, both in
#: French and in English; the latter, where it is left out, is the former with "(de)" and "(of)".
_PROPERTIES: Final = """
ess:acronym | identity | sigle | acronym
skos:altLabel | identity | autre nom | other name
skos:hiddenLabel | identity | graphie fautive | misspelling
ess:isoCode | identity | code ISO | ISO code
ess:organizationType | identity | type | type | de ce type | of this type
ess:eventType | identity | type | type | de ce type | of this type
dcterms:type | identity | type | type | de ce type | of this type
skos:inScheme | identity | liste | list | contient | contains
skos:broader | identity | plus large | broader | plus étroit | narrower
ess:status | identity | état | status | dans cet état | with this status
ess:size | identity | effectif | size
schema:value | identity | valeur | value
schema:unitText | identity | unité | unit
dcterms:title | identity | titre | title
dcterms:language | identity | langue | language
dcterms:identifier | identity | fichier | file
ess:locatedIn | place | situé dans | located in | situés ici | located here
geo:lat | place | latitude | latitude
geo:long | place | longitude | longitude
ess:partOf | place | partie de | part of | comprend | comprises
ess:partOfEvent | place | partie de | part of | au programme | on the programme
ess:memberOf | place | membre de | member of | membres | members
schema:position | place | rang | position
schema:startDate | time | début | start
schema:endDate | time | fin | end
schema:startTime | time | heure de début | start time
schema:endTime | time | heure de fin | end time
schema:duration | time | durée | duration
ess:follows | time | fait suite à | follows | suivi de | followed by
ess:edtfDate | time | date approchée | approximate date
ess:attestedOn | time | attesté en date du | attested on
dcterms:date | time | date | date
ess:organizer | people | organisateur | organiser | organise | organises
ess:partner | people | partenaire | partner | partenaire de | partner of
ess:chair | people | présidence | chair | préside | chairs
ess:moderator | people | animation | moderator | anime | moderates
ess:speaker | people | intervenant | speaker | intervient | speaks at
ess:participant | people | participant | participant | participe à | takes part in
ess:supporter | people | soutien | supporter | soutient | supports
ess:carriedBy | people | portée par | carried by | porte | carries
ess:proposedBy | people | proposée par | proposed by | propose | proposes
ess:addressedTo | people | adressée à | addressed to | recommandations | recommendations
org:member | people | titulaire | holder | mandats | mandates
org:organization | people | auprès de | at | mandats ici | mandates here
org:role | people | fonction | role | mandats à cette fonction | mandates in this role
dcterms:creator | people | auteur | author | auteur de | author of
dcterms:publisher | people | éditeur | publisher | éditeur de | publisher of
ess:theme | content | thème | theme | sur ce thème | on this theme
ess:about | content | sujet | about | sujet de | subject of
ess:mentions | content | cite | mentions | cité par | mentioned by
ess:formulatedAt | content | formulée lors de | formulated at | recommandations | recommendations
ess:resultedIn | content | a donné lieu à | resulted in | issu de | resulted from
ess:repliesTo | content | répond à | replies to | réponses | replies
prov:hadPrimarySource | content | repris de | reprinted from | repris par | reprinted by
ess:reason | content | motif | reason | pièces écartées | set-aside pieces
ess:evidenceLevel | content | niveau de preuve | evidence level | passages | passages
foaf:homepage | elsewhere | site | website
foaf:page | elsewhere | page | page
schema:sameAs | elsewhere | identique à | same as
dcterms:source | elsewhere | source | source | source de | source of
"""


def _properties() -> Iterator[tuple[str, tuple[str, Text, Text]]]:
    for row in _PROPERTIES.strip().splitlines():
        name, group, fr, en, *back = row.split(" | ")
        inverse = Text(*(back or (f"{fr} (de)", f"{en} (of)")))
        yield names.expand(name), (group, Text(fr, en), inverse)


PROPERTIES: Final = dict(_properties())

#: The words of the pages themselves.
WORDS: Final[Mapping[str, Text]] = {
    "tagline": Text(
        "L’économie sociale et solidaire des villes francophones, fait par fait, preuve à l’appui",
        "The social and solidarity economy of French-speaking cities, fact by fact, with evidence",
    ),
    "skip": Text("Aller au contenu", "Skip to content"),
    "recommendations": Text("Recommandations", "Recommendations"),
    "documents": Text("Documents", "Documents"),
    "queries": Text("Questions", "Questions"),
    "browse": Text("Répertoire", "Directory"),
    "menu": Text("Rubriques", "Sections"),
    "breadcrumb": Text("Fil d’Ariane", "Breadcrumb"),
    "search": Text("Chercher", "Search"),
    "search_hint": Text("Ville, réseau, thème…", "City, network, theme…"),
    "search_label": Text("Chercher une entité", "Search for an entity"),
    "other_language": Text("English", "Français"),
    "facts": Text("Faits", "Facts"),
    "linked_from": Text("Ce qui s’y rattache", "What links here"),
    "evidence": Text("Preuves", "Evidence"),
    "evidence_intro": Text(
        "Chaque fait porte le numéro du passage qui l’énonce.",
        "Each fact bears the number of the passage that states it.",
    ),
    "no_evidence": Text(
        "Aucun passage n’énonce de fait sur cette entité : elle vient du registre.",
        "No passage states a fact about this entity: it comes from the register.",
    ),
    "passage": Text("Passage", "Passage"),
    "position": Text("caractères", "characters"),
    "words": Text("Les mots du texte", "The words of the text"),
    "not_published": Text(
        "Le texte n’est pas publié : voici ses premiers et derniers mots.",
        "The text is not published: here are its first and last words.",
    ),
    "doubtful": Text("douteux", "doubtful"),
    "implied": Text("implicite", "implied"),
    "doubtful_fact": Text(
        "énoncé douteux, absent du graphe publié",
        "doubtful statement, absent from the published graph",
    ),
    "register": Text("registre", "register"),
    "register_fact": Text(
        "fait d’identité, tenu par le registre", "fact of identity, kept in the register"
    ),
    "notes": Text("Doutes et désaccords", "Doubts and disagreements"),
    "retains": Text("Version retenue", "Version retained"),
    "conflict": Text("Désaccord", "Disagreement"),
    "note": Text("Note éditoriale", "Editorial note"),
    "downloads": Text("Données de cette page", "Data of this page"),
    "cite": Text("Citer cette page", "Cite this page"),
    "map_of": Text("Carte", "Map"),
    "permanent": Text("Identifiant", "Identifier"),
    "see_query": Text("La requête SPARQL", "The SPARQL query"),
    "version": Text("Version des données", "Data version"),
    "footer": Text(
        "Chaque fait est relevé à la main et nomme le passage qui l’énonce. Les textes eux-mêmes "
        "ne sont pas publiés.",
        "Every fact is mapped by hand and names the passage that states it. The texts themselves "
        "are not published.",
    ),
    "licences": Text("Licences", "Licences"),
    "data_licence": Text("Données sous licence CC BY 4.0", "Data under CC BY 4.0"),
    "ontology": Text("Ontologie", "Ontology"),
    "truncated": Text(
        "Seuls les premiers liens sont montrés ; les données de cette page les ont tous.",
        "Only the first links are shown; the data of this page have them all.",
    ),
}


@lru_cache(maxsize=1024)
def typographic(text: str, language: str) -> str:
    """Our own words as a typesetter would print them; for no word of a source."""
    text = re.sub(r"(?<=\w)'(?=\w)", "’", text)
    text = re.sub(r"(?<=\d) (?=(?:[KMG]i[oB]|h|min|s)\b)", "\u00a0", text)
    if language == "en":
        text = re.sub(r'"([^"]*)"', "“\\1”", text)
    if language == "fr":
        text = re.sub(r" (?=[;!?])", "\u202f", text)
        text = re.sub(r" (?=[:»%])|(?<=«) |(?<=\d h) (?=\d)", "\u00a0", text)
    return text


def literal(term: Term, language: str, property: str = "") -> str:
    """The text of a literal as people read it: dates in words, numbers with their sign."""
    kind = term.datatype.removeprefix(names.XSD)
    if property == names.ESS + "edtfDate":
        return edtf_in_words(term.value, language)
    if kind in ("date", "gYear", "gYearMonth"):
        return in_words(term.value, language)
    if kind == "time":
        return term.value[:5].replace(":", "\u00a0h\u00a0") if language == "fr" else term.value[:5]
    if kind == "duration":
        match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", term.value)
        if match and any(match.groups()):
            day = "jour" if language == "fr" else "day"
            units = (day if match[1] == "1" else f"{day}s", "h", "min")
            parts = zip(match.groups(), units, strict=True)
            return " ".join(f"{number}\u00a0{unit}" for number, unit in parts if number)
    if kind == "decimal" and language == "fr":
        return term.value.replace(".", ",").replace("-", "\u2212")
    if kind in ("decimal", "integer"):
        return term.value.replace("-", "\u2212")
    if term.language in LANGUAGES:
        return typographic(term.value, term.language)
    return term.value
