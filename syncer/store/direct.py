"""Runs what is run with every page by the driver itself: prepared once, and sent before it is waited for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus
from sqlalchemy import exc

from syncer.store.database import is_pooled

Row = tuple[Any, ...]

_STATEMENTS = "statements"


def row(
    connection: sa.Connection, sql: str, *, meanwhile: Callable[[], None] | None = None, **parameters: Any
) -> Row | None:
    """Run one statement that answers one row at most, and return it; raises what `database.rows` does.

    What SQLAlchemy and the driver's cursors put around a statement costs as much again as the statement itself.
    Whoever listens to SQLAlchemy's statements hears of this one too. The server takes a parameter for what its place
    in the statement says, or its cast; bytes are sent as they are, as `bytea` or what `arrays` has written.

    `meanwhile` is called while the server is at work; it must not use the connection. The server's answer is waited
    for even when it raises.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, None, sql, parameters, None, False)
    try:
        _send(connection, driver, sql, parameters)
        try:
            if meanwhile is not None:
                meanwhile()
        finally:
            (result,) = driver.wait(fetch_many(driver.pgconn))
        return _first(driver, result)
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise exc.DBAPIError.instance(
            None, None, error, psycopg.Error, connection_invalidated=driver.closed, dialect=connection.dialect
        ) from error


def _send(connection: sa.Connection, driver: psycopg.Connection, sql: str, parameters: dict[str, Any]) -> None:
    numbered, names = _numbered(sql)
    given = [parameters[name] for name in names]
    ways = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in given]
    writer = Transformer.from_context(driver)
    values = writer.dump_sequence(given, ways)
    if is_pooled(connection):
        driver.pgconn.send_query_params(numbered.encode(), values, None, writer.formats)
    else:
        driver.pgconn.send_query_prepared(_prepared(connection, driver, numbered), values, writer.formats)
    driver.wait(send(driver.pgconn))


def _prepared(connection: sa.Connection, driver: psycopg.Connection, sql: str) -> bytes:
    """Return the name under which the server knows the statement in this session."""
    known: dict[str, bytes] = connection.info.setdefault(_STATEMENTS, {})
    if sql not in known:
        name = f"syncer_{len(known)}".encode()
        driver.pgconn.send_prepare(name, sql.encode())
        driver.wait(send(driver.pgconn))
        (result,) = driver.wait(fetch_many(driver.pgconn))
        _first(driver, result)
        known[sql] = name
    return known[sql]


def _first(driver: psycopg.Connection, result: Any) -> Row | None:
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise psycopg.errors.error_from_result(result, encoding=driver.info.encoding)
    if not result.ntuples:
        return None
    read = Transformer.from_context(driver)
    read.set_pgresult(result)
    found: Row = read.load_row(0, tuple)
    return found


@lru_cache(maxsize=128)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return `sql` with `$1`, `$2`... for its `%(name)s`, and `%` for its `%%`; and the names in that order."""
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}" if found[1] else "%"

    numbered = re.sub(r"%(?:\((\w+)\)s|%)", place, sql)
    return numbered, tuple(places)
