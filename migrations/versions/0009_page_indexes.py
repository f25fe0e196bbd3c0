"""Indexes for the page: files by the beginning of their name, and those that went at their time.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Both are partial, so that the join of a page to the table can only be planned by the primary key. A name may be
# longer than an index takes: its first characters do. Names of one stream share theirs, which PostgreSQL stores once.
NAME = """
CREATE INDEX file_name_idx ON syncer.file (source, "left"(name, 32) text_pattern_ops) WHERE name IS NOT NULL
"""
EXPIRED = """
CREATE INDEX file_expired_idx ON syncer.file (source, gone_at) WHERE gone_at IS NOT NULL AND expires_at <= gone_at
"""


def upgrade() -> None:
    op.execute(NAME)
    op.execute(EXPIRED)


def downgrade() -> None:
    op.drop_index("file_expired_idx", table_name="file", schema="syncer")
    op.drop_index("file_name_idx", table_name="file", schema="syncer")
