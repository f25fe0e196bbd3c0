"""The seeded population of a world: any file computed from its number, so that millions cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from syncer.simulator.times import DAY, beijing

_MASK = (1 << 64) - 1
_FIRST_ID = 9_031_868_222_808_082_655
_ID_STEP = 37
_RANDOM_BITS = (1 << 62) - 1
_FIRST_RANDOM = 10**18
_STIR, _SHIFT = 0x9E3779B97F4A7C15, 31
_LONGEST_ID = 20
_LIFETIMES = (30,) * 92 + (60,) * 5 + (180,) * 3
SHORTEST = min(_LIFETIMES) * DAY
_OLDEST = 30 * DAY - DAY // 4
_NEWEST = 60
_TYPES = ("mp4", "mp4", "mp4", "flv", "mp4", "hls", "mp4", "flv")
_CLIPS = ("0", "1", "xy")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class File(NamedTuple):
    """One backup. Times are UNIX seconds; `created` orders the listing.

    `raw` is the JSON text that the API sends in place of the usual entry, `fields` what a perfect client makes of it
    (None: what follows from the other fields).
    """

    file_id: str
    name: str
    size: int | None
    type: str | None
    duration: int | None
    status: int | None
    created: int
    expires: int | None
    url: str
    raw: str = ""
    fields: Mapping[str, Any] | None = None


class Population:
    """Files by number (slot), rising in createTime, and in id too unless `random_ids` makes those 19 random digits.

    The same for the same seed, size and instant.
    """

    def __init__(self, size: int, *, seed: int, same_second: int, random_ids: bool = False) -> None:
        self.size = size
        self._random_ids = random_ids
        self._same_second = same_second
        self._salt = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & _MASK
        self._step = (_OLDEST - _NEWEST) / max(size, 1)
        self._start: int | None = None

    def anchor(self, now: float) -> None:
        """Let the files be of the 30 days before `now`; the first instant told holds."""
        if self._start is None:
            self._start = int(now) - _OLDEST

    def slot(self, file_id: str) -> int | None:
        """Return the number of the file with this id, or None."""
        if not (file_id.isascii() and file_id.isdigit() and len(file_id) <= _LONGEST_ID):
            return None
        slot = self._unstirred(int(file_id)) if self._random_ids else (int(file_id) - _FIRST_ID) // _ID_STEP
        return slot if 0 <= slot < self.size and self.file(slot).file_id == file_id else None

    def created(self, slot: int, mixed: int | None = None) -> int:
        """Return a file's creation time; `mixed` spares computing the slot's hash again."""
        if self._start is None:
            raise RuntimeError("this world has no time yet: give World(now=...) or hand it to a Simulator first")
        first = slot - slot % self._same_second
        if mixed is None or first != slot:
            mixed = self._mix(first)
        return self._start + int((first + (mixed >> 48) / 65536) * self._step)

    def file(self, slot: int) -> File:
        """Return the file with this number; numbers beyond the size make files of the same kind."""
        mixed = self._mix(slot)
        created = self.created(slot, mixed)
        file_id = str(self._stirred(slot) if self._random_ids else _FIRST_ID + slot * _ID_STEP + mixed % _ID_STEP)
        length = 5 + (mixed >> 6) % 296
        span = f"{beijing(created - 2 - length)}_{beijing(created - 2)}".replace(" ", "-").replace(":", "-")
        token = _PAIRS[mixed >> 8 & 4095] + _PAIRS[mixed >> 20 & 4095] + _PAIRS[mixed >> 32 & 4095]
        token += _PAIRS[mixed >> 44 & 4095] + _PAIRS[slot & 4095] + _ALPHABET[slot >> 12 & 63]
        return File(
            file_id,
            f"600{mixed & 7}_{token}_{span}",
            length * (90_000 + (mixed >> 10) % 60_000),
            _TYPES[mixed >> 3 & 7],
            None if mixed >> 56 < 20 else length,  # noqa: PLR2004 - one duration in thirteen is unknown
            2,
            created,
            created + _LIFETIMES[(mixed >> 24) % 100] * DAY,
            f"http://1000.vod2.myqcloud.com/vodgzp/{file_id}/{_CLIPS[mixed % 3]}.mp4",
        )

    def _stirred(self, slot: int) -> int:
        """Return a slot's random id: two multiplications by an odd number and a shift, each of which can be undone."""
        stirred = (slot ^ self._salt) * _STIR & _RANDOM_BITS
        return _FIRST_RANDOM + ((stirred ^ stirred >> _SHIFT) * _STIR & _RANDOM_BITS)

    def _unstirred(self, number: int) -> int:
        """Return the slot of a random id; for no file's id some number that is none of the slots, or another's."""
        back = pow(_STIR, -1, _RANDOM_BITS + 1)
        stirred = (number - _FIRST_RANDOM) * back & _RANDOM_BITS
        return ((stirred ^ stirred >> _SHIFT) * back ^ self._salt) & _RANDOM_BITS

    def _mix(self, slot: int) -> int:
        mixed = ((slot + 1) * 0x9E3779B97F4A7C15 ^ self._salt) & _MASK
        mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & _MASK
        return mixed ^ (mixed >> 32)
