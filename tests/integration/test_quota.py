"""The quota is one for all processes of an account: never more than the limit in any minute, and close to it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from syncer.simulator import Behaviour, Faults, World, coded, on
from syncer.store import quota
from syncer.store.database import connect
from syncer.store.direct import row

from .conftest import Rig

Simulated = Callable[..., Rig]
PER_MINUTE = 600
GAP = quota.spacing(PER_MINUTE)

ACQUIRER = """
import sys, time
from syncer.store import quota
from syncer.store.database import connect
from syncer.store.direct import row
url, account, number, per_minute = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with connect(url) as connection:
    for _ in range(number):
        while (wait := quota.try_acquire(connection, account, calls_per_minute=per_minute, interactive=False)) > 0:
            time.sleep(wait)
        print(time.monotonic())
"""


def busiest(times: list[float], window: float) -> int:
    """Return the most calls in any window of so many seconds."""
    return max(sum(begin <= other < begin + window for other in times) for begin in times)


def grants(database: str, processes: int, number: int) -> list[float]:
    """Let so many processes take so many grants each; return when each was given."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ACQUIRER, database, "shared", str(number), str(PER_MINUTE)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    times = []
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        times += [float(line) for line in out.split()]
    return sorted(times)


@pytest.mark.one_server
def test_processes_together_keep_within_the_limit_and_close_to_it(database: str) -> None:
    times = grants(database, 4, 12)
    assert len(times) == 48
    span = times[-1] - times[0]
    # 47 gaps; a grant may come late by the credit that lets it catch up
    assert span >= 47 * GAP - 0.35
    assert busiest(times, 2.0) <= 2.0 / GAP + 0.3 / GAP + 1


@pytest.mark.one_server
def test_the_limit_holds_across_restarts(database: str) -> None:
    times: list[float] = []
    for _ in range(3):
        times += grants(database, 1, 8)
    assert times[-1] - times[0] >= 23 * GAP - 0.35


@pytest.mark.one_server
def test_a_simulator_that_counts_never_refuses_a_call(simulated: Simulated) -> None:
    rig = simulated(
        {"page_size": "10", "calls_per_minute": str(PER_MINUTE)},
        world=World(300),
        behaviour=Behaviour(calls_per_minute=PER_MINUTE),
    )
    began = time.monotonic()
    result = rig.sync()
    seconds = time.monotonic() - began
    assert (result.outcome, result.api_calls) == ("complete", 30)
    assert all(call.code == 0 for call in rig.simulator.calls)
    assert 29 * GAP - 0.35 <= seconds <= 29 * GAP + 4


def test_no_window_of_a_minute_can_hold_more_than_the_limit_at_any_limit() -> None:
    for limit in (1, 2, 60, 100, 600):
        # limit + 1 grants span limit gaps; one may be early by the credit and one call late on its way
        assert limit * quota.spacing(limit) - quota._CREDIT_SECONDS >= 60


def test_a_4400_makes_every_process_of_the_account_step_back(simulated: Simulated, database: str) -> None:
    rig = simulated({"calls_per_minute": str(PER_MINUTE), "quota_account": "shared"}, world=World(50))
    rig.simulator.faults = on([1], coded(4400))
    thread = threading.Thread(target=rig.sync)
    began = time.monotonic()
    thread.start()
    while rig.simulator.call_count < 1:
        time.sleep(0.01)
    deadline = time.monotonic() + 10
    while not rig.rows("SELECT FROM syncer.quota WHERE refused = 1") and time.monotonic() < deadline:
        time.sleep(0.01)
    with connect(database) as connection:
        wait = quota.try_acquire(connection, "shared", calls_per_minute=PER_MINUTE, interactive=True)
        other = quota.try_acquire(connection, "other", calls_per_minute=PER_MINUTE, interactive=False)
    assert wait > 10
    assert other == 0
    assert rig.rows("SELECT refused FROM syncer.quota WHERE account = 'shared'") == [{"refused": 1}]
    rig.simulator.faults = Faults()
    # do not sit out the twenty seconds
    rig.rows("WITH u AS (UPDATE syncer.quota SET next_at = now(), reserved_until = NULL) SELECT 1")
    thread.join(30)
    assert time.monotonic() - began < 30


@pytest.mark.one_server
def test_a_person_s_lookup_goes_ahead_of_a_background_pull(simulated: Simulated) -> None:
    per_minute = 60
    settings = {"page_size": "10", "calls_per_minute": str(per_minute), "quota_account": "shared"}
    rig = simulated(settings, world=World(40))
    pull = threading.Thread(target=rig.sync)
    pull.start()
    while rig.simulator.call_count < 2:
        time.sleep(0.01)
    before = rig.simulator.call_count
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        assert lookup.by_ids(rig.simulator.world.ids()[:1]).files
    calls = rig.simulator.calls[before:]
    place = next(number for number, call in enumerate(calls) if "fileId.0" in call.params)
    assert place <= 1
    pull.join(60)


def test_quota_zero_means_no_limit(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(300))
    rig.sync()
    assert not rig.rows("SELECT FROM syncer.quota")


def test_only_slots_that_are_near_each_other_do_not_wait_for_the_disk(database: str) -> None:
    with connect(database) as connection:
        connection.exec_driver_sql("SET synchronous_commit = on")  # the tests' server has it off
        for account, gap, waits in (("near", 0.606, "off"), ("far", 6.06, "on")):
            quota.try_acquire(connection, account, calls_per_minute=10**6, interactive=False)
            time.sleep(0.01)
            taken = row(connection, quota._TAKE, account=account, spacing=gap, interactive=False)
            assert taken == (waits,)
            assert row(connection, "SHOW synchronous_commit") == ("on",), "it holds for the slot alone"
