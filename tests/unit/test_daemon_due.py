"""What is due, from facts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncer.daemon.due import CLAIM, PAUSES, Step, decide, may_begin
from syncer.model import PullKind
from syncer.schedule import parse_cron
from syncer.store.schedule import Facts, Hold

NOW = datetime(2026, 11, 22, 13, 7, 5, tzinfo=UTC)
SIX_HOURLY = parse_cron("0 */6 * * *", "UTC")
NEXT_SLOT = datetime(2026, 11, 22, 18, tzinfo=UTC)
LAST_SLOT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BEGIN = Step(start=True, next_at=NOW + CLAIM)


def facts(**changes: Any) -> Facts:
    """Return the facts of a full pull that was last done at noon, with changes."""
    usual: dict[str, Any] = {
        "source": "default",
        "kind": PullKind.FULL,
        "now": NOW,
        "next_at": NEXT_SLOT,
        "hold": Hold.FREE,
        "unfinished": False,
        "ended_well_at": LAST_SLOT + 20 * MINUTE,
        "last_outcome": "complete",
        "last_at": LAST_SLOT + 20 * MINUTE,
        "failures": 0,
    }
    return Facts(**(usual | changes))


NEVER: dict[str, Any] = {"next_at": None, "ended_well_at": None, "last_outcome": None, "last_at": None}


def waits_until(instant: datetime) -> Step:
    return Step(start=False, next_at=instant)


def test_a_source_never_pulled_is_due_at_once() -> None:
    assert decide(facts(**NEVER), SIX_HOURLY) == BEGIN


def test_a_pull_done_in_its_slot_waits_for_the_next_one() -> None:
    assert decide(facts(), SIX_HOURLY) == waits_until(NEXT_SLOT)


def test_a_source_pulled_by_hand_only_waits_for_its_next_slot() -> None:
    assert decide(facts(next_at=None), SIX_HOURLY) == waits_until(NEXT_SLOT)


def test_slots_missed_while_no_daemon_ran_are_one_pull_at_once() -> None:
    assert decide(facts(next_at=NOW - 40 * HOUR, ended_well_at=NOW - 47 * HOUR), SIX_HOURLY) == BEGIN
    assert decide(facts(next_at=None, ended_well_at=NOW - 47 * HOUR), SIX_HOURLY) == BEGIN


def test_a_pull_that_ended_after_its_due_time_has_served_it_whoever_ran_it() -> None:
    assert decide(facts(next_at=LAST_SLOT, ended_well_at=NOW - MINUTE), SIX_HOURLY) == waits_until(NEXT_SLOT)


@pytest.mark.parametrize("due", [{"next_at": NOW - HOUR}, NEVER, {"unfinished": True, "last_outcome": "stopped"}])
def test_nothing_begins_while_a_living_process_has_the_source(due: dict[str, Any]) -> None:
    assert not decide(facts(**due, hold=Hold.HELD), SIX_HOURLY).start


def test_what_was_missed_while_the_source_was_held_is_due_once_it_is_free() -> None:
    held = facts(next_at=NOW - 3 * MINUTE, hold=Hold.HELD)
    assert decide(held, SIX_HOURLY) == waits_until(NOW - 3 * MINUTE)
    assert decide(facts(next_at=NOW - 3 * MINUTE), SIX_HOURLY) == BEGIN


@pytest.mark.parametrize("outcome", ["stopped", None])
def test_an_unfinished_full_pull_is_taken_up_at_once_if_it_was_stopped_or_killed(outcome: str | None) -> None:
    assert decide(facts(unfinished=True, last_outcome=outcome), SIX_HOURLY) == BEGIN
    assert decide(facts(unfinished=True, last_outcome=outcome, next_at=None), SIX_HOURLY) == BEGIN


def test_a_pull_that_another_daemon_has_just_claimed_is_not_begun_again() -> None:
    claimed = facts(unfinished=True, last_outcome=None, next_at=NOW + CLAIM)
    assert decide(claimed, SIX_HOURLY) == waits_until(NOW + CLAIM)


def test_a_killed_holder_is_succeeded_at_once_though_its_claim_is_fresh() -> None:
    killed = facts(unfinished=True, last_outcome=None, next_at=NOW + CLAIM, hold=Hold.ABANDONED)
    assert decide(killed, SIX_HOURLY) == BEGIN


def test_a_claim_of_which_nothing_was_heard_is_due_again() -> None:
    assert decide(facts(next_at=NOW - SECOND, last_outcome=None), SIX_HOURLY) == BEGIN


@pytest.mark.parametrize(("failures", "pause"), [*enumerate(PAUSES, 1), (5, PAUSES[-1])])
def test_after_failures_the_pauses_grow_and_stay_below_the_schedule(failures: int, pause: timedelta) -> None:
    failed = {"unfinished": True, "last_outcome": "failed", "failures": failures, "next_at": NOW - SECOND}
    assert decide(facts(**failed, last_at=NOW - pause + SECOND), SIX_HOURLY) == waits_until(NOW + SECOND)
    assert decide(facts(**failed, last_at=NOW - pause), SIX_HOURLY) == BEGIN


def test_a_failed_full_pull_does_not_wait_for_its_slot() -> None:
    failed = {"unfinished": True, "last_outcome": "failed", "failures": 1, "last_at": NOW - MINUTE}
    assert decide(facts(**failed, next_at=NEXT_SLOT), SIX_HOURLY) == BEGIN
    assert decide(facts(**failed, next_at=None), SIX_HOURLY) == BEGIN


def test_a_failed_recent_pull_pauses_too() -> None:
    recent = facts(
        kind=PullKind.RECENT,
        next_at=None,
        last_outcome="failed",
        failures=1,
        last_at=NOW - 10 * SECOND,
        ended_well_at=NOW - 12 * HOUR,
    )
    assert decide(recent, SIX_HOURLY) == waits_until(NOW + 50 * SECOND)


def test_an_unfinished_recent_pull_is_nothing_to_take_up() -> None:
    recent = facts(kind=PullKind.RECENT, last_outcome="stopped", hold=Hold.ABANDONED)
    assert decide(recent, SIX_HOURLY) == waits_until(NEXT_SLOT)


def test_a_schedule_made_tighter_counts_from_now() -> None:
    assert decide(facts(), parse_cron("*/10 * * * *", "UTC")) == waits_until(NOW.replace(minute=10, second=0))


def test_recent_pulls_begin_once_a_full_one_has_ended() -> None:
    recent = facts(kind=PullKind.RECENT, **NEVER)
    assert not may_begin(facts(**NEVER), recent)
    assert may_begin(facts(), recent)
