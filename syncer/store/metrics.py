"""What metrics are made of, a statement a question; instants as UNIX seconds, which hold whatever a column may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncer.store import counters
from syncer.store.counters import Counter
from syncer.store.database import rows, snapshot
from syncer.store.stock import GONE, LISTED, edges_of

WITHIN_DAYS = (1, 3, 7, 14, 30)
"""Times to expiry, in days, that live files are counted by."""
DEATH_SECONDS = (60, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Ages of contexts at their death, in seconds, that deaths are counted by."""


@contextmanager
def bounded(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Run the block's statements as of one instant, each for `seconds` at most."""
    with snapshot(connection):
        rows(connection, f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
        yield


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands, as `report.sources` says it; `running` is the kind of the pull under way."""

    source: str
    proven_at: float | None
    known_until: float | None
    next_full_at: float | None
    next_recent_at: float | None
    running: str | None
    forecast_at: float | None


@dataclass(frozen=True, slots=True)
class Stock:
    """Listed files of a source, by time to expiry.

    `bucket` is a place in WITHIN_DAYS, its length for a later expiry and for none, and -1 for one that has passed.
    """

    source: str
    bucket: int
    files: int
    bytes: float


@dataclass(frozen=True, slots=True)
class Gone:
    """Files of a source that are no longer listed; `state` is expired or vanished."""

    source: str
    state: str
    files: int
    bytes: float


@dataclass(frozen=True, slots=True)
class AlertCount:
    """Alerts of a source that stand; `state` is open, acknowledged or snoozed."""

    source: str
    rule: str
    severity: str
    state: str
    number: int


@dataclass(frozen=True, slots=True)
class OutboxCount:
    """Messages of a source on their way; `state` is waiting, retrying or parked (its recipient refuses for good)."""

    source: str
    state: str
    number: int
    oldest_at: float


@dataclass(frozen=True, slots=True)
class DeathCount:
    """Contexts of a source that died at an age; `bucket` is a place in DEATH_SECONDS, its length for older ones."""

    source: str
    bucket: int
    number: int
    seconds: float


# What is under way is named by the run's kind until its pull is there.
_STANDINGS = """
SELECT source, extract(epoch FROM proven_started_at)::float8 AS proven_at,
       extract(epoch FROM known_until)::float8 AS known_until, extract(epoch FROM next_full_at)::float8 AS next_full_at,
       extract(epoch FROM next_recent_at)::float8 AS next_recent_at,
       CASE WHEN running THEN coalesce(unfinished_kind, last_run_kind) END AS running,
       extract(epoch FROM forecast_at)::float8 AS forecast_at
FROM report.sources
"""

_STOCK = f"""
SELECT source, coalesce(horizon, cardinality(%(edges)s::timestamptz[])) - 1 AS bucket,
       sum(files)::bigint AS files, sum(bytes)::float8 AS bytes
FROM ({LISTED}) listed GROUP BY 1, 2
"""

_GONE = f"SELECT source, state, files, bytes::float8 AS bytes FROM ({GONE}) gone"

_ALERTS = """
SELECT source, rule, severity, CASE WHEN state IN ('raised', 'escalated') THEN 'open' ELSE state END AS state,
       count(*) AS number
FROM report.alerts WHERE resolved_at IS NULL GROUP BY 1, 2, 3, 4
"""

_OUTBOX = """
SELECT o.source, CASE WHEN r.parked_at IS NOT NULL THEN 'parked' WHEN o.attempts > 0 THEN 'retrying' ELSE 'waiting' END
         AS state, count(*) AS number, extract(epoch FROM min(o.created_at))::float8 AS oldest_at
FROM syncer.outbox o JOIN syncer.recipient r USING (source, recipient)
WHERE o.sent_at IS NULL AND o.given_up_at IS NULL GROUP BY 1, 2
"""

_DEATHS = """
SELECT source, width_bucket(age_seconds - 0.5, %(edges)s::float8[]) AS bucket, count(*) AS number,
       sum(age_seconds)::float8 AS seconds
FROM syncer.context_death WHERE age_seconds IS NOT NULL GROUP BY 1, 2
"""


def standings(connection: sa.Connection) -> list[Standing]:
    """Return how each source stands."""
    return [Standing(**row) for row in _maps(connection, _STANDINGS)]


def stock(connection: sa.Connection) -> list[Stock]:
    """Return what is listed, by source and time to expiry."""
    now = rows(connection, "SELECT syncer.instant()").scalar_one()
    return [Stock(**row) for row in _maps(connection, _STOCK, edges=edges_of(now, WITHIN_DAYS))]


def gone(connection: sa.Connection) -> list[Gone]:
    """Return what is no longer listed."""
    return [Gone(**row) for row in _maps(connection, _GONE)]


def alerts(connection: sa.Connection) -> list[AlertCount]:
    """Return the alerts that stand."""
    return [AlertCount(**row) for row in _maps(connection, _ALERTS)]


def outbox(connection: sa.Connection) -> list[OutboxCount]:
    """Return the messages on their way."""
    return [OutboxCount(**row) for row in _maps(connection, _OUTBOX)]


def deaths(connection: sa.Connection) -> list[DeathCount]:
    """Return the contexts that died of which the age is known."""
    return [DeathCount(**row) for row in _maps(connection, _DEATHS, edges=list(DEATH_SECONDS))]


def totals(connection: sa.Connection) -> list[Counter]:
    """Return every total that only ever grows."""
    return counters.read(connection)


def _maps(connection: sa.Connection, sql: str, **parameters: Any) -> list[sa.RowMapping]:
    return list(rows(connection, sql, **parameters).mappings())
