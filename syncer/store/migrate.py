"""Brings a database to the newest schema, and says when it is not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from syncer.errors import SchemaMismatch
from syncer.store.database import explained, make_engine

if TYPE_CHECKING:
    from alembic.config import Config

# The revision that this version works with; tests hold it equal to the newest migration.
HEAD = "0032"


def migrations_directory() -> Path:
    """Return where the migrations are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parent / "migrations"


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(url: str, revision: str = "head") -> str | None:
    """Migrate the database at `url`; return the revision it had before (None for an empty one).

    Safe to run from several processes at once. Raises DatabaseUnavailable, and SchemaMismatch for a newer schema.
    """
    from alembic import command

    with explained(url):
        engine = make_engine(url)
        try:
            with engine.begin() as connection:
                before = current_revision(connection)
                if before == HEAD and revision == "head":
                    return before
                if before is not None and before > HEAD:
                    raise _newer(before)
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                return before
        finally:
            engine.dispose()


def downgrade(url: str, revision: str) -> None:
    """Take migrations back down to `revision` ("base" for none); for tests, never for a database in use."""
    from alembic import command

    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
    finally:
        engine.dispose()


def current_revision(connection: sa.Connection) -> str | None:
    """Return the database's revision, None when it has no schema of ours."""
    if connection.scalar(sa.text("SELECT to_regclass('syncer.alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM syncer.alembic_version"))
    return revision


def require_head(connection: sa.Connection) -> None:
    """Raise SchemaMismatch unless the database has exactly the schema this version works with."""
    revision = current_revision(connection)
    if revision == HEAD:
        return
    if revision is None or revision < HEAD:
        found = "has no syncer schema yet" if revision is None else f"has the schema of revision {revision}"
        raise SchemaMismatch(f"The database {found}, this version needs {HEAD}. Run: syncer migrate")
    raise _newer(revision)


def _newer(revision: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"The database has schema revision {revision}, which is newer than this version of syncer ({HEAD}). "
        "Upgrade syncer on this machine."
    )
