"""The reader role may read schema report, nothing else, also what is added later; tried with a real login."""

from __future__ import annotations

import psycopg
import pytest

from .reporting import make_roles, reader

READABLE = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'report'::regnamespace AND c.relkind IN ('v', 'r', 'm')
"""
ELSEWHERE = """
SELECT c.oid::regclass::text AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'S', 'p')
  AND n.nspname NOT IN ('report', 'pg_catalog', 'information_schema', 'pg_toast')
"""


def test_reads_every_view_and_function(database: str) -> None:
    with reader(database) as connection:
        views = [row["relname"] for row in connection.execute(READABLE)]
        assert {"backups", "expiring", "sources", "proof"} <= set(views)
        for view in views:
            connection.execute(f"SELECT * FROM report.{view}")
        connection.execute("SELECT * FROM backups_as_of(now() - interval '1 day')")
        connection.execute("SELECT * FROM pull_proof(1)")
        connection.execute("SELECT name_prefix('a_b')")


def test_reads_a_view_that_its_owner_adds_later(database: str) -> None:
    with reader(database) as connection, psycopg.connect(database, autocommit=True) as owner:
        owner.execute("CREATE VIEW report.added_later AS SELECT 1 AS one")
        owner.execute("CREATE FUNCTION report.added_later() RETURNS integer LANGUAGE sql RETURN 2")
        try:
            assert connection.execute("SELECT one, report.added_later() FROM report.added_later").fetchall() == [
                {"one": 1, "added_later": 2}
            ]
        finally:
            owner.execute("DROP VIEW report.added_later")
            owner.execute("DROP FUNCTION report.added_later()")


def test_reads_nothing_else(database: str) -> None:
    with reader(database) as connection:
        names = [row["name"] for row in connection.execute(ELSEWHERE)]
        assert {"syncer.file", "syncer.tiers", "syncer.lease"} <= set(names)
        for name in names:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {name}")


def test_writes_nothing(database: str) -> None:
    with reader(database) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMP TABLE t (i integer)")
        connection.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM report.backups",
            "DELETE FROM report.rejected",
            "CREATE TABLE report.t (i integer)",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE t (i integer)",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
                connection.execute(statement)


def test_its_queries_and_sessions_end(database: str) -> None:
    with reader(database) as connection:
        found = {
            name: connection.execute("SELECT current_setting(%s) AS value", [name]).fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
        }
        assert [row and row["value"] for row in found.values()] == ["30s", "1min", "1h"]


def test_the_file_may_be_run_again(database: str) -> None:
    with reader(database) as connection, psycopg.connect(database, autocommit=True) as owner:
        make_roles(owner, connection.info.user)
