"""Waits that keep the lease alive and end at once when a stop is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncer.errors import Stopped

# A stop is noticed within this many seconds, whatever is waited for.
_SLICE_SECONDS = 0.25
# A retry is worth a word, and the write that takes it back, once it has gone on for so long.
_NOTED_AFTER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """Why the call in hand is retried, and for how many seconds so far."""

    why: str
    seconds: float


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
        self._renew: Callable[[Retrying | None], None] | None = None
        self._retrying: tuple[str, float] | None = None
        self._noted = False
        self._interval = self._renewed_at = 0.0
        self.waited = 0.0

    @contextmanager
    def renewing(self, renew: Callable[[Retrying | None], None], *, interval: float) -> Iterator[None]:
        """During the block call `renew` in any wait that begins or goes on `interval` seconds after the last time.

        It is told why a call is being retried, once that takes long.
        """
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

    def retrying(self, why: str | None) -> None:
        """Note how the last attempt at a call failed; None: it was answered. Raises Fenced."""
        if why is None:
            self._retrying = None
            if self._noted:
                self._renew_now()
        else:
            self._retrying = why, self._monotonic() if self._retrying is None else self._retrying[1]

    def _renew_when_due(self) -> None:
        if self._monotonic() - self._renewed_at >= self._interval:
            self._renew_now()

    def _renew_now(self) -> None:
        if self._renew is None:
            return
        self._renewed_at = self._monotonic()
        noted = None
        if self._retrying is not None and self._renewed_at - self._retrying[1] >= _NOTED_AFTER_SECONDS:
            noted = Retrying(self._retrying[0], self._renewed_at - self._retrying[1])
        self._noted = noted is not None
        self._renew(noted)
