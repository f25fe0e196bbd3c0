"""The installed command as processes of its own, against a simulator over real HTTP and a real PostgreSQL."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from syncer.cli.main import main
from syncer.simulator import SECRET_ID, SECRET_KEY, Simulator

SYNCER = Path(sys.executable).with_name("syncer")
BEIJING = timezone(timedelta(hours=8))
DOCUMENT = {
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


def run_inside(
    environ: Mapping[str, str], *arguments: str, directory: Path | None = None, umask: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, where it sees `environ` alone: a tenth of what a process of its own costs.

    For what says nothing of processes; each exit code, and whatever is about signals, pipes, terminals and kills, is
    seen with the installed command.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in os.environ:
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["syncer", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        patch.chdir(directory or Path.cwd())
        before = None if umask is None else os.umask(umask)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            if before is not None:
                os.umask(before)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined] # a BytesIO
    return subprocess.CompletedProcess(arguments, int(str(ended.value.code or 0)), *texts)


class Command:
    """`syncer` as one user has set it up; `environ` is all that its processes see."""

    def __init__(self, database: str, home: Path, simulator: Simulator, settings: Mapping[str, str]) -> None:
        self.database = database
        self.simulator = simulator
        self.processes: list[subprocess.Popen[str]] = []
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "SYNCER_DATABASE_URL": database,
            "SYNCER_DATA_DIR": str(home / "data"),
            "SYNCER_API_URL": simulator.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": "0",
            "SYNCER_WEB_ADDRESS": "127.0.0.1:0",
            "SYNCER_RETRY_FOR": "3s",
            "SYNCER_REQUEST_TIMEOUT": "2s",
            **{f"SYNCER_{name.upper()}": value for name, value in settings.items()},
        }

    def start(self, *arguments: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start the command; it is killed after the test if it still runs then."""
        process = subprocess.Popen(
            [SYNCER, *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run_inside(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process: see there."""
        return run_inside(self.environ, *arguments)

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, parameters or None).fetchall()  # type: ignore[arg-type] # a test's own SQL

    def assert_equals_listing(self) -> None:
        """Assert that what is present is what the API lists, field by field, no more and no less."""
        rows = self.rows("SELECT * FROM report.backups WHERE state IN ('live', 'overdue')")
        present = {row["file_id"]: {name: _plain(row[column]) for name, column in DOCUMENT.items()} for row in rows}
        assert present == {row["fileId"]: row for row in self.simulator.listing()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    return value


MakeCommand = Callable[..., Command]


@pytest.fixture
def command(database: str, tmp_path: Path) -> Iterator[MakeCommand]:
    """Return a function that starts a simulator (its arguments) and gives the command set up for it."""
    made: list[Command] = []

    def make(settings: Mapping[str, str] | None = None, **arguments: Any) -> Command:
        simulator = Simulator(**arguments)
        simulator.up()
        made.append(Command(database, tmp_path, simulator, settings or {}))
        return made[-1]

    yield make
    for each in made:
        for process in each.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        each.simulator.down()
