"""Cuts a page out of the listing: where it begins, what is on it, whether more follows."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from random import Random

from syncer.simulator.behaviour import Behaviour, Paging, Ties
from syncer.simulator.contexts import Place
from syncer.simulator.world import World


@dataclass(frozen=True, slots=True)
class Cut:
    """The files of a page (`slots`), those of the page before that come again (`again`), and the rest.

    `end` is how many files of the listing come before the next page.
    """

    slots: list[int]
    again: list[int]
    end: int
    more: bool


class Cutter:
    """Cuts pages from a world's views in the way that the behaviour says."""

    def __init__(self, world: World, behaviour: Behaviour, *, seed: int) -> None:
        self._world = world
        self._behaviour = behaviour
        self._seed = seed

    def cut(self, place: Place, prefix: str, *, order: int, size: int, call: int) -> Cut:
        """Cut the page of `size` files that follows `place` under `prefix`; `order` 1 is newest first."""
        view = self._world.view(prefix)
        start = self._start(view, place, order)
        end = min(start + size, len(view))
        again = max(start - self._behaviour.overlap, 0) if place.page else start
        salt = {Ties.STABLE: None, Ties.PER_LISTING: place.listing, Ties.PER_CALL: -call}[self._behaviour.ties]
        span = again, end
        slots = self._take(view, *span, order) if salt is None else self._shuffled(view, span, order, salt)
        return Cut(slots[start - again :], slots[: start - again], end, end < len(view))

    def _start(self, view: array[int], place: Place, order: int) -> int:
        """Return how many files of the view, in the asked order, come before the page."""
        rules = self._behaviour
        if place.slot < 0 or rules.paging is Paging.POSITIONAL or rules.ties is not Ties.STABLE:
            return min(place.offset, len(view))
        last = place.offset - 1 if order == 0 else len(view) - place.offset
        if 0 <= last < len(view) and view[last] == place.slot:
            return place.offset  # nothing has changed before it, which spares the search
        if order == 0:
            return self._world.position(view, place.slot, after=True)
        return len(view) - self._world.position(view, place.slot, after=False)

    @staticmethod
    def _take(view: array[int], first: int, last: int, order: int) -> list[int]:
        if order == 0:
            return view[first:last].tolist()
        return view[len(view) - last : len(view) - first].tolist()[::-1]

    def _shuffled(self, view: array[int], span: tuple[int, int], order: int, salt: int) -> list[int]:
        """Take a span of a view in which files of one createTime stand in another order, the same for one `salt`."""
        first, last = span
        created = [self._world.created(slot) for slot in self._take(view, 0, len(view), order)]
        while 0 < first < len(created) and created[first - 1] == created[first]:
            first -= 1
        while 0 < last < len(created) and created[last - 1] == created[last]:
            last += 1

        def rank(slot: int) -> tuple[int, float]:
            dice = Random(f"{self._seed}/{salt}/{slot}")  # noqa: S311 - an order that can be repeated, not a secret
            return self._world.created(slot) * (1 - 2 * order), dice.random()

        ranked = sorted(self._take(view, first, last, order), key=rank)
        return ranked[span[0] - first : span[1] - first]
