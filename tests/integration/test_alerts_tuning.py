"""Rules as settings tune them, per source and per group of names; the age of the data after a change of scope."""

from __future__ import annotations

from datetime import timedelta

from .place import DAY, HOUR, Place, kinds
from .recipients import Inbox


def rules(place: Place) -> set[tuple[str, str]]:
    found = place.sql("SELECT rule, name_group FROM report.alerts WHERE resolved_at IS NULL")
    return {(rule, group) for rule, group in found}


def test_rules_about_files_are_tuned_for_a_source_and_for_names(place: Place) -> None:
    place.settings = {"alert_rules": "vanished.least=3 overdue.grace=3d expiring.severity=warning"}
    place.toml = (
        '[[sources.groups]]\nname = "exams"\nprefix = "exam"\nrules = "vanished.least=1"\n'
        '[[sources.groups]]\nname = "trials"\nprefix = "trial"\nrules = { overdue = { grace = "12h", '
        'severity = "critical" } }\n'
    )
    for name in ("exam", "lecture", "trial"):
        place.file(f"{name}-gone", 100 * DAY, life=200 * DAY)
        place.lose(f"{name}-gone")
        place.file(f"{name}-late", -DAY)
    place.file("soon", 2 * HOUR)
    place.pull()
    place.step()
    assert rules(place) == {("vanished", "exams"), ("overdue", "trials"), ("expiring", "")}
    severities = dict(place.sql("SELECT rule, severity FROM report.alerts"))
    assert severities == {"vanished": "critical", "overdue": "critical", "expiring": "warning"}
    place.now += 3 * DAY
    place.pull()
    place.step()
    assert ("overdue", "") in rules(place)


def test_files_that_become_overdue_by_a_later_proof_are_newcomers(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "alert_silence": "expiring", "remind_after": "90d"}
    place.file("first", -2 * DAY)
    place.file("second", -HOUR)
    place.pull()
    place.step()
    place.now += 2 * DAY
    place.pull()
    place.step()
    assert kinds(inbox) == [("overdue", "raised"), ("overdue", "updated")]
    assert inbox.received[-1]["facts"]["new_files"] == 1


def test_rules_about_pulls_are_tuned(place: Place) -> None:
    place.settings = {"alert_rules": "short-pull.below=10% refused.runs=2 rejected.least=5", "data_deadline": "90d"}
    for files in (1000, 1000, 1000, 1000, 200):
        place.pull(files=files)
    place.failure("refused")
    place.step()
    assert rules(place) == set()
    place.settings["alert_rules"] = "short-pull.below=30%"
    place.step()
    assert rules(place) == {("short-pull", ""), ("refused", "")}


def test_after_a_change_of_prefix_the_data_are_too_old_only_when_nothing_was_proven_in_time_and_it_says_so(
    place: Place, inbox: Inbox
) -> None:
    place.settings = {"notify": inbox.url(), "data_deadline": "12h", "alert_silence": "failing,short-pull"}
    place.pull()
    place.step()
    place.now += 100 * DAY
    place.pull()
    place.step()
    place.step(HOUR)
    before = len(inbox.received)
    place.unfinished(prefix="6000_")
    changed = place.now
    place.step(11 * HOUR)
    assert len(inbox.received) == before, "the new prefix has its time to be proven"
    place.step(HOUR)
    assert kinds(inbox)[before:] == [("stale", "raised")]
    title = inbox.received[-1]["title"]
    assert (
        f"no pull has proved them complete since the account, endpoint or prefix changed, {changed:%Y-%m-%d %H:%M}"
        in title
    )
    place.now += HOUR
    place.pull(prefix="6000_")
    place.step()
    place.step(timedelta(hours=1, minutes=1))
    assert "since the account, endpoint or prefix changed" in inbox.received[-1]["title"], "what it was, not what is"


def test_a_source_that_never_was_proven_says_so(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "data_deadline": "12h", "alert_silence": "failing"}
    place.failure()
    place.step(12 * HOUR)
    assert "no pull has proved them complete since the first one" in inbox.received[-1]["title"]
