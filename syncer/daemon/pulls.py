"""Carries out one pull on behalf of the daemon, and tells the log what became of it."""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from syncer.app import App, holder
from syncer.errors import Busy, Fenced, Stopped, SweepRefused, SyncerError
from syncer.pull.run import RunResult
from syncer.settings import SourceSettings
from syncer.settings.redaction import redacted
from syncer.store import leases, schedule
from syncer.store.database import Connection, connect
from syncer.store.schedule import Facts

_log = structlog.get_logger("syncer.daemon")


@dataclass(frozen=True, slots=True)
class Taken:
    """A source that was claimed for a pull: `epoch` is the lease's if the pull got it, `until` when the claim ends."""

    source: str
    epoch: int
    until: datetime


def give_back(connection: Connection, taken: Taken) -> None:
    """Give back what the pull may have left taken: its lease, if its connection died, and the claim."""
    leases.abandon(connection, taken.source, epoch=taken.epoch, holder=holder())
    schedule.give_up_claim(connection, taken.source, claimed_until=taken.until)


def carry_out(app: App, url: str, source: SourceSettings, facts: Facts, taken: Taken) -> bool:
    """Run the pull for which the source was taken, log how it ended, give the source back. Raises nothing.

    Returns whether it could be given back; a claim ends by itself soon, a lease behind a pooler in a long time.
    """
    with structlog.contextvars.bound_contextvars(source=source.name, kind=facts.kind.value):
        _log.info("pull_started")
        began = time.monotonic()
        try:
            result = app.sync(url, source, facts.kind, seen_epoch=facts.epoch)
            _tell(result, time.monotonic() - began)
        except (Busy, Fenced) as error:
            _log.info("pull_busy", reason=str(error))
        except Stopped:
            _log.info("pull_stopped")
        except SyncerError as error:
            _log.error("pull_failed", error=str(error), exit_code=error.exit_code)
        except Exception as error:  # noqa: BLE001 - whatever a pull dies of, the daemon lives on
            report_crash(app, "pull_crashed", error)
        with suppress(SyncerError), connect(url) as connection:
            give_back(connection, taken)
            return True
        return False


def _tell(result: RunResult, seconds: float) -> None:
    totals, error = result.totals, result.error
    fields = {
        "pull_id": result.pull_id,
        "outcome": result.outcome,
        "resumed": result.resumed,
        **{name: totals[name] for name in ("pages", "files", "inserted", "updated", "unchanged", "rejected", "gone")},
        "restarts": totals["restarts"],
        "api_calls": result.api_calls,
        "seconds": round(seconds, 3),
    }
    match error:
        case None:
            _log.info("pull_finished", reason=result.reason, **fields)
        case Stopped():
            _log.info("pull_stopped", **fields)
        case Busy() | Fenced():
            _log.info("pull_busy", reason=str(error), **fields)
        case SweepRefused():
            _log.warning("sweep_refused", error=str(error), exit_code=error.exit_code, **fields)
        case _:
            _log.error("pull_failed", error=str(error), exit_code=error.exit_code, **fields)


def report_crash(app: App, event: str, error: Exception) -> None:
    """Log an error that nobody expected, with its traceback, without secrets."""
    trace = "".join(traceback.format_exception(error))
    _log.error(
        event, error=redacted(f"{type(error).__name__}: {error}", app.settings), traceback=redacted(trace, app.settings)
    )
