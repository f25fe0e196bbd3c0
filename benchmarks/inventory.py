"""Fills a migrated, empty database with files, their history and the ledger of a pull, made by SQL alone, in seconds.

By hand: python benchmarks/inventory.py postgresql://... [files]
"""

from __future__ import annotations

import sys
import time

import psycopg

SOURCE = "default"

# One file in four has gone; the rest live for 30 to 180 days from a createTime within the last 90 to 180, in the
# order in which they were first seen. Two in a hundred have no size.
FILES = """
INSERT INTO syncer.file (source, file_id, name, size_bytes, file_type, duration_seconds, status, created_at, expires_at,
                         created_raw, expires_raw, url, extra, first_seen_at, changed_at, gone_at, first_run)
SELECT %(source)s, id, '60' || n %% 50 || '_stream_2026-01-01-00-00-00_2026-01-01-00-05-00',
       CASE WHEN n %% 50 > 0 THEN 1000000 + n * 7919 %% 90000000 END, (ARRAY['mp4', 'flv', 'hls'])[1 + (n %% 3)::int],
       n %% 300, 2, created, created + life, to_char(created + interval '8 hours', 'YYYY-MM-DD HH24:MI:SS'),
       to_char(created + life + interval '8 hours', 'YYYY-MM-DD HH24:MI:SS'),
       'http://1000.vod2.myqcloud.com/vodgzp/' || id || '/f0.mp4', NULL, created + interval '10 minutes',
       coalesce(gone, created + interval '10 minutes'), gone, 1
FROM (
  SELECT n, created, life, id, CASE WHEN created + life < now() THEN created + life + interval '2 hours'
                                    WHEN n %% 400 = 0 THEN created + life / 2 END AS gone
  FROM (
    SELECT n, (4564972818000000000 + n * 104729)::text AS id,
           now() - interval '120 days' * (1 - n::float8 / %(files)s) - interval '1 hour' AS created,
           (ARRAY[90, 180, 30, 180, 180])[1 + (n %% 5)::int] * interval '1 day' AS life
    FROM generate_series(1::bigint, %(files)s) AS n
  ) made
) AS fates
WHERE coalesce(gone, '-infinity') < now()
ORDER BY n
"""

HISTORY = """
INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
SELECT source, gone_at, file_id, 'gone_at', NULL, gone_at::text, 1, first_seen_at
FROM syncer.file WHERE gone_at IS NOT NULL
UNION ALL
SELECT source, first_seen_at + (gone_or_now - first_seen_at) / 2, file_id, 'name', 'old-' || name, name, 1,
       first_seen_at
FROM (SELECT *, coalesce(gone_at, now()) AS gone_or_now, row_number() OVER () AS n FROM syncer.file) f
WHERE n % 5 = 0
ORDER BY 2
"""

REST = """
INSERT INTO syncer.source (source, account) VALUES (%(source)s, 'benchmark');
INSERT INTO syncer.lease (source) VALUES (%(source)s);
INSERT INTO syncer.run (source, kind, pull_id, holder, started_at, finished_at, outcome)
  VALUES (%(source)s, 'full', 1, 'benchmark', now() - interval '2 hours', now() - interval '10 minutes', 'complete');
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at, finished_at,
                         outcome, proven, settled_run, phase, pages, page, files, reason)
  SELECT %(source)s, 'full', 'benchmark', '', 100, false, 1, now() - interval '2 hours', now() - interval '10 minutes',
         'complete', true, 1, 'done', ceil(count(*) / 100.0), ceil(count(*) / 100.0), count(*), 'made by a benchmark'
  FROM syncer.file WHERE gone_at IS NULL;
INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, context_in, context_out,
                         entries, file_count, rejected, inserted, updated, oldest, newest, file_ids, ordered)
  SELECT %(source)s, p.pull_id, 1, 'listing', f.page, 1, now(), CASE WHEN f.page > 1 THEN int8send(f.page - 1) END,
         CASE WHEN f.page < p.pages THEN int8send(f.page) END, count(*), count(*), 0, 0, 0, min(created_at),
         max(created_at), array_agg(file_id ORDER BY file_id), true
  FROM (SELECT f.*, (row_number() OVER (ORDER BY created_at DESC, file_id) + 99) / 100 AS page
        FROM syncer.file f WHERE gone_at IS NULL) f, syncer.pull p GROUP BY f.page, p.pull_id, p.pages;
INSERT INTO syncer.inventory_day (source, day, as_of, pull_id, proven, live_files, live_bytes, overdue_files)
  SELECT %(source)s, current_date - n, now() - n * interval '1 day', 1, true, 1000000, 1000000, 0
  FROM generate_series(1, 400) AS n WHERE n %% 30 > 0;
"""


def fill(url: str, files: int) -> None:
    """Fill the database, and let it be as its own housekeeping would leave it: analysed and vacuumed."""
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(FILES, {"source": SOURCE, "files": files})
        connection.execute(HISTORY)
        connection.execute(REST, {"source": SOURCE})
        for table in ("file", "change", "page", "pull", "source", "run", "inventory_day"):
            connection.execute(f"VACUUM (ANALYZE) syncer.{table}")


if __name__ == "__main__":
    begun = time.monotonic()
    fill(sys.argv[1], int((sys.argv[2:] or ["1000000"])[0]))
    sys.stderr.write(f"filled in {time.monotonic() - begun:.0f} s\n")
