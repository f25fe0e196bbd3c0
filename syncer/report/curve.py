"""Draws a source's stored volume over time, days without a pull hatched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from syncer.report.language import Language
from syncer.report.markup import Html, tag
from syncer.store.report import InventoryDay

_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 52, 14, 12, 24, 210
_TICKS, _DATE_WIDTH = 4, 84


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where days and values lie in a picture."""

    days: Sequence[InventoryDay]
    width: int
    top: float

    def x(self, place: float) -> float:
        """Return the place of a day, counted from 0, within its stripe's middle."""
        return _LEFT + (place + 0.5) * self.stripe

    @property
    def stripe(self) -> float:
        """The width of a day."""
        return (self.width - _LEFT - _RIGHT) / len(self.days)

    def y(self, value: float) -> float:
        """Return the height of a value."""
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / self.top


def curve(days: Sequence[InventoryDay], *, key: str, width: int, language: Language) -> Html:
    """Return the picture of one source's days; bytes, or files where no size is known. `key` makes its ids unique."""
    by_bytes = any(each.live_bytes for each in days)
    known = [(place, _value(each, by_bytes=by_bytes)) for place, each in enumerate(days) if each.pulled]
    values = [value for _, value in known]
    shown: Callable[[int], str] = language.size if by_bytes else lambda files: language.count("files", files)
    top = _round_up(max(values, default=0))
    frame = _Frame(days, width, top)
    described = language.say(
        "volume_desc",
        first=days[0].day.isoformat(),
        last=days[-1].day.isoformat(),
        low=shown(min(values, default=0)),
        high=shown(max(values, default=0)),
        now=shown(values[-1] if values else 0),
        gaps=language.count("days", len(days) - len(known)),
    )
    return tag(
        "svg",
        tag("title", language.say("volume_title", source=days[0].source), id=f"{key}-title"),
        tag("desc", described, id=f"{key}-desc"),
        _hatching(key),
        list(_grid(frame, language.size if by_bytes else language.short)),
        [_gap(frame, start, end, key, language) for start, end in _runs(days, pulled=False)],
        [_line(frame, start, end, by_bytes=by_bytes) for start, end in _runs(days, pulled=True)],
        list(_dates(frame)),
        viewBox=f"0 0 {width} {_HEIGHT}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def _value(day: InventoryDay, *, by_bytes: bool) -> int:
    return (day.live_bytes if by_bytes else day.live_files) or 0


def _round_up(value: int) -> float:
    """Return the least 1, 2, 4, 5 or 8 times a power of ten that is not below the value, and at least the ticks."""
    if value <= _TICKS:
        return float(_TICKS)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


def _runs(days: Sequence[InventoryDay], *, pulled: bool) -> Iterator[tuple[int, int]]:
    """Yield the first and last place of each unbroken run of days with, or without, a pull."""
    start = None
    for place, each in enumerate(days):
        if each.pulled == pulled and start is None:
            start = place
        if each.pulled != pulled and start is not None:
            yield start, place - 1
            start = None
    if start is not None:
        yield start, len(days) - 1


def _hatching(key: str) -> Html:
    stroke = tag("path", d="M-1 7 L7 -1 M-1 1 L1 -1 M5 7 L7 5", class_="hatch")
    pattern = tag("pattern", stroke, id=f"{key}-gap", width=6, height=6, patternUnits="userSpaceOnUse")
    return tag("defs", pattern)


def _grid(frame: _Frame, shown: Callable[[int], str]) -> Iterator[Html]:
    for tick in range(_TICKS + 1):
        value = frame.top * tick / _TICKS
        y = frame.y(value)
        yield tag("line", x1=_LEFT, x2=frame.width - _RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")
        yield tag("text", shown(round(value)), x=_LEFT - 6, y=f"{y + 4:.1f}", class_="value")


def _gap(frame: _Frame, start: int, end: int, key: str, language: Language) -> Html:
    first, last = frame.days[start].day, frame.days[end].day
    when = first.isoformat() if first == last else f"{first.isoformat()} – {last.isoformat()}"  # noqa: RUF001 - a range
    return tag(
        "rect",
        tag("title", f"{when}: {language.say('no_pull')}"),
        x=f"{frame.x(start - 0.5):.1f}",
        y=_TOP,
        width=f"{(end - start + 1) * frame.stripe:.1f}",
        height=_HEIGHT - _TOP - _BOTTOM,
        fill=f"url(#{key}-gap)",
        class_="gap",
    )


def _line(frame: _Frame, start: int, end: int, *, by_bytes: bool) -> Html:
    """Return the line through an unbroken run of days, the area under it, and a dot where it ends."""
    points = [
        f"{frame.x(place):.1f} {frame.y(_value(frame.days[place], by_bytes=by_bytes)):.1f}"
        for place in range(start, end + 1)
    ]
    base = f"{frame.y(0):.1f}"
    area = f"M{frame.x(start):.1f} {base} L{' L'.join(points)} L{frame.x(end):.1f} {base} Z"
    x, y = points[-1].split()
    return tag(
        "g",
        tag("path", d=area, class_="area"),
        tag("path", d=f"M{' L'.join(points)}", class_="line"),
        tag("circle", cx=x, cy=y, r=3, class_="dot"),
    )


def _dates(frame: _Frame) -> Iterator[Html]:
    """Yield as many dates as fit, the last day always among them."""
    number = max(2, (frame.width - _LEFT - _RIGHT) // _DATE_WIDTH)
    step = max(1, math.ceil(len(frame.days) / number))
    for place in range(len(frame.days) - 1, -1, -step):
        yield _date(frame.days[place].day, frame.x(place), frame)


def _date(day: date, x: float, frame: _Frame) -> Html:
    half = _DATE_WIDTH / 2 - 10
    inside = min(max(x, half), frame.width - half)
    return tag("text", day.isoformat(), x=f"{inside:.1f}", y=_HEIGHT - 6, class_="date")
