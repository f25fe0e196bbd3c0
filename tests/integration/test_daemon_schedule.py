"""Due times in the database: what is read, and that one daemon alone gets a pull."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncer.daemon import service
from syncer.daemon.due import due_at
from syncer.errors import Busy, Fenced, Stopped
from syncer.model import PullKind
from syncer.schedule import parse_cron
from syncer.simulator import World
from syncer.store import leases, pulls, replicas, schedule
from syncer.store.database import connect, rows
from syncer.store.replicas import Others
from syncer.store.schedule import DueTimes, Facts

from .conftest import Rig

MINUTE = timedelta(minutes=1)
Simulated = Callable[..., Rig]
FULL, RECENT = PullKind.FULL, PullKind.RECENT


@pytest.fixture
def connection(database: str) -> Iterator[sa.Connection]:
    with connect(database) as connection:
        leases.ensure_source(connection, "default", account="a", prefix="")
        yield connection


def due(connection: sa.Connection, kind: PullKind = FULL) -> list[Facts]:
    return schedule.due(connection, ["another", "default"], kind, most=10)


def only(connection: sa.Connection, kind: PullKind = FULL) -> Facts:
    (facts,) = due(connection, kind)
    return facts


def add_run(connection: sa.Connection, kind: str, outcome: str | None, minutes_ago: int) -> None:
    sql = """
        INSERT INTO syncer.run (source, kind, holder, started_at, finished_at, outcome)
        SELECT 'default', %(kind)s, 'h', at, CASE WHEN %(outcome)s::text IS NOT NULL THEN at END, %(outcome)s
        FROM (SELECT now() - make_interval(mins => %(ago)s) AS at) t
    """
    rows(connection, sql, kind=kind, outcome=outcome, ago=minutes_ago)


def times(connection: sa.Connection) -> DueTimes:
    (found,) = schedule.due_times(connection, ["default"])
    return found


def test_a_new_source_is_to_be_decided_and_has_no_history(connection: sa.Connection) -> None:
    for kind in PullKind:
        facts = only(connection, kind)
        assert (facts.source, facts.kind, facts.next_at, facts.pulled) == ("default", kind, None, False)
        assert (facts.ended_well_at, facts.last_at, facts.failures) == (None, None, 0)


def test_what_is_not_due_yet_is_not_looked_at(connection: sa.Connection) -> None:
    facts = only(connection)
    schedule.move(connection, facts, facts.now + MINUTE)
    assert due(connection) == []
    assert only(connection, RECENT).next_at is None
    schedule.move(connection, facts, facts.now + 2 * MINUTE)
    assert times(connection).next_full_at == facts.now + MINUTE, "somebody else wrote it since"


def test_a_source_of_other_settings_is_none_of_ours(connection: sa.Connection) -> None:
    assert schedule.due(connection, ["another"], FULL, most=10) == []


def test_what_has_been_due_for_longest_comes_first_and_no_more_than_asked_for(connection: sa.Connection) -> None:
    names = ["a", "b", "c", "d"]
    leases.ensure_sources(connection, [(name, "x", "") for name in names])
    for name, ago in (("a", 1), ("b", 3), ("c", 2)):
        rows(connection, "UPDATE syncer.source SET next_full_at = now() - make_interval(mins => %(ago)s) "
             "WHERE source = %(name)s", ago=ago, name=name)  # fmt: skip
    assert [each.source for each in schedule.due(connection, names, FULL, most=3)] == ["d", "b", "c"]


def test_of_two_daemons_that_saw_the_same_one_alone_gets_the_pull(connection: sa.Connection, database: str) -> None:
    with connect(database) as other:
        mine, theirs = only(connection), only(other)
        assert schedule.claim(connection, mine, seconds=60) is not None
        assert schedule.claim(other, theirs, seconds=60) is None
        assert due(other) == due(other, RECENT) == [], "neither of its pulls is begun by another"


def test_who_saw_a_source_before_a_pull_of_it_gets_no_second_one(connection: sa.Connection, database: str) -> None:
    seen = only(connection)
    with connect(database) as other:
        epoch = leases.claim(other, "default", holder="h", seconds=60, sleep=time.sleep)
        assert schedule.claim(connection, seen, seconds=60) is None
        leases.release(other, "default", epoch=epoch, holder="h")
    assert schedule.claim(connection, seen, seconds=60) is None
    assert schedule.claim(connection, only(connection), seconds=60) is not None


def test_a_pull_claimed_before_another_one_does_not_begin_after_it(connection: sa.Connection, database: str) -> None:
    seen = only(connection)
    assert schedule.claim(connection, seen, seconds=60) is not None
    with connect(database) as other:
        epoch = leases.claim(other, "default", holder="h", seconds=9, sleep=time.sleep)
        leases.release(other, "default", epoch=epoch, holder="h")
    with pytest.raises(Busy, match="meanwhile"):
        leases.claim(connection, "default", holder="h", seconds=9, sleep=time.sleep, seen_epoch=seen.epoch)
    leases.claim(connection, "default", holder="h", seconds=9, sleep=time.sleep, seen_epoch=seen.epoch + 1)


def test_a_claim_is_given_up_only_by_whom_it_was_made(connection: sa.Connection) -> None:
    until = schedule.claim(connection, only(connection), seconds=60)
    assert until is not None
    schedule.give_up_claim(connection, "default", claimed_until=until + MINUTE)
    assert due(connection) == []
    schedule.give_up_claim(connection, "default", claimed_until=until)
    assert only(connection).next_at is None


def test_a_claim_of_which_nothing_was_heard_ends(connection: sa.Connection) -> None:
    schedule.claim(connection, only(connection), seconds=0.01)
    time.sleep(0.05)
    assert only(connection).source == "default"


def test_nothing_is_due_while_a_living_process_has_the_source(connection: sa.Connection, database: str) -> None:
    with connect(database) as holder:
        leases.claim(holder, "default", holder="h", seconds=60, sleep=time.sleep)
        assert due(connection) == []
        assert schedule.take_from_the_dead(connection) == []


def test_a_killed_holder_loses_the_source_and_its_replica_its_share(connection: sa.Connection, database: str) -> None:
    busy = {"version": "1", "seconds": 60.0, "sources": 1, "workers": 8, "running": 1}
    assert replicas.beat(connection, "one", name="h", **busy) == Others(0, 0)
    assert replicas.beat(connection, "two", name="i", **busy) == Others(8, 1)
    with connect(database) as holder:
        claimed = schedule.claim(holder, only(holder), seconds=60)
        assert claimed is not None
        epoch = leases.claim(holder, "default", holder="h", seconds=60, sleep=time.sleep)
    deadline = time.monotonic() + 5
    while not (freed := schedule.take_from_the_dead(connection)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert freed == ["default"]
    assert only(connection).epoch == epoch + 1, "a holder that was only cut off writes nothing any more"
    assert replicas.beat(connection, "two", name="i", **busy) == Others(0, 0)
    with pytest.raises(Fenced):
        leases.renew(connection, "default", epoch=epoch, seconds=60)


def test_a_stalled_holder_loses_the_source_after_its_lease(connection: sa.Connection, database: str) -> None:
    with connect(database) as holder:
        leases.claim(holder, "default", holder="h", seconds=0.05, sleep=time.sleep)
        time.sleep(0.1)
        assert schedule.take_from_the_dead(connection) == ["default"]


def test_a_holder_whose_session_a_pooler_hides_keeps_it_until_its_lease_ends(
    connection: sa.Connection, database: str
) -> None:
    with connect(database) as holder:
        holder.info["pooled"] = True
        leases.claim(holder, "default", holder="h", seconds=60, sleep=time.sleep)
    with connect(database):  # time for the server to end the session
        assert schedule.take_from_the_dead(connection) == []
    rows(connection, "UPDATE syncer.lease SET held_until = now()")
    assert schedule.take_from_the_dead(connection) == ["default"]


def test_a_holder_that_writes_from_another_session_than_it_claimed_in_is_known_to_be_behind_a_pooler(
    connection: sa.Connection, database: str
) -> None:
    with connect(database) as first:
        epoch = leases.claim(first, "default", holder="h", seconds=60, sleep=time.sleep)
        leases.renew(first, "default", epoch=epoch, seconds=60)
        assert rows(connection, "SELECT backend_pid FROM syncer.lease").scalar() is not None
        with connect(database) as second:
            leases.renew(second, "default", epoch=epoch, seconds=60)
        assert rows(connection, "SELECT backend_pid FROM syncer.lease").scalar() is None
    time.sleep(0.1)
    assert schedule.take_from_the_dead(connection) == []


def test_failures_are_those_since_a_run_that_did_not_fail(connection: sa.Connection) -> None:
    for ago, outcome in ((90, "failed"), (80, "complete"), (70, "failed"), (60, "failed"), (50, "failed")):
        add_run(connection, "full", outcome, ago)
    add_run(connection, "recent", "unproven", 10)
    full, recent = only(connection), only(connection, RECENT)
    assert (full.failures, recent.failures, full.pulled, recent.pulled) == (3, 0, True, True)
    assert full.last_at is not None
    assert full.ended_well_at is not None
    assert recent.ended_well_at is not None
    assert round((full.last_at - full.ended_well_at) / MINUTE) == 30
    add_run(connection, "full", None, 1)
    assert only(connection).failures == 0, "it was killed"


def test_what_kills_its_process_each_time_waits_from_the_third_time_on(connection: sa.Connection) -> None:
    add_run(connection, "full", "failed", 9)
    counted = []
    for outcome in (None, None, None, None, "stopped", None, "complete"):
        add_run(connection, "full", outcome, 1)
        counted.append(only(connection).failures)
    assert counted == [0, 0, 1, 2, 0, 0, 0]


def test_a_pull_that_ended_is_not_made_again_though_its_run_was_killed_before_it_said_so(
    connection: sa.Connection,
) -> None:
    sql = """
        INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at,
                                 finished_at, outcome)
        VALUES ('default', 'full', 'l', '', 100, false, 1, now() - interval '2 min', now(), 'complete')
    """
    rows(connection, sql)
    add_run(connection, "full", None, 2)
    full, recent = only(connection), only(connection, RECENT)
    assert full.ended_well_at is not None
    assert (full.unfinished, full.pulled, recent.pulled, recent.ended_well_at) == (False, True, True, None)
    assert due_at(full, parse_cron("0 0 29 2 *", "UTC")) > full.now


def test_after_a_run_its_due_times_are_to_be_decided_but_not_by_one_that_was_fenced(connection: sa.Connection) -> None:
    ahead = {"full": "5 min", "recent": "6 min"}

    def end(kind: str, holder: str) -> tuple[bool, bool]:
        for which, span in ahead.items():
            rows(connection, f"UPDATE syncer.source SET next_{which}_at = now() + '{span}'::interval")
        run = pulls.begin_run(connection, "default", kind, holder=holder)
        pulls.end_run(connection, "default", run, pull_id=0, outcome="complete", error=None, calls=0)
        return times(connection).next_full_at is None, times(connection).next_recent_at is None

    leases.claim(connection, "default", holder="h", seconds=60, sleep=time.sleep)
    assert end("full", "h") == (True, True)
    assert end("recent", "h") == (False, True)
    assert end("lookup", "h") == (False, False)
    assert end("full", "another") == (False, False)


def test_evaluations_are_shared(connection: sa.Connection) -> None:
    leases.ensure_sources(connection, [(name, "x", "") for name in "abc"])

    def claimed(most: int, every: float = 60) -> list[str]:
        return sorted(schedule.claim_evaluations(connection, ["a", "b", "c"], every_seconds=every, most=most))

    first = claimed(2)
    assert len(first) == 2
    assert sorted(first + claimed(2)) == ["a", "b", "c"]
    assert claimed(2) == []
    rows(connection, "UPDATE syncer.source SET evaluate_at = now() WHERE source = 'b'")
    assert claimed(9) == ["b"]


def test_a_pull_that_heeds_no_stop_is_left_behind_after_the_drain(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "DRAIN_SECONDS", 0.5)
    rig, released = simulated({"request_timeout": "60s", "retry_for": "0s"}, world=World(500)), threading.Event()
    rig.simulator.schedule = {2: lambda _: released.wait(50)}
    app = rig.app()
    daemon = service.Daemon(app, poll_seconds=0.2)
    stopped_at: list[float] = []

    def stop_in_the_middle() -> None:
        while rig.simulator.call_count < 2:
            time.sleep(0.05)
        stopped_at.append(time.monotonic())
        app.stop()

    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    with pytest.raises(Stopped):
        daemon.run()
    assert daemon.stuck
    assert time.monotonic() - stopped_at[0] < 30
    released.set()
    stopper.join()
    while daemon.stuck:  # a process would end here; this one must leave no thread behind
        time.sleep(0.05)
