"""report.alert_files names the same files whichever way it finds them, and the first alert's without the last's."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from syncer.store.migrate import downgrade, upgrade

BEFORE, AFTER = "0028", "0032"
NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
FILE = """
INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at, changed_at, gone_at,
                         first_run)
VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, 1)
"""
ALERT = """
INSERT INTO syncer.alert (source, rule, tier, grp, severity, prefix, not_prefixes, span, share, inner_span, other_spans,
                          other_shares, before, raised_at, evaluated_at, resolved_at)
VALUES (%s, %s, %s, '', 'info', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def put_file(connection: psycopg.Connection[Any], dice: random.Random, number: int) -> None:
    created = NOW - timedelta(hours=dice.randint(0, 1500))
    expires = dice.choice((None, created + timedelta(hours=dice.choice((24, 720, dice.randint(0, 2000))))))
    gone = dice.choice((None, None, None, NOW - timedelta(hours=dice.randint(0, 900))))
    connection.execute(
        FILE,
        (
            dice.choice("abc"), f"{number}", dice.choice((None, "", "exam-1", "exam-final-2", "other")),
            dice.choice((None, created)), expires, created, NOW, gone,
        ),
    )  # fmt: skip


def put_alert(connection: psycopg.Connection[Any], dice: random.Random, number: int) -> None:
    span = dice.choice((None, timedelta(days=dice.choice((1, 7, 30)))))
    connection.execute(
        ALERT,
        (
            dice.choice("abc"), dice.choice(("expiring", "expiring", "overdue", "vanished", "stale")), str(number),
            dice.choice(("", "", "exam")), dice.choice((None, [], ["exam-final", "x"])), span,
            None if span else dice.choice((0.25, 0.5)), dice.choice((None, timedelta(days=1))),
            dice.choice((None, [], [timedelta(hours=3), timedelta(days=2)])), dice.choice((None, [], [0.1, 0.3])),
            dice.choice((None, NOW - timedelta(days=dice.randint(0, 9)))), NOW, NOW, dice.choice((None, None, NOW)),
        ),
    )  # fmt: skip


def members(url: str, zone: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('syncer.now', %s, false)", (NOW.isoformat(),))
        connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
        return connection.execute("SELECT * FROM report.alert_files ORDER BY source, alert_id, file_id").fetchall()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_it_names_the_files_that_it_named_before(empty_database: str, zone: str) -> None:
    upgrade(empty_database, BEFORE)
    with psycopg.connect(empty_database) as connection:
        for number in range(400):
            put_file(connection, random.Random(f"{zone} {number}"), number)
        for number in range(80):
            put_alert(connection, random.Random(f"{zone} alert {number}"), number)
    before = members(empty_database, zone)
    assert {"expiring", "overdue", "vanished"} == {row[2] for row in before}
    upgrade(empty_database, AFTER)
    assert members(empty_database, zone) == before
    downgrade(empty_database, BEFORE)
    assert members(empty_database, zone) == before


def test_the_first_of_all_are_found_without_the_files_of_the_last(empty_database: str) -> None:
    upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            """
            INSERT INTO syncer.file (source, file_id, expires_at, first_seen_at, changed_at, first_run)
            SELECT 'a', n::text, now() + n * interval '1 minute', now(), now(), 1 FROM generate_series(1, 30000) n
            """
        )
        for days, inner in ((1, None), (30, 1)):
            inner_span = None if inner is None else timedelta(days=inner)
            connection.execute(
                ALERT,
                (
                    "a", "expiring", str(days), "", None, timedelta(days=days), None, inner_span, None, None, None, NOW,
                    NOW, None,
                ),
            )  # fmt: skip
        connection.commit()
        connection.execute("ANALYZE syncer.file")
        found = connection.execute("SELECT * FROM report.alert_files ORDER BY source, alert_id, file_id LIMIT 1000")
        assert len(found.fetchall()) == 1000
        read = connection.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'syncer.file'::regclass"
        ).fetchone()
        assert read is not None
        assert read[0] < 2000
