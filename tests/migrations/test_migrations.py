"""The migrations add up to the models, go down and up again on data, and come with the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import make_url

from syncer.errors import DatabaseUnavailable, SchemaMismatch
from syncer.store import tables
from syncer.store.database import connect, make_engine
from syncer.store.migrate import HEAD, current_revision, downgrade, migrations_directory, require_head, upgrade

ROOT = Path(__file__).resolve().parents[2]


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()))
    config.set_main_option("path_separator", "os")
    directory = ScriptDirectory.from_config(config)
    assert len(directory.get_heads()) == 1
    return [script.revision for script in directory.walk_revisions()][::-1]


def query(url: str, text: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(text, parameters or None).fetchall()  # type: ignore[arg-type] # a test's own SQL


def shape(url: str) -> list[Any]:
    """Return all that the schemas hold: columns, indexes, constraints, views, functions."""
    return query(
        url,
        """
        SELECT 'column', c.table_schema || '.' || c.table_name || '.' || c.column_name,
               c.data_type || coalesce(c.column_default, '') || c.is_nullable
        FROM information_schema.columns c WHERE c.table_schema IN ('syncer', 'report')
        UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'syncer'
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
                  WHERE connamespace = to_regnamespace('syncer')
        UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = 'report'
        UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
                  WHERE pronamespace IN (to_regnamespace('syncer'), to_regnamespace('report'))
        ORDER BY 1, 2, 3
        """,
    )


def test_there_is_one_head_and_the_code_knows_it() -> None:
    assert revisions()[-1] == HEAD


def test_up_from_empty_and_again(empty_database: str) -> None:
    assert upgrade(empty_database) is None
    assert upgrade(empty_database) == HEAD
    with connect(empty_database) as connection:
        assert current_revision(connection) == HEAD
        require_head(connection)


def test_the_models_equal_what_the_migrations_make(empty_database: str) -> None:
    upgrade(empty_database)
    engine = make_engine(empty_database)

    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return name == tables.SCHEMA if kind == "schema" else name != "alembic_version"

    try:
        with engine.connect() as connection:
            options = {"include_schemas": True, "include_name": ours, "compare_server_default": True}
            context = MigrationContext.configure(connection, opts={**options, "version_table_schema": tables.SCHEMA})
            assert compare_metadata(context, tables.metadata) == []
    finally:
        engine.dispose()


def put_rows_in(url: str) -> None:
    """Store a row in every table that is there."""
    query(
        url,
        """
        WITH a AS (INSERT INTO syncer.source (source, account) VALUES ('s', 'a')),
             c AS (INSERT INTO syncer.file (source, file_id, first_seen_at, changed_at, first_run)
                   VALUES ('s', '1', now(), now(), 1)),
             d AS (INSERT INTO syncer.quota (account, next_at) VALUES ('a', now()))
        SELECT 1
        """,
    )
    query(
        url,
        """
        WITH p AS (INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run,
                                            started_at)
                   VALUES ('s', 'full', 'l', '', 100, false, 1, now()) RETURNING pull_id),
             l AS (INSERT INTO syncer.lease (source) VALUES ('s'))
        SELECT pull_id FROM p
        """,
    )
    query(
        url,
        """
        WITH g AS (INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, entries,
                                            rejected, inserted, updated, file_ids)
                   SELECT 's', pull_id, 1, 'listing', 1, 1, now(), 1, 0, 1, 0, '{1}' FROM syncer.pull)
        SELECT 1
        """,
    )


def test_each_step_goes_down_and_up_again_on_data(empty_database: str) -> None:
    upgrade(empty_database)
    put_rows_in(empty_database)
    steps = revisions()
    shapes = {steps[-1]: shape(empty_database)}
    for lower in reversed(steps[:-1]):
        downgrade(empty_database, lower)
        shapes[lower] = shape(empty_database)
        assert query(empty_database, "SELECT count(*) FROM syncer.file") == [(1,)]
    for upper in steps[1:]:
        upgrade(empty_database, upper)
        assert shape(empty_database) == shapes[upper], f"up to {upper} again"
        assert query(empty_database, "SELECT count(*) FROM syncer.file") == [(1,)]
    downgrade(empty_database, steps[0])
    assert shape(empty_database) == shapes[steps[0]]
    downgrade(empty_database, "base")
    assert query(empty_database, "SELECT to_regclass('syncer.file'), to_regnamespace('report')") == [(None, None)]
    upgrade(empty_database)
    assert shape(empty_database) == shapes[HEAD]


def test_totals_begin_with_the_files_that_are_there(empty_database: str) -> None:
    upgrade(empty_database, "0022")
    put_rows_in(empty_database)
    query(
        empty_database,
        """
        INSERT INTO syncer.file (source, file_id, size_bytes, file_type, created_at, expires_at, first_seen_at,
                                 changed_at, gone_at, first_run)
        VALUES ('s', '2', 5, 'mp4', '2026-03-01 15:59:59+00', '2026-04-01 16:00:00+00', now(), now(), NULL, 1),
               ('s', '3', 7, 'mp4', '2026-03-01 00:00:00+00', '2026-04-02 00:00:00+00', now(), now(), NULL, 1),
               ('s', '4', 9, 'mp4', NULL, '2026-04-02 00:00:00+00', now(), now(), '2026-04-02 00:00:00+00', 1)
        RETURNING 1
        """,
    )
    totals = "SELECT kind, day::text, word, files, bytes::int FROM syncer.stock WHERE files > 0 ORDER BY 1, 2, 3"
    expected = [
        ("creation", "2026-03-01", "mp4", 2, 12), ("creation", "infinity", "", 1, 0),
        ("expiry", "2026-04-02", "", 2, 12), ("expiry", "infinity", "", 1, 0), ("gone", "infinity", "expired", 1, 9),
    ]  # fmt: skip
    upgrade(empty_database)
    assert query(empty_database, totals) == expected
    downgrade(empty_database, "0022")
    query(empty_database, "UPDATE syncer.file SET gone_at = NULL WHERE file_id = '4' RETURNING 1")
    upgrade(empty_database)
    assert query(empty_database, totals) == [
        *expected[:1], ("creation", "infinity", "", 1, 0), ("creation", "infinity", "mp4", 1, 9),
        ("expiry", "2026-04-02", "", 3, 21), ("expiry", "infinity", "", 1, 0),
    ]  # fmt: skip


def test_every_object_and_column_has_a_comment(empty_database: str) -> None:
    upgrade(empty_database)
    silent = query(
        empty_database,
        """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('syncer', 'report') AND c.relkind IN ('r', 'v', 'm', 'p')
          AND c.relname <> 'alembic_version' AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT n.nspname || '.' || c.relname || '.' || a.attname
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('syncer', 'report') AND c.relkind IN ('r', 'v', 'm', 'p') AND a.attnum > 0
          AND NOT a.attisdropped AND c.relname <> 'alembic_version' AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('syncer', 'report') AND obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT nspname FROM pg_namespace
        WHERE nspname IN ('syncer', 'report') AND obj_description(oid, 'pg_namespace') IS NULL
        """,
    )
    assert silent == []


@pytest.mark.one_server
def test_four_processes_at_once_migrate_once(empty_database: str) -> None:
    program = "import sys; from syncer.store.migrate import upgrade; print(upgrade(sys.argv[1]))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_database], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ends = [(*process.communicate(timeout=90), process.returncode) for process in running]
    assert [code for _, _, code in ends] == [0] * 4, [err for _, err, _ in ends]
    with connect(empty_database) as connection:
        require_head(connection)


def test_no_old_and_newer_schemas_are_refused_with_what_to_do(empty_database: str) -> None:
    with connect(empty_database) as connection, pytest.raises(SchemaMismatch, match=r"has no syncer schema.*migrate"):
        require_head(connection)
    upgrade(empty_database, "0001")
    with connect(empty_database) as connection, pytest.raises(SchemaMismatch, match=r"revision 0001.*syncer migrate"):
        require_head(connection)
    upgrade(empty_database)
    query(empty_database, "UPDATE syncer.alembic_version SET version_num = '9999' RETURNING 1")
    with connect(empty_database) as connection, pytest.raises(SchemaMismatch, match=r"9999, which is newer.*Upgrade"):
        require_head(connection)


def test_a_database_with_a_newer_schema_is_not_migrated(empty_database: str) -> None:
    upgrade(empty_database)
    query(empty_database, "UPDATE syncer.alembic_version SET version_num = '9999' RETURNING 1")
    with pytest.raises(SchemaMismatch, match="newer"):
        upgrade(empty_database)


@pytest.fixture
def plain_owner(empty_database: str) -> Iterator[str]:
    """The URL of a database whose owner may make neither roles nor databases."""
    url = make_url(empty_database)
    role = f"owner_of_{url.database}"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'owner' NOCREATEROLE").format(name))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(url.database or ""), name))
    yield url.set(username=role, password="owner").render_as_string(hide_password=False)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(name))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_plain_owner_can_migrate_up_and_down(plain_owner: str) -> None:
    upgrade(plain_owner)
    with connect(plain_owner) as connection:
        require_head(connection)
    downgrade(plain_owner, "base")
    upgrade(plain_owner)


def test_readers_read_the_views_and_nothing_else(empty_database: str) -> None:
    upgrade(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("SET ROLE syncer_report")
        for (view,) in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'report'").fetchall():
            connection.execute(sql.SQL("SELECT * FROM report.{}").format(sql.Identifier(view)))
        for table in tables.metadata.tables:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split("."))))


def test_a_migration_does_not_wait_long_for_a_lock(empty_database: str) -> None:
    upgrade(empty_database, "0001")
    with psycopg.connect(empty_database) as blocker:
        blocker.execute("LOCK TABLE syncer.alembic_version IN ACCESS EXCLUSIVE MODE")
        engine_url = make_url(empty_database).update_query_dict({"options": "-c lock_timeout=500"})
        with pytest.raises(DatabaseUnavailable, match="lock"):
            upgrade(engine_url.render_as_string(hide_password=False))
    upgrade(empty_database)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_carries_the_migrations_and_works_outside_the_checkout(empty_database: str, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", wheels, ROOT], check=True, cwd=tmp_path
    )
    (wheel,) = wheels.glob("syncer-*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", site, wheel], check=True, cwd=tmp_path)
    # the dependencies of this environment, but not its editable checkout
    dependencies = Path(sys.modules["sqlalchemy"].__file__ or "").parents[1]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SYNCER_DATABASE_URL": empty_database}
    environ["PYTHONPATH"] = os.pathsep.join([str(site), str(dependencies)])
    program = (
        "import syncer, sys; assert syncer.__file__.startswith(sys.argv.pop(1)); "
        "from syncer.cli.main import main; sys.argv[0] = 'syncer'; main()"
    )
    done = subprocess.run(
        [home / "bin" / "python", "-c", program, site, "migrate"],
        env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert HEAD in done.stdout
    with connect(empty_database) as connection:
        require_head(connection)
    templates = {path.name for path in (ROOT / "syncer" / "web" / "templates").iterdir()}
    assert templates == {path.name for path in (site / "syncer" / "web" / "templates").iterdir()}
