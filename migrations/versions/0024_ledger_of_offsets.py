"""syncer.page: numbers that are near each other are kept as what each is more than the least, in half of the room.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# As pg_get_viewdef writes them, in the versions of PostgreSQL that there are.
_BEFORE = re.compile(r"COALESCE\(((?:[gt]\.)?)file_ids, \((?:[gt]\.)?file_numbers\)::text\[\]\)")
_AFTER = re.compile(
    r"COALESCE\(((?:[gt]\.)?)file_ids, \((?:[gt]\.)?file_numbers\)::text\[\], "
    r"ARRAY\(\s*SELECT .*?\s+FROM unnest\((?:\w+\.)?file_offsets\) away\(away\)\)\)",
    re.DOTALL,
)
_VIEWS = ("report.pages", "report.proof")


def upgrade() -> None:
    op.add_column(
        "page",
        sa.Column(
            "first_number",
            sa.BigInteger,
            comment="The least number that was seen, where they are near each other.",
        ),
        schema="syncer",
    )
    op.add_column(
        "page",
        sa.Column(
            "file_offsets",
            sa.ARRAY(sa.Integer),
            comment="What was seen there, as what each number is more than the least.",
        ),
        schema="syncer",
    )
    _comment("file_ids", "What was seen; null where numbers hold it.")
    _comment("file_numbers", "What was seen, where ids are numbers.")
    _check("num_nonnulls(file_ids, file_numbers, file_offsets) = 1")
    op.create_check_constraint(
        op.f("page_offsets_check"), "page", "num_nonnulls(first_number, file_offsets) <> 1", schema="syncer"
    )
    _rewrite(
        _BEFORE,
        r"COALESCE(\1file_ids, (\1file_numbers)::text[], "
        r"ARRAY(SELECT (\1first_number + away)::text FROM unnest(\1file_offsets) away(away)))",
    )


def downgrade() -> None:
    _rewrite(_AFTER, r"COALESCE(\1file_ids, (\1file_numbers)::text[])")
    op.drop_constraint(op.f("page_offsets_check"), "page", schema="syncer")
    op.execute(
        "UPDATE syncer.page SET file_numbers = ARRAY(SELECT first_number + away FROM unnest(file_offsets) away), "
        "file_offsets = NULL WHERE file_offsets IS NOT NULL"
    )
    _check("num_nonnulls(file_ids, file_numbers) = 1")
    _comment("file_ids", "What was seen; null where file_numbers holds it.")
    _comment("file_numbers", "What was seen, where ids are numbers, and smaller as such.")
    op.drop_column("page", "file_offsets", schema="syncer")
    op.drop_column("page", "first_number", schema="syncer")


def _comment(column: str, comment: str) -> None:
    op.alter_column("page", column, comment=comment, schema="syncer")


def _check(condition: str) -> None:
    op.drop_constraint(op.f("page_seen_check"), "page", schema="syncer")
    op.create_check_constraint(op.f("page_seen_check"), "page", condition, schema="syncer")


def _rewrite(pattern: re.Pattern[str], replacement: str) -> None:
    """Let the views read something else: they keep their grants and whatever was built on them."""
    connection = op.get_bind()
    for view in _VIEWS:
        text = str(connection.exec_driver_sql(f"SELECT pg_get_viewdef('{view}'::regclass)").scalar_one())
        written, found = pattern.subn(replacement, text)
        assert found, f"{view} is not as it was"
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {view} AS {written}")
