"""Stands before every request: who may come in, by which name of this host, and what browsers may do with answers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncer.settings import WebLogin
from syncer.web.throttle import WINDOW_SECONDS, Throttle

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that need no credentials, for probes; what they say betrays nothing."""
# Names of this machine that no web site can have: a page of its own that lets its name point here (DNS rebinding)
# is refused. With credentials it would be of no use to it, for a browser sends them to the name that asked for them.
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LONGEST_ADDRESS = 8192
LONGEST_HEAD = 16_384
"""Bytes of a request's head: an address and a handful of headers. What comes at once is longer before anybody looks."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    # not "no-referrer": with it browsers hide where a form comes from, and that is checked
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Guard:
    """An application around another. `login` returns who may see it, None when everybody may who can reach it."""

    def __init__(self, inner: ASGIApp, *, login: Callable[[], WebLogin | None], throttle: Throttle) -> None:
        self._inner, self._login, self._throttle = inner, login, throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._too_long(scope)
        if answer is None and scope["path"] not in OPEN:
            answer = self._refusal(scope)
        await (answer or self._inner)(scope, receive, send_guarded)

    @staticmethod
    def _too_long(scope: Scope) -> Response | None:
        """Return that a request's address, or its head, is longer than any that our pages make."""
        address = len(scope["raw_path"]) + len(scope["query_string"])
        line = len(scope["method"]) + address + len(" ? HTTP/1.1\r\n")
        if address > _LONGEST_ADDRESS:
            return _plain(414, "This address is too long.")
        if line + sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"]) > LONGEST_HEAD:
            return _plain(431, "The headers of this request are too long.")
        return None

    def _refusal(self, scope: Scope) -> Response | None:
        """Return why a request does not come in; note in the scope whose it is."""
        login, headers = self._login(), Headers(scope=scope)
        if login is None:
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name.lower() not in _OWN_NAMES:
                return _plain(421, "This page answers to localhost, 127.0.0.1 and [::1] only; see docs/page.md.")
            return None
        address = (scope["client"] or ("",))[0]
        if self._throttle.blocked(address):
            return _plain(429, "Too many wrong passwords; wait a minute.", {"Retry-After": f"{WINDOW_SECONDS:g}"})
        given = _credentials(headers.get("authorization", ""))
        user = login.user.reveal()
        if given is not None and _same(given, f"{user}:{login.password.reveal()}".encode()):
            scope["syncer.user"] = user
            return None
        if given is not None:
            self._throttle.failed(address, given)
        return _plain(
            401,
            "Give the user and the password that SYNCER_WEB_USER and SYNCER_WEB_PASSWORD name.",
            {"WWW-Authenticate": 'Basic realm="syncer", charset="UTF-8"'},
        )


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers)


def _credentials(header: str) -> bytes | None:
    """Return `user:password` of an Authorization header; None if it holds none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def _same(given: bytes, expected: bytes) -> bool:
    """Compare in a time that depends on neither."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())
