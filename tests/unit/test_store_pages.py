"""How a page is handed to PostgreSQL: as the driver reads it back; the server is asked in the integration tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.pq import Format

from syncer.store import arrays, ledger

TEXTS = st.lists(
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from('\\",{}N'))
)
TEXT_ARRAY, JSONB_ARRAY, INTEGER_ARRAY, BIGINT_ARRAY, INSTANT_ARRAY = 1009, 3807, 1007, 1016, 1185


def parsed(kind: int, array: bytes, length: int) -> list[Any]:
    """Read an array of `length` values as the driver reads those that the server sends; it may leave nulls off."""
    found = list(Transformer().get_loader(kind, Format.BINARY).load(array))
    assert found or not any(array[12:])
    return found or [None] * length


@given(TEXTS)
def test_an_array_holds_every_text_and_no_other(texts: list[str | None]) -> None:
    assert parsed(TEXT_ARRAY, arrays.texts(texts), len(texts)) == texts


def test_a_long_text_beside_short_ones_is_written_like_them() -> None:
    for texts in (
        ["a" * 511, "b" * 512, "", "冷备" * 1000],
        ["a" * 511, "b" * 512, ""],
        ["a" * 511, ""],
        ["a\xff", "b"],
    ):
        assert parsed(TEXT_ARRAY, arrays.texts(texts), len(texts)) == texts


@given(st.lists(st.none() | st.dictionaries(st.text("ab冷"), st.integers())))
def test_an_array_holds_every_document(documents: list[dict[str, int] | None]) -> None:
    written = [None if document is None else json.dumps(document) for document in documents]
    assert parsed(JSONB_ARRAY, arrays.documents(written), len(documents)) == documents


FAR, NEAR, TEXT = "seen_numbers", "seen_offsets", "seen_ids"


@pytest.mark.parametrize(
    ("file_ids", "held"),
    [
        (["5285890784246869930", "4564972818810396318"], FAR),
        (["5285890784246869930", "5285890784246869931"], NEAR),
        (["1", "2147483648"], NEAR),
        (["1", "2147483649"], FAR),
        (["12"], NEAR),
        (["-7", "1"], TEXT),
        (["0", "1"], TEXT),
        (["", "1"], TEXT),
        (["9223372036854775807", "1"], FAR),
        (["9223372036854775808", "9223372036854775807"], TEXT),
        (["5285890784246869930", "0012"], TEXT),
        (["5285890784246869930", "a"], TEXT),
        (["5285890784246869930", " 7"], TEXT),
        (["5285890784246869930", "1_0"], TEXT),
        (["5285890784246869930", "\u0661"], TEXT),
        ([], TEXT),
    ],
)
def test_the_ledger_holds_ids_as_numbers_where_they_come_back_as_they_were(file_ids: list[str], held: str) -> None:
    found = ledger.seen(file_ids)
    assert [name for name in (FAR, NEAR, TEXT) if found[name] is not None] == [held]
    assert (found["first_number"] is None) == (held != NEAR)
    first, kind = found["first_number"] or 0, {FAR: BIGINT_ARRAY, NEAR: INTEGER_ARRAY, TEXT: TEXT_ARRAY}[held]
    ids = parsed(kind, found[held], len(file_ids))
    assert held == TEXT or ids == sorted(set(ids))  # report.proof counts on it
    assert sorted(ids if held == TEXT else [str(first + number) for number in ids]) == sorted(file_ids)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_written_as_they_are(numbers: list[int | None]) -> None:
    assert parsed(BIGINT_ARRAY, arrays.bigints(numbers), len(numbers)) == numbers


@given(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)))
def test_small_numbers_are_written_as_they_are(numbers: list[int | None]) -> None:
    assert parsed(INTEGER_ARRAY, arrays.integers(numbers), len(numbers)) == numbers


WHOLE = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0))


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC))) | st.lists(WHOLE))
def test_times_are_written_to_the_microsecond(times: list[datetime | None]) -> None:
    assert parsed(INSTANT_ARRAY, arrays.instants(times), len(times)) == times
