"""Slack's incoming webhooks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from __future__ import annotations

import re

from syncer.alerts.message import Language, Message
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Endpoint, Surroundings, as_json
from syncer.alerts.notifiers.text import body_lines, fitted, title

LARGEST_TEXT = 4000
"""Characters that Slack recommends as the most; it cuts at 40,000."""


class Slack:
    """One webhook, which is one channel."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        path = f"/{address.target}{address.path}".removeprefix("/hooks.slack.com/services")
        if not re.fullmatch(r"(?:/[A-Za-z0-9_-]+)+", path):
            raise ValueError("must be slack://T…/B…/… or the https://hooks.slack.com/services/… URL itself")
        url = f"{address.base('https://hooks.slack.com')}/services{path}"
        self._endpoint = Endpoint("Slack", url, around, secrets=(path, *path.split("/")[1:]))
        self._language: Language = address.language

    def send(self, message: Message) -> None:
        """Send plain text; raises NotifyError. Slack tells the errors by the status, with a word as the body."""
        lines = [_escaped(line) for line in (title(message), *body_lines(message))]
        text = "\n".join(fitted(lines, self._language, LARGEST_TEXT, lambda line: len(line) + 1))
        body = as_json({"text": text, "mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False})
        reply = self._endpoint.post(body)
        self._endpoint.check_status(reply)
        if reply.body.strip() != b"ok":
            raise self._endpoint.error("it answered 200, but not ok", permanent=False)


def _escaped(line: str) -> str:
    """Write Slack's three control characters, with which mentions and links begin, as themselves."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
