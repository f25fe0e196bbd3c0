"""The model-based campaign in small: a few histories, every guarantee after each step; `make steps` plays 10,000."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.databases import Database
from campaign.steps import play


@pytest.mark.parametrize("seed", [1, 2])
def test_no_history_breaks_a_guarantee(campaign_database: Database, tmp_path: Path, seed: int) -> None:
    play(campaign_database, str(tmp_path), seed=seed, examples=2, steps=25, shrink=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_long_history_breaks_a_guarantee(campaign_database: Database, tmp_path: Path) -> None:
    play(campaign_database, str(tmp_path), seed=3, examples=30, steps=60, shrink=False)
