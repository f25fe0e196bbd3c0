"""Waits until the account's quota has room for one more call; where the quota is kept is another room's affair."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol


class Limiter(Protocol):
    """Grants calls. `acquire` may raise what its sleep raises (`Stopped`).

    `seconds_waited` is how long it held calls up over the life of the object, `grant_seconds` how old a grant may be
    when its call is made.
    """

    seconds_waited: float
    grant_seconds: float

    def acquire(self, *, interactive: bool) -> None:
        """Return when one call may be made; `interactive` ones go ahead of a background pull's."""

    def acquire_at_once(self) -> bool:
        """Return whether one call may be made now, without waiting: then it is granted."""

    def step_back(self) -> None:
        """Take note that the API says the quota is exceeded (code 4400)."""


class Unlimited:
    """Grants every call at once: for the simulator and for benchmarks (`SYNCER_CALLS_PER_MINUTE=0`)."""

    seconds_waited = 0.0
    grant_seconds = inf

    def acquire(self, *, interactive: bool) -> None:
        """Return at once."""

    def acquire_at_once(self) -> bool:
        """Return True."""
        return True

    def step_back(self) -> None:
        """Do nothing: the retry's own delay is all the restraint there is."""


class QuotaLimiter:
    """Asks for a slot until one is granted.

    `try_acquire` takes whether the call is interactive and returns 0.0 when it granted a slot, else the seconds to
    wait before asking again; `take` returns whether it granted one to a background pull. `waits` and `seconds_waited`
    count what calls were held up over the life of this object.
    """

    def __init__(
        self,
        try_acquire: Callable[[bool], float],
        take: Callable[[], bool],
        step_back: Callable[[], None],
        sleep: Callable[[float], None],
        *,
        grant_seconds: float,
    ) -> None:
        self.waits = 0
        self.seconds_waited = 0.0
        self.grant_seconds = grant_seconds
        self._try_acquire = try_acquire
        self._take = take
        self._step_back = step_back
        self._sleep = sleep

    def acquire(self, *, interactive: bool) -> None:
        """Wait until a slot is granted; an interactive call asks ahead of the others each time."""
        while (seconds := self._try_acquire(interactive)) > 0:
            self._sleep(seconds)
            self.waits += 1
            self.seconds_waited += seconds

    def acquire_at_once(self) -> bool:
        """Take a slot if one is due."""
        return self._take()

    def step_back(self) -> None:
        """Tell whoever keeps the quota that the API found it exceeded."""
        self._step_back()
