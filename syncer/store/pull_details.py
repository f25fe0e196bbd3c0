"""One pull for people who want to believe it: its listings judged by the ledger, its runs, its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows

_PULL = "SELECT * FROM report.pulls WHERE source = %(source)s AND pull_id = %(pull)s"

# Without what counts ids, which reads them all: a second for each million.
_LISTINGS = """
SELECT generation, last, pages, entries, from_beginning, chain_unbroken, breaks, ended, end_sure, short_pages, rejected,
       tail_pages, tail_proves, death_code, context_age_seconds, begun_at, ended_at, complete
FROM report.proof WHERE source = %(source)s AND pull_id = %(pull)s ORDER BY generation
"""

_RUNS = """
SELECT run_id, holder, started_at, finished_at, outcome, api_calls, error FROM report.runs
WHERE source = %(source)s AND pull_id = %(pull)s ORDER BY run_id DESC LIMIT %(limit)s
"""

_PAGES = """
SELECT generation, part, page, run_id, committed_at, entries, file_count, rejected, inserted, updated, oldest, newest
FROM report.pages
WHERE source = %(source)s AND pull_id = %(pull)s AND (generation, part, page) > (%(generation)s, %(part)s, %(page)s)
ORDER BY generation, part, page LIMIT %(limit)s
"""

PageNumber = tuple[int, str, int]
"""A page of the ledger: its generation, part and number."""


def pull(connection: sa.Connection, source: str, pull_id: int) -> Mapping[str, Any] | None:
    """Return a pull by the columns of report.pulls; None if there is none."""
    row = rows(connection, _PULL, source=source, pull=pull_id).mappings().one_or_none()
    return None if row is None else dict(row)


def listings(connection: sa.Connection, source: str, pull_id: int) -> list[Mapping[str, Any]]:
    """Return its listings as report.proof judges them."""
    return [dict(row) for row in rows(connection, _LISTINGS, source=source, pull=pull_id).mappings()]


def runs(connection: sa.Connection, source: str, pull_id: int, limit: int) -> list[Mapping[str, Any]]:
    """Return its latest runs."""
    return [dict(row) for row in rows(connection, _RUNS, source=source, pull=pull_id, limit=limit).mappings()]


def pages(
    connection: sa.Connection, source: str, pull_id: int, after: PageNumber, limit: int
) -> list[Mapping[str, Any]]:
    """Return the pages of its ledger that follow one."""
    generation, part, page = after
    given = {"generation": generation, "part": part, "page": page, "limit": limit}
    return [dict(row) for row in rows(connection, _PAGES, source=source, pull=pull_id, **given).mappings()]
