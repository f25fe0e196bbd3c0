"""Which files an alert is about, and how many of them are new to it: a handful of index scans, however many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows

EXPIRING, OVERDUE, VANISHED = "expiring", "overdue", "vanished"


@dataclass(frozen=True, slots=True)
class Watch:
    """The files that one alert is about: of a source, by a rule, in a tier, in a group of names.

    A tier begins `span` before the expiry or at the `share` of the lifetime before it, and ends where the next nearer
    one begins: `inner_span` among the spans, and among `other_spans` and `other_shares` which of them is nearer depends
    on the file. `before` bounds overdue files. `last`: no tier is nearer to the expiry.
    """

    source: str
    rule: str
    tier: str = ""
    group: str = ""
    prefix: str = ""
    not_prefixes: tuple[str, ...] = ()
    span: timedelta | None = None
    share: float | None = None
    inner_span: timedelta | None = None
    other_spans: tuple[timedelta, ...] = ()
    other_shares: tuple[float, ...] = ()
    before: datetime | None = None
    last: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells alerts of one source apart: rule, tier and group."""
        return self.rule, self.tier, self.group


@dataclass(frozen=True, slots=True)
class Count:
    """How many files, their bytes, and the earliest instant at which one of them leaves the tier (or expires)."""

    files: int = 0
    bytes: int = 0
    first_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """The members of a watch, and those of them that no message was about."""

    members: Count = Count()
    newcomers: Count = Count()


@dataclass(frozen=True, slots=True)
class Example:
    """One file, for people."""

    file_id: str
    name: str | None
    size_bytes: int | None
    expires_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """The members that share the beginning of their names."""

    prefix: str
    files: int
    bytes: int


# What a change of a row may have moved into a tier, a group, or back into the listing.
_MOVING = "('expires_at', 'gone_at', 'created_at', 'name')"


def count(connection: sa.Connection, watch: Watch, mark: datetime | None) -> Crowd:
    """Count a watch's members, and the newcomers: those that were no members at `mark` (None: all are new).

    A newcomer crossed the tier's beginning since, was first seen since, or changed since (was extended into the tier,
    renamed into the group, listed again): three small sets, each found by an index.
    """
    where, parameters = _where(watch)
    end = _end(watch)
    tally = f"count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes, min({end}) AS first_end"
    members = Count(*rows(connection, f"SELECT {tally} FROM syncer.file f WHERE {where}", **parameters).one())
    if mark is None or not members.files:
        return Crowd(members, members)
    sql = f"""
    WITH moved AS (
      {_crossed(watch, where)}
      UNION SELECT f.file_id FROM syncer.file f WHERE f.source = %(source)s AND f.first_seen_at > %(mark)s
      UNION SELECT c.file_id FROM syncer.change c
      WHERE c.source = %(source)s AND c.changed_at > %(mark)s AND c.field IN {_MOVING}
    )
    SELECT {tally} FROM moved JOIN syncer.file f ON f.source = %(source)s AND f.file_id = moved.file_id WHERE {where}
    """
    return Crowd(members, Count(*rows(connection, sql, **parameters, mark=mark).one()))


def examples(connection: sa.Connection, watch: Watch, limit: int) -> list[Example]:
    """Return the most urgent members."""
    where, parameters = _where(watch)
    order = "gone_at DESC" if watch.rule == VANISHED else "expires_at"
    sql = (
        f"SELECT f.file_id, f.name, f.size_bytes, f.expires_at, f.gone_at FROM syncer.file f WHERE {where} "
        f"ORDER BY f.{order}, f.file_id LIMIT %(limit)s"
    )
    return [Example(**row) for row in rows(connection, sql, **parameters, limit=limit).mappings()]


def shares(connection: sa.Connection, watch: Watch, limit: int) -> list[Share]:
    """Return the members by the beginning of their names, the most first, and last what is left of them."""
    where, parameters = _where(watch)
    sql = f"""
    WITH tally AS (
      SELECT coalesce(report.name_prefix(f.name), '') AS prefix, count(*) AS files,
             coalesce(sum(f.size_bytes), 0)::bigint AS bytes
      FROM syncer.file f WHERE {where} GROUP BY 1
    ), ranked AS (
      SELECT CASE WHEN row_number() OVER (ORDER BY files DESC, prefix) <= %(limit)s THEN prefix END AS prefix, files,
             bytes
      FROM tally
    )
    SELECT coalesce(prefix, '…') AS prefix, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
    FROM ranked GROUP BY ranked.prefix ORDER BY ranked.prefix IS NULL, 2 DESC, 1
    """
    return [Share(**row) for row in rows(connection, sql, **parameters, limit=limit).mappings()]


def departures(connection: sa.Connection, watch: Watch, since: datetime) -> dict[str, int]:
    """Return how many files of the watch's names were extended, went and returned since `since`."""
    names, parameters = _names(watch)
    sql = f"""
    SELECT count(DISTINCT c.file_id) FILTER (WHERE c.field = 'expires_at' AND f.gone_at IS NULL
                                             AND (c.new_value IS NULL OR c.new_value::timestamptz
                                                  > c.old_value::timestamptz)) AS extended,
           count(DISTINCT c.file_id) FILTER (WHERE c.field = 'gone_at' AND f.gone_at IS NOT NULL) AS gone,
           count(DISTINCT c.file_id) FILTER (WHERE c.field = 'gone_at' AND f.gone_at IS NULL) AS returned
    FROM syncer.change c JOIN syncer.file f ON f.source = c.source AND f.file_id = c.file_id
    WHERE c.source = %(source)s AND c.changed_at > %(since)s AND c.field IN ('expires_at', 'gone_at') {names}
    """
    return dict(rows(connection, sql, source=watch.source, since=since, **parameters).mappings().one())


def _where(watch: Watch) -> tuple[str, dict[str, Any]]:
    """Return the condition that chooses the members (report.alert_files says the same) and its parameters."""
    terms = ["f.source = %(source)s"]
    parameters: dict[str, Any] = {"source": watch.source}
    if watch.rule == VANISHED:
        terms += [
            "f.gone_at IS NOT NULL",
            "(f.expires_at > f.gone_at OR f.expires_at IS NULL)",
            "coalesce(f.expires_at, f.gone_at + interval '30 days') > syncer.instant()",
        ]
    elif watch.rule == OVERDUE:
        terms += ["f.gone_at IS NULL", "f.expires_at < %(before)s::timestamptz"]
        parameters["before"] = watch.before
    else:
        terms += ["f.gone_at IS NULL", *_tier_terms(watch)]
        parameters |= _tier_parameters(watch)
    names, more = _names(watch)
    return " AND ".join(terms) + names, parameters | more


def _names(watch: Watch) -> tuple[str, dict[str, Any]]:
    sql, parameters = "", dict[str, Any]()
    if watch.prefix:
        sql += " AND starts_with(f.name, %(prefix)s)"
        parameters["prefix"] = watch.prefix
    if watch.not_prefixes:
        sql += (
            " AND NOT EXISTS (SELECT FROM unnest(%(not_prefixes)s::text[]) p"
            " WHERE starts_with(coalesce(f.name, ''), p))"
        )
        parameters["not_prefixes"] = list(watch.not_prefixes)
    return sql, parameters


_REMAINING = "(f.expires_at - syncer.instant())"
_LIFETIME = "(f.expires_at - coalesce(f.created_at, f.first_seen_at))"


def _tier_terms(watch: Watch) -> list[str]:
    terms = ["f.expires_at > syncer.instant() + %(inner_span)s::interval"]
    if watch.span is not None:
        terms.append("f.expires_at <= syncer.instant() + %(span)s::interval")
    else:
        terms.append(f"{_REMAINING} <= {_threshold(watch)}")
    # Where a span and a share begin at the same instant, the span has the file.
    terms += [f"NOT ({each} <= {_threshold(watch)} AND {_REMAINING} <= {each})" for each in _spans(watch)]
    terms += [f"NOT ({each} < {_threshold(watch)} AND {_REMAINING} <= {each})" for each in _shares(watch)]
    return terms


def _tier_parameters(watch: Watch) -> dict[str, Any]:
    return {
        "span": watch.span,
        "share": watch.share,
        "inner_span": watch.inner_span or timedelta(),
        **{f"span_{number}": each for number, each in enumerate(watch.other_spans)},
        **{f"share_{number}": each for number, each in enumerate(watch.other_shares)},
    }


def _threshold(watch: Watch) -> str:
    return "%(span)s::interval" if watch.span is not None else f"%(share)s::float8 * {_LIFETIME}"


def _spans(watch: Watch) -> Sequence[str]:
    return [f"%(span_{number})s::interval" for number in range(len(watch.other_spans))]


def _shares(watch: Watch) -> Sequence[str]:
    return [f"(%(share_{number})s::float8 * {_LIFETIME})" for number in range(len(watch.other_shares))]


def _end(watch: Watch) -> str:
    """Return the instant at which a file leaves the watch, as an expression."""
    if watch.rule != EXPIRING:
        return "f.expires_at"
    threshold = _threshold(watch)
    nearer = [f"CASE WHEN {each} <= {threshold} THEN {each} END" for each in _spans(watch)]
    nearer += [f"CASE WHEN {each} < {threshold} THEN {each} END" for each in _shares(watch)]
    return f"f.expires_at - greatest({', '.join(['%(inner_span)s::interval', *nearer])})"


def _crossed(watch: Watch, where: str) -> str:
    """Return a query for the members that only the passing of time has made members since %(mark)s."""
    if watch.rule == VANISHED:
        return f"SELECT f.file_id FROM syncer.file f WHERE {where} AND f.gone_at > %(mark)s"
    if watch.rule == OVERDUE:
        # At the mark those were overdue that had expired as long before it.
        late = "f.expires_at >= %(mark)s - (syncer.instant() - %(before)s::timestamptz)"
        return f"SELECT f.file_id FROM syncer.file f WHERE {where} AND {late}"
    return f"SELECT f.file_id FROM syncer.file f WHERE {where} AND f.expires_at > %(mark)s + {_threshold(watch)}"
