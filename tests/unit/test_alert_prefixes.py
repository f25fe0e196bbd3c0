"""Beginnings of names tell many files apart in few lines, and are never those of single files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.alerts.prefixes import useful_prefixes


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([f"600{n % 3}_live" for n in range(1204)], ["6000_live", "6001_live", "6002_live"]),
        ([f"lecture{n:04}.mp4" for n in range(1000)] + [f"exam{n}.mp4" for n in range(200)], ["lecture", "exam"]),
        ([hashlib.sha256(str(n).encode()).hexdigest() for n in range(3000)], []),
        ([f"{n}_live" for n in range(3000)], []),
        ([f"room-{n % 40}-{n}" for n in range(3000)], ["room-"]),
        ([f"a{n}" for n in range(300)] + [f"b-{n % 3}-{n}" for n in range(200)], ["a", "b-0-", "b-1-", "b-2-"]),
        ([f"数学第{n}课" for n in range(50)] + [f"语文第{n}课" for n in range(40)], ["数学第", "语文第"]),
        (["same"] * 5, ["same"]),
        (["one", "two"], []),
        (["one"], []),
        ([], []),
    ],
)
def test_names_are_told_apart_where_they_are(names: list[str], found: list[str]) -> None:
    assert useful_prefixes(names, 8) == found


@given(st.lists(st.text("ab1_-", max_size=12), max_size=60), st.integers(1, 8))
def test_there_are_few_and_each_is_of_several(names: list[str], most: int) -> None:
    found = useful_prefixes(names, most)
    assert len(found) <= most
    for prefix in found:
        assert prefix
        assert sum(name.startswith(prefix) for name in names) > 1
