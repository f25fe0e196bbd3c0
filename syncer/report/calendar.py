"""Draws the expiry calendar: a month a picture, a day a cell with its files and bytes."""

from __future__ import annotations

import calendar as months
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from syncer.report.language import Language
from syncer.report.markup import Html, join, tag
from syncer.report.table import Column, table
from syncer.store.report import ExpiryDay

_CELL_WIDTH, _CELL_HEIGHT, _HEAD, _WEEK = 46, 46, 18, 7
_LEVELS = 4


def calendar(days: Sequence[ExpiryDay], today: date, language: Language) -> Html:
    """Return a picture for each month from today's to the last with an expiry, and all of it as a table."""
    drawn = {each.day: each for each in days if each.day is not None}
    later = next((each for each in days if each.day is None), None)
    scale = _Scale(today, max((each.files for each in drawn.values()), default=0))
    pictures = [_month(first, drawn, scale, language) for first in _months(today, max(drawn, default=today))]
    return join(
        tag("div", *pictures, class_="months"),
        tag("p", language.put("later", held=language.held(later.files, later.bytes))) if later else None,
        tag("details", tag("summary", language.say("as_table")), _table(list(drawn.values()), language)),
    )


def _months(first: date, last: date) -> list[date]:
    found = [first.replace(day=1)]
    while (following := (found[-1] + timedelta(days=31)).replace(day=1)) <= last:
        found.append(following)
    return found


@dataclass(frozen=True, slots=True)
class _Scale:
    """What every cell is drawn against: today, and the most files that expire on a day."""

    today: date
    most: int


def _month(first: date, drawn: Mapping[date, ExpiryDay], scale: _Scale, language: Language) -> Html:
    weeks = months.Calendar().monthdatescalendar(first.year, first.month)
    held = [each for day, each in drawn.items() if (day.year, day.month) == (first.year, first.month)]
    name = language.say("month", year=first.year, month=first.month)
    total = f"{language.count('files', sum(e.files for e in held))}, {language.size(sum(e.bytes for e in held))}"
    described = language.say("month_desc", held=total, days=language.count("days", len(held)))
    key = f"month-{first:%Y-%m}"
    picture = tag(
        "svg",
        tag("title", language.say("month_title", month=name), id=f"{key}-title"),
        tag("desc", described, id=f"{key}-desc"),
        _weekdays(language),
        (
            _cell(drawn.get(day, ExpiryDay(day, 0, 0)), _Place(column, row), scale, language)
            for row, week in enumerate(weeks)
            for column, day in enumerate(week)
            if day.month == first.month
        ),
        viewBox=f"0 0 {_WEEK * _CELL_WIDTH} {_HEAD + len(weeks) * _CELL_HEIGHT}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )
    return tag("figure", tag("figcaption", name, " ", tag("span", total, class_="quiet")), picture, class_="month")


def _weekdays(language: Language) -> list[Html]:
    return [
        tag("text", text, x=_Place(column, 0).middle, y=12, class_="weekday")
        for column, text in enumerate(language.say("weekdays").split())
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a day's cell lies in its month."""

    column: int
    row: int

    @property
    def left(self) -> int:
        return self.column * _CELL_WIDTH

    @property
    def top(self) -> int:
        return _HEAD + self.row * _CELL_HEIGHT

    @property
    def middle(self) -> float:
        return (self.column + 0.5) * _CELL_WIDTH


def _cell(held: ExpiryDay, place: _Place, scale: _Scale, language: Language) -> Html:
    assert held.day is not None
    today, texts = held.day == scale.today, [(str(held.day.day), place.left + 6.0, 14, "date")]
    told, shade = language.say("none"), "past" if held.day < scale.today else "level0"
    if held.files:
        shade = f"level{_level(held.files, scale.most)}"
        told = f"{language.count('files', held.files)}, {language.size(held.bytes)}"
        told += f" ({language.count('bytes', held.bytes)})"
        texts.append((language.short(held.files), place.middle, 28, "files"))
        texts.append((language.size(held.bytes), place.middle, 39, "bytes"))
    return tag(
        "g",
        tag("title", f"{held.day.isoformat()}: {told}" + (f" ({language.say('today')})" if today else "")),
        tag("rect", x=place.left + 1.5, y=place.top + 1.5, width=_CELL_WIDTH - 3, height=_CELL_HEIGHT - 3, rx=4),
        (tag("text", text, x=x, y=place.top + y, class_=kind) for text, x, y, kind in texts),
        class_=f"day {shade} today" if today else f"day {shade}",
    )


def _level(files: int, most: int) -> int:
    """Return 1 to 4, by the square root: a day with a tenth of the most still differs from one with a few."""
    return max(1, math.ceil(_LEVELS * math.sqrt(files / most)))


def _table(days: Sequence[ExpiryDay], language: Language) -> Html:
    columns = [
        Column(language.say("day")),
        Column(language.say("number"), "number"),
        Column(language.say("size"), "number"),
    ]
    rows = [[language.day(e.day), f"{e.files:,}", language.sized(e.bytes)] for e in days if e.day is not None]
    return table(columns, rows, label=language.say("calendar"))
