"""Lists of files for people who turn pages: from one place on, by an index, however many files there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows
from syncer.store.inventory import FIELDS, State

FEW = 2000
"""A beginning that at most this many names share is found by its index, and its files sorted whole."""
WALK = 20_000
"""Files that are looked at, in the order of the list, for one page of a beginning that more names share."""
# Characters of a name that its index holds, and the last of all characters.
_INDEXED, _LAST = 32, "\U0010ffff"
_NO_INSTANT = datetime.max.replace(tzinfo=UTC)

File = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: after the file of this instant (None: of none), source and id."""

    at: datetime | None
    source: str
    file_id: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Which files, all of one state. `source` None means all, `within` only those that expire from now until then.

    Live and overdue files come by their expiry, those without one last; gone ones the latest first.
    """

    state: State = State.LIVE
    source: str | None = None
    prefix: str = ""
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list, its rows by the names of inventory.FIELDS. `next` is where the list goes on, None at its end.

    `walked`: the names of many files begin so, and those shown are the fitting ones of the next WALK files of the list.
    """

    files: Sequence[File]
    next: Place | None
    walked: bool = False


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a list that one index serves: its condition, and the instant that it goes by, None for the id alone."""

    where: str
    instant: str | None = None
    latest_first: bool = False

    def order(self, *, source: bool) -> str:
        """Return the order, within one source or of all; ids by their bytes, as Python sorts them."""
        ids = 'b.source COLLATE "C", b.file_id COLLATE "C"' if source else 'b.file_id COLLATE "C"'
        return ids if self.instant is None else f"b.{self.instant}{' DESC' if self.latest_first else ''}, {ids}"

    def condition(self, after: Place | None) -> str:
        """Return the condition of what follows a place; its parameters are those of `_parameters`."""
        if after is None or (after.at is None and self.instant is not None):
            return self.where
        ids = '(b.source COLLATE "C", b.file_id COLLATE "C") > (%(after_source)s, %(after_id)s)'
        if self.instant is None:
            return self.where if after.at is not None else f"{self.where} AND {ids}"
        beyond = "<" if self.latest_first else ">"
        at = "%(after_at)s::timestamptz"
        return f"{self.where} AND b.{self.instant} {beyond}= {at} AND (b.{self.instant} {beyond} {at} OR {ids})"


# The view's definition of a state, said so that each has an index of its own.
_STRETCHES = {
    State.LIVE: _Stretch("b.gone_at IS NULL AND b.expires_at > syncer.instant()", "expires_at"),
    State.OVERDUE: _Stretch("b.gone_at IS NULL AND b.expires_at <= syncer.instant()", "expires_at"),
    State.EXPIRED: _Stretch("b.gone_at IS NOT NULL AND b.expires_at <= b.gone_at", "gone_at", latest_first=True),
    State.VANISHED: _Stretch(
        "b.gone_at IS NOT NULL AND (b.expires_at > b.gone_at OR b.expires_at IS NULL)", "gone_at", latest_first=True
    ),
}
_WITHIN = _Stretch(
    f"{_STRETCHES[State.LIVE].where} AND b.expires_at <= syncer.instant() + %(within)s::interval", "expires_at"
)
_UNDATED = _Stretch("b.gone_at IS NULL AND b.expires_at IS NULL")

_COLUMNS = ", ".join(f"b.{name}" for name in FIELDS)
_SOURCES = "SELECT source FROM syncer.source ORDER BY source"
_NAME = """b.name IS NOT NULL AND left(b.name, 32) ~>=~ %(least)s AND left(b.name, 32) ~<=~ %(most)s
  AND starts_with(b.name, %(prefix)s)"""

_HOW_MANY = f"""
SELECT count(*) AS count FROM (
  SELECT FROM report.backups b WHERE b.source = ANY (%(sources)s) AND {_NAME} LIMIT {FEW + 1}
) AS n
"""
# Few enough to be sorted.
_NAMED = f"""
WITH named AS MATERIALIZED (SELECT * FROM report.backups b WHERE b.source = ANY (%(sources)s) AND {_NAME})
SELECT {_COLUMNS} FROM named b WHERE {{where}} ORDER BY {{order}} LIMIT %(limit)s
"""
# Each source's first files by the index, then the first of these.
_LISTED = f"""
SELECT {_COLUMNS} FROM unnest(%(sources)s::text[]) AS s (source)
CROSS JOIN LATERAL (
  SELECT * FROM report.backups b WHERE b.source = s.source AND {{where}} ORDER BY {{order_within}} LIMIT %(limit)s
) AS b
ORDER BY {{order}} LIMIT %(limit)s
"""
# The fitting ones of a source's next files, and the last of these.
_WALKED = f"""
SELECT {_COLUMNS} FROM (
  SELECT * FROM report.backups b WHERE b.source = %(source)s AND {{where}} ORDER BY {{order_within}} LIMIT %(walk)s
) AS b
WHERE starts_with(b.name, %(prefix)s) LIMIT %(limit)s
"""
_END_OF_WALK = f"""
SELECT {_COLUMNS} FROM report.backups b
WHERE b.source = %(source)s AND {{where}} ORDER BY {{order_within}} OFFSET %(walk)s - 1 LIMIT 1
"""


def page(connection: sa.Connection, wish: Wish, after: Place | None, size: int) -> Found:
    """Return the `size` files of a wish that follow a place (None: the first). The connection is in a transaction."""
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # tables that were never analysed are read so, too
    sources = [wish.source] if wish.source is not None else list(rows(connection, _SOURCES).scalars())
    asked = _Asked(connection, wish, after, sources, size + 1)
    walked = bool(wish.prefix) and asked.is_common()
    files: list[File] = []
    frontier = None
    for stretch in asked.stretches():
        if len(files) > size or frontier is not None:
            break
        if walked:
            fitting, frontier = asked.walk(stretch)
            files += fitting
        else:
            files += asked.read(stretch)
    if len(files) > size:
        return Found(files[:size], asked.place(files[size - 1]), walked)
    return Found(files, frontier, walked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question, and the ways to answer it for a stretch of the list; each returns up to `limit` files."""

    connection: sa.Connection
    wish: Wish
    after: Place | None
    sources: Sequence[str]
    limit: int

    def stretches(self) -> Sequence[_Stretch]:
        """Return what is left of the list: live files without an expiry come after the others."""
        if self.wish.state is not State.LIVE:
            return (_STRETCHES[self.wish.state],)
        if self.wish.within is not None:
            return (_WITHIN,)
        return (_UNDATED,) if self.after is not None and self.after.at is None else (_STRETCHES[State.LIVE], _UNDATED)

    def is_common(self) -> bool:
        """Return whether more than FEW names begin so."""
        return int(self._rows(_HOW_MANY)[0]["count"]) > FEW

    def read(self, stretch: _Stretch) -> Sequence[File]:
        """Return the next files."""
        return self._rows(_NAMED if self.wish.prefix else _LISTED, stretch)

    def walk(self, stretch: _Stretch) -> tuple[Sequence[File], Place | None]:
        """Return the fitting ones of the next files as far as every source was looked at, and how far that is.

        None: to the end of the stretch.
        """
        walk = max(WALK // len(self.sources), 1)
        found: list[File] = []
        ends: list[Place] = []
        for source in self.sources:
            fitting = self._rows(_WALKED, stretch, source=source, walk=walk)
            found += fitting
            last = (
                fitting if len(fitting) == self.limit else self._rows(_END_OF_WALK, stretch, source=source, walk=walk)
            )
            ends += [self.place(each) for each in last[-1:]]
        found.sort(key=lambda file: self._order(self.place(file)))
        if not ends:
            return found, None
        frontier = min(ends, key=self._order)
        return [each for each in found if self._order(self.place(each)) <= self._order(frontier)], frontier

    def place(self, file: File) -> Place:
        """Return the place of a file in the list."""
        return Place(file[_STRETCHES[self.wish.state].instant or ""], file["source"], file["file_id"])

    def _order(self, place: Place) -> tuple[float, str, str]:
        seconds = (place.at or _NO_INSTANT).timestamp()
        return (-seconds if _STRETCHES[self.wish.state].latest_first else seconds, place.source, place.file_id)

    def _rows(self, sql: str, stretch: _Stretch | None = None, **more: Any) -> Sequence[File]:
        if stretch is not None:
            sql = sql.format(
                where=stretch.condition(self.after),
                order=stretch.order(source=True),
                order_within=stretch.order(source=False),
            )
        beginning = self.wish.prefix[:_INDEXED]
        given = {
            "sources": list(self.sources),
            "limit": self.limit,
            "within": self.wish.within,
            "prefix": self.wish.prefix,
            "least": beginning,
            "most": beginning + _LAST * (_INDEXED - len(beginning)),
        }
        if self.after is not None:
            given |= {"after_at": self.after.at, "after_source": self.after.source, "after_id": self.after.file_id}
        return [dict(row) for row in rows(self.connection, sql, **given, **more).mappings()]
