"""Real daemons whose database goes, comes back, is behind or ahead; and settings that cannot work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from syncer.postgres.process import postmaster_pid
from syncer.postgres.server import EmbeddedPostgres
from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Simulator, World
from syncer.store.migrate import upgrade

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess, eventually

pytestmark = pytest.mark.one_server

Start = Callable[..., DaemonProcess]
NEVER = {"SYNCER_FULL_SCHEDULE": "0 0 29 2 *", "SYNCER_RECENT_SCHEDULE": "0 0 29 2 *"}
QUICK = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(World(3000), behaviour=Behaviour(latency=0.03)) as simulator:
        yield simulator


@pytest.fixture
def environ(simulator: Simulator, server_home: Path) -> dict[str, str]:
    """Settings for the simulator, with the embedded database in a directory of the test's own."""
    return NEVER | {
        "SYNCER_DATA_DIR": str(server_home.parent),
        "SYNCER_API_URL": simulator.url,
        "SYNCER_SECRET_ID": SECRET_ID,
        "SYNCER_SECRET_KEY": SECRET_KEY,
        "SYNCER_CALLS_PER_MINUTE": "0",
    }


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a daemon in an environment; all are ended with the test."""
    running: list[DaemonProcess] = []

    def begin(environ: dict[str, str], *arguments: str) -> DaemonProcess:
        running.append(DaemonProcess(environ, *arguments))
        return running[-1]

    yield begin
    for each in running:
        each.close()


def test_the_embedded_server_killed_under_a_pull_is_started_anew_and_the_pull_resumed(
    environ: dict[str, str], simulator: Simulator, start: Start, server_home: Path
) -> None:
    daemon = start(environ)
    eventually(lambda: simulator.call_count >= 8, "eight calls")
    (data,) = server_home.glob("data-*")
    killed = postmaster_pid(data)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    daemon.wait_for("database_restarted")
    finished = daemon.wait_for("pull_finished", kind="full")
    assert finished["resumed"]
    assert finished["files"] == 3000
    assert daemon.events("pull_failed")[0]["exit_code"] == 5
    assert "Traceback" not in daemon.stderr
    assert daemon.stop() == 143
    eventually(lambda: postmaster_pid(data) is None, "the server stops with its last user")


def test_a_database_of_ones_own_that_goes_away_is_waited_for(
    environ: dict[str, str], simulator: Simulator, start: Start, server_home: Path
) -> None:
    server = EmbeddedPostgres(server_home, server_settings=QUICK).start()
    try:
        upgrade(server.url)
        daemon = start(environ | {"SYNCER_DATABASE_URL": server.url})
        eventually(lambda: simulator.call_count >= 8, "eight calls")
        assert server.stop()
        daemon.wait_for("pull_failed", exit_code=5)
        daemon.wait_for("database_unavailable")
        time.sleep(0.5)
        assert daemon.process.poll() is None
        server.start()
        daemon.wait_for("database_back")
        assert daemon.wait_for("pull_finished", kind="full")["resumed"]
        assert daemon.stop() == 143
        assert "Traceback" not in daemon.stderr
    finally:
        server.stop()


def test_a_database_that_is_late_is_waited_for_at_the_start(
    environ: dict[str, str], start: Start, server_home: Path
) -> None:
    server = EmbeddedPostgres(server_home, server_settings=QUICK).start()
    try:
        upgrade(server.url)
        server.stop()
        daemon = start(environ | {"SYNCER_DATABASE_URL": server.url})
        daemon.wait_for("database_unavailable")
        server.start()
        daemon.wait_for("pull_started")
        assert daemon.stop() == 143
    finally:
        server.stop()


def test_a_stop_is_heeded_while_the_database_is_awaited(environ: dict[str, str], start: Start) -> None:
    daemon = start(environ | {"SYNCER_DATABASE_URL": "postgresql://user:hidden-word@127.0.0.1:9/none"})
    daemon.wait_for("database_unavailable")
    assert daemon.stop() == 143
    assert "hidden-word" not in daemon.stderr


def test_an_old_schema_ends_with_5_and_names_the_command(
    environ: dict[str, str], empty_database: str, start: Start
) -> None:
    daemon = start(environ | {"SYNCER_DATABASE_URL": empty_database})
    assert daemon.wait() == 5
    assert "syncer migrate" in daemon.stderr
    assert "Traceback" not in daemon.stderr


def test_a_schema_migrated_beyond_this_version_ends_the_daemon_with_5(make_rig: MakeRig, start: Start) -> None:
    with Simulator(World(10)) as simulator:
        rig = make_rig(simulator)
        daemon = start(rig.environ | NEVER)
        daemon.wait_for("pull_finished", kind="recent")
        (before,) = _set_revision(rig, "9999")
        try:
            assert daemon.wait() == 5
        finally:
            _set_revision(rig, before)
        assert "Upgrade syncer" in daemon.stderr


def _set_revision(rig: Rig, revision: str) -> tuple[str]:
    with psycopg.connect(rig.database, autocommit=True) as connection:
        (before,) = connection.execute("SELECT version_num FROM syncer.alembic_version").fetchone() or ("",)
        connection.execute("UPDATE syncer.alembic_version SET version_num = %s", [revision])
    return (before,)


def test_bad_settings_end_with_2_and_are_all_named(environ: dict[str, str], start: Start) -> None:
    wrong = {"SYNCER_FULL_SCHEDULE": "sometimes", "SYNCER_PAGE_SIZE": "1000", "SYNCER_TYPO": "1"}
    daemon = start(environ | wrong)
    assert daemon.wait() == 2
    for name in wrong:
        assert name in daemon.stderr


def test_every_source_without_credentials_is_named_with_2(
    environ: dict[str, str], start: Start, tmp_path: Path
) -> None:
    del environ["SYNCER_SECRET_ID"], environ["SYNCER_SECRET_KEY"]
    (tmp_path / "syncer.toml").write_text('[[sources]]\nname = "one"\n[[sources]]\nname = "two"\n')
    daemon = start(environ, "--config", str(tmp_path / "syncer.toml"))
    assert daemon.wait() == 2
    assert '"one"' in daemon.stderr
    assert '"two"' in daemon.stderr
