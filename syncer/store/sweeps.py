"""The sweep's facts and writes: which known files a proven pull did not list, and the mark that they are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from syncer.model import Calls, Suspicion
from syncer.store import counters
from syncer.store.database import bulk_transaction, patiently, rows
from syncer.store.leases import RENEWED, fenced
from syncer.store.ledger import SEEN
from syncer.store.pages import Claim
from syncer.store.upsert import NEXT_CHANGE

# Gates one to three: the scope of the pull, absence from every one of its listings, known before it began.
_GATHER = """
WITH fence AS MATERIALIZED (
  SELECT 1 FROM syncer.lease WHERE source = %(source)s AND epoch = %(epoch)s FOR UPDATE
),
known AS MATERIALIZED (
  SELECT f.file_id, coalesce(f.expires_at > syncer.instant(), true) AS unexpired
  FROM syncer.file f JOIN syncer.pull p ON p.source = f.source AND p.pull_id = %(pull)s CROSS JOIN fence
  WHERE f.source = %(source)s AND f.gone_at IS NULL AND f.first_run < p.first_run
    AND (p.prefix = '' OR starts_with(f.name, p.prefix))
),
listed AS (
  SELECT (first_number + unnest(file_offsets))::text AS file_id FROM syncer.page
  WHERE source = %(source)s AND pull_id = %(pull)s AND file_offsets IS NOT NULL
  UNION ALL
  SELECT unnest(file_numbers)::text FROM syncer.page
  WHERE source = %(source)s AND pull_id = %(pull)s AND file_numbers IS NOT NULL
  UNION ALL
  SELECT unnest(file_ids) FROM syncer.page
  WHERE source = %(source)s AND pull_id = %(pull)s AND file_ids IS NOT NULL
),
absent AS MATERIALIZED (
  SELECT k.* FROM known k WHERE NOT EXISTS (SELECT FROM listed l WHERE l.file_id = k.file_id)
),
kept AS (
  INSERT INTO syncer.suspect (source, pull_id, file_id) SELECT %(source)s, %(pull)s, file_id FROM absent
)
SELECT (SELECT count(*) FROM absent) AS suspects,
       (SELECT count(*) FROM absent WHERE unexpired) AS missing,
       (SELECT count(*) FROM known WHERE unexpired) AS present,
       coalesce((SELECT b.listing <> p.listing FROM syncer.pull b, syncer.pull p
                 WHERE p.source = %(source)s AND p.pull_id = %(pull)s AND b.source = %(source)s
                   AND b.kind = 'full' AND b.proven AND b.error IS NULL
                 ORDER BY b.pull_id DESC LIMIT 1), false) AS elsewhere
FROM fence
"""

# What is known is hashed part by part, each so small that the processor keeps it at hand: with ten million files that
# takes two thirds of the time of a few large parts.
_IN_SMALL_PARTS = "SET LOCAL work_mem = '4MB'"

_GATHERED = """
UPDATE syncer.pull SET suspects = %(suspects)s WHERE source = %(source)s AND pull_id = %(pull)s
"""

_LET_GO = "DELETE FROM syncer.suspect WHERE source = %(source)s AND pull_id = %(pull)s"

_NEXT = """
SELECT file_id FROM syncer.suspect WHERE source = %(source)s AND pull_id = %(pull)s ORDER BY file_id LIMIT %(limit)s
"""

# A few files from here and there in the listing, so that no single deletion since takes them all. Pages are chosen by
# their numbers alone: only those that were chosen are looked into.
_CANARIES = f"""
SELECT unnest(seen[1:2]) FROM (
  SELECT {SEEN} AS seen, page FROM syncer.page
  WHERE source = %(source)s AND pull_id = %(pull)s AND part = 'listing'
    AND generation = (SELECT max(generation) FROM syncer.page WHERE source = %(source)s AND pull_id = %(pull)s)
    AND page = ANY (ARRAY(
      SELECT min(page) FROM (
        SELECT page, ntile(5) OVER (ORDER BY page) AS tile FROM syncer.page
        WHERE source = %(source)s AND pull_id = %(pull)s AND part = 'listing'
          AND coalesce(cardinality(file_ids), cardinality(file_numbers), cardinality(file_offsets)) > 0
          AND generation = (SELECT max(generation) FROM syncer.page WHERE source = %(source)s AND pull_id = %(pull)s)
      ) AS listed GROUP BY tile
    ))
  ORDER BY page
) AS spread
"""

# Files are looked up by their ids alone (LATERAL with LIMIT, as for a page): asked for what is not gone as well, a plan
# made for an empty table reads every file of the source by another index.
_RESOLVE = f"""
WITH fence AS MATERIALIZED (
  UPDATE syncer.lease SET {RENEWED}
  WHERE source = %(source)s AND epoch = %(epoch)s RETURNING 1
),
was AS MATERIALIZED (
  SELECT f.file_id, f.changed_at, {NEXT_CHANGE.format(last="f.changed_at")} AS changing_at
  FROM fence CROSS JOIN unnest(%(missing)s::text[]) AS m (file_id) CROSS JOIN LATERAL (
    SELECT * FROM syncer.file s WHERE s.source = %(source)s AND s.file_id = m.file_id LIMIT 1 FOR UPDATE
  ) f
  WHERE f.gone_at IS NULL
),
gone AS (
  UPDATE syncer.file f SET gone_at = syncer.instant(), changed_at = was.changing_at
  FROM was WHERE f.source = %(source)s AND f.file_id = was.file_id
  RETURNING f.file_id, was.changed_at AS previous_at, was.changing_at
),
changed AS (
  INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
  SELECT %(source)s, changing_at, file_id, 'gone_at', NULL, syncer.instant()::text, %(run)s, previous_at FROM gone
),
settled AS (
  DELETE FROM syncer.suspect s USING fence
  WHERE s.source = %(source)s AND s.pull_id = %(pull)s
    AND (s.file_id = ANY (%(missing)s::text[]) OR s.file_id = ANY (%(alive)s::text[]))
  RETURNING s.file_id
),
counted AS ({counters.add(counters.FROM_CALLS)})
UPDATE syncer.pull p
SET gone = p.gone + (SELECT count(*) FROM gone),
    drifted = p.drifted + (SELECT count(*) FROM settled s JOIN syncer.file f USING (file_id)
      WHERE f.source = %(source)s AND f.file_id = ANY (%(alive)s::text[])
        AND coalesce(f.expires_at > syncer.instant(), true) AND (p.prefix = '' OR starts_with(f.name, p.prefix))),
    api_calls = p.api_calls + %(calls)s
FROM fence WHERE p.source = %(source)s AND p.pull_id = %(pull)s
"""


def gather(
    connection: sa.Connection, claim: Claim, pull_id: int, *, allowed: Callable[[Suspicion], bool]
) -> tuple[Suspicion, bool]:
    """Find the suspects of a proven pull; keep them to be asked for, unless `allowed` says no.

    Returns what was found and whether the sweep may go on. One transaction: after a crash it is simply done again.
    A refusal leaves no trace here, so that a run which takes the pull up after a crash is refused too. Raises Fenced.
    """
    with bulk_transaction(connection, idle_seconds=claim.lease_seconds):
        rows(connection, _IN_SMALL_PARTS)
        row = rows(connection, _GATHER, source=claim.source, epoch=claim.epoch, pull=pull_id).one_or_none()
        if row is None:
            raise fenced(claim.source)
        found = Suspicion(row.suspects, row.missing, row.present, row.elsewhere)
        sweep = allowed(found)
        if sweep:
            rows(connection, _GATHERED, source=claim.source, pull=pull_id, suspects=found.suspects)
        else:
            rows(connection, _LET_GO, source=claim.source, pull=pull_id)
    return found, sweep


def gathered(connection: sa.Connection, source: str, pull_id: int) -> bool:
    """Return whether the pull's suspects were already found (and the brake let them pass) by an earlier run."""
    found = rows(
        connection,
        "SELECT suspects IS NOT NULL FROM syncer.pull WHERE source = %(source)s AND pull_id = %(pull)s",
        source=source,
        pull=pull_id,
    ).scalar()
    return bool(found)


def next_suspects(connection: sa.Connection, source: str, pull_id: int, limit: int) -> list[str]:
    """Return up to `limit` suspects that have not been asked for."""
    return list(rows(connection, _NEXT, source=source, pull=pull_id, limit=limit).scalars())


def canaries(connection: sa.Connection, source: str, pull_id: int) -> list[str]:
    """Return the ids of a few files that the pull listed, none when it listed nothing."""
    return list(rows(connection, _CANARIES, source=source, pull=pull_id).scalars())


def let_go(connection: sa.Connection, source: str, pull_id: int) -> None:
    """Forget the suspects that are left: their files stay as they are."""
    rows(connection, _LET_GO, source=source, pull=pull_id)


def resolve(
    connection: sa.Connection, claim: Claim, pull_id: int, *, missing: Sequence[str], alive: Sequence[str], calls: Calls
) -> None:
    """Mark `missing` as gone and let go of the suspects `alive`; counts those of them that the listing skipped.

    Raises Fenced when the source was taken over; then nothing was written.
    """
    written = patiently(
        rows, connection, _RESOLVE, source=claim.source, epoch=claim.epoch, seconds=claim.lease_seconds,
        run=claim.run_id, pull=pull_id, missing=list(missing), alive=list(alive), **counters.parameters(calls),
    ).rowcount  # fmt: skip
    if written != 1:
        raise fenced(claim.source)
