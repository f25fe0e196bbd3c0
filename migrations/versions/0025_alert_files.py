"""report.alert_files: a file is asked only what its alert has anything to ask for, in half of the time.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Most alerts keep no names out, and are of tiers that begin so many days before the expiry. What follows from an empty
# list, or from no share of the lifetime, need not be found out for each file.
_NAMES = """
  AND NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(f.name, ''), p))"""
_NAMES_IF_ANY = """
  AND (coalesce(a.not_prefixes, '{}') = '{}'
       OR NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(f.name, ''), p)))"""
_SPANS = """
  AND NOT EXISTS (SELECT FROM unnest(a.other_spans) s
                  WHERE s <= a.share * l.lifetime AND l.remaining <= s)"""
_SPANS_IF_ANY = """
  AND (a.share IS NULL OR NOT EXISTS (SELECT FROM unnest(a.other_spans) s
                                      WHERE s <= a.share * l.lifetime AND l.remaining <= s))"""
_SHARES = """
  AND NOT EXISTS (SELECT FROM unnest(a.other_shares) s
                  WHERE s * l.lifetime < coalesce(a.span, a.share * l.lifetime) AND l.remaining <= s * l.lifetime)"""
_SHARES_IF_ANY = """
  AND (coalesce(a.other_shares, '{}') = '{}'
       OR NOT EXISTS (SELECT FROM unnest(a.other_shares) s
                      WHERE s * l.lifetime < coalesce(a.span, a.share * l.lifetime)
                        AND l.remaining <= s * l.lifetime))"""
_RULES = ((_NAMES, _NAMES_IF_ANY), (_SPANS, _SPANS_IF_ANY), (_SHARES, _SHARES_IF_ANY))


def upgrade() -> None:
    text = _before()
    for old, new in _RULES:
        assert old in text
        text = text.replace(old, new)
    op.execute(text)


def downgrade() -> None:
    op.execute(_before())


def _before() -> str:
    """Return the view as migration 0007 made it."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0007").module.ALERT_FILES
    return text.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
