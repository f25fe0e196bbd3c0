"""Files by createTime: by ranges of blocks, where an entry for each file was written that no query of syncer's reads.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("file_created_idx", table_name="file", schema="syncer")
    op.create_index(
        "file_created_idx",
        "file",
        ["created_at"],
        schema="syncer",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )


def downgrade() -> None:
    op.drop_index("file_created_idx", table_name="file", schema="syncer")
    op.create_index(
        "file_created_idx",
        "file",
        ["source", "created_at"],
        schema="syncer",
        postgresql_where=sa.text("created_at is not null"),
    )
