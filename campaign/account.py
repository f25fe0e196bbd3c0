"""The simulated account under the campaign's hands: changes it, and remembers what was true of it and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from syncer.simulator import Call, Simulator


@dataclass
class Account:
    """What is changed here, and what a check must know of the past.

    `always` are the ids (those that can be read) listed at every moment since the window was opened, `deleted` says
    whether any went meanwhile; `present` and `moved` say the same of the time since syncer began.
    `late` are those that came back, or came long after they were made.
    `versions` are all that each file ever was, as a perfect client decodes it.
    """

    simulator: Simulator
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    always: set[str] = field(default_factory=set)
    deleted: bool = False
    present: set[str] = field(default_factory=set)
    moved: bool = False
    late: set[str] = field(default_factory=set)
    _first_call: int = 0

    def __post_init__(self) -> None:
        for file_id in self.simulator.world.ids():
            self._remember(file_id)
        self.open_window()

    def open_window(self) -> None:
        """Begin to watch anew: what is listed now, calls from the next one on."""
        with self.simulator.lock:
            self.always = set(self.ids())
            self.deleted = False
            self._first_call = self.simulator.call_count
            self.syncer_begins()

    def syncer_begins(self) -> None:
        """Note what is listed now: a pull that is begun from now on must list all of it that stays."""
        with self.simulator.lock:
            self.time_passed()
            self.present, self.moved = set(self.ids()), False

    def calls(self) -> list[Call]:
        """Return the calls since the window was opened, as far as the simulator remembers them."""
        return [call for call in self.simulator.calls if call.number > self._first_call]

    def ids(self) -> list[str]:
        """Return the ids listed now that can be read, oldest first."""
        return [file_id for file_id in self.simulator.world.ids() if not file_id.startswith("unreadable-")]

    def time_passed(self) -> None:
        """Note what has expired; to be called whenever the simulator's clock was moved."""
        with self.simulator.lock:
            self._only(set(self.ids()))

    def add(self, **fields: Any) -> str:
        """Add a file and return its id."""
        with self.simulator.lock:
            file_id = self.simulator.world.add(**fields).file_id
            self._remember(file_id)
            return file_id

    def change(self, file_id: str, **fields: Any) -> None:
        """Change a file that is listed."""
        with self.simulator.lock:
            self.simulator.world.change(file_id, **fields)
            self._remember(file_id)
            self.time_passed()

    def delete(self, file_ids: Iterable[str]) -> None:
        """Delete files that are listed."""
        with self.simulator.lock:
            leaving = set(file_ids)
            self.simulator.world.delete(*leaving)
            self.deleted = self.deleted or bool(leaving)
            self.moved = self.moved or bool(leaving)
            self._only(self.present - leaving)

    def restore(self, file_id: str) -> None:
        """List a deleted file again, as it was."""
        with self.simulator.lock:
            if self.simulator.world.slot_of(file_id) is None:
                self.simulator.world.restore(file_id)
                self.late.add(file_id)

    def gone(self) -> list[str]:
        """Return the ids that were listed once and are not now, oldest first."""
        with self.simulator.lock:
            return [file_id for file_id in self.versions if self.simulator.world.slot_of(file_id) is None]

    def _only(self, listed: set[str]) -> None:
        self.deleted = self.deleted or not self.always <= listed
        self.moved = self.moved or not self.present <= listed
        self.always &= listed
        self.present &= listed

    def _remember(self, file_id: str) -> None:
        world = self.simulator.world
        slot = world.slot_of(file_id)
        if slot is None or file_id.startswith("unreadable-"):
            return
        version = world.fields(slot)
        known = self.versions.setdefault(file_id, [])
        if version not in known:
            known.append(version)
