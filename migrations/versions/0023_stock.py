"""Totals of files, kept by the database itself: the views that counted every file anew read them.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def _amount(name: str, comment: str) -> sa.Column[object]:
    return sa.Column(name, sa.Numeric(), nullable=False, comment=comment)


def _stock() -> None:
    op.create_table(
        "stock",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="expiry and creation: what is listed, by that day; gone: what is listed no more.",
        ),
        sa.Column(
            "day",
            sa.Date(),
            nullable=False,
            comment="The day by Beijing time; infinity where there is none, and for what is gone.",
        ),
        sa.Column(
            "word",
            sa.Text(),
            nullable=False,
            comment="Of creation the type of file, 100 characters at most; of gone expired or vanished; else empty.",
        ),
        sa.Column("files", sa.BigInteger(), nullable=False, comment="Files; 0 when they have all left."),
        _amount("bytes", "Their bytes, as far as sizes are known."),
        _amount("seconds", "Their length together, as far as it is known."),
        sa.PrimaryKeyConstraint("source", "kind", "day", "word", name=op.f("stock_pkey")),
        sa.CheckConstraint("kind in ('expiry', 'creation', 'gone')", name=op.f("stock_kind_check")),
        schema="syncer",
        comment="Totals of syncer.file, kept by its triggers: they are true whenever a transaction ends.",
        postgresql_with={"fillfactor": 50},
    )


# One pass over the files makes the totals of every kind. Sums are numeric: no size that the API tells may keep a page
# from being written.
_SUMS = """
SELECT f.source, CASE WHEN f.fate <> '' THEN 'gone' WHEN GROUPING(f.word) = 1 THEN 'expiry' ELSE 'creation' END AS kind,
       CASE WHEN GROUPING(f.word) = 1 THEN f.expiry ELSE f.creation END AS day,
       CASE WHEN GROUPING(f.word) = 1 THEN f.fate ELSE f.word END AS word, {sums}
FROM (
  SELECT i.*, CASE WHEN i.gone_at IS NULL THEN '' WHEN i.expires_at <= i.gone_at THEN 'expired' ELSE 'vanished' END
                AS fate,
         CASE WHEN i.gone_at IS NULL THEN coalesce(syncer.beijing_day(i.expires_at), 'infinity') ELSE 'infinity' END
           AS expiry,
         coalesce(syncer.beijing_day(i.created_at), 'infinity') AS creation,
         coalesce(left(i.file_type, 100), '') AS word
  FROM {files} i
) f
GROUP BY GROUPING SETS ((f.source, f.fate, f.expiry), (f.source, f.fate, f.creation, f.word))
HAVING f.fate = '' OR GROUPING(f.word) = 1
"""
_OF_FILES = (
    "count(*) AS files, coalesce(sum(f.size_bytes), 0) AS bytes, coalesce(sum(f.duration_seconds), 0) AS seconds"
)
_SIGNED = (
    "sum(f.sign) AS files, coalesce(sum(f.sign * f.size_bytes), 0) AS bytes, "
    "coalesce(sum(f.sign * f.duration_seconds), 0) AS seconds"
)
_BOTH = "(SELECT 1 AS sign, n.* FROM new_files n UNION ALL SELECT -1, o.* FROM old_files o)"
_LEFT = "(SELECT -1 AS sign, o.* FROM old_files o)"

# By the statement that wrote: its transition tables, the one that is empty when nothing was written, and the sums.
_EVENTS = {
    "insert": ("NEW TABLE AS new_files", "new_files", _SUMS.format(files="new_files", sums=_OF_FILES)),
    "update": (
        "OLD TABLE AS old_files NEW TABLE AS new_files",
        "new_files",
        _SUMS.format(files=_BOTH, sums=_SIGNED),
    ),
    "delete": ("OLD TABLE AS old_files", "old_files", _SUMS.format(files=_LEFT, sums=_SIGNED)),
}

# The page of a pull that finds nothing new fires the triggers as well: then they must cost next to nothing. Rows are
# taken in the order of their key, so that a lookup and a pull of one source wait for each other.
_COUNT = """
CREATE FUNCTION syncer.stock_after_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM {some}) THEN
    INSERT INTO syncer.stock AS s (source, kind, day, word, files, bytes, seconds)
    SELECT * FROM ({sums}) moved WHERE (files, bytes, seconds) <> (0, 0, 0) ORDER BY source, kind, day, word
    ON CONFLICT (source, kind, day, word) DO UPDATE
    SET files = s.files + excluded.files, bytes = s.bytes + excluded.bytes, seconds = s.seconds + excluded.seconds;
  END IF;
  RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE TRIGGER stock_after_{event} AFTER {event} ON syncer.file REFERENCING {tables}
FOR EACH STATEMENT EXECUTE FUNCTION syncer.stock_after_{event}()
"""
_EMPTY = """
CREATE FUNCTION syncer.stock_after_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM syncer.stock;
  RETURN NULL;
END $$
"""
_EMPTY_TRIGGER = """
CREATE TRIGGER stock_after_truncate AFTER TRUNCATE ON syncer.file
FOR EACH STATEMENT EXECUTE FUNCTION syncer.stock_after_truncate()
"""

MIDNIGHT = """
CREATE FUNCTION syncer.beijing_midnight(day date) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN day::timestamp AT TIME ZONE INTERVAL '08:00'
"""

# The files of today's rows are looked at one by one, by an index: only they pass their expiry in the course of the day.
# OFFSET 0: the instant is made once, and not for each file.
BY_EXPIRY = """
CREATE VIEW syncer.stock_by_expiry AS
SELECT s.source, s.day, s.day < n.today AS overdue, s.files, s.bytes
FROM (SELECT syncer.beijing_day(syncer.instant()) AS today OFFSET 0) n
JOIN syncer.stock s ON s.kind = 'expiry' AND s.files > 0 AND s.day <> n.today
UNION ALL
SELECT f.source, n.today, f.expires_at <= n.instant, count(*), coalesce(sum(f.size_bytes), 0)
FROM (SELECT syncer.instant() AS instant, syncer.beijing_day(syncer.instant()) AS today OFFSET 0) n
JOIN syncer.stock s ON s.kind = 'expiry' AND s.files > 0 AND s.day = n.today
JOIN syncer.file f ON f.source = s.source AND f.gone_at IS NULL AND f.expires_at >= syncer.beijing_midnight(n.today)
                      AND f.expires_at < syncer.beijing_midnight(n.today + 1)
GROUP BY 1, 2, 3
"""

CALENDAR = """
CREATE OR REPLACE VIEW report.expiry_calendar AS
SELECT s.source, s.day, s.files, s.bytes::bigint AS bytes,
       s.day - syncer.beijing_day(syncer.instant()) AS days_ahead
FROM syncer.stock_by_expiry s
WHERE NOT s.overdue AND s.day < 'infinity'
"""

BY_TYPE = """
CREATE OR REPLACE VIEW report.storage_by_type AS
SELECT s.source, s.word AS file_type, sum(s.files)::bigint AS files, sum(s.bytes)::bigint AS bytes,
       sum(s.seconds)::bigint AS duration_seconds
FROM syncer.stock s WHERE s.kind = 'creation' AND s.files > 0
GROUP BY s.source, s.word
"""

# An age ends at an instant in the course of a day: the files created on such days are looked at one by one, those of
# all others are of one age.
BY_AGE = """
CREATE OR REPLACE VIEW report.storage_by_age AS
WITH ages AS (
  SELECT syncer.instant() AS instant, array_agg(a.age ORDER BY a.age) AS ages,
         array_agg(DISTINCT syncer.beijing_day(syncer.instant() - a.age)) AS days
  FROM unnest('{168h,720h,2160h,4320h,8760h}'::interval[]) AS a (age)
)
SELECT f.source, coalesce((ARRAY['under 7 days', '7 to 30 days', '30 to 90 days', '90 to 180 days',
                                 '180 days to a year', 'over a year'])[1 + f.bucket], 'unknown') AS age,
       (ARRAY[0, 7, 30, 90, 180, 365])[1 + f.bucket] AS from_days,
       (ARRAY[7, 30, 90, 180, 365])[1 + f.bucket] AS to_days,
       sum(f.files)::bigint AS files, sum(f.bytes)::bigint AS bytes
FROM (
  SELECT s.source, CASE WHEN s.day < 'infinity' THEN width_bucket(n.instant - syncer.beijing_midnight(s.day), n.ages)
                   END AS bucket, s.files, s.bytes
  FROM ages n
  JOIN syncer.stock s ON s.kind = 'creation' AND s.files > 0 AND s.day <> ALL (n.days)
  UNION ALL
  SELECT f.source, width_bucket(n.instant - f.created_at, n.ages), count(*), coalesce(sum(f.size_bytes), 0)
  FROM ages n
  CROSS JOIN LATERAL unnest(n.days) AS d (day)
  JOIN syncer.file f ON f.gone_at IS NULL AND f.created_at >= syncer.beijing_midnight(d.day)
                        AND f.created_at < syncer.beijing_midnight(d.day + 1)
  GROUP BY 1, 2
) f
GROUP BY f.source, f.bucket
"""

BY_STATE = """
CREATE VIEW report.storage_by_state AS
SELECT s.source, CASE WHEN s.overdue THEN 'overdue' ELSE 'live' END AS state, sum(s.files)::bigint AS files,
       sum(s.bytes)::bigint AS bytes
FROM syncer.stock_by_expiry s GROUP BY 1, 2
UNION ALL
SELECT s.source, s.word, s.files, s.bytes::bigint FROM syncer.stock s WHERE s.kind = 'gone' AND s.files > 0
"""

_PRESENT_BEFORE = """
  SELECT count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
         count(*) FILTER (WHERE f.expires_at <= syncer.instant()) AS overdue_files,
         coalesce(sum(f.size_bytes) FILTER (WHERE f.expires_at <= syncer.instant()), 0)::bigint AS overdue_bytes
  FROM syncer.file f WHERE f.source = s.source AND f.gone_at IS NULL
"""
_PRESENT_AFTER = """
  SELECT coalesce(sum(e.files), 0)::bigint AS files, coalesce(sum(e.bytes), 0)::bigint AS bytes,
         coalesce(sum(e.files) FILTER (WHERE e.overdue), 0)::bigint AS overdue_files,
         coalesce(sum(e.bytes) FILTER (WHERE e.overdue), 0)::bigint AS overdue_bytes
  FROM syncer.stock_by_expiry e WHERE e.source = s.source
"""

COMMENTS = {
    "FUNCTION syncer.stock_after_insert()": "Adds the files of an INSERT to syncer.stock.",
    "FUNCTION syncer.stock_after_update()": "Moves what an UPDATE changed of files in syncer.stock.",
    "FUNCTION syncer.stock_after_delete()": "Takes the files of a DELETE out of syncer.stock.",
    "FUNCTION syncer.stock_after_truncate()": "Empties syncer.stock with syncer.file.",
    "FUNCTION syncer.beijing_midnight(date)": "When a day begins by Beijing time (UTC+8).",
    "VIEW syncer.stock_by_expiry": "What is listed, by the day of its expiry; of today what is overdue and what is "
    "not.",
    "COLUMN syncer.stock_by_expiry.source": "The source.",
    "COLUMN syncer.stock_by_expiry.day": "The day of the expiry, by Beijing time; infinity without one.",
    "COLUMN syncer.stock_by_expiry.overdue": "Whether the expiry has passed.",
    "COLUMN syncer.stock_by_expiry.files": "Files.",
    "COLUMN syncer.stock_by_expiry.bytes": "Their bytes, as far as sizes are known.",
    "COLUMN report.storage_by_type.file_type": "Type, such as mp4, its first 100 characters; empty when the API does "
    "not say.",
    "VIEW report.storage_by_state": "How many files are in each state, as report.backups says it; a state without "
    "files has no row.",
    "COLUMN report.storage_by_state.source": "The source.",
    "COLUMN report.storage_by_state.state": "live, overdue, expired or vanished.",
    "COLUMN report.storage_by_state.files": "Files.",
    "COLUMN report.storage_by_state.bytes": "Their bytes, as far as sizes are known.",
}
_TYPE_BEFORE = "Type, such as mp4; empty when the API does not say."


def upgrade() -> None:
    _stock()
    for event, (tables, some, sums) in _EVENTS.items():
        op.execute(_COUNT.format(event=event, some=some, sums=sums))
        op.execute(_TRIGGER.format(event=event, tables=tables))
    op.execute(_EMPTY)
    op.execute(_EMPTY_TRIGGER)
    # Creating the triggers has locked writers out: what is counted now is all there is.
    op.execute(f"INSERT INTO syncer.stock {_SUMS.format(files='syncer.file', sums=_OF_FILES)}")
    op.execute("ANALYZE syncer.stock")
    for statement in (MIDNIGHT, BY_EXPIRY, CALENDAR, BY_TYPE, BY_AGE, BY_STATE, _sources(_PRESENT_AFTER)):
        op.execute(statement)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''")))


def downgrade() -> None:
    op.execute("DROP VIEW report.storage_by_state")
    op.execute("COMMENT ON COLUMN report.storage_by_type.file_type IS '" + _TYPE_BEFORE + "'")
    script = op.get_context().script
    assert script is not None
    inventory = script.get_revision("0004").module
    for statement in (inventory.CALENDAR, inventory.BY_TYPE, inventory.BY_AGE):
        op.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    op.execute(_sources(_PRESENT_BEFORE))
    op.execute("DROP VIEW syncer.stock_by_expiry")
    op.execute("DROP FUNCTION syncer.beijing_midnight(date)")
    for event in (*_EVENTS, "truncate"):
        op.execute(f"DROP TRIGGER stock_after_{event} ON syncer.file")
        op.execute(f"DROP FUNCTION syncer.stock_after_{event}()")
    op.drop_table("stock", schema="syncer")


def _sources(present: str) -> str:
    """Return report.sources as migration 0015 left it, with the files that are present counted so."""
    script = op.get_context().script
    assert script is not None
    forecast = script.get_revision("0015").module
    text: str = forecast._sources(forecast._AFTER)  # noqa: SLF001 - its own words
    assert _PRESENT_BEFORE in text
    return text.replace(_PRESENT_BEFORE, present)
