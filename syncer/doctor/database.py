"""Checks of the database: reachable, new enough, writable, encoding, schema, our rights, clock, disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime

from syncer import words
from syncer.app import App
from syncer.doctor.check import Check, failed, ok, warning
from syncer.errors import DatabaseUnavailable, SyncerError
from syncer.store import health, migrate
from syncer.store.database import Connection, connect, explained

# A million files with their history take about this much.
_ROOM_WANTED = 1_000_000_000
_ROOM_NEEDED = 100_000_000
# Leases and quotas go by the database's clock alone; a difference only makes times hard to compare.
_CLOCKS_MAY_DIFFER = 5.0
_RIGHTS_SHOWN = 5
# Connections of one daemon: a pull has one, and so have what looks for due ones, alerts, page and metrics.
_PULLS_AT_ONCE, _BESIDE_PULLS = 8, 4


@dataclass(frozen=True, slots=True)
class Opened:
    """A database with the schema that this version needs."""

    url: str
    connection: Connection

    def explained(self) -> AbstractContextManager[None]:
        """Turn the driver's errors in the block into sentences."""
        return explained(self.url)


def examine(app: App, stack: ExitStack, clock: Callable[[], datetime]) -> Generator[Check, None, Opened | None]:
    """Yield the database's checks; return the database, open as long as `stack`, if syncer can work with it."""
    embedded = app.settings.database_url is None
    if embedded:
        yield _disk(app)
    try:
        url = stack.enter_context(app.server())
        connection = stack.enter_context(connect(url))
        with explained(url):
            before = clock().timestamp()
            facts = health.server_facts(connection)
            after = clock().timestamp()
    except SyncerError as error:
        yield failed("database", error)
        return None
    where = "the embedded PostgreSQL" if embedded else f"database {facts.database}, as user {facts.user}, on PostgreSQL"
    if facts.version_number < health.OLDEST_VERSION:
        yield failed(
            "database", DatabaseUnavailable, f"{where} {facts.version}", "syncer needs PostgreSQL 15 or newer."
        )
        return None
    if not facts.writable:
        advice = "It may be a standby: point SYNCER_DATABASE_URL at the primary."
        yield failed("database", DatabaseUnavailable, f"{where} {facts.version}, which is read-only", advice)
        return None
    if facts.encoding != "UTF8":
        found = f"{where} {facts.version}, but its encoding is {facts.encoding}: names of files would not fit in"
        advice = "Make a database for syncer with: CREATE DATABASE syncer TEMPLATE template0 ENCODING 'UTF8'"
        yield failed("database", DatabaseUnavailable, found, advice)
        return None
    yield ok("database", f"{where} {facts.version}, UTF8")
    yield _connections(facts.connections, facts.most_connections, len(app.settings.sources))
    yield _clock(facts.clock - (before + after) / 2)
    opened = Opened(url, connection)
    return opened if (yield from _schema(opened, embedded=embedded)) else None


def _disk(app: App) -> Check:
    """Check the room under the data directory, or where it will be made."""
    directory = app.settings.data_dir.absolute()
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    found = f"{words.size(free)} free in {directory}"
    advice = "Make room there, or set SYNCER_DATA_DIR to another directory; a million files take about 1 GB."
    if free < _ROOM_NEEDED:
        return failed("disk", DatabaseUnavailable, found, advice)
    return warning("disk", found, advice) if free < _ROOM_WANTED else ok("disk", found)


def _connections(used: int, most: int, sources: int) -> Check:
    found = f"{used} of {most} connections are in use"
    if most - used > min(sources, _PULLS_AT_ONCE) + _BESIDE_PULLS:
        return ok("connections", found)
    advice = "Raise max_connections, or put a pooler in between: a pull takes one, the page and alerts a few more."
    return warning("connections", found, advice)


def _clock(ahead: float) -> Check:
    if abs(ahead) <= _CLOCKS_MAY_DIFFER:
        return ok("database clock", "agrees with this machine's")
    found = f"{words.span(ahead)} {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return warning("database clock", found, "Set both clocks by a time server.")


def _schema(opened: Opened, *, embedded: bool) -> Generator[Check, None, bool]:
    """Check schema and rights; return whether both are in order."""
    try:
        if embedded:
            migrate.upgrade(opened.url)
        with opened.explained():
            migrate.require_head(opened.connection)
            lacking = health.lacking_rights(opened.connection)
    except SyncerError as error:
        yield failed("schema", error)
        return False
    yield ok("schema", f"current ({migrate.HEAD})")
    yield from _rights(lacking)
    return not lacking


def _rights(lacking: list[str]) -> Iterator[Check]:
    if not lacking:
        yield ok("rights", "this database user may read and write syncer's tables")
        return
    more = f" and {len(lacking) - _RIGHTS_SHOWN} more" if len(lacking) > _RIGHTS_SHOWN else ""
    found = f"this database user lacks {', '.join(lacking[:_RIGHTS_SHOWN])}{more}"
    yield failed("rights", DatabaseUnavailable, found, "Grant it the rights that deploy/roles.sql lists.")
