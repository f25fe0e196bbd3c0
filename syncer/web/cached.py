"""Keeps the last answer to a dear question and asks anew behind it: nobody waits long, and its age is known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Cached(Generic[Answer]):
    """The answer to `ask`, which tells of itself from which instant it is.

    An answer counts as fresh for `fresh` seconds, or for `ease` times the seconds that it took if that is longer. An
    older one is asked for anew, once for however many wait, and each waits `patience` seconds for it, then takes the
    old one. Any thread may `get`; what `ask` raises in that time is raised here.
    """

    ask: Callable[[], Answer]
    monotonic: Callable[[], float]
    fresh: float
    patience: float
    ease: float
    _answer: Answer | None = field(default=None, init=False)
    _fresh_until: float = field(default=0.0, init=False)
    _outdated_until: float = field(default=0.0, init=False)
    _error: Exception | None = field(default=None, init=False)
    _asking: threading.Event | None = field(default=None, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def get(self) -> Answer | None:
        """Return the answer, asked for anew if need be; None if there is none yet."""
        with self._guard:
            if self.monotonic() < self._fresh_until:
                return self._answer
            asking = self._asking
            if asking is None:
                asking = self._asking = threading.Event()
                threading.Thread(target=self._work, args=(asking,), name="page-count", daemon=True).start()
        asking.wait(self.patience)
        with self._guard:
            if asking.is_set() and self._error is not None:
                raise self._error
            return self._answer

    def known(self) -> Answer | None:
        """Return the last answer, however old."""
        with self._guard:
            return self._answer

    def outdate(self) -> None:
        """Note that the answer is another by now: it is asked for anew sooner, but not all the time if that is dear."""
        with self._guard:
            self._fresh_until = min(self._fresh_until, self._outdated_until)

    def _work(self, asking: threading.Event) -> None:
        began, answer, error = self.monotonic(), None, None
        try:
            answer = self.ask()
        except Exception as failure:  # noqa: BLE001 - raised where it is waited for
            error = failure
        with self._guard:
            ended = self.monotonic()
            self._error = error
            self._outdated_until = ended + self.ease / 5 * (ended - began)
            if answer is not None:
                self._answer = answer
                self._fresh_until = ended + max(self.fresh, self.ease * (ended - began))
            else:  # what failed after long is not tried again at once
                self._fresh_until = self._outdated_until
            self._asking = None
        asking.set()
