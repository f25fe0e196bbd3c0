"""A list that is turned page by page shows every file once, in order, whatever it is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from syncer.store import listing
from syncer.store.inventory import State
from syncer.store.listing import Found, Place, Wish
from syncer.store.looking import Looks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SOURCES = ("east", "west", "a b-尾")
INSERT = """
INSERT INTO syncer.file (source, file_id, name, expires_at, gone_at, first_seen_at, changed_at, first_run)
VALUES (%(source)s, %(file_id)s, %(name)s, %(expires_at)s, %(gone_at)s, %(now)s, %(now)s, 1)
"""


def invented(seed: int) -> list[dict[str, Any]]:
    """Return files of every state with many equal instants; some names are long, odd, or not there at all."""
    chance = random.Random(seed)
    names = [
        "6000_a",
        "6000_ab",
        "6000_b%_",
        "6000_",
        "é-ü",
        "很长" * 20,
        "A" * 40,
        "A" * 31,
        "\U0010ffff\U0010ffff",
        None,
        "",
    ]
    hours = [timedelta(hours=chance.randrange(-60, 60)) for _ in range(12)]
    files = []
    for number in range(150):
        expires_at = None if chance.random() < 0.2 else NOW + chance.choice(hours)
        name = chance.choice(names)
        files.append(
            {
                "source": chance.choice(SOURCES),
                "file_id": f"{chance.randrange(3)}-{number}",
                "name": name if name is None else f"{name}{chance.randrange(4)}",
                "expires_at": expires_at,
                "gone_at": NOW + chance.choice(hours) - timedelta(hours=60) if chance.random() < 0.5 else None,
            }
        )
    return files


@pytest.fixture
def looks(database: str) -> Iterator[Looks]:
    looks = Looks(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET syncer.now = '{NOW.isoformat()}'")  # type: ignore[arg-type]
        connection.cursor().executemany(
            "INSERT INTO syncer.source (source, account) VALUES (%s, 'x')", [[name] for name in SOURCES]
        )
        yield looks
        looks.close()
        connection.execute(f"ALTER DATABASE {connection.info.dbname} RESET syncer.now")  # type: ignore[arg-type]


def expected(files: list[dict[str, Any]], wish: Wish) -> list[tuple[str, str]]:
    """Return what a wish holds, by the definitions alone."""

    def state(each: dict[str, Any]) -> State:
        expires_at, gone_at = each["expires_at"], each["gone_at"]
        if gone_at is None:
            return State.OVERDUE if expires_at is not None and expires_at <= NOW else State.LIVE
        return State.EXPIRED if expires_at is not None and expires_at <= gone_at else State.VANISHED

    def place(each: dict[str, Any]) -> tuple[float, str, str]:
        if wish.state in {State.EXPIRED, State.VANISHED}:
            return -each["gone_at"].timestamp(), each["source"], each["file_id"]
        last = float("inf") if each["expires_at"] is None else each["expires_at"].timestamp()
        return last, each["source"], each["file_id"]

    chosen = [
        each
        for each in files
        if state(each) is wish.state
        and wish.source in (None, each["source"])
        and (not wish.prefix or (each["name"] or "").startswith(wish.prefix))
        and (wish.within is None or (each["expires_at"] is not None and each["expires_at"] <= NOW + wish.within))
    ]
    return [(each["source"], each["file_id"]) for each in sorted(chosen, key=place)]


def turned(looks: Looks, wish: Wish, size: int) -> tuple[list[tuple[str, str]], list[Found]]:
    """Turn the pages of a wish to the end."""
    shown: list[tuple[str, str]] = []
    pages: list[Found] = []
    after: Place | None = None
    while True:
        with looks.looking() as connection:
            pages.append(listing.page(connection, wish, after, size))
        shown += [(each["source"], each["file_id"]) for each in pages[-1].files]
        after = pages[-1].next
        if after is None:
            return shown, pages
        assert len(pages) < 500


PREFIXES = ("", "6000_", "6000_b%", "é", "A" * 32, "A" * 35, "\U0010ffff", "nothing")


@pytest.mark.parametrize(("few", "walk"), [(10_000, 10_000), (3, 13)])
def test_every_file_comes_once_in_order(looks: Looks, monkeypatch: pytest.MonkeyPatch, few: int, walk: int) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    monkeypatch.setattr(listing, "WALK", walk)
    monkeypatch.setattr(listing, "_HOW_MANY", listing._HOW_MANY.replace("LIMIT 2001", f"LIMIT {few + 1}"))
    files = invented(seed=few + walk)
    with psycopg.connect(looks.url, autocommit=True) as connection:
        connection.cursor().executemany(INSERT, [each | {"now": NOW} for each in files])
    wishes = [Wish(state, None, prefix) for state in State for prefix in PREFIXES]
    wishes += [Wish(State.LIVE, "west", "6000_", timedelta(hours=24)), Wish(State.EXPIRED, "west")]
    for wish in wishes:
        shown, pages = turned(looks, wish, 9)
        assert shown == expected(files, wish), wish
        assert all(len(each.files) <= 9 for each in pages)


def test_a_name_search_reads_the_index_and_no_whole_table(looks: Looks) -> None:
    with psycopg.connect(looks.url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            f"EXPLAIN {listing._HOW_MANY}",  # type: ignore[arg-type] # the statement itself
            {"sources": ["west"], "least": "6000_", "most": "6000_\U0010ffff", "prefix": "6000_"},
        ).fetchall()
    assert any("file_name_idx" in line[0] for line in plan), plan


def test_a_look_writes_nothing_and_ends_in_time(looks: Looks) -> None:
    from syncer.errors import DatabaseUnavailable
    from syncer.store.looking import TookTooLong

    with pytest.raises(TookTooLong), looks.looking(0.05) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    with pytest.raises(DatabaseUnavailable, match="read-only"), looks.looking() as connection:
        connection.exec_driver_sql("INSERT INTO syncer.source (source, account) VALUES ('x', 'x')")
    with looks.acting() as connection:
        connection.exec_driver_sql("INSERT INTO syncer.source (source, account) VALUES ('x', 'x')")
    with looks.looking() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM syncer.source").scalar() == 4
