"""Short looks at the database for people at a page: few connections, each look read-only and bounded in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

from syncer.errors import DatabaseUnavailable
from syncer.store.database import connect, explained, make_engine, snapshot

# One connection stays open; the others are opened when several people look at once, and closed again.
_KEPT = 1
# How long to wait for a free connection, and for the server to take a new one.
_PATIENCE_SECONDS = 3
# A look at whole tables in the middle of a pull; and what a statement of a person may take.
_SET = "SET LOCAL TIME ZONE 'UTC'; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan"


class TookTooLong(DatabaseUnavailable):
    """The database answers, but not to this question within the time that a page may take."""


@dataclass(slots=True)
class Looks:
    """The looks of one process at the database at `url`, at most `at_once` of them at a time."""

    url: str
    at_once: int = 4
    _engine: sa.Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._engine = make_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=_KEPT,
            max_overflow=self.at_once - _KEPT,
            pool_timeout=_PATIENCE_SECONDS,
            pool_pre_ping=True,
            connect_timeout=_PATIENCE_SECONDS,
        )

    @contextmanager
    def looking(self, seconds: float = 5.0) -> Iterator[sa.Connection]:
        """Yield a connection whose statements see the database as of one instant and write nothing.

        Each may take `seconds`; then TookTooLong is raised. Raises DatabaseUnavailable and SchemaMismatch too.
        """
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                milliseconds = round(seconds * 1000)
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}; {_SET}")
                yield connection
            finally:
                if not connection.closed and not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def streaming(self, seconds: float) -> Iterator[sa.Connection]:
        """Yield a connection of its own for one long reading, as of one instant. Raises as `looking`."""
        with connect(self.url) as connection, snapshot(connection):
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
            yield connection

    @contextmanager
    def acting(self, seconds: float = 5.0) -> Iterator[sa.Connection]:
        """Yield a connection for one short deed: what the block writes is committed when it ends well.

        Raises as `looking`; a row that somebody else holds for longer than `seconds` counts as too long.
        """
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
                yield connection
            except BaseException:
                if not connection.closed and not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with explained(self.url), self._engine.connect() as connection:
                try:
                    yield connection.execution_options(isolation_level="AUTOCOMMIT")
                except exc.DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) == "57014":
                        raise TookTooLong("The database did not answer in time; it may be busy.") from None
                    raise
        except exc.TimeoutError:
            raise TookTooLong("Too many people look at once; try again in a moment.") from None
