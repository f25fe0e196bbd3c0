"""How much of its quota each account used lately, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from syncer.store.database import rows

# Runs that are looked at: more than a source has in a day unless it is pulled every minute.
_RUNS = 3000


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """The calls of a source in the last 24 hours; the account's calls so far that were refused (4400), for ever."""

    source: str
    account: str
    calls: int
    refused: int


_USE = f"""
SELECT s.source, s.account, coalesce(used.calls, 0)::bigint AS calls, coalesce(q.refused, 0) AS refused
FROM syncer.source s
LEFT JOIN syncer.quota q ON q.account = s.account
CROSS JOIN LATERAL (
  SELECT sum(r.api_calls) AS calls FROM (
    SELECT r.api_calls, r.started_at FROM syncer.run r WHERE r.source = s.source ORDER BY r.run_id DESC LIMIT {_RUNS}
  ) AS r WHERE r.started_at > syncer.instant() - interval '24 hours'
) AS used
WHERE s.source = ANY (%(sources)s) ORDER BY s.source
"""


def quota_use(connection: sa.Connection, sources: Sequence[str]) -> list[QuotaUse]:
    """Return the use of these sources."""
    return [QuotaUse(**row) for row in rows(connection, _USE, sources=list(sources)).mappings()]
