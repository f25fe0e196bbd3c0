"""Whatever goes wrong ends in its exit code, one sentence on what to do, a whole JSON document, and no secret."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from typing import Any

import pytest
from sqlalchemy import make_url

from syncer.simulator import SECRET_ID, Behaviour, Faults, Simulator, World, always, coded
from syncer.store.migrate import HEAD, downgrade, upgrade

from .conftest import Command, MakeCommand

SMALL = {"page_size": "20"}
SECRETS = re.compile(r"Signature|simulated-secret-key|simulated-secret-id|another-key|hunter2")


def failed(done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    """Assert that a run with --json failed with `code`, tidily; return its document."""
    assert done.returncode == code, done.stderr
    assert not SECRETS.search(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["exit_code"] == code
    assert document["error"]
    assert f"syncer: {document['error'].splitlines()[0]}" in done.stderr
    return document


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_done_is_0_with_the_whole_document(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(50))
    done = syncer.run("sync", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    promised = {
        "source", "kind", "outcome", "resumed", "pages", "files", "inserted", "updated", "unchanged", "rejected",
        "gone", "restarts", "api_calls", "seconds",
    }  # fmt: skip
    assert promised <= document.keys()
    assert (document["files"], document["pages"], document["api_calls"]) == (50, 3, 3)
    assert not SECRETS.search(done.stdout + done.stderr)


def test_a_wrong_key_is_3_within_seconds_in_one_sentence(command: MakeCommand) -> None:
    syncer = command({**SMALL, "retry_for": "10m"}, world=World(50), credentials={SECRET_ID: "another-key"})
    began = time.monotonic()
    document = failed(syncer.run("sync", "--json"), 3)
    assert time.monotonic() - began < 15
    assert syncer.simulator.call_count == 1
    assert "SYNCER_SECRET_KEY" in document["error"]
    assert (document["outcome"], document["source"], document["kind"]) == ("failed", "default", "full")
    plain = syncer.run_inside("sync")
    assert plain.stderr.count("syncer: ") == 1


def test_the_api_away_is_4_and_resumable(command: MakeCommand) -> None:
    syncer = command({**SMALL, "retry_for": "1s"}, world=World(100))
    syncer.simulator.schedule = {2: lambda simulator: setattr(simulator, "faults", always(coded(6200)))}
    document = failed(syncer.run("sync", "--json"), 4)
    assert (document["outcome"], document["pages"]) == ("failed", 2)
    syncer.simulator.faults = Faults()
    syncer.simulator.down()
    failed(syncer.run_inside("sync", "--json"), 4)
    syncer.simulator.up()
    again = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (again["resumed"], again["outcome"], again["api_calls"]) == (True, "complete", 3)


def test_the_database_away_is_5(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(50))
    syncer.environ["SYNCER_DATABASE_URL"] = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/syncer"
    document = failed(syncer.run("sync", "--json"), 5)
    assert "127.0.0.1" in document["error"]
    assert syncer.simulator.call_count == 0


def test_the_database_gone_in_the_middle_is_5_and_resumable(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(100))
    terminate = "SELECT pg_terminate_backend(backend_pid) FROM syncer.lease"
    syncer.simulator.schedule = {3: lambda _: syncer.rows(terminate)}
    failed(syncer.run_inside("sync", "--json"), 5)
    again = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (again["resumed"], again["outcome"]) == (True, "complete")
    syncer.assert_equals_listing()


@pytest.mark.parametrize("revision", ["none", "0001", "newer"])
def test_another_schema_is_5_and_says_what_to_do(command: MakeCommand, empty_database: str, revision: str) -> None:
    syncer = command(SMALL, world=World(50))
    syncer.database = syncer.environ["SYNCER_DATABASE_URL"] = empty_database
    if revision == "0001":
        upgrade(empty_database, "0001")
    elif revision == "newer":
        upgrade(empty_database)
        syncer.rows("WITH u AS (UPDATE syncer.alembic_version SET version_num = '9999') SELECT 1")
    document = failed(syncer.run_inside("sync", "--json"), 5)
    assert ("Upgrade syncer" if revision == "newer" else "syncer migrate") in document["error"]
    assert HEAD in document["error"]
    assert syncer.simulator.call_count == 0


def test_migrate_mends_an_old_schema_and_says_so(command: MakeCommand, empty_database: str) -> None:
    syncer = command(SMALL, world=World(50))
    syncer.database = syncer.environ["SYNCER_DATABASE_URL"] = empty_database
    assert json.loads(syncer.run("migrate", "--json").stdout) == {"before": None, "after": HEAD, "changed": True}
    assert json.loads(syncer.run_inside("migrate", "--json").stdout) == {
        "before": HEAD,
        "after": HEAD,
        "changed": False,
    }
    downgrade(empty_database, "0001")
    assert syncer.run_inside("sync").returncode == 5
    assert syncer.run_inside("migrate").returncode == 0
    assert syncer.run_inside("sync").returncode == 0
    syncer.assert_equals_listing()


def test_bad_and_misspelt_settings_are_2_all_at_once(command: MakeCommand) -> None:
    syncer = command(world=World(50))
    syncer.environ |= {
        "SYNCER_PAGE_SIZE": "101",
        "SYNCER_LEASE": "soon",
        "SYNCER_SWEEP_BRAKE": "7",
        "SYNCER_PREFIXX": "a",
    }
    del syncer.environ["SYNCER_SECRET_KEY"]
    document = failed(syncer.run_inside("sync", "--json"), 2)
    for name in ("SYNCER_PAGE_SIZE", "SYNCER_LEASE", "SYNCER_SWEEP_BRAKE", "SYNCER_PREFIXX"):
        assert name in document["error"]
    assert syncer.simulator.call_count == 0


def test_missing_credentials_are_2_and_named(command: MakeCommand) -> None:
    syncer = command(world=World(50))
    del syncer.environ["SYNCER_SECRET_KEY"], syncer.environ["SYNCER_SECRET_ID"]
    document = failed(syncer.run_inside("sync", "--json"), 2)
    assert "SYNCER_SECRET_ID" in document["error"]
    assert "SYNCER_SECRET_KEY" in document["error"]


def test_options_that_exclude_each_other_are_2(command: MakeCommand) -> None:
    syncer = command(world=World(50))
    failed(syncer.run("sync", "--full", "--recent", "--json"), 2)
    assert syncer.run("sync", "--nonsense").returncode == 2


def test_the_brake_is_6_with_outcome_complete(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(100))
    assert syncer.run_inside("sync").returncode == 0
    syncer.simulator.world.delete(*syncer.simulator.world.ids()[:40])
    document = failed(syncer.run("sync", "--json"), 6)
    assert (document["outcome"], document["gone"]) == ("complete", 0)
    assert "--allow-sweep" in document["error"]
    allowed = json.loads(syncer.run_inside("sync", "--allow-sweep", "--json").stdout)
    assert (allowed["outcome"], allowed["gone"]) == ("complete", 40)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_the_page_in_hand_committed(
    command: MakeCommand, number: signal.Signals, code: int
) -> None:
    syncer = command(SMALL, world=World(200), behaviour=Behaviour(latency=0.1))
    running: list[subprocess.Popen[str]] = []

    def stop(_: Simulator) -> None:
        running[0].send_signal(number)

    syncer.simulator.schedule = {4: stop}
    running.append(syncer.start("sync", "--json"))
    out, err = running[0].communicate(timeout=30)
    document = failed(subprocess.CompletedProcess((), running[0].returncode, out, err), code)
    assert (document["outcome"], document["pages"], document["files"]) == ("stopped", 4, 80)
    assert syncer.simulator.call_count == 4
    again = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (again["resumed"], again["api_calls"]) == (True, 6)
    syncer.assert_equals_listing()


def test_a_terminal_that_closes_ends_it_like_a_signal_unless_nohup_said_otherwise(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(200), behaviour=Behaviour(latency=0.1))
    master, slave = os.openpty()
    running: list[subprocess.Popen[str]] = []

    def close(_: Simulator) -> None:
        os.close(master)
        # a shell passes its own hangup on to its jobs, which had the terminal's already
        running[0].send_signal(signal.SIGHUP)
        time.sleep(0.05)
        running[0].send_signal(signal.SIGHUP)

    syncer.simulator.schedule = {4: close}
    running.append(syncer.start("sync", output=slave))
    os.close(slave)
    assert running[0].wait(30) == 129
    (pull,) = syncer.rows("SELECT outcome, pages FROM syncer.pull")
    assert (pull["outcome"], pull["pages"]) == ("stopped", 4)
    syncer.simulator.schedule = {6: lambda _: running[1].send_signal(signal.SIGHUP)}
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running.append(syncer.start("sync"))
    finally:
        signal.signal(signal.SIGHUP, before)
    running[1].communicate(timeout=30)
    assert running[1].returncode == 0


def test_a_signal_ends_the_wait_for_quota_at_once(command: MakeCommand) -> None:
    syncer = command({**SMALL, "calls_per_minute": "2"}, world=World(200))
    process = syncer.start("sync", "--json")
    deadline = time.monotonic() + 30
    while syncer.simulator.call_count < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    began = time.monotonic()
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert time.monotonic() - began < 5


def test_no_secret_is_shown_however_much_is_logged(command: MakeCommand) -> None:
    syncer = command({**SMALL, "log_level": "debug", "retry_for": "1s"}, world=World(50))
    syncer.environ["SYNCER_TOKEN"] = "hunter2"
    url = make_url(syncer.database)
    for run, faults in (
        (syncer.run, Faults()),
        (syncer.run_inside, always(coded(4100))),
        (syncer.run_inside, always(coded(6000))),
    ):
        syncer.simulator.faults = faults
        done = run("sync")
        assert not SECRETS.search(done.stdout + done.stderr)
    syncer.simulator.down()
    done = syncer.run_inside("sync")
    assert done.returncode == 4
    assert not SECRETS.search(done.stdout + done.stderr)
    absent = url.set(database="absent", username="nobody", password="hunter2")
    syncer.environ["SYNCER_DATABASE_URL"] = absent.render_as_string(hide_password=False)
    assert not SECRETS.search(syncer.run_inside("sync").stderr)


def memory(syncer: Command, files: int) -> int:
    """Return the peak resident memory, in kB, of a sync of so many files."""
    simulator = Simulator(World(files))
    simulator.up()
    try:
        syncer.environ |= {"SYNCER_API_URL": simulator.url, "SYNCER_QUOTA_ACCOUNT": str(files)}
        process = syncer.start("sync")
        peak = 0
        while process.poll() is None:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - it may vanish
                found = re.search(r"VmHWM:\s+(\d+)", status.read())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(0.05)
        assert process.returncode == 0
        return peak
    finally:
        simulator.down()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_is_flat_from_ten_thousand_to_two_hundred_thousand_files(command: MakeCommand) -> None:
    syncer = command(world=World(0))
    small = memory(syncer, 10_000)
    large = memory(syncer, 200_000)
    assert large <= 1.1 * small, (small, large)
