"""Waits until the account's quota has room for one more call; where the quota is kept is another room's affair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Limiter(Protocol):
    """Grants calls. `acquire` may raise what its sleep raises (`Stopped`).

    `seconds_waited` is how long it held calls up over the life of the object.
    """

    seconds_waited: float

    def acquire(self, *, interactive: bool) -> None:
        """Return when one call may be made; `interactive` ones go ahead of a background pull's."""

    def acquire_at_once(self) -> bool:
        """Return whether one call may be made now, without waiting: then it is granted."""

    def granted(self, since: float) -> None:
        """Take note that a call was granted by other means, at `since` (monotonic seconds) or later."""

    def step_back(self) -> None:
        """Take note that the API says the quota is exceeded (code 4400)."""


class Unlimited:
    """Grants every call at once: for the simulator and for benchmarks (`SYNCER_CALLS_PER_MINUTE=0`)."""

    seconds_waited = 0.0

    def acquire(self, *, interactive: bool) -> None:
        """Return at once."""

    def acquire_at_once(self) -> bool:
        """Return True."""
        return True

    def granted(self, since: float) -> None:
        """Do nothing."""

    def step_back(self) -> None:
        """Do nothing: the retry's own delay is all the restraint there is."""


class QuotaLimiter:
    """Asks for a slot until one is granted.

    `try_acquire` takes whether the call is interactive and returns 0.0 when it granted a slot, else the seconds to
    wait before asking again. A slot that was `granted` beforehand is held for the next call, but not for longer than
    `hold_seconds`. `waits` and `seconds_waited` count what calls were held up over the life of this object.
    """

    def __init__(
        self,
        try_acquire: Callable[[bool], float],
        step_back: Callable[[], None],
        sleep: Callable[[float], None],
        *,
        monotonic: Callable[[], float],
        hold_seconds: float,
    ) -> None:
        self.waits = 0
        self.seconds_waited = 0.0
        self._try_acquire = try_acquire
        self._step_back = step_back
        self._sleep = sleep
        self._monotonic = monotonic
        self._hold_seconds = hold_seconds
        self._held_since: float | None = None

    def acquire(self, *, interactive: bool) -> None:
        """Wait until a slot is granted; an interactive call asks ahead of the others each time."""
        if self._take_held():
            return
        while (seconds := self._try_acquire(interactive)) > 0:
            self._sleep(seconds)
            self.waits += 1
            self.seconds_waited += seconds

    def acquire_at_once(self) -> bool:
        """Take the slot that is held, or one that is due."""
        return self._take_held() or self._try_acquire(False) == 0

    def granted(self, since: float) -> None:
        """Hold a slot that was granted at `since` (monotonic seconds) or later."""
        self._held_since = since

    def step_back(self) -> None:
        """Tell whoever keeps the quota that the API found it exceeded; a slot from before counts for nothing."""
        self._held_since = None
        self._step_back()

    def _take_held(self) -> bool:
        since, self._held_since = self._held_since, None
        return since is not None and self._monotonic() - since <= self._hold_seconds
