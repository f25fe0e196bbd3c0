"""report.backups_as_of shows what report.backups showed: after, between and before pulls, and never a guess."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from syncer.model import BackupFile, Page
from syncer.store.database import connect
from syncer.store.pages import commit_lookup
from syncer.store.retention import Keep, prune

from .conftest import Rig
from .reporting import DAY, at, look_up, past_rig
from .servers import first_everywhere

NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
LONG = 10_000 * DAY


def backups(rig: Rig, instant: datetime) -> list[dict[str, Any]]:
    with at(rig.database, instant):
        return rig.rows("SELECT * FROM report.backups ORDER BY file_id")


def as_of(rig: Rig, instant: datetime) -> list[dict[str, Any]]:
    return rig.rows("SELECT * FROM report.backups_as_of(%s) ORDER BY file_id", instant)


def mutate(rig: Rig, dice: random.Random) -> None:
    """Change the API's world in a few of the ways in which it can change."""
    world, ids, gone = rig.simulator.world, rig.simulator.world.ids(), sorted(getattr(rig, "deleted", set()))
    for _ in range(dice.randrange(8)):
        one = dice.choice(ids)
        if one not in world.ids():
            continue
        match dice.randrange(6):
            case 0:
                world.change(one, name=dice.choice(["", "名字", "plain", "quoted \"' \\"]))
            case 1:
                world.change(one, expires=dice.choice([None, world.now() + dice.randrange(-9, 99) * 86_400]))
            case 2:
                world.change(one, size=dice.choice([None, 0, 2**40]), duration=dice.choice([None, 1]))
            case 3:
                world.delete(one)
                gone.append(one)
            case 4 if gone:
                world.restore(gone.pop(dice.randrange(len(gone))))
            case _:
                world.add()
    rig.deleted = set(gone)  # type: ignore[attr-defined] # the test's own note on its rig


def act(rig: Rig, dice: random.Random, run: int) -> None:
    """Let syncer do something: a pull, a part of one, a lookup, or store a file with odd fields."""
    match dice.randrange(8):
        case 0:
            rig.sync("recent")
        case 1:
            rig.sync("full", stop_after=2)
        case 2:
            look_up(rig, dice.sample(rig.simulator.world.ids(), 5))
        case 3:
            extra = {"odd": dice.choice([1, None, {"deep": ["\\", '"']}])}
            with connect(rig.database) as connection:
                odd = BackupFile("odd", name=f"odd {run}", status=run, extra=extra if dice.random() < 0.7 else {})
                commit_lookup(connection, "default", 1, Page((odd,), (), 1, None))
        case _:
            rig.sync("full", allow_sweep=True)


@pytest.mark.parametrize("seed", first_everywhere(range(4)))
def test_it_equals_what_was_shown(seed: int, simulated: Callable[..., Rig]) -> None:
    dice, rig, instant, shown = random.Random(seed), past_rig(simulated, files=50), NOW, []
    with at(rig.database, instant):
        rig.sync("full")
    for run in range(10):
        shown += [
            (moment, backups(rig, moment)) for moment in (instant, instant + timedelta(hours=dice.randrange(1, 99)))
        ]
        instant = shown[-1][0] + timedelta(microseconds=dice.randrange(1, 10**11))
        mutate(rig, dice)
        with at(rig.database, instant):
            act(rig, dice, run)
    shown.append((instant, backups(rig, instant)))
    for moment, expected in shown:
        assert as_of(rig, moment) == expected
    assert as_of(rig, NOW - timedelta(microseconds=1)) == []
    assert {row["state"] for _, rows in shown for row in rows} >= {"live", "vanished"}
    assert rig.rows("SELECT count(*) AS n FROM report.changes WHERE field = 'gone_at' AND new_value IS NULL")[0]["n"]


def test_before_the_history_that_is_kept_it_is_an_error_and_after_it_still_right(simulated: Callable[..., Rig]) -> None:
    rig, world = past_rig(simulated), None
    world = rig.simulator.world
    one = world.ids()[5]
    shown = []
    for day in range(4):
        moment = NOW + day * DAY
        world.change(one, name=f"name of day {day}")
        with at(rig.database, moment):
            rig.sync("full")
        shown.append((moment, backups(rig, moment)))
    with at(rig.database, NOW + 4 * DAY), connect(rig.database) as connection:
        pruned = prune(connection, "default", Keep(timedelta(days=2), LONG, LONG))
    assert pruned.changes == 1  # of day 1; day 2 is just kept
    for moment, expected in shown[2:]:
        assert as_of(rig, moment) == expected
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no longer kept"):
        as_of(rig, NOW + 2 * DAY - timedelta(microseconds=1))
    assert rig.rows("SELECT history_from FROM report.sources") == [{"history_from": NOW + 2 * DAY}]
