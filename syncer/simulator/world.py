"""The files that the simulated API holds: a seeded, lazily computed population with mutations laid over it."""

from __future__ import annotations

import heapq
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from syncer.simulator.population import SHORTEST, File, Population
from syncer.simulator.times import ZERO, beijing


class World:
    """Files ordered by createTime, the same for the same seed, size and instant.

    Entries are computed when asked for, so that millions cost a few bytes each. `now` anchors the population (files
    are created over the 30 days before it; none expires in the first six hours after it); a simulator that gets a
    world without one anchors it at its own clock. `same_second` files each share one createTime; with `zero_times`
    every time is written as zeros; with `random_ids` ids do not rise with time. All methods may be called from any
    thread; hold `lock` to make several one.
    """

    def __init__(
        self,
        files: int = 1000,
        *,
        seed: int = 1,
        now: float | None = None,
        same_second: int = 1,
        zero_times: bool = False,
        random_ids: bool = False,
    ) -> None:
        self.size = files
        self.seed = seed
        self.zero_times = zero_times
        self.lock = threading.RLock()
        self.version = 0
        self.linger: float | None = 0.0
        self._population = Population(files, seed=seed, same_second=same_second, random_ids=random_ids)
        self._live = array("I", range(files))
        self._slots = files
        self._overlay: dict[int, File] = {}
        self._slot_of: dict[str, int] = {}
        self._gone: set[int] = set()
        self._examined = 0
        self._due: list[tuple[int, int]] = []
        self._prefixes: dict[str, array[int]] = {}
        self._clock: Callable[[], float] | None = None
        if now is not None:
            self.begin(lambda: now)

    def begin(self, clock: Callable[[], float]) -> None:
        """Take `clock` as the world's; the first time, its present instant anchors the population."""
        self._clock = clock
        self._population.anchor(clock())

    def now(self) -> int:
        """Return the world's own time in whole UNIX seconds."""
        if self._clock is None:
            raise RuntimeError("this world has no time yet: give World(now=...) or hand it to a Simulator first")
        return int(self._clock())

    # What is there.

    def created(self, slot: int) -> int:
        """Return the creation time of the file in `slot`, whether it still exists or not."""
        laid = self._overlay.get(slot)
        return self._population.created(slot) if laid is None else laid.created

    def file(self, slot: int) -> File:
        """Return the file in `slot` as it is, or was last."""
        return self._overlay.get(slot) or self._population.file(slot)

    def original(self, slot: int) -> File:
        """Return the file in `slot` as the seed made it, or as it was added and last changed."""
        return self._population.file(slot) if slot < self.size else self._overlay[slot]

    def slot_of(self, file_id: str) -> int | None:
        """Return the slot of a file that is listed now, or None."""
        slot = self._any_slot(file_id)
        return None if slot is None or slot in self._gone else slot

    def view(self, prefix: str = "") -> array[int]:
        """Return the slots listed under `prefix`, oldest first; not to be changed."""
        with self.lock:
            self._expire()
            if not prefix:
                return self._live
            if prefix not in self._prefixes:
                chosen = (slot for slot in self._live if self.file(slot).name.startswith(prefix))
                self._prefixes[prefix] = array("I", chosen)
            return self._prefixes[prefix]

    def position(self, view: array[int], slot: int, *, after: bool) -> int:
        """Return where `slot`'s file stands, or would stand, in a view: before it, or just after it."""
        find = bisect_right if after else bisect_left
        return find(view, self._key(slot), key=self._key)

    def fields(self, slot: int) -> dict[str, Any]:
        """Return a file as a perfect client decodes it: the document's names, integers or None, unknown times None."""
        return self.decoded(self.file(slot))

    def decoded(self, file: File) -> dict[str, Any]:
        """Return one version of a file as a perfect client decodes it."""
        if file.fields is not None:
            return dict(file.fields)
        expires = None if self.zero_times or file.expires is None else beijing(file.expires)
        return {
            "fileId": file.file_id,
            "name": file.name,
            "size": file.size,
            "type": file.type,
            "duration": file.duration,
            "status": file.status,
            "createTime": None if self.zero_times else beijing(file.created),
            "expireTime": expires,
            "url": file.url,
        }

    def times(self, file: File) -> tuple[str, str]:
        """Return a file's createTime and expireTime as they are written."""
        if self.zero_times:
            return ZERO, ZERO
        return beijing(file.created), "" if file.expires is None else beijing(file.expires)

    def laid_over(self, slots: Iterable[int]) -> dict[int, File]:
        """Return the present versions of those files that were added or changed since the seed made them."""
        return {slot: self._overlay[slot] for slot in slots if slot in self._overlay} if self._overlay else {}

    # What changes.

    def draft(self, **changes: Any) -> File:
        """Return the file that add() would add."""
        with self.lock:
            created = int(changes.get("created", self.now()))
            values = {"created": created, "expires": created + SHORTEST, **changes}
            if "file_id" in values and "url" not in values:
                values["url"] = f"http://1000.vod2.myqcloud.com/vodgzp/{values['file_id']}/0.mp4"
            return self._population.file(self._slots)._replace(**values)

    def add(self, **changes: Any) -> File:
        """Add a file: one like the others, created now, to live 30 days; `changes` are fields of File."""
        with self.lock:
            file = self.draft(**changes)
            if self._any_slot(file.file_id) is not None:
                raise ValueError(f"there is or was a file {file.file_id} already; use restore() or change()")
            slot = self._slots
            self._slots += 1
            self._overlay[slot] = file
            self._slot_of[file.file_id] = slot
            self._insert(slot)
            return file

    def delete(self, *file_ids: str) -> None:
        """Take files out of the listing; KeyError for one that is not listed."""
        with self.lock:
            self._remove({self._need(file_id) for file_id in file_ids})

    def restore(self, *file_ids: str) -> None:
        """List deleted files again, as they were; KeyError for one that never was."""
        with self.lock:
            for file_id in file_ids:
                slot = self._any_slot(file_id)
                if slot is None or slot not in self._gone:
                    raise KeyError(file_id)
                self._insert(slot)

    def change(self, file_id: str, **changes: Any) -> File:
        """Change a file's fields (a new name, another expiry); its id and creation time stay."""
        if {"file_id", "created"} & changes.keys():
            raise ValueError("a file keeps its id and its creation time")
        with self.lock:
            slot = self._need(file_id)
            file = self.file(slot)._replace(**changes)
            self._overlay[slot] = file
            self._wait_for_expiry(slot)
            self._touch()
            return file

    def ids(self, prefix: str = "") -> list[str]:
        """Return the ids listed now, oldest first."""
        with self.lock:
            return [self.file(slot).file_id for slot in self.view(prefix)]

    # How it is kept.

    def _key(self, slot: int) -> tuple[int, int]:
        return self.created(slot), slot

    def _any_slot(self, file_id: str) -> int | None:
        if file_id in self._slot_of:
            return self._slot_of[file_id]
        return self._population.slot(file_id)

    def _need(self, file_id: str) -> int:
        slot = self.slot_of(file_id)
        if slot is None:
            raise KeyError(file_id)
        return slot

    def _insert(self, slot: int) -> None:
        self._live.insert(self.position(self._live, slot, after=True), slot)
        self._gone.discard(slot)
        self._wait_for_expiry(slot)
        self._touch()

    def _remove(self, slots: Iterable[int]) -> None:
        leaving = set(slots)
        if len(leaving) == 1:
            (slot,) = leaving
            del self._live[self.position(self._live, slot, after=False)]
        else:
            self._live = array("I", (slot for slot in self._live if slot not in leaving))
        self._gone |= leaving
        self._touch()

    def _touch(self) -> None:
        self.version += 1
        self._prefixes.clear()

    def _wait_for_expiry(self, slot: int) -> None:
        expires = self.file(slot).expires
        if expires is not None:
            heapq.heappush(self._due, (expires, slot))

    def _expire(self) -> None:
        if self.linger is None or self._clock is None:
            return
        limit = self._clock() - self.linger
        while self._examined < self.size and self._population.created(self._examined) + SHORTEST <= limit:
            self._wait_for_expiry(self._examined)
            self._examined += 1
        leaving = set()
        while self._due and self._due[0][0] <= limit:
            _, slot = heapq.heappop(self._due)
            expires = self.file(slot).expires
            if slot not in self._gone and expires is not None and expires <= limit:
                leaving.add(slot)
        if leaving:
            self._remove(leaving)
