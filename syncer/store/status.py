"""One reading of how every source stands; the command `status`, the page and the metrics all render it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from syncer.store.database import rows, snapshot


@dataclass(frozen=True, slots=True)
class Tally:
    """Files of one state: how many, and their bytes as far as the API told them."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class PullFacts:
    """A pull that has ended: `started_at` is the instant as of which it knows the listing.

    `proven` tells of a full pull whether nothing can be missing; None for any other.
    """

    pull_id: int
    kind: str
    outcome: str
    proven: bool | None
    reason: str | None
    error: str | None
    started_at: datetime
    finished_at: datetime
    pages: int
    files: int
    inserted: int
    updated: int
    gone: int
    rejected: int
    restarts: int
    api_calls: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A pull that runs, or that can be taken up again.

    `listed` counts the entries of its present listing; `expected_files` is what the last proven full pull of the
    same scope listed, `files_per_second` the pace of its last run's own pages; both None when there is none yet.
    `ends_at` follows from them, while the pull runs.
    """

    pull_id: int
    kind: str
    phase: str
    outcome: str | None
    error: str | None
    started_at: datetime
    generation: int
    pages: int
    listed: int
    last_page_at: datetime | None
    expected_files: int | None
    files_per_second: float | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """Who holds a source. `alive` is false when the holder's session has ended or its time is over."""

    holder: str
    held_until: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The last attempt at a pull. Without `finished_at` it is running, or was killed when no lease is alive."""

    run_id: int
    kind: str
    pull_id: int | None
    holder: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class QuotaFacts:
    """The account's calls so far, those answered with 4400, and when the next may be made; None: none was counted."""

    calls: int
    refused: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContextDeaths:
    """Contexts that the API no longer took, and their median age in seconds where one was known."""

    number: int
    median_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source stands.

    `proven` is the last full pull that is proven, `ended` the last that came to an end at all, both of the scope that
    was listed last; `recent` is the last recent pull that ended. `known_until` is the start of the last cleanly
    finished pull of either kind: new files are known up to then.
    """

    source: str
    prefix: str
    tallies: Mapping[str, Tally]
    proven: PullFacts | None
    ended: PullFacts | None
    recent: PullFacts | None
    known_until: datetime | None
    unfinished: Unfinished | None
    lease: LeaseFacts | None
    last_run: RunFacts | None
    deaths: ContextDeaths
    quota: QuotaFacts | None

    @property
    def present(self) -> Tally:
        """What is still listed: live and overdue files."""
        live, overdue = self.tallies["live"], self.tallies["overdue"]
        return Tally(live.files + overdue.files, live.bytes + overdue.bytes)


@dataclass(frozen=True, slots=True)
class Reading:
    """All sources that the database knows, as of one instant."""

    instant: datetime
    sources: tuple[SourceStatus, ...]


_SOURCES = """
SELECT s.source, s.prefix, l.holder, l.held_until, q.calls, q.refused, q.next_at,
       coalesce(l.held_until > clock_timestamp() AND EXISTS (
         SELECT FROM pg_stat_activity a
         WHERE a.pid = l.backend_pid AND coalesce(a.backend_start = l.backend_start, true)), false) AS alive
FROM syncer.source s LEFT JOIN syncer.lease l USING (source) LEFT JOIN syncer.quota q USING (account)
ORDER BY s.source
"""

_TALLIES = """
SELECT source, state, count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes
FROM report.backups GROUP BY source, state
"""

# The scope that was listed last: what another account or prefix proved says nothing of this one.
_SCOPE = """
(listing, prefix) = (SELECT listing, prefix FROM syncer.pull WHERE source = %(source)s ORDER BY pull_id DESC LIMIT 1)
"""

_PULL = f"""
SELECT pull_id, kind, outcome, proven, reason, error, started_at, finished_at, pages, files, inserted, updated, gone,
       rejected, restarts, api_calls
FROM syncer.pull WHERE source = %(source)s AND finished_at IS NOT NULL AND {_SCOPE}
"""
_LAST = "ORDER BY pull_id DESC LIMIT 1"
_PROVEN = f"{_PULL} AND kind = 'full' AND proven {_LAST}"
_ENDED = f"{_PULL} AND kind = 'full' AND proven IS NOT NULL {_LAST}"
_RECENT = f"{_PULL} AND kind = 'recent' AND outcome <> 'abandoned' {_LAST}"

_KNOWN_UNTIL = f"""
SELECT max(started_at) FROM syncer.pull WHERE source = %(source)s AND settled_run IS NOT NULL AND {_SCOPE}
  AND pull_id >= (SELECT min(pull_id) FROM syncer.pull
                  WHERE source = %(source)s AND settled_run IS NOT NULL AND kind = 'full' AND {_SCOPE})
"""

# A pace needs two pages of one run: from the first page's commit to the last one's.
_UNFINISHED = """
SELECT p.pull_id, p.kind, p.phase, p.outcome, p.error, p.started_at, p.generation, p.pages,
       coalesce(g.listed, 0)::bigint AS listed, g.last_page_at,
       (SELECT e.files FROM syncer.pull e
        WHERE e.source = p.source AND e.listing = p.listing AND e.prefix = p.prefix AND e.kind = 'full'
          AND e.settled_run IS NOT NULL AND e.restarts = 0 AND p.kind = 'full'
        ORDER BY e.pull_id DESC LIMIT 1) AS expected_files,
       (r.entries / nullif(r.seconds, 0))::float8 AS files_per_second
FROM syncer.pull p
LEFT JOIN LATERAL (
  SELECT sum(entries) AS listed, max(committed_at) AS last_page_at, max(run_id) AS run_id FROM syncer.page
  WHERE source = p.source AND pull_id = p.pull_id AND generation = p.generation AND part = 'listing'
) g ON true
LEFT JOIN LATERAL (
  SELECT sum(entries) - (array_agg(entries ORDER BY page))[1] AS entries,
         extract(epoch FROM max(committed_at) - min(committed_at)) AS seconds
  FROM syncer.page
  WHERE source = p.source AND pull_id = p.pull_id AND generation = p.generation AND part = 'listing'
    AND run_id = g.run_id
) r ON true
WHERE p.source = %(source)s AND p.finished_at IS NULL
ORDER BY p.pull_id DESC
"""

_LAST_RUN = """
SELECT run_id, kind, pull_id, holder, started_at, finished_at, outcome, error FROM syncer.run
WHERE source = %(source)s AND kind <> 'lookup' ORDER BY run_id DESC LIMIT 1
"""

_DEATHS = """
SELECT count(*) AS number, percentile_cont(0.5) WITHIN GROUP (ORDER BY age_seconds) AS median_age_seconds
FROM syncer.context_death WHERE source = %(source)s
"""

_Facts = TypeVar("_Facts")
_STATES = ("live", "overdue", "expired", "vanished")


def read(connection: sa.Connection) -> Reading:
    """Read how every source of the database stands; the parts of the reading agree with each other."""
    with snapshot(connection):
        instant: datetime = rows(connection, "SELECT syncer.instant()").scalar_one()
        tallies: dict[str, dict[str, Tally]] = {}
        for row in rows(connection, _TALLIES):
            tallies.setdefault(row.source, {})[row.state] = Tally(row.files, row.bytes)
        sources = [_source(connection, row, tallies.get(row.source, {}), instant) for row in rows(connection, _SOURCES)]
    return Reading(instant, tuple(sources))


def _source(connection: sa.Connection, row: Any, tallies: Mapping[str, Tally], instant: datetime) -> SourceStatus:
    name: str = row.source
    lease = LeaseFacts(row.holder, row.held_until, row.alive) if row.held_until is not None else None
    running = lease is not None and lease.alive
    return SourceStatus(
        source=name,
        prefix=row.prefix,
        tallies={state: tallies.get(state, Tally()) for state in _STATES},
        proven=_one(connection, _PROVEN, PullFacts, source=name),
        ended=_one(connection, _ENDED, PullFacts, source=name),
        recent=_one(connection, _RECENT, PullFacts, source=name),
        known_until=rows(connection, _KNOWN_UNTIL, source=name).scalar(),
        unfinished=_unfinished(connection, name, instant, running=running),
        lease=lease,
        last_run=_one(connection, _LAST_RUN, RunFacts, source=name),
        deaths=ContextDeaths(**rows(connection, _DEATHS, source=name).mappings().one()),
        quota=None if row.calls is None else QuotaFacts(row.calls, row.refused, row.next_at),
    )


def _unfinished(connection: sa.Connection, source: str, instant: datetime, *, running: bool) -> Unfinished | None:
    """Return the pull that runs, else the full one that can be resumed; a killed recent pull is neither."""
    for row in rows(connection, _UNFINISHED, source=source).mappings():
        if row["kind"] == "recent" and not running:
            continue
        left = None
        if running and row["phase"] == "listing" and row["expected_files"] and row["files_per_second"]:
            left = max(row["expected_files"] - row["listed"], 0) / row["files_per_second"]
        return Unfinished(**row, ends_at=None if left is None else instant + timedelta(seconds=left))
    return None


def _one(connection: sa.Connection, sql: str, facts: Callable[..., _Facts], **parameters: Any) -> _Facts | None:
    row = rows(connection, sql, **parameters).mappings().one_or_none()
    return None if row is None else facts(**row)
