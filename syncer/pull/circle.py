"""Remembers the contexts that a listing gave out, so that one which runs in a circle is seen to; pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left


class ContextsSeen:
    """The contexts of one listing by their hashes: eight bytes each, for a listing may have a hundred thousand pages.

    `hashes` are those given out so far, joined.
    """

    def __init__(self, hashes: bytes = b"") -> None:
        self._sorted = array("Q", sorted(array("Q", hashes)))

    def __contains__(self, token: bytes | None) -> bool:
        if token is None:
            return False
        number = _number(token)
        place = bisect_left(self._sorted, number)
        return place < len(self._sorted) and self._sorted[place] == number

    def add(self, token: bytes | None) -> None:
        """Remember one more; None, the context of a listing's end, is none."""
        if token is not None:
            number = _number(token)
            self._sorted.insert(bisect_left(self._sorted, number), number)


def _number(token: bytes) -> int:
    return array("Q", token)[0]
