"""The call quota of an account as one row: slots evenly spaced, shared by every process, kept across restarts."""

from __future__ import annotations

import sqlalchemy as sa

from syncer.store.database import rows
from syncer.store.direct import row

# Slots are (60 + SLACK) / n seconds apart, so that n + 1 grants span more than a minute even when one call leaves
# up to SLACK seconds late: half of it is given to grants that come late (CREDIT, so that no slot is wasted on a
# sleep that overshot), the other half to the way from the grant to the wire.
SLACK_SECONDS = 0.6
_CREDIT_SECONDS = 0.3
GRANT_SECONDS = 0.2
"""How old a grant may be when the call is made, where something comes between: within the other half."""
_FORGETTABLE_SECONDS = 1
# After a 4400 all processes of the account pause this long: the window is a minute, and somebody else uses it too.
_STEP_BACK_SECONDS = 20.0

# One that waits for the row, because another takes a slot, looks at it anew and takes the instant anew: never one from
# before the wait. Whoever comes too early only reads, for a lock would be written to the disk. Slots that are near each
# other do not wait for the disk: a server that crashes may forget the last one, and takes longer than that to return.
_TAKE = f"""
UPDATE syncer.quota SET
  next_at = greatest(next_at, clock_timestamp() - interval '{_CREDIT_SECONDS} seconds')
            + make_interval(secs => %(spacing)s),
  calls = calls + 1
WHERE account = %(account)s AND next_at <= clock_timestamp()
  AND (%(interactive)s OR reserved_until IS NULL OR reserved_until <= clock_timestamp())
RETURNING set_config(
  'synchronous_commit',
  CASE WHEN %(spacing)s::float8 <= {_FORGETTABLE_SECONDS} THEN 'off' ELSE current_setting('synchronous_commit') END,
  true
)
"""

_FIRST = """
INSERT INTO syncer.quota (account, next_at, calls)
VALUES (%(account)s, clock_timestamp() + make_interval(secs => %(spacing)s), 1)
ON CONFLICT DO NOTHING RETURNING 1
"""

_WAIT = """
SELECT greatest(0.001, extract(epoch FROM greatest(
    next_at, CASE WHEN %(interactive)s THEN next_at ELSE reserved_until END) - clock_timestamp()))::float8
FROM syncer.quota WHERE account = %(account)s
"""

_RESERVE = """
UPDATE syncer.quota SET reserved_until = next_at + make_interval(secs => %(spacing)s)
WHERE account = %(account)s
"""

_STEP_BACK = """
UPDATE syncer.quota SET refused = refused + 1,
  next_at = greatest(next_at, clock_timestamp() + make_interval(secs => %(seconds)s))
WHERE account = %(account)s
"""


def spacing(calls_per_minute: int) -> float:
    """Return the seconds between two calls that keep within `calls_per_minute` in any 60 seconds."""
    return (60.0 + SLACK_SECONDS) / calls_per_minute


def take(connection: sa.Connection, account: str, *, calls_per_minute: int, interactive: bool = False) -> bool:
    """Take the next slot if it is due; return whether it was granted."""
    gap = spacing(calls_per_minute)
    return row(connection, _TAKE, account=account, spacing=gap, interactive=interactive) is not None


def try_acquire(connection: sa.Connection, account: str, *, calls_per_minute: int, interactive: bool) -> float:
    """Take the next slot if it is due: return 0.0 when granted, else the seconds to wait before asking again.

    An interactive caller's wish reserves the next slot, so that background pulls let it pass.
    """
    if take(connection, account, calls_per_minute=calls_per_minute, interactive=interactive):
        return 0.0
    gap = spacing(calls_per_minute)
    if interactive:
        rows(connection, _RESERVE, account=account, spacing=gap)
    wait = row(connection, _WAIT, account=account, interactive=interactive)
    if wait is None and row(connection, _FIRST, account=account, spacing=gap):
        return 0.0
    return 0.001 if wait is None else float(wait[0])


def step_back(connection: sa.Connection, account: str) -> None:
    """Pause every process of the account after the API said that the quota is exceeded (4400)."""
    rows(connection, _STEP_BACK, account=account, seconds=_STEP_BACK_SECONDS)
