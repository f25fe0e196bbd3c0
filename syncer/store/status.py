"""One reading of how every source stands, from report.sources; the commands `status` and `report` render it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    """Who holds a source. `alive` is false when the holder's session has ended or its time is over.

    `retrying` is how the last attempt at its present call failed, which it retries since `retrying_since`; None while
    there is no such trouble, or it is new.
    """

    holder: str
    held_until: datetime
    alive: bool
    retrying: str | None = None
    retrying_since: datetime | None = None


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
    finished pull of either kind: new files are known up to then. `next_full_at` and `next_recent_at` are when a daemon
    will pull next; None before one ran.
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
    next_full_at: datetime | None = None
    next_recent_at: datetime | None = None

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


# All that is said of a source's pulls and of what is listed; what follows only fetches what it names. The counts read
# an index entry for each file that expires today, everything else is a few look-ups.
_SOURCES = """
SELECT r.source, r.prefix, r.proven_pull_id, r.ended_full_pull_id, r.ended_recent_pull_id, r.known_until,
       r.unfinished_pull_id, r.unfinished_kind, r.unfinished_phase, r.unfinished_started_at, r.unfinished_generation,
       r.unfinished_listed, r.unfinished_last_page_at, r.expected_files, r.files_per_second, r.forecast_at, r.holder,
       r.held_until, r.running, r.last_pull_run_id, r.next_full_at, r.next_recent_at,
       l.retrying, l.retrying_since, q.calls, q.refused, q.next_at{counts}
FROM report.sources r JOIN syncer.source s USING (source) LEFT JOIN syncer.quota q USING (account)
LEFT JOIN syncer.lease l USING (source)
ORDER BY r.source
"""
_COUNTS = ", r.present_files, r.present_bytes, r.overdue_files, r.overdue_bytes"

# Files that are listed are counted by report.sources.
_GONE = """
SELECT source, state, files, bytes FROM report.storage_by_state WHERE state IN ('expired', 'vanished')
"""

_PULLS = """
SELECT source, pull_id, kind, outcome, CASE verdict WHEN 'proven' THEN true WHEN 'unproven' THEN false END AS proven,
       reason, error, started_at, finished_at, pages, files, inserted, updated, gone, rejected, restarts, api_calls
FROM report.pulls WHERE (source, pull_id) IN (SELECT * FROM unnest(%(sources)s::text[], %(ids)s::bigint[]))
"""

_RUNS = """
SELECT source, run_id, kind, pull_id, holder, started_at, finished_at,
       nullif(outcome, 'running or killed') AS outcome, error
FROM report.runs WHERE (source, run_id) IN (SELECT * FROM unnest(%(sources)s::text[], %(ids)s::bigint[]))
"""

_DEATHS = """
SELECT source, count(*) AS number, percentile_cont(0.5) WITHIN GROUP (ORDER BY age_seconds) AS median_age_seconds
FROM report.context_deaths GROUP BY source
"""

Tallies = Mapping[str, Tally]
NOTHING: Tallies = {"live": Tally(), "overdue": Tally(), "expired": Tally(), "vanished": Tally()}
"""The tallies of a source of which nothing is stored."""


def read(connection: sa.Connection) -> Reading:
    """Read how every source of the database stands; the parts of the reading agree with each other."""
    with snapshot(connection):
        return read_within(connection)


def read_within(connection: sa.Connection) -> Reading:
    """Read the same within the caller's `snapshot`, so that it agrees with what else is read there."""
    found = rows(connection, _SOURCES.format(counts=_COUNTS)).all()
    gone = {(row.source, row.state): Tally(row.files, row.bytes) for row in rows(connection, _GONE)}
    tallies = {row.source: _tallies(row, gone) for row in found}
    return _reading(connection, found, tallies)


def read_uncounted(connection: sa.Connection) -> Reading:
    """Read all but the numbers of files, which are all 0: a few look-ups, however many files there are."""
    return _reading(connection, rows(connection, _SOURCES.format(counts="")).all(), {})


def _tallies(row: Any, gone: Mapping[tuple[str, str], Tally]) -> Tallies:
    return {
        "live": Tally(row.present_files - row.overdue_files, row.present_bytes - row.overdue_bytes),
        "overdue": Tally(row.overdue_files, row.overdue_bytes),
        "expired": gone.get((row.source, "expired"), Tally()),
        "vanished": gone.get((row.source, "vanished"), Tally()),
    }


def _reading(connection: sa.Connection, found: Sequence[Any], tallies: Mapping[str, Tallies]) -> Reading:
    instant: datetime = rows(connection, "SELECT syncer.instant()").scalar_one()
    wanted = ("proven_pull_id", "ended_full_pull_id", "ended_recent_pull_id", "unfinished_pull_id")
    known = _Known(
        pulls=_named(connection, _PULLS, [(row.source, getattr(row, name)) for row in found for name in wanted]),
        runs=_named(connection, _RUNS, [(row.source, row.last_pull_run_id) for row in found]),
        deaths={row["source"]: _without_source(row) for row in rows(connection, _DEATHS).mappings()},
    )
    return Reading(instant, tuple(_source(row, known, tallies.get(row.source, NOTHING)) for row in found))


_Named = Mapping[tuple[str, int | None], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows that were fetched for all sources at once, by source and number."""

    pulls: _Named
    runs: _Named
    deaths: Mapping[str, Mapping[str, Any]]


def _named(connection: sa.Connection, sql: str, names: Sequence[tuple[str, int | None]]) -> _Named:
    """Fetch pulls or runs by source and number."""
    given = sorted({(source, number) for source, number in names if number is not None})
    found = rows(connection, sql, sources=[source for source, _ in given], ids=[number for _, number in given])
    key = "pull_id" if sql is _PULLS else "run_id"
    return {(row["source"], row[key]): _without_source(row) for row in found.mappings()}


def _without_source(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "source"}


def _source(row: Any, known: _Known, tallies: Tallies) -> SourceStatus:
    name: str = row.source

    def pull(number: int | None) -> PullFacts | None:
        found = known.pulls.get((name, number))
        return None if found is None else PullFacts(**found)

    run = known.runs.get((name, row.last_pull_run_id))
    return SourceStatus(
        source=name,
        prefix=row.prefix,
        tallies=tallies,
        proven=pull(row.proven_pull_id),
        ended=pull(row.ended_full_pull_id),
        recent=pull(row.ended_recent_pull_id),
        known_until=row.known_until,
        unfinished=None if row.unfinished_pull_id is None else _unfinished(row, known),
        lease=None
        if row.held_until is None
        else LeaseFacts(row.holder, row.held_until, row.running, row.retrying, row.retrying_since),
        last_run=None if run is None else RunFacts(**run),
        deaths=ContextDeaths(**known.deaths.get(name, {"number": 0, "median_age_seconds": None})),
        quota=None if row.calls is None else QuotaFacts(row.calls, row.refused, row.next_at),
        next_full_at=row.next_full_at,
        next_recent_at=row.next_recent_at,
    )


def _unfinished(row: Any, known: _Known) -> Unfinished:
    pull = known.pulls[row.source, row.unfinished_pull_id]
    return Unfinished(
        pull_id=row.unfinished_pull_id,
        kind=row.unfinished_kind,
        phase=row.unfinished_phase,
        outcome=None if pull["outcome"] == "running" else pull["outcome"],
        error=pull["error"],
        pages=pull["pages"],
        started_at=row.unfinished_started_at,
        generation=row.unfinished_generation,
        listed=row.unfinished_listed,
        last_page_at=row.unfinished_last_page_at,
        expected_files=row.expected_files,
        files_per_second=row.files_per_second,
        ends_at=row.forecast_at,
    )
