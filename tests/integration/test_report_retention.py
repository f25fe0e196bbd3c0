"""Pruning forgets in small steps what need not be kept, and nothing that is still needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from syncer.store.database import connect
from syncer.store.retention import Keep, Pruned, prune

from .conftest import Rig
from .reporting import DAY, at, past_rig, play_a_past

NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
LONG = 10_000 * DAY
EVERYTHING = Keep(timedelta(seconds=1), timedelta(seconds=1), timedelta(seconds=1))


def pruned_at(rig: Rig, keep: Keep, now: datetime = NOW + DAY, **options: Any) -> Pruned:
    with at(rig.database, now), connect(rig.database, pinned=True) as connection:
        return prune(connection, "default", keep, **options)


def kept_pages(rig: Rig) -> set[int]:
    return {row["pull_id"] for row in rig.rows("SELECT DISTINCT pull_id FROM report.pages")}


def test_evidence_that_is_needed_stays(simulated: Callable[..., Rig]) -> None:
    """The last three full pulls, the last proven one and what is unfinished keep their ledgers, however old."""
    rig = past_rig(simulated)
    for day in range(6):
        with at(rig.database, NOW - (20 - day) * DAY):
            rig.sync("full")
            rig.sync("recent")
    rig.rows(
        "UPDATE syncer.pull SET proven = false WHERE pull_id > (SELECT min(pull_id) FROM syncer.pull) AND proven "
        "RETURNING 1"
    )
    rig.sync("full", stop_after=1)
    pulls = {row["pull_id"]: row for row in rig.rows("SELECT * FROM report.pulls")}
    full = sorted(number for number, row in pulls.items() if row["kind"] == "full")
    proven = max(number for number, row in pulls.items() if row["verdict"] == "proven")
    pruned = pruned_at(rig, Keep(LONG, timedelta(seconds=1), LONG))
    assert kept_pages(rig) == {proven, *full[-3:]}
    assert pruned.pages > 0
    assert rig.sync("full").outcome == "complete"
    rig.assert_equals_listing()


def test_runs_that_history_refers_to_stay(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    play_a_past(rig, NOW)
    before = rig.rows("SELECT * FROM report.changes ORDER BY changed_at, file_id, field")
    assert pruned_at(rig, Keep(LONG, timedelta(seconds=1), LONG)).runs > 0
    assert rig.rows("SELECT * FROM report.changes ORDER BY changed_at, file_id, field") == before


def test_old_recent_pulls_go_but_for_those_that_something_kept_refers_to(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    recents: list[int] = []
    for day in range(6):
        with at(rig.database, NOW - (20 - day) * DAY):
            if day == 0:
                rig.sync("full")
            if day == 2:
                rig.simulator.world.change(rig.simulator.world.ids()[-1], name="renamed")
            recents += [rig.sync("recent").pull_id for _ in range(2)]
    (changed,) = {row["pull_id"] for row in rig.rows("SELECT pull_id FROM report.changes")}
    days = {row["pull_id"] for row in rig.rows("SELECT pull_id FROM syncer.inventory_day")}
    known = "SELECT known_until, ended_recent_pull_id, proven_pull_id FROM report.sources"
    before = rig.rows(known)
    pruned = pruned_at(rig, Keep(LONG, timedelta(seconds=1), LONG), step=2)
    left = {row["pull_id"] for row in rig.rows("SELECT pull_id FROM report.pulls WHERE kind = 'recent'")}
    assert left == (days | {changed, recents[-1]}) & set(recents)
    assert pruned.pulls == len(recents) - len(left) > 0
    assert rig.rows(known) == before


def test_it_forgets_all_that_is_old_in_steps_and_then_has_nothing_to_do(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    play_a_past(rig, NOW)
    inventory = "SELECT * FROM syncer.inventory_day ORDER BY day"
    changes, days, backups = len(rig.rows("SELECT FROM report.changes")), rig.rows(inventory), rig.backups()
    assert changes > 6
    first = pruned_at(rig, EVERYTHING, step=2)
    assert first.changes == changes
    assert first.rejected == 1
    assert first.pages > 0
    assert pruned_at(rig, EVERYTHING) == Pruned()
    assert rig.rows(inventory) == days
    assert rig.backups() == backups


def test_it_stops_between_steps_when_asked_to(simulated: Callable[..., Rig]) -> None:
    rig, asked = past_rig(simulated), []
    play_a_past(rig, NOW)

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 2

    assert pruned_at(rig, EVERYTHING, step=2, stopping=stopping) == Pruned(changes=4)
    assert rig.rows("SELECT history_from FROM report.sources")[0]["history_from"] is not None


def test_a_finished_full_pull_prunes_by_the_settings(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    instants = play_a_past(rig, NOW)
    rig.environ |= {"SYNCER_KEEP_HISTORY": "7d", "SYNCER_KEEP_REJECTED": "1h"}
    with at(rig.database, NOW + DAY):
        rig.sync("recent")
        assert rig.rows("SELECT history_from FROM report.sources") == [{"history_from": None}]
        rig.sync("full")
    oldest = rig.rows("SELECT min(changed_at) AS oldest FROM report.changes")[0]["oldest"]
    assert oldest == instants[4]
    assert rig.rows("SELECT history_from FROM report.sources") == [{"history_from": NOW - 6 * DAY}]


def test_the_evidence_of_the_proof_that_is_shown_stays_when_another_scope_was_proven_since(
    simulated: Callable[..., Rig],
) -> None:
    rig = past_rig(simulated)
    with at(rig.database, NOW):
        shown = rig.sync().pull_id
        rig.environ["SYNCER_PREFIX"] = "6"
        for _ in range(3):
            rig.sync()
        del rig.environ["SYNCER_PREFIX"]
        rig.sync("full", stop_after=1)
    assert rig.rows("SELECT proven_pull_id FROM report.sources") == [{"proven_pull_id": shown}]
    with at(rig.database, NOW + DAY):
        pruned_at(rig, EVERYTHING)
    assert rig.rows("SELECT FROM report.pages WHERE pull_id = %s", shown)
