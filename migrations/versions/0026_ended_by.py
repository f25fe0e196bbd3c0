"""report.alerts: who called an alert settled.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from types import ModuleType

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_LAST = "a.unacknowledged AS unacknowledged_files"


def upgrade() -> None:
    op.execute(_before().ALERTS.replace(_LAST, f"{_LAST}, a.resolved_by"))
    op.execute("COMMENT ON COLUMN report.alerts.resolved_by IS 'Who called it settled; null when nobody did.'")


def downgrade() -> None:
    before = _before()
    op.execute("DROP VIEW report.alerts")
    op.execute(before.ALERTS)
    before._say({name: text for name, text in before.BEFORE.items() if "report.alerts" in name})  # noqa: SLF001
    before._say({name: text for name, text in before.COMMENTS.items() if "report.alerts" in name})  # noqa: SLF001


def _before() -> ModuleType:
    """Return the migration that made the view as it is."""
    script = op.get_context().script
    assert script is not None
    return script.get_revision("0013").module
