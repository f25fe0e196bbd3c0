"""All that is known of one file, and of the files that bear one id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows
from syncer.store.inventory import FIELDS

MOST_CHANGES = 100
"""Changes of a file that are read; the latest."""

_FILE = """
SELECT * FROM report.backups WHERE source = %(source)s AND file_id = %(file_id)s
"""
_OF_ID = f"""
SELECT {", ".join(f"b.{name}" for name in FIELDS)} FROM unnest(%(sources)s::text[]) AS s (source)
JOIN report.backups b ON b.source = s.source AND b.file_id = %(file_id)s ORDER BY b.source
"""
_CHANGES = """
SELECT changed_at, pull_id, field, old_value, new_value, kind FROM report.changes
WHERE source = %(source)s AND file_id = %(file_id)s ORDER BY changed_at DESC, field LIMIT %(limit)s
"""
_ALL_SOURCES = "SELECT source FROM syncer.source ORDER BY source"


def file(connection: sa.Connection, source: str, file_id: str) -> Mapping[str, Any] | None:
    """Return a file by the columns of report.backups; None if there is none."""
    row = rows(connection, _FILE, source=source, file_id=file_id).mappings().one_or_none()
    return None if row is None else dict(row)


def of_id(connection: sa.Connection, file_id: str, source: str | None) -> list[Mapping[str, Any]]:
    """Return the files of one id by the names of inventory.FIELDS: of one source, or one of each that has it."""
    sources = [source] if source is not None else list(rows(connection, _ALL_SOURCES).scalars())
    return [dict(row) for row in rows(connection, _OF_ID, sources=sources, file_id=file_id).mappings()]


def changes(connection: sa.Connection, source: str, file_id: str) -> list[Mapping[str, Any]]:
    """Return the latest changes of a file."""
    found = rows(connection, _CHANGES, source=source, file_id=file_id, limit=MOST_CHANGES)
    return [dict(row) for row in found.mappings()]
