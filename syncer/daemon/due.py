"""Decides, from facts and a schedule alone, whether a pull is to begin now, and when it is due otherwise.

- A pull is due at the times of its cron expression, at once if it never ran. Times missed while no daemon ran, or
  while the source was busy, count as one.
- A pull that ended after its due time has served it, whoever started it.
- An unfinished full pull that nobody pulls is taken up again without waiting for its next time: at once if it was
  stopped or killed.
- After a failure the next attempt waits 1, then 2, 5 and 10 minutes, full and recent alike.
- A source's recent pulls begin once a full one has ended: before that they would list everything too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from syncer.model import PullKind
from syncer.schedule import Cron
from syncer.store.schedule import Facts, Hold

# How long a claimed pull may take to begin before it is due again: its daemon was killed in between.
CLAIM = timedelta(seconds=60)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10))


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about a pull: `start` it and keep others off it until `next_at`, or note that it is due then."""

    start: bool
    next_at: datetime


def decide(facts: Facts, cron: Cron) -> Step:
    """Return what to do about one kind of pull of one source."""
    latest = cron.next_after(facts.now)
    scheduled = _scheduled(facts, cron)
    due = scheduled <= facts.now or _resumable(facts)
    if due and facts.hold is not Hold.HELD:
        return Step(start=True, next_at=min(latest, facts.now + CLAIM))
    return Step(start=False, next_at=min(scheduled, latest))


def may_begin(full: Facts, recent: Facts) -> bool:
    """Tell whether the source's recent pulls may begin: it has been pulled in full, or has been pulled before."""
    return full.ended_well_at is not None or recent.ended_well_at is not None


def _scheduled(facts: Facts, cron: Cron) -> datetime:
    """Return when the pull is due by its schedule and its failures, taking up unfinished ones aside."""
    ended, due = facts.ended_well_at, facts.next_at
    if due is None:
        due = facts.now if ended is None else cron.next_after(ended)
    elif ended is not None and ended >= due:
        due = cron.next_after(ended)
    retry_at = _retry_at(facts)
    return due if retry_at is None else max(due, retry_at)


def _resumable(facts: Facts) -> bool:
    """Tell whether an unfinished full pull is to be taken up now."""
    if facts.kind is not PullKind.FULL or not facts.unfinished:
        return False
    if facts.hold is Hold.ABANDONED:
        return True
    if facts.next_at is not None and facts.next_at <= facts.now + CLAIM:
        return False  # another daemon claimed it a moment ago, or it is due soon anyhow
    retry_at = _retry_at(facts)
    return retry_at is None or retry_at <= facts.now


def _retry_at(facts: Facts) -> datetime | None:
    """Return when a pull whose last run failed may be tried again; None if it did not fail."""
    if facts.last_at is None or not facts.failures:
        return None
    return facts.last_at + PAUSES[min(facts.failures, len(PAUSES)) - 1]
