"""A first full pull does not look up what it believes to be new: where it is mistaken, a page is as any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from campaign.statements import Killed, before_statement, killed_before_statement
from syncer.errors import Fenced
from syncer.pull.attempt import Progress
from syncer.simulator import Behaviour, Fault, Kind, Paging, World, coded, on

from .conftest import Rig

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}


def look_up(rig: Rig, file_ids: list[str]) -> None:
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        assert len(lookup.by_ids(file_ids).files) == len(file_ids)


def at(page: int, deed: Callable[[], object]) -> Callable[[Progress], None]:
    """Return what does `deed` after page number `page`."""

    def note(progress: Progress) -> None:
        if progress.page == page:
            deed()

    return note


def committed(sent: list[str]) -> tuple[int, int]:
    """Return how many of the statements commit a page: those that look its files up, and those that do not."""
    pages = [sql for sql in sent if "ledger AS" in sql]
    looking = sum("LIMIT 1" in sql for sql in pages)
    return looking, len(pages) - looking


def test_after_a_page_of_new_files_none_is_looked_up_until_a_full_pull_has_finished(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    with before_statement(0, lambda: None) as sent:
        assert rig.sync().totals["inserted"] == 100
    assert committed(sent) == (1, 9)
    for _ in range(30):
        rig.simulator.world.add()
    with before_statement(0, lambda: None) as sent:
        assert rig.sync().totals["inserted"] == 30
    assert committed(sent) == (13, 0)
    rig.assert_equals_listing()


@pytest.mark.parametrize("number", [1, 10])
def test_files_that_are_stored_meanwhile_are_counted_as_known(simulated: Simulated, number: int) -> None:
    rig = simulated(SMALL, world=World(100))
    # The listing goes from the newest to the oldest: these are of the page after the third.
    files = rig.simulator.world.ids()[::-1][30 : 30 + number]
    with before_statement(0, lambda: None) as sent:
        totals = rig.sync(on_page=at(3, lambda: look_up(rig, files))).totals
    # The page is committed a second time, as any other, and so is the one after it.
    assert committed(sent) == (3, 8)
    assert (totals["inserted"], totals["updated"], totals["unchanged"]) == (100 - number, 0, number)
    assert (totals["verdict"], totals["files"], totals["pages"]) == ("proven", 100, 10)
    rig.assert_equals_listing()
    assert rig.rows("SELECT count(*) AS n FROM syncer.change") == [{"n": 0}]
    (stock,) = rig.rows("SELECT sum(files)::int AS n FROM syncer.stock WHERE kind = 'expiry'")
    assert stock["n"] == 100


def test_a_file_that_changed_between_its_lookup_and_its_page_is_rewritten(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    world = rig.simulator.world
    changed = world.ids()[::-1][34]

    def look_up_and_change() -> None:
        look_up(rig, [changed])
        world.change(changed, name="renamed")

    totals = rig.sync(on_page=at(2, look_up_and_change)).totals
    assert (totals["inserted"], totals["updated"]) == (99, 1)
    assert [row["new_value"] for row in rig.rows("SELECT new_value FROM report.changes WHERE field = 'name'")] == [
        "renamed"
    ]
    rig.assert_equals_listing()


def test_a_listing_that_begins_anew_finds_its_files_known(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), faults=on([6], coded(70005)))
    with before_statement(0, lambda: None) as sent:
        totals = rig.sync().totals
    assert (totals["inserted"], totals["unchanged"], totals["restarts"]) == (100, 50, 1)
    # Five pages, then five known ones, and the page after these is not yet believed to be new.
    assert committed(sent) == (1 + 6, 4 + 4)
    rig.assert_equals_listing()


def test_a_rejected_entry_of_a_page_behind_new_ones_is_kept(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    world = rig.simulator.world
    world.change(world.ids()[::-1][25], size=-5)
    totals = rig.sync().totals
    assert (totals["inserted"], totals["rejected"]) == (100, 1)
    assert [row["page"] for row in rig.rows("SELECT page FROM report.rejected")] == [3]


def test_files_bear_the_run_that_found_them(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(40))
    rig.sync()
    found = rig.rows("SELECT DISTINCT f.first_run, r.kind FROM syncer.file f JOIN syncer.run r ON r.run_id = first_run")
    assert [row["kind"] for row in found] == ["full"]


def test_the_page_at_hand_goes_in_for_no_other(simulated: Simulated) -> None:
    """Now and then there is a slot for the next page, and none for the one after it."""
    rig = simulated({**SMALL, "calls_per_minute": "600"}, world=World(100))
    rig.sync(on_page=lambda progress: time.sleep(0.35 if progress.page % 3 == 0 else 0))
    rig.assert_equals_listing()


def test_a_run_that_was_often_mistaken_looks_every_file_up(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200))
    newest_first = rig.simulator.world.ids()[::-1]
    look_up(rig, newest_first[25::20])  # one of every other page
    with before_statement(0, lambda: None) as sent:
        assert rig.sync().totals["unchanged"] == 9
    # Mistaken on pages 3, 5 and 7, of which each is committed again.
    assert committed(sent) == (19, 4)
    rig.assert_equals_listing()


def test_an_empty_page_says_nothing_of_the_next(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(60), faults=on([3], Fault(Kind.EMPTY_PAGE)))
    look_up(rig, rig.simulator.world.ids())
    with before_statement(0, lambda: None) as sent:
        rig.sync()
    assert committed(sent) == (7, 0)


def test_empty_pages_are_no_mistakes(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200), faults=on([3, 6, 9], Fault(Kind.EMPTY_PAGE)))
    with before_statement(0, lambda: None) as sent:
        assert rig.sync().totals["inserted"] == 200
    # Looked up are the files of the first page, and of each behind an empty one.
    assert committed(sent) == (4, 19)


@pytest.mark.parametrize("kind", [Kind.DUPLICATES, Kind.EMPTY_PAGE])
def test_odd_pages_in_between_change_nothing(simulated: Simulated, kind: Kind) -> None:
    rig = simulated(SMALL, world=World(100), faults=on([3, 4, 7], Fault(kind, count=4)))
    assert rig.sync().outcome == "complete"
    rig.assert_equals_listing()


def test_arrivals_that_shift_files_into_the_next_page_are_counted_once(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(paging=Paging.POSITIONAL))

    def arrive(simulator: Any) -> None:
        simulator.world.add()
        simulator.world.add()

    rig.simulator.schedule = dict.fromkeys((2, 5, 8), arrive)
    totals = rig.sync().totals
    assert (totals["inserted"], totals["unchanged"]) == (100, 6)
    rig.simulator.schedule = {}
    rig.sync()
    rig.assert_equals_listing()


def test_whoever_lost_the_source_commits_no_page_of_new_files(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))

    def take_over() -> None:
        with psycopg.connect(rig.database, autocommit=True) as connection:
            connection.execute("UPDATE syncer.lease SET epoch = epoch + 1")

    assert isinstance(rig.sync(on_page=at(3, take_over)).error, Fenced)
    (stored,) = rig.rows(
        "SELECT (SELECT count(*) FROM syncer.page) AS ledger, (SELECT count(*) FROM syncer.file) AS files, pages"
        " FROM syncer.pull"
    )
    assert stored == {"ledger": 3, "files": 30, "pages": 3}


def test_a_kill_before_any_statement_of_a_first_pull_loses_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(40))
    with before_statement(0, lambda: None) as sent:
        rig.sync()
    for number in range(1, len(sent), 3):
        with psycopg.connect(rig.database, autocommit=True) as connection:
            connection.execute("TRUNCATE syncer.file, syncer.page, syncer.pull, syncer.run, syncer.lease CASCADE")
        with suppress(Killed), killed_before_statement(number):
            rig.sync()
        totals = rig.sync().totals
        assert totals["verdict"] == "proven"
        rig.assert_equals_listing()
        (stock,) = rig.rows("SELECT sum(files)::int AS n FROM syncer.stock WHERE kind = 'expiry'")
        assert stock["n"] == 40
