"""Everything that syncer knows as one file: written from one snapshot, read into an empty database, counted both times.

The file is text, gzipped by the command. A JSON line says what it is; then each table is a JSON line with its name and
columns, its rows as PostgreSQL's COPY writes them, and a line with a backslash and a dot; a last JSON line holds the
counts and the numbers that were given out. Without that line the file is not whole.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from typing import IO, Any

import psycopg
import sqlalchemy as sa

from syncer.errors import SettingsError
from syncer.store.database import bulk_transaction, rows, snapshot
from syncer.store.migrate import HEAD
from syncer.store.tables import SCHEMA, metadata

FORMAT = 1
_END_OF_ROWS = b"\\.\n"
# A COPY takes a block: the triggers that keep totals hold all rows of a statement until it ends.
_BLOCK = 1 << 22
# The same text for the same value on every server, whatever its own settings.
_SPELLING = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 1"
# A reader of a slow pipe may pause; one that is gone for good shall not keep its locks.
_IDLE_SECONDS = 3600.0

# Daemons that share the old database are nothing to the new one, and totals follow from the files.
_TABLES = tuple(table for table in metadata.sorted_tables if table.name not in {"replica", "stock"})

Counts = dict[str, int]
File = IO[bytes] | GzipFile


def pulling(connection: sa.Connection) -> list[tuple[str, str]]:
    """Return which sources are being pulled now, and by whom: what they commit later is not in an export."""
    held = "SELECT source, holder FROM syncer.lease WHERE held_until > clock_timestamp() ORDER BY source"
    return [(row.source, row.holder) for row in rows(connection, held)]


def write(connection: sa.Connection, file: File, *, version: str) -> Counts:
    """Write every table to `file`, as of one instant; return the rows of each. Raises DatabaseUnavailable."""
    counts: Counts = {}
    rows(connection, _SPELLING)
    with snapshot(connection), _driver(connection) as cursor:
        _write_line(file, {"syncer_export": FORMAT, "schema": HEAD, "version": version})
        for table in _TABLES:
            columns = [column.name for column in table.columns]
            _write_line(file, {"table": table.name, "columns": columns})
            with cursor.copy(f"COPY {_named(table.name, columns)} TO STDOUT") as copy:
                counts[table.name] = 0
                for block in copy:
                    file.write(block)
                    counts[table.name] += bytes(block).count(b"\n")
            file.write(_END_OF_ROWS)
        _write_line(file, {"rows": counts, "numbers": _numbers(connection)})
    return counts


def read(connection: sa.Connection, file: File) -> Counts:
    """Fill an empty database from `file` in one transaction; return the rows of each table.

    Raises SettingsError, with nothing written, when the file is not a whole export of this schema, or when the database
    holds anything already.
    """
    rows(connection, _SPELLING)
    with _understood(), bulk_transaction(connection, idle_seconds=_IDLE_SECONDS), _driver(connection) as cursor:
        _require_this_schema(_read_line(file))
        _require_empty(connection)
        counts: Counts = {}
        while "table" in (line := _read_line(file)):
            counts[line["table"]] = 0
            for block in _blocks(file):
                with cursor.copy(f"COPY {_checked(line)} FROM STDIN") as copy:
                    copy.write(block)
                counts[line["table"]] += cursor.rowcount
        if counts != line["rows"] or counts.keys() != {table.name for table in _TABLES}:
            raise SettingsError("The file is not whole: the rows in it are not as many as its last line says.")
        for name, last in line["numbers"].items():
            table, column = name.split(".")
            sequence = "pg_get_serial_sequence(%(table)s, %(column)s)"
            set_last = f"SELECT setval({sequence}, %(last)s) WHERE %(last)s > 0"
            rows(connection, set_last, table=f"{SCHEMA}.{table}", column=column, last=last)
    for table in metadata.sorted_tables:
        rows(connection, f"ANALYZE {SCHEMA}.{table.name}")
    return counts


def _named(table: str, columns: list[str]) -> str:
    return f'{SCHEMA}."{table}" (' + ", ".join(f'"{column}"' for column in columns) + ")"


def _checked(line: dict[str, Any]) -> str:
    """Return the table and columns of a line of the file, if they are ours."""
    table = metadata.tables.get(f"{SCHEMA}.{line['table']}")
    if table is None or line["columns"] != [column.name for column in table.columns]:
        raise SettingsError(f"The file holds a table that this version does not know: {line['table']!r}.")
    return _named(line["table"], line["columns"])


def _numbers(connection: sa.Connection) -> Counts:
    """Return the last number given out for each column that counts; rows that bore it may have been pruned since."""
    found: Counts = {}
    for table in _TABLES:
        for column in (column.name for column in table.columns if column.identity is not None):
            question = f"""
                SELECT greatest((SELECT max({column}) FROM {SCHEMA}.{table.name}), last_value, 0)
                FROM pg_sequences WHERE format('%%I.%%I', schemaname, sequencename)
                  = pg_get_serial_sequence('{SCHEMA}.{table.name}', '{column}')"""
            found[f"{table.name}.{column}"] = rows(connection, question).scalar_one()
    return found


def _require_this_schema(header: dict[str, Any]) -> None:
    if header.get("syncer_export") != FORMAT or header.get("schema") != HEAD:
        raise SettingsError(
            f"The file was made by syncer {header.get('version')} with schema {header.get('schema')}, this one has "
            f"schema {HEAD}. Import it with the version that made it, then upgrade (docs/upgrade.md)."
        )


def _require_empty(connection: sa.Connection) -> None:
    for table in _TABLES:
        rows(connection, f"LOCK TABLE {SCHEMA}.{table.name} IN SHARE ROW EXCLUSIVE MODE")
        if rows(connection, f"SELECT EXISTS (SELECT FROM {SCHEMA}.{table.name})").scalar():
            raise SettingsError(
                f"The database is in use already (there are rows in {SCHEMA}.{table.name}). Import into a new one that "
                "`syncer migrate` has just made; nothing was changed."
            )


def _blocks(file: File) -> Iterator[bytes]:
    """Yield a table's rows, many at a time."""
    held: list[bytes] = []
    size = 0
    while (line := file.readline()) != _END_OF_ROWS:
        if not line.endswith(b"\n"):
            raise EOFError
        held.append(line)
        size += len(line)
        if size > _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _write_line(file: File, value: dict[str, Any]) -> None:
    file.write(json.dumps(value).encode() + b"\n")


def _read_line(file: File) -> dict[str, Any]:
    value = json.loads(file.readline())
    if not isinstance(value, dict):
        raise TypeError
    return value


@contextmanager
def _driver(connection: sa.Connection) -> Iterator[psycopg.Cursor[Any]]:
    """Yield a cursor of the driver itself, whose errors become those that `connect` explains."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor:
        try:
            yield cursor
        except psycopg.Error as error:
            raise sa.exc.DBAPIError.instance("COPY", None, error, psycopg.Error) from error


@contextmanager
def _understood() -> Iterator[None]:
    """Turn what a damaged file brings about into a sentence."""
    try:
        yield
    except (
        EOFError,
        BadGzipFile,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        sa.exc.DataError,
        sa.exc.IntegrityError,
    ):
        raise SettingsError("The file is no whole export of syncer, or it is damaged; nothing was changed.") from None
