"""Cron expressions as crontab(5) understands them, computed by APScheduler's CronTrigger.

Sunday is 0 or 7, when both day fields are restricted either may match, and a job at a fixed hour runs once in a
repeated hour. APScheduler is imported at the first question about a time, so that reading settings stays quick.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SUNDAY_AT_THE_END = 7
_NUMBER = re.compile(r"[0-9]{1,3}")
_FOUR_YEARS = range(date(2024, 1, 1).toordinal(), date(2028, 1, 1).toordinal())


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields: its name in messages, its bounds, and the names its values may go by."""

    label: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """Return the values that `text` selects; ValueError says what is allowed."""
        values: set[int] = set()
        for item in text.split(","):
            values.update(self._item(item))
        return frozenset(values)

    def _item(self, item: str) -> range:
        span, slash, step_text = item.partition("/")
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = self.low, 6 if self.names is _WEEKDAYS else self.high
        else:
            first = self._value(first_text)
            last = self._value(last_text) if dash else first
            if self.names is _WEEKDAYS and dash and last == 0 < first:
                last = _SUNDAY_AT_THE_END
            if slash and not dash:
                raise ValueError(
                    f"must not have a step after a single value in its {self.label} field: write */N or A-B/N"
                )
        if first > last:
            raise ValueError(f"must not have a range that runs backwards in its {self.label} field")
        return range(first, last + 1, self._step(step_text) if slash else 1)

    def _value(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + (1 if self.names is _MONTHS else 0)
        if _NUMBER.fullmatch(text) and self.low <= int(text) <= self.high:
            return int(text)
        named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise ValueError(
            f"must have values from {self.low} to {self.high}{named} in its {self.label} field, "
            "written as *, lists A,B, ranges A-B and steps */N"
        )

    def _step(self, text: str) -> int:
        if _NUMBER.fullmatch(text) and 1 <= int(text) <= self.high:
            return int(text)
        raise ValueError(f"must have a step from 1 to {self.high} in its {self.label} field")


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, _SUNDAY_AT_THE_END, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule: five fields as crontab(5) reads them, in a time zone by its IANA name; made by `parse_cron`.

    A time that the clocks skip in spring is due as much later as they skip. Of a repeated hour in autumn a schedule
    with fixed hours takes the first pass only; one whose hour field begins with `*` runs through both.
    """

    expression: str
    timezone: str

    def next_after(self, instant: datetime) -> datetime:
        """Return the first due time strictly after the aware `instant`, in the schedule's time zone.

        CronTrigger is asked about the clock on the wall alone, where no hour is skipped or repeated: near a change
        of the clocks it compares walls with elapsed time. Which instants a wall time stands for is decided here.
        """
        if instant.tzinfo is None:
            raise ValueError("next_after needs an aware instant")
        zone, (triggers, hours_are_fixed) = find_zone(self.timezone), _triggers(self.expression)
        instant = instant.astimezone(UTC)
        wall = instant.astimezone(zone).replace(tzinfo=UTC, fold=0) - _shift(instant, zone)
        best, last_wall = None, wall
        while True:
            # CronTrigger answers the first match at or after a time, rounded up to the second.
            after = wall + timedelta(microseconds=1)
            wall = min(trigger.get_next_fire_time(None, after) for trigger in triggers)
            if best is not None and wall > last_wall:
                return best.astimezone(zone)
            for due in _instants(wall, zone, both_passes=not hours_are_fixed):
                if due > instant and (best is None or due < best):
                    # Around a change of the clocks a later time on the wall may be an earlier instant.
                    best, last_wall = due, wall + _shift(due, zone)
            if best is not None and wall == last_wall:
                return best.astimezone(zone)

    @property
    def times_a_day(self) -> float:
        """How often the schedule is due a day, on average over four years of the calendar."""
        return _times_a_day(self.expression)


@lru_cache(maxsize=256)
def _times_a_day(expression: str) -> float:
    fields = _split(expression)
    minutes, hours, days, months, weekdays = (field.parse(text) for field, text in zip(_FIELDS, fields, strict=True))
    weekdays = frozenset(number % 7 for number in weekdays)
    either = not fields[2].startswith("*") and not fields[4].startswith("*")

    def is_due(day: date) -> bool:
        by_date, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and (by_date or by_weekday if either else by_date and by_weekday)

    due = sum(is_due(date.fromordinal(number)) for number in _FOUR_YEARS)
    return due / len(_FOUR_YEARS) * len(hours) * len(minutes)


def _instants(wall: datetime, zone: tzinfo, *, both_passes: bool) -> list[datetime]:
    """Return the instants at which clocks of the zone show `wall`; of a skipped time, as much later as they skip."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return [first, second] if both_passes and second > first else [first]


def _shift(instant: datetime, zone: tzinfo) -> timedelta:
    """Return how far the clocks are moved about `instant`, zero on most days; whole days have been skipped."""
    nearby = (instant + timedelta(hours=hours) for hours in (-26, 0, 26))
    offsets = [moment.astimezone(zone).utcoffset() or timedelta() for moment in nearby]
    return max(offsets) - min(offsets)


def parse_cron(expression: str, timezone: str) -> Cron:
    """Understand a cron expression or a nickname such as `@daily`.

    ValueError says which field is wrong and what is allowed, without repeating the text, as the rest of a sentence
    that begins with the expression's name; also for an unknown time zone and for a date that no year has.
    """
    find_zone(timezone)
    fields = _split(expression)
    _, _, days, months, _ = (field.parse(text) for field, text in zip(_FIELDS, fields, strict=True))
    if fields[4].startswith("*") and not _exists(days, months):
        raise ValueError("must not name a day that none of its months has")
    return Cron(" ".join(expression.split()), timezone)


def find_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name; ValueError if there is none. UTC needs no zone database."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        pass  # raised below, so that no other exception, which may quote the name, stands behind ours
    nearest = difflib.get_close_matches(name, available_timezones(), n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    raise ValueError(f"must be the IANA name of a time zone, such as UTC or Asia/Shanghai{hint}")


def _split(expression: str) -> list[str]:
    nickname = expression.strip().lower()
    if nickname.startswith("@") and nickname not in _NICKNAMES:
        raise ValueError("must be one of @hourly, @daily, @weekly, @monthly, @yearly where it begins with @")
    fields = _NICKNAMES.get(nickname, expression).split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            "must have the five fields of a cron expression (minute, hour, day of the month, month, day of the "
            f"week) or be a nickname such as @daily; it has {len(fields)}"
        )
    return fields


@lru_cache(maxsize=256)
def _triggers(expression: str) -> tuple[tuple[Any, ...], bool]:
    """Translate to CronTriggers, any of which makes the schedule due, and whether the hours are fixed.

    The triggers' UTC stands for the clock on the wall.
    """
    from apscheduler.triggers.cron import CronTrigger

    fields = _split(expression)
    minutes, hours, days, months, weekdays = (field.parse(text) for field, text in zip(_FIELDS, fields, strict=True))
    # APScheduler counts weekdays from Monday, so they go to it by name.
    names = ",".join(sorted({_WEEKDAYS[number % 7] for number in weekdays}))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    pairs = [(_list(days), "*"), ("*", names)] if either else [(_list(days), names)]
    if either and not _exists(days, months):
        del pairs[0]  # CronTrigger would look for it until the year 9999
    return tuple(
        CronTrigger(
            second=0,
            minute=_list(minutes),
            hour=_list(hours),
            day=day,
            month=_list(months),
            day_of_week=weekday,
            timezone=UTC,
        )
        for day, weekday in pairs
    ), not fields[1].startswith("*")


def _exists(days: frozenset[int], months: frozenset[int]) -> bool:
    return min(days) <= max(_LONGEST_MONTHS[month - 1] for month in months)


def _list(values: frozenset[int]) -> str:
    return ",".join(map(str, sorted(values)))
