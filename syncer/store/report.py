"""The figures of `syncer report`: each question asked of the views once, all as of one instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows, snapshot
from syncer.store.status import Reading, read_within

# Rows that a section shows; the view, or `--format csv`, has the others.
SHOWN_FILES = 25
SHOWN_PULLS = 15
SHOWN_GROUPS = 15
# Days that the calendar draws, that the volume's curve reaches back, and that count as lately.
CALENDAR_DAYS = 180
CURVE_DAYS = 180
LATELY_DAYS = 30


@dataclass(frozen=True, slots=True)
class TierFigures:
    """The live files whose nearest expiry tier is this one."""

    tier: str
    files: int
    bytes: int
    next_at: datetime


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A backup in a list. `gone_at` is None for one that is listed."""

    source: str
    file_id: str
    name: str | None
    size_bytes: int | None
    expires_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExpiryDay:
    """What expires on a day by Beijing time. `day` is None for all days after the ones that are drawn."""

    day: date | None
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class InventoryDay:
    """A source's stock and its movements on a day by Beijing time; the stock is None on a day without a pull."""

    source: str
    day: date
    live_files: int | None
    live_bytes: int | None
    added: int
    changed: int
    expired: int
    vanished: int
    returned: int
    pulled: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """How often a field changed lately, and of how many files; `gone_at` changes when a file goes or returns."""

    field: str
    changes: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """One change of one field."""

    source: str
    changed_at: datetime
    file_id: str
    field: str
    old_value: str | None
    new_value: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """What is listed of one type or under one prefix; `label` is empty for files that have none."""

    label: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups, how many there are in all, and what all of them hold."""

    largest: tuple[Group, ...]
    number: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PullRow:
    """A pull as report.pulls tells it."""

    source: str
    pull_id: int
    kind: str
    outcome: str
    verdict: str
    reason: str | None
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    pages: int
    files: int
    inserted: int
    updated: int
    gone: int
    rejected: int
    restarts: int


@dataclass(frozen=True, slots=True)
class RejectedFigures:
    """Entries that could not be understood: all that are kept, those of the last days, the newest."""

    number: int
    lately: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that a report shows, as of `reading.instant`; `today` is that instant's day by Beijing time."""

    reading: Reading
    today: date
    tiers: tuple[TierFigures, ...]
    expiring: tuple[FileFacts, ...]
    calendar: tuple[ExpiryDay, ...]
    daily: tuple[InventoryDay, ...]
    vanished: tuple[FileFacts, ...]
    vanished_total: Group
    changes: tuple[FieldChanges, ...]
    latest_changes: tuple[ChangeFacts, ...]
    types: Groups
    prefixes: Groups
    pulls: tuple[PullRow, ...]
    rejected: RejectedFigures


_OF_SOURCE = "(%(source)s::text IS NULL OR source = %(source)s)"

_TODAY = "SELECT (syncer.instant() AT TIME ZONE INTERVAL '08:00')::date"

_TIERS = f"""
SELECT tier, count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes, min(expires_at) AS next_at
FROM report.expiring WHERE expires_at <= %(farthest)s::timestamptz AND tier IS NOT NULL AND {_OF_SOURCE}
GROUP BY tier ORDER BY next_at, tier
"""

# No file beyond this can be in a tier: sparing the rest halves the work. A share of a lifetime has no such bound; as
# text, for Python has no infinite instant.
_FARTHEST = """
SELECT CASE WHEN bool_or(share IS NOT NULL) THEN 'infinity'
            ELSE syncer.instant() + greatest(max(span), interval '30 days') END::timestamptz::text AS farthest
FROM syncer.tier
"""

# Each source's first files by the index, then the first of these.
_EXPIRING = f"""
SELECT e.* FROM (SELECT source FROM syncer.source WHERE {_OF_SOURCE}) AS s
CROSS JOIN LATERAL (
  SELECT source, file_id, name, size_bytes, expires_at, NULL::timestamptz AS gone_at
  FROM report.expiring WHERE source = s.source ORDER BY expires_at LIMIT {SHOWN_FILES}
) AS e
ORDER BY e.expires_at, e.source, e.file_id LIMIT {SHOWN_FILES}
"""

_CALENDAR = f"""
SELECT CASE WHEN days_ahead < {CALENDAR_DAYS} THEN day END AS day, sum(files)::bigint AS files,
       sum(bytes)::bigint AS bytes
FROM report.expiry_calendar WHERE {_OF_SOURCE} GROUP BY 1 ORDER BY 1 NULLS LAST
"""

_DAILY = f"""
SELECT source, day, live_files, live_bytes, added, changed, expired, vanished, returned, pulled, proven
FROM report.inventory_daily WHERE {_OF_SOURCE} AND day > %(today)s::date - {CURVE_DAYS} ORDER BY source, day
"""

# The view's definition of a state, said so that the planner can estimate it.
_VANISHED = f"""
SELECT source, file_id, name, size_bytes, expires_at, gone_at, count(*) OVER () AS number,
       (sum(size_bytes) OVER ())::bigint AS all_bytes
FROM report.backups
WHERE gone_at > syncer.instant() - interval '{LATELY_DAYS} days' AND (expires_at > gone_at OR expires_at IS NULL)
  AND {_OF_SOURCE}
ORDER BY gone_at DESC, source, file_id LIMIT {SHOWN_FILES}
"""

_CHANGES = f"""
SELECT field, count(*) AS changes, max(changed_at) AS last_at FROM report.changes
WHERE changed_at > syncer.instant() - interval '{LATELY_DAYS} days' AND {_OF_SOURCE}
GROUP BY field ORDER BY changes DESC, field
"""

# That a file went is told elsewhere; here is what is known differently of those that stay.
_LATEST_CHANGES = f"""
SELECT c.* FROM (SELECT source FROM syncer.source WHERE {_OF_SOURCE}) AS s
CROSS JOIN LATERAL (
  SELECT source, changed_at, file_id, field, old_value, new_value FROM report.changes
  WHERE source = s.source AND changed_at > syncer.instant() - interval '{LATELY_DAYS} days'
    AND (field <> 'gone_at' OR new_value IS NULL)
  ORDER BY changed_at DESC LIMIT {SHOWN_FILES}
) AS c
ORDER BY c.changed_at DESC, c.source, c.file_id, c.field LIMIT {SHOWN_FILES}
"""

_GROUPS = f"""
SELECT label, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes, count(*) OVER () AS number,
       (sum(sum(files)) OVER ())::bigint AS all_files, (sum(sum(bytes)) OVER ())::bigint AS all_bytes
FROM (SELECT source, {{column}} AS label, files, bytes FROM report.{{view}}) AS g WHERE {_OF_SOURCE}
GROUP BY label ORDER BY bytes DESC, files DESC, label LIMIT {SHOWN_GROUPS}
"""

_PULLS = f"""
SELECT source, pull_id, kind, outcome, verdict, reason, error, started_at, finished_at, pages, files, inserted, updated,
       gone, rejected, restarts
FROM report.pulls WHERE {_OF_SOURCE} ORDER BY pull_id DESC LIMIT {SHOWN_PULLS}
"""

_REJECTED = f"""
SELECT count(*) AS number, max(rejected_at) AS last_at,
       count(*) FILTER (WHERE rejected_at > syncer.instant() - interval '{LATELY_DAYS} days') AS lately
FROM report.rejected WHERE {_OF_SOURCE}
"""


def read(connection: sa.Connection, source: str | None) -> Figures:
    """Read all figures of one source, or of all together when it is None; they agree with each other."""
    with snapshot(connection):
        reading = read_within(connection)
        known = {
            "source": source,
            "today": rows(connection, _TODAY).scalar_one(),
            "farthest": rows(connection, _FARTHEST).scalar_one(),
        }

        def ask(sql: str) -> Sequence[sa.RowMapping]:
            return rows(connection, sql, **known).mappings().all()

        vanished, total = _vanished(ask(_VANISHED))
        return Figures(
            reading=reading,
            today=known["today"],
            tiers=tuple(TierFigures(**row) for row in ask(_TIERS)),
            expiring=tuple(FileFacts(**row) for row in ask(_EXPIRING)),
            calendar=tuple(ExpiryDay(**row) for row in ask(_CALENDAR)),
            daily=tuple(InventoryDay(**row) for row in ask(_DAILY)),
            vanished=vanished,
            vanished_total=total,
            changes=tuple(FieldChanges(**row) for row in ask(_CHANGES)),
            latest_changes=tuple(ChangeFacts(**row) for row in ask(_LATEST_CHANGES)),
            types=_groups(ask(_GROUPS.format(column="file_type", view="storage_by_type"))),
            prefixes=_groups(ask(_GROUPS.format(column="prefix", view="storage_by_prefix"))),
            pulls=tuple(PullRow(**row) for row in ask(_PULLS)),
            rejected=RejectedFigures(**ask(_REJECTED)[0]),
        )


def _vanished(found: Sequence[sa.RowMapping]) -> tuple[tuple[FileFacts, ...], Group]:
    if not found:
        return (), Group("", 0, 0)
    files = [FileFacts(**_without(row, "number", "all_bytes")) for row in found]
    return tuple(files), Group("", found[0]["number"], found[0]["all_bytes"] or 0)


def _groups(found: Sequence[sa.RowMapping]) -> Groups:
    if not found:
        return Groups((), 0, 0, 0)
    largest = tuple(Group(row["label"], row["files"], row["bytes"]) for row in found)
    return Groups(largest, found[0]["number"], found[0]["all_files"], found[0]["all_bytes"])


def _without(row: sa.RowMapping, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
