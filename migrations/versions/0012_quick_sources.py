"""report.sources is as quick after years of pulls as after a day.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Full pulls are few among the recent ones; whatever is asked of them alone must not look at the others.
FULL = "CREATE INDEX pull_full_idx ON syncer.pull (source, pull_id) WHERE kind = 'full'"

# A later pull begins later, so that the newest settled one says how far is known: no other has to be looked at.
_BEFORE = """(SELECT max(p.started_at) FROM syncer.pull p
        WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix
          AND p.settled_run IS NOT NULL
          AND p.pull_id >= (SELECT min(f.pull_id) FROM syncer.pull f
                            WHERE f.source = s.source AND f.listing = newest.listing AND f.prefix = newest.prefix
                              AND f.settled_run IS NOT NULL AND f.kind = 'full')) AS known_until"""
_AFTER = """(SELECT p.started_at FROM syncer.pull p
        WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix
          AND p.settled_run IS NOT NULL
          AND EXISTS (SELECT FROM syncer.pull f
                      WHERE f.source = s.source AND f.listing = newest.listing AND f.prefix = newest.prefix
                        AND f.settled_run IS NOT NULL AND f.kind = 'full')
        ORDER BY p.pull_id DESC LIMIT 1) AS known_until"""


def upgrade() -> None:
    op.execute(FULL)
    op.execute(_sources(_AFTER))


def downgrade() -> None:
    op.execute(_sources(_BEFORE))
    op.drop_index("pull_full_idx", table_name="pull", schema="syncer")


def _sources(known_until: str) -> str:
    """Return the view as the last migration left it, with `known_until` said so."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0006").module.SOURCES
    replicas = script.get_revision("0011").module
    for old, new in ((replicas._BEFORE, replicas._AFTER), (_BEFORE, known_until)):  # noqa: SLF001 - its own words
        assert old in text
        text = text.replace(old, new)
    return text
