"""The outbox: messages on their way to one recipient each, claimed, sent at least once, marked after sending."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncer.store.database import is_pooled, rows

# After a failure: half a minute, then twice as long each time, an hour at most. A recipient that refuses for good is
# asked once a day whether it still does; a new message is tried once all the same, for the refusal may have been meant
# for the message before it (a word in a file's name, its length), and then must hold up no other.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 3600.0
PARKED_SECONDS = 86400.0
# Messages of a recipient that no setting names any more wait so long, then they are given up.
ABSENT_DAYS = 7
# How long whoever claimed a recipient may take for one message, should its session not be seen to end.
CLAIM_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message and the claim on its recipient under which it is to be sent."""

    source: str
    message_id: int
    recipient: str
    alert_id: int | None
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecipientState:
    """How sending to a recipient goes; `waiting` messages are not sent, `given_up` will never be.

    The first that waits may go since `waiting_since`. No setting names the recipient since `absent_since`.
    """

    source: str
    recipient: str
    name: str
    failures: int
    error: str | None
    next_try_at: datetime | None
    parked_at: datetime | None
    accepted_at: datetime | None
    absent_since: datetime | None
    waiting: int
    waiting_since: datetime | None
    given_up: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A message about an open alert that its recipient refused again and again, and that was given up."""

    source: str
    recipient: str
    alert_id: int
    kind: str
    title: str
    error: str | None
    given_up_at: datetime

    @property
    def sentence(self) -> str:
        """What happened, without the advice."""
        why = (self.error or "it does not say why").rstrip(".")
        return f"{self.recipient} took no message about alert {self.alert_id} ({self.title}): {why}"


LOST_ADVICE = (
    "The others were told; it is told again by the next reminder. `syncer alerts show ID` says what it is about."
)
"""What to do about a message that was given up."""

# A recipient that is reached at another address (its name kept its identity) is tried at once.
_KNOW = """
INSERT INTO syncer.recipient AS r (source, recipient, name, address)
SELECT * FROM unnest(%(sources)s::text[], %(recipients)s::text[], %(names)s::text[], %(addresses)s::text[])
ON CONFLICT (source, recipient) DO UPDATE
SET name = excluded.name, address = excluded.address, absent_since = NULL,
    next_try_at = CASE WHEN r.address IS NULL OR r.address = excluded.address THEN r.next_try_at END
WHERE (r.name, r.address, r.absent_since) IS DISTINCT FROM (excluded.name, excluded.address, NULL)
"""

_ABSENT = """
UPDATE syncer.recipient SET absent_since = syncer.instant()
WHERE source = %(source)s AND recipient <> ALL (%(present)s::text[]) AND absent_since IS NULL
"""

# What was withdrawn while its recipient was in no setting may be put anew.
_PUT = """
INSERT INTO syncer.outbox AS o (source, recipient, key, alert_id, kind, body, created_at, not_before)
VALUES (%(source)s, %(recipient)s, %(key)s, %(alert)s, %(kind)s, %(body)s::jsonb, syncer.instant(), %(not_before)s)
ON CONFLICT (source, recipient, key) DO UPDATE
SET body = excluded.body, created_at = excluded.created_at, not_before = excluded.not_before, error = NULL,
    given_up_at = NULL, withdrawn_at = NULL
WHERE o.withdrawn_at IS NOT NULL
"""

_FREE = """(r.claimed_until IS NULL OR r.claimed_until < clock_timestamp()
       OR NOT syncer.session_lives(r.backend_pid, r.backend_start))"""

_READY = """o.sent_at IS NULL AND o.given_up_at IS NULL AND o.not_before <= syncer.instant()"""

_DUE = f"""{_READY} AND (r.next_try_at IS NULL OR r.next_try_at <= syncer.instant()
       OR r.parked_at IS NOT NULL AND o.attempts = 0)"""

_CLAIM = f"""
WITH free AS (
  SELECT r.source, r.recipient FROM syncer.recipient r
  JOIN unnest(%(sources)s::text[], %(recipients)s::text[]) k (source, recipient)
    ON k.source = r.source AND k.recipient = r.recipient
  WHERE {_FREE}
    AND EXISTS (SELECT FROM syncer.outbox o WHERE o.source = r.source AND o.recipient = r.recipient AND {_DUE})
  FOR UPDATE OF r SKIP LOCKED
)
UPDATE syncer.recipient r
SET claim = r.claim + 1, claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    backend_pid = CASE WHEN %(seen)s THEN pg_backend_pid() END,
    backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() AND %(seen)s)
FROM free WHERE r.source = free.source AND r.recipient = free.recipient
RETURNING r.source, r.recipient
"""

# Among messages that wait, those which were never refused go first; in the order in which they were composed.
_NEXT = f"""
SELECT o.source, o.message_id, o.recipient, o.alert_id, o.kind, o.body
FROM syncer.outbox o
JOIN syncer.recipient r ON r.source = o.source AND r.recipient = o.recipient
WHERE o.source = %(source)s AND o.recipient = %(recipient)s AND {_DUE}
ORDER BY o.refused_at IS NOT NULL, o.message_id LIMIT 1
"""

_RELEASE = """
UPDATE syncer.recipient SET claimed_until = NULL, backend_pid = NULL, backend_start = NULL
WHERE source = %(source)s AND recipient = %(recipient)s
  AND backend_pid IS NOT DISTINCT FROM CASE WHEN %(seen)s THEN pg_backend_pid() END
"""

_SENT = """
WITH marked AS (
  UPDATE syncer.outbox SET sent_at = coalesce(sent_at, syncer.instant()), attempts = attempts + 1, error = NULL
  WHERE source = %(source)s AND message_id = %(message)s RETURNING source, recipient, alert_id
), told AS (
  UPDATE syncer.alert a SET sent_at = syncer.instant() FROM marked
  WHERE a.source = marked.source AND a.alert_id = marked.alert_id AND a.sent_at IS NULL
)
UPDATE syncer.recipient r
SET failures = 0, error = NULL, parked_at = NULL, next_try_at = NULL, accepted_at = syncer.instant()
FROM marked WHERE r.source = marked.source AND r.recipient = marked.recipient
"""

_FAILED = """
WITH marked AS (
  UPDATE syncer.outbox SET attempts = attempts + 1, error = %(error)s
  WHERE source = %(source)s AND message_id = %(message)s RETURNING source, recipient
)
UPDATE syncer.recipient r
SET failures = r.failures + 1, error = %(error)s,
    next_try_at = syncer.instant() + make_interval(secs => greatest(%(after)s::float8,
      least(%(first)s::float8 * power(2, least(r.failures, 30)), %(longest)s::float8)))
FROM marked WHERE r.source = marked.source AND r.recipient = marked.recipient
"""

# A message that is refused again although its recipient accepted others since is at fault itself, not the recipient.
_REFUSED = """
WITH marked AS (
  UPDATE syncer.outbox o
  SET attempts = o.attempts + 1, error = %(error)s, refused_at = coalesce(o.refused_at, syncer.instant()),
      given_up_at = CASE WHEN r.accepted_at > o.refused_at THEN syncer.instant() END
  FROM syncer.recipient r
  WHERE o.source = %(source)s AND o.message_id = %(message)s AND r.source = o.source AND r.recipient = o.recipient
  RETURNING o.source, o.recipient, o.given_up_at
)
UPDATE syncer.recipient r
SET failures = r.failures + 1, error = %(error)s, parked_at = coalesce(r.parked_at, syncer.instant()),
    next_try_at = syncer.instant() + make_interval(secs => %(after)s)
FROM marked
WHERE r.source = marked.source AND r.recipient = marked.recipient AND marked.given_up_at IS NULL
"""

_STATES = """
SELECT r.source, r.recipient, r.name, r.failures, r.error, r.next_try_at, r.parked_at, r.accepted_at, r.absent_since,
       count(o.message_id) FILTER (WHERE o.given_up_at IS NULL) AS waiting,
       min(o.not_before) FILTER (WHERE o.given_up_at IS NULL) AS waiting_since,
       count(o.given_up_at) AS given_up
FROM syncer.recipient r LEFT JOIN syncer.outbox o ON o.source = r.source AND o.recipient = r.recipient
  AND o.sent_at IS NULL
GROUP BY r.source, r.recipient ORDER BY r.source, r.name, r.recipient
"""


def know(connection: sa.Connection, recipients: Sequence[tuple[str, str, str, str]]) -> None:
    """Make recipients' rows exist: source, identity, name and address of each. One whose address changed is due."""
    if recipients:
        sources, identities, names, addresses = map(list, zip(*recipients, strict=True))
        rows(connection, _KNOW, sources=sources, recipients=identities, names=names, addresses=addresses)


def note_absent(connection: sa.Connection, source: str, present: Collection[str]) -> None:
    """Note which recipients of a source no setting names any more: all but those `present`."""
    rows(connection, _ABSENT, source=source, present=list(present))


def put(
    connection: sa.Connection,
    source: str,
    recipient: str,
    *,
    key: str,
    alert_id: int | None,
    kind: str,
    body: Mapping[str, Any],
    not_before: datetime,
) -> None:
    """Put a message into the outbox; a second one under the same key is the same message."""
    text = json.dumps(body, ensure_ascii=False)
    rows(
        connection,
        _PUT,
        source=source,
        recipient=recipient,
        key=key,
        alert=alert_id,
        kind=kind,
        body=text,
        not_before=not_before,
    )


def take_back(connection: sa.Connection, source: str, alert_id: int, kind: str) -> None:
    """Remove an alert's messages of one kind which nobody was told yet."""
    rows(
        connection,
        "DELETE FROM syncer.outbox WHERE source = %(source)s AND alert_id = %(alert)s AND kind = %(kind)s "
        "AND sent_at IS NULL AND attempts = 0 AND not_before > syncer.instant()",
        source=source,
        alert=alert_id,
        kind=kind,
    )


def told(connection: sa.Connection, source: str, alert_ids: Sequence[int]) -> dict[int, set[str]]:
    """Return by alert the recipients for whom anything about it was put into the outbox, and not withdrawn since."""
    sql = """
    SELECT DISTINCT alert_id, recipient FROM syncer.outbox
    WHERE source = %(source)s AND alert_id = ANY (%(alerts)s::bigint[]) AND withdrawn_at IS NULL
    """
    found: dict[int, set[str]] = {}
    for row in rows(connection, sql, source=source, alerts=list(alert_ids)):
        found.setdefault(row.alert_id, set()).add(row.recipient)
    return found


def told_last(connection: sa.Connection, source: str, alert_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return by alert and recipient the kind of the last message that was put into the outbox."""
    sql = """
    SELECT DISTINCT ON (alert_id, recipient) alert_id, recipient, kind FROM syncer.outbox
    WHERE source = %(source)s AND alert_id = ANY (%(alerts)s::bigint[]) AND withdrawn_at IS NULL
    ORDER BY alert_id, recipient, message_id DESC
    """
    found: dict[int, dict[str, str]] = {}
    for row in rows(connection, sql, source=source, alerts=list(alert_ids)) if alert_ids else ():
        found.setdefault(row.alert_id, {})[row.recipient] = row.kind
    return found


def claim(connection: sa.Connection, recipients: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Claim those of `recipients` (source and identity) that have something to be sent and that nobody sends to.

    The claim is bound to this connection's session: when that ends, others may send.
    """
    found = rows(
        connection,
        _CLAIM,
        sources=[source for source, _ in recipients],
        recipients=[recipient for _, recipient in recipients],
        seconds=CLAIM_SECONDS,
        seen=not is_pooled(connection),
    )
    return [(row.source, row.recipient) for row in found]


def waiting(connection: sa.Connection) -> list[str]:
    """Return the sources that have something to be sent."""
    sql = f"SELECT DISTINCT o.source FROM syncer.outbox o WHERE {_READY} ORDER BY o.source"
    return list(rows(connection, sql).scalars())


def next_message(connection: sa.Connection, source: str, recipient: str) -> Waiting | None:
    """Return the message that a claimed recipient is to get next."""
    row = rows(connection, _NEXT, source=source, recipient=recipient).mappings().one_or_none()
    return None if row is None else Waiting(**row)


def release(connection: sa.Connection, source: str, recipient: str) -> None:
    """Give a claim of this session back."""
    rows(connection, _RELEASE, source=source, recipient=recipient, seen=not is_pooled(connection))


def mark_sent(connection: sa.Connection, source: str, message_id: int) -> None:
    """Note that the recipient accepted a message."""
    rows(connection, _SENT, source=source, message=message_id)


def mark_failed(connection: sa.Connection, source: str, message_id: int, *, error: str, after: float | None) -> None:
    """Note that a message did not get through, and when to try again: not before `after` seconds."""
    rows(
        connection,
        _FAILED,
        source=source,
        message=message_id,
        error=error,
        after=after or 0.0,
        first=FIRST_PAUSE_SECONDS,
        longest=LONGEST_PAUSE_SECONDS,
    )


def mark_refused(connection: sa.Connection, source: str, message_id: int, *, error: str) -> None:
    """Note that a recipient refuses for good: what it refused is parked and tried once a day, what is new at once."""
    rows(connection, _REFUSED, source=source, message=message_id, error=error, after=PARKED_SECONDS)


def retry_now(connection: sa.Connection, source: str, recipient: str) -> None:
    """Let a recipient be tried at once, whatever it did before."""
    rows(
        connection,
        "UPDATE syncer.recipient SET next_try_at = NULL WHERE source = %(source)s AND recipient = %(recipient)s",
        source=source,
        recipient=recipient,
    )


def recipients(connection: sa.Connection) -> list[RecipientState]:
    """Return how sending goes, recipient by recipient."""
    return [RecipientState(**row) for row in rows(connection, _STATES).mappings()]


def messages(connection: sa.Connection, source: str, alert_id: int) -> list[dict[str, Any]]:
    """Return what was composed about an alert, and what became of it."""
    sql = """
    SELECT o.message_id, o.kind, r.name AS recipient, o.created_at, o.not_before, o.attempts, o.sent_at, o.given_up_at,
           o.error, o.body ->> 'title' AS title
    FROM syncer.outbox o JOIN syncer.recipient r ON r.source = o.source AND r.recipient = o.recipient
    WHERE o.source = %(source)s AND o.alert_id = %(alert)s ORDER BY o.message_id
    """
    return [dict(row) for row in rows(connection, sql, source=source, alert=alert_id).mappings()]


_LOST = """
SELECT o.source, r.name AS recipient, o.alert_id, o.kind, o.body ->> 'title' AS title, o.error, o.given_up_at
FROM syncer.outbox o
JOIN syncer.recipient r ON r.source = o.source AND r.recipient = o.recipient
JOIN syncer.alert a ON a.source = o.source AND a.alert_id = o.alert_id AND a.resolved_at IS NULL
WHERE o.given_up_at IS NOT NULL AND o.withdrawn_at IS NULL
  AND NOT EXISTS (SELECT FROM syncer.outbox l WHERE l.source = o.source AND l.recipient = o.recipient
                    AND l.alert_id = o.alert_id AND l.message_id > o.message_id AND l.sent_at IS NOT NULL)
ORDER BY o.source, o.message_id
"""


def lost(connection: sa.Connection) -> list[Lost]:
    """Return what recipients that take other messages refused of open alerts, and have not been told since."""
    return [Lost(**row) for row in rows(connection, _LOST).mappings()]


_WITHDRAW = """
UPDATE syncer.outbox o SET given_up_at = syncer.instant(), withdrawn_at = syncer.instant(),
  error = 'no setting names this recipient any more'
FROM syncer.recipient r
WHERE r.source = %(source)s AND r.absent_since < syncer.instant() - make_interval(days => %(absent)s)
  AND o.source = r.source AND o.recipient = r.recipient AND o.sent_at IS NULL AND o.given_up_at IS NULL
"""

# Of an open alert each recipient's last message stays: by it we know who was told.
_PRUNE = """
DELETE FROM syncer.outbox o
WHERE o.source = %(source)s AND coalesce(o.sent_at, o.given_up_at) < syncer.instant() - make_interval(days => %(days)s)
  AND NOT (o.withdrawn_at IS NULL
    AND EXISTS (SELECT FROM syncer.alert a WHERE a.source = o.source AND a.alert_id = o.alert_id
                  AND a.resolved_at IS NULL)
    AND NOT EXISTS (SELECT FROM syncer.outbox l WHERE l.source = o.source AND l.recipient = o.recipient
                      AND l.alert_id = o.alert_id AND l.message_id > o.message_id))
"""

_FORGET = """
DELETE FROM syncer.recipient r
WHERE r.source = %(source)s AND r.absent_since < syncer.instant() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT FROM syncer.outbox o WHERE o.source = r.source AND o.recipient = r.recipient)
"""


def prune(connection: sa.Connection, source: str, *, days: int) -> None:
    """Give up what waits for recipients that no setting names any more; forget what ended so long ago."""
    rows(connection, _WITHDRAW, source=source, absent=ABSENT_DAYS)
    rows(connection, _PRUNE, source=source, days=days)
    rows(connection, _FORGET, source=source, days=days)
