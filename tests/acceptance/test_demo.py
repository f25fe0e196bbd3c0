"""`syncer demo`, the README's first command, as a person runs it."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from syncer.postgres.process import postmaster_pid

SYNCER = str(Path(sys.executable).with_name("syncer"))
NOBODY = 65534


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory within reach of the user that root starts the server as."""
    with _directory() as directory:
        yield directory


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="syncer-demo-"))
    directory.chmod(0o755)
    yield directory
    for data in directory.glob("**/data-*"):
        while (pid := postmaster_pid(data)) is not None:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
    shutil.rmtree(directory)


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(data_dir), "SYNCER_DATA_DIR": str(data_dir)}
    return {**own, "SYNCER_WEB_ADDRESS": "127.0.0.1:0", **more}


def widest(text: str) -> int:
    """Return the longest line's length, those aside that hold a path of this machine."""
    return max(len(line) for line in text.splitlines() if SYNCER not in line and "delete it whenever" not in line)


def test_it_shows_in_80_columns_what_came_changed_and_went_whatever_the_users_own_settings(data_dir: Path) -> None:
    mistaken = {"SYNCER_PAGE_SIZE": "1000", "SYNCER_SECRET_ID": "without-a-key", "SYNCER_DATABASE_URL": "nonsense"}
    told = subprocess.run(
        [SYNCER, "demo"], env=environment(data_dir, **mistaken), capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    text = " ".join(told.stdout.split())
    assert_story(text)
    for word in (" expired ", " vanished ", "expires_at: "):
        assert word in text
    for word in ("SYNCER_SECRET_ID=", "SYNCER_SECRET_KEY=", "doctor", "sync", "daemon"):
        assert word in text
    assert widest(told.stdout) <= 80
    assert [each.name for each in data_dir.iterdir()] == ["demo"]
    assert postmaster_pid(next((data_dir / "demo" / "postgres").glob("data-*"))) is None


def assert_story(text: str) -> None:
    """Assert that the three pulls found what happened; 2,501 once each, though the listing began anew."""
    for found in ("2,501 new", "recent pull 2 complete", "40 new", "full pull 3 complete", "1 changed", "2 gone"):
        assert found in text


@pytest.mark.slow
def test_staying_ends_with_ctrl_c_no_second_demo_disturbs_it_and_the_next_one_begins_empty(data_dir: Path) -> None:
    process = subprocess.Popen(
        [SYNCER, "demo", "--stay"], env=environment(data_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        command = next(line for line in process.stdout if "postgresql://" in line)
        next(line for line in process.stderr if "source_scheduled" in line)
        another = [SYNCER, "demo"]
        second = subprocess.run(another, env=environment(data_dir), capture_output=True, text=True, check=False)
        assert second.returncode == 75
        assert "Another syncer demo" in second.stderr
        with psycopg.connect(command.split()[-1].strip("'")) as connection:
            row = connection.execute("SELECT count(*) FROM report.backups").fetchone()
        assert row is not None
        assert row[0] >= 2541
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
        assert "Traceback" not in rest
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    text = on_a_terminal(data_dir)
    assert_story(" ".join(text.split()))
    assert widest(text.replace("\r", "\n")) <= 80


def on_a_terminal(data_dir: Path) -> str:
    """Run the demo on a terminal of 80 columns; return what it showed."""
    controller, terminal = pty.openpty()
    surroundings = environment(data_dir, TERM="xterm", COLUMNS="80")
    with subprocess.Popen([SYNCER, "demo"], env=surroundings, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # which is what a terminal's reader gets at the end
            while part := os.read(controller, 4096):
                shown += part
        os.close(controller)
        assert process.wait(60) == 0
    return shown.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as a normal user already")
def test_a_normal_user_can_run_it_too() -> None:
    try:
        subprocess.run([SYNCER, "--version"], user=NOBODY, group=NOBODY, cwd="/", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the interpreter is where no other user can reach it")
    with _directory() as directory:
        os.chown(directory, NOBODY, NOBODY)
        told = subprocess.run(
            [SYNCER, "demo"],
            env=environment(directory),
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode == 0, told.stderr
