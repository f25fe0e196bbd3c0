"""A few rounds of the kill campaign; `make campaign` plays a thousand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from campaign.kills import campaign

SYNCER = Path(sys.executable).with_name("syncer")


@pytest.mark.timeout(600)
def test_rounds_of_kills_and_outages_break_nothing() -> None:
    assert campaign(8, seed=2, syncer=SYNCER, lanes=1).rounds == 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_rounds_break_nothing() -> None:
    assert campaign(100, seed=3, syncer=SYNCER, lanes=2).rounds == 100
