"""The limiter waits as long as the store says, as often as it says, and makes way for nobody but the quota."""

from __future__ import annotations

from math import inf

import pytest

from syncer.source.quota import QuotaLimiter, Unlimited


class Store:
    """Grants a call once the waits that it was given are used up."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.asked: list[bool] = []
        self.slept: list[float] = []
        self.stepped_back = 0
        self.now = 100.0
        self.due = 1
        self.asked_at_once: list[int] = []

    def try_acquire(self, interactive: bool) -> float:
        self.asked.append(interactive)
        return self.waits.pop(0) if self.waits else 0.0

    def take(self, most: int) -> int:
        self.asked_at_once.append(most)
        return min(most, self.due)

    def step_back(self) -> None:
        self.stepped_back += 1

    def limiter(self) -> QuotaLimiter:
        return QuotaLimiter(
            try_acquire=self.try_acquire,
            take=self.take,
            step_back=self.step_back,
            sleep=self.slept.append,
            monotonic=lambda: self.now,
            grant_seconds=0.2,
        )


def test_a_slot_that_is_due_is_taken_without_waiting() -> None:
    store = Store()
    store.limiter().acquire(interactive=False)
    assert (store.asked, store.slept) == ([False], [])


def test_each_wait_is_slept_and_then_asked_again() -> None:
    store = Store(0.6, 0.001)
    limiter = store.limiter()
    assert (limiter.waits, limiter.seconds_waited) == (0, 0.0)
    limiter.acquire(interactive=True)
    assert (store.asked, store.slept) == ([True, True, True], [0.6, 0.001])
    assert (limiter.waits, limiter.seconds_waited) == (2, 0.601)
    store.waits = [2.0]
    limiter.acquire(interactive=False)
    assert (limiter.waits, limiter.seconds_waited) == (3, 2.601)


def test_a_step_back_is_handed_on() -> None:
    store = Store()
    store.limiter().step_back()
    assert store.stepped_back == 1


def test_a_slot_at_once_is_taken_only_if_it_is_due_and_nobody_waits() -> None:
    store = Store()
    limiter = store.limiter()
    store.due = 0
    assert limiter.acquire_at_once() is None
    store.due = 1
    assert limiter.acquire_at_once() == 100.2
    assert (store.asked_at_once, store.slept, limiter.waits) == ([1, 1], [], 0)


def test_whoever_is_behind_takes_as_many_slots_at_once_as_it_used_up_twice_over() -> None:
    store = Store()
    store.due = 5
    limiter = store.limiter()
    for _ in range(1 + 2 + 4 + 5 + 5):
        assert limiter.acquire_at_once() == 100.2
    assert store.asked_at_once == [1, 2, 4, 8, 10]


def test_slots_in_hand_grow_old_and_no_more_are_taken_than_were_used() -> None:
    store = Store()
    store.due = 99
    limiter = store.limiter()
    for _ in range(1 + 2 + 4 + 2):
        limiter.acquire_at_once()
    assert store.asked_at_once == [1, 2, 4, 8]
    store.now += 0.2
    assert limiter.acquire_at_once() == 100.2, "they are good for that long"
    store.now += 0.01
    assert limiter.acquire_at_once() == pytest.approx(100.41)
    assert store.asked_at_once[4:] == [3], "of eight, three were used"
    store.now += 1
    assert limiter.acquire_at_once() == pytest.approx(101.41)
    assert store.asked_at_once[5:] == [1]


def test_a_slot_is_as_old_as_the_question_for_it() -> None:
    store = Store()

    def slow(most: int) -> int:
        store.now += 0.5
        return 1

    store.take = slow  # type: ignore[method-assign]
    assert store.limiter().acquire_at_once() == 100.2


def test_a_step_back_spoils_the_slots_in_hand() -> None:
    store = Store()
    store.due = 99
    limiter = store.limiter()
    for _ in range(2):
        limiter.acquire_at_once()
    limiter.step_back()
    store.due = 0
    assert limiter.acquire_at_once() is None


def test_without_a_quota_nothing_waits() -> None:
    limiter = Unlimited()
    limiter.acquire(interactive=True)
    limiter.step_back()
    assert limiter.acquire_at_once() == inf
    assert limiter.seconds_waited == 0.0
