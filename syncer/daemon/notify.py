"""Tells systemd how the daemon is: ready, stopping, alive. Does nothing where nobody listens."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping


class Supervisor:
    """The service manager at the other end of NOTIFY_SOCKET (sd_notify(3)), if there is one.

    `watchdog_seconds` is how often it wants to hear `alive`, None if it does not ask.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        microseconds, whom = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
        wanted = bool(self._address) and microseconds.isdecimal() and whom == str(pid)
        self.watchdog_seconds = int(microseconds) / 1e6 if wanted else None

    def ready(self) -> None:
        """Say that the daemon works."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A supervisor that does not listen must not stop the daemon.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.sendto(message.encode(), address)
