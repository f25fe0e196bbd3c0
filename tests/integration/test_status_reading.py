"""A reading says how each source stands, from real pulls and from a ledger laid out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from syncer.store import exports, leases
from syncer.store.database import Connection, connect, rows, snapshot
from syncer.store.report import read as figures
from syncer.store.status import Reading, SourceStatus, read

from .conftest import Rig
from .reporting import past_rig

PULL = """
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at, finished_at,
                         outcome, proven, settled_run, phase, files, pages, reason, restarts)
VALUES ('a', %(kind)s, %(listing)s, %(prefix)s, 100, false, 1, now() - %(ago)s::interval,
        CASE WHEN %(ended)s THEN now() - %(ago)s::interval + interval '1 minute' END, %(outcome)s, %(proven)s,
        CASE WHEN %(settled)s THEN 1 END, %(phase)s, %(files)s, 1, 'why', 0)
RETURNING pull_id
"""
PAGE = """
INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, entries, rejected, inserted,
                         updated, file_ids)
VALUES ('a', %s, %s, 'listing', %s, %s, now() - %s::interval, 100, 0, 0, 0, '{}')
"""
RUN = "INSERT INTO syncer.run (source, kind, holder, started_at) VALUES ('a', %s, 'me', now())"


@pytest.fixture
def raw(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO syncer.source (source, account) VALUES ('a', 'x')")
        connection.execute("INSERT INTO syncer.lease (source) VALUES ('a')")
        yield connection


def pull(raw: psycopg.Connection, **given: Any) -> int:
    fields: dict[str, Any] = {
        "kind": "full",
        "listing": "l",
        "prefix": "",
        "ago": timedelta(hours=1),
        "ended": True,
        "outcome": "complete",
        "settled": True,
        "phase": "done",
        "files": 0,
    }
    fields |= given
    fields.setdefault(
        "proven", fields["outcome"] == "complete" if fields["ended"] and fields["kind"] == "full" else None
    )
    row = raw.execute(PULL, fields).fetchone()
    assert row is not None
    return int(row[0])


def reading(database: str) -> Reading:
    with connect(database) as connection:
        return read(connection)


def only(database: str) -> SourceStatus:
    (status,) = reading(database).sources
    return status


def test_an_empty_database_has_no_sources(database: str) -> None:
    assert reading(database).sources == ()


def test_a_source_without_pulls_is_all_nothing(raw: psycopg.Connection, database: str) -> None:
    status = only(database)
    assert (status.proven, status.ended, status.recent, status.unfinished, status.lease) == (None,) * 5
    assert (status.last_run, status.quota, status.present.files, status.deaths.number) == (None, None, 0, 0)


def test_the_last_complete_full_pull_is_the_proven_one(raw: psycopg.Connection, database: str) -> None:
    pull(raw, ago=timedelta(hours=9))
    proven = pull(raw, ago=timedelta(hours=3))
    # complete, but it skipped files that exist: no proof
    unproven = pull(raw, ago=timedelta(hours=2), proven=False)
    recent = pull(raw, ago=timedelta(hours=1), kind="recent")
    status = only(database)
    assert status.proven is not None
    assert status.ended is not None
    assert status.recent is not None
    assert (status.proven.pull_id, status.ended.pull_id, status.recent.pull_id) == (proven, unproven, recent)
    assert status.known_until == status.recent.started_at


@pytest.mark.parametrize("other", [{"listing": "another account"}, {"prefix": "show"}])
def test_what_another_scope_proved_proves_nothing_here(
    raw: psycopg.Connection, database: str, other: dict[str, str]
) -> None:
    pull(raw)
    assert only(database).proven is not None
    pull(raw, ended=False, outcome=None, settled=False, phase="listing", **other)
    assert only(database).proven is None


def agreed(rig: Rig) -> SourceStatus:
    """Return the status, after comparing it with report.sources, the report's page and its table."""
    (row,) = rig.rows("SELECT * FROM report.sources")
    with connect(rig.database) as connection:
        status = only(rig.database)
        assert figures(connection, None).reading.sources == (status,)
        with snapshot(connection), exports.reading(connection, exports.EXPORTS["sources"], None) as (_, exported):
            (table,) = exported
    for found in (row, table):
        assert found["proven_pull_id"] == (status.proven and status.proven.pull_id)
        assert found["proven_started_at"] == (status.proven and status.proven.started_at)
        assert found["ended_full_pull_id"] == (status.ended and status.ended.pull_id)
        assert found["ended_recent_pull_id"] == (status.recent and status.recent.pull_id)
        assert found["known_until"] == status.known_until
        assert (found["present_files"], found["present_bytes"]) == (status.present.files, status.present.bytes)
        assert found["unfinished_pull_id"] == (status.unfinished and status.unfinished.pull_id)
        assert found["expected_files"] == (status.unfinished and status.unfinished.expected_files)
        assert found["forecast_at"] == (status.unfinished and status.unfinished.ends_at)
    states = rig.rows("SELECT state, count(*) AS files FROM report.backups GROUP BY state")
    assert {each["state"]: each["files"] for each in states} == {
        state: tally.files for state, tally in status.tallies.items() if tally.files
    }
    return status


@pytest.mark.parametrize("change", [{"SYNCER_PREFIX": "6"}, {"SYNCER_REGION": "bj"}])
def test_status_the_report_and_the_views_agree_also_after_the_scope_of_a_source_changed(
    simulated: Callable[..., Rig], change: dict[str, str]
) -> None:
    rig = past_rig(simulated)
    rig.sync()
    rig.sync("recent")
    rig.simulator.world.delete(rig.simulator.world.ids()[0])
    rig.sync("full", stop_after=1)
    before = agreed(rig)
    assert before.proven is not None
    assert before.unfinished is not None
    assert (before.unfinished.listed, before.unfinished.expected_files) == (20, 60)
    rig.environ |= change
    rig.sync("full", stop_after=1)
    after = agreed(rig)
    assert (after.proven, after.ended, after.recent, after.known_until) == (None,) * 4
    assert after.unfinished is not None
    assert after.unfinished.expected_files is None
    for name in change:
        del rig.environ[name]
    rig.sync()
    again = agreed(rig)
    assert again.proven is not None
    assert again.present.files == 59


def test_an_unfinished_pull_is_forecast_from_the_last_ones_count_and_its_own_pace(
    raw: psycopg.Connection, database: str
) -> None:
    pull(raw, files=1000)
    running = pull(raw, ended=False, outcome=None, settled=False, phase="listing")
    # an earlier run's pages were slow, and say nothing of this one's pace
    for page, run, ago in ((1, 1, 3600), (2, 1, 1800), (3, 2, 30), (4, 2, 20), (5, 2, 10)):
        raw.execute(PAGE, [running, 1, page, run, timedelta(seconds=ago)])
    unfinished = only(database).unfinished
    assert unfinished is not None
    assert (unfinished.pull_id, unfinished.listed, unfinished.expected_files) == (running, 500, 1000)
    assert unfinished.files_per_second == pytest.approx(10.0, abs=0.1)
    assert unfinished.ends_at is None, "nobody is pulling: there is nothing to forecast"
    with connect(database) as holder:
        leases.claim(holder, "a", holder="me", seconds=60, sleep=lambda _: None)
        found = reading(database)
        unfinished = found.sources[0].unfinished
        assert unfinished is not None
        assert unfinished.ends_at is not None
        assert (unfinished.ends_at - found.instant).total_seconds() == pytest.approx(50, abs=1)


def test_a_listing_begun_anew_counts_its_own_pages_only(raw: psycopg.Connection, database: str) -> None:
    running = pull(raw, ended=False, outcome=None, settled=False, phase="listing")
    raw.execute(PAGE, [running, 1, 1, 1, timedelta(seconds=9)])
    raw.execute("UPDATE syncer.pull SET generation = 2 WHERE pull_id = %s", [running])
    unfinished = only(database).unfinished
    assert unfinished is not None
    assert (unfinished.generation, unfinished.listed, unfinished.files_per_second) == (2, 0, None)


def test_a_killed_recent_pull_is_not_shown_as_unfinished(raw: psycopg.Connection, database: str) -> None:
    full = pull(raw, ended=False, outcome=None, settled=False, phase="listing")
    recent = pull(raw, kind="recent", ended=False, outcome=None, settled=False, phase="listing")

    def shown() -> int:
        unfinished = only(database).unfinished
        assert unfinished is not None
        return unfinished.pull_id

    assert shown() == full
    with connect(database) as holder:
        leases.claim(holder, "a", holder="me", seconds=60, sleep=lambda _: None)
        raw.execute(RUN, ["recent"])
        assert shown() == recent
        raw.execute(RUN, ["full"])
        assert shown() == full, "the full pull was taken up again, the recent one had been killed"


def test_a_lease_lives_as_long_as_its_session_and_its_time(raw: psycopg.Connection, database: str) -> None:
    def alive() -> bool:
        lease = only(database).lease
        assert lease is not None
        return lease.alive

    with connect(database) as holder:
        leases.claim(holder, "a", holder="host, process 1", seconds=60, sleep=lambda _: None)
        assert alive()
        raw.execute("UPDATE syncer.lease SET held_until = now() - interval '1 second'")
        assert not alive()
        raw.execute("UPDATE syncer.lease SET held_until = now() + interval '1 minute'")
        assert alive()
        pid = rows(holder, "SELECT pg_backend_pid()").scalar()
    raw.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert not alive()


def test_files_are_counted_by_state_with_their_bytes(raw: psycopg.Connection, database: str) -> None:
    raw.execute(
        "INSERT INTO syncer.file (source, file_id, size_bytes, expires_at, gone_at, first_seen_at, changed_at, "
        "first_run) VALUES ('a', '1', 10, NULL, NULL, now(), now(), 1), ('a', '2', NULL, NULL, NULL, now(), now(), 1),"
        "('a', '3', 7, now() - interval '1 h', NULL, now(), now(), 1), ('a', '4', 1, NULL, now(), now(), now(), 1)"
    )
    status = only(database)
    assert {state: (tally.files, tally.bytes) for state, tally in status.tallies.items()} == {
        "live": (2, 10),
        "overdue": (1, 7),
        "expired": (0, 0),
        "vanished": (1, 1),
    }
    assert (status.present.files, status.present.bytes) == (3, 17)


def test_context_deaths_and_quota_are_told(raw: psycopg.Connection, database: str) -> None:
    for number, age in enumerate((60, 120, 600, None)):
        raw.execute(
            "INSERT INTO syncer.context_death VALUES ('a', 1, %s, 'listing', 1, now(), %s, 70005)", [number + 1, age]
        )
    raw.execute("INSERT INTO syncer.quota (account, next_at, calls, refused) VALUES ('x', now(), 41, 2)")
    status = only(database)
    assert (status.deaths.number, status.deaths.median_age_seconds) == (4, 120.0)
    assert status.quota is not None
    assert (status.quota.calls, status.quota.refused) == (41, 2)


def test_a_reading_changes_nothing_and_leaves_no_transaction(raw: psycopg.Connection, database: str) -> None:
    with connect(database) as connection:
        read(connection)
        assert _in_transaction(connection) is False


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.info.transaction_status)
