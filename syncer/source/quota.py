"""Waits until the account's quota has room for one more call; where the quota is kept is another room's affair."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol


class Limiter(Protocol):
    """Grants calls. `acquire` may raise what its sleep raises (`Stopped`).

    `seconds_waited` is how long it held calls up over the life of the object.
    """

    seconds_waited: float

    def acquire(self, *, interactive: bool) -> None:
        """Return when one call may be made; `interactive` ones go ahead of a background pull's."""

    def acquire_at_once(self) -> float | None:
        """Grant a call without waiting: return until when it may be made (monotonic seconds), None for no grant."""

    def step_back(self) -> None:
        """Take note that the API says the quota is exceeded (code 4400)."""


class Unlimited:
    """Grants every call at once: for the simulator and for benchmarks (`SYNCER_CALLS_PER_MINUTE=0`)."""

    seconds_waited = 0.0

    def acquire(self, *, interactive: bool) -> None:
        """Return at once."""

    def acquire_at_once(self) -> float:
        """Return that it may be made at any time."""
        return inf

    def step_back(self) -> None:
        """Do nothing: the retry's own delay is all the restraint there is."""


class QuotaLimiter:
    """Asks for a slot until one is granted.

    `try_acquire` takes whether the call is interactive and returns 0.0 when it granted a slot, else the seconds to
    wait before asking again; `take` is given how many a background pull could use at once, and returns how many it
    granted: what is not used of them within `grant_seconds` is lost. `waits` and `seconds_waited` count what calls were
    held up over the life of this object.
    """

    def __init__(
        self,
        try_acquire: Callable[[bool], float],
        take: Callable[[int], int],
        step_back: Callable[[], None],
        sleep: Callable[[float], None],
        *,
        monotonic: Callable[[], float],
        grant_seconds: float,
    ) -> None:
        self.waits = 0
        self.seconds_waited = 0.0
        self._taken, self._in_hand, self._good_until = 0, 0, 0.0
        self._monotonic = monotonic
        self._grant_seconds = grant_seconds
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

    def acquire_at_once(self) -> float | None:
        """Use a slot in hand that is not too old, or take one if one is due."""
        if not self._in_hand or self._monotonic() > self._good_until:
            self._take_more()
        if not self._in_hand:
            return None
        self._in_hand -= 1
        return self._good_until

    def _take_more(self) -> None:
        """Take as many slots as were used of the last, and twice as many where those were too few."""
        used = self._taken - self._in_hand
        self._good_until = self._monotonic() + self._grant_seconds  # before it asks: a slot is as old as the question
        self._taken = self._in_hand = self._take(max(used if self._in_hand else 2 * used, 1))

    def step_back(self) -> None:
        """Tell whoever keeps the quota that the API found it exceeded; slots in hand are no longer good."""
        self._in_hand = 0
        self._step_back()
