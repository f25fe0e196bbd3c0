"""A full pull ends in a table that equals the listing, whatever the API does on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncer.cli.pace import estimated_files
from syncer.errors import Endless, Refused, Unavailable
from syncer.postgres.server import EmbeddedPostgres
from syncer.simulator import (
    TRANSIENT,
    Behaviour,
    End,
    Fault,
    Faults,
    Kind,
    Paging,
    Simulator,
    Ties,
    World,
    always,
    coded,
    http_error,
    on,
)
from syncer.store import pages
from syncer.store.database import connect
from syncer.store.migrate import upgrade

from .conftest import Rig
from .servers import first_everywhere

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}
MIXED = tuple(fault for fault in TRANSIENT if fault.code != 4400)


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("files", [0, 1, 9, 10, 11, 100, 1234])
def test_the_table_equals_the_listing_field_by_field(simulated: Simulated, end: End, files: int) -> None:
    rig = simulated(SMALL if files <= 100 else None, world=World(files), behaviour=Behaviour(end=end))
    result = rig.sync()
    assert (result.outcome, result.totals["verdict"], result.error) == ("complete", "proven", None)
    assert (result.totals["inserted"], result.totals["updated"], result.totals["files"]) == (files, 0, files)
    rig.assert_equals_listing()
    size = 10 if files <= 100 else 100
    pages = max(1, -(-files // size))
    assert result.api_calls == pages + (end is End.CODE_70008)


ODDITIES: Mapping[str, tuple[Mapping[str, Any], Behaviour]] = {
    "overlapping pages": ({}, Behaviour(overlap=3)),
    "smaller pages than asked for": ({}, Behaviour(page_size_cap=7)),
    "digit strings": ({}, Behaviour(digit_strings=True, code_as_string=True)),
    "no fileCount": ({}, Behaviour(file_count=False)),
    "order ignored": ({}, Behaviour(orderby_ignored=True)),
    "ties in another order each listing": ({"same_second": 40}, Behaviour(ties=Ties.PER_LISTING)),
    "no times": ({"zero_times": True}, Behaviour()),
    "a connection for each call": ({}, Behaviour(keep_alive=1)),
    "single use contexts": ({}, Behaviour(context_uses=1)),
    "positional": ({}, Behaviour(paging=Paging.POSITIONAL)),
}


@pytest.mark.parametrize(("world", "behaviour"), ODDITIES.values(), ids=ODDITIES.keys())
def test_the_table_equals_the_listing_of_an_odd_server(
    simulated: Simulated, world: Mapping[str, Any], behaviour: Behaviour
) -> None:
    rig = simulated(SMALL, world=World(95, **world), behaviour=behaviour)
    for _ in range(2):
        assert rig.sync().outcome == "complete"
        rig.assert_equals_listing()
        rig.simulator.world.add()


@pytest.mark.parametrize("seed", first_everywhere(range(2)))
@pytest.mark.parametrize("end", End)
def test_three_calls_in_ten_failing_in_mixed_ways_change_nothing(simulated: Simulated, end: End, seed: int) -> None:
    faults = Faults(rate=0.3, kinds=MIXED, seed=seed)
    rig = simulated(
        {"page_size": "20", "retry_for": "30s"},
        world=World(300),
        behaviour=Behaviour(end=end, last_page_once=True),
        faults=faults,
    )
    result = rig.sync()
    assert result.outcome == "complete"
    assert result.api_calls > 15
    rig.simulator.faults = Faults()
    rig.assert_equals_listing()


@pytest.mark.parametrize("kind", first_everywhere([Kind.DUPLICATES, Kind.EMPTY_PAGE, Kind.DRIP_HEADERS, Kind.DELAY]))
def test_odd_pages_in_between_change_nothing(simulated: Simulated, kind: Kind) -> None:
    rig = simulated(SMALL, world=World(100), faults=on([3, 7], Fault(kind, count=4)))
    assert rig.sync().outcome == "complete"
    rig.assert_equals_listing()


def test_positional_arrivals_and_departures_during_a_pull_never_mark_a_listed_file(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(paging=Paging.POSITIONAL))
    rig.sync()

    def move(simulator: Any) -> None:
        simulator.world.add()
        simulator.world.delete(simulator.world.ids()[-7], simulator.world.ids()[2])

    base = rig.simulator.call_count
    rig.simulator.schedule = {base + call: move for call in (2, 4, 6, 8)}
    rig.sync()
    rig.simulator.schedule = {}
    listed = {row["fileId"] for row in rig.simulator.listing()}
    assert all(state == "live" for file_id, (_, state) in rig.table().items() if file_id in listed)
    rig.sync()
    rig.assert_equals_listing()


@pytest.mark.parametrize("cycle", [1, 3])
def test_a_circle_fails_loudly_in_every_run_and_sweeps_nothing(simulated: Simulated, cycle: int) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(cycle=cycle))
    for _ in range(2):
        calls = rig.simulator.call_count
        result = rig.sync()
        assert isinstance(result.error, Endless)
        assert rig.simulator.call_count - calls <= cycle + 2


def test_a_context_that_comes_again_once_fails_the_run_and_the_next_lists_anew(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), faults=on([4], Fault(Kind.SAME_CONTEXT)))
    assert isinstance(rig.sync().error, Endless)
    assert rig.sync().outcome == "complete"
    rig.assert_equals_listing()


@pytest.mark.parametrize("code", first_everywhere([1000, 4000, 4100, 4104, 4300, 4600, 5000, 5300, 6100]))
def test_a_refusal_for_good_fails_at_once_and_leaves_the_checkpoint(simulated: Simulated, code: int) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync(stop_after=3)
    calls = rig.simulator.call_count
    rig.simulator.faults = always(coded(code))
    result = rig.sync()
    assert isinstance(result.error, Refused)
    assert result.error.code == code
    assert rig.simulator.call_count - calls == 1
    rig.simulator.faults = Faults()
    again = rig.sync()
    assert (again.resumed, again.api_calls <= 8, again.outcome) == (True, True, "complete")


@pytest.mark.parametrize(
    "fault", first_everywhere([coded(6200), http_error(503), Fault(Kind.ENDLESS), Fault(Kind.MALFORMED)])
)
def test_an_api_that_keeps_failing_leaves_the_checkpoint(simulated: Simulated, fault: Fault) -> None:
    rig = simulated({**SMALL, "retry_for": "1s"}, world=World(100))
    rig.sync(stop_after=3)
    rig.simulator.faults = always(fault)
    assert isinstance(rig.sync().error, Unavailable)
    rig.simulator.faults = Faults()
    assert rig.sync().resumed
    rig.assert_equals_listing()


def wal(connection: psycopg.Connection) -> int:
    found = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
    assert found is not None
    return int(found[0])


def test_an_unchanged_pull_writes_no_row_and_under_twenty_bytes_of_wal_each(server_home: Path, tmp_path: Path) -> None:
    few, many = 100, 5000
    written = {}
    # a server of its own: the log is the whole server's
    with EmbeddedPostgres(server_home, server_settings={"fsync": "off", "autovacuum": "off"}) as server:
        upgrade(server.url)
        with psycopg.connect(server.url, autocommit=True) as connection:
            for files in (few, many):
                with Simulator(World(files)) as simulator:
                    rig = Rig(server.url, tmp_path, simulator)
                    rig.sync()
                    rig.sync()
                    connection.execute("VACUUM")
                    connection.execute("CHECKPOINT")
                    before = wal(connection)
                    result = rig.sync()
                    written[files] = wal(connection) - before
                    assert (result.totals["inserted"], result.totals["updated"]) == (0, 0)
                    assert result.totals["unchanged"] == files
                    connection.execute("DELETE FROM syncer.file")
    assert (written[many] - written[few]) / (many - few) < 20


def test_five_unchanged_pulls_leave_the_table_and_its_indexes_as_large_as_they_were(simulated: Simulated) -> None:
    rig = simulated(world=World(2000))
    rig.sync()
    sizes = "SELECT pg_relation_size('syncer.file') AS heap, pg_indexes_size('syncer.file') AS indexes"
    before = rig.rows(sizes)
    for _ in range(5):
        rig.sync()
    assert rig.rows(sizes) == before


def test_every_page_is_visible_as_soon_as_it_is_checkpointed_and_not_before(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(60))
    seen = []

    def look(_: object) -> None:
        (row,) = rig.rows(
            "SELECT (SELECT count(*) FROM report.backups) AS files, (SELECT sum(entries) FROM syncer.page) AS entries,"
            " (SELECT files FROM report.pulls) AS counted"
        )
        seen.append((row["files"], int(row["entries"]), row["counted"]))

    rig.sync(on_page=look)
    assert [each[0] for each in seen[:6]] == [10, 20, 30, 40, 50, 60]
    assert all(files == entries == counted for files, entries, counted in seen)


@pytest.mark.parametrize("odd", [False, True])
def test_a_plan_made_on_an_empty_table_finds_each_file_by_its_key(database: str, odd: bool) -> None:
    commit = pages._commit_page(odd=odd, told=odd)
    parameters = dict.fromkeys(re.findall(r"%\((\w+)\)s", commit)) | {"source": "default"}
    with connect(database, pinned=True) as connection:
        plan = connection.exec_driver_sql("EXPLAIN " + commit, parameters).scalars().all()
    (scan,) = [number for number, line in enumerate(plan) if re.search(r"Scan .*on file\b", line)]
    assert "Index Scan using file_pkey" in plan[scan]
    assert "AND (file_id = " in plan[scan + 1]


def test_a_run_that_began_on_an_empty_table_reads_each_file_by_its_key_to_the_end(simulated: Simulated) -> None:
    # alerts read whole ranges, by whatever index is at hand
    rig = simulated({"alert_silence": "expiring,overdue,vanished"}, world=World(5_000))
    # One file of each page is known, so that each page looks its files up.
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        lookup.by_ids(rig.simulator.world.ids()[::100])
    read = (
        "SELECT sum(idx_tup_read)::int AS entries, sum(idx_scan)::int AS scans "
        "FROM pg_stat_user_indexes WHERE indexrelname = 'file_pkey'"
    )
    (before,) = rig.rows(read)
    rig.sync()
    (after,) = rig.rows(read)
    looked_up, found = after["scans"] - before["scans"], after["entries"] - before["entries"]
    assert looked_up < 3 * 5_000, "each entry is looked for once, and once more where it is inserted"
    # the day's inventory reads each once more
    assert found < 4 * 5_000, "a plan that reads the whole source for each page would read a hundred thousand"


def test_no_secret_and_no_signature_is_stored(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(30))
    rig.simulator.faults = always(http_error(503))
    rig.environ["SYNCER_RETRY_FOR"] = "1s"
    rig.sync()
    rig.simulator.faults = Faults()
    rig.sync()
    stored = ""
    for table in ("pull", "run", "page", "lease", "quota", "source"):
        stored += str(rig.rows(f"SELECT t::text FROM syncer.{table} t"))
    assert not re.search(r"simulated-secret|Signature=", stored)


def test_a_first_pull_can_tell_how_many_files_there_will_be(simulated: Simulated) -> None:
    rig = simulated(world=World(5000))
    guesses: list[int | None] = []
    rig.sync(on_page=lambda at: guesses.append(estimated_files(at)))
    assert guesses[0] is None, "too early to tell"
    assert [guess for guess in guesses if guess is not None and not 3500 < guess < 6500] == []
    assert any(guesses)
