"""What was delivered: the files whose entries left in a whole reply, and so the table that a perfect client holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.simulator.population import File
from syncer.simulator.world import World


class Deliveries:
    """Remembers which version of each file was delivered last: a byte for a file as the seed made it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._plain = bytearray(world.size)
        self._laid: dict[int, File] = {}

    def note(self, slots: Sequence[int]) -> None:
        """Note that a reply with these files leaves."""
        for slot in slots:
            if slot < self._world.size:
                self._plain[slot] = 1
        self._laid |= self._world.laid_over(slots)

    def table(self, *, swept: bool, now: float) -> dict[str, tuple[dict[str, Any], str]]:
        """Return each delivered file's fields and state at `now` (UNIX seconds); see Simulator.table."""
        listed = set(self._world.view())
        known = {slot for slot, delivered in enumerate(self._plain) if delivered} | self._laid.keys()
        rows = {}
        for slot in sorted(known):
            file = self._laid.get(slot) or self._world.original(slot)
            fields = self._world.decoded(file)
            if fields["fileId"] is not None:
                rows[fields["fileId"]] = fields, _state(file, fields, now=now, gone=swept and slot not in listed)
        return rows


def _state(file: File, fields: Mapping[str, Any], *, now: float, gone: bool) -> str:
    past = file.expires is not None and fields["expireTime"] is not None and file.expires <= now
    if gone:
        return "expired" if past else "vanished"
    return "overdue" if past else "live"
