"""The names of an alert's files: a sample of them, and how many begin alike."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from syncer.store.alert_files import Share
from syncer.store.alert_where import Watch, where
from syncer.store.database import rows


def sample(connection: sa.Connection, watch: Watch, limit: int) -> list[str]:
    """Return the names of up to `limit` members from all over, the same each time; of a stream's file the stream."""
    condition, parameters = where(watch)
    # The streams of those that are chosen, and not of all that there are to choose from.
    sql = f"""
    SELECT coalesce(report.name_prefix(name), name) FROM (
      SELECT f.name, hashtext(f.file_id) AS place, f.file_id FROM syncer.file f
      WHERE {condition} AND f.name IS NOT NULL
      ORDER BY place, f.file_id LIMIT %(limit)s
    ) chosen ORDER BY place, file_id
    """
    return list(rows(connection, sql, **parameters, limit=limit).scalars())


def shares(connection: sa.Connection, watch: Watch, prefixes: Sequence[str]) -> list[Share]:
    """Count the members by the longest of `prefixes` that their names begin with, the most first, all others last."""
    condition, parameters = where(watch)
    longest = sorted(prefixes, key=len, reverse=True)
    parameters |= {f"group_{number}": prefix for number, prefix in enumerate(longest)}
    cases = " ".join(
        f"WHEN starts_with(f.name, %(group_{number})s) THEN %(group_{number})s" for number in range(len(longest))
    )
    chosen = f"CASE {cases} ELSE '' END" if cases else "''"
    sql = f"""
    SELECT prefix, count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes
    FROM (SELECT {chosen} AS prefix, f.size_bytes FROM syncer.file f WHERE {condition}) named
    GROUP BY prefix ORDER BY prefix = '', 2 DESC, 1
    """
    found = [Share(**row) for row in rows(connection, sql, **parameters).mappings()]
    return _without_single_files(found)


def _without_single_files(found: list[Share]) -> list[Share]:
    """Put what turned out to be a single file with the others: it is no group."""
    kept = [each for each in found if each.prefix and each.files > 1]
    others = [each for each in found if not each.prefix or each.files == 1]
    if not kept:
        return []
    left = Share("", sum(each.files for each in others), sum(each.bytes for each in others))
    return [*kept, left] if left.files else kept
