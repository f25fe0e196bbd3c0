"""report.sources: of a first pull nobody knows the length, so its end is not forecast.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# greatest(0, NULL) is 0: without anything to expect the listing would end now, at every instant anew.
_BEFORE = "WHEN held.running AND going.phase = 'listing' THEN"
_AFTER = "WHEN held.running AND going.phase = 'listing' AND expected.files IS NOT NULL THEN"

COMMENT = "When the listing should end at the pace of this run; null when none runs{more}."


def upgrade() -> None:
    op.execute(_sources(_AFTER))
    _comment(COMMENT.format(more=", and of a first pull, whose length nobody knows"))


def downgrade() -> None:
    op.execute(_sources(_BEFORE))
    _comment(COMMENT.format(more=""))


def _comment(text: str) -> None:
    op.execute(f"COMMENT ON COLUMN report.sources.forecast_at IS '{text}'")


def _sources(forecast: str) -> str:
    """Return the view as the last migration left it, its forecast made when `forecast` holds."""
    script = op.get_context().script
    assert script is not None
    quick = script.get_revision("0012").module
    text: str = quick._sources(quick._AFTER)  # noqa: SLF001 - its own words
    assert _BEFORE in text
    return text.replace(_BEFORE, forecast)
