"""The database's clock, watched: when it was set back, what the later one wrote must hold nothing up.

Due times, the quota's next slot, pauses of recipients and the times of alerts are instants. A clock that was ahead, by
a wrong setting or on the server before a failover, leaves them as far in the future as it was ahead, and until then
nothing would be pulled and nobody be told, without a word.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from syncer.store.database import rows

# A clock is corrected by seconds every now and then: what waits for so long only need not be mended.
TOLERANCE = timedelta(minutes=1)
# How often the present instant is written down.
_EVERY = timedelta(seconds=10)
# Claims that count without their session, and slots, may lie so far ahead; whoever lives renews its own before.
_REACH = "clock_timestamp() + interval '5 minutes'"
_SLOT = "clock_timestamp() + interval '1 minute'"

_ANOTHER_DAY = timedelta(days=1)

_BEHIND = "SELECT seen_at - syncer.instant() FROM syncer.clock"

_NOTE = """
INSERT INTO syncer.clock AS c (seen_at) VALUES (syncer.instant())
ON CONFLICT (one) DO UPDATE SET seen_at = excluded.seen_at WHERE c.seen_at < excluded.seen_at
"""


def _no_later(bound: str, *columns: str) -> str:
    """Return assignments that leave each column as it is, but for what lies beyond `bound`."""
    return ", ".join(f"{column} = CASE WHEN {column} > {bound} THEN {bound} ELSE {column} END" for column in columns)


def _anew(*columns: str) -> str:
    """Return assignments that empty each column which lies beyond the present instant."""
    return ", ".join(f"{column} = CASE WHEN {column} <= at THEN {column} END" for column in columns)


_OF_RECIPIENTS = ("accepted_at", "parked_at", "absent_since")
_OF_ALERTS = ("raised_at", "evaluated_at", "announced_at", "messaged_at", "escalated_at", "acknowledged_at",
              "acknowledged_mark", "renewed_at", "resolved_at")  # fmt: skip

# One process mends: of others that saw the same the first line finds nothing any more. Due times are decided anew;
# messages keep their delay; files that were told under the later clock may be told once more, rather than never.
_MEND = f"""
WITH back AS MATERIALIZED (
  UPDATE syncer.clock SET seen_at = syncer.instant() WHERE seen_at > syncer.instant() + %(tolerance)s::interval
  RETURNING seen_at AS at
), sources AS (
  UPDATE syncer.source
  SET {_anew("next_full_at", "next_recent_at", "evaluate_at")}, {_no_later(_REACH, "claimed_until")}
  FROM back WHERE greatest(next_full_at, next_recent_at, evaluate_at, claimed_until) > at
), leases AS (
  UPDATE syncer.lease SET held_until = {_REACH} FROM back WHERE held_until > {_REACH}
), replicas AS (
  UPDATE syncer.replica SET seen_until = {_REACH} FROM back WHERE seen_until > {_REACH}
), quotas AS (
  UPDATE syncer.quota
  SET next_at = CASE WHEN next_at > {_SLOT} THEN least(next_at - %(behind)s::interval, {_SLOT}) ELSE next_at END,
      {_no_later(_SLOT, "reserved_until")}
  FROM back WHERE greatest(next_at, reserved_until) > {_SLOT}
), recipients AS (
  UPDATE syncer.recipient
  SET {_anew("next_try_at")}, {_no_later(_REACH, "claimed_until")}, {_no_later("at", *_OF_RECIPIENTS)}
  FROM back WHERE greatest(next_try_at, claimed_until, {", ".join(_OF_RECIPIENTS)}) > at
), messages AS (
  UPDATE syncer.outbox SET created_at = at, not_before = at + greatest(not_before - created_at, interval '0')
  FROM back WHERE created_at > at AND sent_at IS NULL AND given_up_at IS NULL
)
UPDATE syncer.alert SET {_no_later("at", *_OF_ALERTS)} FROM back WHERE greatest({", ".join(_OF_ALERTS)}) > at
"""


def watch(connection: sa.Connection) -> timedelta | None:
    """Note the present instant; return by how much the clock was set back since it was last noted, None if it was not.

    What the later clock wrote has then been mended, so that nothing waits for instants that will come again. It says so
    to one process only.
    """
    behind: timedelta | None = rows(connection, _BEHIND).scalar()
    if behind is None or behind < -_EVERY:
        rows(connection, _NOTE)
        return None
    if behind <= TOLERANCE:
        return None
    rows(connection, _MEND, tolerance=TOLERANCE, behind=behind)
    return behind


def far_ahead(connection: sa.Connection, now: datetime) -> timedelta | None:
    """Return by how much the database's clock is ahead of `now`, if it is by a day or more.

    Nothing may be forgotten by such a clock.
    """
    ahead: timedelta = rows(connection, "SELECT syncer.instant() - %(now)s::timestamptz", now=now).scalar_one()
    return ahead if ahead >= _ANOTHER_DAY else None
