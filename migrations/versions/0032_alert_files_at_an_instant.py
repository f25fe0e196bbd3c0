"""report.alert_files: the instant is made once an alert, and not for each file: two thirds of the time.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_ALERTS = "(SELECT * FROM syncer.alert"
_ALERTS_AT = "(SELECT *, syncer.instant() AS instant FROM syncer.alert"


def upgrade() -> None:
    text = _before()
    assert _ALERTS in text
    op.execute(text.replace("syncer.instant()", "a.instant").replace(_ALERTS, _ALERTS_AT))


def downgrade() -> None:
    op.execute(_before())


def _before() -> str:
    """Return the view as migration 0029 made it."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0029").module.ALERT_FILES
    return text
