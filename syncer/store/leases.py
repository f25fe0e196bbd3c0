"""The claim on a source: a row lease with an epoch that every write is fenced by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from syncer.errors import Busy, Fenced
from syncer.store.database import is_pooled, rows

# A holder whose session is gone was killed: its source is free at once. A wrong guess is harmless, for the epoch
# decides what is written. Behind a pooler the session is not known, and the lease alone decides.
ABANDONED = "(l.held_until < clock_timestamp() OR NOT syncer.session_lives(l.backend_pid, l.backend_start))"

# A row that is locked is being written under: its source is held, and nobody waits for the lock.
_CLAIM = f"""
WITH free AS (
  SELECT l.source FROM syncer.lease l
  WHERE l.source = %(source)s AND (l.held_until IS NULL OR {ABANDONED})
    AND coalesce(l.epoch = %(seen_epoch)s::bigint, true)
  FOR UPDATE SKIP LOCKED
)
UPDATE syncer.lease AS l
SET epoch = l.epoch + 1, holder = %(holder)s, retrying = NULL, retrying_since = NULL,
    held_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    backend_pid = CASE WHEN %(seen)s THEN pg_backend_pid() END,
    backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() AND %(seen)s)
FROM free WHERE l.source = free.source
RETURNING l.epoch
"""

# What every write under a lease does to it. A holder that writes from another session than it claimed in has a pooler
# in between which did not show: that session may end while the holder lives.
RENEWED = """held_until = clock_timestamp() + make_interval(secs => %(seconds)s),
  backend_pid = CASE WHEN backend_pid = pg_backend_pid() THEN backend_pid END"""

_RENEW = f"""
UPDATE syncer.lease SET {RENEWED}, retrying = %(retrying)s::text,
  retrying_since = clock_timestamp() - make_interval(secs => %(retrying_for)s::float8)
WHERE source = %(source)s AND epoch = %(epoch)s
"""

_RELEASE = """
UPDATE syncer.lease SET held_until = NULL, holder = NULL, backend_pid = NULL, backend_start = NULL,
  retrying = NULL, retrying_since = NULL
WHERE source = %(source)s AND epoch = %(epoch)s AND holder = %(holder)s
"""

# The run could perhaps not say how it ended: what is due is decided anew.
_ABANDON = f"""
WITH freed AS ({_RELEASE} RETURNING source)
UPDATE syncer.source s SET next_full_at = NULL, next_recent_at = NULL FROM freed WHERE s.source = freed.source
"""

_HOLDER = "SELECT holder, epoch FROM syncer.lease WHERE source = %(source)s"

# How long a killed holder's session may take to end before its source counts as held.
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.1


_ENSURE = """
WITH named AS (
  SELECT * FROM unnest(%(sources)s::text[], %(accounts)s::text[], %(prefixes)s::text[]) n (source, account, prefix)
), leased AS (
  INSERT INTO syncer.lease (source) SELECT n.source FROM named n
  WHERE NOT EXISTS (SELECT FROM syncer.lease l WHERE l.source = n.source) ORDER BY n.source ON CONFLICT DO NOTHING
)
INSERT INTO syncer.source AS s (source, account, prefix)
SELECT n.source, n.account, n.prefix FROM named n
WHERE NOT EXISTS (SELECT FROM syncer.source o
                  WHERE (o.source, o.account, o.prefix) = (n.source, n.account, n.prefix))
ORDER BY n.source
ON CONFLICT (source) DO UPDATE SET account = excluded.account, prefix = excluded.prefix
WHERE (s.account, s.prefix) IS DISTINCT FROM (excluded.account, excluded.prefix)
"""


def ensure_sources(connection: sa.Connection, sources: Sequence[tuple[str, str, str]]) -> None:
    """Make the rows of all `sources` (name, account, prefix) exist and agree with the settings."""
    names, accounts, prefixes = ([each[part] for each in sources] for part in range(3))
    rows(connection, _ENSURE, sources=names, accounts=accounts, prefixes=prefixes)


def ensure_source(connection: sa.Connection, source: str, *, account: str, prefix: str) -> None:
    """Make one source's rows exist and agree with the settings."""
    ensure_sources(connection, [(source, account, prefix)])


def claim(
    connection: sa.Connection,
    source: str,
    *,
    holder: str,
    seconds: float,
    sleep: Callable[[float], None],
    seen_epoch: int | None = None,
) -> int:
    """Claim the source for `seconds` and return the epoch of the claim.

    The claim is bound to this connection's session, where that can be seen: when it ends, others take over at once.
    Raises Busy when another process still holds it after a second, or had it since the lease had `seen_epoch`.
    """
    waited = 0.0
    while True:
        seen = not is_pooled(connection)
        found = rows(
            connection, _CLAIM, source=source, holder=holder, seconds=seconds, seen=seen, seen_epoch=seen_epoch
        )
        if (epoch := found.scalar()) is not None:
            return int(epoch)
        lease = rows(connection, _HOLDER, source=source).one()
        if seen_epoch is not None and lease.epoch != seen_epoch:
            raise Busy(f"The source {source!r} was taken by another process meanwhile. Nothing was done.")
        if waited >= _PATIENCE_SECONDS:
            raise Busy(
                f"The source {source!r} is being pulled by {lease.holder or 'another process'}. Nothing was done; wait "
                "for it, or for the end of its lease if it hangs (SYNCER_LEASE)."
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def renew(
    connection: sa.Connection,
    source: str,
    *,
    epoch: int,
    seconds: float,
    retrying: str | None = None,
    retrying_for: float | None = None,
) -> None:
    """Prolong the claim, and note why the call in hand is `retrying`, for so many seconds. Raises Fenced.

    That is raised when another process took the source over.
    """
    found = rows(
        connection,
        _RENEW,
        source=source,
        epoch=epoch,
        seconds=seconds,
        retrying=retrying,
        retrying_for=None if retrying is None else retrying_for,
    )
    if found.rowcount != 1:
        raise fenced(source)


def release(connection: sa.Connection, source: str, *, epoch: int, holder: str) -> None:
    """Give the source back after a run; does nothing when it was given back or taken over."""
    rows(connection, _RELEASE, source=source, epoch=epoch, holder=holder)


def abandon(connection: sa.Connection, source: str, *, epoch: int, holder: str) -> None:
    """Give the source back, by whatever connection, after a run that may not have noted its end.

    Does nothing when it was given back or taken over.
    """
    rows(connection, _ABANDON, source=source, epoch=epoch, holder=holder)


def fenced(source: str) -> Fenced:
    """Return the error for a write under an epoch that is no longer the source's."""
    return Fenced(
        f"Another process took the source {source!r} over while this one stalled; what it still held was not "
        "written, nothing is lost."
    )
