"""The claim on a source: a row lease with an epoch that every write is fenced by."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from syncer.errors import Busy, Fenced
from syncer.store.database import rows

# A holder whose session is gone was killed: its source is free at once. A session of another database user shows no
# start time; then the number alone must do. A wrong guess is harmless, for the epoch decides what is written.
ABANDONED = """(l.held_until < clock_timestamp()
       OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.backend_pid
                      AND coalesce(a.backend_start = l.backend_start, true)))"""

# A row that is locked is being written under: its source is held, and nobody waits for the lock.
_CLAIM = f"""
WITH free AS (
  SELECT l.source FROM syncer.lease l
  WHERE l.source = %(source)s AND (l.held_until IS NULL OR {ABANDONED})
  FOR UPDATE SKIP LOCKED
)
UPDATE syncer.lease AS l
SET epoch = l.epoch + 1, holder = %(holder)s,
    held_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    backend_pid = pg_backend_pid(),
    backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
FROM free WHERE l.source = free.source
RETURNING l.epoch
"""

_RENEW = """
UPDATE syncer.lease SET held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE source = %(source)s AND epoch = %(epoch)s
"""

_RELEASE = """
UPDATE syncer.lease SET held_until = NULL, holder = NULL, backend_pid = NULL, backend_start = NULL
WHERE source = %(source)s AND epoch = %(epoch)s
"""

_HOLDER = "SELECT holder FROM syncer.lease WHERE source = %(source)s"

# How long a killed holder's session may take to end before its source counts as held.
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.1


def ensure_source(connection: sa.Connection, source: str, *, account: str, prefix: str) -> None:
    """Make the source's rows exist and agree with the settings."""
    rows(
        connection,
        """
        INSERT INTO syncer.source (source, account, prefix) VALUES (%(source)s, %(account)s, %(prefix)s)
        ON CONFLICT (source) DO UPDATE SET account = excluded.account, prefix = excluded.prefix
        WHERE (syncer.source.account, syncer.source.prefix) IS DISTINCT FROM (excluded.account, excluded.prefix)
        """,
        source=source,
        account=account,
        prefix=prefix,
    )
    rows(connection, "INSERT INTO syncer.lease (source) VALUES (%(source)s) ON CONFLICT DO NOTHING", source=source)


def claim(
    connection: sa.Connection, source: str, *, holder: str, seconds: float, sleep: Callable[[float], None]
) -> int:
    """Claim the source for `seconds` and return the epoch of the claim.

    The claim is bound to this connection's session: when that ends, others take over at once. Raises Busy when
    another process still holds it after a second.
    """
    waited = 0.0
    while True:
        epoch = rows(connection, _CLAIM, source=source, holder=holder, seconds=seconds).scalar()
        if epoch is not None:
            return int(epoch)
        if waited >= _PATIENCE_SECONDS:
            other = rows(connection, _HOLDER, source=source).scalar() or "another process"
            raise Busy(
                f"The source {source!r} is being pulled by {other}. Nothing was done; wait for it, or for the end "
                "of its lease if it hangs (SYNCER_LEASE)."
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def renew(connection: sa.Connection, source: str, *, epoch: int, seconds: float) -> None:
    """Prolong the claim. Raises Fenced when another process took the source over."""
    if rows(connection, _RENEW, source=source, epoch=epoch, seconds=seconds).rowcount != 1:
        raise fenced(source)


def release(connection: sa.Connection, source: str, *, epoch: int) -> None:
    """Give the source back; does nothing when it was taken over."""
    rows(connection, _RELEASE, source=source, epoch=epoch)


def fenced(source: str) -> Fenced:
    """Return the error for a write under an epoch that is no longer the source's."""
    return Fenced(
        f"Another process took the source {source!r} over while this one stalled; what it still held was not "
        "written, nothing is lost."
    )
