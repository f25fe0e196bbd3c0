"""How fast a listing goes, how long it will last, and how long people say that is."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncer.pull.attempt import Progress

_MINUTE, _HOUR = 60, 3600
# How long nearly every backup is kept; and from which share of that, and of how many files, a guess means something.
_KEPT = timedelta(days=30)
_LEAST_SHARE, _LEAST_FILES = 0.05, 1000


class Pace:
    """How fast a listing went in about the last minute, and how much of that it waited for quota and retries."""

    def __init__(self) -> None:
        self._generation = 0
        self._samples: deque[tuple[float, int, float]] = deque()

    def note(self, progress: Progress, now: float) -> None:
        """Take note of where the listing is at `now`, in seconds."""
        if progress.generation != self._generation:
            self._generation = progress.generation
            self._samples.clear()
        self._samples.append((now, progress.listed, progress.waited))
        # The last sample that is a minute old stays: the pace is measured from there.
        while len(self._samples) > 1 and now - self._samples[1][0] >= _MINUTE:
            self._samples.popleft()

    def files_per_second(self) -> float:
        """Return the pace; 0 until two places are known."""
        return self._over(1)

    def waiting_share(self) -> float:
        """Return which share of the time was waited; 0 until two places are known."""
        return min(1.0, self._over(2))

    def _over(self, place: int) -> float:
        if not self._samples:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return (last[place] - first[place]) / (last[0] - first[0]) if last[0] > first[0] else 0.0


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


def duration(seconds: float) -> str:
    """Return a length of time as a person says it: 45 s, 12 min, 3 h 20 min."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
