"""Takes secrets out of the text of an unexpected error before it is logged."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from syncer.settings import Secret, Settings

_HIDDEN = "***"


def redacted(text: str, settings: Settings) -> str:
    """Return `text` without any secret of `settings`, plain or as it stands in a URL."""
    for secret in sorted(_secrets(settings), key=len, reverse=True):
        for spelling in (secret, quote(secret, safe="")):
            text = text.replace(spelling, _HIDDEN)
    return text


def _secrets(settings: Settings) -> set[str]:
    held: list[Secret | None] = [] if settings.web_login is None else [settings.web_login.password]
    for source in settings.sources:
        held += [*source.notify, *source.escalate, source.heartbeat_url]
        if source.credentials is not None:
            held += [source.credentials.secret_id, source.credentials.secret_key, source.credentials.token]
    found = {secret.reveal() for secret in held if secret is not None}
    if settings.database_url is not None and (password := urlsplit(settings.database_url.reveal()).password):
        found |= {password, unquote(password)}
    return found - {""}
