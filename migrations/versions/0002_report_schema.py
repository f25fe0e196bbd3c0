"""report: stable views for people and dashboards, and the role that may read them.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The instant that views and writes go by. A session may set `syncer.now` to look at the data as if it were then, and
# tests set it to let days pass; leases and quotas never use it. Plain SQL, so that PostgreSQL inlines it.
INSTANT = """
CREATE FUNCTION syncer.instant() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('syncer.now', true), '')::timestamptz, now())
"""

BACKUPS = """
CREATE VIEW report.backups AS
SELECT f.source, f.file_id, f.name, f.size_bytes, f.file_type, f.duration_seconds, f.status, f.created_at,
       f.expires_at, f.url,
       CASE WHEN f.gone_at IS NULL AND f.expires_at <= syncer.instant() THEN 'overdue'
            WHEN f.gone_at IS NULL THEN 'live'
            WHEN f.expires_at <= f.gone_at THEN 'expired'
            ELSE 'vanished' END AS state,
       f.first_seen_at, f.changed_at, f.gone_at, f.created_raw, f.expires_raw, f.extra
FROM syncer.file f
"""

PULLS = """
CREATE VIEW report.pulls AS
SELECT p.source, p.pull_id, p.kind, p.prefix, coalesce(p.outcome, 'running') AS outcome,
       CASE p.proven WHEN true THEN 'proven' WHEN false THEN 'unproven' ELSE 'partial' END AS verdict,
       p.reason, p.started_at, p.finished_at, p.pages, p.files, p.inserted, p.updated, p.unchanged, p.rejected,
       p.gone, p.drifted, p.restarts, p.api_calls, p.error
FROM syncer.pull p
"""

CHANGES = """
CREATE VIEW report.changes AS
SELECT c.source, c.changed_at, r.pull_id, c.file_id, c.field, c.old_value, c.new_value, r.kind
FROM syncer.change c LEFT JOIN syncer.run r ON r.source = c.source AND r.run_id = c.run_id
"""

REJECTED = """
CREATE VIEW report.rejected AS
SELECT r.source, r.rejected_at, r.pull_id, r.page, r.position, r.file_id, r.reason, r.raw
FROM syncer.rejected r
"""

COMMENTS = {
    "VIEW report.backups": "One row per file ever seen, as last listed.",
    "COLUMN report.backups.source": "The source that lists it.",
    "COLUMN report.backups.file_id": "The API's fileId.",
    "COLUMN report.backups.name": "Name; NUL characters and lone surrogates are shown as escapes.",
    "COLUMN report.backups.size_bytes": "Size in bytes; null when the API does not say.",
    "COLUMN report.backups.file_type": "Type, such as mp4 or flv.",
    "COLUMN report.backups.duration_seconds": "Length in seconds; null when the API does not say.",
    "COLUMN report.backups.status": "The API's status (undocumented; 2 = normal in its sibling calls).",
    "COLUMN report.backups.created_at": "createTime, read as UTC+8.",
    "COLUMN report.backups.expires_at": "expireTime, read as UTC+8: after it the file is gone for good.",
    "COLUMN report.backups.url": "Where the backup can be fetched.",
    "COLUMN report.backups.state": "live (listed, not yet expired), overdue (listed past its expiry), expired (gone at "
    "or after its expiry) or vanished (gone before its expiry: somebody deleted it).",
    "COLUMN report.backups.first_seen_at": "When this database first held the file.",
    "COLUMN report.backups.changed_at": "When anything in this row last changed.",
    "COLUMN report.backups.gone_at": "When the file was found gone from the listing; null while it is listed.",
    "COLUMN report.backups.created_raw": "createTime as the API wrote it.",
    "COLUMN report.backups.expires_raw": "expireTime as the API wrote it.",
    "COLUMN report.backups.extra": "Fields that the API sent beyond its document.",
    "VIEW report.pulls": "One row per pull: one pass over a listing.",
    "COLUMN report.pulls.source": "The source that was listed.",
    "COLUMN report.pulls.pull_id": "Rises with every pull.",
    "COLUMN report.pulls.kind": "full (everything in the scope) or recent (newest first, until nothing is new).",
    "COLUMN report.pulls.prefix": "Only names that begin with this were asked for.",
    "COLUMN report.pulls.outcome": "complete, unproven, failed, stopped, abandoned, or running while it is unfinished.",
    "COLUMN report.pulls.verdict": "proven (nothing can be missing), unproven (read to its end, but something may be "
    "missing) or partial (not read to an end, or a recent pull).",
    "COLUMN report.pulls.reason": "Why it is, or is not, proven.",
    "COLUMN report.pulls.started_at": "When it began; a proven pull knows every file that existed then.",
    "COLUMN report.pulls.finished_at": "When it ended for good; null while it can be resumed.",
    "COLUMN report.pulls.pages": "Pages committed.",
    "COLUMN report.pulls.files": "Entries listed.",
    "COLUMN report.pulls.inserted": "Files seen for the first time.",
    "COLUMN report.pulls.updated": "Files whose row changed.",
    "COLUMN report.pulls.unchanged": "Files that were as stored.",
    "COLUMN report.pulls.rejected": "Entries not understood in whole or in part; see report.rejected.",
    "COLUMN report.pulls.gone": "Files marked as gone.",
    "COLUMN report.pulls.drifted": "Unexpired files that exist but that the listing skipped.",
    "COLUMN report.pulls.restarts": "Contexts that the API no longer took: each began the listing anew.",
    "COLUMN report.pulls.api_calls": "API calls made, failed ones included.",
    "COLUMN report.pulls.error": "Why the last run failed, or why the sweep was refused.",
    "VIEW report.changes": "One row per changed field of a backup.",
    "COLUMN report.changes.source": "The source.",
    "COLUMN report.changes.changed_at": "When the change was seen.",
    "COLUMN report.changes.pull_id": "The pull that saw it; null for a lookup.",
    "COLUMN report.changes.file_id": "The file.",
    "COLUMN report.changes.field": "The column of report.backups that changed (gone_at: it went or returned).",
    "COLUMN report.changes.old_value": "Before, as text.",
    "COLUMN report.changes.new_value": "After, as text.",
    "COLUMN report.changes.kind": "full, recent or lookup: what saw it.",
    "VIEW report.rejected": "One row per entry that could not be understood in whole or in part.",
    "COLUMN report.rejected.source": "The source.",
    "COLUMN report.rejected.rejected_at": "When the entry was first met in this form.",
    "COLUMN report.rejected.pull_id": "The pull that first met it; null for a lookup.",
    "COLUMN report.rejected.page": "The page of that pull.",
    "COLUMN report.rejected.position": "Its place on the page, from 0.",
    "COLUMN report.rejected.file_id": "Its fileId, where that could be read: then the file itself is kept.",
    "COLUMN report.rejected.reason": "What could not be understood.",
    "COLUMN report.rejected.raw": "The entry as it came.",
    "SCHEMA syncer": "Private tables of syncer; free to change. Read the views of schema report instead.",
    "SCHEMA report": "Stable views on the backups; read them as a member of role syncer_report.",
    "FUNCTION syncer.instant()": "The instant that everything goes by: now, or the setting syncer.now.",
}

# Roles belong to the whole server: another database's migration may make it at the same moment, and a plain owner
# may not make roles at all. Then the administrator runs deploy/roles.sql.
ROLE = """
DO $$
BEGIN
  CREATE ROLE syncer_report NOLOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'role syncer_report was not made: this user may not; an administrator can run deploy/roles.sql';
END $$
"""

GRANTS = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncer_report') THEN
    GRANT USAGE ON SCHEMA report TO syncer_report;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO syncer_report;
    ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO syncer_report;
    ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT EXECUTE ON FUNCTIONS TO syncer_report;
  END IF;
END $$
"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA report")
    op.execute(INSTANT)
    for view in (BACKUPS, PULLS, CHANGES, REJECTED):
        op.execute(view)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))
    op.execute(ROLE)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP SCHEMA report CASCADE")
    op.execute("DROP FUNCTION syncer.instant()")
