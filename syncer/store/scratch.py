"""A database that is thrown away: emptied at each start of the demo, and looked at in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from syncer.store.database import connect, rows

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


def changed(connection: sa.Connection, limit: int) -> list[Row]:
    """Return fields of files that changed: `field`, `old_value`, `new_value`, `name`."""
    return [dict(row) for row in rows(connection, _CHANGED, limit=limit).mappings()]
