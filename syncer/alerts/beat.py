"""One run of a pull as a dead-man's switch hears of it: its start, and how it ended."""

from __future__ import annotations

import threading

from syncer.alerts.notifiers import Heartbeat


class Beat:
    """Tells one run to a switch, or to nobody (None). A switch that hangs holds the run's end up, never the run.

    Only a proven pull is a success, and only while somebody can be told of alerts: whatever else ended is a failure,
    with its reason. A run that was stopped, or found another one at work, says nothing at its end: if no other takes it
    up, the switch misses it.
    """

    def __init__(self, heartbeat: Heartbeat | None) -> None:
        self._heartbeat = heartbeat
        self._starting: threading.Thread | None = None

    def begin(self) -> None:
        """Say that the run begins; the switch measures from here."""
        if self._heartbeat is not None:
            self._starting = threading.Thread(target=self._heartbeat.start, name="heartbeat", daemon=True)
            self._starting.start()

    def end(self, *, seconds: float, text: str, failed: bool) -> None:
        """Say how the run ended after so many seconds."""
        if self._heartbeat is None:
            return
        if self._starting is not None:
            self._starting.join()
        if failed:
            self._heartbeat.failure(f"{text}\nduration: {seconds:.1f} s")
        else:
            self._heartbeat.success(seconds, text)
