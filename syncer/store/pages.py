"""Commits a page: its files, its ledger row, the checkpoint and the fence, in one statement that is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncer.model import Calls, Page
from syncer.store import counters, ledger, upsert
from syncer.store.database import patiently
from syncer.store.direct import row
from syncer.store.leases import RENEWED, fenced

_RENEW = f"UPDATE syncer.lease SET {RENEWED} WHERE source = %(source)s AND epoch = %(epoch)s"
_FENCE = f"fence AS MATERIALIZED ({_RENEW} RETURNING syncer.instant() AS at)"
# The ledger has no foreign key, which would look the pull up once more and lock it for itself.
_PAGE_FENCE = f"""
fence AS MATERIALIZED (
  {_RENEW} AND EXISTS (SELECT FROM syncer.pull WHERE source = %(source)s AND pull_id = %(pull)s)
  RETURNING syncer.instant() AS at
)
"""

_LEDGER = """
ledger AS (
  INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, context_in, context_out,
                           entries, file_count, rejected, inserted, updated, oldest, newest, ordered,
                           file_ids, file_numbers, first_number, file_offsets)
  SELECT %(source)s, %(pull)s, %(generation)s, %(part)s, %(page)s, %(run)s, syncer.instant(),
         %(context_in)s::bytea, %(context_out)s::bytea, %(entries)s, %(file_count)s::bigint, %(odd)s, inserted, updated,
         %(page_oldest)s::timestamptz, %(page_newest)s::timestamptz, %(ordered)s::boolean,
         %(seen_ids)s::text[], %(seen_numbers)s::bigint[], %(first_number)s::bigint, %(seen_offsets)s::integer[]
  FROM counts
)
"""

_CHECKPOINT = """
UPDATE syncer.pull p
SET phase = %(phase)s, page = %(page)s, pages = p.pages + 1, files = p.files + %(entries)s,
    inserted = p.inserted + c.inserted, updated = p.updated + c.updated,
    unchanged = p.unchanged + %(distinct)s - c.inserted - c.updated,
    rejected = p.rejected + %(odd)s, unidentified = p.unidentified + %(unidentified)s,
    short = p.short + %(short)s, api_calls = p.api_calls + %(calls)s,
    oldest = %(oldest)s::timestamptz, newest = %(newest)s::timestamptz,
    context_at = syncer.instant(), reason = %(reason)s::text, context = %(context)s::text
FROM counts c
WHERE p.source = %(source)s AND p.pull_id = %(pull)s
RETURNING c.inserted, c.updated, c.known
"""

_FOUND = f"{upsert.files(odd=True)}, {upsert.REFUSED} SELECT inserted, updated, known FROM counts"
_COMMIT_CONFIRMED = f"WITH {_FENCE}, {_FOUND}"
# A person's lookup belongs to no pull and holds no lease: its fence is always open.
_COMMIT_LOOKUP = f"WITH fence AS (SELECT syncer.instant() AS at), {_FOUND}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Under what a page is written: the source, the epoch and length (seconds) of its lease, and the run."""

    source: str
    epoch: int
    lease_seconds: float
    run_id: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the page belongs in its pull, and where the pull goes on after it."""

    pull_id: int
    generation: int
    part: str
    page: int
    context_in: str | None
    phase: str
    context: str | None
    reason: str | None
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a page's files: `known` of them had been listed by a cleanly finished pull before."""

    inserted: int
    updated: int
    known: int


@dataclass(frozen=True, slots=True)
class Written:
    """A page, and its files as the statement that commits them takes them: a third of what a page costs the client."""

    page: Page
    parameters: Mapping[str, Any]


def write(page: Page) -> Written:
    """Write a page for its commit; what needs no database can be done while that is busy."""
    return Written(page, upsert.parameters(page) | ledger.seen([file.file_id for file in page.files]))


def commit_page(
    connection: sa.Connection,
    claim: Claim,
    at: Checkpoint,
    written: Written,
    *,
    settled_run: int,
    calls: Calls,
    believed_new: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Fate:
    """Commit one page of a pull: afterwards its files are visible and the checkpoint stands behind it, or neither.

    `settled_run` is the run of the last cleanly finished pull of this scope (0 for none), `calls` what the API
    calls since the last commit came to. `believed_new` says that none of the files is likely to be stored: then they
    are not looked up first, and the page is committed again, as any other, when one is. `meanwhile` is called while
    the database is at work, which it must not use, and again if the page has to be tried again. Raises Fenced when the
    source was taken over; then nothing was written.
    """
    page = written.page
    odd, told = bool(page.rejected), counters.is_worth_telling(calls)
    times = [file.created_at for file in page.files if file.created_at is not None]
    stored = patiently(
        row,
        connection,
        _commit_page(odd=odd, told=told),
        first=_commit_page(odd=False, told=told, believed_new=True) if believed_new and not odd else None,
        meanwhile=meanwhile,
        **written.parameters,
        **counters.parameters(calls),
        source=claim.source,
        epoch=claim.epoch,
        seconds=claim.lease_seconds,
        run=claim.run_id,
        pull=at.pull_id,
        generation=at.generation,
        part=at.part,
        page=at.page,
        context_in=ledger.context_hash(at.context_in),
        context_out=ledger.context_hash(page.context),
        entries=page.entries,
        file_count=page.file_count,
        short=int(page.file_count is not None and page.entries < page.file_count),
        odd=len(page.rejected),
        unidentified=sum(entry.file_id is None for entry in page.rejected),
        page_oldest=min(times, default=None),
        page_newest=max(times, default=None),
        ordered=times == sorted(times, reverse=at.part == "listing"),
        oldest=at.oldest,
        newest=at.newest,
        phase=at.phase,
        context=at.context,
        reason=at.reason,
        settled=settled_run,
    )
    if stored is None:
        raise fenced(claim.source)
    return Fate(*stored)


def commit_lookup(connection: sa.Connection, source: str, run_id: int, page: Page) -> Fate:
    """Store what a lookup answered; it belongs to no pull, and makes nothing known to one."""
    stored = patiently(
        row,
        connection,
        _COMMIT_LOOKUP,
        **upsert.parameters(page),
        source=source,
        run=run_id,
        pull=None,
        page=None,
        settled=0,
    )
    assert stored is not None
    return Fate(*stored)


def commit_confirmed(connection: sa.Connection, claim: Claim, page: Page) -> None:
    """Store what the API answered when a sweep asked for files by id. Raises Fenced like `commit_page`."""
    stored = patiently(
        row, connection, _COMMIT_CONFIRMED, **upsert.parameters(page), source=claim.source, epoch=claim.epoch,
        seconds=claim.lease_seconds, run=claim.run_id, pull=None, page=None, settled=0,
    )  # fmt: skip
    if stored is None:
        raise fenced(claim.source)


@cache
def _commit_page(*, odd: bool, told: bool, believed_new: bool = False) -> str:
    """Return the statement that commits a page; most are spared the members for what is `odd` or to be `told`."""
    assert not (odd and believed_new)
    members = [_PAGE_FENCE, upsert.new_files() if believed_new else upsert.files(odd=odd), _LEDGER]
    members += [upsert.REFUSED] if odd else []
    members += [f"counted AS ({counters.add(counters.FROM_CALLS)})"] if told else []
    return f"WITH {', '.join(members)} {_CHECKPOINT}"
