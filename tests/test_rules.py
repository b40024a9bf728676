"""A mutation test of the evidence rules: with any one of their reports taken away, some seeded
fault is no longer told alike."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from conftest import ROOT, find_texts
from test_faults import COPIED, FAULTS, WITHDRAWN, Fault, words_of_the_text

from essgraph import evidence, literals, positions, register, sources, statements
from essgraph.errors import SyntaxFault
from essgraph.findings import Finding
from essgraph.project import Project
from essgraph.sources import Sources
from essgraph.statements import Statement

#: The modules whose rules ``evidence`` runs.
MODULES = (evidence, literals, positions, register)
Told = frozenset[tuple[str, str, int, str]]


def tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text("utf-8"))


def reports() -> list[tuple[ModuleType, str, int]]:
    """Each statement of the rules that reports something: its module, function and line."""
    return [
        (module, function.name, node.lineno)
        for module in MODULES
        for function in tree(module).body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom)
    ]


class Without(ast.NodeTransformer):
    def __init__(self, line: int) -> None:
        self.line = line

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if node.lineno == self.line and isinstance(node.value, ast.Yield | ast.YieldFrom):
            # The function stays a generator, which reports nothing here.
            nothing = ast.parse("yield from ()").body[0]
            return ast.copy_location(nothing, node)
        return node


def mutant(module: ModuleType, line: int) -> ModuleType:
    """The rules, but for what one line of a module reports."""
    changed = executed(Without(line).visit(tree(module)))
    if module is evidence:
        return changed
    rules = executed(tree(evidence))
    functions = {name: it for name, it in vars(changed).items() if isinstance(it, FunctionType)}
    vars(rules).update({name: it for name, it in functions.items() if name in vars(rules)})
    return rules


def executed(code: ast.Module) -> ModuleType:
    module = ModuleType("essgraph.mutant")
    exec(compile(ast.fix_missing_locations(code), "mutant", "exec"), module.__dict__)
    return module


@cache
def sound() -> Sources:
    found, faults = sources.read(Project(ROOT))
    assert not faults
    return found


@cache
def broken(fault: Fault) -> Sources:
    """The project's sources with one file read anew."""
    text = (ROOT / fault.file).read_text("utf-8")
    new = fault.new
    if COPIED in new or COPIED.upper() in new:
        folder = find_texts()
        assert folder
        words = words_of_the_text(text, folder)
        new = new.replace(COPIED, words).replace(COPIED.upper(), words.upper())
    data = text.replace(fault.old, new, 1).encode()
    return with_file(fault.file, list(statements.parse(data, fault.file)))


def with_file(file: str, statements: list[Statement]) -> Sources:
    def swap(old: list[Statement]) -> list[Statement]:
        if not any(s.file == file for s in old):
            return old
        return [s for s in old if s.file != file] + statements

    found = sound()
    return dataclasses.replace(
        found,
        documents=[
            dataclasses.replace(d, statements=swap(d.statements), anchors=swap(d.anchors))
            for d in found.documents
        ],
        register=swap(found.register),
        schemes=swap(found.schemes),
        dataset=swap(found.dataset),
        withdrawn=statements if file == WITHDRAWN else found.withdrawn,
        ontology=swap(found.ontology),
    )


def told(findings: Iterable[Finding]) -> Told:
    return frozenset((f.rule, f.file, f.line, f.text.en) for f in findings)


def folder(fault: Fault) -> Path | None:
    return find_texts() if fault.needs_texts else None


def judged(rules: ModuleType, fault: Fault) -> Told:
    found, texts = broken(fault), folder(fault)
    return told([*rules.alone(found, texts), *rules.across(found, texts)])


@cache
def expected(fault: Fault) -> Told:
    return judged(evidence, fault)


def usable(fault: Fault) -> bool:
    if fault.rule == "syntax" or (fault.needs_texts and find_texts() is None):
        return False
    try:
        return bool(expected(fault))
    except SyntaxFault:
        return False


@pytest.mark.parametrize(
    ("module", "rule", "line"), reports(), ids=lambda part: getattr(part, "__name__", str(part))
)
def test_no_report_can_be_removed_unnoticed(module: ModuleType, rule: str, line: int) -> None:
    if rule in ("e5", "_derived", "_compare") and find_texts() is None:
        pytest.skip("the private texts are not at hand (ESSGRAPH_TEXTS or data/texts)")
    rules = mutant(module, line)
    name = {"edtf_dates": "EDTF", "vocabulary": "O1"}.get(rule, rule.strip("_").upper())
    likely_first = sorted(filter(usable, FAULTS), key=lambda fault: fault.rule != name)
    assert any(judged(rules, fault) != expected(fault) for fault in likely_first)
