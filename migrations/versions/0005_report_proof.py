"""report: why a pull is complete, page by page, and the backups as they were known at any instant.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PULLS_BEFORE = """
SELECT p.source, p.pull_id, p.kind, p.prefix, coalesce(p.outcome, 'running') AS outcome,
       CASE p.proven WHEN true THEN 'proven' WHEN false THEN 'unproven' ELSE 'partial' END AS verdict,
       p.reason, p.started_at, p.finished_at, p.pages, p.files, p.inserted, p.updated, p.unchanged, p.rejected,
       p.gone, p.drifted, p.restarts, p.api_calls, p.error
"""

PULLS = f"""
CREATE OR REPLACE VIEW report.pulls AS {PULLS_BEFORE},
       p.generation AS generations, p.page_size, p.unidentified, p.short AS short_pages, p.suspects,
       p.settled_run IS NOT NULL AS settled, p.phase
FROM syncer.pull p
"""

CHANGES_BEFORE = """
SELECT c.source, c.changed_at, r.pull_id, c.file_id, c.field, c.old_value, c.new_value, r.kind
"""

# Sources are few: joined in, each is looked up in turn when only a time is asked for, by the index that begins with it.
CHANGES = f"""
CREATE OR REPLACE VIEW report.changes AS {CHANGES_BEFORE}, c.previous_at, c.run_id
FROM syncer.source s JOIN syncer.change c ON c.source = s.source
LEFT JOIN syncer.run r ON r.source = c.source AND r.run_id = c.run_id
"""

RUNS = """
CREATE VIEW report.runs AS
SELECT r.source, r.run_id, r.kind, r.pull_id, r.holder, r.started_at, r.finished_at,
       coalesce(r.outcome, 'running or killed') AS outcome, r.api_calls, r.error
FROM syncer.run r
"""

DEATHS = """
CREATE VIEW report.context_deaths AS
SELECT d.source, d.pull_id, d.generation, d.part, d.page, d.died_at, d.age_seconds, d.code
FROM syncer.context_death d
"""

PAGES = """
CREATE VIEW report.pages AS
SELECT g.source, g.pull_id, g.generation, g.part, g.page, g.run_id, g.committed_at,
       encode(g.context_in, 'hex') AS context_in, encode(g.context_out, 'hex') AS context_out, g.entries, g.file_count,
       g.rejected, g.inserted, g.updated, g.oldest, g.newest, g.ordered, g.file_ids
FROM syncer.page g
"""

# One listing of a pull, judged by the ledger alone. `chain` follows the contexts; `reading` is the last reading of the
# tail, which begins at its last page without a context; `bridged` repeats the machine's rule for it. What is dear (ids)
# stands in scalar subqueries and is only counted when asked for.
PROOF = """
CREATE VIEW report.proof AS
SELECT p.source, p.pull_id, n.generation, n.generation = p.generation AS last, chain.pages, chain.entries,
       (SELECT count(*) FROM (
          SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
          WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'listing'
          GROUP BY i.id) d) AS distinct_files,
       coalesce(chain.from_beginning OR (chain.pages = 0 AND ending.at_page = 0 AND ending.context_in IS NULL), false)
         AS from_beginning,
       chain.breaks = 0 AND (ending.at_page IS NULL OR (ending.at_page = chain.pages
         AND ending.context_in IS NOT DISTINCT FROM chain.last_context)) AS chain_unbroken,
       chain.breaks, e.ended, e.sure AS end_sure,
       chain.short AS short_pages, chain.rejected,
       reading.pages AS tail_pages,
       CASE WHEN reading.pages > 0 THEN (
         SELECT count(DISTINCT i.id) FROM syncer.page t CROSS JOIN LATERAL unnest(t.file_ids) AS i (id)
         WHERE t.source = p.source AND t.pull_id = p.pull_id AND t.generation = n.generation AND t.part = 'tail'
           AND t.page >= reading.first_page
           AND EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id
                       AND g.generation = n.generation AND g.part = 'listing' AND i.id = ANY (g.file_ids))
       ) END AS tail_met,
       CASE WHEN reading.pages > 0 THEN reading.whole OR coalesce(tail_end.sure, false) OR bridge.bridged
            ELSE coalesce(tail_end.sure, false) END AS tail_proves,
       CASE WHEN n.generation > 1 THEN (
         SELECT count(*) FROM (
           SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
           WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'listing'
           INTERSECT
           SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
           WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation < n.generation AND g.part = 'listing'
         ) d) END AS shared_with_earlier,
       death.code AS death_code, death.age_seconds AS context_age_seconds,
       chain.begun_at, chain.ended_at,
       coalesce(chain.from_beginning, true) AND chain.breaks = 0
         AND (ending.at_page IS NULL OR (ending.at_page = chain.pages
              AND ending.context_in IS NOT DISTINCT FROM chain.last_context))
         AND (e.sure OR (e.doubted AND (coalesce(tail_end.sure, false)
              OR (reading.pages > 0 AND (reading.whole OR bridge.bridged))))) AS complete
FROM syncer.pull p
CROSS JOIN LATERAL generate_series(1, p.generation) AS n (generation)
CROSS JOIN LATERAL (
  SELECT count(*) AS pages, coalesce(sum(c.entries), 0)::bigint AS entries, bool_or(c.page = 1 AND c.context_in IS NULL)
           AS from_beginning,
         count(*) FILTER (WHERE c.page <> c.place OR (c.page > 1 AND
           (c.context_in IS NULL OR c.context_in IS DISTINCT FROM c.given))) AS breaks,
         count(*) FILTER (WHERE c.file_count > c.entries) AS short, coalesce(sum(c.rejected), 0)::bigint AS rejected,
         (array_agg(c.context_out ORDER BY c.page DESC))[1] AS last_context, min(c.oldest) AS oldest,
         min(c.committed_at) AS begun_at, max(c.committed_at) AS ended_at
  FROM (SELECT g.page, g.entries, g.file_count, g.rejected, g.context_in, g.context_out, g.oldest, g.committed_at,
               lag(g.context_out) OVER w AS given, row_number() OVER w AS place
        FROM syncer.page g
        WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'listing'
        WINDOW w AS (ORDER BY g.page)) c
) chain
LEFT JOIN LATERAL (
  SELECT x.page AS at_page, x.ambiguous, x.context_in FROM syncer.listing_end x
  WHERE x.source = p.source AND x.pull_id = p.pull_id AND x.generation = n.generation AND x.part = 'listing'
) ending ON true
LEFT JOIN LATERAL (
  SELECT NOT x.ambiguous AS sure FROM syncer.listing_end x
  WHERE x.source = p.source AND x.pull_id = p.pull_id AND x.generation = n.generation AND x.part = 'tail'
) tail_end ON true
LEFT JOIN LATERAL (
  SELECT d.code, d.age_seconds FROM syncer.context_death d
  WHERE d.source = p.source AND d.pull_id = p.pull_id AND d.generation = n.generation AND d.part = 'listing' LIMIT 1
) death ON true
CROSS JOIN LATERAL (
  SELECT CASE WHEN chain.pages > 0 AND chain.last_context IS NULL THEN 'an empty context'
              WHEN ending.ambiguous THEN '70008, but a reply may be lost'
              WHEN ending.at_page IS NOT NULL THEN '70008'
              WHEN death.code IS NOT NULL THEN 'a lost context (' || death.code || ')'
              WHEN n.generation < p.generation THEN 'given up, its contexts ran in a circle'
              WHEN p.kind = 'recent' AND p.settled_run IS NOT NULL THEN 'nothing new'
              WHEN p.finished_at IS NULL THEN 'unfinished'
              WHEN chain.pages = 0 AND p.pages > 0 THEN 'pruned'
              ELSE 'cut short' END AS ended,
         (chain.pages > 0 AND chain.last_context IS NULL) OR coalesce(NOT ending.ambiguous, false) AS sure,
         coalesce(ending.ambiguous, false) AS doubted
) e
CROSS JOIN LATERAL (
  SELECT count(*) AS pages, min(t.page) AS first_page,
         count(*) > 0 AND (array_agg(t.context_out ORDER BY t.page DESC))[1] IS NULL AS whole,
         bool_and(coalesce(t.ordered, false) AND (t.reached IS NULL OR t.oldest IS NULL OR t.reached <= t.oldest))
           AS ordered,
         (array_agg(t.oldest ORDER BY t.page) FILTER (WHERE t.oldest IS NOT NULL))[1] AS first
  FROM (SELECT g.page, g.context_out, g.ordered, g.oldest,
               max(g.newest) OVER (ORDER BY g.page ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
        FROM syncer.page g
        WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'tail'
          AND g.page >= (SELECT max(b.page) FROM syncer.page b
                         WHERE b.source = p.source AND b.pull_id = p.pull_id AND b.generation = n.generation
                           AND b.part = 'tail' AND b.context_in IS NULL)) t
) reading
CROSS JOIN LATERAL (
  SELECT coalesce(reading.ordered AND reading.first <= chain.oldest AND EXISTS (
    SELECT FROM syncer.page t
    WHERE t.source = p.source AND t.pull_id = p.pull_id AND t.generation = n.generation AND t.part = 'tail'
      AND t.page >= reading.first_page AND t.newest > chain.oldest
      AND EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id
                  AND g.generation = n.generation AND g.part = 'listing' AND g.file_ids && t.file_ids)), false)
    AS bridged
) bridge
"""

# What a person goes through to believe a pull: each point with its evidence, the verdict last.
PULL_PROOF = """
CREATE FUNCTION report.pull_proof(pull_id bigint)
RETURNS TABLE (source text, point integer, claim text, holds boolean, evidence text)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT p.source, c.point, c.claim, c.holds, c.evidence
  FROM report.pulls p
  JOIN report.proof f ON f.source = p.source AND f.pull_id = p.pull_id AND f.last
  CROSS JOIN LATERAL (VALUES
    (1, 'It is a full pull of everything in the scope', p.kind = 'full',
     p.kind || ' pull, ' || CASE p.prefix WHEN '' THEN 'all names' ELSE 'names that begin with ' || p.prefix END),
    (2, 'It was read to its end and finished', p.finished_at IS NOT NULL AND p.outcome IN ('complete', 'unproven'),
     'outcome ' || p.outcome || coalesce('; ' || p.error, '')),
    (3, 'Its ledger is whole', (SELECT count(*) = p.pages AND coalesce(sum(g.entries), 0) = p.files
                                FROM report.pages g WHERE g.source = p.source AND g.pull_id = p.pull_id),
     (SELECT count(*) || ' of ' || p.pages || ' pages, ' || coalesce(sum(g.entries), 0) || ' of ' || p.files
             || ' entries are in the ledger (after the retention of ledgers there are none)'
      FROM report.pages g WHERE g.source = p.source AND g.pull_id = p.pull_id)),
    (4, 'Its last listing began at the beginning', f.from_beginning,
     'listing ' || f.generation || ' of ' || p.generations || ', first page asked for without a context'),
    (5, 'Each page was asked for with the context that the page before it gave', f.chain_unbroken,
     f.pages || ' pages, ' || f.breaks || ' breaks in the chain'),
    (6, 'The listing''s end is sure, or proven from its other end', f.end_sure OR f.tail_proves,
     'it ended with ' || f.ended || CASE WHEN f.tail_pages > 0 THEN ', ' || f.tail_pages
       || ' pages from the other end met ' || f.tail_met || ' of its files' ELSE '' END),
    (7, 'Every page held as many entries as its own fileCount says', p.short_pages = 0,
     p.short_pages || ' short pages'),
    (8, 'Every entry had a readable file id', p.unidentified = 0,
     f.entries || ' entries, ' || f.distinct_files || ' different files, ' || p.unidentified || ' without an id'),
    (9, 'No file that exists was skipped', p.drifted = 0,
     coalesce(p.suspects || ' known files not listed, ', 'not swept, ') || p.drifted || ' of them unexpired and alive'),
    (10, 'Restarts did no harm', true,
     p.restarts || ' lost contexts' || coalesce(', the last listing shares ' || f.shared_with_earlier
       || ' files with earlier ones', '')),
    (11, 'Verdict: ' || p.verdict, p.verdict = 'proven', coalesce(p.reason, 'it has not ended'))
  ) AS c (point, claim, holds, evidence)
  WHERE p.pull_id = $1
  ORDER BY p.source, c.point;
END
"""

REACHES = """
CREATE FUNCTION syncer.history_reaches(at timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  horizon timestamptz := (SELECT max(r.history_from) FROM syncer.retention r);
BEGIN
  IF at < horizon THEN
    RAISE EXCEPTION 'history before % is no longer kept, so the backups as of % are not known', horizon, at
      USING ERRCODE = 'invalid_parameter_value', HINT = 'SYNCER_KEEP_HISTORY says how long history is kept.';
  END IF;
  RETURN true;
END $$
"""

# What changed after the instant is undone: of each field the oldest value after it. Written on report's own views so
# that a reader may run it, as plain SQL so that PostgreSQL inlines it and filters reach the table's indexes.
_UNDONE = "CASE WHEN u.old ? '{c}' THEN (u.old->>'{c}')::{t} ELSE b.{c} END AS {c}"
_UNDONE_COLUMNS = {
    "name": "text",
    "size_bytes": "bigint",
    "file_type": "text",
    "duration_seconds": "bigint",
    "status": "integer",
    "created_at": "timestamptz",
    "expires_at": "timestamptz",
    "url": "text",
    "gone_at": "timestamptz",
    "created_raw": "text",
    "expires_raw": "text",
    "extra": "jsonb",
}
AS_OF = f"""
CREATE FUNCTION report.backups_as_of(at timestamptz)
RETURNS TABLE (source text, file_id text, name text, size_bytes bigint, file_type text, duration_seconds bigint,
               status integer, created_at timestamptz, expires_at timestamptz, url text, state text,
               first_seen_at timestamptz, changed_at timestamptz, gone_at timestamptz, created_raw text,
               expires_raw text, extra jsonb)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000000
BEGIN ATOMIC
  SELECT w.source, w.file_id, w.name, w.size_bytes, w.file_type, w.duration_seconds, w.status, w.created_at,
         w.expires_at, w.url,
         CASE WHEN w.gone_at IS NULL AND w.expires_at <= $1 THEN 'overdue'
              WHEN w.gone_at IS NULL THEN 'live'
              WHEN w.expires_at <= w.gone_at THEN 'expired'
              ELSE 'vanished' END,
         w.first_seen_at, w.changed_at, w.gone_at, w.created_raw, w.expires_raw, w.extra
  FROM (
    SELECT b.source, b.file_id, b.first_seen_at, coalesce(u.previous_at, b.changed_at) AS changed_at,
           {", ".join(_UNDONE.format(c=column, t=kind) for column, kind in _UNDONE_COLUMNS.items())}
    FROM report.backups b
    LEFT JOIN (
      SELECT c.source, c.file_id, min(c.previous_at) AS previous_at,
             jsonb_object_agg(c.field, c.old_value ORDER BY c.changed_at DESC) AS old
      FROM report.changes c
      WHERE c.changed_at > $1
      GROUP BY c.source, c.file_id
    ) u ON u.source = b.source AND u.file_id = b.file_id
    WHERE b.first_seen_at <= $1 AND syncer.history_reaches($1)
  ) w;
END
"""  # noqa: S608 - put together from the names above

COMMENTS = {
    "COLUMN report.pulls.generations": "Listings that it took: one, and one more for each lost context.",
    "COLUMN report.pulls.page_size": "Files asked for a page.",
    "COLUMN report.pulls.unidentified": "Entries without a readable file id; with any it cannot be proven.",
    "COLUMN report.pulls.short_pages": "Pages with fewer entries than their own fileCount; with any it is not proven.",
    "COLUMN report.pulls.suspects": "Known files that it did not list; null when it was not swept.",
    "COLUMN report.pulls.settled": "Read to a sure end: what it listed is known to later recent pulls.",
    "COLUMN report.pulls.phase": "listing, tail (proving the end), sweep (asking for what is missing) or done.",
    "COLUMN report.changes.previous_at": "When the file had last changed before this.",
    "COLUMN report.changes.run_id": "The run that saw it.",
    "VIEW report.runs": "One row per attempt: a pull that was interrupted takes several.",
    "COLUMN report.runs.source": "The source.",
    "COLUMN report.runs.run_id": "Rises with every run.",
    "COLUMN report.runs.kind": "full, recent or lookup.",
    "COLUMN report.runs.pull_id": "The pull that was attempted; null for a lookup, and for a run that was killed.",
    "COLUMN report.runs.holder": "Host and process.",
    "COLUMN report.runs.started_at": "When it began.",
    "COLUMN report.runs.finished_at": "When it ended; null while it runs and after a kill.",
    "COLUMN report.runs.outcome": "complete, unproven, failed, stopped, or running or killed.",
    "COLUMN report.runs.api_calls": "API calls made, failed ones included.",
    "COLUMN report.runs.error": "Why it failed or was stopped.",
    "VIEW report.context_deaths": "One row per context that the API no longer took: how long contexts live.",
    "COLUMN report.context_deaths.source": "The source.",
    "COLUMN report.context_deaths.pull_id": "The pull that had to list anew.",
    "COLUMN report.context_deaths.generation": "Which listing of the pull was lost.",
    "COLUMN report.context_deaths.part": "listing, or tail: the proof from the other end.",
    "COLUMN report.context_deaths.page": "Pages that it had come to.",
    "COLUMN report.context_deaths.died_at": "When the API refused the context.",
    "COLUMN report.context_deaths.age_seconds": "How old the context was then.",
    "COLUMN report.context_deaths.code": "70005 (invalid) or 70006 (used out of turn).",
    "VIEW report.pages": "The page ledger: one row per page of a pull, kept for SYNCER_KEEP_LEDGER.",
    "COLUMN report.pages.source": "The source.",
    "COLUMN report.pages.pull_id": "The pull.",
    "COLUMN report.pages.generation": "Which listing of the pull: a lost context begins another.",
    "COLUMN report.pages.part": "listing, or tail: the proof of its end from the other end.",
    "COLUMN report.pages.page": "Counts from 1 within generation and part.",
    "COLUMN report.pages.run_id": "The run that committed it.",
    "COLUMN report.pages.committed_at": "When it was committed.",
    "COLUMN report.pages.context_in": "Hash of the context it was asked for with; null at the beginning.",
    "COLUMN report.pages.context_out": "Hash of the context it gave; null at the end.",
    "COLUMN report.pages.entries": "Entries that came.",
    "COLUMN report.pages.file_count": "The API's own fileCount.",
    "COLUMN report.pages.rejected": "Entries not understood in whole or in part.",
    "COLUMN report.pages.inserted": "Files seen for the first time.",
    "COLUMN report.pages.updated": "Files that changed.",
    "COLUMN report.pages.oldest": "Oldest createTime on the page.",
    "COLUMN report.pages.newest": "Newest createTime on the page.",
    "COLUMN report.pages.ordered": "Whether its createTimes kept the order that was asked for.",
    "COLUMN report.pages.file_ids": "The files it showed.",
    "VIEW report.proof": "One row per listing of a pull, judged by the page ledger alone. Ask for one pull at a time.",
    "COLUMN report.proof.source": "The source.",
    "COLUMN report.proof.pull_id": "The pull.",
    "COLUMN report.proof.generation": "Which listing of the pull: a lost context begins another.",
    "COLUMN report.proof.last": "Whether it is the pull's last one: the one that must be complete.",
    "COLUMN report.proof.pages": "Pages in the ledger.",
    "COLUMN report.proof.entries": "Entries on them.",
    "COLUMN report.proof.distinct_files": "Different files on them: pages may overlap when files arrive meanwhile.",
    "COLUMN report.proof.from_beginning": "Whether its first page was asked for without a context.",
    "COLUMN report.proof.chain_unbroken": "Whether each page was asked for with the context that the one before gave.",
    "COLUMN report.proof.breaks": "Pages that do not follow from the one before.",
    "COLUMN report.proof.ended": "How it ended: an empty context, 70008, a lost context, nothing new, unfinished, ...",
    "COLUMN report.proof.end_sure": "Whether that end is sure in itself.",
    "COLUMN report.proof.short_pages": "Pages with fewer entries than their own fileCount.",
    "COLUMN report.proof.rejected": "Entries not understood in whole or in part.",
    "COLUMN report.proof.tail_pages": "Pages read from the other end to prove a doubtful end.",
    "COLUMN report.proof.tail_met": "Files on these that the listing had shown too.",
    "COLUMN report.proof.tail_proves": "Whether they prove that no page was lost between.",
    "COLUMN report.proof.shared_with_earlier": "Files that earlier listings of this pull had shown too.",
    "COLUMN report.proof.death_code": "The code with which its context was lost.",
    "COLUMN report.proof.context_age_seconds": "How old that context was.",
    "COLUMN report.proof.begun_at": "When its first page was committed.",
    "COLUMN report.proof.ended_at": "When its last page was committed.",
    "COLUMN report.proof.complete": "Whether the ledger shows that no page of it can be missing.",
    "FUNCTION report.pull_proof(bigint)": "Why a pull is proven, or is not: point by point, with the evidence. The "
    "verdict, the last point, is proven when all before it hold; once its ledger was pruned only the verdict is left.",
    "FUNCTION report.backups_as_of(timestamptz)": "report.backups as it was at that instant, column for column; an "
    "error for an instant before the history that is kept (SYNCER_KEEP_HISTORY).",
    "FUNCTION syncer.history_reaches(timestamptz)": "True; an error when history that old was pruned.",
}

# The role may be older or younger than these views; deploy/roles.sql grants the same.
GRANTS = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncer_report') THEN
    GRANT USAGE ON SCHEMA report TO syncer_report;
    GRANT SELECT ON ALL TABLES IN SCHEMA report TO syncer_report;
    ALTER DEFAULT PRIVILEGES IN SCHEMA report GRANT SELECT ON TABLES TO syncer_report;
  END IF;
END $$
"""


def upgrade() -> None:
    for statement in (PULLS, CHANGES, RUNS, DEATHS, PAGES, PROOF, PULL_PROOF, REACHES, AS_OF):
        op.execute(statement)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION report.backups_as_of(timestamptz), report.pull_proof(bigint)")
    op.execute("DROP FUNCTION syncer.history_reaches(timestamptz)")
    op.execute("DROP VIEW report.proof, report.pages, report.context_deaths, report.runs")
    _narrow("pulls", f"{PULLS_BEFORE} FROM syncer.pull p", last="error")
    run = "LEFT JOIN syncer.run r ON r.source = c.source AND r.run_id = c.run_id"
    _narrow("changes", f"{CHANGES_BEFORE} FROM syncer.change c {run}", last="kind")


def _narrow(view: str, query: str, *, last: str) -> None:
    """Take the columns after `last` away from a view; the others keep their comments."""
    op.execute(f"""
        DO $$
        DECLARE
          kept text[];
          statement text;
        BEGIN
          SELECT array_agg(format('COMMENT ON COLUMN report.{view}.%I IS %L', a.attname,
                                  col_description(a.attrelid, a.attnum)))
                 || format('COMMENT ON VIEW report.{view} IS %L', obj_description('report.{view}'::regclass))
          INTO kept
          FROM pg_attribute a
          WHERE a.attrelid = 'report.{view}'::regclass AND a.attnum BETWEEN 1 AND
            (SELECT l.attnum FROM pg_attribute l WHERE l.attrelid = a.attrelid AND l.attname = '{last}');
          DROP VIEW report.{view};
          CREATE VIEW report.{view} AS {query};
          FOREACH statement IN ARRAY kept LOOP EXECUTE statement; END LOOP;
        END $$
    """)  # noqa: S608 - put together from the names above
