"""The daemon: asks the database every few seconds what is due, pulls it on threads of its own, until told to stop.

APScheduler only ticks. What is due, and who does it, is decided in PostgreSQL, so that any number of daemons share
the sources; `syncer.daemon.due` says by which rules.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from syncer.app import App
from syncer.daemon.due import Step, decide, may_begin
from syncer.daemon.notify import Supervisor
from syncer.daemon.pulls import carry_out, report_crash
from syncer.errors import DatabaseUnavailable, SchemaMismatch, SettingsError, Stopped, SyncerError
from syncer.model import PullKind
from syncer.pull.waiting import Waiting
from syncer.pulse import Pulse
from syncer.schedule import Cron
from syncer.settings import SourceSettings
from syncer.store import leases, schedule
from syncer.store.database import Connection, connect
from syncer.store.migrate import require_head
from syncer.store.schedule import Facts

POLL_SECONDS = 5.0
# Beyond this many sources at once, the others wait their turn.
MOST_WORKERS = 8
# How long a stop waits for the pulls' pages in hand. Less than the thirty seconds that Kubernetes gives.
DRAIN_SECONDS = 25.0
# At the start a wrong address or password shall be told to whoever started the daemon; later it waits for ever.
FIRST_CONTACT_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 30.0
# How often alerts are evaluated, and messages sent.
ALERTS_SECONDS = 60.0
_GLANCE_SECONDS = 0.2

_log = structlog.get_logger("syncer.daemon")

# What works beside the pulls while the daemon runs: the page's server. It is called with the present application, the
# database's URL and the daemon's pulse once the database has answered, and left when the daemon ends.
Attachment = Callable[[Callable[[], App], str, Pulse], AbstractContextManager[object]]


class Daemon:
    """Pulls every source of `app` on its schedules. `poll_seconds` is how often it looks for what is due.

    `pulse` shows how it is. `attachments` run beside it; what they raise at their beginning ends the daemon.
    """

    def __init__(
        self,
        app: App,
        *,
        poll_seconds: float = POLL_SECONDS,
        alerts_seconds: float = ALERTS_SECONDS,
        supervisor: Supervisor | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        self._app = app
        self._poll_seconds = poll_seconds
        self._supervisor = supervisor or Supervisor(os.environ, os.getpid())
        self._url = ""
        self._alerts_seconds = alerts_seconds
        self._polling, self._evaluating, self._sending = threading.Lock(), threading.Lock(), threading.Lock()
        self._workers: dict[str, threading.Thread] = {}
        self._failures = 0
        self._next_try = 0.0
        self._attachments = attachments
        self.pulse = Pulse(lambda: datetime.now(UTC), time.monotonic)  # noqa: TID251 - for people, nothing is decided by it
        self.pulse.may_run(MOST_WORKERS)
        self._announced: set[str] = set()
        self._fatal: SyncerError | None = None

    def run(self) -> None:
        """Work until a stop is asked for: always ends by raising.

        Raises Stopped after a signal; SettingsError, DatabaseUnavailable or SchemaMismatch if it cannot begin, and
        SchemaMismatch when the database is migrated beyond this version under it.
        """
        require_credentials(self._app)
        for source in self._app.settings.sources:
            self._app.alerting.check(source)
        with ExitStack() as stack:
            self._url = self._first_contact(stack)
            _log.info("daemon_started", sources=len(self._app.settings.sources), process=os.getpid())
            self.pulse.database_answered()
            for attach in self._attachments:
                stack.enter_context(attach(lambda: self._app, self._url, self.pulse))
            self._poll()
            with self._ticking():
                self._supervisor.ready()
                self._watch()
                self.pulse.stops()
                _log.info("daemon_stopping", pulls=sorted(self._workers))
                self._supervisor.stopping()
            self._drain()
        _log.info("daemon_stopped")
        if self._fatal is not None:
            raise self._fatal
        if self.stuck:
            raise Stopped(
                f"Stopped by a signal; what did not end within {DRAIN_SECONDS:g} s was left. The checkpoints stand.",
                signal_number=self._app.stop.signal_number or 15,
            )
        self._app.stop.check()

    @property
    def stuck(self) -> bool:
        """Whether threads are still at work that did not heed the stop: only the end of the process ends them."""
        locks = (self._polling, self._evaluating, self._sending)
        return bool(self._workers) or any(lock.locked() for lock in locks)

    def _first_contact(self, stack: ExitStack) -> str:
        """Open the database and make the sources' rows; a database of one's own may take a minute to answer."""
        waiting = Waiting(time.sleep, self._app.stop, time.monotonic)
        began, pause = time.monotonic(), 1.0
        while True:
            try:
                url = stack.enter_context(self._app.database())
                with connect(url) as connection:
                    for source in self._app.settings.sources:
                        leases.ensure_source(connection, source.name, account=source.account, prefix=source.prefix)
            except DatabaseUnavailable as error:
                if self._app.settings.database_url is None or time.monotonic() - began + pause > FIRST_CONTACT_SECONDS:
                    raise
                _log.warning("database_unavailable", error=str(error), next_try_seconds=pause)
            else:
                return url
            waiting(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS / 2)

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Let the scheduler tick during the block."""
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # a tick that is skipped is no news
        scheduler = BackgroundScheduler(
            timezone=UTC,
            daemon=True,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        every = self._poll_seconds
        scheduler.add_job(self._poll, IntervalTrigger(seconds=every, jitter=every / 5, timezone=UTC), id="poll")
        now = datetime.now(UTC)  # noqa: TID251 - the scheduler's own clock: what follows ticks at once
        heartbeat = IntervalTrigger(seconds=every, timezone=UTC)
        scheduler.add_job(self.pulse.scheduler_beat, heartbeat, id="heartbeat", next_run_time=now)
        for deed in (self._evaluate, self._send):
            trigger = IntervalTrigger(seconds=self._alerts_seconds, timezone=UTC)
            scheduler.add_job(deed, trigger, id=deed.__name__, next_run_time=now)
        scheduler.start()
        try:
            yield
        finally:
            scheduler.shutdown(wait=False)

    def _watch(self) -> None:
        """Stay until there is a reason to leave; feed the supervisor's watchdog meanwhile."""
        fed = 0.0
        while self._app.stop.signal_number is None and self._fatal is None:
            now, every = time.monotonic(), self._supervisor.watchdog_seconds
            vitals = self.pulse.read()
            fresh = vitals.scheduler_fresh and vitals.database_fresh
            if every is not None and now - fed >= every / 3 and fresh:
                self._supervisor.alive()
                fed = now
            time.sleep(_GLANCE_SECONDS)

    def _drain(self) -> None:
        """Wait for the running pulls to commit the page in hand and give back their leases."""
        if self._app.stop.signal_number is None:
            self._app.stop()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.stuck and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS / 4)
        if self.stuck:
            _log.warning("drain_timed_out", pulls=sorted(self._workers), seconds=DRAIN_SECONDS)

    def _evaluate(self) -> None:
        """Judge every source's facts. Raises nothing."""
        with self._evaluating:
            self._attempt("evaluation", lambda: self._app.alerting.evaluate(self._url, self._app.settings.sources))

    def _send(self) -> None:
        """Send what the outbox holds; daemons that do so at once share the recipients. Raises nothing."""
        with self._sending:
            self._attempt("sending", lambda: self._app.alerting.send(self._url))

    def _attempt(self, name: str, deed: Callable[[], object]) -> None:
        if self._leaving():
            return
        try:
            deed()
        except SyncerError as error:
            _log.warning("alerts_delayed", during=name, reason=str(error))
        except Exception as error:  # noqa: BLE001 - an error nobody thought of must not end the ticking
            report_crash(self._app, f"{name}_crashed", error)

    def _poll(self) -> None:
        """Begin what is due. Raises nothing: whatever goes wrong, the next poll may do better."""
        with self._polling:
            if self._leaving() or time.monotonic() < self._next_try:
                return
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - an error nobody thought of must not end the ticking
                report_crash(self._app, "poll_crashed", error)

    def _look(self) -> None:
        try:
            with connect(self._url) as connection:
                require_head(connection)
                self._begin_what_is_due(connection)
        except SchemaMismatch as error:
            self._fatal = error
        except DatabaseUnavailable as error:
            self._database_is_away(error)
        else:
            if self._failures:
                _log.info("database_back", failures=self._failures)
            self._failures = 0
            self.pulse.database_answered()

    def _database_is_away(self, error: DatabaseUnavailable) -> None:
        """Say so, try less and less often; the embedded server is started anew if it died."""
        pause = min(2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._next_try = time.monotonic() + pause
        _log.warning("database_unavailable", error=str(error), next_try_seconds=pause)
        try:
            if self._app.revive_server():
                _log.warning("database_restarted")
                self._next_try = 0.0
        except DatabaseUnavailable as failure:
            _log.error("database_restart_failed", error=str(failure))

    def _begin_what_is_due(self, connection: Connection) -> None:
        sources = {source.name: source for source in self._app.settings.sources}
        found = schedule.facts(connection, list(sources))
        for full, recent in sorted(zip(found[::2], found[1::2], strict=True), key=_urgency):
            source = sources[full.source]
            self._announce(source, full, recent)
            self._consider(connection, source, full, source.full_schedule)
            if may_begin(full, recent):
                self._consider(connection, source, recent, source.recent_schedule)

    def _consider(self, connection: Connection, source: SourceSettings, facts: Facts, cron: Cron) -> None:
        """Begin the pull if it is due, none of its source runs here, and a worker is free."""
        step = decide(facts, cron)
        if not step.start:
            if step.next_at != facts.next_at:
                schedule.move(connection, facts, step.next_at)
            return
        if source.name in self._workers or len(self._workers) >= MOST_WORKERS or self._leaving():
            return
        if schedule.claim(connection, facts, hold_until=step.next_at):
            arguments = (source, facts.kind, step.next_at)
            worker = threading.Thread(target=self._work, args=arguments, name=f"pull-{source.name}", daemon=True)
            self._workers[source.name] = worker
            self.pulse.pull_began(source.name, facts.kind)
            worker.start()

    def _work(self, source: SourceSettings, kind: PullKind, hold_until: datetime) -> None:
        try:
            carry_out(self._app, self._url, source, kind, hold_until=hold_until)
        finally:
            del self._workers[source.name]
            self.pulse.pull_ended(source.name)
        self._poll()  # what waited for this pull need not wait for the next tick

    def _announce(self, source: SourceSettings, full: Facts, recent: Facts) -> None:
        """Log once for each source when its pulls are due."""
        if source.name in self._announced:
            return
        self._announced.add(source.name)
        first = "after the first full pull"
        _log.info(
            "source_scheduled",
            source=source.name,
            full_schedule=source.full_schedule.expression,
            next_full=_spoken(decide(full, source.full_schedule)),
            recent_schedule=source.recent_schedule.expression,
            next_recent=_spoken(decide(recent, source.recent_schedule)) if may_begin(full, recent) else first,
            timezone=source.timezone,
        )

    def _leaving(self) -> bool:
        return self._app.stop.signal_number is not None or self._fatal is not None


def require_credentials(app: App) -> None:
    """Raise one SettingsError that names every source without credentials."""
    problems: list[str] = []
    for source in app.settings.sources:
        try:
            source.require_credentials()
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(*problems)


def _urgency(pair: tuple[Facts, Facts]) -> datetime:
    """Sort what has been due for longest to the front."""
    return min(facts.next_at or datetime.min.replace(tzinfo=UTC) for facts in pair)


def _spoken(step: Step) -> str:
    return "now" if step.start else step.next_at.isoformat(timespec="seconds")
