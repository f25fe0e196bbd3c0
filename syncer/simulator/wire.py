"""Replies as they go on the wire: whole in one write, or spoilt in the way that a fault says."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from syncer.simulator.faults import Fault, Kind
from syncer.simulator.http import head, html

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time left: close() sends RST
_FILLER = b" " * 16384


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A reply on its way out.

    `wait` sleeps and returns True when the server is stopping; `deliver` is called just before the last byte leaves.
    """

    connection: socket.socket
    body: bytes
    keep_alive: bool
    wait: Callable[[float], bool]
    deliver: Callable[[], None]


def send(reply: Outgoing, fault: Fault | None) -> bool:
    """Send a reply, spoilt by `fault` if there is one; True if the connection can serve another request."""
    if fault is not None and fault.kind in _SPOILERS:
        return _SPOILERS[fault.kind](reply, fault)
    return _whole(reply, reply.body)


def _whole(reply: Outgoing, body: bytes) -> bool:
    reply.deliver()
    reply.connection.sendall(head(length=len(body), keep_alive=reply.keep_alive) + body)
    return reply.keep_alive


def _http(reply: Outgoing, fault: Fault) -> bool:
    status = 200 if fault.kind is Kind.HTML_200 else fault.status
    page = html(status)
    reply.connection.sendall(head(status, length=len(page), keep_alive=reply.keep_alive) + page)
    return reply.keep_alive


def _reset(reply: Outgoing, fault: Fault) -> bool:
    if fault.kind is Kind.RESET:
        reply.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return False


def _cut(reply: Outgoing, fault: Fault) -> bool:
    promised = None if fault.kind is Kind.NO_LENGTH else len(reply.body)
    half = reply.body[: len(reply.body) // 2]
    reply.connection.sendall(head(length=promised, keep_alive=promised is not None) + half)
    return False


def _drip(reply: Outgoing, fault: Fault) -> bool:
    start = head(length=len(reply.body), keep_alive=reply.keep_alive)
    whole = start + reply.body
    slow = (0, len(start)) if fault.kind is Kind.DRIP_HEADERS else (len(start), len(whole))
    reply.connection.sendall(whole[: slow[0]])
    for at in range(*slow):
        if at == len(whole) - 1:
            reply.deliver()
        reply.connection.sendall(whole[at : at + 1])
        if reply.wait(fault.seconds):
            return False
    if slow[1] < len(whole):
        reply.deliver()
        reply.connection.sendall(whole[slow[1] :])
    return reply.keep_alive


def _malformed(reply: Outgoing, _: Fault) -> bool:
    body = reply.body[:-1] + b",}"
    reply.connection.sendall(head(length=len(body), keep_alive=reply.keep_alive) + body)
    return reply.keep_alive


def _delay(reply: Outgoing, fault: Fault) -> bool:
    if reply.wait(fault.seconds) or _left(reply.connection):
        return False
    return _whole(reply, reply.body)


def _left(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _endless(reply: Outgoing, _: Fault) -> bool:
    reply.connection.sendall(head(length=None, keep_alive=False) + reply.body[:-1])
    while not reply.wait(0.0):
        reply.connection.sendall(_FILLER)
    return False


def _gzip_garbage(reply: Outgoing, _: Fault) -> bool:
    body = reply.body[: len(reply.body) // 2]
    reply.connection.sendall(head(length=len(body), keep_alive=reply.keep_alive, encoding="gzip") + body)
    return reply.keep_alive


_SPOILERS: dict[Kind, Callable[[Outgoing, Fault], bool]] = {
    Kind.HTTP: _http,
    Kind.HTML_200: _http,
    Kind.RESET: _reset,
    Kind.CLOSE: _reset,
    Kind.CUT: _cut,
    Kind.NO_LENGTH: _cut,
    Kind.DRIP: _drip,
    Kind.DRIP_HEADERS: _drip,
    Kind.MALFORMED: _malformed,
    Kind.DELAY: _delay,
    Kind.ENDLESS: _endless,
    Kind.GZIP_GARBAGE: _gzip_garbage,
}
