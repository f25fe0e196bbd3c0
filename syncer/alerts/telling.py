"""Composes the messages of one evaluation and puts them into the outbox, for each recipient that is to have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import cast

from syncer.alerts.digest import MOST_PREFIXES, MOST_URGENT, Digest, as_json
from syncer.alerts.message import Severity
from syncer.alerts.policy import Addressee, Policy
from syncer.alerts.prefixes import useful_prefixes
from syncer.alerts.rules import RECIPIENT, Finding
from syncer.alerts.speech import compose
from syncer.alerts.transitions import Step, may_go
from syncer.store import alert_files, alert_groups, outbox
from syncer.store.alert_facts import Facts
from syncer.store.alert_files import EXPIRING, Count, Watch
from syncer.store.alert_marks import Mark
from syncer.store.alerts import Alert
from syncer.store.database import Connection

# So many names are looked at to find beginnings that tell the files apart; the files are then all counted.
_SAMPLE = 4000


class Teller:
    """Tells what one evaluation, at `now`, found out; `facts` are those it went by."""

    def __init__(self, connection: Connection, policy: Policy, now: datetime, facts: Facts) -> None:
        self._connection, self._policy, self._source, self._now = connection, policy, policy.source, now
        self._as_of = facts.proven_at
        self._deaf = {each.recipient for each in facts.deaf}

    def tell(self, step: Step, alert_id: int, alert: Alert | None, finding: Finding) -> None:
        """Tell everybody of a step of an alert; `alert` is its row as it was before, if it had one."""
        was = None if step is Step.RAISE else alert
        digest = self._digest(step, alert_id, was, finding, number=1 if was is None else was.messages + 1)
        escalated = was is not None and was.escalated_at is not None
        listeners = self._listeners(finding, escalated=escalated)
        if step is Step.ESCALATE:
            listeners = [each for each in self._listeners(finding, escalated=True) if each.escalation]
        self._put(digest, listeners, may_go(step, finding, alert, self._policy, self._now))

    def tell_the_rest(self, alert: Alert, finding: Finding, told: set[str]) -> bool:
        """Tell those who are to know of an open alert and were told nothing of it; return whether there are any."""
        listeners = self._listeners(finding, escalated=alert.escalated_at is not None)
        left = [each for each in listeners if each.identity not in told]
        if left:
            digest = self._digest(Step.STAND, alert.alert_id, alert, finding, number=alert.messages)
            self._put(digest, left, may_go(Step.STAND, finding, alert, self._policy, self._now))
        return bool(left)

    def tell_end(self, alert: Alert, resolution: str, *, of_files: bool, keepers_only: bool = False) -> None:
        """Tell those who heard of an alert that it ended, or only those of them who show it until they know."""
        digest = Digest(
            kind=Step.RESOLVE.value,
            source=self._source,
            rule=alert.rule,
            severity=cast("Severity", alert.severity),
            at=self._now,
            number=alert.messages + 1,
            alert_id=alert.alert_id,
            tier=alert.tier,
            group=alert.group,
            raised_at=alert.raised_at,
            members=Count(alert.files, alert.bytes),
            as_of=self._as_of,
            of_files=of_files,
            ending=resolution,
            detail=alert.detail,
        )
        told = outbox.told(self._connection, self._source, [alert.alert_id]).get(alert.alert_id, set())
        listeners = [each for each in self._policy.addressees if each.identity in told and not each.last_resort]
        not_before = may_go(Step.RESOLVE, None, alert, self._policy, self._now)
        if keepers_only:
            listeners = [each for each in listeners if each.keeps]
            not_before = self._now if resolution == "command" else not_before
        self._put(digest, listeners, not_before)

    def _listeners(self, finding: Finding, *, escalated: bool) -> list[Addressee]:
        """Return who is to know of an alert.

        That a recipient cannot be reached is told to the others. When no ordinary one of them can be reached either,
        those of the escalation are told at once, and when nobody can be, the dead-man's switch.
        """
        wanting = [each for each in self._policy.addressees if each.wants(finding.severity)]
        people = [each for each in wanting if not each.last_resort and not _is_about(finding, each)]
        listeners = [each for each in people if escalated or not each.escalation]
        if finding.rule != RECIPIENT or self._can_hear(listeners):
            return listeners
        if self._can_hear(people):
            return people
        return [*people, *(each for each in self._policy.addressees if each.last_resort)]

    def _can_hear(self, listeners: list[Addressee]) -> bool:
        return any(each.identity not in self._deaf for each in listeners)

    def _digest(self, step: Step, alert_id: int, alert: Alert | None, finding: Finding, *, number: int) -> Digest:
        digest = Digest(
            kind=step.value,
            source=self._source,
            rule=finding.rule,
            severity=finding.severity,
            at=self._now,
            number=number,
            alert_id=alert_id,
            tier=finding.tier,
            group=finding.group,
            raised_at=self._now if alert is None else alert.raised_at,
            members=finding.crowd.members,
            newcomers=finding.crowd.newcomers,
            rest=finding.crowd.rest,
            acknowledged_by="" if alert is None or not alert.quiet else alert.acknowledged_by or "",
            as_of=self._as_of,
            detail=finding.detail,
        )
        if step is Step.ESCALATE and alert is not None and alert.renewed_at is not None:
            digest = replace(digest, raised_at=alert.renewed_at)
        of_which = _of_which(step, alert, news=digest.brings_news)
        return digest if finding.watch is None else self._with_files(digest, finding.watch, of_which)

    def _with_files(self, digest: Digest, watch: Watch, mark: Mark | None) -> Digest:
        names = alert_groups.sample(self._connection, watch, _SAMPLE)
        return replace(
            digest,
            prefix=watch.prefix,
            of_files=True,
            nearer=watch.rule == EXPIRING and not watch.last,
            examples=alert_files.examples(self._connection, watch, MOST_URGENT, mark=mark),
            shares=alert_groups.shares(self._connection, watch, useful_prefixes(names, MOST_PREFIXES)),
        )

    def _put(self, digest: Digest, listeners: list[Addressee], not_before: datetime) -> None:
        outbox.know(self._connection, [(self._source, *each.known_by) for each in listeners])
        for each in listeners:
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


def _is_about(finding: Finding, addressee: Addressee) -> bool:
    """Return whether an alert is about this very recipient, who would not take it."""
    return finding.rule == RECIPIENT and finding.group == addressee.identity


def _of_which(step: Step, alert: Alert | None, *, news: bool) -> Mark | None:
    """Return since when those files came that a message shows: the new ones, or those nobody took notice of."""
    if alert is None or step is Step.STAND:
        return None
    if step is Step.UPDATE:
        return alert.announced if news else None
    return alert.acknowledged
