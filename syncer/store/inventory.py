"""The question behind `syncer files`: which backups, in which order, streamed so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows

# The columns of report.backups that INTERFACE promises, in its order.
FIELDS = (
    "source",
    "file_id",
    "name",
    "size_bytes",
    "file_type",
    "duration_seconds",
    "status",
    "created_at",
    "expires_at",
    "url",
    "state",
    "first_seen_at",
    "changed_at",
    "gone_at",
)
# Rows that travel from the server at a time.
_BATCH = 1000


class State(StrEnum):
    """What became of a backup (see report.backups)."""

    LIVE = "live"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    VANISHED = "vanished"


class Sorting(StrEnum):
    """What comes first."""

    EXPIRY = "expiry"
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which backups. An empty prefix, None for `source` and None for `expiring_within` leave nothing out.

    `expiring_within` chooses what expires from now until then.
    """

    states: frozenset[State] = frozenset({State.LIVE})
    prefix: str = ""
    source: str | None = None
    expiring_within: timedelta | None = None
    sorting: Sorting = Sorting.EXPIRY


_ORDER = {
    Sorting.EXPIRY: "expires_at ASC NULLS LAST, source, file_id",
    Sorting.NEWEST: "created_at DESC NULLS LAST, source, file_id",
    Sorting.OLDEST: "created_at ASC NULLS LAST, source, file_id",
}


@contextmanager
def reading(
    connection: sa.Connection, selection: Selection, limit: int | None
) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Yield the chosen backups, each by the names of `FIELDS`, and hold few of them at a time.

    It reads through a server-side cursor: the connection must be in a transaction, such as a `snapshot`.
    """
    where, parameters = _where(selection)
    sql = f"SELECT {', '.join(FIELDS)} FROM report.backups{where} ORDER BY {_ORDER[selection.sorting]}"
    if limit is not None:
        sql += " LIMIT %(limit)s"
        parameters["limit"] = limit
    with connection.exec_driver_sql(sql, parameters, execution_options={"yield_per": _BATCH}) as result:
        yield (dict(row) for row in result.mappings())


def count(connection: sa.Connection, selection: Selection) -> int:
    """Return how many backups a selection holds."""
    where, parameters = _where(selection)
    return int(rows(connection, f"SELECT count(*) FROM report.backups{where}", **parameters).scalar_one())


def anything_pulled(connection: sa.Connection, source: str | None) -> bool:
    """Return whether any pull of the source (or of any) was ever begun."""
    sql = "SELECT EXISTS (SELECT FROM syncer.pull WHERE %(source)s::text IS NULL OR source = %(source)s)"
    return bool(rows(connection, sql, source=source).scalar())


def instant(connection: sa.Connection) -> datetime:
    """Return the instant that states go by: now, or what `syncer.now` is set to."""
    moment: datetime = rows(connection, "SELECT syncer.instant()").scalar_one()
    return moment


def source_names(connection: sa.Connection) -> list[str]:
    """Return the sources that the database knows, also those that the settings no longer name."""
    return list(rows(connection, "SELECT source FROM syncer.source ORDER BY source").scalars())


def _where(selection: Selection) -> tuple[str, dict[str, Any]]:
    terms: list[str] = []
    parameters: dict[str, Any] = {}
    if selection.states != frozenset(State):
        terms.append(f"({' OR '.join(_STATES[state] for state in sorted(selection.states))})")
    if selection.prefix:
        terms.append("starts_with(name, %(prefix)s)")
        parameters["prefix"] = selection.prefix
    if selection.source is not None:
        terms.append("source = %(source)s")
        parameters["source"] = selection.source
    if selection.expiring_within is not None:
        terms.append("expires_at > syncer.instant() AND expires_at <= syncer.instant() + %(within)s::interval")
        parameters["within"] = selection.expiring_within
    return (" WHERE " + " AND ".join(terms) if terms else ""), parameters


# The view's definition of a state, said so that the planner can use the columns' statistics and indexes.
_STATES = {
    State.LIVE: "(gone_at IS NULL AND (expires_at > syncer.instant() OR expires_at IS NULL))",
    State.OVERDUE: "(gone_at IS NULL AND expires_at <= syncer.instant())",
    State.EXPIRED: "(gone_at IS NOT NULL AND expires_at <= gone_at)",
    State.VANISHED: "(gone_at IS NOT NULL AND (expires_at > gone_at OR expires_at IS NULL))",
}
