"""Why the call that a run waits for is being retried, and since when.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "lease",
        sa.Column(
            "retrying",
            sa.Text,
            comment="How the last attempt at the call in hand failed, once it is retried for half a minute; else null.",
        ),
        schema="syncer",
    )
    op.add_column(
        "lease",
        sa.Column(
            "retrying_since",
            sa.DateTime(timezone=True),
            comment="When the first attempt at that call failed.",
        ),
        schema="syncer",
    )


def downgrade() -> None:
    op.drop_column("lease", "retrying_since", schema="syncer")
    op.drop_column("lease", "retrying", schema="syncer")
