"""A signed webhook of one's own: JSON as described in docs/notifications.md."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

from syncer.alerts.message import Message
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Endpoint, Surroundings, as_json


def web_endpoint(service: str, address: Address, around: Surroundings, path: str) -> tuple[Endpoint, dict[str, str]]:
    """Return the endpoint of an address such as `webhook+https://user:password@host/…` and its credentials' header."""
    scheme = "https" if address.secure else "http"
    basic = b64encode(f"{address.user}:{address.password}".encode()).decode()
    endpoint = Endpoint(service, f"{scheme}://{address.target}{path}", around, (*address.secrets, basic))
    return endpoint, {"Authorization": f"Basic {basic}"} if address.user else {}


class Webhook:
    """One URL that takes the message as JSON; any 2xx is taken as acceptance."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        self._endpoint, self._headers = web_endpoint("Webhook", address, around, address.path or "/")
        self._query = address.query
        self._secret = address.options.get("secret", "")
        self._around = around
        self._language = address.language

    def send(self, message: Message) -> None:
        """Send the message whole, with its idempotency key and, given a secret, a signature; raises NotifyError."""
        payload = {
            "version": 1,
            "key": message.key,
            "alert": alert_name(message),
            "severity": message.severity,
            "status": message.status,
            "source": message.source,
            "rule": message.rule,
            "language": self._language,
            "title": message.title,
            "text": message.text,
            "facts": message.facts,
            "sent_at": message.sent_at.isoformat(),
        }
        body = as_json(payload)
        headers = {"Idempotency-Key": quote(message.key, safe=":/,=+"), **self._headers, **self._signature(body)}
        self._endpoint.check_status(self._endpoint.post(body, query=self._query, headers=headers))

    def _signature(self, body: bytes) -> dict[str, str]:
        if not self._secret:
            return {}
        timestamp = str(int(self._around.now().timestamp()))
        digest = hmac.digest(self._secret.encode(), timestamp.encode() + b"." + body, sha256).hex()
        return {"Syncer-Timestamp": timestamp, "Syncer-Signature": f"v1={digest}"}


def alert_name(message: Message) -> str:
    """Return the name that is the same for all messages about one alert."""
    return message.alert or f"{message.source}/{message.rule}"
