"""What the rules of alerts go by, read in a few indexed queries: how pulls went, how old the proof is, who refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from syncer.store import reach
from syncer.store.alert_files import Crowd
from syncer.store.alert_where import Watch
from syncer.store.database import rows
from syncer.store.reach import Deaf, People


@dataclass(frozen=True, slots=True)
class Forecast:
    """A pull in progress: when it is to end at its own pace, and when its last page was committed."""

    ends_at: datetime
    last_page_at: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Runs that failed or were killed since one that did not: how many, since when, and how the last one failed.

    `kind` is refused, clock, unavailable, endless, other, or killed.
    """

    failures: int
    since: datetime
    kind: str
    error: str | None


@dataclass(frozen=True, slots=True)
class FullPull:
    """A full pull that came to an end."""

    pull_id: int
    started_at: datetime
    proven: bool
    files: int
    rejected: int
    reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one source at `instant`.

    `known_since` is when it was first pulled at all, `proven_at` the start of the last proven pull of the present
    scope, `changed_at` when that scope was first pulled after another one (None: it never was another). `fulls` are the
    last full pulls of that scope that came to an end, newest first. `rejected` counts the entries that the last full
    pull and what followed it could not understand. `day_bytes` are the live bytes of the last days, newest first.
    `calls_per_day` is what the account's schedules need, `calls_limit` what it may have.
    """

    source: str
    instant: datetime
    known_since: datetime | None = None
    proven_at: datetime | None = None
    changed_at: datetime | None = None
    forecast: Forecast | None = None
    trouble: Trouble | None = None
    fulls: tuple[FullPull, ...] = ()
    rejected: int = 0
    day_bytes: tuple[int, ...] = ()
    calls_per_day: float = 0.0
    calls_limit: float = 0.0
    deaf: tuple[Deaf, ...] = ()
    crowds: tuple[tuple[Watch, Crowd], ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """How often a source of the account is pulled a day, by schedule."""

    source: str
    fulls: float
    recents: float


_SCOPE = """
(p.listing, p.prefix) = (SELECT l.listing, l.prefix FROM syncer.pull l WHERE l.source = %(source)s
                         ORDER BY l.pull_id DESC LIMIT 1)
"""

_FULLS = f"""
SELECT p.pull_id, p.started_at, coalesce(p.proven, false) AS proven, p.files, p.rejected, p.reason, p.error
FROM syncer.pull p
WHERE p.source = %(source)s AND p.kind = 'full' AND p.outcome IN ('complete', 'unproven')
  AND p.finished_at IS NOT NULL AND {_SCOPE}
ORDER BY p.pull_id DESC LIMIT 11
"""

_PROVEN_AT = f"""
SELECT p.started_at FROM syncer.pull p WHERE p.source = %(source)s AND p.kind = 'full' AND p.proven AND {_SCOPE}
ORDER BY p.pull_id DESC LIMIT 1
"""

_KNOWN_SINCE = """
SELECT least((SELECT min(started_at) FROM syncer.run WHERE source = %(source)s AND kind <> 'lookup'),
             (SELECT started_at FROM syncer.pull WHERE source = %(source)s ORDER BY pull_id LIMIT 1))
"""

# Among the last pulls, which go back for weeks: a change before that is none any more.
_CHANGED_AT = f"""
WITH latest AS MATERIALIZED (
  SELECT p.pull_id, p.started_at, {_SCOPE} AS present FROM syncer.pull p WHERE p.source = %(source)s
  ORDER BY p.pull_id DESC LIMIT 2000
)
SELECT min(started_at) FROM latest WHERE pull_id > (SELECT max(pull_id) FROM latest WHERE NOT present)
"""

# Runs since the last one that went well, newest first; one that holds the lease now is not judged. A stopped run says
# nothing either way. Recent and full pulls each for themselves: the one that fails is the one that matters.
_TROUBLE = """
SELECT kind, count(*) AS failures, min(started_at) AS since, (array_agg(trouble ORDER BY run_id DESC))[1] AS trouble,
       (array_agg(error ORDER BY run_id DESC))[1] AS error
FROM (
  SELECT r.run_id, r.kind, r.started_at, CASE WHEN r.finished_at IS NULL THEN 'killed' ELSE
           coalesce(r.trouble, 'other') END AS trouble, r.error
  FROM syncer.run r
  WHERE r.source = %(source)s AND r.kind <> 'lookup'
    AND (r.outcome = 'failed' OR r.finished_at IS NULL)
    AND r.run_id > coalesce((SELECT max(w.run_id) FROM syncer.run w WHERE w.source = r.source AND w.kind = r.kind
                               AND w.outcome IN ('complete', 'unproven')), 0)
    AND NOT (r.finished_at IS NULL AND r.run_id = (SELECT max(n.run_id) FROM syncer.run n
                                                   WHERE n.source = r.source AND n.kind <> 'lookup')
             AND EXISTS (SELECT FROM syncer.lease l WHERE l.source = r.source AND l.held_until > clock_timestamp()
                           AND syncer.session_lives(l.backend_pid, l.backend_start)))
) failed
GROUP BY kind ORDER BY failures DESC, kind LIMIT 1
"""

# The pace is that of the present listing's own pages; the forecast stands still when no page comes any more.
_FORECAST = f"""
SELECT g.last_page_at + greatest(0, e.files - g.listed) * (g.took / nullif(g.listed - g.first, 0)) AS ends_at,
       g.last_page_at
FROM syncer.pull p
CROSS JOIN LATERAL (
  SELECT sum(entries) AS listed, max(committed_at) AS last_page_at, max(committed_at) - min(committed_at) AS took,
         (array_agg(entries ORDER BY page))[1] AS first
  FROM syncer.page WHERE source = p.source AND pull_id = p.pull_id AND generation = p.generation AND part = 'listing'
) g
CROSS JOIN LATERAL (
  SELECT e.files FROM syncer.pull e
  WHERE e.source = p.source AND e.listing = p.listing AND e.prefix = p.prefix AND e.kind = 'full'
    AND e.settled_run IS NOT NULL AND e.restarts = 0
  ORDER BY e.pull_id DESC LIMIT 1
) e
WHERE p.source = %(source)s AND p.kind = 'full' AND p.finished_at IS NULL AND {_SCOPE}
"""

_REJECTED = """
SELECT coalesce(sum(p.rejected), 0)::bigint FROM syncer.pull p
WHERE p.source = %(source)s AND p.finished_at IS NOT NULL
  AND p.pull_id >= coalesce((SELECT max(f.pull_id) FROM syncer.pull f WHERE f.source = %(source)s AND f.kind = 'full'
                               AND f.finished_at IS NOT NULL AND f.outcome IN ('complete', 'unproven')), 0)
"""

_DAY_BYTES = """
SELECT live_bytes FROM syncer.inventory_day
WHERE source = %(source)s AND live_bytes IS NOT NULL ORDER BY day DESC LIMIT 15
"""

_CALLS = """
SELECT g.source,
       (SELECT p.api_calls FROM syncer.pull p WHERE p.source = g.source AND p.kind = 'full'
          AND p.settled_run IS NOT NULL AND p.restarts = 0 ORDER BY p.pull_id DESC LIMIT 1) AS fulls,
       (SELECT avg(r.api_calls)::float8 FROM (
          SELECT p.api_calls FROM syncer.pull p WHERE p.source = g.source AND p.kind = 'recent'
            AND p.settled_run IS NOT NULL ORDER BY p.pull_id DESC LIMIT 20) r) AS recents
FROM unnest(%(sources)s::text[]) g (source)
"""


def read(
    connection: sa.Connection,
    source: str,
    instant: datetime,
    *,
    recipients: Sequence[str],
    silent: timedelta,
    loads: Sequence[Load],
    calls_limit: float,
    crowds: Sequence[tuple[Watch, Crowd]],
) -> Facts:
    """Read what the rules go by.

    `loads` are the sources that share the account, `recipients` those to be told, `silent` is how long one of them may
    accept nothing.
    """

    def ask(sql: str, **parameters: Any) -> sa.CursorResult[Any]:
        return rows(connection, sql, source=source, **parameters)

    forecast = ask(_FORECAST).one_or_none()
    trouble = ask(_TROUBLE).one_or_none()
    return Facts(
        source=source,
        instant=instant,
        known_since=ask(_KNOWN_SINCE).scalar(),
        proven_at=ask(_PROVEN_AT).scalar(),
        changed_at=ask(_CHANGED_AT).scalar(),
        forecast=None
        if forecast is None or forecast.ends_at is None
        else Forecast(forecast.ends_at, forecast.last_page_at),
        trouble=None if trouble is None else Trouble(trouble.failures, trouble.since, trouble.trouble, trouble.error),
        fulls=tuple(FullPull(**row) for row in ask(_FULLS).mappings()),
        rejected=int(ask(_REJECTED).scalar_one()),
        day_bytes=tuple(int(each) for each in ask(_DAY_BYTES).scalars()),
        calls_per_day=calls_per_day(connection, loads),
        calls_limit=calls_limit,
        deaf=reach.read(connection, [People(source, recipients, silent)])[source].deaf,
        crowds=tuple(crowds),
    )


def calls_per_day(connection: sa.Connection, loads: Sequence[Load]) -> float:
    """Return the calls a day that these schedules take, by what their last pulls took; 0 before the first."""
    found = {row.source: row for row in rows(connection, _CALLS, sources=[load.source for load in loads])}
    return float(
        sum(
            load.fulls * (found[load.source].fulls or 0) + load.recents * (found[load.source].recents or 0)
            for load in loads
        )
    )
