"""Contexts: opaque texts that carry a place in a listing, and what the server remembers of their use."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from binascii import Error as Base64Error
from collections import Counter
from dataclasses import dataclass

from syncer.simulator.behaviour import Behaviour

_FORM = struct.Struct(">IIIQqIBBI?")
_KEY = struct.Struct(">I")
_FRAME = 8  # bytes before and after the form: the key of the scrambling, and a checksum

LOST = 70005
MISUSED = 70006
COMPLETE = 70008


@dataclass(frozen=True, slots=True)
class Place:
    """What a context stands for: the place after page `page` of a listing.

    `slot` is the last file listed (-1: none yet), `offset` the number of files listed. `final` says that nothing
    follows, and that using the context answers 70008.
    """

    serial: int
    listing: int
    page: int
    issued_ms: int
    slot: int
    offset: int
    order: int
    page_size: int
    prefix_hash: int
    final: bool


def prefix_hash(prefix: str) -> int:
    """Return the mark by which a context remembers its prefix."""
    return zlib.crc32(prefix.encode("utf-8", "surrogatepass"))


def write(place: Place) -> str:
    """Write a place as a context: base64 text, whose `+`, `/` and `=` must survive the client's URL-encoding."""
    body = _FORM.pack(
        place.serial,
        place.listing,
        place.page,
        place.issued_ms,
        place.slot,
        place.offset,
        place.order,
        place.page_size,
        place.prefix_hash,
        place.final,
    )
    body += _KEY.pack(zlib.crc32(body)) + bytes(place.serial % 3)
    key = _KEY.pack(zlib.crc32(body) ^ 0x5EED5EED)
    return base64.b64encode(key + _scramble(key, body)).decode("ascii")


def read(text: str) -> Place | None:
    """Read a context back; None for a text that never was one."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None
    if not _FORM.size + _FRAME <= len(raw) <= _FORM.size + _FRAME + 2:
        return None
    body = _scramble(raw[: _KEY.size], raw[_KEY.size :])
    form, check = body[: _FORM.size], body[_FORM.size : _FORM.size + _KEY.size]
    return Place(*_FORM.unpack(form)) if _KEY.pack(zlib.crc32(form)) == check else None


def _scramble(key: bytes, body: bytes) -> bytes:
    stream = hashlib.sha512(key).digest()[: len(body)]
    mixed = int.from_bytes(body, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(body), "big")


class Contexts:
    """Issues contexts, and refuses those that the behaviour says are dead, spent or misused."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._serial = 0
        self._listings = 0
        self._alive_from = 0
        self._uses: Counter[int] = Counter()
        self._finished: set[int] = set()

    def new_listing(self) -> int:
        """Give a number to a listing that begins."""
        self._listings += 1
        return self._listings

    def issue(self, *, place: Place, now: float) -> str:
        """Write a context for `place`, with a serial number and the time of issue filled in."""
        self._serial += 1
        issued = Place(
            self._serial,
            place.listing,
            place.page,
            int(now * 1000),
            place.slot,
            place.offset,
            place.order,
            place.page_size,
            place.prefix_hash,
            place.final,
        )
        return write(issued)

    def kill(self) -> None:
        """Let every context issued so far answer 70005 from now on."""
        self._alive_from = self._serial + 1

    def finish(self, listing: int) -> None:
        """Note that a listing's last page was computed."""
        if self._behaviour.last_page_once:
            self._finished.add(listing)

    def refuse(self, place: Place, *, now: float, order: int, page_size: int, prefix: str) -> int:
        """Return the code that using `place`'s context answers now: 0 if it may be used, 70008 at the end."""
        rules = self._behaviour
        filters = (place.order, place.prefix_hash) == (order, prefix_hash(prefix))
        if (rules.filters_bound and not filters) or (rules.page_size_bound and place.page_size != page_size):
            return MISUSED
        if self._dead(place, now):
            return LOST
        if place.final or place.listing in self._finished:
            return COMPLETE
        return self._spend(place)

    def _dead(self, place: Place, now: float) -> bool:
        rules = self._behaviour
        return (
            0 < place.serial < self._alive_from
            or (rules.context_lifetime is not None and now - place.issued_ms / 1000 > rules.context_lifetime)
            or (rules.context_pages is not None and place.page >= rules.context_pages)
        )

    def _spend(self, place: Place) -> int:
        limit = self._behaviour.context_uses
        if limit is None:
            return 0
        self._uses[place.serial] += 1
        return self._behaviour.spent_code if self._uses[place.serial] > limit else 0
