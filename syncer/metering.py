"""Wires metrics to the settings: which sources, which database, and what this process tells of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import version

from syncer.errors import DatabaseUnavailable
from syncer.metrics import catalogue
from syncer.metrics.exposition import render
from syncer.metrics.reading import Facts
from syncer.metrics.samples import Sample
from syncer.pulse import Pulse
from syncer.settings import Settings
from syncer.store.database import Connection, connect
from syncer.store.migrate import HEAD


@dataclass
class Metering:
    """The metrics of one process; keeps what it read for some seconds, so one for the life of a server.

    `settings` is asked at each scrape, for they may be reloaded; `url` is the database's, None when it cannot be had;
    `pulse` is the daemon's, None outside of one. Any thread may ask.
    """

    settings: Callable[[], Settings]
    url: str | None
    pulse: Pulse | None = None
    _facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._facts = Facts(self._connection, time.monotonic)

    def __call__(self) -> bytes:
        """Return the metrics as Prometheus reads them; raises nothing for a database in trouble."""
        return self.scrape()[0]

    def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics and their content type, in the form that an `Accept` header asks for."""
        sources = [source.name for source in self.settings().sources]
        return render([*self._own(), *self._facts.samples(sources)], accept=accept, process=self.pulse is not None)

    def _connection(self) -> AbstractContextManager[Connection]:
        if self.url is None:
            raise DatabaseUnavailable("There is no database.")
        return connect(self.url)

    def _own(self) -> Iterator[Sample]:
        """Yield what is known without a database."""
        yield Sample(catalogue.BUILD_INFO, (version("syncer"), HEAD), 1.0)
        for source in self.settings().sources:
            yield Sample(catalogue.QUOTA_LIMIT, (source.name,), source.calls_per_minute)
        if self.pulse is None:
            return
        vitals = self.pulse.read()
        for family, instant in (
            (catalogue.HEARTBEAT, vitals.scheduler_at),
            (catalogue.DATABASE_HEARD, vitals.database_at),
        ):
            if instant is not None:
                yield Sample(family, (), instant.timestamp())
        yield Sample(catalogue.WORKERS, (), vitals.workers)
        yield Sample(catalogue.WORKERS_BUSY, (), len(vitals.running))
        yield Sample(catalogue.RELOAD_FAILED, (), float(vitals.reload_failed))


def expose(url: str | None, settings: Settings, pulse: Pulse | None = None) -> bytes:
    """Return the metrics once: what `syncer metrics` prints."""
    return Metering(lambda: settings, url, pulse)()
