"""The first sentence of a status never promises more than is proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from syncer.store.status import ContextDeaths, PullFacts, SourceStatus, Tally
from syncer.trust import Level, Trust, judge

NOW = datetime(2026, 11, 22, 12, 58, tzinfo=UTC)
FULL = PullFacts(
    pull_id=7,
    kind="full",
    outcome="complete",
    proven=True,
    reason="the listing ended with an empty context",
    error=None,
    started_at=NOW - timedelta(minutes=18),
    finished_at=NOW - timedelta(minutes=6),
    pages=13,
    files=1204,
    inserted=0,
    updated=0,
    gone=0,
    rejected=0,
    restarts=0,
    api_calls=13,
)
STATUS = SourceStatus(
    source="default",
    prefix="",
    tallies={
        "live": Tally(1200, 3_000_000_000_000),
        "overdue": Tally(4, 100_000_000_000),
        "expired": Tally(9, 1),
        "vanished": Tally(9, 1),
    },
    proven=FULL,
    ended=FULL,
    recent=None,
    known_until=FULL.started_at,
    unfinished=None,
    lease=None,
    last_run=None,
    deaths=ContextDeaths(0, None),
    quota=None,
)


def trust(status: SourceStatus, *, now: datetime = NOW, every_hours: int | None = 6) -> Trust:
    def due(instant: datetime) -> datetime:
        assert every_hours is not None
        return instant + timedelta(hours=every_hours)

    return judge(status, now=now, next_due=None if every_hours is None else due, shown=lambda at: at.strftime("%H:%M"))


def test_a_proven_copy_says_as_of_when_how_old_and_how_much() -> None:
    assert trust(STATUS) == Trust(
        Level.PROVEN, FULL.started_at, "complete as of 12:40 (18 min ago), proven; 1,204 files, 3.1 TB"
    )


def test_the_proof_of_a_prefix_claims_no_more_than_the_prefix() -> None:
    sentence = trust(replace(STATUS, prefix="6005")).sentence
    proof, held = sentence.split("; ")
    assert proof == "complete as of 12:40 (18 min ago) for names with prefix '6005', proven"
    assert held == "1,204 files, 3.1 TB stored in all, other names included"


def test_a_copy_is_stale_once_two_full_pulls_should_have_begun() -> None:
    due = FULL.started_at + timedelta(hours=12)
    assert trust(STATUS, now=due - timedelta(seconds=1)).level is Level.PROVEN
    late = trust(STATUS, now=due)
    assert late.level is Level.STALE
    assert late.sentence.startswith("STALE: complete as of 12:40 (12 h ago)")


def test_without_a_known_schedule_a_proof_is_stale_after_a_day() -> None:
    due = FULL.started_at + timedelta(days=1)
    assert trust(STATUS, now=due - timedelta(seconds=1), every_hours=None).level is Level.PROVEN
    assert trust(STATUS, now=due, every_hours=None).level is Level.STALE


def test_a_refused_sweep_is_told_beside_the_proof() -> None:
    refused = replace(FULL, error="the brake")
    assert "sweep was refused" in trust(replace(STATUS, proven=refused, ended=refused)).sentence


def test_a_later_unproven_pull_does_not_take_the_older_proof_away_but_is_told() -> None:
    later = replace(FULL, pull_id=9, outcome="unproven", proven=False)
    judged = trust(replace(STATUS, ended=later))
    assert judged.level is Level.PROVEN
    assert "later full pull ended unproven" in judged.sentence


def test_an_unproven_pull_says_why() -> None:
    judged = trust(
        replace(STATUS, proven=None, ended=replace(FULL, outcome="unproven", proven=False, reason="a reply was lost"))
    )
    assert judged == Trust(Level.UNPROVEN, None, "not proven: a reply was lost; 1,204 files so far")


def test_a_source_without_any_pull_was_never_pulled() -> None:
    empty = replace(STATUS, proven=None, ended=None, tallies=dict.fromkeys(STATUS.tallies, Tally()))
    assert trust(empty).level is Level.NEVER
    assert trust(replace(empty, recent=FULL)).level is Level.UNPROVEN
