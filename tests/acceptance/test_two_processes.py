"""Two processes on one source: one works, the other is turned away; a stalled one that wakes has written nothing."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import Any

from syncer.simulator import Behaviour, Simulator, World

from .conftest import Command, MakeCommand

SMALL = {"page_size": "20"}


def wait_for_calls(simulator: Simulator, calls: int) -> None:
    deadline = time.monotonic() + 30
    while simulator.call_count < calls:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def snapshot(command: Command) -> dict[str, Any]:
    tables = ("file", "change", "page", "pull", "lease", "suspect", "rejected", "context_death")
    return {table: command.rows(f"SELECT t::text FROM syncer.{table} t ORDER BY 1") for table in tables}


def test_the_second_gets_75_quickly_and_the_first_is_not_disturbed(command: MakeCommand) -> None:
    syncer, turned_away = command({**SMALL, "request_timeout": "60s"}, world=World(400)), threading.Event()
    syncer.simulator.schedule = {2: lambda _: turned_away.wait(45)}
    first = syncer.start("sync", "--json")
    wait_for_calls(syncer.simulator, 2)
    began = time.monotonic()
    second = syncer.run("sync", "--json")
    turned_away.set()
    assert second.returncode == 75
    assert time.monotonic() - began < 15
    document = json.loads(second.stdout)
    assert (document["source"], document["exit_code"]) == ("default", 75)
    assert f"process {first.pid}" in document["error"]
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert json.loads(out)["pages"] == 20
    syncer.assert_equals_listing()


def test_a_killed_holder_s_source_is_free_at_once(command: MakeCommand) -> None:
    syncer = command({**SMALL, "lease": "1h"}, world=World(200), behaviour=Behaviour(latency=0.1))
    first = syncer.start("sync")
    wait_for_calls(syncer.simulator, 4)
    first.kill()
    first.wait()
    second = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (second["outcome"], second["resumed"]) == ("complete", True)
    syncer.assert_equals_listing()


def test_a_holder_stopped_past_its_lease_is_succeeded_and_writes_nothing_when_it_wakes(command: MakeCommand) -> None:
    syncer = command({**SMALL, "lease": "2s"}, world=World(400), behaviour=Behaviour(latency=0.05))
    first = syncer.start("sync", "--json")
    wait_for_calls(syncer.simulator, 5)
    first.send_signal(signal.SIGSTOP)
    time.sleep(2)
    second = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (second["outcome"], second["resumed"]) == ("complete", True)
    before = snapshot(syncer)
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=30)
    assert first.returncode == 75, err
    assert json.loads(out)["exit_code"] == 75
    assert "took" in err
    assert snapshot(syncer) == before
    syncer.assert_equals_listing()


def test_four_at_once_make_one_pull(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(400), behaviour=Behaviour(latency=0.15))
    running = [syncer.start("sync") for _ in range(4)]
    codes = []
    for each in running:
        each.communicate(timeout=60)
        codes.append(each.returncode)
    assert min(codes) == 0
    assert set(codes) <= {0, 75}
    syncer.assert_equals_listing()


def test_two_sources_of_one_database_are_pulled_side_by_side(command: MakeCommand, tmp_path: Any) -> None:
    syncer = command(SMALL, world=World(200), behaviour=Behaviour(latency=0.1))
    config = tmp_path / "syncer.toml"
    config.write_text(
        '[[sources]]\nname = "one"\nprefix = "6001"\n[[sources]]\nname = "two"\nprefix = "6002"\n', encoding="utf-8"
    )
    running = [syncer.start("sync", "--source", name, "--config", str(config)) for name in ("one", "two")]
    for each in running:
        _, err = each.communicate(timeout=60)
        assert each.returncode == 0, err
    found = syncer.rows("SELECT source, count(*) AS files FROM report.backups GROUP BY source ORDER BY source")
    expected = [{"source": name, "files": len(syncer.simulator.listing(prefix))} for name, prefix in
                (("one", "6001"), ("two", "6002"))]  # fmt: skip
    assert found == expected
