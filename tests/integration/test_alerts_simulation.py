"""Weeks of files that expire, are extended, vanish and return, with crashes between any two steps: nobody is unwarned.

Meanwhile alerts are acknowledged, recipients come and move to other addresses, and transactions stay open for hours.

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

import psycopg
import pytest

from campaign.statements import killed_before_statement
from syncer.model import PullKind
from syncer.simulator import World
from syncer.store.alerts import acknowledge
from syncer.store.database import connect

from .conftest import Rig
from .recipients import OK, Answer, Inbox, inboxes

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
    noticed: dict[str, set[Member]] = field(default_factory=dict)
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
            if tier in self.noticed:
                self.noticed[tier] &= members
        found = self.rig.rows(
            "SELECT o.message_id, o.kind, o.body, r.name FROM syncer.outbox o"
            " JOIN syncer.recipient r USING (source, recipient) WHERE o.message_id > %s ORDER BY o.message_id",
            self.last_message,
        )
        for row in found:
            self.last_message = row["message_id"]
            self.keys.setdefault(row["name"], set()).add(row["body"]["key"])
            body = row["body"]
            if body["rule"] == "expiring" and row["kind"] != "resolved":
                self.check(body)
            if body["rule"] == "expiring" and row["kind"] in {"raised", "resolved"}:
                self.noticed.pop(body["facts"]["tier"], None)
        for row in found:
            if row["body"]["rule"] == "expiring" and row["kind"] in {"raised", "updated", "reminder"}:
                tier = row["body"]["facts"]["tier"]
                self.covered[tier] = set(self.members[tier])

    def check(self, body: dict[str, Any]) -> None:
        tier, facts = body["facts"]["tier"], body["facts"]
        assert facts["files"] == len(self.members[tier])
        noticed = self.noticed.get(facts["tier"], set())
        if facts["kind"] in {"updated", "standing", "reminder"}:
            assert facts["unacknowledged_files"] == len(self.members[facts["tier"]] - noticed)
        if facts["kind"] == "reminder":
            assert facts["unacknowledged_files"]
        if facts["kind"] == "updated":
            assert facts["new_files"] == len(self.members[tier] - self.covered[tier]) > 0
        for name, at in self.members[tier]:
            self.key_of.setdefault((tier, name, at), []).append(body["key"])

    def acknowledge(self) -> None:
        """Take notice of one open alert about files, as `syncer alerts ack` does."""
        rows = self.rig.rows("SELECT alert_id, tier FROM syncer.alert WHERE rule = 'expiring' AND resolved_at IS NULL")
        if rows:
            row = self.dice.choice(rows)
            with connect(self.url) as connection:
                assert acknowledge(connection, row["alert_id"], by="me")
            self.noticed[row["tier"]] = set(self.covered[row["tier"]])

    def note_arrival(self, key: str) -> Answer:
        """Note when a message first arrived."""
        self.arrived.setdefault(key, self.now)
        return OK

    def check_open(self) -> None:
        """Assert that an alert is open for exactly the tiers that have members."""
        rows = self.rig.rows("SELECT tier FROM syncer.alert WHERE rule = 'expiring' AND resolved_at IS NULL")
        assert {row["tier"] for row in rows} == {tier for tier, members in self.members.items() if members}

    def check_told(self, name: str) -> None:
        """Assert that a recipient was told of everything that is open."""
        told = self.rig.rows(
            "SELECT o.alert_id FROM syncer.outbox o JOIN syncer.recipient r USING (source, recipient) WHERE r.name = %s"
            " AND r.absent_since IS NULL",
            name,
        )
        open_ = self.rig.rows(
            "SELECT alert_id FROM syncer.alert WHERE resolved_at IS NULL"
            " AND (rule <> 'recipient' OR detail ->> 'name' <> %s)",
            name,
        )
        assert {row["alert_id"] for row in open_} <= {row["alert_id"] for row in told}


@dataclass
class Others:
    """What else happens: recipients come and move, and transactions of syncer's own stay open for hours."""

    rig: Rig
    watcher: Watcher
    inboxes: list[Inbox]
    day: int = 0
    held: psycopg.Connection[Any] | None = None

    def notify(self) -> str:
        steady, shaky, nameless = self.inboxes
        place = self.day // 2  # each second day with another key
        urls = [steady.url("/steady", name="steady"), shaky.url(f"/shaky-{place}", name="shaky", lang="zh")]
        return " ".join(urls if self.day < 2 else [*urls, nameless.url(f"/nameless-{place}")])

    def happen(self, dice: Random, hour: int) -> None:
        """Let an hour's events happen; what a recipient must know is checked after the next evaluation."""
        if hour % 24 == 0:
            self.day = hour // 24
            self.rig.environ["SYNCER_NOTIFY"] = self.notify()
        if dice.random() < 0.1:
            self.watcher.acknowledge()
        if self.held is not None and dice.random() < 0.3:
            self.held.close()
            self.held = None
        elif self.held is None and dice.random() < 0.2:
            self.held = psycopg.connect(self.rig.database, application_name="syncer")
            self.held.execute("SELECT count(*) FROM syncer.file")


def live(world: World, dice: Random) -> None:
    """Let half a day happen to the files: most only grow older."""
    ids = world.ids()
    for _ in range(dice.randrange(3)):
        world.add(expires=world.now() + dice.randrange(6, 24 * 15) * 3600)
    if ids and dice.random() < 0.5:
        world.change(dice.choice(ids), expires=world.now() + dice.randrange(1, 24 * 12) * 3600)
    if ids and dice.random() < 0.3:
        world.delete(dice.choice(ids))


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("days", "seed"), [(4, 1), pytest.param(60, 2, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_every_file_was_in_a_message_before_its_tier_ended_and_no_alert_outlives_its_files(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch, days: int, seed: int
) -> None:
    dice = Random(seed)
    with inboxes(3) as three:
        steady, shaky, _ = three
        settings = {
            "page_size": "20",
            "expiry_tiers": "10d,3d,1d",
            "quiet_hours": "22:00-07:00",
            "full_schedule": "0 */12 * * *",
            "sweep_brake": "1",
            "remind_after": "72h",
        }
        watcher: Watcher | None = None

        def clock() -> datetime:
            return START if watcher is None else watcher.now

        rig = simulated(settings, world=World(30, seed=seed), clock=lambda: clock().timestamp())
        monkeypatch.setattr("syncer.app._now", clock)
        watcher = Watcher(rig, dice)
        shaky.answer = lambda _: OK if (clock() - START) // DAY % 5 else (503, b"away")
        steady.answer = lambda message: watcher.note_arrival(message["key"])
        others = Others(rig, watcher, three)
        gone: list[str] = []
        for hour in range(days * 24):
            watcher.now = START + hour * HOUR + timedelta(minutes=dice.randrange(30))
            others.happen(dice, hour)
            app = rig.app()
            if hour % 12 == 0:
                live_and_pull(rig, watcher, app, dice, gone)
            with watcher.perhaps_killed(0.05, 25):
                app.alerting.evaluate(watcher.url, app.settings.sources)
            app.alerting.evaluate(watcher.url, app.settings.sources) if hour % 3 == 0 else None
            watcher.look()
            if hour % 3 == 0:
                watcher.check_told("steady")
                watcher.check_told("webhook 127.0.0.1") if others.day >= 2 else None
            before = watcher.crashes
            with watcher.perhaps_killed(0.1, 6):
                app.alerting.send(watcher.url)
            watcher.send_crashes += watcher.crashes - before
            if hour % 3 == 0:
                watcher.check_open()
        check_what_was_told(watcher)
        end(rig, watcher, app)
        check_delivery(watcher, dict(zip(("steady", "shaky", "webhook 127.0.0.1"), three, strict=True)))
        if others.held is not None:
            others.held.close()


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


def check_delivery(watcher: Watcher, by_name: dict[str, Inbox]) -> None:
    """Assert that nothing was lost, and nothing sent twice but where a send was killed before its mark."""
    waiting = watcher.rig.rows(
        "SELECT o.* FROM syncer.outbox o JOIN syncer.recipient r USING (source, recipient)"
        " WHERE o.sent_at IS NULL AND o.given_up_at IS NULL AND o.not_before <= %s AND r.absent_since IS NULL",
        watcher.now,
    )
    assert waiting == []
    watcher.look()
    left = {row["key"] for row in watcher.rig.rows("SELECT key FROM syncer.outbox WHERE sent_at IS NULL")}
    got = {name: Counter(message["key"] for message in inbox.received) for name, inbox in by_name.items()}
    for name, each in got.items():
        composed = watcher.keys[name]
        assert set(each) <= composed
        # What was composed and never sent is the end of an alert that came back to life within the hour.
        lost = composed - set(each) - (left if name.startswith("webhook") else set())
        assert {key.rpartition("-")[2] for key in lost} <= {"resolved"}, name
    doubled = sum(times - 1 for name in ("steady", "shaky") for times in got[name].values())
    assert doubled <= 2 * watcher.send_crashes
