"""What a message about an alert says, in no language: for people to be spoken, for programs as facts; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncer.alerts.message import JSON, Message, Severity
from syncer.store.alert_files import VANISHED, Count, Example, Share

MOST_URGENT, MOST_PREFIXES = 10, 8
_NONE = Count()


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything that a message about an alert says, in no language yet.

    `number` counts the alert's messages, `as_of` is the start of the last proven pull. With `of_files` the message
    speaks of files, with `nearer` of none that are in a nearer tier. `ending` is why the alert was resolved. `rest` are
    the members that no acknowledgement covers (None: there is none), `acknowledged_by` took notice of all. `examples`
    are of the newcomers when these are told.
    """

    kind: str
    source: str
    rule: str
    severity: Severity
    at: datetime
    number: int = 0
    alert_id: int | None = None
    tier: str = ""
    group: str = ""
    prefix: str = ""
    raised_at: datetime | None = None
    members: Count = _NONE
    newcomers: Count = _NONE
    rest: Count | None = None
    acknowledged_by: str = ""
    examples: Sequence[Example] = ()
    shares: Sequence[Share] = ()
    as_of: datetime | None = None
    of_files: bool = False
    ending: str = ""
    nearer: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The idempotency key: the same however often and by whomever this message is composed or sent."""
        return f"{self.source}/{self.alert_id or 'test'}/{self.number}-{self.kind}"

    @property
    def spoken_of(self) -> Count:
        """The files that the title counts: a reminder speaks of those that somebody must still take notice of."""
        return self.members if self.rest is None or self.kind not in {"reminder", "escalated"} else self.rest

    @property
    def brings_news(self) -> bool:
        """Whether the message tells of new files; an update without such says that the alert grew worse."""
        return self.kind == "updated" and self.newcomers.files > 0

    @property
    def sql(self) -> str:
        """The statement that shows all files of the alert."""
        order = "gone_at DESC" if self.rule == VANISHED else "expires_at"
        return f"SELECT * FROM report.alert_files WHERE alert_id = {self.alert_id} ORDER BY {order};"  # noqa: S608 - for a person, and a number is all that varies


def facts(digest: Digest) -> dict[str, JSON]:
    """Return what a program wants to know of a message."""
    found: dict[str, JSON] = {
        "kind": digest.kind,
        "alert_id": digest.alert_id,
        "tier": digest.tier,
        "group": digest.group,
        "raised_at": _iso(digest.raised_at),
        "complete_as_of": _iso(digest.as_of),
        "resolution": digest.ending or None,
        "detail": {
            name: _iso(value) if isinstance(value, datetime) else value for name, value in digest.detail.items()
        },
    }
    if digest.of_files:
        found |= {
            "files": digest.members.files,
            "bytes": digest.members.bytes,
            "new_files": digest.newcomers.files,
            "new_bytes": digest.newcomers.bytes,
            "unacknowledged_files": digest.members.files if digest.rest is None else digest.rest.files,
            "by_prefix": [{"prefix": each.prefix, "files": each.files, "bytes": each.bytes} for each in digest.shares],
            "most_urgent": [
                {
                    "file_id": each.file_id,
                    "name": each.name,
                    "size_bytes": each.size_bytes,
                    "expires_at": _iso(each.expires_at),
                    "gone_at": _iso(each.gone_at),
                }
                for each in digest.examples
            ],
            "sql": digest.sql,
        }
    return found


def as_json(message: Message) -> dict[str, Any]:
    """Return a message as the outbox keeps it."""
    names = ("key", "severity", "status", "source", "rule", "title", "text", "facts", "alert")
    return {**{name: getattr(message, name) for name in names}, "sent_at": message.sent_at.isoformat()}


def from_json(body: Mapping[str, Any]) -> Message:
    """Return the message that the outbox kept."""
    return Message(**{**body, "sent_at": datetime.fromisoformat(body["sent_at"])})


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
