"""How a page is handed to PostgreSQL: what its own array parser makes of it is asserted in the integration tests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncer.store.pages import _array

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
