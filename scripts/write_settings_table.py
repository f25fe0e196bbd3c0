"""Writes README.md's table of settings from the one in the code; a test fails when it was not run (`make docs`)."""

from __future__ import annotations

from pathlib import Path

from syncer.settings import SETTINGS

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: written by make docs -->\n", "<!-- /settings -->\n"


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| setting | default | per source | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else setting.default_note or "empty"
        per_source = "yes" if setting.of_source else ""
        lines.append(f"| `{setting.variable}` | {default} | {per_source} | {setting.help} |")
    return "\n".join(lines) + "\n"


def rewritten(readme: str) -> str:
    """Return the text of README.md with the table as it should be."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
