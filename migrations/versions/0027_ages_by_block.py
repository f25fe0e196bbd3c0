"""report.storage_by_age: the files of an age's day are found by the index of createTime, however many there are.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# At ten million files the planner joined them all to the five days. Looked at day by day there is no other way.
_JOINED = """
  JOIN syncer.file f ON f.gone_at IS NULL AND f.created_at >= syncer.beijing_midnight(d.day)
                        AND f.created_at < syncer.beijing_midnight(d.day + 1)
"""
_DAY_BY_DAY = """
  CROSS JOIN LATERAL (
    SELECT o.source, o.created_at, o.size_bytes FROM syncer.file o
    WHERE o.gone_at IS NULL AND o.created_at >= syncer.beijing_midnight(d.day)
      AND o.created_at < syncer.beijing_midnight(d.day + 1)
    OFFSET 0
  ) f
"""


def upgrade() -> None:
    op.execute(_by_age(_DAY_BY_DAY))


def downgrade() -> None:
    op.execute(_by_age(_JOINED))


def _by_age(files: str) -> str:
    """Return the view as migration 0023 made it, with the files of a day found so."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0023").module.BY_AGE
    assert _JOINED in text
    return text.replace(_JOINED, files)
