"""Totals that only ever grow, for metrics: kept beside pulls, runs and pages, so that no pruning lowers them.

A pull counts by its own row while it is unfinished, so that a page costs no more than that; the statement that ends it
adds its counts here. Outcomes of API calls other than a page, retries and waits are added with whatever is committed
after them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncer.model import Calls
from syncer.store.database import rows

# What the row of a pull `p` counts: name and label, and the value.
_OF_PULL = """(VALUES
  ('pulls', p.outcome, 1::float8), ('pages', '', p.pages), ('restarts', '', p.restarts), ('api_calls', '', p.api_calls),
  ('rows', 'inserted', p.inserted), ('rows', 'updated', p.updated), ('rows', 'unchanged', p.unchanged),
  ('rows', 'rejected', p.rejected), ('rows', 'gone', p.gone), ('rows', 'drifted', p.drifted)
) AS v (name, label, value)"""

FROM_ENDED = f"""
  SELECT p.source, v.name, p.kind, v.label, v.value FROM ended p CROSS JOIN LATERAL {_OF_PULL}
  WHERE p.finished_at IS NOT NULL OR v.name = 'pulls'
"""
"""The counts of the pulls in `ended`; of a pull that can be taken up again its outcome alone, for its row goes on."""

FROM_LONE_RUN = """
  SELECT r.source, v.name, r.kind, v.label, v.value
  FROM ended r CROSS JOIN LATERAL (VALUES ('pulls', r.outcome, 1::float8), ('api_calls', '', r.api_calls))
       AS v (name, label, value)
  WHERE r.kind <> 'lookup' OR v.name <> 'pulls'
"""
"""The counts of the runs in `ended`, which belong to no pull."""

FROM_CALLS = """
  SELECT %(source)s AS source, j.name, '' AS kind, j.label, j.value
  FROM fence CROSS JOIN json_to_recordset(%(counts)s::json) AS j (name text, label text, value float8)
"""
"""What calls came to, as `parameters` has it; nothing when the relation `fence` is empty."""


def add(*added: str) -> str:
    """Return the statement (or member of a WITH) that adds the rows of the queries `added`.

    Always in one order, so that a lookup and a pull of one source cannot lock each other out.
    """
    return f"""
INSERT INTO syncer.counter AS c (source, name, kind, label, value, grew_at)
SELECT source, name, kind, label, value, syncer.instant() FROM ({" UNION ALL ".join(added)}) AS added
WHERE value > 0 ORDER BY source, name, kind, label
ON CONFLICT (source, name, kind, label) DO UPDATE SET value = c.value + excluded.value, grew_at = excluded.grew_at
"""


def is_worth_telling(calls: Calls) -> bool:
    """Return whether the calls came to anything but pages at once."""
    return bool(calls.outcomes or calls.retries or calls.quota_wait_seconds)


def parameters(calls: Calls) -> dict[str, Any]:
    """Return `calls` (how many) and `counts` (what they came to, as JSON) for a statement with FROM_CALLS."""
    counts = [("api_outcomes", outcome, number) for outcome, number in calls.outcomes.items()]
    counts += [("api_retries", "", calls.retries)] if calls.retries else []
    told = [{"name": name, "label": label, "value": value} for name, label, value in counts]
    if calls.quota_wait_seconds:
        told.append({"name": "quota_wait_seconds", "label": "", "value": calls.quota_wait_seconds})
    return {"calls": calls.made, "counts": json.dumps(told) if told else "[]"}


@dataclass(frozen=True, slots=True)
class Counter:
    """One total of a source: `label` tells outcomes, fates and codes apart, `kind` pulls; both empty where none are.

    `grew_at` is when it last grew, in UNIX seconds; None of what is still counted by an unfinished pull alone.
    """

    source: str
    name: str
    kind: str
    label: str
    value: float
    grew_at: float | None = None


_READ = f"""
SELECT source, name, kind, label, sum(value)::float8 AS value, extract(epoch FROM max(grew_at))::float8 AS grew_at
FROM (
  SELECT source, name, kind, label, value, grew_at FROM syncer.counter
  UNION ALL
  SELECT p.source, v.name, p.kind, v.label, v.value, NULL FROM syncer.pull p CROSS JOIN LATERAL {_OF_PULL}
  WHERE p.finished_at IS NULL AND v.name <> 'pulls'
) AS every
GROUP BY source, name, kind, label ORDER BY source, name, kind, label
"""


def read(connection: sa.Connection) -> list[Counter]:
    """Return every total as committed so far, unfinished pulls included.

    `pulls` counts how runs at pulls ended, by outcome; `pages`, `restarts` and `rows` (by fate) what they committed;
    `api_calls` all calls, `api_outcomes` those among them that brought no page; `api_retries`, `quota_wait_seconds`.
    """
    return [Counter(**row) for row in rows(connection, _READ).mappings()]
