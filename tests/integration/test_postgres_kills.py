"""Several processes share a server, and any of them may be killed: nothing is lost, nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from syncer.postgres.process import is_running, postmaster_pid
from syncer.postgres.server import EmbeddedPostgres

OWNER = """
import fcntl, json, os, pwd, sys
from pathlib import Path
from syncer.errors import DatabaseUnavailable
from syncer.postgres.server import EmbeddedPostgres
if sys.argv[3:]:  # only now, for this user may be unable to read the interpreter's library
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
try:
    with EmbeddedPostgres(Path(sys.argv[1]), server_settings=json.loads(sys.argv[2])) as server:
        print(json.dumps({"url": server.url, "started": server.started_server}), flush=True)
        sys.stdin.readline()
        print(json.dumps({"stopped": server.stop()}), flush=True)
except DatabaseUnavailable as error:
    print(json.dumps({"error": str(error)}), flush=True)
"""
QUICK = {"fsync": "off"}
NOBODY = 65534


class Owner:
    """A process that uses the server until it is told to leave."""

    def __init__(self, home: Path, *, uid: int | None = None) -> None:
        arguments = [str(home), json.dumps(QUICK), *([] if uid is None else [str(uid)])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )

    def said(self) -> dict[str, object]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self, number: int = signal.SIGKILL) -> None:
        os.killpg(self.process.pid, number)
        self.process.wait()


@pytest.fixture
def owner(server_home: Path) -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def make(home: Path = server_home, *, uid: int | None = None) -> Owner:
        owners.append(Owner(home, uid=uid))
        return owners[-1]

    yield make
    for one in owners:
        if one.process.poll() is None:
            one.end()
        for stream in (one.process.stdin, one.process.stdout):
            assert stream is not None
            stream.close()


def data_in(home: Path) -> Path:
    (data,) = home.glob("data-*")
    return data


def postmaster(home: Path) -> int:
    pid = postmaster_pid(data_in(home))
    assert pid is not None
    return pid


def kill_and_wait(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while is_running(pid):
        time.sleep(0.01)


def rows(url: str) -> list[tuple[int]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


def write_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def test_of_eight_processes_at_once_one_starts_the_server_and_the_last_one_stops_it(
    server_home: Path, owner: Callable[..., Owner]
) -> None:
    owners = [owner() for _ in range(8)]
    assert sum(bool(one.said()["started"]) for one in owners) == 1
    pid = postmaster(server_home)
    for one in owners:
        one.leave()
    assert sorted(bool(one.said()["stopped"]) for one in owners) == [False] * 7 + [True]
    assert not is_running(pid)
    assert not list(server_home.glob("initdb-*"))
    assert (server_home / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_the_server_of_a_killed_owner_is_used_and_then_stopped_by_the_next(
    server_home: Path, owner: Callable[..., Owner]
) -> None:
    first = owner()
    first.said()
    first.end()
    pid = postmaster(server_home)
    with EmbeddedPostgres(server_home) as server:
        assert not server.started_server
        assert postmaster(server_home) == pid
        assert server.stop()
    assert not is_running(pid)


def test_committed_rows_survive_the_kill_of_owner_and_server(server_home: Path, owner: Callable[..., Owner]) -> None:
    first = owner()
    write_row(str(first.said()["url"]))
    first.end()
    kill_and_wait(postmaster(server_home))
    with EmbeddedPostgres(server_home) as server:
        assert server.started_server
        assert rows(server.url) == [(1,)]


def test_a_server_killed_under_its_owner_is_brought_back(server_home: Path) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server:
        write_row(server.url)
        with psycopg.connect(server.url, autocommit=True) as orphaned:
            busy = threading.Thread(target=sleep_until_cut_off, args=(orphaned,))
            busy.start()
            kill_and_wait(postmaster(server_home))
            assert server.ensure_running()
            busy.join()
        assert not server.ensure_running()
        assert rows(server.url) == [(1,)]
        assert server.stop()


def sleep_until_cut_off(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT pg_sleep(60)")


def test_children_that_outlive_their_killed_server_are_waited_for(server_home: Path) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server, psycopg.connect(server.url) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # it cannot notice, as one deep in a computation would not
        kill_and_wait(postmaster(server_home))
        threading.Timer(0.5, os.kill, (backend, signal.SIGCONT)).start()
        assert server.ensure_running()
        assert not is_running(backend)


@pytest.mark.parametrize("initdb_too", [True, False], ids=["with its initdb", "alone"])
def test_an_owner_killed_within_initdb_leaves_nothing_that_matters(
    server_home: Path, owner: Callable[..., Owner], *, initdb_too: bool
) -> None:
    first = owner()
    while not list(server_home.glob("initdb-*/global")):
        time.sleep(0.002)
    first.end()
    if initdb_too:
        for pid in running_in(server_home):
            kill_and_wait(pid)
    assert not list(server_home.glob("data-*"))
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server:
        write_row(server.url)
    while running_in(server_home):
        time.sleep(0.01)
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server:
        assert rows(server.url) == [(1,)]
        assert not list(server_home.glob("initdb-*"))


def running_in(home: Path) -> list[int]:
    """Return PostgreSQL's processes that have a directory of this very `home` as an argument, and no others."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program, *arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = any(argument.startswith(os.fsencode(home) + b"/") for argument in arguments)
        if ours and program.rpartition(b"/")[2] in (b"initdb", b"postgres"):
            found.append(int(entry.name))
    return found


def test_lock_files_with_a_number_used_again_do_not_stop_a_start(server_home: Path) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server:
        write_row(server.url)
        remains = {path: path.read_text() for path in lock_files(server_home)}
        kill_and_wait(postmaster(server_home))
        stranger = start_as_owner_of(data_in(server_home), ["sleep", "60"])
        try:
            put_remains(server_home, remains, stranger.pid)
            assert server.ensure_running()
        finally:
            stranger.kill()
            stranger.wait()
        assert rows(server.url) == [(1,)]


def test_the_lock_files_of_a_zombie_do_not_stop_a_start(server_home: Path) -> None:
    with EmbeddedPostgres(server_home, server_settings=QUICK) as server:
        remains = {path: path.read_text() for path in lock_files(server_home)}
        kill_and_wait(postmaster(server_home))
        zombie = start_as_owner_of(data_in(server_home), ["true"])
        while is_running(zombie.pid):
            time.sleep(0.01)
        put_remains(server_home, remains, zombie.pid)
        assert server.ensure_running()
        zombie.wait()


def lock_files(home: Path) -> list[Path]:
    files = [data_in(home) / "postmaster.pid", *home.glob("run/.s.PGSQL.*.lock")]
    assert len(files) == 2
    return files


def put_remains(home: Path, remains: dict[Path, str], pid: int) -> None:
    for path, text in remains.items():
        path.write_text("\n".join([str(pid), *text.split("\n")[1:]]))
        owner = data_in(home).stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def start_as_owner_of(data: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that the server may send signals to: it ignores the numbers of other users' processes."""
    owner = data.stat()
    if owner.st_uid == os.geteuid():
        return subprocess.Popen(command)
    return subprocess.Popen(command, user=owner.st_uid, group=owner.st_gid, extra_groups=[])


def test_ctrl_c_in_the_terminal_of_the_one_who_started_it_does_not_stop_the_server_for_the_others(
    server_home: Path, owner: Callable[..., Owner]
) -> None:
    first = owner()
    assert first.said()["started"]
    with EmbeddedPostgres(server_home) as server:
        pid = postmaster(server_home)
        first.end(signal.SIGINT)  # to its whole process group
        assert not server.ensure_running()
        assert postmaster(server_home) == pid
        assert server.stop()


def test_a_server_that_is_slow_to_answer_is_waited_for(server_home: Path, owner: Callable[..., Owner]) -> None:
    owner().said()
    pid = postmaster(server_home)
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
    with EmbeddedPostgres(server_home) as server:
        assert not server.started_server
        assert postmaster(server_home) == pid


def test_a_server_in_crash_recovery_is_waited_for(server_home: Path, owner: Callable[..., Owner]) -> None:
    url = str(owner().said()["url"])
    write_row(url)
    with psycopg.connect(url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)  # the server resets itself
        with EmbeddedPostgres(server_home) as server:
            assert not server.started_server
            assert rows(server.url) == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests do this when a normal user runs them")
def test_a_normal_user_owns_a_server_of_his_own(server_home: Path, owner: Callable[..., Owner]) -> None:
    server_home.mkdir()
    os.chown(server_home, NOBODY, NOBODY)
    first = owner(uid=NOBODY)
    answer = first.said()
    assert answer.get("started"), answer
    assert Path(f"/proc/{postmaster(server_home)}").stat().st_uid == NOBODY
    with EmbeddedPostgres(server_home) as server:  # root looks in, and takes nothing over
        assert not server.started_server
    first.leave()
    assert first.said() == {"stopped": True}
    with EmbeddedPostgres(server_home) as server:
        assert server.started_server
    assert {path.stat().st_uid for path in server_home.iterdir()} == {NOBODY}
    again = owner(uid=NOBODY)
    assert again.said().get("started")
    again.leave()
    assert again.said() == {"stopped": True}
