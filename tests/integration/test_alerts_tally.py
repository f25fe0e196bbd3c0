"""An evaluation that finds nothing new costs little, however many files there are, and counts exactly all the same."""

from __future__ import annotations

import time
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from syncer.alerts.evaluate import _Evaluation
from syncer.alerts.policy import Policy
from syncer.alerts.rules import watches
from syncer.store import alert_files, alert_marks, alerts
from syncer.store.alert_files import Watch
from syncer.store.alert_marks import Mark
from syncer.store.alert_tally import Tallies
from syncer.store.database import Connection, connect, rows

from .place import DAY, HOUR, Place
from .recipients import Inbox
from .servers import first_everywhere

MINUTE = timedelta(minutes=1)


def policy(place: Place) -> Policy:
    alerting = place.alerting()
    return alerting.policy(alerting.settings.sources[0])


def check_counts(place: Place) -> None:
    """Assert that what is kept and moved on equals what is counted anew, for every watch and its alert's marks."""
    with connect(place.url) as connection, alerts.evaluating(connection, "a"):
        tallies = Tallies(connection, "a", alert_marks.take(connection))
        evaluation = _Evaluation(connection, policy(place))
        for watch in watches(policy(place), place.now):
            marks = evaluation._marks(watch)
            assert tallies.crowd(watch, *marks) == tallies._counted(watch, *marks), watch


@pytest.mark.parametrize("tiers", first_everywhere(["20h,25%,3h", "12h,4h,2h"]))
def test_counts_that_are_moved_on_equal_those_made_anew(place: Place, tiers: str) -> None:
    dice = Random(tiers)
    place.settings = {"expiry_tiers": tiers, "remind_after": "3h", "data_deadline": "90d"}
    place.toml = '[[sources.groups]]\nname = "exams"\nprefix = "exam"\n'
    place.pull()
    for number in range(150):
        place.file(f"{dice.choice(['exam', 'other'])}-{number}", dice.randrange(1, 30 * 60) * MINUTE, life=2 * DAY)
    for step in range(36):
        place.now += dice.randrange(1, 66) * MINUTE
        match dice.randrange(8):
            case 0:
                place.file(f"new-{step}", dice.randrange(1, 30) * HOUR)
            case 1:
                place.extend(f"other-{dice.randrange(150)}", dice.randrange(1, 30) * HOUR)
            case 2:
                place.lose(f"exam-{dice.randrange(150)}")
            case 3:
                place.sql(
                    "UPDATE syncer.alert SET acknowledged_at = syncer.instant(), acknowledged_mark = announced_at,"
                    " acknowledged_open = announced_open, renewed_at = NULL WHERE resolved_at IS NULL"
                )
        place.evaluate()
        check_counts(place)
        assert place.sql(
            "SELECT a.rule, a.tier, a.name_group, a.files, count(f.file_id) FROM report.alerts a"
            " LEFT JOIN report.alert_files f USING (source, alert_id)"
            " WHERE a.resolved_at IS NULL AND a.rule IN ('expiring', 'vanished') GROUP BY a.alert_id, 1, 2, 3, 4"
            " HAVING a.files <> count(f.file_id)"
        ) == []  # fmt: skip


def rows_read(connection: Connection) -> int:
    """Return how many rows of syncer.file this transaction has read."""
    sql = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'syncer.file'::regclass"
    return int(connection.exec_driver_sql(sql).scalar_one())


def many(place: Place, number: int, *, analysed: bool = True) -> None:
    """Store files that expire one after another, over thirty days."""
    place.sql(
        "INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at, changed_at,"
        " first_run) SELECT 'a', n::text, '600' || n %% 8 || '_s' || n %% 50 ||"
        " '_2026-01-01-00-00-00_2026-01-01-00-05-00', n, syncer.instant() - interval '10 days',"
        " syncer.instant() + n * interval '30 days' / %s, syncer.instant(), syncer.instant(), 1"
        " FROM generate_series(1, %s) n",
        number, number,
    )  # fmt: skip
    if analysed:
        place.sql("ANALYZE syncer.file")
    place.sql("SELECT brin_summarize_new_values('syncer.file_first_seen_idx')")


def test_an_evaluation_reads_what_time_has_moved_and_no_more(place: Place) -> None:
    place.settings = {"data_deadline": "90d"}
    place.pull()
    many(place, 20_000)
    for _ in range(2):
        place.now += MINUTE
        place.evaluate()
    place.now += MINUTE
    with connect(place.url) as connection, alerts.evaluating(connection, "a"):
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # so small a table would be read whole
        _Evaluation(connection, policy(place)).carry_out()
        # The index of when files were first seen knows stretches of 128 pages, some 8,000 rows: the one that is being
        # filled may be read, and how full it is depends on how the server laid the table out.
        assert rows_read(connection) < 10_000
    place.file("new", 6 * DAY)
    place.now += MINUTE
    with connect(place.url) as connection, alerts.evaluating(connection, "a"):
        _Evaluation(connection, policy(place)).carry_out()
        assert rows_read(connection) > 20_000, "a file was written: all is counted anew"


def rows_met(plan: dict[str, Any]) -> float:
    """Return how many rows the nodes of a plan have met together."""
    inner: list[dict[str, Any]] = plan.get("Plans", [])
    return float(plan["Actual Rows"] * plan["Actual Loops"]) + sum(map(rows_met, inner))


def test_newcomers_are_counted_quick_before_there_are_statistics(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("file", "change"):
        place.sql(f"ALTER TABLE syncer.{table} SET (autovacuum_enabled = off)")
    many(place, 5_000, analysed=False)
    place.sql(
        "INSERT INTO syncer.change (source, changed_at, file_id, field, run_id, previous_at)"
        " SELECT source, changed_at, file_id, 'expires_at', 1, first_seen_at FROM syncer.file"
    )
    asked: list[tuple[str, dict[str, Any]]] = []

    def noted(connection: Connection, sql: str, **parameters: Any) -> Any:
        asked.append((sql, parameters))
        return rows(connection, sql, **parameters)

    monkeypatch.setattr(alert_files, "rows", noted)
    watch, mark = Watch("a", "expiring", "30d", span=30 * DAY), Mark(place.now - HOUR)
    with connect(place.url) as connection:
        assert alert_files.count_since(connection, watch, mark).files == 5_000
        assert len(alert_files.examples(connection, watch, 5_000, mark=mark)) == 5_000
        for sql, parameters in asked:
            ((found,),) = rows(connection, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **parameters)
            assert rows_met(found[0]["Plan"]) < 40 * 5_000, "each newcomer met each file"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_expiring_files_cost_a_minute_next_to_nothing(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "data_deadline": "90d"}
    place.pull(files=1_000_000)
    many(place, 1_000_000)
    place.now += MINUTE
    began = time.monotonic()
    place.evaluate()
    first = time.monotonic() - began
    alerting, seconds = place.alerting(), list[float]()
    for _ in range(6):
        place.now += MINUTE
        began = time.monotonic()
        alerting.evaluate(place.url, alerting.settings.sources)
        seconds.append(time.monotonic() - began)
    figures = f"first {first:.2f} s, then {', '.join(f'{each * 1000:.0f}' for each in seconds)} ms"
    check_counts(place)
    assert sorted(seconds)[1] < 0.5, figures  # of a machine that others load too; 30 ms when it is idle
