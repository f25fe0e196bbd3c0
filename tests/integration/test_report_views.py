"""The views of schema report: tiers, the calendar, the daily inventory, sources, storage; each number by one truth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from syncer.model import BackupFile, Page
from syncer.store.daily import count_day
from syncer.store.database import connect
from syncer.store.leases import ensure_source
from syncer.store.pages import commit_lookup
from syncer.store.pulls import begin_run
from syncer.store.tiers import Tier, remember_tiers

from .conftest import Rig
from .reporting import DAY, at, past_rig, play_a_past

NOW = datetime(2026, 11, 1, 15, 59, tzinfo=UTC)  # one minute to midnight in Beijing
MONTH, WEEK = timedelta(days=30), timedelta(days=7)


def store(database: str, *files: BackupFile, tiers: list[Tier] | None = None) -> None:
    with connect(database) as connection:
        ensure_source(connection, "default", account="test", prefix="")
        if tiers is not None:
            remember_tiers(connection, "default", tiers)
        run = begin_run(connection, "default", "lookup", holder="test")
        commit_lookup(connection, "default", run, Page(files, (), len(files), None))


def file(name: str, expires: datetime | None, created: datetime | None = None, size: int | None = 10) -> BackupFile:
    return BackupFile(name, name=name, expires_at=expires, created_at=created, size_bytes=size)


@pytest.fixture
def rig(simulated: Callable[..., Rig]) -> Rig:
    return past_rig(simulated)


def ask(rig: Rig, sql: str, *, now: datetime = NOW) -> list[dict[str, Any]]:
    with at(rig.database, now):
        return rig.rows(sql)


def tiers_by_file(rig: Rig) -> dict[str, str | None]:
    return {row["file_id"]: row["tier"] for row in ask(rig, "SELECT file_id, tier FROM report.expiring")}


def test_a_file_is_in_the_nearest_tier_that_it_has_entered(rig: Rig) -> None:
    second = timedelta(seconds=1)
    lefts = {"far": MONTH + second, "30": MONTH, "8": 8 * DAY, "7": WEEK, "over 1": DAY + second, "1": DAY, "0": second}
    with at(rig.database, NOW):
        store(
            rig.database, *(file(name, NOW + left) for name, left in lefts.items()), file("gone", NOW), file("no", None)
        )
    assert tiers_by_file(rig) == {
        "far": None, "30": "30d", "8": "30d", "7": "7d", "over 1": "7d", "1": "1d", "0": "1d",
    }  # fmt: skip


@pytest.mark.parametrize("mixed", [False, True])
def test_tiers_may_be_shares_of_the_lifetime(rig: Rig, *, mixed: bool) -> None:
    """Ten days left, of lifetimes of different length; with spans beside the shares, the nearer of both counts."""
    tiers: list[Tier] = [("50%", None, 0.5), ("25%", None, 0.25)]
    if mixed:
        tiers += [("2w", timedelta(days=14), None), ("20d", timedelta(days=20), None)]
    left = 10 * DAY
    with at(rig.database, NOW):
        store(
            rig.database,
            file("short", NOW + left, NOW - 30 * DAY),
            file("middle", NOW + left, NOW - 12 * DAY),
            file("fresh", NOW + left, NOW - DAY),
            file("undated", NOW + left),
            tiers=tiers,
        )
    fresh = "2w" if mixed else None
    # of 22 days 50% are 11; short: 25% of 40 are 10 days, nearer than two weeks
    assert tiers_by_file(rig) == {"short": "25%", "middle": "50%", "fresh": fresh, "undated": fresh}


def test_tiers_follow_the_settings_and_are_written_only_when_they_change(simulated: Callable[..., Rig]) -> None:
    rig = simulated({"expiry_tiers": "14d,25%"})
    stored = "SELECT position, name, span, share, xmin::text FROM syncer.tier ORDER BY position"
    rig.sync()
    first = rig.rows(stored)
    assert [(row["position"], row["name"], row["span"], row["share"]) for row in first] == [
        (1, "14d", 14 * DAY, None),
        (2, "25%", None, 0.25),
    ]
    rig.sync("recent")
    assert rig.rows(stored) == first
    rig.environ["SYNCER_EXPIRY_TIERS"] = "2d"
    rig.sync("recent")
    assert [row["name"] for row in rig.rows(stored)] == ["2d"]


def test_the_calendar_has_beijing_days_and_adds_up_to_expiring(rig: Rig) -> None:
    with at(rig.database, NOW):
        store(
            rig.database,
            file("today", NOW + timedelta(seconds=59)),
            file("tomorrow", NOW + timedelta(seconds=60), size=None),
            file("tomorrow too", NOW + DAY),
            file("far", NOW + 1000 * DAY),
            file("overdue", NOW - DAY),
            file("never", None),
        )
    assert ask(rig, "SELECT day, files, bytes, days_ahead FROM report.expiry_calendar ORDER BY day") == [
        {"day": date(2026, 11, 1), "files": 1, "bytes": 10, "days_ahead": 0},
        {"day": date(2026, 11, 2), "files": 2, "bytes": 10, "days_ahead": 1},
        {"day": date(2029, 7, 28), "files": 1, "bytes": 10, "days_ahead": 1000},
    ]
    left = ask(rig, "SELECT file_id, days_left, expiry_day FROM report.expiring ORDER BY expires_at")
    assert [float(row["days_left"]) for row in left] == [0.001, 0.001, 1, 1000]
    assert [row["expiry_day"].day for row in left] == [1, 2, 2, 28]


def test_the_daily_inventory_tells_what_came_and_went_and_marks_days_without_a_pull(rig: Rig) -> None:
    play_a_past(rig, NOW)
    days = ask(rig, "SELECT * FROM report.inventory_daily ORDER BY day")
    # pulls every two days and nine hours, from 20 October 23:59 in Beijing on
    assert [row["day"].day for row in days] == [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 1]
    assert [row["day"].day for row in days if row["pulled"]] == [20, 23, 25, 28, 30, 1]
    assert [row["day"].day for row in days if row["proven"]] == [20, 23, 25, 30, 1]
    assert all((row["live_files"] is None) is not row["pulled"] for row in days)
    events = {row["day"].day: tuple(row[name] for name in ("added", "changed", "expired", "vanished", "returned"))
              for row in days if row["pulled"]}  # fmt: skip
    assert events == {
        20: (62, 0, 0, 0, 0), 23: (0, 2, 0, 0, 0), 25: (1, 1, 0, 4, 0), 28: (1, 0, 0, 0, 0),
        30: (0, 1, 1, 0, 2), 1: (1, 0, 0, 1, 0),
    }  # fmt: skip
    for row in days:
        if row["pulled"]:
            then = rig.rows(
                "SELECT count(*) FILTER (WHERE state = 'live') AS live_files, "
                "coalesce(sum(size_bytes) FILTER (WHERE state = 'live'), 0) AS live_bytes, "
                "count(*) FILTER (WHERE state = 'overdue') AS overdue_files FROM report.backups_as_of(%s)",
                row["as_of"],
            )
            assert then == [{name: row[name] for name in ("live_files", "live_bytes", "overdue_files")}]


def test_days_are_beijing_days_wherever_the_reader_is(rig: Rig) -> None:
    """On 29 March 2026 Beirut had no midnight, in Beijing it was a day as any other."""
    with at(rig.database, datetime(2026, 3, 27, 4, tzinfo=UTC)):
        rig.sync()
    query = "SELECT day FROM report.inventory_daily ORDER BY day"
    with at(rig.database, datetime(2026, 3, 31, 4, tzinfo=UTC)), connect(rig.database) as connection:
        connection.exec_driver_sql("SET TIME ZONE 'Asia/Beirut'")
        assert [day.day for day in connection.exec_driver_sql(query).scalars()] == [27, 28, 29, 30, 31]


def test_what_a_lookup_finds_after_the_days_last_pull_is_counted_on_its_day(rig: Rig) -> None:
    with at(rig.database, NOW - 3 * DAY):
        rig.sync()
    with at(rig.database, NOW - 3 * DAY + timedelta(seconds=30)):
        store(rig.database, file("looked up", None))
    with at(rig.database, NOW), connect(rig.database) as connection:
        count_day(connection, "default", pull_id=None)
    found = ask(rig, "SELECT day, added, pulled FROM report.inventory_daily ORDER BY day")
    assert found[0] == {"day": date(2026, 10, 29), "added": 61, "pulled": True}
    assert [row["pulled"] for row in found] == [True, False, False, False]


def test_a_file_that_expired_and_returned_with_another_expiry_the_same_day_had_expired(rig: Rig) -> None:
    """A recount of the day judges it by the expiry that it had when it went."""
    world, early = rig.simulator.world, int((NOW - 12 * timedelta(hours=1)).timestamp())
    one = world.add(created=early - 86_400, expires=early).file_id
    deeds: list[Callable[[], object]] = [
        lambda: None,
        lambda: world.delete(one),
        lambda: (world.restore(one), world.change(one, expires=early + 40 * 86_400)),
    ]
    for hours, deed in zip((9, 6, 3), deeds, strict=True):
        deed()
        with at(rig.database, NOW - timedelta(hours=hours)):
            rig.sync()
    counts = "SELECT expired, vanished, returned, changed FROM report.inventory_daily"
    assert ask(rig, counts) == [{"expired": 1, "vanished": 0, "returned": 1, "changed": 1}]


def test_sources_say_how_old_the_knowledge_is_and_what_is_in_progress(rig: Rig) -> None:
    with at(rig.database, NOW - DAY):
        rig.sync()
    assert ask(rig, "SELECT unfinished_listed, expected_files, progress, forecast_at FROM report.sources") == [
        {"unfinished_listed": None, "expected_files": None, "progress": None, "forecast_at": None}
    ]
    with at(rig.database, NOW - timedelta(hours=1)):
        rig.sync("recent")
        rig.sync("full", stop_after=2)
    (reason,) = ask(rig, "SELECT verdict, reason FROM report.pulls ORDER BY pull_id DESC LIMIT 1")
    assert reason == {"verdict": "partial", "reason": "it was not read to its end yet"}
    (row,) = ask(rig, "SELECT * FROM report.sources")
    assert row["knowledge_age"] == DAY
    assert row["recent_started_at"] == NOW - timedelta(hours=1)
    assert (row["present_files"], row["present_bytes"]) == (60, sum(each["size"] for each in rig.simulator.listing()))
    assert (row["unfinished_listed"], row["expected_files"], float(row["progress"])) == (40, 60, 0.6667)
    assert (row["unfinished_phase"], row["forecast_at"], row["holder"]) == ("listing", None, None)
    assert row["last_run_outcome"] == "stopped"


def test_a_running_pull_is_forecast_at_its_own_pace(rig: Rig) -> None:
    with at(rig.database, NOW - DAY):
        rig.sync()
    seen = []

    def look(_: object) -> None:
        seen.append(rig.rows("SELECT holder, unfinished_listed, forecast_at, now() FROM report.sources")[0])

    rig.sync("full", on_page=look)
    assert [row["unfinished_listed"] for row in seen[:3]] == [20, 40, 60]
    assert all(row["holder"] for row in seen)
    assert seen[0]["forecast_at"] is None  # one page is no pace
    assert seen[1]["forecast_at"] > seen[1]["now"]
    assert seen[2]["forecast_at"] is None  # the listing has ended


def test_the_end_of_a_first_pull_is_not_forecast(rig: Rig) -> None:
    seen = []

    def look(_: object) -> None:
        seen.append(rig.rows("SELECT running, files_per_second, expected_files, forecast_at FROM report.sources")[0])

    rig.sync("full", on_page=look)
    assert seen[1]["running"]
    assert seen[1]["files_per_second"] > 0
    assert (seen[1]["expected_files"], seen[1]["forecast_at"]) == (None, None)


def test_storage_by_type_prefix_and_age_add_up_to_what_is_listed(rig: Rig) -> None:
    play_a_past(rig, NOW)
    (total,) = ask(rig, "SELECT present_files AS files, present_bytes AS bytes FROM report.sources")
    for view in ("type", "prefix", "age"):
        (found,) = ask(rig, f"SELECT sum(files) AS files, sum(bytes) AS bytes FROM report.storage_by_{view}")
        assert found == total, view


def test_a_prefix_is_the_stream_unless_another_pattern_is_set(rig: Rig) -> None:
    names = ["6000_3dS-w_Q_2016-11-30-10-32-51_2016-11-30-10-34-31", "holiday-1", None]
    query = "SELECT report.name_prefix(n) AS p FROM unnest(%s::text[]) AS n"
    assert [row["p"] for row in rig.rows(query, names)] == ["6000_3dS-w_Q", None, None]
    rig.rows("SELECT 1")
    with connect(rig.database) as connection:
        connection.exec_driver_sql("SET syncer.prefix_pattern = '^([^-]+)-'")
        assert list(connection.exec_driver_sql(query, (names,)).scalars()) == ["6000_3dS", "holiday", None]


def test_ages_have_their_edges(rig: Rig) -> None:
    ages = [0, 6.9, 7, 30, 89, 90, 180, 365, 4000]
    with at(rig.database, NOW):
        store(rig.database, *(file(str(age), None, NOW - age * DAY) for age in ages), file("undated", None))
    found = ask(rig, "SELECT age, from_days, to_days, files FROM report.storage_by_age ORDER BY from_days")
    assert [tuple(row.values()) for row in found] == [
        ("under 7 days", 0, 7, 2), ("7 to 30 days", 7, 30, 1), ("30 to 90 days", 30, 90, 2),
        ("90 to 180 days", 90, 180, 1), ("180 days to a year", 180, 365, 1), ("over a year", 365, None, 2),
        ("unknown", None, None, 1),
    ]  # fmt: skip


def test_alerts_are_typed_and_empty(rig: Rig) -> None:
    assert rig.rows("SELECT * FROM report.alerts") == []
