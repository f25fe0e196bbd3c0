"""`python -m campaign.steps --steps N --seed S`: the model-based campaign at length, and its figures as Markdown."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path

import hypothesis
import structlog
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from campaign.databases import Database, new_database
from campaign.invariants import GUARANTEES
from campaign.machine import Machine
from syncer.postgres.server import EmbeddedPostgres

_EXAMPLES, _STEPS = 20, 40
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def play(database: Database, directory: str, *, seed: int, examples: int, steps: int, shrink: bool = True) -> None:
    """Play so many histories of so many steps; the same seed draws the same. Raises what a broken one raises."""
    machine = type("SeededMachine", (Machine,), {"database": database, "directory": directory})
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)


def main() -> None:
    """Play histories until so many steps were taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", default="/var/tmp", help="where the server keeps its data meanwhile")
    parser.add_argument("--no-shrink", action="store_true", help="tell the first history that breaks, as it was drawn")
    chosen = parser.parse_args()
    # Whoever ends it must not leave its server running; of all exceptions Hypothesis passes this one on at once.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began, seed, histories = time.monotonic(), chosen.seed, 0
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        Path(directory).chmod(0o755)
        with (
            EmbeddedPostgres(Path(directory) / "postgres", server_settings=FAST) as server,
            new_database(server.url) as database,
        ):
            while Machine.steps < chosen.steps:
                play(database, directory, seed=seed, examples=_EXAMPLES, steps=_STEPS, shrink=not chosen.no_shrink)
                seed, histories = seed + 1, histories + _EXAMPLES
                print(f"seed {seed - 1}: {Machine.steps:,} steps", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    print("| steps | histories | seeds | guarantees checked after each | broken | minutes |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {Machine.steps:,} | {histories:,} | {chosen.seed} to {seed - 1} | {len(GUARANTEES)} | 0 "
        f"| {seconds / 60:.1f} |"
    )


if __name__ == "__main__":
    main()
