"""The limiter waits as long as the store says, as often as it says, and makes way for nobody but the quota."""

from __future__ import annotations

from syncer.source.quota import QuotaLimiter, Unlimited


class Store:
    """Grants a call once the waits that it was given are used up."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.asked: list[bool] = []
        self.slept: list[float] = []
        self.stepped_back = 0

    def try_acquire(self, interactive: bool) -> float:
        self.asked.append(interactive)
        return self.waits.pop(0) if self.waits else 0.0

    def step_back(self) -> None:
        self.stepped_back += 1

    def limiter(self) -> QuotaLimiter:
        return QuotaLimiter(
            try_acquire=self.try_acquire,
            take=lambda: self.try_acquire(False) == 0,
            step_back=self.step_back,
            sleep=self.slept.append,
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
    store = Store(0.6)
    limiter = store.limiter()
    assert not limiter.acquire_at_once()
    assert limiter.acquire_at_once()
    assert (store.asked, store.slept, limiter.waits) == ([False, False], [], 0)


def test_without_a_quota_nothing_waits() -> None:
    limiter = Unlimited()
    limiter.acquire(interactive=True)
    limiter.step_back()
    assert limiter.acquire_at_once()
    assert limiter.seconds_waited == 0.0
