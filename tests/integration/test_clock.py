"""A database's clock that was ahead and is set back: nothing waits for the instants that it had reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from structlog.testing import capture_logs

from syncer.daemon.service import Daemon
from syncer.errors import Stopped
from syncer.simulator import World
from syncer.store import clock, leases
from syncer.store.database import connect

from .conftest import Rig
from .place import DAY, HOUR, Place
from .recipients import Inbox

Simulated = Callable[..., Rig]
YEAR = timedelta(days=365)


def written_a_year_ahead(database: str) -> None:
    """Leave the database as processes leave it whose clock is a year ahead."""
    ahead = {
        "clock": ("seen_at",),
        "source": ("next_full_at", "next_recent_at", "evaluate_at"),
        "quota": ("next_at",),
        "run": ("started_at", "finished_at"),
        "pull": ("started_at", "finished_at"),
    }
    with psycopg.connect(database, autocommit=True) as connection:
        for table, columns in ahead.items():
            sets = ", ".join(f"{column} = {column} + interval '1 year'" for column in columns)
            connection.execute(f"UPDATE syncer.{table} SET {sets}".encode())


def test_a_pull_does_not_wait_for_the_quota_of_a_clock_that_was_ahead(simulated: Simulated) -> None:
    rig = simulated({"calls_per_minute": "600", "page_size": "10"}, world=World(25))
    assert rig.sync().outcome == "complete"
    written_a_year_ahead(rig.database)
    ended = threading.Event()
    results: list[str] = []

    def sync() -> None:
        results.append(rig.sync().outcome)
        ended.set()

    with capture_logs() as logs:
        threading.Thread(target=sync, daemon=True).start()
        assert ended.wait(100), "it waits for a slot"
    assert results == ["complete"]
    assert [each["event"] for each in logs if each["event"] == "clock_set_back"] == ["clock_set_back"]


def test_the_daemon_pulls_again_when_its_clock_was_ahead(simulated: Simulated) -> None:
    rig = simulated(world=World(25))
    app = rig.app()
    source = app.settings.source("default")
    with connect(rig.database) as connection:
        leases.ensure_source(connection, "default", account=source.account, prefix="")
        clock.watch(connection)
        connection.exec_driver_sql("UPDATE syncer.source SET next_full_at = now(), next_recent_at = now()")
    written_a_year_ahead(rig.database)

    def run() -> None:
        with suppress(Stopped):
            Daemon(app, poll_seconds=0.2).run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ends = time.monotonic() + 60
    while rig.simulator.call_count == 0 and time.monotonic() < ends:
        time.sleep(0.05)
    app.stop()
    thread.join(60)
    assert rig.simulator.call_count > 0, "it waits for a due time that comes in a year"


def test_history_is_not_forgotten_by_a_clock_that_is_years_ahead(simulated: Simulated) -> None:
    rig = simulated({"keep_history": "365d", "keep_ledger": "365d"}, world=World(5))
    rig.sync()
    rig.simulator.world.change(rig.simulator.world.ids()[0], name="another")
    rig.sync()
    kept = [rig.rows(f"SELECT count(*) FROM syncer.{table}") for table in ("change", "page", "run")]
    right = rig.environ["SYNCER_DATABASE_URL"]
    option = quote("-c syncer.now=2044-01-01T00:00:00Z")
    rig.environ["SYNCER_DATABASE_URL"] = f"{right}{'&' if '?' in right else '?'}options={option}"
    with capture_logs() as logs:
        assert rig.sync().outcome == "complete"
    assert [each["event"] for each in logs if each["event"] == "clock_far_ahead"] == ["clock_far_ahead"]
    rig.environ["SYNCER_DATABASE_URL"] = right
    left = [rig.rows(f"SELECT count(*) FROM syncer.{table}") for table in ("change", "page", "run")]
    assert all(now[0]["count"] >= before[0]["count"] for now, before in zip(left, kept, strict=True))
    assert rig.rows("SELECT FROM syncer.change WHERE field = 'name'")


def test_people_are_told_of_what_comes_while_the_clock_is_behind(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "7d"}
    with connect(place.url) as connection:
        clock.watch(connection)
    place.file("told", 3 * DAY)
    place.now += YEAR
    place.file("told-ahead", 3 * DAY)
    with connect(place.url) as connection:
        clock.watch(connection)
    place.step()
    told = len(inbox.received)
    assert told
    place.now -= YEAR
    with connect(place.url) as connection:
        assert clock.watch(connection) == YEAR
    place.file("new", 3 * DAY)
    place.step()
    place.step(25 * HOUR)
    assert len(inbox.received) > told, "nobody is told for a year"


def test_a_clock_that_is_corrected_by_seconds_is_no_event(database: str) -> None:
    with connect(database) as connection:
        assert clock.watch(connection) is None
        connection.exec_driver_sql("UPDATE syncer.clock SET seen_at = seen_at + interval '50 s'")
        assert clock.watch(connection) is None
        connection.exec_driver_sql("UPDATE syncer.clock SET seen_at = now() + interval '70 s'")
        behind = clock.watch(connection)
        assert behind is not None
        assert behind == pytest.approx(timedelta(seconds=70), abs=timedelta(seconds=10))
        assert clock.watch(connection) is None, "it is told once"


def test_what_is_not_set_stays_so(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "7d"}
    place.file("open", 3 * DAY)
    place.step()
    before = place.sql("SELECT to_jsonb(a) - 'evaluated_at' FROM syncer.alert a ORDER BY alert_id")
    source = place.sql("SELECT claimed_until, next_full_at FROM syncer.source")
    with connect(place.url) as connection:
        clock.watch(connection)
        connection.exec_driver_sql("UPDATE syncer.clock SET seen_at = seen_at + interval '1 year'")
        connection.exec_driver_sql("UPDATE syncer.alert SET evaluated_at = evaluated_at + interval '1 year'")
        assert clock.watch(connection) == YEAR
    assert place.sql("SELECT to_jsonb(a) - 'evaluated_at' FROM syncer.alert a ORDER BY alert_id") == before
    assert place.sql("SELECT claimed_until, next_full_at FROM syncer.source") == source
