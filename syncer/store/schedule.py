"""When the daemon's next pulls are due: found by an index, decided from facts read in one statement, claimed by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncer.model import PullKind
from syncer.store.database import rows
from syncer.store.leases import ABANDONED


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides whether a source's pull of one kind is due, all at the database's instant `now`.

    Nobody holds the source. `epoch` is its lease's, and changes with every pull. `next_at` is the due time as last
    written (None: to be decided). `ended_well_at` is when a run of this kind last came to its end, by whomever it was
    started, or a pull did whose run was killed before it could say so; `last_at` is when the last run ended or, if it
    was killed, began; `failures` counts the failed runs since one that did not fail, five at most, or the killed ones
    in a row beyond two. `unfinished` tells that a full pull can be taken up again; of a recent one it is never said.
    `pulled` tells that any pull of the source has come to an end.
    """

    source: str
    kind: PullKind
    now: datetime
    epoch: int
    next_at: datetime | None
    unfinished: bool
    pulled: bool
    ended_well_at: datetime | None
    last_at: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class DueTimes:
    """A source's due times as they stand, and the schedules that they go by; None: to be decided, or none yet."""

    source: str
    next_full_at: datetime | None
    next_recent_at: datetime | None
    full_schedule: str | None
    recent_schedule: str | None


_COLUMNS = {PullKind.FULL: "next_full_at", PullKind.RECENT: "next_recent_at"}

# Whether a source is one of thousands of names, found by a hash: IS TRUE keeps the planner from making it a join, which
# it would do in a loop over both where it expects few to be due.
_MINE = "(s.source IN (SELECT unnest(%(sources)s::text[]))) IS TRUE"

# OFFSET 0: the time comes first, by its index, or all names would be looked up to find that none is due.
_DUE = f"""
WITH candidate AS MATERIALIZED (
  SELECT s.source, s.next_at, l.epoch
  FROM (SELECT source, {{column}} AS next_at FROM syncer.source
        WHERE coalesce({{column}}, '-infinity'::timestamptz) <= syncer.instant()
          AND coalesce(claimed_until, '-infinity') <= clock_timestamp() OFFSET 0) s
  JOIN syncer.lease l USING (source)
  WHERE {_MINE} AND coalesce(l.held_until, '-infinity') <= clock_timestamp()
  ORDER BY coalesce(s.next_at, '-infinity'), s.source LIMIT %(most)s
)
SELECT s.source, syncer.instant() AS now, s.epoch, s.next_at,
       %(kind)s = 'full' AND EXISTS (
         SELECT FROM syncer.pull p WHERE p.source = s.source AND p.kind = 'full' AND p.finished_at IS NULL
       ) AS unfinished,
       EXISTS (SELECT FROM syncer.run r WHERE r.source = s.source AND r.kind <> 'lookup'
                 AND r.outcome IN ('complete', 'unproven'))
         OR EXISTS (SELECT FROM syncer.pull p WHERE p.source = s.source AND p.outcome IN ('complete', 'unproven'))
         AS pulled,
       greatest(
         (SELECT r.finished_at FROM syncer.run r
          WHERE r.source = s.source AND r.kind = %(kind)s AND r.outcome IN ('complete', 'unproven')
          ORDER BY r.run_id DESC LIMIT 1),
         (SELECT p.finished_at FROM syncer.pull p
          WHERE p.source = s.source AND p.kind = %(kind)s AND p.outcome IN ('complete', 'unproven')
          ORDER BY p.pull_id DESC LIMIT 1)) AS ended_well_at,
       last.*
FROM candidate s
CROSS JOIN LATERAL (
  SELECT max(n.at) FILTER (WHERE n.place = 1) AS last_at,
         count(*) FILTER (WHERE n.alike)
           - count(*) FILTER (WHERE n.alike AND n.ending = 'killed' AND n.place <= 2) AS failures
  FROM (SELECT m.*, bool_and(m.ending <> '' AND m.ending = m.newest) OVER (ORDER BY m.place) AS alike
        FROM (SELECT r.*, row_number() OVER newest_first AS place, first_value(r.ending) OVER newest_first AS newest
              FROM (SELECT run_id, coalesce(finished_at, started_at) AS at,
                           CASE WHEN outcome = 'failed' THEN 'failed' WHEN finished_at IS NULL THEN 'killed' ELSE '' END
                             AS ending
                    FROM syncer.run WHERE source = s.source AND kind = %(kind)s
                    ORDER BY run_id DESC LIMIT 5) r
              WINDOW newest_first AS (ORDER BY r.run_id DESC)) m) n
) last
ORDER BY coalesce(s.next_at, '-infinity'), s.source
"""

# Whoever saw the same facts fails: the claim shows, or the epoch of the lease has changed since.
_CLAIM = """
UPDATE syncer.source s SET claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE s.source = %(source)s AND coalesce(s.claimed_until, '-infinity') <= clock_timestamp()
  AND EXISTS (SELECT FROM syncer.lease l WHERE l.source = s.source AND l.epoch = %(epoch)s
                AND coalesce(l.held_until, '-infinity') <= clock_timestamp())
RETURNING s.claimed_until
"""

# The epoch rises, so that a holder which only stalled does not go on; its own replica, if it is one, counts as dead
# until it is heard of again. What was due is decided anew.
_TAKE_FROM_THE_DEAD = f"""
WITH dead AS MATERIALIZED (
  SELECT l.source, l.holder FROM syncer.lease l WHERE l.holder IS NOT NULL AND {ABANDONED}
  FOR UPDATE SKIP LOCKED
), freed AS (
  UPDATE syncer.lease l SET epoch = l.epoch + 1, held_until = NULL, holder = NULL, backend_pid = NULL,
                            backend_start = NULL
  FROM dead WHERE l.source = dead.source
), gone AS (
  DELETE FROM syncer.replica r USING dead WHERE r.name = dead.holder
)
UPDATE syncer.source s SET next_full_at = NULL, next_recent_at = NULL, claimed_until = NULL
FROM dead WHERE s.source = dead.source
RETURNING s.source
"""

_TIMES = """
SELECT source, next_full_at, next_recent_at, full_schedule, recent_schedule
FROM syncer.source WHERE source = ANY(%(sources)s) ORDER BY source
"""

_RESCHEDULE = """
UPDATE syncer.source s
SET next_full_at = n.next_full_at, next_recent_at = n.next_recent_at, full_schedule = n.full_schedule,
    recent_schedule = n.recent_schedule
FROM unnest(%(source)s::text[], %(next_full_at)s::timestamptz[], %(next_recent_at)s::timestamptz[],
            %(full_schedule)s::text[], %(recent_schedule)s::text[])
  n (source, next_full_at, next_recent_at, full_schedule, recent_schedule)
WHERE s.source = n.source
"""

_CLAIM_EVALUATIONS = f"""
WITH due AS (
  SELECT s.source FROM syncer.source s
  WHERE coalesce(s.evaluate_at, '-infinity'::timestamptz) <= clock_timestamp() AND {_MINE}
  ORDER BY coalesce(s.evaluate_at, '-infinity'::timestamptz) LIMIT %(most)s
  FOR UPDATE SKIP LOCKED
)
UPDATE syncer.source s SET evaluate_at = clock_timestamp() + make_interval(secs => %(every)s)
FROM due WHERE s.source = due.source
RETURNING s.source
"""


def due(connection: sa.Connection, sources: Sequence[str], kind: PullKind, *, most: int) -> list[Facts]:
    """Return the facts of those of `sources` whose pull of one kind is due or to be decided, and that nobody holds.

    What has been due for longest comes first, `most` of them.
    """
    sql = _DUE.format(column=_COLUMNS[kind])
    found = rows(connection, sql, sources=list(sources), kind=kind.value, most=most)
    return [Facts(kind=kind, **row) for row in found.mappings()]


def claim(connection: sa.Connection, seen: Facts, *, seconds: float) -> datetime | None:
    """Claim the source for the pull that `seen` shows as due; return until when, None if another daemon was quicker.

    Should nothing be heard of the pull, it is due again then.
    """
    found: datetime | None = rows(
        connection, _CLAIM, source=seen.source, epoch=seen.epoch, seconds=seconds
    ).scalar_one_or_none()
    return found


def give_up_claim(connection: sa.Connection, source: str, *, claimed_until: datetime) -> None:
    """Forget a claim whose pull has ended, or did not begin; another's stands."""
    rows(
        connection,
        "UPDATE syncer.source SET claimed_until = NULL WHERE source = %(source)s AND claimed_until = %(until)s",
        source=source,
        until=claimed_until,
    )


def move(connection: sa.Connection, seen: Facts, next_at: datetime) -> None:
    """Write when a pull that does not begin now is due, unless somebody else wrote that since `seen`."""
    column = _COLUMNS[seen.kind]
    rows(
        connection,
        f"UPDATE syncer.source SET {column} = %(next_at)s "
        f"WHERE source = %(source)s AND {column} IS NOT DISTINCT FROM %(seen)s::timestamptz",
        source=seen.source,
        next_at=next_at,
        seen=seen.next_at,
    )


def take_from_the_dead(connection: sa.Connection) -> list[str]:
    """Free the sources whose holders were killed or stalled beyond their leases; return them."""
    return list(rows(connection, _TAKE_FROM_THE_DEAD).scalars())


def instant(connection: sa.Connection) -> datetime:
    """Return the instant that due times are compared with."""
    found: datetime = rows(connection, "SELECT syncer.instant()").scalar_one()
    return found


def due_times(connection: sa.Connection, sources: Sequence[str]) -> list[DueTimes]:
    """Return when the pulls of `sources` are due, as last written."""
    return [DueTimes(**row) for row in rows(connection, _TIMES, sources=list(sources)).mappings()]


def reschedule(connection: sa.Connection, changed: Iterable[DueTimes]) -> None:
    """Write due times and the schedules that they go by."""
    each = list(changed)
    columns = {name: [getattr(one, name) for one in each] for name in DueTimes.__slots__}
    if each:
        rows(connection, _RESCHEDULE, **columns)


def claim_evaluations(
    connection: sa.Connection, sources: Sequence[str], *, every_seconds: float, most: int
) -> list[str]:
    """Claim the evaluation of the alerts of some of `sources`: of those that no daemon evaluated within that time."""
    found = rows(connection, _CLAIM_EVALUATIONS, sources=list(sources), every=every_seconds, most=most)
    return list(found.scalars())
