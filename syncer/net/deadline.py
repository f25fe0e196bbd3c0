"""Sockets and connections that keep the deadline of the exchange in progress, however slowly the other side drips.

A socket's own timeout starts anew with every read, so a byte a second holds a reader for ever. Here each single read
is given only what remains.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Thread
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_Address = tuple[int, int, int, str, Any]


@dataclass(slots=True)
class Exchange:
    """One request and its response. `sent` says that bytes of the request itself went out to the server.

    `allowed` says of each address that a name stands for whether it may be connected to.
    """

    ends_at: float
    monotonic: Callable[[], float]
    sent: bool = False
    allowed: Callable[[str], bool] = lambda _: True

    def left(self) -> float:
        """Return the seconds that remain; raises TimeoutError when none do."""
        seconds = self.ends_at - self.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class ForbiddenAddress(OSError):
    """A name stands only for addresses that the exchange may not connect to."""


_current: ContextVar[Exchange] = ContextVar("exchange in progress")


@contextmanager
def exchange_of(exchange: Exchange) -> Iterator[Exchange]:
    """Make `exchange` the one that sockets and connections of this thread keep to."""
    token = _current.set(exchange)
    try:
        yield exchange
    finally:
        _current.reset(token)


class TimedSocket(socket.socket):
    """A socket of which every operation is given what remains of the exchange."""

    def recv(self, *args: Any) -> bytes:
        """Receive, as `socket.recv` does."""
        self.settimeout(_current.get().left())
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        """Receive into a buffer, as `socket.recv_into` does."""
        self.settimeout(_current.get().left())
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        """Send, as `socket.send` does."""
        self.settimeout(_current.get().left())
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send all, as `socket.sendall` does: its timeout is one for the whole."""
        self.settimeout(_current.get().left())
        super().sendall(*args)


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """The same over TLS; what an SSLContext makes when it is its `sslsocket_class`."""

    def do_handshake(self, *args: Any) -> None:
        """Shake hands, as `SSLSocket.do_handshake` does: its timeout is one for the whole."""
        self.settimeout(_current.get().left())
        super().do_handshake(*args)


def connected(host: str, port: int, options: Iterable[tuple[Any, ...]] = ()) -> TimedSocket:
    """Return a socket connected to the first address of `host` that answers, within what remains of the exchange.

    Raises OSError (and UnicodeError for a host that is not a possible name).
    """
    exchange = _current.get()
    found = _resolve(host, port, exchange)
    addresses = [each for each in found if exchange.allowed(str(each[4][0]))]
    failure: OSError = ForbiddenAddress() if found else OSError("the name has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            # A fair share each: an unreachable first address (often IPv6) must leave time for the next.
            sock.settimeout(exchange.left() / (len(addresses) - index))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


class _TimedConnection(HTTPConnection):
    """A connection that keeps the deadline from its first step, and notes when the request itself goes out."""

    def _new_conn(self) -> socket.socket:
        return connected(self._dns_host.strip("[]"), self.port, self.socket_options or ())

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            # What a proxy was told to open the tunnel is not yet the request.
            _current.get().sent = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _current.get().sent = True
        super().send(data)


class _TimedTlsConnection(_TimedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTlsConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}
"""What urllib3's pool managers are to make of a URL's scheme."""


def _resolve(host: str, port: int, exchange: Exchange) -> Sequence[_Address]:
    """Look the host up. The system's resolver knows no timeout, so a thread waits for it; once a connection only."""
    found: list[Sequence[_Address] | OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = Thread(target=look_up, name="resolver", daemon=True)
    thread.start()
    thread.join(exchange.left())
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
