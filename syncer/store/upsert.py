"""How the entries of a page become files: the members of the statement that stores them, and its parameters."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from operator import attrgetter
from typing import Any

from syncer.model import BackupFile, Page
from syncer.store import arrays

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
# Every field of a page's entries, with its type in the arrays that a page is passed as; of what could not be read the
# names are joined. Arrays cost PostgreSQL less than JSON by half, and in their binary form by two thirds.
_ARRAYS = {"file_id": "text"} | COLUMNS | {"unreadable": "text"}


def _each(form: str) -> str:
    """Repeat `form` for each column, of which {c} is the name."""
    return ", ".join(form.format(c=column) for column in COLUMNS)


def _unnested() -> str:
    return ", ".join(f"unnest(%({name})s::{kind}[]) AS {name}" for name, kind in _ARRAYS.items())


# A field of a page's entry, or what was stored when the entry's own could not be read.
_MERGED = (
    "CASE WHEN r.unreadable IS NOT NULL AND '{c}' = ANY (string_to_array(r.unreadable, ' ')) THEN f.{c} ELSE r.{c} END"
)

# A file's changes are stamped in the order in which they were seen, also when the clock was set back in between: what
# report.backups_as_of undoes last must be what happened first.
NEXT_CHANGE = "greatest(syncer.instant(), {last} + interval '1 microsecond')"

# Made once for a page: making the instant reads a setting, which each new file would pay for twice.
_AT = "(SELECT at FROM fence)"

# The members of a WITH that begins with `fence` and goes by `%(source)s`, `%(run)s` and `%(settled)s`.
# `fence` renews the lease and says `at` which instant: no row comes out of it, and so nothing is written, when the
# epoch is no longer ours.
# `item` is the page joined to what is stored (LATERAL with LIMIT: a look-up by key for each entry, and no other plan);
# a field that is unreadable is as it was. Entries that are as stored, and known, leave no row, which spares an
# unchanged page a third of its cost; `differs` says of the others what the condition has already looked at.
# `diff` is what must be rewritten: changed files, and those that came back. Comparing first is what makes an
# unchanged page free: ON CONFLICT alone would lock, and so dirty, every row. New files go in without it, which spares
# a fifth of their cost; a lookup that stores the same file meanwhile makes the page try again.
# Everything is written in the order of the page's ids, which are sorted.
_FILES = """
item AS MATERIALIZED (
  SELECT r.file_id, f.file_id AS stored, f.first_run, f.gone_at AS old_gone_at, f.changed_at AS previous_at,
         {merged}, {old},
         f.gone_at IS NOT NULL OR ({values}) IS DISTINCT FROM ({stored}) AS differs
  FROM fence
  CROSS JOIN LATERAL (SELECT {unnested}) r
  LEFT JOIN LATERAL (
    SELECT * FROM syncer.file s WHERE s.source = %(source)s AND s.file_id = r.file_id LIMIT 1
  ) f ON true
  WHERE f.file_id IS NULL OR f.first_run > %(settled)s
        OR f.gone_at IS NOT NULL OR ({values}) IS DISTINCT FROM ({stored})
),
diff AS MATERIALIZED (
  SELECT *, {changing_at} AS changing_at FROM item WHERE stored IS NOT NULL AND differs
),
added AS (
  INSERT INTO syncer.file (source, file_id, {columns}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {columns}, {at}, {at}, %(run)s
  FROM item WHERE stored IS NULL
),
rewritten AS (
  INSERT INTO syncer.file (source, file_id, {columns}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {columns}, {at}, changing_at, %(run)s
  FROM diff
  ON CONFLICT (source, file_id) DO UPDATE
  SET ({columns}) = ROW({excluded}), changed_at = excluded.changed_at, gone_at = NULL
),
changed AS (
  INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
  SELECT %(source)s, d.changing_at, d.file_id, v.field, v.old_value, v.new_value, %(run)s, d.previous_at
  FROM diff d CROSS JOIN LATERAL (VALUES
    ('gone_at', d.old_gone_at::text, NULL), {both}
  ) AS v (field, old_value, new_value)
  WHERE v.old_value IS DISTINCT FROM v.new_value
),
counts AS MATERIALIZED (
  SELECT (SELECT count(*) FROM item WHERE stored IS NULL) AS inserted,
         (SELECT count(*) FROM diff) AS updated,
         (SELECT %(distinct)s - count(*) FROM item WHERE stored IS NULL OR first_run > %(settled)s) AS known
  FROM fence
)
"""


@cache
def files(*, odd: bool) -> str:
    """Return the members that store a page's files; where nothing is `odd`, no field of theirs is unreadable."""
    value = _MERGED if odd else "r.{c}"
    return _FILES.format(
        merged=_each(value + " AS {c}"),
        old=_each("f.{c} AS old_{c}"),
        values=_each(value),
        stored=_each("f.{c}"),
        unnested=_unnested(),
        changing_at=NEXT_CHANGE.format(last="previous_at"),
        columns=_each("{c}"),
        at=_AT,
        excluded=_each("excluded.{c}"),
        both=_each("('{c}', d.old_{c}::text, d.{c}::text)"),
    )


# Believed to be new: a file that is stored all the same violates its key, and with it the whole statement.
_NEW_FILES = """
added AS (
  INSERT INTO syncer.file (source, file_id, {columns}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {columns}, at, at, %(run)s
  FROM fence CROSS JOIN LATERAL (SELECT {unnested}) r
),
counts AS MATERIALIZED (SELECT %(distinct)s::bigint AS inserted, 0::bigint AS updated, 0::bigint AS known FROM fence)
"""


@cache
def new_files() -> str:
    """Return the members that store a page's files where all are believed to be new.

    They are not looked up: if any is stored, the statement fails and writes nothing. For pages without an odd entry.
    """
    return _NEW_FILES.format(columns=_each("{c}"), unnested=_unnested())


REFUSED = """
refused AS (
  INSERT INTO syncer.rejected (source, digest, rejected_at, run_id, pull_id, page, position, file_id, reason, raw)
  SELECT %(source)s, decode(r.digest, 'hex'), syncer.instant(), %(run)s, %(pull)s::bigint, %(page)s::int,
         r.position, r.file_id, r.reason, r.raw
  FROM fence CROSS JOIN json_to_recordset(%(rejected)s::json)
       AS r (digest text, position int, file_id text, reason text, raw text)
  ON CONFLICT DO NOTHING
)
"""
"""The member that keeps what could not be read; to be left out where there is nothing."""


def parameters(page: Page) -> dict[str, Any]:
    """Return the parameters of `files` and `REFUSED` that hold the page, its files sorted."""
    files = sorted(page.files, key=attrgetter("file_id"))
    columns = dict(zip(BackupFile._fields, zip(*files, strict=True), strict=True)) if files else {}
    written = {name: _array(name, columns.get(name, ())) for name in _ARRAYS}
    return written | {"rejected": _rejected(page), "distinct": len(files)}


def _array(name: str, values: tuple[Any, ...]) -> bytes:
    match _ARRAYS[name]:
        case "bigint":
            return arrays.bigints(values)
        case "integer":
            return arrays.integers(values)
        case "timestamptz":
            return arrays.instants(values)
        case "jsonb":
            return arrays.documents([json.dumps(dict(value)) if value else None for value in values])
        case _ if name == "unreadable":
            return arrays.texts([" ".join(value) if value else None for value in values])
        case _:
            return arrays.texts(values)


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
