"""The limit: the same rows by COPY, all in one commit, or 100 a commit with a checkpoint, as a pull commits them."""

from __future__ import annotations

from psycopg import Cursor
from rig import Cost, Server

COLUMNS = (
    "source, file_id, name, size_bytes, file_type, duration_seconds, status, created_at, expires_at, created_raw,"
    " expires_raw, url, first_seen_at, changed_at, first_run"
)
PAGE = 100


def rows_of(server: Server, database: str) -> list[bytes]:
    """Return what a pull stored, newest first as it came, as ready-made blocks of COPY's text format, 100 rows each."""
    with server.connect(database) as connection:
        query = f"COPY (SELECT {COLUMNS} FROM syncer.file ORDER BY created_at DESC, file_id DESC) TO STDOUT"
        with connection.cursor().copy(query) as copy:
            lines = b"".join(bytes(block) for block in copy).splitlines(keepends=True)
    return [b"".join(lines[start : start + PAGE]) for start in range(0, len(lines), PAGE)]


def copy_by_pages(server: Server, database: str, pages: list[bytes]) -> Cost:
    """COPY a page and move a checkpoint, in one transaction; all pages on one connection."""
    _make_source(server, database)
    with server.connect(database) as connection:
        connection.execute("CREATE TABLE checkpoint (page integer, context text) WITH (fillfactor = 50)")
        connection.execute("INSERT INTO checkpoint VALUES (0, '')")
    with server.connect(database) as connection, server.measured() as meter:
        for number, page in enumerate(pages, 1):
            with connection.transaction(), connection.cursor() as cursor:
                _copy(cursor, page)
                cursor.execute("UPDATE checkpoint SET page = %s, context = %s", [number, f"context {number}"])
    return meter.cost


def copy_at_once(server: Server, database: str, pages: list[bytes]) -> Cost:
    """COPY all rows in one transaction."""
    _make_source(server, database)
    with server.connect(database) as connection, server.measured() as meter, connection.cursor() as cursor:
        _copy(cursor, *pages)
    return meter.cost


def _make_source(server: Server, database: str) -> None:
    """Make the table ready for rows: with its indexes, and without the triggers that keep totals of it."""
    with server.connect(database) as connection:
        connection.execute("ALTER TABLE syncer.file DISABLE TRIGGER USER")
        connection.execute("INSERT INTO syncer.source (source, account) VALUES ('default', 'benchmark')")


def _copy(cursor: Cursor, *pages: bytes) -> None:
    with cursor.copy(f"COPY syncer.file ({COLUMNS}) FROM STDIN") as copy:
        for page in pages:
            copy.write(page)
