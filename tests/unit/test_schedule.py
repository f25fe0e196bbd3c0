"""Cron expressions mean what crontab(5) says, in every time zone and on the days when clocks change."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncer.schedule import find_zone, parse_cron

BERLIN = "Europe/Berlin"
SUNDAY = datetime(2026, 11, 1, tzinfo=UTC)  # the first of a month that begins on a Sunday
YEARS = (datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2030-01-01"))
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def due(expression: str, zone: str, since: str, count: int) -> list[str]:
    cron, instant, found = parse_cron(expression, zone), datetime.fromisoformat(since), []
    for _ in range(count):
        instant = cron.next_after(instant)
        found.append(instant.isoformat(timespec="minutes"))
    return found


def weekdays_of(expression: str) -> set[str]:
    cron, instant, found = parse_cron(expression, "UTC"), SUNDAY - timedelta(seconds=1), set()
    while (instant := cron.next_after(instant)) < SUNDAY + timedelta(days=7):
        found.add(WEEKDAYS[instant.weekday()])
    return found


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "sun"),
        ("7", "sun"),
        ("1", "mon"),
        ("1-5", "mon tue wed thu fri"),
        ("5-7", "fri sat sun"),
        ("0-6", "sun mon tue wed thu fri sat"),
        ("0-7", "sun mon tue wed thu fri sat"),
        ("1-7", "sun mon tue wed thu fri sat"),
        ("*/2", "sun tue thu sat"),
        ("1-7/2", "mon wed fri sun"),
        ("0,7", "sun"),
        ("sun,Wed", "sun wed"),
        ("FRI-SUN", "fri sat sun"),
        ("sat-sun", "sat sun"),
    ],
)
def test_weekdays_are_numbered_as_in_a_crontab(field: str, days: str) -> None:
    assert weekdays_of(f"0 12 * * {field}") == set(days.split())


def test_two_restricted_day_fields_match_either() -> None:
    assert due("0 0 13 * 5", "UTC", "2026-12-01T00:00Z", 4) == [
        "2026-12-04T00:00+00:00",
        "2026-12-11T00:00+00:00",
        "2026-12-13T00:00+00:00",
        "2026-12-18T00:00+00:00",
    ]


def test_a_day_field_that_begins_with_a_star_must_match_as_well() -> None:
    assert due("0 0 */10 * 1", "UTC", "2026-11-01T00:00Z", 2) == ["2026-12-21T00:00+00:00", "2027-01-11T00:00+00:00"]


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        ("@hourly", "2026-11-04T10:00+00:00", "2026-11-04T11:00+00:00"),
        ("@daily", "2026-11-05T00:00+00:00", "2026-11-06T00:00+00:00"),
        ("@midnight", "2026-11-05T00:00+00:00", "2026-11-06T00:00+00:00"),
        ("@Weekly", "2026-11-08T00:00+00:00", "2026-11-15T00:00+00:00"),
        ("@monthly", "2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"),
        ("@yearly", "2027-01-01T00:00+00:00", "2028-01-01T00:00+00:00"),
        (" 0  */6 * * * ", "2026-11-04T12:00+00:00", "2026-11-04T18:00+00:00"),
        ("5,50-52/2 9 * jan-MAR *", "2027-01-01T09:05+00:00", "2027-01-01T09:50+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"),
    ],
)
def test_expressions_and_nicknames(expression: str, first: str, second: str) -> None:
    assert due(expression, "UTC", "2026-11-04T09:53Z", 2) == [first, second]


def test_the_next_time_is_strictly_after_the_instant() -> None:
    cron = parse_cron("*/10 * * * *", "UTC")
    assert cron.next_after(SUNDAY) == SUNDAY + timedelta(minutes=10)
    assert cron.next_after(SUNDAY - timedelta(microseconds=1)) == SUNDAY


def test_a_time_that_the_clocks_skip_is_due_when_they_have_skipped() -> None:
    assert due("30 2 * * *", BERLIN, "2026-03-28T12:00+01:00", 2) == [
        "2026-03-29T03:30+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_a_skipped_time_is_not_due_before_the_clocks_skip_it() -> None:
    assert due("30 */2 * * *", BERLIN, "2026-03-29T00:31+01:00", 2) == [
        "2026-03-29T03:30+02:00",
        "2026-03-29T04:30+02:00",
    ]


def test_a_skipped_date_is_due_on_the_next() -> None:
    assert due("0 12 30 12 *", "Pacific/Apia", "2011-12-31T10:00+14:00", 1) == ["2011-12-31T12:00+14:00"]


def test_the_day_after_a_change_of_the_clocks_has_its_early_times() -> None:
    assert due("30 0 * * *", BERLIN, "2026-03-29T00:31+01:00", 1) == ["2026-03-30T00:30+02:00"]


def test_short_steps_go_evenly_through_the_hour_that_is_skipped() -> None:
    instants = due("*/20 * * * *", BERLIN, "2026-03-29T01:30+01:00", 5)
    assert instants == [
        f"2026-03-29T{time}" for time in ("01:40+01:00", "03:00+02:00", "03:20+02:00", "03:40+02:00", "04:00+02:00")
    ]


def test_a_fixed_hour_that_is_repeated_is_due_once() -> None:
    assert due("30 2 * * *", BERLIN, "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]
    assert due("30 2 25 10 6", BERLIN, "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-31T02:30+01:00",
    ]


def test_a_fixed_hour_is_not_due_again_for_one_who_asks_between_its_two_passes() -> None:
    assert due("30 2 * * *", BERLIN, "2026-10-25T02:15+01:00", 1) == ["2026-10-26T02:30+01:00"]


def test_short_steps_go_evenly_through_the_hour_that_is_repeated() -> None:
    cron, instant = parse_cron("*/20 * * * *", BERLIN), datetime(2026, 10, 24, 23, 40, tzinfo=UTC)
    for _ in range(9):
        following = cron.next_after(instant)
        assert following.timestamp() - instant.timestamp() == 1200
        instant = following


CHANGES = [  # clocks go forward or back by an hour, by half of one, at midnight, and over a whole day
    (BERLIN, "2026-03-29T01:00Z"),
    (BERLIN, "2026-10-25T01:00Z"),
    ("America/Havana", "2026-03-08T05:00Z"),
    ("America/Havana", "2027-11-07T05:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
]


def plainly_due(minutes: set[int], hours: set[int], zone: str, since: datetime, until: datetime) -> set[datetime]:
    """Walk through the clock on the wall minute by minute: what a schedule with fixed hours promises."""
    wall, found = since.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(days=2), set()
    while wall < until.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + timedelta(days=2):
        if wall.minute in minutes and wall.hour in hours:
            found.add(wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
        wall += timedelta(minutes=1)
    return {instant for instant in found if since < instant <= until}


@settings(deadline=None, max_examples=60, database=None)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 23) | st.integers(0, 3), min_size=1, max_size=6),
    before=st.integers(0, 40 * 60),
)
def test_about_a_change_of_the_clocks_every_due_time_comes_once_and_in_order(
    change: tuple[str, str], minutes: set[int], hours: set[int], before: int
) -> None:
    zone, moment = change[0], datetime.fromisoformat(change[1])
    cron = parse_cron(f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *", zone)
    instant, until, found = moment - timedelta(minutes=before), moment + timedelta(days=2), []
    expected = plainly_due(minutes, hours, zone, instant, until)
    while (instant := cron.next_after(instant).astimezone(UTC)) <= until:
        found.append(instant)
    assert found == sorted(expected)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_about_a_change_of_the_clocks_short_steps_keep_their_pace(zone: str, change: str) -> None:
    # a clock that skips a whole day is looked at further about, which takes its time for many short steps
    minutes = 30 if zone == "Pacific/Apia" else 10
    cron, instant = parse_cron(f"*/{minutes} * * * *", zone), datetime.fromisoformat(change) - timedelta(days=1)
    for _ in range(48 * 60 // minutes):
        following = cron.next_after(instant).astimezone(UTC)
        assert following - instant == timedelta(minutes=minutes)
        instant = following


@settings(deadline=None, max_examples=150, database=None)
@given(
    start=st.datetimes(*YEARS),
    expression=st.sampled_from(
        ["30 2 * * *", "0 */6 * * *", "15 1-3 * * *", "0 0 13 * 5", "59 23 * * 7", "0 0 29 2 *"]
    ),
    zone=st.sampled_from(["UTC", *{zone for zone, _ in CHANGES}]),
)
@example(
    datetime.fromisoformat("2027-11-06T05:01"), "59 23 * * 7", "America/Havana"
)  # CronTrigger's fold outlives its hour
@example(datetime.fromisoformat("2026-03-21T00:00"), "30 0 * * 1", BERLIN)
def test_time_always_goes_on_and_no_due_time_is_jumped_over(start: datetime, expression: str, zone: str) -> None:
    cron, instant = parse_cron(expression, zone), start.replace(tzinfo=UTC)
    following = cron.next_after(instant)
    assert following.timestamp() > instant.timestamp()
    between = datetime.fromtimestamp((instant.timestamp() + following.timestamp()) / 2, UTC)
    assert cron.next_after(between) == following
    assert cron.next_after(following - timedelta(seconds=1)) == following


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("", "five fields"),
        ("* * * *", "it has 4"),
        ("0 0 * * * *", "it has 6"),
        ("60 * * * *", "0 to 59 in its minute field"),
        ("* 24 * * *", "0 to 23 in its hour field"),
        ("* * 0 * *", "1 to 31 in its day of the month field"),
        ("* * * 13 *", "1 to 12 or jan to dec in its month field"),
        ("* * * * 8", "0 to 7 or sun to sat in its day of the week field"),
        ("* * * * fri#2", "day of the week"),
        ("* * L * *", "day of the month"),
        ("* * ? * *", "day of the month"),
        ("-5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        ("0000000000999 * * * *", "minute"),
        ("5/10 * * * *", "step after a single value in its minute field"),
        ("*/0 * * * *", "step from 1 to 59 in its minute field"),
        ("*/90 * * * *", "step from 1 to 59 in its minute field"),
        ("* 22-2 * * *", "backwards in its hour field"),
        ("0 0 31 2,4 *", "a day that none of its months has"),
        ("@reboot", "@daily"),
    ],
)
def test_a_wrong_expression_is_explained_and_not_repeated(expression: str, part: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        parse_cron(expression, "UTC")
    assert part in str(caught.value)
    assert not expression or expression not in str(caught.value)


def test_an_impossible_day_of_the_month_is_possible_beside_a_weekday() -> None:
    assert due("0 0 31 2 1", "UTC", "2027-01-01T00:00Z", 1) == ["2027-02-01T00:00+00:00"]


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "UTC+8", "a\0b"])
def test_a_wrong_time_zone_is_refused_with_nothing_standing_behind_the_error(name: str) -> None:
    with pytest.raises(ValueError, match="IANA") as caught:
        find_zone(name)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_mistyped_time_zone_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"did you mean Asia/Shanghai\?"):
        find_zone("Asia/Shangai")


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        parse_cron("@daily", "UTC").next_after(YEARS[0])


def test_an_instant_may_be_in_any_zone() -> None:
    beijing = timezone(timedelta(hours=8))
    assert parse_cron("@daily", "UTC").next_after(datetime(2026, 1, 1, 7, 59, tzinfo=beijing)) == datetime(
        2026, 1, 1, tzinfo=UTC
    )


def test_settings_are_read_without_loading_anything_slow() -> None:
    program = "import sys, syncer.settings as s; s.load_settings({}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "syncer.schedule" in loaded
    assert not {"apscheduler", "pydantic", "sqlalchemy", "requests"} & set(loaded)


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("15 */6 * * *", 4),
        ("*/10 8-17 * * *", 60),
        ("@daily", 1),
        ("0 3 * * 1", 1 / 7),
        ("0 3 * * sun,7", 1 / 7),
        ("0 0 29 2 *", 1 / 1461),
        ("0 0 1 * *", 48 / 1461),
        ("0 0 13 * fri", (48 + 208 - 8) / 1461),
    ],
)
def test_times_a_day_are_those_of_the_calendar(expression: str, times: float) -> None:
    assert parse_cron(expression, "UTC").times_a_day == pytest.approx(times, rel=0.01)
