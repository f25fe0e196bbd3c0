"""Names have the streams that they had, and report.storage_by_prefix says the same of them, whatever the pattern."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from syncer.store.migrate import downgrade, upgrade

BEFORE, AFTER = "0029", "0030"
TIMES = "_2016-11-30-10-32-51_2016-11-30-10-34-31"
WHOLE = (None, "", "a", "_", TIMES, TIMES[1:], TIMES * 2, "6000_x" + TIMES, "6000_x" + TIMES + " ", "%" + TIMES)
PIECES = (TIMES, TIMES[:20], TIMES[20:], "6000", "_", "-", "%", "\\", "\n", "é", "冷", "́", "2016-11-30")


def names(dice: random.Random) -> list[str | None]:
    return [*WHOLE, *("".join(dice.choices(PIECES, k=dice.randint(1, 5))) for _ in range(400))]


def said(url: str, pattern: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('syncer.prefix_pattern', %s, false)", (pattern,))
        streams = connection.execute("SELECT file_id, report.name_prefix(name) FROM syncer.file ORDER BY file_id")
        groups = connection.execute("SELECT * FROM report.storage_by_prefix ORDER BY source, prefix")
        return [streams.fetchall(), groups.fetchall()]


@pytest.mark.parametrize("pattern", ["", "^([^-]+)-", "^(.)"])
def test_names_have_the_streams_that_they_had(empty_database: str, pattern: str) -> None:
    upgrade(empty_database, BEFORE)
    with psycopg.connect(empty_database) as connection:
        connection.cursor().executemany(
            """
            INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at,
                                     changed_at, gone_at, first_run)
            SELECT chr(97 + n % 3), n, %s, nullif(n % 7, 0), now() + n * interval '1 hour',
                   now() - n * interval '1 day', now(), now(), CASE WHEN n % 10 = 0 THEN now() END, 1
            FROM (VALUES (%s::int)) v (n)
            """.replace("n % ", "n %% "),
            [(name, number) for number, name in enumerate(names(random.Random(1)))],
        )
    before = said(empty_database, pattern)
    assert len({stream for _, stream in before[0]} - {None}) > 10
    upgrade(empty_database, AFTER)
    assert said(empty_database, pattern) == before
    downgrade(empty_database, BEFORE)
    assert said(empty_database, pattern) == before
