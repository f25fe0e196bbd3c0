"""The progress line: the pace of the last minute, and when a pull will end, estimated where nothing is known."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from syncer.cli.pace import Pace, estimated_files
from syncer.cli.progress import aside, line, progress_printer, view
from syncer.model import PullKind
from syncer.pull.attempt import Progress
from syncer.pull.machine import Phase

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def progress(listed: int, *, days: float | None = None, kind: PullKind = PullKind.FULL, **known: int) -> Progress:
    return Progress(
        kind=kind,
        phase=Phase.LISTING,
        page=listed // 100,
        listed=listed,
        generation=known.get("generation", 1),
        waited=float(known.get("waited", 0)),
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


def test_waiting_and_restarts_are_told() -> None:
    text = line("default", progress(1000, generation=3), 10.0, 0.62)
    assert text == "default: full pull, page 10, 1,000 files, 10 files/s, 62% waiting, 2 restarts"


def test_the_share_of_waiting_is_that_of_the_last_minute() -> None:
    pace = Pace()
    pace.note(progress(0), 0.0)
    pace.note(progress(100, waited=30), 40.0)
    pace.note(progress(200, waited=60), 100.0)
    assert pace.waiting_share() == pytest.approx(0.5)


def test_the_view_shows_how_far_it_is_and_how_it_goes() -> None:
    pace = Pace()
    pace.note(progress(399_800, expected=500_000), 0.0)
    pace.note(progress(400_000, expected=500_000, waited=1), 2.0)
    first, second = view("east", progress(400_000, expected=500_000), pace, "waiting for quota or an answer, 12 s")
    assert first == "east: full pull  [#############...] 80%  400,000 of about 500,000 files"
    assert second == "  page 4,000, 100 files/s, 17 min left, 50% waiting, waiting for quota or an answer, 12 s"


class Screen(io.StringIO):
    """A terminal that obeys what the view sends: lines, returns, and the two commands that erase and go up."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[\d?[A-Z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\x1b[2K":
                lines[row] = ""
            elif part == "\x1b[1A":
                row -= 1
            elif part == "\r":
                column = 0
            elif part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            else:
                lines[row] = (lines[row].ljust(column)[:column] + part).rstrip()
                column += len(part)
        return lines


def test_on_a_terminal_the_view_renews_itself_and_no_line_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with progress_printer(screen, "default") as show:
        for listed in (100_000, 200_000, 400_000):
            show(progress(listed, days=10))
    shown = screen.shown()
    assert len(shown) == 3
    assert shown[0].startswith("default: full pull  [")
    assert shown[1].startswith("  page 4,000")
    assert shown[2] == ""
    assert max(map(len, shown)) <= 39


def test_whatever_else_is_written_stands_above_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with progress_printer(screen, "default") as show:
        show(progress(100))
        time.sleep(0.15)
        show(progress(200))
        with aside():
            screen.write("an event\n")
        show(progress(300))
    shown = screen.shown()
    assert shown[0] == "an event"
    assert shown[1].endswith("300 files")
    assert len([each for each in shown if "full pull" in each]) == 1


def test_without_a_terminal_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream = io.StringIO()
    with progress_printer(stream, "default") as show:
        for now in range(301):
            show(progress(100 * (now + 1)))
    lines = stream.getvalue().splitlines()
    assert [each.split(", ")[1] for each in lines] == ["page 11", "page 71", "page 131", "page 191", "page 251"]
    assert "\x1b" not in stream.getvalue()
