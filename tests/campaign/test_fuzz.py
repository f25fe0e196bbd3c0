"""No answer of any shape crashes decode or a pull, nor costs a good entry beside a bad one; `make fuzz` goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.databases import Database
from campaign.fuzz import check_beside, check_bytes
from campaign.look import look
from campaign.model import Model, Setup

anything = st.text(st.characters(codec=None), max_size=8)
numbers = st.one_of(
    st.integers(), st.integers(-(10**25), 10**25), st.floats(), st.sampled_from([10**4000, -(2**63), 2**63, 1e308])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, anything, st.sampled_from(["0000-00-00 00:00:00", "24:00:00"]))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3), max_leaves=8
)
names = st.sampled_from(
    ["fileId", "name", "size", "type", "duration", "status", "createTime", "expireTime", "url", "tag", "\x00", "\ud800"]
)
entries = st.one_of(values, st.dictionaries(names, values, max_size=9))


def as_text(value: Any) -> str:
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value)
    finally:
        sys.set_int_max_str_digits(4300)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer(body: bytes) -> None:
    check_bytes(body)


@given(st.dictionaries(st.sampled_from(["code", "message", "context", "fileSet", "fileCount", "Response"]), values))
def test_any_document_is_an_answer(document: dict[str, Any]) -> None:
    check_bytes(as_text(document | {"code": 0}).encode())
    check_bytes(as_text(document).encode())


@given(entries)
def test_no_entry_costs_a_good_one_beside_it(entry: Any) -> None:
    check_beside(as_text(entry))


@pytest.mark.parametrize("depth", [31, 33, 500, 900])
def test_a_deep_entry_costs_itself_alone(depth: int) -> None:
    check_beside("[" * depth + "]" * depth)
    check_beside('{"fileId":"7","tags":' + "[" * depth + "]" * depth + "}")


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, min_size=20, max_size=40))
def test_a_pull_stores_the_good_entries_whatever_comes_beside_them(
    campaign_database: Database, tmp_path: Path, drawn: list[Any]
) -> None:
    with Model(campaign_database, str(tmp_path), Setup(files=25)) as model:
        good = set(model.account.ids())
        for number, entry in enumerate(drawn):
            model.simulator.world.add(file_id=f"unreadable-{number}", raw=as_text(entry), fields={"fileId": None})
        assert model.simulator.world.ids()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.watch, "check", lambda *_: None)  # what odd entries claim to be is not judged here
            assert model.pull() == "complete"
        with campaign_database.connect() as connection:
            assert good <= look(connection).files.keys()
