"""When a pull is due, from facts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncer.daemon.due import PAUSES, due_at, name_of, rescheduled
from syncer.model import PullKind
from syncer.schedule import parse_cron
from syncer.store.schedule import DueTimes, Facts

NOW = datetime(2026, 11, 22, 13, 7, 5, tzinfo=UTC)
SIX_HOURLY = parse_cron("0 */6 * * *", "UTC")
TEN_MINUTELY = parse_cron("*/10 * * * *", "UTC")
NEXT_SLOT = datetime(2026, 11, 22, 18, tzinfo=UTC)
LAST_SLOT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def due(cron: Any = SIX_HOURLY, **changes: Any) -> datetime | str:
    """Return when a full pull is due that was last done at noon, with changes of these facts: `now`, or an instant."""
    usual: dict[str, Any] = {
        "source": "default",
        "kind": PullKind.FULL,
        "now": NOW,
        "epoch": 1,
        "next_at": None,
        "unfinished": False,
        "pulled": True,
        "ended_well_at": LAST_SLOT + 20 * MINUTE,
        "last_at": LAST_SLOT + 20 * MINUTE,
        "failures": 0,
    }
    at = due_at(Facts(**(usual | changes)), cron)
    return "now" if at <= NOW else at


NEVER: dict[str, Any] = {"next_at": None, "ended_well_at": None, "last_at": None, "pulled": False}


def test_a_source_never_pulled_is_due_at_once() -> None:
    assert due(**NEVER) == "now"


def test_a_pull_done_in_its_slot_waits_for_the_next_one_whoever_did_it() -> None:
    assert due() == due(next_at=LAST_SLOT) == NEXT_SLOT


def test_slots_missed_while_no_daemon_ran_are_one_pull_at_once() -> None:
    assert due(next_at=NOW - 40 * HOUR, ended_well_at=NOW - 47 * HOUR) == "now"
    assert due(next_at=None, ended_well_at=NOW - 47 * HOUR) == "now"


def test_what_was_missed_while_the_source_was_held_is_due_once_it_is_free() -> None:
    assert due(next_at=NOW - 3 * MINUTE) == "now"


def test_an_unfinished_full_pull_is_taken_up_at_once_if_it_was_stopped_or_killed() -> None:
    assert due(unfinished=True) == due(unfinished=True, next_at=NEXT_SLOT) == "now"


@pytest.mark.parametrize(("failures", "pause"), [*enumerate(PAUSES, 1), (5, PAUSES[-1])])
def test_after_failures_the_pauses_grow(failures: int, pause: timedelta) -> None:
    for unfinished in (True, False):
        failed = {"unfinished": unfinished, "failures": failures, "next_at": NOW - SECOND, "ended_well_at": None}
        assert due(**failed, last_at=NOW - pause + SECOND) == NOW + SECOND
        assert due(**failed, last_at=NOW - pause) == "now"


def test_a_pause_ends_with_the_next_slot_at_the_latest() -> None:
    failed = {"failures": 4, "last_at": NOW, "ended_well_at": NOW - HOUR}
    assert due(TEN_MINUTELY, **failed) == NOW.replace(minute=10, second=0)


def test_a_failed_full_pull_does_not_wait_for_its_slot() -> None:
    failed = {"unfinished": True, "failures": 1, "last_at": NOW - MINUTE}
    assert due(**failed, next_at=NEXT_SLOT) == due(**failed) == "now"


def test_a_failed_recent_pull_pauses_too() -> None:
    recent = {"kind": PullKind.RECENT, "failures": 1, "last_at": NOW - 10 * SECOND, "ended_well_at": NOW - 12 * HOUR}
    assert due(**recent) == NOW + 50 * SECOND


def test_recent_pulls_begin_once_any_pull_has_ended() -> None:
    recent = NEVER | {"kind": PullKind.RECENT}
    assert due(**recent) == NEXT_SLOT
    assert due(**(recent | {"pulled": True})) == "now"


def test_a_due_time_beyond_the_next_slot_is_that_slot() -> None:
    assert due(TEN_MINUTELY, next_at=NEXT_SLOT) == NOW.replace(minute=10, second=0)


def times(**changes: Any) -> DueTimes:
    usual = {
        "source": "default",
        "next_full_at": NEXT_SLOT,
        "next_recent_at": NOW + MINUTE,
        "full_schedule": name_of(SIX_HOURLY),
        "recent_schedule": name_of(TEN_MINUTELY),
    }
    return DueTimes(**(usual | changes))


def test_due_times_stay_while_the_schedules_do() -> None:
    assert rescheduled(times(), SIX_HOURLY, TEN_MINUTELY, NOW) is None


def test_a_changed_schedule_counts_from_now() -> None:
    nightly = parse_cron("0 3 * * *", "Asia/Shanghai")
    changed = rescheduled(times(), nightly, TEN_MINUTELY, NOW)
    assert changed == times(next_full_at=datetime(2026, 11, 22, 19, tzinfo=UTC), full_schedule=name_of(nightly))


def test_what_is_due_or_undecided_stays_so_when_the_schedule_changes() -> None:
    nightly = parse_cron("0 3 * * *", "UTC")
    before = times(next_full_at=None, next_recent_at=NOW - MINUTE, full_schedule=None)
    after = rescheduled(before, nightly, nightly, NOW)
    assert after is not None
    assert (after.next_full_at, after.next_recent_at) == (None, NOW - MINUTE)
