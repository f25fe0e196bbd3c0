"""Calls the daemon's deeds at their intervals, by a clock that nobody sets."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Deed:
    name: str
    do: Callable[[], None]
    seconds: float
    jitter: float


class Ticker:
    """Deeds and their intervals, a thread for each. Times at which a deed was still at work are left out.

    The machine's clock may be set back: whoever waits for an instant then waits for hours, so this waits for spans.
    """

    def __init__(self) -> None:
        self._deeds: list[_Deed] = []
        self._at_work: dict[str, bool] = {}
        self._stopped = threading.Event()

    @property
    def at_work(self) -> bool:
        """Whether any deed is being done now."""
        return any(self._at_work.values())

    def add(self, name: str, deed: Callable[[], None], *, seconds: float, jitter: float = 0.0) -> None:
        """Let a deed, which raises nothing, be called at once and then every `seconds`, give or take `jitter`."""
        self._deeds.append(_Deed(name, deed, seconds, jitter))

    def start(self) -> None:
        """Begin to tick."""
        for deed in self._deeds:
            threading.Thread(target=self._tick, args=(deed,), name=f"tick-{deed.name}", daemon=True).start()

    def stop(self) -> None:
        """Tick no more; a deed that is at work goes on."""
        self._stopped.set()

    def _tick(self, deed: _Deed) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            self._at_work[deed.name] = True
            try:
                deed.do()
            finally:
                self._at_work[deed.name] = False
            late = max(0.0, time.monotonic() - due)
            due += deed.seconds * (1 + late // deed.seconds)
            early_or_late = random.uniform(-deed.jitter, deed.jitter)  # noqa: S311 - keeps daemons apart, no secret
            self._stopped.wait(max(0.0, due + early_or_late - time.monotonic()))
