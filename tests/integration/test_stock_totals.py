"""The totals that the database keeps are what counting the files gives: after every writer, at every instant."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import exc

from syncer.model import BackupFile, Calls, Page
from syncer.store import daily, metrics, stock
from syncer.store.database import Connection, connect, rows
from syncer.store.pages import Checkpoint, Claim, commit_confirmed, commit_lookup, commit_page, write
from syncer.store.retention import Keep, prune
from syncer.store.status import read
from syncer.store.sweeps import resolve

from .reporting import load

DAY, HOUR, MICROSECOND = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
# Four hours before midnight in Beijing: a day's edge lies within it.
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 16, tzinfo=UTC)
SOURCES = ("a", "b")
CLAIM = Claim("a", 1, 600.0, 1)
LARGEST = 2**63 - 1

numbers = itertools.count(1)


@contextmanager
def at_work(database: str) -> Iterator[Connection]:
    """Yield the connection of a pull of source `a`, with a lookup's source `b` beside it."""
    with connect(database, pinned=True) as connection:
        for source in SOURCES:
            rows(connection, "INSERT INTO syncer.source (source, account) VALUES (%(s)s, 'x')", s=source)
            rows(connection, "INSERT INTO syncer.lease (source, epoch) VALUES (%(s)s, 1)", s=source)
        rows(
            connection,
            "INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at)"
            " VALUES ('a', 'full', 'l', '', 100, false, 1, now())",
        )
        yield connection


def pull_of(connection: Connection) -> int:
    return int(rows(connection, "SELECT max(pull_id) FROM syncer.pull WHERE source = 'a'").scalar_one())


def page(*files: BackupFile) -> Page:
    return Page(files, (), len(files), "context")


def commit(connection: Connection, files: Sequence[BackupFile]) -> None:
    place = Checkpoint(pull_of(connection), 1, "listing", next(numbers), "c", "listing", "c", None, None, None)
    commit_page(connection, CLAIM, place, write(page(*files)), settled_run=0, calls=Calls())


def kept(connection: Connection) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    found = rows(connection, "SELECT source, kind, day::text, word, files, bytes, seconds FROM syncer.stock").all()
    assert all(row.files > 0 or (row.files, row.bytes, row.seconds) == (0, 0, 0) for row in found)
    return {tuple(row[:4]): tuple(row[4:]) for row in found if row.files}


def beijing(instant: datetime | None) -> str:
    return "infinity" if instant is None else str((instant.astimezone(UTC) + 8 * HOUR).date())


def counted(connection: Connection) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Count every file, by a program of this test's own."""
    files, size, length = Counter[Any](), Counter[Any](), Counter[Any]()
    for row in rows(connection, "SELECT * FROM syncer.file"):
        keys = [(row.source, "expiry", beijing(row.expires_at), "")]
        keys += [(row.source, "creation", beijing(row.created_at), (row.file_type or "")[:100])]
        if row.gone_at is not None:
            expired = row.expires_at is not None and row.expires_at <= row.gone_at
            keys = [(row.source, "gone", "infinity", "expired" if expired else "vanished")]
        for key in keys:
            files[key] += 1
            size[key] += row.size_bytes or 0
            length[key] += row.duration_seconds or 0
    return {key: (files[key], size[key], length[key]) for key in files}


@contextmanager
def looking_from(connection: Connection, instant: datetime) -> Iterator[None]:
    rows(connection, "SELECT set_config('syncer.now', %(at)s, false)", at=instant.isoformat())
    yield
    rows(connection, "SELECT set_config('syncer.now', '', false)")


_INVENTORY = load("migrations/versions/0004_report_inventory.py")
# The views as they were when they counted every file, and questions that were asked of the files themselves.
COUNTED_ANEW = {
    f"SELECT * FROM report.{name}": view.split(" AS\n", 1)[1]
    for name, view in (
        ("expiry_calendar", _INVENTORY.CALENDAR),
        ("storage_by_type", _INVENTORY.BY_TYPE.replace("coalesce(f.file_type", "coalesce(left(f.file_type, 100)")),
        ("storage_by_age", _INVENTORY.BY_AGE),
    )
} | {
    "SELECT * FROM report.storage_by_state": """
        SELECT source, state, count(*), coalesce(sum(size_bytes), 0)::bigint FROM report.backups GROUP BY 1, 2""",
    """SELECT source, present_files, present_bytes, overdue_files, overdue_bytes FROM report.sources""": """
        SELECT s.source, count(f.source), coalesce(sum(size_bytes), 0)::bigint,
               count(*) FILTER (WHERE f.expires_at <= syncer.instant()),
               coalesce(sum(size_bytes) FILTER (WHERE f.expires_at <= syncer.instant()), 0)::bigint
        FROM syncer.source s LEFT JOIN syncer.file f ON f.source = s.source AND f.gone_at IS NULL GROUP BY 1""",
}


STATES = "SELECT source, state, count(*) FROM report.backups GROUP BY 1, 2"


def assert_views_are_true(connection: Connection) -> None:
    for view, anew in COUNTED_ANEW.items():
        assert Counter(map(tuple, rows(connection, view))) == Counter(map(tuple, rows(connection, anew))), view
    now = rows(connection, "SELECT syncer.instant()").scalar_one()
    present = rows(connection, "SELECT * FROM syncer.file WHERE gone_at IS NULL").all()
    page_says = stock.count(connection)
    for source in SOURCES:
        own = [row for row in present if row.source == source]
        overdue = [row for row in own if row.expires_at is not None and row.expires_at <= now]
        found = page_says.sources.get(source, stock.Stock())
        assert (found.overdue.files, found.live.files) == (len(overdue), len(own) - len(overdue))
        assert found.never.files == sum(row.expires_at is None for row in own)
        for days, tally in zip(stock.HORIZONS, found.within, strict=True):
            within = [row for row in own if row.expires_at is not None and now < row.expires_at <= now + days * DAY]
            assert (tally.files, tally.bytes) == (len(within), sum(row.size_bytes or 0 for row in within))
        buckets = Counter[int]()
        for row in own:
            edges = stock.edges_of(now, metrics.WITHIN_DAYS)
            passed = len(edges) if row.expires_at is None else sum(edge <= row.expires_at for edge in edges)
            buckets[passed - 1] += 1
        assert {row.bucket: row.files for row in metrics.stock(connection) if row.source == source} == buckets
    states = {(row[0], row[1]): row[2] for row in rows(connection, STATES)}
    for one_source in read(connection).sources:
        for state, tally in one_source.tallies.items():
            assert tally.files == states.get((one_source.source, state), 0)


def instants(*around: timedelta) -> st.SearchStrategy[datetime | None]:
    dots = [NOW + each + nudge for each in around for nudge in (-MICROSECOND, timedelta(), MICROSECOND)]
    return st.sampled_from([None, MIDNIGHT, MIDNIGHT - MICROSECOND, *dots])


files = st.builds(
    BackupFile,
    file_id=st.sampled_from([f"file-{number}" for number in range(8)]),
    name=st.sampled_from([None, "one", "two"]),
    size_bytes=st.sampled_from([None, 0, 1, 700, 2**40]),
    file_type=st.sampled_from([None, "", "mp4", "flv", "long" * 50, "long" * 50 + "er"]),
    duration_seconds=st.sampled_from([None, 0, 60]),
    status=st.just(2),
    created_at=instants(-400 * DAY, -365 * DAY, -30 * DAY, -7 * DAY, -HOUR, DAY),
    created_raw=st.none(),
    expires_at=instants(-DAY, timedelta(), HOUR, DAY, 7 * DAY, 30 * DAY, 179 * DAY, 181 * DAY),
    expires_raw=st.none(),
    url=st.none(),
    extra=st.just({}),
    unreadable=st.just(frozenset()),
)
pages = st.lists(files, max_size=6, unique_by=lambda file: file.file_id)
ids = st.lists(st.sampled_from([f"file-{number}" for number in range(8)]), unique=True)
steps = st.one_of(
    st.tuples(st.sampled_from(["page", "lookup", "elsewhere", "confirmed"]), pages),
    st.tuples(st.sampled_from(["gone", "deleted", "emptied", "rewritten", "pruned"]), ids),
)


def take(connection: Connection, step: str, what: list[Any]) -> None:
    """Let a writer of syncer's write, or somebody by hand."""
    match step:
        case "page":
            commit(connection, what)
        case "lookup":
            commit_lookup(connection, "a", 2, page(*what))
        case "elsewhere":
            commit_lookup(connection, "b", 2, page(*what))
        case "confirmed":
            commit_confirmed(connection, CLAIM, page(*what))
        case "gone":
            resolve(connection, CLAIM, pull_of(connection), missing=what, alive=[], calls=Calls())
        case "pruned":
            prune(connection, "a", Keep(400 * DAY, 35 * DAY, 90 * DAY))
            assert rows(connection, "SELECT count(*) FROM syncer.stock WHERE source = 'a' AND files = 0").scalar() == 0
        case _:
            rows(connection, "DELETE FROM syncer.change")  # files that come again are new, and have no history
            rows(connection, BY_HAND[step], ids=what, again=f"-{next(numbers)}")


BY_HAND = {
    "deleted": "DELETE FROM syncer.file WHERE file_id = ANY (%(ids)s)",
    "emptied": "TRUNCATE syncer.file",
    # Two sources at once, one file of which becomes another.
    "rewritten": """
        UPDATE syncer.file SET expires_at = created_at + interval '7 days', size_bytes = size_bytes + 1,
               file_type = name, gone_at = CASE WHEN gone_at IS NULL THEN expires_at END, file_id = file_id || %(again)s
        WHERE file_id = ANY (%(ids)s)""",
}


# Making a failing history shorter takes minutes on a database.
SEARCH = [Phase.explicit, Phase.generate]


def test_totals_and_views_are_true_after_every_step_of_every_writer(database: str) -> None:
    with at_work(database) as connection:

        @settings(max_examples=40, phases=SEARCH, suppress_health_check=list(HealthCheck))
        @given(st.lists(steps, min_size=1, max_size=12))
        def play(history: list[tuple[str, list[Any]]]) -> None:
            take(connection, "emptied", [])
            for step, what in history:
                with looking_from(connection, NOW):
                    take(connection, step, what)
                assert kept(connection) == counted(connection), step
            for instant in (NOW, NOW + MICROSECOND, MIDNIGHT, MIDNIGHT - MICROSECOND, NOW + 30 * DAY, NOW - 5 * DAY):
                with looking_from(connection, instant):
                    assert_views_are_true(connection)

        play()


def one(number: int, **fields: Any) -> BackupFile:
    known = dict.fromkeys(BackupFile._fields) | {
        "file_id": f"file-{number}", "created_at": NOW, "expires_at": NOW + DAY, "size_bytes": 1, "extra": {},
        "unreadable": frozenset(),
    }  # fmt: skip
    return BackupFile(**{**known, **fields})


def test_sizes_beyond_any_sum_keep_no_page_from_being_written(database: str) -> None:
    with at_work(database) as connection:
        commit(connection, [one(n, size_bytes=LARGEST, duration_seconds=LARGEST) for n in range(3)])
        commit(connection, [one(n, size_bytes=LARGEST - 1) for n in range(3)])
        assert kept(connection) == counted(connection)
        commit(connection, [one(n) for n in range(3)])
        assert rows(connection, "SELECT present_bytes FROM report.sources WHERE source = 'a'").scalar() == 3


def test_types_longer_than_an_index_takes_keep_no_page_from_being_written(database: str) -> None:
    with at_work(database) as connection:
        long = "".join(chr(0x4E00 + n % 7919) for n in range(9000))
        commit(connection, [one(1, file_type=long), one(2, file_type=long[1:]), one(3, file_type=long + "!")])
        assert kept(connection) == counted(connection)


def test_the_days_inventory_is_what_the_views_say(database: str) -> None:
    with at_work(database) as connection:
        commit(connection, [one(1), one(2, expires_at=NOW), one(3, expires_at=None), one(4, expires_at=NOW - DAY),
                            one(5, expires_at=NOW + HOUR), one(6, expires_at=NOW + MICROSECOND)])  # fmt: skip
        with looking_from(connection, NOW):
            daily.count_day(connection, "a", pull_id=pull_of(connection))
            day = "SELECT live_files, live_bytes, overdue_files FROM report.inventory_daily WHERE pulled"
            assert tuple(rows(connection, day).one()) == (4, 4, 2)


def test_a_lookup_and_a_pull_of_one_source_may_meet(database: str) -> None:
    """Both store new files and change others on the same days, in another order: they wait for each other."""
    rounds, troubles = 60, list[BaseException]()
    ready = threading.Barrier(3)

    def store(first: int, *, lookup: bool) -> None:
        try:
            with connect(database, pinned=True) as connection:
                ready.wait(60)
                for turn in range(rounds):
                    days = [(turn * (7 if lookup else 5) + n) % 9 for n in range(8)]
                    mine = [one(first + turn * 4 + n, expires_at=NOW + days[n] * DAY) for n in range(4)]
                    again = [one(first + n, expires_at=NOW + days[n + 4] * DAY, size_bytes=turn) for n in range(4)]
                    both = {file.file_id: file for file in (*mine, *again)}
                    if lookup:
                        commit_lookup(connection, "a", 2, page(*both.values()))
                    else:
                        commit(connection, list(both.values()))
        except BaseException as trouble:  # told to the test
            troubles.append(trouble)
            raise

    def sweep() -> None:
        try:
            with connect(database, pinned=True) as connection:
                ready.wait(60)
                for turn in range(rounds):
                    gone = [f"file-{first + turn * 4 + n}" for first in (0, 10_000) for n in range(4)]
                    resolve(connection, CLAIM, pull_of(connection), missing=gone, alive=[], calls=Calls())
        except BaseException as trouble:  # told to the test
            troubles.append(trouble)
            raise

    with at_work(database) as connection:
        workers = [
            threading.Thread(target=store, args=(0,), kwargs={"lookup": False}),
            threading.Thread(target=store, args=(10_000,), kwargs={"lookup": True}),
            threading.Thread(target=sweep),
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert not troubles
        assert kept(connection) == counted(connection)


def wait_until_somebody_waits(connection: Connection) -> None:
    deadline = time.monotonic() + 60
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while rows(connection, blocked).scalar() == 0 and time.monotonic() < deadline:
        rows(connection, "SELECT pg_stat_clear_snapshot()")
        time.sleep(0.01)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("ended", ["COMMIT", "ROLLBACK"])
def test_a_writer_waits_for_the_total_that_another_one_has_in_hand(database: str, known: bool, ended: str) -> None:
    with at_work(database) as first, connect(database, pinned=True) as second:
        if known:
            commit(first, [one(1)])
        rows(first, "BEGIN")
        commit(first, [one(2), one(3)])
        waiting = threading.Thread(target=commit_lookup, args=(second, "a", 2, page(one(4), one(5))))
        waiting.start()
        wait_until_somebody_waits(first)
        assert waiting.is_alive()
        rows(first, ended)
        waiting.join(60)
        assert kept(first) == counted(first)
        assert sum(files for (_, kind, _, _), (files, _, _) in kept(first).items() if kind == "expiry") == (
            known + (2 if ended == "COMMIT" else 0) + 2
        )


def test_a_sweep_that_meets_a_lookup_tries_again(database: str) -> None:
    with at_work(database) as first, connect(database, pinned=True) as second:
        commit(first, [one(1), one(2, expires_at=None)])
        rows(first, "SET deadlock_timeout = '20s'; BEGIN")
        rows(second, "SET deadlock_timeout = '1s'")
        rows(first, "SELECT FROM syncer.stock WHERE kind = 'expiry' AND day = 'infinity' FOR UPDATE")
        sweep = {"missing": ["file-1", "file-2"], "alive": [], "calls": Calls()}
        sweeping = threading.Thread(target=resolve, args=(second, CLAIM, pull_of(first)), kwargs=sweep)
        sweeping.start()
        wait_until_somebody_waits(first)
        with suppress(exc.DBAPIError):  # on a machine so slow that the sweep looked for a deadlock before there was one
            rows(first, "SELECT FROM syncer.stock FOR UPDATE")
        rows(first, "ROLLBACK")
        sweeping.join(60)
        assert kept(first) == counted(first) != {}
        assert rows(first, "SELECT count(*) FROM syncer.file WHERE gone_at IS NULL").scalar() == 0


def test_what_is_rolled_back_was_never_counted(database: str) -> None:
    with at_work(database) as connection:
        commit(connection, [one(1), one(2)])
        before = kept(connection)
        for step, what in (("page", [one(1, size_bytes=9), one(3)]), ("gone", ["file-1"]), ("emptied", [])):
            rows(connection, "BEGIN")
            take(connection, step, what)
            assert kept(connection) == counted(connection) != before
            rows(connection, "ROLLBACK")
            assert kept(connection) == before


def test_readers_and_the_daemons_login_need_no_more_than_before(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE syncer_report")
        for view in ("storage_by_state", "storage_by_type", "storage_by_age", "expiry_calendar", "sources"):
            connection.execute(sql.SQL("SELECT * FROM report.{}").format(sql.Identifier(view)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM syncer.stock")
