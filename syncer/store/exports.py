"""The tables of `syncer report --table`: whole views of schema report, streamed so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

# Rows that travel from the server at a time.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Export:
    """A view and the order of its rows. Only a part of it is read where `keys` name columns; True: they are numbers."""

    view: str
    order: str
    keys: Mapping[str, bool] = field(default_factory=dict)


EXPORTS: Mapping[str, Export] = {
    "backups": Export("report.backups", "source, file_id"),
    "expiring": Export("report.expiring", "source, expires_at, file_id"),
    "calendar": Export("report.expiry_calendar", "source, day"),
    "daily": Export("report.inventory_daily", "source, day"),
    "changes": Export("report.changes", "source, changed_at, file_id, field"),
    "pulls": Export("report.pulls", "source, pull_id"),
    "runs": Export("report.runs", "source, run_id"),
    "sources": Export("report.sources", "source"),
    "rejected": Export("report.rejected", "source, rejected_at, pull_id, page, position"),
    "types": Export("report.storage_by_type", "source, bytes DESC, file_type"),
    "prefixes": Export("report.storage_by_prefix", "source, bytes DESC, prefix"),
    "ages": Export("report.storage_by_age", "source, from_days"),
    "alerts": Export("report.alerts", "source, alert_id"),
}

# What belongs to one file, one pull, one alert.
_PARTS: Mapping[str, Export] = {
    "file_changes": Export("report.changes", "changed_at, field", {"file_id": False}),
    "pages": Export("report.pages", "generation, part, page", {"pull_id": True}),
    "alert_files": Export("report.alert_files", "expires_at, file_id", {"alert_id": True}),
}
DOWNLOADS: Mapping[str, Export] = {**EXPORTS, **_PARTS}
"""What the page offers as CSV."""


@contextmanager
def reading(
    connection: sa.Connection, export: Export, source: str | None, only: Mapping[str, str | int] | None = None
) -> Iterator[tuple[tuple[str, ...], Iterator[Mapping[str, Any]]]]:
    """Yield the columns of an export and its rows, of one source or of all; few are held at a time.

    `only` holds a value for each of the export's `keys`.

    It reads through a server-side cursor: the connection must be in a transaction, such as a `snapshot`.
    """
    terms = [] if source is None else ["source = %(source)s"]
    terms += [f"{key} = %({key})s" for key in export.keys]
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    sql = f"SELECT * FROM {export.view}{where} ORDER BY {export.order}"
    streaming = {"stream_results": True, "yield_per": _BATCH}
    parameters = {**({} if source is None else {"source": source}), **(only or {})}
    with connection.exec_driver_sql(sql, parameters, execution_options=streaming) as result:
        yield tuple(result.keys()), (dict(row) for row in result.mappings())
