"""report.sources: of the scope listed last, with all that `syncer status` says; days that no time zone can lose.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A pull of another account or prefix says nothing of this one: `newest` names the scope. A recent pull is never
# resumed, so it is under way only as the newest pull, while a living holder's last attempt is a recent one. A pace
# needs two pages of one run: from the first one's commit to the last one's. Counts stand in a joined aggregate, which
# the planner leaves out of a query that names none.
SOURCES = """
CREATE OR REPLACE VIEW report.sources AS
SELECT s.source, s.prefix,
       proven.pull_id AS proven_pull_id, proven.started_at AS proven_started_at,
       proven.finished_at AS proven_finished_at, syncer.instant() - proven.started_at AS knowledge_age,
       recent.pull_id AS recent_pull_id, recent.started_at AS recent_started_at,
       recent.finished_at AS recent_finished_at,
       present.files AS present_files, present.bytes AS present_bytes, present.overdue_files,
       going.pull_id AS unfinished_pull_id, going.started_at AS unfinished_started_at, going.phase AS unfinished_phase,
       going.generation AS unfinished_generation, listed.entries AS unfinished_listed, expected.files AS expected_files,
       CASE WHEN expected.files > 0 THEN round(least(1, listed.entries::numeric / expected.files), 4) END AS progress,
       CASE WHEN held.running AND going.phase = 'listing' THEN
         syncer.instant() + greatest(0, expected.files - listed.entries) / nullif(pace.files_per_second, 0)
                            * interval '1 second'
       END AS forecast_at,
       lease.holder, lease.held_until, s.next_full_at, s.next_recent_at,
       last_run.kind AS last_run_kind, coalesce(last_run.outcome, 'running or killed') AS last_run_outcome,
       last_run.started_at AS last_run_started_at, last_run.error AS last_run_error,
       kept.history_from,
       held.running, going.kind AS unfinished_kind, listed.last_page_at AS unfinished_last_page_at,
       pace.files_per_second, present.overdue_bytes,
       (SELECT max(p.started_at) FROM syncer.pull p
        WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix
          AND p.settled_run IS NOT NULL
          AND p.pull_id >= (SELECT min(f.pull_id) FROM syncer.pull f
                            WHERE f.source = s.source AND f.listing = newest.listing AND f.prefix = newest.prefix
                              AND f.settled_run IS NOT NULL AND f.kind = 'full')) AS known_until,
       (SELECT p.pull_id FROM syncer.pull p
        WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix AND p.kind = 'full'
          AND p.finished_at IS NOT NULL AND p.proven IS NOT NULL
        ORDER BY p.pull_id DESC LIMIT 1) AS ended_full_pull_id,
       (SELECT p.pull_id FROM syncer.pull p
        WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix AND p.kind = 'recent'
          AND p.finished_at IS NOT NULL AND p.outcome <> 'abandoned'
        ORDER BY p.pull_id DESC LIMIT 1) AS ended_recent_pull_id,
       attempt.run_id AS last_pull_run_id
FROM syncer.source s
LEFT JOIN syncer.lease lease ON lease.source = s.source
LEFT JOIN syncer.retention kept ON kept.source = s.source
CROSS JOIN LATERAL (
  SELECT coalesce(lease.held_until > clock_timestamp() AND EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.pid = lease.backend_pid AND coalesce(a.backend_start = lease.backend_start, true)), false) AS running
) held
LEFT JOIN LATERAL (
  SELECT p.pull_id, p.listing, p.prefix, p.kind, p.finished_at FROM syncer.pull p WHERE p.source = s.source
  ORDER BY p.pull_id DESC LIMIT 1
) newest ON true
LEFT JOIN LATERAL (
  SELECT p.pull_id, p.started_at, p.finished_at FROM syncer.pull p
  WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix AND p.kind = 'full'
    AND p.proven AND p.finished_at IS NOT NULL
  ORDER BY p.pull_id DESC LIMIT 1
) proven ON true
LEFT JOIN LATERAL (
  SELECT p.pull_id, p.started_at, p.finished_at FROM syncer.pull p
  WHERE p.source = s.source AND p.listing = newest.listing AND p.prefix = newest.prefix AND p.kind = 'recent'
    AND p.settled_run IS NOT NULL
  ORDER BY p.pull_id DESC LIMIT 1
) recent ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
         count(*) FILTER (WHERE f.expires_at <= syncer.instant()) AS overdue_files,
         coalesce(sum(f.size_bytes) FILTER (WHERE f.expires_at <= syncer.instant()), 0)::bigint AS overdue_bytes
  FROM syncer.file f WHERE f.source = s.source AND f.gone_at IS NULL
) present ON true
LEFT JOIN LATERAL (
  SELECT r.run_id, r.kind FROM syncer.run r WHERE r.source = s.source AND r.kind <> 'lookup'
  ORDER BY r.run_id DESC LIMIT 1
) attempt ON true
LEFT JOIN syncer.pull going ON going.source = s.source AND going.pull_id =
  CASE WHEN held.running AND attempt.kind = 'recent' AND newest.kind = 'recent' AND newest.finished_at IS NULL
       THEN newest.pull_id
       ELSE (SELECT p.pull_id FROM syncer.pull p
             WHERE p.source = s.source AND p.kind = 'full' AND p.finished_at IS NULL) END
LEFT JOIN LATERAL (
  SELECT coalesce(sum(g.entries), 0)::bigint AS entries, max(g.committed_at) AS last_page_at, max(g.run_id) AS run_id
  FROM syncer.page g
  WHERE g.source = s.source AND g.pull_id = going.pull_id AND g.generation = going.generation AND g.part = 'listing'
) listed ON going.pull_id IS NOT NULL
LEFT JOIN LATERAL (
  SELECT (sum(g.entries) - (array_agg(g.entries ORDER BY g.page))[1])::float8
         / nullif(extract(epoch FROM max(g.committed_at) - min(g.committed_at))::float8, 0) AS files_per_second
  FROM syncer.page g
  WHERE g.source = s.source AND g.pull_id = going.pull_id AND g.generation = going.generation AND g.part = 'listing'
    AND g.run_id = listed.run_id
) pace ON going.pull_id IS NOT NULL
LEFT JOIN LATERAL (
  SELECT p.files FROM syncer.pull p
  WHERE p.source = s.source AND p.listing = going.listing AND p.prefix = going.prefix AND going.kind = 'full'
    AND p.kind = 'full' AND p.settled_run IS NOT NULL AND p.restarts = 0
  ORDER BY p.pull_id DESC LIMIT 1
) expected ON true
LEFT JOIN LATERAL (
  SELECT r.kind, r.outcome, r.started_at, r.error FROM syncer.run r WHERE r.source = s.source
  ORDER BY r.run_id DESC LIMIT 1
) last_run ON true
"""

# Days are counted without a time zone: in the reader's own a midnight may be missing, and a day with it.
INVENTORY = """
CREATE OR REPLACE VIEW report.inventory_daily AS
SELECT s.source, d.day::date AS day, i.live_files, i.live_bytes, coalesce(i.added, 0) AS added,
       coalesce(i.changed, 0) AS changed, coalesce(i.expired, 0) AS expired, coalesce(i.vanished, 0) AS vanished,
       i.pull_id IS NOT NULL AS pulled, coalesce(i.proven, false) AS proven, i.overdue_files,
       coalesce(i.returned, 0) AS returned, i.as_of, i.pull_id
FROM (SELECT i.source, min(i.day) AS first_day FROM syncer.inventory_day i GROUP BY i.source) s
CROSS JOIN LATERAL generate_series(s.first_day::timestamp, syncer.beijing_day(syncer.instant())::timestamp,
                                   interval '1 day') AS d (day)
LEFT JOIN syncer.inventory_day i ON i.source = s.source AND i.day = d.day::date
"""

# A verdict has its reason in words while the pull is unfinished, too.
PULLS = """
CREATE OR REPLACE VIEW report.pulls AS
SELECT p.source, p.pull_id, p.kind, p.prefix, coalesce(p.outcome, 'running') AS outcome,
       CASE p.proven WHEN true THEN 'proven' WHEN false THEN 'unproven' ELSE 'partial' END AS verdict,
       coalesce(p.reason, CASE WHEN p.finished_at IS NULL THEN
         CASE p.phase WHEN 'listing' THEN 'it was not read to its end yet'
                      WHEN 'tail' THEN 'its end is not proven yet'
                      ELSE 'the known files that it did not list are not all asked for yet' END END) AS reason,
       p.started_at, p.finished_at, p.pages, p.files, p.inserted, p.updated, p.unchanged, p.rejected,
       p.gone, p.drifted, p.restarts, p.api_calls, p.error,
       p.generation AS generations, p.page_size, p.unidentified, p.short AS short_pages, p.suspects,
       p.settled_run IS NOT NULL AS settled, p.phase
FROM syncer.pull p
"""

COMMENTS = {
    "VIEW report.sources": "One row per source: how fresh and how sure the data are, and what is in progress. Pulls "
    "are those of the scope (account and prefix) that was listed last: what another one proved says nothing of it.",
    "COLUMN report.sources.proven_pull_id": "The last proven pull of this scope; null when there was none.",
    "COLUMN report.sources.unfinished_pull_id": "The pull that is under way, else the full one that waits to be "
    "resumed.",
    "COLUMN report.sources.expected_files": "What the last full pull of this scope without restarts listed; null for a "
    "recent pull.",
    "COLUMN report.sources.holder": "Who holds it, or was killed while holding it (see running); null when it is free.",
    "COLUMN report.sources.running": "Whether the holder is alive: its session stands and its time is not over.",
    "COLUMN report.sources.unfinished_kind": "full or recent: what is under way or waits.",
    "COLUMN report.sources.unfinished_last_page_at": "When its listing last got a page.",
    "COLUMN report.sources.files_per_second": "The pace of its last run's own pages; null before the second.",
    "COLUMN report.sources.overdue_bytes": "Bytes of the files still listed past their expiry.",
    "COLUMN report.sources.known_until": "New files are known up to here: the start of the last pull of either kind "
    "that was read to a sure end.",
    "COLUMN report.sources.ended_full_pull_id": "The last full pull that came to an end, proven or not.",
    "COLUMN report.sources.ended_recent_pull_id": "The last recent pull that came to an end, sure or not.",
    "COLUMN report.sources.last_pull_run_id": "The last run that was no lookup; see report.runs.",
    "COLUMN syncer.tiers.source": "The source.",
    "COLUMN syncer.tiers.spans": "Spans before the expiry, shortest first.",
    "COLUMN syncer.tiers.span_names": "The names of these tiers, in the same order.",
    "COLUMN syncer.tiers.shares": "Shares of the lifetime before the expiry, smallest first.",
    "COLUMN syncer.tiers.share_names": "The names of these tiers, in the same order.",
}


def upgrade() -> None:
    op.execute(SOURCES)
    op.execute(INVENTORY)
    op.execute(PULLS)
    _comment(COMMENTS)


def downgrade() -> None:
    script = op.get_context().script
    assert script is not None
    before = script.get_revision(down_revision).module
    inventory = script.get_revision("0004").module
    op.execute("DROP VIEW report.sources")
    op.execute(inventory.SOURCES)
    op.execute(inventory.INVENTORY.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
    op.execute(before.PULLS)
    _comment({name: comment for name, comment in inventory.COMMENTS.items() if "report.sources" in name})
    op.execute(before.GRANTS)


def _comment(comments: dict[str, str]) -> None:
    for name, comment in comments.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))
