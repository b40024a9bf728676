"""The dependency order, as the package's own docstring states it, is what the imports say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import essgraph

PACKAGE = ROOT / "src" / "essgraph"


def layers() -> list[set[str]]:
    """The layers that ``essgraph.__doc__`` names, lowest first."""
    sentence = re.search(r"those before it:\s*(.+?)\.\s*$", essgraph.__doc__ or "", re.DOTALL)
    assert sentence, "the package's docstring states the order"
    return [set(re.findall(r"[a-z_]+", layer)) for layer in sentence[1].split("→")]


def imports(path: Path) -> set[str]:
    """Our own modules that a file imports, at the top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            head, _, rest = node.module.partition(".")
            if head == "essgraph":
                found |= {rest.split(".")[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("essgraph."):
                    found.add(alias.name.split(".")[1])
    return found


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_follow_the_order(path: Path) -> None:
    level = {module: depth for depth, layer in enumerate(layers()) for module in layer}
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in level, f"{own} is missing from the order in essgraph/__init__.py"
    for module in imports(path) - {own}:
        assert level[module] < level[own], f"{own} imports {module}, which is not before it"


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.splitlines()}


def test_the_service_never_loads_the_build_side() -> None:
    assert not loaded_by("import essgraph.service") & {"rdflib", "pyshacl", "pyshacl_turbo"}


def test_the_command_line_loads_nothing_before_it_knows_the_command() -> None:
    heavy = {"rdflib", "pyshacl", "pyshacl_turbo", "fastapi", "pyoxigraph"}
    assert not loaded_by("import essgraph.cli") & heavy


def test_only_the_command_line_reads_the_environment() -> None:
    for path in MODULES:
        if path.name != "cli.py":
            assert "environ" not in path.read_text("utf-8"), path
