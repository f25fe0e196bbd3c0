"""What is sent to a recipient, and what a recipient must do with it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from syncer.errors import SyncerError

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"
Severity = Literal["info", "warning", "critical"]
Status = Literal["raised", "escalated", "reminder", "resolved", "test"]
Language = Literal["en", "zh"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the least to the gravest."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message about one alert, composed in its recipient's language.

    `key` is the idempotency key: the same for every attempt at sending this very message. `alert` names the alert,
    the same from raised to resolved; left empty, the source and the rule are its name. `title` is one line, `text`
    plain text of several lines, `facts` the structured payload of webhooks (docs/notifications.md). `sent_at` is an
    aware instant, the one the message speaks of; signatures take their own time when they are made.
    """

    key: str
    severity: Severity
    status: Status
    source: str
    rule: str
    title: str
    text: str
    facts: Mapping[str, JSON]
    sent_at: datetime
    alert: str = ""


class NotifyError(SyncerError):
    """A message was not accepted; its text names no secret and may be stored, logged and shown.

    `permanent`: the service refuses this recipient or this message for good, a person must act; otherwise it is worth
    trying again, not before `retry_after` seconds where the service or its documented limit says so.
    """

    def __init__(self, sentence: str, *, permanent: bool, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.retry_after = retry_after


class Service(Protocol):
    """What one file in `notifiers` gives: the way to one recipient."""

    def send(self, message: Message) -> None:
        """Hand the message over, or raise NotifyError; nothing that a network or a service does raises otherwise."""


class Notifier(Service, Protocol):
    """A recipient with its preferences. Nothing here but the service itself holds a secret.

    `name` is shown to people. `identity` is stable while the recipient is the same, whatever its place in the list and
    its preferences: the key under which its deliveries are remembered. `address` differs when it is reached elsewhere.
    Messages of less than `minimum` are not meant for it; `escalation` says that it wants only what was escalated.
    Whoever dispatches obeys these.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def identity(self) -> str:
        """The key of its deliveries."""

    @property
    def address(self) -> str:
        """A digest of who is reached."""

    @property
    def language(self) -> Language:
        """The language its messages are to be composed in."""

    @property
    def minimum(self) -> Severity:
        """The least severity that it is told of."""

    @property
    def escalation(self) -> bool:
        """Whether it is told only of escalated alerts (and their end)."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The `Notifier` that an entry of SYNCER_NOTIFY becomes; one that `keeps` alerts shows each until its end."""

    name: str
    identity: str
    service: Service = field(repr=False, compare=False)
    address: str = ""
    language: Language = "en"
    minimum: Severity = "info"
    escalation: bool = False
    keeps: bool = False

    def send(self, message: Message) -> None:
        """Hand the message to the service, which raises NotifyError."""
        self.service.send(message)
