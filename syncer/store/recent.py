"""The latest pulls and days of some sources, as the report has them, without the rest of the report."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from syncer.store.database import rows
from syncer.store.report import CURVE_DAYS, InventoryDay, PullRow

_DAYS = f"""
SELECT source, day, live_files, live_bytes, added, changed, expired, vanished, returned, pulled, proven
FROM report.inventory_daily
WHERE source = ANY (%(sources)s) AND day > syncer.beijing_day(syncer.instant()) - {CURVE_DAYS} ORDER BY source, day
"""

_PULLS = """
SELECT p.source, p.pull_id, p.kind, p.outcome, p.verdict, p.reason, p.error, p.started_at, p.finished_at, p.pages,
       p.files, p.inserted, p.updated, p.gone, p.rejected, p.restarts
FROM unnest(%(sources)s::text[]) AS s (source)
CROSS JOIN LATERAL (
  SELECT * FROM report.pulls p
  WHERE p.source = s.source AND (%(before)s::bigint IS NULL OR p.pull_id < %(before)s)
    AND (%(kind)s::text IS NULL OR p.kind = %(kind)s)
  ORDER BY p.pull_id DESC LIMIT %(limit)s
) AS p
ORDER BY p.pull_id DESC LIMIT %(limit)s
"""


def days(connection: sa.Connection, sources: Sequence[str]) -> list[InventoryDay]:
    """Return the sources' days that a curve shows."""
    return [InventoryDay(**row) for row in rows(connection, _DAYS, sources=list(sources)).mappings()]


def pulls(
    connection: sa.Connection, sources: Sequence[str], limit: int, *, before: int | None = None, kind: str | None = None
) -> list[PullRow]:
    """Return the latest pulls, of one kind or both; those with a lower number than `before`, if it is given."""
    found = rows(connection, _PULLS, sources=list(sources), limit=limit, before=before, kind=kind)
    return [PullRow(**row) for row in found.mappings()]
