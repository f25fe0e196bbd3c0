"""Shows a pull's progress: one line that renews itself on a terminal, a plain line now and then without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from syncer.pull.run import Progress

_TERMINAL_EVERY = 0.1
_PLAIN_EVERY = 10.0
_MINUTE, _HOUR = 60, 3600


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
        self._began = self._shown = time.monotonic()
        self._first: Progress | None = None
        self._last: Progress | None = None
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None or self._first.generation != progress.generation:
            self._first, self._began = progress, now
        self._last = progress
        if now - self._shown >= (_TERMINAL_EVERY if self._terminal else _PLAIN_EVERY):
            self._shown = now
            self._show(progress, now)

    def close(self) -> None:
        """Leave the last state on a line of its own."""
        if self._terminal and self._last is not None:
            self._show(self._last, time.monotonic())
            self._write("\n")

    def _show(self, progress: Progress, now: float) -> None:
        assert self._first is not None
        text = line(self._source, self._first, progress, now - self._began)
        if self._terminal:
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


def line(source: str, first: Progress, progress: Progress, seconds: float) -> str:
    """Return one line: how many files, how fast, when it will end."""
    rate = (progress.listed - first.listed) / seconds if seconds > 0 else 0.0
    parts = [f"{source}: {progress.kind} pull", f"page {progress.page:,}", _files(progress)]
    if rate > 0:
        parts.append(f"{rate:,.0f} files/s")
        if progress.expected_files is not None and progress.expected_files > progress.listed:
            parts.append(f"{duration((progress.expected_files - progress.listed) / rate)} left")
    if progress.phase in {"tail", "sweep"}:
        parts.append({"tail": "proving the end", "sweep": "sweeping"}[progress.phase])
    if progress.generation > 1:
        parts.append(f"listing {progress.generation}")
    return ", ".join(parts)


def _files(progress: Progress) -> str:
    if progress.expected_files is None:
        return f"{progress.listed:,} files"
    return f"{progress.listed:,} of about {max(progress.expected_files, progress.listed):,} files"


def duration(seconds: float) -> str:
    """Return a length of time as a person says it: 45 s, 12 min, 3 h 20 min."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
