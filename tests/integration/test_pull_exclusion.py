"""One process at a time pulls a source, and one that stalled past its lease writes nothing when it wakes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from campaign.statements import before_statement, killed_before_statement
from syncer.errors import Busy, Fenced
from syncer.pull.run import RunResult
from syncer.simulator import Behaviour, End, World

from .conftest import Rig

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}
TABLES = ("file", "change", "rejected", "pull", "page", "suspect", "context_death", "lease", "source")


def everything(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """Return all that a stalled process must leave alone; the rows of runs are its own."""
    return {table: rig.rows(f"SELECT t::text FROM syncer.{table} t ORDER BY 1") for table in TABLES}


def expire_the_lease(rig: Rig) -> None:
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute("UPDATE syncer.lease SET held_until = clock_timestamp() - interval '1s'")


def in_transaction(rig: Rig) -> bool:
    """Return whether the stalled run is in the middle of a transaction; then only the server can end its claim."""
    return bool(rig.rows("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"))


def sync_once_free(rig: Rig) -> RunResult:
    """Take the source over as soon as it is free; a stalled transaction keeps it for the length of its lease."""
    for _ in range(5):
        with suppress(Busy):
            return rig.sync()
    raise AssertionError("the source never became free")


@pytest.mark.one_server
@pytest.mark.parametrize("kind", ["full", "resumed", "recent"])
def test_a_run_that_stalls_before_any_of_its_statements_writes_nothing_after_another_took_over(
    simulated: Simulated, kind: str
) -> None:
    settings = {**SMALL, "lease": "1s", "sweep_brake": "1"}
    rig = simulated(settings, world=World(15), behaviour=Behaviour(end=End.CODE_70008))
    rig.sync()
    fenced, number, through = 0, 1, False
    while not through:
        world = rig.simulator.world
        world.delete(world.ids()[-3])
        world.change(world.ids()[5], name=f"renamed {number}")
        world.add()
        kept: dict[str, Any] = {}
        if kind == "resumed":
            rig.sync(stop_after=1)

        def meanwhile(kept: dict[str, Any] = kept) -> None:
            if any(row["held_until"] for row in rig.rows("SELECT held_until FROM syncer.lease")):
                if not in_transaction(rig):
                    expire_the_lease(rig)
                assert sync_once_free(rig).outcome == "complete"
                kept.update(everything(rig))

        error: Exception | None = None
        with before_statement(number, meanwhile) as sent:
            try:
                error = rig.sync("recent" if kind == "recent" else "full").error
            except Fenced as raised:
                error = raised
        through = len(sent) < number
        if kept:
            assert everything(rig) == kept, sent[number - 1]
            if "lease" in sent[number - 1].lower() and number > 3:
                fenced += isinstance(error, Fenced)
        # once it gave its lease back nobody minds a run: that is looked at here and there
        number += 1 if kept or number < 15 else 7
    assert fenced >= 5
    assert rig.sync().outcome == "complete"
    rig.assert_equals_listing()


def test_a_second_run_is_turned_away_at_once_and_the_first_goes_on(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    turned_away: list[float] = []

    def second(_: object) -> None:
        if not turned_away:
            began = time.monotonic()
            with pytest.raises(Busy, match=r"being pulled by .*, process \d+"):
                rig.sync()
            turned_away.append(time.monotonic() - began)

    result = rig.sync(on_page=second)
    assert (result.outcome, result.totals["pages"]) == ("complete", 10)
    assert turned_away[0] < 3


def test_a_killed_run_s_source_is_free_at_once(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "lease": "1h"}, world=World(100))
    with killed_before_statement(22):
        rig.sync()
    assert rig.rows("SELECT holder FROM syncer.lease WHERE held_until > now() + interval '50 min'")
    began = time.monotonic()
    result = rig.sync()
    assert (result.outcome, result.resumed) == ("complete", True)
    assert time.monotonic() - began < 5


def test_runs_of_many_threads_leave_one_whole_table(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    results: list[RunResult | Busy] = []

    def work() -> None:
        try:
            results.append(rig.sync())
        except Busy as busy:
            results.append(busy)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 5
    assert all(isinstance(result, Busy) or result.outcome == "complete" for result in results)
    rig.assert_equals_listing()
    assert not rig.rows("SELECT FROM syncer.pull WHERE finished_at IS NULL")


def test_the_lease_is_given_back_after_a_failure_and_a_stop(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync(stop_after=2)
    assert rig.rows("SELECT held_until FROM syncer.lease") == [{"held_until": None}]
    rig.simulator.down()
    assert rig.sync().outcome == "failed"
    assert rig.rows("SELECT held_until FROM syncer.lease") == [{"held_until": None}]


def test_a_long_wait_renews_the_lease(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "lease": "1s", "retry_for": "3s"}, world=World(30))
    others: list[str] = []

    def watch() -> None:
        time.sleep(1.5)
        rival = simulated(SMALL, world=World(30))
        try:
            others.append(rival.sync().outcome)
        except Busy:
            others.append("busy")

    rig.simulator.down()
    thread = threading.Thread(target=watch)
    thread.start()
    result = rig.sync()
    thread.join()
    assert (result.outcome, others) == ("failed", ["busy"])
