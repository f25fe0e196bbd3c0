"""A hundred rounds of the kill campaign; `make campaign` plays a thousand."""

from __future__ import annotations

from collections import Counter

import pytest

from campaign.kills import Campaign, parts
from campaign.stage import Part
from campaign.tally import Tally


def test_rounds_are_played_in_worlds_each_of_which_can_be_played_again() -> None:
    assert [(each.world, each.rounds) for each in parts(100, seed=3)] == [(1, 40), (2, 40), (3, 20)]
    again = Part(3, 2, 40, blow="disk full", command="sync").again
    assert again == "python -m campaign.kills --seed 3 --worlds 2 --blow 'disk full' --command 'sync'"


def test_figures_of_lanes_add_up() -> None:
    total = Tally(rounds=1, calls=5, exits=Counter({0: 2, -9: 1}))
    total.add(Tally(rounds=2, calls=1_000, exits=Counter({0: 1}), broken=["it"]))
    table = total.table("3", lanes=2, minutes=1.25)
    assert "| 3 | 3 | 2 | 13 | 1 | 0 | 1,005 | 0 | 1.2 |" in table
    assert "| 0 | 3 |\n| -9 | 1 |" in table


@pytest.mark.timeout(3600)
def test_a_hundred_rounds_break_nothing() -> None:
    tally = Campaign(parts(100, seed=3), lanes=2).play()
    assert (tally.rounds, tally.broken) == (100, [])
