"""The daily inventory: a row per source and day (Beijing time), counted when a pull has finished."""

from __future__ import annotations

import sqlalchemy as sa

from syncer.store.database import bulk_transaction, rows

# Days from the last one that was counted are counted again: what came after its last pull belongs to it too.
_SINCE = """
SELECT coalesce(max(day)::timestamp AT TIME ZONE INTERVAL '08:00', to_timestamp(0)) FROM syncer.inventory_day
WHERE source = %(source)s
"""

# A file that went is judged by the expiry it had then, which may have moved since.
_EVENTS = """
WITH added AS (
  SELECT syncer.beijing_day(f.first_seen_at) AS day, count(*) AS added
  FROM syncer.file f WHERE f.source = %(source)s AND f.first_seen_at >= %(since)s GROUP BY 1
),
changed AS (
  SELECT syncer.beijing_day(c.changed_at) AS day, count(DISTINCT c.file_id) AS changed
  FROM syncer.change c WHERE c.source = %(source)s AND c.changed_at >= %(since)s AND c.field <> 'gone_at' GROUP BY 1
),
went AS (
  SELECT syncer.beijing_day(c.changed_at) AS day,
         count(*) FILTER (WHERE c.new_value IS NOT NULL AND e.expires_at <= c.changed_at) AS expired,
         count(*) FILTER (WHERE c.new_value IS NOT NULL AND (e.expires_at <= c.changed_at) IS NOT true) AS vanished,
         count(*) FILTER (WHERE c.new_value IS NULL) AS returned
  FROM syncer.change c
  CROSS JOIN LATERAL (
    (SELECT x.old_value::timestamptz AS expires_at, x.changed_at FROM syncer.change x
     WHERE x.source = c.source AND x.file_id = c.file_id AND x.field = 'expires_at' AND x.changed_at > c.changed_at
     ORDER BY x.changed_at LIMIT 1)
    UNION ALL
    SELECT f.expires_at, 'infinity' FROM syncer.file f WHERE f.source = c.source AND f.file_id = c.file_id
    ORDER BY 2 LIMIT 1
  ) e
  WHERE c.source = %(source)s AND c.changed_at >= %(since)s AND c.field = 'gone_at' GROUP BY 1
)
INSERT INTO syncer.inventory_day AS i (source, day, added, changed, expired, vanished, returned)
SELECT %(source)s, day, coalesce(a.added, 0), coalesce(c.changed, 0), coalesce(w.expired, 0), coalesce(w.vanished, 0),
       coalesce(w.returned, 0)
FROM added a FULL JOIN changed c USING (day) FULL JOIN went w USING (day)
ON CONFLICT (source, day) DO UPDATE
SET added = greatest(i.added, excluded.added), changed = greatest(i.changed, excluded.changed),
    expired = greatest(i.expired, excluded.expired), vanished = greatest(i.vanished, excluded.vanished),
    returned = greatest(i.returned, excluded.returned)
"""

# Totals, but for what expires today: only of these files the instant decides. By index file_expires_idx.
_STOCK = """
INSERT INTO syncer.inventory_day AS i (source, day, as_of, pull_id, proven, live_files, live_bytes, overdue_files)
SELECT %(source)s, syncer.beijing_day(syncer.instant()), syncer.instant(), p.pull_id, coalesce(p.proven, false),
       s.live_files, s.live_bytes, s.overdue_files
FROM syncer.pull p
CROSS JOIN (
  SELECT coalesce(sum(files) FILTER (WHERE NOT overdue), 0) AS live_files,
         coalesce(sum(bytes) FILTER (WHERE NOT overdue), 0) AS live_bytes,
         coalesce(sum(files) FILTER (WHERE overdue), 0) AS overdue_files
  FROM (
    SELECT day < syncer.beijing_day(syncer.instant()) AS overdue, files, bytes FROM syncer.stock
    WHERE source = %(source)s AND kind = 'expiry' AND day <> syncer.beijing_day(syncer.instant())
    UNION ALL
    SELECT expires_at <= syncer.instant(), count(*), coalesce(sum(size_bytes), 0) FROM syncer.file
    WHERE source = %(source)s AND gone_at IS NULL
      AND expires_at >= syncer.beijing_midnight(syncer.beijing_day(syncer.instant()))
      AND expires_at < syncer.beijing_midnight(syncer.beijing_day(syncer.instant()) + 1)
    GROUP BY 1
  ) listed
) s
WHERE p.source = %(source)s AND p.pull_id = %(pull)s
ON CONFLICT (source, day) DO UPDATE
SET as_of = excluded.as_of, pull_id = excluded.pull_id, proven = i.proven OR excluded.proven,
    live_files = excluded.live_files, live_bytes = excluded.live_bytes, overdue_files = excluded.overdue_files
"""


def count_day(connection: sa.Connection, source: str, *, pull_id: int | None) -> None:
    """Count the source's inventory for today, after the pull `pull_id` has finished.

    Without a pull only what came and went is counted: a day on which nobody looked has no live figures. Counting
    again is harmless.
    """
    with bulk_transaction(connection, idle_seconds=60):
        since = rows(connection, _SINCE, source=source).scalar_one()
        rows(connection, _EVENTS, source=source, since=since)
        if pull_id is not None:
            rows(connection, _STOCK, source=source, pull=pull_id)
