"""Lets a run die before each of its statements in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from campaign.statements import killed_before_statement

from .conftest import Rig

_STRIDE = 7


class Deaths:
    """The deaths of one run after another, the first before its statement `number`.

    Up to the end of its pull a run dies before each statement, but for one that follows a read: whoever dies there
    leaves the database as a death before the read does. What follows (the day's inventory, pruning, the
    evaluation of alerts) is more than half of all statements, and has kills of its own in other tests: here it is met
    by every seventh. `more` is false once a run was through before its death.
    """

    def __init__(self, rig: Rig, number: int = 1) -> None:
        self._rig, self.number, self.more = rig, number, True

    @contextmanager
    def next(self) -> Iterator[list[str]]:
        """End the block as a kill would; yields the statements sent so far."""
        before = self._ended()
        with killed_before_statement(self.number) as sent:
            yield sent
        self.more = len(sent) >= self.number
        if self._ended() != before:
            self.number += _STRIDE
        else:
            self.number += 2 if sent and sent[-1].lstrip().startswith(("SELECT", "SET")) else 1

    def _ended(self) -> int:
        return int(self._rig.rows("SELECT count(*) AS n FROM syncer.pull WHERE finished_at IS NOT NULL")[0]["n"])
