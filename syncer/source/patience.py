"""Decides how long one call is retried and how long to wait in between; reads only the clock it is given."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
BRIEF_RETRIES = 3
"""Retries of what waiting longer rarely cures."""


class Patience:
    """The retries of one call: exponential backoff with full jitter, within `retry_for` seconds in all.

    The time begins with the first attempt, not with the wait for quota before it.
    """

    def __init__(self, retry_for: float, monotonic: Callable[[], float], random: Random) -> None:
        self.attempts = 0
        self._retry_for = retry_for
        self._monotonic = monotonic
        self._random = random
        self._began = 0.0
        self._brief = 0

    @property
    def seconds(self) -> float:
        """Seconds since the first attempt began."""
        return self._monotonic() - self._began if self.attempts else 0.0

    def begin_attempt(self) -> None:
        """Count an attempt that is about to be made, or whose outcome is about to be looked at."""
        if not self.attempts:
            self._began = self._monotonic()
        self.attempts += 1

    def pause(self, *, brief: bool) -> float | None:
        """Return the seconds to wait before the next attempt, None when there is to be none.

        The last attempt is made when `retry_for` is just up, and then it may take its own time.
        """
        self._brief += brief
        left = self._retry_for - self.seconds
        if left <= 0 or self._brief > BRIEF_RETRIES:
            return None
        ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.attempts - 1, 10))
        return min(left, self._random.uniform(0, ceiling))
