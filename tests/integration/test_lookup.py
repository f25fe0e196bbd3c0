"""A person's questions: any number of ids, a prefix, both orders; what is answered is stored, nothing marked gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from syncer.errors import Endless
from syncer.model import Order
from syncer.pull.lookup import Lookup, LookupResult
from syncer.simulator import Behaviour, Fault, Faults, Kind, World, lost_reply, on

from .conftest import Rig

Simulated = Callable[..., Rig]
VARIANTS = {
    "left out": Behaviour(),
    "one missing id fails all": Behaviour(missing_id_fails_all=True),
    "never 10008": Behaviour(all_missing_fails=False),
}
every_variant = pytest.mark.parametrize("behaviour", VARIANTS.values(), ids=VARIANTS.keys())


def ask(rig: Rig, question: Callable[[Lookup], LookupResult]) -> LookupResult:
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        return question(lookup)


@every_variant
def test_any_number_of_ids_is_answered_and_the_missing_ones_are_named(
    simulated: Simulated, behaviour: Behaviour
) -> None:
    rig = simulated(world=World(300), behaviour=behaviour)
    ids = rig.simulator.world.ids()
    wanted = [*ids[:120], "absent-1", *ids[120:240], "absent-2", "absent-3"]
    result = ask(rig, lambda lookup: lookup.by_ids(wanted))
    assert set(result.files) == set(ids[:240])
    assert sorted(result.missing) == ["absent-1", "absent-2", "absent-3"]
    assert result.undecided == []
    assert set(rig.backups()) == set(ids[:240])


@every_variant
def test_only_missing_ids_are_all_named(simulated: Simulated, behaviour: Behaviour) -> None:
    rig = simulated(world=World(10), behaviour=behaviour)
    result = ask(rig, lambda lookup: lookup.by_ids(["a", "b", "c", "b"]))
    assert (sorted(result.missing), result.files) == (["a", "b", "c"], {})


def test_an_answer_costs_one_call_for_each_hundred(simulated: Simulated) -> None:
    rig = simulated(world=World(300))
    result = ask(rig, lambda lookup: lookup.by_ids(rig.simulator.world.ids()[:250]))
    assert (len(result.files), result.api_calls) == (250, 3)


def test_a_missing_id_is_not_marked_as_gone(simulated: Simulated) -> None:
    rig = simulated(world=World(50))
    rig.sync()
    gone = rig.simulator.world.ids()[7]
    rig.simulator.world.delete(gone)
    assert ask(rig, lambda lookup: lookup.by_ids([gone])).missing == [gone]
    assert rig.backups()[gone]["state"] == "live"


@pytest.mark.parametrize("order", Order)
def test_a_prefix_is_listed_to_its_end_in_either_order(simulated: Simulated, order: Order) -> None:
    rig = simulated({"page_size": "10"}, world=World(300))
    result = ask(rig, lambda lookup: lookup.by_prefix("6003", order))
    expected = [row["fileId"] for row in rig.simulator.listing("6003", int(order))]
    assert len(expected) > 20
    assert list(result.files) == expected
    assert set(rig.backups()) == set(expected)


def test_a_prefix_survives_lost_replies_and_a_dead_context(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(300))
    rig.simulator.faults = on([2, 4], lost_reply())
    rig.simulator.schedule = {3: lambda simulator: simulator.kill_contexts()}
    result = ask(rig, lambda lookup: lookup.by_prefix("6003", Order.OLDEST_FIRST))
    assert set(result.files) == {row["fileId"] for row in rig.simulator.listing("6003")}


def test_a_prefix_whose_listing_runs_in_a_circle_or_keeps_dying_ends(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(300), behaviour=Behaviour(cycle=2))
    with pytest.raises(Endless):
        ask(rig, lambda lookup: lookup.by_prefix("600", Order.OLDEST_FIRST))
    rig = simulated({"page_size": "10"}, world=World(300), behaviour=Behaviour(context_pages=1))
    with pytest.raises(Endless):
        ask(rig, lambda lookup: lookup.by_prefix("600", Order.OLDEST_FIRST))


def test_a_lookup_is_kept_as_a_run_with_its_calls(simulated: Simulated) -> None:
    rig = simulated(world=World(10))
    ask(rig, lambda lookup: lookup.by_ids(rig.simulator.world.ids()[:2]))
    (run,) = rig.rows("SELECT * FROM syncer.run")
    assert (run["kind"], run["outcome"], run["api_calls"], run["pull_id"]) == ("lookup", "complete", 1, None)


def test_a_file_that_is_gone_and_found_again_by_a_lookup_is_live(simulated: Simulated) -> None:
    rig = simulated(world=World(50))
    rig.sync()
    file_id = rig.simulator.world.ids()[7]
    rig.simulator.world.delete(file_id)
    rig.sync()
    assert rig.backups()[file_id]["state"] == "vanished"
    rig.simulator.world.restore(file_id)
    ask(rig, lambda lookup: lookup.by_ids([file_id]))
    assert rig.backups()[file_id]["state"] == "live"
    (last,) = rig.rows("SELECT kind, pull_id FROM report.changes ORDER BY changed_at DESC LIMIT 1")
    assert last == {"kind": "lookup", "pull_id": None}


def test_a_lookup_goes_on_beside_a_pull(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(100))
    found: list[int] = []

    def look(_: object) -> None:
        if len(found) < 2:
            ids = rig.simulator.world.ids()
            found.append(len(ask(rig, lambda lookup: lookup.by_ids(ids)).files))

    result = rig.sync(on_page=look)
    assert (result.outcome, found) == ("complete", [100, 100])
    rig.assert_equals_listing()


def test_faults_are_retried(simulated: Simulated) -> None:
    rig = simulated({"retry_for": "10s"}, world=World(50))
    rig.simulator.faults = Faults(rate=0.5, kinds=(lost_reply(), Fault(Kind.CUT)), end=6)
    assert len(ask(rig, lambda lookup: lookup.by_ids(rig.simulator.world.ids())).files) == 50


def test_a_page_whose_file_a_lookup_adds_meanwhile_is_tried_again(simulated: Simulated) -> None:
    rig = simulated(world=World(30))
    file_id = rig.simulator.world.ids()[7]
    with psycopg.connect(rig.database) as other:
        other.execute(
            "INSERT INTO syncer.file (source, file_id, first_seen_at, changed_at, first_run)"
            " VALUES ('default', %s, now(), now(), 1)",
            [file_id],
        )
        pull = threading.Thread(target=rig.sync)
        pull.start()
        waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        while not rig.rows(waits) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rig.rows(waits)
        other.commit()
        pull.join(60)
    rig.assert_equals_listing()
    (pulled,) = rig.rows("SELECT outcome, inserted, updated FROM report.pulls")
    assert pulled == {"outcome": "complete", "inserted": 29, "updated": 1}
