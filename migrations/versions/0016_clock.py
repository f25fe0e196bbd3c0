"""The instant that was last seen, by which a clock that was set back is noticed.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock",
        sa.Column("one", sa.Boolean, nullable=False, server_default=sa.text("true"), comment="There is one row."),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), nullable=False, comment="The latest instant noted; not beyond now."
        ),
        sa.PrimaryKeyConstraint("one", name="clock_pkey"),
        sa.CheckConstraint("one", name="clock_one_check"),
        schema="syncer",
        comment="The latest instant that was seen: a clock that stands before it was set back.",
    )


def downgrade() -> None:
    op.drop_table("clock", schema="syncer")
