"""How many due pulls a daemon may begin beside others: its share, by the workers that each has."""

from __future__ import annotations

from math import ceil

from syncer.store.replicas import Others


def allowance(due: int, *, workers: int, running: int, others: Others) -> int:
    """Return how many of `due` pulls this daemon, which has `workers` and runs `running`, may begin now.

    So many that it would be as busy as the others if they took the rest, rounded up: somebody takes the last one.
    """
    level = (due + running + others.running) / (workers + others.workers)
    return max(0, min(due, workers - running, ceil(level * workers) - running))


def most_full(workers: int) -> int:
    """Return how many full pulls may run at once: a quarter of the workers is left to recent ones, which are short."""
    return workers if workers == 1 else workers - max(1, workers // 4)
