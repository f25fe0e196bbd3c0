"""What a daemon shows of itself: when its scheduler and its database were last heard of, and which pulls it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from syncer.model import PullKind

# Scheduler and database count as alive while they were heard of within this time.
FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunningPull:
    """A pull that this process runs; `since` is when it began here."""

    source: str
    kind: PullKind
    since: datetime


@dataclass(frozen=True, slots=True)
class Vitals:
    """A daemon at one instant. Ages are in seconds by a clock that nobody sets; None: not heard of yet.

    `workers` is how many pulls it may run at once, `stopping` that it was told to leave, `reloads` how often it took
    new settings and `reload_failed` that it refused the last ones.
    """

    started_at: datetime
    scheduler_at: datetime | None
    scheduler_age: float | None
    database_at: datetime | None
    database_age: float | None
    running: tuple[RunningPull, ...]
    workers: int
    stopping: bool
    reloads: int
    reload_failed: bool

    @property
    def scheduler_fresh(self) -> bool:
        """Whether the scheduler lives: its heartbeat is fresh."""
        return self.scheduler_age is not None and self.scheduler_age < FRESH_SECONDS

    @property
    def database_fresh(self) -> bool:
        """Whether the scheduler has lately spoken with the database."""
        return self.database_age is not None and self.database_age < FRESH_SECONDS


class Pulse:
    """The one place where a daemon notes that it lives. It writes, page and metrics `read`; any thread may do either.

    `clock` gives aware instants for people, `monotonic` seconds for ages.
    """

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._started_at = clock()
        self._scheduler: tuple[datetime, float] | None = None
        self._database: tuple[datetime, float] | None = None
        self._running: dict[str, RunningPull] = {}
        self._workers = self._reloads = 0
        self._stopping = self._reload_failed = False
        self._guard = threading.Lock()

    def read(self) -> Vitals:
        """Return how the daemon is now."""
        with self._guard:
            now = self._monotonic()
            return Vitals(
                started_at=self._started_at,
                scheduler_at=None if self._scheduler is None else self._scheduler[0],
                scheduler_age=None if self._scheduler is None else now - self._scheduler[1],
                database_at=None if self._database is None else self._database[0],
                database_age=None if self._database is None else now - self._database[1],
                running=tuple(sorted(self._running.values(), key=lambda each: each.since)),
                workers=self._workers,
                stopping=self._stopping,
                reloads=self._reloads,
                reload_failed=self._reload_failed,
            )

    def scheduler_beat(self) -> None:
        """Note that the scheduler ticked."""
        with self._guard:
            self._scheduler = self._clock(), self._monotonic()

    def database_answered(self) -> None:
        """Note that the database answered."""
        with self._guard:
            self._database = self._clock(), self._monotonic()

    def pull_began(self, source: str, kind: PullKind) -> None:
        """Note that a pull runs here; a source has one at a time."""
        with self._guard:
            self._running[source] = RunningPull(source, kind, self._clock())

    def pull_ended(self, source: str) -> None:
        """Note that the source's pull runs here no more."""
        with self._guard:
            self._running.pop(source, None)

    def may_run(self, workers: int) -> None:
        """Note how many pulls may run at once."""
        with self._guard:
            self._workers = workers

    def reloaded(self, *, taken: bool) -> None:
        """Note that new settings were taken, or refused."""
        with self._guard:
            self._reloads += taken
            self._reload_failed = not taken

    def stops(self) -> None:
        """Note that the daemon was told to leave."""
        with self._guard:
            self._stopping = True
