"""When the daemon's next pulls are due: what decides it, read in one statement, and the claim on a due pull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from syncer.model import PullKind
from syncer.store.database import rows
from syncer.store.leases import ABANDONED


class Hold(StrEnum):
    """Who has a source: nobody, a living process, or one that was killed (or stalled beyond its lease)."""

    FREE = "free"
    HELD = "held"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides whether a source's pull of one kind is due, all at the database's instant `now`.

    `next_at` is the due time as last written (None: none yet). `ended_well_at` is when a run of this kind last came
    to its end, by whomever it was started; `last_outcome` (None: killed, or running) and `last_at` are those of the
    last run, `failures` counts the failed runs since one that did not fail, five at most. `unfinished` tells that a
    full pull can be taken up again; of a recent one it is never said.
    """

    source: str
    kind: PullKind
    now: datetime
    next_at: datetime | None
    hold: Hold
    unfinished: bool
    ended_well_at: datetime | None
    last_outcome: str | None
    last_at: datetime | None
    failures: int


_COLUMNS = {PullKind.FULL: "next_full_at", PullKind.RECENT: "next_recent_at"}

_FACTS = f"""
SELECT s.source, k.kind, clock_timestamp() AS now,
       CASE k.kind WHEN 'full' THEN s.next_full_at ELSE s.next_recent_at END AS next_at,
       CASE WHEN l.held_until IS NULL THEN 'free' WHEN {ABANDONED} THEN 'abandoned' ELSE 'held' END AS hold,
       k.kind = 'full' AND EXISTS (
         SELECT FROM syncer.pull p WHERE p.source = s.source AND p.kind = 'full' AND p.finished_at IS NULL
       ) AS unfinished,
       (SELECT r.finished_at FROM syncer.run r
        WHERE r.source = s.source AND r.kind = k.kind AND r.outcome IN ('complete', 'unproven')
        ORDER BY r.run_id DESC LIMIT 1) AS ended_well_at,
       last.*
FROM syncer.source s
JOIN syncer.lease l USING (source)
CROSS JOIN (VALUES ('full'), ('recent')) k(kind)
CROSS JOIN LATERAL (
  SELECT max(n.outcome) FILTER (WHERE n.place = 1) AS last_outcome, max(n.at) FILTER (WHERE n.place = 1) AS last_at,
         count(*) FILTER (WHERE n.still_failing) AS failures
  FROM (SELECT r.outcome, coalesce(r.finished_at, r.started_at) AS at,
               row_number() OVER (ORDER BY r.run_id DESC) AS place,
               bool_and(r.outcome IS NOT DISTINCT FROM 'failed') OVER (ORDER BY r.run_id DESC) AS still_failing
        FROM (SELECT * FROM syncer.run WHERE source = s.source AND kind = k.kind ORDER BY run_id DESC LIMIT 5) r) n
) last
WHERE s.source = ANY(%(sources)s)
ORDER BY s.source, k.kind
"""

# Compare and set: of several daemons that saw the same facts one alone gets the pull. What a killed holder left of
# its lease goes in the same statement, or the next daemon would take it for a kill that nobody has seen yet.
_ADVANCE = f"""
WITH advanced AS (
  UPDATE syncer.source SET {{column}} = %(next_at)s::timestamptz
  WHERE source = %(source)s AND {{column}} IS NOT DISTINCT FROM %(seen)s::timestamptz
  RETURNING source
), cleared AS (
  UPDATE syncer.lease l SET held_until = NULL, holder = NULL, backend_pid = NULL, backend_start = NULL
  FROM advanced WHERE %(claim)s AND l.source = advanced.source AND l.held_until IS NOT NULL AND {ABANDONED}
)
SELECT count(*) FROM advanced
"""


def facts(connection: sa.Connection, sources: Sequence[str]) -> list[Facts]:
    """Return the facts of each of `sources`, its full pull's before its recent one's."""
    return [_facts(dict(row)) for row in rows(connection, _FACTS, sources=list(sources)).mappings()]


def _facts(row: dict[str, Any]) -> Facts:
    return Facts(**(row | {"kind": PullKind(row["kind"]), "hold": Hold(row["hold"])}))


def claim(connection: sa.Connection, seen: Facts, *, hold_until: datetime) -> bool:
    """Claim the pull that `seen` shows as due, by moving its due time to `hold_until`.

    Returns False when another daemon was quicker. Should nothing be heard of the pull, it is due again then.
    """
    return _advance(connection, seen, hold_until, claiming=True)


def move(connection: sa.Connection, seen: Facts, next_at: datetime) -> bool:
    """Write another due time for a pull that does not begin now; False if somebody else wrote one since `seen`."""
    return _advance(connection, seen, next_at, claiming=False)


def give_up_claim(connection: sa.Connection, source: str, kind: PullKind, *, hold_until: datetime) -> None:
    """Forget the claim of a pull that has ended, so that what became of it decides when the next is due."""
    column = _COLUMNS[kind]
    rows(
        connection,
        f"UPDATE syncer.source SET {column} = NULL WHERE source = %(source)s AND {column} = %(seen)s",
        source=source,
        seen=hold_until,
    )


def _advance(connection: sa.Connection, seen: Facts, next_at: datetime, *, claiming: bool) -> bool:
    sql = _ADVANCE.format(column=_COLUMNS[seen.kind])
    found = rows(connection, sql, source=seen.source, next_at=next_at, seen=seen.next_at, claim=claiming)
    return bool(found.scalar_one())
