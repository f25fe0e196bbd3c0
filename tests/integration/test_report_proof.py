"""The page ledger alone shows why a pull is, or is not, proven, and says what report.pulls says."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.rows import dict_row

from syncer.simulator.scenarios import SCENARIOS

from .conftest import MakeRig, Rig, played
from .reporting import check_verdicts, past_rig


def proven_pull(simulated: Callable[..., Rig]) -> Rig:
    rig = past_rig(simulated, files=100)
    rig.sync()
    assert check_verdicts(rig)[0]["verdict"] == "proven"
    return rig


HARMS = (
    ("UPDATE syncer.page SET context_in = 'x' WHERE page = 3", {5}),
    ("UPDATE syncer.page SET context_out = 'x' WHERE page = 3", {5}),
    ("DELETE FROM syncer.page WHERE page = 3", {3, 5}),
    ("DELETE FROM syncer.page WHERE page = 1", {3, 4, 5}),
    ("UPDATE syncer.page SET context_in = 'x' WHERE page = 1", {4}),
    ("UPDATE syncer.page SET entries = entries - 1 WHERE page = 2", {3}),
    ("DELETE FROM syncer.page", {3, 4, 6}),
)


def test_a_ledger_with_a_hole_proves_nothing(simulated: Callable[..., Rig]) -> None:
    rig = proven_pull(simulated)
    with psycopg.connect(rig.database) as connection:
        for harm, failing in HARMS:
            connection.execute(harm)  # type: ignore[call-overload] # a test's own SQL
            points = connection.execute("SELECT p.* FROM report.pulls, report.pull_proof(pull_id) p")
            points.row_factory = dict_row
            assert {row["point"] for row in points if not row["holds"]} == failing, harm
            if failing - {3}:
                complete = connection.execute("SELECT complete IS true FROM report.proof").fetchall()
                assert complete == [(False,)], harm
            connection.rollback()


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
    rig.rows(
        "UPDATE syncer.page SET file_ids = '{none}', file_numbers = NULL, first_number = NULL, file_offsets = NULL "
        "WHERE part = 'tail' RETURNING 1"
    )
    (row,) = rig.rows("SELECT * FROM report.proof")
    assert (row["tail_met"], row["tail_proves"], row["complete"]) == (0, False, False)
