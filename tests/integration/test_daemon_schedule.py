"""Due times in the database: what is read, and that one daemon alone gets a pull."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncer.daemon import service
from syncer.errors import Stopped
from syncer.model import PullKind
from syncer.simulator import Behaviour, Fault, Faults, Kind, World
from syncer.store import leases, schedule
from syncer.store.database import connect, rows
from syncer.store.schedule import Facts, Hold

from .conftest import Rig

MINUTE = timedelta(minutes=1)
Simulated = Callable[..., Rig]


@pytest.fixture
def connection(database: str) -> Iterator[sa.Connection]:
    with connect(database) as connection:
        leases.ensure_source(connection, "default", account="a", prefix="")
        yield connection


def seen(connection: sa.Connection) -> tuple[Facts, Facts]:
    full, recent = schedule.facts(connection, ["default", "another"])
    return full, recent


def add_run(connection: sa.Connection, kind: str, outcome: str | None, minutes_ago: int) -> None:
    sql = """
        INSERT INTO syncer.run (source, kind, holder, started_at, finished_at, outcome)
        SELECT 'default', %(kind)s, 'h', at, CASE WHEN %(outcome)s::text IS NOT NULL THEN at END, %(outcome)s
        FROM (SELECT now() - make_interval(mins => %(ago)s) AS at) t
    """
    rows(connection, sql, kind=kind, outcome=outcome, ago=minutes_ago)


def test_a_new_source_has_neither_due_times_nor_a_history(connection: sa.Connection) -> None:
    for each, kind in zip(seen(connection), PullKind, strict=True):
        assert (each.source, each.kind, each.next_at, each.hold) == ("default", kind, None, Hold.FREE)
        assert (each.ended_well_at, each.last_outcome, each.last_at, each.failures) == (None, None, None, 0)


def test_of_two_daemons_that_saw_the_same_one_alone_gets_the_pull(connection: sa.Connection, database: str) -> None:
    with connect(database) as other:
        mine, theirs = seen(connection)[0], seen(other)[0]
        assert schedule.claim(connection, mine, hold_until=mine.now + MINUTE)
        assert not schedule.claim(other, theirs, hold_until=theirs.now + MINUTE)
        assert not schedule.move(other, theirs, theirs.now + 2 * MINUTE)
        full, recent = seen(other)
    assert (full.next_at, recent.next_at) == (mine.now + MINUTE, None)


def test_a_claim_is_given_up_only_by_whom_it_was_made(connection: sa.Connection) -> None:
    mine = seen(connection)[0]
    schedule.claim(connection, mine, hold_until=mine.now + MINUTE)
    schedule.give_up_claim(connection, "default", PullKind.FULL, hold_until=mine.now + 2 * MINUTE)
    assert seen(connection)[0].next_at == mine.now + MINUTE
    schedule.give_up_claim(connection, "default", PullKind.FULL, hold_until=mine.now + MINUTE)
    assert seen(connection)[0].next_at is None


def test_a_killed_holder_is_seen_until_the_pull_is_claimed(connection: sa.Connection, database: str) -> None:
    with connect(database) as holder:
        leases.claim(holder, "default", holder="h", seconds=60, sleep=time.sleep)
        assert seen(connection)[0].hold is Hold.HELD
    deadline = time.monotonic() + 5
    while (facts := seen(connection)[0]).hold is Hold.HELD and time.monotonic() < deadline:
        time.sleep(0.02)
    assert facts.hold is Hold.ABANDONED
    assert schedule.move(connection, facts, facts.now + MINUTE)
    assert seen(connection)[0].hold is Hold.ABANDONED
    assert schedule.claim(connection, seen(connection)[0], hold_until=facts.now + 2 * MINUTE)
    assert seen(connection)[0].hold is Hold.FREE


def test_a_living_holder_keeps_its_lease_whatever_is_claimed(connection: sa.Connection, database: str) -> None:
    with connect(database) as holder:
        leases.claim(holder, "default", holder="h", seconds=60, sleep=time.sleep)
        facts = seen(connection)[0]
        schedule.claim(connection, facts, hold_until=facts.now + MINUTE)
        assert seen(connection)[0].hold is Hold.HELD


def test_failures_are_those_since_a_run_that_did_not_fail(connection: sa.Connection) -> None:
    for ago, outcome in ((90, "failed"), (80, "complete"), (70, "failed"), (60, "failed"), (50, "failed")):
        add_run(connection, "full", outcome, ago)
    add_run(connection, "recent", "unproven", 10)
    full, recent = seen(connection)
    assert (full.failures, full.last_outcome, recent.failures) == (3, "failed", 0)
    assert full.last_at is not None
    assert full.ended_well_at is not None
    assert recent.ended_well_at is not None
    assert round((full.last_at - full.ended_well_at) / MINUTE) == 30
    add_run(connection, "full", None, 1)
    full, _ = seen(connection)
    assert (full.failures, full.last_outcome) == (0, None)


def test_a_pull_that_heeds_no_stop_is_left_behind_after_the_drain(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "DRAIN_SECONDS", 0.5)
    rig = simulated(
        {"request_timeout": "3s", "retry_for": "0s"},
        world=World(500),
        behaviour=Behaviour(),
        faults=Faults({2: Fault(Kind.DELAY, seconds=30)}),
    )
    app = rig.app()
    daemon = service.Daemon(app, poll_seconds=0.2)
    timer = threading.Timer(0.5, app.stop)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        daemon.run()
    assert daemon.stuck
    assert time.monotonic() - began < 2.5
    timer.join()
    while daemon.stuck:  # a process would end here; this one must leave no thread behind
        time.sleep(0.05)
