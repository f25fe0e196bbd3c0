"""Slows down whoever guesses passwords: a handful of different wrong ones a minute from one address, then a pause."""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

GUESSES = 10
"""Different wrong credentials that one address may try within WINDOW_SECONDS."""
WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 1000


@dataclass(slots=True)
class Throttle:
    """Counts wrong credentials by address. The same again are no new guess: a forgotten scraper locks nobody out."""

    monotonic: Callable[[], float]
    _failures: OrderedDict[str, dict[bytes, float]] = field(default_factory=OrderedDict, init=False)

    def blocked(self, address: str) -> bool:
        """Return whether this address must wait before its credentials are looked at."""
        return len(self._recent(_network(address))) >= GUESSES

    def failed(self, address: str, credentials: bytes) -> None:
        """Note wrong credentials."""
        key = _network(address)
        recent = self._recent(key)
        recent[hashlib.sha256(credentials).digest()] = self.monotonic()
        self._failures[key] = recent
        self._failures.move_to_end(key)
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def _recent(self, key: str) -> dict[bytes, float]:
        since = self.monotonic() - WINDOW_SECONDS
        return {guess: at for guess, at in self._failures.get(key, {}).items() if at > since}


def _network(address: str) -> str:
    """Return what guesses are counted by: the address, of IPv6 the network that one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))  # noqa: PLR2004 - IPv4
