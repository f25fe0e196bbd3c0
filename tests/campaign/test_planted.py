"""The faults that `make planted` plants still fit the code, so that it keeps proving that the campaign finds things."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from campaign.planted import FAULTS, Fault, caught, plant

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault: Fault, tmp_path: Path) -> None:
    target = tmp_path / fault.file
    target.parent.mkdir(parents=True)
    shutil.copy(ROOT / fault.file, target)
    plant(fault, tmp_path)
    compile(target.read_text(encoding="utf-8"), str(target), "exec")


def test_a_campaign_that_is_ended_early_leaves_nothing_running() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        Path(home).chmod(0o755)  # the server's user must get through
        verdict = caught(FAULTS[0], steps=100_000, seed=1, seconds=6, home=home)
        assert verdict.seconds < 60
        assert not [each for each in _working_directories() if each.startswith(home)]


def _working_directories() -> Iterator[str]:
    for each in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            yield str(each.readlink())
