"""Takes one entry of SYNCER_NOTIFY apart; pure. No message of its errors repeats any part of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from syncer.alerts.message import SEVERITIES, Language, Severity
from syncer.alerts.notifiers.places import is_refused_literal

_T = TypeVar("_T")

COMMON_OPTIONS = frozenset({"lang", "min", "name", "escalation"})
"""What every address may say of its recipient."""

_SHORTEST_SECRET = 6  # of a URL's parts: the path /hook hides nothing
_LANGUAGES: dict[str, Language] = {"en": "en", "zh": "zh"}
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Address:
    """An address in parts. `options` are those that its kind knows, `query` what remains for the service itself."""

    kind: str
    secure: bool
    target: str = field(repr=False)
    path: str = field(repr=False)
    user: str = field(repr=False)
    password: str = field(repr=False)
    host: str
    port: int | None
    options: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False)

    @property
    def token(self) -> str:
        """What stands in the host's place of a bot's address; raises ValueError when it cannot be one."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.target) or self.path.strip("/") or self.user:
            raise ValueError(f"must be {self.kind}://TOKEN, the token being letters, digits, - and _")
        return self.target

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything in the address that may be one, to be masked in what the service says."""
        return (self.password, self.options.get("secret", ""), *url_secrets(self.path, self.query))

    @property
    def language(self) -> Language:
        """`lang`, English by default."""
        return self._one_of("lang", _LANGUAGES, "en")

    @property
    def minimum(self) -> Severity:
        """`min`, everything by default."""
        return self._one_of("min", {severity: severity for severity in SEVERITIES}, "info")

    @property
    def escalation(self) -> bool:
        """`escalation`, no by default."""
        return self._one_of("escalation", _YES_NO, default=False)

    @property
    def name(self) -> str:
        """`name`, or the kind with the host where that is no secret."""
        given = self.options.get("name", "").strip()
        if not given.isprintable() or len(given) > 60:  # noqa: PLR2004 - it must fit a line
            raise ValueError("has a name= that is too long or not printable")
        return given or f"{self.kind} {self.host}".strip()

    @property
    def identity(self) -> str:
        """The kind and a digest: of the name that was given, else of who is reached.

        With a name of its own a recipient stays the same when its key, token or path is replaced.
        """
        given = self.options.get("name", "").strip()
        return self._digest("name", given) if given else self.reached

    @property
    def reached(self) -> str:
        """The kind and a digest of what says who is reached; passwords and preferences are no part of it."""
        where = (self.target, self.path, self.query, self.options.get("to", ""), self.options.get("base", ""))
        return self._digest(self.kind, *where)

    def base(self, default: str) -> str:
        """Return `base`, another place where the service is offered, without a slash at its end."""
        text = self.options.get("base", default).rstrip("/")
        parts = split(text)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or parts.query:
            raise ValueError("has a base= that is not like https://host or https://host/path")
        return text

    def _digest(self, *parts: str) -> str:
        return f"{self.kind}-{sha256(' '.join(parts).encode()).hexdigest()[:16]}"

    def _one_of(self, option: str, values: Mapping[str, _T], default: _T) -> _T:
        text = self.options.get(option, "").lower()
        if text and text not in values:
            raise ValueError(f"has a {option}= that is not one of {', '.join(values)}")
        return values.get(text, default)


def parse_address(
    kind: str, url: str, known: Collection[str], *, hosted: bool, open_query: bool, private: bool
) -> Address:
    """Return the parts of `url`, of which the place of the host is a host if `hosted`, else a bot's token.

    Unknown options are mistakes, unless the service has a query of its own (`open_query`).

    Raises ValueError with the rest of a sentence that begins with the address's place.
    """
    parts = split(url)
    if parts is None:
        raise ValueError("is not a URL; special characters in it are written percent-encoded (@ is %40, / is %2F)")
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    options = {name: unquote(value) for name, _, value in pairs if name in COMMON_OPTIONS or name in known}
    rest = [pair for pair in pairs if pair[0] not in options]
    if rest and not open_query:
        raise ValueError(f"has an option that is none of {', '.join(sorted({*COMMON_OPTIONS, *known}))}")
    userinfo, _, target = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    host = (parts.hostname or "") if hosted else ""
    if hosted and not host:
        raise ValueError("names no host")
    if host and is_refused_literal(host, private=private):
        raise ValueError("names an address that must not be connected to")
    port = parts.port if hosted else None
    query = "&".join("".join(pair) for pair in rest)
    secure = parts.scheme.endswith("s")
    return Address(kind, secure, target, parts.path, unquote(user), unquote(password), host, port, options, query)


def url_secrets(path: str, query: str) -> tuple[str, ...]:
    """Return the longer parts of a URL's path and values of its query, as they are written and as they read."""
    parts = [*path.split("/"), *(pair.partition("=")[2] for pair in query.split("&"))]
    return tuple(text for part in parts for text in (part, unquote(part)) if len(text) >= _SHORTEST_SECRET)


def split(url: str) -> SplitResult | None:
    """Take a URL apart, or return None: the library's own messages quote parts of it."""
    try:
        parts = urlsplit(url)
        parts.hostname, parts.port  # noqa: B018 - these raise for what urlsplit lets through
    except ValueError:
        return None
    return parts if url.isprintable() and " " not in url and not parts.fragment else None
