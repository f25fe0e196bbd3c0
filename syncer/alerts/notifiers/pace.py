"""Keeps this process within a service's documented rate, so that it need not punish."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from syncer.alerts.notifiers.http import Endpoint


class Pace:
    """At most `most` messages in any `seconds`, to one recipient and from this process."""

    def __init__(self, most: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._monotonic = monotonic
        self._sent: deque[float] = deque(maxlen=most)

    def take(self, endpoint: Endpoint) -> None:
        """Count a message that is about to be sent, or raise NotifyError with the seconds to wait."""
        now = self._monotonic()
        if len(self._sent) == self._most and now - self._sent[0] < self._seconds:
            wait = self._seconds - (now - self._sent[0])
            raise endpoint.error(
                f"it takes {self._most} messages in {self._seconds:g} s, and has been sent that many",
                permanent=False,
                retry_after=wait,
            )
        self._sent.append(now)
