"""`python -m campaign.mutation`: mutmut over the pure rooms; figures as Markdown, and survivors that nobody explained.

Each room is mutated in a copy of its own under `.mutation`, with the unit tests that speak of it and nothing else, so
that a mutant costs a fraction of a second. `campaign/survivors.toml` explains the mutants that may live: they change
nothing that anybody could see. The exit status is 1 when one survives that is not in it, or the score is below 95 %.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_WORK = _ROOT / ".mutation"
_LEAST = 0.95
_MUTANT = re.compile(r"^\s*(syncer\.\S+__mutmut_\d+): (.+)$", re.MULTILINE)

ROOMS = {
    "signing": (["syncer/source/signing.py"], ["test_source_signing.py"]),
    "decode": (
        ["syncer/source/decode.py", "syncer/source/columns.py", "syncer/source/entries.py"],
        ["test_source_decode.py", "test_source_decode_words.py"],
    ),
    "machine": (["syncer/pull/machine.py"], ["test_pull_machine.py", "test_pull_machine_whole.py"]),
    "sweep": (["syncer/pull/sweep.py"], ["test_pull_sweep_decisions.py"]),
    "quota": (["syncer/source/quota.py"], ["test_source_quota.py"]),
    "rules": (["syncer/alerts/rules.py"], ["test_alert_rules.py", "test_alert_rules_whole.py"]),
    "transitions": (["syncer/alerts/transitions.py"], ["test_alert_transitions.py"]),
}
"""Name, the files that are mutated, the tests that must notice."""

_SETTINGS = """
[tool.mutmut]
source_paths = ["syncer"]
only_mutate = {files}
also_copy = ["tests"]
pytest_add_cli_args_test_selection = ["tests"]
[tool.pytest.ini_options]
addopts = "-p no:cacheprovider --import-mode=importlib -q"
"""


@dataclass(frozen=True)
class Score:
    """What became of a room's mutants, by name."""

    room: str
    fates: dict[str, str]

    @property
    def survivors(self) -> list[str]:
        """The mutants that no test noticed."""
        return [name for name, fate in self.fates.items() if fate not in {"killed", "timeout"}]


def mutate(room: str, *, go_on: bool = False) -> Score:
    """Run mutmut on one room; `go_on` keeps what an interrupted run has found, of the same code and tests."""
    place = _WORK / room
    if not (go_on and (place / "mutants").exists()):
        _set_up(room, place)
    said = _mutmut(place, "run", "--max-children", "1")
    fates = dict(_MUTANT.findall(_mutmut(place, "results", "--all", "true")))
    if not fates:
        raise RuntimeError(f"mutmut told nothing of {room}: {said[-2000:]}")
    return Score(room, fates)


def _set_up(room: str, place: Path) -> None:
    files, tests = ROOMS[room]
    shutil.rmtree(place, ignore_errors=True)
    (place / "tests").mkdir(parents=True)
    shutil.copytree(_ROOT / "syncer", place / "syncer", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(_ROOT / "tests" / "unit" / "data", place / "tests" / "data")
    for name in tests:
        shutil.copy(_ROOT / "tests" / "unit" / name, place / "tests" / name)
    (place / "pyproject.toml").write_text(_SETTINGS.format(files=files), encoding="utf-8")


def _mutmut(place: Path, *arguments: str) -> str:
    """Run mutmut and return what it says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *arguments],
        cwd=place,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def main() -> int:
    """Mutate the rooms and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("rooms", nargs="*", default=list(ROOMS))
    parser.add_argument("--go-on", action="store_true", help="keep what an interrupted run found")
    chosen = parser.parse_args()
    explained = tomllib.loads((_ROOT / "campaign" / "survivors.toml").read_text(encoding="utf-8"))
    with ThreadPoolExecutor(2) as pool:
        scores = list(pool.map(partial(mutate, go_on=chosen.go_on), chosen.rooms))
    print("| room | mutants | killed | score | survivors explained | not explained |\n|---|---|---|---|---|---|")
    failed = False
    for score in scores:
        mutants, left = len(score.fates), score.survivors
        unknown = [name for name in left if name not in explained]
        share = 1 - len(left) / mutants
        failed = failed or bool(unknown) or share < _LEAST
        known = len(left) - len(unknown)
        print(f"| {score.room} | {mutants} | {mutants - len(left)} | {share:.1%} | {known} | {len(unknown)} |")
    for score in scores:
        for name in score.survivors:
            if name not in explained:
                print(f"\nnot explained: {name}", file=sys.stderr)
                print("\n".join(_mutmut(_WORK / score.room, "show", name).splitlines()[-14:]), file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
