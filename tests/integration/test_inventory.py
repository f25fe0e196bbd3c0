"""The inventory is what the selection says, in its order, and streams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from syncer.store import inventory
from syncer.store.database import Connection, connect, rows, snapshot
from syncer.store.inventory import FIELDS, Selection, Sorting, State

EVERY = frozenset(State)
INSERT = """
INSERT INTO syncer.file (source, file_id, name, created_at, expires_at, gone_at, first_seen_at, changed_at, first_run)
VALUES (%s, %s, %s, now() + %s::interval, now() + %s::interval, now() + %s::interval, now(), now(), 1)
"""
FILES = [
    ("a", "soon", "show_1%", "-9 days", "1 day", None),
    ("a", "later", "show_2", "-8 days", "20 days", None),
    ("a", "never", "showX3", "-1 days", None, None),
    ("a", "overdue", "other", "-30 days", "-1 hour", None),
    ("a", "expired", "show_4", "-40 days", "-10 days", "-9 days"),
    ("a", "vanished", None, "-7 days", "10 days", "-1 days"),
    ("b", "theirs", "show_5", None, "2 days", None),
]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as raw:
        raw.execute("INSERT INTO syncer.source (source, account) VALUES ('a', 'x'), ('b', 'x')")
        raw.cursor().executemany(INSERT, FILES)
    with connect(database) as opened:
        yield opened


def ids(connection: Connection, selection: Selection, limit: int | None = None) -> list[str]:
    with snapshot(connection):
        with inventory.reading(connection, selection, limit) as found:
            result = [row["file_id"] for row in found]
        if limit is None:
            assert inventory.count(connection, selection) == len(result)
    return result


def test_by_default_live_files_come_as_they_expire(connection: Connection) -> None:
    assert ids(connection, Selection()) == ["soon", "theirs", "later", "never"]
    assert ids(connection, Selection(), limit=2) == ["soon", "theirs"]


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_the_one_that_the_view_shows(connection: Connection, state: State) -> None:
    sql = "SELECT file_id FROM report.backups WHERE state = %(state)s"
    shown = set(rows(connection, sql, state=state.value).scalars())
    assert shown
    assert set(ids(connection, Selection(states=frozenset({state})))) == shown


def test_created_order_runs_both_ways_with_the_unknown_last(connection: Connection) -> None:
    newest = ids(connection, Selection(states=EVERY, sorting=Sorting.NEWEST))
    assert newest == ["never", "vanished", "later", "soon", "overdue", "expired", "theirs"]
    oldest = ids(connection, Selection(states=EVERY, sorting=Sorting.OLDEST))
    assert oldest == ["expired", "overdue", "soon", "later", "vanished", "never", "theirs"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("show_", {"soon", "later", "theirs"}),
        ("show", {"soon", "later", "theirs", "never"}),
        ("show_1%", {"soon"}),
        ("%", set()),
        ("_", set()),
        ("' OR true --", set()),
        ("show\\_", set()),
    ],
)
def test_a_prefix_is_taken_literally(connection: Connection, prefix: str, expected: set[str]) -> None:
    assert set(ids(connection, Selection(prefix=prefix))) == expected


def test_a_span_holds_what_expires_from_now_until_then(connection: Connection) -> None:
    week = Selection(states=EVERY, expiring_within=timedelta(days=7))
    assert ids(connection, week) == ["soon", "theirs"]
    assert ids(connection, Selection(expiring_within=timedelta(hours=1))) == []


def test_a_source_is_told_from_the_others(connection: Connection) -> None:
    assert ids(connection, Selection(states=EVERY, source="b")) == ["theirs"]
    assert inventory.source_names(connection) == ["a", "b"]


def test_the_rows_have_the_promised_columns_in_their_order(connection: Connection) -> None:
    with snapshot(connection), inventory.reading(connection, Selection(), 1) as found:
        assert tuple(next(found)) == FIELDS


def test_rows_come_through_a_cursor_of_the_server(connection: Connection, database: str) -> None:
    """The first of many rows is there while the server still holds the others."""
    with psycopg.connect(database, autocommit=True) as raw:
        raw.execute(
            "INSERT INTO syncer.file (source, file_id, first_seen_at, changed_at, first_run) "
            "SELECT 'a', n::text, now(), now(), 1 FROM generate_series(1, 20000) AS n"
        )
    with snapshot(connection):
        with inventory.reading(connection, Selection(), None) as found:
            assert len(list(itertools.islice(found, 3))) == 3
            assert rows(connection, "SELECT count(*) FROM pg_cursors").scalar() == 1
        assert rows(connection, "SELECT count(*) FROM pg_cursors").scalar() == 0
