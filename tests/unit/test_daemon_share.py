"""A daemon's share of what is due."""

from __future__ import annotations

import random

import pytest

from syncer.daemon.share import allowance, most_full
from syncer.store.replicas import Others

NOBODY = Others(workers=0, running=0)


def test_a_lone_daemon_takes_all_that_it_has_workers_for() -> None:
    assert allowance(5, workers=8, running=0, others=NOBODY) == 5
    assert allowance(50, workers=8, running=3, others=NOBODY) == 5


def test_four_idle_daemons_take_a_quarter_each() -> None:
    assert allowance(8, workers=8, running=0, others=Others(24, 0)) == 2


def test_a_single_due_pull_is_taken_by_whoever_looks_first() -> None:
    assert allowance(1, workers=8, running=0, others=Others(24, 0)) == 1


def test_who_is_busier_than_the_others_leaves_them_the_rest() -> None:
    assert allowance(4, workers=8, running=6, others=Others(8, 0)) == 0
    assert allowance(4, workers=8, running=0, others=Others(8, 6)) == 4


def test_whoever_has_more_workers_takes_more() -> None:
    assert allowance(30, workers=20, running=0, others=Others(10, 0)) == 20
    assert allowance(30, workers=10, running=0, others=Others(20, 0)) == 10


@pytest.mark.parametrize("seed", range(200))
def test_the_shares_of_all_cover_what_is_due_and_nobody_is_far_above_the_others(seed: int) -> None:
    dice = random.Random(seed)
    workers = [dice.randint(1, 20) for _ in range(dice.randint(1, 6))]
    running = [dice.randint(0, each) for each in workers]
    due = dice.randint(1, 3 * sum(workers))
    free = sum(workers) - sum(running)

    def share(one: int) -> int:
        others = Others(sum(workers) - workers[one], sum(running) - running[one])
        return allowance(due, workers=workers[one], running=running[one], others=others)

    shares = [share(one) for one in range(len(workers))]
    assert sum(shares) >= min(due, free)
    level = (due + sum(running)) / sum(workers)
    for one, taken in enumerate(shares):
        assert 0 <= taken <= workers[one] - running[one]
        assert taken == 0 or running[one] + taken < level * workers[one] + 1


def test_full_pulls_leave_a_quarter_of_the_workers_to_recent_ones() -> None:
    assert [most_full(workers) for workers in (1, 2, 3, 4, 8, 100)] == [1, 1, 2, 3, 6, 75]
