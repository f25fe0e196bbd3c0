"""The units as docs/install.md installs them, under a real systemd; the crontab's lines with cron's environment."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from checks.box import Box
from checks.image import wheels
from checks.outcome import DEPLOY, Failed, check, expect

_SYNCER = "/opt/syncer/bin/syncer"
# PrivateDevices cannot be set up where no device may be made; the watchdog shall not take minutes.
_DROP_IN = "[Service]\nPrivateDevices=no\nWatchdogSec=20s\nRestartSec=1s\n"
_SET_SCHEMA = """
import pathlib, psycopg, sys
from syncer.postgres.server import EmbeddedPostgres
with EmbeddedPostgres(pathlib.Path("/var/lib/syncer/postgres")) as server:
    with psycopg.connect(server.url) as connection:
        connection.execute("UPDATE syncer.alembic_version SET version_num = %s", [sys.argv[1]])
"""
_SETTINGS = 'api_url = "http://127.0.0.1:8099/v2/index.php"\ncalls_per_minute = 0\n'


@contextmanager
def installed() -> Iterator[Box]:
    """Yield a machine with syncer, its units and a simulator in place of the API."""
    with Box() as box:
        wheels(box.root / "wheels")
        box.before_boot("python3 -m venv /opt/syncer && /opt/syncer/bin/pip install -q --no-index -f /wheels syncer")
        etc = box.root / "etc"
        for unit in [*(DEPLOY / "systemd").glob("*.service"), *(DEPLOY / "systemd").glob("*.timer")]:
            shutil.copy(unit, etc / "systemd" / "system")
            if unit.suffix == ".service":
                drop_in = etc / "systemd" / "system" / f"{unit.name}.d"
                drop_in.mkdir()
                (drop_in / "box.conf").write_text(_DROP_IN)
        (etc / "sysusers.d").mkdir(exist_ok=True)
        shutil.copy(DEPLOY / "systemd" / "syncer.sysusers", etc / "sysusers.d" / "syncer.conf")
        credentials = etc / "syncer" / "credentials"
        credentials.mkdir(parents=True)
        credentials.chmod(0o700)
        (credentials / "secret_id").write_text("simulated-secret-id\n")
        (credentials / "secret_key").write_text("simulated-secret-key\n")
        (etc / "syncer" / "syncer.toml").write_text(_SETTINGS)
        box.boot()
        box("systemd-sysusers")
        box("systemd-run", "--unit=simulator", _SYNCER, "simulate", "--files", "1500", "--port", "8099")
        until(lambda: "serving" in journal(box, "simulator"), "the simulator serves", box, "simulator")
        try:
            yield box
        except Failed as failure:
            lines = box("journalctl", "--no-pager", "--output=cat", "--lines=30", check=False).stdout
            raise Failed(f"{failure}\nthe journal's end:\n{lines}") from None


def journal(box: Box, unit: str) -> str:
    """Return what a unit wrote."""
    return box("journalctl", "--unit", unit, "--no-pager", "--output=cat").stdout


def until(holds: Callable[[], object], what: str, box: Box, unit: str, seconds: float = 120) -> None:
    """Wait until `holds`; raises Failed with the unit's journal."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds:g} s not: {what}\n{journal(box, unit)[-3000:]}")
        time.sleep(0.5)


@check("systemd-daemon", "the service under systemd: ready, secrets, kill, watchdog, reload, stop", quick=False)
def _daemon() -> None:
    with installed() as box:
        box("systemctl", "start", "syncer")  # returns when the daemon has said READY
        until(lambda: "pull_finished" in journal(box, "syncer"), "a full pull with the credentials", box, "syncer")
        _secrets_are_private(box)
        _people_may_ask(box)
        _comes_back(box, "after kill -9", "KILL")
        _comes_back(box, "after the watchdog found it stopped", "STOP")
        _reloads(box)
        _waits_for_its_schema(box)
        began = time.monotonic()
        box("systemctl", "stop", "syncer")
        state = {name: box.show("syncer", name) for name in ("ActiveState", "Result", "ExecMainStatus")}
        expect(state["ActiveState"] == "inactive" and state["Result"] == "success", f"a stop leaves {state}")
        expect(time.monotonic() - began < 40, "a stop takes long")  # noqa: PLR2004
        left = box("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
        expect("postgres" not in left, f"a stop leaves {left}")


def _secrets_are_private(box: Box) -> None:
    pid = box.show("syncer", "MainPID")
    seen = box("sh", "-c", f"cat /proc/{pid}/environ /proc/{pid}/cmdline").stdout + journal(box, "syncer")
    expect("simulated-secret-key" not in seen, "the key is in the environment, the command line or the log")
    expect(box("stat", "-c", "%U", "/var/lib/syncer").stdout.strip() == "syncer", "its state is not its own")
    user = box("sh", "-c", f"stat -c %U /proc/{pid}").stdout.strip()
    expect(user == "syncer", f"it runs as {user}")


def _people_may_ask(box: Box) -> None:
    """Check that the embedded database answers root and the user syncer."""
    for who in (("env",), ("setpriv", "--reuid=syncer", "--regid=syncer", "--init-groups", "env")):
        told = box(*who, "SYNCER_DATA_DIR=/var/lib/syncer", _SYNCER, "status").stdout
        expect("1,500 files" in told, f"{who[0]}: {told}")


def _comes_back(box: Box, what: str, signal_name: str) -> None:
    pid, count = box.show("syncer", "MainPID"), int(box.show("syncer", "NRestarts"))
    box("sh", "-c", f"kill -{signal_name} {pid}")
    until(lambda: int(box.show("syncer", "NRestarts")) > count, f"a restart {what}", box, "syncer")
    until(lambda: box.show("syncer", "SubState") == "running", f"it runs {what}", box, "syncer")
    expect(box.show("syncer", "MainPID") != pid, "it is the same process")


def _reloads(box: Box) -> None:
    """Check that a reload reads the settings again, in the same process."""
    pid = box.show("syncer", "MainPID")
    file = box.root / "etc" / "syncer" / "syncer.toml"
    file.write_text(_SETTINGS + 'full_schedule = "15 4 * * *"\n')
    box("systemctl", "reload", "syncer")
    until(lambda: "15 4 * * *" in journal(box, "syncer"), "the new schedule after a reload", box, "syncer")
    expect(box.show("syncer", "MainPID") == pid, "a reload made a new process")


def _waits_for_its_schema(box: Box) -> None:
    """Check that a daemon ends when a newer version has migrated under it, and is back once both agree again."""
    from syncer.store.migrate import HEAD

    count = int(box.show("syncer", "NRestarts"))
    box("/opt/syncer/bin/python", "-c", _SET_SCHEMA, "9999")
    until(lambda: "newer than this version" in journal(box, "syncer"), "it says what is newer", box, "syncer")
    until(lambda: int(box.show("syncer", "NRestarts")) > count + 1, "it is tried again", box, "syncer")
    box("/opt/syncer/bin/python", "-c", _SET_SCHEMA, HEAD)
    until(lambda: box.show("syncer", "SubState") == "running", "it runs with its own schema", box, "syncer")


@check(
    "systemd-timers",
    "the oneshot services under systemd, on a database of one's own, as their timers begin them",
    quick=False,
)
def _oneshots() -> None:
    with installed() as box:
        # The daemon's embedded server stands for a database of one's own.
        box("systemctl", "start", "syncer")
        until(lambda: "pull_finished" in journal(box, "syncer"), "a full pull", box, "syncer")
        for unit in ("syncer-sync@full", "syncer-sync@recent", "syncer-alerts"):
            box("systemctl", "start", f"{unit}.service")
            expect(box.show(f"{unit}.service", "Result") == "success", journal(box, unit))
        expect('"verdict": "proven"' in journal(box, "syncer-sync@full"), "no proven pull")
        box("systemctl", "start", "syncer-sync@full.timer", "syncer-sync@recent.timer", "syncer-alerts.timer")
        listed = box("systemctl", "list-timers", "--no-pager").stdout
        expect(listed.count("syncer-") >= 6, f"the timers are not set:\n{listed}")  # noqa: PLR2004


@check("cron", "each line of the crontab runs as it stands, with cron's environment", quick=False)
def _cron() -> None:
    text = (DEPLOY / "crontab").read_text()
    given = re.findall(r"^(\w+=\S+)$", text, re.MULTILINE)
    lines = re.findall(r"^(?!#)(?:\S+ +){5}(\w+) +(.+)$", text, re.MULTILINE)
    expect(len(lines) == 3, f"the crontab has {len(lines)} lines")  # noqa: PLR2004
    with installed() as box:
        box("sh", "-c", "install -d -o syncer -g syncer /var/log/syncer /var/lib/syncer; chgrp -R syncer /etc/syncer")
        box("sh", "-c", "chmod 750 /etc/syncer/credentials; chmod 640 /etc/syncer/credentials/*")
        for user, command in lines:
            run_as = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", "-i")
            environment = ("HOME=/var/lib/syncer", f"LOGNAME={user}", "PATH=/usr/bin:/bin", *given)
            box(*run_as, *environment, "/bin/sh", "-c", command)
        told = box("cat", "/var/log/syncer/pulls.jsonl").stdout
        expect('"verdict": "proven"' in told, f"no proven pull:\n{told}")
