"""WeCom group bots (https://developer.work.weixin.qq.com/document/path/91770)."""

from __future__ import annotations

from syncer.alerts.message import Language, Message
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Codes, Endpoint, Surroundings, as_json
from syncer.alerts.notifiers.pace import Pace
from syncer.alerts.notifiers.text import body_lines, fitted, title, utf8_size

LARGEST_TEXT = 2048
"""Bytes of a text message; markdown may have 4096, but offers no way to write a file's name that means nothing."""

_INERT_LESS_THAN = "\N{FULLWIDTH LESS-THAN SIGN}"  # "<@user>" would be a mention

CODES = Codes(
    refused={
        93000: "the bot's key is wrong, or the bot was removed from its group",
        40008: "it does not take this type of message",
        40058: "it does not take this message",
        45002: "the message is too long",
        60020: "it does not take messages from this IP address",
    },
    passing={
        45009: ("too many messages, 20 a minute are allowed", 60),
        45033: ("too many calls at once", 5),
        -1: ("it is busy", 5),
    },
)


class WeCom:
    """One bot in one group."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        key, base = address.token, address.base("https://qyapi.weixin.qq.com")
        self._endpoint = Endpoint("WeCom", f"{base}/cgi-bin/webhook/send", around, secrets=(key,))
        self._query = f"key={key}"
        self._pace = Pace(20, 60, around.monotonic)
        self._language: Language = address.language

    def send(self, message: Message) -> None:
        """Send a text message; raises NotifyError."""
        self._pace.take(self._endpoint)
        lines = [line.replace("<", _INERT_LESS_THAN) for line in (title(message), *body_lines(message))]
        content = "\n".join(fitted(lines, self._language, LARGEST_TEXT, utf8_size))
        body = as_json({"msgtype": "text", "text": {"content": content}})
        CODES.check(self._endpoint, self._endpoint.post(body, query=self._query))
