"""What is run with every page: prepared once, sent before it is waited for, and as safe as any other statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event, exc

from syncer.store import arrays
from syncer.store.database import connect
from syncer.store.direct import row

TIMES = [datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC), None, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]


@pytest.fixture
def connection(database: str) -> Iterator[sa.Connection]:
    with connect(database, pinned=True) as opened:
        yield opened


def prepared(connection: sa.Connection) -> int:
    """Return how many statements of `row` the server's session knows."""
    count = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'syncer%%'"
    return int(connection.exec_driver_sql(count).scalar_one())


def test_values_come_back_as_they_were_sent(connection: sa.Connection) -> None:
    sent: dict[str, Any] = {
        "number": 2**40,
        "text": "冷备 'a' %s",
        "yes": True,
        "none": None,
        "raw": b"\0\xff",
    }
    asked = "SELECT %(number)s::bigint, %(text)s::text, %(yes)s::boolean, %(none)s::text, %(raw)s::bytea, '100%%'"
    for _ in range(3):
        assert row(connection, asked, **sent) == (*sent.values(), "100%")
    assert prepared(connection) == 1


def test_the_server_reads_arrays_as_they_were_written(connection: sa.Connection) -> None:
    texts = ["", 'a"b\\c,{}', None, "NULL", "冷备", "x" * 600]
    numbers = [0, None, -(2**63), 2**63 - 1]
    small = [0, -(2**31), 2**31 - 1]
    written = {
        "texts": arrays.texts(texts),
        "numbers": arrays.bigints(numbers),
        "small": arrays.integers(small),
        "times": arrays.instants(TIMES),
        "documents": arrays.documents(['{"a": [1, null]}', None]),
    }
    asked = (
        "SELECT %(texts)s::text[], %(numbers)s::bigint[], %(small)s::integer[], %(times)s::timestamptz[],"
        " %(documents)s::jsonb[]"
    )
    assert row(connection, asked, **written) == (texts, numbers, small, TIMES, [{"a": [1, None]}, None])


def test_columns_of_nulls_alone_are_as_long_as_their_neighbours(connection: sa.Connection) -> None:
    asked = "SELECT array_agg(b) FROM (SELECT unnest(%(a)s::text[]) AS a, unnest(%(b)s::bigint[]) AS b) AS columns"
    assert row(connection, asked, a=arrays.texts(["x", "y"]), b=arrays.bigints([None, None])) == ([None, None],)
    assert row(connection, asked, a=arrays.texts([]), b=arrays.bigints([])) == (None,)


def test_no_row_is_none(connection: sa.Connection) -> None:
    assert row(connection, "SELECT 1 WHERE false") is None


def test_meanwhile_happens_while_the_server_is_at_work(connection: sa.Connection, database: str) -> None:
    seen: list[str] = []

    def look() -> None:
        deadline = time.monotonic() + 20
        with psycopg.connect(database, autocommit=True) as other:
            while not seen and time.monotonic() < deadline:
                state = other.execute("SELECT state FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(3)%%'"
                                      " AND pid <> pg_backend_pid()").fetchone()  # fmt: skip
                if state == ("active",):
                    seen.append("active")

    assert row(connection, "SELECT 1 FROM pg_sleep(3)", meanwhile=look) == (1,)
    assert seen == ["active"]


def test_what_meanwhile_raises_comes_out_and_the_statement_has_been_waited_for(connection: sa.Connection) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        row(connection, "INSERT INTO syncer.source (source, account) VALUES ('made', 'a') RETURNING 1", meanwhile=fail)
    assert row(connection, "SELECT account FROM syncer.source WHERE source = 'made'") == ("a",)


def test_an_error_is_the_database_s_and_the_connection_goes_on(connection: sa.Connection) -> None:
    with pytest.raises(exc.DataError) as caught:
        row(connection, "SELECT 1 / %(zero)s::int", zero=0)
    assert getattr(caught.value.orig, "sqlstate", None) == "22012"
    with pytest.raises(exc.ProgrammingError):
        row(connection, "SELECT nothing")
    assert row(connection, "SELECT 1 / %(zero)s::int", zero=1) == (1,)
    assert prepared(connection) == 1


def test_a_commit_that_fails_behind_its_row_is_an_error(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TEMP TABLE one (n int, CONSTRAINT alone UNIQUE (n) DEFERRABLE INITIALLY DEFERRED)"
    )
    insert = "INSERT INTO one VALUES (%(n)s) RETURNING n"
    assert row(connection, insert, n=1) == (1,)
    with pytest.raises(exc.IntegrityError) as caught:
        row(connection, insert, n=1)
    assert getattr(caught.value.orig, "sqlstate", None) == "23505"
    assert row(connection, "SELECT count(*) FROM one") == (1,)


@pytest.mark.parametrize("where", ["send_query_prepared", "send_prepare"])
def test_an_interrupt_in_the_midst_of_sending_leaves_a_closed_connection(connection: sa.Connection, where: str) -> None:
    driver: Any = connection.connection.driver_connection
    row(connection, "SELECT 1")

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            if name == where:
                raise KeyboardInterrupt
            return getattr(driver_pgconn, name)

    driver_pgconn, driver.pgconn = driver.pgconn, Interrupted()
    try:
        with pytest.raises(KeyboardInterrupt):
            row(connection, "SELECT 1" if where == "send_query_prepared" else "SELECT 2")
    finally:
        driver.pgconn = driver_pgconn
    assert (driver.closed, connection.invalidated) == (True, True)


@pytest.mark.parametrize("busy", [False, True])
def test_a_connection_that_dies_is_invalid(connection: sa.Connection, database: str, busy: bool) -> None:
    (pid,) = row(connection, "SELECT pg_backend_pid()") or (0,)

    def kill() -> None:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])

    if not busy:
        kill()
    with pytest.raises(exc.OperationalError):
        row(connection, "SELECT pg_sleep(30)", meanwhile=kill if busy else None)
    assert connection.invalidated


def test_who_listens_to_statements_hears_of_it(connection: sa.Connection) -> None:
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        heard.append(sql)

    event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        row(connection, "SELECT 1 AS heard")
    finally:
        event.remove(sa.Engine, "before_cursor_execute", hear)
    assert heard == ["SELECT 1 AS heard"]


def test_a_wait_can_be_interrupted_and_leaves_the_connection_usable(connection: sa.Connection) -> None:
    def interrupt() -> None:
        time.sleep(0.5)
        import _thread

        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    with pytest.raises((KeyboardInterrupt, exc.OperationalError)):
        row(connection, "SELECT pg_sleep(30)")
    thread.join()
    assert time.monotonic() - began < 20
    assert row(connection, "SELECT 1") == (1,)
