"""The daemon's ticks: at their intervals, one at a time, whatever the machine's clock says."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any, Self

import pytest

from syncer.daemon import ticker
from syncer.daemon.ticker import Ticker

PATIENCE = 30.0


class Counter:
    """Counts its calls; `reached(n)` waits for the n-th."""

    def __init__(self) -> None:
        self.count, self._news = 0, threading.Condition()

    def __call__(self) -> None:
        with self._news:
            self.count += 1
            self._news.notify_all()

    def reached(self, count: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self.count >= count, PATIENCE)


def test_a_deed_is_done_at_once_and_again_and_no_more_after_a_stop() -> None:
    each, rare, ticks = Counter(), Counter(), Ticker()
    ticks.add("each", each, seconds=0.02, jitter=0.004)
    ticks.add("rare", rare, seconds=3600)
    ticks.start()
    assert each.reached(5)
    assert rare.reached(1)
    ticks.stop()
    time.sleep(0.1)
    assert not ticks.at_work
    done = each.count
    time.sleep(0.2)
    assert (each.count, rare.count) == (done, 1)


def test_a_slow_deed_is_not_begun_twice_and_what_it_missed_is_left_out() -> None:
    began, go_on, ticks = Counter(), threading.Event(), Ticker()

    def slow() -> None:
        began()
        go_on.wait(PATIENCE)

    ticks.add("slow", slow, seconds=0.1)
    ticks.start()
    assert began.reached(1)
    time.sleep(0.5)
    assert (began.count, ticks.at_work) == (1, True)
    ticks.stop()
    go_on.set()


def test_the_machines_clock_may_be_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a clock that can be set is asked, it is an hour behind from now on: the ticks go on."""
    deed, ticks = Counter(), Ticker()
    ticks.add("deed", deed, seconds=0.05)
    ticks.start()
    assert deed.reached(3)

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(hours=1)

    for module in _modules_that_ask_for_the_time():
        monkeypatch.setattr(module, "datetime", Behind)
    assert deed.reached(deed.count + 5), "it waits for an instant that comes in an hour"
    ticks.stop()


def _modules_that_ask_for_the_time() -> list[Any]:
    scheduling = [name for name in sys.modules if name.startswith("apscheduler.")]
    found: list[ModuleType] = [ticker, *(sys.modules[name] for name in scheduling)]
    return [module for module in found if getattr(module, "datetime", None) is datetime]
