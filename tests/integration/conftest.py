"""The rig: the real application on a real database against a simulator over real HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from syncer.app import App
from syncer.errors import SyncerError
from syncer.model import PullKind
from syncer.pull.attempt import Progress
from syncer.pull.run import RunResult
from syncer.pull.waiting import StopRequest
from syncer.settings import load_settings
from syncer.simulator.simulator import SECRET_ID, SECRET_KEY, Simulator

from .place import Place
from .recipients import Inbox, inboxes

BEIJING = timezone(timedelta(hours=8))
DOCUMENT_FIELDS = {
    "fileId": "file_id",
    "name": "name",
    "size": "size_bytes",
    "type": "file_type",
    "duration": "duration_seconds",
    "status": "status",
    "createTime": "created_at",
    "expireTime": "expires_at",
    "url": "url",
}


class StopAfter(StopRequest):
    """A signal that comes while a run commits page number `pages`: just before it would ask for the next one.

    So no page is at hand when the run ends; test_pull_ahead.py has a signal that comes when one is.
    """

    def __init__(self, pages: int | None) -> None:
        super().__init__()
        self._left = pages

    def note_page(self) -> None:
        """Count a page that was committed."""
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self()

    def asked(self) -> bool:
        """Return whether a stop was asked for, or is about to be."""
        return super().asked() or self._left == 1


class Rig:
    """One user's syncer: settings that point at the simulator and the database, and the commands as functions."""

    def __init__(self, database: str, directory: Path, simulator: Simulator, **settings: str) -> None:
        self.database = database
        self.simulator = simulator
        self.environ = {
            "SYNCER_DATABASE_URL": database,
            "SYNCER_DATA_DIR": str(directory),
            "SYNCER_API_URL": simulator.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": "0",
            "SYNCER_WEB_ADDRESS": "127.0.0.1:0",
            "SYNCER_RETRY_FOR": "3s",
            "SYNCER_REQUEST_TIMEOUT": "1s",
            **{f"SYNCER_{name.upper()}": value for name, value in settings.items()},
        }

    def app(self, stop: StopRequest | None = None) -> App:
        """Return a new process's application."""
        return App(load_settings(self.environ), stop or StopRequest())

    def sync(
        self,
        kind: str = "full",
        *,
        allow_sweep: bool = False,
        stop_after: int | None = None,
        on_page: Callable[[Progress], None] = lambda _: None,
        source: str = "default",
    ) -> RunResult:
        """Run one pull as `syncer sync` does; stop it as a signal would while it commits page number `stop_after`."""
        stop = StopAfter(stop_after)
        app = self.app(stop)

        def progress(at: Progress) -> None:
            stop.note_page()
            on_page(at)

        with app.database() as url:
            return app.sync(
                url, app.settings.source(source), PullKind(kind), allow_sweep=allow_sweep, on_progress=progress
            )

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql, parameters or None).fetchall()  # type: ignore[arg-type] # a test's own SQL

    def backups(self, source: str = "default") -> dict[str, dict[str, Any]]:
        """Return report.backups by file id."""
        found = self.rows("SELECT * FROM report.backups WHERE source = %s", source)
        return {row["file_id"]: row for row in found}

    def table(self) -> dict[str, tuple[dict[str, Any], str]]:
        """Return report.backups in the form of Simulator.table: the document's fields and the state, by file id."""
        return {
            file_id: ({field: _plain(row[column]) for field, column in DOCUMENT_FIELDS.items()}, row["state"])
            for file_id, row in self.backups().items()
        }

    def assert_equals_listing(self) -> None:
        """Assert that what is present is what the API lists, field by field, no more and no less."""
        present = {file_id: fields for file_id, (fields, state) in self.table().items() if state in {"live", "overdue"}}
        assert present == {row["fileId"]: row for row in self.simulator.listing()}

    def error_of(self, result: RunResult) -> SyncerError:
        """Return the error of a result that must have one."""
        assert result.error is not None
        return result.error


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    return value


@pytest.fixture
def place(database: str, tmp_path: Path) -> Place:
    """Return a source whose files and pulls are written by hand."""
    return Place(database, tmp_path)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Return a recipient over real HTTP."""
    with inboxes(1) as (one,):
        yield one


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(database: str, tmp_path: Path) -> MakeRig:
    """Return a function that makes a rig for a simulator, with settings as keywords."""

    def make(simulator: Simulator, **settings: str) -> Rig:
        return Rig(database, tmp_path, simulator, **settings)

    return make


@pytest.fixture
def simulated(make_rig: MakeRig) -> Iterator[Callable[..., Rig]]:
    """Return a function that starts a simulator (its arguments) and gives a rig on it, both ended with the test."""
    running: list[Simulator] = []

    def start(settings: Mapping[str, str] | None = None, **arguments: Any) -> Rig:
        simulator = Simulator(**arguments)
        simulator.up()
        running.append(simulator)
        return make_rig(simulator, **dict(settings or {}))

    yield start
    for simulator in running:
        simulator.down()


@contextmanager
def played(simulator: Simulator) -> Iterator[Simulator]:
    """Run a simulator for a block, also when a scenario has already taken it down."""
    simulator.up()
    try:
        yield simulator
    finally:
        simulator.down()


@pytest.fixture(scope="session")
def filled(postgres_url: str, worker_name: str) -> Iterator[str]:
    """The URL of a database with a million files and their history, for tests that are marked as slow."""
    from sqlalchemy import make_url

    from syncer.store.migrate import upgrade

    from .reporting import load

    name = f"test_{os.getpid()}_{worker_name}_million"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type] # a name of our own
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        try:
            upgrade(url)
            load("benchmarks/inventory.py").fill(url, 1_000_000)
            yield url
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
