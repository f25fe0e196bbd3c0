"""Every named scenario ends in its table, with its outcome and exit code; and each verdict follows from the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from syncer.simulator.scenarios import SCENARIOS, Scenario, Step

from .conftest import MakeRig, Rig, played
from .reporting import check_verdicts


def play(step: Step, rig: Rig) -> None:
    rig.simulator.next_step()
    result = rig.sync(step.pull, stop_after=step.stop_after)
    assert (result.outcome, 0 if result.error is None else result.error.exit_code) == (step.outcome, step.exit_code)
    check_verdicts(rig)


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS.values() if not each.patience], ids=lambda scenario: scenario.name
)
def test_ends_in_its_table(scenario: Scenario, make_rig: MakeRig) -> None:
    with played(scenario.simulator()) as simulator:
        rig = make_rig(simulator)
        for step in scenario.steps:
            play(step, rig)
        table, expected = escaped(rig.table()), escaped(scenario.table(simulator))
    if scenario.exact:
        assert table == expected
    else:
        assert table.items() <= expected.items() or table.keys() <= expected.keys()


def escaped(table: dict[str, tuple[dict[str, Any], str]]) -> dict[str, tuple[dict[str, Any], str]]:
    """Return the table with the NULs and lone surrogates of its texts written as the store must write them."""
    return {
        file_id: ({name: _comparable(value) for name, value in fields.items()}, state)
        for file_id, (fields, state) in table.items()
    }


def _comparable(value: object) -> object:
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
