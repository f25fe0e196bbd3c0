"""A mark: which writes an evaluation had seen, exactly, however long other transactions of ours are open meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncer.store.database import rows


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything written up to `at` was seen, but for what transactions wrote that had begun at one of `open`.

    What a transaction writes bears the instant at which it began. So a page, or a sweep, that is committed later is
    told by that instant, and what others wrote in the meantime is not taken for new because somebody was slow.
    """

    at: datetime
    open: tuple[datetime, ...] = ()

    def parameters(self, name: str) -> dict[str, Any]:
        """Return the parameters of `since`."""
        return {name: self.at, f"{name}_open": list(self.open)}


def since(column: str, name: str) -> str:
    """Return the condition that `column` was written after the mark called `name`."""
    return f"({column} > %({name})s::timestamptz OR {column} = ANY (%({name}_open)s::timestamptz[]))"


# Our own processes alone write, under this name (see `make_engine`), and share the database user, so their sessions
# can be seen. Whoever begins later writes later instants.
_TAKE = """
SELECT syncer.instant() AS at, ARRAY(
  SELECT DISTINCT a.xact_start FROM pg_stat_activity a
  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
    AND a.xact_start IS NOT NULL AND a.application_name = 'syncer'
  ORDER BY 1) AS open
"""


def take(connection: sa.Connection) -> Mark:
    """Return the present mark: what later statements of this transaction see was written before it, or is new to it."""
    row = rows(connection, _TAKE).one()
    return Mark(row.at, tuple(row.open))
