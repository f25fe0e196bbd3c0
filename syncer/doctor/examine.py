"""Runs every check as far as it can: what is broken must not hide the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime

from syncer.app import App
from syncer.doctor import api, database, notifications
from syncer.doctor.check import Check, ok, warning
from syncer.settings import SourceSettings
from syncer.store.status import SourceStatus, read

# VodBackupGet: 100 calls a minute.
_QUOTA = 100


def examine(app: App, sources: Sequence[SourceSettings], *, clock: Callable[[], datetime]) -> Iterator[Check]:
    """Yield each check as it is made; two API calls for each of `sources` at most. Raises Stopped alone."""
    names = ", ".join(source.name for source in app.settings.sources)
    yield ok("settings", f"understood; sources: {names}")
    with ExitStack() as stack:
        opened = yield from database.examine(app, stack, clock)
        known: dict[str, SourceStatus] = {}
        if opened is not None:
            with opened.explained():
                known = {status.source: status for status in read(opened.connection).sources}
        for source in sources:
            yield from api.examine(app, source, opened, clock)
            yield from _quota(source, known.get(source.name))
            if opened is not None:
                yield _lease(source, known.get(source.name))
            yield notifications.examine(app, source, opened)


def _quota(source: SourceSettings, status: SourceStatus | None) -> Iterator[Check]:
    name, limit = "quota", source.calls_per_minute
    quota = None if status is None else status.quota
    used = "no call counted yet" if quota is None else f"{quota.calls:,} calls so far, {quota.refused:,} refused (4400)"
    found = f"{limit} calls a minute, {used}" if limit else "the limiter is off"
    if source.api_url.startswith("https:") and not 0 < limit <= _QUOTA:
        advice = f"The API allows {_QUOTA} calls a minute: set SYNCER_CALLS_PER_MINUTE to {_QUOTA} or less."
        yield warning(name, found, advice, source=source.name)
    else:
        yield ok(name, found, source=source.name)


def _lease(source: SourceSettings, status: SourceStatus | None) -> Check:
    lease = None if status is None else status.lease
    if lease is None:
        found = "free: nobody is pulling this source"
    elif lease.alive:
        found = f"held by {lease.holder}, which is pulling this source now"
    else:
        found = f"free: {lease.holder} held it, but is gone or stalled"
    return ok("lease", found, source=source.name)
