"""The totals for metrics: they agree with what was committed, only ever grow, and cost a clean page nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from syncer.simulator import Behaviour, Faults, World, coded, http_error, lost_reply
from syncer.source.tally import Tally
from syncer.store import counters
from syncer.store.database import connect
from syncer.store.retention import Keep, prune

from .conftest import Rig
from .deaths import Deaths

Simulated = Callable[..., Rig]
SMALL = {"page_size": "10"}


def totals(rig: Rig) -> dict[tuple[str, ...], float]:
    with connect(rig.database) as connection:
        return {(each.name, each.kind, each.label): each.value for each in counters.read(connection)}


def pages_answered(found: dict[tuple[str, ...], float]) -> float:
    """Return how many calls brought a page, as a scrape shows them."""
    every = sum(value for (name, *_), value in found.items() if name == "api_calls")
    return every - sum(value for (name, *_), value in found.items() if name == "api_outcomes")


class Scrapes:
    """Totals read again and again; none may ever be lower than it was."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._last, self._answered = rig, dict[tuple[str, ...], float](), 0.0

    def __call__(self, _: object = None) -> dict[tuple[str, ...], float]:
        found = totals(self._rig)
        assert not {key for key, value in self._last.items() if found.get(key, 0) < value}
        assert pages_answered(found) >= self._answered
        self._last, self._answered = found, pages_answered(found)
        return found


def test_totals_follow_a_pull_through_trouble_and_agree_with_it_and_with_the_server(simulated: Simulated) -> None:
    faults = Faults({2: http_error(503), 5: coded(6000), 6: lost_reply(), 9: coded(70005), 14: coded(1001)})
    rig = simulated(SMALL, world=World(95), faults=faults)
    scrape = Scrapes(rig)
    assert rig.sync(stop_after=6, on_page=scrape).outcome == "stopped"
    rig.sync(on_page=scrape)
    rig.simulator.world.delete(rig.simulator.world.ids()[3])
    rig.sync(on_page=scrape)
    rig.sync("recent", on_page=scrape)
    found = scrape()
    pulls = rig.rows(
        "SELECT kind, sum(pages) AS pages, sum(restarts) AS restarts, sum(inserted) AS inserted,"
        " sum(unchanged) AS unchanged, sum(gone) AS gone FROM report.pulls GROUP BY kind"
    )
    for row in pulls:
        kind = row["kind"]
        assert found[("pages", kind, "")] == row["pages"]
        assert found.get(("restarts", kind, ""), 0) == row["restarts"]
        for fate in ("inserted", "unchanged", "gone"):
            assert found.get(("rows", kind, fate), 0) == row[fate]
    assert {key[1:]: value for key, value in found.items() if key[0] == "pulls"} == {
        ("full", "stopped"): 1,
        ("full", "complete"): 2,
        ("recent", "complete"): 1,
    }
    outcomes = {key[2]: value for key, value in found.items() if key[0] == "api_outcomes"}
    assert outcomes == {"http_503": 1, "6000": 1, "connection_broken": 1, "70005": 1, "1001": 1}
    assert found[("api_retries", "", "")] == 4
    assert sum(value for (name, *_), value in found.items() if name == "api_calls") == rig.simulator.call_count


@pytest.mark.one_server
def test_a_run_killed_before_any_of_its_statements_counts_what_it_committed(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(15), faults=Faults({2: coded(6000)}))
    scrape, file, deaths = Scrapes(rig), rig.simulator.world.ids()[3], Deaths(rig)
    while deaths.more:
        rig.simulator.world.change(file, name=f"changed-{deaths.number}")
        with deaths.next() as sent:
            rig.sync()
        scrape()
        rig.sync()
        found = scrape()
        pages, ended = rig.rows(
            "SELECT sum(pages) AS pages, count(*) FILTER (WHERE outcome = 'complete') AS ended FROM report.pulls"
        )[0].values()
        assert (found[("pages", "full", "")], found[("pulls", "full", "complete")]) == (pages, ended), sent[-1]
    assert deaths.number > 60


def test_pruning_lowers_no_total(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(30), faults=Faults({2: coded(6000)}))
    for _ in range(5):
        rig.sync()
    before = totals(rig)
    gone = timedelta(0)
    with connect(rig.database) as connection:
        pruned = prune(connection, "default", Keep(gone, gone, gone))
    assert pruned.pages
    assert pruned.runs
    assert totals(rig) == before


def test_a_page_without_trouble_writes_no_total(simulated: Simulated) -> None:
    rig, written = simulated(SMALL, world=World(50)), list[int]()

    def look(_: object) -> None:
        written.append(rig.rows("SELECT count(*) AS number FROM syncer.counter")[0]["number"])

    rig.sync(on_page=look)
    assert written == [0] * 5
    assert totals(rig)[("pages", "full", "")] == 5


def test_calls_that_belong_to_no_pull_are_counted_too(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(5), faults=Faults({1: coded(6000)}))
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.sources[0]) as lookup:
        lookup.by_ids(rig.simulator.world.ids()[:2])
    assert totals(rig) == {
        ("api_calls", "lookup", ""): 2,
        ("api_outcomes", "", "6000"): 1,
        ("api_retries", "", ""): 1,
    }


def test_waiting_for_quota_is_counted_by_the_end_of_the_run(simulated: Simulated) -> None:
    rig = simulated(SMALL | {"calls_per_minute": "60"}, world=World(30))
    rig.sync()
    assert 0 < totals(rig)[("quota_wait_seconds", "", "")] < 60


def test_a_tally_leaves_short_waits_for_later() -> None:
    tally = Tally()
    tally.made, tally.outcomes["0"], tally.waited = 1, 1, 0.6
    assert tally.take(least_wait=30.0).quota_wait_seconds == 0
    tally.made, tally.outcomes["0"], tally.waited = 2, 2, 1.2
    calls = tally.take()
    assert (calls.made, calls.outcomes, calls.quota_wait_seconds) == (1, {}, pytest.approx(1.2))
    tally.outcomes["6000"], tally.waited = 1, 1.8
    assert tally.take(least_wait=30.0).quota_wait_seconds == pytest.approx(0.6)
    assert not tally.take().quota_wait_seconds


def test_expected_codes_are_outcomes_and_no_retries(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(20), behaviour=Behaviour(context_pages=1))
    rig.sync()
    found = totals(rig)
    assert found[("api_outcomes", "", "70005")] == found[("restarts", "full", "")] == 4
    assert ("api_retries", "", "") not in found
