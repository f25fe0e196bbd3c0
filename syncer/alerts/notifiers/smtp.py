"""One conversation with a mail server under one deadline; TLS as told, certificates always verified."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncer.alerts.notifiers.http import Surroundings
from syncer.net.deadline import Exchange, TimedTlsSocket, connected, exchange_of


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where and how mail is handed over. `tls` is `starttls`, `on` (from the first byte) or `none`."""

    host: str
    port: int
    tls: str
    user: str = field(repr=False)
    password: str = field(repr=False)

    @contextmanager
    def conversation(self, around: Surroundings) -> Iterator[smtplib.SMTP]:
        """Connect, greet, secure, log in; raises what smtplib and sockets raise, here and in the block."""
        with exchange_of(Exchange(around.monotonic() + around.timeout, around.monotonic, allowed=around.allowed)):
            context = ssl.create_default_context()
            context.sslsocket_class = TimedTlsSocket
            smtp = _Smtp(self.host, context if self.tls == "on" else None)
            try:
                code, words = smtp.connect(self.host, self.port)
                if code != 220:  # noqa: PLR2004 - RFC 5321: the service is ready
                    raise smtplib.SMTPConnectError(code, words)
                smtp.ehlo_or_helo_if_needed()
                if self.tls == "starttls":
                    smtp.starttls(context=context)
                if self.user:
                    smtp.login(self.user, self.password)
                yield smtp
            finally:
                smtp.close()


class _Smtp(smtplib.SMTP):
    """smtplib's client over sockets that keep the deadline; it asks nobody for this machine's name."""

    def __init__(self, host: str, context: ssl.SSLContext | None) -> None:
        # The default would be looked up in the DNS, which may hang.
        super().__init__(local_hostname="[127.0.0.1]")
        self._host = host  # what starttls verifies the certificate against
        self._context = context

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        sock = connected(host, port)
        if self._context is None:
            return sock
        try:
            return self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
