"""How the entries of a page become files: the members of the statement that stores them, and its parameters."""

from __future__ import annotations

import hashlib
import json
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

# Made once for a page: making the instant reads a setting, which each new file would pay for twice.
_AT = "(SELECT at FROM fence)"

# The members of a WITH that begins with `fence` and goes by `%(source)s`, `%(run)s` and `%(settled)s`.
# `fence` renews the lease and says `at` which instant: no row comes out of it, and so nothing is written, when the
# epoch is no longer ours.
# `item` is the page joined to what is stored (LATERAL with LIMIT: a look-up by key for each entry, and no other plan);
# a field that is unreadable is as it was.
# `diff` is what must be rewritten: changed files, and those that came back. Comparing first is what makes an
# unchanged page free: ON CONFLICT alone would lock, and so dirty, every row. New files go in without it, which spares
# a fifth of their cost; a lookup that stores the same file meanwhile makes the page try again.
FILES = f"""
item AS MATERIALIZED (
  SELECT r.file_id, f.file_id AS stored, f.first_run, f.gone_at AS old_gone_at, f.changed_at AS previous_at,
         {_each(_MERGED)},
         {_each("f.{c} AS old_{c}")}
  FROM fence
  CROSS JOIN LATERAL (
    SELECT {", ".join(f"unnest(%({name})s::{kind}[]) AS {name}" for name, kind in _ARRAYS.items())}
  ) r
  LEFT JOIN LATERAL (
    SELECT * FROM syncer.file s WHERE s.source = %(source)s AND s.file_id = r.file_id LIMIT 1
  ) f ON true
),
diff AS MATERIALIZED (
  SELECT *, {NEXT_CHANGE.format(last="previous_at")} AS changing_at FROM item
  WHERE stored IS NOT NULL
    AND (old_gone_at IS NOT NULL OR ({_each("{c}")}) IS DISTINCT FROM ({_each("old_{c}")}))
),
added AS (
  INSERT INTO syncer.file (source, file_id, {_each("{c}")}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {_each("{c}")}, {_AT}, {_AT}, %(run)s
  FROM item WHERE stored IS NULL ORDER BY file_id
),
rewritten AS (
  INSERT INTO syncer.file (source, file_id, {_each("{c}")}, first_seen_at, changed_at, first_run)
  SELECT %(source)s, file_id, {_each("{c}")}, {_AT}, changing_at, %(run)s
  FROM diff ORDER BY file_id
  ON CONFLICT (source, file_id) DO UPDATE
  SET ({_each("{c}")}) = ROW({_each("excluded.{c}")}), changed_at = excluded.changed_at, gone_at = NULL
),
changed AS (
  INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
  SELECT %(source)s, d.changing_at, d.file_id, v.field, v.old_value, v.new_value, %(run)s, d.previous_at
  FROM diff d CROSS JOIN LATERAL (VALUES
    ('gone_at', d.old_gone_at::text, NULL), {_each("('{c}', d.old_{c}::text, d.{c}::text)")}
  ) AS v (field, old_value, new_value)
  WHERE v.old_value IS DISTINCT FROM v.new_value
),
counts AS MATERIALIZED (
  SELECT (SELECT count(*) FROM item WHERE stored IS NULL) AS inserted,
         (SELECT count(*) FROM diff) AS updated,
         (SELECT count(*) FROM item WHERE first_run <= %(settled)s) AS known
  FROM fence
)
"""

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


def parameters(page: Page) -> dict[str, str]:
    """Return the parameters of `FILES` and `REFUSED` that hold the page.

    Its files are sorted already, for PostgreSQL finds that out sooner than it sorts them.
    """
    files = sorted(page.files, key=attrgetter("file_id"))
    columns = dict(zip(BackupFile._fields, zip(*files, strict=True), strict=True)) if files else {}
    written = {name: _array(name, values) for name, values in columns.items()}
    return dict.fromkeys(_ARRAYS, arrays.EMPTY) | written | {"rejected": _rejected(page)}


def _array(name: str, values: tuple[Any, ...]) -> str:
    match name:
        case "extra":
            return arrays.texts([json.dumps(dict(value)) if value else None for value in values])
        case "unreadable":
            return arrays.texts([" ".join(value) if value else None for value in values])
        case "created_at" | "expires_at":
            return arrays.instants(values)
        case "size_bytes" | "duration_seconds" | "status":
            return arrays.numbers(values)
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
