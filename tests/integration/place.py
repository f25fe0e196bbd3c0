"""A source whose files and pulls are written by hand, at any instant; what its alerts tell arrives at real servers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from syncer.alerting import Alerting
from syncer.alerts.dispatch import Sent
from syncer.alerts.notifiers import Surroundings
from syncer.settings import load_settings

from .recipients import Inbox

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Place:
    """A source `a` whose files and pulls are written by hand, at any instant."""

    def __init__(self, database: str, directory: Path) -> None:
        self.database, self.directory = database, directory
        self.now = NOW
        self.settings: dict[str, str] = {}
        self.source = "a"
        self.toml = ""
        with psycopg.connect(database, autocommit=True) as raw:
            raw.execute("INSERT INTO syncer.source (source, account) VALUES ('a', 'x')")
            raw.execute("INSERT INTO syncer.lease (source) VALUES ('a')")

    @property
    def url(self) -> str:
        return f"{self.database}{'&' if '?' in self.database else '?'}options=" + quote(
            f"-c syncer.now={self.now.isoformat()}"
        )

    @property
    def environ(self) -> dict[str, str]:
        config = self.directory / "syncer.toml"
        config.write_text(f'[[sources]]\nname = "{self.source}"\n{self.toml}')
        named = {f"SYNCER_{name.upper()}": value for name, value in self.settings.items()}
        return {"SYNCER_CONFIG": str(config), "SYNCER_DATABASE_URL": self.url, **named}

    def alerting(self) -> Alerting:
        return Alerting(load_settings(self.environ), Surroundings(lambda: self.now, time.monotonic))

    def evaluate(self) -> list[tuple[str, str, str, str]]:
        alerting = self.alerting()
        moved = alerting.evaluate(self.url, alerting.settings.sources)["a"]
        return [(each.rule, each.tier, each.group, each.step) for each in moved if each.step != "counted"]

    def send(self) -> Sent:
        return self.alerting().send(self.url)

    def step(self, after: timedelta = timedelta()) -> list[tuple[str, str, str, str]]:
        self.now += after
        moved = self.evaluate()
        self.send()
        return moved

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as raw:
            cursor = raw.execute(statement, parameters or None)  # type: ignore[arg-type] # a test's own SQL
            return cursor.fetchall() if cursor.description else []

    def file(self, name: str, left: timedelta, *, life: timedelta = 30 * DAY, size: int = 100) -> None:
        self.sql(
            "INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at,"
            " changed_at, first_run) VALUES ('a', %s, %s, %s, %s, %s, syncer.instant(), syncer.instant(), 1)"
            " ON CONFLICT (source, file_id) DO NOTHING",
            name, name, size, self.now + left - life, self.now + left,
        )  # fmt: skip

    def extend(self, name: str, left: timedelta) -> None:
        self.sql(
            "WITH old AS (SELECT expires_at FROM syncer.file WHERE file_id = %(name)s), c AS (INSERT INTO syncer.change"
            " (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at) SELECT 'a',"
            " syncer.instant(), %(name)s, 'expires_at', expires_at::text, %(at)s::timestamptz::text, 1,"
            " syncer.instant() FROM old) UPDATE syncer.file SET expires_at = %(at)s, changed_at = syncer.instant()"
            " WHERE file_id = %(name)s".replace("%(name)s", f"'{name}'").replace(
                "%(at)s", f"'{(self.now + left).isoformat()}'"
            )
        )

    def lose(self, name: str, *, back: bool = False) -> None:
        value = "NULL::timestamptz" if back else "syncer.instant()"
        self.sql(
            "WITH c AS (INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id,"
            f" previous_at) SELECT 'a', syncer.instant(), '{name}', 'gone_at', gone_at::text, ({value})::text, 1,"
            f" syncer.instant() FROM syncer.file WHERE file_id = '{name}') UPDATE syncer.file SET gone_at = {value},"
            f" changed_at = syncer.instant() WHERE file_id = '{name}'"
        )

    def pull(self, *, outcome: str = "complete", files: int = 100, error: str | None = None, prefix: str = "") -> None:
        self.sql(
            "WITH p AS (INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run,"
            " started_at, finished_at, outcome, proven, settled_run, phase, files, error) VALUES ('a', 'full', 'l', %s,"
            " 100, false, 1, syncer.instant(), syncer.instant(), %s, %s, 1, 'done', %s, %s) RETURNING pull_id)"
            " INSERT INTO syncer.run (source, kind, pull_id, holder, started_at, finished_at, outcome)"
            " SELECT 'a', 'full', pull_id, 'me', syncer.instant(), syncer.instant(), %s FROM p",
            prefix, outcome, outcome == "complete", files, error, outcome,
        )  # fmt: skip

    def unfinished(self, *, prefix: str) -> None:
        """Begin a full pull, and leave it."""
        self.sql(
            "INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at)"
            " VALUES ('a', 'full', 'l', %s, 100, false, 1, syncer.instant())",
            prefix,
        )

    def failure(self, trouble: str = "unavailable") -> None:
        self.sql(
            "INSERT INTO syncer.run (source, kind, holder, started_at, finished_at, outcome, trouble, error)"
            " VALUES ('a', 'full', 'me', syncer.instant(), syncer.instant(), 'failed', %s, 'the API is away')",
            trouble,
        )


def kinds(inbox: Inbox) -> list[tuple[str, str]]:
    return [(message["rule"], message["facts"]["kind"]) for message in inbox.received]
