"""One evaluation of a source, one transaction: facts are read and judged, alerts move, messages enter the outbox.

It goes by what the database holds, never by events: whatever was not evaluated because a process died is seen by the
next evaluation, and a second evaluation of the same facts does nothing. A pull is followed by one, `syncer alerts
evaluate` and each tick of the daemon make one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from syncer.alerts.digest import MOST_PREFIXES, MOST_URGENT, Digest, as_json, compose
from syncer.alerts.message import Severity
from syncer.alerts.policy import Addressee, Policy
from syncer.alerts.rules import RULES, Finding, judge, watches
from syncer.alerts.transitions import SETTLE, Step, may_go, next_step, why
from syncer.store import alert_facts, alert_files, alerts, outbox
from syncer.store.alert_facts import Facts
from syncer.store.alert_files import Watch
from syncer.store.alerts import Alert
from syncer.store.database import Connection


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

    Members and newcomers are counted after the horizon is taken, so that nothing written meanwhile can be missed: it
    is a newcomer the next time.
    """
    with alerts.evaluating(connection, policy.source):
        return _Evaluation(connection, policy).carry_out()


class _Evaluation:
    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection, self._policy, self._source = connection, policy, policy.source
        self._now, self._horizon = alert_facts.horizon(connection)
        self._last = alerts.last(connection, policy.source)
        self._watches: dict[tuple[str, str, str], Watch] = {}

    def carry_out(self) -> list[Moved]:
        facts = self._facts()
        found = {finding.key: finding for finding in judge(facts, self._policy)}
        moved = []
        for key in sorted({*found, *self._last}, key=lambda key: (list(RULES).index(key[0]), key[1:])):
            alert, finding = self._last.get(key), found.get(key)
            step = next_step(alert, finding, self._policy, self._now)
            if step is Step.COUNT and alert is not None and finding is not None and _unchanged(alert, finding):
                step = Step.REST
            if step is not Step.REST:
                moved.append(self._move(step, alert, finding, facts))
        return moved

    def _facts(self) -> Facts:
        policy, connection = self._policy, self._connection
        recipients = [each.identity for each in policy.addressees]
        facts = alert_facts.read(
            connection,
            self._source,
            self._now,
            recipients=recipients,
            loads=policy.loads,
            calls_limit=policy.calls_limit,
            crowds=(),
        )
        crowds = []
        for watch in watches(policy, facts.proven_at):
            self._watches[watch.key] = watch
            crowds.append((watch, alert_files.count(connection, watch, self._mark(watch))))
        return replace(facts, crowds=tuple(crowds))

    def _mark(self, watch: Watch) -> datetime | None:
        """Return up to when a watch's members were announced; None when all are new to it."""
        alert = self._last.get(watch.key)
        if alert is None or alert.scope != alerts.scope_of(watch):
            return None
        if alert.resolved_at is None or alert.resolution == "command" or self._now < alert.resolved_at + SETTLE:
            return alert.announced_at
        return None

    def _move(self, step: Step, alert: Alert | None, finding: Finding | None, facts: Facts) -> Moved:
        if finding is None:
            assert alert is not None
            return self._resolve(alert, facts)
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
            self._tell(step, alert_id, alert, finding, facts)
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
            if alert is not None and alert.open and alert.scope != alerts.scope_of(finding.watch):
                columns["announced_at"] = None
        if step is Step.REOPEN:
            assert alert is not None
            columns |= {"resolved_at": None, "resolution": None, "reopened": alert.reopened + 1}
        if step is Step.ESCALATE:
            columns["escalated_at"] = self._now
        if step.announces:
            columns["announced_at"] = self._horizon
        if step.told:
            columns["messaged_at"] = self._now
            columns["messages"] = self._number(step, alert)
        alerts.write(self._connection, self._source, alert_id, **columns)

    def _resolve(self, alert: Alert, facts: Facts) -> Moved:
        watch = self._watches.get(alert.key)
        if self._silenced(alert):
            resolution = "silenced"
        elif watch is not None:
            departed = alert_files.departures(self._connection, watch, alert.evaluated_at)
            resolution = why(alert.rule, departed, last=watch.last)
        else:
            resolution = "mended"
        told = resolution != "silenced"
        columns: dict[str, Any] = {"resolved_at": self._now, "resolution": resolution}
        if told:
            columns |= {"messaged_at": self._now, "messages": self._number(Step.RESOLVE, alert)}
        alerts.write(self._connection, self._source, alert.alert_id, **columns)
        if told:
            self._tell_end(alert, resolution, facts)
        return Moved(alert.alert_id, *alert.key, Step.RESOLVE.value, alert.files)

    def _silenced(self, alert: Alert) -> bool:
        """Return whether settings, and not the facts, ended an alert: silenced, or its tier or group is no more."""
        of_files = alert.rule in {alert_files.EXPIRING, alert_files.OVERDUE, alert_files.VANISHED}
        return (of_files and alert.key not in self._watches) or self._policy.silences(alert.rule, "")

    @staticmethod
    def _number(step: Step, alert: Alert | None) -> int:
        return 1 if alert is None or step is Step.RAISE else alert.messages + 1

    def _tell(self, step: Step, alert_id: int, alert: Alert | None, finding: Finding, facts: Facts) -> None:
        digest = Digest(
            kind=step.value,
            source=self._source,
            rule=finding.rule,
            severity=finding.severity,
            at=self._now,
            number=self._number(step, alert),
            alert_id=alert_id,
            tier=finding.tier,
            group=finding.group,
            raised_at=self._now if alert is None or step is Step.RAISE else alert.raised_at,
            members=finding.crowd.members,
            newcomers=finding.crowd.newcomers,
            as_of=facts.proven_at,
            detail=finding.detail,
        )
        if finding.watch is not None:
            digest = self._with_files(digest, finding.watch)
        before = alert.escalated_at if alert is not None and step is not Step.RAISE else None
        listeners = [
            each
            for each in self._policy.addressees
            if each.wants(finding.severity)
            and (each.escalation == (step is Step.ESCALATE) or (before is not None and each.escalation))
            and not _is_about(finding.rule, finding.group, each)
        ]
        self._put(digest, listeners, may_go(step, finding, alert, self._policy, self._now))

    def _with_files(self, digest: Digest, watch: Watch) -> Digest:
        return replace(
            digest,
            prefix=watch.prefix,
            of_files=True,
            examples=alert_files.examples(self._connection, watch, MOST_URGENT),
            shares=alert_files.shares(self._connection, watch, MOST_PREFIXES),
        )

    def _tell_end(self, alert: Alert, resolution: str, facts: Facts) -> None:
        digest = Digest(
            kind=Step.RESOLVE.value,
            source=self._source,
            rule=alert.rule,
            severity=cast("Severity", alert.severity),
            at=self._now,
            number=self._number(Step.RESOLVE, alert),
            alert_id=alert.alert_id,
            tier=alert.tier,
            group=alert.group,
            raised_at=alert.raised_at,
            members=alert_files.Count(alert.files, alert.bytes),
            as_of=facts.proven_at,
            of_files=alert.key in self._watches,
            ending=resolution,
            detail=alert.detail,
        )
        told = outbox.told(self._connection, self._source, alert.alert_id)
        listeners = [each for each in self._policy.addressees if each.identity in told]
        self._put(digest, listeners, may_go(Step.RESOLVE, None, alert, self._policy, self._now))

    def _put(self, digest: Digest, listeners: list[Addressee], not_before: datetime) -> None:
        for each in listeners:
            outbox.know_recipient(self._connection, self._source, each.identity, each.name)
            outbox.put(
                self._connection,
                self._source,
                each.identity,
                key=digest.key,
                alert_id=digest.alert_id,
                kind=digest.kind,
                body=as_json(compose(digest, each.language, self._policy.zone)),
                not_before=not_before,
            )


def _is_about(rule: str, group: str, addressee: Addressee) -> bool:
    """Return whether an alert is about this very recipient, who would not take it."""
    return rule == "recipient" and group == addressee.identity


def _unchanged(alert: Alert, finding: Finding) -> bool:
    """Return whether a count need not be written."""
    members, watch = finding.crowd.members, finding.watch
    return (alert.files, alert.bytes, alert.severity, alert.detail, alert.scope, alert.before) == (
        members.files,
        members.bytes,
        finding.severity,
        alerts.plain_detail(finding.detail),
        alert.scope if watch is None else alerts.scope_of(watch),
        None if watch is None else watch.before,
    )
