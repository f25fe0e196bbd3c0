"""Forgets what is older than it has to be kept, in steps small enough to disturb nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncer.store.database import rows

# Rows a step: each is a transaction of its own.
STEP = 5000


@dataclass(frozen=True, slots=True)
class Keep:
    """How long is kept: the changes of files; ledgers and runs of finished pulls, and recent ones; rejected entries."""

    history: timedelta
    ledger: timedelta
    rejected: timedelta


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were forgotten."""

    changes: int = 0
    pages: int = 0
    runs: int = 0
    pulls: int = 0
    rejected: int = 0


_CUTOFFS = """
SELECT syncer.instant() - %(history)s::interval AS history, syncer.instant() - %(ledger)s::interval AS ledger,
       syncer.instant() - %(rejected)s::interval AS rejected
"""

# Said before the first row goes: from then on looking further back is an error, not a wrong answer.
_HORIZON = """
INSERT INTO syncer.retention AS r (source, history_from)
SELECT %(source)s, %(before)s
WHERE EXISTS (SELECT FROM syncer.change WHERE source = %(source)s AND changed_at < %(before)s)
ON CONFLICT (source) DO UPDATE SET history_from = greatest(r.history_from, excluded.history_from)
"""

_CHANGES = """
DELETE FROM syncer.change WHERE ctid = ANY (ARRAY(
  SELECT c.ctid FROM syncer.change c WHERE c.source = %(source)s AND c.changed_at < %(before)s
  ORDER BY c.changed_at LIMIT %(step)s))
"""

# The last proven pulls, of any scope and of the one that is shown, are today's evidence; whether a context was answered
# before is asked of the last three full ones.
_EVIDENCE = """
SELECT pull_id FROM syncer.pull WHERE source = %(source)s AND finished_at IS NULL
UNION (SELECT pull_id FROM syncer.pull WHERE source = %(source)s AND proven ORDER BY pull_id DESC LIMIT 1)
UNION SELECT proven_pull_id FROM report.sources WHERE source = %(source)s AND proven_pull_id IS NOT NULL
UNION (SELECT pull_id FROM syncer.pull WHERE source = %(source)s AND kind = 'full' ORDER BY pull_id DESC LIMIT 3)
"""

_PAGES = """
DELETE FROM syncer.page WHERE ctid = ANY (ARRAY(
  SELECT g.ctid FROM syncer.page g JOIN syncer.pull p ON p.source = g.source AND p.pull_id = g.pull_id
  WHERE g.source = %(source)s AND p.finished_at < %(before)s AND g.pull_id <> ALL (%(evidence)s)
  LIMIT %(step)s))
"""

# A run that kept history refers to stays: report.changes names its pull.
_RUNS = """
DELETE FROM syncer.run WHERE ctid = ANY (ARRAY(
  SELECT r.ctid FROM syncer.run r
  WHERE r.source = %(source)s AND coalesce(r.finished_at, r.started_at) < %(before)s
    AND (r.pull_id IS NULL OR r.pull_id <> ALL (%(evidence)s))
    AND r.run_id < (SELECT max(l.run_id) FROM syncer.run l WHERE l.source = %(source)s)
    AND NOT EXISTS (
      SELECT FROM syncer.change c
      WHERE c.source = r.source AND c.changed_at >= r.started_at
        AND c.changed_at <= coalesce(r.finished_at, 'infinity') AND c.run_id = r.run_id)
  LIMIT %(step)s))
"""

# Recent pulls are many, a row each ten minutes. One stays while anything kept names it, and of each scope the last one
# that was settled: it says up to where the listing is known. NOT IN, for it hashes also where joins may not.
_PULLS = """
WITH doomed AS MATERIALIZED (
  SELECT p.pull_id FROM syncer.pull p
  WHERE p.source = %(source)s AND p.kind = 'recent' AND p.finished_at < %(before)s
    AND NOT EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id)
    AND p.pull_id NOT IN (
      SELECT r.pull_id FROM syncer.run r WHERE r.source = %(source)s AND r.pull_id IS NOT NULL
      UNION ALL SELECT d.pull_id FROM syncer.inventory_day d WHERE d.source = %(source)s AND d.pull_id IS NOT NULL
      UNION ALL SELECT x.pull_id FROM syncer.rejected x WHERE x.source = %(source)s AND x.pull_id IS NOT NULL
      UNION ALL SELECT d.pull_id FROM syncer.context_death d WHERE d.source = %(source)s
      UNION ALL (SELECT l.pull_id FROM syncer.pull l WHERE l.source = %(source)s ORDER BY l.pull_id DESC LIMIT 1)
      UNION ALL (SELECT max(l.pull_id) FROM syncer.pull l WHERE l.source = %(source)s AND l.settled_run IS NOT NULL
                 GROUP BY l.listing, l.prefix, l.kind))
  LIMIT %(step)s
), ends AS (
  DELETE FROM syncer.listing_end e USING doomed d WHERE e.source = %(source)s AND e.pull_id = d.pull_id
)
DELETE FROM syncer.pull p USING doomed d WHERE p.source = %(source)s AND p.pull_id = d.pull_id
"""

_REJECTED = """
DELETE FROM syncer.rejected WHERE ctid = ANY (ARRAY(
  SELECT x.ctid FROM syncer.rejected x WHERE x.source = %(source)s AND x.rejected_at < %(before)s LIMIT %(step)s))
"""

# Days that have passed, of which no file is left.
_EMPTY = "DELETE FROM syncer.stock WHERE source = %(source)s AND files = 0"


def prune(
    connection: sa.Connection, source: str, keep: Keep, *, stopping: Callable[[], bool] = lambda: False,
    step: int = STEP,
) -> Pruned:  # fmt: skip
    """Forget what is older than `keep` says of one source; ends early when `stopping` turns true.

    What is unfinished stays, and so do the ledgers of the last proven pull and of the last three full ones. Full
    pulls, files and the daily inventory are kept for good. Safe beside a pull, and beside itself.
    """
    cut = rows(connection, _CUTOFFS, history=keep.history, ledger=keep.ledger, rejected=keep.rejected).one()
    evidence = list(rows(connection, _EVIDENCE, source=source).scalars())
    rows(connection, _HORIZON, source=source, before=cut.history)

    def forget(statement: str, before: datetime, **parameters: object) -> int:
        forgotten = 0
        while not stopping():
            gone = rows(connection, statement, source=source, before=before, step=step, **parameters).rowcount
            forgotten += gone
            if gone < step:
                break
        return forgotten

    rows(connection, _EMPTY, source=source)
    return Pruned(
        changes=forget(_CHANGES, cut.history),
        pages=forget(_PAGES, cut.ledger, evidence=evidence),
        runs=forget(_RUNS, cut.ledger, evidence=evidence),
        pulls=forget(_PULLS, cut.ledger),
        rejected=forget(_REJECTED, cut.rejected),
    )
