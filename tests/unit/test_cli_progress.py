"""The progress line: the pace of the last minute, and when a pull will end, estimated where nothing is known."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from syncer.cli.progress import Pace, estimated_files, line, progress_printer
from syncer.model import PullKind
from syncer.pull.machine import Phase
from syncer.pull.run import Progress

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def progress(listed: int, *, days: float | None = None, kind: PullKind = PullKind.FULL, **known: int) -> Progress:
    return Progress(
        kind=kind,
        phase=Phase.LISTING,
        page=listed // 100,
        listed=listed,
        generation=known.get("generation", 1),
        waited=0.0,
        expected_files=known.get("expected"),
        newest=None if days is None else NOW,
        oldest=None if days is None else NOW - timedelta(days=days),
    )


def test_the_pace_is_that_of_the_last_minute_and_not_of_the_whole_listing() -> None:
    pace = Pace()
    for second in range(601):
        pace.note(progress(min(second, 300) * 1000 + max(second - 300, 0) * 10), float(second))
    assert pace.files_per_second() == pytest.approx(10)


def test_the_pace_falls_to_nothing_while_a_quota_is_waited_for() -> None:
    pace = Pace()
    pace.note(progress(0), 0.0)
    pace.note(progress(6000), 1.0)
    pace.note(progress(6100), 200.0)
    assert pace.files_per_second() == pytest.approx(100 / 199)


def test_a_new_listing_has_a_pace_of_its_own_and_one_page_has_none() -> None:
    pace = Pace()
    pace.note(progress(0), 0.0)
    pace.note(progress(5000), 5.0)
    pace.note(progress(100, generation=2), 6.0)
    assert pace.files_per_second() == 0
    pace.note(progress(300, generation=2), 7.0)
    assert pace.files_per_second() == pytest.approx(200)


def test_the_share_of_the_thirty_days_that_is_listed_estimates_the_whole() -> None:
    assert estimated_files(progress(400_000, days=10)) == 1_200_000


@pytest.mark.parametrize(
    "without",
    [
        progress(400_000),
        progress(400_000, days=0.5),
        progress(400_000, days=31),
        progress(900, days=10),
        progress(400_000, days=10, kind=PullKind.RECENT),
    ],
)
def test_nothing_is_estimated_while_that_has_no_meaning(without: Progress) -> None:
    assert estimated_files(without) is None


def test_a_first_pull_says_when_it_will_end_and_that_this_is_an_estimate() -> None:
    text = line("default", progress(400_000, days=10), 200.0)
    assert text == (
        "default: full pull, page 4,000, 400,000 of an estimated 1.2 million files, 200 files/s, about 1 h 7 min left"
    )


def test_what_the_last_pull_listed_is_better_than_an_estimate() -> None:
    text = line("default", progress(400_000, days=10, expected=500_000), 200.0)
    assert text == "default: full pull, page 4,000, 400,000 of about 500,000 files, 200 files/s, 8 min left"


def test_no_end_is_named_without_a_pace() -> None:
    assert "left" not in line("default", progress(400_000, days=10), 0.0)


def test_on_a_terminal_no_line_is_too_long_to_be_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    with progress_printer(terminal, "default") as show:
        show(progress(400_000, days=10))
    assert [len(each) for each in terminal.getvalue().split("\r") if each] == [len("\n") + 39]
