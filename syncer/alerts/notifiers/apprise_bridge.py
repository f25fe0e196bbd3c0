"""Every other service, through apprise (`pip install syncer[apprise]`): it says whether it sent, and nothing more."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from threading import Thread

from syncer.alerts.message import Message, NotifyError
from syncer.alerts.notifiers.http import Surroundings
from syncer.alerts.notifiers.text import body_lines, title

_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


class AppriseBridge:
    """One apprise URL. apprise bounds each read only, so a thread waits for it and is left alone after the deadline."""

    def __init__(self, url: str, around: Surroundings) -> None:
        if find_spec("apprise") is None:
            raise ValueError("needs apprise: pip install 'syncer[apprise]'")
        import apprise

        logging.getLogger("apprise").addFilter(lambda _: False)  # it logs parts of the URL
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(secure_logging=True, async_mode=False))
        self._text_format = apprise.NotifyFormat.TEXT
        self._timeout = around.timeout
        if not self._apprise.add(url):
            raise ValueError("is no URL that apprise knows")

    def send(self, message: Message) -> None:
        """Send by apprise; raises NotifyError, which is always passing, for apprise does not tell why."""
        outcome: list[bool] = []

        def notify() -> None:
            try:
                outcome.append(bool(self._notify(message)))
            except Exception:  # noqa: BLE001 - what its 200 plugins raise is not documented, and may hold the URL
                outcome.append(False)

        thread = Thread(target=notify, name="apprise", daemon=True)
        thread.start()
        thread.join(self._timeout)
        if not outcome:
            raise NotifyError(f"apprise: not done within {self._timeout:g} s.", permanent=False)
        if not outcome[0]:
            raise NotifyError(
                "apprise: the service did not take the message; apprise does not say why.", permanent=False
            )

    def _notify(self, message: Message) -> object:
        kind = "success" if message.status == "resolved" else _TYPES[message.severity]
        return self._apprise.notify(
            body="\n".join(body_lines(message)), title=title(message), notify_type=kind, body_format=self._text_format
        )
