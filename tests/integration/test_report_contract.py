"""What people rely on: columns that stay, comments on everything, and a document that is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg

from .conftest import Rig
from .reporting import ROOT, load, past_rig, play_a_past, reader

PINNED = Path(__file__).parent / "data" / "report_contract.txt"
# On the database of the test these rightly have nothing to show.
MAY_BE_EMPTY = {"Which alerts are open?", "Which pulls were not proven, and why?"}

COLUMNS = """
SELECT c.relname, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'report'::regnamespace AND c.relkind = 'v' GROUP BY c.relname
UNION ALL
SELECT format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_function_result(p.oid)
FROM pg_proc p WHERE p.pronamespace = 'report'::regnamespace
ORDER BY 1
"""

UNCOMMENTED = """
SELECT c.relname || coalesce('.' || a.attname, '') AS name
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'report'::regnamespace AND c.relkind IN ('v', 'r')
  AND (coalesce(obj_description(c.oid, 'pg_class'), '') = '' OR coalesce(col_description(c.oid, a.attnum), '') = '')
UNION ALL
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'report'::regnamespace AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
"""


def test_columns_and_their_types_stay_and_new_ones_come_at_the_end(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = dict(connection.execute(COLUMNS).fetchall())
    for line in PINNED.read_text().splitlines():
        name, columns = line.split(": ", 1)
        assert found[name] == columns or found[name].startswith(f"{columns.removesuffix(')')}, "), name


def test_the_past_has_the_columns_of_the_present(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = dict(connection.execute(COLUMNS).fetchall())
    assert found["backups_as_of(at timestamp with time zone)"] == f"TABLE({found['backups']})"


def test_every_view_column_and_function_has_a_comment(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute(UNCOMMENTED).fetchall() == []


def test_the_dictionary_is_what_the_comments_say(database: str) -> None:
    """After a change: python scripts/sql_dictionary.py <the URL of a migrated database>."""
    script, document = load("scripts/sql_dictionary.py"), (ROOT / "docs" / "sql.md").read_text()
    with psycopg.connect(database) as connection:
        assert script.with_dictionary(document, script.dictionary(connection)) == document


def cookbook() -> dict[str, str]:
    """Return the questions of docs/sql.md with their SQL."""
    document = (ROOT / "docs" / "sql.md").read_text()
    return dict(re.findall(r"^### (.+?)$[^#]*?^```sql\n(.+?)^```$", document, flags=re.MULTILINE | re.DOTALL))


def test_every_question_of_the_cookbook_is_answered_to_a_reader(database: str, simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    (now,) = rig.rows("SELECT now()")
    assert isinstance(now["now"], datetime)
    play_a_past(rig, now["now"])
    questions = cookbook()
    assert len(questions) >= 25
    with reader(database) as connection:
        empty = {question for question, sql in questions.items() if not connection.execute(sql).fetchall()}  # type: ignore[call-overload] # the document's own SQL
    assert empty <= MAY_BE_EMPTY
