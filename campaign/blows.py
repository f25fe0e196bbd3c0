"""What befalls a run in the middle: a kill, a stop, a database that fails, a rival that takes its source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import sql

from campaign.databases import Database
from campaign.statements import before_statement, killed_before_statement

_CANCEL_SECONDS = 0.5


class Trouble(StrEnum):
    """How a database fails."""

    TERMINATED = "terminated"
    CANCELLED = "cancelled"
    READ_ONLY = "read-only"
    FULL = "full"
    CROWDED = "crowded"


@dataclass(frozen=True)
class Kill:
    """The process dies before its statement `number`."""

    number: int


@dataclass(frozen=True)
class Stop:
    """A signal asks for a stop once `commits` commits were reported."""

    commits: int


@dataclass(frozen=True)
class Fail:
    """The database fails before statement `number`, and is mended after the run."""

    trouble: Trouble
    number: int


@dataclass(frozen=True)
class Stall:
    """The process is held up before statement `number` while another one pulls; `expired`: past its lease."""

    number: int
    kind: str
    expired: bool


Blow = Kill | Stop | Fail | Stall | None


@contextmanager
def struck(blow: Blow, database: Database, rival: Callable[[str], object]) -> Iterator[None]:
    """Let `blow` fall on the block's run; `rival` begins a pull of a kind in another process's place."""
    match blow:
        case Kill(number):
            with killed_before_statement(number):
                yield
        case Fail(trouble, number):
            with mended(database), before_statement(number, lambda: fail(database, trouble)):
                yield
        case Stall(number, kind, expired):
            with before_statement(number, lambda: _overtake(database, kind, rival, expired=expired)):
                yield
        case _:
            yield


def fail(database: Database, trouble: Trouble) -> None:
    """Let the database fail; what lasts is mended by `mended`."""
    if trouble is Trouble.CANCELLED:
        locked = threading.Event()
        threading.Thread(target=_cancel_who_waits, args=(database, locked), daemon=True).start()
        locked.wait(5)
        return
    name = sql.Identifier(database.name)
    with database.connect() as connection:
        if trouble is Trouble.FULL:
            connection.execute("INSERT INTO campaign.disk VALUES (true)")
            return
        if trouble is Trouble.READ_ONLY:
            connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        if trouble is Trouble.CROWDED:
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'syncer'"
        )


@contextmanager
def mended(database: Database) -> Iterator[None]:
    """Mend the database after the block."""
    try:
        yield
    finally:
        name = sql.Identifier(database.name)
        with database.connect() as connection:
            connection.execute("DELETE FROM campaign.disk")
            connection.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))


def _cancel_who_waits(database: Database, locked: threading.Event) -> None:
    """Lock what most statements write, and cancel the first statement that waits for it."""
    with suppress(psycopg.Error), database.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE syncer.pull, syncer.page, syncer.outbox IN ACCESS EXCLUSIVE MODE")
        locked.set()
        ends = time.monotonic() + _CANCEL_SECONDS
        while time.monotonic() < ends:
            found = connection.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'syncer' AND wait_event_type = 'Lock'"
            ).fetchall()
            if found:
                return
            time.sleep(0.01)
    locked.set()


def _overtake(database: Database, kind: str, rival: Callable[[str], object], *, expired: bool) -> None:
    if expired:
        # A stalled transaction keeps the lease's row locked: then only the server could end the claim.
        with suppress(psycopg.errors.LockNotAvailable), database.connect() as connection:
            connection.execute("SET lock_timeout = '200ms'")
            connection.execute("UPDATE syncer.lease SET held_until = clock_timestamp() - interval '1 s'")
    rival(kind)
