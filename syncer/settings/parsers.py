"""From what a person writes to typed values, one function for each kind of setting.

A parser takes text (environment, secret file) or a value of a TOML file, and raises ValueError with the rest of a
sentence that begins with the setting's name. No message repeats the value: it may be a key in the wrong place.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from syncer.alerts.names import RULE_NAMES
from syncer.schedule import find_zone, parse_cron
from syncer.settings.secret import Secret
from syncer.settings.values import QuietHours, Tier, WebAddress

Parser = Callable[[object], object]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhdw]))+", re.ASCII)
_DURATION_PART = re.compile(r"([\d.]+)(ms|[smhdw])")
_LONGEST = timedelta(days=36500)
_HIGHEST_PORT = 65535
_SHORTEST_PASSWORD = 12


def parse_duration(value: object) -> timedelta:
    """Understand `30s`, `10m`, `6h`, `30d`, also `500ms`, `1.5h`, `2w`, `1h30m`, and a plain 0."""
    text = str(value).strip().lower() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text == "0":
        return timedelta(0)
    if not _DURATION.fullmatch(text):
        raise ValueError("must be a duration with its unit, such as 30s, 10m, 6h or 30d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    if seconds > _LONGEST.total_seconds():
        raise ValueError("must be a duration of at most 100 years")
    return timedelta(seconds=seconds)


def parse_positive_duration(value: object) -> timedelta:
    """Understand a duration longer than nothing."""
    duration = parse_duration(value)
    if not duration:
        raise ValueError("must be longer than 0s")
    return duration


def whole_number(low: int, high: int | None = None) -> Parser:
    """Make a parser of whole numbers within bounds, both included."""
    allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def parse(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
            number = int(value)
        else:
            raise ValueError(f"must be a whole number {allowed}")
        if number < low or (high is not None and number > high):
            raise ValueError(f"must be a whole number {allowed}")
        return number

    return parse


def parse_share(value: object) -> float:
    """Understand a share between nothing (0) and all (1)."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_text = isinstance(value, str) and re.fullmatch(r"\s*[0-9]*\.?[0-9]+\s*", value)
    number = float(str(value)) if is_number or is_text else math.nan
    if 0 <= number <= 1:
        return number
    raise ValueError("must be a share from 0 to 1, such as 0.2")


def parse_text(value: object) -> str:
    """Accept any text that a database and a request can carry, as it is, spaces included."""
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - a mistake in a file, not in a program
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must be UTF-8 text without NUL")
    return value


def parse_word(value: object) -> str:
    """Accept text without spaces and control characters."""
    text = parse_text(value).strip()
    if not text or not text.isprintable() or " " in text:
        raise ValueError("must be one word, without spaces and line breaks")
    return text


def parse_secret(value: object) -> Secret:
    """Accept one word and hide it."""
    return Secret(parse_word(value))


def one_of(*allowed: str) -> Parser:
    """Make a parser that accepts these words in any case and returns them as they are written here."""
    by_lower = {word.lower(): word for word in allowed}

    def parse(value: object) -> str:
        word = by_lower.get(value.strip().lower()) if isinstance(value, str) else None
        if word is None:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return word

    return parse


def parse_zone(value: object) -> str:
    """Accept the IANA name of a time zone."""
    name = parse_text(value).strip()
    find_zone(name)
    return name


def parse_schedule(value: object) -> str:
    """Accept a cron expression; the time zone is a setting of its own."""
    return parse_cron(parse_text(value), "UTC").expression


def parse_path(value: object) -> Path:
    """Accept a path, `~` included, and make it absolute."""
    text = parse_text(value).strip()
    if not text:
        raise ValueError("must be a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        pass  # raised below, so that no other exception, which may quote the path, stands behind ours
    raise ValueError("must be a path; the home directory that it begins with is not known")


def parse_tiers(value: object) -> tuple[Tier, ...]:
    """Understand `30d,7d,1d` or `25%,5%` or a mixture, longest spans first, then the largest shares first."""
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise ValueError("must name at least one tier, such as 30d,7d,1d or 25%")
    tiers = [_tier(text) for text in texts]
    if len({(tier.span, tier.share) for tier in tiers}) < len(tiers):
        raise ValueError("must not name the same tier twice")
    return tuple(sorted(tiers, key=lambda tier: (tier.span or timedelta(), tier.share or 0), reverse=True))


def _tier(value: object) -> Tier:
    text = value.strip().lower() if isinstance(value, str) else ""
    percent = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,6})?)\s*%", text)
    if percent and float(percent[1]) > 0:
        return Tier(text.replace(" ", ""), share=float(percent[1]) / 100)
    try:
        return Tier(text, span=parse_positive_duration(text))
    except ValueError:
        pass  # raised below with what a tier may be
    raise ValueError("must be made of tiers such as 30d, or 25% (above 0 and below 100) of a backup's lifetime")


def parse_database_url(value: object) -> Secret | None:
    """Accept the URL of a PostgreSQL database in the form `postgresql://...`; an empty one means the embedded one."""
    text = parse_text(value).strip()
    if not text:
        return None
    parts = _split_url(text)
    if parts is None or parts.fragment or parts.netloc.count("@") > 1:
        raise ValueError(
            "must be one URL such as postgresql://user:password@host:5432/database; special characters in the user "
            "and the password are written percent-encoded (@ is %40, / is %2F, # is %23)"
        )
    if parts.scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ValueError("must be a URL that begins with postgresql://")
    return Secret(f"postgresql{text[text.index('://') :]}")


def parse_api_url(value: object) -> str:
    """Accept an http or https URL with a host, without credentials, query and fragment."""
    text = parse_text(value).strip()
    parts = _split_url(text)
    if (
        parts is None
        or parts.scheme not in {"https", "http"}
        or not parts.hostname
        or any(char in text for char in "@?#")
    ):
        raise ValueError(
            "must be a URL such as https://vod.api.qcloud.com/v2/index.php, with nothing but host and path"
        )
    if parts.scheme == "http" and not _is_near(parts.hostname):
        raise ValueError(
            "must begin with https://, or whoever is on the way can read the requests and their signatures and forge "
            "the answers; http:// is for a simulator on this machine or in a private network"
        )
    return text


def _is_near(host: str) -> bool:
    """Return whether a host is this machine, a private address, or a name that only a private network can know."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host.rstrip(".") or host.endswith(".localhost")
    return address.is_loopback or address.is_private


def parse_host(value: object) -> str:
    """Accept the name of a host."""
    text = parse_text(value).strip()
    if not re.fullmatch(r"[A-Za-z0-9_.:\[\]-]+", text):
        raise ValueError("must be the name of a host, such as vod.api.qcloud.com")
    return text


def parse_notify(value: object) -> tuple[Secret, ...]:
    """Accept URLs separated by spaces, line breaks or commas, or a list; each is secret as a whole."""
    texts = value if isinstance(value, list) else re.split(r"\s+|,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)", parse_text(value))
    urls = [parse_text(text).strip() for text in texts]
    urls = [url.strip(",") for url in urls if url.strip(",")]
    for number, url in enumerate(urls, 1):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", url):
            place = f"number {number} of {len(urls)} is not one"
            raise ValueError(f"must be made of URLs with a scheme, such as https://host/path; {place}")
    return tuple(Secret(url) for url in urls)


def parse_quiet_hours(value: object) -> QuietHours | None:
    """Understand `22:00-07:00`; an empty text means that there are none."""
    text = parse_text(value).strip()
    if not text:
        return None
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if not found:
        raise ValueError("must be two times of the day such as 22:00-07:00")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if begin == end:
        raise ValueError("must begin and end at different times")
    return QuietHours(begin, end)


def parse_rules(value: object) -> frozenset[str]:
    """Understand names of rules separated by commas or spaces, or a list of them."""
    names = value if isinstance(value, list) else re.split(r"[\s,]+", parse_text(value).strip())
    rules = {parse_text(name).strip().lower() for name in names} - {""}
    if not rules <= set(RULE_NAMES):
        raise ValueError(f"must be made of rules: {', '.join(RULE_NAMES)}")
    return frozenset(rules)


def parse_heartbeat_url(value: object) -> Secret:
    """Accept an http or https URL, secret as a whole."""
    text = parse_text(value).strip()
    parts = _split_url(text)
    if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be a URL such as https://hc-ping.com/UUID")
    return Secret(text)


def parse_web_address(value: object) -> WebAddress | None:
    """Accept `host:port`, an IPv6 address in brackets; `off` means that there is no page."""
    text = parse_text(value).strip()
    if text.lower() == "off":
        return None
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})", text)
    if not found or int(found[3]) > _HIGHEST_PORT:
        raise ValueError("must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080, or off")
    return WebAddress(found[1] or found[2], int(found[3]))


def parse_web_user(value: object) -> Secret:
    """Accept a name that can stand in HTTP Basic credentials, and hide it."""
    text = parse_word(value)
    if ":" in text:
        raise ValueError("must be one word without a colon")
    return Secret(text)


def parse_web_password(value: object) -> Secret:
    """Accept a password that is not guessed at once."""
    text = parse_word(value)
    if len(text) < _SHORTEST_PASSWORD:
        raise ValueError(f"must have at least {_SHORTEST_PASSWORD} characters, such as `openssl rand -hex 16` prints")
    return Secret(text)


def _split_url(text: str) -> SplitResult | None:
    """Take a URL apart, or return None: the library's own messages quote parts of it, passwords included."""
    try:
        parts = urlsplit(text)
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9+]*://\S*", text) and parts.port != 0:
            return parts
    except ValueError:
        pass
    return None
