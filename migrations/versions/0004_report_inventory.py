"""report: what is stored, what expires, what came and went day by day, how fresh that knowledge is.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The API's clock, and the days of everything that people see: UTC+8, no daylight saving.
BEIJING_DAY = """
CREATE FUNCTION syncer.beijing_day(instant timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (instant AT TIME ZONE INTERVAL '08:00')::date
"""

# Each source's tiers as sorted arrays; one that no run has told its tiers has the documented default.
TIERS = """
CREATE VIEW syncer.tiers AS
SELECT t.source, array_agg(t.span ORDER BY t.span) FILTER (WHERE t.span IS NOT NULL) AS spans,
       array_agg(t.name ORDER BY t.span) FILTER (WHERE t.span IS NOT NULL) AS span_names,
       array_agg(t.share ORDER BY t.share) FILTER (WHERE t.share IS NOT NULL) AS shares,
       array_agg(t.name ORDER BY t.share) FILTER (WHERE t.share IS NOT NULL) AS share_names
FROM (
  SELECT t.source, t.name, t.span, t.share FROM syncer.tier t
  UNION ALL
  SELECT s.source, d.name, d.span, NULL
  FROM syncer.source s
  CROSS JOIN (VALUES ('30d', interval '30 days'), ('7d', interval '7 days'), ('1d', interval '1 day')) AS d (name, span)
  WHERE NOT EXISTS (SELECT FROM syncer.tier t WHERE t.source = s.source)
) t
GROUP BY t.source
"""

# The nearest tier that a file has entered: among the spans by width_bucket, which finds the first that is not shorter
# than the time left; among the shares the same with the share of the lifetime that is left; then the nearer of both.
# Sources are few: joined in, each is looked up in turn when only a time is asked for, by the index that begins with it.
EXPIRING = """
CREATE VIEW report.expiring AS
SELECT f.source, f.file_id, f.name, f.size_bytes, f.file_type, f.duration_seconds, f.status, f.created_at,
       f.expires_at, f.url,
       round(extract(epoch FROM f.expires_at - syncer.instant()) / 86400, 3) AS days_left,
       CASE WHEN t.spans[n.span] IS NULL OR t.shares[n.share] * l.lifetime < t.spans[n.span] THEN t.share_names[n.share]
            ELSE t.span_names[n.span] END AS tier,
       syncer.beijing_day(f.expires_at) AS expiry_day, f.first_seen_at, f.changed_at, f.created_raw, f.expires_raw,
       f.extra
FROM syncer.source s
JOIN syncer.file f ON f.source = s.source
LEFT JOIN syncer.tiers t ON t.source = s.source
CROSS JOIN LATERAL (
  SELECT f.expires_at - syncer.instant() AS remaining,
         f.expires_at - coalesce(f.created_at, f.first_seen_at) AS lifetime
) l
CROSS JOIN LATERAL (
  SELECT 1 + width_bucket(l.remaining - interval '1 microsecond', t.spans) AS span,
         1 + width_bucket(extract(epoch FROM l.remaining - interval '1 microsecond')::float8
                          / nullif(extract(epoch FROM l.lifetime)::float8, 0), t.shares) AS share
) n
WHERE f.gone_at IS NULL AND f.expires_at > syncer.instant()
"""

CALENDAR = """
CREATE VIEW report.expiry_calendar AS
SELECT f.source, syncer.beijing_day(f.expires_at) AS day, count(*) AS files,
       coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
       syncer.beijing_day(f.expires_at) - syncer.beijing_day(syncer.instant()) AS days_ahead
FROM syncer.file f
WHERE f.gone_at IS NULL AND f.expires_at > syncer.instant()
GROUP BY f.source, syncer.beijing_day(f.expires_at)
"""

# A day without a finished pull has no live figures: nobody looked.
INVENTORY = """
CREATE VIEW report.inventory_daily AS
SELECT s.source, d.day::date AS day, i.live_files, i.live_bytes, coalesce(i.added, 0) AS added,
       coalesce(i.changed, 0) AS changed, coalesce(i.expired, 0) AS expired, coalesce(i.vanished, 0) AS vanished,
       i.pull_id IS NOT NULL AS pulled, coalesce(i.proven, false) AS proven, i.overdue_files,
       coalesce(i.returned, 0) AS returned, i.as_of, i.pull_id
FROM (SELECT i.source, min(i.day) AS first_day FROM syncer.inventory_day i GROUP BY i.source) s
CROSS JOIN LATERAL generate_series(s.first_day, syncer.beijing_day(syncer.instant()), interval '1 day') AS d (day)
LEFT JOIN syncer.inventory_day i ON i.source = s.source AND i.day = d.day::date
"""

ALERTS = """
CREATE VIEW report.alerts AS
SELECT NULL::text AS source, NULL::bigint AS alert_id, NULL::text AS rule, NULL::text AS tier, NULL::bigint AS files,
       NULL::bigint AS bytes, NULL::timestamptz AS raised_at, NULL::timestamptz AS sent_at,
       NULL::timestamptz AS acknowledged_at, NULL::timestamptz AS resolved_at
WHERE false
"""

BY_TYPE = """
CREATE VIEW report.storage_by_type AS
SELECT f.source, coalesce(f.file_type, '') AS file_type, count(*) AS files,
       coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
       coalesce(sum(f.duration_seconds), 0)::bigint AS duration_seconds
FROM syncer.file f WHERE f.gone_at IS NULL
GROUP BY f.source, coalesce(f.file_type, '')
"""

# Names are made as STREAM_START_END, each time written 2016-11-30-10-32-51; the stream's own id may hold underscores.
# LIKE, for a regular expression takes ten times as long, and there may be a million names.
NAME_PREFIX = r"""
CREATE FUNCTION report.name_prefix(name text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
  WHEN coalesce(current_setting('syncer.prefix_pattern', true), '') <> ''
    THEN substring(name, current_setting('syncer.prefix_pattern', true))
  WHEN right(name, 40) LIKE '\_____-__-__-__-__-__\_____-__-__-__-__-__' THEN left(name, -40) END
"""

BY_PREFIX = """
CREATE VIEW report.storage_by_prefix AS
SELECT f.source, coalesce(report.name_prefix(f.name), '') AS prefix, count(*) AS files,
       coalesce(sum(f.size_bytes), 0)::bigint AS bytes, min(f.created_at) AS oldest_created_at,
       max(f.created_at) AS newest_created_at, min(f.expires_at) AS next_expires_at
FROM syncer.file f WHERE f.gone_at IS NULL
GROUP BY f.source, coalesce(report.name_prefix(f.name), '')
"""

BY_AGE = """
CREATE VIEW report.storage_by_age AS
SELECT f.source, coalesce((ARRAY['under 7 days', '7 to 30 days', '30 to 90 days', '90 to 180 days',
                                 '180 days to a year', 'over a year'])[1 + f.bucket], 'unknown') AS age,
       (ARRAY[0, 7, 30, 90, 180, 365])[1 + f.bucket] AS from_days,
       (ARRAY[7, 30, 90, 180, 365])[1 + f.bucket] AS to_days,
       f.files, f.bytes
FROM (
  SELECT f.source, width_bucket(syncer.instant() - f.created_at, ARRAY[interval '7 days', interval '30 days',
           interval '90 days', interval '180 days', interval '365 days']) AS bucket,
         count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes
  FROM syncer.file f WHERE f.gone_at IS NULL
  GROUP BY 1, 2
) f
"""

# Counts are scalar subqueries, so that a query which does not name them does not pay for them.
SOURCES = """
CREATE VIEW report.sources AS
SELECT s.source, s.prefix,
       proven.pull_id AS proven_pull_id, proven.started_at AS proven_started_at,
       proven.finished_at AS proven_finished_at, syncer.instant() - proven.started_at AS knowledge_age,
       recent.pull_id AS recent_pull_id, recent.started_at AS recent_started_at,
       recent.finished_at AS recent_finished_at,
       (SELECT count(*) FROM syncer.file f WHERE f.source = s.source AND f.gone_at IS NULL) AS present_files,
       (SELECT coalesce(sum(f.size_bytes), 0)::bigint FROM syncer.file f
        WHERE f.source = s.source AND f.gone_at IS NULL) AS present_bytes,
       (SELECT count(*) FROM syncer.file f WHERE f.source = s.source AND f.gone_at IS NULL
          AND f.expires_at <= syncer.instant()) AS overdue_files,
       going.pull_id AS unfinished_pull_id, going.started_at AS unfinished_started_at, going.phase AS unfinished_phase,
       going.generation AS unfinished_generation, listed.entries AS unfinished_listed, expected.files AS expected_files,
       round(least(1, listed.entries::numeric / nullif(expected.files, 0)), 4) AS progress,
       CASE WHEN lease.held_until >= clock_timestamp() AND going.phase = 'listing' THEN
         syncer.instant() + greatest(0, expected.files - listed.entries) * (listed.took / nullif(listed.lately, 0))
       END AS forecast_at,
       lease.holder, lease.held_until, s.next_full_at, s.next_recent_at,
       last_run.kind AS last_run_kind, coalesce(last_run.outcome, 'running or killed') AS last_run_outcome,
       last_run.started_at AS last_run_started_at, last_run.error AS last_run_error,
       kept.history_from
FROM syncer.source s
LEFT JOIN syncer.lease lease ON lease.source = s.source
LEFT JOIN syncer.retention kept ON kept.source = s.source
LEFT JOIN LATERAL (
  SELECT p.* FROM syncer.pull p WHERE p.source = s.source AND p.proven ORDER BY p.pull_id DESC LIMIT 1
) proven ON true
LEFT JOIN LATERAL (
  SELECT p.* FROM syncer.pull p
  WHERE p.source = s.source AND p.settled_run IS NOT NULL AND p.kind = 'recent' ORDER BY p.pull_id DESC LIMIT 1
) recent ON true
LEFT JOIN syncer.pull going ON going.source = s.source AND going.kind = 'full' AND going.finished_at IS NULL
LEFT JOIN LATERAL (
  SELECT coalesce(sum(g.entries), 0)::bigint AS entries,
         sum(g.entries) FILTER (WHERE g.run_id = newest.run_id) AS lately,
         syncer.instant() - newest.started_at AS took
  FROM syncer.page g
  CROSS JOIN (SELECT r.run_id, r.started_at FROM syncer.run r WHERE r.source = s.source AND r.kind = 'full'
              ORDER BY r.run_id DESC LIMIT 1) newest
  WHERE g.source = s.source AND g.pull_id = going.pull_id AND g.generation = going.generation AND g.part = 'listing'
  GROUP BY newest.started_at
) listed ON going.pull_id IS NOT NULL
LEFT JOIN LATERAL (
  SELECT p.files FROM syncer.pull p
  WHERE p.source = s.source AND p.prefix = going.prefix AND p.kind = 'full' AND p.settled_run IS NOT NULL
    AND p.restarts = 0
  ORDER BY p.pull_id DESC LIMIT 1
) expected ON true
LEFT JOIN LATERAL (
  SELECT r.kind, r.outcome, r.started_at, r.error FROM syncer.run r WHERE r.source = s.source
  ORDER BY r.run_id DESC LIMIT 1
) last_run ON true
"""

COMMENTS = {
    "FUNCTION syncer.beijing_day(timestamptz)": "The day of an instant by Beijing time (UTC+8).",
    "VIEW syncer.tiers": "The expiry tiers of every source as sorted arrays: its settings', or 30d, 7d and 1d.",
    "VIEW report.expiring": "One row per live backup with an expiry: what will be lost, and when. Filter on "
    "expires_at, an index serves it.",
    "COLUMN report.expiring.source": "The source that lists it.",
    "COLUMN report.expiring.file_id": "The API's fileId.",
    "COLUMN report.expiring.name": "Name.",
    "COLUMN report.expiring.size_bytes": "Size in bytes; null when the API does not say.",
    "COLUMN report.expiring.file_type": "Type, such as mp4 or flv.",
    "COLUMN report.expiring.duration_seconds": "Length in seconds; null when the API does not say.",
    "COLUMN report.expiring.status": "The API's status (undocumented; 2 = normal in its sibling calls).",
    "COLUMN report.expiring.created_at": "createTime, read as UTC+8.",
    "COLUMN report.expiring.expires_at": "After this instant the file is gone for good.",
    "COLUMN report.expiring.url": "Where the backup can be fetched.",
    "COLUMN report.expiring.days_left": "Days until it expires, with fractions.",
    "COLUMN report.expiring.tier": "The nearest tier of SYNCER_EXPIRY_TIERS that it has entered, each file in one; "
    "null before the first. A share counts from createTime, or from when the file was first seen.",
    "COLUMN report.expiring.expiry_day": "The day of its expiry, by Beijing time; as in report.expiry_calendar.",
    "COLUMN report.expiring.first_seen_at": "When this database first held the file.",
    "COLUMN report.expiring.changed_at": "When anything known of the file last changed.",
    "COLUMN report.expiring.created_raw": "createTime as the API wrote it.",
    "COLUMN report.expiring.expires_raw": "expireTime as the API wrote it.",
    "COLUMN report.expiring.extra": "Fields that the API sent beyond its document.",
    "VIEW report.expiry_calendar": "One row per source and day on which live backups expire; adds up to "
    "report.expiring.",
    "COLUMN report.expiry_calendar.source": "The source.",
    "COLUMN report.expiry_calendar.day": "The day of the expiry, by Beijing time.",
    "COLUMN report.expiry_calendar.files": "Live backups that expire on it.",
    "COLUMN report.expiry_calendar.bytes": "Their bytes, as far as sizes are known.",
    "COLUMN report.expiry_calendar.days_ahead": "Days from today; 0 is today, by Beijing time.",
    "VIEW report.inventory_daily": "One row per source and day (Beijing time), from the first day to today, counted at "
    "the end of each finished pull. A day without one is there too, marked by pulled = false, without live figures.",
    "COLUMN report.inventory_daily.source": "The source.",
    "COLUMN report.inventory_daily.day": "The day, by Beijing time.",
    "COLUMN report.inventory_daily.live_files": "Live backups after the day's last pull; null when there was none.",
    "COLUMN report.inventory_daily.live_bytes": "Their bytes, as far as sizes are known; null without a pull.",
    "COLUMN report.inventory_daily.added": "Files seen for the first time on this day.",
    "COLUMN report.inventory_daily.changed": "Files of which something changed on this day.",
    "COLUMN report.inventory_daily.expired": "Files found gone on this day, at or after their expiry.",
    "COLUMN report.inventory_daily.vanished": "Files found gone on this day, before their expiry.",
    "COLUMN report.inventory_daily.pulled": "Whether a pull was finished on this day.",
    "COLUMN report.inventory_daily.proven": "Whether a full pull that ended on this day proved nothing to be missing.",
    "COLUMN report.inventory_daily.overdue_files": "Files still listed past their expiry; null without a pull.",
    "COLUMN report.inventory_daily.returned": "Files listed again on this day after they had gone.",
    "COLUMN report.inventory_daily.as_of": "When the live figures were counted.",
    "COLUMN report.inventory_daily.pull_id": "The pull after which they were counted.",
    "VIEW report.alerts": "One row per alert; empty until alerts are raised.",
    "COLUMN report.alerts.source": "The source it is about.",
    "COLUMN report.alerts.alert_id": "Its number, for syncer alerts ack.",
    "COLUMN report.alerts.rule": "The rule that raised it.",
    "COLUMN report.alerts.tier": "The expiry tier, for rules that have tiers.",
    "COLUMN report.alerts.files": "Files it is about.",
    "COLUMN report.alerts.bytes": "Their bytes.",
    "COLUMN report.alerts.raised_at": "When it was raised.",
    "COLUMN report.alerts.sent_at": "When it was last sent; null when never.",
    "COLUMN report.alerts.acknowledged_at": "When somebody took notice; null when nobody did.",
    "COLUMN report.alerts.resolved_at": "When its cause was gone; null while it stands.",
    "VIEW report.storage_by_type": "What is listed now (live and overdue), by type of file.",
    "COLUMN report.storage_by_type.source": "The source.",
    "COLUMN report.storage_by_type.file_type": "Type, such as mp4; empty when the API does not say.",
    "COLUMN report.storage_by_type.files": "Files.",
    "COLUMN report.storage_by_type.bytes": "Their bytes, as far as sizes are known.",
    "COLUMN report.storage_by_type.duration_seconds": "Their length together, as far as it is known.",
    "FUNCTION report.name_prefix(text)": "The stream of a name: what stands before _START_END, null when the name is "
    "not made so. Another pattern: ALTER DATABASE ... SET syncer.prefix_pattern = '^([^-]+)-'.",
    "VIEW report.storage_by_prefix": "What is listed now (live and overdue), by stream: see report.name_prefix.",
    "COLUMN report.storage_by_prefix.source": "The source.",
    "COLUMN report.storage_by_prefix.prefix": "The stream; empty for names without one.",
    "COLUMN report.storage_by_prefix.files": "Files.",
    "COLUMN report.storage_by_prefix.bytes": "Their bytes, as far as sizes are known.",
    "COLUMN report.storage_by_prefix.oldest_created_at": "createTime of the oldest.",
    "COLUMN report.storage_by_prefix.newest_created_at": "createTime of the newest.",
    "COLUMN report.storage_by_prefix.next_expires_at": "When the first of them expires.",
    "VIEW report.storage_by_age": "What is listed now (live and overdue), by the time since createTime.",
    "COLUMN report.storage_by_age.source": "The source.",
    "COLUMN report.storage_by_age.age": "The age in words; unknown without a readable createTime.",
    "COLUMN report.storage_by_age.from_days": "At least so many days old; sorts the rows.",
    "COLUMN report.storage_by_age.to_days": "Less than so many days old.",
    "COLUMN report.storage_by_age.files": "Files.",
    "COLUMN report.storage_by_age.bytes": "Their bytes, as far as sizes are known.",
    "VIEW report.sources": "One row per source: how fresh and how sure the data are, and what is in progress.",
    "COLUMN report.sources.source": "The source.",
    "COLUMN report.sources.prefix": "Only names that begin with this are asked for.",
    "COLUMN report.sources.proven_pull_id": "The last proven pull; null when there was none.",
    "COLUMN report.sources.proven_started_at": "When it began: every file that existed then is known.",
    "COLUMN report.sources.proven_finished_at": "When it ended.",
    "COLUMN report.sources.knowledge_age": "Time since the last proven pull began: how old the knowledge is.",
    "COLUMN report.sources.recent_pull_id": "The last recent pull that ended cleanly.",
    "COLUMN report.sources.recent_started_at": "When it began.",
    "COLUMN report.sources.recent_finished_at": "When it ended.",
    "COLUMN report.sources.present_files": "Files listed now, live and overdue.",
    "COLUMN report.sources.present_bytes": "Their bytes, as far as sizes are known.",
    "COLUMN report.sources.overdue_files": "Files still listed past their expiry.",
    "COLUMN report.sources.unfinished_pull_id": "The full pull that is under way or waits to be resumed.",
    "COLUMN report.sources.unfinished_started_at": "When it began.",
    "COLUMN report.sources.unfinished_phase": "listing, tail (proving the end) or sweep (asking for what is missing).",
    "COLUMN report.sources.unfinished_generation": "Which listing it is at: each lost context begins another.",
    "COLUMN report.sources.unfinished_listed": "Entries that this listing has shown.",
    "COLUMN report.sources.expected_files": "What the last full pull without restarts listed.",
    "COLUMN report.sources.progress": "Share of the expected files that is listed, 0 to 1.",
    "COLUMN report.sources.forecast_at": "When the listing should end at the pace of this run; null when none runs.",
    "COLUMN report.sources.holder": "Who is pulling it; null when nobody is.",
    "COLUMN report.sources.held_until": "The holder keeps it until then, unless it renews or dies.",
    "COLUMN report.sources.next_full_at": "When the daemon's next full pull is due.",
    "COLUMN report.sources.next_recent_at": "When the daemon's next recent pull is due.",
    "COLUMN report.sources.last_run_kind": "What was tried last: full, recent or lookup.",
    "COLUMN report.sources.last_run_outcome": "complete, unproven, failed, stopped, or running or killed.",
    "COLUMN report.sources.last_run_started_at": "When that began.",
    "COLUMN report.sources.last_run_error": "Why it failed.",
    "COLUMN report.sources.history_from": "report.backups_as_of and report.changes reach back to here; null: to the "
    "beginning.",
}

VIEWS = (TIERS, EXPIRING, CALENDAR, INVENTORY, ALERTS, BY_TYPE, BY_PREFIX, BY_AGE, SOURCES)


def upgrade() -> None:
    for statement in (BEIJING_DAY, NAME_PREFIX, *VIEWS):
        op.execute(statement)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))


def downgrade() -> None:
    for view in ("sources", "storage_by_age", "storage_by_prefix", "storage_by_type", "alerts", "inventory_daily"):
        op.execute(f"DROP VIEW report.{view}")
    op.execute("DROP VIEW report.expiry_calendar, report.expiring, syncer.tiers")
    op.execute("DROP FUNCTION report.name_prefix(text), syncer.beijing_day(timestamptz)")
