"""report.alert_files: alert by alert, in their order, each with its own files, found by the index of expiries.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# OFFSET 0: open alerts are few, and taken in the order of their key, so that whoever asks for the first files of all
# does not wait for those of the last alert. Joined as it likes, the planner read all files and asked each of them.
# It sorts alert by alert only where it expects several; of a table without statistics IS NULL promises it one. And the
# lower bound, which every instant keeps, tells it that what is overdue is a small part of the files.
ALERT_FILES = """
CREATE OR REPLACE VIEW report.alert_files AS
SELECT a.source, a.alert_id, a.rule, a.tier, m.file_id, m.name, m.size_bytes, m.created_at, m.expires_at, m.gone_at,
       m.url
FROM (SELECT * FROM syncer.alert WHERE num_nulls(resolved_at) > 0 ORDER BY source, alert_id OFFSET 0) a
CROSS JOIN LATERAL (
  SELECT f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at, f.url
  FROM syncer.file f
  CROSS JOIN LATERAL (
    SELECT f.expires_at - syncer.instant() AS remaining,
           f.expires_at - coalesce(f.created_at, f.first_seen_at) AS lifetime
  ) l
  WHERE a.rule = 'expiring' AND f.source = a.source AND f.gone_at IS NULL
    AND f.expires_at > syncer.instant() + coalesce(a.inner_span, '0')
    AND f.expires_at <= syncer.instant() + coalesce(a.span, '1000 years')
    AND l.remaining <= coalesce(a.span, a.share * l.lifetime)
    AND (a.share IS NULL OR NOT EXISTS (SELECT FROM unnest(a.other_spans) s
                                        WHERE s <= a.share * l.lifetime AND l.remaining <= s))
    AND (coalesce(a.other_shares, '{}') = '{}'
         OR NOT EXISTS (SELECT FROM unnest(a.other_shares) s
                        WHERE s * l.lifetime < coalesce(a.span, a.share * l.lifetime)
                          AND l.remaining <= s * l.lifetime))
  UNION ALL
  SELECT f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at, f.url
  FROM syncer.file f
  WHERE a.rule = 'overdue' AND f.source = a.source AND f.gone_at IS NULL
    AND f.expires_at >= '-infinity' AND f.expires_at < a.before
  UNION ALL
  SELECT f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at, f.url
  FROM syncer.file f
  WHERE a.rule = 'vanished' AND f.source = a.source AND f.gone_at IS NOT NULL
    AND (f.expires_at > f.gone_at OR f.expires_at IS NULL)
    AND coalesce(f.expires_at, f.gone_at + interval '30 days') > syncer.instant()
) m
WHERE (a.prefix = '' OR starts_with(m.name, a.prefix))
  AND (coalesce(a.not_prefixes, '{}') = '{}'
       OR NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(m.name, ''), p)))
"""


def upgrade() -> None:
    op.execute(ALERT_FILES)


def downgrade() -> None:
    script = op.get_context().script
    assert script is not None
    script.get_revision("0025").module.upgrade()
