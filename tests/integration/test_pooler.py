"""Behind pgbouncer in transaction mode: pulls, daemons, migrations; a holder that lives is not succeeded."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from syncer.errors import Busy, DatabaseUnavailable
from syncer.simulator import Behaviour, Simulator, World
from syncer.store import leases, outbox
from syncer.store.database import connect, is_pooled, rows
from syncer.store.migrate import HEAD, downgrade, upgrade

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess, eventually
from .pooler import PGBOUNCER, Pooler, pooling

pytestmark = [
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed"),
    pytest.mark.one_server,
]
NEVER = {"full_schedule": "0 0 29 2 *", "recent_schedule": "0 0 29 2 *"}


@pytest.fixture
def pooler(database: str) -> Iterator[Pooler]:
    with pooling(database, sessions=3) as pooler:
        yield pooler


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(World(600)) as simulator:
        yield simulator


def through(pooler: Pooler, make_rig: MakeRig, simulator: Simulator, **settings: str) -> Rig:
    """Return a rig whose commands go through the pooler."""
    rig = make_rig(simulator, page_size="20", **NEVER, **settings)
    rig.environ["SYNCER_DATABASE_URL"] = pooler.url
    return rig


def test_a_pooler_is_seen_and_a_direct_connection_is_not_taken_for_one(pooler: Pooler, database: str) -> None:
    with connect(pooler.url, pinned=True) as pooled, connect(database, pinned=True) as direct:
        assert (is_pooled(pooled), is_pooled(direct)) == (True, False)
        assert rows(direct, "SHOW enable_seqscan").scalar() == "off"
        for _ in range(20):
            assert rows(pooled, "SHOW enable_seqscan").scalar() == "on"
            assert rows(pooled, "SHOW timezone").scalar() == "UTC"


def test_nothing_is_left_to_the_next_client(pooler: Pooler, make_rig: MakeRig, simulator: Simulator) -> None:
    rig = through(pooler, make_rig, simulator)
    assert rig.sync().outcome == "complete"
    assert rig.sync("recent").outcome == "complete"
    planner = ("enable_seqscan", "enable_hashjoin", "plan_cache_mode", "jit")
    ours = (*planner, "client_connection_check_interval", "wal_compression")
    for _ in range(6):
        with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as other:
            found = other.execute(
                "SELECT name FROM pg_settings WHERE name = ANY(%s) AND source = 'session'", [list(ours)]
            )
            assert found.fetchall() == []
            assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(0,)]


def test_pulls_at_once_through_fewer_sessions_than_clients(
    pooler: Pooler, make_rig: MakeRig, simulator: Simulator
) -> None:
    rig = through(pooler, make_rig, simulator)
    outcomes: list[str] = []

    def pull() -> None:
        try:
            outcomes.append(rig.sync().outcome)
        except Busy:
            outcomes.append("busy")

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(set(outcomes)) in (["busy", "complete"], ["complete"])
    rig.assert_equals_listing()


def test_a_living_holder_is_not_succeeded_when_the_pooler_closes_its_sessions(
    pooler: Pooler, make_rig: MakeRig, simulator: Simulator
) -> None:
    rig = through(pooler, make_rig, simulator, lease="1h")
    simulator.behaviour = Behaviour(latency=0.1)
    daemons = [DaemonProcess(rig.environ) for _ in range(2)]
    try:
        for each in daemons:
            each.wait_for("sources_scheduled")
        eventually(lambda: simulator.call_count >= 3, "three calls")
        pooler.use_sessions_once()
        before, pages = pooler.session_count(), simulator.call_count
        eventually(
            lambda: any(each.events("pull_finished", kind="full") for each in daemons),
            "the end of the pull",
            seconds=90,
        )
        assert pooler.session_count() - before > (simulator.call_count - pages) / 2 > 5, "nearly a session a page"
        for each in daemons:
            assert each.events("taken_from_the_dead") == []
            assert each.events("pull_failed") == []
            assert "Traceback" not in each.stderr
        assert rig.rows("SELECT count(*) AS n FROM syncer.run WHERE kind = 'full'") == [{"n": 1}]
        rig.assert_equals_listing()
        assert [each.stop() for each in daemons] == [143, 143]
    finally:
        for each in daemons:
            each.close()


def test_a_killed_holder_behind_a_pooler_is_succeeded_after_its_lease(
    pooler: Pooler, make_rig: MakeRig, simulator: Simulator
) -> None:
    rig = through(pooler, make_rig, simulator, lease="3s")
    simulator.behaviour = Behaviour(latency=0.2)
    first = DaemonProcess(rig.environ)
    try:
        eventually(lambda: simulator.call_count >= 3, "three calls")
        os.kill(first.process.pid, signal.SIGKILL)
        simulator.behaviour = Behaviour()
        second = DaemonProcess(rig.environ)
        try:
            assert second.wait_for("pull_finished", kind="full")["resumed"]
            rig.assert_equals_listing()
        finally:
            second.close()
    finally:
        first.close()


def lease(rig: Rig) -> tuple[object, object]:
    (row,) = rig.rows("SELECT holder, held_until FROM syncer.lease")
    return row["holder"], row["held_until"]


def test_a_pull_that_loses_its_connection_gives_its_source_back_by_another(
    pooler: Pooler, make_rig: MakeRig, simulator: Simulator
) -> None:
    rig = through(pooler, make_rig, simulator, lease="1h")
    pages = iter(range(100))
    with pytest.raises(DatabaseUnavailable, match="the next run resumes"):
        rig.sync(on_page=lambda _: pooler.drop_clients() if next(pages) == 2 else None)
    assert lease(rig) == (None, None)
    assert rig.rows("SELECT FROM syncer.source WHERE next_full_at IS NOT NULL") == []
    result = rig.sync()
    assert (result.outcome, result.resumed) == ("complete", True)
    rig.assert_equals_listing()


def test_a_living_daemon_gives_its_source_back_as_soon_as_the_pooler_answers_again(
    pooler: Pooler, make_rig: MakeRig, simulator: Simulator
) -> None:
    rig = through(pooler, make_rig, simulator, lease="1h")
    simulator.behaviour = Behaviour(latency=0.1)
    daemon = DaemonProcess(rig.environ)
    try:
        eventually(lambda: simulator.call_count >= 3, "three calls")
        pooler.kill()
        assert daemon.wait_for("pull_failed")["exit_code"] == 5
        daemon.wait_for("database_unavailable")
        assert lease(rig)[0] is not None, "nobody could give it back"
        pooler.start()
        assert daemon.wait_for("pull_finished", kind="full")["resumed"]
        rig.assert_equals_listing()
        assert daemon.stop() == 143
        assert "Traceback" not in daemon.stderr
    finally:
        daemon.close()


def test_a_source_is_given_up_by_its_holder_alone(database: str) -> None:
    with connect(database) as connection:
        leases.ensure_source(connection, "s", account="a", prefix="")
        first = leases.claim(connection, "s", holder="one", seconds=60, sleep=time.sleep)
        for epoch, holder in ((first, "other"), (first - 1, "one"), (first + 1, "one")):
            leases.abandon(connection, "s", epoch=epoch, holder=holder)
            leases.release(connection, "s", epoch=epoch, holder=holder)
            assert rows(connection, "SELECT holder FROM syncer.lease").scalar() == "one"
        leases.abandon(connection, "s", epoch=first, holder="one")
        assert rows(connection, "SELECT holder FROM syncer.lease").scalar() is None


def test_migrations_go_through_a_pooler(empty_database: str) -> None:
    with pooling(empty_database, sessions=2) as pooler:
        assert upgrade(pooler.url) is None
        downgrade(pooler.url, "0007")
        assert upgrade(pooler.url) == "0007"
        assert upgrade(pooler.url) == HEAD


def test_a_claimed_recipient_is_given_back_through_whatever_session(pooler: Pooler, database: str) -> None:
    with connect(database) as direct, connect(pooler.url) as pooled:
        rows(direct, "INSERT INTO syncer.recipient (source, recipient, name) VALUES ('s', 'r', 'n')")
        rows(
            direct,
            "INSERT INTO syncer.outbox (source, recipient, key, kind, body, created_at, not_before) "
            "VALUES ('s', 'r', 'k', 'test', '{}', now(), now())",
        )
        assert outbox.claim(pooled, [("s", "r")]) == [("s", "r")]
        pooler.drop_server_sessions()
        assert outbox.claim(direct, [("s", "r")]) == [], "whoever claimed it lives"
        outbox.release(pooled, "s", "r")
        assert outbox.claim(direct, [("s", "r")]) == [("s", "r")]
