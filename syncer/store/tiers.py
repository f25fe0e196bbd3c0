"""Expiry tiers in SQL: what SYNCER_EXPIRY_TIERS says, kept where the views of schema report can read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from syncer.store.database import rows

# One tier: its name, and either a span before the expiry or a share of the lifetime.
Tier = tuple[str, timedelta | None, float | None]

_REMEMBER = """
WITH given AS (
  SELECT g.position, g.name, g.span, g.share
  FROM unnest(%(names)s::text[], %(spans)s::interval[], %(shares)s::float8[]) WITH ORDINALITY
    AS g (name, span, share, position)
),
dropped AS (
  DELETE FROM syncer.tier t WHERE t.source = %(source)s AND t.position > %(count)s
)
INSERT INTO syncer.tier AS t (source, position, name, span, share)
SELECT %(source)s, position, name, span, share FROM given
ON CONFLICT (source, position) DO UPDATE SET name = excluded.name, span = excluded.span, share = excluded.share
"""

_KNOWN = "SELECT name, span, share FROM syncer.tier WHERE source = %(source)s ORDER BY position"


def remember_tiers(connection: sa.Connection, source: str, tiers: Sequence[Tier]) -> None:
    """Make the source's tiers in the database those of the settings; writes nothing when they are."""
    known = [tuple(row) for row in rows(connection, _KNOWN, source=source)]
    if known == list(tiers):
        return
    rows(
        connection,
        _REMEMBER,
        source=source,
        count=len(tiers),
        names=[name for name, _, _ in tiers],
        spans=[span for _, span, _ in tiers],
        shares=[share for _, _, share in tiers],
    )
