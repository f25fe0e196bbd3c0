"""Writes the data dictionary in docs/sql.md anew, from the COMMENTs on schema report of a migrated database.

By hand: python scripts/sql_dictionary.py postgresql://...
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "sql.md"
BEGIN, END = "<!-- dictionary: made by scripts/sql_dictionary.py -->", "<!-- end of the dictionary -->"

_VIEWS = """
SELECT c.relname, obj_description(c.oid), a.attname, format_type(a.atttypid, a.atttypmod),
       col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'report'::regnamespace AND c.relkind = 'v'
ORDER BY c.relname <> 'backups', c.relname, a.attnum
"""

_FUNCTIONS = """
SELECT format('report.%s(%s)', p.proname, pg_get_function_arguments(p.oid)), pg_get_function_result(p.oid),
       obj_description(p.oid)
FROM pg_proc p WHERE p.pronamespace = 'report'::regnamespace ORDER BY p.proname
"""

_TYPES = {"timestamp with time zone": "timestamptz", "timestamptz[]": "timestamptz[]"}


def dictionary(connection: psycopg.Connection) -> str:
    """Return the dictionary as Markdown: a table for each view, a paragraph for each function."""
    lines: list[str] = []
    view = None
    for name, about, column, kind, comment in connection.execute(_VIEWS):
        if name != view:
            view = name
            lines += ["", f"### report.{name}", "", _cell(about), "", "| column | type | meaning |", "|---|---|---|"]
        lines.append(f"| `{column}` | {_TYPES.get(kind, kind)} | {_cell(comment)} |")
    for signature, result, about in connection.execute(_FUNCTIONS):
        written = "rows" if result.startswith("TABLE") else result
        lines += ["", f"### {signature.replace('timestamp with time zone', 'timestamptz')}", "", _cell(about)]
        lines += ["", f"Returns {written}{_returned(result)}."]
    return "\n".join(lines).strip() + "\n"


def _returned(result: str) -> str:
    if not result.startswith("TABLE("):
        return ""
    columns = result.removeprefix("TABLE(").removesuffix(")").replace("timestamp with time zone", "timestamptz")
    return f": `{columns}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", r"\|")


def with_dictionary(document: str, made: str) -> str:
    """Return the document with its dictionary replaced."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as opened:
        DOCUMENT.write_text(with_dictionary(DOCUMENT.read_text(), dictionary(opened)))
