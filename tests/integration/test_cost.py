"""What a page costs, counted and not timed: statements, WAL, index look-ups, dead rows; `benchmarks/` measures time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from campaign.statements import before_statement
from syncer.postgres.server import EmbeddedPostgres
from syncer.pull.attempt import Progress
from syncer.simulator import World
from syncer.store.migrate import upgrade

from .conftest import Rig

Simulated = Callable[..., Rig]
PAGES = 40
# The ledger's row, the checkpoint, the lease, an index entry and the commit, over the hundred files of a page. These
# ids of 19 digits, which rise with time, take 4 bytes each in the ledger. Accounting for the quota would add 1.2.
WAL_A_ROW = 10.5


@pytest.fixture
def own_server(server_home: Path) -> Iterator[str]:
    """The URL of a database on a server of its own: WAL and statistics are counted for a whole server."""
    settings = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    with EmbeddedPostgres(server_home, server_settings=settings) as server:
        upgrade(server.url)
        yield server.url


def test_a_page_is_one_statement(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(10 * PAGES))
    for _ in ("first load", "unchanged"):
        counts: dict[int, int] = {}
        with before_statement(0, lambda: None) as sent:
            rig.sync(on_page=lambda at, sent=sent, counts=counts: counts.setdefault(at.page, len(sent)))  # type: ignore[misc]
        assert counts[PAGES - 1] - counts[5] == PAGES - 1 - 5


def test_an_unchanged_page_writes_its_ledger_and_looks_each_file_up_once(own_server: str, simulated: Simulated) -> None:
    rig = simulated(world=World(100 * PAGES))
    rig.database = rig.environ["SYNCER_DATABASE_URL"] = own_server
    rig.sync()
    loaded = counted(own_server)
    assert loaded["looked_up"] <= 3 * 100, "the first page's files"
    assert loaded["dead"] == 0
    marks: list[dict[str, int]] = []

    def mark(at: Progress) -> None:
        if at.phase == "listing" and at.page in {PAGES // 4, PAGES - 1}:
            marks.append(counted(own_server))

    rig.sync(on_page=mark)
    first, last = marks
    files = 100 * (PAGES - 1 - PAGES // 4)
    assert (last["wal"] - first["wal"]) / files <= WAL_A_ROW
    rig.sync()
    end = counted(own_server)
    assert end["looked_up"] <= 3.2 * 100 * PAGES  # in all three pulls
    assert (end["read_whole"], end["rewritten"], end["dead"]) == (first["read_whole"], 0, 0)


def test_totals_are_rewritten_in_place_and_an_unchanged_page_touches_none(
    own_server: str, simulated: Simulated
) -> None:
    rig = simulated(world=World(100 * PAGES))
    rig.database = rig.environ["SYNCER_DATABASE_URL"] = own_server
    rig.sync()
    with psycopg.connect(own_server, autocommit=True) as connection:

        def written() -> tuple[int, ...]:
            connection.execute("SELECT pg_stat_force_next_flush()")
            return tuple(*connection.execute(
                "SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'stock'"
            ))  # fmt: skip

        inserted, updated, in_place = written()
        # A page's files are of a day or two, of three types and three lifetimes.
        assert inserted + updated <= 15 * PAGES
        assert in_place >= 0.9 * updated > 0
        rig.sync()
        assert written() == (inserted, updated, in_place)
        (kilobytes,) = connection.execute("SELECT pg_relation_size('syncer.stock') / 1024").fetchone() or (0,)
        assert kilobytes <= 96


def counted(url: str) -> dict[str, int]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            """
            SELECT pg_current_wal_insert_lsn() - '0/0',
                   (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'file_pkey'),
                   seq_scan, n_tup_upd + n_tup_del, n_dead_tup
            FROM pg_stat_user_tables WHERE relname = 'file'
            """
        ).fetchone()
    assert found is not None
    return dict(zip(("wal", "looked_up", "read_whole", "rewritten", "dead"), map(int, found), strict=True))


def test_a_sweep_looks_its_suspects_up_by_their_ids(own_server: str, simulated: Simulated) -> None:
    rig = simulated(world=World(100 * PAGES))
    rig.database = rig.environ["SYNCER_DATABASE_URL"] = own_server
    rig.sync()
    world = rig.simulator.world
    world.delete(*world.ids()[::8])
    before = entries_read(own_server)
    assert rig.sync().totals["gone"] == 100 * PAGES / 8
    # Five questions by id; each would read the whole source by a plan that was made for an empty table.
    assert entries_read(own_server) - before < 5 * 100 * PAGES


def entries_read(url: str) -> int:
    """Return how many entries were read of the index of what is not gone, by which the whole source can be read."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        found = connection.execute(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'file_expires_idx'"
        ).fetchone()
    assert found is not None
    return int(found[0])
