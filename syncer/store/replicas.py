"""The daemons that share a database: each says that it lives, and reads how much the others can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncer.store.database import rows


@dataclass(frozen=True, slots=True)
class Replica:
    """A daemon as it last showed itself. `replica` is its own name, `name` its host and process, for people."""

    replica: str
    name: str
    version: str
    started_at: datetime
    seen_at: datetime
    alive: bool
    sources: int
    workers: int
    running: int


@dataclass(frozen=True, slots=True)
class Others:
    """What the other living daemons can do together: the pulls that they may run at once, and those that they run."""

    workers: int
    running: int


_BEAT = """
WITH mine AS (
  INSERT INTO syncer.replica AS r (replica, name, version, started_at, seen_at, seen_until, sources, workers, running)
  VALUES (%(replica)s, %(name)s, %(version)s, clock_timestamp(), clock_timestamp(),
          clock_timestamp() + make_interval(secs => %(seconds)s), %(sources)s, %(workers)s, %(running)s)
  ON CONFLICT (replica) DO UPDATE
  SET seen_at = excluded.seen_at, seen_until = excluded.seen_until, sources = excluded.sources,
      workers = excluded.workers, running = excluded.running
), old AS (
  DELETE FROM syncer.replica WHERE seen_until < clock_timestamp() - interval '1 day' AND replica <> %(replica)s
)
SELECT coalesce(sum(workers), 0)::int AS workers, coalesce(sum(running), 0)::int AS running
FROM syncer.replica WHERE replica <> %(replica)s AND seen_until > clock_timestamp()
"""

_ALL = """
SELECT replica, name, version, started_at, seen_at, seen_until > clock_timestamp() AS alive, sources, workers, running
FROM syncer.replica ORDER BY started_at, replica
"""


def beat(
    connection: sa.Connection,
    replica: str,
    *,
    name: str,
    version: str,
    seconds: float,
    sources: int,
    workers: int,
    running: int,
) -> Others:
    """Say that this daemon lives, for the next `seconds`, and how busy it is; return how the others are."""
    row = rows(
        connection,
        _BEAT,
        replica=replica,
        name=name,
        version=version,
        seconds=seconds,
        sources=sources,
        workers=workers,
        running=running,
    ).one()
    return Others(row.workers, row.running)


def leave(connection: sa.Connection, replica: str) -> None:
    """Say that this daemon takes nothing any more: its share is the others'."""
    rows(connection, "DELETE FROM syncer.replica WHERE replica = %(replica)s", replica=replica)


def all_seen(connection: sa.Connection) -> list[Replica]:
    """Return every daemon that lives or was seen within a day, the one that started first in front."""
    return [Replica(**row) for row in rows(connection, _ALL).mappings()]
