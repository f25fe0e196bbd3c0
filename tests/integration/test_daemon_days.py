"""A daemon through simulated hours: no time of a schedule is missed or doubled, and its memory stays as it is.

The instant that due times are compared with comes from the database (`syncer.now`): the test moves it from one due time
to the next, and waits until the daemon, a real process on its real clock, has nothing more to do there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from syncer.simulator import SECRET_ID, SECRET_KEY, Simulator, World

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess

pytestmark = pytest.mark.one_server

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = {"berlin": "Europe/Berlin", "shanghai": "Asia/Shanghai"}


class Days:
    """A daemon whose days go by as the test says; `berlin` and `shanghai` are its sources."""

    def __init__(self, rig: Rig, directory: Path, begin: datetime, recent: str) -> None:
        self.rig, self.now = rig, begin
        self._runs: dict[int, dict[str, Any]] = {}
        config = directory / "syncer.toml"
        config.write_text(
            f'full_schedule = "30 2 * * *"\nrecent_schedule = "{recent}"\n'
            + "".join(
                f'[[sources]]\nname = "{name}"\ntimezone = "{zone}"\n'
                f'secret_id = "{SECRET_ID}"\nsecret_key = "{SECRET_KEY}"\n'
                for name, zone in ZONES.items()
            )
        )
        for name in ("SYNCER_SECRET_ID", "SYNCER_SECRET_KEY"):
            del rig.environ[name]
        self._tell()
        arguments = ("--poll-every", "0.1", "--alerts-every", "1", "--config", str(config))
        self.daemon = DaemonProcess(rig.environ | {"SYNCER_KEEP_LEDGER": "12h"}, *arguments)

    def pass_until(self, end: datetime) -> list[int]:
        """Go from due time to due time up to `end`; return the daemon's memory, in bytes, at each."""
        memory = []
        while True:
            ahead = self._when_idle()
            runs = self.rig.rows("SELECT * FROM syncer.run WHERE started_at = %s", self.now)
            self._runs |= {run["run_id"]: run for run in runs}
            pages = int(Path(f"/proc/{self.daemon.process.pid}/statm").read_text(encoding="ascii").split()[1])
            memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
            if ahead > end:
                return memory
            self.now = ahead
            self._tell()

    def started(self, source: str, kind: str) -> list[datetime]:
        """Return when runs began, those included that were pruned since."""
        runs = (self._runs[number] for number in sorted(self._runs))
        return [run["started_at"] for run in runs if (run["source"], run["kind"]) == (source, kind)]

    def _tell(self) -> None:
        name = make_url(self.rig.database).database or ""
        with psycopg.connect(self.rig.database, autocommit=True) as connection:
            setting = sql.SQL("ALTER DATABASE {} SET syncer.now = {}")
            connection.execute(setting.format(sql.Identifier(name), sql.Literal(self.now.isoformat())))

    def _when_idle(self) -> datetime:
        """Wait until all is decided and nothing is due; return when something is."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            rows = self.rig.rows(
                "SELECT least(s.next_full_at, s.next_recent_at) AS at, "
                "l.held_until IS NULL AND s.claimed_until IS NULL AND s.next_full_at > %s AND "
                "s.next_recent_at > %s AS idle "
                "FROM syncer.source s JOIN syncer.lease l USING (source)", self.now, self.now
            )  # fmt: skip
            if len(rows) == len(ZONES) and all(row["idle"] for row in rows):
                return min(row["at"] for row in rows)
            time.sleep(0.02)
        raise AssertionError(f"not idle at {self.now}; it said:\n{self.daemon.stderr[-3000:]}")

    def close(self) -> None:
        self.daemon.close()
        name = make_url(self.rig.database).database or ""
        with psycopg.connect(self.rig.database, autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET syncer.now").format(sql.Identifier(name)))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(World(120)) as simulator:
        yield simulator


def at(zone: ZoneInfo, *numbers: int, fold: int = 0) -> datetime:
    return datetime(*numbers, tzinfo=zone, fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc] # year to minute


@pytest.mark.parametrize(
    ("begin", "fulls"),
    [
        # 02:30 does not exist that night: it is as much later as the clocks skip; nothing else moves.
        (at(BERLIN, 2026, 3, 28, 23, 45), [at(BERLIN, 2026, 3, 29, 3, 30)]),
        # 02:30 comes twice that night: the first one counts.
        (at(BERLIN, 2026, 10, 24, 23, 45), [at(BERLIN, 2026, 10, 25, 2, 30)]),
    ],
)
def test_the_nights_on_which_the_clocks_change(
    make_rig: MakeRig, simulator: Simulator, tmp_path: Path, begin: datetime, fulls: list[datetime]
) -> None:
    days = Days(make_rig(simulator), tmp_path, begin, "0 * * * *")
    try:
        days.pass_until(begin + 6 * HOUR)
        assert days.started("berlin", "full") == [begin, *fulls]
        hours = [begin + 15 * MINUTE + number * HOUR for number in range(6)]
        assert days.started("berlin", "recent") == [begin, *hours], "an hour is an hour on both nights"
    finally:
        days.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("begin", [at(BERLIN, 2026, 3, 28, 12), at(BERLIN, 2026, 10, 24, 12)])
def test_a_day_with_a_pull_every_ten_minutes(
    make_rig: MakeRig, simulator: Simulator, tmp_path: Path, begin: datetime
) -> None:
    days = Days(make_rig(simulator), tmp_path, begin, "*/10 * * * *")
    try:
        memory = days.pass_until(begin + DAY)
        for name, zone in (("berlin", BERLIN), ("shanghai", SHANGHAI)):
            slots = [begin + number * 10 * MINUTE for number in range(145)]
            assert days.started(name, "recent") == [begin, *slots[1:]]
            nights = [
                slot for slot in slots[1:] if (slot.astimezone(zone).hour, slot.astimezone(zone).minute) == (2, 30)
            ]
            if not nights:  # skipped in spring
                nights = [at(BERLIN, 2026, 3, 29, 3, 30)]
            assert days.started(name, "full") == [begin, nights[0]]
        third = len(memory) // 3
        early, late = max(memory[third : 2 * third]), max(memory[2 * third :])
        assert late - early < 2 * 2**20, f"it grew from {early:,} to {late:,} bytes"
        kept = days.rig.rows("SELECT count(*) AS n FROM syncer.pull WHERE kind = 'recent'")[0]["n"]
        assert kept < 2 * 145, "old recent pulls are pruned after each full one"
        assert "Traceback" not in days.daemon.stderr
    finally:
        days.close()
