"""When each total last grew: of an outcome of pulls, when the last one ended so.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SO_FAR = """
UPDATE syncer.counter c SET grew_at = p.finished_at
FROM (SELECT source, kind, outcome, max(finished_at) AS finished_at FROM syncer.pull
      WHERE finished_at IS NOT NULL GROUP BY source, kind, outcome) p
WHERE c.name = 'pulls' AND c.source = p.source AND c.kind = p.kind AND c.label = p.outcome
"""


def upgrade() -> None:
    op.add_column(
        "counter",
        sa.Column("grew_at", sa.DateTime(timezone=True), nullable=True, comment="When it last grew."),
        schema="syncer",
    )
    op.execute(SO_FAR)


def downgrade() -> None:
    op.drop_column("counter", "grew_at", schema="syncer")
