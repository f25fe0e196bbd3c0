"""Fixtures that give tests a real PostgreSQL: one server for all workers, databases of their own.

`SYNCER_TEST_DATABASE_URL` names a server to use instead, by a superuser's URL; `SYNCER_PG_BIN` other binaries.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy import make_url

from syncer.postgres.binaries import find_binaries, read_environment
from syncer.postgres.process import is_running, postmaster_pid
from syncer.postgres.server import EmbeddedPostgres

# No database of examples: a checkout may be read-only. No deadline: these machines are shared.
hypothesis.settings.register_profile("repository", database=None, deadline=None)
hypothesis.settings.load_profile("repository")

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
}
MIGRATION_LOCK = 7_034_001
_count = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks a database: that is what another version of the server must be tried with."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def _logging_as_at_the_start() -> Iterator[None]:
    """Forget what a command that ran in this process made of the logs: its level would hide them from later tests."""
    structlog.reset_defaults()
    hooks, root = (sys.excepthook, threading.excepthook), logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    sys.excepthook, threading.excepthook = hooks
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server's maintenance database, as a superuser."""
    if given := os.environ.get("SYNCER_TEST_DATABASE_URL"):
        yield given
        return
    with EmbeddedPostgres(_server_directory(), server_settings=SETTINGS) as server:
        _drop_databases_of_the_dead(server.url)
        yield server.url


@pytest.fixture
def empty_database(postgres_url: str, worker_name: str) -> Iterator[str]:
    """The URL of a new, empty database, dropped after the test."""
    yield from _new_database(postgres_url, worker_name)


@pytest.fixture(scope="session")
def migrated_database(postgres_url: str, worker_name: str) -> Iterator[str]:
    """The URL of this worker's migrated database, with whatever rows the last test left; use `database` instead."""
    from syncer.store.migrate import upgrade

    for url in _new_database(postgres_url, worker_name):
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            # roles belong to the whole server: workers must not make them at the same time
            connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            upgrade(url)
        yield url


@pytest.fixture
def database(migrated_database: str) -> Iterator[str]:
    """The URL of a migrated database without rows; what the test writes is deleted after it."""
    yield migrated_database
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        _end_unfinished_work(connection)
        _delete_rows(connection)


@pytest.fixture
def server_home() -> Iterator[Path]:
    """A new directory for a server of the test's own, within reach of the user that root starts it as."""
    parent = Path(tempfile.mkdtemp(prefix="syncer-test-", dir=_place()))
    parent.chmod(0o755)
    yield parent / "postgres"
    for data in parent.glob("**/data-*"):
        while (pid := postmaster_pid(data)) is not None:
            os.kill(pid, signal.SIGQUIT)  # which gives its shared memory back
            time.sleep(0.05)
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def worker_name() -> str:
    """The name of this process among the test run's workers."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def _place() -> Path:
    """Return a directory for servers: in memory if there is room, and open to the user that root starts them as."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    return memory if roomy else Path(tempfile.gettempdir())


def _server_directory() -> Path:
    """One per user, checkout and major version, kept from run to run: a killed run is found and mended by the next."""
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve().parent)).hexdigest()[:8]
    major = find_binaries(read_environment(os.environ)).major
    return _place() / f"syncer-tests-{os.geteuid()}-{checkout}-{major}"


def _new_database(server_url: str, worker: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{worker}_{next(_count)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY wal_log").format(sql.Identifier(name)))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    """Drop the database, whoever may still be connected to it."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_databases_of_the_dead(server_url: str) -> None:
    """Drop what killed test processes left; a database's name begins with the number of its process."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        names = connection.execute(r"SELECT datname FROM pg_database WHERE datname LIKE 'test\_%'").fetchall()
        for (name,) in names:
            if not is_running(int(name.split("_")[1])):
                _drop(connection, name)


def _end_unfinished_work(connection: psycopg.Connection) -> None:
    """End the sessions in the middle of something: a test's killed or abandoned process holds locks."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    )


def _delete_rows(connection: psycopg.Connection) -> None:
    """Delete the rows of every table but Alembic's; cheaper by far than TRUNCATE while the tables are small."""
    tables = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relname <> 'alembic_version'"
        r" AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'"
    ).fetchall()
    deletions = [sql.SQL("DELETE FROM {}").format(sql.Identifier(*table)) for table in tables]
    with connection.transaction():
        # no trigger and no foreign key has a say in this: the order of the tables is free
        connection.execute("SET LOCAL session_replication_role = replica")
        if deletions:
            connection.execute(sql.SQL("; ").join(deletions))
