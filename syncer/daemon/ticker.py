"""Calls the daemon's deeds at their intervals; APScheduler's thread does no more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger


class Ticker:
    """Deeds and their intervals. A deed that is still at work when it is due again is left out once."""

    def __init__(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # a tick that is left out is no news
        self._at_work: dict[str, int] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            daemon=True,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    @property
    def at_work(self) -> bool:
        """Whether any deed is being done now."""
        return any(self._at_work.values())

    def add(self, name: str, deed: Callable[[], None], *, seconds: float, jitter: float | None = None) -> None:
        """Let a deed, which raises nothing, be called at once and then every `seconds`, give or take `jitter`."""

        def tick() -> None:
            self._at_work[name] = 1
            try:
                deed()
            finally:
                self._at_work[name] = 0

        now = datetime.now(UTC)  # noqa: TID251 - the scheduler's own clock
        trigger = IntervalTrigger(seconds=seconds, jitter=jitter, timezone=UTC)
        self._scheduler.add_job(tick, trigger, id=name, next_run_time=now)

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """Tick no more; a deed that is at work goes on."""
        self._scheduler.shutdown(wait=False)
