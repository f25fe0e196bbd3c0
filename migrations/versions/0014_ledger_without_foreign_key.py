"""A ledger row's pull is looked up by the statement that writes both, not by a foreign key: a twelfth of a page's cost.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("page_source_fkey", "page", schema="syncer", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(
        "page_source_fkey",
        "page",
        "pull",
        ["source", "pull_id"],
        ["source", "pull_id"],
        source_schema="syncer",
        referent_schema="syncer",
    )
