"""kill -9 of the real process, many times over: the table ends equal to the listing, three calls later at most."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from syncer.simulator import Behaviour, End, Fault, Kind, Simulator, World, on

from .conftest import Command, MakeCommand

FILES = 1200
SMALL = {"page_size": "20"}
ENDINGS = {
    "empty context": Behaviour(last_page_once=True),
    "70008": Behaviour(last_page_once=True, end=End.CODE_70008),
}


def killed_at_call(command: Command, call: int, *, after_reply: float | None = None) -> None:
    """Run a sync and kill it when its call `call` was served: before the reply leaves, or so many seconds after."""
    running: list[subprocess.Popen[str]] = []

    def kill(_: Simulator) -> None:
        if after_reply is None:
            running[0].kill()
            running[0].wait()

    base = command.simulator.call_count
    command.simulator.schedule = {base + call: kill}
    running.append(command.start("sync"))
    if after_reply is not None:
        deadline = time.monotonic() + 30
        while command.simulator.call_count < base + call and running[0].poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(after_reply)
        running[0].kill()
    running[0].communicate(timeout=30)
    command.simulator.schedule = {}


def committed_pages(command: Command) -> int:
    found = command.rows("SELECT page FROM syncer.pull WHERE kind = 'full' AND finished_at IS NULL")
    return int(found[0]["page"]) if found else 0


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
@pytest.mark.parametrize("kills", [4, pytest.param(13, marks=pytest.mark.slow)])
def test_kills_at_random_moments_of_one_pull_lose_nothing(command: MakeCommand, ending: Behaviour, kills: int) -> None:
    dice, files = Random(2024), kills * FILES // 3  # more than a fast machine can read between the kills
    syncer = command(SMALL, world=World(files), behaviour=ending)
    for _ in range(kills):
        delay = dice.choice([None, 0.0, 0.002, 0.005, 0.01, 0.02])
        killed_at_call(syncer, dice.randint(1, 5), after_reply=delay)
        assert_ledger_is_whole(syncer)
    before = committed_pages(syncer)
    result = syncer.run_inside("sync", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["outcome"], document["resumed"], document["restarts"]) == ("complete", True, 0)
    assert document["api_calls"] <= files // 20 - before + 3
    syncer.assert_equals_listing()
    assert len(syncer.rows("SELECT FROM report.pulls")) == 1


def assert_ledger_is_whole(command: Command) -> None:
    """Assert that a row is visible if and only if its page is checkpointed."""
    (row,) = command.rows(
        "SELECT (SELECT count(*) FROM syncer.file) AS files, p.page, p.files AS counted,"
        " (SELECT array_agg(page ORDER BY page) FROM syncer.page) AS pages,"
        " (SELECT count(DISTINCT id) FROM report.pages, unnest(file_ids) AS id) AS listed"
        " FROM (SELECT coalesce(max(page), 0) AS page, coalesce(sum(files), 0) AS files FROM syncer.pull) AS p"
    )
    assert row["files"] == row["counted"] == row["listed"]
    assert (row["pages"] or []) == list(range(1, row["page"] + 1))


def test_a_kill_at_the_last_page_with_its_reply_lost_marks_nothing_and_ends_proven(command: MakeCommand) -> None:
    for end in End:
        syncer = command(SMALL, world=World(100), behaviour=Behaviour(last_page_once=True, end=end))
        syncer.environ["SYNCER_REGION"] = end.value
        killed_at_call(syncer, 5)
        assert committed_pages(syncer) == 4
        result = json.loads(syncer.run_inside("sync", "--json").stdout)
        assert (result["outcome"], result["verdict"], result["gone"]) == ("complete", "proven", 0)
        assert result["api_calls"] <= 1 + 3
        syncer.assert_equals_listing()
        delete_everything(syncer)


def delete_everything(command: Command) -> None:
    command.rows("WITH a AS (DELETE FROM syncer.page), b AS (DELETE FROM syncer.file) SELECT 1")


def test_kills_while_a_sweep_asks_for_what_is_gone_mark_only_that(command: MakeCommand) -> None:
    syncer = command({"page_size": "100"}, world=World(900), behaviour=Behaviour(missing_id_fails_all=True))
    assert syncer.run_inside("sync").returncode == 0
    syncer.simulator.world.delete(*syncer.simulator.world.ids()[100:106])
    for call in (10, 2, 2, 1):
        killed_at_call(syncer, call)
    result = json.loads(syncer.run_inside("sync", "--json").stdout)
    assert (result["outcome"], result["gone"], result["verdict"]) == ("complete", 6, "proven")
    syncer.assert_equals_listing()
    assert len(syncer.rows("SELECT FROM report.changes WHERE field = 'gone_at'")) == 6


def test_a_killed_recent_pull_loses_nothing(command: MakeCommand) -> None:
    syncer = command(SMALL, world=World(200))
    assert syncer.run_inside("sync").returncode == 0
    for call in (1, 2):
        for _ in range(35):
            syncer.simulator.world.add()
        running: list[subprocess.Popen[str]] = []
        syncer.simulator.schedule = {syncer.simulator.call_count + call: killer(running)}
        running.append(syncer.start("sync", "--recent"))
        running[0].communicate(timeout=30)
        syncer.simulator.schedule = {}
    syncer.simulator.kill_contexts()
    assert syncer.run_inside("sync", "--recent").returncode == 0
    syncer.assert_equals_listing()


def killer(running: list[subprocess.Popen[str]]) -> Callable[[Simulator], Any]:
    def kill(_: Simulator) -> None:
        running[0].kill()
        running[0].wait()

    return kill


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_forty_kills_among_faults_dying_contexts_and_a_moving_world(command: MakeCommand) -> None:
    dice = Random(7)
    syncer = command({**SMALL, "retry_for": "30s"}, world=World(FILES), behaviour=ENDINGS["70008"])
    for number in range(40):
        faults = (Fault(Kind.RESET), Fault(Kind.CUT), Fault(Kind.CODE, code=1001))
        base = syncer.simulator.call_count
        syncer.simulator.faults = on([base + dice.randint(1, 8)], dice.choice(faults))
        killed_at_call(syncer, dice.randint(1, 12), after_reply=dice.choice([None, 0.0, 0.004, 0.01]))
        if number % 10 == 0:
            syncer.simulator.kill_contexts()
        if number % 3 == 0:
            syncer.simulator.world.add()
            syncer.simulator.world.delete(dice.choice(syncer.simulator.world.ids()))
    for _ in range(2):
        assert syncer.run("sync").returncode == 0
    syncer.assert_equals_listing()
