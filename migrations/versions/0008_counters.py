"""Totals for metrics that no pruning lowers.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What pulls and lookups have counted so far.
SO_FAR = """
INSERT INTO syncer.counter (source, name, kind, label, value)
SELECT source, name, kind, label, sum(value) FROM (
  SELECT p.source, v.name, p.kind, v.label, v.value
  FROM syncer.pull p CROSS JOIN LATERAL (VALUES
    ('pulls', p.outcome, 1::float8), ('pages', '', p.pages), ('restarts', '', p.restarts),
    ('api_calls', '', p.api_calls), ('rows', 'inserted', p.inserted), ('rows', 'updated', p.updated),
    ('rows', 'unchanged', p.unchanged), ('rows', 'rejected', p.rejected), ('rows', 'gone', p.gone),
    ('rows', 'drifted', p.drifted)
  ) AS v (name, label, value)
  WHERE p.finished_at IS NOT NULL
  UNION ALL SELECT source, 'api_calls', kind, '', api_calls FROM syncer.run WHERE kind = 'lookup'
) AS every
WHERE value > 0 GROUP BY source, name, kind, label
"""


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("name", sa.Text(), nullable=False, comment="What is counted."),
        sa.Column(
            "kind",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="full, recent or lookup; empty for all together.",
        ),
        sa.Column(
            "label",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Outcome, fate or code; empty: none.",
        ),
        sa.Column("value", sa.Float(), nullable=False, comment="The total; it only ever grows."),
        sa.PrimaryKeyConstraint("source", "name", "kind", "label", name=op.f("counter_pkey")),
        schema="syncer",
        comment="Totals for metrics, of what is over: an unfinished pull counts by its own row.",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        "pull_open_idx", "pull", ["source"], schema="syncer", postgresql_where=sa.text("finished_at is null")
    )
    op.execute(SO_FAR)


def downgrade() -> None:
    op.drop_index("pull_open_idx", table_name="pull", schema="syncer")
    op.drop_table("counter", schema="syncer")
