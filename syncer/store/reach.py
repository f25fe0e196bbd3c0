"""Whom messages reach: which recipients accept nothing, and what nobody tried to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncer.store.database import rows


@dataclass(frozen=True, slots=True)
class Deaf:
    """A recipient that cannot be reached since `since`: it refuses for good, or has accepted nothing for too long."""

    recipient: str
    name: str
    since: datetime
    error: str
    waiting: int
    refuses: bool = True


@dataclass(frozen=True, slots=True)
class People:
    """The recipients that the settings of a source name, and how long one of them may accept nothing."""

    source: str
    recipients: Sequence[str]
    silent: timedelta


@dataclass(frozen=True, slots=True)
class Reach:
    """Which of a source's people cannot be reached; since when a message may go that nobody tried to send."""

    deaf: tuple[Deaf, ...] = ()
    untried_since: datetime | None = None


# Silent is who accepted nothing since something tried began to wait, however long that is now.
_REACH = """
SELECT r.source, r.recipient, r.name, coalesce(r.parked_at, greatest(w.since, r.accepted_at)) AS since,
       coalesce(r.error, '') AS error, coalesce(w.waiting, 0) AS waiting, r.parked_at IS NOT NULL AS refuses,
       coalesce(r.parked_at IS NOT NULL
         OR w.attempts > 0 AND greatest(w.since, r.accepted_at) <= syncer.instant() - k.silent, false) AS deaf,
       CASE WHEN r.next_try_at IS NULL THEN w.untried_since END AS untried_since
FROM unnest(%(sources)s::text[], %(recipients)s::text[], %(silent)s::interval[]) k (source, recipient, silent)
JOIN syncer.recipient r ON r.source = k.source AND r.recipient = k.recipient
LEFT JOIN LATERAL (
  SELECT count(*) AS waiting, min(o.not_before) AS since, sum(o.attempts) AS attempts,
         min(o.not_before) FILTER (WHERE o.attempts = 0) AS untried_since
  FROM syncer.outbox o
  WHERE o.source = r.source AND o.recipient = r.recipient AND o.sent_at IS NULL AND o.given_up_at IS NULL
    AND o.not_before <= syncer.instant()
) w ON true
ORDER BY 4, r.recipient
"""


def read(connection: sa.Connection, people: Sequence[People]) -> dict[str, Reach]:
    """Return whom messages reach, for each source of `people`, in one statement."""
    each = [(those.source, recipient, those.silent) for those in people for recipient in those.recipients]
    if not each:
        return {those.source: Reach() for those in people}
    sources, recipients, silent = map(list, zip(*each, strict=True))
    deaf: dict[str, list[Deaf]] = {}
    untried: dict[str, list[datetime]] = {}
    for row in rows(connection, _REACH, sources=sources, recipients=recipients, silent=silent):
        if row.deaf:
            those = Deaf(row.recipient, row.name, row.since, row.error, row.waiting, row.refuses)
            deaf.setdefault(row.source, []).append(those)
        if row.untried_since is not None:
            untried.setdefault(row.source, []).append(row.untried_since)
    return {
        those.source: Reach(tuple(deaf.get(those.source, ())), min(untried.get(those.source, ()), default=None))
        for those in people
    }
