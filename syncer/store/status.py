"""One reading of how every source stands, from report.sources; the commands `status` and `report` render it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
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


# All that is said of a source's pulls and of what is listed; what follows only fetches what it names.
_SOURCES = """
SELECT r.*, q.calls, q.refused, q.next_at
FROM report.sources r JOIN syncer.source s USING (source) LEFT JOIN syncer.quota q USING (account)
ORDER BY r.source
"""

# Files that are listed are counted by report.sources.
_GONE = """
SELECT source, state, count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes
FROM report.backups WHERE gone_at IS NOT NULL GROUP BY source, state
"""

_PULL = """
SELECT pull_id, kind, outcome, CASE verdict WHEN 'proven' THEN true WHEN 'unproven' THEN false END AS proven, reason,
       error, started_at, finished_at, pages, files, inserted, updated, gone, rejected, restarts, api_calls
FROM report.pulls WHERE source = %(source)s AND pull_id = %(pull)s
"""

_UNFINISHED = """
SELECT nullif(outcome, 'running') AS outcome, error, pages FROM report.pulls
WHERE source = %(source)s AND pull_id = %(pull)s
"""

_LAST_RUN = """
SELECT run_id, kind, pull_id, holder, started_at, finished_at, nullif(outcome, 'running or killed') AS outcome, error
FROM report.runs WHERE source = %(source)s AND run_id = %(run)s
"""

_DEATHS = """
SELECT count(*) AS number, percentile_cont(0.5) WITHIN GROUP (ORDER BY age_seconds) AS median_age_seconds
FROM report.context_deaths WHERE source = %(source)s
"""

_Facts = TypeVar("_Facts")


def read(connection: sa.Connection) -> Reading:
    """Read how every source of the database stands; the parts of the reading agree with each other."""
    with snapshot(connection):
        return read_within(connection)


def read_within(connection: sa.Connection) -> Reading:
    """Read the same within the caller's `snapshot`, so that it agrees with what else is read there."""
    instant: datetime = rows(connection, "SELECT syncer.instant()").scalar_one()
    gone = {(row.source, row.state): Tally(row.files, row.bytes) for row in rows(connection, _GONE)}
    sources = [_source(connection, row, gone) for row in rows(connection, _SOURCES).all()]
    return Reading(instant, tuple(sources))


def _source(connection: sa.Connection, row: Any, gone: Mapping[tuple[str, str], Tally]) -> SourceStatus:
    name: str = row.source
    return SourceStatus(
        source=name,
        prefix=row.prefix,
        tallies={
            "live": Tally(row.present_files - row.overdue_files, row.present_bytes - row.overdue_bytes),
            "overdue": Tally(row.overdue_files, row.overdue_bytes),
            "expired": gone.get((name, "expired"), Tally()),
            "vanished": gone.get((name, "vanished"), Tally()),
        },
        proven=_one(connection, _PULL, PullFacts, source=name, pull=row.proven_pull_id),
        ended=_one(connection, _PULL, PullFacts, source=name, pull=row.ended_full_pull_id),
        recent=_one(connection, _PULL, PullFacts, source=name, pull=row.ended_recent_pull_id),
        known_until=row.known_until,
        unfinished=None if row.unfinished_pull_id is None else _unfinished(connection, row),
        lease=None if row.held_until is None else LeaseFacts(row.holder, row.held_until, row.running),
        last_run=_one(connection, _LAST_RUN, RunFacts, source=name, run=row.last_pull_run_id),
        deaths=ContextDeaths(**rows(connection, _DEATHS, source=name).mappings().one()),
        quota=None if row.calls is None else QuotaFacts(row.calls, row.refused, row.next_at),
    )


def _unfinished(connection: sa.Connection, row: Any) -> Unfinished:
    rest = rows(connection, _UNFINISHED, source=row.source, pull=row.unfinished_pull_id).mappings().one()
    return Unfinished(
        pull_id=row.unfinished_pull_id,
        kind=row.unfinished_kind,
        phase=row.unfinished_phase,
        started_at=row.unfinished_started_at,
        generation=row.unfinished_generation,
        listed=row.unfinished_listed,
        last_page_at=row.unfinished_last_page_at,
        expected_files=row.expected_files,
        files_per_second=row.files_per_second,
        ends_at=row.forecast_at,
        **rest,
    )


def _one(connection: sa.Connection, sql: str, facts: Callable[..., _Facts], **parameters: Any) -> _Facts | None:
    row = rows(connection, sql, **parameters).mappings().one_or_none()
    return None if row is None else facts(**row)
