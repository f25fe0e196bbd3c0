"""Runs the migrations: one transaction for all of them, one migrator at a time, never waiting long for a lock."""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import context

from syncer.store.tables import SCHEMA, metadata

# Any number will do as long as every version of syncer uses the same one.
MIGRATION_LOCK = 7_308_332_045


def _include(name: str | None, kind: str, _parents: object) -> bool:
    return name == SCHEMA if kind == "schema" else True


def _run(connection: sa.Connection) -> None:
    # Bookkeeping lives beside the tables; the schema must exist before alembic looks for it.
    connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=_include,
        transaction_per_migration=False,
    )
    context.run_migrations()


def _offline() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.execute("SET LOCAL lock_timeout = '10s'")
        context.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        context.run_migrations()


if context.is_offline_mode():
    _offline()
elif (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    from syncer.store.database import make_engine

    with make_engine(os.environ["SYNCER_DATABASE_URL"]).begin() as opened:
        _run(opened)
