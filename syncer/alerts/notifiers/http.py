"""Posts to a service under one deadline, and turns whatever keeps a message from being accepted into NotifyError."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from syncer.alerts.message import NotifyError
from syncer.alerts.notifiers.places import may_connect
from syncer.errors import SettingsError
from syncer.net.faults import Fault, FaultKind
from syncer.net.text import one_line
from syncer.net.wire import Reply, Wire

LARGEST_ANSWER = 64 * 1024
_LONGEST_WAIT = 86400.0
_PASSING_STATUS = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every service is given: the clocks, the seconds a whole call may take, and where it may connect to.

    `private_addresses` allows hosts of private networks; addresses of cloud metadata are refused always.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    timeout: float = 20.0
    private_addresses: bool = True
    user_agent: str = "syncer"

    def allowed(self, address: str) -> bool:
        """Return whether a connection to this address may be made."""
        return may_connect(address, private=self.private_addresses)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of one recipient at one service. `secrets` are masked in whatever the service says."""

    service: str
    url: str = field(repr=False)
    around: Surroundings = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def post(self, body: bytes, *, query: str = "", headers: Mapping[str, str] | None = None) -> Reply:
        """Send JSON and return the answer, whatever its status; raises NotifyError when there is none."""
        sent = {"Content-Type": "application/json; charset=utf-8", "Connection": "close", **(headers or {})}
        around = self.around
        try:
            wire = Wire(
                self.url,
                timeout=around.timeout,
                monotonic=around.monotonic,
                user_agent=around.user_agent,
                largest=LARGEST_ANSWER,
                allowed=around.allowed,
                setting="SYNCER_NOTIFY",
            )
        except SettingsError as error:
            raise self.error(str(error), permanent=True) from None
        try:
            outcome = wire.post(query, body, sent)
        finally:
            wire.close()
        if isinstance(outcome, Fault):
            raise self.error(outcome.words, permanent=outcome.kind is FaultKind.FORBIDDEN)
        return outcome

    def check_status(self, reply: Reply) -> None:
        """Raise NotifyError for any status but 2xx; redirects are not followed and so are mistakes."""
        if 200 <= reply.status < 300:  # noqa: PLR2004 - the classes of HTTP
            return
        passing = reply.status >= 500 or reply.status in _PASSING_STATUS  # noqa: PLR2004 - the same
        words = f"it answered HTTP {reply.status}{self._quoted(reply.body)}"
        if 300 <= reply.status < 400:  # noqa: PLR2004 - the same
            words += ", a redirect, which is not followed: write down the address that it leads to"
        raise self.error(words, permanent=not passing, retry_after=self._retry_after(reply))

    def error(self, words: str, *, permanent: bool, retry_after: float | None = None) -> NotifyError:
        """Return the error that says `words` of this service."""
        return NotifyError(f"{self.service}: {self.shown(words)}.", permanent=permanent, retry_after=retry_after)

    def shown(self, words: str) -> str:
        """Return what may be shown of a service's words: one line, without the recipient's secrets."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            words = words.replace(secret, "********") if secret else words
        return one_line(words).rstrip(". ")

    def _quoted(self, body: bytes) -> str:
        text = self.shown(body.decode("utf-8", "replace"))[:200]
        return f' ("{text}")' if text and not text.startswith("<") else ""

    def _retry_after(self, reply: Reply) -> float | None:
        """Understand both forms of the header: seconds, and a date."""
        text = (reply.retry_after or "").strip()
        try:
            wait = float(text)
        except ValueError:
            try:
                wait = (parsedate_to_datetime(text) - self.around.now()).total_seconds()
            except (ValueError, TypeError):  # a date without a zone cannot be compared
                return None
        return min(max(wait, 0.0), _LONGEST_WAIT) if math.isfinite(wait) else None


@dataclass(frozen=True, slots=True)
class Codes:
    """What the codes inside a service's answers mean; 0 is success, a code that is not here is taken as passing.

    `refused` says what a person must do, `passing` has the seconds to wait. `code` and `message` are names of fields.
    """

    refused: Mapping[int, str]
    passing: Mapping[int, tuple[str, float]]
    code: tuple[str, ...] = ("errcode",)
    message: str = "errmsg"

    def check(self, endpoint: Endpoint, reply: Reply) -> None:
        """Raise NotifyError unless the answer says that the message was accepted; a code tells more than a status."""
        answer = _object(reply.body)
        code = next((_number(answer[name]) for name in self.code if name in answer), None)
        if code is None:
            endpoint.check_status(reply)
            raise endpoint.error("its answer says neither yes nor no", permanent=False)
        if code == 0:
            endpoint.check_status(reply)
            return
        said = f"code {code}, {str(answer.get(self.message, ''))[:300]!r}"
        if code in self.refused:
            raise endpoint.error(f"{self.refused[code]} ({said})", permanent=True)
        words, wait = self.passing.get(code, ("it did not take the message", None))
        raise endpoint.error(f"{words} ({said})", permanent=False, retry_after=wait)


def as_json(payload: Any) -> bytes:
    """Return compact UTF-8 JSON; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _number(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None
