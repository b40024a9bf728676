"""``make screenshots``: each kind of page in both languages, at two widths, light and dark.

Written to ``build/screenshots``. Run with a folder of snapshots (and the texts, if at hand).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from conftest import ROOT, serving
from playwright.sync_api import sync_playwright
from test_browser import CHROMIUM, FLAGS, KINDS

SIZES: dict[str, Any] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 800},
}


def main(out: str, *only: str) -> None:
    """Takes the pictures, of all kinds of page or of those named."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with serving(Path(out)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language in ("fr", "en"):
            for width, size in SIZES.items():
                for scheme in ("light", "dark"):
                    look: Any = {"color_scheme": scheme, "locale": language, "viewport": size}
                    context = browser.new_context(**look)
                    page = context.new_page()
                    for kind, path in KINDS.items():
                        if only and kind not in only:
                            continue
                        page.goto(server.url + path)
                        page.wait_for_load_state("networkidle")
                        name = f"{kind}-{language}-{width}-{scheme}.png"
                        page.screenshot(path=folder / name, full_page=True)
                        print(folder / name)
                    context.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
