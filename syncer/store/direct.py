"""Runs what is run with every page by the driver itself: prepared once, and sent before it is waited for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import exc

from syncer.store.database import has_own_session

Row = tuple[Any, ...]

_STATEMENTS = "statements"


def row(
    connection: sa.Connection, sql: str, *, meanwhile: Callable[[], None] | None = None, **parameters: Any
) -> Row | None:
    """Run one statement that answers one row at most, and return it; raises what `database.rows` does.

    What SQLAlchemy and the driver's cursors put around a statement costs as much again as the statement itself. Who
    listens for what SQLAlchemy is about to run (`before_cursor_execute`, and no other event) hears of this too. The
    server takes a parameter for what its place in the statement says, or its cast; bytes are sent as they are, as
    `bytea` or what `arrays` has written.

    No transaction is begun: it is for connections that commit each statement by itself. `meanwhile` is called while
    the server is at work; it must not use the connection. The server's answer is waited for even when it raises.
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
            results = driver.wait(fetch_many(driver.pgconn))
        return _only_row(driver, results)
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
    try:
        if has_own_session(connection):
            driver.pgconn.send_query_prepared(_prepared(connection, driver, numbered), values, writer.formats)
        else:
            driver.pgconn.send_query_params(numbered.encode(), values, None, writer.formats)
        driver.wait(send(driver.pgconn))
    except psycopg.Error:
        raise
    except BaseException:
        # An interrupt in the midst of it: nobody knows any more what the server will answer to.
        connection.invalidate()
        raise


def _prepared(connection: sa.Connection, driver: psycopg.Connection, sql: str) -> bytes:
    """Return the name under which the server knows the statement in this session."""
    known: dict[str, bytes] = connection.info.setdefault(_STATEMENTS, {})
    if sql not in known:
        # By its text: behind a pooler that does not show, another client's statement can never go by this name.
        name = f"syncer_{blake2b(sql.encode(), digest_size=8).hexdigest()}".encode()
        driver.pgconn.send_prepare(name, sql.encode())
        driver.wait(send(driver.pgconn))
        _only_row(driver, driver.wait(fetch_many(driver.pgconn)))
        known[sql] = name
    return known[sql]


def _only_row(driver: psycopg.Connection, results: list[PGresult]) -> Row | None:
    """Return the row among the results of one statement.

    There may be rows and an error behind them, which is what counts: the commit failed.
    """
    for result in results:
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result, encoding=driver.info.encoding)
    if not results[0].ntuples:
        return None
    reader = Transformer.from_context(driver)
    reader.set_pgresult(results[0])
    found: Row = reader.load_row(0, tuple)
    return found


@lru_cache(maxsize=128)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return `sql` with `$1`, `$2`... for its `%(name)s`, and `%` for its `%%`; and the names in that order."""
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}" if found[1] else "%"

    numbered = re.sub(r"%(?:\((\w+)\)s|%)", place, sql)
    return numbered, tuple(places)
