"""How a page is handed to PostgreSQL: what its own array parser makes of it is asserted in the integration tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.store import arrays, ledger

TEXTS = st.lists(
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from('\\",{}N'))
)


def parsed(array: str) -> list[str | None]:
    """Read the text of an array as PostgreSQL's document says."""
    found: list[str | None] = []
    assert (array[0], array[-1]) == ("{", "}")
    rest = array[1:-1]
    while rest:
        if rest[0] == '"':
            text, place = "", 1
            while rest[place] != '"':
                place += rest[place] == "\\"
                text += rest[place]
                place += 1
            found.append(text)
            rest = rest[place + 1 :]
        else:
            assert rest.startswith("NULL")
            found.append(None)
            rest = rest[4:]
        assert not rest or rest[0] == ","
        rest = rest[1:]
    return found


@given(TEXTS)
def test_an_array_holds_every_text_and_no_other(texts: list[str | None]) -> None:
    assert parsed(arrays.texts(texts)) == texts


FAR, NEAR, TEXT = "seen_numbers", "seen_offsets", "seen_ids"


@pytest.mark.parametrize(
    ("file_ids", "held"),
    [
        (["5285890784246869930", "4564972818810396318"], FAR),
        (["5285890784246869930", "5285890784246869931"], NEAR),
        (["0", "2147483647"], NEAR),
        (["0", "2147483648"], FAR),
        (["12"], NEAR),
        (["-9223372036854775808", "1"], FAR),
        (["9223372036854775807", "1"], FAR),
        (["9223372036854775808", "9223372036854775807"], TEXT),
        (["-9223372036854775809", "1"], TEXT),
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
    first = found["first_number"] or 0
    ids = parsed(found[held]) if held == TEXT else [str(first + n) for n in json.loads(f"[{found[held][1:-1]}]")]
    assert sorted(ids) == sorted(file_ids)


@given(st.lists(st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_are_written_as_they_are(numbers: list[float | None]) -> None:
    assert json.loads(f"[{arrays.numbers(numbers)[1:-1].replace('NULL', 'null')}]") == numbers


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)) | st.just(datetime(2016, 11, 30, tzinfo=UTC))))
def test_times_are_written_as_seconds(times: list[datetime | None]) -> None:
    written = json.loads(f"[{arrays.instants(times)[1:-1].replace('NULL', 'null')}]")
    assert written == [None if time is None else time.timestamp() for time in times]
