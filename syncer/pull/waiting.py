"""Waits that keep the lease alive and end at once when a stop is asked for."""

from __future__ import annotations

from collections.abc import Callable

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
            raise Stopped(
                "Stopped by a signal; the page in hand was committed and the checkpoint stands.",
                signal_number=self.signal_number,
            )


class Waiting:
    """A sleep for the source's quota and retries: it renews the lease on the way, and raises Stopped.

    `renew` is set while a run holds a lease; it is called every `interval` seconds of waiting.
    """

    def __init__(self, sleep: Callable[[float], None], stop: StopRequest) -> None:
        self._sleep = sleep
        self.stop = stop
        self.renew: Callable[[], None] | None = None
        self.interval = 20.0
        self._since_renewal = 0.0
        self.waited = 0.0

    def __call__(self, seconds: float) -> None:
        """Wait `seconds`. Raises Stopped, and Fenced when the lease was lost meanwhile."""
        left = seconds
        while left > 0:
            self.stop.check()
            part = min(left, _SLICE_SECONDS)
            self._sleep(part)
            left -= part
            self.waited += part
            self._since_renewal += part
            if self.renew is not None and self._since_renewal >= self.interval:
                self._since_renewal = 0.0
                self.renew()
        self.stop.check()
