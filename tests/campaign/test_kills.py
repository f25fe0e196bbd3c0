"""A few rounds of the kill campaign; `make campaign` plays a thousand."""

from __future__ import annotations

import pytest

from campaign.kills import Campaign, parts


@pytest.mark.timeout(600)
def test_rounds_of_kills_and_outages_break_nothing() -> None:
    tally = Campaign(parts(8, seed=2)).play()
    assert (tally.rounds, tally.broken) == (8, [])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_rounds_break_nothing() -> None:
    tally = Campaign(parts(100, seed=3), lanes=2).play()
    assert (tally.rounds, tally.broken) == (100, [])
