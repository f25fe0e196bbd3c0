"""syncer.pull: what every page changes stands together at the end of its row, so that a page writes less WAL.

PostgreSQL logs an update from the first byte that changed to the last: counters that hardly ever change stood between.
Their order has no meaning for any version, so going back leaves it.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Name, definition, comment; in the order of their new places.
MOVED = (
    ("pages", "bigint NOT NULL DEFAULT 0", "Pages committed, all generations."),
    ("files", "bigint NOT NULL DEFAULT 0", "Entries listed, all generations."),
    ("unchanged", "bigint NOT NULL DEFAULT 0", "Files whose row was as listed."),
    ("api_calls", "bigint NOT NULL DEFAULT 0", "Calls made, failed ones included."),
    ("oldest", "timestamptz", "Oldest createTime of this generation''s listing."),
    ("context_at", "timestamptz", "When the context was received."),
    ("page", "integer NOT NULL DEFAULT 0", "Pages of this generation and phase."),
    ("context", "text", "The checkpoint: where the listing goes on; null at its beginning."),
)
VIEWS = ("report.pulls", "report.proof", "report.sources")


def upgrade() -> None:
    names = ", ".join(name for name, _, _ in MOVED)
    with _emptied(VIEWS):
        _run(f"CREATE TABLE syncer.pull_moved AS SELECT source, pull_id, {names} FROM syncer.pull")  # noqa: S608 - names of this file's own
        for name, definition, comment in MOVED:
            _run(f"ALTER TABLE syncer.pull DROP COLUMN {name}")
            _run(f"ALTER TABLE syncer.pull ADD COLUMN {name} {definition}")
            _run(f"COMMENT ON COLUMN syncer.pull.{name} IS '{comment}'")
        _run(
            f"UPDATE syncer.pull SET ({names}) = (SELECT {names} FROM syncer.pull_moved m "  # noqa: S608 - as above
            "WHERE (m.source, m.pull_id) = (pull.source, pull.pull_id))"
        )
        _run("DROP TABLE syncer.pull_moved")


def downgrade() -> None:
    """Leave the columns where they are: by their names they are as they were."""


@contextmanager
def _emptied(views: tuple[str, ...]) -> Iterator[None]:
    """Let the views name no table for the block: they keep their grants and whatever was built on them."""
    definitions = {view: _scalar(f"SELECT pg_get_viewdef('{view}'::regclass)") for view in views}
    for view in views:
        nothing = _scalar(
            "SELECT string_agg('NULL::' || format_type(atttypid, atttypmod) || ' AS ' || quote_ident(attname), ', ' "  # noqa: S608 - as above
            f"ORDER BY attnum) FROM pg_attribute WHERE attrelid = '{view}'::regclass AND attnum > 0"
        )
        _run(f"CREATE OR REPLACE VIEW {view} AS SELECT {nothing}")
    yield
    for view, definition in definitions.items():
        _run(f"CREATE OR REPLACE VIEW {view} AS {definition}")


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)


def _scalar(query: str) -> str:
    return str(op.get_bind().exec_driver_sql(query).scalar_one())
