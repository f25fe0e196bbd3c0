"""Every setting in one table: its name, how it is read, its default and its meaning; the documents are tested by it."""

from __future__ import annotations

from dataclasses import dataclass

from syncer.settings import parsers
from syncer.settings.parsers import Parser
from syncer.settings.rules import parse_tuning


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting. `name` is its TOML key; `default` is text as a person would write it, or None for no value.

    `default_note` says in words what holds when there is no value. A setting of a source may stand in [[sources]].
    A secret may also come from a file, and is never shown.
    """

    name: str
    parse: Parser
    default: str | None
    help: str
    default_note: str = ""
    of_source: bool = False
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def file_variable(self) -> str:
        """The environment variable that names a file with the value; for secrets only."""
        return self.variable + "_FILE"

    @property
    def file_key(self) -> str:
        """The TOML key that names a file with the value; for secrets only."""
        return self.name + "_file"

    def default_value(self) -> object:
        """Return the parsed default."""
        return None if self.default is None else self.parse(self.default)


PREFIX = "SYNCER_"

#: Variables that other parts of syncer read: no settings, but no mistakes either.
RESERVED_VARIABLES = frozenset({"SYNCER_CONFIG", "SYNCER_PG_BIN", "SYNCER_PG_USER", "SYNCER_TEST_DATABASE_URL"})


def _source(name: str, parse: Parser, default: str | None, help_: str, *, note: str = "") -> SettingDescription:
    return SettingDescription(name, parse, default, help_, default_note=note, of_source=True)


def _credential(name: str, help_: str) -> SettingDescription:
    return SettingDescription(name, parsers.parse_secret, None, help_, of_source=True, secret=True)


SETTINGS: tuple[SettingDescription, ...] = (
    SettingDescription(
        "database_url",
        parsers.parse_database_url,
        "",
        "any PostgreSQL 15 or newer, `postgresql://…`",
        default_note="an embedded PostgreSQL under the data directory",
        secret=True,
    ),
    SettingDescription(
        "data_dir",
        parsers.parse_path,
        None,
        "where the embedded database lives",
        default_note="the platform's user data directory; `/var/lib/syncer` for root",
    ),
    _credential("secret_id", "API credentials: the key's id"),
    _credential("secret_key", "API credentials: the key"),
    _credential("token", "API credentials: the token of a temporary key"),
    _source("api_url", parsers.parse_api_url, "https://vod.api.qcloud.com/v2/index.php", "the endpoint"),
    _source(
        "signed_host",
        parsers.parse_host,
        None,
        "the host that goes into the string to sign",
        note="the host of `SYNCER_API_URL`, without its port",
    ),
    _source("region", parsers.parse_word, "gz", "the region that calls name"),
    _source("signature_method", parsers.one_of("HmacSHA256", "HmacSHA1"), "HmacSHA256", "or `HmacSHA1`"),
    _source("prefix", parsers.parse_text, "", "only files whose name begins with this"),
    _source("page_size", parsers.whole_number(1, 100), "100", "files asked for in one call, 1 to 100"),
    _source(
        "calls_per_minute",
        parsers.whole_number(0),
        "100",
        "the account's quota; 0 switches the limiter off (simulator, benchmarks)",
    ),
    _source(
        "quota_account",
        parsers.parse_word,
        None,
        "the account's name: its processes share one quota, a new key is no new account",
        note="derived from the secret id",
    ),
    _source(
        "request_timeout",
        parsers.parse_positive_duration,
        "30s",
        "for a whole call, however slowly it drips",
    ),
    _source(
        "retry_for",
        parsers.parse_duration,
        "10m",
        "how long one call is retried before the run gives up, resumable",
    ),
    _source(
        "lease",
        parsers.parse_positive_duration,
        "60s",
        "how long a stalled process keeps its source; a killed one's is free at once",
    ),
    _source(
        "recent_overlap",
        parsers.parse_duration,
        "10m",
        "how far before the start of the last cleanly finished pull a recent pull looks",
    ),
    _source(
        "sweep_brake",
        parsers.parse_share,
        "0.2",
        "a pull that would mark more than this share of the present, unexpired files in its scope as gone is not swept",
    ),
    _source("full_schedule", parsers.parse_schedule, "0 */6 * * *", "when a full pull is due, a cron expression"),
    _source(
        "recent_schedule",
        parsers.parse_schedule,
        "*/10 * * * *",
        "when a recent pull is due, a cron expression",
    ),
    _source("timezone", parsers.parse_zone, "UTC", "the time zone of the schedules"),
    _source(
        "expiry_tiers",
        parsers.parse_tiers,
        "30d,7d,1d",
        "when a live backup enters a tier: a time before its expiry, or a share of its lifetime such as `25%`",
    ),
    _source(
        "keep_history",
        parsers.parse_positive_duration,
        "400d",
        "how long changes of backups are kept: `report.changes` and `report.backups_as_of` reach back so far",
    ),
    _source(
        "keep_ledger",
        parsers.parse_positive_duration,
        "35d",
        "how long recent pulls, page ledgers and runs of finished pulls are kept; the last proven pull's always is",
    ),
    _source("keep_rejected", parsers.parse_positive_duration, "90d", "how long rejected entries are kept"),
    SettingDescription(
        "notify",
        parsers.parse_notify,
        "",
        "notification URLs, several allowed",
        default_note="nobody is notified",
        of_source=True,
        secret=True,
    ),
    SettingDescription(
        "escalate",
        parsers.parse_notify,
        "",
        "notification URLs of those who are told when nobody acknowledged an alert",
        default_note="nobody",
        of_source=True,
        secret=True,
    ),
    _source("escalate_after", parsers.parse_duration, "4h", "how long an alert waits for `syncer alerts ack`"),
    _source(
        "remind_after",
        parsers.parse_positive_duration,
        "24h",
        "how often an alert is repeated until acknowledged",
    ),
    _source(
        "quiet_hours",
        parsers.parse_quiet_hours,
        "",
        "`22:00-07:00`, in `SYNCER_TIMEZONE`: only critical alerts, and what would come too late, are sent then",
        note="none",
    ),
    _source("language", parsers.one_of("en", "zh"), "en", "of messages, `en` or `zh`; a URL's own `lang=` wins"),
    _source(
        "data_deadline",
        parsers.parse_positive_duration,
        None,
        "how old the last proven pull may be before an alert is raised; a pull in progress prolongs it to its forecast",
        note="twice the period of `SYNCER_FULL_SCHEDULE`",
    ),
    _source("alert_silence", parsers.parse_rules, "", "rules that raise no alert", note="none"),
    _source(
        "alert_failures",
        parsers.whole_number(1, 1000),
        "3",
        "failed runs in a row, and unproven full pulls in a row, that raise an alert",
    ),
    _source(
        "alert_rules",
        parse_tuning,
        "",
        "how rules are tuned, such as `short-pull.below=30% overdue.grace=3d`; `docs/runbook.md` lists what can be",
        note="as listed there",
    ),
    SettingDescription(
        "heartbeat_url",
        parsers.parse_heartbeat_url,
        None,
        "a dead-man's switch, told how each full pull went: well only if it is proven and alerts reach somebody",
        default_note="none",
        of_source=True,
        secret=True,
    ),
    SettingDescription(
        "workers",
        parsers.whole_number(1, 1000),
        "8",
        "how many pulls one daemon runs at once; it takes so many database connections and a few more",
    ),
    SettingDescription(
        "web_address",
        parsers.parse_web_address,
        "127.0.0.1:8080",
        "where the daemon's page, `/metrics`, `/healthz` and `/readyz` listen, or `off`; any address but loopback "
        "needs the two below",
    ),
    SettingDescription(
        "web_user", parsers.parse_web_user, None, "who may see the page, on loopback too", "anybody", secret=True
    ),
    SettingDescription("web_password", parsers.parse_web_password, None, "the user's password", secret=True),
    SettingDescription(
        "log_level",
        parsers.one_of("debug", "info", "warning", "error", "critical"),
        "info",
        "the least weighty messages to log: `debug`, `info`, `warning`, `error`, `critical`",
    ),
    SettingDescription(
        "log_format",
        parsers.one_of("auto", "json", "console"),
        "auto",
        "`json`, `console`, or `auto`: `console` on a terminal and `json` elsewhere",
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
