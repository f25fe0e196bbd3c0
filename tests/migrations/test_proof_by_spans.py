"""report.proof says the same of any ledger, whichever way it finds out which files are different."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from syncer.store.migrate import downgrade, upgrade

BEFORE, AFTER = "0027", "0028"
PULLS = 60
START = datetime(2026, 3, 1, tzinfo=UTC)
LARGEST = 2**63 - 1
# Not the text of a number that a bigint holds, or one that is hardly so.
ODD = ("007", "-0", "+5", "5 ", "1e3", "٣", "x", "", str(2**63), str(-(2**63) - 1), "9" * 30)
EDGE = (0, 5, -5, LARGEST, -LARGEST - 1)

PULL = """
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at, generation,
                         finished_at, outcome)
VALUES ('s', 'full', 'l', '', 100, false, 1, %s, %s, now(), 'unproven') RETURNING pull_id
"""
PAGE = """
INSERT INTO syncer.page (source, pull_id, generation, part, page, run_id, committed_at, context_in, context_out,
                         entries, rejected, inserted, updated, oldest, newest, ordered,
                         file_ids, file_numbers, first_number, file_offsets)
VALUES ('s', %s, %s, %s, %s, 1, %s, %s, %s, %s, 0, 0, 0, %s, %s, %s, %s, %s, %s, %s)
"""


def held(ids: list[str], dice: random.Random) -> tuple[Any, ...]:
    """Return a page's ids as one of the ways that hold them: texts, numbers, or what each is more than the least."""
    numbers = [int(each) for each in ids if each not in ODD]
    if len(numbers) < len(ids) or not ids or dice.random() < 0.2:
        return ids, None, None, None
    if dice.random() < 0.9:
        numbers = sorted(set(numbers))  # else as an older version may have held them
    if max(numbers) - min(numbers) < 2**31 and dice.random() < 0.8:
        return None, None, min(numbers), [number - min(numbers) for number in numbers]
    return None, numbers, None, None


def listing(dice: random.Random, first: int, pages: int, reach: int) -> list[list[str]]:
    """Return the ids on the pages of a listing, from high to low: apart, touching, overlapping, or all over."""
    found, spread = [], dice.choice((0, 0, 1, 3, 40))
    for page in range(pages):
        top = first - page * 10 * reach + dice.randint(0, spread) * reach
        numbers = [top - dice.randrange(10) * reach for _ in range(dice.randint(0, 8))]
        ids = [str(number) for number in numbers]
        if dice.random() < 0.1:
            ids += [*dice.choices(ODD, k=2), str(dice.choice(EDGE))]
        found.append(list(dict.fromkeys(ids)) if dice.random() < 0.95 else ids)
    return found


def put_pull(connection: psycopg.Connection[Any], dice: random.Random) -> None:
    generations, first = dice.choice((1, 1, 2, 3)), dice.choice((10**6, 9 * 10**18))
    reach = dice.choice((1, 1, 1, 10**12))
    row = connection.execute(PULL, (START, generations)).fetchone()
    assert row is not None
    for generation in range(1, generations + 1):
        parts = {"listing": listing(dice, first, dice.randint(0, 12), reach)}
        if dice.random() < 0.6:
            parts["tail"] = listing(dice, first - dice.randint(-5, 100) * reach, dice.randint(1, 4), reach)
        for part, pages in parts.items():
            for number, ids in enumerate(pages, 1):
                minutes = dice.randint(0, 20) if part == "listing" else 10 * number - 12 + dice.randint(0, 1)
                oldest = START + timedelta(minutes=minutes)
                connection.execute(
                    PAGE,
                    (
                        row[0], generation, part, number, START,
                        None if number == 1 or dice.random() < 0.3 else b"in", b"out", len(ids), oldest,
                        oldest + timedelta(minutes=dice.randint(0, 9)), dice.random() < 0.9, *held(ids, dice),
                    ),
                )  # fmt: skip
        if dice.random() < 0.5:
            connection.execute(
                "INSERT INTO syncer.listing_end VALUES ('s', %s, %s, 'listing', %s, %s, true, NULL)",
                (row[0], generation, len(parts["listing"]), START),
            )


def proofs(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT * FROM report.proof ORDER BY pull_id, generation").fetchall()


@pytest.mark.parametrize("seed", range(2))
def test_it_says_of_any_ledger_what_it_said_before(empty_database: str, seed: int) -> None:
    upgrade(empty_database, BEFORE)
    with psycopg.connect(empty_database) as connection:
        connection.execute("INSERT INTO syncer.source (source, account) VALUES ('s', 'a')")
        for pull in range(PULLS):
            put_pull(connection, random.Random(f"{seed} {pull}"))
    before = proofs(empty_database)
    columns = list(zip(*before, strict=True))
    assert sum(shared > 0 for shared in columns[17] if shared is not None) > 5
    assert sum(met > 0 for met in columns[15] if met is not None) > 5
    assert sum(columns[16]) > 2
    upgrade(empty_database, AFTER)
    assert proofs(empty_database) == before
    downgrade(empty_database, BEFORE)
    assert proofs(empty_database) == before


@pytest.mark.parametrize("revision", ["0028", "0031"])
def test_an_id_is_a_number_where_the_number_is_written_so(empty_database: str, revision: str) -> None:
    upgrade(empty_database, revision)
    dice = random.Random(3)
    some = ["".join(dice.choices("0123456789-", k=dice.randint(1, 21))) for _ in range(2000)]
    near = [str(sign * LARGEST + step) for sign in (1, -1) for step in range(-3, 4)]
    ids = [*ODD, *map(str, EDGE), *near, *(str(sign * 10**power) for sign in (1, -1) for power in range(21)), *some]
    with psycopg.connect(empty_database) as connection:
        found = connection.execute("SELECT id, syncer.id_number(id) FROM unnest(%s::text[]) id", (ids,)).fetchall()
    for file_id, number in found:
        digits = file_id.removeprefix("-")
        canonical = digits.isascii() and digits.isdigit() and str(int(file_id)) == file_id
        assert number == (int(file_id) if canonical and -LARGEST - 1 <= int(file_id) <= LARGEST else None), file_id
