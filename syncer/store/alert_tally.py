"""Counts a watch's files, the cheap way where that is exact: what was counted before, moved on by the clock.

Files of a tier come and go by the clock: at a million of them somebody crosses its beginning every few seconds. Nothing
else changes a count while no file is written, and that is told by two indexes. So a count is kept with its mark, and
moved on by the files that expire within the two short stretches that the tier's ends have passed over. Whenever a file
was written, the settings or the alert's marks changed, or an hour has passed, all is counted anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from syncer.store.alert_files import Count, Crowd, count, count_since, written_since
from syncer.store.alert_marks import Mark
from syncer.store.alert_where import OVERDUE, VANISHED, Watch, names
from syncer.store.database import rows

Key = tuple[str, str, str]

# What was counted is believed for so long at most, whatever is seen to have happened since.
LONGEST = timedelta(hours=1)
# Shares of the lifetime have no index: what takes so long to count is counted only so often while nothing is written.
_SLOW_SECONDS, _SHARES_EVERY = 0.2, timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Kept:
    fingerprint: str
    mark: Mark
    crowd: Crowd
    seconds: float


class Tallies:
    """The counts of one source's watches within one evaluation, whose mark is `now`."""

    def __init__(self, connection: sa.Connection, source: str, now: Mark) -> None:
        self._connection, self._source, self._now = connection, source, now
        self._kept = _read(connection, source)
        self._written: dict[Mark, bool] = {}
        self._oldest = min((kept.mark for kept in self._kept.values()), key=lambda mark: mark.at, default=None)

    def crowd(self, watch: Watch, announced: Mark | None, acknowledged: Mark | None) -> Crowd:
        """Count a watch's members, those that were none when it was announced, and those that are not acknowledged.

        Without a mark all are new, or nobody acknowledged.
        """
        fingerprint = sha256(repr((watch, announced, acknowledged)).encode()).hexdigest()[:32]
        kept = self._kept.get(watch.key)
        moved = None
        if kept is not None and kept.fingerprint == fingerprint and self._believed(kept):
            moved = self._moved_on(watch, kept)
        if moved is not None and kept is not None:
            if moved != kept.crowd:
                self._keep(watch, _Kept(fingerprint, self._now, moved, kept.seconds))
            return moved
        began = time.monotonic()
        crowd = self._counted(watch, announced, acknowledged)
        self._keep(watch, _Kept(fingerprint, self._now, crowd, time.monotonic() - began))
        return crowd

    def forget(self, keys: set[Key]) -> None:
        """Forget the counts of all watches but these."""
        for rule, tier, group in set(self._kept) - keys:
            rows(self._connection, _FORGET, source=self._source, rule=rule, tier=tier, group=group)

    def _counted(self, watch: Watch, announced: Mark | None, acknowledged: Mark | None) -> Crowd:
        members = count(self._connection, watch)
        if not members.files:
            return Crowd(rest=None if acknowledged is None else Count())
        newcomers = members if announced is None else count_since(self._connection, watch, announced)
        rest = None if acknowledged is None else count_since(self._connection, watch, acknowledged)
        return Crowd(members, newcomers, rest)

    def _believed(self, kept: _Kept) -> bool:
        """Return whether nothing but time has changed a count."""
        if not timedelta() <= self._now.at - kept.mark.at <= LONGEST:
            return False
        # Mostly nothing was written since the oldest count: then one question is enough.
        return not self._asked(self._oldest or kept.mark) or not self._asked(kept.mark)

    def _asked(self, mark: Mark) -> bool:
        if mark not in self._written:
            self._written[mark] = written_since(self._connection, self._source, mark)
        return self._written[mark]

    def _moved_on(self, watch: Watch, kept: _Kept) -> Crowd | None:
        """Return a count as it is now; None when it must be counted anew."""
        crowd, age = kept.crowd, self._now.at - kept.mark.at
        if watch.rule == OVERDUE:
            return crowd
        if watch.rule == VANISHED:
            return crowd if not self._left(crowd.members) else None
        if watch.span is None or watch.other_shares:
            return crowd if kept.seconds > _SLOW_SECONDS and age < _SHARES_EVERY else None
        if watch.span - (watch.inner_span or timedelta()) <= LONGEST:
            return None
        if self._left(crowd.newcomers) or (crowd.rest is not None and self._left(crowd.rest)):
            # Whoever left was new: rare, for what is new stays for the length of the tier.
            return None if crowd.members != crowd.newcomers or crowd.rest is not None else self._passed(watch, kept)
        return self._passed(watch, kept)

    def _left(self, counted: Count) -> bool:
        return counted.first_end is not None and counted.first_end <= self._now.at

    def _passed(self, watch: Watch, kept: _Kept) -> Crowd:
        """Return a count with those who came into the tier since, and without those who left it."""
        condition, parameters = names(watch)
        inner = watch.inner_span or timedelta()
        sql = _PASSED.format(names=condition)
        row = rows(
            self._connection, sql, **parameters, source=watch.source, since=kept.mark.at, span=watch.span, inner=inner
        ).one()
        came = Count(row.came_files, row.came_bytes, row.came_first)
        crowd = kept.crowd
        members = Count(
            crowd.members.files + came.files - row.left_files,
            crowd.members.bytes + came.bytes - row.left_bytes,
            row.first_end,
        )
        if crowd.newcomers == crowd.members and crowd.rest is None:
            return Crowd(members, members)
        rest = None if crowd.rest is None else _more(crowd.rest, came)
        return replace(crowd, members=members, newcomers=_more(crowd.newcomers, came), rest=rest)

    def _keep(self, watch: Watch, kept: _Kept) -> None:
        rule, tier, group = watch.key
        rows(
            self._connection,
            _KEEP,
            source=self._source,
            rule=rule,
            tier=tier,
            group=group,
            fingerprint=kept.fingerprint,
            at=kept.mark.at,
            open=list(kept.mark.open),
            counts=json.dumps(_as_json(kept)),
        )


def _more(counted: Count, came: Count) -> Count:
    ends = [each for each in (counted.first_end, came.first_end) if each is not None]
    return Count(counted.files + came.files, counted.bytes + came.bytes, min(ends, default=None))


# The tier's beginning and its end have moved over what expires between their places then and now.
_PASSED = """
WITH came AS (
  SELECT count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
         min(f.expires_at) - %(inner)s::interval AS first
  FROM syncer.file f
  WHERE f.source = %(source)s AND f.gone_at IS NULL AND f.expires_at > %(since)s::timestamptz + %(span)s::interval
    AND f.expires_at <= syncer.instant() + %(span)s::interval {names}
), gone AS (
  SELECT count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes
  FROM syncer.file f
  WHERE f.source = %(source)s AND f.gone_at IS NULL AND f.expires_at > %(since)s::timestamptz + %(inner)s::interval
    AND f.expires_at <= syncer.instant() + %(inner)s::interval {names}
), next AS (
  SELECT f.expires_at - %(inner)s::interval AS first_end
  FROM syncer.file f
  WHERE f.source = %(source)s AND f.gone_at IS NULL AND f.expires_at > syncer.instant() + %(inner)s::interval
    AND f.expires_at <= syncer.instant() + %(span)s::interval {names}
  ORDER BY f.expires_at LIMIT 1
)
SELECT came.files AS came_files, came.bytes AS came_bytes, came.first AS came_first, gone.files AS left_files,
       gone.bytes AS left_bytes, (SELECT first_end FROM next) AS first_end
FROM came, gone
"""

_KEEP = """
INSERT INTO syncer.tally (source, rule, tier, grp, fingerprint, counted_at, open, counts)
VALUES (%(source)s, %(rule)s, %(tier)s, %(group)s, %(fingerprint)s, %(at)s, %(open)s::timestamptz[], %(counts)s::jsonb)
ON CONFLICT (source, rule, tier, grp) DO UPDATE
SET fingerprint = excluded.fingerprint, counted_at = excluded.counted_at, open = excluded.open, counts = excluded.counts
"""

_FORGET = """
DELETE FROM syncer.tally WHERE source = %(source)s AND rule = %(rule)s AND tier = %(tier)s AND grp = %(group)s
"""

_READ = "SELECT rule, tier, grp, fingerprint, counted_at, open, counts FROM syncer.tally WHERE source = %(source)s"


def _read(connection: sa.Connection, source: str) -> dict[Key, _Kept]:
    found = {}
    for row in rows(connection, _READ, source=source):
        counts = row.counts
        rest = None if counts["rest"] is None else _count(counts["rest"])
        crowd = Crowd(_count(counts["members"]), _count(counts["newcomers"]), rest)
        mark = Mark(row.counted_at, tuple(row.open))
        found[row.rule, row.tier, row.grp] = _Kept(row.fingerprint, mark, crowd, counts["seconds"])
    return found


def _as_json(kept: _Kept) -> dict[str, Any]:
    crowd = kept.crowd
    parts = {"members": crowd.members, "newcomers": crowd.newcomers, "rest": crowd.rest}
    return {**{name: _plain(part) for name, part in parts.items()}, "seconds": kept.seconds}


def _plain(counted: Count | None) -> dict[str, Any] | None:
    if counted is None:
        return None
    end = None if counted.first_end is None else counted.first_end.isoformat()
    return {"files": counted.files, "bytes": counted.bytes, "first_end": end}


def _count(plain: Mapping[str, Any]) -> Count:
    end = None if plain["first_end"] is None else datetime.fromisoformat(plain["first_end"])
    return Count(plain["files"], plain["bytes"], end)
