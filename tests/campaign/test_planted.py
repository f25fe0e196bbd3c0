"""The faults that `make planted` plants still fit the code, so that it keeps proving that the campaign finds things."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from campaign.planted import FAULTS, Fault, plant

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault: Fault, tmp_path: Path) -> None:
    target = tmp_path / fault.file
    target.parent.mkdir(parents=True)
    shutil.copy(ROOT / fault.file, target)
    plant(fault, tmp_path)
    compile(target.read_text(encoding="utf-8"), str(target), "exec")
