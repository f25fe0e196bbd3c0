"""syncer.page: ids that are numbers of any size are kept as such, in a third of the room.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# As pg_get_viewdef writes them, in the versions of PostgreSQL that there are.
_BEFORE = re.compile(r"((?:[gt]\.)?)\bfile_ids\b(?P<last>(?=\n +FROM (?:syncer\.)?page))?")
_AFTER = re.compile(r"COALESCE\(((?:[gt]\.)?)file_ids, \((?:[gt]\.)?file_numbers\)::text\[\]\)(?: AS file_ids)?")
_VIEWS = ("report.pages", "report.proof")


def upgrade() -> None:
    op.add_column(
        "page",
        sa.Column(
            "file_numbers",
            sa.ARRAY(sa.BigInteger),
            comment="What was seen, where ids are numbers, and smaller as such.",
        ),
        schema="syncer",
    )
    op.alter_column(
        "page", "file_ids", nullable=True, comment="What was seen; null where file_numbers holds it.", schema="syncer"
    )
    op.create_check_constraint(
        op.f("page_seen_check"), "page", "num_nonnulls(file_ids, file_numbers) = 1", schema="syncer"
    )
    _rewrite(_BEFORE, _with_numbers)


def downgrade() -> None:
    _rewrite(_AFTER, lambda found: f"{found[1]}file_ids")
    op.drop_constraint(op.f("page_seen_check"), "page", schema="syncer")
    op.execute(
        "UPDATE syncer.page SET file_ids = ARRAY(SELECT n::text FROM unnest(file_numbers) n ORDER BY n::text) "
        "WHERE file_ids IS NULL"
    )
    op.alter_column("page", "file_ids", nullable=False, comment="What was seen.", schema="syncer")
    op.drop_column("page", "file_numbers", schema="syncer")


def _with_numbers(found: re.Match[str]) -> str:
    column = f"COALESCE({found[1]}file_ids, ({found[1]}file_numbers)::text[])"
    return column if found["last"] is None else f"{column} AS file_ids"


def _rewrite(pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]) -> None:
    """Let the views read something else: they keep their grants and whatever was built on them."""
    connection = op.get_bind()
    for view in _VIEWS:
        text = str(connection.exec_driver_sql(f"SELECT pg_get_viewdef('{view}'::regclass)").scalar_one())
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {view} AS {pattern.sub(replacement, text)}")
