"""One evaluation of a source, one transaction: facts are read and judged, alerts move, messages enter the outbox.

It goes by what the database holds, never by events: whatever was not evaluated because a process died is seen by the
next evaluation, and a second evaluation of the same facts does nothing. A pull is followed by one, `syncer alerts
evaluate` and each tick of the daemon make one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from syncer.alerts.policy import Policy
from syncer.alerts.rules import RECIPIENT, RULES, Finding, judge, watches
from syncer.alerts.telling import Teller
from syncer.alerts.transitions import SETTLE, Step, next_step, why
from syncer.store import alert_facts, alert_files, alert_marks, alerts, outbox
from syncer.store.alert_facts import Facts
from syncer.store.alert_files import Watch
from syncer.store.alert_marks import Mark
from syncer.store.alert_tally import Tallies
from syncer.store.alerts import Alert
from syncer.store.database import Connection

_OF_FILES = frozenset({alert_files.EXPIRING, alert_files.OVERDUE, alert_files.VANISHED})
# What was told longer ago is shown nowhere any more.
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Moved:
    """What an evaluation did to one alert."""

    alert_id: int
    rule: str
    tier: str
    group: str
    step: str
    files: int


def evaluate(connection: Connection, policy: Policy) -> list[Moved]:
    """Evaluate one source and return what changed; `connection` must be in no transaction.

    Members and newcomers are counted after the mark is taken, so that nothing written meanwhile can be missed: it is a
    newcomer the next time.
    """
    with alerts.evaluating(connection, policy.source):
        return _Evaluation(connection, policy).carry_out()


class _Evaluation:
    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection, self._policy, self._source = connection, policy, policy.source
        self._mark = alert_marks.take(connection)
        self._now = self._mark.at
        self._last = alerts.last(connection, policy.source)
        self._tallies = Tallies(connection, policy.source, self._mark)
        self._watches: dict[tuple[str, str, str], Watch] = {}

    def carry_out(self) -> list[Moved]:
        facts = self._facts()
        teller = Teller(self._connection, self._policy, self._now, facts)
        found = {finding.key: finding for finding in judge(facts, self._policy)}
        moved = []
        for key in sorted({*found, *self._last}, key=lambda key: (list(RULES).index(key[0]), key[1:])):
            alert, finding = self._last.get(key), found.get(key)
            step = next_step(alert, finding, self._policy, self._now)
            if step is Step.COUNT and alert is not None and finding is not None and _unchanged(alert, finding):
                step = Step.REST
            if step is not Step.REST:
                moved.append(self._move(step, alert, finding, teller))
        standing = self._tell_who_was_not_told(found, teller)
        self._tell_keepers_of_ends_by_command(teller)
        return moved + standing

    def _facts(self) -> Facts:
        policy, connection = self._policy, self._connection
        facts = alert_facts.read(
            connection,
            self._source,
            self._now,
            recipients=[each.identity for each in policy.addressees],
            silent=policy.tuning.span(RECIPIENT, "silent"),
            loads=policy.loads,
            calls_limit=policy.calls_limit,
            crowds=(),
        )
        crowds = []
        for watch in watches(policy, facts.proven_at):
            self._watches[watch.key] = watch
            crowds.append((watch, self._tallies.crowd(watch, *self._marks(watch))))
        self._tallies.forget(set(self._watches))
        return replace(facts, crowds=tuple(crowds))

    def _marks(self, watch: Watch) -> tuple[Mark | None, Mark | None]:
        """Return up to when a watch's members were announced and acknowledged; None: never."""
        alert = self._last.get(watch.key)
        if alert is None or alert.scope != alerts.scope_of(watch):
            return None, None
        if alert.resolution == "command":
            # Somebody called it settled: that covers all that was told.
            return alert.announced, alert.announced
        if alert.resolved_at is None or self._now < alert.resolved_at + SETTLE:
            return alert.announced, alert.acknowledged
        return None, None

    def _move(self, step: Step, alert: Alert | None, finding: Finding | None, teller: Teller) -> Moved:
        if finding is None:
            assert alert is not None
            return self._resolve(alert, teller)
        if step is Step.RAISE or alert is None:
            alert_id = alerts.raise_alert(
                self._connection, self._source, finding.key, finding.watch, severity=finding.severity, at=self._now
            )
        else:
            alert_id = alert.alert_id
        self._write(step, alert, alert_id, finding)
        if step is Step.REOPEN:
            outbox.take_back(self._connection, self._source, alert_id, Step.RESOLVE)
        if step.told:
            teller.tell(step, alert_id, alert, finding)
        return Moved(alert_id, *finding.key, step.value, finding.crowd.members.files)

    def _write(self, step: Step, alert: Alert | None, alert_id: int, finding: Finding) -> None:
        columns: dict[str, Any] = {
            "severity": finding.severity,
            "files": finding.crowd.members.files,
            "bytes": finding.crowd.members.bytes,
            "detail": dict(finding.detail),
            "evaluated_at": self._now,
        }
        if finding.watch is not None:
            names = ("prefix", "not_prefixes", "span", "share", "inner_span", "other_spans", "other_shares")
            columns |= dict(zip(names, alerts.scope_of(finding.watch), strict=True))
            columns["before"] = finding.watch.before
        columns |= self._notice(step, alert, finding)
        if step is Step.REOPEN:
            assert alert is not None
            columns |= {"resolved_at": None, "resolution": None, "reopened": alert.reopened + 1}
        if step is Step.ESCALATE:
            columns["escalated_at"] = self._now
        if step.announces:
            columns |= alerts.announced(self._mark)
        if step.told:
            columns["messaged_at"] = self._now
            columns["messages"] = 1 if alert is None or step is Step.RAISE else alert.messages + 1
        alerts.write(self._connection, self._source, alert_id, **columns)

    def _notice(self, step: Step, alert: Alert | None, finding: Finding) -> dict[str, Any]:
        """Return what becomes of the acknowledgement: what it does not cover begins anew."""
        rest = None if finding.crowd.rest is None else finding.crowd.rest.files
        if alert is None:
            return {}
        if step is Step.RAISE:
            if alert.resolution != "command" or finding.watch is None:
                return {}
            return alerts.noticed(alert.announced, at=alert.resolved_at, by=alert.resolved_by) | {
                "renewed_at": self._now,
                "unacknowledged": rest,
            }
        columns: dict[str, Any] = {}
        if finding.watch is not None and alert.scope != alerts.scope_of(finding.watch):
            columns |= alerts.announced(None) | {"acknowledged_mark": None, "acknowledged_open": None}
        if alert.acknowledged_at is None:
            return columns
        columns["unacknowledged"] = rest
        if step is Step.UPDATE and alert.renewed_at is None:
            columns |= {"renewed_at": self._now, "escalated_at": None}
        elif _told_uncovered(alert, finding):
            columns["renewed_at"] = self._now
        elif finding.watch is not None and rest == 0:
            columns["renewed_at"] = None
        return columns

    def _resolve(self, alert: Alert, teller: Teller) -> Moved:
        watch = self._watches.get(alert.key)
        if self._silenced(alert):
            resolution = "silenced"
        elif watch is not None:
            departed = alert_files.departures(self._connection, watch, alert.evaluated_at)
            resolution = why(alert.rule, departed, last=watch.last)
        else:
            resolution = "mended"
        columns: dict[str, Any] = {
            "resolved_at": self._now,
            "resolution": resolution,
            "messaged_at": self._now,
            "messages": alert.messages + 1,
        }
        alerts.write(self._connection, self._source, alert.alert_id, **columns)
        teller.tell_end(alert, resolution, of_files=watch is not None, keepers_only=resolution == "silenced")
        return Moved(alert.alert_id, *alert.key, Step.RESOLVE.value, alert.files)

    def _silenced(self, alert: Alert) -> bool:
        """Return whether settings, and not the facts, ended an alert: silenced, or its tier or group is no more."""
        return (alert.rule in _OF_FILES and alert.key not in self._watches) or self._policy.silences(alert.rule, "")

    def _tell_keepers_of_ends_by_command(self, teller: Teller) -> None:
        """Tell whoever shows an alert until he hears of its end; people need not be told what a person has decided."""
        keepers = [each.identity for each in self._policy.addressees if each.keeps]
        if not keepers:
            return
        settled = {
            alert.alert_id: alert
            for alert in self._last.values()
            if alert.resolution == "command" and alert.resolved_at and alert.resolved_at > self._now - KEPT
        }
        told = outbox.told_last(self._connection, self._source, list(settled))
        for number, kinds in told.items():
            if any(kinds.get(each, Step.RESOLVE) != Step.RESOLVE for each in keepers):
                of_files = settled[number].rule in _OF_FILES
                teller.tell_end(settled[number], "command", of_files=of_files, keepers_only=True)

    def _tell_who_was_not_told(self, found: dict[tuple[str, str, str], Finding], teller: Teller) -> list[Moved]:
        """Tell recipients of open alerts of which they have heard nothing: they are new, or want more than before."""
        standing = [alert for key, alert in self._last.items() if alert.open and key in found]
        told = outbox.told(self._connection, self._source, [alert.alert_id for alert in standing])
        moved = []
        for alert in standing:
            finding = found[alert.key]
            if teller.tell_the_rest(alert, finding, told.get(alert.alert_id, set())):
                moved.append(Moved(alert.alert_id, *alert.key, Step.STAND.value, finding.crowd.members.files))
        return moved


def _told_uncovered(alert: Alert, finding: Finding) -> bool:
    """Return whether files were told that an acknowledgement does not cover: it came while they were being told."""
    rest = finding.crowd.rest
    return alert.quiet and rest is not None and rest.files > finding.crowd.newcomers.files


def _unchanged(alert: Alert, finding: Finding) -> bool:
    """Return whether a count need not be written."""
    crowd, watch = finding.crowd, finding.watch
    if alert.renewed_at is not None and watch is not None and not crowd.uncovered.files:
        return False
    if _told_uncovered(alert, finding):
        return False
    return (
        alert.files,
        alert.bytes,
        alert.severity,
        alert.detail,
        alert.scope,
        alert.before,
        alert.unacknowledged if alert.acknowledged_at else None,
    ) == (
        crowd.members.files,
        crowd.members.bytes,
        finding.severity,
        alerts.plain_detail(finding.detail),
        alert.scope if watch is None else alerts.scope_of(watch),
        None if watch is None else watch.before,
        (None if crowd.rest is None else crowd.rest.files) if alert.acknowledged_at else None,
    )
