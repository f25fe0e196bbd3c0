"""How a page is handed to PostgreSQL: what its own array parser makes of it is asserted in the integration tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.store.pages import _array, are_smaller_as_numbers

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


@given(TEXTS.filter(bool))
def test_an_array_holds_every_text_and_no_other(texts: list[str | None]) -> None:
    assert parsed(_array(texts)) == texts


@pytest.mark.parametrize(
    ("file_ids", "numbers"),
    [
        (["5285890784246869930", "4564972818810396318"], True),
        (["5285890784246869930", "5285890784246869931"], False),
        (["-9223372036854775807", "1"], True),
        (["9223372036854775807", "1"], True),
        (["9223372036854775808", "1"], False),
        (["5285890784246869930", "0012"], False),
        (["5285890784246869930", "a"], False),
        (["5285890784246869930", " 7"], False),
        (["5285890784246869930", "1_0"], False),
        (["5285890784246869930", "\u0661"], False),
        ([], False),
    ],
)
def test_ids_become_numbers_where_they_come_back_as_they_were_and_are_smaller(
    file_ids: list[str], numbers: bool
) -> None:
    assert are_smaller_as_numbers(file_ids) is numbers
