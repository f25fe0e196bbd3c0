"""A database that is thrown away: emptied at each start of the demo, and looked at in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from syncer.store.database import connect, rows

_EXPIRING = """
SELECT expires_at, expires_at - syncer.instant() AS left, size_bytes, name FROM report.backups
WHERE state = 'live' AND expires_at IS NOT NULL ORDER BY expires_at, file_id LIMIT %(limit)s
"""

_GONE = """
SELECT state, expires_at, name FROM report.backups WHERE state IN ('expired', 'vanished')
ORDER BY state DESC, file_id LIMIT %(limit)s
"""

_CHANGED = """
SELECT c.field, c.old_value, c.new_value, b.name FROM report.changes c JOIN report.backups b USING (source, file_id)
WHERE c.field NOT LIKE '%%\\_raw' AND c.field <> 'gone_at' ORDER BY c.changed_at, c.file_id, c.field LIMIT %(limit)s
"""

Row = Mapping[str, Any]


def recreate(server_url: str, name: str) -> str:
    """Make the database `name` anew and empty, whoever was connected to it; return its URL.

    Raises DatabaseUnavailable.
    """
    with connect(server_url) as connection:
        quoted = connection.dialect.identifier_preparer.quote(name)
        rows(connection, f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
        rows(connection, f"CREATE DATABASE {quoted} STRATEGY wal_log")
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def expiring(connection: sa.Connection, limit: int) -> list[Row]:
    """Return what expires next: `expires_at`, `left`, `size_bytes`, `name`."""
    return _read(connection, _EXPIRING, limit)


def gone(connection: sa.Connection, limit: int) -> list[Row]:
    """Return what went from the listing, the vanished first: `state`, `expires_at`, `name`."""
    return _read(connection, _GONE, limit)


def changed(connection: sa.Connection, limit: int) -> list[Row]:
    """Return fields of files that changed: `field`, `old_value`, `new_value`, `name`."""
    return _read(connection, _CHANGED, limit)


def _read(connection: sa.Connection, sql: str, limit: int) -> list[Row]:
    return [dict(row) for row in rows(connection, sql, limit=limit).mappings()]
