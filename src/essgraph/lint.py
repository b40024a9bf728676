"""The layout of a Turtle or TriG file, put right without touching comments or meaning.

Only white space and the prefix block at the head change: prefixes are sorted, unused ones go, those
of the project (``names.PREFIXES``) come where a name uses them, one line each; no white space at
the ends of lines, one space between words on a line, one blank line at most, tabs at the margin
become four spaces, lines end in LF. Spaces before a comment stay: they may line it up with others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyoxigraph as ox

from essgraph import names
from essgraph.turtle import Token, tokens

#: A directive and what follows it: the IRI of the prefix and, for ``@prefix``, a full stop.
_DIRECTIVE = ("PREFIX", "@PREFIX")


def fixed(text: str) -> str:
    """The text in its right layout; a text with a fault in its grammar comes back as it was."""
    given = text
    words = list(tokens(text))
    if any(word.kind == "error" for word in words):
        return given
    missing = _missing(words)
    if missing:
        text = text[: missing[0]] + missing[1] + text[missing[0] :]
        words = list(tokens(text))
    if _meaning(text) is None:
        return given
    result = _spaced(_prefixes(words))
    # The promise is checked at every use, not in the tests alone.
    assert _comments(tokens(result)) == _comments(words)
    assert _meaning(result) == _meaning(text)
    return result


def _meaning(text: str) -> str | None:
    """The canonical form of what a text states; None if it does not parse."""
    try:
        dataset = ox.Dataset(ox.parse(text.encode("utf-8"), format=ox.RdfFormat.TRIG))
    except SyntaxError:
        return None
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return "\n".join(sorted(map(str, dataset)))


def _missing(words: list[Token]) -> tuple[int, str] | None:
    """Where to declare the prefixes of the project that names use and nothing declares, and the
    lines that do; None where there are none."""
    real = [word for word in words if word.kind not in ("space", "comment")]
    directives = [word.text.upper() in _DIRECTIVE for word in real]
    declared = {after.text for told, after in zip(directives, real[1:], strict=False) if told}
    used = {word.text.partition(":")[0] for word in real if word.kind == "name"}
    lines = [
        f"PREFIX {name}: <{names.PREFIXES[name]}>\n"
        for name in sorted(used & names.PREFIXES.keys())
        if f"{name}:" not in declared
    ]
    if not lines:
        return None
    return real[0].start, "".join(lines) + ("" if directives[0] else "\n")


def _comments(words: Iterable[Token]) -> list[str]:
    return [word.text.rstrip(" \t") for word in words if word.kind == "comment"]


def _prefixes(words: list[Token]) -> list[str]:
    """The tokens with the prefix block sorted and rid of what no name uses.

    The block is left alone where sorting could change a meaning or move a comment: a comment
    inside, a prefix declared twice or later again, a base, a relative IRI.
    """
    texts = [word.text for word in words]
    real = [i for i, word in enumerate(words) if word.kind not in ("space", "comment")]
    declared: dict[str, str] = {}
    at = 0
    while at + 2 < len(real) and texts[real[at]].upper() in _DIRECTIVE:
        name, iri = texts[real[at + 1]], texts[real[at + 2]]
        if name in declared or not re.match(r"<[A-Za-z][\w+.-]*:", iri):
            return texts
        declared[name] = iri
        at += 4 if texts[real[at]].startswith("@") else 3
    later = {texts[i].upper() for i in real[at:]}
    if not declared or later & {*_DIRECTIVE, "BASE", "@BASE"}:
        return texts
    first, last = real[0], real[at - 1]
    if any(word.kind == "comment" for word in words[first : last + 1]):
        return texts
    used = {texts[i].partition(":")[0] + ":" for i in real[at:] if words[i].kind == "name"}
    block = [f"PREFIX {name} {iri}" for name, iri in sorted(declared.items()) if name in used]
    rest = texts[last + 1 :]
    if not block and rest and rest[0].isspace():
        rest = rest[1:]
    return [*texts[:first], "\n".join(block), *rest]


def _spaced(texts: list[str]) -> str:
    """The tokens with the white space between them put right."""
    texts = [text for text in texts if text]
    out: list[str] = []
    for index, text in enumerate(texts):
        if not text.isspace():
            out.append(text.rstrip(" \t") if text.startswith("#") else text)
            continue
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        before_comment = index + 1 < len(texts) and texts[index + 1].startswith("#")
        if "\n" not in text:
            out.append(text if before_comment else " ")
            continue
        margin = text.rpartition("\n")[2].expandtabs(4)
        breaks = min(text.count("\n"), 2) if out else 0
        out.append("\n" * breaks + margin)
    return "".join(out).strip(" \n") + "\n" if out else ""
