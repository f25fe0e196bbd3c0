"""Alertmanager's API v2 (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from syncer.alerts.message import SEVERITIES, Message, Severity
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Surroundings, as_json
from syncer.alerts.notifiers.webhook import alert_name, web_endpoint

HELD = timedelta(days=7)
"""How long an alert stands without another message. Reminders renew it; without an end, it would stand 5 minutes."""


class Alertmanager:
    """One Alertmanager. It knows an alert by its labels, so a message that comes twice changes nothing."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        path = f"{address.path.rstrip('/')}/api/v2/alerts"
        self._endpoint, self._headers = web_endpoint("Alertmanager", address, around, path)

    def send(self, message: Message) -> None:
        """Post the alert, and the end of what it is no longer; raises NotifyError."""
        over = SEVERITIES if message.status == "resolved" else ()
        if message.status == "escalated" or message.facts.get("kind") == "updated":
            # Graver perhaps; the severity is a label, so another severity is another alert to Alertmanager.
            over = tuple(severity for severity in SEVERITIES if severity != message.severity)
        alerts = [_alert(message, severity, ended=True) for severity in over]
        if message.status != "resolved":
            alerts.insert(0, _alert(message, message.severity, ended=False))
        self._endpoint.check_status(self._endpoint.post(as_json(alerts), headers=self._headers))


def _alert(message: Message, severity: Severity, *, ended: bool) -> dict[str, Any]:
    labels = {
        "alertname": f"syncer_{message.rule}",
        "source": message.source,
        "alert": alert_name(message),
        "severity": severity,
    }
    times = {"endsAt": (message.sent_at if ended else message.sent_at + HELD).isoformat()}
    if not ended:
        times["startsAt"] = message.sent_at.isoformat()
    return {"labels": labels, "annotations": {"summary": message.title, "description": message.text}, **times}
