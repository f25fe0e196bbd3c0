"""What all pages share: the daemon that they show, their looks at the database, how a template becomes an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from syncer.alerts.hearing import Hearing
from syncer.app import App
from syncer.errors import SyncerError
from syncer.metering import Metering
from syncer.pulse import Pulse
from syncer.report.data import Standing, stand
from syncer.report.language import Language
from syncer.settings import Settings, WebLogin
from syncer.store import alerts, status, stock
from syncer.store.looking import Looks, TookTooLong
from syncer.store.status import Reading
from syncer.store.stock import Counted, Stock
from syncer.web.cached import Cached
from syncer.web.catalogue import MESSAGES
from syncer.web.forms import Forms
from syncer.web.style import STYLE_VERSION
from syncer.web.visit import Visit, link
from syncer.words import visible

# Counting every file may take a second for each million; asked for anew once it is older than this.
_COUNT_FRESH, _COUNT_PATIENCE, _COUNT_EASE, _COUNT_SECONDS = 15.0, 0.05, 100.0, 120.0
# How the sources stand is a few look-ups a source.
_STATUS_FRESH, _STATUS_PATIENCE, _STATUS_EASE = 1.0, 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Now:
    """How the sources stand, how many alerts are open, and who can be told of them."""

    reading: Reading
    open_alerts: int
    hearings: Sequence[Hearing]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a view makes: the template, the language it speaks, and the values for it."""

    template: str
    language: Language
    context: Mapping[str, Any]


@dataclass(slots=True)
class Site:
    """One daemon's page, and its metrics."""

    app: Callable[[], App]
    url: str
    pulse: Pulse
    monotonic: Callable[[], float]
    metering: Metering = field(init=False)
    looks: Looks = field(init=False)
    forms: Forms = field(init=False)
    counted: Cached[Counted] = field(init=False)
    now: Cached[Now] = field(init=False)
    _first_login: WebLogin | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        login = self._first_login = self.settings.web_login
        self.metering = Metering(lambda: self.settings, self.url, self.pulse)
        self.looks = Looks(self.url)
        self.forms = Forms(None if login is None else login.password.reveal())
        self.counted = Cached(self._count, self.monotonic, _COUNT_FRESH, _COUNT_PATIENCE, _COUNT_EASE)
        self.now = Cached(self._read, self.monotonic, _STATUS_FRESH, _STATUS_PATIENCE, _STATUS_EASE)

    @property
    def settings(self) -> Settings:
        """The present settings."""
        return self.app().settings

    def login(self) -> WebLogin | None:
        """Return who may see the page; once somebody only, never anybody: the address stays as it was taken."""
        return self.settings.web_login or self._first_login

    def standings(self, counted: Counted | None = None) -> tuple[Reading, tuple[Standing, ...]]:
        """Return how every source stands, those of the settings first; the files as in a count, none without one."""
        reading = self.present().reading
        if counted is not None:
            sources = (
                replace(each, tallies=counted.sources.get(each.source, Stock()).tallies) for each in reading.sources
            )
            reading = replace(reading, sources=tuple(sources))
        return reading, stand(reading, {each.name: each.full_schedule.next_after for each in self.settings.sources})

    def present(self) -> Now:
        """Return how the sources stand. Raises SyncerError."""
        now = self.now.get()
        if now is None:
            raise TookTooLong("The database did not answer in time; it may be busy.")
        return now

    def counts(self) -> Counted | None:
        """Return what is listed, counted anew when a pull has committed something since; None before the first count.

        Raises SyncerError, but not for a count that takes too long.
        """
        changed_at = max(_changes(self.present().reading), default=None)
        known = self.counted.known()
        if changed_at is not None and known is not None and changed_at > known.instant:
            self.counted.outdate()
        try:
            return self.counted.get()
        except TookTooLong:
            return known

    def warm(self) -> None:
        """Begin to count, so that the first visitor does not wait; a failure is told to him."""
        with contextlib.suppress(SyncerError):
            self.counted.get()

    def _count(self) -> Counted:
        with self.looks.looking(_COUNT_SECONDS) as connection:
            return stock.count(connection)

    def _read(self) -> Now:
        with self.looks.looking() as connection:
            reading = status.read_uncounted(connection)
            opened = sum(sum(those.values()) for those in alerts.count_open(connection).values())
            return Now(reading, opened, self.app().alerting.hearings_seen(connection))


def _changes(reading: Reading) -> Iterator[datetime]:
    """Yield when the sources' pulls last committed something."""
    for each in reading.sources:
        yield from (pull.finished_at for pull in (each.proven, each.ended, each.recent) if pull is not None)
        if each.unfinished is not None and each.unfinished.last_page_at is not None:
            yield each.unfinished.last_page_at


def speak(visit: Visit, now: datetime) -> Language:
    """Return the visitor's language, ages counted from `now`."""
    return Language(visit.lang, now, MESSAGES)


def render(shown: Shown, visit: Visit, *, open_alerts: int = 0) -> str:
    """Return the HTML; whatever is not HTML already is escaped."""
    shared = {
        "t": shown.language,
        "visit": visit,
        "link": link,
        "open_alerts": open_alerts,
        "style_version": STYLE_VERSION,
    }
    return _environment().get_template(shown.template).render(**shared, **shown.context)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["visible"] = visible
    return environment
