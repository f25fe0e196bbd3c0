"""The daemon: asks the database every few seconds what is due, pulls it on threads of its own, until told to stop.

What is due, and who does it, is decided in PostgreSQL, so that any number of daemons share the sources;
`syncer.daemon.due` says by which rules, `syncer.daemon.dispatcher` begins it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime

import structlog

from syncer.app import App
from syncer.daemon.alerts import AlertRounds
from syncer.daemon.contact import Absence, first_contact
from syncer.daemon.dispatcher import Dispatcher
from syncer.daemon.identity import Identity
from syncer.daemon.notify import Supervisor
from syncer.daemon.pulls import report_crash
from syncer.daemon.reload import check, renewed
from syncer.daemon.ticker import Ticker
from syncer.errors import DatabaseUnavailable, SchemaMismatch, SettingsError, Stopped, SyncerError
from syncer.pulse import Pulse, Vitals
from syncer.settings import Settings
from syncer.store.database import connect
from syncer.store.migrate import require_head

POLL_SECONDS = 5.0
# How often alerts are evaluated, and messages sent.
ALERTS_SECONDS = 60.0
# How long a stop waits for the pulls' pages in hand. Less than the thirty seconds that Kubernetes gives.
DRAIN_SECONDS = 25.0
_GLANCE_SECONDS = 0.2

_log = structlog.get_logger("syncer.daemon")

# What works beside the pulls while the daemon runs: the page's server. It is called with the present application, the
# database's URL and the daemon's pulse once the database has answered, and left when the daemon ends.
Attachment = Callable[[Callable[[], App], str, Pulse], AbstractContextManager[object]]


class Daemon:
    """Pulls every source of `app` on its schedules. `poll_seconds` is how often it looks for what is due.

    `pulse` shows how it is. `attachments` run beside it; what they raise at their beginning ends the daemon.
    `read_settings` reads the settings anew for a reload, `settings_taken` is told when they were taken.
    """

    def __init__(
        self,
        app: App,
        *,
        poll_seconds: float = POLL_SECONDS,
        alerts_seconds: float = ALERTS_SECONDS,
        supervisor: Supervisor | None = None,
        attachments: Sequence[Attachment] = (),
        read_settings: Callable[[], Settings] | None = None,
        settings_taken: Callable[[Settings], None] = lambda _: None,
    ) -> None:
        self._app = app
        self._poll_seconds, self._alerts_seconds = poll_seconds, alerts_seconds
        self._supervisor = supervisor or Supervisor(os.environ, os.getpid())
        self._attachments = attachments
        self._read_settings, self._settings_taken = read_settings, settings_taken
        self.pulse = Pulse(lambda: datetime.now(UTC), time.monotonic)  # noqa: TID251 - for people, nothing is decided by it
        self._url = ""
        self._dispatcher: Dispatcher | None = None
        self._ticker = Ticker()
        self._absence = Absence()
        self._polling = threading.Lock()
        self._poll_wanted = self._reload_wanted = False
        self._fatal: SyncerError | None = None

    def run(self) -> None:
        """Work until a stop is asked for: always ends by raising.

        Raises Stopped after a signal; SettingsError, DatabaseUnavailable or SchemaMismatch if it cannot begin, and
        SchemaMismatch when the database is migrated beyond this version under it.
        """
        check(self._app)
        with ExitStack() as stack:
            self._supervisor.status("Waiting for the database.")
            self._url = first_contact(self._app, stack)
            self.pulse.database_answered()
            self.pulse.may_run(self._app.settings.workers)
            _log.info("daemon_started", sources=len(self._app.settings.sources), process=os.getpid())
            self._dispatcher = self._make_dispatcher()
            for attach in self._attachments:
                stack.enter_context(attach(lambda: self._app, self._url, self.pulse))
            self._tick()
            self._supervisor.ready()
            try:
                self._watch()
            finally:
                self._ticker.stop()
            self._leave()
        _log.info("daemon_stopped")
        if self._fatal is not None:
            raise self._fatal
        if self.stuck:
            raise Stopped(
                f"Stopped by a signal; what did not end within {DRAIN_SECONDS:g} s was left. The checkpoints stand.",
                signal_number=self._app.stop.signal_number or 15,
            )
        self._app.stop.check()

    def reload(self) -> None:
        """Ask for the settings to be read anew; what is wrong with them is logged, and the old ones stay."""
        self._reload_wanted = True

    @property
    def stuck(self) -> bool:
        """Whether threads are still at work that did not heed the stop: only the end of the process ends them."""
        return bool(self._running) or self._polling.locked() or self._ticker.at_work

    @property
    def _running(self) -> list[str]:
        return [] if self._dispatcher is None else self._dispatcher.running

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            lambda: self._app,
            self._url,
            self.pulse,
            identity=Identity(),
            poll_seconds=self._poll_seconds,
            leaving=self._leaving,
            done=self._poll,
        )

    def _tick(self) -> None:
        rounds = AlertRounds(lambda: self._app, self._url, every_seconds=self._alerts_seconds, leaving=self._leaving)
        self._ticker.add("heartbeat", self.pulse.scheduler_beat, seconds=self._poll_seconds)
        self._ticker.add("poll", self._poll, seconds=self._poll_seconds, jitter=self._poll_seconds / 5)
        self._ticker.add("evaluation", rounds.evaluate, seconds=self._alerts_seconds)
        self._ticker.add("sending", rounds.send, seconds=self._alerts_seconds)
        self._ticker.start()

    def _watch(self) -> None:
        """Stay until there is a reason to leave; take new settings, feed the supervisor's watchdog meanwhile."""
        fed = 0.0
        while not self._leaving():
            if self._reload_wanted:
                self._reload_wanted = False
                self._reload()
            vitals, now, every = self.pulse.read(), time.monotonic(), self._supervisor.watchdog_seconds
            if every is not None and now - fed >= every / 3 and vitals.scheduler_fresh and vitals.database_fresh:
                self._supervisor.alive()
                fed = now
            self._supervisor.status(self._state(vitals))
            time.sleep(_GLANCE_SECONDS)

    def _state(self, vitals: Vitals) -> str:
        """Return the line that the service manager shows."""
        if not vitals.database_fresh:
            return "The database does not answer."
        pulls = "1 pull" if len(vitals.running) == 1 else f"{len(vitals.running)} pulls"
        return f"{pulls} running, {vitals.workers} at most; sources: {len(self._app.settings.sources)}."

    def _leave(self) -> None:
        """Let the running pulls commit the page in hand and give back their leases; do not wait for ever."""
        self.pulse.stops()
        _log.info("daemon_stopping", pulls=self._running)
        self._supervisor.stopping()
        if self._app.stop.signal_number is None:
            self._app.stop()
        assert self._dispatcher is not None
        if self.pulse.read().database_fresh:
            with suppress(SyncerError), connect(self._url) as connection:
                self._dispatcher.leave(connection)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.stuck and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS / 4)
        if self.stuck:
            _log.warning("drain_timed_out", pulls=self._running, seconds=DRAIN_SECONDS)

    def _reload(self) -> None:
        if self._read_settings is None:
            return
        self._supervisor.reloading()
        try:
            self._app, difference = renewed(self._app, self._read_settings())
        except SettingsError as error:
            _log.error("settings_refused", problems=list(error.problems))
            self.pulse.reloaded(taken=False)
        except Exception as error:  # noqa: BLE001 - new settings, whatever is wrong with them, must not end the daemon
            report_crash(self._app, "reload_crashed", error)
            self.pulse.reloaded(taken=False)
        else:
            self._settings_taken(self._app.settings)
            _log.info(
                "settings_reloaded",
                sources=len(self._app.settings.sources),
                added=difference.added,
                removed=difference.removed,
                changed=difference.changed,
            )
            if difference.needs_restart:
                _log.warning("restart_needed", settings=difference.needs_restart)
            self.pulse.reloaded(taken=True)
        self._supervisor.ready()
        self._poll()

    def _poll(self) -> None:
        """Begin what is due. Raises nothing: whatever goes wrong, the next poll may do better.

        One thread at a time; what is asked for meanwhile is one more poll, of whoever polls.
        """
        self._poll_wanted = True
        while self._poll_wanted and self._polling.acquire(blocking=False):
            try:
                self._poll_wanted = False
                if not self._leaving() and self._absence.over:
                    self._look()
            except Exception as error:  # noqa: BLE001 - an error nobody thought of must not end the ticking
                report_crash(self._app, "poll_crashed", error)
            finally:
                self._polling.release()

    def _look(self) -> None:
        assert self._dispatcher is not None
        try:
            with connect(self._url) as connection:
                require_head(connection)
                self._dispatcher.look(connection)
        except SchemaMismatch as error:
            self._fatal = error
        except DatabaseUnavailable as error:
            self._absence.begins_or_lasts(self._app, error)
        else:
            self._absence.ends()
            self.pulse.database_answered()

    def _leaving(self) -> bool:
        return self._app.stop.asked() or self._fatal is not None
