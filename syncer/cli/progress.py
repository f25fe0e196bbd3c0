"""Shows a pull's progress: one line that renews itself on a terminal, a plain line now and then without one."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from syncer.pull.run import Progress

_TERMINAL_EVERY = 0.1
_PLAIN_EVERY = 10.0
_MINUTE, _HOUR = 60, 3600
_MILLION = 1_000_000
# How long nearly every backup is kept; and from which share of that, and of how many files, a guess means something.
_KEPT = timedelta(days=30)
_LEAST_SHARE, _LEAST_FILES = 0.05, 1000


@contextmanager
def progress_printer(stream: TextIO, source: str) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows each progress on `stream`, as often as a reader can follow."""
    printer = _Printer(stream, source)
    try:
        yield printer
    finally:
        printer.close()


class _Printer:
    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream, self._source = stream, source
        self._terminal = stream.isatty()
        self._shown = time.monotonic()
        self._pace = Pace()
        self._last: Progress | None = None
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        self._pace.note(progress, now)
        self._last = progress
        if now - self._shown >= (_TERMINAL_EVERY if self._terminal else _PLAIN_EVERY):
            self._shown = now
            self._show(progress)

    def close(self) -> None:
        """Leave the last state on a line of its own."""
        if self._terminal and self._last is not None:
            self._show(self._last)
            self._write("\n")

    def _show(self, progress: Progress) -> None:
        text = line(self._source, progress, self._pace.files_per_second())
        if self._terminal:
            # A line that wraps cannot be renewed.
            text = text[: shutil.get_terminal_size().columns - 1]
            # Pad over what a longer line left behind.
            padded, self._width = text.ljust(self._width), len(text)
            self._write(f"\r{padded}")
        else:
            self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        # Nobody may be reading any more; a pull does not end for that.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


class Pace:
    """How fast a listing went in about the last minute."""

    def __init__(self) -> None:
        self._generation = 0
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, progress: Progress, now: float) -> None:
        """Take note of where the listing is at `now`, in seconds."""
        if progress.generation != self._generation:
            self._generation = progress.generation
            self._samples.clear()
        self._samples.append((now, progress.listed))
        # The last sample that is a minute old stays: the pace is measured from there.
        while len(self._samples) > 1 and now - self._samples[1][0] >= _MINUTE:
            self._samples.popleft()

    def files_per_second(self) -> float:
        """Return the pace; 0 until two places are known."""
        if not self._samples:
            return 0.0
        (began, before), (ended, after) = self._samples[0], self._samples[-1]
        return (after - before) / (ended - began) if ended > began else 0.0


def estimated_files(progress: Progress) -> int | None:
    """Guess how many files a full pull will list, from how far back it has come; None while that means nothing.

    Newest first, and kept for 30 days as nearly all backups are: the share of those days listed is that of the files.
    """
    if progress.kind != "full" or progress.phase != "listing" or progress.newest is None or progress.oldest is None:
        return None
    share = (progress.newest - progress.oldest) / _KEPT
    if progress.listed < _LEAST_FILES or not _LEAST_SHARE <= share <= 1:
        return None
    return round(progress.listed / share)


def line(source: str, progress: Progress, files_per_second: float) -> str:
    """Return one line: how many files, how fast, when it will end."""
    estimate = estimated_files(progress) if progress.expected_files is None else None
    parts = [f"{source}: {progress.kind} pull", f"page {progress.page:,}", _files(progress, estimate)]
    if files_per_second > 0:
        parts.append(f"{files_per_second:,.0f} files/s")
        left = (progress.expected_files or estimate or 0) - progress.listed
        if left > 0:
            remaining = duration(left / files_per_second)
            parts.append(f"{remaining} left" if estimate is None else f"about {remaining} left")
    if progress.phase in {"tail", "sweep"}:
        parts.append({"tail": "proving the end", "sweep": "sweeping"}[progress.phase])
    if progress.generation > 1:
        parts.append(f"listing {progress.generation}")
    return ", ".join(parts)


def _files(progress: Progress, estimate: int | None) -> str:
    if progress.expected_files is not None:
        return f"{progress.listed:,} of about {max(progress.expected_files, progress.listed):,} files"
    if estimate is None:
        return f"{progress.listed:,} files"
    return f"{progress.listed:,} of an estimated {_rounded(estimate)} files"


def _rounded(number: int) -> str:
    """Return a number with no more digits than a guess deserves."""
    if number >= _MILLION:
        return f"{number / _MILLION:,.1f} million"
    return f"{round(number, 2 - len(str(number))):,}"


def duration(seconds: float) -> str:
    """Return a length of time as a person says it: 45 s, 12 min, 3 h 20 min."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
