"""Each rule's finding, whole: severity, group, window and every detail that texts and facts show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncer.alerts.policy import Group, Policy, Tier
from syncer.alerts.rules import Finding, judge, watches
from syncer.alerts.tuning import Tuning
from syncer.store.alert_facts import Facts, FullPull, Trouble
from syncer.store.alert_files import EXPIRING, OVERDUE, VANISHED, Count, Crowd, Watch
from syncer.store.reach import Deaf

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH, WEEK, LAST = Tier("30d", 30 * DAY), Tier("7d", 7 * DAY), Tier("1d", DAY)
QUARTER, TENTH = Tier("25%", share=0.25), Tier("10%", share=0.1)
CROWD = Crowd(Count(5, 500, NOW + HOUR), Count(2, 20, NOW + 2 * HOUR))


def policy(**given: Any) -> Policy:
    return Policy(source="a", **{"tiers": (MONTH, WEEK, LAST), "next_full": lambda at: at + 6 * HOUR, **given})


def facts(**given: Any) -> Facts:
    return Facts("a", NOW, **{"known_since": NOW - 90 * DAY, "proven_at": NOW - HOUR, **given})


def full(**given: Any) -> FullPull:
    fields = {"proven": True, "files": 1000, "rejected": 0, "reason": None, "error": None}
    return FullPull(**{"pull_id": 1, "started_at": NOW - HOUR, **fields, **given})


def trouble(failures: int, kind: str) -> Trouble:
    return Trouble(failures, NOW - DAY, kind, "why")


def detail_of(number: int, kind: str) -> dict[str, Any]:
    return {"failures": number, "kind": kind, "since": NOW - DAY, "error": "why"}


@pytest.mark.parametrize(
    ("known", "finding"),
    [
        (
            facts(proven_at=NOW - 12 * HOUR, changed_at=NOW - 20 * DAY),
            Finding(
                "stale",
                "critical",
                detail={
                    "proven_at": NOW - 12 * HOUR,
                    "since": NOW - 90 * DAY,
                    "changed_at": NOW - 20 * DAY,
                },
            ),
        ),
        (facts(trouble=trouble(3, "endless")), Finding("failing", "warning", detail=detail_of(3, "endless"))),
        (facts(trouble=trouble(1, "refused")), Finding("refused", "critical", detail=detail_of(1, "refused"))),
        (facts(trouble=trouble(1, "clock")), Finding("clock", "critical", detail=detail_of(1, "clock"))),
        (facts(trouble=trouble(7, "refused")), Finding("refused", "critical", detail=detail_of(7, "refused"))),
        (facts(trouble=trouble(7, "clock")), Finding("clock", "critical", detail=detail_of(7, "clock"))),
        (
            facts(fulls=(full(proven=False, reason="last"), *(full(proven=False, reason="older"),) * 3, full())),
            Finding("unproven", "warning", detail={"pulls": 4, "reason": "last"}),
        ),
        (
            facts(fulls=(full(error="20 of 30"), full(error="older"))),
            Finding("sweep-refused", "warning", detail={"error": "20 of 30"}),
        ),
        (
            facts(fulls=(full(pull_id=9, files=499), full(files=999), full(files=1001), full())),
            Finding("short-pull", "warning", detail={"pull_id": 9, "listed": 499, "usual": 1000}),
        ),
        (
            facts(fulls=(full(pull_id=9),), day_bytes=(499, 1000, 1001, 999)),
            Finding(
                "short-pull",
                "warning",
                detail={"pull_id": 9, "listed": 1000, "usual": 0, "bytes": 499, "usual_bytes": 1000},
            ),
        ),
        (
            # what is usual is the middle of all the days before
            facts(fulls=(full(pull_id=9),), day_bytes=(900, 3000, 1000, 1000, 3000)),
            Finding(
                "short-pull",
                "warning",
                detail={"pull_id": 9, "listed": 1000, "usual": 0, "bytes": 900, "usual_bytes": 2000},
            ),
        ),
        (
            facts(fulls=(full(files=9), full(files=20), full(files=20), full(files=20))),
            Finding("short-pull", "warning", detail={"pull_id": 1, "listed": 9, "usual": 20}),
        ),
        (facts(rejected=1), Finding("rejected", "warning", detail={"entries": 1})),
        (
            facts(calls_per_day=90.6, calls_limit=100.4),
            Finding("quota", "warning", detail={"needed": 91, "limit": 100}),
        ),
        (
            facts(deaf=(Deaf("mail-1", "mail", NOW - DAY, "no such user", 2, refuses=False),)),
            Finding(
                "recipient",
                "critical",
                group="mail-1",
                detail={
                    "name": "mail",
                    "since": NOW - DAY,
                    "error": "no such user",
                    "waiting": 2,
                    "refuses": False,
                },
            ),
        ),
    ],
    ids=lambda value: value.rule if isinstance(value, Finding) else "",
)
def test_a_finding_about_syncer_itself(known: Facts, finding: Finding) -> None:
    assert judge(known, policy()) == [finding]


@pytest.mark.parametrize(
    "known",
    [
        facts(fulls=(full(files=500), *(full(),) * 3)),  # half is enough
        facts(fulls=(full(files=1), *(full(files=19),) * 3)),  # too small to be judged
        facts(fulls=(full(files=1), full(), full())),  # too young
        facts(fulls=(full(),), day_bytes=(500, 1000, 1000, 1000)),
        facts(fulls=(full(),), day_bytes=(1, 1000, 1000)),
        facts(fulls=(full(),), day_bytes=(0, 0, 0, 0)),
        facts(day_bytes=(1, 1000, 1000, 1000)),  # nothing was pulled
        facts(trouble=trouble(2, "other")),
        facts(fulls=(full(), full(proven=False), full(proven=False), full(proven=False))),
    ],
)
def test_nothing_is_found_at_the_very_threshold(known: Facts) -> None:
    assert judge(known, policy()) == []


GROUPS = (
    Group("exams", "ex", (WEEK, LAST), tuning=Tuning({("vanished", "severity"): "warning", ("overdue", "least"): 6})),
    Group("trials", "ex_t", (LAST,), silence=frozenset({"expiring", "vanished"})),
)


@pytest.mark.parametrize(
    ("watch", "severity", "window", "detail"),
    [
        (Watch("a", EXPIRING, "30d", span=30 * DAY, inner_span=7 * DAY), "info", DAY, {}),
        (Watch("a", EXPIRING, "7d", span=7 * DAY, inner_span=6 * DAY), "warning", 6 * HOUR, {}),
        (Watch("a", EXPIRING, "7d", "exams", span=7 * DAY, inner_span=5 * DAY), "warning", 12 * HOUR, {}),
        (Watch("a", EXPIRING, "1d", span=DAY, last=True), "critical", 6 * HOUR, {}),
        (Watch("a", EXPIRING, "30d", span=30 * DAY, last=True), "critical", DAY, {}),
        (Watch("a", EXPIRING, "1d", span=DAY), "critical", 6 * HOUR, {}),
        (Watch("a", EXPIRING, "7d", share=0.1), "warning", 6 * HOUR, {}),
        (Watch("a", VANISHED), "critical", 6 * HOUR, {}),
        (Watch("a", VANISHED, group="exams"), "warning", 6 * HOUR, {}),
        (Watch("a", OVERDUE, grace=2 * DAY), "info", DAY, {"grace": 172800.0}),
    ],
    ids=lambda value: value.rule if isinstance(value, Watch) else "",
)
def test_a_finding_about_files(watch: Watch, severity: Any, window: timedelta, detail: dict[str, float]) -> None:
    wanted = Finding(watch.rule, severity, watch.tier, watch.group, CROWD, watch, window, detail)
    assert judge(facts(crowds=((watch, CROWD),)), policy(groups=GROUPS)) == [wanted]


def test_few_files_of_a_group_may_be_too_few() -> None:
    watch = Watch("a", OVERDUE, group="exams")
    assert judge(facts(crowds=((watch, CROWD),)), policy(groups=GROUPS)) == []
    more = Crowd(Count(6))
    assert len(judge(facts(crowds=((watch, more),)), policy(groups=GROUPS))) == 1


def test_a_rule_that_is_silenced_for_a_group_alone_speaks_of_the_others() -> None:
    silenced = policy(groups=(Group("", "x", (LAST,), silence=frozenset({"stale"})),))
    assert judge(facts(proven_at=NOW - 12 * HOUR), silenced) == []
    other = policy(groups=(Group("exams", "x", (LAST,), silence=frozenset({"stale"})),))
    assert len(judge(facts(proven_at=NOW - 12 * HOUR), other)) == 1


def test_what_is_watched_whole() -> None:
    until = NOW - HOUR
    tuned = (
        Group("exams", "ex", (QUARTER, WEEK, TENTH), tuning=Tuning({("overdue", "grace"): 3 * DAY})),
        Group("trials", "ex_t", (LAST,), silence=frozenset({"expiring", "overdue"})),
    )
    everybody = {"source": "a", "not_prefixes": ("ex", "ex_t")}
    exams = {"source": "a", "group": "exams", "prefix": "ex", "not_prefixes": ("ex_t",)}
    trials = {"source": "a", "group": "trials", "prefix": "ex_t"}
    assert watches(policy(groups=tuned), until) == (
        Watch(rule=EXPIRING, tier="30d", span=30 * DAY, inner_span=7 * DAY, **everybody),
        Watch(rule=EXPIRING, tier="7d", span=7 * DAY, inner_span=DAY, **everybody),
        Watch(rule=EXPIRING, tier="1d", span=DAY, last=True, **everybody),
        Watch(rule=OVERDUE, before=until - DAY, grace=DAY, **everybody),
        Watch(rule=VANISHED, **everybody),
        Watch(rule=EXPIRING, tier="25%", share=0.25, other_spans=(7 * DAY,), other_shares=(0.1,), **exams),
        Watch(rule=EXPIRING, tier="7d", span=7 * DAY, other_shares=(0.1, 0.25), **exams),
        Watch(rule=EXPIRING, tier="10%", share=0.1, other_spans=(7 * DAY,), **exams),
        Watch(rule=OVERDUE, before=until - 3 * DAY, grace=3 * DAY, **exams),
        Watch(rule=VANISHED, **exams),
        Watch(rule=VANISHED, **trials),
    )


def test_shares_alone_have_a_last_tier_too_and_two_tiers_may_begin_alike() -> None:
    twin = Tier("week", 7 * DAY)
    shares = watches(policy(tiers=(QUARTER, TENTH, Tier("again", share=0.1)), silence=frozenset({"vanished"})), None)
    assert shares == (
        Watch("a", EXPIRING, "25%", share=0.25, other_shares=(0.1, 0.1)),
        Watch("a", EXPIRING, "10%", share=0.1, last=True),
        Watch("a", EXPIRING, "again", share=0.1, last=True),
    )
    spans = watches(policy(tiers=(WEEK, twin), silence=frozenset({"vanished"})), None)
    assert spans == (
        Watch("a", EXPIRING, "7d", span=7 * DAY, last=True),
        Watch("a", EXPIRING, "week", span=7 * DAY, last=True),
    )
