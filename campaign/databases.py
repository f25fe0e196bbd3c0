"""Databases for the campaign: migrated, owned by an ordinary user, with a witness and a clock that can be set."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from campaign.look import install_witness

USER = "syncer_campaign"
PASSWORD = "invented"
_count = itertools.count(1)

# The clock of the whole database, moved by the session's own setting.
_CLOCK = """
CREATE OR REPLACE FUNCTION syncer.instant() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN now() + coalesce(nullif(current_setting('campaign.shift', true), '')::interval, '0')
"""


@dataclass(frozen=True)
class Database:
    """A migrated database: `admin` is a superuser's URL, `url` the ordinary owner's."""

    admin: str
    url: str
    name: str

    def at(self, shift: float, *, admin: bool = False) -> str:
        """Return the URL of sessions whose clock is `shift` seconds ahead."""
        url = self.admin if admin else self.url
        options = f"-c campaign.shift={shift:.0f}s" + (" -c default_transaction_read_only=off" if admin else "")
        return f"{url}{'&' if '?' in url else '?'}options={quote(options)}"

    def connect(self, shift: float = 0.0) -> psycopg.Connection[Any]:
        """Open an autocommitting session of the superuser, in UTC."""
        connection = psycopg.connect(self.at(shift, admin=True), autocommit=True)
        connection.execute("SET TIME ZONE 'UTC'")
        return connection

    def clear(self) -> None:
        """Delete every row; sessions in the middle of something are ended."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname IN ('syncer', 'campaign') AND tablename <> 'alembic_version'"
            ).fetchall()
            every = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(every))


@contextmanager
def new_database(server: str, *, migrated: bool = True, tablespace: str | None = None) -> Iterator[Database]:
    """Make a database on the server whose superuser's URL is `server`; drop it after the block.

    `migrated` ones have a witness and a clock. `tablespace` is where its tables live.
    """
    from syncer.store.migrate import upgrade

    name = f"test_{os.getpid()}_campaign_{next(_count)}"
    admin = make_url(server).set(database=name).render_as_string(hide_password=False)
    url = make_url(admin).set(username=USER, password=PASSWORD).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(7034001)")
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [USER]).fetchall():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(USER), sql.Literal(PASSWORD))
            )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(USER)))
        if tablespace is not None:
            where = sql.Identifier(tablespace)
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET default_tablespace = {}").format(sql.Identifier(name), where)
            )
            connection.execute(sql.SQL("GRANT CREATE ON TABLESPACE {} TO {}").format(where, sql.Identifier(USER)))
        connection.execute("SELECT pg_advisory_unlock(7034001)")
    try:
        if migrated:
            upgrade(url)
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(_CLOCK)
                install_witness(connection)
        yield Database(admin, url, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
