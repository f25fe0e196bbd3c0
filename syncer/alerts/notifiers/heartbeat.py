"""Pings a dead-man's switch such as Healthchecks (https://healthchecks.io/docs/http_api/), which misses the dead."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

import structlog

from syncer.alerts.message import Message, NotifyError
from syncer.alerts.notifiers.address import split, url_secrets
from syncer.alerts.notifiers.http import Endpoint, Surroundings
from syncer.alerts.notifiers.places import is_refused_literal
from syncer.errors import SettingsError

LARGEST_TEXT = 10_000
"""Bytes of text that go along; Healthchecks keeps 100 kB, and its smaller siblings 10."""

_log = structlog.get_logger(__name__)


class Heartbeat:
    """One URL to ping. Nothing here raises or takes longer than the deadline; False says that it was not heard.

    `run_id` makes the id (a UUID) that ties a start to its end, by which the switch measures how long it took; without
    a start nothing is measured. Raises SettingsError, naming `setting`, for what is no URL.
    """

    def __init__(self, url: str, around: Surroundings, *, run_id: Callable[[], str], setting: str) -> None:
        parts = split(url)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or parts.username:
            raise SettingsError(f"{setting} must be a URL such as https://hc-ping.com/UUID.")
        if is_refused_literal(parts.hostname, private=around.private_addresses):
            raise SettingsError(f"{setting} names an address that must not be connected to.")
        path = parts.path.rstrip("/")
        self._url, self._query = f"{parts.scheme}://{parts.netloc}{path}", parts.query
        self._endpoint = Endpoint(f"Heartbeat {parts.hostname}", self._url, around, url_secrets(path, parts.query))
        self._host = parts.hostname
        self._new_run_id = run_id
        self._run_id = ""

    @property
    def host(self) -> str:
        """The switch's host, for people."""
        return self._host

    @property
    def identity(self) -> str:
        """The key under which what it is told is remembered."""
        return f"heartbeat-{sha256(self._url.encode()).hexdigest()[:16]}"

    def start(self) -> bool:
        """Say that a run begins."""
        self._run_id = self._new_run_id()
        return self._ping("/start", "")

    def success(self, duration_seconds: float, text: str) -> bool:
        """Say that a run ended well, after so many seconds."""
        return self._end("", f"{text}\nduration: {duration_seconds:.1f} s")

    def failure(self, text: str) -> bool:
        """Say that a run failed, and why."""
        return self._end("/fail", text)

    def _end(self, suffix: str, text: str) -> bool:
        heard = self._ping(suffix, text)
        self._run_id = ""
        return heard

    def _ping(self, suffix: str, text: str) -> bool:
        try:
            self.call(suffix, text)
        except NotifyError as error:
            _log.warning("heartbeat_not_heard", reason=str(error))
            return False
        return True

    def call(self, suffix: str, text: str) -> None:
        """Ping the URL with `suffix`; raises NotifyError when it was not heard."""
        endpoint = Endpoint(self._endpoint.service, self._url + suffix, self._endpoint.around, self._endpoint.secrets)
        run = f"rid={quote(self._run_id, safe='')}" if self._run_id else ""
        reply = endpoint.post(
            text.encode("utf-8", "replace")[:LARGEST_TEXT],
            query="&".join(filter(None, (self._query, run))),
            headers={"Content-Type": "text/plain; charset=utf-8"},
        )
        endpoint.check_status(reply)
        # Healthchecks answers 200 to pings that count for nothing, too: "OK (not found)", "OK (rate limited)".
        if reply.body.startswith(b"OK ("):
            raise endpoint.error(f"it answered {reply.body[:60].decode('utf-8', 'replace')}", permanent=True)


class LastResort:
    """The switch as a recipient: what nobody else can be told is a failure."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat

    def send(self, message: Message) -> None:
        """Ping the failure with the message; raises NotifyError."""
        self._heartbeat.call("/fail", f"{message.title}\n{message.text}")
