"""Feishu and Lark group bots (https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Any

from syncer.alerts.message import Language, Message
from syncer.alerts.notifiers.address import Address
from syncer.alerts.notifiers.http import Codes, Endpoint, Surroundings, as_json
from syncer.alerts.notifiers.pace import Pace
from syncer.alerts.notifiers.text import body_lines, fitted, title

LARGEST_TEXT = 19_000
"""Bytes of JSON text; a whole body may have 20 KB."""

CODES = Codes(
    refused={
        19001: "the bot's token is wrong, or the bot was removed from its group",
        19002: "it does not take this message",
        19021: "the signature does not match: check secret= and this machine's clock",
        19022: "it does not take messages from this IP address",
        19024: "the bot wants a keyword: name the word syncer in its settings, every message holds it",
        9499: "it does not take this message",
    },
    passing={
        11232: ("too many messages, 100 a minute and 5 a second are allowed", 60),
        11233: ("too many messages, 100 a minute and 5 a second are allowed", 60),
        99991400: ("too many messages, 100 a minute and 5 a second are allowed", 60),
    },
    code=("code", "StatusCode"),
    message="msg",
)

_HOSTS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}


class Feishu:
    """One bot in one group, of Feishu or of Lark."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        token, self._secret = address.token, address.options.get("secret", "")
        url = f"{address.base(_HOSTS[address.kind])}/open-apis/bot/v2/hook/{token}"
        self._endpoint = Endpoint(address.kind.capitalize(), url, around, secrets=(token, self._secret))
        self._around = around
        self._pace = Pace(100, 60, around.monotonic)
        self._language: Language = address.language

    def send(self, message: Message) -> None:
        """Send a post made of text elements, in which nothing is markup; raises NotifyError."""
        self._pace.take(self._endpoint)
        lines = [title(message), *body_lines(message)]
        first, *rest = fitted(lines, self._language, LARGEST_TEXT, lambda line: len(as_json([_element(line)])) + 1)
        post = {"title": first, "content": [[_element(line)] for line in rest]}
        content = {"post": {"zh_cn" if self._language == "zh" else "en_us": post}}
        body = as_json({**self._signature(), "msg_type": "post", "content": content})
        CODES.check(self._endpoint, self._endpoint.post(body))

    def _signature(self) -> dict[str, str]:
        """Sign the time in seconds: HMAC-SHA256 of nothing, the key being the time and the secret."""
        if not self._secret:
            return {}
        timestamp = str(int(self._around.now().timestamp()))
        digest = hmac.digest(f"{timestamp}\n{self._secret}".encode(), b"", sha256)
        return {"timestamp": timestamp, "sign": b64encode(digest).decode()}


def _element(line: str) -> dict[str, Any]:
    return {"tag": "text", "text": line}
