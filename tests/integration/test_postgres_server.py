"""What the embedded server is like: who may reach it, how it is named, and what it says when it cannot run."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from syncer.errors import DatabaseUnavailable
from syncer.postgres.process import postmaster_pid
from syncer.postgres.server import EmbeddedPostgres

QUICK = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try this")


def server_in(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, server_settings=QUICK)


def data_in(home: Path) -> Path:
    (data,) = home.glob("data-*")
    return data


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload] # a test's own text
    assert row is not None
    return row[0]


def test_the_first_user_starts_it_and_the_last_one_stops_it(server_home: Path) -> None:
    first, second = server_in(server_home), server_in(server_home)
    with first:
        assert first.started_server
        assert not second.start().started_server
        assert not second.stop()
        pid = postmaster_pid(data_in(server_home))
        assert pid is not None
        assert first.stop()
        assert postmaster_pid(data_in(server_home)) is None
    assert not first.stop()
    with server_in(server_home) as third:
        assert third.started_server


def test_a_warm_start_takes_less_than_a_second(server_home: Path) -> None:
    with server_in(server_home):
        pass
    began = time.monotonic()
    with server_in(server_home):
        assert time.monotonic() - began < 1


def test_settings_reach_the_server_but_cannot_open_it_to_the_network(server_home: Path) -> None:
    settings = QUICK | {"work_mem": "5MB", "listen_addresses": "*", "unix_socket_permissions": "0777"}
    with EmbeddedPostgres(server_home, server_settings=settings) as server:
        assert value(server.url, "SHOW work_mem") == "5MB"
        assert value(server.url, "SHOW listen_addresses") == ""
        assert value(server.url, "SHOW unix_socket_permissions") == "0700"
        assert value(server.url, "SHOW autovacuum") == "on"


def test_no_other_user_gets_at_the_server(server_home: Path) -> None:
    with server_in(server_home) as server:
        data = data_in(server_home)
        for path in (data, server_home / "run", next(server_home.glob("run/.s.PGSQL.5432"))):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            assert path.stat().st_uid == data.stat().st_uid
        methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules WHERE type LIKE 'host%'"
        assert value(server.url, methods) == "reject"


@AS_ROOT
def test_another_user_is_turned_away_from_the_socket(server_home: Path) -> None:
    with server_in(server_home) as server:
        connect = f"import os, psycopg; os.setuid(12345); psycopg.connect({server.url!r})"
        tried = subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True, check=False)
        assert "failed: Permission denied" in tried.stderr


@pytest.mark.parametrize(
    "name",
    ["a b%41+c&d=e#f", """it's "$(false)" `false`""", "komma,colon:é", "x" * 60 + "/" + "y" * 60, "back\\slash@host"],
)
def test_a_directory_may_have_any_name(server_home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    monkeypatch.setenv("PGDATABASE", "nothing")
    with server_in(server_home / name) as server:
        assert value(server.url, "SELECT current_database()") == "postgres"
        engine = create_engine(server.url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        engine.dispose()
    (server._sockets).rmdir()


@AS_ROOT
def test_a_strangers_socket_directory_is_refused(server_home: Path) -> None:
    server = server_in(server_home / ("x" * 120))
    server._sockets.mkdir(mode=0o777)
    os.chown(server._sockets, 12345, 12345)
    try:
        with pytest.raises(DatabaseUnavailable, match=r"belongs to another user \(12345\)"):
            server.start()
    finally:
        server._sockets.rmdir()


def test_a_link_in_place_of_the_socket_directory_is_refused(server_home: Path) -> None:
    with server_in(server_home):
        pass
    (server_home / "run").rename(server_home / "elsewhere")
    (server_home / "run").symlink_to("elsewhere")
    with pytest.raises(DatabaseUnavailable, match="/run"):
        server_in(server_home).start()


def test_the_server_of_another_directory_is_not_taken_for_ours(server_home: Path) -> None:
    mine, other = server_home / "mine", server_home / "other"
    with server_in(mine):
        pass
    with server_in(other):
        (mine / "run").rmdir()
        (mine / "run").symlink_to(other / "run")
        with pytest.raises(DatabaseUnavailable, match="Another PostgreSQL server"):
            server_in(mine).start()


def test_the_server_is_found_by_another_path_to_its_directory(server_home: Path) -> None:
    with server_in(server_home):
        link = server_home.with_name("link")
        link.symlink_to(server_home)
        with server_in(link) as again:
            assert not again.started_server


def test_data_of_another_major_version_is_named_in_the_error(server_home: Path) -> None:
    (server_home / "data-9").mkdir(parents=True)
    with pytest.raises(DatabaseUnavailable, match="was made by PostgreSQL 9, this is 1") as caught:
        server_in(server_home).start()
    assert "SYNCER_PG_BIN" in str(caught.value)


def test_corrupt_data_is_explained_by_the_end_of_the_log_and_leaves_no_server(server_home: Path) -> None:
    with server_in(server_home):
        pass
    os.truncate(data_in(server_home) / "global" / "pg_control", 0)
    with pytest.raises(DatabaseUnavailable, match=r"did not start .*(?s:.)*pg_control(?s:.)*SYNCER_DATA_DIR"):
        server_in(server_home).start()
    assert postmaster_pid(data_in(server_home)) is None


def test_a_setting_that_the_server_refuses_is_named(server_home: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="no_such_setting"):
        EmbeddedPostgres(server_home, server_settings=QUICK | {"no_such_setting": "1"}).start()


def test_a_file_in_place_of_the_directory_is_explained(server_home: Path) -> None:
    server_home.touch()
    with pytest.raises(DatabaseUnavailable, match="SYNCER_DATA_DIR"):
        server_in(server_home).start()


def test_a_hanging_server_is_given_up_in_time(server_home: Path) -> None:
    with server_in(server_home):
        pid = postmaster_pid(data_in(server_home))
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseUnavailable, match=r"not ready after 0.1 s"):
                EmbeddedPostgres(server_home, start_timeout=0.1).start()
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_lock_that_is_never_released_is_given_up_in_time(server_home: Path) -> None:
    late = EmbeddedPostgres(server_home, start_timeout=0.1)
    said = "Another process has been starting or stopping"
    with server_in(server_home) as holder, holder._exclusive(), pytest.raises(DatabaseUnavailable, match=said):
        late.start()


FULL_DISK = """
import sys
from pathlib import Path
from syncer.errors import DatabaseUnavailable
from syncer.postgres.server import EmbeddedPostgres
home = Path(sys.argv[1])
try:
    with EmbeddedPostgres(home) as server:
        pass
    with (home / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)) == 4096:
            pass
except DatabaseUnavailable as error:
    print(error)
except OSError:
    try:
        EmbeddedPostgres(home).start()
    except DatabaseUnavailable as error:
        print(error)
"""


@AS_ROOT
@pytest.mark.parametrize(
    ("size", "said"), [("20m", "No space left on device"), ("90m", "did not start (0 MiB free now)")]
)
def test_a_full_disk_is_explained(server_home: Path, size: str, said: str) -> None:
    server_home.mkdir()
    private = 'mount -t tmpfs none /dev/shm && mkdir -p "$1"'  # an aborted initdb leaves shared memory behind
    mount = f'{private} && mount -t tmpfs -o size={size},mode=755 none "$1" && exec "$2" -c "$0" "$1"'
    command = ["unshare", "-m", "sh", "-c", mount, FULL_DISK, str(server_home), sys.executable]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if "mount:" in tried.stderr or "unshare:" in tried.stderr:
        pytest.skip("this machine lets even root mount nothing")
    assert said in tried.stdout
    assert "SYNCER_DATA_DIR" in tried.stdout
    assert tried.stderr == ""


def test_a_large_log_is_put_aside_at_the_start(server_home: Path) -> None:
    with server_in(server_home):
        pass
    log = server_home / "postgres.log"
    os.truncate(log, 11 * 2**20)
    with server_in(server_home):
        assert log.stat().st_size < 2**20
        assert (server_home / "postgres.log.1").stat().st_size == 11 * 2**20


def test_the_server_knows_no_secret_of_ours(server_home: Path) -> None:
    environ = {**os.environ, "SYNCER_SECRET_KEY": "hidden", "PGOPTIONS": "-c work_mem=1MB"}
    with EmbeddedPostgres(server_home, server_settings=QUICK, environ=environ):
        pid = postmaster_pid(data_in(server_home))
        assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_removed_directory_makes_no_trouble_at_the_stop(server_home: Path) -> None:
    with server_in(server_home) as server:
        pid = postmaster_pid(data_in(server_home))
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        server_home.rename(server_home.with_name("away"))
        assert not server.stop()


def test_ensuring_what_was_never_started_is_an_error(server_home: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="not started"):
        server_in(server_home).ensure_running()


def test_windows_is_told_what_to_set(server_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DatabaseUnavailable, match="SYNCER_DATABASE_URL"):
        EmbeddedPostgres(server_home)


def test_the_module_can_be_imported_where_posix_modules_are_missing() -> None:
    script = "import sys; sys.modules |= {'fcntl': None, 'pwd': None}; import syncer.postgres.server"
    subprocess.run([sys.executable, "-c", script], check=True)
