"""What a daemon shows of itself, and when that counts as alive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from syncer.model import PullKind
from syncer.pulse import FRESH_SECONDS, Pulse

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Clocks:
    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def test_a_daemon_that_was_never_heard_of_is_not_fresh() -> None:
    clocks = Clocks()
    vitals = Pulse(clocks.wall, clocks.monotonic).read()
    assert (vitals.scheduler_at, vitals.database_at, vitals.started_at) == (None, None, BEGIN)
    assert not vitals.scheduler_fresh
    assert not vitals.database_fresh


def test_freshness_ends_when_nothing_is_heard_any_more() -> None:
    clocks = Clocks()
    pulse = Pulse(clocks.wall, clocks.monotonic)
    pulse.scheduler_beat()
    clocks.seconds = FRESH_SECONDS - 1
    pulse.database_answered()
    assert pulse.read().scheduler_fresh
    clocks.seconds = FRESH_SECONDS + 1
    vitals = pulse.read()
    assert (vitals.scheduler_fresh, vitals.database_fresh) == (False, True)
    assert (vitals.scheduler_at, vitals.scheduler_age, vitals.database_age) == (BEGIN, FRESH_SECONDS + 1, 2.0)


def test_running_pulls_are_shown_in_the_order_in_which_they_began() -> None:
    clocks = Clocks()
    pulse = Pulse(clocks.wall, clocks.monotonic)
    for seconds, source in enumerate(["west", "east"]):
        clocks.seconds = seconds
        pulse.pull_began(source, PullKind.FULL)
    assert [each.source for each in pulse.read().running] == ["west", "east"]
    pulse.pull_ended("west")
    assert [each.source for each in pulse.read().running] == ["east"]


def test_reloads_and_the_stop_are_shown() -> None:
    clocks = Clocks()
    pulse = Pulse(clocks.wall, clocks.monotonic)
    pulse.reloaded(taken=True)
    pulse.reloaded(taken=False)
    pulse.stops()
    vitals = pulse.read()
    assert (vitals.reloads, vitals.reload_failed, vitals.stopping) == (1, True, True)
