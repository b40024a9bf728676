"""Seeded faults: each is found, with exit code 1, its rule, its file and its line, and nothing
beside it."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import ROOT, Run, copy_project, find_texts

from essgraph import report
from essgraph.build import check
from essgraph.project import Project
from essgraph.service.pages.wording import typographic

ARTICLE = "data/documents/aimf-article-2019.trig"
ANCHORS = "data/documents/aimf-article-2019.anchors.ttl"
COLLOQUIUM = "data/documents/aimf-colloquium-2013.trig"
RECOMMENDATIONS = "data/documents/aimf-recommendations-2013.trig"
CLIPPING = "data/documents/coop-coter-ess.trig"
SESSION = "data/documents/gsef-session-report.trig"
TERRITORIES = "data/register/territories.ttl"
ORGANIZATIONS = "data/register/organizations.ttl"
PEOPLE = "data/register/people.ttl"
EVENTS = "data/register/events.ttl"
WITHDRAWN = "data/withdrawn.ttl"
THEMES = "data/schemes/theme.ttl"

#: The pages with the table of all faults, by language.
PAGES = {"en": ROOT / "docs/validation.md", "fr": ROOT / "docs/fr/validation.md"}

SHA = "0" * 64
COPIED = "{words of the text}"


class Fault(NamedTuple):
    """Replace ``old`` by ``new`` in ``file``: ``rule`` must say so, in ``where`` (or ``file``),
    on the line where ``at`` begins (or ``old``), and nothing else must be said. COPIED in ``new``
    stands for words of the private text of that document, which are not ours to print here.
    """

    name: str
    file: str
    old: str
    new: str
    rule: str
    at: str | None = None
    where: str | None = None
    needs_texts: bool = False


FAULTS = [
    # syntax
    Fault("no full stop", TERRITORIES, "<https://www.wikidata.org/> .\n\nid:banfora",
          "<https://www.wikidata.org/>\n\nid:banfora", "syntax"),
    Fault("unknown prefix", ARTICLE, "ess:supporter id:aimf ;\n        schema:duration",
          "ess:supporter idd:aimf ;\n        schema:duration", "syntax", "idd:aimf"),
    Fault("slash in a slug", ARTICLE, "ess:partner id:aimf", "ess:partner id:network/aimf",
          "syntax", "id:network/aimf"),
    Fault("open string", PEOPLE, '"Kevin Ossah"@fr', '"Kevin Ossah@fr', "syntax"),
    Fault("blank in an IRI", ORGANIZATIONS, "<https://www.avise.org/> ;",
          "<https://www.avise .org/> ;", "syntax", "avise .org"),
    Fault("graph not closed", SESSION, "ess:size 19 .\n}", "ess:size 19 .\n", "syntax",
          "GRAPH p:11 {"),
    Fault("question that is not SPARQL", "queries/chronology.rq", "SELECT ", "SELCT ", "syntax"),
    Fault("question without a title", "queries/cities.rq", "# title@en:", "# titel@en:", "syntax",
          "# "),
    Fault("question with a subject that there is not", "queries/cities.rq", "subject: places",
          "subject: place", "syntax", "place\n"),
    Fault("shape that is not well-formed", "shapes/person.ttl", "sh:targetClass ess:Person",
          "sh:targetClass ess;Person", "syntax", "    sh:targetClass ess;Person"),
    # E1
    Fault("graph without a passage", ARTICLE, "GRAPH p:14 {", "GRAPH p:141 {", "E1"),
    Fault("passage without a graph", SESSION,
          'GRAPH p:8 {\n    id:gsef-forum-session\n        dcterms:language "fr" .\n}',
          "", "E1", "p:8 a ess:Passage"),
    Fault("number left out", CLIPPING, "p:3 a ess:SetAside", "p:99 a ess:SetAside", "E1",
          "p:99 a ess:SetAside"),
    Fault("no document record", COLLOQUIUM, "doc:aimf-colloquium-2013 a ess:SourceDocument",
          "doc:aimf-colloquium a ess:SourceDocument", "E1"),
    # E2
    Fault("type in a passage", ARTICLE, "ess:partner id:aimf ,",
          "a ess:Event ; ess:partner id:aimf ,", "E2", "a ess:Event ; ess:partner"),
    Fault("label in a passage", ARTICLE, "ess:partner id:aimf ,",
          'rdfs:label "x"@fr ; ess:partner id:aimf ,', "E2", 'rdfs:label "x"@fr'),
    Fault("link in a passage", COLLOQUIUM, "        ess:carriedBy id:namur .",
          "        ess:carriedBy id:namur .\n"
          "    id:namur schema:sameAs <http://www.wikidata.org/entity/Q134121> .",
          "E2", "schema:sameAs"),
    Fault("fact in the register", PEOPLE, 'rdfs:label "Kevin Ossah"@fr',
          'ess:memberOf id:aimf ; rdfs:label "Kevin Ossah"@fr', "E2", "ess:memberOf"),
    Fault("reference fact without its source", TERRITORIES,
          "schema:sameAs <https://sws.geonames.org/2460596/> , "
          "<http://www.wikidata.org/entity/Q3703> ;\n"
          "    dcterms:source <https://www.geonames.org/> , <https://www.wikidata.org/> .",
          "schema:sameAs <https://sws.geonames.org/2460596/> .", "E2",
          'ess:locatedIn id:mali ;\n    geo:lat 12.60915'),
    # E3
    Fault("entity that no passage names", PEOPLE, "# --- Posts ---",
          'id:nobody a ess:Person ;\n    rdfs:label "Personne"@fr , "Nobody"@en .\n', "E3",
          "id:nobody a ess:Person"),
    Fault("event that no passage names", EVENTS, "id:founding-of-dies a ess:Event ;",
          'id:nothing a ess:Event ;\n    rdfs:label "Rien"@fr , "Nothing"@en .\n\n'
          "id:founding-of-dies a ess:Event ;", "E3", "id:nothing a ess:Event"),
    Fault("concept by its French label", ARTICLE, "ess:eventType event-type:founding",
          "ess:eventType event-type:fondation", "E3", "ess:eventType event-type:fondation"),
    Fault("concept that is not in its list", ARTICLE, "ess:eventType event-type:founding",
          "ess:eventType event-type:zzz", "E3", "ess:eventType event-type:zzz"),
    Fault("new entity that is not in the register", ARTICLE, "ess:speaker id:remcess ,",
          "ess:speaker id:somebody-new ,", "E3", "id:somebody-new ,"),
    Fault("entity that is not in the register", ARTICLE, "ess:speaker id:remcess ,",
          "ess:speaker id:remces ,", "E3", "id:remces ,"),
    Fault("dangling part-of", SESSION, "ess:partOfEvent id:gsef-global-virtual-forum .",
          "ess:partOfEvent id:gsef-forum-2019 .", "E3", "id:gsef-forum-2019"),
    Fault("theme that is not in the list", RECOMMENDATIONS, "ess:theme theme:diagnosis ;",
          "ess:theme theme:diagnostic ;", "E3", "theme:diagnostic"),
    Fault("country that is not in the register", TERRITORIES, "ess:locatedIn id:mali",
          "ess:locatedIn id:malli", "E3", "id:malli"),
    Fault("entity dropped from the register", EVENTS, "id:founding-of-dies a ess:Event ;",
          "id:founding-of-diess a ess:Event ;", "E3", "id:founding-of-diess"),
    # E4, without the texts
    Fault("words changed after anchoring", ARTICLE, 'ess:firstWords "Partagez cet article"',
          'ess:firstWords "Partagez cet"', "E4"),
    Fault("too many words", ARTICLE, 'ess:firstWords "Skip to content"',
          'ess:firstWords "Skip to content and then some more words"', "E4", "and then some"),
    Fault("anchor missing", ANCHORS, "<4> oa:hasSource doc:aimf-article-2019 ;",
          "<40> oa:hasSource doc:aimf-article-2019 ;", "E4",
          'p:4 a ess:Passage', where=ARTICLE),
    Fault("anchors overlap", ANCHORS, "oa:start 387 ;", "oa:start 300 ;", "E4"),
    Fault("anchor that runs backwards", ANCHORS, "oa:end 615 .", "oa:end 380 .", "E4"),
    Fault("piece of another document", CLIPPING, "p:3 a ess:SetAside",
          "<https://w3id.org/essgraph/passage/other/3> a ess:SetAside", "E1"),
    Fault("anchor of no piece", ANCHORS, "<4> oa:hasSource",
          "<99> oa:hasSource doc:aimf-article-2019 .\n<4> oa:hasSource", "E4", "<99>"),
    # E4 and E5, with the texts
    Fault("digest of other words", ANCHORS, '<4#position> ;\n    ess:wordsDigest "',
          '<4#position> ;\n    ess:wordsDigest "0', "E4", 'ess:firstWords "Les élus locaux',
          ARTICLE, needs_texts=True),
    Fault("half an anchor", ANCHORS, "<5> oa:hasSource doc:aimf-article-2019 ;\n    oa:has",
          "<5> oa:has", "E4", "p:5 a ess:Passage", ARTICLE, needs_texts=True),
    Fault("position altered", ANCHORS, "oa:end 615 .", "oa:end 614 .", "E4", "oa:end 614",
          needs_texts=True),
    Fault("digest altered", ANCHORS, '<1#position> ;', f'<1#position> ; schema:sha256 "{SHA}" ;',
          "E4", needs_texts=True),
    Fault("words that are not in the text", ARTICLE, "Ces articles pourraient vous intéresser",
          "Ces articles pourraient vous plaire", "E4", needs_texts=True),
    Fault("text under another name", ARTICLE, '"000_34e40e40657aa1aa.txt"',
          '"000_34e40e40657aa1ab.txt"', "E4", needs_texts=True),
    Fault("a gap in the text", SESSION, 'ess:lastWords "SSE Ecosystems in the Territories"',
          'ess:lastWords "SSE Ecosystems in"', "E4", "p:6 a ess:Passage", needs_texts=True),
    Fault("copied sentence", ARTICLE, "Adama Sangaré est maire de Bamako.",
          f"Copié : {COPIED}", "E5", "Copié : ", needs_texts=True),
    Fault("copied sentence, other case and signs", SESSION, "Rodérick Egal : l'ESS rassemble.",
          f"COPIÉ : {COPIED.upper()}", "E5", "COPIÉ : ", needs_texts=True),
    # E6
    Fault("note that retains a doubtful passage", SESSION, "ess:retains p:9 .",
          "ess:retains p:3 .", "E6", "ess:retains p:3"),
    # E9
    Fault("leading zero", SESSION, "ess:size 19 .", "ess:size 019 .", "E9", "019"),
    Fault("derived integer type", SESSION, "ess:size 19 .",
          'ess:size "19"^^xsd:nonNegativeInteger .', "E9", "nonNegativeInteger"),
    Fault("long decimal with a trailing zero", CLIPPING, " 22.7 ",
          " 22.70000000000000000000000000000000000010 ", "E9", "22.70000"),
    Fault("decimal with a trailing zero", CLIPPING, "schema:value 22.7 ;", "schema:value 22.70 ;",
          "E9", "22.70"),
    Fault("upper case language tag", ARTICLE, "Adama Sangaré est maire de Bamako.\"@fr",
          "Adama Sangaré est maire de Bamako.\"@FR", "E9", "@FR"),
    Fault("blank node", ARTICLE, "ess:partner id:aimf ,", "ess:partner id:aimf , [] ,", "E9",
          "[] ,"),
    Fault("blank label", PEOPLE, '"Kevin Ossah"@fr', '" \u00a0\u200b"@fr', "E9", '" \u00a0'),
    Fault("label that ends in white space", PEOPLE, '"Kevin Ossah"@fr', '"Kevin Ossah "@fr', "E9"),
    Fault("blank summary", ARTICLE, "Adama Sangaré est maire de Bamako.", "  ", "E9",
          'ess:summary "  "@fr'),
    # E2 and E3: what stands outside any passage, names and classes
    Fault("fact outside any passage", ARTICLE, "# 4  ",
          "id:remcess ess:partner id:aimf .\n\n# 4  ", "E2", "id:remcess ess:partner"),
    Fault("fact in a document's record", ARTICLE, "    dcterms:type text-type:article ;",
          "    ess:about id:remcess ;\n    dcterms:type text-type:article ;", "E2",
          "ess:about id:remcess"),
    Fault("entity described in a document", ARTICLE, "# 4  ",
          "id:remcess a ess:Network .\n\n# 4  ", "E2", "id:remcess a ess:Network"),
    Fault("name under the wrong address", ARTICLE, "ess:partner id:aimf",
          "ess:partner <http://w3id.org/essgraph/id/aimf>", "E3", "ess:partner <http:"),
    Fault("fact about what is elsewhere", ARTICLE, "GRAPH p:8 {",
          "GRAPH p:8 {\n    <https://example.org/x> ess:partner id:aimf .", "E3",
          "<https://example.org/x>"),
    Fault("capital in a slug", PEOPLE, "# --- Persons ---",
          'id:Ada a ess:Person ; rdfs:label "Ada"@fr , "Ada"@en .', "E3"),
    Fault("entity without a class", PEOPLE, "id:kevin-ossah a ess:Person ;\n", "id:kevin-ossah\n",
          "E3"),
    Fault("person and city", PEOPLE, "id:kevin-ossah a ess:Person ;",
          "id:kevin-ossah a ess:Person , ess:City ;", "E3"),
    Fault("two entities with one identity", TERRITORIES, "<http://www.wikidata.org/entity/Q639674>",
          "<http://www.wikidata.org/entity/Q3703>", "E3"),
    Fault("two persons with one name", PEOPLE, '"Ben Amar Zeghadi"@fr', '"adama  sangaré"@fr',
          "E3"),
    Fault("network and organisation with one name", ORGANIZATIONS,
          '"Caisse des dépôts et consignations"@en', '"Global Social Economy Forum"@en', "E3"),
    Fault("name withdrawn and in use", WITHDRAWN, "core#>",
          'core#>\nid:aimf owl:deprecated true ; skos:changeNote "x"@fr , "x"@en .', "E3",
          "id:aimf owl"),
    Fault("name withdrawn for an unknown one", WITHDRAWN, "core#>",
          "core#>\nid:amif owl:deprecated true ; dcterms:isReplacedBy id:amf .", "E3",
          "id:amif owl"),
    # EDTF and terms
    Fault("not an EDTF date", ARTICLE, '"../2019-07-09"', '"vers juillet 2019"', "EDTF",
          "vers juillet"),
    Fault("EDTF of level 2", CLIPPING, '"198X"', '"19X3"', "EDTF", "19X3"),
    Fault("half a month unspecified", CLIPPING, '"198X"', '"1983-1X"', "EDTF", "1983-1X"),
    Fault("29 February of a common year", ARTICLE, '"../2019-07-09"', '"../2019-02-29"', "EDTF",
          "../2019-02-29"),
    Fault("interval that runs backwards", ARTICLE, '"../2019-07-09"', '"2019-08/2019-07"',
          "EDTF", "2019-08/2019-07"),
    Fault("class in place of a property", ARTICLE, "ess:partner id:aimf", "ess:Network id:aimf",
          "O1", "ess:Network id:aimf"),
    Fault("property in place of a class", PEOPLE, "id:kevin-ossah a ess:Person",
          "id:kevin-ossah a ess:partner", "O1"),
    Fault("unknown property", ARTICLE, "ess:partner id:aimf", "ess:partners id:aimf", "O1",
          "ess:partners"),
    Fault("unknown class", PEOPLE, "id:kevin-ossah a ess:Person", "id:kevin-ossah a ess:Persona",
          "O1", "ess:Persona"),
    # SHACL
    Fault("wrong date", ARTICLE, '"2019-07-10"^^xsd:date', '"2019-07-32"^^xsd:date',
          "shape:startDate", "2019-07-32"),
    Fault("end before start", ARTICLE, '"2019-07-11"^^xsd:date', '"2019-07-01"^^xsd:date',
          "shape:EndAfterStart", "2019-07-01"),
    Fault("two start dates", ARTICLE, 'schema:startDate "2016"^^xsd:gYear',
          'schema:startDate "2016"^^xsd:gYear , "2017"^^xsd:gYear', "shape:startDate"),
    Fault("date as a string", ARTICLE, '"2016"^^xsd:gYear', '"2016"', "shape:startDate", '"2016"'),
    Fault("missing French label", PEOPLE, 'rdfs:label "Kevin Ossah"@fr ,\n        ',
          "rdfs:label ", "shape:label"),
    Fault("two English labels", PEOPLE, '"Kevin Ossah"@en', '"Kevin Ossah"@en , "K. Ossah"@en',
          "shape:label"),
    Fault("label in a third language", PEOPLE, '"Kevin Ossah"@en', '"Kevin Ossah"@de',
          "shape:label"),
    Fault("summary in one language only", ARTICLE,
          '"Adama Sangaré est maire de Bamako."@fr ,\n        ', "", "shape:summary"),
    Fault("mandate without a holder", ARTICLE, "org:member id:adama-sangare ;\n", "",
          "shape:holder",
          'id:adama-sangare-mayor-of-bamako\n                org:organization'),
    Fault("mandate without a body", ARTICLE,
          "org:organization id:aimf-innovative-cities-commission ;\n", "", "shape:body",
          "id:rachel-bocher-for-innovative-cities-commission\n        org:member"),
    Fault("mandate with a role of another list", ARTICLE,
          "org:organization id:bamako ;\n        org:role role:mayor",
          "org:organization id:bamako ;\n        org:role status:idea", "shape:role",
          "status:idea"),
    Fault("size below one", SESSION, "ess:size 19 .", "ess:size 0 .", "shape:size", "ess:size 0"),
    Fault("size of a person", SESSION, "ess:moderator id:kevin-ossah .",
          "ess:moderator id:kevin-ossah .\n    id:kevin-ossah ess:size 1 .", "shape:Sized",
          "id:kevin-ossah ess:size 1"),
    Fault("a part of itself", CLIPPING, "ess:partOfEvent id:month-of-the-sse .",
          "ess:partOfEvent id:urban-policy-debate .", "shape:NoPartCycle"),
    Fault("cycle of parts", SESSION,
          'id:gsef-forum-session\n        schema:startDate "2021-10-08"^^xsd:date .',
          'id:gsef-forum-session\n        schema:startDate "2021-10-08"^^xsd:date .\n'
          "    id:gsef-global-virtual-forum ess:partOfEvent id:gsef-forum-session .",
          "shape:NoPartCycle", "id:gsef-global-virtual-forum ess:partOfEvent"),
    Fault("event in a person", SESSION, "ess:partOfEvent id:gsef-global-virtual-forum .",
          "ess:partOfEvent id:kevin-ossah .", "shape:partOfEvent"),
    Fault("latitude out of range", TERRITORIES, "geo:lat 12.60915", "geo:lat 126.0915",
          "shape:lat", "126.0915"),
    Fault("longitude without latitude", TERRITORIES, "    geo:lat 12.60915 ;\n", "",
          "shape:hasLat",
          "id:bamako a ess:City"),
    Fault("country without a code", TERRITORIES, '    ess:isoCode "ML" ;\n', "",
          "shape:countryCode",
          "id:mali a ess:Country"),
    Fault("identity at an unknown authority", TERRITORIES,
          "http://www.wikidata.org/entity/Q3703", "https://www.wikidata.org/wiki/Q3703",
          "shape:sameAs", "wiki/Q3703"),
    Fault("recommendation without a position", RECOMMENDATIONS,
          "id:rec-2-states-1\n        schema:position 1 ;\n", "id:rec-2-states-1\n",
          "shape:position"),
    Fault("recommendation without an addressee", RECOMMENDATIONS,
          "    id:rec-1-mayors-1-2 ess:addressedTo id:mayors-and-elected-officials .\n",
          "    id:rec-1-mayors-1-2 ess:mentions id:mayors-and-elected-officials .\n",
          "shape:addressedTo"),
    Fault("four themes", RECOMMENDATIONS,
          "ess:theme theme:gatherings , theme:networking , theme:good-practice ;",
          "ess:theme theme:gatherings , theme:networking , theme:good-practice , theme:finance ;",
          "shape:recommendationTheme"),
    Fault("figure without a unit", CLIPPING,
          'schema:value 22.7 ;\n        schema:unitText "%" ;', "schema:value 22.7 ;",
          "shape:unitText",
          "id:unemployment-rate-in-sensitive-urban-areas\n        schema:value"),
    Fault("passage without a level", ARTICLE,
          "\"Adama Sangaré is mayor of Bamako.\"@en ;\n    ess:evidenceLevel ev:explicit .",
          "\"Adama Sangaré is mayor of Bamako.\"@en .", "shape:evidenceLevel",
          "p:9 a ess:Passage"),
    Fault("property of a set-aside on a passage", ARTICLE, "p:8 a ess:Passage ;",
          "p:8 a ess:Passage ; ess:reason reason:heading ;", "shape:Passage"),
    Fault("set-aside without a reason", ARTICLE,
          'ess:firstWords "Partagez cet article" ;\n    ess:reason reason:furniture .',
          'ess:firstWords "Partagez cet article" .', "shape:reason",
          "p:3 a ess:SetAside"),
    Fault("note in one language", SESSION,
          ' tenue pour une faute."@fr ,', ' tenue pour une faute."@en ,', "shape:bodyValue"),
    Fault("note that retains another passage", SESSION, "ess:retains p:9 .", "ess:retains p:5 .",
          "shape:RetainsTarget", "ess:retains p:5"),
    Fault("concept without a definition", THEMES,
          "skos:prefLabel \"conseil\"@fr , \"advice\"@en ;\n    skos:definition",
          "skos:prefLabel \"conseil\"@fr , \"advice\"@en ;\n    skos:scopeNote",
          "shape:definition",
          "theme:advice a skos:Concept"),
    Fault("document without a title", CLIPPING,
          '    dcterms:title "Nouvelle coop CoTer ESS"@fr ;\n', "", "shape:title",
          "doc:coop-coter-ess a ess:SourceDocument"),
    Fault("initiative with an event's status", SESSION, "ess:status status:under-way",
          "ess:status event-type:forum", "shape:status", "ess:status event-type:forum"),
    Fault("answer to a person", SESSION,
          "ess:repliesTo id:question-on-reconciliation-hub", "ess:repliesTo id:kevin-ossah",
          "shape:repliesTo", "ess:repliesTo id:kevin-ossah"),
    Fault("member of itself", ARTICLE, "        ess:memberOf id:remcess .",
          "        ess:memberOf id:remcess .\n    id:remcess ess:memberOf id:remcess .",
          "shape:memberOf", "id:remcess ess:memberOf id:remcess"),
    Fault("answer to itself", SESSION,
          "ess:repliesTo id:question-on-reconciliation-hub",
          "ess:repliesTo id:answer-on-reconciliation-hub", "shape:repliesTo",
          "ess:repliesTo id:answer-on-reconciliation-hub"),
    Fault("concept broader than itself", THEMES, "skos:broader theme:green-economy",
          "skos:broader theme:circular-economy", "shape:broader"),
    Fault("answers in a circle", SESSION,
          "    id:question-on-reconciliation-hub\n",
          "    id:question-on-reconciliation-hub\n"
          "        ess:repliesTo id:answer-on-reconciliation-hub ;\n", "shape:repliesTo",
          "ess:repliesTo id:question-on-reconciliation-hub"),
    Fault("concepts in a circle", THEMES,
          "theme:sustainable-development a skos:Concept ;\n",
          "theme:sustainable-development a skos:Concept ;\n"
          "    skos:broader theme:circular-economy ;\n", "shape:broader",
          "skos:broader theme:circular-economy"),
]  # fmt: skip

#: Each fault as docs/fr/validation.md calls it.
IN_FRENCH = {
    "no full stop": "point final oublié",
    "unknown prefix": "préfixe inconnu",
    "slash in a slug": "barre oblique dans un nom court",
    "open string": "chaîne non fermée",
    "blank in an IRI": "blanc dans un IRI",
    "graph not closed": "graphe non fermé",
    "question that is not SPARQL": "question qui n'est pas du SPARQL",
    "question without a title": "question sans titre",
    "question with a subject that there is not": "question dont le sujet n'existe pas",
    "shape that is not well-formed": "forme mal formée",
    "graph without a passage": "graphe sans passage",
    "passage without a graph": "passage sans graphe",
    "number left out": "numéro sauté",
    "no document record": "pas de fiche du document",
    "type in a passage": "type dans un passage",
    "label in a passage": "libellé dans un passage",
    "link in a passage": "lien dans un passage",
    "fact in the register": "fait dans le registre",
    "reference fact without its source": "fait de référence sans sa source",
    "entity that no passage names": "entité que nul passage ne nomme",
    "event that no passage names": "événement que nul passage ne nomme",
    "concept by its French label": "concept appelé par son libellé français",
    "concept that is not in its list": "concept absent de sa liste",
    "new entity that is not in the register": "entité nouvelle absente du registre",
    "entity that is not in the register": "entité absente du registre",
    "dangling part-of": "partie d'un tout qui n'existe pas",
    "theme that is not in the list": "thème absent de la liste",
    "country that is not in the register": "pays absent du registre",
    "entity dropped from the register": "entité ôtée du registre",
    "words changed after anchoring": "mots changés après la dérivation des ancres",
    "too many words": "trop de mots",
    "anchor missing": "ancre absente",
    "anchors overlap": "ancres qui se chevauchent",
    "anchor that runs backwards": "ancre à rebours",
    "piece of another document": "pièce d'un autre document",
    "anchor of no piece": "ancre d'aucune pièce",
    "digest of other words": "empreinte d'autres mots",
    "half an anchor": "moitié d'ancre",
    "position altered": "position altérée",
    "digest altered": "empreinte altérée",
    "words that are not in the text": "mots absents du texte",
    "text under another name": "texte sous un autre nom",
    "a gap in the text": "lacune dans le texte",
    "copied sentence": "phrase recopiée",
    "copied sentence, other case and signs": "phrase recopiée, casse et signes changés",
    "note that retains a doubtful passage": "note qui retient un passage douteux",
    "leading zero": "zéro en tête",
    "derived integer type": "type dérivé d'entier",
    "long decimal with a trailing zero": "long décimal avec un zéro final",
    "decimal with a trailing zero": "décimal avec un zéro final",
    "upper case language tag": "étiquette de langue en capitales",
    "blank node": "nœud anonyme",
    "blank label": "libellé blanc",
    "label that ends in white space": "libellé qui finit par une espace",
    "blank summary": "résumé blanc",
    "fact outside any passage": "fait hors de tout passage",
    "fact in a document's record": "fait dans la fiche d'un document",
    "entity described in a document": "entité décrite dans un document",
    "name under the wrong address": "nom sous une mauvaise adresse",
    "fact about what is elsewhere": "fait sur ce qui est ailleurs",
    "capital in a slug": "capitale dans un nom court",
    "entity without a class": "entité sans classe",
    "person and city": "personne et ville à la fois",
    "two entities with one identity": "deux entités, une identité",
    "two persons with one name": "deux personnes, un nom",
    "network and organisation with one name": "réseau et organisation de même nom",
    "name withdrawn and in use": "nom retiré et en usage",
    "name withdrawn for an unknown one": "nom retiré au profit d'un inconnu",
    "not an EDTF date": "date qui n'est pas de l'EDTF",
    "EDTF of level 2": "EDTF de niveau 2",
    "half a month unspecified": "mois à demi indéterminé",
    "29 February of a common year": "29 février d'une année commune",
    "interval that runs backwards": "intervalle à rebours",
    "class in place of a property": "classe au lieu d'une propriété",
    "property in place of a class": "propriété au lieu d'une classe",
    "unknown property": "propriété inconnue",
    "unknown class": "classe inconnue",
    "wrong date": "date fausse",
    "end before start": "fin avant le début",
    "two start dates": "deux dates de début",
    "date as a string": "date en chaîne",
    "missing French label": "libellé français absent",
    "two English labels": "deux libellés anglais",
    "label in a third language": "libellé dans une troisième langue",
    "summary in one language only": "résumé dans une seule langue",
    "mandate without a holder": "mandat sans titulaire",
    "mandate without a body": "mandat sans organisme",
    "mandate with a role of another list": "mandat dont la fonction vient d'une autre liste",
    "size below one": "effectif inférieur à un",
    "size of a person": "effectif d'une personne",
    "a part of itself": "partie d'elle-même",
    "cycle of parts": "cycle de parties",
    "event in a person": "événement dans une personne",
    "latitude out of range": "latitude hors limites",
    "longitude without latitude": "longitude sans latitude",
    "country without a code": "pays sans code",
    "identity at an unknown authority": "identité auprès d'une autorité inconnue",
    "recommendation without a position": "recommandation sans rang",
    "recommendation without an addressee": "recommandation sans destinataire",
    "four themes": "quatre thèmes",
    "figure without a unit": "chiffre sans unité",
    "passage without a level": "passage sans niveau de preuve",
    "property of a set-aside on a passage": "propriété de pièce écartée sur un passage",
    "set-aside without a reason": "pièce écartée sans motif",
    "note in one language": "note dans une seule langue",
    "note that retains another passage": "note qui retient un autre passage",
    "concept without a definition": "concept sans définition",
    "document without a title": "document sans titre",
    "initiative with an event's status": "initiative dont l'état vient d'une autre liste",
    "answer to a person": "réponse à une personne",
    "member of itself": "membre de lui-même",
    "answer to itself": "réponse à elle-même",
    "concept broader than itself": "concept plus large que lui-même",
    "answers in a circle": "réponses en cercle",
    "concepts in a circle": "concepts en cercle",
}


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def words_of_the_text(document: str, texts: Path) -> str:
    """Nine words in the middle of a sentence of the text that a document maps."""
    found = re.search(r'dcterms:identifier "(.+?)"', document)
    assert found
    # A line of the text that runs over a hundred letters is a sentence, no title.
    lines = (texts / found[1]).read_text("utf-8").splitlines()
    line = next(line for line in lines if len(line) > 160 and '"' not in line)
    return " ".join(line.split()[5:14])


def seed(fault: Fault, project: Path, texts: Path | None) -> int:
    """Puts a fault into a project; the line on which it is to be found."""
    path = project / fault.file
    text = path.read_text("utf-8")
    assert fault.old in text, "the fault no longer fits the data"
    new = fault.new
    if COPIED in new or COPIED.upper() in new:
        assert texts
        words = words_of_the_text(text, texts)
        new = new.replace(COPIED, words)
        new = new.replace(COPIED.upper(), words.upper().replace(" ", ", "))
    path.write_text(text.replace(fault.old, new, 1), "utf-8")
    read = (project / (fault.where or fault.file)).read_text("utf-8")
    return line_of(read, read.index(fault.at) if fault.at else text.index(fault.old))


def row(fault: Fault, finding: dict[str, Any], language: str) -> str:
    """The fault in the table of a page of PAGES; no words of a private text stand there."""
    start = finding["column"] - 1
    marked = finding["excerpt"][start : start + finding["width"]]
    said = finding["message"][language]
    if fault.rule == "E5":
        marked, said = "…", re.sub('^"[^"]*"', '"…"', re.sub("^« .*? »", "« … »", said))
    if finding["mend"]:
        said += f" — {finding['mend'][language]}"
    marked = marked if len(marked) <= 40 else marked[:39] + "…"
    name = fault.name
    if language == "fr":
        name, said = typographic(IN_FRENCH[name], "fr"), typographic(said, "fr")
    cells = (name, Path(finding["file"]).name, fault.rule, f"`{marked}`", said)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_seeded_fault(
    fault: Fault, project: Path, run: Run, request: pytest.FixtureRequest
) -> None:
    texts: Path | None = request.getfixturevalue("texts") if fault.needs_texts else None
    line = seed(fault, project, texts)
    options: list[object] = ["--texts", texts] if texts else []
    outcome = run("validate", "--project", project, "--format", "json", *options)
    findings = json.loads(outcome.out)["findings"]
    assert len(findings) == 1, findings
    (finding,) = findings
    assert outcome.code == (finding["severity"] == "Violation")
    where = fault.where or fault.file
    assert (finding["rule"], finding["file"], finding["line"]) == (fault.rule, where, line), finding
    assert finding["excerpt"] == (project / where).read_text("utf-8").splitlines()[line - 1]
    assert 1 <= finding["column"] <= len(finding["excerpt"])
    for language, page in PAGES.items():
        table = page.read_text("utf-8")
        assert row(fault, finding, language) in table, "run: python tests/test_faults.py"


def test_what_the_parser_says_is_said_in_french_too(project: Path, run: Run) -> None:
    """What it was heard to say of files broken at random; so many that several processes read them,
    whose errors come back whole."""
    broken = (
        *("; .", "id:a b:c ;", "id:a ) id:b .", "id:a id:b ) .", "id:a <http://a> <b> .", "<a> .."),
        *(
            "PREFIX x <http://x/>",
            "PREFIX x: y:",
            "BASE x",
            'id:a id:b "\\w" .',
            "id:a id:b <b c> .",
        ),
        *(
            'id:a id:b "x"@1 .',
            'id:a id:b "x"@a-123456789 .',
            'id:a id:b "x"@é .',
            "<http://[> a a .",
        ),
        *('id:a id:b "\\uD800" .', 'id:a id:b "\\u00" .', "<http://a/%gr> a <http://a/%> ."),
        *("id:a% a id:b .", "id:a\\w a id:b .", "id:a id:b + .", "id:a id:b 1e .", "_: a id:b ."),
        *(
            'id:a id:b "x"^^y .',
            "id.: a id:b .",
            "id:a id:b",
            "<http://a\n> a id:b .",
            "id:a id:b '\n",
        ),
        *("<< ; >> a id:b .", "<< id:a a id:b ; a id:b .", "VERSION 1", "id:a id:b id:c id:d ."),
        *(
            "GRAPH id:a .",
            "GRAPH @prefix {}",
            "GRAPH id:a { id:a id:b id:c GRAPH",
            '"a" id:b id:c .',
        ),
    )
    for number, said in enumerate(broken, 10):
        for name in (f"register/broken-{number}.ttl", f"documents/broken-{number}.trig"):
            file = project / "data" / name
            head = "PREFIX id: <https://w3id.org/essgraph/id/>\n"
            file.write_text(f"{head}{said}\n", "utf-8")
    findings = json.loads(run("validate", "--project", project, "--format", "json").out)["findings"]
    assert len(findings) == 2 * len(broken)
    heard = {finding["message"]["fr"] for finding in findings}
    english = r"\b(?:is|are|not|the|should|by|with|that|expected|expecting|allowed|invalid)\b"
    assert not [message for message in heard if re.search(english, message)]
    assert len(heard) > 25


def test_there_are_faults_of_many_kinds() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60
    assert {fault.name for fault in FAULTS} == set(IN_FRENCH)
    assert len({fault.rule for fault in FAULTS}) >= 20


def test_the_project_has_no_finding(run: Run) -> None:
    options = ["--texts", folder] if (folder := find_texts()) else []
    outcome = run("validate", "--format", "json", *options)
    assert json.loads(outcome.out) == {"conforms": True, "findings": []}
    assert outcome.code == 0


def write_tables() -> None:
    """Rewrites the tables of PAGES, as the tests then hold them."""
    texts = find_texts()
    found = []
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            project = copy_project(Path(folder) / "project")
            seed(fault, project, texts)
            said = check(Project(project), texts if fault.needs_texts else None).findings
            found.append((fault, json.loads(report.to_json(said, "en"))["findings"][0]))
    for language, page in PAGES.items():
        head, _, rest = page.read_text("utf-8").partition("<!-- faults -->\n")
        rows = [*rest.splitlines()[:2], *(row(*one, language) for one in found)]
        end = rest.partition("<!-- end -->")[2]
        page.write_text("\n".join((f"{head}<!-- faults -->", *rows, f"<!-- end -->{end}")), "utf-8")


if __name__ == "__main__":
    write_tables()
