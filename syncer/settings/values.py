"""What settings become: frozen values for the root to hand out, room by room."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from syncer.alerts.tuning import DEFAULTS, Tuning
from syncer.errors import SettingsError
from syncer.schedule import Cron
from syncer.settings.secret import Secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's API key: `token` is set for temporary keys only."""

    secret_id: Secret
    secret_key: Secret
    token: Secret | None = None


class WebAddress(NamedTuple):
    """Where the status page listens; an IPv6 host is without its brackets, port 0 means any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WebLogin(NamedTuple):
    """Who may see the status page."""

    user: Secret
    password: Secret


@dataclass(frozen=True, slots=True)
class Tier:
    """How near to its expiry a backup is: within a span of time, or within a share of its whole lifetime.

    `name` is the tier as it is written in settings and shown in alerts; exactly one of `span` and `share` is set.
    """

    name: str
    span: timedelta | None = None
    share: float | None = None

    def threshold(self, lifetime: timedelta) -> timedelta:
        """Return how long before its expiry a backup that lives for `lifetime` enters this tier."""
        if self.span is not None:
            return self.span
        assert self.share is not None
        return lifetime * self.share


class QuietHours(NamedTuple):
    """Minutes of the day between which only urgent messages are sent; may span midnight."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class NameGroup:
    """Files whose names begin with `prefix`: `tiers` None are the source's, `silence` are rules not raised for them.

    `rules` are tuned for them; what it does not say is as for the source.
    """

    name: str
    prefix: str
    tiers: tuple[Tier, ...] | None
    silence: frozenset[str]
    rules: Tuning = DEFAULTS


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Everything that belongs to one source. `calls_per_minute` 0 means that the limiter is off."""

    name: str
    credentials: Credentials | None
    api_url: str
    signed_host: str
    region: str
    signature_method: str
    prefix: str
    page_size: int
    calls_per_minute: int
    quota_account: str | None
    request_timeout: timedelta
    retry_for: timedelta
    lease: timedelta
    recent_overlap: timedelta
    sweep_brake: float
    full_schedule: Cron
    recent_schedule: Cron
    timezone: str
    expiry_tiers: tuple[Tier, ...]
    keep_history: timedelta
    keep_ledger: timedelta
    keep_rejected: timedelta
    notify: tuple[Secret, ...]
    escalate: tuple[Secret, ...]
    escalate_after: timedelta
    remind_after: timedelta
    quiet_hours: QuietHours | None
    language: str
    data_deadline: timedelta | None
    alert_silence: frozenset[str]
    alert_failures: int
    alert_rules: Tuning
    heartbeat_url: Secret | None
    groups: tuple[NameGroup, ...] = ()

    def require_credentials(self) -> Credentials:
        """Return the credentials; SettingsError says what to set when there are none."""
        if self.credentials is None:
            raise SettingsError(
                f'Source "{self.name}" has no credentials: set SYNCER_SECRET_ID and SYNCER_SECRET_KEY (or the files '
                "SYNCER_SECRET_ID_FILE and SYNCER_SECRET_KEY_FILE), or secret_id and secret_key in its [[sources]] "
                "table; `syncer demo` tries everything out without an account."
            )
        return self.credentials

    @property
    def account(self) -> str:
        """The name under which processes share the account's quota; it does not show the secret id.

        SettingsError as by `require_credentials` if neither `quota_account` nor credentials are set.
        """
        if self.quota_account is not None:
            return self.quota_account
        secret_id = self.require_credentials().secret_id.reveal()
        return "sha256:" + hashlib.sha256(secret_id.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. `database_url` None means the embedded PostgreSQL under `data_dir`.

    Without `web_address` there is no status page, without `web_login` everybody who reaches it may see it.
    """

    database_url: Secret | None
    data_dir: Path
    sources: tuple[SourceSettings, ...]
    workers: int
    web_address: WebAddress | None
    web_login: WebLogin | None
    log_level: str
    log_format: str

    @property
    def notify(self) -> tuple[Secret, ...]:
        """The notification URLs of all sources, each once."""
        return tuple(dict.fromkeys(url for source in self.sources for url in source.notify))

    def source(self, name: str) -> SourceSettings:
        """Return the source of that name; SettingsError names the known ones."""
        for source in self.sources:
            if source.name == name:
                return source
        known = ", ".join(f'"{source.name}"' for source in self.sources)
        raise SettingsError(f'There is no source "{name}"; known: {known}.')
