"""The page ledger alone shows why a pull is, or is not, proven, and says what report.pulls says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from syncer.simulator.scenarios import SCENARIOS, Scenario

from .conftest import MakeRig, Rig, played
from .reporting import past_rig

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


def proven_pull(simulated: Callable[..., Rig]) -> Rig:
    rig = past_rig(simulated, files=100)
    rig.sync()
    assert check_verdicts(rig)[0]["verdict"] == "proven"
    return rig


@pytest.mark.parametrize(
    ("harm", "failing"),
    [
        ("UPDATE syncer.page SET context_in = 'x' WHERE page = 3", {5}),
        ("UPDATE syncer.page SET context_out = 'x' WHERE page = 3", {5}),
        ("DELETE FROM syncer.page WHERE page = 3", {3, 5}),
        ("DELETE FROM syncer.page WHERE page = 1", {3, 4, 5}),
        ("UPDATE syncer.page SET context_in = 'x' WHERE page = 1", {4}),
        ("UPDATE syncer.page SET entries = entries - 1 WHERE page = 2", {3}),
        ("DELETE FROM syncer.page", {3, 4, 6}),
    ],
)
def test_a_ledger_with_a_hole_proves_nothing(harm: str, failing: set[int], simulated: Callable[..., Rig]) -> None:
    rig = proven_pull(simulated)
    rig.rows(f"{harm} RETURNING 1")
    points = rig.rows("SELECT p.* FROM report.pulls, report.pull_proof(pull_id) p")
    assert {row["point"] for row in points if not row["holds"]} == failing
    if failing - {3}:
        assert rig.rows("SELECT complete IS true AS complete FROM report.proof") == [{"complete": False}]


def test_restarts_show_how_each_listing_ended_and_what_they_overlap(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated, files=100)
    rig.simulator.schedule = {3: lambda simulator: simulator.kill_contexts()}
    rig.sync()
    rows = rig.rows(
        "SELECT generation, last, pages, entries, distinct_files, ended, end_sure, complete, shared_with_earlier, "
        "death_code FROM report.proof ORDER BY generation"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, False, 3, 60, 60, "a lost context (70005)", False, False, None, 70005),
        (2, True, 5, 100, 100, "an empty context", True, True, 60, None),
    ]
    assert check_verdicts(rig)[0]["from_ledger"] == "proven"


def test_a_doubtful_end_is_proven_by_what_the_other_end_met(make_rig: MakeRig) -> None:
    scenario = SCENARIOS["lost-last-reply-then-70008"]
    with played(scenario.simulator()) as simulator:
        rig = make_rig(simulator)
        simulator.next_step()
        rig.sync()
    (row,) = rig.rows("SELECT * FROM report.proof")
    assert row["ended"] == "70008, but a reply may be lost"
    assert (row["end_sure"], row["tail_proves"], row["complete"]) == (False, True, True)
    assert row["tail_pages"] >= 1
    assert row["tail_met"] >= 1
    rig.rows("UPDATE syncer.page SET file_ids = '{none}' WHERE part = 'tail' RETURNING 1")
    (row,) = rig.rows("SELECT * FROM report.proof")
    assert (row["tail_met"], row["tail_proves"], row["complete"]) == (0, False, False)
