"""Begins what is due, on threads of their own, within this daemon's share of the work."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import structlog

from syncer.app import App, notice_clock
from syncer.daemon.due import due_at, rescheduled
from syncer.daemon.identity import Identity
from syncer.daemon.pulls import Taken, carry_out, give_back
from syncer.daemon.share import allowance, most_full
from syncer.model import PullKind
from syncer.pulse import Pulse
from syncer.schedule import find_zone
from syncer.settings import SourceSettings
from syncer.store import leases, replicas, schedule
from syncer.store.database import Connection
from syncer.store.replicas import Others
from syncer.store.schedule import DueTimes, Facts

# How long a claimed pull may take to begin before others may begin it: its daemon was killed in between.
CLAIM_SECONDS = 10.0
# So many due sources are looked at in one query.
LOOK = 100
# A daemon counts as alive for this many polls and seconds after it was heard of.
_ALIVE_POLLS, _ALIVE_SECONDS = 3, 5.0
# What others should have taken, and have not within this many polls, is taken whatever this daemon's share is.
_SPARE_POLLS = 2
# Up to so many sources are named one by one in the log.
_NAMED = 20

_log = structlog.get_logger("syncer.daemon")


class Dispatcher:
    """The pulls of one daemon: those that run, and which of the due ones it begins next.

    `present` gives the settings as they are now; a pull ends with those that it began with. After each pull `done` is
    called, so that what waited for it need not wait for the next poll.
    """

    def __init__(
        self,
        present: Callable[[], App],
        url: str,
        pulse: Pulse,
        *,
        identity: Identity,
        poll_seconds: float,
        leaving: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        self._present, self._url, self._pulse, self._identity = present, url, pulse, identity
        self._poll_seconds, self._leaving, self._done = poll_seconds, leaving, done
        self._workers: dict[str, tuple[threading.Thread, PullKind]] = {}
        self._spared: dict[tuple[str, PullKind], float] = {}
        self._prepared: App | None = None
        # What pulls could not give back, for the database did not answer.
        self._kept: deque[Taken] = deque()

    @property
    def running(self) -> list[str]:
        """The sources that are pulled here now."""
        return sorted(self._workers)

    def look(self, connection: Connection) -> None:
        """Free what the dead hold, and begin what is due; for one thread at a time."""
        notice_clock(connection)
        while self._kept:
            give_back(connection, self._kept[0])
            self._kept.popleft()
        app = self._present()
        sources = {source.name: source for source in app.settings.sources}
        new = self._prepared is not app
        if new:
            prepare(connection, app)
        others = self._beat(connection, app)
        if freed := schedule.take_from_the_dead(connection):
            _log.info("taken_from_the_dead", sources=freed)
        before = len(self._workers)
        for kind in PullKind:
            self._begin(connection, app, sources, kind, others)
        if len(self._workers) > before:
            self._beat(connection, app)  # the others' shares go by what is taken
        if new:
            announce(schedule.due_times(connection, list(sources)), sources)
            self._prepared = app

    def leave(self, connection: Connection) -> None:
        """Tell the others that this daemon takes nothing any more."""
        replicas.leave(connection, self._identity.replica)

    def _beat(self, connection: Connection, app: App) -> Others:
        workers = app.settings.workers
        self._pulse.may_run(workers)
        return replicas.beat(
            connection,
            self._identity.replica,
            name=self._identity.name,
            version=self._identity.version,
            seconds=_ALIVE_POLLS * self._poll_seconds + _ALIVE_SECONDS,
            sources=len(app.settings.sources),
            workers=workers,
            running=len(self._workers),
        )

    def _begin(
        self, connection: Connection, app: App, sources: dict[str, SourceSettings], kind: PullKind, others: Others
    ) -> None:
        """Begin due pulls of one kind until none is left, the workers are busy, or the rest is the others' share."""
        while not self._leaving() and self._free(app, kind) > 0:
            found = schedule.due(connection, list(sources), kind, most=LOOK)
            self._pulse.database_answered()  # a look at thousands of new sources takes its time
            due = [facts for facts in found if self._is_due(connection, facts, sources[facts.source])]
            begun = self._take(connection, app, sources, due, others, more=len(found) == LOOK)
            if len(found) < LOOK or (begun == 0 and len(due) == len(found)):
                return

    @staticmethod
    def _is_due(connection: Connection, facts: Facts, source: SourceSettings) -> bool:
        """Return whether the pull is to begin now; if not, write when it is."""
        at = due_at(facts, source.full_schedule if facts.kind is PullKind.FULL else source.recent_schedule)
        if at > facts.now:
            schedule.move(connection, facts, at)
        return at <= facts.now

    def _take(
        self,
        connection: Connection,
        app: App,
        sources: dict[str, SourceSettings],
        due: list[Facts],
        others: Others,
        *,
        more: bool,
    ) -> int:
        """Begin those of `due` that this daemon may; return how many. With `more` there is enough for all."""
        ready = [facts for facts in due if facts.source not in self._workers]
        if not ready:
            return 0
        kind = ready[0].kind
        free = self._free(app, kind)
        share = free
        if not more:
            running = len(self._workers)
            share = allowance(len(ready), workers=app.settings.workers, running=running, others=others)
        begun, spared, now = 0, {}, time.monotonic()
        for facts in ready:
            if begun >= free or self._leaving():
                break
            since = self._spared.get((facts.source, kind), now)
            if begun >= share and now - since < _SPARE_POLLS * self._poll_seconds:
                spared[facts.source, kind] = since
                continue
            begun += self._start(connection, app, sources[facts.source], facts)
        self._spared = {key: since for key, since in self._spared.items() if key[1] is not kind} | spared
        return begun

    def _free(self, app: App, kind: PullKind) -> int:
        free = app.settings.workers - len(self._workers)
        if kind is PullKind.FULL:
            full = sum(each is PullKind.FULL for _, each in self._workers.values())
            free = min(free, most_full(app.settings.workers) - full)
        return free

    def _start(self, connection: Connection, app: App, source: SourceSettings, facts: Facts) -> bool:
        claimed_until = schedule.claim(connection, facts, seconds=CLAIM_SECONDS)
        if claimed_until is None:
            return False
        # The pull's lease follows upon the one that was looked at, or the pull does not begin.
        arguments = (app, source, facts, Taken(source.name, facts.epoch + 1, claimed_until))
        worker = threading.Thread(target=self._work, args=arguments, name=f"pull-{source.name}", daemon=True)
        self._workers[source.name] = worker, facts.kind
        self._pulse.pull_began(source.name, facts.kind)
        worker.start()
        return True

    def _work(self, app: App, source: SourceSettings, facts: Facts, taken: Taken) -> None:
        try:
            if not carry_out(app, self._url, source, facts, taken):
                self._kept.append(taken)
        finally:
            del self._workers[source.name]
            self._pulse.pull_ended(source.name)
        self._done()


def prepare(connection: Connection, app: App) -> None:
    """Make the rows of all sources agree with new settings, and their due times with changed schedules."""
    sources = {source.name: source for source in app.settings.sources}
    leases.ensure_sources(connection, [(each.name, each.account, each.prefix) for each in sources.values()])
    now = schedule.instant(connection)
    changed = (
        rescheduled(times, sources[times.source].full_schedule, sources[times.source].recent_schedule, now)
        for times in schedule.due_times(connection, list(sources))
    )
    schedule.reschedule(connection, [each for each in changed if each is not None])


def announce(times: list[DueTimes], sources: dict[str, SourceSettings]) -> None:
    """Log when the pulls of each source are due; of very many only how many are, and when the next one is."""
    for each in times if len(times) <= _NAMED else ():
        source = sources[each.source]
        _log.info(
            "source_scheduled",
            source=each.source,
            full_schedule=source.full_schedule.expression,
            next_full=_spoken(each.next_full_at, source),
            recent_schedule=source.recent_schedule.expression,
            next_recent=_spoken(each.next_recent_at, source),
            timezone=source.timezone,
        )
    ahead = [at for each in times for at in (each.next_full_at, each.next_recent_at) if at is not None]
    _log.info(
        "sources_scheduled",
        sources=len(times),
        undecided=2 * len(times) - len(ahead),
        next_due=min(ahead).isoformat(timespec="seconds") if ahead else None,
    )


def _spoken(at: datetime | None, source: SourceSettings) -> str:
    return "now" if at is None else at.astimezone(find_zone(source.timezone)).isoformat(timespec="seconds")
