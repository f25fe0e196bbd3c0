"""HTTP/1.1 as the server reads and writes it, on bare sockets, so that every fault can be played on the wire."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

_MOST_HEAD = 256 << 10
_MOST_BODY = 1 << 20
_CHUNK = 65536
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
API_TYPE = "text/html; charset=utf-8"  # what PHP says when nobody tells it: clients must not ask for JSON's own type


class BadRequest(Exception):
    """The bytes that came are not a request that this server reads."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `params` are the query's with GET, the form's with POST."""

    method: str
    path: str
    host: str
    params: Mapping[str, str]
    body: bytes
    keep_alive: bool


class Reader:
    """Reads one request after another from a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self) -> Request | None:
        """Return the next request, or None when the client has closed; BadRequest for anything else."""
        head = self._head()
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = lines[0].split(" ")
            pairs = (line.split(":", 1) for line in lines[1:])
            headers = {name.lower(): value.strip() for name, value in pairs}
            length = int(headers.get("content-length", "0"))
        except ValueError as error:
            raise BadRequest("malformed head") from error
        if "transfer-encoding" in headers or not 0 <= length <= _MOST_BODY:
            raise BadRequest("a body without a plain Content-Length, or too large")
        body = self._body(length)
        path, _, query = target.partition("?")
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(method, path, headers.get("host", ""), _params(method, query, body), body, keep)

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MOST_HEAD:
                raise BadRequest("head too large")
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def _body(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not self._more():
                raise BadRequest("body cut short")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    def _more(self) -> bool:
        chunk = self._connection.recv(_CHUNK)
        self._buffer += chunk
        return bool(chunk)


def _params(method: str, query: str, body: bytes) -> dict[str, str]:
    text = body.decode("latin-1") if method == "POST" else query
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def head(
    status: int = 200,
    *,
    length: int | None,
    kind: str = API_TYPE,
    keep_alive: bool = True,
    encoding: str = "",
) -> bytes:
    """Write a reply's head; a `length` of None leaves Content-Length out."""
    lines = [f"HTTP/1.1 {status} {_PHRASES[status]}", "Server: nginx", f"Content-Type: {kind}"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if encoding:
        lines.append(f"Content-Encoding: {encoding}")
    lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def html(status: int) -> bytes:
    """Write the page of a proxy that has nothing better to say."""
    title = f"{status} {_PHRASES[status]}"
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body></html>".encode()
