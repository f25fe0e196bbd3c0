"""Reads the whole database at once, so that every guarantee is judged by one and the same instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from syncer.store.ledger import SEEN

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """What the database held at one instant (`at`, by its own clock) of one source."""

    at: datetime
    files: dict[str, Row]
    totals: Sequence[Row]
    backups: dict[str, Row]
    pulls: dict[int, Row]
    verdicts: dict[int, str]
    runs: dict[int, Row]
    pages: Sequence[Row]
    changes: Sequence[Row]
    outbox: Sequence[Row]
    open_tiers: set[str]
    settled_tiers: set[str]
    written: Sequence[Row]


_BY_SOURCE = {
    "files": "SELECT * FROM syncer.file WHERE source = %s",
    "totals": "SELECT kind, day::text, word, files, bytes, seconds FROM syncer.stock WHERE source = %s AND files <> 0",
    "backups": "SELECT * FROM report.backups WHERE source = %s",
    "pulls": "SELECT * FROM syncer.pull WHERE source = %s ORDER BY pull_id",
    "verdicts": "SELECT pull_id, verdict FROM report.pulls WHERE source = %s",
    "runs": "SELECT * FROM syncer.run WHERE source = %s ORDER BY run_id",
    "pages": f"SELECT g.*, {SEEN} AS file_ids FROM syncer.page g WHERE source = %s "
    "ORDER BY pull_id, generation, part, page",
    "changes": "SELECT * FROM syncer.change WHERE source = %s ORDER BY changed_at, file_id, field",
    "outbox": "SELECT * FROM syncer.outbox WHERE source = %s ORDER BY message_id",
    "tiers": "SELECT tier FROM syncer.alert WHERE source = %s AND rule = 'expiring' AND resolved_at IS NULL",
    "settled": "SELECT tier FROM (SELECT DISTINCT ON (tier) tier, resolution FROM syncer.alert "
    "WHERE source = %s AND rule = 'expiring' ORDER BY tier, alert_id DESC) newest WHERE resolution = 'command'",
    "written": "SELECT * FROM campaign.written WHERE source = %s ORDER BY number",
}


def look(connection: psycopg.Connection[Any], source: str = "default") -> Look:
    """Read everything in one snapshot."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        at = cursor.execute("SELECT syncer.instant() AS at").fetchall()[0]["at"]
        found = {name: cursor.execute(sql, [source]).fetchall() for name, sql in _BY_SOURCE.items()}
    return Look(
        at=at,
        files={row["file_id"]: row for row in found["files"]},
        totals=found["totals"],
        backups={row["file_id"]: row for row in found["backups"]},
        pulls={row["pull_id"]: row for row in found["pulls"]},
        verdicts={row["pull_id"]: row["verdict"] for row in found["verdicts"]},
        runs={row["run_id"]: row for row in found["runs"]},
        pages=found["pages"],
        changes=found["changes"],
        outbox=found["outbox"],
        open_tiers={row["tier"] for row in found["tiers"]},
        settled_tiers={row["tier"] for row in found["settled"]},
        written=found["written"],
    )


def as_of(connection: psycopg.Connection[Any], at: datetime, source: str = "default") -> dict[str, Row]:
    """Return report.backups_as_of(at) by file id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("SELECT * FROM report.backups_as_of(%s) WHERE source = %s", [at, source]).fetchall()
    return {row["file_id"]: row for row in rows}


# Who wrote what, in the order in which it happened: beside each row the newest run (but lookups) that had begun by
# then, and whether the session that wrote was the one that held the lease.
_WITNESS = """
CREATE SCHEMA campaign;
CREATE TABLE campaign.written (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source text NOT NULL, relation text NOT NULL,
  run_id bigint, newest_run bigint, held boolean
);
CREATE FUNCTION campaign.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE run bigint := NULL; other text := NULL;
BEGIN
  run := CASE TG_TABLE_NAME WHEN 'file' THEN (to_jsonb(NEW)->>'first_run')::bigint
                            ELSE (to_jsonb(NEW)->>'run_id')::bigint END;
  IF run IS NOT NULL THEN
    SELECT kind INTO other FROM syncer.run r WHERE r.source = NEW.source AND r.run_id = run;
    IF other = 'lookup' THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO campaign.written (source, relation, run_id, newest_run, held)
  SELECT NEW.source, TG_TABLE_NAME, run,
         (SELECT max(r.run_id) FROM syncer.run r WHERE r.source = NEW.source AND r.kind <> 'lookup'),
         (SELECT l.backend_pid = pg_backend_pid() FROM syncer.lease l WHERE l.source = NEW.source);
  RETURN NULL;
END $$;
CREATE TABLE campaign.disk (full_up boolean NOT NULL);
CREATE FUNCTION campaign.room() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF EXISTS (SELECT FROM campaign.disk) THEN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER room BEFORE INSERT ON syncer.page FOR EACH STATEMENT EXECUTE FUNCTION campaign.room();
CREATE TRIGGER room BEFORE INSERT ON syncer.run FOR EACH STATEMENT EXECUTE FUNCTION campaign.room();
CREATE TRIGGER room BEFORE INSERT OR UPDATE ON syncer.pull FOR EACH STATEMENT EXECUTE FUNCTION campaign.room();
CREATE TRIGGER room BEFORE INSERT OR UPDATE ON syncer.outbox FOR EACH STATEMENT EXECUTE FUNCTION campaign.room();
CREATE TRIGGER witness AFTER INSERT ON syncer.page FOR EACH ROW EXECUTE FUNCTION campaign.note();
CREATE TRIGGER witness AFTER INSERT ON syncer.file FOR EACH ROW EXECUTE FUNCTION campaign.note();
CREATE TRIGGER witness AFTER INSERT ON syncer.change FOR EACH ROW EXECUTE FUNCTION campaign.note();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON syncer.pull FOR EACH ROW EXECUTE FUNCTION campaign.note();
CREATE TRIGGER witness AFTER INSERT ON syncer.suspect FOR EACH ROW EXECUTE FUNCTION campaign.note();
"""


def install_witness(connection: psycopg.Connection[Any]) -> None:
    """Let the database note by whom every row is written; for the campaign's own databases, by a superuser."""
    connection.execute(_WITNESS)
