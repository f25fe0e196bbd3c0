"""An alert in the visitor's language: the sentence that its messages say, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from syncer.alerts.digest import Digest
from syncer.alerts.message import Severity
from syncer.alerts.speech import sentence
from syncer.report.language import BEIJING, Language
from syncer.report.markup import Html
from syncer.store.alert_files import EXPIRING, OVERDUE, VANISHED, Count
from syncer.store.alerts import Alert
from syncer.words import visible

OF_FILES = frozenset({EXPIRING, OVERDUE, VANISHED})
"""Rules whose alerts are about files."""


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """An alert as it is shown; `sentence`, `severity` and `state` are in the visitor's language."""

    alert: Alert
    sentence: str
    severity: str
    state: Html


def told(alert: Alert, language: Language, as_of: datetime | None = None) -> ToldAlert:
    """Return the alert in words; `as_of` is when the source was last proven complete."""
    digest = Digest(
        kind="raised",
        source=alert.source,
        rule=alert.rule,
        severity=cast("Severity", alert.severity),
        at=language.now,
        alert_id=alert.alert_id,
        tier=alert.tier,
        group=alert.group,
        raised_at=alert.raised_at,
        members=Count(alert.files, alert.bytes),
        as_of=as_of,
        of_files=alert.rule in OF_FILES,
        detail=alert.detail,
    )
    said = visible(sentence(digest, language.lang.value, BEIJING))
    return ToldAlert(alert, said, language.say(f"severity_{alert.severity}"), _state(alert, language))


def _state(alert: Alert, language: Language) -> Html:
    """Return since when the alert is in the state that counts."""
    if alert.resolved_at is not None:
        ending = language.say(f"ending_{alert.resolution}")
        return language.put("alert_resolved", at=language.moment(alert.resolved_at), ending=ending)
    if alert.quiet:
        by = language.foreign(alert.acknowledged_by)
        return language.put("alert_acknowledged", at=language.moment(alert.acknowledged_at), by=by)
    if alert.acknowledged_at is not None and alert.renewed_at is not None:
        return language.put(
            "alert_renewed",
            by=language.foreign(alert.acknowledged_by),
            at=language.moment(alert.renewed_at),
            files=language.count("files", alert.unacknowledged or 0),
        )
    if alert.snoozed(language.now):
        return language.put("alert_snoozed", at=language.moment(alert.snoozed_until))
    key = "alert_escalated" if alert.escalated_at is not None else "alert_raised"
    return language.put(key, at=language.moment(alert.escalated_at or alert.raised_at))
