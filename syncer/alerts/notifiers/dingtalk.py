"""DingTalk group bots (https://open.dingtalk.com/document/robots/custom-robot-access)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

from syncer.alerts.message import Language, Message
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Codes, Endpoint, Surroundings, as_json
from syncer.alerts.notifiers.pace import Pace
from syncer.alerts.notifiers.text import body_lines, fitted, title

LARGEST_TEXT = 19_000
"""Bytes of JSON text; a whole body may have 20,000."""

CODES = Codes(
    refused={
        310000: "the bot's security settings refuse the message: check secret=, this machine's clock, the bot's list of"
        " IP addresses, and its keywords (every message holds the word syncer)",
        300001: "the bot's token is wrong, or the bot was removed from its group",
        300005: "the bot's token is wrong, or the bot was removed from its group",
        400101: "the bot's token is missing",
        400102: "the bot was switched off",
        40035: "it does not take this message",
        400105: "it does not take this type of message",
        460101: "the message is too long",
        101002: "the message is too long",
        430101: "it refuses a link in the message",
        430102: "it refuses words in the message",
        430104: "it refuses words or links in the message",
    },
    passing={
        410100: ("too many messages, 20 a minute are allowed, else none for ten minutes", 600),
        130101: ("too many messages, 20 a minute are allowed, else none for ten minutes", 600),
        -1: ("it is busy", 5),
    },
)


class DingTalk:
    """One bot in one group."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        token, self._secret = address.token, address.options.get("secret", "")
        url = f"{address.base('https://oapi.dingtalk.com')}/robot/send"
        self._endpoint = Endpoint("DingTalk", url, around, secrets=(token, self._secret))
        self._query = f"access_token={token}"
        self._around = around
        self._pace = Pace(20, 60, around.monotonic)
        self._language: Language = address.language

    def send(self, message: Message) -> None:
        """Send a text message, which mentions nobody without a list of whom; raises NotifyError."""
        self._pace.take(self._endpoint)
        lines = fitted([title(message), *body_lines(message)], self._language, LARGEST_TEXT, lambda x: len(as_json(x)))
        body = as_json({"msgtype": "text", "text": {"content": "\n".join(lines)}, "at": {"isAtAll": False}})
        CODES.check(self._endpoint, self._endpoint.post(body, query=self._query + self._signature()))

    def _signature(self) -> str:
        """Sign the time in milliseconds: HMAC-SHA256 with the secret as the key, over the time and the secret."""
        if not self._secret:
            return ""
        timestamp = int(self._around.now().timestamp() * 1000)
        digest = hmac.digest(self._secret.encode(), f"{timestamp}\n{self._secret}".encode(), sha256)
        return f"&timestamp={timestamp}&sign={quote(b64encode(digest), safe='')}"
