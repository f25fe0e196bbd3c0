"""The installed commands, as a person and as a script meet them: a terminal of 80 columns, pipes, exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Simulator, World
from syncer.store.inventory import FIELDS

from .conftest import run_inside

SYNCER = Path(sys.executable).with_name("syncer")
HOSTILE = "\x1b[2J=evil\u202e\nname"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str = ""

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass
class Shell:
    """Runs the installed command with the settings in `environ`."""

    environ: dict[str, str]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "Asia/Shanghai", **self.environ}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([SYNCER, *arguments], env=environ, text=True, encoding="utf-8", **pipes)

    def __call__(self, *arguments: str, given: str = "") -> Ended:
        with self.start(*arguments) as process:
            out, err = process.communicate(given, timeout=60)
        assert "Traceback" not in err
        assert SECRET_KEY not in out + err
        return Ended(process.returncode, out, err)

    def inside(self, *arguments: str) -> Ended:
        """Run it in this process, for what says nothing of processes."""
        done = run_inside(self.environ, *arguments)
        assert "Traceback" not in done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def on_a_terminal(self, *arguments: str, columns: int = 80) -> Ended:
        """Run it on a pseudo-terminal; its lines must fit, and nothing but colours may move."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = self.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        chunks = []
        try:
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        except OSError:
            pass  # Linux's word for the end of a pseudo-terminal
        finally:
            os.close(ours)
        code = process.wait(timeout=60)
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is None
        out = b"".join(chunks).decode().replace("\r\n", "\n")
        assert all(len(line) <= columns for line in out.split("\n")), out
        return Ended(code, out)


@pytest.fixture
def api() -> Iterator[Simulator]:
    with Simulator(World(250)) as simulator:
        yield simulator


@pytest.fixture
def syncer(database: str, api: Simulator) -> Shell:
    return Shell(
        {
            "SYNCER_DATABASE_URL": database,
            "SYNCER_API_URL": api.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": "0",
            "NO_COLOR": "1",
        }
    )


@pytest.fixture
def bare(database: str) -> Shell:
    """A shell without credentials."""
    return Shell({"SYNCER_DATABASE_URL": database})


def execute(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)


def test_from_nothing_to_a_trusted_table(syncer: Shell, bare: Shell, api: Simulator, database: str) -> None:
    assert bare.inside("status").out == "default: never pulled: run `syncer sync`\n"
    empty = bare.inside("files")
    assert (empty.code, len(empty.rows)) == (0, 1)
    assert "syncer sync" in empty.err
    assert syncer("sync", "--json").code == 0

    status = bare("status")
    assert status.out.startswith("default: complete as of ")
    assert "proven; 250 files" in status.out
    source = bare.inside("status", "--json").document["sources"][0]
    assert (source["trust"], source["present"]["files"], source["configured"]) == ("proven", 250, True)
    assert source["proven"]["pages"] == 3

    piped = bare("files")
    assert piped.err == ""
    heading, *rows = piped.rows
    assert tuple(heading) == FIELDS
    assert len(rows) == 250
    expiries = [row[FIELDS.index("expires_at")] for row in rows]
    assert expiries == sorted(expiries)
    shown = bare.on_a_terminal("files")
    assert shown.out.startswith("EXPIRES (CST)")
    assert "50 of 250; --limit 0 shows all" in shown.out
    assert len(shown.out.splitlines()) == 52
    assert len(bare.on_a_terminal("files", "--limit", "0").out.splitlines()) == 251


def test_every_command_fits_80_columns(syncer: Shell, api: Simulator, database: str) -> None:
    assert syncer.inside("sync").code == 0
    execute(database, f"UPDATE syncer.file SET name = {_quoted(HOSTILE * 9)} ")
    for arguments in (
        ["status"],
        ["files"],
        ["files", "--newest", "--state", "all"],
        ["doctor"],
        ["lookup", "--prefix", "600", "--newest"],
    ):
        ended = syncer.on_a_terminal(*arguments)
        assert ended.code == 0
        assert "\x1b" not in ended.out
        assert ("\\x1b" in ended.out) == (arguments[0] == "files")


def test_an_interrupted_lookup_ends_with_130(database: str) -> None:
    with Simulator(World(2000), behaviour=Behaviour(latency=0.3)) as api:
        shell = Shell(
            {
                "SYNCER_DATABASE_URL": database,
                "SYNCER_API_URL": api.url,
                "SYNCER_SECRET_ID": SECRET_ID,
                "SYNCER_SECRET_KEY": SECRET_KEY,
                "SYNCER_CALLS_PER_MINUTE": "0",
            }
        )
        with shell.start("lookup", "--prefix", "6", "--json") as process:
            _until(lambda: api.call_count >= 2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["exit_code"] == 130
    assert "Traceback" not in err


def test_a_reader_who_goes_early_is_no_failure(bare: Shell, database: str) -> None:
    execute(
        database,
        "INSERT INTO syncer.file (source, file_id, name, first_seen_at, changed_at, first_run) "
        "SELECT 'default', n::text, repeat('x', 90), now(), now(), 1 FROM generate_series(1, 20000) AS n",
    )
    for form in ("table", "csv", "json"):
        with bare.start("files", "--format", form) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""
            assert process.wait(timeout=30) == 0


def test_output_that_nobody_reads_changes_no_exit_code(syncer: Shell) -> None:
    wrong = Shell(syncer.environ | {"SYNCER_SECRET_KEY": "wrong"})
    unbuffered = Shell(syncer.environ | {"PYTHONUNBUFFERED": "1"})
    for shell, command, expected in (
        (syncer, ["sync", "--json"], 0),
        (syncer, ["status"], 0),
        (syncer, ["doctor"], 0),
        (syncer, ["migrate"], 0),
        (wrong, ["sync"], 3),
        (unbuffered, ["sync", "--json"], 0),
        (unbuffered, ["status"], 0),
    ):
        with shell.start(*command) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            err = process.stderr.read()
            assert process.wait(timeout=30) == expected
            assert "Traceback" not in err
            assert "BrokenPipe" not in err


def test_output_that_cannot_be_written_is_1_and_a_sentence(syncer: Shell) -> None:
    for command in (
        ["sync", "--json"],
        ["status"],
        ["doctor"],
        ["files"],
        ["report", "--format", "csv", "--table", "backups"],
    ):
        with Path("/dev/full").open("w") as full, syncer.start(*command, stdout=full) as process:
            assert process.stderr is not None
            err = process.stderr.read()
            assert process.wait(timeout=30) == 1
            assert "Standard output cannot be written: No space left on device" in err
            assert "Traceback" not in err


def test_a_database_that_fails_halfway_leaves_half_an_array_and_no_second_document(bare: Shell, database: str) -> None:
    execute(
        database,
        "INSERT INTO syncer.file (source, file_id, name, first_seen_at, changed_at, first_run) "
        "SELECT 'default', n::text, repeat('x', 90), now(), now(), 1 FROM generate_series(1, 20000) AS n",
    )
    with bare.start("files", "--format", "json") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        execute(
            database,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'syncer'",
        )
        out, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert first == "[\n"
    assert "error" not in out
    assert not out.rstrip().endswith("]")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_status_tells_a_killed_sync_from_a_running_one(database: str) -> None:
    with Simulator(World(50_000), behaviour=Behaviour(latency=0.2)) as api:
        shell = Shell(
            {
                "SYNCER_DATABASE_URL": database,
                "SYNCER_API_URL": api.url,
                "SYNCER_SECRET_ID": SECRET_ID,
                "SYNCER_SECRET_KEY": SECRET_KEY,
                "SYNCER_CALLS_PER_MINUTE": "0",
            }
        )
        with shell.start("sync") as process:
            _until(lambda: api.call_count >= 3)
            running = shell.inside("status").out
            process.kill()
            process.communicate()
    killed = shell.inside("status").out
    assert "not proven yet: no full pull with these settings (account, prefix) has finished" in running
    assert "  running" in running
    assert "held by" in running
    assert "  unfinished" in killed
    assert "the next `syncer sync` resumes it" in killed
    assert "killed" in killed


def test_doctor_reads_well_and_its_exit_code_is_the_first_failures(syncer: Shell, bare: Shell) -> None:
    well = syncer("doctor")
    assert well.code == 0
    assert "All is well." in well.out
    document = syncer.inside("doctor", "--json").document
    assert document["result"] == "ok"
    assert {"name", "level", "found", "advice", "source", "exit_code"} == set(document["checks"][0])
    without = bare.inside("doctor")
    assert without.code == 2
    assert "syncer demo" in without.out
    wrong = Shell(syncer.environ | {"SYNCER_PAGE_SIZE": "many"}).inside("doctor", "--json")
    assert (wrong.code, wrong.document["exit_code"]) == (2, 2)
    assert "SYNCER_PAGE_SIZE" in wrong.document["error"]


def test_help_answers_within_a_third_of_a_second() -> None:
    """Measured as processor time, which the load of this machine does not stretch as much."""
    before = os.times()
    subprocess.run([SYNCER, "--help"], check=True, capture_output=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 0.45


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
