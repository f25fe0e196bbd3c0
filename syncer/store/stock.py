"""What is listed now, for all pictures and numbers of a page and for metrics: totals, and the files of a few days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows
from syncer.store.report import CALENDAR_DAYS, ExpiryDay
from syncer.store.status import NOTHING, Tallies, Tally

HORIZONS = (1, 7, 30)
"""Days within which expiries are counted."""

# On all days but those of an edge the files of a day are of one horizon, and their total is enough. Those of an edge's
# day are counted by an index, source by source that has any.
LISTED = """
SELECT s.source, s.day,
       CASE WHEN s.day < 'infinity' THEN width_bucket(syncer.beijing_midnight(s.day), %(edges)s::timestamptz[]) END
         AS horizon, s.files, s.bytes
FROM syncer.stock s
WHERE s.kind = 'expiry' AND s.files > 0
  AND s.day <> ALL (ARRAY(SELECT syncer.beijing_day(e) FROM unnest(%(edges)s::timestamptz[]) e))
UNION ALL
SELECT f.source, s.day, width_bucket(f.expires_at, %(edges)s::timestamptz[]), count(*), coalesce(sum(f.size_bytes), 0)
FROM syncer.stock s
JOIN syncer.file f ON f.source = s.source AND f.gone_at IS NULL AND f.expires_at >= syncer.beijing_midnight(s.day)
                      AND f.expires_at < syncer.beijing_midnight(s.day + 1)
WHERE s.kind = 'expiry' AND s.files > 0
  AND s.day = ANY (ARRAY(SELECT syncer.beijing_day(e) FROM unnest(%(edges)s::timestamptz[]) e))
GROUP BY 1, 2, 3
"""
"""What is listed, by source, day of the expiry and horizon, given the `edges` of `edges_of`.

A horizon is 0 of what is past its expiry, 1 of what expires within the first number of days, and so on, one more of
what expires later, null of what never does.
"""

GONE = "SELECT source, word AS state, files, bytes FROM syncer.stock WHERE kind = 'gone' AND files > 0"
"""What is gone, by source and state: expired or vanished."""

_COUNT = f"""
SELECT source, CASE WHEN day < %(today)s::date + {CALENDAR_DAYS} THEN day END AS day, horizon,
       sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
FROM ({LISTED}) listed GROUP BY 1, 2, 3
"""
# The horizon of what has expired and of what never does.
_OVERDUE, _NEVER = 0, None

_NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class Stock:
    """What is listed of one source, or of all.

    `days` are the expiries by Beijing day, ascending; a last one without a day holds all later ones. `within` are the
    live files that expire within each of HORIZONS. `never` have no expiry.
    """

    live: Tally = _NOTHING
    overdue: Tally = _NOTHING
    never: Tally = _NOTHING
    within: tuple[Tally, ...] = (_NOTHING,) * len(HORIZONS)
    days: tuple[ExpiryDay, ...] = ()

    @property
    def tallies(self) -> Tallies:
        """The tallies of what is listed; what has gone is not counted."""
        return {**NOTHING, "live": self.live, "overdue": self.overdue}


@dataclass(frozen=True, slots=True)
class Counted:
    """All stock as of `instant`; `today` is its day by Beijing time."""

    instant: datetime
    today: date
    sources: Mapping[str, Stock]
    total: Stock


def edges_of(now: datetime, days: Sequence[int]) -> list[datetime]:
    """Return the ends of horizons for HORIZON; an expiry on the dot of one is within it, as it is past at its dot."""
    return [now + timedelta(days=each, microseconds=1) for each in (0, *days)]


def count(connection: sa.Connection) -> Counted:
    """Count what is listed of every source; reads an index entry for each file that expires on the day of an edge."""
    now = rows(connection, "SELECT syncer.instant() AS instant, syncer.beijing_day(syncer.instant()) AS today").one()
    found = rows(connection, _COUNT, today=now.today, edges=edges_of(now.instant, HORIZONS)).all()
    by_source: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        by_source[row.source].append(row)
    return Counted(now.instant, now.today, {name: _stock(those) for name, those in by_source.items()}, _stock(found))


def _stock(found: Iterable[Any]) -> Stock:
    groups = list(found)
    live = [row for row in groups if row.horizon != _OVERDUE]
    days: dict[date, Tally] = {}
    for row in live:
        if row.day is not None:
            days[row.day] = _plus(days.get(row.day, _NOTHING), row)
    later = _sum(row for row in live if row.day is None and row.horizon is not _NEVER)
    drawn = [ExpiryDay(day, tally.files, tally.bytes) for day, tally in sorted(days.items())]
    return Stock(
        live=_sum(live),
        overdue=_sum(row for row in groups if row.horizon == _OVERDUE),
        never=_sum(row for row in groups if row.horizon is _NEVER),
        within=tuple(
            _sum(row for row in groups if row.horizon is not _NEVER and _OVERDUE < row.horizon <= place)
            for place in range(1, len(HORIZONS) + 1)
        ),
        days=(*drawn, *([ExpiryDay(None, later.files, later.bytes)] if later.files else [])),
    )


def _sum(groups: Iterable[Any]) -> Tally:
    total = _NOTHING
    for row in groups:
        total = _plus(total, row)
    return total


def _plus(tally: Tally, row: Any) -> Tally:
    return Tally(tally.files + row.files, tally.bytes + row.bytes)
