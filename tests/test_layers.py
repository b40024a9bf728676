"""The dependency order, as the package's own docstring states it, is what the imports say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT, Run

from essgraph.cli import COMMANDS

PACKAGES = ("essgraph", "essgraph.service", "essgraph.commands")


def layers(package: str) -> dict[str, int]:
    """How low each module of a package is in the order that its docstring states."""
    told = import_module(package).__doc__ or ""
    sentence = re.search(r"those before it:\s*(.+?)\.\s*$", told, re.DOTALL)
    assert sentence, "the package's docstring states the order"
    ordered = enumerate(sentence[1].split("→"))
    return {module: depth for depth, layer in ordered for module in re.findall("[a-z_]+", layer)}


def module(name: str, package: str) -> str | None:
    """The module of a package that a qualified name belongs to, be it of ``pages``."""
    if not name.startswith(f"{package}."):
        return None
    parts = name.removeprefix(f"{package}.").split(".")
    return parts[1 if parts[0] == "pages" else 0]


def imports(path: Path, package: str) -> set[str]:
    """The modules of a package that a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {found for name in names if (found := module(name, package))}


def files(package: str) -> list[Path]:
    folder = ROOT / "src" / package.replace(".", "/")
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize(
    ("package", "path"),
    [(package, path) for package in PACKAGES for path in files(package)],
    ids=lambda value: getattr(value, "stem", value),
)
def test_imports_follow_the_order(package: str, path: Path) -> None:
    level = layers(package)
    own = module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts), package)
    assert own in level, f"{own} is missing from the order in the docstring of {package}"
    for other in imports(path, package) - {own}:
        assert level[other] < level[own], f"{own} imports {other}, which is not before it"


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.splitlines()}


def test_the_service_never_loads_the_build_side() -> None:
    assert not loaded_by("import essgraph.service") & {"rdflib", "pyshacl", "pyshacl_turbo"}


def test_the_command_line_loads_nothing_heavy_before_it_runs_a_command() -> None:
    heavy = {"rdflib", "pyshacl", "pyshacl_turbo", "fastapi", "pyoxigraph"}
    modules = [f"essgraph.commands.{path.stem}" for path in files("essgraph.commands")]
    assert not loaded_by(f"import essgraph.cli, {', '.join(modules)}") & heavy


def test_each_command_has_the_module_of_its_name(run: Run) -> None:
    shared = {
        "environment",
        "usage",
        "options",
        "console",
        "folders",
        "report",
        "texts",
        "snapshots",
    }
    assert {path.stem for path in files("essgraph.commands")} - shared == set(COMMANDS)
    for name in COMMANDS:
        asked = run(name, "--help")
        assert asked.code == 0
        assert f"usage: essgraph {name}" in asked.out


def test_one_module_reads_the_environment_and_the_current_folder() -> None:
    reading = re.compile(r"\b(environb?|getenvb?|getcwdb?)\b|\bcwd\(")
    reads = [path for path in files("essgraph") if reading.search(path.read_text("utf-8"))]
    assert reads == [ROOT / "src/essgraph/commands/environment.py"]
