"""Each rule speaks when it must and is silent otherwise; tiers are disjoint; silence silences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncer.alerts.names import RULE_NAMES
from syncer.alerts.policy import Group, Policy, Tier
from syncer.alerts.rules import RULES, Finding, deadline, judge, watches
from syncer.store.alert_facts import Facts, Forecast, FullPull, Trouble
from syncer.store.alert_files import Count, Crowd, Watch
from syncer.store.reach import Deaf

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIERS = (Tier("30d", 30 * DAY), Tier("7d", 7 * DAY), Tier("1d", DAY))


def policy(**given: Any) -> Policy:
    return Policy(source="a", **{"tiers": TIERS, "next_full": lambda at: at + 6 * HOUR, **given})


def facts(**given: Any) -> Facts:
    return Facts("a", NOW, **{"known_since": NOW - 90 * DAY, "proven_at": NOW - HOUR, **given})


def found(known: Facts, wanted: Policy | None = None) -> dict[str, Finding]:
    return {finding.rule: finding for finding in judge(known, wanted or policy())}


def full(**given: Any) -> FullPull:
    fields = {"proven": True, "files": 1000, "rejected": 0, "reason": None, "error": None}
    return FullPull(**{"pull_id": 1, "started_at": NOW - HOUR, **fields, **given})


def trouble(failures: int, kind: str) -> Trouble:
    return Trouble(failures, NOW - DAY, kind, "why")


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert judge(facts(fulls=(full(),) * 5), policy()) == []


def test_the_names_are_those_of_the_rules() -> None:
    assert tuple(RULES) == RULE_NAMES


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        ("failing", facts(trouble=trouble(3, "unavailable"))),
        ("failing", facts(trouble=trouble(3, "killed"))),
        ("refused", facts(trouble=trouble(1, "refused"))),
        ("clock", facts(trouble=trouble(1, "clock"))),
        ("unproven", facts(fulls=(full(proven=False),) * 3)),
        ("sweep-refused", facts(fulls=(full(error="20 of 30"),))),
        ("short-pull", facts(fulls=(full(files=499), *(full(),) * 3))),
        ("short-pull", facts(fulls=(full(),), day_bytes=(499, 1000, 1000, 1000))),
        ("rejected", facts(rejected=1)),
        ("quota", facts(calls_per_day=91.0, calls_limit=100.0)),
        ("recipient", facts(deaf=(Deaf("x", "mail", NOW, "no such user", 2),))),
        ("stale", facts(proven_at=NOW - 12 * HOUR)),
        ("stale", facts(proven_at=None, known_since=NOW - 12 * HOUR)),
    ],
)
def test_a_rule_speaks_alone_and_can_be_silenced(rule: str, known: Facts) -> None:
    assert list(found(known)) == [rule]
    assert found(known, policy(silence=frozenset({rule}))) == {}


@pytest.mark.parametrize(
    "known",
    [
        facts(trouble=trouble(2, "unavailable")),
        facts(fulls=(full(proven=False), full(proven=False), full())),
        facts(fulls=(full(files=501), *(full(),) * 3)),
        facts(fulls=(full(files=1), full(), full())),
        facts(fulls=(full(files=5), *(full(files=15),) * 5)),
        facts(calls_per_day=90.0, calls_limit=100.0),
        facts(calls_per_day=1e6, calls_limit=0.0),
        facts(proven_at=NOW - 12 * HOUR + timedelta(seconds=1)),
        facts(proven_at=None, known_since=None),
    ],
)
def test_a_rule_is_silent_below_its_threshold(known: Facts) -> None:
    assert found(known) == {}


def test_the_deadline_follows_the_forecast_of_a_pull_in_progress_but_not_for_ever() -> None:
    due = NOW - HOUR + 12 * HOUR
    assert deadline(facts(), policy()) == due
    soon = Forecast(due + 3 * HOUR, NOW)
    assert deadline(facts(forecast=soon), policy()) == due + 3 * HOUR + timedelta(minutes=10)
    assert deadline(facts(forecast=Forecast(NOW + 99 * DAY, NOW)), policy()) == NOW - HOUR + 36 * HOUR
    assert deadline(facts(), policy(data_deadline=DAY)) == NOW - HOUR + DAY


def crowd(files: int) -> Crowd:
    return Crowd(Count(files, files), Count(files, files))


def test_the_nearest_tier_is_critical_and_newcomers_gather_for_a_quarter_of_it() -> None:
    seen = tuple((watch, crowd(1)) for watch in watches(policy(), NOW) if watch.rule == "expiring")
    findings = [each for each in judge(facts(crowds=seen), policy()) if each.rule == "expiring"]
    assert [(each.tier, each.severity, each.window) for each in findings] == [
        ("30d", "info", DAY),
        ("7d", "warning", DAY),
        ("1d", "critical", 6 * HOUR),
    ]


def test_a_single_tier_is_critical() -> None:
    only = policy(tiers=(Tier("25%", share=0.25),))
    seen = tuple((watch, crowd(1)) for watch in watches(only, None) if watch.rule == "expiring")
    assert [each.severity for each in judge(facts(crowds=seen), only)] == ["critical"]


def test_files_of_a_group_are_watched_apart_from_the_rest_and_from_narrower_groups() -> None:
    groups = (
        Group("lectures", "6000_", (Tier("3d", 3 * DAY),)),
        Group("exams", "6000_exam", TIERS, frozenset({"vanished"})),
    )
    seen = {(each.rule, each.tier, each.group): each for each in watches(policy(groups=groups), NOW)}
    assert seen["expiring", "3d", "lectures"].prefix == "6000_"
    assert seen["expiring", "3d", "lectures"].not_prefixes == ("6000_exam",)
    assert seen["expiring", "1d", ""].not_prefixes == ("6000_", "6000_exam")
    assert ("vanished", "", "exams") not in seen
    assert ("vanished", "", "lectures") in seen


def test_overdue_is_only_what_was_listed_a_day_after_its_expiry() -> None:
    (overdue,) = (each for each in watches(policy(), NOW) if each.rule == "overdue")
    assert overdue.before == NOW - DAY
    assert not [each for each in watches(policy(), None) if each.rule == "overdue"]


def test_silenced_files_are_not_even_counted() -> None:
    assert [each.rule for each in watches(policy(silence=frozenset({"expiring", "overdue"})), NOW)] == ["vanished"]


def test_a_watch_knows_its_key() -> None:
    assert replace(Watch("a", "expiring"), tier="7d", group="g").key == ("expiring", "7d", "g")
