"""The daemon and its database: the first contact, and how an absence is waited for."""

from __future__ import annotations

import time
from contextlib import ExitStack

import structlog

from syncer.app import App
from syncer.errors import DatabaseUnavailable
from syncer.pull.waiting import Waiting

# At the start a wrong address or password shall be told to whoever started the daemon; later it waits for ever.
FIRST_CONTACT_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 30.0

_log = structlog.get_logger("syncer.daemon")


def first_contact(app: App, stack: ExitStack) -> str:
    """Open the database for as long as `stack` stands; return its URL. One's own may take a minute to answer.

    Raises DatabaseUnavailable after that, SchemaMismatch, or Stopped.
    """
    waiting = Waiting(time.sleep, app.stop, time.monotonic)
    began, pause = time.monotonic(), 1.0
    while True:
        try:
            return stack.enter_context(app.database())
        except DatabaseUnavailable as error:
            if app.settings.database_url is None or time.monotonic() - began + pause > FIRST_CONTACT_SECONDS:
                raise
            _log.warning("database_unavailable", error=str(error), next_try_seconds=pause)
        waiting(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS / 2)


class Absence:
    """How often the database has failed in a row, and when to try it again: less and less often."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_try = 0.0

    @property
    def over(self) -> bool:
        """Whether it may be tried now."""
        return time.monotonic() >= self._next_try

    def begins_or_lasts(self, app: App, error: DatabaseUnavailable) -> None:
        """Say that the database failed; the embedded server is started anew if it died."""
        pause = min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._next_try = time.monotonic() + pause
        _log.warning("database_unavailable", error=str(error), next_try_seconds=pause)
        try:
            if app.revive_server():
                _log.warning("database_restarted")
                self._next_try = 0.0
        except DatabaseUnavailable as failure:
            _log.error("database_restart_failed", error=str(failure))

    def ends(self) -> None:
        """Say that the database answered."""
        if self._failures:
            _log.info("database_back", failures=self._failures)
        self._failures = 0
