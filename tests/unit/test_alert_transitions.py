"""The life of one alert: every step is taken once, at its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from syncer.alerts.policy import Addressee, Policy, QuietHours, Tier
from syncer.alerts.rules import Finding
from syncer.alerts.transitions import SETTLE, Step, may_go, next_step, why
from syncer.store.alert_files import Count, Crowd, Departures, Watch
from syncer.store.alert_marks import Mark
from syncer.store.alerts import Alert

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WATCH = Watch("a", "expiring", "7d", span=7 * DAY, inner_span=DAY)
QUIET = QuietHours(22 * 60, 7 * 60, UTC)
POLICY = Policy(
    source="a",
    tiers=(Tier("7d", 7 * DAY),),
    next_full=lambda at: at,
    addressees=(Addressee("x", "x"), Addressee("boss", "boss", escalation=True)),
)


def alert(**given: Any) -> Alert:
    fields: dict[str, Any] = {
        "source": "a", "alert_id": 1, "rule": "expiring", "tier": "7d", "group": "", "severity": "warning", "files": 1,
        "bytes": 1, "detail": {}, "raised_at": NOW - HOUR, "evaluated_at": NOW - HOUR, "announced": Mark(NOW - HOUR),
        "messaged_at": NOW - HOUR, "messages": 1, "sent_at": None, "escalated_at": None, "acknowledged_at": None,
        "acknowledged_by": None, "snoozed_until": None, "resolved_at": None, "resolution": None, "reopened": 0,
        "resolved_by": None,
        "before": None, "renewed_at": None, "unacknowledged": None, "acknowledged": None, "scope": (),
    }  # fmt: skip
    return Alert(**{**fields, **given})


def finding(new: int = 0, first_end: datetime = NOW + 5 * DAY, **given: Any) -> Finding:
    crowd = Crowd(Count(10, 10, NOW + DAY), Count(new, new, first_end if new else None))
    return Finding(**{"rule": "expiring", "severity": "warning", "tier": "7d", "crowd": crowd, "watch": WATCH, **given})


OVERLOOKED = alert(raised_at=NOW - DAY, escalated_at=NOW, messaged_at=NOW - DAY)


@pytest.mark.parametrize(
    ("before", "now", "step"),
    [
        (None, finding(), Step.RAISE),
        (None, None, Step.REST),
        (alert(), None, Step.RESOLVE),
        (alert(resolved_at=NOW - DAY), None, Step.REST),
        (alert(), finding(), Step.COUNT),
        (alert(), finding(severity="critical"), Step.UPDATE),
        (alert(severity="critical"), finding(), Step.COUNT),
        (alert(), finding(new=5), Step.COUNT),
        (alert(announced=Mark(NOW - DAY)), finding(new=5), Step.UPDATE),
        (alert(announced=None), finding(new=5), Step.UPDATE),
        (alert(), finding(new=5, first_end=NOW + 23 * HOUR), Step.UPDATE),
        (alert(), finding(new=5, first_end=NOW + 24 * HOUR), Step.UPDATE),
        (alert(), finding(new=5, first_end=NOW + 25 * HOUR), Step.COUNT),
        (alert(raised_at=NOW - 4 * HOUR), finding(), Step.ESCALATE),
        (alert(raised_at=NOW - 4 * HOUR, escalated_at=NOW), finding(), Step.COUNT),
        (alert(raised_at=NOW - 4 * HOUR), finding(severity="info"), Step.COUNT),
        (alert(raised_at=NOW - 4 * HOUR, acknowledged_at=NOW), finding(), Step.COUNT),
        (alert(raised_at=NOW - 4 * HOUR, snoozed_until=NOW + HOUR), finding(), Step.COUNT),
        (alert(raised_at=NOW - DAY, escalated_at=NOW, messaged_at=NOW - DAY), finding(), Step.REMIND),
        (alert(acknowledged_at=NOW, messaged_at=NOW - DAY), finding(), Step.COUNT),
        (OVERLOOKED, finding(crowd=Crowd(Count(10, 10, NOW + DAY), rest=Count())), Step.COUNT),
        (OVERLOOKED, finding(crowd=Crowd(Count(10, 10, NOW + DAY), rest=Count(1, 1, NOW + DAY))), Step.REMIND),
        (OVERLOOKED, finding(crowd=Crowd(), watch=None), Step.REMIND),
        (alert(acknowledged_at=NOW, announced=Mark(NOW - DAY)), finding(new=1), Step.UPDATE),
        (alert(snoozed_until=NOW + 2 * DAY, announced=Mark(NOW - DAY)), finding(new=1), Step.COUNT),
        (alert(snoozed_until=NOW + 2 * DAY, announced=Mark(NOW - DAY)), finding(1, NOW + DAY), Step.UPDATE),
        (alert(resolved_at=NOW - SETTLE / 2), finding(), Step.REOPEN),
        (alert(resolved_at=NOW - SETTLE), finding(), Step.RAISE),
        (alert(resolved_at=NOW - DAY, resolution="command"), finding(), Step.REST),
        (alert(resolved_at=NOW - DAY, resolution="command"), finding(new=1), Step.RAISE),
        (alert(resolved_at=NOW - HOUR / 2, resolution="command"), finding(watch=None), Step.REST),
        (alert(resolved_at=NOW - HOUR, resolution="command"), finding(watch=None), Step.RAISE),
    ],
)
def test_the_next_step(before: Alert | None, now: Finding | None, step: Step) -> None:
    assert next_step(before, now, POLICY, NOW) is step


def test_newcomers_that_would_leave_in_the_quiet_hours_are_told_before() -> None:
    evening = NOW.replace(hour=21)
    last = alert(
        acknowledged_at=evening, announced=Mark(evening - 23 * HOUR)
    )  # the next digest would be due at 22:00 and go out at 07:00
    urgent = finding(new=1, first_end=evening + 9 * HOUR)
    assert next_step(last, urgent, POLICY, evening) is Step.COUNT
    assert next_step(last, urgent, replace(POLICY, quiet=QUIET), evening) is Step.UPDATE
    # critical ones go out in the quiet hours, and so need no hurry
    grave, graver = replace(last, severity="critical"), replace(urgent, severity="critical")
    assert next_step(grave, graver, replace(POLICY, quiet=QUIET), evening) is Step.COUNT


@pytest.mark.parametrize(
    ("step", "found", "at", "goes"),
    [
        (Step.RAISE, finding(severity="info"), 12, 12),
        (Step.RAISE, finding(severity="info"), 23, 31),
        (Step.RAISE, finding(severity="critical"), 23, 23),
        (Step.RAISE, finding(crowd=Crowd(Count(10, 10, NOW.replace(hour=23) + HOUR))), 23, 23),
        (Step.UPDATE, finding(new=1, first_end=NOW.replace(hour=23) + 9 * HOUR), 23, 23),
        (Step.UPDATE, finding(new=1, first_end=NOW.replace(hour=23) + 10 * HOUR), 23, 31),
        (Step.REMIND, finding(crowd=Crowd(Count(10, 10, NOW.replace(hour=23) + HOUR))), 23, 31),
        (Step.REMIND, finding(new=1, first_end=NOW.replace(hour=23) + HOUR), 23, 23),
        (Step.RESOLVE, None, 12, 13),
        (Step.RESOLVE, None, 23, 31),
        (Step.RESOLVE, finding(severity="critical"), 23, 31),
    ],
)
def test_quiet_hours_hold_back_what_can_wait(step: Step, found: Finding | None, at: int, goes: int) -> None:
    now = NOW.replace(hour=at)
    assert may_go(step, found, alert(), replace(POLICY, quiet=QUIET), now) == NOW.replace(hour=0) + goes * HOUR


def test_the_end_of_a_critical_alert_is_told_in_the_quiet_hours_too() -> None:
    now, grave = NOW.replace(hour=23), alert(severity="critical")
    assert may_go(Step.RESOLVE, None, grave, replace(POLICY, quiet=QUIET), now) == now + SETTLE


def test_quiet_hours_end_by_the_clock_on_the_wall_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    quiet = QuietHours(22 * 60, 7 * 60, berlin)
    evening = datetime(2026, 3, 28, 23, tzinfo=berlin)
    assert quiet.end_after(evening.astimezone(UTC)) == datetime(2026, 3, 29, 7, tzinfo=berlin)
    assert quiet.end_after(evening.astimezone(UTC)) - evening.astimezone(UTC) == 7 * HOUR


def test_quiet_hours_within_a_day() -> None:
    quiet = QuietHours(12 * 60, 14 * 60, UTC)
    assert quiet.end_after(NOW) == NOW + 2 * HOUR
    assert quiet.end_after(NOW - HOUR) == NOW - HOUR
    assert quiet.end_after(NOW + 2 * HOUR) == NOW + 2 * HOUR


@pytest.mark.parametrize(
    ("rule", "departures", "last", "ending"),
    [
        ("expiring", Departures(extended=1), False, "extended"),
        ("expiring", Departures(gone=1, extended=1), False, "gone"),
        ("expiring", Departures(passed=1, gone=1, extended=1), False, "nearer"),
        ("expiring", Departures(), False, "nearer"),
        ("expiring", Departures(), True, "expired"),
        ("expiring", Departures(gone=3), True, "gone"),
        ("expiring", Departures(passed=1, extended=3), True, "expired"),
        ("vanished", Departures(returned=1), False, "returned"),
        ("vanished", Departures(passed=1, returned=1), False, "expired"),
        ("vanished", Departures(), False, "expired"),
        ("overdue", Departures(gone=2), False, "gone"),
        ("overdue", Departures(extended=1), False, "extended"),
    ],
)
def test_why_an_alert_ended(rule: str, departures: Departures, last: bool, ending: str) -> None:
    assert why(rule, departures, last=last) == ending


def test_nobody_is_said_to_be_told_of_what_nobody_wants() -> None:
    boss = Addressee("boss", "boss", minimum="critical", escalation=True)
    policy = replace(POLICY, addressees=(Addressee("x", "x"), boss))
    unheard = alert(raised_at=NOW - 4 * HOUR)
    assert next_step(unheard, finding(), policy, NOW) is Step.COUNT
    assert next_step(replace(unheard, severity="critical"), finding(severity="critical"), policy, NOW) is Step.ESCALATE
