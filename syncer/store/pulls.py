"""Pulls and runs: begin, take up again, list anew, end. Every write is fenced by the lease's epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncer.model import Calls
from syncer.store import counters
from syncer.store.database import rows
from syncer.store.leases import fenced
from syncer.store.pages import Claim


@dataclass(frozen=True, slots=True)
class Scope:
    """What a pull lists; a context is only ever used for the scope that it was given out for.

    `listing` is a fingerprint of endpoint, region and account (no secret can be read from it).
    """

    source: str
    listing: str
    prefix: str
    page_size: int


@dataclass(frozen=True, slots=True)
class StoredPull:
    """A pull as it stands in the database."""

    pull_id: int
    phase: str
    generation: int
    page: int
    farthest: int
    context: str | None
    oldest: datetime | None
    newest: datetime | None
    reason: str | None
    allow_sweep: bool
    resumed: bool


_NEW_RUN = """
INSERT INTO syncer.run (source, kind, pull_id, holder, started_at)
VALUES (%(source)s, %(kind)s, %(pull)s::bigint, %(holder)s, syncer.instant()) RETURNING run_id
"""

_UNFINISHED = """
SELECT pull_id, phase, generation, page, farthest, context, oldest, newest, reason, allow_sweep,
       listing = %(listing)s AND prefix = %(prefix)s AND page_size = %(page_size)s AS same_scope
FROM syncer.pull WHERE source = %(source)s AND kind = 'full' AND finished_at IS NULL
"""

_ABANDON = f"""
WITH ended AS (
  UPDATE syncer.pull p SET finished_at = syncer.instant(), outcome = 'abandoned', reason = %(reason)s
  WHERE source = %(source)s AND kind = %(kind)s AND finished_at IS NULL
    AND EXISTS (SELECT FROM syncer.lease WHERE source = %(source)s AND epoch = %(epoch)s)
  RETURNING p.*
)
{counters.add(counters.FROM_ENDED)}
"""

_NEW_PULL = """
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at)
SELECT %(source)s, %(kind)s, %(listing)s, %(prefix)s, %(page_size)s, %(allow_sweep)s, %(run)s, syncer.instant()
FROM syncer.lease WHERE source = %(source)s AND epoch = %(epoch)s
RETURNING pull_id
"""

# The run number below which a file is known, and when the pull that settled it began; `full` tells whether any full
# pull of this scope has finished cleanly.
_SETTLED = """
SELECT coalesce(max(settled_run), 0) AS settled_run,
       (array_agg(started_at ORDER BY pull_id DESC))[1] AS started_at,
       coalesce(bool_or(kind = 'full'), false) AS full
FROM syncer.pull
WHERE source = %(source)s AND settled_run IS NOT NULL AND listing = %(listing)s AND prefix = %(prefix)s
"""

_FENCE = """
WITH fence AS MATERIALIZED (
  SELECT 1 FROM syncer.lease WHERE source = %(source)s AND epoch = %(epoch)s FOR UPDATE
)
"""

_TURN = f"""{_FENCE},
death AS (
  INSERT INTO syncer.context_death (source, pull_id, generation, part, page, died_at, age_seconds, code,
                                    context_in)
  SELECT p.source, p.pull_id, p.generation, %(part)s::text, p.page, clock_timestamp(),
         CASE WHEN p.context IS NULL THEN NULL ELSE extract(epoch FROM syncer.instant() - p.context_at)::bigint END,
         %(code)s::integer, %(context_in)s::bytea
  FROM syncer.pull p, fence WHERE p.source = %(source)s AND p.pull_id = %(pull)s AND %(code)s::integer IS NOT NULL
),
ending AS (
  INSERT INTO syncer.listing_end (source, pull_id, generation, part, page, ended_at, ambiguous, context_in)
  SELECT p.source, p.pull_id, p.generation, %(part)s::text, p.page, syncer.instant(), %(ambiguous)s::boolean,
         %(context_in)s::bytea
  FROM syncer.pull p, fence
  WHERE p.source = %(source)s AND p.pull_id = %(pull)s AND %(ambiguous)s::boolean IS NOT NULL
),
counted AS ({counters.add(counters.FROM_CALLS)})
UPDATE syncer.pull p
SET phase = %(phase)s, generation = %(generation)s, page = %(page)s, farthest = %(farthest)s, context = NULL,
    context_at = NULL, oldest = %(oldest)s::timestamptz, newest = %(newest)s::timestamptz, reason = %(reason)s::text,
    restarts = p.restarts + (%(code)s::integer IS NOT NULL)::int, api_calls = p.api_calls + %(calls)s
FROM fence WHERE p.source = %(source)s AND p.pull_id = %(pull)s
"""

# A pull without a page begins now: it may have waited a day for the API, and whatever it lists it lists from now on.
_RESUME = f"""{_FENCE}
UPDATE syncer.pull p
SET outcome = NULL, error = NULL,
    started_at = CASE WHEN EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id)
                      THEN p.started_at ELSE syncer.instant() END
FROM fence
WHERE p.source = %(source)s AND p.pull_id = %(pull)s
"""

_FINISH = f"""{_FENCE},
ended AS (
  UPDATE syncer.pull p
  SET phase = 'done', context = NULL, context_at = NULL, finished_at = syncer.instant(), outcome = %(outcome)s,
      reason = %(reason)s::text, error = %(error)s::text, api_calls = p.api_calls + %(calls)s,
      proven = CASE WHEN p.kind = 'full' THEN %(proven)s END,
      settled_run = CASE WHEN %(settled)s THEN %(run)s END
  FROM fence WHERE p.source = %(source)s AND p.pull_id = %(pull)s
  RETURNING p.*
)
{counters.add(counters.FROM_ENDED, counters.FROM_CALLS)}
"""

# A full pull that failed can be taken up again and stays unfinished; a recent one begins anew next time.
_INTERRUPT = f"""{_FENCE},
ended AS (
  UPDATE syncer.pull p
  SET outcome = %(outcome)s, error = %(error)s::text, api_calls = p.api_calls + %(calls)s,
      finished_at = CASE WHEN p.kind = 'recent' THEN syncer.instant() END
  FROM fence WHERE p.source = %(source)s AND p.pull_id = %(pull)s AND p.finished_at IS NULL
  RETURNING p.*
)
{counters.add(counters.FROM_ENDED, counters.FROM_CALLS)}
"""

# When the daemon's next pulls are due is decided anew after a run, whoever started it; a full one may let recent ones
# begin. A run that was fenced leaves that to whoever took its source over.
_UNDECIDED = """undecided AS (
  UPDATE syncer.source s
  SET next_full_at = CASE WHEN r.kind <> 'full' THEN s.next_full_at END, next_recent_at = NULL
  FROM syncer.run r JOIN syncer.lease l ON l.source = r.source AND l.holder = r.holder
  WHERE s.source = %(source)s AND r.source = s.source AND r.run_id = %(run)s AND r.kind <> 'lookup'
)"""

_END_RUN = f"""
WITH {_UNDECIDED}
UPDATE syncer.run SET finished_at = syncer.instant(), outcome = %(outcome)s, error = %(error)s::text,
  pull_id = %(pull)s::bigint, api_calls = %(calls)s, trouble = %(trouble)s::text
WHERE source = %(source)s AND run_id = %(run)s
"""

# A run that belongs to no pull: a lookup, or one that failed before there was a pull to take up.
_END_LONE_RUN = f"""
WITH {_UNDECIDED}, ended AS (
  UPDATE syncer.run SET finished_at = syncer.instant(), outcome = %(outcome)s, error = %(error)s::text,
    api_calls = %(calls)s, trouble = %(trouble)s::text
  WHERE source = %(source)s AND run_id = %(run)s
  RETURNING *
), fence AS (SELECT FROM ended)
{counters.add(counters.FROM_LONE_RUN, counters.FROM_CALLS)}
"""


def begin_run(connection: sa.Connection, source: str, kind: str, *, holder: str) -> int:
    """Note that an attempt begins; return its number."""
    return int(rows(connection, _NEW_RUN, source=source, kind=kind, pull=None, holder=holder).scalar_one())


def end_run(
    connection: sa.Connection, source: str, run_id: int, *, pull_id: int, outcome: str, error: str | None,
    calls: int, trouble: str | None = None,
) -> None:  # fmt: skip
    """Note how the attempt ended (`trouble` is the kind of failure), and that the next due times are to be decided."""
    rows(
        connection, _END_RUN, source=source, run=run_id, pull=pull_id, outcome=outcome, error=error, calls=calls,
        trouble=trouble,
    )  # fmt: skip


def end_lone_run(
    connection: sa.Connection, source: str, run_id: int, *, outcome: str, error: str | None, calls: Calls,
    trouble: str | None = None,
) -> None:  # fmt: skip
    """Note how an attempt ended that belongs to no pull, and what its calls came to."""
    rows(
        connection, _END_LONE_RUN, source=source, run=run_id, outcome=outcome, error=error, trouble=trouble,
        **counters.parameters(calls),
    )  # fmt: skip


def would_abandon(connection: sa.Connection, scope: Scope, *, allow_sweep: bool) -> bool:
    """Return whether `take_up_full` would give an unfinished pull up."""
    found = _unfinished(connection, scope)
    return found is not None and not (found.same_scope and (found.allow_sweep or not allow_sweep))


def take_up_full(connection: sa.Connection, claim: Claim, scope: Scope, *, allow_sweep: bool) -> StoredPull:
    """Resume the source's unfinished full pull if its scope is this one, else abandon it and begin a new one.

    With `allow_sweep` only a pull that was itself begun so is resumed: the brake is released for fresh evidence.
    """
    found = _unfinished(connection, scope)
    if found is None:
        return _begin(connection, claim, scope, "full", allow_sweep=allow_sweep)
    if not found.same_scope:
        _abandon(connection, claim, "full", "the settings (account, endpoint, prefix or page size) changed meanwhile")
    elif allow_sweep and not found.allow_sweep:
        _abandon(connection, claim, "full", "a new pull was asked for with --allow-sweep")
    else:
        _fenced_write(connection, _RESUME, claim, pull=found.pull_id)
        return StoredPull(
            found.pull_id,
            found.phase,
            found.generation,
            found.page,
            found.farthest,
            found.context,
            found.oldest,
            found.newest,
            found.reason,
            found.allow_sweep,
            resumed=True,
        )
    return _begin(connection, claim, scope, "full", allow_sweep=allow_sweep)


def _unfinished(connection: sa.Connection, scope: Scope) -> sa.Row[Any] | None:
    return rows(
        connection,
        _UNFINISHED,
        source=scope.source,
        listing=scope.listing,
        prefix=scope.prefix,
        page_size=scope.page_size,
    ).one_or_none()


def begin_recent(connection: sa.Connection, claim: Claim, scope: Scope) -> StoredPull:
    """Begin a recent pull; one that a killed process left is closed."""
    _abandon(connection, claim, "recent", "the process that ran it was killed")
    return _begin(connection, claim, scope, "recent", allow_sweep=False)


@dataclass(frozen=True, slots=True)
class Settled:
    """How far this scope is known: files first stored up to `run_id`, by a pull that began at `started_at`.

    `full` says whether any full pull of the scope has finished cleanly.
    """

    run_id: int
    started_at: datetime | None
    full: bool


def settled(connection: sa.Connection, scope: Scope) -> Settled:
    """Return what the cleanly finished pulls of this scope have settled."""
    row = rows(connection, _SETTLED, source=scope.source, listing=scope.listing, prefix=scope.prefix).one()
    return Settled(row.settled_run, row.started_at, row.full)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a pull goes on without its context: in another phase, or with a new generation of its listing."""

    phase: str
    generation: int
    page: int
    farthest: int
    oldest: datetime | None
    newest: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A context that the API no longer took: its code, the part of the pull and the context's hash."""

    code: int
    part: str
    context_in: bytes | None


@dataclass(frozen=True, slots=True)
class Ending:
    """A listing that the API called complete (70008); `ambiguous` when a page may have been answered to nobody."""

    ambiguous: bool
    part: str
    context_in: bytes | None


def turn(
    connection: sa.Connection, claim: Claim, pull_id: int, to: Turn, *, cause: Loss | Ending | None, calls: Calls
) -> None:
    """Forget the context and go on as `to` says; a loss (with the age of the context) or an ending is kept."""
    because = {"code": None, "ambiguous": None, "part": None, "context_in": None}
    if cause is not None:
        because |= asdict(cause)
    _fenced_write(connection, _TURN, claim, pull=pull_id, **counters.parameters(calls), **asdict(to), **because)


@dataclass(frozen=True, slots=True)
class End:
    """How a pull ended: `settled` when it read its listing to a sure end, `proven` when nothing can be missing too."""

    outcome: str
    reason: str | None
    settled: bool
    proven: bool
    error: str | None = None


def finish(connection: sa.Connection, claim: Claim, pull_id: int, end: End, *, calls: Calls) -> None:
    """End a pull for good; what a settled one listed is known from now on."""
    _fenced_write(
        connection, _FINISH, claim, pull=pull_id, run=claim.run_id, **counters.parameters(calls), **asdict(end)
    )


def interrupt(
    connection: sa.Connection, claim: Claim, pull_id: int, *, outcome: str, error: str | None, calls: Calls
) -> None:
    """Note on an unfinished pull how its last run failed or was stopped; its checkpoint stands."""
    rows(
        connection, _INTERRUPT, source=claim.source, epoch=claim.epoch, pull=pull_id, outcome=outcome, error=error,
        **counters.parameters(calls),
    )  # fmt: skip


def expected_files(connection: sa.Connection, scope: Scope) -> int | None:
    """Return how many files the last complete full pull of this scope listed: the forecast's yardstick."""
    found: int | None = rows(
        connection,
        "SELECT files FROM syncer.pull WHERE source = %(source)s AND prefix = %(prefix)s AND kind = 'full' "
        "AND settled_run IS NOT NULL AND restarts = 0 ORDER BY pull_id DESC LIMIT 1",
        source=scope.source,
        prefix=scope.prefix,
    ).scalar()
    return found


def listed(connection: sa.Connection, source: str, pull_id: int, generation: int) -> int:
    """Return how many entries one listing of a pull has shown so far."""
    return int(
        rows(
            connection,
            "SELECT coalesce(sum(entries), 0) FROM syncer.page WHERE source = %(source)s AND pull_id = %(pull)s "
            "AND generation = %(generation)s AND part = 'listing'",
            source=source,
            pull=pull_id,
            generation=generation,
        ).scalar_one()
    )


_TOTALS = """
SELECT pages, files, inserted, updated, unchanged, rejected, unidentified, short, gone, drifted, suspects, restarts,
       api_calls, CASE proven WHEN true THEN 'proven' WHEN false THEN 'unproven' ELSE 'partial' END AS verdict,
       extract(epoch FROM coalesce(finished_at, syncer.instant()) - started_at)::float8 AS seconds
FROM syncer.pull WHERE source = %(source)s AND pull_id = %(pull)s
"""


def totals(connection: sa.Connection, source: str, pull_id: int) -> dict[str, Any]:
    """Return the committed counters of a pull, over all its runs."""
    return dict(rows(connection, _TOTALS, source=source, pull=pull_id).mappings().one())


def _begin(connection: sa.Connection, claim: Claim, scope: Scope, kind: str, *, allow_sweep: bool) -> StoredPull:
    pull_id = rows(
        connection, _NEW_PULL, source=scope.source, kind=kind, listing=scope.listing, prefix=scope.prefix,
        page_size=scope.page_size, allow_sweep=allow_sweep, run=claim.run_id, epoch=claim.epoch,
    ).scalar()  # fmt: skip
    if pull_id is None:
        raise fenced(scope.source)
    return StoredPull(
        pull_id, "listing", 1, 0, 0, context=None, oldest=None, newest=None, reason=None, allow_sweep=allow_sweep,
        resumed=False,
    )  # fmt: skip


def _abandon(connection: sa.Connection, claim: Claim, kind: str, reason: str) -> None:
    rows(connection, _ABANDON, source=claim.source, kind=kind, epoch=claim.epoch, reason=reason)


def _fenced_write(connection: sa.Connection, sql: str, claim: Claim, **parameters: Any) -> None:
    if not rows(connection, sql, source=claim.source, epoch=claim.epoch, **parameters).rowcount:
        raise fenced(claim.source)
