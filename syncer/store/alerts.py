"""Alerts as rows: the last one of each key, and the writes that move it from raised to resolved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncer.store.alert_marks import Mark
from syncer.store.alert_where import Watch
from syncer.store.database import rows

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands.

    `announced` is up to when its files were told; `acknowledged` up to which of them somebody took notice. Since
    `renewed_at` there is something that the acknowledgement does not cover: `unacknowledged` files, where it has files.
    """

    source: str
    alert_id: int
    rule: str
    tier: str
    group: str
    severity: str
    files: int
    bytes: int
    detail: Mapping[str, Any]
    raised_at: datetime
    evaluated_at: datetime
    messaged_at: datetime | None
    messages: int
    sent_at: datetime | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    snoozed_until: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    resolved_by: str | None
    reopened: int
    before: datetime | None
    renewed_at: datetime | None
    unacknowledged: int | None
    announced: Mark | None
    acknowledged: Mark | None
    scope: tuple[Any, ...]

    @property
    def quiet(self) -> bool:
        """Return whether somebody took notice of all of it."""
        return self.acknowledged_at is not None and self.renewed_at is None

    @property
    def key(self) -> Key:
        """What tells alerts of one source apart."""
        return self.rule, self.tier, self.group

    @property
    def open(self) -> bool:
        """Return whether its cause still stands."""
        return self.resolved_at is None

    def snoozed(self, now: datetime) -> bool:
        """Return whether nobody is to be reminded now."""
        return self.snoozed_until is not None and now < self.snoozed_until


# What a watch is made of; when the settings change it, the alert's files are not those that were announced.
_SCOPE = ("prefix", "not_prefixes", "span", "share", "inner_span", "other_spans", "other_shares")

_COLUMNS = f"""
  a.source, a.alert_id, a.rule, a.tier, a.grp AS "group", a.severity, a.files, a.bytes, a.detail, a.raised_at,
  a.evaluated_at, a.announced_at, a.announced_open, a.acknowledged_mark, a.acknowledged_open, a.messaged_at,
  a.messages, a.sent_at, a.escalated_at, a.acknowledged_at, a.acknowledged_by, a.snoozed_until, a.resolved_at,
  a.resolution, a.resolved_by, a.reopened, a.before, a.renewed_at, a.unacknowledged,
  {", ".join(f"a.{each}" for each in _SCOPE)}
"""

_LAST = f"""
SELECT DISTINCT ON (a.rule, a.tier, a.grp) {_COLUMNS} FROM syncer.alert a WHERE a.source = %(source)s
ORDER BY a.rule, a.tier, a.grp, a.alert_id DESC
"""

# Nobody else evaluates this source until the transaction ends; a stalled evaluation is ended by the server.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('syncer.alert'), hashtext(%(source)s))"
# An evaluation follows a pull and must not hold it up: another one that is under way sees the same facts, and what is
# not evaluated now is evaluated next time.
_LIMITS = (
    "SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '60s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'"
)
# A pull's connection plans for single pages; an evaluation reads ranges.
_PLANS = (
    "SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on; SET LOCAL enable_mergejoin = on; "
    "SET LOCAL plan_cache_mode = force_custom_plan"
)


@contextmanager
def evaluating(connection: sa.Connection, source: str) -> Iterator[None]:
    """Run the block as the one evaluation of a source: a transaction under a lock of its own."""
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql(f"{_LIMITS}; {_PLANS}")
        rows(connection, _LOCK, source=source)
        yield
    except BaseException:
        if not connection.closed and not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def last(connection: sa.Connection, source: str) -> dict[Key, Alert]:
    """Return the last alert of each key, open or resolved."""
    found = [_alert(row) for row in rows(connection, _LAST, source=source).mappings()]
    return {alert.key: alert for alert in found}


def listed(connection: sa.Connection, *, everything: bool, source: str | None = None) -> list[Alert]:
    """Return the open alerts of one source or all, the gravest first; resolved ones too with `everything`."""
    sql = f"""
    SELECT {_COLUMNS} FROM syncer.alert a
    WHERE (%(everything)s OR a.resolved_at IS NULL) AND (%(source)s::text IS NULL OR a.source = %(source)s)
    ORDER BY a.resolved_at DESC NULLS FIRST, array_position(ARRAY['critical', 'warning', 'info'], a.severity),
             a.raised_at, a.alert_id
    """
    return [_alert(row) for row in rows(connection, sql, everything=everything, source=source).mappings()]


def resolved(
    connection: sa.Connection, limit: int, *, before: int | None = None, source: str | None = None
) -> list[Alert]:
    """Return the latest resolved alerts of one source or all; those with a lower number than `before`, if given."""
    sql = f"""
    SELECT {_COLUMNS} FROM syncer.alert a
    WHERE a.resolved_at IS NOT NULL AND (%(before)s::bigint IS NULL OR a.alert_id < %(before)s)
      AND (%(source)s::text IS NULL OR a.source = %(source)s)
    ORDER BY a.alert_id DESC LIMIT %(limit)s
    """
    return [_alert(row) for row in rows(connection, sql, before=before, source=source, limit=limit).mappings()]


def find(connection: sa.Connection, alert_id: int) -> Alert | None:
    """Return the alert of that number."""
    sql = f"SELECT {_COLUMNS} FROM syncer.alert a WHERE a.alert_id = %(alert)s"
    row = rows(connection, sql, alert=alert_id).mappings().one_or_none()
    return None if row is None else _alert(row)


def count_open(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Return how many alerts are open, by source and severity."""
    found: dict[str, dict[str, int]] = {}
    sql = "SELECT source, severity, count(*) AS n FROM syncer.alert WHERE resolved_at IS NULL GROUP BY 1, 2"
    for row in rows(connection, sql):
        found.setdefault(row.source, {})[row.severity] = row.n
    return found


def scope_of(watch: Watch | None) -> tuple[Any, ...]:
    """Return what a watch is made of, as an alert's `scope`."""
    if watch is None:
        return ("", None, None, None, None, None, None)
    return (
        watch.prefix,
        list(watch.not_prefixes) or None,
        watch.span,
        watch.share,
        watch.inner_span,
        list(watch.other_spans) or None,
        list(watch.other_shares) or None,
    )


def watch_of(alert: Alert) -> Watch:
    """Return the watch that an alert about files was last evaluated with."""
    prefix, not_prefixes, span, share, inner_span, other_spans, other_shares = alert.scope
    return Watch(
        alert.source,
        alert.rule,
        alert.tier,
        alert.group,
        prefix=prefix,
        not_prefixes=tuple(not_prefixes or ()),
        span=span,
        share=share,
        inner_span=inner_span,
        other_spans=tuple(other_spans or ()),
        other_shares=tuple(other_shares or ()),
        before=alert.before,
    )


def raise_alert(
    connection: sa.Connection, source: str, key: Key, watch: Watch | None, *, severity: str, at: datetime
) -> int:
    """Open an alert; return its number."""
    sql = f"""
    INSERT INTO syncer.alert (source, rule, tier, grp, severity, raised_at, evaluated_at, {", ".join(_SCOPE)})
    VALUES (%(source)s, %(rule)s, %(tier)s, %(group)s, %(severity)s, %(at)s, %(at)s,
            {", ".join(f"%({each})s" for each in _SCOPE)})
    RETURNING alert_id
    """
    rule, tier, group = key
    scope = dict(zip(_SCOPE, scope_of(watch), strict=True))
    found = rows(connection, sql, source=source, rule=rule, tier=tier, group=group, severity=severity, at=at, **scope)
    return int(found.scalar_one())


def write(connection: sa.Connection, source: str, alert_id: int, **columns: Any) -> None:
    """Set columns of an alert; `detail` is given as a mapping."""
    if "detail" in columns:
        columns["detail"] = json.dumps(columns["detail"], default=_plain)
    sets = ", ".join(f"{name} = %({name})s" for name in columns)
    rows(
        connection,
        f"UPDATE syncer.alert SET {sets} WHERE source = %(source)s AND alert_id = %(alert)s",
        source=source,
        alert=alert_id,
        **columns,
    )


def plain_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return a detail as it is read back."""
    found: dict[str, Any] = json.loads(json.dumps(detail, default=_plain))
    return found


def announced(mark: Mark | None) -> dict[str, Any]:
    """Return the columns that say up to when an alert's files were told."""
    if mark is None:
        return {"announced_at": None, "announced_open": None}
    return {"announced_at": mark.at, "announced_open": list(mark.open)}


def noticed(mark: Mark | None, *, at: datetime | None, by: str | None) -> dict[str, Any]:
    """Return the columns that say who took notice of what was told up to `mark`."""
    return {
        "acknowledged_at": at,
        "acknowledged_by": by,
        "acknowledged_mark": None if mark is None else mark.at,
        "acknowledged_open": None if mark is None else list(mark.open),
    }


_TAKE_NOTICE = """
UPDATE syncer.alert SET {sets} WHERE alert_id = %(alert)s AND resolved_at IS NULL
"""


_SETTLED = "resolved_at = syncer.instant(), resolution = 'command', resolved_by = %(by)s"


def acknowledge(connection: sa.Connection, alert_id: int, *, by: str) -> bool:
    """Note that somebody took notice of all that was told: no reminders and no escalation of it any more.

    Files that come later, or were not told yet, are not covered. False if the alert is not open.
    """
    sets = (
        "acknowledged_at = syncer.instant(), acknowledged_by = %(by)s, acknowledged_mark = announced_at, "
        "acknowledged_open = announced_open, renewed_at = NULL, unacknowledged = 0"
    )
    return rows(connection, _TAKE_NOTICE.format(sets=sets), alert=alert_id, by=by).rowcount == 1


def snooze(connection: sa.Connection, alert_id: int, seconds: float) -> bool:
    """Keep reminders, escalation and newcomers that can wait back for a while. False if the alert is not open."""
    sets = "snoozed_until = syncer.instant() + make_interval(secs => %(seconds)s)"
    return rows(connection, _TAKE_NOTICE.format(sets=sets), alert=alert_id, seconds=seconds).rowcount == 1


def settle(connection: sa.Connection, alert_id: int, *, by: str) -> bool:
    """Resolve an alert by command: only new files raise it again. False if it is not open."""
    return rows(connection, _TAKE_NOTICE.format(sets=_SETTLED), alert=alert_id, by=by).rowcount == 1


def settle_all(connection: sa.Connection, source: str, *, by: str) -> int:
    """Resolve every open alert of a source by command; return how many there were."""
    sql = f"UPDATE syncer.alert SET {_SETTLED} WHERE source = %(source)s AND resolved_at IS NULL"
    return rows(connection, sql, source=source, by=by).rowcount


def _alert(row: Mapping[Any, Any]) -> Alert:
    fields = dict(row)
    scope = tuple(fields.pop(each) for each in _SCOPE)
    told, told_open = fields.pop("announced_at"), fields.pop("announced_open")
    noticed, noticed_open = fields.pop("acknowledged_mark"), fields.pop("acknowledged_open")
    return Alert(**fields, announced=_mark(told, told_open), acknowledged=_mark(noticed, noticed_open), scope=scope)


def _mark(at: datetime | None, open_: Sequence[datetime] | None) -> Mark | None:
    return None if at is None else Mark(at, tuple(open_ or ()))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
