"""A recent pull is cheap, and never takes for known what no finished pull has listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from campaign.statements import killed_before_statement
from syncer.pull.run import RunResult
from syncer.simulator import Behaviour, End, Faults, Simulator, World, lost_reply, on

from .conftest import Rig

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10", "recent_overlap": "0s"}


def add_at(rig: Rig, number: int, *, seconds_ago: int = 0) -> list[str]:
    world = rig.simulator.world
    return [world.add(created=world.now() - seconds_ago).file_id for _ in range(number)]


def backdate(rig: Rig, **by: int) -> None:
    """Let every pull so far have begun earlier than it did."""
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute("UPDATE syncer.pull SET started_at = started_at - %s", [timedelta(**by)])


def let_the_api_s_clock_be_behind(rig: Rig) -> None:
    """Let all that is listed look older than the last pull: then only what is known can hold a recent pull up."""
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute("UPDATE syncer.pull SET started_at = now() + interval '1 hour'")


@pytest.fixture
def pulled(simulated: Simulated) -> Rig:
    """A rig whose hundred files were listed by a full pull that began an hour ago."""
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    backdate(rig, hours=1)
    return rig


def test_finding_nothing_costs_one_call(pulled: Rig) -> None:
    # the population's newest files are a minute old: let them be older than the boundary
    rig = pulled
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute("UPDATE syncer.pull SET started_at = now()")
    result = rig.sync("recent")
    assert (result.outcome, result.api_calls, result.totals["inserted"]) == ("complete", 1, 0)


def test_finding_some_costs_the_pages_they_are_on_and_one_more_at_most(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    add_at(rig, 25)
    result = rig.sync("recent")
    assert (result.outcome, result.api_calls, result.totals["inserted"]) == ("complete", 4, 25)
    rig.assert_equals_listing()
    assert rig.sync("recent").totals["inserted"] == 0


def test_a_recent_pull_says_nothing_about_completeness_and_sweeps_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[-3:])
    result = rig.sync("recent")
    assert (result.totals["verdict"], result.totals["gone"]) == ("partial", 0)
    assert len(rig.backups()) == 100


@pytest.mark.parametrize("context_dies", [False, True])
@pytest.mark.parametrize("died", ["stopped", "killed"])
def test_one_that_died_after_its_first_page_loses_nothing(
    simulated: Simulated, died: str, *, context_dies: bool
) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    let_the_api_s_clock_be_behind(rig)
    add_at(rig, 35)
    if died == "stopped":
        assert rig.sync("recent", stop_after=1).outcome == "stopped"
    else:
        die_after_the_first_page(rig)
    assert len(rig.backups()) == 110
    if context_dies:
        rig.simulator.kill_contexts()
    result = rig.sync("recent")
    assert (result.outcome, result.resumed) == ("complete", False)
    assert result.totals["inserted"] == 25
    rig.assert_equals_listing()


def die_after_the_first_page(rig: Rig) -> None:
    number = 10
    while len(rig.backups()) == 100:
        with killed_before_statement(number):
            rig.sync("recent")
        number += 1


def test_recent_pulls_that_die_one_after_the_other_lose_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    let_the_api_s_clock_be_behind(rig)
    for _ in range(4):
        add_at(rig, 15)
        rig.sync("recent", stop_after=1)
        rig.simulator.kill_contexts()
    rig.sync("recent")
    rig.assert_equals_listing()


def test_one_whose_context_dies_in_the_middle_begins_anew(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    add_at(rig, 35)
    rig.simulator.schedule = {rig.simulator.call_count + 2: Simulator.kill_contexts}
    result = rig.sync("recent")
    assert (result.outcome, result.totals["restarts"]) == ("complete", 1)
    rig.assert_equals_listing()


def test_a_lookup_in_between_makes_nothing_known(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    let_the_api_s_clock_be_behind(rig)
    added = add_at(rig, 30)
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        lookup.by_ids(added[-12:])
    assert rig.sync("recent").totals["inserted"] == 18
    rig.assert_equals_listing()


def test_an_abandoned_full_pull_makes_nothing_known(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    let_the_api_s_clock_be_behind(rig)
    add_at(rig, 30)
    rig.sync(stop_after=2)
    rig.simulator.kill_contexts()
    result = rig.sync("recent")
    assert result.totals["inserted"] == 10
    rig.assert_equals_listing()


@pytest.mark.parametrize("end", End)
def test_before_any_full_pull_it_lists_to_its_end(simulated: Simulated, end: End) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(end=end))
    for _ in range(2):
        result = rig.sync("recent")
        assert (result.outcome, result.totals["files"]) == ("complete", 100)
    rig.assert_equals_listing()


def test_an_unfinished_full_pull_is_no_full_pull(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync(stop_after=8)
    assert rig.sync("recent").totals["files"] == 100
    assert rig.sync().resumed


def test_each_prefix_has_its_own_boundary(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200))
    rig.environ["SYNCER_PREFIX"] = "6001"
    rig.sync()
    rig.environ["SYNCER_PREFIX"] = "6002"
    result = rig.sync("recent")
    assert result.totals["files"] == len(rig.simulator.listing("6002"))
    assert result.totals["inserted"] > 10
    rig.environ["SYNCER_PREFIX"] = "6001"
    assert rig.sync("recent").api_calls == 1


def test_an_ambiguous_end_is_unproven_and_makes_nothing_known(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(last_page_once=True))
    rig.simulator.faults = on([10], lost_reply())
    first = rig.sync("recent")
    assert (first.outcome, first.error) == ("unproven", None)
    rig.simulator.faults = Faults()
    second = rig.sync("recent")
    assert (second.outcome, second.totals["files"]) == ("complete", 100)
    rig.assert_equals_listing()


def test_a_server_that_ignores_the_order_is_read_to_its_end(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(orderby_ignored=True))
    rig.sync()
    add_at(rig, 5)
    result = rig.sync("recent")
    assert (result.outcome, result.totals["inserted"]) == ("complete", 5)
    rig.assert_equals_listing()


def test_a_file_listed_late_within_the_overlap_is_found(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "recent_overlap": "10m"}, world=World(100))
    rig.sync()
    add_at(rig, 12)
    rig.sync("recent")
    late = add_at(rig, 1, seconds_ago=300)
    add_at(rig, 3)
    rig.sync("recent")
    assert late[0] in rig.backups()


def test_files_that_arrive_while_it_reads_are_found_by_the_next(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()

    def arrive(_: Any) -> None:
        add_at(rig, 15)

    add_at(rig, 30)
    rig.simulator.schedule = {rig.simulator.call_count + 2: arrive}
    rig.sync("recent")
    rig.simulator.schedule = {}
    rig.sync("recent")
    rig.assert_equals_listing()


def test_a_recent_pull_between_two_runs_of_a_full_one_hides_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.sync(stop_after=4)
    add_at(rig, 25)
    rig.sync("recent", stop_after=1)
    assert rig.sync().resumed
    results: list[RunResult] = [rig.sync("recent")]
    assert results[0].totals["inserted"] == 15
    rig.assert_equals_listing()


def test_a_changed_field_is_noticed_on_the_pages_it_reads(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    newest = rig.simulator.world.ids()[-1]
    rig.simulator.world.change(newest, name="renamed.mp4")
    result = rig.sync("recent")
    assert (result.totals["updated"], rig.backups()[newest]["name"]) == (1, "renamed.mp4")


def test_the_clock_of_the_database_decides_not_that_of_the_process(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    (row,) = rig.rows("SELECT started_at FROM report.pulls")
    assert abs(row["started_at"] - datetime.now(UTC)) < timedelta(minutes=1)  # noqa: TID251 - the real clock
