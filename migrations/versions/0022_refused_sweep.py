"""report.pull_proof: a pull whose sweep was refused does not show that no file was skipped.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Whoever refuses the sweep asks for none of the files that were not listed. The error of a pull that came to its end
# says nothing else.
_BEFORE = "(9, 'No file that exists was skipped', p.drifted = 0,"
_AFTER = "(9, 'No file that exists was skipped', p.drifted = 0 AND (p.error IS NULL OR p.outcome <> 'complete'),"


def upgrade() -> None:
    op.execute(_pull_proof(_AFTER))


def downgrade() -> None:
    op.execute(_pull_proof(_BEFORE))


def _pull_proof(skipped: str) -> str:
    """Return the function as migration 0005 made it, with its ninth point said so."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0005").module.PULL_PROOF
    assert _BEFORE in text
    return text.replace(_BEFORE, skipped).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
