"""Files written as the JSON entries of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted

from syncer.simulator.population import File
from syncer.simulator.world import World

_CACHE_BYTES = 64 << 20


class Entries:
    """Writes runs of entries, and keeps those it wrote while the world does not change (64 MB at most)."""

    def __init__(self, world: World, *, digit_strings: bool) -> None:
        self._world = world
        self._digit_strings = digit_strings
        self._cache: dict[tuple[int, ...], bytes] = {}
        self._cached_bytes = 0
        self._ahead: tuple[tuple[int, ...] | None, bytes] = None, b""
        self._version = world.version

    def write(self, slots: Sequence[int]) -> bytes:
        """Write the files in `slots` as comma-separated JSON objects."""
        if self._version != self._world.version:
            self._cache.clear()
            self._ahead = None, b""
            self._cached_bytes, self._version = 0, self._world.version
        key = tuple(slots)
        text = self._ahead[1] if key == self._ahead[0] else self._cache.get(key)
        if text is None:
            text = ",".join([self._entry(self._world.file(slot)) for slot in slots]).encode("ascii")
        if self._cached_bytes + len(text) < _CACHE_BYTES and key not in self._cache:
            self._cache[key] = text
            self._cached_bytes += len(text)
        return text

    def write_ahead(self, slots: Sequence[int]) -> None:
        """Write a run that will probably be asked for next, and keep it beside the cache."""
        self._ahead = tuple(slots), self.write(slots)

    def _entry(self, file: File) -> str:
        if file.raw:
            return file.raw
        created, expires = self._world.times(file)
        size, duration, status = file.size, file.duration, file.status
        return (
            f'{{"fileId":{quoted(file.file_id)},"name":{quoted(file.name)},"size":{self._number(size)},'
            f'"type":{"null" if file.type is None else quoted(file.type)},"duration":{self._number(duration)},'
            f'"status":{self._number(status)},"createTime":"{created}","expireTime":"{expires}","url":{quoted(file.url)}}}'
        )

    def _number(self, value: int | None) -> str | int:
        if value is None:
            return "null"
        return f'"{value}"' if self._digit_strings else value
