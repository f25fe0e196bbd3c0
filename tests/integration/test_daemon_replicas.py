"""Several daemons as processes share many sources: spread evenly, each pull once, whatever is killed or stalls."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Simulator, World

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess, eventually

pytestmark = pytest.mark.one_server

NEVER = {"full_schedule": "0 0 29 2 *", "recent_schedule": "0 0 29 2 *", "lease": "8s"}
# All that a pull writes under its lease, and what a late writer could spoil.
WRITTEN = (
    "file", "change", "page", "pull", "suspect", "rejected", "context_death", "listing_end",
)  # fmt: skip


class Fleet:
    """Some daemons on one database, the simulator and the file with the sources' settings."""

    def __init__(self, rig: Rig, directory: Path, sources: int, *arguments: str) -> None:
        self.rig, self.sources, self._arguments = rig, sources, arguments
        self._config = directory / "syncer.toml"
        self._config.write_text(
            "".join(
                f'[[sources]]\nname = "source-{number:03}"\nsecret_id = "{SECRET_ID}"\nsecret_key = "{SECRET_KEY}"\n'
                for number in range(sources)
            )
        )
        for name in ("SYNCER_SECRET_ID", "SYNCER_SECRET_KEY"):
            del rig.environ[name]
        self.daemons: list[DaemonProcess] = []

    def start(self, number: int, **environ: str) -> None:
        """Start so many more, and wait until they know each other."""
        for _ in range(number):
            arguments = ("--config", str(self._config), *self._arguments)
            self.daemons.append(DaemonProcess(self.rig.environ | environ, *arguments))
        alive = "SELECT count(*) AS n FROM syncer.replica WHERE seen_until > clock_timestamp()"
        eventually(lambda: self.rig.rows(alive)[0]["n"] == len(self.daemons), "all daemons are there", seconds=60)

    def held(self) -> dict[int, int]:
        """Return how many sources each process has in hand."""
        found = self.rig.rows("SELECT holder, count(*) AS n FROM syncer.lease WHERE holder IS NOT NULL GROUP BY holder")
        return {int(row["holder"].rsplit(" ", 1)[1]): row["n"] for row in found}

    def ended(self) -> int:
        return int(self.rig.rows("SELECT count(*) AS n FROM syncer.run WHERE outcome = 'complete'")[0]["n"])

    def runs(self) -> dict[int, int]:
        """Return how many runs each process has brought to their end."""
        sql = "SELECT holder, count(*) AS n FROM syncer.run WHERE outcome = 'complete' GROUP BY holder"
        return {int(row["holder"].rsplit(" ", 1)[1]): row["n"] for row in self.rig.rows(sql)}

    def written(self) -> dict[str, list[dict[str, Any]]]:
        due = "SELECT source, next_full_at, next_recent_at FROM syncer.source ORDER BY source"
        tables = {table: self.rig.rows(f"SELECT t::text FROM syncer.{table} t ORDER BY 1") for table in WRITTEN}
        return tables | {"source": self.rig.rows(due)}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(World(250), behaviour=Behaviour(latency=0.2)) as simulator:
        yield simulator


@pytest.fixture
def fleet(make_rig: MakeRig, simulator: Simulator, tmp_path: Path) -> Iterator[Fleet]:
    """Three daemons' worth of 15 sources; none is started yet."""
    fleet = Fleet(make_rig(simulator, **NEVER), tmp_path, 15)
    yield fleet
    for each in fleet.daemons:
        each.close()


def whatever_happens_each_pull_ends_once(fleet: Fleet, *, patience: float) -> None:
    """Kill one daemon and stop another in mid-pull; the others do all that is due, and the late one writes nothing."""
    killed, stopped, *others = fleet.daemons
    eventually(lambda: fleet.ended() >= fleet.sources // 3, "a third of the full pulls", seconds=patience)
    eventually(lambda: killed.process.pid in fleet.held(), "the first is in mid-pull")
    killed.send(signal.SIGKILL)
    eventually(lambda: stopped.process.pid in fleet.held(), "the second is in mid-pull")
    stopped.send(signal.SIGSTOP)
    late = fleet.rig.rows(
        "SELECT r.source FROM syncer.run r JOIN syncer.lease l ON l.source = r.source AND l.holder = r.holder "
        "WHERE r.finished_at IS NULL AND l.holder LIKE %s", f"%process {stopped.process.pid}"
    )  # fmt: skip
    eventually(lambda: fleet.ended() == 2 * fleet.sources, "a full and a recent pull of each", seconds=patience)
    eventually(lambda: not fleet.held(), "nothing is held")
    undecided = "SELECT count(*) AS n FROM syncer.source WHERE next_full_at IS NULL OR next_recent_at IS NULL"
    eventually(lambda: fleet.rig.rows(undecided)[0]["n"] == 0, "all is decided")

    before = fleet.written()
    stopped.send(signal.SIGCONT)
    # It finds itself fenced by its next write, or that its call took too long, or that its last commit went through.
    endings = ("pull_busy", "pull_failed", "pull_finished")
    for row in late:
        eventually(
            lambda name=row["source"]: any(stopped.events(each, source=name) for each in endings), "the late one's end"
        )
    time.sleep(1)  # several polls: time enough to do something again
    assert fleet.written() == before
    assert [each.stop() for each in (stopped, *others)] == [143] * (1 + len(others))

    fleet.rig.simulator.behaviour = Behaviour()
    per_source = fleet.rig.rows(
        "SELECT source, count(*) FILTER (WHERE kind = 'full') AS fulls, "
        "count(*) FILTER (WHERE kind = 'recent' AND outcome = 'complete') AS recents, "
        "count(*) FILTER (WHERE outcome = 'complete') AS complete, bool_and(finished_at IS NOT NULL) AS ended "
        "FROM syncer.pull GROUP BY source"
    )
    assert len(per_source) == fleet.sources
    for row in per_source:
        assert (row["fulls"], row["recents"], row["complete"], row["ended"]) == (1, 1, 2, True), row
    listed = {row["fileId"] for row in fleet.rig.simulator.listing()}
    assert {frozenset(fleet.rig.backups(f"source-{number:03}")) for number in range(fleet.sources)} == {
        frozenset(listed)
    }
    assert fleet.rig.rows("SELECT pull_id FROM report.pulls WHERE kind = 'full' AND verdict <> 'proven'") == []
    for each in others:
        assert "Traceback" not in each.stderr


def test_three_share_many_sources_one_is_killed_one_stalls(fleet: Fleet) -> None:
    fleet.start(3, SYNCER_WORKERS="4")
    whatever_happens_each_pull_ends_once(fleet, patience=60)
    (_, stopped, other) = (each.process.pid for each in fleet.daemons)
    runs = fleet.runs()
    assert runs[other] > runs.get(stopped, 0)


def test_a_few_due_pulls_are_spread_over_idle_daemons(make_rig: MakeRig, tmp_path: Path) -> None:
    with Simulator(World(100), behaviour=Behaviour()) as simulator:
        rig = make_rig(simulator, **NEVER, request_timeout="60s")
        fleet = Fleet(rig, tmp_path, 9, "--poll-every", "4")
        try:
            fleet.start(3)
            eventually(lambda: fleet.ended() == 18, "the first pulls", seconds=60)
            # A run ends before its daemon has said that it has a free hand again, and shares go by what is said.
            busy = "SELECT count(*) AS n FROM syncer.replica WHERE running > 0"
            eventually(lambda: fleet.rig.rows(busy)[0]["n"] == 0, "all are idle")
            simulator.behaviour = Behaviour(latency=20)
            fleet.rig.rows("UPDATE syncer.source SET next_full_at = clock_timestamp() RETURNING 1")
            eventually(lambda: sum(fleet.held().values()) == 9, "all are being pulled")
            # Two that look at the same instant do not see each other's choice.
            assert min(fleet.held().values()) >= 2
            assert len(fleet.held()) == 3
        finally:
            for each in fleet.daemons:
                each.close()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_four_share_five_hundred_sources_one_is_killed_one_stalls(
    make_rig: MakeRig, simulator: Simulator, tmp_path: Path
) -> None:
    rig = make_rig(simulator, **NEVER | {"lease": "20s"}, request_timeout="30s", retry_for="60s")
    fleet = Fleet(rig, tmp_path, 500)
    try:
        fleet.start(4)
        began = time.monotonic()
        eventually(lambda: fleet.ended() >= 100, "the first pulls of all four", seconds=600)
        spread = sorted(fleet.runs().values())
        assert len(spread) == 4
        assert spread[-1] < 2 * spread[0], spread
        whatever_happens_each_pull_ends_once(fleet, patience=1800)
        *_, first, second = (fleet.runs()[each.process.pid] for each in fleet.daemons)
        assert max(first, second) < 1.3 * min(first, second)
        seconds = time.monotonic() - began
        sys.stdout.write(f"before the kill {spread}, at the end {sorted(fleet.runs().values())}, {seconds:.0f} s\n")
    finally:
        for each in fleet.daemons:
            each.close()
