"""Takes forms that only a page of ours can have sent: by the browser's own word, and by a token bound to a cookie."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "syncer_form"
_LONGEST = 4096
_BODY_SECONDS = 10.0
_TOKEN_BYTES = 24


class Forms:
    """The forms of one process; with a password its tokens are good at every replica that knows it."""

    def __init__(self, password: str | None) -> None:
        self._key = secrets.token_bytes(32) if password is None else hashlib.sha256(password.encode()).digest()

    def cookie(self, request: Request) -> str:
        """Return the visitor's cookie, or a new one."""
        known = request.cookies.get(COOKIE, "")
        return known if len(known) == len(secrets.token_urlsafe(_TOKEN_BYTES)) else secrets.token_urlsafe(_TOKEN_BYTES)

    def token(self, cookie: str) -> str:
        """Return what a form must carry beside the cookie."""
        return hmac.new(self._key, b"form " + cookie.encode(), hashlib.sha256).hexdigest()

    def give(self, response: Response, cookie: str) -> None:
        """Let the browser keep the cookie, for forms of this page alone."""
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict")

    async def take(self, request: Request) -> dict[str, str]:
        """Return a form's fields. Raises HTTPException 403 for one that another site may have sent."""
        if not _from_here(request):
            raise HTTPException(403)
        fields = await _fields(request)
        cookie = request.cookies.get(COOKIE, "")
        given = fields.get("token", "").encode(errors="replace")
        if not cookie or not hmac.compare_digest(self.token(cookie).encode(), given):
            raise HTTPException(403)
        return fields


def _from_here(request: Request) -> bool:
    """Return whether the browser says that the form comes from our own page, or says nothing."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


async def _fields(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LONGEST:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError:
        raise HTTPException(400) from None
