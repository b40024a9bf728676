"""What is shown on standard error: messages, and progress where it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from essgraph.errors import Text


def say(text: Text, language: str) -> None:
    """Shows a message."""
    print(text.in_language(language), file=sys.stderr)


def bar(language: str) -> Callable[[Text, float], None]:
    """A progress bar on a terminal, nothing elsewhere: takes what is being done, and the share
    that is done, 0 to 1."""
    width = 20
    shown = ""

    def show(text: Text, share: float) -> None:
        nonlocal shown
        done = round(width * share)
        bar = f"{'█' * done}{'░' * (width - done)} {share:4.0%} {text.in_language(language):<40}"
        if share >= 1:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        elif bar != shown:
            print(f"\r{bar}", end="", file=sys.stderr, flush=True)
        shown = bar

    return show if sys.stderr.isatty() else lambda text, share: None


def gauge() -> Callable[[int, int], None]:
    """A progress bar of a known length on a terminal, nothing elsewhere: takes how much is done,
    and of how much."""

    def show(done: int, whole: int) -> None:
        full = 30 * done // max(whole, 1)
        bar = "█" * full + "░" * (30 - full)
        end = "\r\033[K" if done >= whole else ""
        print(f"\r{bar} {done}/{whole}{end}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda done, whole: None
