"""The life of one alert: from its row and what is found now, the next step and when it may be told; pure.

Members that came to an open alert (newcomers) are told together, a `window` after the last message at the latest. Where
the first of them would leave the tier before such a message could go out, they are told at once, also in quiet hours:
so every file that came within a tier was in a message before the tier ended, provided that somebody evaluates at least
every `LATENESS` (or every `window` of a tier that is shorter). The end of an alert is told an hour later; a cause that
comes back meanwhile is noted on the old row, and nobody is told either. An acknowledgement covers what had been told by
then: of the files that come later people are told, reminded and others told as of a new alert.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from syncer.alerts.message import SEVERITIES
from syncer.alerts.policy import Policy
from syncer.alerts.rules import Finding
from syncer.store.alert_files import OVERDUE, VANISHED, Departures
from syncer.store.alerts import Alert

# How long the end of an alert is kept back, and its row can come back to life.
SETTLE = timedelta(hours=1)
# How late the next evaluation may come; a window that is shorter counts instead.
LATENESS = timedelta(hours=1)


class Step(StrEnum):
    """What happens to an alert; the first six are told. `STAND` tells a recipient who has heard nothing of it yet."""

    RAISE = "raised"
    UPDATE = "updated"
    STAND = "standing"
    ESCALATE = "escalated"
    REMIND = "reminder"
    RESOLVE = "resolved"
    REOPEN = "reopened"
    COUNT = "counted"
    REST = "rest"

    @property
    def told(self) -> bool:
        """Return whether a message is sent."""
        return self not in {Step.REOPEN, Step.COUNT, Step.REST}

    @property
    def announces(self) -> bool:
        """Return whether the message is about all members, to all recipients."""
        return self in {Step.RAISE, Step.UPDATE, Step.REMIND}


def next_step(alert: Alert | None, finding: Finding | None, policy: Policy, now: datetime) -> Step:
    """Return what happens to the last alert of a key (None: there was none) now that `finding` is found (or not)."""
    if finding is None:
        return Step.RESOLVE if alert is not None and alert.open else Step.REST
    if alert is None or not alert.open:
        return Step.RAISE if alert is None else _after_the_end(alert, finding, now)
    if _grew_worse(alert, finding) or _news_are_due(alert, finding, policy, now):
        return Step.UPDATE
    noticed = alert.quiet or (finding.watch is not None and not finding.crowd.uncovered.files)
    if noticed or alert.snoozed(now):
        return Step.COUNT
    if _others_must_know(alert, finding, policy, now):
        return Step.ESCALATE
    late = alert.messaged_at is None or now >= alert.messaged_at + policy.remind_after
    return Step.REMIND if late else Step.COUNT


def _after_the_end(alert: Alert, finding: Finding, now: datetime) -> Step:
    assert alert.resolved_at is not None
    if alert.resolution == "command":
        # Somebody called it settled: of files only new ones raise it again, of anything else the next hour.
        news = finding.crowd.newcomers.files if finding.watch is not None else now >= alert.resolved_at + SETTLE
        return Step.RAISE if news else Step.REST
    return Step.REOPEN if now < alert.resolved_at + SETTLE else Step.RAISE


def _grew_worse(alert: Alert, finding: Finding) -> bool:
    return SEVERITIES.index(finding.severity) > SEVERITIES.index(alert.severity)


def _others_must_know(alert: Alert, finding: Finding, policy: Policy, now: datetime) -> bool:
    early = alert.escalated_at is not None or now < (alert.renewed_at or alert.raised_at) + policy.escalate_after
    if early or finding.severity == "info":
        return False
    return any(each.escalation and each.wants(finding.severity) for each in policy.addressees)


def _news_are_due(alert: Alert, finding: Finding, policy: Policy, now: datetime) -> bool:
    """Return whether the newcomers are to be told now."""
    news = finding.crowd.newcomers
    if not news.files:
        return False
    if alert.announced is None:
        return True
    told_at = alert.announced.at
    regular = max(told_at + finding.window, alert.snoozed_until or told_at)
    if now >= regular:
        return True
    would_go_out = send_at(regular, urgent=finding.severity == "critical", policy=policy)
    return news.first_end is not None and news.first_end <= would_go_out + min(LATENESS, finding.window)


def send_at(instant: datetime, *, urgent: bool, policy: Policy) -> datetime:
    """Return when a message composed at `instant` may be sent: at once, or when the quiet hours end."""
    return instant if urgent or policy.quiet is None else policy.quiet.end_after(instant)


def may_go(step: Step, finding: Finding | None, alert: Alert | None, policy: Policy, now: datetime) -> datetime:
    """Return when the message of a step may be sent.

    Critical ones pass the quiet hours, and what they would make too late does too: of files that were told already no
    reminder is ever too late. An end waits for `SETTLE`.
    """
    if step is Step.RESOLVE or finding is None:
        critical = alert is not None and alert.severity == "critical"
        return send_at(now + SETTLE, urgent=critical, policy=policy)
    told = finding.crowd.newcomers if step in {Step.UPDATE, Step.REMIND} else finding.crowd.uncovered
    end = send_at(now, urgent=False, policy=policy)
    late = told.first_end is not None and told.first_end <= end + LATENESS
    return send_at(now, urgent=finding.severity == "critical" or late, policy=policy)


def why(rule: str, departed: Departures, *, last: bool) -> str:
    """Return why an alert about files ended, from what became of them: the worst that became of any of them."""
    if rule == VANISHED:
        return "returned" if departed.returned and not departed.passed else "expired"
    if rule == OVERDUE:
        return "extended" if departed.extended else "gone"
    by_the_clock = "expired" if last else "nearer"
    if departed.passed:
        return by_the_clock
    return "gone" if departed.gone else "extended" if departed.extended else by_the_clock
