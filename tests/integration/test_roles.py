"""deploy/roles.sql by real logins: the owner migrates, the daemon works and can change no schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from syncer.simulator import Simulator, World
from syncer.store.database import connect, rows
from syncer.store.migrate import upgrade

from .conftest import Rig
from .reporting import as_login, look_up, run_roles

CHANGES_OF_SCHEMA = (
    "CREATE TABLE syncer.mine (i integer)",
    "CREATE TABLE public.mine (i integer)",
    "CREATE SCHEMA mine",
    "CREATE TEMP TABLE mine (i integer)",
    "ALTER TABLE syncer.file ADD COLUMN mine integer",
    "CREATE INDEX ON syncer.file (name)",
    "DROP TABLE syncer.page",
    "TRUNCATE syncer.page",
    "CREATE VIEW report.mine AS SELECT 1 AS one",
    "DROP VIEW report.backups",
    "SELECT lo_create(0)",
    "CREATE ROLE somebody",
    "COPY syncer.file TO PROGRAM 'cat'",
)


@pytest.fixture
def separated(empty_database: str) -> str:
    """A database that the owner's login has migrated after the file was run."""
    run_roles(empty_database)
    upgrade(as_login(empty_database, "syncer_owner"))
    return empty_database


@contextmanager
def daemons_rig(database: str, directory: Path, **settings: str) -> Iterator[Rig]:
    simulator = Simulator(World(files=450))
    simulator.up()
    try:
        yield Rig(as_login(database, "syncer"), directory, simulator, **settings)
    finally:
        simulator.down()


def test_the_daemons_login_needs_no_more_than_rows(separated: str, tmp_path: Path) -> None:
    with daemons_rig(separated, tmp_path, notify="webhook+http://127.0.0.1:9/nobody") as rig:
        assert rig.sync("full").error is None
        world = rig.simulator.world
        world.delete(*world.ids()[:3])
        world.change(world.ids()[5], name="renamed")
        assert rig.sync("recent").error is None
        assert rig.sync("full").error is None
        look_up(rig, world.ids()[8:10])
        app = rig.app()
        with app.database() as url:
            app.alerting.evaluate(url, app.settings.sources)
            app.alerting.send(url)
        rig.assert_equals_listing()
        assert {row["state"] for row in rig.rows("SELECT state FROM report.backups")} >= {"live", "vanished"}


def test_the_daemons_login_changes_no_schema(separated: str) -> None:
    with psycopg.connect(as_login(separated, "syncer"), autocommit=True) as connection:
        for statement in CHANGES_OF_SCHEMA:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type] # a test's own SQL


def test_pulls_compress_what_they_write_where_they_may(separated: str) -> None:
    with psycopg.connect(separated, autocommit=True) as administrator:
        administrator.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET wal_compression = off', current_database()); END $$"
        )
    for login, compression in (("syncer", "pglz"), ("syncer_owner", "off")):
        with connect(as_login(separated, login), pinned=True) as connection:
            assert rows(connection, "SHOW wal_compression").scalar() == compression
            assert rows(connection, "SHOW enable_seqscan").scalar() == "off"


def test_readers_read_what_the_owner_made(separated: str) -> None:
    with psycopg.connect(as_login(separated, "syncer_reader"), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM report.backups").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM sources, backups_as_of(now())").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM syncer.file")


def test_what_a_later_migration_adds_is_granted_as_well(separated: str) -> None:
    with psycopg.connect(as_login(separated, "syncer_owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE syncer.later (i integer GENERATED ALWAYS AS IDENTITY, t text)")
        owner.execute("CREATE VIEW report.later AS SELECT t FROM syncer.later")
    with psycopg.connect(as_login(separated, "syncer"), autocommit=True) as connection:
        connection.execute("INSERT INTO syncer.later (t) VALUES ('x')")
        assert connection.execute("SELECT t FROM report.later").fetchall() == [("x",)]
    with psycopg.connect(as_login(separated, "syncer_reader"), autocommit=True) as connection:
        assert connection.execute("SELECT t FROM report.later").fetchall() == [("x",)]


def test_one_login_that_owns_everything_goes_on_as_it_was(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as administrator:
        administrator.execute("GRANT CREATE ON DATABASE " + str(make_url(empty_database).database) + " TO syncer")  # type: ignore[arg-type] # the test's own name
    upgrade(as_login(empty_database, "syncer"))
    run_roles(empty_database)
    with psycopg.connect(as_login(empty_database, "syncer"), autocommit=True) as connection:
        connection.execute("ALTER TABLE syncer.file ADD COLUMN mine integer")


def test_an_administrator_who_is_no_superuser_can_run_it(empty_database: str) -> None:
    """Managed servers give no superuser: a role that may make roles and owns the database must do."""
    name = str(make_url(empty_database).database)
    with psycopg.connect(empty_database, autocommit=True) as superuser:
        administrator = f"admin_of_{name}"
        superuser.execute(f"CREATE ROLE {administrator} LOGIN CREATEROLE")  # type: ignore[arg-type] # the test's own name
        superuser.execute(f"ALTER DATABASE {name} OWNER TO {administrator}")  # type: ignore[arg-type] # the same
        # On a server of his own the roles would be his, and so he might change them.
        for role in ("syncer_owner", "syncer", "syncer_report", "syncer_reader"):
            superuser.execute(f"GRANT {role} TO {administrator} WITH ADMIN OPTION")  # type: ignore[arg-type] # the same
        try:
            run_roles(as_login(empty_database, administrator))
            upgrade(as_login(empty_database, "syncer_owner"))
            with psycopg.connect(as_login(empty_database, "syncer_reader"), autocommit=True) as connection:
                assert connection.execute("SELECT count(*) FROM report.backups").fetchone() == (0,)
        finally:
            superuser.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")  # type: ignore[arg-type] # the same
            superuser.execute(f"DROP OWNED BY {administrator}")  # type: ignore[arg-type] # the same
            superuser.execute(f"DROP ROLE {administrator}")  # type: ignore[arg-type] # the same
