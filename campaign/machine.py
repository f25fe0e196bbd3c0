"""The Hypothesis state machine: draws worlds, behaviours, blows and deeds, and checks every guarantee after each."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from campaign.blows import Blow, Fail, Kill, Stall, Stop, Trouble
from campaign.databases import Database
from campaign.model import DAY, HOUR, Model, Setup
from syncer.simulator import TRANSIENT, Behaviour, End, Fault, Kind, Paging, Ties, coded, lost_reply

_QUICK = tuple(fault for fault in TRANSIENT if fault.code != 4400)
_FAULTS = (
    *_QUICK,
    lost_reply(),
    lost_reply(),
    coded(4400),
    coded(1001, processed=True),
    coded(70005),
    coded(70006),
    coded(70005, processed=True),
    coded(4100),
    coded(4500),
    coded(10008),
    Fault(Kind.EMPTY_PAGE),
    Fault(Kind.EMPTY_PAGE),
    Fault(Kind.DUPLICATES, count=3),
    Fault(Kind.SAME_CONTEXT),
    Fault(Kind.DELAY, seconds=0.02),
    Fault(Kind.DRIP_HEADERS, seconds=0.001),
)

places = st.integers(0, 200)
numbers = st.integers(1, 45)
kinds = st.sampled_from(["full", "full", "recent"])

behaviours = st.builds(
    Behaviour,
    end=st.sampled_from(End),
    last_page_once=st.booleans(),
    context_uses=st.sampled_from([None, None, 1, 2]),
    context_pages=st.sampled_from([None, None, None, None, None, 2]),
    spent_code=st.sampled_from([70005, 70006]),
    filters_bound=st.booleans(),
    page_size_bound=st.booleans(),
    paging=st.sampled_from(Paging),
    ties=st.sampled_from([Ties.STABLE, Ties.STABLE, Ties.PER_LISTING, Ties.PER_CALL]),
    orderby_ignored=st.sampled_from([False, False, False, True]),
    overlap=st.sampled_from([0, 0, 2]),
    page_size_cap=st.sampled_from([100, 100, 4]),
    missing_id_fails_all=st.booleans(),
    all_missing_fails=st.booleans(),
    digit_strings=st.booleans(),
    code_as_string=st.booleans(),
    file_count=st.booleans(),
    expired_linger=st.sampled_from([0.0, 0.0, 30.0 * HOUR, None]),
    keep_alive=st.sampled_from([None, 1, 3]),
)
setups = st.builds(
    Setup,
    files=st.integers(0, 45),
    same_second=st.sampled_from([1, 1, 1, 4, 50]),
    zero_times=st.sampled_from([False, False, False, False, True]),
    odd=st.sampled_from([False, False, False, True]),
    unreadable=st.sampled_from([False, False, False, True]),
    behaviour=behaviours,
    page_size=st.sampled_from([5, 10, 10, 100]),
    seed=st.integers(1, 1000),
)
kills = st.builds(Kill, numbers)
failures = st.builds(Fail, st.sampled_from(Trouble), numbers)
blows: st.SearchStrategy[Blow] = st.one_of(
    st.none(),
    st.none(),
    kills,
    kills,
    st.builds(Stop, st.integers(1, 6)),
    failures,
    st.builds(Stall, numbers, kinds, st.booleans()),
)


class Machine(RuleBasedStateMachine):
    """One history of an account and its copy. `database` and `directory` are set by whoever runs it."""

    database: Database
    directory: str
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.model: Model | None = None

    @initialize(setup=setups)
    def begin(self, setup: Setup) -> None:
        self.model = Model(self.database, self.directory, setup)
        self.model.__enter__()

    @property
    def _model(self) -> Model:
        assert self.model is not None
        Machine.steps += 1
        return self.model

    # The account and its surroundings.

    @rule(count=st.integers(1, 4), hours=st.one_of(st.none(), st.integers(1, 400)), ago=st.sampled_from([0, 0, 0, 40]))
    def add(self, count: int, hours: int | None, ago: int) -> None:
        model = self._model
        for _ in range(count):
            model.add(hours=hours, ago=ago)

    @rule(at=places, hours=st.one_of(st.none(), st.integers(1, 400)))
    def extend(self, at: int, hours: int | None) -> None:
        self._model.extend(at, hours)

    @rule(at=places, name=st.sampled_from(["renamed.mp4", "=1+1", "60009_x\0y", "备份'; DROP TABLE syncer.file; --"]))
    def rename(self, at: int, name: str) -> None:
        self._model.rename(at, name)

    @rule(at=places, count=st.integers(1, 3))
    def delete(self, at: int, count: int) -> None:
        self._model.delete(at, count)

    @rule(at=places)
    def restore(self, at: int) -> None:
        self._model.restore(at)

    @rule(call=st.integers(1, 6), at=places, what=st.sampled_from(["delete", "add", "extend", "contexts", "restore"]))
    def meanwhile(self, call: int, at: int, what: str) -> None:
        model = self._model
        deeds: dict[str, Any] = {
            "delete": lambda: model.delete(at),
            "add": lambda: model.add(hours=100),
            "extend": lambda: model.extend(at, 300),
            "contexts": model.simulator.kill_contexts,
            "restore": lambda: model.restore(at),
        }
        model.meanwhile(call, deeds[what])

    @rule(seconds=st.sampled_from([60, HOUR, 3 * HOUR, 13 * HOUR, DAY, 3 * DAY, -30, -HOUR, -3 * DAY]))
    def pass_time(self, seconds: int) -> None:
        self._model.pass_time(seconds)

    @rule()
    def kill_contexts(self) -> None:
        self._model.simulator.kill_contexts()

    @rule(fault=st.sampled_from(_FAULTS), calls=st.integers(1, 3))
    def one_fault(self, fault: Fault, calls: int) -> None:
        self._model.weather(fault, calls=calls)

    @rule(fault=st.sampled_from(_QUICK), rate=st.sampled_from([0.2, 0.5]), seed=st.integers(0, 99))
    def bad_weather(self, fault: Fault, rate: float, seed: int) -> None:
        self._model.weather(fault, rate=rate, seed=seed)

    @rule(seed=st.integers(0, 99))
    def replies_get_lost(self, seed: int) -> None:
        self._model.weather(lost_reply(), rate=0.6, seed=seed)

    @rule()
    def fair_weather(self) -> None:
        self._model.fair_weather()

    @rule()
    def recipient_comes_or_goes(self) -> None:
        model = self._model
        model.inbox.away = not model.inbox.away

    @rule(size=st.sampled_from([5, 10]))
    def other_settings(self, size: int) -> None:
        self._model.page_size = size

    @rule(blow=st.one_of(st.none(), kills))
    def send_while_nobody_answers(self, blow: Blow) -> None:
        model = self._model
        model.inbox.away = True
        model.send(blow)
        model.inbox.away = False

    # The tool.

    @rule(blow=blows, allow_sweep=st.sampled_from([False, False, False, True]))
    def full(self, blow: Blow, allow_sweep: bool) -> None:  # noqa: FBT001 - drawn by name
        self._model.pull("full", blow, allow_sweep=allow_sweep)

    @rule(blow=blows)
    def full_again(self, blow: Blow) -> None:
        self._model.pull("full", blow)

    @rule(blow=blows)
    def recent(self, blow: Blow) -> None:
        self._model.pull("recent", blow)

    @rule(count=st.integers(1, 7), seed=st.integers(0, 99), blow=st.one_of(st.none(), kills))
    def the_far_end_is_new_and_replies_get_lost(self, count: int, seed: int, blow: Blow) -> None:
        model = self._model
        model.add_late(count, days=900)
        model.weather(lost_reply(), rate=0.4, seed=seed)
        model.pull("full", blow)
        model.fair_weather()
        model.pull("full")

    @rule(count=st.integers(6, 30), pages=st.integers(1, 2))
    def many_come_and_a_recent_pull_breaks_off(self, count: int, pages: int) -> None:
        model = self._model
        for _ in range(count):
            model.add(hours=100)
        model.pull("recent", Stop(pages))
        model.pull("recent")

    @rule(at=places)
    def renamed_before_and_after_the_clock_is_set_back(self, at: int) -> None:
        model = self._model
        model.pass_time(HOUR)
        model.rename(at, "first.mp4")
        model.pull()
        model.pass_time(60 - HOUR)
        model.rename(at, "second.mp4")
        model.pull()

    @rule()
    def a_newcomer_gathers_for_more_than_a_day(self) -> None:
        model = self._model
        model.add(hours=200)
        model.pull("recent")
        for _ in range(2):
            model.evaluate()
            model.pass_time(13 * HOUR)
        model.evaluate()

    @rule(at=places, blow=blows, by_prefix=st.booleans())
    def lookup(self, at: int, blow: Blow, by_prefix: bool) -> None:  # noqa: FBT001 - drawn by name
        self._model.lookup(at, blow, by_prefix=by_prefix)

    @rule(blow=st.one_of(st.none(), kills, failures))
    def evaluate(self, blow: Blow) -> None:
        self._model.evaluate(blow)

    @rule(blow=st.one_of(st.none(), kills, failures))
    def send(self, blow: Blow) -> None:
        self._model.send(blow)

    def teardown(self) -> None:
        if self.model is None:
            return
        try:
            # What was broken has been told; the end of a broken history says nothing more.
            if not self.model.broken:
                self.model.finish()
        finally:
            self.model.__exit__()
