"""Weeks of files that expire, are extended, vanish and return, with crashes between any two steps: nobody is unwarned.

What must hold is computed here from the table of files alone, hour by hour, by nothing that the alerts use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from syncer.model import PullKind
from syncer.simulator import World

from .conftest import Rig
from .recipients import OK, Answer, Inbox, inboxes
from .statements import killed_before_statement

Simulated = Callable[..., Rig]
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIERS = (("1d", timedelta(0), DAY), ("3d", DAY, 3 * DAY), ("10d", 3 * DAY, 10 * DAY))
Member = tuple[str, datetime]


@dataclass
class Watcher:
    """What the table of files says must have been told, and what was."""

    rig: Rig
    dice: Random
    now: datetime = START
    covered: dict[str, set[Member]] = field(default_factory=dict)
    members: dict[str, set[Member]] = field(default_factory=dict)
    left: list[tuple[str, str, datetime, datetime]] = field(default_factory=list)
    last_message: int = 0
    send_crashes: int = 0
    key_of: dict[tuple[str, str, datetime], list[str]] = field(default_factory=dict)
    arrived: dict[str, datetime] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    crashes: int = 0

    @property
    def url(self) -> str:
        glue = "&" if "?" in self.rig.database else "?"
        return f"{self.rig.database}{glue}options={quote(f'-c syncer.now={self.now.isoformat()}')}"

    def perhaps_killed(self, share: float, most: int) -> Any:
        """Return a context in which the process may die before one of its first `most` statements."""
        if self.dice.random() >= share:
            return nullcontext([])
        self.crashes += 1
        return killed_before_statement(self.dice.randint(1, most))

    def look(self) -> None:
        """Note which files are in which tier now, and check every message that was composed just now against it."""
        rows = self.rig.rows("SELECT file_id, expires_at FROM syncer.file WHERE gone_at IS NULL")
        files = {row["file_id"]: row["expires_at"] for row in rows if row["expires_at"]}
        for tier, inner, span in TIERS:
            members = {(name, at) for name, at in files.items() if self.now + inner < at <= self.now + span}
            for name, at in self.members.get(tier, set()) - members:
                if files.get(name) == at:
                    self.left.append((tier, name, at, at - inner))
            self.members[tier] = members
            self.covered[tier] = self.covered.get(tier, set()) & members
        found = self.rig.rows(
            "SELECT message_id, kind, body, recipient FROM syncer.outbox WHERE message_id > %s ORDER BY message_id",
            self.last_message,
        )
        for row in found:
            self.last_message = row["message_id"]
            self.keys.setdefault(row["recipient"], set()).add(row["body"]["key"])
            body = row["body"]
            if body["rule"] == "expiring" and row["kind"] in {"raised", "updated", "reminder"}:
                self.check(body)
        for row in found:
            if row["body"]["rule"] == "expiring" and row["kind"] in {"raised", "updated", "reminder"}:
                tier = row["body"]["facts"]["tier"]
                self.covered[tier] = set(self.members[tier])

    def check(self, body: dict[str, Any]) -> None:
        tier, facts = body["facts"]["tier"], body["facts"]
        assert facts["files"] == len(self.members[tier])
        if facts["kind"] == "updated":
            assert facts["new_files"] == len(self.members[tier] - self.covered[tier]) > 0
        for name, at in self.members[tier]:
            self.key_of.setdefault((tier, name, at), []).append(body["key"])

    def note_arrival(self, key: str) -> Answer:
        """Note when a message first arrived."""
        self.arrived.setdefault(key, self.now)
        return OK

    def check_open(self) -> None:
        """Assert that an alert is open for exactly the tiers that have members."""
        rows = self.rig.rows("SELECT tier FROM syncer.alert WHERE rule = 'expiring' AND resolved_at IS NULL")
        assert {row["tier"] for row in rows} == {tier for tier, members in self.members.items() if members}


def live(world: World, dice: Random) -> None:
    """Let half a day happen to the files: most only grow older."""
    ids = world.ids()
    for _ in range(dice.randrange(3)):
        world.add(expires=world.now() + dice.randrange(6, 24 * 15) * 3600)
    if ids and dice.random() < 0.5:
        world.change(dice.choice(ids), expires=world.now() + dice.randrange(1, 24 * 12) * 3600)
    if ids and dice.random() < 0.3:
        world.delete(dice.choice(ids))


@pytest.mark.parametrize(
    ("days", "seed"), [(5, 1), pytest.param(60, 2, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_every_file_was_in_a_message_before_its_tier_ended_and_no_alert_outlives_its_files(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch, days: int, seed: int
) -> None:
    dice = Random(seed)
    with inboxes(2) as (steady, shaky):
        settings = {
            "page_size": "20",
            "expiry_tiers": "10d,3d,1d",
            "quiet_hours": "22:00-07:00",
            "full_schedule": "0 */12 * * *",
            "sweep_brake": "1",
            "remind_after": "72h",
            "notify": f"{steady.url('/steady')} {shaky.url('/shaky', lang='zh')}",
        }
        watcher: Watcher | None = None

        def clock() -> datetime:
            return START if watcher is None else watcher.now

        rig = simulated(settings, world=World(30, seed=seed), clock=lambda: clock().timestamp())
        monkeypatch.setattr("syncer.app._now", clock)
        watcher = Watcher(rig, dice)
        shaky.answer = lambda _: OK if (clock() - START) // DAY % 5 else (503, b"away")
        steady.answer = lambda message: watcher.note_arrival(message["key"])
        app = rig.app()
        gone: list[str] = []
        for hour in range(days * 24):
            watcher.now = START + hour * HOUR + timedelta(minutes=dice.randrange(30))
            if hour % 12 == 0:
                live_and_pull(rig, watcher, app, dice, gone)
            with watcher.perhaps_killed(0.05, 25):
                app.alerting.evaluate(watcher.url, app.settings.sources)
            app.alerting.evaluate(watcher.url, app.settings.sources) if hour % 3 == 0 else None
            watcher.look()
            before = watcher.crashes
            with watcher.perhaps_killed(0.1, 6):
                app.alerting.send(watcher.url)
            watcher.send_crashes += watcher.crashes - before
            if hour % 3 == 0:
                watcher.check_open()
        check_what_was_told(watcher)
        end(rig, watcher, app)
        check_delivery(watcher, [steady, shaky])


def live_and_pull(rig: Rig, watcher: Watcher, app: Any, dice: Random, gone: list[str]) -> None:
    world = rig.simulator.world
    before = set(world.ids())
    live(world, dice)
    gone += before - set(world.ids())
    if gone and dice.random() < 0.4:
        back = gone.pop(dice.randrange(len(gone)))
        if world.slot_of(back) is None:
            world.restore(back)
    for _ in range(2):  # a killed pull is taken up by the next
        with watcher.perhaps_killed(0.2, 60) as sent:
            app.sync(watcher.url, app.settings.sources[0], PullKind.FULL)
        if not sent:
            break


def check_what_was_told(watcher: Watcher) -> None:
    """Assert that each file which stayed in a tier to its end was in a message that arrived before."""
    assert len(watcher.left) >= 5
    for tier, name, at, end in watcher.left:
        keys = watcher.key_of.get((tier, name, at), [])
        times = [watcher.arrived[key] for key in keys if key in watcher.arrived]
        assert times, (tier, name, at)
        assert min(times) <= end + HOUR, (tier, name, at)


def end(rig: Rig, watcher: Watcher, app: Any) -> None:
    """Let everything be deleted, and days pass; it is noon, when nothing is held back."""
    watcher.now = (watcher.now + DAY).replace(hour=12)
    if ids := rig.simulator.world.ids():
        rig.simulator.world.delete(*ids)
    for _ in range(3):
        app.sync(watcher.url, app.settings.sources[0], PullKind.FULL)
    for _ in range(3):
        watcher.now += DAY
        app.alerting.evaluate(watcher.url, app.settings.sources)
        watcher.look()
        app.alerting.send(watcher.url)
    rows = rig.rows("SELECT rule FROM syncer.alert WHERE resolved_at IS NULL AND rule = 'expiring'")
    assert rows == []


def check_delivery(watcher: Watcher, both: list[Inbox]) -> None:
    """Assert that nothing was lost, and nothing sent twice but where a send was killed before its mark."""
    waiting = watcher.rig.rows("SELECT * FROM syncer.outbox WHERE sent_at IS NULL AND not_before <= %s", watcher.now)
    assert waiting == []
    watcher.look()
    got = [Counter(message["key"] for message in inbox.received) for inbox in both]
    composed = set.union(*watcher.keys.values())
    for each in got:
        assert set(each) <= composed
        # What was composed and never sent is the end of an alert that came back to life within the hour.
        assert {key.rpartition("-")[2] for key in composed - set(each)} <= {"resolved"}
    assert sum(times - 1 for each in got for times in each.values()) <= 2 * watcher.send_crashes
