"""A run that dies anywhere loses nothing, and the next one goes on from the very page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from random import Random

import pytest

from campaign.statements import killed_before_statement
from syncer.errors import Endless
from syncer.simulator import Behaviour, End, Faults, Simulator, World, always, coded, lost_reply, on

from .conftest import Rig
from .deaths import Deaths

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}
ENDINGS = {
    "empty context": Behaviour(),
    "70008": Behaviour(end=End.CODE_70008),
    "70008 after a page computed once": Behaviour(end=End.CODE_70008, last_page_once=True),
}
every_ending = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())


def let_the_world_move(world: World, dice: Random) -> None:
    """Delete one file, add one, rename one, extend one."""
    ids = world.ids()
    gone, renamed, extended = dice.sample(ids, 3)
    world.delete(gone)
    world.change(renamed, name=f"renamed-{dice.random()}")
    world.change(extended, expires=world.now() + dice.randrange(86_400, 10**7))
    world.add()


@pytest.mark.one_server
@every_ending
def test_a_run_killed_before_any_of_its_statements_loses_nothing(simulated: Simulated, ending: Behaviour) -> None:
    rig, dice = simulated(SMALL, world=World(25), behaviour=ending), Random(1)
    rig.sync()
    # up to the first page nothing depends on how the listing ends
    deaths = Deaths(rig) if ending == Behaviour() else Deaths(rig, 16)
    while deaths.more:
        let_the_world_move(rig.simulator.world, dice)
        with deaths.next() as sent:
            rig.sync()
        committed = pages_committed(rig)
        calls = rig.simulator.call_count
        result = rig.sync()
        assert (result.outcome, result.error) == ("complete", None), sent[-1]
        rig.assert_equals_listing()
        assert rig.table() == rig.simulator.table(), sent[-1]
        if result.resumed:
            assert rig.simulator.call_count - calls <= max(4 - committed, 0) + 3, sent[-1]
    assert deaths.number > 60


@pytest.mark.parametrize("pages", [0, 2])
def test_a_pull_that_listed_nothing_before_it_is_taken_up_knows_the_listing_as_of_then(
    simulated: Simulated, pages: int
) -> None:
    rig = simulated(SMALL, world=World(35))
    if pages:
        rig.sync(stop_after=pages)
    else:
        rig.simulator.faults = always(coded(4000))
        assert rig.sync().outcome == "failed"
        rig.simulator.faults = Faults()
    (before,) = rig.rows("SELECT started_at FROM syncer.pull")
    (taken_up,) = rig.rows("SELECT syncer.instant() AS at")
    assert rig.sync().resumed
    (after,) = rig.rows("SELECT started_at FROM syncer.pull WHERE proven")
    assert (after["started_at"] > taken_up["at"]) == (not pages)
    assert (after == before) == bool(pages)


def pages_committed(rig: Rig) -> int:
    """Return the page at which the unfinished pull stands, 0 when there is none."""
    found = rig.rows("SELECT page FROM syncer.pull WHERE kind = 'full' AND finished_at IS NULL")
    return found[0]["page"] if found else 0


@every_ending
@pytest.mark.parametrize("page", [1, 4, 9, 10])
def test_after_a_stop_at_page_k_of_n_the_next_run_makes_the_rest_of_the_calls_plus_at_most_three(
    simulated: Simulated, ending: Behaviour, page: int
) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=ending)
    assert page == 10 or rig.sync(stop_after=page).outcome == "stopped"
    if page == 10:
        stop_at_the_last_page(rig)
    result = rig.sync()
    assert result.resumed
    assert result.api_calls <= 10 - page + 3
    assert (result.outcome, result.totals["verdict"]) == ("complete", "proven")
    rig.assert_equals_listing()


def stop_at_the_last_page(rig: Rig) -> None:
    """Kill the run once its tenth page is committed: before the first statement after it."""
    for number in count(1):
        with killed_before_statement(number):
            rig.sync()
        if pages_committed(rig) == 10:
            return


@pytest.mark.parametrize("end", [End.EMPTY_CONTEXT, End.CODE_70008])
def test_a_kill_between_the_last_reply_and_its_commit_costs_at_most_three_calls_more(
    simulated: Simulated, end: End
) -> None:
    rig = simulated(
        SMALL,
        world=World(95),
        behaviour=Behaviour(end=end, last_page_once=True),
    )
    rig.sync(stop_after=9)
    lose_the_next_reply(rig)
    result = rig.sync()
    assert result.resumed
    assert result.api_calls <= 1 + 3
    assert (result.outcome, result.totals["verdict"]) == ("complete", "proven")
    rig.assert_equals_listing()


def lose_the_next_reply(rig: Rig) -> None:
    """Kill a run after its next call was served and before what it brought is committed."""
    calls = rig.simulator.call_count
    for number in count(1):
        with killed_before_statement(number):
            rig.sync()
        if rig.simulator.call_count > calls:
            return


def test_contexts_that_die_with_the_process_begin_the_listing_anew(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync(stop_after=6)
    rig.simulator.kill_contexts()
    result = rig.sync()
    assert (result.outcome, result.resumed, result.totals["restarts"]) == ("complete", True, 1)
    assert result.api_calls == 11
    rig.assert_equals_listing()
    (death,) = rig.rows("SELECT * FROM syncer.context_death")
    assert (death["page"], death["code"], death["age_seconds"] is not None) == (6, 70005, True)


def test_a_pull_gets_on_whose_contexts_die_in_every_run_as_long_as_each_gets_further(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    for pages in (2, 4, 6, 8):
        assert rig.sync(stop_after=pages).outcome == "stopped"
        rig.simulator.kill_contexts()
    assert rig.sync().outcome == "complete"
    rig.assert_equals_listing()
    assert len(rig.rows("SELECT * FROM report.pulls")) == 1


def test_a_listing_that_never_ends_can_be_taken_up_once_contexts_live(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(context_pages=3))
    first = rig.sync()
    assert isinstance(first.error, Endless)
    assert first.totals["restarts"] == 4
    set_behaviour(rig.simulator, context_pages=None)
    again = rig.sync()
    assert (again.outcome, again.resumed, again.pull_id) == ("complete", True, first.pull_id)
    rig.assert_equals_listing()


def set_behaviour(simulator: Simulator, **changes: object) -> None:
    """Change how the simulator behaves from now on."""
    simulator.behaviour = replace(simulator.behaviour, **changes)  # type: ignore[arg-type] # a test's own names
    for part in (simulator._api, simulator._api.contexts, simulator._api._cutter):
        part._behaviour = simulator.behaviour


@pytest.mark.parametrize(
    "changed",
    [
        {"prefix": "6001"},
        {"page_size": "20"},
        {"api_url": "other"},
        {"quota_account": "another"},
        {"region": "bj"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_changed_settings_never_use_an_old_context_again(simulated: Simulated, changed: dict[str, str]) -> None:
    rig = simulated(SMALL, world=World(100))
    first = rig.sync(stop_after=4)
    if "api_url" in changed:
        changed = {"api_url": rig.simulator.url.replace("127.0.0.1", "localhost")}
        changed["signed_host"] = "localhost"
    rig.environ |= {f"SYNCER_{name.upper()}": value for name, value in changed.items()}
    calls = rig.simulator.call_count
    result = rig.sync()
    assert (result.outcome, result.resumed) == ("complete", False)
    assert result.pull_id != first.pull_id
    assert "context" not in rig.simulator.calls[calls].params
    outcomes = rig.rows("SELECT outcome FROM report.pulls ORDER BY pull_id")
    assert [row["outcome"] for row in outcomes] == ["abandoned", "complete"]


def test_a_single_use_context_whose_reply_was_lost_with_the_process_begins_anew(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(context_uses=1))
    rig.sync(stop_after=5)
    lose_the_next_reply(rig)
    result = rig.sync()
    assert (result.outcome, result.totals["restarts"]) == ("complete", 1)
    rig.assert_equals_listing()


def test_lost_replies_to_every_page_and_kills_between_them_lose_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(end=End.CODE_70008, last_page_once=True))
    rig.simulator.faults = on(range(1, 200, 2), lost_reply())
    for _ in range(4):
        rig.sync(stop_after=2)
    result = rig.sync()
    assert result.outcome == "complete"
    rig.simulator.faults = Faults()
    rig.assert_equals_listing()
