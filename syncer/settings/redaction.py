"""Takes secrets out of texts before they are shown: by their value, however they are spelled, and signed addresses."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, urlsplit

from syncer.settings.secret import Secret
from syncer.settings.values import Settings

HIDDEN = "***"
# What is shorter is no secret, and would take letters out of every word.
_SHORTEST = 4
# Parameters that sign a call of the API, or an address that a service gave out.
_SIGNED = re.compile(r"(?i)\b(signature|sign|secretid|secretkey|token|access_token|key|nonce)(=|%3d)[^&\s\"'<>\\,;)]+")


class Redaction:
    """Hides the secrets of all of `settings`: plain, as they stand in an address, and as Python writes them."""

    def __init__(self, *settings: Settings) -> None:
        secrets = {secret for each in settings for secret in _secrets(each)}
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        longest_first = sorted((each for each in spellings if len(each) >= _SHORTEST), key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets, and without the values of parameters that sign."""
        if self._secret is not None:
            text = self._secret.sub(HIDDEN, text)
        return _SIGNED.sub(rf"\1\2{HIDDEN}", text) if "=" in text or "%3" in text else text


def redacted(text: str, settings: Settings) -> str:
    """Return `text` without any secret of `settings`."""
    return Redaction(settings)(text)


def _spellings(secret: str) -> tuple[str, ...]:
    return secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]


def _secrets(settings: Settings) -> set[str]:
    held: list[Secret | None] = [] if settings.web_login is None else [settings.web_login.password]
    urls: list[Secret | None] = [settings.database_url]
    for source in settings.sources:
        urls += [*source.notify, *source.escalate, source.heartbeat_url]
        if source.credentials is not None:
            held += [source.credentials.secret_id, source.credentials.secret_key, source.credentials.token]
    found = {secret.reveal() for secret in held if secret is not None}
    for url in urls:
        if url is not None:
            found |= _parts(url.reveal(), whole=url is not settings.database_url)
    return found - {""}


def _parts(url: str, *, whole: bool) -> set[str]:
    """Return what is secret of an address: its password, and of a notification's all that follows the scheme."""
    found = {url, url.partition("://")[2]} if whole else set[str]()
    try:
        password = urlsplit(url).password
    except ValueError:
        return found | {url}
    return found | ({password, unquote(password)} if password else set())
