"""Tells systemd how the daemon is: ready, reloading, stopping, alive. Does nothing where nobody listens."""

from __future__ import annotations

import contextlib
import socket
import time
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
        self._status = ""

    def ready(self) -> None:
        """Say that the daemon works: the start, or a reload, is complete."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that settings are read anew, and since when, as Type=notify-reload wants it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        if text != self._status:
            self._status = text
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
