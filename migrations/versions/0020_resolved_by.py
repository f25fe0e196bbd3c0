"""Who called an alert settled, beside who took notice of it.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "alert", sa.Column("resolved_by", sa.Text, comment="Who called it settled by command."), schema="syncer"
    )
    op.execute("UPDATE syncer.alert SET resolved_by = acknowledged_by WHERE resolution = 'command'")


def downgrade() -> None:
    op.execute("UPDATE syncer.alert SET acknowledged_by = resolved_by WHERE resolved_by IS NOT NULL")
    op.drop_column("alert", "resolved_by", schema="syncer")
