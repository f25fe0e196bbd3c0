"""Commits a page: its files, its ledger row, the checkpoint and the fence, in one statement that is one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from syncer.model import BackupFile, Calls, Page
from syncer.store import counters
from syncer.store.database import rows
from syncer.store.leases import RENEWED, fenced

# The columns of syncer.file that come from the API, each with its type.
COLUMNS = {
    "name": "text",
    "size_bytes": "bigint",
    "file_type": "text",
    "duration_seconds": "bigint",
    "status": "integer",
    "created_at": "timestamptz",
    "expires_at": "timestamptz",
    "created_raw": "text",
    "expires_raw": "text",
    "url": "text",
    "extra": "jsonb",
}
_TRIES = 5
_TOO_LARGE = 2**63
# Ids whose last six digits alone differ PostgreSQL compresses to less than the eight bytes of a number.
_NEAR = 10**6
# A deadlock, a failed serialization, a file that was added meanwhile.
_TRY_AGAIN = {"40P01", "40001", "23505"}


# Every field of a page's entries, with its type in the arrays that a page is passed as:
# instants as UNIX seconds, of what could not be read the names joined. Arrays cost PostgreSQL less than JSON by half.
_ARRAYS = {"file_id": "text"} | {
    column: "float8" if kind == "timestamptz" else kind for column, kind in COLUMNS.items()
} | {"unreadable": "text"}  # fmt: skip


def _each(form: str) -> str:
    """Repeat `form` for each column: {c} is its name, {r} its value in an entry of the page."""
    values = {column: f"to_timestamp(r.{column})" if kind == "timestamptz" else f"r.{column}" for column, kind in
              COLUMNS.items()}  # fmt: skip
    return ", ".join(form.format(c=column, r=value) for column, value in values.items())


# A field of a page's entry, or what was stored when the entry's own could not be read.
_MERGED = (
    "CASE WHEN r.unreadable IS NOT NULL AND '{c}' = ANY (string_to_array(r.unreadable, ' ')) THEN f.{c} ELSE {r} END"
    " AS {c}"
)

# A file's changes are stamped in the order in which they were seen, also when the clock was set back in between: what
# report.backups_as_of undoes last must be what happened first.
NEXT_CHANGE = "greatest(syncer.instant(), {last} + interval '1 microsecond')"

# `fence` renews the lease: no row comes out of it, and so nothing is written, when the epoch is no longer ours.
# `item` is the page joined to what is stored (LATERAL with LIMIT: a look-up by key for each entry, and no other plan);
# a field that is unreadable is as it was.
# `diff` is what must be written: new files, changed ones, and those that came back. Comparing first is what makes an
# unchanged page free: ON CONFLICT alone would lock, and so dirty, every row. New files go in without it, which spares
# a fifth of their cost; a lookup that stores the same file meanwhile makes the page try again.
_FILES = f"""
item AS MATERIALIZED (
  SELECT r.file_id, f.file_id AS stored, f.first_run, f.gone_at AS old_gone_at, f.changed_at AS previous_at,
         {_each(_MERGED)},
         {_each("f.{c} AS old_{c}")}
  FROM fence
  CROSS JOIN unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _ARRAYS.items())})
       AS r ({", ".join(_ARRAYS)})
  LEFT JOIN LATERAL (
    SELECT * FROM syncer.file s WHERE s.source = %(source)s AND s.file_id = r.file_id LIMIT 1
  ) f ON true
),
diff AS MATERIALIZED (
  SELECT *, {NEXT_CHANGE.format(last="previous_at")} AS changing_at FROM item
  WHERE stored IS NULL OR old_gone_at IS NOT NULL
     OR ({_each("{c}")}) IS DISTINCT FROM ({_each("old_{c}")})
),
added AS (
  INSERT INTO syncer.file (source, file_id, {_each("{c}")}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {_each("{c}")}, syncer.instant(), syncer.instant(), %(run)s
  FROM diff WHERE stored IS NULL ORDER BY file_id
),
rewritten AS (
  INSERT INTO syncer.file (source, file_id, {_each("{c}")}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {_each("{c}")}, syncer.instant(), changing_at, %(run)s
  FROM diff WHERE stored IS NOT NULL ORDER BY file_id
  ON CONFLICT (source, file_id) DO UPDATE
  SET ({_each("{c}")}) = ROW({_each("excluded.{c}")}), changed_at = excluded.changed_at, gone_at = NULL
),
changed AS (
  INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
  SELECT %(source)s, d.changing_at, d.file_id, v.field, v.old_value, v.new_value, %(run)s, d.previous_at
  FROM diff d CROSS JOIN LATERAL (VALUES
    ('gone_at', d.old_gone_at::text, NULL), {_each("('{c}', d.old_{c}::text, d.{c}::text)")}
  ) AS v (field, old_value, new_value)
  WHERE d.stored IS NOT NULL AND v.old_value IS DISTINCT FROM v.new_value
),
refused AS (
  INSERT INTO syncer.rejected (source, digest, rejected_at, run_id, pull_id, page, position, file_id, reason, raw)
  SELECT %(source)s, decode(r.digest, 'hex'), syncer.instant(), %(run)s, %(pull)s::bigint, %(page)s::int,
         r.position, r.file_id, r.reason, r.raw
  FROM fence CROSS JOIN json_to_recordset(%(rejected)s::json)
       AS r (digest text, position int, file_id text, reason text, raw text)
  ON CONFLICT DO NOTHING
),
counts AS MATERIALIZED (
  SELECT (SELECT count(*) FROM diff WHERE stored IS NULL) AS inserted,
         (SELECT count(*) FROM diff WHERE stored IS NOT NULL) AS updated,
         (SELECT count(*) FROM item WHERE first_run <= %(settled)s) AS known
  FROM fence
)
"""

_RENEW = f"UPDATE syncer.lease SET {RENEWED} WHERE source = %(source)s AND epoch = %(epoch)s"
_FENCE = f"WITH fence AS MATERIALIZED ({_RENEW} RETURNING 1),"
# The ledger has no foreign key, which would look the pull up once more and lock it for itself.
_PAGE_FENCE = f"""
WITH fence AS MATERIALIZED (
  {_RENEW} AND EXISTS (SELECT FROM syncer.pull WHERE source = %(source)s AND pull_id = %(pull)s) RETURNING 1
),
"""

_COMMIT_PAGE = f"""{_PAGE_FENCE} {_FILES},
counted AS ({counters.add(counters.FROM_CALLS)}),
ledger AS (
  INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, context_in, context_out,
                           entries, file_count, rejected, inserted, updated, oldest, newest, ordered,
                           file_ids, file_numbers)
  SELECT %(source)s, %(pull)s, %(generation)s, %(part)s, %(page)s, %(run)s, syncer.instant(),
         %(context_in)s::bytea, %(context_out)s::bytea, %(entries)s, %(file_count)s::bigint, %(odd)s, inserted, updated,
         %(page_oldest)s::timestamptz, %(page_newest)s::timestamptz, %(ordered)s::boolean,
         CASE WHEN NOT %(numbered)s THEN ARRAY(SELECT file_id FROM item ORDER BY file_id) END,
         CASE WHEN %(numbered)s THEN ARRAY(SELECT file_id::bigint FROM item ORDER BY file_id::bigint) END
  FROM counts
)
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

_COMMIT_CONFIRMED = f"{_FENCE} {_FILES} SELECT inserted, updated, known FROM counts"
# A person's lookup belongs to no pull and holds no lease: its fence is always open.
_COMMIT_LOOKUP = f"WITH fence AS (SELECT 1), {_FILES} SELECT inserted, updated, known FROM counts"

# The ids in a row of the ledger, which holds them as numbers where that is smaller.
SEEN = "coalesce(file_ids, file_numbers::text[])"

# Ids of a page that this generation's listing had already shown, in pages that went from newer to older. Where the
# server lists oldest first whatever is asked, the other end is the same end, and meeting it shows nothing.
_MET = f"""
SELECT coalesce(bool_or(seen && %(ids)s::text[]) AND bool_or(oldest < oldest_before)
                AND bool_and(oldest <= oldest_before AND newest <= newest_before), false)
FROM (SELECT {SEEN} AS seen, oldest, newest, lag(oldest) OVER listing AS oldest_before,
             lag(newest) OVER listing AS newest_before
      FROM syncer.page
      WHERE source = %(source)s AND pull_id = %(pull)s AND generation = %(generation)s AND part = 'listing'
        AND oldest IS NOT NULL
      WINDOW listing AS (ORDER BY page)) AS dated
"""


# Whether a context that the API now calls complete may have been answered before: it brought a page, or was being
# asked for when its listing was given up. Contexts may be the same in every listing; nobody knows.
_ANSWERED = """
SELECT EXISTS (
    SELECT FROM syncer.page
    WHERE source = %(source)s AND context_in = %(hash)s
      AND pull_id IN (SELECT pull_id FROM syncer.pull WHERE source = %(source)s AND kind = 'full'
                      ORDER BY pull_id DESC LIMIT 3))
  OR EXISTS (SELECT FROM syncer.context_death WHERE source = %(source)s AND context_in = %(hash)s)
  OR EXISTS (SELECT FROM syncer.pull WHERE source = %(source)s AND outcome = 'abandoned' AND context = %(context)s)
"""


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


def context_hash(context: str | None) -> bytes | None:
    """Return eight bytes that stand for a context in the ledger; None for none."""
    return None if context is None else hashlib.blake2b(context.encode(errors="replace"), digest_size=8).digest()


def commit_page(
    connection: sa.Connection, claim: Claim, at: Checkpoint, page: Page, *, settled_run: int, calls: Calls
) -> Fate:
    """Commit one page of a pull: afterwards its files are visible and the checkpoint stands behind it, or neither.

    `settled_run` is the run of the last cleanly finished pull of this scope (0 for none), `calls` what the API
    calls since the last commit came to. Raises Fenced when the source was taken over; then nothing was written.
    """
    times = [file.created_at for file in page.files if file.created_at is not None]
    row = _patiently(
        connection,
        _COMMIT_PAGE,
        **_files_of(page),
        source=claim.source,
        epoch=claim.epoch,
        seconds=claim.lease_seconds,
        run=claim.run_id,
        pull=at.pull_id,
        generation=at.generation,
        part=at.part,
        page=at.page,
        context_in=context_hash(at.context_in),
        context_out=context_hash(page.context),
        entries=page.entries,
        distinct=len(page.files),
        file_count=page.file_count,
        short=int(page.file_count is not None and page.entries < page.file_count),
        odd=len(page.rejected),
        unidentified=sum(entry.file_id is None for entry in page.rejected),
        page_oldest=min(times, default=None),
        page_newest=max(times, default=None),
        numbered=are_smaller_as_numbers([file.file_id for file in page.files]),
        ordered=times == sorted(times, reverse=at.part == "listing"),
        oldest=at.oldest,
        newest=at.newest,
        phase=at.phase,
        context=at.context,
        reason=at.reason,
        settled=settled_run,
        **counters.parameters(calls),
    ).one_or_none()
    if row is None:
        raise fenced(claim.source)
    return Fate(row.inserted, row.updated, row.known)


def commit_lookup(connection: sa.Connection, source: str, run_id: int, page: Page) -> Fate:
    """Store what a lookup answered; it belongs to no pull, and makes nothing known to one."""
    row = _patiently(
        connection, _COMMIT_LOOKUP, **_files_of(page), source=source, run=run_id, pull=None, page=None, settled=0
    ).one()
    return Fate(row.inserted, row.updated, row.known)


def commit_confirmed(connection: sa.Connection, claim: Claim, page: Page) -> None:
    """Store what the API answered when a sweep asked for files by id. Raises Fenced like `commit_page`."""
    row = _patiently(
        connection, _COMMIT_CONFIRMED, **_files_of(page), source=claim.source, epoch=claim.epoch,
        seconds=claim.lease_seconds, run=claim.run_id, pull=None, page=None, settled=0,
    ).one_or_none()  # fmt: skip
    if row is None:
        raise fenced(claim.source)


def listed_before(connection: sa.Connection, source: str, pull_id: int, generation: int, page: Page) -> bool:
    """Return whether any file of `page` is in the ledger of this generation's listing, seen to go newest first."""
    ids = [file.file_id for file in page.files]
    return bool(rows(connection, _MET, source=source, pull=pull_id, generation=generation, ids=ids).scalar())


def answered_before(connection: sa.Connection, source: str, context: str | None) -> bool:
    """Return whether `context` may have been answered by an earlier listing, of this pull or one of the last few."""
    return context is not None and bool(
        rows(connection, _ANSWERED, source=source, context=context, hash=context_hash(context)).scalar()
    )


def contexts_seen(connection: sa.Connection, source: str, pull_id: int, generation: int) -> bytes:
    """Return the hashes of the contexts that this generation's listing gave out, joined."""
    found: bytes = rows(
        connection,
        "SELECT coalesce(string_agg(context_out, ''), '') FROM syncer.page WHERE source = %(source)s "
        "AND pull_id = %(pull)s AND generation = %(generation)s AND part = 'listing'",
        source=source,
        pull=pull_id,
        generation=generation,
    ).scalar_one()
    return found


def are_smaller_as_numbers(file_ids: list[str]) -> bool:
    """Return whether the ledger keeps the ids of a page as numbers.

    Each must be one that a bigint holds, written as PostgreSQL would write it.
    """
    try:
        numbers = list(map(int, file_ids))
    except ValueError:
        return False
    if not numbers or list(map(str, numbers)) != file_ids:
        return False
    return max(numbers) - min(numbers) >= _NEAR and max(map(abs, numbers)) < _TOO_LARGE


def _files_of(page: Page) -> dict[str, str]:
    """Return the parameters of `_FILES` that hold the page."""
    columns = dict(zip(BackupFile._fields, zip(*page.files, strict=True), strict=True)) if page.files else {}
    arrays = {name: _array(_texts(name, values)) for name, values in columns.items()}
    return dict.fromkeys(_ARRAYS, "{}") | arrays | {"rejected": _rejected(page)}


def _texts(name: str, values: Iterable[Any]) -> Iterable[str | None]:
    match name:
        case "extra":
            return [json.dumps(dict(value)) if value else None for value in values]
        case "unreadable":
            return [" ".join(value) if value else None for value in values]
        case "created_at" | "expires_at":
            return [None if value is None else str(value.timestamp()) for value in values]
        case "size_bytes" | "duration_seconds" | "status":
            return [None if value is None else str(value) for value in values]
        case _:
            return values


def _array(texts: Iterable[str | None]) -> str:
    """Return the text of a PostgreSQL array. All are quoted at once, by a mark that no text of a page can hold: NUL."""
    joined = "\0,".join(["\0N" if text is None else text for text in texts])
    quoted = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0,", '","')
    return f'{{"{quoted}"}}'.replace('"\0N"', "NULL")


def _rejected(page: Page) -> str:
    if not page.rejected:
        return "[]"
    return json.dumps(
        [
            {
                "digest": hashlib.blake2b(f"{entry.reason}\n{entry.raw}".encode(), digest_size=16).hexdigest(),
                "position": entry.position,
                "file_id": entry.file_id,
                "reason": entry.reason,
                "raw": entry.raw,
            }
            for entry in page.rejected
        ]
    )


def _patiently(connection: sa.Connection, sql: str, **parameters: Any) -> sa.CursorResult[Any]:
    """Run the statement again when a lookup and a pull that store the same files got into each other's way."""
    for _ in range(_TRIES - 1):
        try:
            return rows(connection, sql, **parameters)
        except exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                raise
    return rows(connection, sql, **parameters)
