"""SIGHUP: settings are read anew and taken whole, or refused and the old ones kept; running pulls are left alone."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncer.simulator import Behaviour, Simulator, World

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess, eventually

pytestmark = pytest.mark.one_server

NEVER = {"full_schedule": "0 0 29 2 *", "recent_schedule": "0 0 29 2 *"}


class Configured:
    """A daemon whose sources stand in a file, and their keys in files of their own."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig, self.directory = rig, directory
        self.config = directory / "syncer.toml"
        for name in ("SYNCER_SECRET_ID", "SYNCER_SECRET_KEY"):
            del rig.environ[name]

    def write(self, *sources: str, prefix: str = "") -> None:
        self.config.write_text(
            "".join(
                f'[[sources]]\nname = "{name}"\nprefix = "{prefix}"\n'
                f'secret_id_file = "{name}.id"\nsecret_key_file = "{name}.key"\n'
                for name in sources
            )
        )

    def give_key(self, name: str, secret_id: str, key: str) -> None:
        (self.directory / f"{name}.id").write_text(secret_id)
        (self.directory / f"{name}.key").write_text(key)

    def start(self, **environ: str) -> DaemonProcess:
        return DaemonProcess(self.rig.environ | environ, "--config", str(self.config))

    def make_due(self) -> None:
        self.rig.rows("UPDATE syncer.source SET next_full_at = clock_timestamp() RETURNING 1")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(World(500), credentials={"old-id": "old-key"}) as simulator:
        yield simulator


@pytest.fixture
def configured(make_rig: MakeRig, simulator: Simulator, tmp_path: Path) -> Configured:
    configured = Configured(make_rig(simulator, **NEVER, quota_account="ours"), tmp_path)
    for name in ("one", "two"):
        configured.give_key(name, "old-id", "old-key")
    configured.write("one")
    return configured


def test_sources_come_and_go_and_mistakes_change_nothing(configured: Configured) -> None:
    daemon = configured.start()
    try:
        daemon.wait_for("pull_finished", source="one", kind="recent")
        configured.write("one", "two")
        daemon.send(signal.SIGHUP)
        assert daemon.wait_for("settings_reloaded")["added"] == ["two"]
        daemon.wait_for("pull_finished", source="two", kind="full")

        configured.config.write_text('[[sources]]\nname = "one"\nfull_schedule = "sometimes"\ntypo = 1\n')
        daemon.send(signal.SIGHUP)
        problems = "\n".join(daemon.wait_for("settings_refused")["problems"])
        assert "full_schedule" in problems
        assert "typo" in problems
        configured.make_due()
        for name in ("one", "two"):
            daemon.wait_for("pull_finished", 2, source=name, kind="full")

        configured.write("two")
        daemon.send(signal.SIGHUP)
        assert daemon.wait_for("settings_reloaded", 2)["removed"] == ["one"]
        configured.make_due()
        daemon.wait_for("pull_finished", 3, source="two", kind="full")
        assert len(daemon.events("pull_started", source="one", kind="full")) == 2
        assert daemon.stop() == 143
    finally:
        daemon.close()


def test_a_rotated_key_is_taken_without_a_restart_and_a_running_pull_ends_with_what_it_began(
    configured: Configured, simulator: Simulator
) -> None:
    simulator.behaviour = Behaviour(latency=0.5)
    daemon = configured.start()
    try:
        eventually(lambda: simulator.call_count >= 1, "the first page")
        simulator.credentials["new-id"] = "new-key"
        configured.give_key("one", "new-id", "new-key")
        configured.write("one", prefix="6000_")
        daemon.send(signal.SIGHUP)
        assert daemon.wait_for("settings_reloaded")["changed"] == ["one"]
        assert not daemon.events("pull_finished")
        daemon.wait_for("pull_finished", source="one", kind="full")
        simulator.behaviour = Behaviour()
        before = list(simulator.calls)
        assert {(call.params["SecretId"], call.params.get("prefix", "")) for call in before[:4]} == {("old-id", "")}
        del simulator.credentials["old-id"]
        configured.make_due()
        daemon.wait_for("pull_finished", 2, source="one", kind="full")
        assert simulator.calls[-1].params["SecretId"] == "new-id"
        assert simulator.calls[-1].params["prefix"] == "6000_"
        assert "new-key" not in daemon.stderr
    finally:
        daemon.close()


def test_the_supervisor_hears_of_a_reload_and_what_needs_a_restart_is_named(
    configured: Configured, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(tmp_path / "notify"))
        inbox.settimeout(60)
        daemon = configured.start(NOTIFY_SOCKET=str(tmp_path / "notify"), SYNCER_WEB_ADDRESS="")
        try:
            while inbox.recv(300) != b"READY=1":
                pass
            configured.config.write_text(f'workers = 3\nweb_address = "off"\n{configured.config.read_text()}')
            daemon.send(signal.SIGHUP)
            words = [inbox.recv(300)]
            while words[-1] != b"READY=1":
                words.append(inbox.recv(300))
            reloading = next(each for each in words if each.startswith(b"RELOADING=1\n"))
            assert int(reloading.partition(b"MONOTONIC_USEC=")[2]) > 0
            assert daemon.wait_for("restart_needed")["settings"] == ["web_address"]
            while not inbox.recv(300).endswith(b"running, 3 at most; sources: 1."):
                pass
        finally:
            daemon.close()
