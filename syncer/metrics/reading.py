"""Reads what a scrape tells, part by part, so that none can spoil the others, and keeps it for some seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog

from syncer.metrics import catalogue, samples
from syncer.metrics.samples import Sample
from syncer.store import metrics as store
from syncer.store.database import Connection

# A part is kept for so long, or for EASE times as long as reading it took, up to LONGEST_SECONDS: however many files
# there are, metrics keep the database busy for a fiftieth of the time, and one in trouble is left alone.
FRESH_SECONDS, EASE, LONGEST_SECONDS = 5.0, 50.0, 60.0
# What one part, and all of a scrape, may take: it must end before Prometheus gives it up (after 10 s unless told).
STATEMENT_SECONDS, SCRAPE_SECONDS = 4.0, 7.0

_log = structlog.get_logger("syncer.metrics")


class Part(NamedTuple):
    """A question to the store and what makes samples of its answer for the named sources."""

    name: str
    read: Callable[[Connection], Sequence[Any]]
    make: Callable[[Iterable[Any], Sequence[str]], Iterator[Sample]]


PARTS = (
    Part("sources", store.standings, samples.standings),
    Part("alerts", store.alerts, samples.alerts),
    Part("outbox", store.outbox, samples.outbox),
    Part("totals", store.totals, samples.totals),
    Part("contexts", store.deaths, samples.deaths),
    Part("files", store.stock, samples.stock),
    Part("gone", store.gone, samples.gone),
)


@dataclass(slots=True)
class _Kept:
    """What a part last said; None: it could not be read."""

    facts: Sequence[Any] | None
    until: float


@dataclass(slots=True)
class Facts:
    """The parts, each kept for a while.

    `open_connection` opens the database for one reading, `monotonic` counts seconds. For any thread: who comes while
    another reads waits for it.
    """

    open_connection: Callable[[], AbstractContextManager[Connection]]
    monotonic: Callable[[], float]
    parts: Sequence[Part] = PARTS
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def samples(self, sources: Sequence[str]) -> Iterator[Sample]:
        """Yield the samples of every part for `sources`; of one that cannot be read, that it cannot. Raises nothing."""
        with self._guard:
            self._refresh()
            kept = [(part, self._kept[part.name].facts) for part in self.parts]
        for part, facts in kept:
            made = None if facts is None else _made(part, facts, sources)
            yield Sample(catalogue.COLLECTOR_UP, (part.name,), float(made is not None))
            yield from made or ()

    def _refresh(self) -> None:
        """Read the parts that were kept long enough."""
        began = self.monotonic()
        due = [part for part in self.parts if part.name not in self._kept or self._kept[part.name].until <= began]
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.open_connection()) if due else None
            except Exception as error:  # noqa: BLE001 - a scrape says so instead
                _log.warning("metrics_not_read", reason=_reason(error))
                connection = None
            for part in due:
                asked = began if connection is None else self.monotonic()
                facts = None if connection is None else self._read(part, connection, until=began + SCRAPE_SECONDS)
                self._keep(part, facts, asked)

    def _read(self, part: Part, connection: Connection, *, until: float) -> Sequence[Any] | None:
        seconds = min(STATEMENT_SECONDS, until - self.monotonic())
        if seconds <= 0:
            return None
        try:
            with store.bounded(connection, seconds):
                return part.read(connection)
        except Exception as error:  # noqa: BLE001 - whatever one part dies of, the others are served
            _log.warning("metrics_part_failed", part=part.name, reason=_reason(error))
            return None

    def _keep(self, part: Part, facts: Sequence[Any] | None, asked: float) -> None:
        now = self.monotonic()
        self._kept[part.name] = _Kept(facts, now + min(LONGEST_SECONDS, max(FRESH_SECONDS, EASE * (now - asked))))


def _made(part: Part, facts: Sequence[Any], sources: Sequence[str]) -> list[Sample] | None:
    """Make a part's samples, of the named sources alone: one that left the settings would look late for ever."""
    known = frozenset(sources)
    try:
        return list(part.make([each for each in facts if each.source in known], sources))
    except Exception as error:  # noqa: BLE001 - whatever one part dies of, the others are served
        _log.warning("metrics_part_failed", part=part.name, reason=_reason(error))
        return None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
