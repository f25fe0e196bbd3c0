"""Waits that keep the lease alive and end at once when a stop is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from syncer.errors import Stopped

# A stop is noticed within this many seconds, whatever is waited for.
_SLICE_SECONDS = 0.25


class StopRequest:
    """Whether, and by which signal, this process was asked to stop; set by a signal handler, read by everybody."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self, signal_number: int = 15) -> None:
        """Ask for a stop."""
        self.signal_number = signal_number

    def asked(self) -> bool:
        """Return whether a stop was asked for."""
        return self.signal_number is not None

    def check(self) -> None:
        """Raise Stopped when a stop was asked for."""
        if self.signal_number is not None:
            raise Stopped("Stopped by a signal.", signal_number=self.signal_number)


class Waiting:
    """A sleep for the source's quota and retries: it renews the lease on the way, and raises Stopped.

    The time that calls took counts too: a run that waits for a server which hangs is alive, and keeps its source.
    """

    def __init__(self, sleep: Callable[[float], None], stop: StopRequest, monotonic: Callable[[], float]) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self.stop = stop
        self._renew: Callable[[], None] | None = None
        self._interval = self._renewed_at = 0.0
        self.waited = 0.0

    @contextmanager
    def renewing(self, renew: Callable[[], None], *, interval: float) -> Iterator[None]:
        """During the block call `renew` in any wait that begins or goes on `interval` seconds after the last time."""
        self._renew, self._interval, self._renewed_at = renew, interval, self._monotonic()
        try:
            yield
        finally:
            self._renew = None

    def __call__(self, seconds: float) -> None:
        """Wait `seconds`. Raises Stopped, and Fenced when the lease was lost meanwhile."""
        left = seconds
        while left > 0:
            self.stop.check()
            self._renew_when_due()
            part = min(left, _SLICE_SECONDS)
            self._sleep(part)
            left -= part
            self.waited += part
        self.stop.check()

    def _renew_when_due(self) -> None:
        if self._renew is not None and self._monotonic() - self._renewed_at >= self._interval:
            self._renewed_at = self._monotonic()
            self._renew()
