"""The findings of a check, written in the form that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from essgraph.commands import environment

if TYPE_CHECKING:
    from essgraph.changes import Changes
    from essgraph.findings import Finding

#: The names of ``report.FORMS``: usage and help need them before that module is imported.
FORMS = ("text", "json", "turtle", "sarif", "junit", "github", "html", "markdown")


def write(
    findings: list[Finding],
    form: str,
    language: str,
    to: TextIO,
    changes: Changes | None = None,
) -> None:
    """Writes findings in one of FORMS, and what changed, where that was asked and the form says."""
    from essgraph import report

    if form == "text":
        colour = to.isatty() and not environment.no_colour()
        to.write(report.text(findings, language, colour=colour))
    elif form == "json" and changes:
        import json

        from essgraph import changes as changed

        whole = {**report.as_object(findings), "changes": changed.to_json(changes)}
        to.write(json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    else:
        to.write(report.FORMS[form](findings, language))
    if changes and form in ("text", "markdown"):
        from essgraph import changes as changed

        written = changed.text if form == "text" else changed.markdown
        to.write("\n" + written(changes, language))
