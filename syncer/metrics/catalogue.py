"""Every metric by name: its type, its labels and what it means. docs/metrics.md says the same; a test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as people write its name, a counter's with `_total`."""

    name: str
    type: Type
    labels: tuple[str, ...]
    help: str


def _family(name: str, kind: Type, labels: str, text: str) -> Family:
    return Family(f"syncer_{name}", kind, tuple(labels.split()), text)


BUILD_INFO = _family("build_info", "gauge", "version schema", "Always 1; the version, and the schema that it needs.")
COLLECTOR_UP = _family(
    "metrics_collector_up", "gauge", "collector", "Whether this part of the metrics could be read from the database."
)
HEARTBEAT = _family(
    "scheduler_heartbeat_timestamp_seconds", "gauge", "", "When the scheduler of this process last ticked."
)
DATABASE_HEARD = _family(
    "scheduler_database_timestamp_seconds", "gauge", "", "When the scheduler of this process last heard the database."
)
WORKERS = _family("workers", "gauge", "", "Pulls that this process may run at once.")
WORKERS_BUSY = _family("workers_busy", "gauge", "", "Pulls that this process runs now.")
RELOAD_FAILED = _family(
    "settings_reload_failed", "gauge", "", "1 when this process refused the settings it was last told to reload."
)
QUOTA_LIMIT = _family(
    "quota_calls_per_minute", "gauge", "source", "Calls a minute that the source's account is held to; 0 for no limit."
)

PROVEN = _family(
    "last_proven_pull_timestamp_seconds",
    "gauge",
    "source",
    "Start of the last full pull of the present scope that proved the copy complete; no sample before there is one.",
)
KNOWN_UNTIL = _family(
    "known_until_timestamp_seconds",
    "gauge",
    "source",
    "New files are known up to this instant, as the last pulls had it.",
)
NEXT_PULL = _family(
    "next_pull_timestamp_seconds", "gauge", "source kind", "When the daemon's next pull is due; no sample without one."
)
RUNNING = _family("pull_running", "gauge", "source kind", "Whether a pull is under way.")
FORECAST = _family(
    "pull_forecast_end_timestamp_seconds", "gauge", "source", "When the listing under way will end, at its pace."
)
FILES = _family("files", "gauge", "source state", "Files known: live, overdue, expired or vanished.")
BYTES = _family("bytes", "gauge", "source state", "Bytes of the files in that state, where the API tells them.")
EXPIRING_FILES = _family(
    "expiring_files", "gauge", "source within", "Live files that expire within that time; +Inf: every live file."
)
EXPIRING_BYTES = _family(
    "expiring_bytes", "gauge", "source within", "Bytes of the live files that expire within that time."
)
ALERTS = _family("alerts", "gauge", "source rule severity state", "Alerts that stand: open, acknowledged or snoozed.")
OUTBOX = _family("outbox_messages", "gauge", "source state", "Notifications on their way: waiting, retrying or parked.")
OUTBOX_OLDEST = _family(
    "outbox_oldest_timestamp_seconds", "gauge", "source", "When the oldest notification on its way was composed."
)
LAST_END = _family(
    "last_pull_end_timestamp_seconds",
    "gauge",
    "source kind outcome",
    "When a run at a pull last ended with that outcome.",
)
PULLS = _family("pulls_total", "counter", "source kind outcome", "Runs at pulls that have ended, by outcome.")
PAGES = _family("pages_total", "counter", "source kind", "Pages committed.")
ROWS = _family("rows_total", "counter", "source kind fate", "Files that pages and sweeps committed, by their fate.")
RESTARTS = _family("pull_restarts_total", "counter", "source kind", "Contexts lost: listings begun anew.")
API_CALLS = _family(
    "api_calls_total", "counter", "source code", "Attempts at API calls, by code (0: a page) or kind of fault."
)
API_RETRIES = _family("api_retries_total", "counter", "source", "Attempts after a call's first.")
QUOTA_WAIT = _family(
    "quota_wait_seconds_total", "counter", "source", "Seconds for which calls were held up by the account's quota."
)
QUOTA_REFUSED = _family(
    "quota_refused_total", "counter", "source", "Calls that the API refused as beyond the quota (4400 or HTTP 429)."
)
DEATH_AGE = _family(
    "context_death_age_seconds", "histogram", "source", "Age of contexts when the API took them no more."
)

FAMILIES = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All of them, in the order in which they are shown."""
