"""The alerts' part of a daemon: replicas share evaluation and sending, so that each source has one of them at work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from syncer.app import App
from syncer.daemon.pulls import report_crash
from syncer.errors import SyncerError
from syncer.settings import SourceSettings
from syncer.store import outbox, schedule
from syncer.store.database import connect

# So many evaluations are claimed at once; what a killed daemon had claimed is left out for one round.
_BATCH = 20
# An evaluation is due again a little before the next tick, or every second tick would find nothing due.
_SLACK = 0.8

_log = structlog.get_logger("syncer.daemon")


class AlertRounds:
    """Evaluates and sends once a tick. `every_seconds` is how often a source is evaluated by all daemons together."""

    def __init__(
        self, present: Callable[[], App], url: str, *, every_seconds: float, leaving: Callable[[], bool]
    ) -> None:
        self._present, self._url, self._leaving = present, url, leaving
        self._every_seconds = _SLACK * every_seconds

    def evaluate(self) -> None:
        """Judge the facts of the sources that no daemon has judged lately. Raises nothing."""
        app = self._present()
        sources = {source.name: source for source in app.settings.sources}
        try:
            while not self._leaving() and (claimed := self._claim(list(sources))):
                self._judge(app, [sources[name] for name in claimed])
        except SyncerError as error:
            _log.warning("alerts_delayed", during="evaluation", reason=str(error))

    def send(self) -> None:
        """Send what the outbox holds; daemons that do so at once share the recipients. Raises nothing."""
        app = self._present()

        def deed() -> None:
            with connect(self._url) as connection:
                waiting = set(outbox.waiting(connection))
            if sources := [source for source in app.settings.sources if source.name in waiting]:
                app.alerting.send(self._url, sources)

        self._attempt("sending", deed)

    def _judge(self, app: App, sources: list[SourceSettings]) -> None:
        """Evaluate sources over one connection; if one of them fails, each by itself, so that no other waits for it."""
        try:
            app.alerting.evaluate(self._url, sources)
        except Exception:  # noqa: BLE001 - what it was shows again below
            for source in sources:
                self._attempt("evaluation", partial(app.alerting.evaluate, self._url, [source]))

    def _claim(self, names: list[str]) -> list[str]:
        with connect(self._url) as connection:
            return schedule.claim_evaluations(connection, names, every_seconds=self._every_seconds, most=_BATCH)

    def _attempt(self, name: str, deed: Callable[[], object]) -> None:
        if self._leaving():
            return
        try:
            deed()
        except SyncerError as error:
            _log.warning("alerts_delayed", during=name, reason=str(error))
        except Exception as error:  # noqa: BLE001 - an error nobody thought of must not end the ticking
            report_crash(self._present(), f"{name}_crashed", error)
