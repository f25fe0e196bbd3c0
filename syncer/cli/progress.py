"""Shows a pull's progress: a view that renews itself on a terminal, a plain line now and then without one."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, TextIO

from syncer.cli.pace import Pace, duration, estimated_files

if TYPE_CHECKING:
    from syncer.pull.attempt import Progress

# A terminal is renewed as often as eyes follow, and each second while nothing comes; plain lines first show that it
# goes on, then keep a log or a mail short.
_LIVE_EVERY, _TICK_SECONDS = 0.1, 1.0
_PLAIN_FIRST, _PLAIN_EVERY = 10.0, 60.0
# Silence that is worth a word, and a share of waiting that is.
_SILENCE, _WAITING_SHARE = 3.0, 0.05
_BAR = 16
_MILLION = 1_000_000
_HOURGLASS = "waiting for quota or an answer"

_live: _Live | None = None


@contextmanager
def progress_printer(stream: TextIO, source: str) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows each progress on `stream`, as often as a reader can follow."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield _Plain(stream, source)
        return
    global _live  # noqa: PLW0603 - a terminal has one view; logs step around it
    live = _live = _Live(stream, source)
    try:
        yield live
    finally:
        _live = None
        live.close()


def aside() -> AbstractContextManager[None]:
    """Take the view away from the terminal for the block, in which something else is written there."""
    return nullcontext() if _live is None else _live.aside()


class _Plain:
    """A line now and then."""

    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream, self._source, self._pace = stream, source, Pace()
        self._due = time.monotonic() + _PLAIN_FIRST

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        self._pace.note(progress, now)
        if now >= self._due:
            self._due = now + _PLAIN_EVERY
            text = line(self._source, progress, self._pace.files_per_second(), self._pace.waiting_share())
            _write(self._stream, f"{text}\n")


class _Live:
    """Two lines that renew themselves; a thread of its own renews them while nothing comes."""

    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream, self._source, self._pace = stream, source, Pace()
        self._last: Progress | None = None
        self._heard = self._shown = time.monotonic()
        self._drawn = 0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        threading.Thread(target=self._tick, name="progress", daemon=True).start()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            now = self._heard = time.monotonic()
            self._pace.note(progress, now)
            self._last = progress
            if now - self._shown >= _LIVE_EVERY:
                self._draw(now)

    def close(self) -> None:
        """Leave the last state on lines of its own."""
        self._ended.set()
        with self._lock:
            if self._last is None:
                self._erase()
                return
            self._draw(self._heard)
            _write(self._stream, "\n")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the view away for the block."""
        with self._lock:
            drawn = self._drawn
            self._erase()
            yield
            if drawn:
                self._draw(time.monotonic())

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            with self._lock:
                if not self._ended.is_set():
                    self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        self._shown = now
        silence = now - self._heard
        told = "asking for the first page" if self._last is None else _HOURGLASS
        note = f"{told}, {duration(silence)}" if silence >= _SILENCE else ""
        lines = view(self._source, self._last, self._pace, note)
        # A line that wraps cannot be renewed.
        width = shutil.get_terminal_size().columns - 1
        self._erase()
        _write(self._stream, "\n".join(each[:width] for each in lines))
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            _write(self._stream, "\r\x1b[2K" + "\x1b[1A\x1b[2K" * (self._drawn - 1))
            self._drawn = 0


def _write(stream: TextIO, text: str) -> None:
    # Nobody may be reading any more; a pull does not end for that.
    with suppress(OSError, ValueError):
        stream.write(text)
        stream.flush()


def view(source: str, progress: Progress | None, pace: Pace, note: str = "") -> list[str]:
    """Return the two lines of the view: how far it is, and how it goes."""
    if progress is None:
        return [f"{source}: {note or 'asking for the first page'}"]
    estimate = estimated_files(progress) if progress.expected_files is None else None
    whole = progress.expected_files or estimate
    first = f"{source}: {progress.kind} pull"
    if whole:
        share = min(1.0, progress.listed / whole)
        first += f"  [{'#' * round(share * _BAR):.<{_BAR}}] {share:.0%}"
    second = [f"page {progress.page:,}", *_going(progress, pace.files_per_second(), pace.waiting_share(), estimate)]
    return [f"{first}  {_files(progress, estimate)}", "  " + ", ".join([*second, *([note] if note else [])])]


def line(source: str, progress: Progress, files_per_second: float, waiting_share: float = 0.0) -> str:
    """Return one line: how many files, how fast, when it will end."""
    estimate = estimated_files(progress) if progress.expected_files is None else None
    parts = [f"{source}: {progress.kind} pull", f"page {progress.page:,}", _files(progress, estimate)]
    return ", ".join([*parts, *_going(progress, files_per_second, waiting_share, estimate)])


def _going(progress: Progress, files_per_second: float, waiting_share: float, estimate: int | None) -> Iterator[str]:
    """Yield how a pull goes: its pace, what is left, what it waits for, what it is at, how often it began anew."""
    if files_per_second > 0:
        yield f"{files_per_second:,.0f} files/s"
        left = (progress.expected_files or estimate or 0) - progress.listed
        if left > 0:
            remaining = duration(left / files_per_second)
            yield f"{remaining} left" if estimate is None else f"about {remaining} left"
    if waiting_share >= _WAITING_SHARE:
        yield f"{waiting_share:.0%} waiting"
    if progress.phase in {"tail", "sweep"}:
        yield {"tail": "proving the end", "sweep": "sweeping"}[progress.phase]
    if progress.generation > 1:
        restarts = progress.generation - 1
        yield f"{restarts} restart" + ("" if restarts == 1 else "s")


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
