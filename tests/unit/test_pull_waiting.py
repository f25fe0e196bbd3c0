"""Waits: the lease is renewed in time wherever the time goes, and a stop ends them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from syncer.errors import Stopped
from syncer.pull.waiting import StopRequest, Waiting

LEASE = 60.0
INTERVAL = LEASE / 3


class Clock:
    """A clock that moves only when it is slept on or told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def sleep(self, seconds: float) -> None:
        """Let `seconds` go by."""
        self.now += seconds


def longest_gap(clock: Clock, *, calls: int, call_seconds: float, pause_seconds: float) -> float:
    """Return the longest time between two renewals of a run whose calls take so long, with a pause after each."""
    waiting = Waiting(clock.sleep, StopRequest(), lambda: clock.now)
    renewals = [clock.now]
    with waiting.renewing(lambda _: renewals.append(clock.now), interval=INTERVAL):
        for _ in range(calls):
            clock.sleep(call_seconds)
            waiting(pause_seconds)
    renewals.append(clock.now)
    return max(after - before for before, after in pairwise(renewals))


@pytest.mark.parametrize("call_seconds", [0.1, 19.0, 30.0])
@pytest.mark.parametrize("pause_seconds", [0.5, 20.0, 90.0])
def test_a_run_whose_calls_hang_renews_its_lease_before_it_runs_out(call_seconds: float, pause_seconds: float) -> None:
    assert longest_gap(Clock(), calls=12, call_seconds=call_seconds, pause_seconds=pause_seconds) < LEASE


def test_nothing_is_renewed_before_it_is_due_or_after_the_run() -> None:
    clock = Clock()
    waiting = Waiting(clock.sleep, StopRequest(), lambda: clock.now)
    renewals: list[float] = []
    with waiting.renewing(lambda _: renewals.append(clock.now), interval=INTERVAL):
        waiting(INTERVAL - 1)
    waiting(10 * INTERVAL)
    assert renewals == []


def test_why_a_call_is_retried_is_noted_once_that_takes_long_and_taken_back_by_its_answer() -> None:
    clock = Clock()
    waiting = Waiting(clock.sleep, StopRequest(), lambda: clock.now)
    told: list[tuple[str, float] | None] = []
    with waiting.renewing(lambda at: told.append(None if at is None else (at.why, at.seconds)), interval=INTERVAL):
        waiting.retrying("refused")
        waiting(INTERVAL + 1)
        waiting.retrying(None)
        assert told == [None], "it was short: no write of its own"
        waiting.retrying("refused")
        waiting(2 * INTERVAL)
        waiting.retrying("no answer")
        waiting(INTERVAL)
        assert [each for each in told if each][-1] == ("no answer", pytest.approx(3 * INTERVAL, abs=INTERVAL))
        waiting.retrying(None)
        assert told[-1] is None
        before = len(told)
        waiting.retrying(None)
        assert len(told) == before


def test_a_stop_ends_a_wait_at_once() -> None:
    clock, stop = Clock(), StopRequest()
    waiting = Waiting(clock.sleep, stop, lambda: clock.now)
    began = clock.now
    stop(2)
    with pytest.raises(Stopped) as stopped:
        waiting(100.0)
    assert (clock.now, stopped.value.exit_code) == (began, 130)
