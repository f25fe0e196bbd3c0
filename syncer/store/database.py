"""Opens connections, and turns the driver's errors into sentences without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from syncer.errors import DatabaseUnavailable, Fenced, SchemaMismatch

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

Connection = sa.Connection
_Answer = TypeVar("_Answer")

# The statement that commits a page is prepared once and run for hours. A connection opened on an empty table would
# keep the plan of an empty table, ten times slower at a million rows: so its plan is pinned to index lookups.
_PINNED = (
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; "
    "SET plan_cache_mode = force_generic_plan; SET jit = off"
)
# A block that is touched first after a checkpoint goes into the WAL whole, most of what a pull with changed files
# writes: half of it when compressed. A server's own setting is off by default; roles that may set it do.
_COMPRESSED = (
    "SELECT set_config('wal_compression', 'on', false) "
    "WHERE current_setting('wal_compression') = 'off' AND has_parameter_privilege('wal_compression', 'SET')"
)
# A server that vanished without a word (a machine that lost power) is noticed within a minute, not within hours.
_NOTICE_DEAD_SERVERS = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# The server notices within this time that a client was killed in mid-statement, and frees what it held.
_NOTICE_DEAD_CLIENTS = "SET client_connection_check_interval = '1s'"
# How often a statement is run before the driver prepares it.
_PREPARE_AFTER = 5
_POOLED, _OWN_SESSION = "pooled", "own session"
_TRIES = 5
# A deadlock, a failed serialization, a row that was added meanwhile.
_IN_THE_WAY = {"40P01", "40001", "23505"}


def normalised(url: str) -> URL:
    """Return `url` with psycopg as its driver; accepts postgresql:// and postgres://."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg")


def make_engine(url: str, *, connect_timeout: int = 10, **pool: Any) -> sa.Engine:
    """Return an engine whose connections begin transactions as usual, and are closed when given back.

    They prepare no statements, for behind a transaction pooler these would meet those of other clients.
    `connect_timeout` is in seconds; `pool` is how SQLAlchemy keeps connections, if they are to be kept.
    """
    return sa.create_engine(
        normalised(url),
        **{"poolclass": NullPool, **pool},
        connect_args={
            "application_name": "syncer",
            "connect_timeout": connect_timeout,
            "prepare_threshold": None,
            "client_encoding": "utf8",  # whatever the database's is: `direct` writes texts itself
            **_NOTICE_DEAD_SERVERS,
        },
    )


@contextmanager
def connect(url: str, *, pinned: bool = False) -> Iterator[sa.Connection]:
    """Open one autocommitting connection in UTC: each statement is a transaction of its own.

    `pinned` is for the long-lived connection of a run (see `_PINNED`). Behind a pooler no setting of a session can be
    relied on, and none may be left to the next client: there every statement is planned anew. Raises
    DatabaseUnavailable, also for failures of statements run inside the block.
    """
    with explained(url):
        engine = make_engine(url)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                _set_up(connection, pinned=pinned)
                yield connection
        finally:
            engine.dispose()


@contextmanager
def another(connection: sa.Connection) -> Iterator[sa.Connection]:
    """Open one more connection to where `connection` leads, or led: for a few words that it can no longer say."""
    with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as fresh:
        yield fresh


def _set_up(connection: sa.Connection, *, pinned: bool) -> None:
    # The time zone alone is handed on by poolers, as one of the settings that the server reports of its own accord.
    backend = connection.exec_driver_sql("SELECT set_config('TimeZone', 'UTC', false), pg_backend_pid()").one()[1]
    driver: Any = connection.connection.driver_connection
    if driver.info.backend_pid != backend:
        # A pooler answers for the server, and names a session that there is none of.
        connection.info[_POOLED] = True
        return
    connection.info[_OWN_SESSION] = True
    driver.prepare_threshold = _PREPARE_AFTER
    connection.exec_driver_sql(f"{_NOTICE_DEAD_CLIENTS}; {_PINNED}; {_COMPRESSED}" if pinned else _NOTICE_DEAD_CLIENTS)


def is_pooled(connection: sa.Connection) -> bool:
    """Return whether a pooler stands between: then the server's session is not this process's own."""
    return bool(connection.info.get(_POOLED))


def has_own_session(connection: sa.Connection) -> bool:
    """Return whether the server's session is known to be this connection's alone: what is left in it is found again."""
    return bool(connection.info.get(_OWN_SESSION))


# For a statement over whole tables, which may never have been analysed: it must hash, whatever the planner believes of
# their sizes. Nested loops over a million rows on both sides would take days.
_BULK = (
    "SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on; SET LOCAL enable_nestloop = off; "
    "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB'"
)


@contextmanager
def bulk_transaction(connection: sa.Connection, *, idle_seconds: float) -> Iterator[None]:
    """Run the block as one transaction whose statements are planned for whole tables.

    The server ends it when this process stalls for `idle_seconds` in the middle of it, for its locks keep others out.
    """
    connection.exec_driver_sql("BEGIN")
    try:
        milliseconds = max(1, round(idle_seconds * 1000))
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}; {_BULK}")
        yield
    except BaseException:
        if not connection.closed and not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


@contextmanager
def snapshot(connection: sa.Connection) -> Iterator[None]:
    """Run the block as one read-only transaction in which every statement sees the database as of one instant."""
    connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")


def rows(connection: sa.Connection, sql: str, **parameters: Any) -> sa.CursorResult[Any]:
    """Run one statement with named parameters (`%(name)s`) as the driver takes them."""
    return connection.exec_driver_sql(sql, parameters)


def patiently(
    ask: Callable[..., _Answer], connection: sa.Connection, sql: str, *, first: str | None = None, **parameters: Any
) -> _Answer:
    """Let `rows` or `direct.row` run a statement again when another, of the same files or totals, was in its way.

    `first` is a cheaper statement, tried once: if a row that is stored stops it, `sql` is run.
    """
    for trial in range(_TRIES - 1):
        try:
            return ask(connection, first or sql if trial == 0 else sql, **parameters)
        except exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
                raise
    return ask(connection, sql, **parameters)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn the driver's errors into DatabaseUnavailable or SchemaMismatch with a sentence; never shows a password."""
    try:
        yield
    except exc.DBAPIError as error:
        raise explain(error, url) from None
    except exc.PendingRollbackError:
        # What SQLAlchemy says of a connection that was lost before, and told of then, to whoever uses it next.
        raise DatabaseUnavailable(_trouble("", "the connection was lost before this", normalised(url))) from None
    except exc.ArgumentError:
        raise DatabaseUnavailable("SYNCER_DATABASE_URL is not a database address (postgresql://...).") from None


def explain(error: exc.DBAPIError, url: str) -> Exception:
    """Return the error of ours that says what the driver's error means, or the driver's own when it is our mistake."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    lines = (" ".join(line.split()) for line in str(error.orig).splitlines())
    detail = "; ".join(line for line in lines if line).rstrip(".?")
    parsed = normalised(url)
    if parsed.password:
        detail = detail.replace(str(parsed.password), "***")
    if sqlstate in {"42P01", "42703", "3F000", "42883"}:
        return SchemaMismatch(f"The database's schema is not what this version expects ({detail}). Run: syncer migrate")
    if sqlstate == "25P03":
        return Fenced("This process stalled, and others may have taken its source over; nothing more was written.")
    if sqlstate == "42501":
        return DatabaseUnavailable(
            f"The database user may not do this ({detail}). Grant it the rights that deploy/roles.sql lists."
        )
    if isinstance(error, exc.OperationalError | exc.InterfaceError | exc.InternalError):
        return DatabaseUnavailable(_trouble(sqlstate, detail, parsed))
    return error


def _trouble(sqlstate: str, detail: str, url: URL) -> str:
    """Return what is wrong with the server at `url` and what to do; in all these cases nothing was lost."""
    home = _embedded_home(url)
    address = f"database at {url.set(drivername='postgresql').render_as_string(hide_password=True)}"
    if sqlstate == "53100" or "No space left on device" in detail:
        room = f"where the {address} lives" if home is None else f"in {home}"
        return f"The disk is full: make room {room} ({detail}). Nothing was lost; the next run resumes."
    where = f"The {address}" if home is None else f"The embedded PostgreSQL in {home}"
    if sqlstate == "25006":
        return (
            f"{where} is read-only, perhaps a standby after a failover. Point SYNCER_DATABASE_URL "
            "at the primary; nothing was lost, the next run resumes."
        )
    return (
        f"{where} failed: {detail}. Check that it runs and takes connections; the checkpoint "
        "stands and the next run resumes."
    )


def _embedded_home(url: URL) -> Path | None:
    """Return the directory of the embedded server, whose socket is in its `postgres/run`; None for another one's URL.

    A home too long for a socket's path is not known from its URL.
    """
    host = url.query.get("host")
    sockets = Path(host) if isinstance(host, str) else Path()
    return sockets.parent if sockets.is_absolute() and sockets.parts[-2:] == ("postgres", "run") else None
