"""Real daemons on a real database: what they pull, when, and that none of it is done twice or lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Simulator, World

from .conftest import MakeRig, Rig
from .daemon_process import SYNCER, DaemonProcess, eventually

pytestmark = pytest.mark.one_server

Start = Callable[..., DaemonProcess]
Simulated = Callable[..., Rig]
# Far away: tests that write due times themselves must not meet the clock's.
NEVER = {"full_schedule": "0 0 29 2 *", "recent_schedule": "0 0 29 2 *"}


@pytest.fixture
def start(database: str) -> Iterator[Start]:
    """Return a function that starts a daemon for a rig (or an environment); all are ended with the test."""
    running: list[DaemonProcess] = []

    def begin(of: Rig | dict[str, str], *arguments: str, **environ: str) -> DaemonProcess:
        settings = of.environ if isinstance(of, Rig) else of
        running.append(DaemonProcess(settings | environ, *arguments))
        return running[-1]

    yield begin
    for each in running:
        each.close()


def make_due(rig: Rig, kind: str) -> None:
    rig.rows(f"UPDATE syncer.source SET next_{kind}_at = clock_timestamp() RETURNING 1")


def hurry(rig: Rig) -> None:
    """Let the API answer at once from now on: the slow part of the test is over."""
    rig.simulator.behaviour = Behaviour()


def ended(rig: Rig, kind: str) -> int:
    sql = "SELECT count(*) AS n FROM syncer.run WHERE kind = %s AND outcome = 'complete'"
    return int(rig.rows(sql, kind)[0]["n"])


def test_a_new_source_gets_a_full_pull_then_a_recent_one_then_each_when_due(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(250))
    daemon = start(rig)
    assert daemon.wait_for("source_scheduled", next_full="now")["full_schedule"] == NEVER["full_schedule"]
    assert daemon.wait_for("pull_finished", kind="full")["files"] == 250
    daemon.wait_for("pull_finished", kind="recent")
    rig.assert_equals_listing()

    rig.simulator.world.add()
    make_due(rig, "recent")
    assert daemon.wait_for("pull_finished", 2, kind="recent")["inserted"] == 1
    rig.simulator.world.delete(rig.simulator.world.ids()[0])
    make_due(rig, "full")
    assert daemon.wait_for("pull_finished", 2, kind="full")["gone"] == 1
    rig.assert_equals_listing()

    future = "SELECT count(*) AS n FROM syncer.source WHERE least(next_full_at, next_recent_at) > now() + '5 min'"
    eventually(lambda: rig.rows(future)[0]["n"] == 1, "both due times are written ahead")
    assert daemon.stop() == 143
    assert (ended(rig, "full"), ended(rig, "recent")) == (2, 2)


def test_sigterm_ends_within_a_page_and_the_next_daemon_resumes_at_the_very_page(
    simulated: Simulated, start: Start
) -> None:
    rig = simulated(NEVER, world=World(1000), behaviour=Behaviour(latency=0.3))
    first = start(rig)
    eventually(lambda: rig.simulator.call_count >= 4, "four calls")
    told = time.monotonic()
    assert first.stop() == 143
    assert time.monotonic() - told < 5  # most of it is the interpreter on a busy machine
    committed = rig.rows("SELECT pages FROM syncer.pull")[0]["pages"]
    assert 4 <= committed == rig.simulator.call_count
    assert rig.rows("SELECT held_until FROM syncer.lease")[0]["held_until"] is None
    assert first.events("pull_stopped", kind="full", outcome="stopped")

    hurry(rig)
    second = start(rig)
    finished = second.wait_for("pull_finished", kind="full")
    assert (finished["resumed"], finished["api_calls"], finished["pages"]) == (True, 10 - committed, 10)
    rig.assert_equals_listing()


def test_a_log_whose_reader_goes_ends_no_daemon(simulated: Simulated) -> None:
    rig = simulated(NEVER, world=World(50))
    with subprocess.Popen(
        [SYNCER, "daemon", "--poll-every", "0.2"],
        env={"PATH": os.environ["PATH"], **rig.environ},
        stderr=subprocess.PIPE,
        text=True,
    ) as daemon:
        try:
            assert daemon.stderr is not None
            daemon.stderr.readline()
            daemon.stderr.close()
            eventually(lambda: ended(rig, "full") == ended(rig, "recent") == 1, "both pulls")
            daemon.terminate()
            assert daemon.wait(20) == 143
        finally:
            daemon.kill()


def test_status_says_when_a_daemon_pulls_next_and_which_daemons_there_are(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(10))
    daemon = start(rig)
    daemon.wait_for("pull_finished", kind="recent")
    undecided = "SELECT count(*) AS n FROM syncer.source WHERE next_recent_at IS NULL"
    eventually(lambda: rig.rows(undecided)[0]["n"] == 0, "all is decided")

    def status() -> str:
        environ = {"PATH": os.environ["PATH"], "TZ": "UTC", **rig.environ}
        return subprocess.run([SYNCER, "status"], env=environ, check=True, capture_output=True, text=True).stdout

    out = status()
    assert "next         full pull 2028-02-29 00:00, recent pull 2028-02-29 00:00\n" in out
    assert out.endswith(f"process {daemon.process.pid} (0 of 8 pulls)\n")
    assert daemon.stop() == 143
    assert "daemons:" not in status(), "it took its leave"


def test_sigint_ends_with_130(simulated: Simulated, start: Start) -> None:
    daemon = start(simulated(NEVER, world=World(10)))
    daemon.wait_for("pull_finished", kind="recent")
    daemon.send(signal.SIGINT)
    assert daemon.wait() == 130
    assert daemon.stderr.endswith("syncer: Stopped by a signal.\n"), "there was no page in hand"


def test_kill_9_loses_no_page_and_the_next_daemon_takes_over_at_once(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(6000), behaviour=Behaviour(latency=0.1))
    total = 0
    for _ in range(2):
        daemon = start(rig)
        eventually(lambda enough=total + 8: rig.simulator.call_count >= enough, "eight more calls")
        daemon.send(signal.SIGKILL)
        daemon.wait()
        total = rig.simulator.call_count
    hurry(rig)
    last = start(rig)
    last.wait_for("source_scheduled", next_full="now")  # neither the claim nor the lease of a killed one is waited for
    assert last.wait_for("pull_finished", kind="full")["resumed"]
    rig.assert_equals_listing()
    assert len(rig.simulator.calls) <= 60 + 2 * 3 + 3


def test_two_daemons_never_do_one_due_pull_twice(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(150), behaviour=Behaviour(latency=0.02))
    pair = [start(rig), start(rig)]
    for daemon in pair:
        daemon.wait_for("source_scheduled")
    eventually(lambda: ended(rig, "recent") == 1, "the first recent pull")
    for turn in range(2, 5):
        make_due(rig, "full")
        eventually(lambda turn=turn: ended(rig, "full") == turn, f"full pull {turn}")
        time.sleep(0.5)  # two polls of each: time enough to do it again
        assert ended(rig, "full") == turn
    assert [daemon.stop() for daemon in pair] == [143, 143]
    assert ended(rig, "recent") == 1
    assert rig.rows("SELECT count(*) AS n FROM syncer.run")[0]["n"] == 5


def test_a_daemon_takes_over_from_a_killed_one_without_being_told(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(4000), behaviour=Behaviour(latency=0.2))
    pulling = start(rig)
    pulling.wait_for("pull_started", kind="full")
    watching = start(rig)
    watching.wait_for("source_scheduled")
    pulling.send(signal.SIGKILL)
    hurry(rig)
    assert watching.wait_for("pull_finished", kind="full")["resumed"]
    rig.assert_equals_listing()


def test_two_accounts_from_a_file_are_pulled_side_by_side_each_with_its_own_key_and_prefix(
    make_rig: MakeRig, start: Start, tmp_path: Path
) -> None:
    keys = {"first-id": "first-key", "second-id": "second-key"}
    with Simulator(World(2000), behaviour=Behaviour(latency=0.1), credentials=keys) as simulator:
        rig = make_rig(simulator, **NEVER)
        for name in ("SYNCER_SECRET_ID", "SYNCER_SECRET_KEY"):
            del rig.environ[name]
        (tmp_path / "syncer.toml").write_text(
            "".join(
                f'[[sources]]\nname = "{name}"\nprefix = "{prefix}"\n'
                f'secret_id = "{name}-id"\nsecret_key = "{name}-key"\n'
                for name, prefix in (("first", "6001_"), ("second", "6002_"))
            )
        )
        daemon = start(rig, "--config", str(tmp_path / "syncer.toml"))
        for name in ("first", "second"):
            daemon.wait_for("pull_finished", source=name, kind="recent")
        order = [(each["event"], each["source"]) for each in daemon.events(kind="full")]
        assert {name for name, _ in order[:2]} == {"pull_started"}
        sent = {(call.params["SecretId"], call.params["prefix"]) for call in simulator.calls}
        assert sent == {("first-id", "6001_"), ("second-id", "6002_")}
        for name, prefix in (("first", "6001_"), ("second", "6002_")):
            assert rig.backups(name).keys() == {row["fileId"] for row in simulator.listing(prefix)}


def test_an_api_that_goes_away_for_a_while_is_waited_for(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER | {"retry_for": "30s"}, world=World(2000), behaviour=Behaviour(latency=0.02))
    daemon = start(rig)
    eventually(lambda: rig.simulator.call_count >= 5, "five calls")
    rig.simulator.down()
    time.sleep(1)
    rig.simulator.up()
    finished = daemon.wait_for("pull_finished", kind="full")
    assert (finished["resumed"], finished["restarts"]) == (False, 0)
    rig.assert_equals_listing()


def test_after_a_failure_the_pull_is_taken_up_again_once_its_pause_is_over(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER | {"retry_for": "0s"}, world=World(2000), behaviour=Behaviour(latency=0.02))
    daemon = start(rig)
    eventually(lambda: rig.simulator.call_count >= 5, "five calls")
    rig.simulator.down()
    failed = daemon.wait_for("pull_failed", kind="full")
    assert failed["exit_code"] == 4
    rig.simulator.up()
    time.sleep(0.6)
    assert len(daemon.events("pull_started")) == 1  # it pauses
    rig.rows("UPDATE syncer.run SET finished_at = finished_at - interval '1 min' RETURNING 1")  # a minute goes by
    rig.rows("UPDATE syncer.source SET next_full_at = next_full_at - interval '1 min' RETURNING 1")
    finished = daemon.wait_for("pull_finished", kind="full")
    assert finished["resumed"]
    assert "Traceback" not in daemon.stderr
    rig.assert_equals_listing()


def test_a_wrong_key_is_one_event_and_no_other_source_suffers(make_rig: MakeRig, start: Start, tmp_path: Path) -> None:
    with Simulator(World(100)) as simulator:
        rig = make_rig(simulator, **NEVER)
        (tmp_path / "syncer.toml").write_text(
            f'[[sources]]\nname = "bad"\nsecret_id = "{SECRET_ID}"\nsecret_key = "wrong-key"\n'
            f'[[sources]]\nname = "good"\nsecret_id = "{SECRET_ID}"\nsecret_key = "{SECRET_KEY}"\n'
        )
        daemon = start(rig, "--config", str(tmp_path / "syncer.toml"))
        assert daemon.wait_for("pull_failed", source="bad")["exit_code"] == 3
        daemon.wait_for("pull_finished", source="good", kind="full")
        assert daemon.stop() == 143
        assert len(daemon.events("pull_started", source="bad")) == 1
        assert "wrong-key" not in daemon.stderr


def test_a_pull_by_hand_is_not_disturbed_and_serves_the_due_time(simulated: Simulated, start: Start) -> None:
    rig = simulated(NEVER, world=World(1500), behaviour=Behaviour(latency=0.03))
    daemons: list[DaemonProcess] = []

    def at_page(at: Any) -> None:
        if at.page == 1:
            daemons.append(start(rig))
            daemons[0].wait_for("source_scheduled")
            make_due(rig, "full")

    assert rig.sync("full", on_page=at_page).outcome == "complete"
    daemons[0].wait_for("pull_finished", kind="recent")
    assert daemons[0].events("pull_started", kind="full") == []


def test_the_supervisor_is_told_when_it_is_ready_alive_and_stopping(
    simulated: Simulated, start: Start, tmp_path: Path
) -> None:
    rig = simulated(NEVER, world=World(10))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(tmp_path / "notify"))
        inbox.settimeout(10)
        daemon = start(rig, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="600000")
        heard = [inbox.recv(200) for _ in range(6)]
        assert daemon.stop() == 143
        while heard[-1] != b"STOPPING=1":
            heard.append(inbox.recv(200))
    words = [each for each in heard if not each.startswith(b"STATUS=")]
    assert words[:3] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert heard[0] == b"STATUS=Waiting for the database."
    assert any(each.endswith(b"running, 8 at most; sources: 1.") for each in heard)
