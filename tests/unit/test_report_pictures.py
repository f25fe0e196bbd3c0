"""The pictures show what the figures say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from syncer.report.calendar import calendar
from syncer.report.curve import curve
from syncer.report.language import Lang, Language
from syncer.store.report import ExpiryDay, InventoryDay

from .report_example import FULL_FIGURES, NOW, TODAY, Page

EN = Language(Lang.EN, NOW)
DAYS = FULL_FIGURES.daily


def drawn(days: tuple[InventoryDay, ...], width: int = 900) -> str:
    return curve(days, key="k", width=width, language=EN)


def test_each_month_from_today_to_the_last_expiry_is_drawn() -> None:
    page = Page(calendar(FULL_FIGURES.calendar, TODAY, EN))
    assert [each["id"] for name, each in page.tags if name == "title" and "id" in each] == [
        "month-2026-11-title",
        "month-2026-12-title",
        "month-2027-01-title",
    ]
    assert len(page.named("svg")) == 3
    assert len(page.named("rect")) == 30 + 31 + 31


def test_a_day_shows_its_number_its_files_and_its_bytes() -> None:
    text = calendar(FULL_FIGURES.calendar, TODAY, EN)
    (cell,) = re.findall(r'<g class="[^"]*"><title>2026-11-25.*?</g>', text)
    assert "2026-11-25: 1,204 files, 3.1 TB (3,104,555,222,111 bytes)" in cell
    assert 'class="date">25<' in cell
    assert 'class="files">1.2k<' in cell
    assert 'class="bytes">3.1 TB<' in cell
    assert 'class="day level4"' in cell


def test_today_is_marked_once_and_past_days_are_told_from_free_ones() -> None:
    text = calendar(FULL_FIGURES.calendar, TODAY, EN)
    assert re.findall(r'class="day \w+ today"><title>([^<]*)', text) == [
        "2026-11-22: 3 files, 1.0 GB (1,000,000,000 bytes) (today)"
    ]
    assert text.count('class="day past"') == 21
    assert "<title>2026-11-23: none</title>" in text


def test_a_free_today_is_not_past() -> None:
    text = calendar((ExpiryDay(TODAY + timedelta(days=1), 1, 1),), TODAY, EN)
    assert 'class="day level0 today"><title>2026-11-22: none (today)' in text


def test_the_table_has_what_the_picture_has_and_the_rest_is_told() -> None:
    page = Page(calendar(FULL_FIGURES.calendar, TODAY, EN))
    assert "2026-11-25 1,204 3.1 TB" in page.text
    assert "Later than these days: 9 files, 5 B ." in page.text
    assert len(page.named("tr")) == 1 + 3


def test_december_follows_november_and_january_december() -> None:
    page = Page(calendar((ExpiryDay(TODAY + timedelta(days=179), 1, 1),), TODAY, EN))
    assert len(page.named("svg")) == 7


def test_days_without_a_pull_are_gaps_and_break_the_line() -> None:
    text = drawn(DAYS)
    assert text.count('class="gap"') == 1
    assert "2026-11-20 \u2013 2026-11-21: no pull" in text
    assert text.count('class="line"') == 2
    assert "2 days without a pull" in text


@pytest.mark.parametrize("width", [340, 900])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_nothing_is_drawn_outside_the_picture(width: int, number: int) -> None:
    text = drawn(DAYS[-number:], width)
    assert all(0 <= float(x) <= width for x in re.findall(r' (?:x|x1|x2|cx)="([\d.-]+)"', text))
    for path in re.findall(r'class="line" d="([^"]*)"|d="([^"]*)" class="line"', text):
        for x, y in re.findall(r"([\d.]+) ([\d.]+)", "".join(path)):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= 210


def test_without_sizes_files_are_drawn() -> None:
    text = drawn(tuple(replace(each, live_bytes=None if each.live_bytes is None else 0) for each in DAYS))
    assert "lowest 1,000 files" in text
    assert "TB" not in text


def test_no_day_with_a_pull_is_still_a_picture() -> None:
    nothing = tuple(replace(each, pulled=False, live_files=None, live_bytes=None) for each in DAYS)
    assert drawn(nothing).count('class="gap"') == 1
