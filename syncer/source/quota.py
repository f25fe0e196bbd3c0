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

    def step_back(self) -> None:
        """Take note that the API says the quota is exceeded (code 4400)."""


class Unlimited:
    """Grants every call at once: for the simulator and for benchmarks (`SYNCER_CALLS_PER_MINUTE=0`)."""

    seconds_waited = 0.0

    def acquire(self, *, interactive: bool) -> None:
        """Return at once."""

    def step_back(self) -> None:
        """Do nothing: the retry's own delay is all the restraint there is."""


class QuotaLimiter:
    """Asks for a slot until one is granted.

    `try_acquire` takes whether the call is interactive and returns 0.0 when it granted a slot, else the seconds to
    wait before asking again. `waits` and `seconds_waited` count what calls were held up over the life of this object.
    """

    def __init__(
        self, try_acquire: Callable[[bool], float], step_back: Callable[[], None], sleep: Callable[[float], None]
    ) -> None:
        self.waits = 0
        self.seconds_waited = 0.0
        self._try_acquire = try_acquire
        self._step_back = step_back
        self._sleep = sleep

    def acquire(self, *, interactive: bool) -> None:
        """Wait until a slot is granted; an interactive call asks ahead of the others each time."""
        while (seconds := self._try_acquire(interactive)) > 0:
            self._sleep(seconds)
            self.waits += 1
            self.seconds_waited += seconds

    def step_back(self) -> None:
        """Tell whoever keeps the quota that the API found it exceeded."""
        self._step_back()
