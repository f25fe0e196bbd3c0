"""What the settings want of a source's alerts, in the alerts' own words; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from syncer.alerts.message import SEVERITIES, Language, Severity
from syncer.alerts.tuning import DEFAULTS, Tuning
from syncer.store.alert_facts import Load


class QuietHours(NamedTuple):
    """The minutes of the day, in a time zone, between which only urgent messages are sent; may span midnight."""

    begin: int
    end: int
    zone: tzinfo

    def end_after(self, instant: datetime) -> datetime:
        """Return when the quiet hours that `instant` lies in end; `instant` itself when it lies in none."""
        local = instant.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        inside = self.begin <= minute < self.end if self.begin < self.end else not self.end <= minute < self.begin
        if not inside or self.begin == self.end:
            return instant
        end = local.replace(hour=self.end // 60, minute=self.end % 60, second=0, microsecond=0, fold=0)
        if end <= local:
            end = (local.replace(tzinfo=None) + timedelta(days=1)).replace(
                hour=self.end // 60, minute=self.end % 60, second=0, microsecond=0, tzinfo=self.zone
            )
        return max(end.astimezone(instant.tzinfo), instant)


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier as the settings name it: begins `span`, or `share` of the lifetime, before the expiry."""

    name: str
    span: timedelta | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Files whose names begin with `prefix` (the longest that fits), with tiers, silence and tuning of their own."""

    name: str
    prefix: str
    tiers: tuple[Tier, ...]
    silence: frozenset[str] = frozenset()
    tuning: Tuning = DEFAULTS


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody to be told: `escalation` when only of what was escalated.

    `last_resort` is no person but the dead-man's switch, told only that nobody else can be reached. One that `keeps`
    alerts shows each until it is told of its end.
    """

    identity: str
    name: str
    language: Language = "en"
    minimum: Severity = "info"
    escalation: bool = False
    last_resort: bool = False
    address: str = ""
    keeps: bool = False

    @property
    def known_by(self) -> tuple[str, str, str]:
        """Identity, name and address, as the outbox keeps them."""
        return self.identity, self.name, self.address

    def wants(self, severity: Severity) -> bool:
        """Return whether messages of this severity are meant for it."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.minimum)


@dataclass(frozen=True, slots=True)
class Policy:
    """How one source's alerts are to be raised and told.

    `groups` are the groups of names; what belongs to none has `tiers` and `silence`. `data_deadline` None: twice the
    period of the full schedule, which `next_full` tells. `loads` are the sources of its account.
    """

    source: str
    tiers: tuple[Tier, ...]
    next_full: Callable[[datetime], datetime] = field(compare=False)
    groups: tuple[Group, ...] = ()
    silence: frozenset[str] = frozenset()
    addressees: tuple[Addressee, ...] = ()
    escalate_after: timedelta = timedelta(hours=4)
    remind_after: timedelta = timedelta(hours=24)
    quiet: QuietHours | None = None
    zone: tzinfo = UTC
    data_deadline: timedelta | None = None
    loads: tuple[Load, ...] = ()
    calls_limit: float = 0.0
    failures: int = 3
    tuning: Tuning = DEFAULTS

    def tuned(self, group: str) -> Tuning:
        """Return how the rules are tuned for a group ("" for none)."""
        own = next((each.tuning for each in self.groups if each.name == group), DEFAULTS)
        return own.over(self.tuning)

    def silences(self, rule: str, group: str) -> bool:
        """Return whether a rule is silenced for a group ("" for none)."""
        own = next((each.silence for each in self.groups if each.name == group), frozenset[str]())
        return rule in self.silence or rule in own
