"""Runs every check as far as it can: what is broken must not hide the rest."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial

from syncer.app import App
from syncer.doctor import api, database, notifications, operation
from syncer.doctor.check import Check, failed, guarded, ok
from syncer.doctor.database import Opened
from syncer.errors import SyncerError
from syncer.settings import SourceSettings
from syncer.store.status import SourceStatus, read


def examine(
    app: App, sources: Sequence[SourceSettings], *, clock: Callable[[], datetime], notify: bool = False
) -> Iterator[Check]:
    """Yield each check as it is made; two API calls for each of `sources` at most. Raises Stopped alone.

    With `notify` a test message is sent to every recipient.
    """
    names = ", ".join(source.name for source in app.settings.sources)
    yield ok("settings", f"understood; sources: {names}")
    yield operation.web(app.settings)
    with ExitStack() as stack:
        opened = yield from database.examine(app, stack, clock)
        known: Mapping[str, SourceStatus] | None = None
        if opened is not None:
            known = yield from _known(opened)
            yield from guarded("daemons", lambda: [operation.daemons(opened, clock())])
        for source in sources:
            # What raises here is a proxy of no use, or the database, which is asked for a slot before each call.
            yield from guarded("API calls", partial(api.examine, app, source, opened, clock), source=source.name)
            yield from _operation(app, source, known, opened, clock(), notify=notify)


def _known(opened: Opened) -> Generator[Check, None, Mapping[str, SourceStatus] | None]:
    """Return what is known of each source by its name; yield the failure and return None if that cannot be read."""
    try:
        with opened.explained():
            return {status.source: status for status in read(opened.connection).sources}
    except SyncerError as error:
        yield failed("status", error)
        return None


def _operation(
    app: App,
    source: SourceSettings,
    known: Mapping[str, SourceStatus] | None,
    opened: Opened | None,
    now: datetime,
    *,
    notify: bool,
) -> Iterator[Check]:
    name = source.name
    status = None if known is None else known.get(name)
    yield from guarded("quota", lambda: [operation.quota(app, source, status, opened)], source=name)
    told = partial(notifications.examine, app, source, opened, now, send=notify)
    if opened is None:
        yield from told()
        return
    if known is not None:
        yield operation.lease(source, status)
    yield from guarded("notifications", told, source=name)
    yield from guarded("alerts", lambda: [operation.alerts(opened, source)], source=name)
