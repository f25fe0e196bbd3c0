"""Which files an alert is about, and how many of them are new to it: a handful of index scans, however many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncer.store.alert_marks import Mark, since
from syncer.store.alert_where import (
    EXPIRING,
    OVERDUE,
    VANISHED,
    Watch,
    crossed,
    end_of,
    left_by_the_clock,
    names,
    was_member,
    where,
)
from syncer.store.database import rows

__all__ = ["EXPIRING", "OVERDUE", "VANISHED", "Count", "Crowd", "Departures", "Example", "Share", "Watch"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many files, their bytes, and the earliest instant at which one of them leaves the tier (or expires)."""

    files: int = 0
    bytes: int = 0
    first_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """The members of a watch: those that no message was about, and those that no acknowledgement covers (None: all)."""

    members: Count = Count()
    newcomers: Count = Count()
    rest: Count | None = None

    @property
    def uncovered(self) -> Count:
        """The members that somebody must still take notice of."""
        return self.members if self.rest is None else self.rest


@dataclass(frozen=True, slots=True)
class Example:
    """One file, for people."""

    file_id: str
    name: str | None
    size_bytes: int | None
    expires_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """The members whose names begin alike; an empty prefix: all others."""

    prefix: str
    files: int
    bytes: int


# What a change of a row may have moved into a tier, a group, or back into the listing.
_MOVING = "('expires_at', 'gone_at', 'created_at', 'name')"
_TALLY = "count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes, min({end}) AS first_end"


def count(connection: sa.Connection, watch: Watch) -> Count:
    """Count a watch's members."""
    condition, parameters = where(watch)
    tally = _TALLY.format(end=end_of(watch))
    return Count(*rows(connection, f"SELECT {tally} FROM syncer.file f WHERE {condition}", **parameters).one())


def count_since(connection: sa.Connection, watch: Watch, mark: Mark) -> Count:
    """Count the members that were none at `mark`.

    They crossed the tier's beginning since, were first seen since, or changed since (were extended into the tier,
    renamed into the group, listed again): three small sets, each found by an index.
    """
    condition, parameters = where(watch)
    tally = _TALLY.format(end=end_of(watch))
    old = f"{condition} AND NOT coalesce({crossed(watch)}, false)"
    seen = since("f.first_seen_at", "mark")
    # OFFSET 0: each changed file is looked up by its id, also where no statistics tell the planner how many there are;
    # joined as it likes, it goes through all of them for each file of the tier.
    sql = f"""
    WITH parts AS (
      SELECT {tally} FROM syncer.file f WHERE {condition} AND {crossed(watch)}
      UNION ALL
      SELECT {tally} FROM syncer.file f WHERE {old} AND {seen}
      UNION ALL
      SELECT {tally}
      FROM (SELECT DISTINCT c.source, c.file_id FROM syncer.change c WHERE {_moved("mark")}) changed
      CROSS JOIN LATERAL (
        SELECT g.* FROM syncer.file g WHERE g.source = changed.source AND g.file_id = changed.file_id OFFSET 0
      ) f
      WHERE {old} AND NOT {seen}
    )
    SELECT sum(files)::bigint, sum(bytes)::bigint, min(first_end) FROM parts
    """
    return Count(*rows(connection, sql, **parameters, **mark.parameters("mark")).one())


def examples(connection: sa.Connection, watch: Watch, limit: int, *, mark: Mark | None = None) -> list[Example]:
    """Return the most urgent members; with a `mark`, of those that were none then."""
    condition, parameters = where(watch)
    if mark is not None:
        changed = f"SELECT FROM syncer.change c WHERE {_moved('mark')} AND c.file_id = f.file_id"
        condition += f" AND ({crossed(watch)} OR {since('f.first_seen_at', 'mark')} OR EXISTS ({changed}))"
        parameters |= mark.parameters("mark")
    order = "gone_at DESC" if watch.rule == VANISHED else "expires_at"
    sql = (
        f"SELECT f.file_id, f.name, f.size_bytes, f.expires_at, f.gone_at FROM syncer.file f WHERE {condition} "
        f"ORDER BY f.{order}, f.file_id LIMIT %(limit)s"
    )
    return [Example(**row) for row in rows(connection, sql, **parameters, limit=limit).mappings()]


def _moved(mark: str) -> str:
    """Return the condition that a change may have made a file a member since a mark."""
    return f"c.source = %(source)s AND {since('c.changed_at', mark)} AND c.field IN {_MOVING}"


def written_since(connection: sa.Connection, source: str, mark: Mark) -> bool:
    """Return whether any file was stored since `mark`, or at that instant, or changed in what is counted."""
    counted = f"{_MOVING[:-1]}, 'size_bytes')"
    since_then = "({column} >= %(mark)s::timestamptz OR {column} = ANY (%(mark_open)s::timestamptz[]))"
    sql = f"""
    SELECT EXISTS (SELECT FROM syncer.change c WHERE c.source = %(source)s AND c.field IN {counted}
                   AND {since_then.format(column="c.changed_at")})
        OR EXISTS (SELECT FROM syncer.file f WHERE f.source = %(source)s
                   AND {since_then.format(column="f.first_seen_at")})
    """
    return bool(rows(connection, sql, source=source, **mark.parameters("mark")).scalar_one())


@dataclass(frozen=True, slots=True)
class Departures:
    """How many files stopped being members: by the clock, because they went, were extended, or returned."""

    passed: int = 0
    gone: int = 0
    extended: int = 0
    returned: int = 0


def departures(connection: sa.Connection, watch: Watch, since: datetime) -> Departures:
    """Return what became of the files that were members of a watch at some time since `since`, and are none now."""
    condition, parameters = names(watch)
    was, more = was_member(watch)
    passed, others = left_by_the_clock(watch)
    sql = f"""
    WITH was AS (
      SELECT c.field, c.changed_at, f.file_id, f.name, f.gone_at, f.created_at, f.first_seen_at,
             f.expires_at AS present,
             CASE WHEN c.field = 'expires_at' THEN c.old_value::timestamptz ELSE f.expires_at END AS expires_at
      FROM syncer.change c JOIN syncer.file f ON f.source = c.source AND f.file_id = c.file_id
      WHERE c.source = %(source)s AND c.changed_at > %(since)s AND c.field IN ('expires_at', 'gone_at')
    )
    SELECT (SELECT count(*) FROM syncer.file f WHERE {passed} {condition}) AS passed,
           count(DISTINCT f.file_id) FILTER (WHERE f.field = 'gone_at' AND f.gone_at < f.expires_at) AS gone,
           count(DISTINCT f.file_id) FILTER (WHERE f.field = 'expires_at' AND f.gone_at IS NULL
                                               AND (f.present IS NULL OR f.present > f.expires_at)) AS extended,
           count(DISTINCT f.file_id) FILTER (WHERE f.field = 'gone_at' AND f.gone_at IS NULL) AS returned
    FROM was f WHERE {was} {condition}
    """
    given = {**parameters, **more, **others, "source": watch.source, "since": since}
    return Departures(**rows(connection, sql, **given).mappings().one())
