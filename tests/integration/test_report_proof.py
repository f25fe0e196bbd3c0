"""The page ledger alone shows why a pull is, or is not, proven, and says what report.pulls says."""

from __future__ import annotations

from typing import Any

import pytest

from syncer.simulator.scenarios import SCENARIOS, Scenario

from .conftest import MakeRig, Rig, played

VERDICTS = """
SELECT p.pull_id, p.kind, p.verdict, p.reason, p.outcome, f.ended, f.complete,
       CASE WHEN p.kind = 'recent' OR p.finished_at IS NULL OR p.outcome NOT IN ('complete', 'unproven') THEN 'partial'
            WHEN f.complete AND p.unidentified = 0 AND p.short_pages = 0 AND p.drifted = 0 THEN 'proven'
            ELSE 'unproven' END AS from_ledger,
       (SELECT bool_and(holds) FROM report.pull_proof(p.pull_id) WHERE point < 11) AS every_point,
       (SELECT holds FROM report.pull_proof(p.pull_id) WHERE point = 11) AS last_point
FROM report.pulls p JOIN report.proof f USING (source, pull_id) WHERE f.last
"""


def check_verdicts(rig: Rig) -> list[dict[str, Any]]:
    found = rig.rows(VERDICTS)
    for row in found:
        assert row["verdict"] == row["from_ledger"], row
        assert (row["verdict"] == "proven") == row["last_point"], row
        assert row["every_point"] == row["last_point"], row
    return found


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS.values() if not each.patience], ids=lambda scenario: scenario.name
)
def test_the_verdict_follows_from_the_ledger(scenario: Scenario, make_rig: MakeRig) -> None:
    with played(scenario.simulator()) as simulator:
        rig = make_rig(simulator)
        for step in scenario.steps:
            rig.simulator.next_step()
            rig.sync(step.pull, stop_after=step.stop_after)
            check_verdicts(rig)
