"""Decides, from facts and a schedule alone, when a pull is due.

- A pull is due at the times of its cron expression, at once if it never ran. Times missed while no daemon ran, or
  while the source was busy, count as one.
- A pull that ended after its due time has served it, whoever started it.
- An unfinished full pull that nobody pulls is taken up again without waiting for its next time: at once if it was
  stopped or killed. What kills its process each time it begins waits as after failures from the third time on.
- After a failure the next attempt waits 1, then 2, 5 and 10 minutes, full and recent alike.
- A source's recent pulls begin once a full one has ended: before that they would list everything too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from syncer.model import PullKind
from syncer.schedule import Cron
from syncer.store.schedule import DueTimes, Facts

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10))


def due_at(facts: Facts, cron: Cron) -> datetime:
    """Return when the pull is due; not later than `facts.now` when it is to begin."""
    latest = cron.next_after(facts.now)
    if facts.kind is PullKind.RECENT and not facts.pulled:
        return latest
    at = _scheduled(facts, cron)
    if facts.unfinished:
        at = min(at, _retry_at(facts) or facts.now)
    return min(at, latest)


def rescheduled(times: DueTimes, full: Cron, recent: Cron, now: datetime) -> DueTimes | None:
    """Return a source's due times when its schedules have changed, which count from `now`; None if they have not."""
    next_full, next_recent = times.next_full_at, times.next_recent_at
    if times.full_schedule == name_of(full) and times.recent_schedule == name_of(recent):
        return None
    # What is due already, or to be decided, stays so.
    if times.full_schedule != name_of(full) and next_full is not None and next_full > now:
        next_full = full.next_after(now)
    if times.recent_schedule != name_of(recent) and next_recent is not None and next_recent > now:
        next_recent = recent.next_after(now)
    return DueTimes(times.source, next_full, next_recent, name_of(full), name_of(recent))


def name_of(cron: Cron) -> str:
    """Return the schedule as it is kept beside the due times that go by it."""
    return f"{cron.expression} {cron.timezone}"


def _scheduled(facts: Facts, cron: Cron) -> datetime:
    """Return when the pull is due by its schedule and its failures, taking up unfinished ones aside."""
    ended, due = facts.ended_well_at, facts.next_at
    if due is None:
        due = facts.now if ended is None else cron.next_after(ended)
    elif ended is not None and ended >= due:
        due = cron.next_after(ended)
    retry_at = _retry_at(facts)
    return due if retry_at is None else max(due, retry_at)


def _retry_at(facts: Facts) -> datetime | None:
    """Return when a pull whose last run failed may be tried again; None if it did not fail."""
    if facts.last_at is None or not facts.failures:
        return None
    return facts.last_at + PAUSES[min(facts.failures, len(PAUSES)) - 1]
