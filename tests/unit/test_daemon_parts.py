"""The daemon's small parts: what systemd is told, what the log never shows."""

from __future__ import annotations

import socket
from pathlib import Path

from syncer.daemon.notify import Supervisor
from syncer.settings import load_settings
from syncer.settings.redaction import redacted

SETTINGS = load_settings(
    {
        "SYNCER_SECRET_ID": "AKIDinvented",
        "SYNCER_SECRET_KEY": "s3cr3t/key=",
        "SYNCER_DATABASE_URL": "postgresql://user:pass%2Fword@db/syncer",
        "SYNCER_DATA_DIR": "/nowhere",
    }
)


def test_no_secret_survives_redaction_in_whatever_spelling() -> None:
    text = "GET /?SecretId=AKIDinvented key s3cr3t/key= s3cr3t%2Fkey%3D postgresql://user:pass%2Fword@db pass/word"
    shown = redacted(text, SETTINGS)
    for secret in ("AKIDinvented", "s3cr3t", "pass%2Fword", "pass/word"):
        assert secret not in shown
    assert "postgresql://user:***@db" in shown


def test_a_supervisor_hears_each_word(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(tmp_path / "notify"))
        inbox.settimeout(2)
        supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "6000000"}, 7)
        supervisor.ready()
        supervisor.alive()
        supervisor.stopping()
        heard = [inbox.recv(100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert supervisor.watchdog_seconds == 6.0


def test_without_a_supervisor_nothing_is_said_and_no_watchdog_asked_for(tmp_path: Path) -> None:
    Supervisor({}, 7).ready()
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, 7).ready()
    assert Supervisor({}, 7).watchdog_seconds is None


def test_a_watchdog_meant_for_another_process_is_not_ours(tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "8"}
    assert Supervisor(environ, 7).watchdog_seconds is None
